//! Connections of HTTP/1: the codec (`tidegate_http1`) with its sockets.
//!
//! Connections are not tasks of their own: the session that owns one polls it, so that a request and its response cost no
//! wake-up between tasks. What is read is read by whoever waits for it, be it a head or a body (`wire`); what is written
//! leaves with as few calls as can be (`outflow`), and what is long and need not be seen isn't read at all (`bypass`). A connection that has nothing to do holds no buffer.

mod body;
mod bypass;
mod client;
pub mod hearing;
mod outflow;
mod server;
mod wire;

pub use crate::body::MessageBody;
pub(crate) use body::Receiving;
pub(crate) use bypass::Unseen;
pub(crate) use client::ClientConn;
pub(crate) use server::{Next, ServerConn, ServerOptions};
pub use tidegate_http1::HeaderCase;
pub(crate) use tidegate_http1::{Peeked, RequestHead, peek};
pub use tidegate_sample::head::{InvalidReason, ReasonPhrase};
pub(crate) use wire::poll_piece;
