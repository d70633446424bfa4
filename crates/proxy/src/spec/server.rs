//! `server` lines.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_sample::{Expr, LogFormat};

use super::{BackendId, HashKey, KeepAlive, SocketBuffers, SourceSpec};
use crate::check::spec::{AgentSpec, CheckSpec};
use crate::resolve::spec::NameSpec;
use crate::upstream::state::Operational;

/// A `server` line.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Its name.
    pub name: String,
    /// Its number in its backend, from 1.
    pub id: u32,
    /// Whether the configuration gave it that number.
    pub has_own_id: bool,
    /// Where it is. An address that is unspecified stands for that of the client's connection.
    pub address: ServerAddress,
    /// Its port is that of the client's connection and so many more, whatever the address says.
    pub port_offset: Option<i32>,
    /// `weight`, 0 to 256; 0 takes no new connections.
    pub weight: u32,
    /// `backup`: used only if no other server is usable.
    pub backup: bool,
    /// `disabled`.
    pub disabled: bool,
    /// `stick` and `non-stick`: whether tables keep who uses it; if nothing is said, only backups are not kept.
    pub stick: Option<bool>,
    /// `slowstart`: how long it takes to grow to its full share once it came up.
    pub slowstart: Option<Duration>,
    /// `maxconn`: most requests or streams that it serves at a time, all workers together; 0 for no limit.
    pub maxconn: u32,
    /// `minconn`: what `maxconn` is while the backend has no load; 0 for no ramp.
    pub minconn: u32,
    /// `maxqueue`: most requests or streams that wait for it; 0 for no limit.
    pub maxqueue: u32,
    /// `cookie`: the value that clients of it have.
    pub cookie: Option<String>,
    /// `guid`: a unique name.
    pub guid: Option<String>,
    /// `hash-key`: what its points on a ring of hashes are derived from.
    pub hash_key: HashKey,
    /// `track`: the server whose state it follows, as the backend's and the server's places.
    pub track: Option<(BackendId, usize)>,
    /// `proto`: what it speaks, in HTTP mode.
    pub proto: ServerProto,
    /// `ws`: what it speaks where a client asks for a WebSocket, if that is something else.
    pub websockets: Option<ServerProto>,
    /// `idle-ping`: how often an idle connection of HTTP/2 is asked whether the server is still there.
    pub idle_ping: Option<Duration>,
    /// `pool-max-conn`: idle connections that all workers keep together; `None` for no bound.
    pub pool_max: Option<usize>,
    /// `pool-purge-delay`: after each such time half of those that were not needed in it are closed.
    pub pool_purge_delay: Duration,
    /// `pool-conn-name`: what connections are kept apart by.
    pub pool_name: Option<Arc<Expr>>,
    /// `max-reuse`: how often a connection is used again; `None` for no bound.
    pub reuse_max: Option<u32>,
    /// `on-marked-down shutdown-sessions`: its sessions end when it goes down.
    pub ends_sessions_when_down: bool,
    /// `on-marked-up shutdown-backup-sessions`: sessions at backups end when it comes up.
    pub ends_backups_when_up: bool,
    /// `redir`: where GET and HEAD requests are sent in its place.
    pub redirect: Option<String>,
    /// `dynamic-cookie-key`: what its cookie is made of, with its address, if it has none of its own.
    pub cookie_key: Option<Arc<str>>,
    /// `strict-maxconn`: there are never more connections than `maxconn`, idle ones counted.
    pub strict_maxconn: bool,
    /// How its health is checked; it isn't, if `None`.
    pub check: Option<Arc<CheckSpec>>,
    /// How its agent is asked.
    pub agent: Option<Arc<AgentSpec>>,
    /// `ssl`: what hands are shaken with.
    pub tls: Option<Arc<ServerTls>>,
    /// `send-proxy` and its kin: the header that connections begin with.
    pub proxy_header: Option<Arc<ProxyHeaderSpec>>,
    /// `source`: where connections come from.
    pub source: Option<Arc<SourceSpec>>,
    /// `socks4`: the proxy by which it is connected.
    pub socks: Option<SocketAddr>,
    /// `tcp-ut`: how long sent bytes may stay unacknowledged.
    pub user_timeout: Option<Duration>,
    /// `cc`: algorithm of congestion control; the system's without one, or if it doesn't have that.
    pub congestion: Option<String>,
    /// `tune.rcvbuf.server` and its kin.
    pub buffers: SocketBuffers,
    /// `option srvtcpka`: how idle connections are probed.
    pub keepalive: Option<KeepAlive>,
    /// The name that its address came from at the beginning, followed or not.
    pub host: Option<String>,
    /// The name that its address comes from, if it is to be followed.
    pub name_of_address: Option<Arc<NameSpec>>,
    /// How a name would be followed that operators give it.
    pub naming: Option<Arc<NameSpec>>,
    /// An operator gave it its name.
    pub is_named_by_operator: bool,
    /// What hands would be shaken with, if operators want TLS.
    pub spare_tls: Option<Arc<ServerTls>>,
    /// `no-ssl`: TLS is not wanted, whatever was said before.
    pub refuses_tls: bool,
    /// `rise`, which counts for servers that aren't checked too where their state is listed.
    pub rise: u32,
    /// There is no address for its name yet: it is out of service until there is.
    pub unresolved: bool,
    /// It came while the process ran: it begins out of service, and its checks begin when they are asked for.
    pub dynamic: bool,
    /// What else of the configuration names it, so that it has to stay and keep its name.
    pub is_referenced: bool,
    /// What it was in the process before this one.
    pub saved: Option<SavedServer>,
}

