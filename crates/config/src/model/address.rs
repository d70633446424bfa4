//! Where a frontend listens.

use std::net::IpAddr;
use std::path::PathBuf;

use super::runtime::{AccessLevel, SeverityOutput};
use super::tls::BindTls;
use crate::source::{Span, Spanned};

/// One address of a `bind` line. A line with several addresses or a range of ports gives several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Where to listen.
    pub address: BindAddress,
    /// Where the address is written.
    pub span: Span,
    /// The line's parameters.
    pub options: BindOptions,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindAddress {
    /// An address and one or more ports of TCP.
    Tcp {
        /// The address.
        ip: IpAddr,
        /// The ports.
        ports: PortRange,
    },
    /// A host name that the system resolves at start, with one or more ports of TCP.
    Name {
        /// The host.
        host: String,
        /// The family that its address has to be of: IPv6 or, if false, IPv4.
        v6: Option<bool>,
        /// The ports.
        ports: PortRange,
    },
    /// A Unix socket in the file system.
    Unix(PathBuf),
    /// A Unix socket in Linux's abstract name space.
    Abstract(Vec<u8>),
    /// An inherited descriptor of a listening socket.
    Fd(i32),
}

/// One or more ports in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last; the same for one port.
    pub last: u16,
}

impl PortRange {
    /// The ports.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }
}

/// Some of the worker threads (`thread`), which are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadSet {
    /// `all`
    All,
    /// `odd`
    Odd,
    /// `even`
    Even,
    /// From this one to that one, both of them included; the last there is without one.
    Range(u16, Option<u16>),
}

impl ThreadSet {
    /// Whether a thread is one of them.
    #[must_use]
    pub fn has(self, thread: usize) -> bool {
        match self {
            ThreadSet::All => true,
            ThreadSet::Odd => thread % 2 == 1,
            ThreadSet::Even => thread.is_multiple_of(2),
            ThreadSet::Range(first, last) => {
                thread >= first.into() && last.is_none_or(|last| thread <= last.into())
            }
        }
    }
}

/// What `proto` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpProto {
    /// `h1`.
    Http1,
    /// `h2`.
    Http2,
}

/// The parameters of a `bind` line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindOptions {
    /// `name`.
    pub name: Option<String>,
    /// `guid-prefix`: what the unique names of its sockets begin with.
    pub guid_prefix: Option<String>,
    /// `id`.
    pub id: Option<u32>,
    /// `backlog`: length of the queue of the system.
    pub backlog: Option<u32>,
    /// `maxconn`: most connections of this listener.
    pub connections_max: Option<u32>,
    /// `v4v6` (`Some(false)`) or `v6only` (`Some(true)`) for an IPv6 address.
    pub v6_only: Option<bool>,
    /// `mode`: permissions of a Unix socket.
    pub unix_mode: Option<u32>,
    /// `user` or `uid`: the owner of a Unix socket.
    pub unix_user: Option<Spanned<Owner>>,
    /// `group` or `gid`: the group of a Unix socket.
    pub unix_group: Option<Spanned<Owner>>,
    /// `level`: what those may do who connect to a socket of the runtime API.
    pub level: AccessLevel,
    /// `severity-output`: how a socket of the runtime API tells the severity of its messages.
    pub severity: SeverityOutput,
    /// `proto`: what clients speak.
    pub proto: Option<HttpProto>,
    /// `proto none`: whatever a TCP frontend does, its clients' connections don't become HTTP.
    pub never_http: bool,
    /// `interface`: the one to listen on.
    pub interface: Option<String>,
    /// `mss`: largest segment of TCP.
    pub mss: Option<u16>,
    /// `tcp-ut`: how long sent bytes may stay unacknowledged.
    pub user_timeout: Option<std::time::Duration>,
    /// `cc`: algorithm of congestion control.
    pub congestion: Option<String>,
    /// `thread`: the threads that listen; all, if none is named.
    pub threads: Option<Spanned<Vec<ThreadSet>>>,
    /// `transparent`: listens on addresses of others.
    pub transparent: bool,
    /// `accept-proxy`: connections begin with a PROXY header.
    pub accept_proxy: bool,
    /// `accept-netscaler-cip`: connections begin with a header of NetScaler, which begins with this number.
    pub netscaler_magic: Option<u32>,
    /// `idle-ping`: how often an idle client of HTTP/2 is asked whether it is still there.
    pub idle_ping: Option<std::time::Duration>,
    /// `ssl`: clients speak TLS.
    pub ssl: bool,
    /// What they are received with then.
    pub tls: BindTls,
}

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// By its number.
    Id(u32),
    /// By its name, which the system knows.
    Name(String),
}
