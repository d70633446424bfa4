use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::spec::{BackendSpec, ServerSpec};
use crate::txn::Mode;
use crate::upstream::admin::AdminState;
use crate::upstream::state::{Changes, Operational};

fn backend(change: impl FnOnce(&mut BackendSpec)) -> Arc<BackendState> {
    let mut spec = BackendSpec::new("b", Mode::Http);
    for name in ["a", "b"] {
        let mut server = ServerSpec::tcp(name, "127.0.0.1:1".parse().unwrap());
        server.maxconn = 1;
        spec.servers.push(server);
    }
    change(&mut spec);
    let now = Instant::now();
    BackendState::all(&[Arc::new(spec)], now, &Changes::new(now, 3)).remove(0)
}

fn answer(waiting: &mut Waiting) -> Option<Turn> {
    match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => Some(turn),
        Poll::Pending => None,
    }
}

fn join(state: &Arc<BackendState>, place: Option<usize>) -> Waiting {
    let servers = state.servers();
    state.queue_up(place.map(|at| &servers[at]), Priority::default(), Instant::now())
}

fn ranked(state: &Arc<BackendState>, class: i64, offset: i64) -> Waiting {
    let servers = state.servers();
    state.queue_up(Some(&servers[0]), Priority { class, offset }, Instant::now())
}

#[test]
fn who_waits_longest_is_next_at_their_server() {
    let state = backend(|_| {});
    assert!(state.enter(&state.servers()[0]) && state.enter(&state.servers()[1]));
    let (mut one, mut other, mut any) = (join(&state, Some(0)), join(&state, Some(0)), join(&state, None));
    assert_eq!((state.queued(), state.queued_in_all()), (1, 3));
    assert_eq!(answer(&mut one), None);
    state.leave(&state.servers()[0]);
    assert_eq!((answer(&mut one), answer(&mut other)), (Some(Turn::At(0)), None));
    state.leave(&state.servers()[1]);
    assert_eq!(answer(&mut any), Some(Turn::At(1)));
    assert_eq!(answer(&mut other), None);
    state.leave(&state.servers()[0]);
    assert_eq!(answer(&mut other), Some(Turn::At(0)));
    assert_eq!(state.queued_in_all(), 0);
}

#[test]
fn those_count_who_were_served_before_and_nobody_else() {
    let state = backend(|_| {});
    assert!(state.enter(&state.servers()[0]));
    let (mut late, mut early) = (ranked(&state, 5, 0), ranked(&state, 0, 0));
    let (gone, left) = (ranked(&state, 9, 0), ranked(&state, -9, 0));
    let told = [&early, &late, &gone, &left].map(Waiting::told);
    drop(left);
    for waiting in [&mut early, &mut late] {
        state.leave(&state.servers()[0]);
        assert!(answer(waiting).is_some());
    }
    drop(gone);
    assert_eq!(told.map(|told| told.before()), [0, 1, 2, 0]);
}

#[test]
fn priorities_go_before_the_order_of_coming() {
    let state = backend(|_| {});
    assert!(state.enter(&state.servers()[0]));
    let mut waiting = [
        ranked(&state, 0, 0),
        ranked(&state, 1, -100_000),
        ranked(&state, 0, -50_000),
        ranked(&state, -5, 0),
    ];
    let mut order = Vec::new();
    for _ in 0..4 {
        state.leave(&state.servers()[0]);
        let next = waiting.iter_mut().position(|w| !w.done && answer(w).is_some());
        order.push(next.unwrap());
    }
    assert_eq!(order, [3, 2, 0, 1]);
}

#[test]
fn leaving_a_queue_leaves_nothing() {
    let state = backend(|_| {});
    assert!(state.enter(&state.servers()[0]));
    let (gone, mut stays) = (join(&state, Some(0)), join(&state, Some(0)));
    drop(gone);
    assert_eq!(state.servers()[0].queued(), 1);
    state.leave(&state.servers()[0]);
    assert_eq!(answer(&mut stays), Some(Turn::At(0)));
    // What was granted and not taken goes on to the next.
    let (granted, mut next) = (join(&state, Some(0)), join(&state, Some(0)));
    state.leave(&state.servers()[0]);
    drop(granted);
    assert_eq!(answer(&mut next), Some(Turn::At(0)));
    state.leave(&state.servers()[0]);
    assert_eq!((state.servers()[0].connections(), state.queued_in_all()), (0, 0));
}

