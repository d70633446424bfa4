//! A worker: one thread with its runtime, its listening sockets, its extensions and all state of its sessions.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, pending, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidegate_sample::{Data, ExternalRunner, Named};
use tokio::runtime::RuntimeMetrics;
use tokio::sync::{mpsc, watch};

use crate::aside::Aside;
use crate::attend::attend;
use crate::check::{self, report};
use crate::client::{Client, Ends, Entrance};
use crate::clock::ticks;
use crate::event::Event;
use crate::ext::{Extensions, Spawner};
use crate::figures::{Board, PerWorker, Usage};
use crate::filter::{self, Filters};
use crate::gate::{FrontendState, Gate};
use crate::listener::{Acceptor, Bound, BoundAddress};
use crate::log::{Level, LogSteps, LogWriter, Logger, Ring};
use crate::lot::Lot;
use crate::pace::Pace;
use crate::peers::SectionView;
use crate::resolve;
use crate::room::{Place, Room};
use crate::roster::{Order, Orders, Roster};
use crate::rules::PreparedRules;
use crate::session::{Session, Welcome, exchanges};
use crate::spec::{
    BackendId, BackendSpec, CloseSpread, FrontendSpec, GlobalSpec, ListenAddress, ListenerSpec, PageSpec,
};
use crate::stream::Stream;
use crate::stream_shares::StreamShares;
use crate::tally::{self, Pulse, Tallies};
use crate::timeouts::Wheel;
use crate::txn::Mode;
use crate::upstream::balance::Balancer;
use crate::upstream::connect::is_shortage;
use crate::upstream::directory::Directory;
use crate::upstream::open::Descriptors;
use crate::upstream::shared::BackendState;
use crate::upstream::standing::Listener;
use crate::violation::Violations;

/// How often a listener tells that it can take no connection.
const TOLD_EACH_MS: u64 = 1000;

/// How often idle server connections are looked through, and what was counted is measured.
const PURGE_EVERY: Duration = Duration::from_secs(1);

/// What is asked of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Go on.
    No,
    /// Accept no more, end each session at its next occasion.
    Soft,
    /// End everything now.
    Hard,
}

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) global: GlobalSpec,
    pub(crate) frontends: Vec<Arc<FrontendSpec>>,
    pub(crate) backends: Arc<Directory>,
    pub(crate) frontend_connections: Vec<Arc<AtomicU32>>,
    pub(crate) log_counters: Vec<Arc<AtomicU32>>,
    pub(crate) rings: Vec<Arc<Ring>>,
    /// What is shown of `peers` sections.
    pub(crate) peers: Vec<Arc<Mutex<SectionView>>>,
    pub(crate) connections: Arc<AtomicU32>,
    /// What connections of both sides take.
    pub(crate) descriptors: Arc<Descriptors>,
    /// The numbers of requests and streams, which each worker gives out for itself.
    pub(crate) requests: PerWorker,
    pub(crate) board: Arc<Board>,
    pub(crate) tallies: Tallies,
    pub(crate) room: Arc<Room>,
    /// Room for connections over TLS.
    pub(crate) tls_room: Arc<Room>,
    pub(crate) paces: Paces,
    /// What becomes of servers, until a worker attends to it.
    pub(crate) news: Mutex<Option<Listener>>,
    /// How each worker is told to do something.
    pub(crate) orders: Vec<mpsc::UnboundedSender<Order>>,
    pub(crate) frontend_room: Vec<Arc<Room>>,
    /// `rate-limit sessions` of each frontend.
    pub(crate) frontend_paces: Vec<Pace>,
    /// Whether each frontend takes connections.
    pub(crate) gates: Vec<Gate>,
    pub(crate) writer: Option<LogWriter>,
    /// Messages that were no HTTP.
    pub(crate) violations: Violations,
    /// What the workers' runtimes have to do.
    pub(crate) runtimes: Mutex<Vec<RuntimeMetrics>>,
    /// What connections of HTTP/2 may have of streams.
    pub(crate) streams: StreamShares,
}

