//! Rules as data.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, StatusCode};
use tidegate_sample::figures::RulePlace;
use tidegate_sample::logformat::LogFormat;
use tidegate_sample::pattern::List;
use tidegate_sample::stick::{CounterChange, Track};
use tidegate_sample::vars::{Assignment, VarName};
use tidegate_sample::{Amount, Expr, ExternalRunner, LogOrigin, Session, Way};

use super::{HeaderEdit, ReplyContent, TargetEdit, Tuning};
use crate::cache::Cache;
use crate::ext::{ExtensionId, HttpService};
use crate::filter::BandwidthLimit;
use crate::log::LogProfile;
use crate::resolve::Resolution;
use crate::spec::BackendId;
use crate::spec::ListenProto;
use crate::txn::{LogLevel, Txn};

pub use tidegate_sample::Condition;

/// The rules of one set, in order.
#[derive(Default)]
pub struct RuleSet(pub(crate) Vec<Arc<Rule>>);

impl RuleSet {
    /// Adds a rule at the end.
    pub fn push(&mut self, rule: Rule) {
        self.0.push(Arc::new(rule));
    }

    /// True if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Rule> for RuleSet {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        RuleSet(rules.into_iter().map(Arc::new).collect())
    }
}

impl Extend<Rule> for RuleSet {
    fn extend<I: IntoIterator<Item = Rule>>(&mut self, rules: I) {
        self.0.extend(rules.into_iter().map(Arc::new));
    }
}

/// One rule: an action, perhaps with a condition.
pub struct Rule {
    /// What to do.
    pub action: RuleAction,
    /// When; always, if there is none.
    pub condition: Option<Condition>,
    /// `on-error`, for a rule whose action may break.
    pub on_error: Option<OnFailure>,
    /// The rule as messages show it: `http-request lua.auth (tidegate.cfg:31)`.
    pub line: String,
    /// The file and line of the configuration where it stands.
    pub place: Option<RulePlace>,
}

impl Rule {
    /// A rule without a condition.
    pub fn new(line: impl Into<String>, action: RuleAction) -> Self {
        Rule {
            action,
            condition: None,
            on_error: None,
            line: line.into(),
            place: None,
        }
    }

    /// The same rule with a condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// The same rule with an `on-error` of its own.
    #[must_use]
    pub fn on_error(mut self, then: OnFailure) -> Self {
        self.on_error = Some(then);
        self
    }
}

/// What becomes of a request or stream whose action broke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Go on, as if the rule were not there (HAProxy's way: a script that guards a site fails open).
    #[default]
    Continue,
    /// Refuse, as `deny` or `reject` would.
    Deny,
}

/// A text that is computed for each use; in most configurations it never changes.
#[derive(Debug)]
pub enum Text {
    /// Always the same.
    Literal(Bytes),
    /// A log-format string.
    Format(LogFormat),
}

impl Text {
    /// Text that never changes.
    pub fn literal(text: impl Into<Bytes>) -> Self {
        Text::Literal(text.into())
    }

    /// The text's value for a session. What can't wait finishes at once.
    pub(crate) async fn eval(&self, txn: &Txn, runner: &dyn ExternalRunner) -> Bytes {
        match self {
            Text::Literal(text) => text.clone(),
            Text::Format(format) => {
                let mut text = Vec::new();
                format.eval_into_async(&mut text, txn, runner).await;
                text.into()
            }
        }
    }

    /// Whether the value may have to be waited for.
    pub(crate) fn suspends(&self) -> bool {
        matches!(self, Text::Format(format) if format.suspends())
    }

    /// The value where nothing may wait.
    pub(crate) fn eval_now(&self, txn: &Txn) -> Bytes {
        self.eval_for(txn)
    }

    /// The value for what is no transaction; nothing there may wait.
    pub(crate) fn eval_for(&self, session: &dyn Session) -> Bytes {
        match self {
            Text::Literal(text) => text.clone(),
            Text::Format(format) => {
                let mut text = Vec::new();
                format.eval_into(&mut text, session);
                text.into()
            }
        }
    }

    /// The same, put behind what there is.
    pub(crate) fn append_now(&self, into: &mut Vec<u8>, txn: &Txn) {
        match self {
            Text::Literal(text) => into.extend_from_slice(text),
            Text::Format(format) => format.eval_into(into, txn),
        }
    }

    /// The value, if it is always the same.
    pub(crate) fn constant(&self) -> Option<Bytes> {
        match self {
            Text::Literal(text) => Some(text.clone()),
            Text::Format(format) => format.constant().map(Bytes::copy_from_slice),
        }
    }
}

impl From<LogFormat> for Text {
    fn from(format: LogFormat) -> Self {
        Text::Format(format)
    }
}

