//! What `tidegate-sample` parses, under the names that the model uses.

pub use tidegate_sample::{Amount, Condition, Expr, LogFormat};