/// How often things may happen in the whole process.
pub(crate) struct Paces {
    pub(crate) connections: Pace,
    pub(crate) sessions: Pace,
    pub(crate) tls: Pace,
}

impl Shared {
    /// One more worker has a runtime.
    pub(crate) fn keep_metrics(&self, metrics: RuntimeMetrics) {
        let mut runtimes = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        runtimes.push(metrics);
    }

    /// The number of lines of a frontend, which all workers count.
    fn log_counter_of(&self, frontend: &str) -> Arc<AtomicU32> {
        let mut frontends = self.frontends.iter().zip(&self.log_counters);
        let found = frontends.find(|(spec, _)| spec.name == frontend);
        found.map(|(_, counter)| counter.clone()).unwrap_or_default()
    }
}

/// A listening socket with what belongs to it.
pub(crate) struct Listening {
    pub(crate) frontend: usize,
    pub(crate) spec: ListenerSpec,
    pub(crate) room: Option<Arc<Room>>,
    pub(crate) bound: Bound,
}

/// One worker.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) wheel: Rc<Wheel>,
    pub(crate) runner: Rc<dyn ExternalRunner>,
    pub(crate) frontends: Vec<Rc<Frontend>>,
    backends: RefCell<OwnBackends>,
    /// Set once by a soft stop.
    pub(crate) stopping: Rc<Cell<bool>>,
    /// Since when, and how many sessions have asked when they are to end.
    leaving: (Cell<Option<Instant>>, Cell<u32>),
    /// Where relays read into before they write.
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// Where connections wait that nothing is asked of.
    pub(crate) lot: Lot,
    requests: Arc<Usage>,
    roster: Roster,
    sessions: Cell<usize>,
    session_ended: Event,
    extensions: Box<dyn Extensions>,
}

/// A frontend on a worker.
pub(crate) struct Frontend {
    pub(crate) spec: Arc<FrontendSpec>,
    pub(crate) named: Rc<Named>,
    pub(crate) logger: Rc<Logger>,
    /// What runs scripts where nothing can wait.
    pub(crate) runner: Rc<dyn ExternalRunner>,
    /// The steps of its sessions at which lines are written.
    pub(crate) log_steps: LogSteps,
    /// Whether scripts have a part in lines.
    pub(crate) log_calls_scripts: bool,
    /// Counts lines, if any of them tells how many there were.
    pub(crate) log_counter: Option<Arc<AtomicU32>>,
    pub(crate) tcp_connection: PreparedRules,
    pub(crate) tcp_session: PreparedRules,
    pub(crate) tcp_content: PreparedRules,
    pub(crate) http_request: PreparedRules,
    pub(crate) http_response: PreparedRules,
    pub(crate) http_after_response: PreparedRules,
    /// Who may see its page.
    pub(crate) page_access: PreparedRules,
    pub(crate) filters: Filters,
    pub(crate) connections: Arc<AtomicU32>,
    pub(crate) process_connections: Arc<AtomicU32>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) board: Arc<Board>,
    /// The name of the default backend.
    pub(crate) default_backend: Option<Data>,
}

/// The backends on a worker. They may come and go: what goes on in one that has gone ends where it is.
#[derive(Default)]
struct OwnBackends {
    places: Vec<Option<Rc<Backend>>>,
    names: HashMap<Box<[u8]>, BackendId>,
}

impl OwnBackends {
    fn put(&mut self, place: BackendId, backend: Backend) {
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        self.names.insert(backend.spec.name.as_bytes().into(), place);
        if let Some(free) = self.places.get_mut(place) {
            *free = Some(Rc::new(backend));
        }
    }

    fn take(&mut self, place: BackendId) {
        if let Some(backend) = self.places.get_mut(place).and_then(Option::take) {
            self.names.remove(backend.spec.name.as_bytes());
        }
    }
}

