//! HTTP/1 on the wire.
//!
//! Connections are not tasks of their own: the session that owns one polls it, so that a request and its response cost no
//! wake-up between tasks. What is read is read by whoever waits for it, be it a head or a body (`wire`); what is written
//! leaves with as few calls as can be (`write`). A connection that has nothing to do holds no buffer.

mod body;
mod case;
mod chunks;
mod client;
mod framing;
mod head;
pub mod hearing;
mod mended;
mod server;
mod wire;
mod write;

pub use crate::body::MessageBody;
pub(crate) use body::Receiving;
pub use case::HeaderCase;
pub(crate) use client::ClientConn;
pub(crate) use head::{HeadLimits, Peeked, RequestHead, peek};
pub(crate) use server::{Next, ServerConn, ServerOptions};
pub use tidegate_sample::head::{InvalidReason, ReasonPhrase};
pub(crate) use wire::poll_piece;
