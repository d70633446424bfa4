//! Servers, and how a backend chooses among them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::model::{self, Config, ServerPort};
use tidegate_config::{Diagnostic, code};
use tidegate_proxy::check::spec::ExternalSpec;
use tidegate_proxy::check::step::Program;
use tidegate_proxy::spec::{
    Affinity, BackendId, BackendSpec, Balance, CookieMode, CookieSpec, DynamicCookies, HashBy, HashFunction,
    HashKey, HashMethod, HashType, KeepAlive, Persistence, ServerAddress, ServerSpec, Text, UriPart,
    UseServer,
};

use super::saved::Line;
use super::{Assembly, http2, listen, numbers};

/// Where a server is.
struct Place {
    address: ServerAddress,
    /// By how much its port differs from the client's, if it depends on that.
    port_offset: Option<i32>,
    /// Its name has no address yet.
    unresolved: bool,
    /// The name and port that the address comes from.
    follow: Option<(String, u16)>,
}

impl Place {
    fn at(address: ServerAddress) -> Place {
        Place {
            address,
            port_offset: None,
            unresolved: false,
            follow: None,
        }
    }
}

/// What a backend says of all its servers.
pub(super) struct Terms {
    pub(super) mode: model::Mode,
    /// What checks do.
    pub(super) program: Arc<Program>,
    /// The program of the system that checks in place of that.
    pub(super) external: Option<ExternalSpec>,
    pub(super) check_timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) log_health_checks: bool,
    pub(super) unique_id: Option<Arc<Text>>,
    pub(super) source: Option<model::SourceAddress>,
    keepalive: Option<KeepAlive>,
    /// `cookie ... dynamic`
    dynamic: DynamicCookies,
}

impl Terms {
    pub(super) fn new(
        proxy: &model::Proxy,
        program: Arc<Program>,
        external: Option<ExternalSpec>,
        unique_id: Option<Arc<Text>>,
    ) -> Terms {
        Terms {
            mode: proxy.mode,
            program,
            external,
            check_timeout: proxy.timeouts.check,
            connect_timeout: proxy.timeouts.connect,
            log_health_checks: proxy.log_health_checks,
            unique_id,
            source: proxy.upstream.source.clone(),
            keepalive: listen::keepalive(proxy.server_probes),
            dynamic: dynamic_cookies(proxy),
        }
    }
}

impl Assembly {
    /// The servers of a backend.
    pub(super) fn servers(
        &mut self,
        proxy: &model::Proxy,
        terms: &Terms,
        saved: &BTreeMap<String, Line>,
    ) -> Vec<ServerSpec> {
        let mut specs = Vec::with_capacity(proxy.servers.len());
        let numbers = numbers(proxy.servers.iter().map(|server| server.id), 1);
        for (server, number) in proxy.servers.iter().zip(numbers) {
            let saved = saved.get(&server.name.value);
            let Some(mut spec) = self.server_as_it_was(server, terms, saved) else {
                continue;
            };
            spec.id = number;
            spec.track = server.track.as_ref().and_then(|track| {
                let (backend, name) = &track.value;
                let backend = backend.as_ref().unwrap_or(&proxy.name.value);
                self.servers.get(&(backend.clone(), name.clone())).copied()
            });
            specs.push(spec);
        }
        if terms.dynamic.enabled && terms.dynamic.key.is_none() && !specs.is_empty() {
            let message = "`cookie ... dynamic` makes values of a key, and there is no `dynamic-cookie-key`";
            self.faults.push(Diagnostic::error(
                code::MISSING_ARGUMENT,
                proxy.name.span,
                message,
            ));
        }
        specs
    }

    /// A server as it was before a reload.
    fn server_as_it_was(
        &mut self,
        server: &model::Server,
        terms: &Terms,
        saved: Option<&Line>,
    ) -> Option<ServerSpec> {
        let place = self.place(server, saved)?;
        let mut spec = self.server_at(place, server, terms, false);
        let is_checked = spec.check.is_some() || spec.agent.is_some();
        spec.saved = saved.map(|saved| saved.server(spec.weight, is_checked));
        Some(spec)
    }

    /// A server, which has no number yet and tracks none; `None` for a fault.
    pub(super) fn server(
        &mut self,
        server: &model::Server,
        terms: &Terms,
        dynamic: bool,
    ) -> Option<ServerSpec> {
        let place = self.place(server, None)?;
        Some(self.server_at(place, server, terms, dynamic))
    }

