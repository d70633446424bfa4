//! Name servers, and the names that servers have: plain data.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use super::families::Families;

/// A `resolvers` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolversSpec {
    /// Its name.
    pub name: String,
    /// The name servers, all of which are asked at once.
    pub servers: Vec<NameServer>,
    /// `accepted_payload_size`
    pub answer_bytes_max: u16,
    /// `resolve_retries`
    pub retries: u32,
    /// `timeout resolve`: time between resolutions.
    pub every: Duration,
    /// `timeout retry`: how long an answer is waited for.
    pub patience: Duration,
    /// `dns-accept-family`: the families of addresses that are asked for and taken.
    pub families: Families,
    /// `hold`: how long the last good answer outweighs a bad one, by what the bad one was.
    pub hold: Hold,
}

impl ResolversSpec {
    /// A section with everything at its default.
    #[must_use]
    pub fn new(name: impl Into<String>) -> ResolversSpec {
        ResolversSpec {
            name: name.into(),
            servers: Vec::new(),
            answer_bytes_max: 512,
            retries: 3,
            every: Duration::from_secs(1),
            patience: Duration::from_secs(1),
            families: Families::ALL,
            hold: Hold::default(),
        }
    }
}

/// A name server.
#[derive(Clone, Debug)]
pub struct NameServer {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it is asked over TCP.
    pub tcp: bool,
    /// What was counted of it.
    pub counts: Arc<Counts>,
}

impl NameServer {
    /// One of which nothing was counted yet.
    #[must_use]
    pub fn new(name: impl Into<String>, address: SocketAddr, tcp: bool) -> NameServer {
        NameServer {
            name: name.into(),
            address,
            tcp,
            counts: Arc::default(),
        }
    }
}

impl PartialEq for NameServer {
    fn eq(&self, other: &NameServer) -> bool {
        (&self.name, self.address, self.tcp) == (&other.name, other.address, other.tcp)
    }
}

impl Eq for NameServer {}

/// What is counted of a name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Questions.
    Sent,
    /// Questions that could not be sent.
    SendError,
    /// Good answers.
    Valid,
    /// Answers that there is no such name.
    NoName,
    /// Questions that were not answered in time.
    Timeout,
    /// Answers that refuse to answer.
    Refused,
    /// Any other answers.
    Other,
}

const COUNTS: usize = Counted::Other as usize + 1;

/// The counters of a name server.
#[derive(Debug, Default)]
pub struct Counts([AtomicU64; COUNTS]);

impl Counts {
    /// How many there were.
    #[must_use]
    pub fn of(&self, what: Counted) -> u64 {
        self.0
            .get(what as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn add(&self, what: Counted) {
        if let Some(count) = self.0.get(what as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The `hold` lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// There is no such name.
    pub nx: Duration,
    /// The name server refused to answer.
    pub refused: Duration,
    /// There was no answer in time.
    pub timeout: Duration,
    /// Anything else.
    pub other: Duration,
    /// An answer had an address and later ones have not.
    pub obsolete: Duration,
    /// A good one, for whoever asks once.
    pub valid: Duration,
}

impl Default for Hold {
    fn default() -> Self {
        let usual = Duration::from_secs(30);
        Hold {
            nx: usual,
            refused: usual,
            timeout: usual,
            other: usual,
            obsolete: Duration::ZERO,
            valid: Duration::from_secs(10),
        }
    }
}

/// The name of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSpec {
    /// Who is asked.
    pub resolvers: Arc<ResolversSpec>,
    /// The name. One that begins with `_` is that of a service: its records tell hosts and ports.
    pub name: String,
    /// The port, for a name that isn't a service's.
    pub port: u16,
    /// `resolve-prefer ipv4`
    pub prefer_v4: bool,
    /// `ipv6@` or, if false, `ipv4@`: the only family whose addresses are taken.
    pub v6: Option<bool>,
    /// `resolve-net`: networks whose addresses are taken first, as address and prefix length.
    pub networks: Vec<(IpAddr, u8)>,
    /// `resolve-opts allow-dup-ip`: several servers may have one address.
    pub allow_duplicates: bool,
    /// `resolve-opts ignore-weight`
    pub ignore_weight: bool,
}

impl NameSpec {
    /// Whether the name is that of a service.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.name.starts_with('_')
    }
}
