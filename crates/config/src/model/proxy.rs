//! Frontends and backends.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_sample::stick::Stick;

use super::address::Bind;
use super::balance::{Affinity, Balance, HashType};
use super::cache::{Filter, FilterSequences};
use super::capture::CaptureSettings;
use super::check::CheckProgram;
use super::cookie::Persistence;
use super::http::ErrorPage;
use super::log::{LogStep, LogTarget};
use super::mailers::EmailAlert;
use super::rule::RuleSet;
use super::sampled::{Condition, Expr, LogFormat};
use super::server::Server;
use super::stats::StatsSettings;
use super::tls::CertificateLine;
use super::upstream::Upstream;
use crate::source::{Span, Spanned};

/// The number of a proxy: its place in [`Config::proxies`](super::Config::proxies).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProxyId(pub(crate) u32);

impl ProxyId {
    /// The place in the list of proxies.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// Accepts connections.
    Frontend,
    /// Has servers.
    Backend,
    /// Both in one.
    Listen,
}

impl ProxyKind {
    /// The section's keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            ProxyKind::Frontend => "frontend",
            ProxyKind::Backend => "backend",
            ProxyKind::Listen => "listen",
        }
    }

    /// Whether it accepts connections.
    pub fn is_frontend(self) -> bool {
        self != ProxyKind::Backend
    }

    /// Whether it has servers.
    pub fn is_backend(self) -> bool {
        self != ProxyKind::Frontend
    }
}

/// What a proxy understands of what it passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Bytes.
    #[default]
    Tcp,
    /// HTTP requests and responses.
    Http,
    /// Nothing: log lines go to its servers. Only backends are.
    Log,
}

/// A `frontend`, `backend` or `listen` section, its defaults applied.
#[derive(Debug)]
pub struct Proxy {
    /// What it is.
    pub kind: ProxyKind,
    /// The name; a frontend and a backend may share one.
    pub name: Spanned<String>,
    /// `id`.
    pub id: Option<u32>,
    /// `description`.
    pub description: Option<String>,
    /// `option independent-streams`: a side that says nothing is silent, whatever it is told.
    pub independent_streams: bool,
    /// `guid`: a unique name.
    pub guid: Option<String>,
    /// `disabled`: neither listens nor is used.
    pub disabled: bool,
    /// `mode`.
    pub mode: Mode,
    /// `rate-limit sessions`: most per second; 0 for no limit.
    pub sessions_per_second: u32,
    /// `email-alert` lines.
    pub email_alert: EmailAlert,
    /// `bind` lines.
    pub binds: Vec<Bind>,
    /// `ssl-f-use` lines.
    pub certificates: Vec<CertificateLine>,
    /// `server` lines.
    pub servers: Vec<Server>,
    /// `maxconn`: most connections of a frontend.
    pub connections_max: Option<u32>,
    /// `backlog`: length of the queue of the system.
    pub backlog: Option<u32>,
    /// `timeout` lines.
    pub timeouts: Timeouts,
    /// All rules but the choice of the backend.
    pub rules: RuleSet,
    /// `use_backend` lines in order.
    pub use_backends: Vec<UseBackend>,
    /// `force-be-switch` lines: when backends are chosen that are not published.
    pub force_switch: Vec<Condition>,
    /// `be-unpublished`: no rule chooses it until it is published.
    pub unpublished: bool,
    /// `default_backend`; without one, a `listen` section uses its own servers.
    pub default_backend: Option<Spanned<ProxyId>>,
    /// `balance`; without one, HAProxy's default, which is to draw lots.
    pub balance: Option<Balance>,
    /// `hash-type`.
    pub hash_type: HashType,
    /// `hash-balance-factor`: how much of the average a server may serve, in percent; 0 for no bound.
    pub hash_balance_factor: u32,
    /// `hash-preserve-affinity`.
    pub affinity: Affinity,
    /// `option allbackups`: when only backups are left, all of them are used.
    pub all_backups: bool,
    /// `fullconn`: the load at which servers reach their `maxconn`; `None` for a part of what frontends let in.
    pub fullconn: Option<u32>,
    /// Which server a request belongs to.
    pub persistence: Persistence,
    /// `stick` lines in order.
    pub stick: Vec<Stick>,
    /// `retries`.
    pub retries: RetryCount,
    /// `http-reuse`.
    pub http_reuse: HttpReuse,
    /// How connections are kept.
    pub connection_mode: ConnectionMode,
    /// `errorfile`, `errorloc`, `http-error` and their kin: by the status whose page they replace.
    pub error_pages: BTreeMap<u16, ErrorPage>,
    /// `compression` lines.
    pub compression: Option<Compression>,
    /// `filter` lines, in order.
    pub filters: Vec<Filter>,
    /// `filter-sequence` lines.
    pub filter_sequences: FilterSequences,
    /// `option forwardfor`.
    pub forward_for: Option<ForwardFor>,
    /// `option originalto`: its `if_none` is never set.
    pub original_to: Option<ForwardFor>,
    /// `option forwarded`.
    pub forwarded: Option<Forwarded>,
    /// `http-send-name-header`: the header that tells servers their names.
    pub send_name: Option<String>,
    /// `option http-restrict-req-hdr-names`.
    pub header_names: HeaderNames,
    /// The page of statistics.
    pub stats: Option<StatsSettings>,
    /// `monitor-uri`.
    pub monitor_uri: Option<String>,
    /// `monitor fail`: when the monitor reports a failure.
    pub monitor_fail: Vec<Condition>,
    /// `option http-buffer-request`: rules see requests with their bodies.
    pub buffer_request: bool,
    /// What messages of HTTP may be like.
    pub http: HttpWire,
    /// What becomes of connections that end, or whose peers end them.
    pub closing: Closing,
    /// What health checks of its servers do.
    pub check: CheckProgram,
    /// `option log-health-checks`
    pub log_health_checks: bool,
    /// `option redispatch`: which retries go to another server: each of so many, or the one that many before the last
    /// and one; 0 for none.
    pub redispatch: i32,
    /// `option clitcpka`, `option tcpka` and what is said of the client's probes.
    pub client_probes: TcpProbes,
    /// `option srvtcpka`, `option tcpka` and what is said of the servers' probes.
    pub server_probes: TcpProbes,
    /// How requests and streams get to the servers.
    pub upstream: Upstream,
    /// Everything about log lines.
    pub log: LogSettings,
    /// What is kept for them of requests and responses.
    pub captures: CaptureSettings,
    /// `option socket-stats`: what listeners do is counted for each of them.
    pub socket_stats: bool,
    /// `unique-id-format`.
    pub unique_id: Option<LogFormat>,
    /// `unique-id-header`.
    pub unique_id_header: Option<String>,
    /// An expression or a rule names it as a backend.
    pub is_referenced: bool,
}

