//! Heads of messages: what comes before a body, as rules, scripts and codecs see and change it.
//!
//! A head of HTTP/1 is kept as it was received: [`Headers`] is a list of places in those bytes, in the order in which the
//! fields came. What is changed is written behind it. Names that are [well known](names) are numbers, so that looking for one
//! compares a byte for each field.

pub mod names;
pub mod request;
pub mod response;

mod field;
mod headers;
mod port;
mod reason;
mod target;

pub use field::{AsName, FieldName, FieldValue, IsName, IsValue, SoughtName};
pub use headers::{Change, Headers};
pub use names::KnownName;
pub use port::{usual_port, without_user, without_usual_port};
pub use response::{InvalidReason, ReasonPhrase};
pub use target::{InvalidTarget, Target};
