//! What all workers share of a backend: its servers, who of them takes part in balancing, how much each serves.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::balance::plan::Plan;
use super::queue::Queues;
use super::servers::Servers;
use super::state::{Changes, GROWN, ServerState};
use crate::figures::PerWorker;
use crate::spec::{BackendSpec, Balance, DynamicCookies};

/// A counter on a line of the cache of its own.
#[derive(Default)]
#[repr(align(128))]
struct Turn(AtomicU64);

/// Why a backend can't be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendStays {
    /// It is half of a `listen` section.
    Listen,
    /// The configuration names it elsewhere.
    Referenced,
    /// It has what lives as long as the process.
    Fixed,
    /// Rules may choose it.
    Published,
    /// It has servers.
    HasServers,
    /// Requests or streams are in it.
    InUse,
}

/// What all workers share of a backend and its servers.
pub struct BackendState {
    spec: Arc<BackendSpec>,
    servers: ArcSwap<Servers>,
    changes: Changes,
    started: Instant,
    plan: Mutex<Arc<Plan>>,
    version: AtomicU64,
    turn: Turn,
    /// Requests and streams at all servers, where somebody asks for it.
    load: AtomicU32,
    counts_load: bool,
    pub(super) queues: Queues,
    published: AtomicBool,
    /// What each worker counts of it.
    pub(crate) usage: PerWorker,
    standing: Mutex<Standing>,
    dynamic_cookies: Mutex<DynamicCookies>,
}

/// Whether any server of a backend takes requests, and since when.
#[derive(Clone, Copy, Debug)]
struct Standing {
    is_down: bool,
    since: Instant,
    downs: u64,
    /// How long it was down in all, until it changed last.
    downtime: Duration,
}

/// How often a backend had no server that takes requests, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendDowns {
    /// How often it came to that.
    pub downs: u64,
    /// For how long in all.
    pub downtime: Duration,
    /// How long ago that changed.
    pub since_change: Duration,
}

impl BackendState {
    /// Those of all backends, with the servers tracking each other as the spec says.
    pub(super) fn all(
        backends: &[Arc<BackendSpec>],
        started: Instant,
        changes: &Changes,
    ) -> Vec<Arc<BackendState>> {
        let states: Vec<Arc<BackendState>> = backends
            .iter()
            .map(|spec| Arc::new(BackendState::new(spec, changes, started)))
            .collect();
        for state in &states {
            for server in state.servers().iter() {
                server.belongs_to(Arc::downgrade(state));
            }
            state.changed();
        }
        let tracked = |(backend, server): (usize, usize)| {
            let backend: &Arc<BackendState> = states.get(backend)?;
            backend.servers().at(server).cloned()
        };
        for state in &states {
            for server in state.servers().iter() {
                if let Some(tracked) = server.spec().track.and_then(tracked) {
                    tracked.track_by(server);
                }
            }
        }
        states
    }

    fn new(spec: &Arc<BackendSpec>, changes: &Changes, started: Instant) -> Self {
        let static_weights = spec.balance.is_static(spec.hash_type);
        let servers = spec.servers.iter().enumerate();
        let servers =
            servers.map(|(place, server)| Arc::new(ServerState::new(server, place, static_weights, changes)));
        let servers = Servers::new(servers.collect(), matches!(spec.balance, Balance::LeastConn));
        BackendState {
            servers: ArcSwap::from_pointee(servers),
            changes: changes.clone(),
            started,
            plan: Mutex::default(),
            version: AtomicU64::new(0),
            turn: Turn::default(),
            load: AtomicU32::new(0),
            counts_load: spec.hash_balance_factor > 0 || spec.servers.iter().any(|s| s.minconn > 0),
            queues: Queues::new(spec.servers.len()),
            published: AtomicBool::new(!spec.unpublished),
            usage: PerWorker::new(changes.workers()),
            standing: Mutex::new(Standing {
                is_down: false,
                since: started,
                downs: 0,
                downtime: Duration::ZERO,
            }),
            dynamic_cookies: Mutex::new(spec.persistence.dynamic.clone()),
            spec: spec.clone(),
        }
    }

    /// How cookies are made of addresses now.
    pub(super) fn dynamic_cookies(&self) -> MutexGuard<'_, DynamicCookies> {
        self.dynamic_cookies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The backend's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it was made from.
    pub fn spec(&self) -> &Arc<BackendSpec> {
        &self.spec
    }

    /// The backend's number.
    pub fn id(&self) -> u32 {
        self.spec.id
    }

    /// Whether rules may choose it.
    pub fn is_published(&self) -> bool {
        self.published.load(Ordering::Relaxed) && !self.is_disabled()
    }

