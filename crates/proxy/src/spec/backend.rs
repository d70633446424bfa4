//! `backend` sections, and the server's side of `listen` sections.

use std::sync::Arc;
use std::time::Duration;

use tidegate_sample::stick::Stick;

use super::{
    Affinity, Balance, Closing, ForwardFor, Forwarded, HashType, HeaderNames, Http1Spec, HttpClose, MailSpec,
    PageSpec, Persistence, RetryOn, ServerSpec, Timeouts,
};
use crate::filter::{FilterOrder, FilterSpec};
use crate::log::LogSpec;
use crate::rules::{ErrorPages, RuleSet};
use crate::txn::Mode;

/// A `backend` section, or the server's side of a `listen` section.
pub struct BackendSpec {
    /// Its name.
    pub name: String,
    /// Its number, from 1, unique among proxies.
    pub id: u32,
    /// Whether the configuration gave it that number.
    pub has_own_id: bool,
    /// HTTP or TCP.
    pub mode: Mode,
    /// The servers.
    pub servers: Vec<ServerSpec>,
    /// `balance`.
    pub balance: Balance,
    /// Which server a request belongs to.
    pub persistence: Persistence,
    /// `hash-type`.
    pub hash_type: HashType,
    /// `hash-balance-factor`: how much of the average a server may serve, in percent; 0 for no bound.
    pub hash_balance_factor: u32,
    /// `hash-preserve-affinity`.
    pub affinity: Affinity,
    /// `option allbackups`: when only backups are left, all of them are used.
    pub all_backups: bool,
    /// `fullconn`: the load at which servers with a `minconn` reach their `maxconn`.
    pub fullconn: u32,
    /// Its timeouts (`connect`, `queue`, `server`, `server-fin`, `tunnel`, `tarpit`).
    pub timeouts: Timeouts,
    /// `stick` lines in order.
    pub stick: Vec<Stick>,
    /// `retries`: how often to try again to connect.
    pub retries: u32,
    /// `option redispatch`: which retries go to another server: each of so many, or the one that many before the last
    /// and one; 0 for none.
    pub redispatch: i32,
    /// `retry-on`: after which failures a request is tried again.
    pub retry_on: RetryOn,
    /// `http-reuse`.
    pub reuse: HttpReuse,
    /// `option prefer-last-server`: a session's requests go where the last one went.
    pub prefer_last_server: bool,
    /// `max-keep-alive-queue`: only if no more than so many wait there; `None` for however many.
    pub keep_alive_queue_max: Option<u32>,
    /// `tcp-request content`.
    pub tcp_content: RuleSet,
    /// `tcp-request inspect-delay`.
    pub inspect_delay: Option<Duration>,
    /// `tcp-response content`.
    pub tcp_response: RuleSet,
    /// `tcp-response inspect-delay`.
    pub response_inspect_delay: Option<Duration>,
    /// `http-request`.
    pub http_request: RuleSet,
    /// `http-response`.
    pub http_response: RuleSet,
    /// `http-after-response`.
    pub http_after_response: RuleSet,
    /// `stats`.
    pub page: Option<PageSpec>,
    /// `errorfile`, `http-error` and their kin.
    pub error_pages: Arc<ErrorPages>,
    /// `filter`, in order.
    pub filters: Vec<FilterSpec>,
    /// `filter-sequence`.
    pub filter_order: FilterOrder,
    /// `option forwardfor`.
    pub forward_for: Option<ForwardFor>,
    /// `option originalto`.
    pub original_to: Option<ForwardFor>,
    /// `option forwarded`.
    pub forwarded: Option<Forwarded>,
    /// `http-send-name-header`.
    pub send_name: Option<http::HeaderName>,
    /// `option http-restrict-req-hdr-names`.
    pub header_names: HeaderNames,
    /// `option http-server-close`, `option httpclose`.
    pub http_close: HttpClose,
    /// `option http-buffer-request`.
    pub buffer_request: bool,
    /// How its servers' HTTP/1 is read and written.
    pub http1: Http1Spec,
    /// What becomes of its servers' connections, and of requests whose clients have ended their side.
    pub closing: Closing,
    /// `be-unpublished`: no rule chooses it until it is published.
    pub unpublished: bool,
    /// `option independent-streams`: servers that say nothing are silent, whatever they are told.
    pub independent_streams: bool,
    /// `guid`: a unique name.
    pub guid: Option<String>,
    /// `disabled`: no rule chooses it, and its servers are left alone.
    pub disabled: bool,
    /// The configuration names it elsewhere, so that it has to stay.
    pub is_referenced: bool,
    /// A stick table is declared in it.
    pub has_table: bool,
    /// It is one half of a `listen` section.
    pub is_listen: bool,
    /// `option http-drop-request-trailers`: servers don't get to see trailers.
    pub drop_trailers: bool,
    /// `option http-pretend-keepalive`: servers are not told that their connections end.
    pub pretend_keepalive: bool,
    /// `option checkcache`.
    pub check_cache: bool,
    /// `mode log`: it is for log lines, and not for sessions.
    pub lines: Option<Arc<crate::log::LogBackend>>,
    /// `email-alert` lines, if mails are wanted.
    pub mails: Option<Arc<MailSpec>>,
    /// Where messages about its servers go.
    pub log: LogSpec,
}

