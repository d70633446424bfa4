//! How a backend's requests and streams get to its servers.

use super::outgoing::SourceAddress;

/// What the lines of a proxy say of that.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// `retry-on`: after which failures a request is tried again.
    pub retry_on: RetryOn,
    /// `option prefer-last-server`: a session's requests go where the last one went.
    pub prefer_last_server: bool,
    /// `max-keep-alive-queue`: only if no more than so many wait there; `None` for however many.
    pub keep_alive_queue_max: Option<u32>,
    /// `source`: where connections to servers come from that have none of their own.
    pub source: Option<SourceAddress>,
    /// `dynamic-cookie-key`.
    pub cookie_key: Option<String>,
    /// `max-session-srv-conns`: server connections that a session keeps for itself.
    pub session_servers_max: Option<u32>,
    /// `load-server-state-from-file`
    pub saved: SavedStates,
    /// `server-state-file-name`; the backend's own name without.
    pub saved_file: Option<String>,
}

/// Where the state comes from that servers had before a reload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SavedStates {
    /// They begin anew.
    #[default]
    None,
    /// `server-state-file`
    Global,
    /// A file of the backend's own.
    Local,
}

/// `retry-on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryOn {
    /// `conn-failure`: the server could not be reached.
    pub connection: bool,
    /// `empty-response`: the connection ended and nothing was answered.
    pub empty: bool,
    /// `junk-response`: what was answered is no response, or only a part of its head.
    pub junk: bool,
    /// `response-timeout`: the server was silent for too long.
    pub timeout: bool,
    /// The statuses of responses that don't count.
    pub statuses: Vec<u16>,
}

impl RetryOn {
    /// `none`.
    pub const NONE: RetryOn = RetryOn {
        connection: false,
        empty: false,
        junk: false,
        timeout: false,
        statuses: Vec::new(),
    };
}

impl Default for RetryOn {
    fn default() -> RetryOn {
        RetryOn {
            connection: true,
            ..RetryOn::NONE
        }
    }
}
