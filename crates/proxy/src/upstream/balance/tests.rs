//! Shares, held to what the manual promises.

use std::time::Instant;

use super::*;
use crate::spec::{HashBy, HashFunction, HashType, ServerSpec};
use crate::txn::Mode;
use crate::upstream::admin::AdminState;
use crate::upstream::state::Changes;

struct Farm {
    shared: Arc<BackendState>,
    workers: Vec<Balancer>,
}

fn farm(balance: Balance, weights: &[u32], change: impl FnOnce(&mut BackendSpec)) -> Farm {
    let mut spec = BackendSpec::new("b", Mode::Http);
    spec.balance = balance;
    for (weight, id) in weights.iter().zip(1u32..) {
        let address = "127.0.0.1:1".parse().unwrap();
        let mut server = ServerSpec::tcp(format!("s{id}"), address);
        (server.id, server.weight) = (id, *weight);
        spec.servers.push(server);
    }
    change(&mut spec);
    let spec = Arc::new(spec);
    let now = Instant::now();
    let changes = Changes::new(now, 3);
    let shared = BackendState::all(std::slice::from_ref(&spec), now, &changes).remove(0);
    let worker = |seed: u64| Balancer::new(&spec, shared.clone(), seed as usize - 1, Arc::default(), seed);
    let workers = (1..4).map(worker).collect();
    Farm { shared, workers }
}

impl Farm {
    /// The place of who comes next at a worker.
    fn next(&self, worker: usize, hash: Option<u32>) -> Option<usize> {
        let query = Query {
            hash,
            ..Query::default()
        };
        match self.workers[worker % 3].pick(query) {
            Choice::Server(server) => Some(server.place),
            _ => None,
        }
    }

    /// How often each comes in that many requests over all workers, which are over at once.
    fn shares(&self, requests: u32, mut hash: impl FnMut(u32) -> Option<u32>) -> Vec<u32> {
        let mut shares = vec![0; self.shared.servers().len()];
        for n in 0..requests {
            let place = self.next(n as usize * 7 % 5, hash(n)).unwrap();
            shares[place] += 1;
            let server = &self.shared.servers()[place];
            assert!(self.shared.enter(server));
            self.shared.leave(server);
        }
        shares
    }

    fn set(&self, place: usize, state: AdminState) {
        self.shared.servers()[place].set_admin(state, Instant::now());
    }
}

fn no_hash(_: u32) -> Option<u32> {
    None
}

#[test]
fn turns_go_by_weight_over_all_workers() {
    for balance in [Balance::RoundRobin, Balance::StaticRr] {
        let farm = farm(balance, &[3, 1, 0, 2], |_| {});
        assert_eq!(farm.shares(600, no_hash), [300, 100, 0, 200]);
        let order: Vec<_> = (0..6).map(|n| farm.next(n, None).unwrap()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 0, 0, 1, 3, 3]);
    }
}

#[test]
fn weights_change_at_once_and_those_out_of_service_have_no_turn() {
    let farm = farm(Balance::RoundRobin, &[1, 1, 1], |_| {});
    assert_eq!(farm.shares(300, no_hash), [100, 100, 100]);
    farm.shared.servers()[1].set_weight(2, Instant::now()).unwrap();
    assert_eq!(farm.shares(400, no_hash), [100, 200, 100]);
    farm.set(1, AdminState::Drain);
    assert_eq!(farm.shares(400, no_hash), [200, 0, 200]);
    farm.set(1, AdminState::Ready);
    assert_eq!(farm.shares(400, no_hash), [100, 200, 100]);
}

#[test]
fn backups_serve_only_when_nobody_else_can() {
    let backups = |all: bool| {
        farm(Balance::RoundRobin, &[1, 1, 3], |spec| {
            spec.all_backups = all;
            spec.servers[1].backup = true;
            spec.servers[2].backup = true;
        })
    };
    let one = backups(false);
    assert_eq!(one.shares(10, no_hash), [10, 0, 0]);
    one.set(0, AdminState::Maint);
    assert_eq!(one.shares(10, no_hash), [0, 10, 0]);
    one.set(1, AdminState::Maint);
    assert_eq!(one.shares(10, no_hash), [0, 0, 10]);
    one.set(2, AdminState::Maint);
    assert_eq!(one.next(0, None), None);
    let all = backups(true);
    all.set(0, AdminState::Maint);
    assert_eq!(all.shares(40, no_hash), [0, 10, 30]);
}

