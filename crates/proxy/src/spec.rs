//! What to run: the proxies, listeners, servers, rules and limits that [`start`](crate::start) turns into a running data
//! plane.
//!
//! This is this crate's own input. Whoever reads a configuration builds it; everything that could be wrong was reported
//! by then, so all numbers that refer to something ([`BackendId`], extension ids) are in range. A spec is plain data,
//! shared by all workers.
//!
//! ```
//! use tidegate_proxy::spec::*;
//! use tidegate_proxy::Mode;
//!
//! let mut frontend = FrontendSpec::new("web", Mode::Http);
//! frontend.listeners.push(ListenerSpec::tcp("bind :8080", "127.0.0.1:8080".parse().unwrap()));
//! frontend.default_backend = Some(0);
//! let mut backend = BackendSpec::new("app", Mode::Http);
//! backend.servers.push(ServerSpec::tcp("s1", "127.0.0.1:9000".parse().unwrap()));
//! let spec = ProxySpec { frontends: vec![frontend], backends: vec![backend], ..ProxySpec::default() };
//! # let _ = spec;
//! ```

mod balance;
mod closing;
mod http1;
mod http2;
mod keepalive;
mod mails;
mod page;
mod persistence;
mod retry;
mod source;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_sample::stick::{Stick, Tables};
use tidegate_sample::vars::ProcVars;
use tidegate_sample::{Expr, Process};

pub use self::balance::{Affinity, Balance, HashBy, HashFunction, HashKey, HashMethod, HashType, UriPart};
pub use self::closing::Closing;
pub use self::http1::{HeaderNames, Http1Spec, HttpClose};
pub use self::http2::Http2Tuning;
pub use self::keepalive::KeepAlive;
pub use self::mails::MailSpec;
pub use self::page::PageSpec;
pub use self::persistence::{CookieMode, CookieSpec, Persistence, UseServer};
pub use self::retry::RetryOn;
pub use self::source::{PresentedAs, SourceSpec};
pub use crate::cache::{Cache, CacheSpec, EarlyHints, Shown};
pub use crate::capture::{CaptureSlot, CaptureSpec, CookieCapture};
use crate::check::spec::{AgentSpec, CheckSpec};
pub use crate::filter::{
    Algorithm, BandwidthLimit, BandwidthSpec, CompressionSpec, FilterOrder, FilterSpec, Sharing,
};
pub use crate::http1::HeaderCase;
use crate::log::{LogSpec, LogTarget, Ring};
use crate::resolve::spec::{NameSpec, ResolversSpec};
pub use crate::rules::{
    BackendChoice, Condition, ErrorPage, ErrorPages, FilePage, HeaderEdit, HeaderMatch, ListChange,
    NameMatch, Normalizer, OnFailure, Redirect, RedirectTo, ReplyContent, ReplySpec, Rule, RuleAction,
    RuleSet, TargetEdit, TargetPart, Text, TimeoutKind, Tuning, UseBackend,
};
pub use crate::socket_buffers::SocketBuffers;
use crate::txn::Mode;
use crate::upstream::state::Operational;

/// A backend's place in [`ProxySpec::backends`].
pub type BackendId = usize;

/// Everything that is to run.
#[derive(Default)]
pub struct ProxySpec {
    /// What holds for the whole process.
    pub global: GlobalSpec,
    /// The frontends, `listen` sections included.
    pub frontends: Vec<FrontendSpec>,
    /// The backends, `listen` sections included.
    pub backends: Vec<BackendSpec>,
    /// The rings of log lines.
    pub rings: Vec<Arc<Ring>>,
    /// The relays of others' log lines.
    pub log_forwards: Vec<crate::log_forward::LogForwardSpec>,
    /// Those that tables are shared with.
    pub peers: Vec<crate::peers::PeersSpec>,
}

/// How often things may happen per second, in the whole process; 0 for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceSpec {
    /// `maxconnrate`: connections of clients.
    pub connections: u32,
    /// `maxsessrate`: those that are let in.
    pub sessions: u32,
    /// `maxsslrate`: connections of clients over TLS.
    pub tls: u32,
}

