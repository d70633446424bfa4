//! The tasks that keep servers at the addresses of their names.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ask::resolve;
use super::message::{Answer, Fault, Host};
use super::place::{Offer, deal, sort, weight};
use super::spec::NameSpec;
use crate::log::{Level, Logger};
use crate::spec::ServerAddress;
use crate::timeouts::Timer;
use crate::upstream::shared::BackendState;
use crate::upstream::state::ServerState;
use crate::worker::Worker;

/// Starts the resolutions that are this worker's: the names of all backends are dealt out to the workers in turn.
pub(crate) fn start(worker: &Rc<Worker>) {
    let shared = &worker.shared;
    let mut number = 0;
    for backend in shared.backends.now().iter().filter(|state| !state.is_disabled()) {
        let mut groups: Vec<(Arc<NameSpec>, Vec<Arc<ServerState>>)> = Vec::new();
        for server in backend.servers().iter() {
            let Some(name) = server.spec().name_of_address.clone() else {
                continue;
            };
            match groups.iter_mut().find(|group| is_same(&group.0, &name)) {
                Some((_, servers)) => servers.push(server.clone()),
                None => groups.push((name, vec![server.clone()])),
            }
        }
        for (name, servers) in groups {
            let mine = number % shared.global.threads.max(1) == worker.index;
            number += 1;
            if mine {
                keep(worker, backend, name, servers);
            }
        }
    }
}

/// Follows the name that a server has now. Whoever followed the one before lets go of it.
pub(crate) fn follow(worker: &Rc<Worker>, backend: &Arc<BackendState>, server: &Arc<ServerState>) {
    if let Some(name) = server.spec().name_of_address.clone() {
        keep(worker, backend, name, vec![server.clone()]);
    }
}

fn is_same(one: &NameSpec, other: &NameSpec) -> bool {
    one.name == other.name && one.port == other.port && one.resolvers.name == other.resolvers.name
}

fn keep(
    worker: &Rc<Worker>,
    backend: &Arc<BackendState>,
    name: Arc<NameSpec>,
    servers: Vec<Arc<ServerState>>,
) {
    let own = worker.backend_of(backend);
    let keeping = Keeping {
        backend: backend.name().to_owned(),
        logger: own.map_or_else(|| Rc::new(Logger::discard()), |own| own.logger.clone()),
        held: vec![Instant::now(); servers.len()],
        good: None,
        name,
        servers,
    };
    tokio::task::spawn_local(keeping.run(worker.wheel.timer()));
}

/// The servers of a backend that have one name.
struct Keeping {
    backend: String,
    logger: Rc<Logger>,
    name: Arc<NameSpec>,
    servers: Vec<Arc<ServerState>>,
    /// When each server's address was last in an answer.
    held: Vec<Instant>,
    /// When the last good answer came.
    good: Option<Instant>,
}

impl Keeping {
    async fn run(mut self, timer: Timer) {
        while self.has_servers() {
            let name = self.name.clone();
            let resolvers = &name.resolvers;
            let (is_service, prefer_v4) = (name.is_service(), name.prefer_v4);
            let answer = resolve(resolvers, &name.name, is_service, prefer_v4, name.v6).await;
            match answer {
                Ok(answer) => {
                    let offers = self.offers(answer).await;
                    if !self.has_servers() {
                        return;
                    }
                    self.take(&offers, Instant::now());
                }
                Err(fault) => self.bear(fault, Instant::now()),
            }
            timer.sleep(resolvers.every).await;
        }
    }

    /// Lets go of those that are gone, or have another name. False if none is left.
    fn has_servers(&mut self) -> bool {
        let name = &self.name;
        let pairs = self.servers.drain(..).zip(self.held.drain(..));
        let ours = pairs.filter(|(server, _)| follows(server, name));
        (self.servers, self.held) = ours.collect::<Vec<_>>().into_iter().unzip();
        !self.servers.is_empty()
    }

    /// The addresses that an answer leads to.
    async fn offers(&self, answer: Answer) -> Vec<Offer> {
        let name = &*self.name;
        if !name.is_service() {
            let mut addresses = answer.addresses;
            sort(&mut addresses, &name.networks, name.prefer_v4);
            let offer = |ip| Offer {
                address: SocketAddr::new(ip, name.port),
                weight: None,
            };
            return addresses.into_iter().map(offer).collect();
        }
        let mut offers = Vec::with_capacity(answer.hosts.len());
        for host in answer.hosts {
            if let Some(ip) = self.address_of(&host).await {
                offers.push(Offer {
                    address: SocketAddr::new(ip, host.port),
                    weight: (!name.ignore_weight).then(|| weight(host.weight)),
                });
            }
        }
        offers
    }

