//! Header fields that concern one connection and not the message, and requests that nobody should read.

use http::HeaderValue;
use tidegate_sample::head::names::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use tidegate_sample::head::{Change, FieldValue, Headers, request};

use crate::txn::Txn;
use crate::websocket;

/// Takes `h2c` out of the protocols that a client would switch to: nobody makes a tunnel of HTTP/2 here.
pub(crate) fn forget_h2c(headers: &mut Headers) {
    let is_h2c = |token: &[u8]| token.eq_ignore_ascii_case(b"h2c");
    if headers.contains(UPGRADE) && headers.get_all(UPGRADE).flat_map(tokens).any(is_h2c) {
        headers.remove(UPGRADE);
    }
}

/// Removes what the codec decides for each side by itself: the framing, and whether a connection is kept. True if it was not to be.
pub(crate) fn forget_connection(headers: &mut Headers) -> bool {
    if headers.remove(TRANSFER_ENCODING) {
        // The body was framed by its chunks; a length beside them means nothing, or harm.
        headers.remove(CONTENT_LENGTH);
    }
    forget_persistence(headers)
}

/// Removes the tokens `close` and `keep-alive`. Others of `connection`, and the fields that they name, pass through, as in HAProxy.
/// True if there was a `close`.
pub(crate) fn forget_persistence(headers: &mut Headers) -> bool {
    let mut closes = false;
    headers.change(CONNECTION, |value| {
        let is_close = |token: &[u8]| token.eq_ignore_ascii_case(b"close");
        let is_kept = |token: &&[u8]| !is_close(token) && !token.eq_ignore_ascii_case(b"keep-alive");
        closes |= tokens(value).any(is_close);
        if tokens(value).all(|token| is_kept(&token)) {
            return Change::Keep;
        }
        let kept: Vec<&[u8]> = tokens(value).filter(is_kept).collect();
        match HeaderValue::from_bytes(&kept.join(&b","[..])) {
            Ok(kept) if !kept.is_empty() => Change::To(kept),
            _ => Change::Remove,
        }
    });
    closes
}

/// Whether the message asks to switch protocols.
pub(crate) fn wants_upgrade(headers: &Headers) -> bool {
    headers.contains(UPGRADE)
        && headers
            .get_all(CONNECTION)
            .flat_map(tokens)
            .any(|t| t.eq_ignore_ascii_case(b"upgrade"))
}

/// Whether a transaction's client asks for a WebSocket.
pub(crate) fn wants_websocket(txn: &Txn) -> bool {
    txn.request_head()
        .is_some_and(|head| wants_upgrade(&head.headers) && websocket::is_asked_for(&head.headers))
}

/// Says that the connection ends with this message; not of one that makes something else of its connection.
pub(crate) fn announce_close(headers: &mut Headers) {
    if !wants_upgrade(headers) {
        headers.append(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Leaves of `te` what a message may say that passes through here: trailers do.
pub(crate) fn only_trailers(headers: &mut Headers) {
    if !headers.contains(TE) {
        return;
    }
    let trailers = headers
        .get_all(TE)
        .flat_map(tokens)
        .any(|token| token.eq_ignore_ascii_case(b"trailers"));
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
}

/// Leaves one of several `host` fields that say the same.
pub(crate) fn one_host(headers: &mut Headers) {
    if headers.get_all(HOST).nth(1).is_some() {
        let mut hosts = 0;
        headers.retain(|name, _| {
            hosts += usize::from(name == HOST);
            name != HOST || hosts == 1
        });
    }
}

/// Whether several `host` fields contradict each other.
pub(crate) fn hosts_contradict(head: &request::Parts) -> bool {
    let mut hosts = head.headers.get_all(HOST);
    let Some(first) = hosts.next() else { return false };
    hosts.any(|other| !other.as_bytes().eq_ignore_ascii_case(first.as_bytes()))
}

fn tokens(value: FieldValue<'_>) -> impl Iterator<Item = &[u8]> {
    value
        .as_bytes()
        .split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_the_connection_is_removed() {
        let mut headers = Headers::new();
        headers.append(CONNECTION, HeaderValue::from_static("Keep-Alive, foo"));
        headers.append(CONNECTION, HeaderValue::from_static("close,Upgrade"));
        headers.append(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.append("keep-alive", HeaderValue::from_static("300"));
        forget_connection(&mut headers);
        let kept: Vec<_> = headers.get_all(CONNECTION).map(|v| v.as_bytes()).collect();
        assert_eq!(kept, [b"foo".as_slice(), b"Upgrade"]);
        assert!(!headers.contains(TRANSFER_ENCODING));
        assert!(headers.contains("keep-alive"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        forget_connection(&mut headers);
        assert!(!headers.contains(CONNECTION));
    }

    #[test]
    fn a_close_is_announced_beside_what_is_said_already_but_not_beside_an_upgrade() {
        let mut headers = Headers::new();
        headers.append(CONNECTION, HeaderValue::from_static("x"));
        announce_close(&mut headers);
        let said: Vec<_> = headers
            .get_all(CONNECTION)
            .map(|value| value.as_bytes().to_vec())
            .collect();
        assert_eq!(said, [b"x".to_vec(), b"close".to_vec()]);
        let mut headers = Headers::new();
        headers.append(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.append(UPGRADE, HeaderValue::from_static("websocket"));
        announce_close(&mut headers);
        assert_eq!(headers.get_all(CONNECTION).count(), 1);
    }

    #[test]
    fn nothing_but_trailers_is_accepted_by_who_passes_messages_on() {
        for (said, left) in [("gzip;q=1, trailers", Some("trailers")), ("gzip", None)] {
            let mut headers = Headers::new();
            headers.append(TE, HeaderValue::from_static(said));
            only_trailers(&mut headers);
            assert_eq!(
                headers.get(TE).map(|value| value.as_bytes().to_vec()),
                left.map(|l| l.as_bytes().to_vec())
            );
        }
    }

    #[test]
    fn hosts_that_contradict_each_other_are_noticed() {
        let contradict = |target: &str, hosts: &[&str]| {
            let mut request = http::Request::get(target);
            for host in hosts {
                request = request.header("host", *host);
            }
            hosts_contradict(&request.body(()).unwrap().into_parts().0.into())
        };
        assert!(!contradict("/", &["a", "A"]));
        assert!(contradict("/", &["a", "b"]));
    }
}
