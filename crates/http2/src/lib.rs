//! HTTP/2 (RFC 9113) as bytes that come and go, without I/O and without a runtime.
//!
//! A [`Connection`] is one end of a connection, be it the client's or the server's. What was received is put into its buffer and read there:
//! requests come out, and everything else (bodies, responses, resets, room) reaches whoever waits for it on its stream. What is
//! sent, and what the protocol asks to be answered, gathers as bytes that are written in as few calls as can be.
//!
//! Heads are read straight into those that rules and scripts see ([`tidegate_sample::head`]), in the order in which their fields
//! came. What makes a message malformed ends its stream; what makes the connection useless, or costs more than it brings,
//! ends the connection.
//!
//! [`hpack`] is how heads are written (RFC 7541).

mod budget;
mod connection;
mod frame;
mod head;
pub mod hpack;
mod output;
mod reason;
mod settings;
mod streams;

pub use connection::{Asked, Connection, Outcome, PREFACE, Received};
pub use head::{Outgoing, Request};
pub use reason::Reason;
pub use settings::{Role, Settings};
pub use streams::{Broken, Key};
