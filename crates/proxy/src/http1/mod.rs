//! HTTP/1 on the wire. The only module that names hyper, so that the codec can be replaced.
//!
//! Connections are not tasks of their own: the session that owns one drives it, so that a request and its response cost
//! no wake-up between tasks.

mod body;
mod client;
mod rewound;
mod server;
pub(crate) mod unread;

pub use crate::body::MessageBody;
pub(crate) use body::Receiving;
pub(crate) use client::ClientConn;
pub use hyper::ext::ReasonPhrase;
pub(crate) use server::{End, Fragment, ServerConn, ServerOptions, serve};
