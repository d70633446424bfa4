//! TLS on connections: handshakes, and what is known once they are over. What they are made with comes from
//! `tidegate-tls`.

mod accept;
mod connect;
mod seen;
mod wire;

pub(crate) use accept::{Refused, accept};
pub(crate) use connect::{connect, connect_offering, number as server_error};
pub(crate) use seen::Kept;
pub(crate) use wire::Secure;
