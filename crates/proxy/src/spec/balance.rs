//! How a backend chooses among its servers.

use tidegate_sample::{Chain, Expr};

/// `balance`.
#[derive(Debug, Default)]
pub enum Balance {
    /// `roundrobin`: in turn, by weight.
    #[default]
    RoundRobin,
    /// `static-rr`: the same, by the weights of the configuration.
    StaticRr,
    /// `leastconn`: who serves least, by weight; in turn among equals.
    LeastConn,
    /// `first`: the lowest number that has room.
    First,
    /// `random`: the least loaded of a few that are drawn by lot, by weight.
    Random {
        /// How many are drawn.
        draws: u32,
    },
    /// By a hash of something of the request, in turn where that is missing.
    Hash(HashBy),
    /// `log-hash`: by a hash of what is made of a log line.
    LogHash(Chain),
    /// `sticky`: all log lines to one server, as long as it is up.
    Sticky,
}

impl Balance {
    /// The name in configurations.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Balance::RoundRobin => "roundrobin",
            Balance::StaticRr => "static-rr",
            Balance::LeastConn => "leastconn",
            Balance::First => "first",
            Balance::Random { .. } => "random",
            Balance::LogHash(_) => "log-hash",
            Balance::Sticky => "log-sticky",
            Balance::Hash(by) => match by {
                HashBy::Source => "source",
                HashBy::Uri(_) => "uri",
                HashBy::Either(..) => "url_param",
                HashBy::Domain(_) => "hdr",
                HashBy::Sample(_) => "hash",
            },
        }
    }

    /// Whether weights can't be changed while servers run.
    pub fn is_static(&self, hash: HashType) -> bool {
        match self {
            Balance::StaticRr => true,
            Balance::Hash(_) | Balance::LogHash(_) => hash.method == HashMethod::MapBased,
            _ => false,
        }
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
    /// `url_param … check_post`: the first of these values that there is.
    Either(Expr, Expr),
}

/// The part of the target that `balance uri` hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UriPart {
    /// `whole`: with the query.
    pub whole: bool,
    /// `path-only`: without scheme and authority.
    pub path_only: bool,
    /// `len`: no more bytes than this.
    pub bytes_max: Option<usize>,
    /// `depth`: no more directories than this.
    pub depth_max: Option<usize>,
}

/// `hash-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashType {
    /// How hashes are mapped to servers.
    pub method: HashMethod,
    /// What hashes.
    pub function: HashFunction,
    /// Whether the hash's bits are mixed once more.
    pub avalanche: bool,
}

/// How hashes are mapped to servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashMethod {
    /// `map-based`: by their places in a table.
    #[default]
    MapBased,
    /// `consistent`: by the nearest point on a ring.
    Consistent,
}

/// What hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashFunction {
    /// That of the sdbm library.
    #[default]
    Sdbm,
    /// Dan Bernstein's.
    Djb2,
    /// CRC-32.
    Crc32,
    /// `none`: the key is a number, which is the hash.
    None,
}

/// `hash-key`: what the points of a server on the ring are derived from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashKey {
    /// `id`: its number.
    #[default]
    Id,
    /// `id32`: its number, all bits of it.
    Id32,
    /// `guid`: its unique name.
    Guid,
    /// `addr`: its address.
    Addr,
    /// `addr-port`: its address and port.
    AddrPort,
}

/// `hash-preserve-affinity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// `always`: whatever the load.
    #[default]
    Always,
    /// `maxconn`: unless the server is at its limit.
    Maxconn,
    /// `maxqueue`: unless the server's queue is full.
    Maxqueue,
}