#[test]
fn one_that_failed_is_avoided_unless_it_is_the_only_one() {
    for balance in [
        Balance::RoundRobin,
        Balance::LeastConn,
        Balance::First,
        Balance::Random { draws: 2 },
    ] {
        let farm = farm(balance, &[1, 1], |_| {});
        let avoid = farm.workers[0].servers()[0].clone();
        let query = Query {
            avoid: Some(&avoid),
            ..Query::default()
        };
        let picked = |farm: &Farm| match farm.workers[0].pick(query) {
            Choice::Server(server) => server.place,
            _ => panic!("nobody"),
        };
        (0..4).for_each(|_| assert_eq!(picked(&farm), 1));
        farm.set(1, AdminState::Maint);
        assert_eq!(picked(&farm), 0);
    }
}

#[test]
fn the_least_loaded_comes_next_by_weight_and_equals_take_turns() {
    let farm = farm(Balance::LeastConn, &[1, 1, 2], |_| {});
    for n in 0..40 {
        let place = farm.next(n, None).unwrap();
        assert!(farm.shared.enter(&farm.shared.servers()[place]));
    }
    let loads: Vec<u32> = farm.shared.servers().iter().map(|s| s.connections()).collect();
    assert_eq!(loads, [10, 10, 20]);
    // Whoever becomes free comes next.
    (0..5).for_each(|_| farm.shared.leave(&farm.shared.servers()[1]));
    for _ in 0..5 {
        let place = farm.next(0, None).unwrap();
        assert_eq!(place, 1);
        assert!(farm.shared.enter(&farm.shared.servers()[place]));
    }
    // Those that are idle take turns whatever they weigh.
    for weights in [[1, 1, 1], [1, 2, 5]] {
        let idle = self::farm(Balance::LeastConn, &weights, |_| {});
        assert_eq!(idle.shares(300, no_hash), [100, 100, 100]);
    }
}

#[test]
fn the_first_with_room_by_number() {
    let farm = farm(Balance::First, &[1, 9, 1], |spec| {
        spec.servers[0].id = 7;
        for server in &mut spec.servers {
            server.maxconn = 2;
        }
    });
    let mut order = Vec::new();
    while let Some(place) = farm.next(0, None) {
        order.push(place);
        assert!(farm.shared.enter(&farm.shared.servers()[place]));
    }
    assert_eq!(order, [1, 1, 2, 2, 0, 0]);
    farm.shared.leave(&farm.shared.servers()[2]);
    assert_eq!(farm.next(1, None), Some(2));
}

#[test]
fn full_servers_are_passed_over_in_turn() {
    let farm = farm(Balance::RoundRobin, &[1, 1, 1], |spec| {
        spec.servers[1].maxconn = 1
    });
    assert!(farm.shared.enter(&farm.shared.servers()[1]) && !farm.shared.enter(&farm.shared.servers()[1]));
    let shares = farm.shares(30, no_hash);
    assert_eq!((shares[1], shares[0] + shares[2]), (0, 30));
}

#[test]
fn lots_respect_weights_and_pass_the_loaded_over() {
    let one = farm(Balance::Random { draws: 1 }, &[1, 3], |_| {});
    let shares = one.shares(40_000, no_hash);
    assert!(shares[0].abs_diff(10_000) < 2500, "{shares:?}");
    let two = farm(Balance::Random { draws: 2 }, &[1, 1, 1], |_| {});
    (0..100).for_each(|_| assert!(two.shared.enter(&two.shared.servers()[0])));
    let shares = two.shares(9000, no_hash);
    assert!(
        shares[0] < 1500 && shares[1] > 3000 && shares[2] > 3000,
        "{shares:?}"
    );
    let again = farm(Balance::Random { draws: 1 }, &[1, 3], |_| {});
    let same = farm(Balance::Random { draws: 1 }, &[1, 3], |_| {});
    assert_eq!(again.shares(1000, no_hash), same.shares(1000, no_hash));
}

#[test]
fn several_lots_even_out_what_the_ring_has_uneven() {
    let shares = |draws: u32| {
        let farm = farm(Balance::Random { draws }, &[1, 1, 1], |_| {});
        let mut shares = [0_u32; 3];
        for n in 0..9000 {
            let query = Query {
                second: n / 500,
                ..Query::default()
            };
            // One worker, since each looks at what it used itself of late.
            let Choice::Server(server) = farm.workers[0].pick(query) else {
                panic!("nobody");
            };
            server.usage.enter(query.second);
            shares[server.place] += 1;
        }
        shares
    };
    let off = |shares: [u32; 3]| shares.into_iter().map(|share| share.abs_diff(3000)).max();
    assert!(
        off(shares(1)) > Some(100),
        "the points of three servers are uneven"
    );
    for draws in [2, 3] {
        assert!(off(shares(draws)) < Some(60), "{draws}: {:?}", shares(draws));
    }
}