impl ServerSpec {
    /// A server with weight 1 and everything else at its default.
    pub fn new(name: impl Into<String>, address: ServerAddress) -> Self {
        ServerSpec {
            name: name.into(),
            id: 1,
            has_own_id: false,
            address,
            port_offset: None,
            weight: 1,
            backup: false,
            disabled: false,
            stick: None,
            slowstart: None,
            maxconn: 0,
            minconn: 0,
            maxqueue: 0,
            cookie: None,
            guid: None,
            hash_key: HashKey::Id,
            track: None,
            host: None,
            name_of_address: None,
            unresolved: false,
            dynamic: false,
            is_referenced: false,
            saved: None,
            naming: None,
            is_named_by_operator: false,
            spare_tls: None,
            refuses_tls: false,
            rise: 2,
            check: None,
            agent: None,
            websockets: None,
            proto: ServerProto::default(),
            tls: None,
            proxy_header: None,
            source: None,
            socks: None,
            user_timeout: None,
            congestion: None,
            buffers: SocketBuffers::default(),
            keepalive: None,
            idle_ping: None,
            pool_max: None,
            pool_purge_delay: Duration::from_secs(5),
            pool_name: None,
            reuse_max: None,
            strict_maxconn: false,
            ends_sessions_when_down: false,
            ends_backups_when_up: false,
            redirect: None,
            cookie_key: None,
        }
    }

    /// Whether tables keep who uses it.
    pub(crate) fn sticks(&self) -> bool {
        self.stick.unwrap_or(!self.backup)
    }

    /// A server at an IP address.
    pub fn tcp(name: impl Into<String>, address: SocketAddr) -> Self {
        ServerSpec::new(name, ServerAddress::Tcp(address))
    }
}

/// What a server was before the process was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedServer {
    /// How well it was.
    pub operational: Operational,
    /// An operator had taken it out of service.
    pub maint: bool,
    /// An operator let it run dry.
    pub drain: bool,
    /// The weight that operators gave it.
    pub weight: Option<u32>,
    /// For how long it had been so.
    pub since: Duration,
    /// How far its checks were: up to `rise` where it came up, and on to `rise + fall - 1`.
    pub health: u32,
}

/// The TLS of a server.
#[derive(Debug)]
pub struct ServerTls {
    /// What hands are shaken with.
    pub connector: tidegate_tls::Connector,
    /// `sni`: the name that it is asked for.
    pub sni: Option<Arc<Expr>>,
}

/// The PROXY header that connections to a server begin with.
#[derive(Debug, Default)]
pub struct ProxyHeaderSpec {
    /// Version 2, and not 1.
    pub binary: bool,
    /// `ssl`: that the client speaks TLS.
    pub ssl: bool,
    /// `cert-cn`: the common name of its certificate.
    pub common_name: bool,
    /// `ssl-cipher`: the cipher.
    pub cipher: bool,
    /// `cert-sig`: what our certificate is signed with.
    pub signature: bool,
    /// `cert-key`: what its key is of.
    pub key: bool,
    /// `authority`: the name that the client asked for.
    pub authority: bool,
    /// `crc32c`: a checksum.
    pub checksum: bool,
    /// `unique-id`: the unique id.
    pub unique_id: bool,
    /// `set-proxy-v2-tlv-fmt`: more of it, by type.
    pub tlvs: Vec<(u8, Arc<LogFormat>)>,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerProto {
    /// HTTP/1, unless TLS agrees on HTTP/2.
    #[default]
    Any,
    /// `proto h1`: HTTP/1.
    Http1,
    /// `proto h2`: HTTP/2.
    Http2,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// An address with a port.
    Tcp(SocketAddr),
    /// A Unix socket with this path.
    Unix(PathBuf),
    /// A Unix socket in the abstract namespace.
    Abstract(Vec<u8>),
}
