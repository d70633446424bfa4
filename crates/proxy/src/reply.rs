//! Replies that the proxy gives by itself: what `return`, `deny`, `redirect` and `txn:done()` send.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use tidegate_sample::head::{Headers, names, response};

use crate::http1::ReasonPhrase;

/// A complete HTTP response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status, final ones only (200 to 599).
    pub status: StatusCode,
    /// The reason phrase, if not the usual one.
    pub reason: Option<Bytes>,
    /// The header fields. `content-length` is set by the session from `body`.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// True if the client's connection is closed after it.
    pub close: bool,
    /// Nothing is sent: the connection is closed instead.
    pub(crate) silent: bool,
}

impl Reply {
    /// A reply without headers and body.
    pub fn new(status: StatusCode) -> Self {
        Reply {
            status,
            reason: None,
            headers: Headers::new(),
            body: Bytes::new(),
            close: false,
            silent: false,
        }
    }

    /// The head of the response that it is.
    pub(crate) fn head(&self) -> response::Parts {
        let reason = self.reason.clone();
        let mut head = response::Parts {
            reason: reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()),
            headers: self.headers.clone(),
            ..response::Parts::new(self.status)
        };
        head.headers.remove(names::CONTENT_LENGTH);
        head
    }

    /// No reply at all: the connection is closed. The log has this status.
    pub(crate) fn silence(status: StatusCode) -> Self {
        Reply {
            silent: true,
            ..Reply::new(status)
        }
    }

    /// The page that HAProxy's users expect for an error it detected itself: a short HTML body, not to be cached.
    pub fn error(status: StatusCode) -> Self {
        let (title, text) = match status.as_u16() {
            200 => ("200 OK", "The service is up."),
            400 => ("400 Bad Request", "The request could not be understood."),
            401 => ("401 Unauthorized", "This resource needs credentials."),
            403 => (
                "403 Forbidden",
                "The rules of this site do not allow this request.",
            ),
            404 => ("404 Not Found", "There is nothing at this address."),
            405 => ("405 Method Not Allowed", "This method is not allowed here."),
            407 => (
                "407 Proxy Authentication Required",
                "This proxy needs credentials.",
            ),
            408 => ("408 Request Timeout", "The request did not arrive in time."),
            410 => ("410 Gone", "This resource is no longer available."),
            413 => (
                "413 Content Too Large",
                "The request is larger than what is accepted here.",
            ),
            414 => ("414 URI Too Long", "The address of the request is too long."),
            422 => ("422 Unprocessable Content", "The request can not be processed."),
            425 => (
                "425 Too Early",
                "The request came before the connection was ready for it.",
            ),
            429 => (
                "429 Too Many Requests",
                "There were too many requests; try again later.",
            ),
            431 => (
                "431 Request Header Fields Too Large",
                "The header section is too large.",
            ),
            500 => (
                "500 Internal Server Error",
                "The request failed inside the proxy.",
            ),
            501 => ("501 Not Implemented", "This is not supported."),
            502 => ("502 Bad Gateway", "The server gave no valid answer."),
            503 => ("503 Service Unavailable", "No server can take this request now."),
            504 => ("504 Gateway Timeout", "The server did not answer in time."),
            _ => ("", ""),
        };
        let mut reply = Reply::new(status);
        if !title.is_empty() {
            reply.body = Bytes::from(format!(
                "<!doctype html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1>\n<p>{text}</p>\n</body></html>\n"
            ));
            reply
                .headers
                .insert(names::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        }
        reply
            .headers
            .insert(names::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        reply
    }

    /// The same reply with one more header field.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The same reply with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The same reply, after which the client's connection is closed.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }
}
