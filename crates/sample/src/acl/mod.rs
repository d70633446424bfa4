//! Conditions: ACLs, and the expressions of ACLs that rules are put under.
//!
//! An [`Acl`] is an expression and the patterns that its value is matched with; several of one name are
//! one ACL that matches if any of them does. A [`Condition`] combines ACLs.

mod call;
mod condition;
mod keyword;
mod line;
mod patterns;
mod predefined;
mod set;
mod version;

pub use call::AclCall;
pub(crate) use call::AclCallError;
pub use condition::{Condition, Polarity};
pub use keyword::{keywords, unserved_keywords};
pub use line::{Acl, Verdict};
pub use set::AclSet;
