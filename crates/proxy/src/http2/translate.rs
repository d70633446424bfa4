//! Requests as HTTP/2 writes them, made of what they are everywhere else.

use h2::ext::Protocol;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use tidegate_sample::head::names::{CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TE, UPGRADE};
use tidegate_sample::head::{FieldValue, Headers, KnownName, request, response};

use crate::websocket;

/// A request for a server of HTTP/2.
pub(super) struct Translated {
    pub(super) head: http::request::Parts,
    /// It asks for another protocol, as RFC 8441 has it.
    pub(super) upgrade: Option<Upgraded>,
    /// Its stream is to carry bytes both ways.
    pub(super) connects: bool,
}

/// A switch of protocols that was asked for.
pub(super) struct Upgraded {
    protocol: HeaderValue,
    key: Option<HeaderValue>,
}

impl Upgraded {
    /// Makes of the answer to a CONNECT the one that was asked for.
    pub(super) fn answer(&self, head: &mut response::Parts) {
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, &self.protocol);
        if let Some(accept) = self
            .key
            .as_ref()
            .and_then(|key| websocket::accepted(key.as_bytes()))
        {
            head.headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
    }
}

/// Makes of a request what HTTP/2 asks for.
pub(super) fn translate(mut head: request::Parts, encrypted: bool) -> Translated {
    let upgrade = head.headers.get(UPGRADE).map(FieldValue::detached);
    let upgrade = upgrade.filter(|_| asks(&head.headers, CONNECTION, "upgrade"));
    let protocol = upgrade
        .as_ref()
        .and_then(|name| name.to_str().ok())
        .map(Protocol::from);
    let upgrade = upgrade.filter(|_| protocol.is_some()).map(|protocol| {
        head.method = Method::CONNECT;
        let key = head.headers.get(SEC_WEBSOCKET_KEY).map(FieldValue::detached);
        head.headers.remove(SEC_WEBSOCKET_KEY);
        Upgraded { protocol, key }
    });
    let plain_connect = head.method == Method::CONNECT && upgrade.is_none();
    head.uri = target(&head, encrypted, plain_connect).into();
    let trailers = asks(&head.headers, TE, "trailers");
    head.headers.remove(TE);
    if trailers {
        head.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if head.uri.authority().is_some() {
        head.headers.remove(HOST);
    }
    super::forget_http1(&mut head.headers);
    // Without an authority the codec asks for a request of HTTP/1, and adds a scheme by itself.
    head.version = if head.uri.authority().is_some() {
        Version::HTTP_2
    } else {
        Version::HTTP_11
    };
    let mut head = http::request::Parts::from(head);
    if let Some(protocol) = protocol.filter(|_| upgrade.is_some()) {
        head.extensions.insert(protocol);
    }
    Translated {
        connects: plain_connect || upgrade.is_some(),
        head,
        upgrade,
    }
}

/// Whether a field that is a list has this token.
fn asks(headers: &Headers, name: KnownName, token: &str) -> bool {
    let values = headers.get_all(name);
    let mut tokens = values.flat_map(|v| v.as_bytes().split(|b| *b == b','));
    tokens.any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Scheme, authority and path; only the authority of a CONNECT.
fn target(head: &request::Parts, encrypted: bool, plain_connect: bool) -> Uri {
    let host = head.headers.get(HOST).map(FieldValue::as_bytes);
    let named = host.and_then(|h| Authority::try_from(h).ok());
    let mut parts = Parts::default();
    parts.authority = head.uri.authority().cloned().or(named);
    if !plain_connect {
        let own = if encrypted { Scheme::HTTPS } else { Scheme::HTTP };
        parts.scheme = Some(head.uri.scheme().cloned().unwrap_or(own));
        let path = head.uri.path_and_query().cloned();
        parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    if parts.authority.is_none() {
        // A request of HTTP/1.0 may name no host: then there is no authority, and no URI with a scheme either.
        parts.scheme = None;
    }
    Uri::from_parts(parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(request: http::request::Builder) -> request::Parts {
        request.body(()).unwrap().into_parts().0.into()
    }

    #[test]
    fn the_host_field_becomes_the_authority() {
        let request = http::Request::post("/a?b")
            .header("host", "h:81")
            .header("connection", "te, keep-alive")
            .header("keep-alive", "5")
            .header("te", "gzip, Trailers");
        let done = translate(head(request), false);
        assert_eq!(done.head.uri, "http://h:81/a?b");
        assert!(!done.connects && done.upgrade.is_none());
        let fields: Vec<_> = done
            .head
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
            .collect();
        assert_eq!(fields, [("te", "trailers")]);
    }

    #[test]
    fn connect_has_an_authority_and_nothing_else() {
        let done = translate(
            head(http::Request::connect("far:443").header("host", "far:443")),
            true,
        );
        assert_eq!(
            (
                done.head.uri.authority().unwrap().as_str(),
                done.head.uri.scheme()
            ),
            ("far:443", None)
        );
        assert!(done.connects);
    }

    #[test]
    fn an_upgrade_becomes_a_connect_and_its_answer_is_as_asked() {
        let request = http::Request::get("/chat")
            .header("host", "h")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let done = translate(head(request), false);
        assert_eq!(done.head.method, Method::CONNECT);
        assert_eq!(
            done.head.extensions.get::<Protocol>().unwrap().as_str(),
            "websocket"
        );
        assert!(done.head.headers.is_empty(), "{:?}", done.head.headers);
        let mut answer = response::Parts::default();
        done.upgrade.unwrap().answer(&mut answer);
        assert_eq!(answer.status, 101);
        // The example of RFC 6455.
        let accept = answer.headers.get(SEC_WEBSOCKET_ACCEPT).unwrap();
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_request_without_a_host_has_a_path_alone() {
        assert_eq!(translate(head(http::Request::get("/a")), false).head.uri, "/a");
    }
}
