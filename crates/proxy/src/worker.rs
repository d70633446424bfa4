//! A worker: one thread with its runtime, its listening sockets, its extensions and all state of its sessions.

mod accept;
mod proxies;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tidegate_sample::ExternalRunner;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::{mpsc, watch};

use accept::Door;
pub(crate) use accept::Listening;
use proxies::OwnBackends;
pub(crate) use proxies::{Backend, Frontend};

use crate::aside::Aside;
use crate::attend::attend;
use crate::check;
use crate::clock::ticks;
use crate::event::Event;
use crate::ext::{Extensions, Spawner};
use crate::figures::{Board, PerWorker, Usage};
use crate::gate::Gate;
use crate::log::{LogWriter, Ring};
use crate::lot::Lot;
use crate::pace::Pace;
use crate::peers::SectionView;
use crate::resolve;
use crate::room::Room;
use crate::roster::{Order, Orders, Roster};
use crate::session::{exchanges, seats};
use crate::spec::{BackendId, CloseSpread, FrontendSpec, GlobalSpec};
use crate::splice::{self, Pipes};
use crate::stream_shares::StreamShares;
use crate::tally::{self, Tallies};
use crate::timeouts::Wheel;
use crate::upstream::directory::Directory;
use crate::upstream::open::Descriptors;
use crate::upstream::shared::BackendState;
use crate::upstream::standing::Listener;
use crate::violation::Violations;

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
    /// What passes bytes from socket to socket.
    pub(crate) pipes: Arc<Pipes>,
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
        splice::begin(&self.shared.pipes);
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
        let doors: Vec<Rc<Door>> = listening.into_iter().filter_map(|l| self.door(l)).collect();
        let accept = |door: &Rc<Door>| tokio::task::spawn_local(self.clone().accept(door.clone()));
        let accepting: Vec<_> = doors.iter().map(|door| accept(door).abort_handle()).collect();
        // An error means that nobody is left who could tell us to stop: then there is nobody to serve for either.
        let asked = stop.wait_for(|s| *s != Stop::No).await.map_or(Stop::Hard, |s| *s);
        for task in accepting {
            task.abort();
        }
        if asked == Stop::Soft {
            doors.iter().for_each(|door| self.last_call(door));
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
        poll_fn(|cx| {
            if self.sessions.get() == 0 {
                return Poll::Ready(());
            }
            self.session_ended.register(cx);
            Poll::Pending
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
            seats::purge();
            splice::purge();
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
}

/// Where in a stretch from 0 to 1 the one of this turn is: however many there are, they lie about evenly.
fn spread(turn: u32) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (f64::from(turn) * GOLDEN).fract()
}
