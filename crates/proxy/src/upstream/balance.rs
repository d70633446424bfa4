//! Choosing a server.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::Server;
use crate::spec::Balance;

/// The servers of a backend and whose turn it is, on one worker.
pub(crate) struct Balancer {
    algorithm: Balance,
    servers: Vec<Rc<Server>>,
    /// All weights are equal and there are no backups, as in most configurations: then turns are a mere counter.
    plain: bool,
    next: Cell<usize>,
}

impl Balancer {
    pub(crate) fn new(algorithm: Balance, servers: Vec<Rc<Server>>, worker: usize) -> Self {
        let weight = servers.first().map_or(1, |s| s.spec.weight);
        let plain = servers
            .iter()
            .all(|s| s.spec.weight == weight && weight > 0 && !s.spec.backup);
        // Workers begin at different servers, so that few requests spread as well as many.
        Balancer {
            algorithm,
            servers,
            plain,
            next: Cell::new(worker),
        }
    }

    pub(crate) fn servers(&self) -> &[Rc<Server>] {
        &self.servers
    }

    /// The server whose turn it is, other than `avoid` if there is any other.
    pub(crate) fn pick(&self, avoid: Option<&Rc<Server>>) -> Option<Rc<Server>> {
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
            Balance::RoundRobin if self.plain => self.in_turn(wanted),
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
            let weight = i64::from(server.spec.weight);
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
    server.spec.weight > 0 && !server.shared.down.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ServerSpec;
    use crate::upstream::pool::Pool;
    use tidegate_sample::Named;

    fn server(name: &str, change: impl FnOnce(&mut ServerSpec)) -> Rc<Server> {
        let mut spec = ServerSpec::tcp(name, "127.0.0.1:1".parse().unwrap());
        change(&mut spec);
        let named = Rc::new(Named {
            name: name.into(),
            id: 1,
        });
        let pool = Pool::new(spec.pool_max, spec.pool_purge_delay);
        Rc::new(Server {
            spec,
            named,
            shared: Default::default(),
            usage: Default::default(),
            pool,
            credit: Cell::new(0),
        })
    }

    fn turns(balancer: &Balancer, n: usize) -> String {
        (0..n)
            .map(|_| balancer.pick(None).unwrap().spec.name.clone())
            .collect()
    }

    #[test]
    fn equal_servers_take_turns() {
        let servers = ["a", "b", "c"].map(|n| server(n, |_| {})).to_vec();
        assert_eq!(
            turns(&Balancer::new(Balance::RoundRobin, servers, 1), 6),
            "bcabca"
        );
    }

    #[test]
    fn weights_are_honoured_and_interleaved() {
        let servers = vec![
            server("a", |s| s.weight = 3),
            server("b", |s| s.weight = 1),
            server("z", |s| s.weight = 0),
        ];
        assert_eq!(
            turns(&Balancer::new(Balance::RoundRobin, servers, 0), 8),
            "aabaaaba"
        );
    }

    #[test]
    fn backups_serve_only_when_nobody_else_can() {
        let servers = vec![server("a", |_| {}), server("b", |s| s.backup = true)];
        let balancer = Balancer::new(Balance::RoundRobin, servers, 0);
        assert_eq!(turns(&balancer, 2), "aa");
        balancer.servers()[0].shared.down.store(true, Ordering::Relaxed);
        assert_eq!(turns(&balancer, 2), "bb");
        balancer.servers()[1].shared.down.store(true, Ordering::Relaxed);
        assert!(balancer.pick(None).is_none());
    }

    #[test]
    fn a_redispatch_avoids_the_server_that_failed_unless_it_is_the_only_one() {
        let servers = vec![server("a", |_| {}), server("b", |_| {})];
        let balancer = Balancer::new(Balance::RoundRobin, servers, 0);
        let failed = balancer.servers()[0].clone();
        for _ in 0..3 {
            assert_eq!(balancer.pick(Some(&failed)).unwrap().spec.name, "b");
        }
        balancer.servers()[1].shared.down.store(true, Ordering::Relaxed);
        assert_eq!(balancer.pick(Some(&failed)).unwrap().spec.name, "a");
    }
}
