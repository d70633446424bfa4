//! What is counted of proxies, listeners and servers.
//!
//! Each worker counts for itself, in memory that no other writes to, with plain loads and stores. Whoever asks adds the
//! workers up.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use tidegate_sample::figures::{BackendFigures, Figures, FrontendFigures, ServerFigures};

use crate::control::{Preset, Totals};
use crate::counts::{Count, Counts};
use crate::rate::Rate;
use crate::spec::FrontendSpec;
use crate::upstream::Slot;
use crate::upstream::directory::Directory;
use crate::upstream::shared::BackendState;
use crate::upstream::state::ServerState;
use crate::worker::Backend;

/// What one worker counts of one proxy, listener or server. No two share a line of the cache.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Usage {
    current: AtomicU32,
    current_max: AtomicU32,
    /// Connections to a server that wait for their next request.
    idle: AtomicU32,
    total: AtomicU64,
    /// The second of the last one, counted from 1; 0 for none.
    last: AtomicU32,
    sessions: Rate,
    requests: Rate,
    pub(crate) counts: Counts,
}

impl Usage {
    /// A connection, request or stream has come.
    pub(crate) fn enter(&self, second: u32) {
        let current = self.current.load(Ordering::Relaxed).wrapping_add(1);
        self.current.store(current, Ordering::Relaxed);
        if current > self.current_max.load(Ordering::Relaxed) {
            self.current_max.store(current, Ordering::Relaxed);
        }
        self.last.store(second.saturating_add(1), Ordering::Relaxed);
        self.number();
        self.sessions.count(second);
    }

    /// So much was counted before.
    pub(crate) fn preset(&self, preset: &Preset) {
        self.total.fetch_add(preset.total, Ordering::Relaxed);
        for (count, more) in &preset.counts {
            self.counts.add(*count, *more);
        }
    }

    /// It is gone.
    pub(crate) fn leave(&self) {
        let current = self.current.load(Ordering::Relaxed);
        self.current.store(current.wrapping_sub(1), Ordering::Relaxed);
    }

    /// How many are there now.
    pub(crate) fn in_progress(&self) -> usize {
        self.current.load(Ordering::Relaxed) as usize
    }

    /// How many came in that second or the one before it.
    pub(crate) fn sessions_in(&self, second: u32) -> u64 {
        self.sessions.per_second(second, 0)
    }

    /// An HTTP request has come.
    pub(crate) fn request(&self, second: u32) {
        self.requests.count(second);
        self.counts.add(Count::Requests, 1);
    }

    /// So many connections to the server are idle.
    pub(crate) fn set_idle(&self, connections: usize) {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        self.idle.store(connections, Ordering::Relaxed);
    }

    /// Forgets the highest figures, and what was counted too if all is to be forgotten.
    fn clear(&self, all: bool) {
        self.sessions.forget_most();
        self.requests.forget_most();
        self.current_max
            .store(self.current.load(Ordering::Relaxed), Ordering::Relaxed);
        if all {
            self.counts.clear();
            self.total.store(0, Ordering::Relaxed);
            self.last.store(0, Ordering::Relaxed);
        }
    }

    /// Counts one more without end; gives the count.
    pub(crate) fn number(&self) -> u64 {
        let total = self.total.load(Ordering::Relaxed).wrapping_add(1);
        self.total.store(total, Ordering::Relaxed);
        total
    }

    /// How many were counted without end.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// The same thing as each worker counts it.
#[derive(Clone)]
pub(crate) struct PerWorker(Arc<[Arc<Usage>]>);

impl PerWorker {
    pub(crate) fn new(workers: usize) -> Self {
        PerWorker((0..workers).map(|_| Arc::default()).collect())
    }

    /// That of one worker.
    pub(crate) fn of(&self, worker: usize) -> Arc<Usage> {
        self.0.get(worker).cloned().unwrap_or_default()
    }

    /// How many there are now.
    pub(crate) fn current(&self) -> u64 {
        self.0
            .iter()
            .map(|usage| u64::from(usage.current.load(Ordering::Relaxed)))
            .sum()
    }

    /// All that were numbered.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|usage| usage.total()).sum()
    }

    /// Everything that was counted, all workers together.
    /// The idle connections of each.
    pub(crate) fn idle(&self) -> Vec<u32> {
        let idle = |usage: &Arc<Usage>| usage.idle.load(Ordering::Relaxed);
        self.0.iter().map(idle).collect()
    }

