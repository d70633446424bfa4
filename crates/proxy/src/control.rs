//! What runs, as it is watched and commanded from outside the workers.
//!
//! Nothing here waits for a worker or holds one up: figures are added up from what the workers count, and orders are
//! stores that the workers see when they look next.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tidegate_sample::Listeners;
use tidegate_sample::figures::Figures;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::{oneshot, watch};

use crate::counts::Count;
use crate::duration::{Durations, Stage};
use crate::figures::Usage;
use crate::filter::CompressionLimit;
use crate::gate::{FrontendState, Gate};
use crate::log::{Ring, dropped_lines};
use crate::pace::Pace;
use crate::peers::SectionView;
use crate::resolve::spec::NameSpec;
use crate::room::Room;
use crate::roster::{KilledBy, Meant, Order, SessionView};
use crate::spec::{BackendSpec, FrontendSpec, GlobalSpec, ServerSpec};
use crate::tally::{Pulse, Tallied};
use crate::upstream::directory::Backends;
use crate::upstream::news::ServerNews;
use crate::upstream::servers::NotAdded;
use crate::upstream::shared::{BackendState, BackendStays};
use crate::upstream::state::ServerState;
use crate::violation::Violation;
use crate::worker::{Shared, Stop};

/// A handle on what runs. Keeping it keeps nothing alive.
#[derive(Clone)]
pub struct Control {
    shared: Weak<Shared>,
    stop: watch::Receiver<Stop>,
}

impl Control {
    pub(crate) fn new(shared: &Arc<Shared>, stop: &watch::Sender<Stop>) -> Self {
        Control {
            shared: Arc::downgrade(shared),
            stop: stop.subscribe(),
        }
    }

    /// What runs now; none once everything has ended. It should not be held longer than a command takes.
    #[must_use]
    pub fn plane(&self) -> Option<Plane> {
        let stopping = *self.stop.borrow() != Stop::No;
        let shared = self.shared.upgrade()?;
        let backends = shared.backends.now();
        Some(Plane {
            shared,
            backends,
            stopping,
        })
    }

    /// Waits until a stop is asked for, of either kind.
    pub async fn stopping(&self) {
        let mut stop = self.stop.clone();
        // An error means that nobody is left to ask: that is an end as well.
        let _ = stop.wait_for(|stop| *stop != Stop::No).await;
    }
}

/// What runs, for as long as a command takes.
pub struct Plane {
    shared: Arc<Shared>,
    backends: Arc<Backends>,
    stopping: bool,
}

impl Plane {
    /// What holds for the whole process.
    #[must_use]
    pub fn global(&self) -> &GlobalSpec {
        &self.shared.global
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Client connections now.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Client connections so far.
    #[must_use]
    pub fn connections_total(&self) -> u64 {
        self.shared.board.connections_total()
    }

    /// Client connections of the last second.
    #[must_use]
    pub fn connections_per_second(&self) -> u64 {
        self.per_second(Pulse::Connections)
    }

    /// Connections over TLS now, of both sides.
    #[must_use]
    pub fn tls_connections(&self) -> u64 {
        self.shared.tallies.tls_connections()
    }

    /// The tasks of all workers: sessions, checks and what else goes on by itself.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.runtimes(RuntimeMetrics::num_alive_tasks)
    }

    /// Those that another thread has woken and that wait for their worker.
    #[must_use]
    pub fn tasks_waiting(&self) -> usize {
        self.runtimes(RuntimeMetrics::global_queue_depth)
    }

    fn runtimes(&self, of: fn(&RuntimeMetrics) -> usize) -> usize {
        let runtimes = &self.shared.runtimes;
        let runtimes = runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        runtimes.iter().map(of).sum()
    }

    /// The part of the last second in which the workers had nothing to do, in percent.
    #[must_use]
    pub fn idle_percent(&self) -> u32 {
        self.shared
            .tallies
            .idle_percent(self.shared.global.threads.max(1))
    }