/// Options on what messages of HTTP may be like, and how they are passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpWire {
    /// `option disable-h2-upgrade`: clients don't begin HTTP/2 where HTTP/1 is expected.
    pub disable_h2_upgrade: bool,
    /// `option http-ignore-probes`.
    pub ignore_probes: bool,
    /// `option checkcache`: no response goes on that sets a cookie and may be kept by caches.
    pub check_cache: bool,
    /// `option idle-close-on-response`.
    pub idle_close_on_response: bool,
    /// `option http-pretend-keepalive`: servers aren't told that their connections end.
    pub pretend_keepalive: bool,
    /// `option accept-unsafe-violations-in-http-request`.
    pub lenient_requests: bool,
    /// `option accept-unsafe-violations-in-http-response`.
    pub lenient_responses: bool,
    /// `option h1-case-adjust-bogus-client`.
    pub adjust_for_clients: bool,
    /// `option h1-case-adjust-bogus-server`.
    pub adjust_for_servers: bool,
    /// `option http-drop-request-trailers`: servers don't get to see trailers of requests.
    pub drop_request_trailers: bool,
    /// `option http-drop-response-trailers`: clients don't get to see trailers of responses.
    pub drop_response_trailers: bool,
}

/// What becomes of connections that end, or whose peers end them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closing {
    /// `option abortonclose`, or `no option abortonclose`; if neither is said, it depends on the mode.
    pub abort: Option<bool>,
    /// `option nolinger`.
    pub no_linger: bool,
}

/// `timeout` lines. `None` and zero both mean no limit; only what was written is `Some`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Silence of the client.
    pub client: Option<Duration>,
    /// Silence of the server.
    pub server: Option<Duration>,
    /// Time to connect to a server.
    pub connect: Option<Duration>,
    /// Time for a whole request's header section.
    pub http_request: Option<Duration>,
    /// Time to the next request's first byte.
    pub http_keep_alive: Option<Duration>,
    /// Time in the queue for a server.
    pub queue: Option<Duration>,
    /// Time that a tarpitted request is held.
    pub tarpit: Option<Duration>,
    /// Silence of either side of a tunnel.
    pub tunnel: Option<Duration>,
    /// Time for a client's TLS handshake.
    pub client_hs: Option<Duration>,
    /// Silence of a client that closed its side.
    pub client_fin: Option<Duration>,
    /// Silence of a server that closed its side.
    pub server_fin: Option<Duration>,
    /// Extra time for a check's answer.
    pub check: Option<Duration>,
}