/// A backend on a worker.
pub(crate) struct Backend {
    pub(crate) spec: Arc<BackendSpec>,
    pub(crate) named: Rc<Named>,
    pub(crate) balancer: Balancer,
    pub(crate) tcp_content: PreparedRules,
    pub(crate) tcp_response: PreparedRules,
    pub(crate) http_request: PreparedRules,
    pub(crate) http_response: PreparedRules,
    pub(crate) http_after_response: PreparedRules,
    /// Who may see its page.
    pub(crate) page_access: PreparedRules,
    pub(crate) filters: Filters,
    pub(crate) usage: Arc<Usage>,
    /// For messages about servers.
    pub(crate) logger: Rc<Logger>,
    /// What connections of the process take.
    pub(crate) descriptors: Arc<Descriptors>,
}

impl Worker {
    /// Prepares everything that the worker needs.
    ///
    /// # Errors
    /// The rules name an extension that there isn't.
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        extensions: Box<dyn Extensions>,
    ) -> Result<Rc<Self>, String> {
        let runner: Rc<dyn ExternalRunner> = Rc::new(Aside::new(extensions.external_runner()));
        let mut frontends = Vec::with_capacity(shared.frontends.len());
        for (spec, connections) in shared.frontends.iter().zip(&shared.frontend_connections) {
            frontends.push(Rc::new(Frontend::new(
                spec,
                connections,
                &shared,
                index,
                &*extensions,
                &runner,
            )?));
        }
        let mut backends = OwnBackends::default();
        for (place, state) in shared.backends.now().placed() {
            backends.put(place, Backend::new(state, &shared, index, &*extensions)?);
        }
        Ok(Rc::new(Worker {
            index,
            requests: shared.requests.of(index),
            roster: Roster::new(index, shared.global.threads),
            wheel: Wheel::new(),
            runner,
            frontends,
            backends: RefCell::new(backends),
            stopping: Rc::default(),
            leaving: Default::default(),
            scratch: RefCell::new(vec![0; 64 * 1024]),
            lot: Lot::default(),
            sessions: Cell::new(0),
            session_ended: Event::default(),
            extensions,
            shared,
        }))
    }

    /// Accepts and serves until it is told to stop.
    pub(crate) async fn run(
        self: Rc<Self>,
        listening: Vec<Listening>,
        orders: Orders,
        mut stop: watch::Receiver<Stop>,
    ) {
        tokio::task::spawn_local(self.wheel.clone().drive());
        self.lot.open();
        let obedient = self.clone();
        tokio::task::spawn_local(async move { obedient.obey(orders).await });
        if self.index == 0 {
            let news = self
                .shared
                .news
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(news) = news {
                tokio::task::spawn_local(attend(self.clone(), news));
            }
        }
        tokio::task::spawn_local(self.clone().purge());
        if self.index == 0 && !self.shared.global.tables.is_empty() {
            tokio::task::spawn_local(self.clone().expire());
        }
        self.extensions.start(&Spawner::new(self.index));
        check::start(&self);
        resolve::start(&self);
        let mut accepting = Vec::with_capacity(listening.len());
        for listening in listening {
            accepting.push(tokio::task::spawn_local(self.clone().accept(listening)).abort_handle());
        }
        // An error means that nobody is left who could tell us to stop: then there is nobody to serve for either.
        let asked = stop.wait_for(|s| *s != Stop::No).await.map_or(Stop::Hard, |s| *s);
        for task in accepting {
            task.abort();
        }
        if asked == Stop::Soft {
            self.leaving.0.set(Some(Instant::now()));
            self.stopping.set(true);
            self.wheel.wake_all();
            for backend in self.backends() {
                backend.balancer.servers().iter().for_each(|s| s.pool.clear());
            }
            tokio::select! {
                () = self.all_ended() => {}
                _ = stop.wait_for(|s| *s == Stop::Hard) => {}
            }
        }
    }

    /// Does what it is told, until nobody is left to tell it anything.
    async fn obey(self: Rc<Self>, mut orders: Orders) {
        while let Some(order) = orders.recv().await {
            // Who asked may have gone meanwhile.
            match order {
                Order::List(answer) => drop(answer.send(self.roster.list())),
                Order::End(meant, by, answer) => drop(answer.send(self.roster.end(&meant, by))),
                Order::Check(backend, server) => check::attend(&self, &backend, &server, Duration::ZERO),
                Order::Resolve(backend, server) => resolve::follow(&self, &backend, &server),
                Order::Know(place, state, answer) => drop(answer.send(self.know(place, &state))),
                Order::Forget(place, answer) => {
                    self.backends.borrow_mut().take(place);
                    let _ = answer.send(());
                }
            }
        }
    }

    /// The number of the next request or TCP stream: no other worker gives out the same.
    pub(crate) fn number_request(&self) -> u64 {
        let workers = self.shared.global.threads.max(1) as u64;
        let before = self.requests.number().wrapping_sub(1);
        before.wrapping_mul(workers).wrapping_add(self.index as u64 + 1)
    }

    /// How soon a session of HTTP is to end because the worker stops; none while it isn't to. It keeps when that is.
    pub(crate) fn leaves_in(&self, at: &Cell<Option<Instant>>) -> Option<Duration> {
        let since = self.leaving.0.get()?;
        match self.shared.global.close_spread {
            CloseSpread::AtOnce => Some(Duration::ZERO),
            CloseSpread::Never => None,
            CloseSpread::Over(time) => {
                let at = at.get().unwrap_or_else(|| {
                    let turn = self.leaving.1.get();
                    self.leaving.1.set(turn.wrapping_add(1));
                    let moment = since + time.mul_f64(spread(turn));
                    at.set(Some(moment));
                    moment
                });
                Some(at.saturating_duration_since(Instant::now()))
            }
        }
    }

    /// The backend of what all workers share.
    pub(crate) fn backend_of(&self, state: &Arc<BackendState>) -> Option<Rc<Backend>> {
        let is_it = |backend: &Rc<Backend>| Arc::ptr_eq(backend.balancer.shared(), state);
        self.backends().into_iter().find(is_it)
    }

    /// The backend at a place.
    pub(crate) fn backend(&self, place: BackendId) -> Option<Rc<Backend>> {
        self.backends.borrow().places.get(place)?.clone()
    }

    /// The place of the backend of this name.
    pub(crate) fn backend_named(&self, name: &[u8]) -> Option<BackendId> {
        self.backends.borrow().names.get(name).copied()
    }

    fn backends(&self) -> Vec<Rc<Backend>> {
        self.backends.borrow().places.iter().flatten().cloned().collect()
    }

    /// Gets a backend ready that came while the process runs.
    fn know(&self, place: BackendId, state: &Arc<BackendState>) -> Result<(), String> {
        let backend = Backend::new(state, &self.shared, self.index, &*self.extensions)?;
        self.backends.borrow_mut().put(place, backend);
        Ok(())
    }

    async fn all_ended(&self) {
        std::future::poll_fn(|cx| {
            if self.sessions.get() == 0 {
                return std::task::Poll::Ready(());
            }
            self.session_ended.register(cx);
            std::task::Poll::Pending
        })
        .await;
    }

    async fn purge(self: Rc<Self>) {
        let timer = self.wheel.timer();
        let mut before = Instant::now();
        loop {
            timer.sleep(PURGE_EVERY).await;
            let now = Instant::now();
            tally::measure(now.saturating_duration_since(before));
            before = now;
            exchanges::purge();
            for backend in self.backends() {
                backend.balancer.servers().iter().for_each(|s| s.pool.purge(now));
                if self.index == 0 {
                    backend.balancer.shared().grow(now);
                }
            }
        }
    }

    /// Gives back the room that entries of stick tables took which nobody asks for any more.
    async fn expire(self: Rc<Self>) {
        let timer = self.wheel.timer();
        loop {
            timer.sleep(PURGE_EVERY).await;
            self.shared.global.tables.expire(ticks());
        }
    }

    async fn accept(self: Rc<Self>, listening: Listening) {
        let Listening {
            frontend,
            spec,
            room,
            bound,
        } = listening;
        let Some(frontend) = self.frontends.get(frontend).cloned() else {
            return;
        };
        let frontend_room = self.shared.frontend_room.get(frontend.index(&self)).cloned();
        // The address that clients connect to; for a wildcard each connection has to be asked.
        let fixed = match &bound.address {
            BoundAddress::Tcp(address) if !address.ip().is_unspecified() => Some(*address),
            _ => None,
        };
        let usage = self
            .shared
            .board
            .listener_of(&frontend.spec.name, spec.id, self.index);
        let global = &self.shared.global;
        let entrance = Rc::new(Entrance {
            home: Some(frontend.clone()),
            frontend: frontend.named.clone(),
            listener: Rc::new(Named {
                name: spec.name.as_str().into(),
                id: spec.id,
            }),
            socket: frontend.spec.socket_stats.then(|| usage.clone()),
            tables: global.tables.clone(),
            proc_vars: global.proc_vars.clone(),
            process: global.process.clone(),
            worker: self.index,
            logger: frontend.logger.clone(),
            writer: self.shared.writer.clone(),
            stopping: self.stopping.clone(),
            proto: spec.proto,
            idle_ping: spec.idle_ping,
            netscaler_magic: spec.netscaler_magic.unwrap_or_default(),
        });
        let welcome = Rc::new(Welcome::of(&spec));
        let own_port = match (&bound.address, &spec.address) {
            (BoundAddress::Tcp(address), ListenAddress::Tcp(_)) => Some(*address),
            _ => None,
        };
        let mut acceptor = match Acceptor::new(bound) {
            Ok(acceptor) => Some(acceptor),
            Err(e) => {
                let why = format!("{}: the socket can't be used: {e}", spec.line);
                return frontend.logger.message(crate::log::Level::Alert, &why);
            }
        };
        let timer = self.wheel.timer();
        let mut told_at = None;
        let mut gate = match self.shared.gates.get(frontend.index(&self)) {
            Some(gate) => gate.watch(),
            None => return,
        };
        let tls_room = spec.tls.is_some().then_some(&self.shared.tls_room);
        let rooms = [
            Some(&self.shared.room),
            frontend_room.as_ref(),
            room.as_ref(),
            tls_room,
        ];
        let paces = &self.shared.paces;
        let paces = [
            Some(&paces.connections),
            Some(&paces.sessions),
            spec.tls.as_ref().map(|_| &paces.tls),
            self.shared.frontend_paces.get(frontend.index(&self)),
        ];
        let mut changed = pin!(next_change(gate.clone()));
        loop {
            // Nothing is accepted while there is no room; it is taken only once there is somebody to take it for.
            for room in rooms.into_iter().flatten() {
                room.wait().await;
            }
            // What comes too often waits where the system keeps it.
            while let Some(wait) = paces.into_iter().flatten().filter_map(Pace::wait).max() {
                timer.sleep(wait).await;
            }
            let state = *gate.borrow();
            match state {
                FrontendState::Open => {}
                FrontendState::Stopped => return,
                FrontendState::Paused => {
                    // What can't be bound again stays, and its clients wait.
                    if own_port.is_some() {
                        acceptor = None;
                    }
                    let _ = gate.wait_for(|state| *state != FrontendState::Paused).await;
                    if let Some(address) = own_port {
                        match Acceptor::again(address, &spec) {
                            Ok(again) => acceptor = Some(again),
                            Err(e) => {
                                let why = format!("{}: the socket can't be opened again: {e}", spec.line);
                                return frontend.logger.message(crate::log::Level::Alert, &why);
                            }
                        }
                    }
                    continue;
                }
            }
            let Some(acceptor) = &acceptor else { return };
            // Nothing is registered anew for each connection: the socket and the gate remember who waits.
            let accepted = poll_fn(|cx| match acceptor.poll_accept(cx) {
                Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
                Poll::Pending => changed.as_mut().poll(cx).map(|()| None),
            });
            let Some(accepted) = accepted.await else {
                changed.set(next_change(gate.clone()));
                continue;
            };
            match accepted {
                Ok((_, Some(peer))) if self.shared.global.reject_privileged_ports && peer.port() < 1024 => {}
                Ok((stream, peer)) => {
                    let mut permits: [Place; 4] = Default::default();
                    for (permit, room) in permits.iter_mut().zip(rooms) {
                        if let Some(room) = room {
                            *permit = room.enter().await;
                        }
                    }
                    for pace in paces.into_iter().flatten() {
                        while let Err(wait) = pace.take() {
                            timer.sleep(wait).await;
                        }
                    }
                    let destination = fixed.or_else(|| stream.local());
                    let ends = Ends {
                        source: peer,
                        destination,
                    };
                    self.begin(&frontend, &entrance, &usage, &welcome, stream, ends, permits);
                }
                // Out of descriptors, or the client was gone already: nothing that gets better at once.
                Err(why) => {
                    let now = timer.now_ms();
                    if is_shortage(&why) && told_at.is_none_or(|at| now >= at + TOLD_EACH_MS) {
                        told_at = Some(now);
                        let name = &frontend.spec.name;
                        let text = format!("frontend {name} takes no connections for now: {why}");
                        report::tell(&frontend.logger, Level::Emergency, &text);
                    }
                    timer.sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "all of them are the listener's, and it has but one caller"
    )]
    fn begin(
        self: &Rc<Self>,
        frontend: &Rc<Frontend>,
        entrance: &Rc<Entrance>,
        usage: &Arc<Usage>,
        welcome: &Rc<Welcome>,
        stream: Stream,
        ends: Ends,
        permits: [Place; 4],
    ) {
        let client = Rc::new(Client::new(entrance.clone(), ends));
        let second = self.shared.board.second(client.accepted_at);
        tally::beat(Pulse::Connections, client.accepted_at);
        let place = self.roster.enter(client.clone());
        let counted = Counting::new(
            self.clone(),
            place,
            frontend.clone(),
            usage.clone(),
            second,
            permits,
        );
        let (worker, frontend) = (self.clone(), frontend.clone());
        let session = Session::new(worker, frontend, client, welcome, stream);
        let task = tokio::task::spawn_local(Attended {
            session,
            _counted: counted,
        });
        self.roster.begin(place, task.abort_handle());
    }
}

/// Where in a stretch from 0 to 1 the one of this turn is: however many there are, they lie about evenly.
fn spread(turn: u32) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (f64::from(turn) * GOLDEN).fract()
}