#[test]
fn nobody_waits_beside_free_room() {
    let state = backend(|_| {});
    assert_eq!(answer(&mut join(&state, Some(1))), Some(Turn::At(1)));
    assert_eq!(answer(&mut join(&state, None)), Some(Turn::At(0)));
}

#[test]
fn a_server_that_goes_down_sends_its_queue_away_and_one_that_comes_up_serves() {
    let state = backend(|_| {});
    let now = Instant::now();
    assert!(state.enter(&state.servers()[0]));
    state.servers()[1].set_operational(Operational::Stopped, now);
    let (mut bound, mut any) = (join(&state, Some(0)), join(&state, None));
    state.servers()[0].set_admin(AdminState::Maint, now);
    assert_eq!(answer(&mut bound), Some(Turn::SentAway));
    assert_eq!(answer(&mut any), None);
    assert_eq!(answer(&mut join(&state, Some(0))), Some(Turn::SentAway));
    state.servers()[1].set_operational(Operational::Running, now);
    assert_eq!(answer(&mut any), Some(Turn::At(1)));
    assert_eq!(state.queued_in_all(), 0);
}

#[test]
fn a_server_that_runs_dry_sends_its_queue_away_once() {
    let state = backend(|spec| spec.redispatch = -1);
    let now = Instant::now();
    assert!(state.enter(&state.servers()[0]));
    let mut bound = join(&state, Some(0));
    state.servers()[0].set_admin(AdminState::Drain, now);
    assert_eq!(answer(&mut bound), Some(Turn::SentAway));
    // Who belongs to it still comes.
    let mut late = join(&state, Some(0));
    state.servers()[1].set_operational(Operational::Stopped, now);
    assert_eq!(answer(&mut late), None);
    state.servers()[0].set_admin(AdminState::Ready, now);
    state.servers()[0].set_operational(Operational::Stopping, now);
    assert_eq!(answer(&mut late), Some(Turn::SentAway));
}

#[test]
fn who_may_not_go_elsewhere_waits_for_a_server_that_runs_dry() {
    let state = backend(|_| {});
    assert!(state.enter(&state.servers()[0]));
    let mut bound = join(&state, Some(0));
    state.servers()[0].set_admin(AdminState::Drain, Instant::now());
    assert_eq!(answer(&mut bound), None);
    state.leave(&state.servers()[0]);
    assert_eq!(answer(&mut bound), Some(Turn::At(0)));
}

#[test]
fn who_persists_waits_for_a_server_that_is_down() {
    let state = backend(|spec| {
        spec.redispatch = -1;
        spec.persistence.persist = true;
    });
    let servers = state.servers();
    assert!(state.enter(&servers[0]) && state.enter(&servers[1]));
    let (mut bound, mut any) = (join(&state, Some(0)), join(&state, None));
    servers[0].set_admin(AdminState::Maint, Instant::now());
    let mut late = join(&state, Some(0));
    for waiting in [&mut bound, &mut late] {
        assert_eq!(answer(waiting), None);
        state.leave(&servers[0]);
        assert_eq!(answer(waiting), Some(Turn::At(0)));
    }
    // Nobody else gets room at it.
    state.leave(&servers[0]);
    assert_eq!(answer(&mut any), None);
    state.leave(&servers[1]);
    assert_eq!(answer(&mut any), Some(Turn::At(1)));
    assert_eq!(state.queued_in_all(), 0);
}

#[test]
fn more_room_is_used_at_once() {
    let state = backend(|_| {});
    assert!(state.enter(&state.servers()[0]) && state.enter(&state.servers()[1]));
    let (mut one, mut other) = (join(&state, Some(0)), join(&state, Some(0)));
    state.servers()[0].set_maxconn(3);
    assert_eq!(answer(&mut one), Some(Turn::At(0)));
    assert_eq!(answer(&mut other), Some(Turn::At(0)));
}

