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
    /// What was asked for, once something else is.
    asked: Option<Box<(Method, Target)>>,
}

impl Parts {
    /// A head as it came.
    #[must_use]
    pub fn new(method: Method, uri: Target, version: Version, headers: Headers) -> Parts {
        Parts {
            method,
            uri,
            version,
            headers,
            asked: None,
        }
    }

    /// Keeps what is asked for now, unless that was kept before. To be called before method or target change: log lines tell of
    /// what the client sent, whatever became of it.
    pub fn keep_asked(&mut self) {
        if self.asked.is_none() {
            self.asked = Some(Box::new((self.method.clone(), self.uri.clone())));
        }
    }

    /// The method that was asked for.
    #[must_use]
    pub fn asked_method(&self) -> &Method {
        self.asked.as_ref().map_or(&self.method, |asked| &asked.0)
    }

    /// The target that was asked for.
    #[must_use]
    pub fn asked_uri(&self) -> &Target {
        self.asked.as_ref().map_or(&self.uri, |asked| &asked.1)
    }
}

impl From<http::request::Parts> for Parts {
    fn from(parts: http::request::Parts) -> Parts {
        Parts {
            headers: Headers::from(&parts.headers),
            method: parts.method,
            uri: parts.uri.into(),
            version: parts.version,
            asked: None,
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
