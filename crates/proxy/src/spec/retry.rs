//! After which failures a request is tried again.

/// `retry-on`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryOn {
    /// `conn-failure`: the server could not be reached.
    pub connection: bool,
    /// `empty-response`: the connection ended and nothing was answered.
    pub empty: bool,
    /// `junk-response`: what was answered is no response, or only a part of its head.
    pub junk: bool,
    /// `response-timeout`: `timeout server` struck before the response.
    pub timeout: bool,
    /// The statuses of responses that don't count.
    pub statuses: Vec<u16>,
}

impl Default for RetryOn {
    fn default() -> Self {
        RetryOn {
            connection: true,
            empty: false,
            junk: false,
            timeout: false,
            statuses: Vec::new(),
        }
    }
}

impl RetryOn {
    /// Never.
    pub fn none() -> Self {
        RetryOn {
            connection: false,
            ..RetryOn::default()
        }
    }

    /// Whether there is nothing after which a request is tried again.
    pub(crate) fn is_none(&self) -> bool {
        !self.connection && !self.keeps_requests()
    }

    /// Whether requests that were sent already may have to be sent again, and so are kept.
    pub(crate) fn keeps_requests(&self) -> bool {
        self.empty || self.junk || self.timeout || !self.statuses.is_empty()
    }
}