impl BackendSpec {
    /// A backend without servers, rules and timeouts, that retries three times.
    pub fn new(name: impl Into<String>, mode: Mode) -> Self {
        BackendSpec {
            name: name.into(),
            id: 1,
            has_own_id: false,
            mode,
            servers: Vec::new(),
            balance: Balance::default(),
            persistence: Persistence::default(),
            hash_type: HashType::default(),
            hash_balance_factor: 0,
            affinity: Affinity::default(),
            all_backups: false,
            fullconn: 0,
            timeouts: Timeouts::default(),
            stick: Vec::new(),
            retries: 3,
            redispatch: 0,
            retry_on: RetryOn::default(),
            reuse: HttpReuse::default(),
            prefer_last_server: false,
            keep_alive_queue_max: None,
            tcp_content: RuleSet::default(),
            inspect_delay: None,
            tcp_response: RuleSet::default(),
            response_inspect_delay: None,
            page: None,
            http_request: RuleSet::default(),
            http_response: RuleSet::default(),
            http_after_response: RuleSet::default(),
            error_pages: Arc::default(),
            filters: Vec::new(),
            filter_order: FilterOrder::default(),
            forward_for: None,
            original_to: None,
            forwarded: None,
            send_name: None,
            header_names: HeaderNames::default(),
            http_close: HttpClose::default(),
            log: LogSpec::default(),
            buffer_request: false,
            http1: Http1Spec::default(),
            closing: Closing::usual(mode),
            unpublished: false,
            independent_streams: false,
            guid: None,
            disabled: false,
            is_referenced: false,
            has_table: false,
            is_listen: false,
            drop_trailers: false,
            pretend_keepalive: false,
            check_cache: false,
            lines: None,
            mails: None,
        }
    }

    /// Whether a retry of so many, counted from 1, goes to another server.
    pub fn redispatches(&self, retry: u32, retries: u32) -> bool {
        match self.redispatch {
            0 => false,
            every if every > 0 => retry.is_multiple_of(every.unsigned_abs()),
            before_last => i64::from(retry) == i64::from(retries) + 1 - i64::from(before_last.unsigned_abs()),
        }
    }
}

/// `http-reuse`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpReuse {
    /// `never`: each session has connections of its own.
    Never,
    /// `safe`: a session's first request goes over a connection of its own.
    #[default]
    Safe,
    /// `aggressive`: the first one may go over a connection that was used again before.
    Aggressive,
    /// `always`: any idle connection will do.
    Always,
}
