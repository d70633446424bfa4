//! Choosing a server.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::Server;
use super::shared::BackendState;
use crate::spec::Balance;

/// The servers of a backend and whose turn it is, on one worker.
pub(crate) struct Balancer {
    algorithm: Balance,
    servers: Vec<Rc<Server>>,
    shared: Arc<BackendState>,
    /// The state of the servers that this worker saw last.
    version: Cell<u64>,
    /// All weights are equal and there are no backups, as in most configurations: then turns are a mere counter.
    plain: Cell<bool>,
    next: Cell<usize>,
}

impl Balancer {
    pub(crate) fn new(
        algorithm: Balance,
        servers: Vec<Rc<Server>>,
        shared: Arc<BackendState>,
        worker: usize,
    ) -> Self {
        // Workers begin at different servers, so that few requests spread as well as many.
        Balancer {
            algorithm,
            version: Cell::new(shared.version()),
            plain: Cell::new(is_plain(&servers)),
            servers,
            shared,
            next: Cell::new(worker),
        }
    }

    /// What all workers share of the backend.
    pub(crate) fn shared(&self) -> &BackendState {
        &self.shared
    }

    pub(crate) fn servers(&self) -> &[Rc<Server>] {
        &self.servers
    }

    /// The server whose turn it is, other than `avoid` if there is any other.
    pub(crate) fn pick(&self, avoid: Option<&Rc<Server>>) -> Option<Rc<Server>> {
        let version = self.shared.version();
        if self.version.replace(version) != version {
            self.plain.set(is_plain(&self.servers));
        }
        let avoided = |s: &Rc<Server>| avoid.is_some_and(|a| Rc::ptr_eq(a, s));
        self.pick_from(|s| !s.spec.backup && !avoided(s))
            .or_else(|| {
                self.servers
                    .iter()
                    .find(|s| s.spec.backup && usable(s) && !avoided(s))
                    .cloned()
            })
            .or_else(|| avoid.filter(|s| usable(s)).cloned())
    }

    fn pick_from(&self, wanted: impl Fn(&Rc<Server>) -> bool) -> Option<Rc<Server>> {
        match self.algorithm {
            Balance::First => self.servers.iter().find(|s| usable(s) && wanted(s)).cloned(),
            Balance::RoundRobin if self.plain.get() => self.in_turn(wanted),
            Balance::RoundRobin => self.by_weight(wanted),
        }
    }

    fn in_turn(&self, wanted: impl Fn(&Rc<Server>) -> bool) -> Option<Rc<Server>> {
        let count = self.servers.len();
        for _ in 0..count {
            let at = self.next.get() % count;
            self.next.set(at + 1);
            if let Some(server) = self.servers.get(at)
                && usable(server)
                && wanted(server)
            {
                return Some(server.clone());
            }
        }
        None
    }

    /// Everyone gains its weight; who then has most, goes and pays the sum. Turns come evenly interleaved.
    fn by_weight(&self, wanted: impl Fn(&Rc<Server>) -> bool) -> Option<Rc<Server>> {
        let mut sum = 0;
        let mut best: Option<&Rc<Server>> = None;
        for server in self.servers.iter().filter(|s| usable(s) && wanted(s)) {
            let weight = i64::from(server.state.scaled_weight());
            sum += weight;
            server.credit.set(server.credit.get() + weight);
            if best.is_none_or(|b| server.credit.get() > b.credit.get()) {
                best = Some(server);
            }
        }
        let best = best?;
        best.credit.set(best.credit.get() - sum);
        Some(best.clone())
    }
}

fn usable(server: &Rc<Server>) -> bool {
    server.state.is_usable()
}

fn is_plain(servers: &[Rc<Server>]) -> bool {
    let weight = servers.first().map_or(1, |s| s.state.scaled_weight());
    servers
        .iter()
        .all(|s| s.state.scaled_weight() == weight && !s.spec.backup)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::spec::{BackendSpec, ServerSpec};
    use crate::txn::Mode;
    use crate::upstream::state::AdminState;

    fn server(name: &str, change: impl FnOnce(&mut ServerSpec)) -> ServerSpec {
        let mut spec = ServerSpec::tcp(name, "127.0.0.1:1".parse().unwrap());
        change(&mut spec);
        spec
    }

    fn balancer(servers: Vec<ServerSpec>, worker: usize) -> Balancer {
        let mut spec = BackendSpec::new("b", Mode::Http);
        spec.servers = servers;
        let shared = BackendState::all(&[Arc::new(spec)], Instant::now()).remove(0);
        let backend = shared.clone();
        let servers = backend.servers().iter();
        let views = servers.map(|state| {
            let spec = ServerSpec {
                backup: state.is_backup(),
                ..ServerSpec::new(state.name(), state.address())
            };
            Server::new(&spec, state, Arc::default())
        });
        Balancer::new(Balance::RoundRobin, views.collect(), shared, worker)
    }

    fn turns(balancer: &Balancer, n: usize) -> String {
        (0..n)
            .map(|_| balancer.pick(None).unwrap().spec.name.clone())
            .collect()
    }

    fn take_out(balancer: &Balancer, server: usize) {
        balancer.servers()[server]
            .state
            .set_admin(AdminState::Maint, Instant::now());
    }

    #[test]
    fn equal_servers_take_turns() {
        let servers = ["a", "b", "c"].map(|n| server(n, |_| {})).to_vec();
        assert_eq!(turns(&balancer(servers, 1), 6), "bcabca");
    }

    #[test]
    fn weights_are_honoured_and_interleaved_and_change_at_once() {
        let servers = vec![
            server("a", |s| s.weight = 3),
            server("b", |s| s.weight = 1),
            server("z", |s| s.weight = 0),
        ];
        let balancer = balancer(servers, 0);
        assert_eq!(turns(&balancer, 8), "aabaaaba");
        balancer.servers()[0].state.set_weight(1, Instant::now()).unwrap();
        assert_eq!(turns(&balancer, 4), "abab");
    }

    #[test]
    fn backups_serve_only_when_nobody_else_can() {
        let servers = vec![server("a", |_| {}), server("b", |s| s.backup = true)];
        let balancer = balancer(servers, 0);
        assert_eq!(turns(&balancer, 2), "aa");
        take_out(&balancer, 0);
        assert_eq!(turns(&balancer, 2), "bb");
        take_out(&balancer, 1);
        assert!(balancer.pick(None).is_none());
    }

    #[test]
    fn a_redispatch_avoids_the_server_that_failed_unless_it_is_the_only_one() {
        let servers = vec![server("a", |_| {}), server("b", |_| {})];
        let balancer = balancer(servers, 0);
        let failed = balancer.servers()[0].clone();
        for _ in 0..3 {
            assert_eq!(balancer.pick(Some(&failed)).unwrap().spec.name, "b");
        }
        take_out(&balancer, 1);
        assert_eq!(balancer.pick(Some(&failed)).unwrap().spec.name, "a");
    }
}