    /// Of the last handshakes with clients the part that went without a new key, in percent.
    #[must_use]
    pub fn tls_reused_percent(&self) -> u64 {
        self.shared.tallies.reused_percent()
    }

    /// How much of something there was in the whole process.
    #[must_use]
    pub fn tallied(&self, what: Tallied) -> u64 {
        self.shared.tallies.of(what)
    }

    /// How much of it there was in the last second that was over.
    #[must_use]
    pub fn tallied_per_second(&self, what: Tallied) -> u64 {
        self.shared.tallies.growth(what)
    }

    /// How often something happened in the last second.
    #[must_use]
    pub fn per_second(&self, what: Pulse) -> u64 {
        self.shared.tallies.per_second(what)
    }

    /// How often in the second that had most: for each worker its own, added up.
    #[must_use]
    pub fn per_second_max(&self, what: Pulse) -> u64 {
        match self.shared.global.hides_most {
            true => 0,
            false => self.shared.tallies.per_second_max(what),
        }
    }

    /// HTTP requests and TCP streams so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.total()
    }

    /// Log lines that were dropped because there was no room for them, or nobody took them.
    #[must_use]
    pub fn dropped_log_lines(&self) -> u64 {
        dropped_lines()
    }

    /// Those who hear of what becomes of servers.
    #[must_use]
    pub fn server_news(&self) -> Option<Arc<Listeners<ServerNews>>> {
        Some(self.shared.backends.listeners().clone())
    }

    /// The rings of log lines, in the order of the spec.
    #[must_use]
    pub fn rings(&self) -> &[Arc<Ring>] {
        &self.shared.rings
    }

    /// How often connections, sessions and connections over TLS may come per second, in this order; 0 for no limit.
    #[must_use]
    pub fn paces(&self) -> [u32; 3] {
        let paces = &self.shared.paces;
        [&paces.connections, &paces.sessions, &paces.tls].map(Pace::limit)
    }

    /// Changes one of them, by its place.
    pub fn set_pace(&self, place: usize, limit: u32) {
        let paces = &self.shared.paces;
        if let Some(pace) = [&paces.connections, &paces.sessions, &paces.tls].get(place) {
            pace.set_limit(limit);
        }
    }

    /// The most pipes that pass bytes from socket to socket, those that have some or may at once, and those that are empty.
    #[must_use]
    pub fn pipes(&self) -> [usize; 3] {
        let pipes = &self.shared.pipes;
        [pipes.most(), pipes.used(), pipes.spare()]
    }

    /// Most connections over TLS at a time; none for no limit of their own.
    #[must_use]
    pub fn tls_connections_max(&self) -> Option<usize> {
        self.shared.global.tls_connections_max
    }

    /// What is to be shown of the `peers` sections now, in the order of the spec.
    #[must_use]
    pub fn peers(&self) -> Vec<SectionView> {
        let view =
            |view: &Arc<Mutex<SectionView>>| view.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.shared.peers.iter().map(view).collect()
    }

    /// The frontends in the order of the configuration.
    pub fn frontends(&self) -> impl Iterator<Item = &FrontendSpec> {
        self.shared.frontends.iter().map(|spec| &**spec)
    }

    /// The frontend at a place in the order of the configuration.
    #[must_use]
    pub fn frontend_at(&self, place: usize) -> Option<&FrontendSpec> {
        self.shared.frontends.get(place).map(|spec| &**spec)
    }

    /// The backend at a place in the order of the configuration, with its live state.
    #[must_use]
    pub fn backend_at(&self, place: usize) -> Option<(&BackendSpec, &Arc<BackendState>)> {
        let state = self.backends.at(place)?;
        Some((&**state.spec(), state))
    }

    /// The backends in the order of the configuration, with their live state.
    pub fn backends(&self) -> impl Iterator<Item = (&BackendSpec, &Arc<BackendState>)> {
        self.backends.iter().map(|state| (&**state.spec(), state))
    }

    /// The backends, with the places at which rules and servers know them.
    pub fn placed_backends(&self) -> impl Iterator<Item = (usize, &Arc<BackendState>)> {
        self.backends.placed()
    }

    /// What was counted of a frontend.
    #[must_use]
    pub fn frontend_totals(&self, name: &str) -> Option<Totals> {
        self.shared.board.frontend_totals(name)
    }

    /// What was counted of a backend.
    #[must_use]
    pub fn backend_totals(&self, name: &str) -> Option<Totals> {
        self.shared.board.backend_totals(name)
    }

    /// What was counted of a server.
    #[must_use]
    pub fn server_totals(&self, server: &ServerState) -> Totals {
        self.shared.board.server_totals(server)
    }

    /// What was counted of a listener, by its number in its frontend.
    #[must_use]
    pub fn listener_totals(&self, frontend: &str, id: u32) -> Option<Totals> {
        self.shared.board.listener_totals(frontend, id)
    }

    /// Whether a frontend takes connections.
    #[must_use]
    pub fn frontend_state(&self, name: &str) -> Option<FrontendState> {
        Some(self.gate(name)?.state())
    }

    /// Lets a frontend take connections, or not. None if there is no such frontend; false if nothing changes.
    #[must_use]
    pub fn set_frontend_state(&self, name: &str, state: FrontendState) -> Option<bool> {
        Some(self.gate(name)?.set(state))
    }

    /// How many client connections there may be at a time.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.shared.room.limit().unwrap_or(self.shared.global.maxconn)
    }

    /// Lets there be so many client connections at a time, or as many as at first. Those above a lower limit stay. False if
    /// that is more than there may be.
    #[must_use]
    pub fn set_connections_max(&self, limit: Option<usize>) -> bool {
        let most = self.shared.global.maxconn;
        let limit = limit.unwrap_or(most);
        if limit <= most {
            self.shared.room.set_limit(limit);
        }
        limit <= most
    }

    /// How many connections a frontend may have at a time: none if there is no such frontend, or no limit of its own.
    #[must_use]
    pub fn frontend_connections_max(&self, name: &str) -> Option<usize> {
        self.room(name)?.limit()
    }

    /// Lets a frontend have so many connections at a time. Those above a lower limit stay, and those that it had before it got
    /// its first limit don't count. False if there is no such frontend.
    #[must_use]
    pub fn set_frontend_connections_max(&self, name: &str, limit: usize) -> bool {
        self.room(name).map(|room| room.set_limit(limit)).is_some()
    }

    /// How many messages there were that were no HTTP.
    #[must_use]
    pub fn violations_total(&self) -> u64 {
        self.shared.violations.total()
    }

    /// The last of them, with their numbers: a request of each frontend and a response of each backend.
    #[must_use]
    pub fn violations(&self) -> Vec<(u64, Arc<Violation>)> {
        self.shared.violations.last()
    }

    fn room(&self, name: &str) -> Option<&Arc<Room>> {
        let mut rooms = self.frontends().zip(&self.shared.frontend_room);
        rooms
            .find(|(frontend, _)| frontend.name == name)
            .map(|(_, room)| room)
    }

    fn gate(&self, name: &str) -> Option<&Gate> {
        let mut gates = self.frontends().zip(&self.shared.gates);
        gates
            .find(|(frontend, _)| frontend.name == name)
            .map(|(_, gate)| gate)
    }

    /// Ends the sessions whose requests or streams are at a server, without waiting for it.
    pub fn end_sessions_at(&self, backend: &str, server: &str) {
        for worker in &self.shared.orders {
            let (answer, _) = oneshot::channel();
            let meant = Meant::AtServer(backend.to_owned(), server.to_owned());
            let _ = worker.send(Order::End(meant, KilledBy::Operator, answer));
        }
    }

    /// Adds a server to a backend, which follows `tracked` if there is one, and has it checked.
    ///
    /// # Errors
    /// It can't be told from one that there is, or `tracked` is gone.
    pub fn add_server(
        &self,
        backend: &Arc<BackendState>,
        spec: ServerSpec,
        tracked: Option<&Arc<ServerState>>,
    ) -> Result<Arc<ServerState>, NotAdded> {
        let server = backend.add_server(spec, tracked, Instant::now())?;
        let spec = server.spec();
        if spec.check.is_some() || spec.agent.is_some() {
            self.have_done(server.place(), Order::Check(backend.clone(), server.clone()));
        }
        Ok(server)
    }

    /// Lets a server follow a name.
    pub fn follow_name(&self, backend: &Arc<BackendState>, server: &Arc<ServerState>, name: NameSpec) {
        backend.change_server(server, |spec| {
            spec.name_of_address = Some(Arc::new(name));
            spec.is_named_by_operator = true;
        });
        self.have_done(server.place(), Order::Resolve(backend.clone(), server.clone()));
    }

    /// Has one of the workers do something.
    fn have_done(&self, number: usize, order: Order) {
        let worker = number % self.shared.orders.len().max(1);
        if let Some(worker) = self.shared.orders.get(worker) {
            // One that is gone serves nobody.
            let _ = worker.send(order);
        }
    }

    /// The servers of a backend that balancing may use now.
    #[must_use]
    pub fn usable_servers(&self, backend: &str) -> u64 {
        let figures = self.shared.board.backend(backend.as_bytes());
        figures.map_or(0, |figures| figures.usable_servers)
    }

    /// The idle connections to a server, for each worker.
    #[must_use]
    pub fn idle_connections(&self, server: &ServerState) -> Vec<u32> {
        server.usage.idle()
    }

    /// Adds to what was counted of a frontend, before any worker counts.
    pub fn preset_frontend(&self, name: &str, preset: &Preset) {
        self.shared.board.frontend_of(name, 0).preset(preset);
    }

    /// Adds to what was counted of a listener, before any worker counts.
    pub fn preset_listener(&self, frontend: &str, id: u32, preset: &Preset) {
        self.shared.board.listener_of(frontend, id, 0).preset(preset);
    }

    /// Adds to what was counted of a backend, before any worker counts.
    pub fn preset_backend(&self, backend: &BackendState, preset: &Preset) {
        backend.usage.of(0).preset(preset);
    }

    /// Adds to what was counted of a server, before any worker counts.
    pub fn preset_server(&self, server: &ServerState, preset: &Preset) {
        server.usage.of(0).preset(preset);
    }

    /// How much may be compressed.
    #[must_use]
    pub fn compression_limit(&self) -> &CompressionLimit {
        &self.shared.global.compression_limit
    }

    /// Forgets the highest figures of everything, and all that was counted if `all` is to be forgotten.
    pub fn clear_counters(&self, all: bool) {
        self.shared.board.clear(all);
        self.shared.tallies.forget_most();
    }

    /// Forgets what was counted of one server.
    pub fn clear_server_counters(&self, server: &ServerState) {
        server.usage.clear(true);
    }
}

