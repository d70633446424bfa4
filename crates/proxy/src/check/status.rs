//! How a check ended, by the codes that operators know.

use super::health;

/// How a check ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// There was none yet.
    #[default]
    Initial,
    /// There was nothing left to ask with, so that nothing is known.
    Unknown,
    /// The system gave no socket.
    SocketError,
    /// A connection was made.
    L4Ok,
    /// No connection in time.
    L4Timeout,
    /// No connection.
    L4Connection,
    /// TLS was agreed on.
    L6Ok,
    /// TLS took too long.
    L6Timeout,
    /// TLS failed.
    L6Response,
    /// What was answered is well.
    L7Ok,
    /// What was answered means that the server stops softly.
    L7OkConditional,
    /// No answer in time.
    L7Timeout,
    /// The answer can't be understood, or isn't what was expected.
    L7Response,
    /// The answer says that something is wrong.
    L7Status,
    /// A program said that all is well.
    ProcessOk,
    /// A program took too long.
    ProcessTimeout,
    /// A program said that something is wrong.
    ProcessError,
    /// The traffic, not a check, showed errors.
    Observed,
}

impl Status {
    /// All of them, in the order in which HAProxy's exporter tells them.
    pub const ALL: [Status; 18] = [
        Status::Initial,
        Status::Unknown,
        Status::Observed,
        Status::SocketError,
        Status::L4Ok,
        Status::L4Timeout,
        Status::L4Connection,
        Status::L6Ok,
        Status::L6Timeout,
        Status::L6Response,
        Status::L7Timeout,
        Status::L7Response,
        Status::L7Ok,
        Status::L7OkConditional,
        Status::L7Status,
        Status::ProcessError,
        Status::ProcessTimeout,
        Status::ProcessOk,
    ];

    /// The code: `L7OK`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// What logs say: `Layer7 check passed`.
    #[must_use]
    pub fn description(self) -> &'static str {
        self.row().1
    }

    /// What it means for the server.
    #[must_use]
    pub fn result(self) -> health::Result {
        match self {
            Status::L4Ok | Status::L6Ok | Status::L7Ok | Status::ProcessOk => health::Result::Passed,
            Status::L7OkConditional => health::Result::Conditional,
            _ => health::Result::Failed,
        }
    }

    /// The status of this code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.code() == code)
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Status::Initial => ("INI", "Initializing"),
            Status::Unknown => ("UNK", "unknown"),
            Status::SocketError => ("SOCKERR", "Socket error"),
            Status::L4Ok => ("L4OK", "Layer4 check passed"),
            Status::L4Timeout => ("L4TOUT", "Layer4 timeout"),
            Status::L4Connection => ("L4CON", "Layer4 connection problem"),
            Status::L6Ok => ("L6OK", "Layer6 check passed"),
            Status::L6Timeout => ("L6TOUT", "Layer6 timeout"),
            Status::L6Response => ("L6RSP", "Layer6 invalid response"),
            Status::L7Ok => ("L7OK", "Layer7 check passed"),
            Status::L7OkConditional => ("L7OKC", "Layer7 check conditionally passed"),
            Status::L7Timeout => ("L7TOUT", "Layer7 timeout"),
            Status::L7Response => ("L7RSP", "Layer7 invalid response"),
            Status::L7Status => ("L7STS", "Layer7 wrong status"),
            Status::ProcessOk => ("PROCOK", "External check passed"),
            Status::ProcessTimeout => ("PROCTOUT", "External check timeout"),
            Status::ProcessError => ("PROCERR", "External check error"),
            Status::Observed => ("HANA", "Health analyze"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_by_its_code() {
        for status in Status::ALL {
            assert_eq!(Status::of_code(status.code()), Some(status));
        }
        assert_eq!(Status::of_code("L8OK"), None);
    }
}
