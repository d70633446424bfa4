//! How a backend's requests and streams get to its servers.

/// What the lines of a proxy say of that.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// `retry-on`: after which failures a request is tried again.
    pub retry_on: RetryOn,
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