    async fn address_of(&self, host: &Host) -> Option<IpAddr> {
        if host.address.is_some() {
            return host.address;
        }
        let name = &*self.name;
        let mut addresses = resolve(&name.resolvers, &host.name, false, name.prefer_v4, name.v6)
            .await
            .ok()?
            .addresses;
        sort(&mut addresses, &name.networks, name.prefer_v4);
        addresses.first().copied()
    }

    /// Puts servers where the name leads to now.
    fn take(&mut self, offers: &[Offer], now: Instant) {
        self.good = Some(now);
        let held: Vec<Option<SocketAddr>> = self.servers.iter().map(|server| address_of(server)).collect();
        let dealt = deal(&held, offers, self.name.allow_duplicates);
        let hold = self.name.resolvers.hold.obsolete;
        for (at, offer) in dealt.into_iter().enumerate() {
            let (Some(server), Some(since)) = (self.servers.get(at), self.held.get_mut(at)) else {
                continue;
            };
            match offer {
                Some(offer) => {
                    *since = now;
                    let was_resolved = !server.admin().is_unresolved();
                    let before = held.get(at).copied().flatten();
                    if server.set_address(ServerAddress::Tcp(offer.address)) && was_resolved {
                        let before =
                            before.map_or_else(|| "(none)".to_owned(), |before| before.ip().to_string());
                        let message = format!(
                            "{}/{} changed its IP from {before} to {} by {}",
                            self.backend,
                            server.name(),
                            offer.address.ip(),
                            self.name.resolvers.name
                        );
                        self.logger.message(Level::Warning, &message);
                    }
                    if let Some(weight) = offer.weight.filter(|weight| *weight != server.weight()) {
                        // A static algorithm keeps the weight that it has.
                        let _ = server.set_weight(weight, now);
                    }
                    settle(&self.logger, &self.backend, server, true, now);
                }
                // It may come back with the next answer: name servers tell some addresses at a time.
                None if now.saturating_duration_since(*since) < hold => {}
                None => settle(&self.logger, &self.backend, server, false, now),
            }
        }
    }

    /// Does without an answer, for as long as the last good one counts.
    fn bear(&mut self, fault: Fault, now: Instant) {
        let hold = self.name.resolvers.hold;
        let hold = match fault {
            Fault::NoName => hold.nx,
            Fault::Refused => hold.refused,
            Fault::Timeout => hold.timeout,
            Fault::Other => hold.other,
        };
        let counts = |good: Instant| now.saturating_duration_since(good) < hold;
        if self.good.is_some_and(counts) || self.good.is_none() && self.began_with_an_address(hold, now) {
            return;
        }
        for server in &self.servers {
            settle(&self.logger, &self.backend, server, false, now);
        }
    }

    /// An address that was found at start counts like an answer.
    fn began_with_an_address(&self, hold: Duration, now: Instant) -> bool {
        self.held
            .iter()
            .any(|since| now.saturating_duration_since(*since) < hold)
    }
}

/// Whether this is the name of a server that is still there.
fn follows(server: &ServerState, name: &NameSpec) -> bool {
    let own = server.spec().name_of_address.clone();
    !server.is_removed() && own.is_some_and(|own| is_same(&own, name))
}

fn address_of(server: &ServerState) -> Option<SocketAddr> {
    match server.address() {
        ServerAddress::Tcp(address) if !server.admin().is_unresolved() => Some(address),
        _ => None,
    }
}

/// Takes a server into service or out of it, by whether there is an address for it, and tells of it.
fn settle(logger: &Logger, backend: &str, server: &ServerState, resolved: bool, now: Instant) {
    if server.admin().is_unresolved() != resolved {
        return;
    }
    server.set_resolved(resolved, now);
    let name = server.name();
    if resolved {
        let message = format!("Server {backend}/{name} administratively READY thanks to valid DNS answer.");
        logger.message(Level::Notice, &message);
    } else {
        let message = format!("Server {backend}/{name} is going DOWN for maintenance (No IP for server ).");
        logger.message(Level::Alert, &message);
    }
}
