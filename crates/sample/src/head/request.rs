//! The head of a request.

use http::{Method, Version};

use super::headers::Headers;
use super::target::Target;

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Target,
    /// By which version of HTTP it came.
    pub version: Version,
    /// The fields.
    pub headers: Headers,
}

impl From<http::request::Parts> for Parts {
    fn from(parts: http::request::Parts) -> Parts {
        Parts {
            headers: Headers::from(&parts.headers),
            method: parts.method,
            uri: parts.uri.into(),
            version: parts.version,
        }
    }
}

impl From<Parts> for http::request::Parts {
    fn from(ours: Parts) -> http::request::Parts {
        let mut parts = http::Request::new(()).into_parts().0;
        parts.headers = (&ours.headers).into();
        parts.method = ours.method;
        parts.uri = ours.uri.into();
        parts.version = ours.version;
        parts
    }
}