/// One `use_backend` line.
#[derive(Debug)]
pub struct UseBackend {
    /// Which backend.
    pub target: BackendTarget,
    /// Where it is written.
    pub span: Span,
    /// When; always without one.
    pub condition: Option<Condition>,
}

/// Which backend.
#[derive(Debug)]
pub enum BackendTarget {
    /// This one.
    Proxy(ProxyId),
    /// The one of the name that this gives for the request; the next rule when there is none of that name.
    Format(LogFormat),
}

/// `retries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryCount(pub u32);

impl Default for RetryCount {
    fn default() -> RetryCount {
        RetryCount(3)
    }
}

/// `http-reuse`: which requests may take an idle connection to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpReuse {
    /// Those of the client that it was made for.
    Never,
    /// Also others, but the first of a client's connection.
    #[default]
    Safe,
    /// Also the first on connections that proved to be kept.
    Aggressive,
    /// All.
    Always,
}

/// How HTTP connections are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionMode {
    /// `option http-keep-alive`: both sides are kept.
    #[default]
    KeepAlive,
    /// `option http-server-close`: the client's side is kept.
    ServerClose,
    /// `option httpclose`: no side is kept.
    Close,
}

/// `option forwardfor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardFor {
    /// The header's name.
    pub header: String,
    /// `except`: clients of this network aren't added.
    pub except: Option<(std::net::IpAddr, u8)>,
    /// `if-none`: only when the request has no such header.
    pub if_none: bool,
}

/// `compression` lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compression {
    /// `direction request` or `both`, or `filter comp-req`: whether requests are compressed.
    pub of_requests: bool,
    /// `direction request`: responses are not.
    pub not_of_responses: bool,
    /// `algo-req`.
    pub request: Option<CompressionAlgorithm>,
    /// `algo` and `algo-res`.
    pub response: Vec<CompressionAlgorithm>,
    /// `type-req`.
    pub request_types: Vec<String>,
    /// `type` and `type-res`.
    pub response_types: Vec<String>,
    /// `offload`.
    pub offload: bool,
    /// `minsize-req`.
    pub request_bytes_min: u64,
    /// `minsize-res`.
    pub response_bytes_min: u64,
}

/// An algorithm of `compression algo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionAlgorithm {
    /// `identity`.
    Identity,
    /// `gzip`.
    Gzip,
    /// `deflate`.
    Deflate,
    /// `raw-deflate`.
    RawDeflate,
}

/// `option forwarded`: the parts of the header of RFC 7239.
#[derive(Debug, Default)]
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
#[derive(Debug)]
pub enum ForwardedPart {
    /// From the connection or the request.
    Own,
    /// From an expression.
    Sampled(Expr),
}

/// `option http-restrict-req-hdr-names`: what becomes of headers with unusual names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderNames {
    /// They pass.
    #[default]
    Preserve,
    /// They are taken away.
    Delete,
    /// Requests with them are refused.
    Reject,
}

/// Everything about log lines.
#[derive(Debug, Default)]
pub struct LogSettings {
    /// Where they go; `log global` has been replaced by the global targets.
    pub targets: Vec<LogTarget>,
    /// What they hold. Without one, HAProxy's default: `Connect from %ci:%cp to %fi:%fp (%f/MODE)`.
    pub format: Option<LogFormat>,
    /// `log-tag`.
    pub tag: Option<String>,
    /// `option dontlognull`: connections without a byte aren't logged.
    pub skip_empty: bool,
    /// `option dontlog-normal`: sessions without an error aren't logged.
    pub skip_normal: bool,
    /// `option log-separate-errors`: errors are logged at level `err`.
    pub separate_errors: bool,
    /// `error-log-format`: what lines of errors hold.
    pub error_format: Option<LogFormat>,
    /// `log-format-sd`: the structured data of RFC 5424.
    pub structured: Option<LogFormat>,
    /// `log-steps`: when lines are written.
    pub steps: Vec<LogStep>,
    /// `option logasap`: lines are written before the data.
    pub as_soon_as_possible: bool,
}

/// Keep-alive probes of TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpProbes {
    /// Whether the system sends them.
    pub on: bool,
    /// How many stay unanswered before a connection is given up.
    pub count: Option<u32>,
    /// How long a connection is idle before the first.
    pub idle: Option<std::time::Duration>,
    /// How long after the last the next one is sent.
    pub interval: Option<std::time::Duration>,
}