    fn totals(&self, now: Now) -> Totals {
        let sum = |of: &dyn Fn(&Usage) -> u64| self.0.iter().map(|usage| of(usage)).sum();
        let last = self
            .0
            .iter()
            .map(|usage| usage.last.load(Ordering::Relaxed))
            .max();
        Totals {
            current: self.current(),
            current_max: sum(&|usage| usage.current_max.load(Ordering::Relaxed).into()),
            total: self.total(),
            per_second: self.rate(now, |usage| &usage.sessions),
            per_second_max: sum(&|usage| usage.sessions.most()),
            requests_per_second: self.rate(now, |usage| &usage.requests),
            requests_per_second_max: sum(&|usage| usage.requests.most()),
            seconds_since_last: last
                .filter(|last| *last > 0)
                .map(|last| now.second.saturating_sub(last - 1)),
            counts: self.0.iter().map(Arc::clone).collect(),
        }
    }

    pub(crate) fn clear(&self, all: bool) {
        self.0.iter().for_each(|usage| usage.clear(all));
    }

    fn rate(&self, now: Now, which: impl Fn(&Usage) -> &Rate) -> u64 {
        self.0
            .iter()
            .map(|usage| which(usage).per_second(now.second, now.millisecond))
            .sum()
    }
}

/// A moment, counted from the start of the data plane.
#[derive(Clone, Copy)]
struct Now {
    second: u32,
    millisecond: u32,
}

/// The counters of everything.
pub(crate) struct Board {
    started: Instant,
    frontends: HashMap<Box<[u8]>, FrontendCounters>,
    backends: Arc<Directory>,
    /// What was most is kept to itself.
    hides_most: bool,
}

struct FrontendCounters {
    usage: PerWorker,
    /// By the listeners' numbers.
    listeners: Vec<(u32, PerWorker)>,
}

impl Board {
    pub(crate) fn new(frontends: &[Arc<FrontendSpec>], backends: Arc<Directory>, workers: usize) -> Self {
        let frontend = |spec: &Arc<FrontendSpec>| {
            let listeners = spec.listeners.iter();
            let counters = FrontendCounters {
                usage: PerWorker::new(workers),
                listeners: listeners.map(|l| (l.id, PerWorker::new(workers))).collect(),
            };
            (key(&spec.name), counters)
        };
        Board {
            started: Instant::now(),
            frontends: frontends.iter().map(frontend).collect(),
            backends,
            hides_most: false,
        }
    }

    /// Nobody is told what was most.
    pub(crate) fn hide_most(mut self, hides_most: bool) -> Self {
        self.hides_most = hides_most;
        self
    }

    fn totals(&self, usage: &PerWorker) -> Totals {
        let totals = usage.totals(self.now());
        match self.hides_most {
            true => totals.without_most(),
            false => totals,
        }
    }

    /// The second that a moment is in.
    pub(crate) fn second(&self, at: Instant) -> u32 {
        // Wraps after more than a hundred years.
        at.saturating_duration_since(self.started).as_secs() as u32
    }

    /// What a worker counts of a frontend.
    pub(crate) fn frontend_of(&self, name: &str, worker: usize) -> Arc<Usage> {
        let counters = self.frontends.get(name.as_bytes());
        counters.map(|f| f.usage.of(worker)).unwrap_or_default()
    }

    /// What a worker counts of a listener.
    pub(crate) fn listener_of(&self, frontend: &str, id: u32, worker: usize) -> Arc<Usage> {
        let counters = self.listener(frontend.as_bytes(), id);
        counters.map(|usage| usage.of(worker)).unwrap_or_default()
    }

    /// Client connections of all frontends.
    pub(crate) fn connections(&self) -> u64 {
        self.frontends.values().map(|f| f.usage.current()).sum()
    }

    /// Client connections that all frontends ever had.
    pub(crate) fn connections_total(&self) -> u64 {
        self.frontends.values().map(|f| f.usage.total()).sum()
    }

    /// Requests and streams in a backend.
    pub(crate) fn backend_connections(&self, name: &[u8]) -> Option<u64> {
        Some(self.backend_named(name)?.usage.current())
    }

    /// Requests and streams at a server.
    pub(crate) fn server_connections(&self, backend: &[u8], name: &[u8]) -> Option<u64> {
        Some(self.server_named(backend, name)?.usage.current())
    }

    fn backend_named(&self, name: &[u8]) -> Option<Arc<BackendState>> {
        self.backends
            .now()
            .named(std::str::from_utf8(name).ok()?)
            .cloned()
    }

