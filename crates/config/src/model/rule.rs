//! Rules: an action, and when it is taken.

use std::sync::Arc;
use std::time::Duration;

use tidegate_sample::Regex;
use tidegate_sample::pattern::List;
use tidegate_sample::stick::{CounterChange, Track};
use tidegate_sample::vars::{Assignment, VarName};

use super::address::HttpProto;
use super::global::ActionFailure;
use super::http::{HttpReply, RedirectRule};
use super::log::LogLevel;
use super::sampled::{Amount, Condition, Expr, LogFormat};
use crate::source::{Span, Spanned};

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// What is done.
    pub action: Action,
    /// The action's word.
    pub span: Span,
    /// When; always without one.
    pub condition: Option<Condition>,
}

/// The rules of a proxy, by when they are evaluated.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// `tcp-request connection`: right after a connection was accepted.
    pub tcp_request_connection: Vec<Rule>,
    /// `tcp-request session`: once the session exists.
    pub tcp_request_session: Vec<Rule>,
    /// `tcp-request inspect-delay`.
    pub tcp_request_inspect_delay: Option<Duration>,
    /// `tcp-request content`: when there are bytes to look at.
    pub tcp_request_content: Vec<Rule>,
    /// `tcp-response inspect-delay`.
    pub tcp_response_inspect_delay: Option<Duration>,
    /// `tcp-response content`.
    pub tcp_response_content: Vec<Rule>,
    /// `http-request`.
    pub http_request: Vec<Rule>,
    /// `redirect` lines, evaluated after `http-request`.
    pub redirects: Vec<Rule>,
    /// `http-response`.
    pub http_response: Vec<Rule>,
    /// `http-after-response`: also on responses that are made here.
    pub http_after_response: Vec<Rule>,
}

impl RuleSet {
    /// The rules of all sets.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        [
            &self.tcp_request_connection,
            &self.tcp_request_session,
            &self.tcp_request_content,
            &self.tcp_response_content,
            &self.http_request,
            &self.redirects,
            &self.http_response,
            &self.http_after_response,
        ]
        .into_iter()
        .flatten()
    }
}

