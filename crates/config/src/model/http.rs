//! Replies that a rule makes.

use std::sync::Arc;

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
    /// The page of the status: the proxy's own, or the one that is built in.
    Page,
    /// Nothing.
    Nothing,
    /// A body.
    Body {
        /// `content-type`; absent only with an empty body.
        content_type: Option<String>,
        /// The body.
        body: ReplyBody,
    },
    /// `errorfile`, and `errorfiles` with a section that has one for the status.
    File(FilePage),
}

/// What is sent in place of the page of a status.
#[derive(Debug)]
pub enum ErrorPage {
    /// What a file says.
    File(FilePage),
    /// `http-error`.
    Reply(HttpReply),
}

/// What a file says that holds a whole response.
#[derive(Debug, Clone)]
pub enum FilePage {
    /// It is empty: nothing is sent.
    Silence,
    /// This response.
    Response(Arc<FileResponse>),
}

/// A response that was read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileResponse {
    /// The status.
    pub status: u16,
    /// The reason phrase; the usual one if it is empty.
    pub reason: String,
    /// The headers, without those that concern a connection or the length.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
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
    /// `keep-query`: the query string is added to a location.
    pub keep_query: bool,
    /// `ignore-empty`: nothing happens when the location is empty.
    pub ignore_empty: bool,
    /// `set-cookie`, `set-cookie-fmt` or `clear-cookie`.
    pub set_cookie: Option<RedirectCookie>,
}

/// The cookie that goes with a redirection.
#[derive(Debug)]
pub enum RedirectCookie {
    /// `set-cookie NAME[=VALUE]`.
    Set(String),
    /// `set-cookie-fmt`.
    Format(LogFormat),
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
