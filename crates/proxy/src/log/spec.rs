//! `log` lines and what belongs to them, as data.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Level, LogBackend, LogProfile, LogStep, Ring, Sampling};
use crate::rules::Text;

/// Where a log target's lines go.
#[derive(Clone, Debug)]
pub enum LogTo {
    /// `stdout`
    Stdout,
    /// `stderr`
    Stderr,
    /// `fd@N`. Turning a number into a descriptor is the caller's responsibility.
    Fd(Arc<OwnedFd>),
    /// A syslog server, by UDP.
    Udp(SocketAddr),
    /// A syslog server's Unix socket.
    Unix(PathBuf),
    /// A syslog server's socket in the abstract namespace.
    Abstract(Vec<u8>),
    /// `ring@NAME`
    Ring(Arc<Ring>),
    /// `backend@NAME`
    Backend(Arc<LogBackend>),
}

/// `format` of a `log` line: what is written around a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogWrap {
    /// `raw`: the message alone.
    Raw,
    /// `short`: `<level>message`.
    Short,
    /// `timed`: `<level>` and an ISO time.
    Timed,
    /// `iso`: an ISO time.
    Iso,
    /// `priority`: `<facility and level>message`.
    Priority,
    /// `local`: RFC 3164 without the host's name.
    #[default]
    Local,
    /// `rfc3164`.
    Rfc3164,
    /// `rfc5424`.
    Rfc5424,
}

/// One `log` line.
#[derive(Clone, Debug)]
pub struct LogTarget {
    /// Where its messages go.
    pub to: LogTo,
    /// What is written around them.
    pub wrap: LogWrap,
    /// The syslog facility's number, 0 to 23.
    pub facility: u8,
    /// Messages less grave than this are left out.
    pub max_level: Level,
    /// Messages graver than this are lowered to it.
    pub min_level: Level,
    /// `len`: longer lines are cut off, in bytes, the line feed included.
    pub length_max: usize,
    /// `sample`: the share of the messages that are sent.
    pub sampling: Option<Arc<Sampling>>,
    /// `profile`: what its lines hold, where that differs from what the proxy says.
    pub profile: Option<Arc<LogProfile>>,
}

impl LogTarget {
    /// A target that takes every message, up to 1024 bytes of it, with facility `daemon`.
    pub fn new(to: LogTo) -> Self {
        LogTarget {
            to,
            wrap: LogWrap::default(),
            facility: 3,
            max_level: Level::Debug,
            min_level: Level::Emergency,
            length_max: 1024,
            sampling: None,
            profile: None,
        }
    }

    /// The same target with another wrap.
    #[must_use]
    pub fn wrapped(mut self, wrap: LogWrap) -> Self {
        self.wrap = wrap;
        self
    }
}

/// What a frontend logs.
#[derive(Debug)]
pub struct LogSpec {
    /// Where to; nowhere if empty.
    pub targets: Vec<LogTarget>,
    /// The line that is logged of each session or request (`log-format`, `option httplog`, `option tcplog`). Without one
    /// it is "Connect from …", as soon as a connection is accepted.
    pub line: Option<Text>,
    /// `error-log-format`: the line of what went wrong; falls back to `line`.
    pub error_line: Option<Text>,
    /// `log-format-sd`: the structured data of RFC 5424.
    pub structured: Option<Text>,
    /// `log-tag`; `tidegate` if none.
    pub tag: Option<String>,
    /// `log-send-hostname`: the host's name in headers that have one.
    pub host: Option<String>,
    /// `log-steps`; if empty, one line at the end or, with `as_soon_as_possible`, before the data.
    pub steps: LogSteps,
    /// `option logasap`.
    pub as_soon_as_possible: bool,
    /// `tune.http.logurilen`: what is told of a request's line and URI, in bytes.
    pub uri_bytes_max: usize,
    /// `option dontlognull`: no line for connections on which nothing came.
    pub dont_log_null: bool,
    /// `option dontlog-normal`: no line for what went well.
    pub dont_log_normal: bool,
    /// `option log-separate-errors`: what went wrong is logged at level `err`.
    pub separate_errors: bool,
}

impl Default for LogSpec {
    fn default() -> Self {
        LogSpec {
            targets: Vec::new(),
            line: None,
            error_line: None,
            structured: None,
            tag: None,
            host: None,
            steps: LogSteps::default(),
            as_soon_as_possible: false,
            uri_bytes_max: 1023,
            dont_log_null: false,
            dont_log_normal: false,
            separate_errors: false,
        }
    }
}

/// A set of the steps of a transaction at which lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSteps(u8);

impl LogSteps {
    /// The same set with a step more.
    #[must_use]
    pub fn with(self, step: LogStep) -> LogSteps {
        LogSteps(self.0 | 1 << step as u8)
    }

    /// True if there are no steps.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a step is in the set.
    pub fn has(self, step: LogStep) -> bool {
        self.0 & 1 << step as u8 != 0
    }
}

impl LogSpec {
    /// Whether a line tells how many lines there were (`%lc`).
    pub(crate) fn counts_lines(&self) -> bool {
        self.texts()
            .any(|text| matches!(text, Text::Format(format) if format.has_alias("lc")))
    }

    /// Whether a line may be made by scripts, which want to find their transaction alive.
    pub(crate) fn calls_scripts(&self) -> bool {
        self.texts().any(Text::suspends)
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        let profiles = self.targets.iter().filter_map(|target| target.profile.as_ref());
        let steps = profiles.flat_map(|profile| profile.steps.iter().map(|(_, step)| step));
        let of_steps = steps.flat_map(|step| [&step.line, &step.structured]);
        [&self.line, &self.error_line, &self.structured]
            .into_iter()
            .chain(of_steps)
            .flatten()
    }

    /// The steps at which there is something to write, in a proxy of HTTP or of bytes.
    pub(crate) fn steps_of(&self, http: bool) -> LogSteps {
        let none = LogSteps::default();
        if self.targets.is_empty() {
            return none;
        }
        if !self.steps.is_empty() {
            return self.steps;
        }
        match (&self.line, self.as_soon_as_possible) {
            // Profiles may say what is to be written at the end.
            (None, _) if self.targets.iter().all(|target| target.profile.is_none()) => {
                none.with(LogStep::Accept)
            }
            (_, true) if http => none.with(LogStep::Response).with(LogStep::Close),
            (_, true) => none.with(LogStep::Connect).with(LogStep::Close),
            (_, false) => none.with(LogStep::Close),
        }
    }
}
