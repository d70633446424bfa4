//! Rules: what is done with a connection or a message, and when.

mod edit;
mod eval;
mod prepared;
mod respond;
mod spec;

pub(crate) use eval::{Next, Setting, Verdict, evaluate};
pub(crate) use prepared::{Prepared, PreparedRules};
pub use spec::{
    Condition, HeaderEdit, HeaderMatch, ListChange, OnFailure, Redirect, RedirectTo, ReplySpec, Rule,
    RuleAction, RuleSet, Text, UseBackend,
};
