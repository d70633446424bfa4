//! The `timeout` lines.

use std::time::Duration;

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