/// What a rule does. Which of them a rule set may hold is the grammar's business; where one makes no sense in a phase
/// (a reply in TCP mode), its worker refuses to start.
pub enum RuleAction {
    /// `allow`, `accept`: no further rule of this set.
    Accept,
    /// `deny`: refuse with this reply. `None` for 403 (502 for a response) with a page of ours.
    Deny(Option<ReplySpec>),
    /// `auth`: ask for a user's name and password, for this realm.
    Auth(String),
    /// `tarpit`: refuse after `timeout tarpit` with this reply (500 if `None`).
    Tarpit(Option<ReplySpec>),
    /// `reject`: close the connection without a word.
    Reject,
    /// `close`: end the connection with the server; the client gets what came of it.
    Close,
    /// `expect-proxy layer4`: the connection begins with a PROXY header.
    ExpectProxy,
    /// `expect-netscaler-cip layer4`: the connection begins with a header of NetScaler.
    ExpectNetscaler,
    /// `switch-mode http`: what follows is read as HTTP; no further rule of this set.
    SwitchMode(ListenProto),
    /// `return`: this reply.
    Return(ReplySpec),
    /// `redirect`.
    Redirect(Redirect),
    /// `early-hint`: a field of a response 103.
    EarlyHint(HeaderName, Text),
    /// `set-header`, `add-header`, `del-header`, on the message of the phase.
    Header(HeaderEdit),
    /// `set-var`. Without a sample, the variable stays as it is.
    SetVar(Assignment, Expr),
    /// `set-var-fmt`.
    SetVarFmt(Assignment, Text),
    /// `unset-var`.
    UnsetVar(VarName),
    /// `set-method`.
    SetMethod(Text),
    /// `set-path`, `replace-uri`, `normalize-uri` and their kin.
    Target(TargetEdit),
    /// `set-status`, with its reason.
    SetStatus(StatusCode, Option<Bytes>),
    /// `set-log-level`.
    SetLogLevel(LogLevel),
    /// `set-timeout`, `set-src`, `set-priority-class` and others that settle how the rest of the session goes.
    Tune(Tuning),
    /// `strict-mode`: whether a rewrite of a rule that follows has to succeed.
    StrictMode(bool),
    /// `pause`, in milliseconds.
    Pause(Amount),
    /// `do-resolve`: a variable gets the address of a host.
    Resolve(Box<Resolution>),
    /// `silent-drop`: the connection ends, and the client isn't told. With `rst-ttl`, a reset that gets as far as this.
    SilentDrop {
        /// `rst-ttl`.
        rst_ttl: Option<u8>,
    },
    /// `do-log`: a line in the log, with the name of the rule set as its origin.
    DoLog(LogOrigin, Option<Arc<LogProfile>>),
    /// `capture`: puts a sample into a slot of the frontend's.
    Capture(Way, usize, Expr),
    /// `add-acl`, `del-acl`, `set-map` and `del-map`.
    ChangeList(Arc<List>, ListChange),
    /// `track-sc`.
    Track(Track),
    /// `sc-inc-gpc` and its kin.
    ChangeCounter(CounterChange),
    /// `wait-for-body`: until the body is there or the buffer is full.
    WaitForBody {
        /// `time`.
        time: Duration,
        /// `at-least`: so many bytes are enough.
        at_least: Option<usize>,
        /// `use-large-buffer`: the size of the buffer, in place of `tune.bufsize`.
        room: Option<usize>,
    },
    /// `cache-use`: a response that a cache has is sent.
    CacheUse {
        /// The cache.
        cache: Arc<Cache>,
        /// No `no-early-hints`: what it knows of a response that it doesn't have is told.
        hints: bool,
    },
    /// `set-bandwidth-limit`.
    LimitBandwidth(BandwidthLimit),
    /// `cache-store`: the response is kept in a cache.
    CacheStore {
        /// The cache.
        cache: Arc<Cache>,
        /// The proxy has a `filter` line for it.
        by_filter: bool,
    },
    /// An extension's action: `lua.NAME` with its arguments.
    Run {
        /// The action's number.
        id: ExtensionId,
        /// The words after the name.
        args: Vec<String>,
    },
    /// `use-service`: this service produces the content. HTTP services in HTTP mode, TCP services in TCP mode.
    UseService {
        /// The service's number.
        id: ExtensionId,
    },
    /// `use-service` of a service that is no extension's: it answers on all workers.
    Serve(Arc<dyn HttpService + Send + Sync>),
}

/// What a rule does to a list of patterns or a map.
pub enum ListChange {
    /// Adds a pattern, unless it is there.
    Add(Text),
    /// Gives a key another value, or adds it.
    Set(Text, Text),
    /// Takes a key away.
    Remove(Text),
}

/// A reply as a rule describes it.
pub struct ReplySpec {
    /// The status.
    pub status: StatusCode,
    /// What it holds.
    pub content: ReplyContent,
    /// Further headers (`hdr NAME FMT`).
    pub headers: Vec<(HeaderName, Text)>,
}

impl ReplySpec {
    /// A reply with this status and the page that belongs to it.
    pub fn status(status: StatusCode) -> Self {
        ReplySpec {
            status,
            content: ReplyContent::Page,
            headers: Vec::new(),
        }
    }

    /// The same reply with a body of this type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: Text) -> Self {
        self.content = ReplyContent::Body {
            content_type: Some(content_type.to_owned()),
            body,
        };
        self
    }
}

/// `redirect`.
pub struct Redirect {
    /// Where to.
    pub to: RedirectTo,
    /// `code`: 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// `drop-query`.
    pub drop_query: bool,
    /// `append-slash`.
    pub append_slash: bool,
    /// `keep-query`: the request's query is added to a location.
    pub keep_query: bool,
    /// `ignore-empty`: no redirect if the location is empty.
    pub ignore_empty: bool,
    /// `set-cookie`, `set-cookie-fmt` and `clear-cookie`: the value of a `set-cookie` field.
    pub set_cookie: Option<Text>,
}

/// Where a redirect leads.
pub enum RedirectTo {
    /// `location`: this address.
    Location(Text),
    /// `prefix`: this, and the request's own target after it.
    Prefix(Text),
    /// `scheme`: the same address with this scheme.
    Scheme(Text),
}

/// A `use_backend` line.
pub struct UseBackend {
    /// The backend.
    pub to: BackendChoice,
    /// When.
    pub condition: Option<Condition>,
}

/// Which backend a `use_backend` line names.
pub enum BackendChoice {
    /// This one.
    Fixed(BackendId),
    /// The one of the name that this gives; the default one, if there is none of that name.
    Named(Text),
}