/// What holds for the whole process.
pub struct GlobalSpec {
    /// The `resolvers` sections.
    pub resolvers: Vec<Arc<ResolversSpec>>,
    /// `nbthread`: the number of workers, at least 1.
    pub threads: usize,
    /// `maxconn`: client connections of the process, all workers together. No more are accepted while there are as many.
    pub maxconn: usize,
    /// `harden.reject-privileged-ports.tcp`: nobody is served who comes from a port below 1024.
    pub reject_privileged_ports: bool,
    /// `tune.bufsize`: room for a request's head, and what content rules can look at, in bytes (at least 8192).
    pub buffer_bytes: usize,
    /// `tune.ssl.capture-buffer-size`: bytes that are kept of what clients say first when they speak TLS.
    pub tls_capture_bytes: usize,
    /// `tune.lua.action-failure`: what becomes of a request whose action broke, where the rule has no `on-error`.
    pub action_failure: OnFailure,
    /// `tune.http.maxhdr`: the most fields that a head of HTTP/1 may have; 101 if it isn't set.
    pub fields_max: Option<usize>,
    /// `h1-accept-payload-with-any-method`: GET, HEAD and DELETE of HTTP/1.0 may have a body.
    pub accept_any_payload: bool,
    /// `h1-case-adjust`: names of fields as they are written where a proxy asks for that.
    pub header_case: HeaderCase,
    /// `h1-do-not-close-on-insecure-transfer-encoding`: connections go on after a message with a length beside chunks.
    pub keep_insecure: bool,
    /// `tune.h2.…`.
    pub h2: Http2Tuning,
    /// Most descriptors that the process may have.
    pub descriptors_max: usize,
    /// `tune.pool-low-fd-ratio`: no idle connections are kept where more than this part of them is in use, in percent.
    pub pool_low_percent: u32,
    /// `tune.pool-high-fd-ratio`: an idle connection is closed for each that is opened, above this part.
    pub pool_high_percent: u32,
    /// The process as fetches and log lines see it.
    pub process: Option<Arc<Process>>,
    /// The variables of the `proc` scope.
    pub proc_vars: Arc<ProcVars>,
    /// The stick tables.
    pub tables: Arc<Tables>,
    /// `tune.peers.max-updates-at-once`.
    pub peer_updates_max: usize,
    /// The caches.
    pub caches: Vec<Arc<Cache>>,
    /// How often things may happen.
    pub paces: PaceSpec,
    /// `maxsslconn`: most connections over TLS, on both sides together.
    pub tls_connections_max: Option<usize>,
    /// `spread-checks`: by how many percent the time between checks varies at random.
    pub check_spread_percent: u32,
    /// `max-spread-checks`: most time over which the first checks are spread.
    pub check_spread_max: Option<Duration>,
    /// The `log` lines for what belongs to no proxy.
    pub logs: Vec<LogTarget>,
    /// `log-tag`.
    pub log_tag: Option<String>,
    /// `log-send-hostname`: the host's name in headers that have one.
    pub log_host: Option<String>,
}

impl Default for GlobalSpec {
    fn default() -> Self {
        GlobalSpec {
            resolvers: Vec::new(),
            threads: 1,
            maxconn: 10_000,
            reject_privileged_ports: false,
            buffer_bytes: 16_384,
            tls_capture_bytes: 0,
            action_failure: OnFailure::Continue,
            fields_max: None,
            accept_any_payload: false,
            header_case: HeaderCase::default(),
            keep_insecure: false,
            h2: Http2Tuning::default(),
            descriptors_max: usize::MAX,
            pool_low_percent: 20,
            pool_high_percent: 25,
            process: None,
            proc_vars: Arc::default(),
            tables: Arc::default(),
            peer_updates_max: 200,
            paces: PaceSpec::default(),
            tls_connections_max: None,
            caches: Vec::new(),
            check_spread_percent: 0,
            check_spread_max: None,
            logs: Vec::new(),
            log_tag: None,
            log_host: None,
        }
    }
}

