//! What `tidegate-sample` parses, under the names that the model uses.

pub use tidegate_sample::{Condition, Expr, LogFormat};
