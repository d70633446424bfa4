//! Log messages and where they go. Logging never blocks a session: lines pass through a bounded queue to one writer
//! thread, and a line for which there is no room is dropped and counted.

mod line;
mod terminal;
mod writer;

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::rules::Text;

pub use terminal::harmless;
pub use writer::LogWriter;

/// How grave a message is: syslog's severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// `emerg`, 0
    Emergency = 0,
    /// `alert`, 1
    Alert = 1,
    /// `crit`, 2
    Critical = 2,
    /// `err`, 3
    Error = 3,
    /// `warning`, 4
    Warning = 4,
    /// `notice`, 5
    Notice = 5,
    /// `info`, 6
    Info = 6,
    /// `debug`, 7
    Debug = 7,
}

impl Level {
    /// All levels, the gravest first.
    pub const ALL: [Level; 8] = [
        Level::Emergency,
        Level::Alert,
        Level::Critical,
        Level::Error,
        Level::Warning,
        Level::Notice,
        Level::Info,
        Level::Debug,
    ];

    /// HAProxy's name of the level.
    pub fn name(self) -> &'static str {
        match self {
            Level::Emergency => "emerg",
            Level::Alert => "alert",
            Level::Critical => "crit",
            Level::Error => "err",
            Level::Warning => "warning",
            Level::Notice => "notice",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// Where a log target's lines go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogTo {
    /// `stdout`
    Stdout,
    /// `stderr`
    Stderr,
    /// `fd@N`
    Fd(RawFd),
    /// A syslog server, by UDP.
    Udp(SocketAddr),
    /// A syslog server's Unix socket.
    Unix(PathBuf),
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
    /// `iso`: as `local`, with an ISO time.
    Iso,
    /// `priority`: `<facility and level>message`.
    Priority,
    /// `local`: RFC 3164 without the host's name.
    Local,
    /// `rfc3164`.
    #[default]
    Rfc3164,
    /// `rfc5424`.
    Rfc5424,
}

/// One `log` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTarget {
    /// Where its messages go.
    pub to: LogTo,
    /// What is written around them. (HAProxy's default is `raw` for a descriptor and `rfc3164` for the rest.)
    pub wrap: LogWrap,
    /// The syslog facility's number, 0 to 23.
    pub facility: u8,
    /// Messages less grave than this are left out.
    pub max_level: Level,
    /// Messages graver than this are lowered to it.
    pub min_level: Level,
    /// `len`: longer lines are cut off, in bytes.
    pub length_max: usize,
}

impl LogTarget {
    /// A target that takes every message, up to 1024 bytes of it, with facility `daemon`.
    pub fn new(to: LogTo) -> Self {
        let wrap = match to {
            LogTo::Stdout | LogTo::Stderr | LogTo::Fd(_) => LogWrap::Raw,
            LogTo::Udp(_) | LogTo::Unix(_) => LogWrap::Rfc3164,
        };
        LogTarget {
            to,
            wrap,
            facility: 3,
            max_level: Level::Debug,
            min_level: Level::Emergency,
            length_max: 1024,
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
#[derive(Debug, Default)]
pub struct LogSpec {
    /// Where to; nowhere if empty.
    pub targets: Vec<LogTarget>,
    /// The line that is logged at the end of each session or request (`log-format`, `option httplog`, `option tcplog`).
    /// None is, without one.
    pub line: Option<Text>,
    /// `log-tag`; `tidegate` if none.
    pub tag: Option<String>,
    /// `option dontlognull`: no line for connections on which nothing came.
    pub dont_log_null: bool,
    /// `option dontlog-normal`: no line for what went well.
    pub dont_log_normal: bool,
    /// `option log-separate-errors`: what went wrong is logged at level `err`.
    pub separate_errors: bool,
}

/// Sends the messages of one proxy on one worker to its targets.
pub struct Logger {
    writer: Option<LogWriter>,
    targets: Vec<LogTarget>,
    tag: String,
    host: String,
    pid: u32,
}

impl Logger {
    /// A logger without targets.
    pub fn discard() -> Self {
        Logger {
            writer: None,
            targets: Vec::new(),
            tag: String::new(),
            host: String::new(),
            pid: 0,
        }
    }

    /// A logger for these targets.
    pub fn new(writer: LogWriter, targets: Vec<LogTarget>, tag: Option<&str>, host: &str) -> Self {
        let tag = tag.unwrap_or("tidegate").to_owned();
        Logger {
            writer: Some(writer),
            targets,
            tag,
            host: host.to_owned(),
            pid: std::process::id(),
        }
    }

    /// True if messages go nowhere.
    pub fn is_silent(&self) -> bool {
        self.targets.is_empty()
    }

    /// Sends a message to every target that takes its level. Each line of a message of several becomes one of its own.
    pub fn message(&self, level: Level, message: &str) {
        let Some(writer) = &self.writer else { return };
        let now = SystemTime::now();
        for target in self.targets.iter().filter(|t| level <= t.max_level) {
            let level = level.max(target.min_level);
            for text in message.lines().filter(|text| !text.is_empty()) {
                let context = line::Context {
                    tag: &self.tag,
                    host: &self.host,
                    pid: self.pid,
                    now,
                };
                writer.send(&target.to, line::render(target, level, text.as_bytes(), &context));
            }
        }
    }

    /// Tells of a failure: like any message, and on standard error if there is nowhere else to say it, so that a
    /// script that breaks is never silent.
    pub fn failure(&self, message: &str) {
        // Tracebacks are indented by tabs, which logs would show as codes.
        let message = message.replace('\t', "    ");
        if self.is_silent() {
            eprintln!("[{}] {}", Level::Error.name(), harmless(&message));
        } else {
            self.message(Level::Error, &message);
        }
    }

    /// Tells an operator: on standard error, for want of anywhere else.
    pub(crate) fn notice(&self, level: Level, message: &str) {
        eprintln!("[{}] {}", level.name(), harmless(message));
    }

    /// Sends a session's line.
    pub(crate) fn line(&self, level: Level, text: &[u8]) {
        let Some(writer) = &self.writer else { return };
        let now = SystemTime::now();
        for target in self.targets.iter().filter(|t| level <= t.max_level) {
            let level = level.max(target.min_level);
            let context = line::Context {
                tag: &self.tag,
                host: &self.host,
                pid: self.pid,
                now,
            };
            writer.send(&target.to, line::render(target, level, text, &context));
        }
    }
}
