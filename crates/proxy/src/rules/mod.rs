//! Rules: what is done with a connection or a message, and when.

mod edit;
mod eval;
mod normalize;
pub(crate) mod pages;
mod prepared;
mod respond;
mod spec;
mod target;
mod tune;

pub use edit::{HeaderEdit, HeaderMatch, NameMatch};
pub(crate) use eval::{BodyWait, Ground, Halted, Next, Setting, Verdict, begin, evaluate, go_on};
pub use normalize::Normalizer;
pub use pages::{ErrorPage, ErrorPages, FilePage, ReplyContent};
pub(crate) use prepared::{Prepared, PreparedRules};
pub use spec::{
    BackendChoice, Condition, ListChange, OnFailure, Redirect, RedirectTo, ReplySpec, Rule, RuleAction,
    RuleSet, Text, UseBackend,
};
pub use target::{TargetEdit, TargetPart};
pub use tune::{TimeoutKind, Tuning};