    fn server_named(&self, backend: &[u8], name: &[u8]) -> Option<Arc<ServerState>> {
        let servers = self.backend_named(backend)?.servers();
        let mut servers = servers.iter();
        servers.find(|server| server.name().as_bytes() == name).cloned()
    }

    /// Client connections of a listener.
    pub(crate) fn listener_connections(&self, frontend: &[u8], id: u32) -> Option<u64> {
        self.listener(frontend, id).map(PerWorker::current)
    }

    /// What was counted of a frontend.
    pub(crate) fn frontend_totals(&self, name: &str) -> Option<Totals> {
        Some(self.totals(&self.frontends.get(name.as_bytes())?.usage))
    }

    /// What was counted of a listener.
    pub(crate) fn listener_totals(&self, frontend: &str, id: u32) -> Option<Totals> {
        let listener = self.listener(frontend.as_bytes(), id)?;
        Some(self.totals(listener))
    }

    /// What was counted of a backend.
    pub(crate) fn backend_totals(&self, name: &str) -> Option<Totals> {
        Some(self.totals(&self.backend_named(name.as_bytes())?.usage))
    }

    /// What was counted of a server.
    pub(crate) fn server_totals(&self, server: &ServerState) -> Totals {
        self.totals(&server.usage)
    }

    /// Forgets the highest figures of everything, and what was counted too if all is to be forgotten.
    pub(crate) fn clear(&self, all: bool) {
        for frontend in self.frontends.values() {
            frontend.usage.clear(all);
            frontend.listeners.iter().for_each(|(_, usage)| usage.clear(all));
        }
        for backend in self.backends.now().iter() {
            backend.usage.clear(all);
            let servers = backend.servers();
            servers.iter().for_each(|server| server.usage.clear(all));
        }
    }

    fn listener(&self, frontend: &[u8], id: u32) -> Option<&PerWorker> {
        let listeners = &self.frontends.get(frontend)?.listeners;
        listeners
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, usage)| usage)
    }

    fn now(&self) -> Now {
        let since = self.started.elapsed();
        Now {
            second: since.as_secs() as u32,
            millisecond: since.subsec_millis(),
        }
    }
}

impl Figures for Board {
    fn frontend(&self, name: &[u8]) -> Option<FrontendFigures> {
        let usage = &self.frontends.get(name)?.usage;
        let now = self.now();
        Some(FrontendFigures {
            connections: usage.current(),
            sessions_per_second: usage.rate(now, |usage| &usage.sessions),
            requests_per_second: usage.rate(now, |usage| &usage.requests),
        })
    }

    fn backend(&self, name: &[u8]) -> Option<BackendFigures> {
        let state = self.backend_named(name)?;
        let plan = state.plan();
        let servers = state.servers();
        let taking: Vec<_> = plan
            .usable
            .iter()
            .filter_map(|at| servers.at(*at as usize))
            .collect();
        let sum = |with_queues: bool| {
            taking.iter().try_fold(0u64, |sum, server| {
                let limit = u64::from(state.limit(server)?);
                let free = limit.saturating_sub(server.connections().into());
                let places = match (with_queues, server.maxqueue()) {
                    (false, _) => 0,
                    (true, 0) => return None,
                    (true, most) => u64::from(most.saturating_sub(server.queued())),
                };
                Some(sum + free + places)
            })
        };
        Some(BackendFigures {
            connections: state.usage.current(),
            sessions_per_second: state.usage.rate(self.now(), |usage| &usage.sessions),
            queued: state.queued_in_all().into(),
            // Nobody comes to those of a backend that is disabled.
            usable_servers: if state.is_disabled() {
                0
            } else {
                taking.len() as u64
            },
            connections_free: sum(false),
            slots_free: sum(true),
        })
    }

    fn server(&self, backend: &[u8], name: &[u8]) -> Option<ServerFigures> {
        let state = self.backend_named(backend)?;
        let server = self.server_named(backend, name)?;
        let limit = state.limit(&server);
        Some(ServerFigures {
            connections: server.usage.current(),
            sessions_per_second: server.usage.rate(self.now(), |usage| &usage.sessions),
            queued: server.queued().into(),
            connections_free: limit.map(|limit| limit.saturating_sub(server.connections()).into()),
            up: server.is_up(),
            weight: server.effective_weight(),
            user_weight: server.weight(),
            initial_weight: server.initial_weight(),
        })
    }
}

fn key(name: &str) -> Box<[u8]> {
    name.as_bytes().into()
}

