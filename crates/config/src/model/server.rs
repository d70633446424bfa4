//! The servers of a backend.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::address::HttpProto;
use super::balance::HashKey;
use super::check::ServerCheck;
use super::outgoing::Outgoing;
use super::resolvers::Naming;
use crate::source::{Span, Spanned};

/// One `server` line, `default-server` lines applied.
#[derive(Debug, Clone)]
pub struct Server {
    /// The name, unique within its backend.
    pub name: Spanned<String>,
    /// Where to connect to.
    pub address: ServerAddress,
    /// Where the address is written.
    pub address_span: Span,
    /// It is sent datagrams (`udp@`): only log lines are.
    pub datagrams: bool,
    /// `shard`: the part of the keys that a peer hears of; 0 for all.
    pub shard: u32,
    /// How it gets log lines.
    pub lines: ServerLines,
    /// `id`.
    pub id: Option<u32>,
    /// `weight`: 0 to 256.
    pub weight: u16,
    /// `maxconn`: most requests or streams at a time; 0 for no limit.
    pub maxconn: u32,
    /// `minconn`: what that is without load; 0 for the same.
    pub minconn: u32,
    /// `maxqueue`: most that wait for it; 0 for no limit.
    pub maxqueue: u32,
    /// `slowstart`: how long it takes to grow to its weight once it came up.
    pub slowstart: Duration,
    /// `track`: the backend, if one is named, and the server whose state it follows.
    pub track: Option<Spanned<(Option<String>, String)>>,
    /// `cookie`: the value that clients of it have.
    pub cookie: Option<String>,
    /// `guid`: a unique name.
    pub guid: Option<String>,
    /// `hash-key`.
    pub hash_key: HashKey,
    /// `disabled`: starts in maintenance.
    pub disabled: bool,
    /// `backup`: used only when no other server can be.
    pub backup: bool,
    /// `stick` and `non-stick`: whether tables keep who uses it; only backups are not kept if nothing is said.
    pub stick: Option<bool>,
    /// `idle-ping`: how often it is asked on idle connections of HTTP/2 whether it is there.
    pub idle_ping: Option<Duration>,
    /// `pool-max-conn`: most idle connections that are kept; `None` for no limit.
    pub idle_max: Option<u32>,
    /// `pool-purge-delay`: after each such time half of the idle connections that nobody needed are closed.
    pub idle_purge_delay: Duration,
    /// `max-reuse`: how often a connection is used again; `None` for no limit.
    pub reuse_max: Option<u32>,
    /// `strict-maxconn`: there are never more connections than `maxconn`, idle ones counted.
    pub strict_maxconn: bool,
    /// What else is done with sessions.
    pub events: ServerEvents,
    /// Everything about its health.
    pub check: ServerCheck,
    /// How connections to it are made.
    pub outgoing: Outgoing,
    /// How its name is resolved, if it has one.
    pub naming: Naming,
    /// `proto`: what it speaks.
    pub proto: Option<HttpProto>,
    /// `ws`: what it speaks where a client asks for a WebSocket.
    pub websockets: WebSockets,
    /// An expression or a `use-server` line names it.
    pub is_referenced: bool,
}

/// `ws`: what a server speaks where a client asks for a WebSocket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WebSockets {
    /// What it speaks else; HTTP/1 where TLS may agree on either.
    #[default]
    Auto,
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// How a server gets log lines, in a `ring` section or a backend of `mode log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerLines {
    /// `log-proto octet-count`: lines have their lengths before them.
    pub octet_count: bool,
    /// `log-bufsize`: the size of the ring before it, in bytes.
    pub buffer_bytes: Option<u64>,
}

/// What is done with a server's sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEvents {
    /// `on-marked-down shutdown-sessions`: they end when it goes down.
    pub ends_sessions: bool,
    /// `on-marked-up shutdown-backup-sessions`: those of backups end when it comes up.
    pub ends_backup_sessions: bool,
    /// `redir`: where clients are sent in its place.
    pub redirect: Option<String>,
}

/// A server's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPort {
    /// This one.
    Fixed(u16),
    /// That of the client's connection, and so many more.
    Mapped(i32),
}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAddress {
    /// An address and port of TCP.
    Tcp {
        /// The address; that of the client's connection if it is unspecified.
        ip: IpAddr,
        /// The port.
        port: ServerPort,
    },
    /// A host name that is resolved once at start.
    Name {
        /// The host.
        host: String,
        /// The port.
        port: ServerPort,
    },
    /// A Unix socket in the file system.
    Unix(PathBuf),
    /// A Unix socket in Linux's abstract name space.
    Abstract(Vec<u8>),
}