    fn server_at(
        &mut self,
        place: Place,
        server: &model::Server,
        terms: &Terms,
        dynamic: bool,
    ) -> ServerSpec {
        let mut spec = ServerSpec::new(server.name.value.clone(), place.address);
        spec.dynamic = dynamic;
        spec.unresolved = place.unresolved;
        spec.host = place.follow.as_ref().map(|(host, _)| host.clone());
        match (&place.follow, &spec.address) {
            (Some((host, port)), _) => self.follow(&mut spec, server, Some(host), *port),
            (None, ServerAddress::Tcp(address)) => {
                let port = address.port();
                self.follow(&mut spec, server, None, port);
            }
            (None, _) => {}
        }
        spec.rise = server.check.rise;
        spec.has_own_id = server.id.is_some();
        spec.port_offset = place.port_offset;
        spec.weight = server.weight.into();
        spec.backup = server.backup;
        spec.disabled = server.disabled;
        spec.stick = server.stick;
        spec.maxconn = server.maxconn;
        spec.minconn = if server.minconn < server.maxconn {
            server.minconn
        } else {
            0
        };
        spec.maxqueue = server.maxqueue;
        spec.slowstart = Some(server.slowstart).filter(|time| !time.is_zero());
        spec.cookie = server.cookie.clone();
        spec.guid = server.guid.clone();
        spec.hash_key = match server.hash_key {
            model::HashKey::Id => HashKey::Id,
            model::HashKey::Id32 => HashKey::Id32,
            model::HashKey::Guid => HashKey::Guid,
            model::HashKey::Addr => HashKey::Addr,
            model::HashKey::AddrPort => HashKey::AddrPort,
        };
        spec.idle_ping = server.idle_ping;
        spec.pool_max = server.idle_max.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        spec.pool_purge_delay = server.idle_purge_delay;
        spec.pool_name = server.outgoing.pool_name.clone();
        spec.reuse_max = server.reuse_max;
        spec.strict_maxconn = server.strict_maxconn;
        spec.ends_sessions_when_down = server.events.ends_sessions;
        spec.ends_backups_when_up = server.events.ends_backup_sessions;
        spec.redirect = server.events.redirect.clone();
        spec.cookie_key = terms.dynamic.in_use();
        spec.keepalive = terms.keepalive;
        spec.is_referenced = server.is_referenced;
        let of_backend = (terms.mode == model::Mode::Http, terms.source.as_ref());
        self.outgoing(server, of_backend, &mut spec);
        spec.agent = self.agent(server, terms);
        spec.proto = http2::server_proto(server.proto);
        spec.websockets = http2::websockets(server);
        spec.check = self.check(server, terms, &spec);
        spec
    }

    /// Where a server is; `None` for a fault.
    fn place(&mut self, server: &model::Server, saved: Option<&Line>) -> Option<Place> {
        let ported = |port: &ServerPort| match port {
            ServerPort::Fixed(port) => (*port, None),
            ServerPort::Mapped(offset) => (0, Some(*offset)),
        };
        match &server.address {
            model::ServerAddress::Tcp { ip, port } => {
                let (port, offset) = ported(port);
                // An operator may have given it another port; an address that is written is the configuration's.
                let other = saved.and_then(|saved| saved.port).filter(|_| offset.is_none());
                Some(Place {
                    port_offset: offset,
                    ..Place::at(ServerAddress::Tcp((*ip, other.unwrap_or(port)).into()))
                })
            }
            model::ServerAddress::Unix(path) => Some(Place::at(ServerAddress::Unix(path.clone()))),
            model::ServerAddress::Abstract(name) => Some(Place::at(ServerAddress::Abstract(name.clone()))),
            model::ServerAddress::Name { host, port } => {
                let (port, offset) = ported(port);
                let last = saved.filter(|saved| saved.name.as_ref() == Some(host));
                let first = self.first_address(server, host, port, last.and_then(|saved| saved.ip))?;
                Some(Place {
                    address: ServerAddress::Tcp(first.0),
                    port_offset: offset,
                    unresolved: first.1,
                    follow: Some((host.clone(), port)),
                })
            }
        }
    }
}

/// Nobody asks for the addresses of servers that nobody will use.
pub(super) fn leave_alone(servers: &mut [model::Server]) {
    for server in servers {
        server.naming.initial = Some(vec![model::InitialAddress::None]);
    }
}

/// The places of servers, by the names of their backends and their own.
pub(super) fn places(
    config: &Config,
    backends: &BTreeMap<usize, BackendId>,
) -> BTreeMap<(String, String), (BackendId, usize)> {
    let mut places = BTreeMap::new();
    for (at, backend) in backends {
        let Some(proxy) = config.proxies.get(*at) else {
            continue;
        };
        for (place, server) in proxy.servers.iter().enumerate() {
            let name = (proxy.name.value.clone(), server.name.value.clone());
            places.insert(name, (*backend, place));
        }
    }
    places
}

