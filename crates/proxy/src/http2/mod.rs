//! HTTP/2 on the wire.
//!
//! What the protocol is is said in the crate `tidegate-http2`, which knows bytes and no sockets. Here its connections are read and
//! written: a client's by the session that owns it, a server's by a task of its own, since several sessions share it. All streams
//! of a connection live on its thread; whoever holds a part in one holds the connection's state with it, and no task is made for it.

mod client;
mod core;
mod pulse;
mod receiving;
mod request;
mod server;
mod tunnel;
mod upgrade;
mod wire;

pub(crate) use client::{ClientConn, ClientStream};
pub(crate) use core::{Core, Part, from_clients, to_servers};
pub(crate) use pulse::Pulse;
pub(crate) use receiving::Receiving;
pub(crate) use request::upgraded;
pub(crate) use server::{Polled, Responder, Sender, ServerConn};
pub(crate) use tidegate_http2::{Outcome, Reason, Request};
pub(crate) use tunnel::Duplex;

use tidegate_http2::PREFACE;

/// Whether these first bytes of a connection are (the beginning of) those of HTTP/2, and of nothing else.
pub(crate) fn is_preface(bytes: &[u8]) -> bool {
    let distinct = b"PRI * HTTP/2".len();
    let common = bytes.len().min(PREFACE.len());
    common >= distinct && bytes.get(..common) == PREFACE.get(..common)
}

/// Whether these first bytes of a connection may be the beginning of those of HTTP/2.
pub(crate) fn may_be_preface(bytes: &[u8]) -> bool {
    let common = bytes.len().min(PREFACE.len());
    common > 0 && bytes.get(..common) == PREFACE.get(..common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_preface_is_taken_for_one() {
        assert!(is_preface(PREFACE));
        assert!(is_preface(b"PRI * HTTP/2.0\r\n"));
        assert!(is_preface(&[PREFACE, b"more"].concat()));
        for other in [
            &b"PRI * HTTP/1.1\r\n\r\n"[..],
            b"PRI",
            b"",
            b"GET / HTTP/2.0\r\n\r\n",
        ] {
            assert!(!is_preface(other), "{other:?}");
        }
    }
}
