//! Where log lines go.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::address::Bind;
use super::sampled::LogFormat;
use super::server::{Server, ServerAddress};
use crate::source::{Span, Spanned};

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
    /// `sample`: the share of the lines that are sent.
    pub sample: Option<LogSample>,
    /// `profile`: the section that says what its lines hold.
    pub profile: Option<Spanned<String>>,
}

/// `sample RANGES:SIZE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSample {
    /// The lines of each sample that are sent, from 1, both ends included.
    pub ranges: Vec<(u32, u32)>,
    /// The lines of a sample.
    pub size: u32,
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
    /// The same by a name, which the system resolves at start.
    UdpName {
        /// The host.
        host: String,
        /// The family that its address has to be of: IPv6 or, if false, IPv4.
        v6: Option<bool>,
        /// The port.
        port: u16,
    },
    /// A syslog server's datagram socket.
    Unix(PathBuf),
    /// The same in Linux's abstract name space.
    Abstract(Vec<u8>),
    /// A `ring` section.
    Ring(Spanned<String>),
    /// A backend of `mode log`.
    Backend(Spanned<String>),
    /// A syslog server over a stream, with a ring of its own before it.
    Stream(ServerAddress),
}

/// `log-send-hostname`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogHost {
    /// The machine's name.
    System,
    /// This name.
    Name(String),
}

/// A `ring` section.
#[derive(Debug)]
pub struct Ring {
    /// Its name.
    pub name: Spanned<String>,
    /// `description`.
    pub description: Option<String>,
    /// `format`, for `log` lines that have none.
    pub format: Option<LogFormatKind>,
    /// `maxlen`: longest line in bytes; the whole ring without one.
    pub line_bytes_max: Option<u64>,
    /// `size` in bytes.
    pub bytes_max: u64,
    /// `timeout connect`.
    pub connect: Option<Duration>,
    /// `timeout server`.
    pub server: Option<Duration>,
    /// `server` lines.
    pub servers: Vec<Server>,
}

/// A `log-profile` section.
#[derive(Debug)]
pub struct LogProfile {
    /// Its name.
    pub name: Spanned<String>,
    /// `log-tag`.
    pub tag: Option<String>,
    /// `on` lines.
    pub steps: Vec<LogProfileStep>,
}

/// An `on` line.
#[derive(Debug)]
pub struct LogProfileStep {
    /// The step.
    pub step: &'static str,
    /// `drop`.
    pub drop: bool,
    /// `format`.
    pub format: Option<LogFormat>,
    /// `sd`.
    pub structured: Option<LogFormat>,
}

/// A step of `log-steps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStep {
    /// A connection was accepted.
    Accept,
    /// A request came.
    Request,
    /// The server is connected.
    Connect,
    /// A response came.
    Response,
    /// The transaction is over.
    Close,
}

impl LogStep {
    /// The steps and their names.
    pub(crate) const NAMES: [(&'static str, LogStep); 5] = [
        ("accept", LogStep::Accept),
        ("request", LogStep::Request),
        ("connect", LogStep::Connect),
        ("response", LogStep::Response),
        ("close", LogStep::Close),
    ];
}

/// How a line is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormatKind {
    /// `local`; `rfc3164` with `log-send-hostname`, and what a ring says.
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

/// A `log-forward` section.
#[derive(Debug)]
pub struct LogForward {
    /// Its name.
    pub name: Spanned<String>,
    /// `dgram-bind` lines.
    pub datagrams: Vec<Bind>,
    /// `bind` lines.
    pub streams: Vec<Bind>,
    /// `log` lines.
    pub targets: Vec<LogTarget>,
    /// `backlog`
    pub backlog: Option<u32>,
    /// `maxconn`: most streams at a time.
    pub connections_max: u32,
    /// `timeout client`
    pub silence_max: Option<Duration>,
    /// `option assume-rfc6587-ntf`
    pub lines_only: bool,
    /// `option dont-parse-log`
    pub opaque: bool,
    /// `option host`
    pub host: ForwardHost,
}

/// `option host` of a `log-forward` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardHost {
    /// The sender's address.
    Replace,
    /// What a line says, or else the sender's address.
    Fill,
    /// What a line says.
    Keep,
    /// Both.
    Append,
}
