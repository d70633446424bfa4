//! Requests of HTTP/2 as the rest of the program knows requests: with a `host` field, and one `cookie`.

use std::hash::{BuildHasher, Hasher, RandomState};

use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Uri, request};

use crate::authority::without_usual_port;

/// What became of the head of a request.
pub(crate) struct Asked {
    /// Nobody should read it.
    pub(crate) malformed: bool,
    /// It can be read, and means nothing that a server could answer.
    pub(crate) objection: bool,
    /// The protocol that a CONNECT asks for (RFC 8441). The head has become that of an upgrade of HTTP/1.
    pub(crate) protocol: Option<Box<str>>,
    /// The length of the body that it declares.
    pub(crate) length: Option<u64>,
}

/// Makes of the head of a request what one of HTTP/1 would look like.
pub(crate) fn understand(head: &mut request::Parts) -> Asked {
    let mut malformed = false;
    let protocol = head.extensions.remove::<h2::ext::Protocol>();
    let protocol: Option<Box<str>> = protocol.map(|p| p.as_str().into());
    if let Some(authority) = without_usual_port(&head.uri) {
        let mut parts = std::mem::take(&mut head.uri).into_parts();
        parts.authority = Some(authority);
        head.uri = Uri::from_parts(parts).unwrap_or_default();
    }
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    if authority.is_some_and(|a| a.contains('@')) {
        malformed = true;
    }
    // What is asked for in an upgrade to HTTP/2 is spoken already.
    malformed |= protocol
        .as_deref()
        .is_some_and(|name| name.eq_ignore_ascii_case("h2c"));
    let objection = asks_for_nothing(head);
    if head.headers.get_all(COOKIE).iter().nth(1).is_some() {
        join_cookies(&mut head.headers);
    }
    if let Some(authority) = authority {
        // Whatever a field says beside it means nothing.
        head.headers.remove(HOST);
        match HeaderValue::from_str(authority) {
            Ok(host) => put_first(&mut head.headers, host),
            Err(_) => malformed = true,
        }
    }
    if let Some(protocol) = &protocol {
        malformed |= !upgrade(head, protocol);
    }
    let length = head.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    Asked {
        malformed,
        objection,
        protocol,
        length,
    }
}

/// Whether the method is the first word of HTTP/2's preface, or the path one for OPTIONS alone.
fn asks_for_nothing(head: &request::Parts) -> bool {
    head.method.as_str() == "PRI" || head.uri.path() == "*" && head.method != Method::OPTIONS
}

/// An extended CONNECT is the GET of an upgrade. False if the protocol's name can't be one.
fn upgrade(head: &mut request::Parts, protocol: &str) -> bool {
    let Ok(protocol) = HeaderValue::from_str(protocol) else {
        return false;
    };
    head.method = Method::GET;
    head.headers
        .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if protocol == "websocket" && !head.headers.contains_key(SEC_WEBSOCKET_KEY) {
        // HTTP/2 has no use for it, and a server of HTTP/1 asks for one.
        head.headers.insert(SEC_WEBSOCKET_KEY, websocket_key());
    }
    head.headers.insert(UPGRADE, protocol);
    true
}

/// 16 bytes that nobody else has sent, in base64. They keep caches apart, and keep no secret.
fn websocket_key() -> HeaderValue {
    let random = || RandomState::new().build_hasher().finish().to_ne_bytes();
    let key = BASE64_STANDARD.encode([random(), random()].concat());
    HeaderValue::from_str(&key).unwrap_or_else(|_| HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// HTTP/2 lets a client send each cookie in a field of its own; others want one field.
fn join_cookies(headers: &mut HeaderMap) {
    let mut joined = Vec::new();
    for value in headers.get_all(COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(value.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(COOKIE, joined);
    }
}

fn put_first(headers: &mut HeaderMap, host: HeaderValue) {
    let mut all = HeaderMap::with_capacity(headers.len() + 1);
    all.insert(HOST, host);
    let mut current = None;
    for (name, value) in headers.drain() {
        if name.is_some() {
            current = name;
        }
        if let Some(name) = &current {
            all.append(name.clone(), value);
        }
    }
    *headers = all;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(request: http::request::Builder) -> request::Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_authority_becomes_a_host_field_before_all_others() {
        let mut head = head(
            http::Request::get("https://example.org/a")
                .header("accept", "x")
                .header("accept", "y")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .header("content-length", "12"),
        );
        let asked = understand(&mut head);
        assert!(!asked.malformed);
        assert_eq!(asked.length, Some(12));
        let fields: Vec<_> = head
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
            .collect();
        assert_eq!(
            fields,
            [
                ("host", "example.org"),
                ("accept", "x"),
                ("accept", "y"),
                ("cookie", "a=1; b=2"),
                ("content-length", "12")
            ]
        );
    }

    #[test]
    fn the_authority_stands_for_any_host_field_and_has_no_credentials() {
        let mut with_host = head(http::Request::get("https://a:443/").header("host", "b"));
        assert!(!understand(&mut with_host).malformed);
        let hosts: Vec<_> = with_host
            .headers
            .get_all(HOST)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        assert_eq!(
            (hosts, with_host.uri.to_string()),
            (vec![&b"a"[..]], "https://a/".to_owned())
        );
        assert!(understand(&mut head(http::Request::builder().method("PRI").uri("*"))).objection);
        assert!(!understand(&mut head(http::Request::options("*"))).objection);
        assert!(understand(&mut head(http::Request::get("https://user@a/"))).malformed);
    }

    #[test]
    fn an_extended_connect_is_an_upgrade() {
        let mut head = head(http::Request::connect("https://a/chat"));
        head.extensions
            .insert(h2::ext::Protocol::from_static("websocket"));
        let asked = understand(&mut head);
        assert_eq!(asked.protocol.as_deref(), Some("websocket"));
        assert_eq!(head.method, Method::GET);
        assert_eq!(head.headers.get(UPGRADE).unwrap(), "websocket");
        assert_eq!(head.headers.get(CONNECTION).unwrap(), "upgrade");
        let key = head.headers.get(SEC_WEBSOCKET_KEY).unwrap();
        assert_eq!(BASE64_STANDARD.decode(key).unwrap().len(), 16);
    }
}