/// The `timeout` lines of a proxy. `None` waits for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// `timeout client`: inactivity of the client while it is expected to send or to read.
    pub client: Option<Duration>,
    /// `timeout client-hs`: for a client's handshake; falls back to `client`.
    pub client_hs: Option<Duration>,
    /// `timeout client-fin`: as `client`, once the other side has ended; falls back to it.
    pub client_fin: Option<Duration>,
    /// `timeout http-request`: from the first byte of a request to the end of its head; falls back to `client`.
    pub http_request: Option<Duration>,
    /// `timeout http-keep-alive`: from the end of a response to the next request's first byte; falls back to
    /// `http_request`.
    pub http_keep_alive: Option<Duration>,
    /// `timeout connect`: to reach a server.
    pub connect: Option<Duration>,
    /// `timeout queue`: to wait for a server's turn.
    pub queue: Option<Duration>,
    /// `timeout server`: inactivity of the server while it is expected to send or to read.
    pub server: Option<Duration>,
    /// `timeout server-fin`: as `server`, once the other side has ended; falls back to it.
    pub server_fin: Option<Duration>,
    /// `timeout tunnel`: inactivity of both sides once they only relay; falls back to `client` and `server`.
    pub tunnel: Option<Duration>,
    /// `timeout tarpit`: how long a tarpitted client waits; falls back to `connect`.
    pub tarpit: Option<Duration>,
}

/// `option forwardfor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardFor {
    /// The header's name, usually `x-forwarded-for`.
    pub header: http::HeaderName,
    /// `except`: networks whose clients get none, as address and prefix length.
    pub except: Vec<(std::net::IpAddr, u8)>,
    /// `if-none`: only if the request has none.
    pub if_none: bool,
}

impl Default for ForwardFor {
    fn default() -> Self {
        ForwardFor {
            header: http::HeaderName::from_static("x-forwarded-for"),
            except: Vec::new(),
            if_none: false,
        }
    }
}

/// `option forwarded`: the parts of the header of RFC 7239.
#[derive(Default)]
pub struct Forwarded {
    /// `proto`; the expression tells whether the client speaks TLS, where that can be asked.
    pub proto: Option<Option<Expr>>,
    /// `host`.
    pub host: Option<ForwardedPart>,
    /// `by`.
    pub by: Option<ForwardedPart>,
    /// `by_port`.
    pub by_port: Option<ForwardedPart>,
    /// `for`.
    pub client: Option<ForwardedPart>,
    /// `for_port`.
    pub client_port: Option<ForwardedPart>,
}

/// Where a part of the header comes from.
pub enum ForwardedPart {
    /// From the connection or the request.
    Own,
    /// From an expression, which doesn't wait.
    Sampled(Expr),
}

/// `monitor-uri`: a request that asks how the proxy itself is.
pub struct Monitor {
    /// The target that asks; one that begins with a slash is compared with the path.
    pub uri: String,
    /// `monitor fail`: when it isn't well.
    pub fail: Vec<Condition>,
}

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
    pub unique_id: Option<Text>,
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

/// One socket to listen on. A `bind` line with several addresses or a port range becomes several of them.
#[derive(Clone, Debug)]
pub struct ListenerSpec {
    /// The line, as messages show it: `bind :8080 (tidegate.cfg:12)`.
    pub line: String,
    /// `name`; may be empty.
    pub name: String,
    /// The listener's number in its frontend, from 1.
    pub id: u32,
    /// Where.
    pub address: ListenAddress,
    /// `maxconn` of the line, all workers together.
    pub maxconn: Option<usize>,
    /// `backlog`; falls back to `maxconn`, then to 1024.
    pub backlog: Option<u32>,
    /// `v4v6` (false) and `v6only` (true) of an IPv6 socket; `None` leaves it to the system.
    pub v6only: Option<bool>,
    /// `mode`: the permissions of a Unix socket's file.
    pub unix_mode: Option<u32>,
    /// `user`: the owner of a Unix socket's file, by number.
    pub unix_user: Option<u32>,
    /// `group`: the group of a Unix socket's file, by number.
    pub unix_group: Option<u32>,
    /// A process that still listens on the same Unix socket is to be replaced by this one.
    pub replaces: bool,
    /// `ssl`: what hands are shaken with.
    pub tls: Option<Arc<tidegate_tls::Acceptor>>,
    /// `accept-proxy`: connections begin with a PROXY header.
    pub accept_proxy: bool,
    /// What else the socket is told.
    pub socket: SocketOptions,
    /// `proto`: what clients speak, in HTTP mode.
    pub proto: ListenProto,
}