/// Waits until a gate is told something that it wasn't told when this was called.
fn next_change(mut gate: watch::Receiver<FrontendState>) -> impl Future<Output = ()> {
    gate.mark_unchanged();
    async move {
        // Without a sender nothing changes any more.
        if gate.changed().await.is_err() {
            pending().await
        }
    }
}

/// A session and its count: what a task runs. It is small, since a task moves it several times.
struct Attended {
    session: Session,
    _counted: Counting,
}

impl Future for Attended {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.session).poll(cx)
    }
}

/// Counts a session for as long as it lives, and keeps its room.
struct Counting {
    worker: Rc<Worker>,
    /// Its place in the worker's roster.
    place: usize,
    frontend: Rc<Frontend>,
    listener: Arc<Usage>,
    _permits: [Place; 4],
}

impl Counting {
    fn new(
        worker: Rc<Worker>,
        place: usize,
        frontend: Rc<Frontend>,
        listener: Arc<Usage>,
        second: u32,
        permits: [Place; 4],
    ) -> Self {
        frontend.usage.enter(second);
        listener.enter(second);
        worker.sessions.set(worker.sessions.get() + 1);
        worker.shared.connections.fetch_add(1, Ordering::Relaxed);
        frontend.connections.fetch_add(1, Ordering::Relaxed);
        Counting {
            worker,
            place,
            frontend,
            listener,
            _permits: permits,
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.worker.roster.leave(self.place);
        self.worker.sessions.set(self.worker.sessions.get() - 1);
        self.worker.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.frontend.connections.fetch_sub(1, Ordering::Relaxed);
        self.frontend.usage.leave();
        self.listener.leave();
        if self.worker.sessions.get() == 0 {
            self.worker.session_ended.notify();
        }
    }
}

impl Frontend {
    fn new(
        spec: &Arc<FrontendSpec>,
        connections: &Arc<AtomicU32>,
        shared: &Shared,
        worker: usize,
        extensions: &dyn Extensions,
        runner: &Rc<dyn ExternalRunner>,
    ) -> Result<Self, String> {
        let default_backend = spec
            .default_backend
            .filter(|backend| Some(*backend) != spec.own_backend)
            .and_then(|backend| Some(shared.backends.now().at(backend)?.name().into()));
        Ok(Frontend {
            named: Rc::new(Named {
                name: spec.name.as_str().into(),
                id: spec.id,
            }),
            logger: Rc::new(Logger::of(shared.writer.as_ref(), &spec.log)),
            runner: runner.clone(),
            log_steps: spec.log.steps_of(spec.mode == Mode::Http),
            log_calls_scripts: spec.log.calls_scripts(),
            log_counter: spec.log.counts_lines().then(|| shared.log_counter_of(&spec.name)),
            tcp_connection: PreparedRules::new(&spec.tcp_connection, Mode::Tcp, extensions)?,
            tcp_session: PreparedRules::new(&spec.tcp_session, Mode::Tcp, extensions)?,
            tcp_content: PreparedRules::new(&spec.tcp_content, Mode::Tcp, extensions)?,
            http_request: PreparedRules::new(&spec.http_request, Mode::Http, extensions)?,
            http_response: PreparedRules::new(&spec.http_response, Mode::Http, extensions)?,
            http_after_response: PreparedRules::new(&spec.http_after_response, Mode::Http, extensions)?,
            page_access: page_access(spec.page.as_ref(), extensions)?,
            filters: filter::prepare(&spec.filters, &spec.filter_order, true, extensions)?,
            connections: connections.clone(),
            process_connections: shared.connections.clone(),
            usage: shared.board.frontend_of(&spec.name, worker),
            board: shared.board.clone(),
            default_backend,
            spec: spec.clone(),
        })
    }

