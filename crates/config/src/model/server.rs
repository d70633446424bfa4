//! The servers of a backend.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::address::HttpProto;
use super::check::ServerCheck;
use crate::source::{Span, Spanned};

/// One `server` line, `default-server` lines applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The name, unique within its backend.
    pub name: Spanned<String>,
    /// Where to connect to.
    pub address: ServerAddress,
    /// Where the address is written.
    pub address_span: Span,
    /// `id`.
    pub id: Option<u32>,
    /// `weight`: 0 to 256.
    pub weight: u16,
    /// `disabled`: starts in maintenance.
    pub disabled: bool,
    /// `backup`: used only when no other server can be.
    pub backup: bool,
    /// `stick` and `non-stick`: whether tables keep who uses it; only backups are not kept if nothing is said.
    pub stick: Option<bool>,
    /// `pool-max-conn`: most idle connections that are kept; `None` for no limit.
    pub idle_max: Option<u32>,
    /// `pool-purge-delay`: how long idle connections are kept.
    pub idle_purge_delay: Duration,
    /// Everything about its health.
    pub check: ServerCheck,
    /// `proto`: what it speaks.
    pub proto: Option<HttpProto>,
}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAddress {
    /// An address and port of TCP.
    Tcp {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
    /// A host name that is resolved once at start.
    Name {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket in the file system.
    Unix(PathBuf),
    /// A Unix socket in Linux's abstract name space.
    Abstract(Vec<u8>),
}
