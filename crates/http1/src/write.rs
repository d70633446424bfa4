//! Heads, and the framing of bodies, written.

use http::StatusCode;
use tidegate_sample::head::{AsName, Headers, Target, request, response};

use super::case::HeaderCase;

/// How a body leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// There is none.
    Nothing,
    /// So many bytes are still to be written.
    Length(u64),
    /// In chunks.
    Chunked,
    /// To the end of the connection.
    UntilEnd,
}

/// Writes the first line of a request. One with chunks is of HTTP/1.1 in any case.
pub fn request_line(out: &mut Vec<u8>, head: &request::Parts, leaving: Leaving) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    target(out, &head.uri);
    out.extend_from_slice(match (head.version, leaving) {
        (http::Version::HTTP_10, Leaving::Nothing | Leaving::Length(_)) => b" HTTP/1.0\r\n",
        _ => b" HTTP/1.1\r\n",
    });
}

fn target(out: &mut Vec<u8>, uri: &Target) {
    if let Some(scheme) = uri.scheme_str() {
        out.extend_from_slice(scheme.as_bytes());
        out.extend_from_slice(b"://");
    }
    if let Some(authority) = uri.authority() {
        out.extend_from_slice(authority.as_str().as_bytes());
        if uri.scheme().is_none() {
            return;
        }
    }
    match uri.path_and_query() {
        Some(_) => out.extend_from_slice(uri.whole_path().as_bytes()),
        None => out.push(b'/'),
    }
}

/// Writes the first line of a response.
pub fn status_line(out: &mut Vec<u8>, head: &response::Parts) {
    let old = head.version == http::Version::HTTP_10;
    if head.status == StatusCode::OK && head.reason.is_none() && !old {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(if old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    match &head.reason {
        Some(reason) => out.extend_from_slice(reason.as_bytes()),
        None => out.extend_from_slice(head.status.canonical_reason().unwrap_or("Unknown").as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes fields, one a line.
pub fn fields(out: &mut Vec<u8>, headers: &Headers, case: Option<&HeaderCase>) {
    for (name, value) in headers.iter() {
        field(out, name, value.as_bytes(), case);
    }
}

/// Writes a field.
pub fn field(out: &mut Vec<u8>, name: impl AsName, value: &[u8], case: Option<&HeaderCase>) {
    let name = name.as_name();
    let name = case.and_then(|case| case.of(name)).unwrap_or(name.as_bytes());
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// What a body in chunks ends with, before its trailers and an empty line.
pub const LAST_CHUNK: &[u8] = b"0\r\n";

/// Writes the line before a chunk that has so many bytes, which is at least one. An empty line comes after them.
pub fn chunk_size(out: &mut Vec<u8>, length: usize) {
    number(out, length as u64, 16);
    out.extend_from_slice(b"\r\n");
}

/// Writes a number.
pub fn number(out: &mut Vec<u8>, mut number: u64, base: u64) {
    let from = out.len();
    loop {
        let digit = (number % base) as u8;
        out.push(if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        });
        number /= base;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(from..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_as_they_should_be() {
        let line = |request: http::request::Builder| {
            let mut out = Vec::new();
            request_line(
                &mut out,
                &request.body(()).unwrap().into_parts().0.into(),
                Leaving::Nothing,
            );
            String::from_utf8(out).unwrap()
        };
        assert_eq!(line(http::Request::get("/a?b")), "GET /a?b HTTP/1.1\r\n");
        assert_eq!(
            line(http::Request::get("http://h:1/a")),
            "GET http://h:1/a HTTP/1.1\r\n"
        );
        assert_eq!(line(http::Request::options("*")), "OPTIONS * HTTP/1.1\r\n");
        assert_eq!(line(http::Request::connect("h:1")), "CONNECT h:1 HTTP/1.1\r\n");
        let mut head = response::Parts::default();
        let status = |head: &response::Parts| {
            let mut out = Vec::new();
            status_line(&mut out, head);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(status(&head), "HTTP/1.1 200 OK\r\n");
        head.status = StatusCode::NOT_FOUND;
        assert_eq!(status(&head), "HTTP/1.1 404 Not Found\r\n");
        head.reason = Some(b"Gone fishing"[..].try_into().unwrap());
        assert_eq!(status(&head), "HTTP/1.1 404 Gone fishing\r\n");
        head.version = http::Version::HTTP_10;
        assert_eq!(status(&head), "HTTP/1.0 404 Gone fishing\r\n");
    }
}
