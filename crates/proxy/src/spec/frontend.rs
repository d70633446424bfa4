//! `frontend` sections, and the client's side of `listen` sections.

use std::sync::Arc;
use std::time::Duration;

use super::{
    BackendId, Closing, ForwardFor, HeaderNames, Http1Spec, HttpClose, ListenerSpec, MailSpec, PageSpec,
    Timeouts,
};
use crate::capture::CaptureSpec;
use crate::filter::{FilterOrder, FilterSpec};
use crate::log::LogSpec;
use crate::rules::{Condition, ErrorPages, RuleSet, Text, UseBackend};
use crate::txn::Mode;

/// A `frontend` section, or the client's side of a `listen` section.
pub struct FrontendSpec {
    /// Its name.
    pub name: String,
    /// Its number, from 1, unique among proxies.
    pub id: u32,
    /// HTTP or TCP.
    pub mode: Mode,
    /// Where it listens.
    pub listeners: Vec<ListenerSpec>,
    /// `maxconn`, all workers together. None are accepted while there are as many.
    pub maxconn: Option<usize>,
    /// Its timeouts.
    pub timeouts: Timeouts,
    /// `tcp-request connection`: once a connection is accepted. Nothing there may wait.
    pub tcp_connection: RuleSet,
    /// `tcp-request session`: the same, after handshakes.
    pub tcp_session: RuleSet,
    /// `tcp-request content`.
    pub tcp_content: RuleSet,
    /// `tcp-request inspect-delay`.
    pub inspect_delay: Option<Duration>,
    /// `http-request`.
    pub http_request: RuleSet,
    /// `http-response`.
    pub http_response: RuleSet,
    /// `http-after-response`.
    pub http_after_response: RuleSet,
    /// `stats`.
    pub page: Option<PageSpec>,
    /// `use_backend`, in order.
    pub use_backend: Vec<UseBackend>,
    /// `option independent-streams`: clients that say nothing are silent, whatever they are told.
    pub independent_streams: bool,
    /// `guid`: a unique name.
    pub guid: Option<String>,
    /// `disabled`: it takes no connections, and can't be opened.
    pub disabled: bool,
    /// `force-be-switch`: when backends are chosen that are not published.
    pub force_switch: Vec<Condition>,
    /// `default_backend`; for a `listen` section its own other half.
    pub default_backend: Option<BackendId>,
    /// The backend half of this very `listen` section, if it is one.
    pub own_backend: Option<BackendId>,
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
    /// `option http-restrict-req-hdr-names`.
    pub header_names: HeaderNames,
    /// `monitor-uri`.
    pub monitor: Option<Monitor>,
    /// `option http-server-close`, `option httpclose`.
    pub http_close: HttpClose,
    /// `max-session-srv-conns`: server connections that a session keeps for itself.
    pub session_servers_max: usize,
    /// `option http-buffer-request`: rules run when the request's body was received, as far as it fits the buffer.
    pub buffer_request: bool,
    /// How its clients' HTTP/1 is read and written.
    pub http1: Http1Spec,
    /// No `option disable-h2-upgrade`: a client may begin HTTP/2 where HTTP/1 is expected.
    pub h2_upgrade: bool,
    /// What becomes of its clients' connections.
    pub closing: Closing,
    /// `option http-drop-response-trailers`: clients don't get to see trailers.
    pub drop_trailers: bool,
    /// `option http-ignore-probes`: connections on which nothing came are neither answered nor logged.
    pub ignore_probes: bool,
    /// `option idle-close-on-response`: in a soft stop connections end with their next response, and wait for it.
    pub idle_close_on_response: bool,
    /// `option socket-stats`: bytes and refusals are counted for each listener too.
    pub socket_stats: bool,
    /// `rate-limit sessions`: most sessions per second; 0 for no limit.
    pub sessions_per_second: u32,
    /// `email-alert` lines, if mails are wanted.
    pub mails: Option<Arc<MailSpec>>,
    /// The lines that its sessions log, and where to. Without targets nothing is logged.
    pub log: LogSpec,
    /// What is kept of requests and responses for the log.
    pub captures: CaptureSpec,
    /// `unique-id-format`.
    pub unique_id: Option<Arc<Text>>,
    /// `unique-id-header`: tells servers the unique id.
    pub unique_id_header: Option<http::HeaderName>,
}

impl FrontendSpec {
    /// A frontend that listens nowhere and has no rules, timeouts or logs.
    pub fn new(name: impl Into<String>, mode: Mode) -> Self {
        FrontendSpec {
            name: name.into(),
            id: 1,
            mode,
            listeners: Vec::new(),
            maxconn: None,
            timeouts: Timeouts::default(),
            tcp_connection: RuleSet::default(),
            tcp_session: RuleSet::default(),
            tcp_content: RuleSet::default(),
            inspect_delay: None,
            page: None,
            http_request: RuleSet::default(),
            http_response: RuleSet::default(),
            http_after_response: RuleSet::default(),
            use_backend: Vec::new(),
            independent_streams: false,
            guid: None,
            disabled: false,
            force_switch: Vec::new(),
            default_backend: None,
            own_backend: None,
            error_pages: Arc::default(),
            filters: Vec::new(),
            filter_order: FilterOrder::default(),
            forward_for: None,
            original_to: None,
            header_names: HeaderNames::default(),
            monitor: None,
            http_close: HttpClose::default(),
            session_servers_max: 5,
            buffer_request: false,
            http1: Http1Spec::default(),
            h2_upgrade: true,
            closing: Closing::usual(mode),
            drop_trailers: false,
            ignore_probes: false,
            idle_close_on_response: false,
            socket_stats: false,
            sessions_per_second: 0,
            mails: None,
            log: LogSpec::default(),
            captures: CaptureSpec::default(),
            unique_id: None,
            unique_id_header: None,
        }
    }
}

/// `monitor-uri`: a request that asks how the proxy itself is.
pub struct Monitor {
    /// The target that asks; one that begins with a slash is compared with the path.
    pub uri: String,
    /// `monitor fail`: when it isn't well.
    pub fail: Vec<Condition>,
}