    /// `disabled`: it takes no part in anything.
    pub fn is_disabled(&self) -> bool {
        self.spec.disabled
    }

    /// Lets rules choose it from now on, or not. False if nothing changes by that.
    pub fn publish(&self, published: bool) -> bool {
        self.published.swap(published, Ordering::Relaxed) != published
    }

    /// Whether it may be taken away.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_go(&self) -> Result<(), BackendStays> {
        if self.spec.is_listen {
            Err(BackendStays::Listen)
        } else if self.spec.is_referenced {
            Err(BackendStays::Referenced)
        } else if self.spec.has_table || self.spec.lines.is_some() {
            Err(BackendStays::Fixed)
        } else if self.published.load(Ordering::Relaxed) {
            Err(BackendStays::Published)
        } else if !self.servers.load().is_empty() {
            Err(BackendStays::HasServers)
        } else if self.usage.current() > 0 {
            Err(BackendStays::InUse)
        } else {
            Ok(())
        }
    }

    /// The servers that it has now, in their order.
    pub fn servers(&self) -> Arc<Servers> {
        self.servers.load_full()
    }

    /// How many servers, and how many backups, take sessions that don't belong to one.
    pub(crate) fn usable(&self) -> (usize, usize) {
        let servers = self.servers.load();
        let usable = |backup| {
            let mine = servers.iter().filter(|server| server.is_backup() == backup);
            mine.filter(|server| server.is_usable()).count()
        };
        (usable(false), usable(true))
    }

    /// The server of a name.
    pub fn server(&self, name: &str) -> Option<Arc<ServerState>> {
        let servers = self.servers.load();
        servers.iter().find(|server| *server.name() == *name).cloned()
    }

    /// It has other servers from now on. The caller sees to it that changes come one after the other.
    pub(super) fn replace_servers(&self, servers: Servers) {
        self.servers.store(Arc::new(servers));
        self.changed();
    }

    /// What the servers of all backends share.
    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Whether servers may come while the process runs: a static algorithm makes its order once.
    pub fn takes_servers(&self) -> bool {
        !self.has_static_weights() && self.spec.lines.is_none()
    }

    /// Whether only some weights count.
    pub(super) fn has_static_weights(&self) -> bool {
        self.spec.balance.is_static(self.spec.hash_type)
    }

    /// How often it had no server that takes requests, and for how long.
    pub fn downs(&self, now: Instant) -> BackendDowns {
        let standing = *self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let since_change = now.saturating_duration_since(standing.since);
        let running = if standing.is_down {
            since_change
        } else {
            Duration::ZERO
        };
        BackendDowns {
            downs: standing.downs,
            downtime: standing.downtime + running,
            since_change,
        }
    }

    /// Servers may take requests, or none does any more.
    fn stands(&self, is_down: bool, now: Instant) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.is_down == is_down {
            return;
        }
        if standing.is_down {
            let since = standing.since;
            standing.downtime += now.saturating_duration_since(since);
        } else {
            standing.downs += 1;
        }
        (standing.is_down, standing.since) = (is_down, now);
    }

    /// Most that waited for any server at a time.
    pub fn queued_max(&self) -> u32 {
        self.queues.of_backend_max()
    }

    /// How many wait for any server.
    pub fn queued(&self) -> u32 {
        self.queues.of_backend()
    }

    /// How many wait for any server or for one of them.
    pub fn queued_in_all(&self) -> u32 {
        self.queues.all()
    }

    /// Changes whenever the plan does.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Who takes part in balancing.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        self.lock_plan().clone()
    }

    fn lock_plan(&self) -> MutexGuard<'_, Arc<Plan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes further steps of what grows with time.
    pub(crate) fn grow(&self, now: Instant) {
        self.servers().iter().for_each(|server| server.grow(now));
    }

    /// A moment in milliseconds, the same for all workers.
    pub(super) fn ms(&self, now: Instant) -> i64 {
        i64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(i64::MAX)
    }

    /// The number of the next turn, over all workers.
    pub(crate) fn next_turn(&self) -> u64 {
        self.turn.0.fetch_add(1, Ordering::Relaxed)
    }

    /// Something has changed that matters for the choice of a server. The caller sees to it that changes come one after
    /// the other.
    pub(super) fn changed(&self) {
        let version = self.version.load(Ordering::Relaxed) + 1;
        let servers = self.servers();
        let plan = Arc::new(Plan::new(&self.spec, &servers, &self.plan(), version));
        for server in servers.iter() {
            let takes_part = plan.usable.iter().any(|at| *at as usize == server.place());
            server.plays.store(takes_part, Ordering::SeqCst);
        }
        self.stands(plan.usable.is_empty() && !servers.is_empty(), Instant::now());
        *self.lock_plan() = plan;
        self.version.store(version, Ordering::Release);
        servers.iter().for_each(|server| self.replay(server));
        self.look_after_queues();
    }

    /// Most that a server may serve now; `None` for no limit.
    pub(crate) fn limit(&self, server: &ServerState) -> Option<u32> {
        let most = server.maxconn();
        if most == 0 {
            return None;
        }
        let (least, full) = (server.minconn(), self.spec.fullconn);
        let mut limit = match least == 0 || least >= most {
            true => most,
            // Who waits is a load too.
            false => match self.load().saturating_add(self.queues.all()) {
                load if load >= full => most,
                load => {
                    let ramp = u64::from(most) * u64::from(load) / u64::from(full.max(1));
                    u32::try_from(ramp).unwrap_or(most).max(least)
                }
            },
        };
        let grown = server.grown();
        if grown < GROWN {
            limit = (u64::from(limit) * u64::from(grown) / u64::from(GROWN)) as u32;
        }
        Some(limit.max(1))
    }

    /// Whether a server may serve one more.
    pub(crate) fn has_room(&self, server: &ServerState) -> bool {
        self.limit(server)
            .is_none_or(|limit| server.connections() < limit)
    }

    /// How many of these the servers have at all.
    pub(crate) fn load(&self) -> u32 {
        match self.counts_load {
            true => self.load.load(Ordering::Relaxed),
            // Rare: a server with a `minconn` came while the process ran.
            false => self
                .servers
                .load()
                .iter()
                .map(|server| server.connections())
                .sum(),
        }
    }

    /// Takes room at a server for one more, if there is any.
    pub(crate) fn enter(&self, server: &ServerState) -> bool {
        if !server.enter(self.limit(server)) {
            return false;
        }
        if self.counts_load {
            self.load.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(self.spec.balance, Balance::LeastConn) {
            server.take_turn(self.next_turn() + 1);
            self.replay(server);
        }
        true
    }

    /// Gives that room back; whoever waits for it gets it.
    pub(crate) fn leave(&self, server: &ServerState) {
        self.give_back(server);
        if self.queues.all() > 0 {
            self.serve_queues(server);
        }
    }

    pub(super) fn give_back(&self, server: &ServerState) {
        server.leave();
        if self.counts_load {
            self.load.fetch_sub(1, Ordering::Relaxed);
        }
        self.replay(server);
    }

    /// The load of a server has changed.
    pub(super) fn replay(&self, server: &ServerState) {
        if !matches!(self.spec.balance, Balance::LeastConn) {
            return;
        }
        // Whoever replaces the servers plays all matches after that: a match that is lost with the old ones is no loss.
        let servers = self.servers.load();
        if let Some(tournament) = servers.tournament.as_ref().filter(|_| !server.is_removed()) {
            tournament.play(server.place(), |a, b| less_loaded(&servers, a, b));
        }
    }

    /// The place of the least loaded server, other than `but`.
    pub(crate) fn least_loaded(&self, but: Option<usize>) -> Option<usize> {
        let servers = self.servers.load();
        let tournament = servers.tournament.as_ref()?;
        let best = match but {
            Some(out) => tournament.best_but(out, |a, b| less_loaded(&servers, a, b)),
            None => tournament.best(),
        };
        best.filter(|place| servers.at(*place).is_some_and(|s| s.plays.load(Ordering::SeqCst)))
    }
}

/// Which of two has less to do for its weight, or had its last turn longer ago. Those that are idle are equal whatever
/// they weigh, so that all are used even if there is little to do.
pub(crate) fn less_loaded(servers: &Servers, a: Option<usize>, b: Option<usize>) -> Option<usize> {
    let (Some(at_a), Some(at_b)) = (a, b) else {
        return a.or(b);
    };
    let (Some(one), Some(other)) = (servers.at(at_a), servers.at(at_b)) else {
        return a.filter(|at| servers.at(*at).is_some()).or(b);
    };
    let plays = |s: &ServerState| s.plays.load(Ordering::SeqCst);
    let weighed = |s: &ServerState, other: &ServerState| match s.busy() {
        0 => 0,
        busy => u64::from(busy + 1) * u64::from(other.scaled_weight().max(1)),
    };
    let key = |s: &ServerState, other: &ServerState| (!plays(s), weighed(s, other), s.last_turn());
    if key(one, other) <= key(other, one) { a } else { b }
}
