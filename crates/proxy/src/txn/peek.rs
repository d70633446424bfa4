//! Requests of HTTP that clients in TCP mode begin with, for conditions that ask for them.

use bytes::Bytes;

use super::{Phase, Txn};
use crate::http1::{Peeked, peek};
use crate::http2::may_be_preface;

impl Txn {
    /// Reads the request that a client of TCP has begun with, if it is asked for while that is looked at.
    pub(super) fn peek_request(&self) {
        if self.phase.get() != Phase::Content || self.request.borrow().is_some() {
            return;
        }
        let bytes = Bytes::copy_from_slice(&self.request_channel().input());
        if may_be_preface(&bytes) {
            return;
        }
        match peek(bytes, self.buffer_bytes) {
            Peeked::Request(head) => *self.request.borrow_mut() = Some(*head),
            Peeked::Partial => {}
            Peeked::Nothing => self.unreadable.set(true),
        }
    }

    /// What is read next may be another request: it is asked for anew.
    pub(crate) fn forget_peeked(&self) {
        self.request.take();
        self.unreadable.set(false);
    }
}

#[cfg(test)]
mod tests {
    use tidegate_sample::{Expr, Place, Scope, Session, Value};

    use super::*;

    fn sampled(input: &[u8], fetch: &str) -> (Option<Value>, bool) {
        let txn = Txn::detached().input(input).build();
        let value = Expr::parse(fetch, &Scope::new(Place::FrontendTcpContent))
            .unwrap()
            .eval(&*txn);
        (value, txn.may_change())
    }

    #[test]
    fn requests_are_found_in_what_a_client_of_tcp_sends() {
        let whole = b"GET /a?b HTTP/1.1\r\nhost: h\r\n\r\nrest";
        assert_eq!(sampled(whole, "path").0, Some(Value::str("/a")));
        assert_eq!(sampled(whole, "req.hdr(host)").0, Some(Value::str("h")));
        assert_eq!(sampled(whole, "req.proto_http").0, Some(Value::Bool(true)));
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        assert_eq!(sampled(preface, "req.proto_http").0, Some(Value::Bool(true)));
        assert_eq!(sampled(preface, "path").0, None);
        for part in [&b""[..], b"GET", b"GET / HTTP/1.1\r\nhost: h\r\n", b"PRI * HT"] {
            assert_eq!(sampled(part, "req.proto_http"), (None, true), "{part:?}");
        }
        assert_eq!(
            sampled(b"\x16\x03\x01", "req.proto_http").0,
            Some(Value::Bool(false))
        );
        assert_eq!(sampled(b"\x16\x03\x01", "path"), (None, false));
    }
}
