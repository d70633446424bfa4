//! Heads and trailers as they leave.

use http::{HeaderMap, Method};
use tidegate_sample::head::names::{HOST, SEC_WEBSOCKET_KEY, TE};
use tidegate_sample::head::{AsName, Headers, request, response};

use super::is_of_http1;
use crate::hpack::{Block, Pseudo};

/// A request as it is to be sent: its fields are those of HTTP/1, and what has no place here is left out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'r> {
    /// The head.
    pub head: &'r request::Parts,
    /// The protocol that an extended CONNECT asks for (RFC 8441); its method is that of the upgrade.
    pub protocol: Option<&'r [u8]>,
    /// Whether the connection is encrypted, which tells the scheme of a target that has none.
    pub encrypted: bool,
}

/// Writes the head of a request.
pub(crate) fn request(block: &mut Block<'_>, outgoing: Outgoing<'_>) {
    let Outgoing {
        head,
        protocol,
        encrypted,
    } = outgoing;
    let connects = protocol.is_none() && head.method == Method::CONNECT;
    match protocol {
        Some(_) => block.pseudo(Pseudo::Method, b"CONNECT"),
        None => block.pseudo(Pseudo::Method, head.method.as_str().as_bytes()),
    }
    if !connects {
        let own = if encrypted { "https" } else { "http" };
        let scheme = head.uri.scheme_str().unwrap_or(own);
        block.pseudo(Pseudo::Scheme, scheme.as_bytes());
    }
    let host = head.headers.get(HOST).map(|host| host.as_bytes());
    let named = host.filter(|host| http::uri::Authority::try_from(*host).is_ok());
    let of_target = head
        .uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let authority = of_target.or(named);
    if let Some(authority) = authority {
        block.pseudo(Pseudo::Authority, authority);
    }
    if !connects {
        let path = head.uri.whole_path();
        let path = if path.is_empty() { "/" } else { &path };
        block.pseudo(Pseudo::Path, path.as_bytes());
    }
    if let Some(protocol) = protocol {
        block.pseudo(Pseudo::Protocol, protocol);
    }
    for (name, value) in head.headers.iter() {
        let unwanted = is_of_http1(name)
            || name == TE
            || name == HOST && authority.is_some()
            || name == SEC_WEBSOCKET_KEY && protocol.is_some();
        if !unwanted {
            block.field(name, value.as_bytes());
        }
    }
    if asks_for_trailers(&head.headers) {
        block.field(TE.as_name(), b"trailers");
    }
}

fn asks_for_trailers(headers: &Headers) -> bool {
    let values = headers.get_all(TE);
    let mut tokens = values.flat_map(|v| v.as_bytes().split(|b| *b == b','));
    tokens.any(|t| t.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Writes the head of a response.
pub(crate) fn response(block: &mut Block<'_>, head: &response::Parts) {
    block.pseudo(Pseudo::Status, head.status.as_str().as_bytes());
    for (name, value) in head.headers.iter() {
        if !is_of_http1(name) {
            block.field(name, value.as_bytes());
        }
    }
}

/// Writes trailers.
pub(crate) fn trailers(block: &mut Block<'_>, trailers: &HeaderMap) {
    for (name, value) in trailers {
        if !is_of_http1(name.as_name()) {
            block.field(name.as_name(), value.as_bytes());
        }
    }
}