/// A transaction's stay in a backend. It is over when it is dropped, or before.
pub(crate) struct InBackend {
    pub(crate) backend: Rc<Backend>,
    inside: bool,
}

impl InBackend {
    pub(crate) fn enter(backend: &Rc<Backend>, second: u32) -> Self {
        backend.usage.enter(second);
        InBackend {
            backend: backend.clone(),
            inside: true,
        }
    }

    /// The stay is over; the backend is still known. False if it was over before.
    pub(crate) fn leave(&mut self) -> bool {
        let inside = std::mem::take(&mut self.inside);
        if inside {
            self.backend.usage.leave();
        }
        inside
    }
}

impl Drop for InBackend {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A transaction's use of a server, for as long as it is there.
pub(crate) struct AtServer(Slot);

impl AtServer {
    pub(crate) fn enter(slot: Slot, second: u32) -> Self {
        slot.server().usage.enter(second);
        AtServer(slot)
    }

    /// What is counted of the server.
    pub(crate) fn counts(&self) -> &Counts {
        &self.0.server().usage.counts
    }
}

impl Drop for AtServer {
    fn drop(&mut self) {
        self.0.server().usage.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{BackendSpec, ListenerSpec, ServerSpec};
    use crate::txn::Mode;
    use crate::upstream::admin::AdminState;

    fn board(change: impl FnOnce(&mut BackendSpec)) -> (Board, Arc<BackendState>) {
        let mut frontend = FrontendSpec::new("f", Mode::Http);
        let address = "127.0.0.1:1".parse().unwrap();
        frontend.listeners = (1..3)
            .map(|id| ListenerSpec {
                id,
                ..ListenerSpec::tcp("bind", address)
            })
            .collect();
        let mut backend = BackendSpec::new("b", Mode::Http);
        change(&mut backend);
        let teller = tokio::sync::mpsc::unbounded_channel().0;
        let directory = Directory::new(&[Arc::new(backend)], Instant::now(), 3, teller);
        let state = directory.now().named("b").unwrap().clone();
        (Board::new(&[Arc::new(frontend)], Arc::new(directory), 3), state)
    }

    #[test]
    fn the_workers_are_added_up() {
        let (board, state) = board(|b| {
            b.servers
                .push(ServerSpec::tcp("s", "127.0.0.1:1".parse().unwrap()))
        });
        for worker in 0..3 {
            let second = board.second(Instant::now());
            let usage = board.frontend_of("f", worker);
            usage.enter(second);
            usage.enter(second);
            usage.leave();
            usage.request(second);
            board.listener_of("f", 2, worker).enter(second);
            state.servers()[0].usage.of(worker).enter(second);
            state.usage.of(worker).enter(second);
        }
        let frontend = board.frontend(b"f").unwrap();
        assert_eq!((frontend.connections, frontend.sessions_per_second), (3, 6));
        assert_eq!(frontend.requests_per_second, 3);
        assert_eq!(board.connections(), 3);
        assert_eq!(board.listener_connections(b"f", 1), Some(0));
        assert_eq!(board.listener_connections(b"f", 2), Some(3));
        assert_eq!(board.backend(b"b").unwrap().connections, 3);
        assert_eq!(board.server(b"b", b"s").unwrap().connections, 3);
        assert!(board.frontend(b"b").is_none() && board.server(b"b", b"x").is_none());
    }

    #[test]
    fn servers_are_usable_as_the_balancing_takes_them() {
        let named = |name: &str, change: fn(&mut ServerSpec)| {
            let mut spec = ServerSpec::tcp(name, "127.0.0.1:1".parse().unwrap());
            change(&mut spec);
            spec
        };
        let (board, shared) = board(|b| {
            b.servers = vec![
                named("a", |s| s.weight = 5),
                named("drained", |s| s.weight = 0),
                named("c", |_| {}),
                named("backup", |s| s.backup = true),
                named("other", |s| s.backup = true),
            ];
        });
        let usable = || board.backend(b"b").unwrap().usable_servers;
        let take_out = |server: usize| shared.servers()[server].set_admin(AdminState::Maint, Instant::now());
        assert_eq!(usable(), 2);
        take_out(0);
        assert_eq!(usable(), 1);
        assert!(!board.server(b"b", b"a").unwrap().up && board.server(b"b", b"c").unwrap().up);
        assert_eq!(board.server(b"b", b"a").unwrap().weight, 5);
        take_out(2);
        assert_eq!(usable(), 1);
        assert_eq!(board.backend(b"b").unwrap().connections_free, None);
    }
}