/// Why a backend can't be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoBackend {
    /// There is one of its name.
    SameName,
    /// A worker couldn't get it ready.
    NotReady(String),
}

/// How long a worker may take to obey: it may be in a script, or have died.
const OBEDIENCE: Duration = Duration::from_secs(2);

impl Control {
    /// The sessions that there are now, the oldest of each worker first.
    pub async fn sessions(&self) -> Vec<SessionView> {
        let answers = self.tell_all(Order::List).await;
        answers.into_iter().flatten().collect()
    }

    /// Ends the session of a number at once. False if there is none.
    pub async fn end_session(&self, id: u64) -> bool {
        let ended = self
            .tell_all(|answer| Order::End(Meant::Id(id), KilledBy::Operator, answer))
            .await;
        ended.iter().sum::<usize>() > 0
    }

    /// Ends the sessions whose requests or streams are at a server. Says how many.
    pub async fn end_sessions_at(&self, backend: &str, server: &str) -> usize {
        let meant = Meant::AtServer(backend.to_owned(), server.to_owned());
        let ended = self
            .tell_all(|answer| Order::End(meant.clone(), KilledBy::Operator, answer))
            .await;
        ended.iter().sum()
    }

    /// Adds a backend, which all workers get ready.
    ///
    /// # Errors
    /// Another has its name, or its rules name an extension that there isn't.
    pub async fn add_backend(&self, spec: BackendSpec) -> Result<(), NoBackend> {
        let added = self
            .plane()
            .and_then(|plane| plane.shared.backends.add(spec, Instant::now()));
        let (place, state) = added.ok_or(NoBackend::SameName)?;
        let answers = self
            .tell_all(|answer| Order::Know(place, state.clone(), answer))
            .await;
        match answers.into_iter().find_map(Result::err) {
            Some(why) => {
                self.forget_backend(&state).await;
                Err(NoBackend::NotReady(why))
            }
            None => Ok(()),
        }
    }

