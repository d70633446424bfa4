//! How messages of HTTP/1 are read and written on one side of a proxy, and what becomes of connections.

use tidegate_http1::{HeadLimits, HeaderCase};

use super::GlobalSpec;

/// That of a frontend's clients, or of a backend's servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http1Spec {
    /// `option accept-unsafe-violations-in-http-request`, or `-response`.
    pub lenient: bool,
    /// `option h1-case-adjust-bogus-client`, or `-server`.
    pub adjust_case: bool,
}

impl Http1Spec {
    /// How names of fields are to be written; none for the usual way.
    pub(crate) fn case(&self, global: &GlobalSpec) -> Option<HeaderCase> {
        let wanted = self.adjust_case && !global.header_case.is_empty();
        wanted.then(|| global.header_case.clone())
    }
}

impl GlobalSpec {
    /// What heads may have, of peers that the process deals with leniently or not.
    pub(crate) fn head_limits(&self, lenient: bool) -> HeadLimits {
        HeadLimits {
            bytes_max: self.buffer_bytes,
            fields_max: HeadLimits::fields_of(self.lines_max),
            lenient,
            keep_insecure: self.keep_insecure,
        }
    }
}

/// What a frontend does with connections after each response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpClose {
    /// `option http-keep-alive`: both sides stay open.
    #[default]
    KeepAlive,
    /// `option http-server-close`: the server's side is closed.
    ServerClose,
    /// `option httpclose`: both sides are closed.
    Close,
}

/// `option http-restrict-req-hdr-names`: what becomes of headers whose names hold more than letters, digits and hyphens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderNames {
    /// They pass.
    #[default]
    Preserve,
    /// They are taken away.
    Delete,
    /// Requests with them are refused.
    Reject,
}
