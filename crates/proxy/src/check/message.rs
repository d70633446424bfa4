//! HTTP in a check: a request's bytes, and what is understood of a response.
//!
//! A check asks once per connection and needs no more than a head and the first of a body, so that it can be both strict
//! and simple.

use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use tidegate_sample::head::{Headers, names};

/// Most headers of a response.
const HEADERS_MAX: usize = 128;

/// A response, as far as it has come.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    pub(super) version: Version,
    pub(super) headers: Headers,
    /// What has come of the body, its transfer coding taken away.
    pub(super) body: Vec<u8>,
    /// Whether that is all.
    pub(super) complete: bool,
}

/// What came isn't HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A request's bytes. `connection: close` is added, unless a header says what becomes of the connection.
pub(super) fn request(
    method: &Method,
    uri: &[u8],
    version: Version,
    headers: &[(HeaderName, Vec<u8>)],
    body: Option<&[u8]>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(method.as_str().as_bytes());
    bytes.push(b' ');
    bytes.extend(
        uri.iter()
            .filter(|byte| !byte.is_ascii_control() && **byte != b' '),
    );
    bytes.extend_from_slice(if version == Version::HTTP_10 {
        b" HTTP/1.0\r\n"
    } else {
        b" HTTP/1.1\r\n"
    });
    for (name, value) in headers {
        let ours = *name == names::CONTENT_LENGTH || *name == names::TRANSFER_ENCODING;
        if !ours {
            field(&mut bytes, name.as_str(), value);
        }
    }
    if !headers.iter().any(|(name, _)| *name == names::CONNECTION) {
        field(&mut bytes, "connection", b"close");
    }
    if let Some(body) = body {
        field(&mut bytes, "content-length", body.len().to_string().as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

fn field(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    // A value that was computed can't begin another line.
    bytes.extend(value.iter().map(|byte| {
        if matches!(byte, b'\r' | b'\n' | 0) {
            b' '
        } else {
            *byte
        }
    }));
    bytes.extend_from_slice(b"\r\n");
}

/// Reads a response that began with `bytes`, of which no more will come if `ended`. `None` while its head is not whole.
/// Interim responses are passed over.
pub(super) fn response(bytes: &[u8], ended: bool, to: &Method) -> Result<Option<Response>, Malformed> {
    let mut rest = bytes;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut fields);
        let used = match parsed.parse(rest) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) if ended => return Err(Malformed),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed),
        };
        rest = rest.get(used..).unwrap_or_default();
        let status = parsed
            .code
            .and_then(|code| StatusCode::from_u16(code).ok())
            .ok_or(Malformed)?;
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        let headers = headers(parsed.headers)?;
        let (body, complete) = body(rest, ended, status, &headers, to)?;
        return Ok(Some(Response {
            status,
            reason: parsed.reason.unwrap_or_default().to_owned(),
            version: if parsed.version == Some(0) {
                Version::HTTP_10
            } else {
                Version::HTTP_11
            },
            headers,
            body,
            complete,
        }));
    }
}

