//! HTTP in a check: a request's bytes, and what is understood of a response.
//!
//! A check asks once per connection and needs no more than a head and the first of a body.

use bytes::{Buf, Bytes};
use http::{HeaderName, Method, StatusCode, Version};
use tidegate_http1::{HeadLimits, Incoming, Reading, ResponseHead, Step};
use tidegate_sample::head::{Headers, names};

/// How much is received of a response is limited by whoever receives it.
const LIMITS: HeadLimits = HeadLimits {
    bytes_max: usize::MAX,
    fields_max: 128,
    lenient: false,
    keep_insecure: false,
};

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

/// A request's bytes. `connection: close` is added where that doesn't go without saying, unless a header says what becomes of
/// the connection.
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
    if let Some(body) = body {
        field(&mut bytes, "content-length", body.len().to_string().as_bytes());
    }
    let is_said = headers.iter().any(|(name, _)| *name == names::CONNECTION);
    if version != Version::HTTP_10 && !is_said {
        field(&mut bytes, "connection", b"close");
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
    let mut rest = Bytes::copy_from_slice(bytes);
    loop {
        match tidegate_http1::response(&rest, LIMITS, to) {
            Reading::Head(head, used) => {
                rest.advance(used);
                let status = head.parts.status;
                if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                    return whole(head, rest, ended).map(Some);
                }
            }
            Reading::Mended(mended) => rest = mended,
            Reading::Partial if !ended => return Ok(None),
            Reading::Partial | Reading::TooLarge | Reading::Unreadable(_) => return Err(Malformed),
        }
    }
}

/// A response with what is there of its body.
fn whole(head: ResponseHead, mut rest: Bytes, ended: bool) -> Result<Response, Malformed> {
    let ResponseHead { parts, framing, .. } = head;
    let mut incoming = Incoming::new(framing, LIMITS);
    let mut body = Vec::new();
    let complete = loop {
        match incoming.step(&mut rest, false) {
            Step::Piece(piece) => body.extend_from_slice(&piece),
            Step::Trailers(_) => {}
            Step::End => break true,
            // One that ends too early is looked at all the same.
            Step::More => break ended,
            Step::Bad(_) => return Err(Malformed),
        }
    };
    let reason = match &parts.reason {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => parts.status.canonical_reason().unwrap_or_default().to_owned(),
    };
    Ok(Response {
        status: parts.status,
        reason,
        version: parts.version,
        headers: parts.headers,
        body,
        complete,
    })
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
        assert_eq!(text(&bytes), "OPTIONS / HTTP/1.0\r\n\r\n");
        let bytes = request(&Method::GET, b"/", Version::HTTP_11, &[], None);
        assert_eq!(text(&bytes), "GET / HTTP/1.1\r\nconnection: close\r\n\r\n");
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