/// What clients of a listener speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenProto {
    /// HTTP/1, unless TLS agreed on HTTP/2 or the client begins with what HTTP/2 begins with.
    #[default]
    Any,
    /// `proto h1`: HTTP/1, whatever comes.
    Http1,
    /// `proto h2`: HTTP/2, whatever comes.
    Http2,
    /// `proto none`: no HTTP, in TCP mode.
    Never,
}

/// What a listening socket of TCP is told, for itself and the connections that come through it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// `interface`: the one to listen on.
    pub interface: Option<String>,
    /// `mss`: largest segment.
    pub mss: Option<u16>,
    /// `tcp-ut`: how long sent bytes may stay unacknowledged.
    pub user_timeout: Option<Duration>,
    /// `option clitcpka`: how idle connections are probed.
    pub keepalive: Option<KeepAlive>,
    /// `cc`: algorithm of congestion control.
    pub congestion: Option<String>,
    /// `transparent`: listens on addresses of others.
    pub transparent: bool,
    /// `tune.rcvbuf.client` and its kin.
    pub buffers: SocketBuffers,
}

/// Where a listener listens.
#[derive(Clone, Debug)]
pub enum ListenAddress {
    /// An IPv4 or IPv6 address with a port; port 0 takes any that is free (see
    /// [`Running::addresses`](crate::Running::addresses)).
    Tcp(SocketAddr),
    /// A Unix socket with this path. A stale socket file is replaced.
    Unix(PathBuf),
    /// A Unix socket with this name in the abstract namespace (`abns@`).
    Abstract(Vec<u8>),
    /// An inherited socket that is listening already (`fd@`), TCP or Unix. Turning a number into a descriptor is the
    /// caller's responsibility.
    Inherited(Arc<OwnedFd>),
}

impl ListenerSpec {
    /// A listener with everything else left at its default.
    pub fn new(line: impl Into<String>, address: ListenAddress) -> Self {
        ListenerSpec {
            line: line.into(),
            name: String::new(),
            id: 1,
            address,
            maxconn: None,
            backlog: None,
            v6only: None,
            unix_mode: None,
            unix_user: None,
            unix_group: None,
            replaces: false,
            proto: ListenProto::default(),
            tls: None,
            accept_proxy: false,
            socket: SocketOptions::default(),
        }
    }

    /// A listener on an IP address.
    pub fn tcp(line: impl Into<String>, address: SocketAddr) -> Self {
        ListenerSpec::new(line, ListenAddress::Tcp(address))
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
            drop_trailers: false,
            pretend_keepalive: false,
            check_cache: false,
            lines: None,
            mails: None,
        }
    }
}

impl BackendSpec {
    /// Whether a retry of so many, counted from 1, goes to another server.
    pub fn redispatches(&self, retry: u32, retries: u32) -> bool {
        match self.redispatch {
            0 => false,
            every if every > 0 => retry.is_multiple_of(every.unsigned_abs()),
            before_last => i64::from(retry) == i64::from(retries) + 1 - i64::from(before_last.unsigned_abs()),
        }
    }
}

