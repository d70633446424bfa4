//! How a backend chooses among its servers.

use tidegate_sample::{Chain, Expr};

/// `balance`: which server comes next.
#[derive(Debug)]
pub enum Balance {
    /// `roundrobin`: in turn, by weight.
    RoundRobin,
    /// `static-rr`: the same, by the weights that are written.
    StaticRr,
    /// `leastconn`: who serves least.
    LeastConn,
    /// `first`: the lowest number that has room.
    First,
    /// `random`: the least loaded of a few that are drawn.
    Random {
        /// How many are drawn.
        draws: u32,
    },
    /// By a hash.
    Hash(HashBy),
    /// `log-hash`: by a hash of what is made of a log line.
    LogHash(Chain),
    /// `sticky`: one server for all log lines, as long as it is up.
    Sticky,
}

impl Default for Balance {
    fn default() -> Balance {
        Balance::Random { draws: 2 }
    }
}

/// What is hashed.
#[derive(Debug)]
pub enum HashBy {
    /// `source`: the client's address.
    Source,
    /// `uri`: the request's target.
    Uri(UriPart),
    /// `hdr(…) use_domain_only`: the main part of the name that this gives.
    Domain(Expr),
    /// `hash`, `hdr`, `url_param`, `rdp-cookie`: the value of an expression.
    Sample(Expr),
    /// `url_param … check_post`: that of the query, or that of the body.
    Either(Expr, Expr),
}

/// The part of the target that `balance uri` hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UriPart {
    /// `whole`: with the query.
    pub whole: bool,
    /// `path-only`: without scheme and authority.
    pub path_only: bool,
    /// `len`: no more bytes than this.
    pub bytes_max: Option<u32>,
    /// `depth`: no more directories than this.
    pub depth_max: Option<u32>,
}

/// `hash-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HashType {
    /// `consistent`, and not `map-based`.
    pub consistent: bool,
    /// What hashes.
    pub function: HashFunction,
    /// `avalanche`: the hash's bits are mixed once more.
    pub avalanche: bool,
}

/// What hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashFunction {
    /// `sdbm`.
    #[default]
    Sdbm,
    /// `djb2`.
    Djb2,
    /// `crc32`.
    Crc32,
    /// `none`: the key is a number, which is the hash.
    None,
}

/// `hash-key`: what the points of a server on the ring of consistent hashing are derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashKey {
    /// `id`.
    #[default]
    Id,
    /// `id32`.
    Id32,
    /// `guid`.
    Guid,
    /// `addr`.
    Addr,
    /// `addr-port`.
    AddrPort,
}

/// `hash-preserve-affinity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Affinity {
    /// `always`.
    #[default]
    Always,
    /// `maxconn`: unless the server is at its limit.
    Maxconn,
    /// `maxqueue`: unless the server's queue is full.
    Maxqueue,
}
