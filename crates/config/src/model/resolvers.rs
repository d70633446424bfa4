//! Name servers, and what of their answers servers take.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::source::Spanned;

/// `dns-accept-family`: the families of addresses that names may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Families {
    /// `ipv4`, `auto`.
    pub v4: bool,
    /// `ipv6`.
    pub v6: bool,
    /// `auto`: IPv6 while there is a way to the addresses of others.
    pub v6_if_routed: bool,
}

impl Default for Families {
    fn default() -> Families {
        Families {
            v4: true,
            v6: false,
            v6_if_routed: true,
        }
    }
}

/// A `resolvers` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolvers {
    /// The `nameserver` lines.
    pub servers: Vec<NameServer>,
    /// Where `parse-resolv-conf` stands, if it does: how many `nameserver` lines come before it.
    pub system_after: Option<usize>,
    /// `accepted_payload_size`
    pub answer_bytes_max: u16,
    /// `resolve_retries`
    pub retries: u32,
    /// `timeout resolve`
    pub every: Duration,
    /// `timeout retry`
    pub patience: Duration,
    /// `hold nx`
    pub hold_nx: Duration,
    /// `hold refused`
    pub hold_refused: Duration,
    /// `hold timeout`
    pub hold_timeout: Duration,
    /// `hold other`
    pub hold_other: Duration,
    /// `hold valid`
    pub hold_valid: Duration,
    /// `hold obsolete`
    pub hold_obsolete: Duration,
}

impl Default for Resolvers {
    fn default() -> Resolvers {
        let usual = Duration::from_secs(30);
        Resolvers {
            servers: Vec::new(),
            system_after: None,
            answer_bytes_max: 512,
            retries: 3,
            every: Duration::from_secs(1),
            patience: Duration::from_secs(1),
            hold_nx: usual,
            hold_refused: usual,
            hold_timeout: usual,
            hold_other: usual,
            hold_valid: Duration::from_secs(10),
            hold_obsolete: Duration::ZERO,
        }
    }
}

/// A `nameserver` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServer {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it is asked over TCP.
    pub tcp: bool,
}

/// What a server says of its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Naming {
    /// `resolvers`
    pub resolvers: Option<Spanned<String>>,
    /// The family that its address has to be of, if the line says so (`ipv4@`, `ipv6@`): IPv6 or, if false, IPv4.
    pub v6: Option<bool>,
    /// `resolve-prefer ipv4`
    pub prefer_v4: bool,
    /// `resolve-net`
    pub networks: Vec<(IpAddr, u8)>,
    /// `resolve-opts allow-dup-ip`
    pub allow_duplicates: bool,
    /// `resolve-opts ignore-weight`
    pub ignore_weight: bool,
    /// `init-addr`: `last,libc` without.
    pub initial: Option<Vec<InitialAddress>>,
}

/// How an address is found at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialAddress {
    /// The one that the server had before a reload.
    Last,
    /// The system's own way.
    Libc,
    /// None: the server begins out of service.
    None,
    /// This one.
    Fixed(IpAddr),
}

impl InitialAddress {
    /// What is tried where nothing is said.
    pub const USUAL: [InitialAddress; 2] = [InitialAddress::Last, InitialAddress::Libc];
}