/// A `server` line.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Its name.
    pub name: String,
    /// Its number in its backend, from 1.
    pub id: u32,
    /// Whether the configuration gave it that number.
    pub has_own_id: bool,
    /// Where it is. An address that is unspecified stands for that of the client's connection.
    pub address: ServerAddress,
    /// Its port is that of the client's connection and so many more, whatever the address says.
    pub port_offset: Option<i32>,
    /// `weight`, 0 to 256; 0 takes no new connections.
    pub weight: u32,
    /// `backup`: used only if no other server is usable.
    pub backup: bool,
    /// `disabled`.
    pub disabled: bool,
    /// `stick` and `non-stick`: whether tables keep who uses it; if nothing is said, only backups are not kept.
    pub stick: Option<bool>,
    /// `slowstart`: how long it takes to grow to its full share once it came up.
    pub slowstart: Option<Duration>,
    /// `maxconn`: most requests or streams that it serves at a time, all workers together; 0 for no limit.
    pub maxconn: u32,
    /// `minconn`: what `maxconn` is while the backend has no load; 0 for no ramp.
    pub minconn: u32,
    /// `maxqueue`: most requests or streams that wait for it; 0 for no limit.
    pub maxqueue: u32,
    /// `cookie`: the value that clients of it have.
    pub cookie: Option<String>,
    /// `guid`: a unique name.
    pub guid: Option<String>,
    /// `hash-key`: what its points on a ring of hashes are derived from.
    pub hash_key: HashKey,
    /// `track`: the server whose state it follows, as the backend's and the server's places.
    pub track: Option<(BackendId, usize)>,
    /// `proto`: what it speaks, in HTTP mode.
    pub proto: ServerProto,
    /// `ws`: what it speaks where a client asks for a WebSocket, if that is something else.
    pub websockets: Option<ServerProto>,
    /// `pool-max-conn`: idle connections that all workers keep together; `None` for no bound.
    pub pool_max: Option<usize>,
    /// `pool-purge-delay`: after each such time half of those that were not needed in it are closed.
    pub pool_purge_delay: Duration,
    /// `pool-conn-name`: what connections are kept apart by.
    pub pool_name: Option<Arc<Expr>>,
    /// `max-reuse`: how often a connection is used again; `None` for no bound.
    pub reuse_max: Option<u32>,
    /// `on-marked-down shutdown-sessions`: its sessions end when it goes down.
    pub ends_sessions_when_down: bool,
    /// `on-marked-up shutdown-backup-sessions`: sessions at backups end when it comes up.
    pub ends_backups_when_up: bool,
    /// `redir`: where GET and HEAD requests are sent in its place.
    pub redirect: Option<String>,
    /// `dynamic-cookie-key`: what its cookie is made of, with its address, if it has none of its own.
    pub cookie_key: Option<Arc<str>>,
    /// `strict-maxconn`: there are never more connections than `maxconn`, idle ones counted.
    pub strict_maxconn: bool,
    /// How its health is checked; it isn't, if `None`.
    pub check: Option<Arc<CheckSpec>>,
    /// How its agent is asked.
    pub agent: Option<Arc<AgentSpec>>,
    /// `ssl`: what hands are shaken with.
    pub tls: Option<Arc<ServerTls>>,
    /// `send-proxy` and its kin: the header that connections begin with.
    pub proxy_header: Option<Arc<ProxyHeaderSpec>>,
    /// `source`: where connections come from.
    pub source: Option<Arc<SourceSpec>>,
    /// `socks4`: the proxy by which it is connected.
    pub socks: Option<SocketAddr>,
    /// `tcp-ut`: how long sent bytes may stay unacknowledged.
    pub user_timeout: Option<Duration>,
    /// `cc`: algorithm of congestion control; the system's without one, or if it doesn't have that.
    pub congestion: Option<String>,
    /// `tune.rcvbuf.server` and its kin.
    pub buffers: SocketBuffers,
    /// `option srvtcpka`: how idle connections are probed.
    pub keepalive: Option<KeepAlive>,
    /// The name that its address came from at the beginning, followed or not.
    pub host: Option<String>,
    /// The name that its address comes from, if it is to be followed.
    pub name_of_address: Option<Arc<NameSpec>>,
    /// How a name would be followed that operators give it.
    pub naming: Option<Arc<NameSpec>>,
    /// An operator gave it its name.
    pub is_named_by_operator: bool,
    /// What hands would be shaken with, if operators want TLS.
    pub spare_tls: Option<Arc<ServerTls>>,
    /// `no-ssl`: TLS is not wanted, whatever was said before.
    pub refuses_tls: bool,
    /// `rise`, which counts for servers that aren't checked too where their state is listed.
    pub rise: u32,
    /// There is no address for its name yet: it is out of service until there is.
    pub unresolved: bool,
    /// It came while the process ran: it begins out of service, and its checks begin when they are asked for.
    pub dynamic: bool,
    /// What else of the configuration names it, so that it has to stay and keep its name.
    pub is_referenced: bool,
    /// What it was in the process before this one.
    pub saved: Option<SavedServer>,
}

