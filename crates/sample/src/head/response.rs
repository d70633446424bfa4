//! The head of a response.

use http::{StatusCode, Version};

use super::headers::Headers;
pub use super::reason::{InvalidReason, ReasonPhrase};

/// The head of a response.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The status.
    pub status: StatusCode,
    /// What is said beside it, if it is not the usual.
    pub reason: Option<ReasonPhrase>,
    /// By which version of HTTP it came.
    pub version: Version,
    /// The fields.
    pub headers: Headers,
}

impl Parts {
    /// A head with nothing but a status.
    #[must_use]
    pub fn new(status: StatusCode) -> Parts {
        Parts {
            status,
            ..Parts::default()
        }
    }
}

impl From<http::response::Parts> for Parts {
    fn from(parts: http::response::Parts) -> Parts {
        Parts {
            headers: Headers::from(&parts.headers),
            status: parts.status,
            version: parts.version,
            reason: None,
        }
    }
}

/// Without the reason, which HTTP/2 doesn't know.
impl From<Parts> for http::response::Parts {
    fn from(ours: Parts) -> http::response::Parts {
        let mut parts = http::Response::new(()).into_parts().0;
        parts.headers = (&ours.headers).into();
        parts.status = ours.status;
        parts.version = ours.version;
        parts
    }
}