/// What `fullconn` is without a word: a tenth of what the frontends let in that may use the backend.
pub(super) fn fullconn(config: &Config, connections_max: u32) -> BTreeMap<usize, u32> {
    let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
    for (at, proxy) in config.proxies.iter().enumerate() {
        if !proxy.kind.is_frontend() {
            continue;
        }
        let chosen = proxy.use_backends.iter().filter_map(|rule| match rule.target {
            model::BackendTarget::Proxy(id) => Some(id.index()),
            model::BackendTarget::Format(_) => None,
        });
        let default = match &proxy.default_backend {
            Some(id) => Some(id.value.index()),
            None => proxy.kind.is_backend().then_some(at),
        };
        let mut targets: Vec<usize> = chosen.chain(default).collect();
        targets.sort_unstable();
        targets.dedup();
        let lets_in = u64::from(proxy.connections_max.unwrap_or(connections_max));
        for target in targets {
            *sums.entry(target).or_default() += lets_in;
        }
    }
    let tenth = |sum: u64| u32::try_from(sum.div_ceil(10)).unwrap_or(u32::MAX);
    sums.into_iter().map(|(at, sum)| (at, tenth(sum))).collect()
}

/// How a backend chooses among its servers.
pub(super) fn balancing(proxy: &mut model::Proxy, backend: &mut BackendSpec) {
    backend.balance = match proxy.balance.take().unwrap_or_default() {
        model::Balance::RoundRobin => Balance::RoundRobin,
        model::Balance::StaticRr => Balance::StaticRr,
        model::Balance::LeastConn => Balance::LeastConn,
        model::Balance::First => Balance::First,
        model::Balance::Random { draws } => Balance::Random { draws },
        model::Balance::LogHash(chain) => Balance::LogHash(chain),
        model::Balance::Sticky => Balance::Sticky,
        model::Balance::Hash(by) => Balance::Hash(match by {
            model::HashBy::Source => HashBy::Source,
            model::HashBy::Uri(part) => {
                let bytes = |most: Option<u32>| most.and_then(|most| usize::try_from(most).ok());
                HashBy::Uri(UriPart {
                    whole: part.whole,
                    path_only: part.path_only,
                    bytes_max: bytes(part.bytes_max),
                    depth_max: bytes(part.depth_max),
                })
            }
            model::HashBy::Domain(expr) => HashBy::Domain(expr),
            model::HashBy::Sample(expr) => HashBy::Sample(expr),
            model::HashBy::Either(query, body) => HashBy::Either(query, body),
        }),
    };
    backend.hash_type = HashType {
        method: if proxy.hash_type.consistent {
            HashMethod::Consistent
        } else {
            HashMethod::MapBased
        },
        function: match proxy.hash_type.function {
            model::HashFunction::Sdbm => HashFunction::Sdbm,
            model::HashFunction::Djb2 => HashFunction::Djb2,
            model::HashFunction::Crc32 => HashFunction::Crc32,
            model::HashFunction::None => HashFunction::None,
        },
        avalanche: proxy.hash_type.avalanche,
    };
    backend.hash_balance_factor = proxy.hash_balance_factor;
    backend.affinity = match proxy.affinity {
        model::Affinity::Always => Affinity::Always,
        model::Affinity::Maxconn => Affinity::Maxconn,
        model::Affinity::Maxqueue => Affinity::Maxqueue,
    };
    backend.all_backups = proxy.all_backups;
    let dynamic = dynamic_cookies(proxy);
    backend.persistence = persistence(std::mem::take(&mut proxy.persistence), dynamic);
}

fn dynamic_cookies(proxy: &model::Proxy) -> DynamicCookies {
    let cookie = proxy.persistence.cookie.as_ref();
    DynamicCookies {
        enabled: cookie.is_some_and(|cookie| cookie.dynamic),
        key: proxy.upstream.cookie_key.as_deref().map(Arc::from),
    }
}

/// Which server a request belongs to.
fn persistence(from: model::Persistence, dynamic: DynamicCookies) -> Persistence {
    let cookie = from.cookie.map(|cookie| CookieSpec {
        name: cookie.name,
        mode: match cookie.mode {
            model::CookieMode::Passive => CookieMode::Passive,
            model::CookieMode::Rewrite => CookieMode::Rewrite,
            model::CookieMode::Insert => CookieMode::Insert,
            model::CookieMode::Prefix => CookieMode::Prefix,
        },
        indirect: cookie.indirect,
        nocache: cookie.nocache,
        postonly: cookie.postonly,
        preserve: cookie.preserve,
        attributes: cookie.attributes,
        idle_max: cookie.idle_max,
        life_max: cookie.life_max,
    });
    let use_servers = from.use_servers.into_iter().map(|rule| UseServer {
        name: match rule.target {
            model::ServerTarget::Name(name) => Text::literal(name.value.into_bytes()),
            model::ServerTarget::Format(format) => format.into(),
        },
        condition: rule.condition,
    });
    Persistence {
        cookie,
        persist: from.persist,
        rdp_cookie: from.rdp_cookie,
        force: from.force,
        ignore: from.ignore,
        use_servers: use_servers.collect(),
        dynamic,
    }
}

/// Whether a server is chosen by what stands in the request's body.
pub(super) fn needs_body(backend: &BackendSpec) -> bool {
    matches!(backend.balance, Balance::Hash(HashBy::Either(..)))
}