    /// A connection of it was no session after all.
    pub(crate) fn let_nobody_in(&self, worker: &Worker) {
        worker.shared.paces.sessions.give_back();
        if let Some(pace) = worker.shared.frontend_paces.get(self.index(worker)) {
            pace.give_back();
        }
    }

    fn index(&self, worker: &Worker) -> usize {
        worker
            .frontends
            .iter()
            .position(|f| Arc::ptr_eq(&f.spec, &self.spec))
            .unwrap_or(usize::MAX)
    }
}

impl Backend {
    fn new(
        state: &Arc<BackendState>,
        shared: &Shared,
        worker: usize,
        extensions: &dyn Extensions,
    ) -> Result<Self, String> {
        let spec = state.spec();
        // Each process, and each worker, draws lots of its own.
        let seed = RandomState::new().hash_one(worker);
        Ok(Backend {
            named: Rc::new(Named {
                name: spec.name.as_str().into(),
                id: spec.id,
            }),
            balancer: Balancer::new(spec, state.clone(), worker, shared.descriptors.clone(), seed),
            usage: state.usage.of(worker),
            logger: Rc::new(Logger::of(shared.writer.as_ref(), &spec.log)),
            descriptors: shared.descriptors.clone(),
            tcp_content: PreparedRules::new(&spec.tcp_content, Mode::Tcp, extensions)?,
            tcp_response: PreparedRules::new(&spec.tcp_response, Mode::Tcp, extensions)?,
            http_request: PreparedRules::new(&spec.http_request, Mode::Http, extensions)?,
            http_response: PreparedRules::new(&spec.http_response, Mode::Http, extensions)?,
            http_after_response: PreparedRules::new(&spec.http_after_response, Mode::Http, extensions)?,
            page_access: page_access(spec.page.as_ref(), extensions)?,
            filters: filter::prepare(&spec.filters, &spec.filter_order, false, extensions)?,
            spec: spec.clone(),
        })
    }
}

fn page_access(page: Option<&PageSpec>, extensions: &dyn Extensions) -> Result<PreparedRules, String> {
    page.map_or_else(
        || Ok(PreparedRules::default()),
        |page| PreparedRules::new(&page.access, Mode::Http, extensions),
    )
}
