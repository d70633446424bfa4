//! `log-forward` sections: log lines of others, received as datagrams or over streams, and sent on to targets.
//!
//! All sections are served by one thread of its own, since their lines are nobody's sessions: what a line says (`message`),
//! how streams hold lines (`framing`), and how a line is written anew (`render`) need no socket; `serve` has them.

mod framing;
mod message;
mod render;
mod serve;

use std::time::Duration;

use crate::log::LogTarget;
use crate::spec::ListenerSpec;

pub(crate) use serve::Relay;

/// What a `log-forward` section says.
#[derive(Debug)]
pub struct LogForwardSpec {
    /// Its name.
    pub name: String,
    /// `dgram-bind`: where datagrams come.
    pub datagrams: Vec<ListenerSpec>,
    /// `bind`: where streams come.
    pub streams: Vec<ListenerSpec>,
    /// `log`: where lines go.
    pub targets: Vec<ForwardTarget>,
    /// `maxconn`: most streams at a time.
    pub connections_max: usize,
    /// `timeout client`: how long a stream may be silent.
    pub silence_max: Option<Duration>,
    /// `option assume-rfc6587-ntf`: lines of streams end in line feeds, whatever they begin with.
    pub lines_only: bool,
    /// `option dont-parse-log`: nothing is looked for in a line.
    pub opaque: bool,
    /// `option host`.
    pub host: HostStrategy,
    /// Longest line, in bytes.
    pub line_bytes_max: usize,
}

/// A target of a `log-forward` section.
#[derive(Clone, Debug)]
pub struct ForwardTarget {
    /// Where lines go.
    pub target: LogTarget,
    /// No format is named: lines keep the one that they came in.
    pub keeps_format: bool,
}

/// `option host`: what is told as the host that a line is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostStrategy {
    /// The sender's address.
    Replace,
    /// What the line says, or else the sender's address.
    #[default]
    Fill,
    /// What the line says, or nothing.
    Keep,
    /// What the line says and the sender's address.
    Append,
}