/// What a rule does. Which of these can stand in which set of rules is the keyword tables' matter.
#[derive(Debug)]
pub enum Action {
    /// No further rule of this set is evaluated; the request goes on.
    Accept,
    /// The connection is closed.
    Reject,
    /// `close`: the connection with the server ends.
    Close,
    /// `expect-proxy layer4`: the connection begins with a PROXY header.
    ExpectProxy,
    /// `expect-netscaler-cip layer4`: the connection begins with a header of NetScaler.
    ExpectNetscaler,
    /// `switch-mode http`: what follows is read as HTTP.
    SwitchMode(Option<HttpProto>),
    /// The request is answered with an error, the response replaced by one.
    Deny(HttpReply),
    /// `auth`: the request is answered with a question for a user's name and password.
    Auth {
        /// What they are for.
        realm: String,
    },
    /// Like `Deny`, after `timeout tarpit`.
    Tarpit(HttpReply),
    /// The request is answered.
    Return(HttpReply),
    /// The request is answered with a redirection.
    Redirect(RedirectRule),
    /// `lua.NAME`: a function that a script registered as an action.
    Lua(LuaCall),
    /// `use-service lua.NAME`: a function that a script registered as a service.
    UseLuaService(Spanned<String>),
    /// `use-service prometheus-exporter`: the figures of the process and of all proxies.
    UsePrometheusExporter,
    /// `early-hint`: a header of a response 103 that comes first.
    EarlyHint {
        /// The header.
        name: String,
        /// Its value.
        value: LogFormat,
    },
    /// `add-header`.
    AddHeader {
        /// The header.
        name: String,
        /// Its value.
        value: LogFormat,
    },
    /// `set-header`: in place of all of the same name.
    SetHeader {
        /// The header.
        name: String,
        /// Its value.
        value: LogFormat,
    },
    /// `del-header`.
    DelHeader(HeaderMatch),
    /// `set-method`.
    SetMethod(LogFormat),
    /// `replace-header`, and `replace-value` if each part between commas is a value.
    ReplaceHeader {
        /// The header.
        name: String,
        /// What its values are matched against.
        pattern: Regex,
        /// What takes the place of one that matches.
        with: LogFormat,
        /// `replace-value`.
        each: bool,
    },
    /// `add-headers-bin`, and `set-headers-bin` if those of the same names are removed first.
    AddHeaderList {
        /// The list.
        list: Expr,
        /// `set-headers-bin`.
        replaces: bool,
        /// `prefix`: only headers whose names begin so.
        prefix: String,
    },
    /// `del-headers-bin`.
    DelHeaderList {
        /// The names.
        list: Expr,
        /// How they match.
        by: NameMatch,
    },
    /// `set-path`, `replace-uri`, `normalize-uri` and their kin.
    EditTarget(TargetEdit),
    /// `set-status`.
    SetStatus {
        /// The status.
        status: u16,
        /// The reason phrase.
        reason: Option<String>,
    },
    /// `set-log-level`: the level of this session's log line; `None` for no line.
    SetLogLevel(Option<LogLevel>),
    /// What settles how the rest of the session goes.
    Tune(Tuning),
    /// `strict-mode`: whether rewrites of the rules that follow have to succeed.
    StrictMode(bool),
    /// `pause`, in milliseconds.
    Pause(Amount),
    /// `do-resolve`: a name's address, by these name servers.
    Resolve {
        /// The variable that gets it.
        to: VarName,
        /// The `resolvers` section.
        resolvers: Spanned<String>,
        /// Whether an address of IPv4 is wanted first.
        prefer_v4: bool,
        /// The name.
        host: Expr,
    },
    /// `silent-drop`.
    SilentDrop {
        /// `rst-ttl`.
        rst_ttl: Option<u8>,
    },
    /// An action that has nothing to do here; a notice said why.
    Nothing,
    /// `do-log`, with the profile that is named.
    DoLog(Option<Spanned<String>>),
    /// `capture`: puts a sample into a slot of the frontend's.
    Capture {
        /// Whether the slot is one for responses.
        response: bool,
        /// The slot's number, from 0.
        slot: Spanned<u32>,
        /// What is put there.
        value: Expr,
    },
    /// `cache-use`.
    CacheUse {
        /// The `cache` section.
        cache: Spanned<String>,
        /// No `no-early-hints`.
        hints: bool,
    },
    /// `set-bandwidth-limit`.
    LimitBandwidth {
        /// The filter.
        filter: Spanned<String>,
        /// `limit`, in bytes.
        limit: Option<Amount>,
        /// `period`, in milliseconds.
        period: Option<Amount>,
    },
    /// `cache-store`, with the `cache` section.
    CacheStore(Spanned<String>),
    /// `set-var(NAME[,COND...])`.
    SetVar {
        /// The variable, and when it is set.
        to: Assignment,
        /// Its value.
        value: Expr,
    },
    /// `set-var-fmt(NAME[,COND...])`.
    SetVarFormat {
        /// The variable, and when it is set.
        to: Assignment,
        /// Its value.
        value: LogFormat,
    },
    /// `unset-var(NAME)`.
    UnsetVar(VarName),
    /// `add-acl`, `del-acl`, `set-map` and `del-map`.
    ChangeList {
        /// The list of the file that is named in the parentheses.
        list: Arc<List>,
        /// What is done to it.
        change: ListChange,
    },
    /// `track-sc`.
    Track(Track),
    /// `sc-inc-gpc` and its kin.
    ChangeCounter(CounterChange),
    /// `wait-for-body`: until the body is there or the buffer is full.
    WaitForBody {
        /// `time`.
        time: Duration,
        /// `at-least`: so many bytes are enough.
        at_least: Option<u64>,
        /// `use-large-buffer`: as much is waited for as `tune.bufsize.large` says, if need be.
        large: bool,
    },
}

