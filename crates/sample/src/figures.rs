//! What is counted and configured for proxies and servers, as fetches ask for it.

use crate::data::Data;
use std::time::Duration;

/// The counters of a data plane. A name that there is not gives none.
pub trait Figures {
    /// Those of a frontend.
    fn frontend(&self, name: &[u8]) -> Option<FrontendFigures>;
    /// Those of a backend.
    fn backend(&self, name: &[u8]) -> Option<BackendFigures>;
    /// Those of a backend's server.
    fn server(&self, backend: &[u8], name: &[u8]) -> Option<ServerFigures>;
}

/// The counters of a frontend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontendFigures {
    /// Connections that are open.
    pub connections: u64,
    /// New connections per second.
    pub sessions_per_second: u64,
    /// HTTP requests per second.
    pub requests_per_second: u64,
}

/// The counters of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendFigures {
    /// Requests or streams that are in it.
    pub connections: u64,
    /// New ones per second.
    pub sessions_per_second: u64,
    /// Those that wait for a server.
    pub queued: u64,
    /// Servers that can be used: backups count only if no other can be, and then the first alone.
    pub usable_servers: u64,
    /// Connections that the usable servers have left; none if one of them has no limit.
    pub connections_free: Option<u64>,
    /// The same with the places in their queues.
    pub slots_free: Option<u64>,
}

/// The counters and weights of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerFigures {
    /// Requests or streams that it serves.
    pub connections: u64,
    /// New ones per second.
    pub sessions_per_second: u64,
    /// Those that wait for it.
    pub queued: u64,
    /// Connections that it has left; none without a limit.
    pub connections_free: Option<u64>,
    /// Whether it is in service.
    pub up: bool,
    /// The weight that counts now.
    pub weight: u32,
    /// The weight that was set last.
    pub user_weight: u32,
    /// The weight that it began with.
    pub initial_weight: u32,
}

/// What is configured where a session is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `timeout client` of the frontend.
    pub client_timeout: Option<Duration>,
    /// `timeout tarpit` of the frontend.
    pub tarpit_timeout: Option<Duration>,
    /// `default_backend`.
    pub default_backend: Option<Data>,
    /// Those of the backend, once one was chosen.
    pub backend: Option<BackendSettings>,
    /// `timeout client` or what a rule set in its place.
    pub current_client_timeout: Option<Duration>,
    /// `timeout tarpit` or what a rule set in its place; the backend's, once one was chosen.
    pub current_tarpit_timeout: Option<Duration>,
    /// The backend's, or what rules set in their place.
    pub current_backend: Option<BackendSettings>,
}

/// What is configured for a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendSettings {
    /// `timeout connect`.
    pub connect_timeout: Option<Duration>,
    /// `timeout queue`.
    pub queue_timeout: Option<Duration>,
    /// `timeout server`.
    pub server_timeout: Option<Duration>,
    /// `timeout tarpit`.
    pub tarpit_timeout: Option<Duration>,
    /// `timeout tunnel`.
    pub tunnel_timeout: Option<Duration>,
    /// `retries`.
    pub retries: u32,
}

/// Bytes that went through a session so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the client.
    pub from_client: u64,
    /// To the server.
    pub to_server: u64,
    /// From the server.
    pub from_server: u64,
    /// To the client.
    pub to_client: u64,
}

/// What the kernel counts and measures for a TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFigures {
    /// The round trip time, microseconds.
    pub rtt_us: u32,
    /// How much it varies, microseconds.
    pub rttvar_us: u32,
    /// Segments that were sent and not acknowledged.
    pub unacked: u32,
    /// Segments that were acknowledged selectively.
    pub sacked: u32,
    /// Segments that are taken for lost.
    pub lost: u32,
    /// Segments that were sent again and not acknowledged.
    pub retrans: u32,
    /// Segments up to the one acknowledged last, selectively.
    pub fackets: u32,
    /// By how many segments the network changes their order.
    pub reordering: u32,
}

/// The place of a rule in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePlace {
    /// The file, as it was named.
    pub file: Data,
    /// The line, from 1.
    pub line: u32,
}

/// What is known of a connection of HTTP, and of the stream on it that carries a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpStreamFigures {
    /// The major version of HTTP.
    pub major: u8,
    /// The stream's number; 0 for HTTP/1.
    pub stream_id: u32,
    /// How much was odd about what the peer sent.
    pub glitches: u32,
    /// Requests that the connection carries at once.
    pub streams: u32,
    /// Requests that it may carry at once.
    pub streams_max: u32,
}