    /// Takes a backend away that [may go](BackendState::may_go).
    ///
    /// # Errors
    /// Why it stays.
    pub async fn remove_backend(&self, state: &Arc<BackendState>) -> Result<(), BackendStays> {
        state.may_go()?;
        self.forget_backend(state).await;
        Ok(())
    }

    /// The workers let go of it first, so that nobody gets its place who would be taken for it.
    async fn forget_backend(&self, state: &Arc<BackendState>) {
        let place = self.plane().and_then(|plane| plane.backends.place_of(state));
        let Some(place) = place else { return };
        self.tell_all(|answer| Order::Forget(place, answer)).await;
        if let Some(plane) = self.plane() {
            plane.shared.backends.remove(state);
        }
    }

    async fn tell_all<T>(&self, order: impl Fn(oneshot::Sender<T>) -> Order) -> Vec<T> {
        let mut asked = Vec::new();
        if let Some(plane) = self.plane() {
            for worker in &plane.shared.orders {
                let (answer, answered) = oneshot::channel();
                if worker.send(order(answer)).is_ok() {
                    asked.push(answered);
                }
            }
        }
        let mut answers = Vec::new();
        for answered in asked {
            if let Ok(Ok(answer)) = tokio::time::timeout(OBEDIENCE, answered).await {
                answers.push(answer);
            }
        }
        answers
    }
}