/// A change to a request's target.
#[derive(Debug)]
pub enum TargetEdit {
    /// `set-path`.
    Path(LogFormat),
    /// `set-pathq`: path and query string.
    PathQuery(LogFormat),
    /// `set-query`.
    Query(LogFormat),
    /// `set-uri`.
    Uri(LogFormat),
    /// `replace-path`, `replace-pathq` and `replace-uri`.
    Replace(TargetPart, Regex, LogFormat),
    /// `normalize-uri`.
    Normalize(Normalizer),
}

/// A part of a request's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetPart {
    /// The path, without the query string.
    Path,
    /// Path and query string.
    PathQuery,
    /// All of it.
    Uri,
}

/// One of the normalizations of `normalize-uri`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalizer {
    /// `fragment-encode`.
    FragmentEncode,
    /// `fragment-strip`.
    FragmentStrip,
    /// `path-merge-slashes`.
    PathMergeSlashes,
    /// `path-strip-dot`.
    PathStripDot,
    /// `path-strip-dotdot`.
    PathStripDotdot {
        /// `full`.
        full: bool,
    },
    /// `percent-decode-unreserved`.
    PercentDecodeUnreserved {
        /// `strict`.
        strict: bool,
    },
    /// `percent-to-uppercase`.
    PercentToUppercase {
        /// `strict`.
        strict: bool,
    },
    /// `query-sort-by-name`.
    QuerySortByName,
}

/// What settles how the rest of a session goes.
#[derive(Debug)]
pub enum Tuning {
    /// `set-timeout`, in milliseconds.
    Timeout(TimeoutName, Amount),
    /// `set-retries`.
    Retries(Amount),
    /// `disable-l7-retry`.
    NoRequestRetry,
    /// `set-src`.
    Source(Expr),
    /// `set-src-port`.
    SourcePort(Amount),
    /// `set-dst`.
    Destination(Expr),
    /// `set-dst-port`.
    DestinationPort(Amount),
    /// `set-fc-mark` and `set-mark`.
    ClientMark(Amount),
    /// `set-fc-tos` and `set-tos`.
    ClientTos(Amount),
    /// `set-bc-mark`.
    ServerMark(Amount),
    /// `set-bc-tos`.
    ServerTos(Amount),
    /// `set-priority-class`.
    PriorityClass(Amount),
    /// `set-priority-offset`.
    PriorityOffset(Amount),
}

/// A timeout that `set-timeout` may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutName {
    /// `client`.
    Client,
    /// `connect`.
    Connect,
    /// `queue`.
    Queue,
    /// `server`.
    Server,
    /// `tarpit`.
    Tarpit,
    /// `tunnel`.
    Tunnel,
}

/// What a rule does to a list of patterns or a map.
#[derive(Debug)]
pub enum ListChange {
    /// Adds a pattern, unless it is there.
    Add {
        /// The pattern.
        key: LogFormat,
    },
    /// Gives a key another value, or adds it.
    Set {
        /// The key.
        key: LogFormat,
        /// Its value.
        value: LogFormat,
    },
    /// Takes a key away.
    Remove {
        /// The key.
        key: LogFormat,
    },
}

/// A call of a function that a script registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LuaCall {
    /// The name without `lua.`.
    pub name: Spanned<String>,
    /// What the rule hands to it.
    pub arguments: Vec<String>,
    /// The rule's words after the name, to report a wrong number of them.
    pub arguments_span: Span,
    /// `on-error` (ours); what `tune.lua.action-failure` says without one.
    pub on_error: Option<ActionFailure>,
}

/// The headers that `del-header` takes away.
#[derive(Debug)]
pub enum HeaderMatch {
    /// Of exactly this name.
    Exact(String),
    /// Whose name matches this.
    By(NameMatch, String),
    /// Whose name, in lower case, matches this.
    Regex(Regex),
}

/// How the names of headers match a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameMatch {
    /// They are the same.
    Exact,
    /// They begin with it.
    Prefix,
    /// They end with it.
    Suffix,
    /// They hold it.
    Contains,
}

impl NameMatch {
    /// The names of the ways to match.
    pub(crate) const NAMES: [(&'static str, NameMatch); 4] = [
        ("str", NameMatch::Exact),
        ("beg", NameMatch::Prefix),
        ("end", NameMatch::Suffix),
        ("sub", NameMatch::Contains),
    ];
}
