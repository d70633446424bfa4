//! HTTP/2 on the wire. The only module that names the h2 crate.
//!
//! Of the libraries that could be here, this is the one without a layer above the frames: a proxy has to see each stream's
//! number, its resets and its informational responses, to end a connection with the reason of its choice, and to hand
//! streams that switched protocols to somebody else, all without `Send`. What h2 does not bound (how often a peer may make
//! it answer) is bounded in front of it, by [`guard`].

mod client;
mod guard;
mod receiving;
mod request;
mod server;
mod translate;
mod tunnel;

use tidegate_sample::head::Headers;
use tidegate_sample::head::names::{CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE};

pub(crate) use client::{ClientConn, ClientStream};
pub(crate) use guard::Meter;
pub(crate) use h2::{Reason, RecvStream};
pub(crate) use receiving::Receiving;
pub(crate) use request::understand;
pub(crate) use server::{Polled, Responder, Sender, ServerConn, Settings, serve};
pub(crate) use tunnel::Duplex;

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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

/// Removes the fields that no message of HTTP/2 may have.
pub(crate) fn forget_http1(headers: &mut Headers) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    headers.remove(UPGRADE);
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
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