/// What a server was before the process was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedServer {
    /// How well it was.
    pub operational: Operational,
    /// An operator had taken it out of service.
    pub maint: bool,
    /// An operator let it run dry.
    pub drain: bool,
    /// The weight that operators gave it.
    pub weight: Option<u32>,
    /// For how long it had been so.
    pub since: Duration,
    /// How far its checks were: up to `rise` where it came up, and on to `rise + fall - 1`.
    pub health: u32,
}

/// The TLS of a server.
#[derive(Debug)]
pub struct ServerTls {
    /// What hands are shaken with.
    pub connector: tidegate_tls::Connector,
    /// `sni`: the name that it is asked for.
    pub sni: Option<Arc<tidegate_sample::Expr>>,
}

/// The PROXY header that connections to a server begin with.
#[derive(Debug, Default)]
pub struct ProxyHeaderSpec {
    /// Version 2, and not 1.
    pub binary: bool,
    /// `ssl`: that the client speaks TLS.
    pub ssl: bool,
    /// `cert-cn`: the common name of its certificate.
    pub common_name: bool,
    /// `ssl-cipher`: the cipher.
    pub cipher: bool,
    /// `cert-sig`: what our certificate is signed with.
    pub signature: bool,
    /// `cert-key`: what its key is of.
    pub key: bool,
    /// `authority`: the name that the client asked for.
    pub authority: bool,
    /// `crc32c`: a checksum.
    pub checksum: bool,
    /// `unique-id`: the unique id.
    pub unique_id: bool,
    /// `set-proxy-v2-tlv-fmt`: more of it, by type.
    pub tlvs: Vec<(u8, Arc<tidegate_sample::LogFormat>)>,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerProto {
    /// HTTP/1, unless TLS agrees on HTTP/2.
    #[default]
    Any,
    /// `proto h1`: HTTP/1.
    Http1,
    /// `proto h2`: HTTP/2.
    Http2,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// An address with a port.
    Tcp(SocketAddr),
    /// A Unix socket with this path.
    Unix(PathBuf),
    /// A Unix socket in the abstract namespace.
    Abstract(Vec<u8>),
}

impl ServerSpec {
    /// A server with weight 1 and everything else at its default.
    pub fn new(name: impl Into<String>, address: ServerAddress) -> Self {
        ServerSpec {
            name: name.into(),
            id: 1,
            has_own_id: false,
            address,
            port_offset: None,
            weight: 1,
            backup: false,
            disabled: false,
            stick: None,
            slowstart: None,
            maxconn: 0,
            minconn: 0,
            maxqueue: 0,
            cookie: None,
            guid: None,
            hash_key: HashKey::Id,
            track: None,
            host: None,
            name_of_address: None,
            unresolved: false,
            dynamic: false,
            is_referenced: false,
            saved: None,
            naming: None,
            is_named_by_operator: false,
            spare_tls: None,
            refuses_tls: false,
            rise: 2,
            check: None,
            agent: None,
            websockets: None,
            proto: ServerProto::default(),
            tls: None,
            proxy_header: None,
            source: None,
            socks: None,
            user_timeout: None,
            congestion: None,
            buffers: SocketBuffers::default(),
            keepalive: None,
            pool_max: None,
            pool_purge_delay: Duration::from_secs(5),
            pool_name: None,
            reuse_max: None,
            strict_maxconn: false,
            ends_sessions_when_down: false,
            ends_backups_when_up: false,
            redirect: None,
            cookie_key: None,
        }
    }

    /// Whether tables keep who uses it.
    pub(crate) fn sticks(&self) -> bool {
        self.stick.unwrap_or(!self.backup)
    }

    /// A server at an IP address.
    pub fn tcp(name: impl Into<String>, address: SocketAddr) -> Self {
        ServerSpec::new(name, ServerAddress::Tcp(address))
    }
}
