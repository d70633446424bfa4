//! Replies that a rule makes.

use super::sampled::LogFormat;

/// A reply that `return`, `deny`, `tarpit` or `http-error` makes.
#[derive(Debug)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// What is sent.
    pub content: ReplyContent,
    /// `hdr`: further headers.
    pub headers: Vec<ReplyHeader>,
}

/// What a reply holds.
#[derive(Debug)]
pub enum ReplyContent {
    /// The built-in page of the status; nothing for a status that isn't an error.
    Default,
    /// A body.
    Body {
        /// `content-type`; absent only with an empty body.
        content_type: Option<String>,
        /// The body.
        body: ReplyBody,
    },
}

/// A reply's body.
#[derive(Debug)]
pub enum ReplyBody {
    /// `string`, or `file` whose content was read at start.
    Bytes(Vec<u8>),
    /// `lf-string` or `lf-file`.
    Format(LogFormat),
}

/// A header of a reply.
#[derive(Debug)]
pub struct ReplyHeader {
    /// The name.
    pub name: String,
    /// The value.
    pub value: LogFormat,
}

/// A redirection.
#[derive(Debug)]
pub struct RedirectRule {
    /// Where to.
    pub kind: RedirectKind,
    /// The status: 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `drop-query`: without the query string.
    pub drop_query: bool,
    /// `append-slash`: a slash is added to a path without one at its end.
    pub append_slash: bool,
    /// `ignore-empty`: nothing happens when the location is empty.
    pub ignore_empty: bool,
    /// `set-cookie` or `clear-cookie`.
    pub set_cookie: Option<RedirectCookie>,
}

/// The cookie that goes with a redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectCookie {
    /// `set-cookie NAME[=VALUE]`.
    Set(String),
    /// `clear-cookie NAME[=]`.
    Clear(String),
}

/// Where a redirection goes.
#[derive(Debug)]
pub enum RedirectKind {
    /// `location`: exactly there.
    Location(LogFormat),
    /// `prefix`: the URI behind this.
    Prefix(LogFormat),
    /// `scheme`: the same with another scheme.
    Scheme(LogFormat),
}