/// What was counted by the process before this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preset {
    /// Sessions, requests or streams.
    pub total: u64,
    /// What else.
    pub counts: Vec<(Count, u64)>,
}

/// What was counted of a proxy or server, all workers together.
pub struct Totals {
    /// Sessions, requests or streams now.
    pub current: u64,
    /// The most at a time: for each worker its own, added up, so that there may never have been as many.
    pub current_max: u64,
    /// All so far.
    pub total: u64,
    /// Those of the last second.
    pub per_second: u64,
    /// The most of a second: for each worker its own, added up.
    pub per_second_max: u64,
    /// HTTP requests of the last second.
    pub requests_per_second: u64,
    /// The most of a second: for each worker its own, added up.
    pub requests_per_second_max: u64,
    /// Seconds since the last one came.
    pub seconds_since_last: Option<u32>,
    pub(crate) counts: Vec<Arc<Usage>>,
}

impl Totals {
    /// How often something was counted.
    #[must_use]
    pub fn of(&self, count: Count) -> u64 {
        self.counts.iter().map(|usage| usage.counts.of(count)).sum()
    }

    /// The same without what was most of anything.
    pub(crate) fn without_most(self) -> Totals {
        Totals {
            current_max: 0,
            per_second_max: 0,
            requests_per_second_max: 0,
            ..self
        }
    }

    /// How long a stage took on average, of the last 1024 requests of each worker, and at most; in milliseconds.
    #[must_use]
    pub fn took(&self, stage: Stage) -> (u64, u32) {
        let all = || self.counts.iter().map(|usage| &usage.counts.durations);
        (Durations::average(all(), stage), Durations::longest(all(), stage))
    }
}