fn headers(fields: &[httparse::Header<'_>]) -> Result<Headers, Malformed> {
    let mut headers = Headers::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// What is there of the body, and whether that is all.
fn body(
    rest: &[u8],
    ended: bool,
    status: StatusCode,
    headers: &Headers,
    to: &Method,
) -> Result<(Vec<u8>, bool), Malformed> {
    let none = *to == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if none {
        return Ok((Vec::new(), true));
    }
    let is_chunked = headers
        .get_all(names::TRANSFER_ENCODING)
        .any(|value| value.as_bytes().to_ascii_lowercase().ends_with(b"chunked"));
    if is_chunked {
        return chunks(rest).map(|(body, whole)| (body, whole || ended));
    }
    let length = match headers.get(names::CONTENT_LENGTH) {
        Some(length) => {
            let digits = length.to_str().map_err(|_| Malformed)?.trim();
            Some(digits.parse::<usize>().map_err(|_| Malformed)?)
        }
        None => None,
    };
    let body = match length {
        Some(length) => rest.get(..length).unwrap_or(rest),
        None => rest,
    };
    Ok((body.to_vec(), ended || length == Some(body.len())))
}

/// The content of chunks, and whether the last one is there.
fn chunks(mut rest: &[u8]) -> Result<(Vec<u8>, bool), Malformed> {
    let mut body = Vec::new();
    loop {
        let (used, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok((body, false)),
            Err(_) => return Err(Malformed),
        };
        rest = rest.get(used..).unwrap_or_default();
        if size == 0 {
            return Ok((body, true));
        }
        let size = usize::try_from(size).map_err(|_| Malformed)?;
        let Some(chunk) = rest.get(..size) else {
            body.extend_from_slice(rest);
            return Ok((body, false));
        };
        body.extend_from_slice(chunk);
        rest = match rest.get(size..).unwrap_or_default() {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Ok((body, false)),
            _ => return Err(Malformed),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn get(bytes: &[u8], ended: bool) -> Result<Option<Response>, Malformed> {
        response(bytes, ended, &Method::GET)
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_request_says_that_it_is_the_only_one() {
        let bytes = request(&Method::OPTIONS, b"/", Version::HTTP_10, &[], None);
        assert_eq!(text(&bytes), "OPTIONS / HTTP/1.0\r\nconnection: close\r\n\r\n");
    }

    #[test]
    fn the_headers_of_the_body_are_made_here() {
        let headers = [
            (http::header::HOST, b"www".to_vec()),
            (http::header::CONTENT_LENGTH, b"99".to_vec()),
            (http::header::CONNECTION, b"keep-alive".to_vec()),
        ];
        let bytes = request(&Method::POST, b"/a?b", Version::HTTP_11, &headers, Some(b"hi"));
        let wanted =
            "POST /a?b HTTP/1.1\r\nhost: www\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi";
        assert_eq!(text(&bytes), wanted);
    }

    #[test]
    fn what_was_computed_can_not_begin_another_line() {
        let headers = [(http::header::HOST, b"a\r\nx: y".to_vec())];
        let bytes = request(&Method::GET, b"/a b\r\n", Version::HTTP_11, &headers, None);
        assert_eq!(
            text(&bytes),
            "GET /ab HTTP/1.1\r\nhost: a  x: y\r\nconnection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_body_ends_with_its_length_its_last_chunk_or_the_connection() {
        let complete = |bytes: &[u8], ended| {
            let response = get(bytes, ended).unwrap().unwrap();
            (text(&response.body), response.complete)
        };
        let sized = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcd";
        assert_eq!(complete(sized, false), ("abc".to_owned(), true));
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n";
        assert_eq!(complete(chunked, false), ("abc".to_owned(), true));
        assert_eq!(
            complete(&chunked[..chunked.len() - 5], false),
            ("abc".to_owned(), false)
        );
        assert_eq!(
            complete(b"HTTP/1.0 200 OK\r\n\r\nabc", false),
            ("abc".to_owned(), false)
        );
        assert_eq!(
            complete(b"HTTP/1.0 200 OK\r\n\r\nabc", true),
            ("abc".to_owned(), true)
        );
        assert_eq!(complete(b"HTTP/1.1 204 No\r\n\r\n", false), (String::new(), true));
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let bytes = b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 503 Full House\r\n\r\n";
        let response = get(bytes, true).unwrap().unwrap();
        assert_eq!((response.status.as_u16(), &*response.reason), (503, "Full House"));
    }

    #[test]
    fn what_is_no_response_is_told_from_one_that_is_not_whole() {
        assert!(get(b"HTTP/1.1 200 OK\r\nhos", false).unwrap().is_none());
        assert!(get(b"HTTP/1.1 200 OK\r\nhos", true).is_err());
        assert!(get(b"junk\r\n\r\n", false).is_err());
        assert!(get(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", false).is_err());
        assert!(
            get(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                false
            )
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn no_response_is_too_strange(
            head in "(HTTP/1\\.[01] [0-9]{3} [a-z]*\r\n(transfer-encoding: chunked\r\n|content-length: [0-9]{1,3}\r\n)?\r\n)?",
            tail in proptest::collection::vec(any::<u8>(), 0..60),
            ended: bool,
        ) {
            let mut bytes = head.into_bytes();
            bytes.extend(tail);
            let _ = get(&bytes, ended);
        }
    }
}
