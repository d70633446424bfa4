//! `bind` lines.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{KeepAlive, SocketBuffers};

/// One socket to listen on. A `bind` line with several addresses or a port range becomes several of them.
#[derive(Clone, Debug)]
pub struct ListenerSpec {
    /// The line, as messages show it: `bind :8080 (tidegate.cfg:12)`.
    pub line: String,
    /// `name`; may be empty.
    pub name: String,
    /// `guid-prefix` and its place in the line: a unique name.
    pub guid: Option<String>,
    /// The listener's number in its frontend, from 1.
    pub id: u32,
    /// Where.
    pub address: ListenAddress,
    /// `maxconn` of the line, all workers together.
    pub maxconn: Option<usize>,
    /// `backlog`; falls back to `maxconn`, then to 1024.
    pub backlog: Option<u32>,
    /// `v4v6` (false) and `v6only` (true) of an IPv6 socket; `None` leaves it to the system.
    pub v6only: Option<bool>,
    /// `mode`: the permissions of a Unix socket's file.
    pub unix_mode: Option<u32>,
    /// `user`: the owner of a Unix socket's file, by number.
    pub unix_user: Option<u32>,
    /// `group`: the group of a Unix socket's file, by number.
    pub unix_group: Option<u32>,
    /// A process that still listens on the same Unix socket is to be replaced by this one.
    pub replaces: bool,
    /// `ssl`: what hands are shaken with.
    pub tls: Option<Arc<tidegate_tls::Acceptor>>,
    /// `accept-proxy`: connections begin with a PROXY header.
    pub accept_proxy: bool,
    /// `accept-netscaler-cip`: connections begin with a header of NetScaler, and that with this number.
    pub netscaler_magic: Option<u32>,
    /// What else the socket is told.
    pub socket: SocketOptions,
    /// `proto`: what clients speak, in HTTP mode.
    pub proto: ListenProto,
    /// `thread`: the workers that listen, counted from 0; `None` for all.
    pub workers: Option<Vec<usize>>,
    /// `idle-ping`: how often an idle client of HTTP/2 is asked whether it is still there.
    pub idle_ping: Option<Duration>,
}

/// What clients of a listener speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenProto {
    /// HTTP/1, unless TLS agreed on HTTP/2 or the client begins with what HTTP/2 begins with.
    #[default]
    Any,
    /// `proto h1`: HTTP/1, whatever comes.
    Http1,
    /// `proto h2`: HTTP/2, whatever comes.
    Http2,
    /// `proto none`: no HTTP, in TCP mode.
    Never,
}

/// What a listening socket of TCP is told, for itself and the connections that come through it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// `interface`: the one to listen on.
    pub interface: Option<String>,
    /// `mss`: largest segment.
    pub mss: Option<u16>,
    /// `tcp-ut`: how long sent bytes may stay unacknowledged.
    pub user_timeout: Option<Duration>,
    /// `option clitcpka`: how idle connections are probed.
    pub keepalive: Option<KeepAlive>,
    /// `cc`: algorithm of congestion control.
    pub congestion: Option<String>,
    /// `transparent`: listens on addresses of others.
    pub transparent: bool,
    /// `tune.rcvbuf.client` and its kin.
    pub buffers: SocketBuffers,
}

/// Where a listener listens.
#[derive(Clone, Debug)]
pub enum ListenAddress {
    /// An IPv4 or IPv6 address with a port; port 0 takes any that is free (see
    /// [`Running::addresses`](crate::Running::addresses)).
    Tcp(SocketAddr),
    /// A Unix socket with this path. A stale socket file is replaced.
    Unix(PathBuf),
    /// A Unix socket with this name in the abstract namespace (`abns@`).
    Abstract(Vec<u8>),
    /// An inherited socket that is listening already (`fd@`), TCP or Unix. Turning a number into a descriptor is the
    /// caller's responsibility.
    Inherited(Arc<OwnedFd>),
}

impl ListenerSpec {
    /// A listener with everything else left at its default.
    pub fn new(line: impl Into<String>, address: ListenAddress) -> Self {
        ListenerSpec {
            line: line.into(),
            name: String::new(),
            guid: None,
            id: 1,
            address,
            maxconn: None,
            backlog: None,
            v6only: None,
            unix_mode: None,
            unix_user: None,
            unix_group: None,
            replaces: false,
            proto: ListenProto::default(),
            workers: None,
            idle_ping: None,
            tls: None,
            accept_proxy: false,
            netscaler_magic: None,
            socket: SocketOptions::default(),
        }
    }

    /// A listener on an IP address.
    pub fn tcp(line: impl Into<String>, address: SocketAddr) -> Self {
        ListenerSpec::new(line, ListenAddress::Tcp(address))
    }
}
