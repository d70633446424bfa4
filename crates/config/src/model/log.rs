//! Where log lines go.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::source::Span;

/// One `log` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    /// Where lines go.
    pub sink: LogSink,
    /// Where the target is written.
    pub span: Span,
    /// `len`: longest line in bytes.
    pub line_bytes_max: u32,
    /// `format`.
    pub format: LogFormatKind,
    /// The syslog facility.
    pub facility: LogFacility,
    /// Lines that are less severe than this are not sent.
    pub level: LogLevel,
    /// Lines that are more severe than this are sent as this.
    pub level_min: LogLevel,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSink {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// An inherited descriptor.
    Fd(i32),
    /// A syslog server over UDP.
    Udp(SocketAddr),
    /// A syslog server's datagram socket.
    Unix(PathBuf),
}

/// How a line is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormatKind {
    /// What the sink is used to: `raw` on descriptors, `rfc3164` on sockets is the manual's default.
    Default,
    /// Local syslog: as RFC 3164 without a host.
    Local,
    /// RFC 3164.
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
    /// `<PRI>` and the text.
    Priority,
    /// `<N>` by level only, for services run by a manager, and the text.
    Short,
    /// Time and text.
    Timed,
    /// ISO time and text.
    Iso,
    /// The text.
    Raw,
}

impl LogFormatKind {
    /// The names in configurations.
    pub(crate) const NAMES: [(&'static str, LogFormatKind); 8] = [
        ("local", LogFormatKind::Local),
        ("rfc3164", LogFormatKind::Rfc3164),
        ("rfc5424", LogFormatKind::Rfc5424),
        ("priority", LogFormatKind::Priority),
        ("short", LogFormatKind::Short),
        ("timed", LogFormatKind::Timed),
        ("iso", LogFormatKind::Iso),
        ("raw", LogFormatKind::Raw),
    ];
}

/// A syslog facility: its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFacility(pub u8);

impl LogFacility {
    /// The names; a facility's number is its place.
    pub const NAMES: [&'static str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp",
        "ntp", "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5",
        "local6", "local7",
    ];
}

/// A syslog level, the most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The system is unusable.
    Emerg,
    /// Somebody must act at once.
    Alert,
    /// Critical.
    Crit,
    /// An error.
    Err,
    /// A warning.
    Warning,
    /// Normal and worth noting.
    Notice,
    /// Information.
    Info,
    /// For developers.
    Debug,
}

impl LogLevel {
    /// All levels and their names, the most severe first.
    pub const NAMES: [(&'static str, LogLevel); 8] = [
        ("emerg", LogLevel::Emerg),
        ("alert", LogLevel::Alert),
        ("crit", LogLevel::Crit),
        ("err", LogLevel::Err),
        ("warning", LogLevel::Warning),
        ("notice", LogLevel::Notice),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
    ];
}