fn hashed(method: HashMethod) -> (Balance, HashType) {
    let kind = HashType {
        method,
        function: HashFunction::Crc32,
        avalanche: false,
    };
    (Balance::Hash(HashBy::Source), kind)
}

#[test]
fn a_map_gives_exact_shares_and_keeps_keys() {
    let (balance, kind) = hashed(HashMethod::MapBased);
    let farm = farm(balance, &[1, 3, 2], |spec| spec.hash_type = kind);
    assert_eq!(farm.shares(600, Some), [100, 300, 200]);
    for hash in 0..50 {
        let place = farm.next(0, Some(hash));
        assert_eq!(farm.next(1, Some(hash)), place);
    }
    // Without a hash they take turns.
    assert_eq!(farm.shares(600, no_hash), [100, 300, 200]);
}

#[test]
fn a_bounded_ring_sends_the_surplus_elsewhere() {
    let (balance, kind) = hashed(HashMethod::Consistent);
    let farm = farm(balance, &[1, 1, 1, 1], |spec| {
        spec.hash_type = kind;
        spec.hash_balance_factor = 150;
    });
    // All ask for the same key.
    for n in 0..400 {
        let place = farm.next(n, Some(12345)).unwrap();
        assert!(farm.shared.enter(&farm.shared.servers()[place]));
    }
    let most = farm
        .shared
        .servers()
        .iter()
        .map(|s| s.connections())
        .max()
        .unwrap();
    assert_eq!(most, 150);
}

#[test]
fn what_goes_elsewhere_goes_where_haproxy_sends_it() {
    // What HAProxy 2.6 answers to requests that stay, all for the key `k1`, with the default functions.
    let answers = [
        (&[1, 1, 1][..], 125, "cacbcaacacbacacbcaacacbacacbcaacacbacacb"),
        (&[1, 1, 1], 200, "ccaccaccaccaccaccaccaccaccaccaccaccaccac"),
        (&[1, 2, 3], 101, "ccacbcbcbcacbcbcacbcbcacbcbcacbcbcacbcbc"),
    ];
    let hash = tidegate_sample::hash::avalanche(tidegate_sample::hash::sdbm(0, b"k1"));
    for (weights, factor, answer) in answers {
        let (balance, kind) = hashed(HashMethod::Consistent);
        let farm = farm(balance, weights, |spec| {
            spec.hash_type = kind;
            spec.hash_balance_factor = factor;
        });
        let next = |n: usize| {
            let place = farm.next(n, Some(hash)).unwrap();
            assert!(farm.shared.enter(&farm.shared.servers()[place]));
            char::from(b'a' + place as u8)
        };
        let order: String = (0..answer.len()).map(next).collect();
        assert_eq!(order, answer, "{weights:?} {factor}");
    }
}

#[test]
fn a_hash_waits_for_its_server_unless_it_may_go_elsewhere() {
    let (balance, kind) = hashed(HashMethod::Consistent);
    let own = farm(balance, &[1, 1, 1], |spec| {
        spec.hash_type = kind;
        spec.servers.iter_mut().for_each(|s| s.maxconn = 1);
    });
    let chosen = own.next(0, Some(99)).unwrap();
    assert!(own.shared.enter(&own.shared.servers()[chosen]));
    assert_eq!(own.next(0, Some(99)), Some(chosen));
    let (balance, kind) = hashed(HashMethod::Consistent);
    let elsewhere = farm(balance, &[1, 1, 1], |spec| {
        spec.hash_type = kind;
        spec.affinity = Affinity::Maxconn;
        spec.servers.iter_mut().for_each(|s| s.maxconn = 1);
    });
    let mut seen = Vec::new();
    for _ in 0..3 {
        let place = elsewhere.next(0, Some(99)).unwrap();
        assert!(elsewhere.shared.enter(&elsewhere.shared.servers()[place]));
        seen.push(place);
    }
    assert_eq!(seen[0], chosen);
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
    assert!(elsewhere.next(0, Some(99)).is_some());
}