#[test]
fn a_limit_grows_with_the_load_of_the_backend() {
    let state = backend(|spec| {
        spec.fullconn = 100;
        for server in &mut spec.servers {
            (server.minconn, server.maxconn) = (10, 50);
        }
    });
    let limit = || state.limit(&state.servers()[0]);
    assert_eq!(limit(), Some(10));
    (0..10).for_each(|_| assert!(state.enter(&state.servers()[0]) && state.enter(&state.servers()[1])));
    assert_eq!((state.load(), limit()), (20, Some(10)));
    state.servers()[1].set_maxconn(0);
    (0..40).for_each(|_| assert!(state.enter(&state.servers()[1])));
    assert_eq!(limit(), Some(30));
    (0..40).for_each(|_| assert!(state.enter(&state.servers()[1])));
    assert_eq!(limit(), Some(50));
}

#[test]
fn a_slow_start_limits_too() {
    let state = backend(|spec| {
        spec.servers[0].slowstart = Some(Duration::from_secs(10));
        spec.servers[0].maxconn = 10;
    });
    let (now, server) = (Instant::now(), &state.servers()[0]);
    server.set_operational(Operational::Stopped, now);
    server.set_operational(Operational::Running, now);
    assert_eq!(state.limit(server), Some(1));
    state.grow(now + Duration::from_secs(5));
    assert_eq!(state.limit(server), Some(5));
    state.grow(now + Duration::from_secs(11));
    assert_eq!(state.limit(server), Some(10));
}

proptest! {
    /// Whatever is joined, left, granted and given up: no room and no waiter is lost, and nobody waits beside room.
    #[test]
    fn nothing_is_lost(steps in prop::collection::vec((0u8..6, 0usize..4), 1..200)) {
        let state = backend(|spec| spec.servers[0].maxconn = 2);
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut held = [0u32; 2];
        for (step, at) in steps {
            match step {
                0 | 1 => waiting.push(join(&state, [Some(0), Some(1), None, None][at])),
                2 if !waiting.is_empty() => drop(waiting.remove(at % waiting.len())),
                3 if held[at % 2] > 0 => {
                    held[at % 2] -= 1;
                    state.leave(&state.servers()[at % 2]);
                }
                4 => state.servers()[at % 2].set_admin(
                    [AdminState::Maint, AdminState::Ready][at / 2],
                    Instant::now(),
                ),
                _ => {}
            }
            waiting.retain_mut(|w| match answer(w) {
                Some(Turn::At(place)) => {
                    held[place] += 1;
                    false
                }
                Some(Turn::SentAway) => false,
                None => true,
            });
            for (place, held) in held.iter().enumerate() {
                let server = &state.servers()[place];
                prop_assert_eq!(server.connections(), *held);
                let waits = waiting.iter().filter(|w| w.server.as_ref().is_some_and(|server| server.place() == place)).count();
                prop_assert_eq!(server.queued() as usize, waits);
                let any = state.queued() > 0 && server.is_usable();
                prop_assert!(!((waits > 0 || any) && server.is_up() && state.has_room(server)));
            }
            let any = waiting.iter().filter(|w| w.server.is_none()).count();
            prop_assert_eq!(state.queued() as usize, any);
            prop_assert_eq!(state.queued_in_all() as usize, waiting.len());
        }
    }
}

#[test]
fn threads_hand_room_to_each_other() {
    let state = backend(|spec| spec.servers.truncate(1));
    let threads = (0..3).map(|_| {
        let state = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                for n in 0..300 {
                    if !state.enter(&state.servers()[0]) {
                        let place = (n % 2 == 0).then_some(0);
                        assert_eq!(join(&state, place).await, Turn::At(0));
                    }
                    assert_eq!(state.servers()[0].connections(), 1);
                    state.leave(&state.servers()[0]);
                }
            });
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!((state.servers()[0].connections(), state.queued_in_all()), (0, 0));
}
