//! Starting and stopping.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel as orders_channel};
use tokio::sync::watch;

use crate::control::Control;
use crate::ext::ExtensionFactory;
use crate::figures::{Board, PerWorker};
use crate::gate::Gate;
use crate::handed::{Handed, ToHand};
use crate::listener::{BindError, BoundAddress, bind};
use crate::log::{Forwarders, LogWriter, dropped_lines};
use crate::log_forward::{LogForwardSpec, Relay};
use crate::pace::Pace;
use crate::peers::{Exchange, PeersSpec, SectionView};
use crate::room::Room;
use crate::roster::{Order, Orders};
use crate::spec::{BackendSpec, FrontendSpec, ProxySpec};
use crate::splice::Pipes;
use crate::stream_shares::StreamShares;
use crate::tally::Tallies;
use crate::upstream::directory::Directory;
use crate::upstream::open::Descriptors;
use crate::upstream::shared::BackendState;
use crate::violation::Violations;
use crate::worker::{Listening, Paces, Shared, Stop, Worker};

/// Why nothing runs.
#[derive(Debug)]
pub enum StartError {
    /// These sockets couldn't be had; all of them are listed.
    Bind(Vec<BindError>),
    /// The workers' extensions couldn't be built, or a thread couldn't be had; one message for each that is different.
    Workers(Vec<String>),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = match self {
            StartError::Bind(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            StartError::Workers(errors) => errors.clone(),
        };
        f.write_str(&messages.join("\n"))
    }
}

impl std::error::Error for StartError {}

/// What a worker's stack may grow to. Extensions may be interpreters, whose scripts recurse through native functions: Lua
/// stops after 200 of those, each of which may take more than 10 KiB. Pages that are not used cost nothing.
const STACK_BYTES: usize = 8 << 20;

/// Starts everything that `spec` describes, as [`prepare`] and [`Prepared::start`] do.
///
/// # Errors
/// As those.
pub fn start(spec: ProxySpec, extensions: ExtensionFactory) -> Result<Running, StartError> {
    prepare(spec)?.start(extensions)
}

/// A data plane that is known and does not run yet: it can be watched and commanded, and nothing listens.
pub struct Prepared {
    shared: Arc<Shared>,
    obeyed: Vec<Orders>,
    stop: watch::Sender<Stop>,
    log_thread: Option<JoinHandle<()>>,
    forwarders: Forwarders,
    log_forwards: Vec<LogForwardSpec>,
    peers: Vec<PeersSpec>,
    /// What the process before had, if sockets are handed over.
    handed: Option<Handed>,
}

/// Makes what all workers share of `spec`.
///
/// # Errors
/// The threads that write logs couldn't be had.
pub fn prepare(mut spec: ProxySpec) -> Result<Prepared, StartError> {
    crate::log::hold_bytes(spec.global.log_buffer_bytes);
    let log_forwards = std::mem::take(&mut spec.log_forwards);
    let peers = std::mem::take(&mut spec.peers);
    let threads = spec.global.threads.max(1);
    let failed = no_thread;
    let mut log_thread = None;
    let mut writer = None;
    let frontends = spec.frontends.iter().map(|frontend| &frontend.log);
    let mut logs = frontends.chain(spec.backends.iter().map(|backend| &backend.log));
    let of_peers = peers.iter().any(|section| !section.logs.is_empty());
    if logs.any(|log| !log.targets.is_empty()) || !log_forwards.is_empty() || of_peers {
        let (started, thread) = LogWriter::start().map_err(failed)?;
        writer = Some(started);
        log_thread = Some(thread);
    }
    let forwarders = Forwarders::start(spec.rings.clone()).map_err(failed)?;
    // (The standard library's channels are those to the thread that starts; these lead to the workers.)
    let (orders, obeyed): (Vec<_>, Vec<_>) = (0..threads).map(|_| orders_channel()).unzip();
    Ok(Prepared {
        shared: share(spec, writer, orders, &peers),
        obeyed,
        stop: watch::channel(Stop::No).0,
        log_thread,
        forwarders,
        log_forwards,
        peers,
        handed: None,
    })
}

fn no_thread(error: std::io::Error) -> StartError {
    StartError::Workers(vec![format!("no thread: {error}")])
}

impl Prepared {
    /// A handle for whoever watches and commands from outside the workers, from any thread.
    pub fn control(&self) -> Control {
        Control::new(&self.shared, &self.stop)
    }

    /// Listens on these sockets of the process before, as far as they are still wanted, and keeps copies of all sockets
    /// for the process that comes next ([`Running::take_sockets`]).
    #[must_use]
    pub fn succeeding(mut self, sockets: Handed) -> Self {
        self.handed = Some(sockets);
        self
    }

    /// Binds every listener, builds the extensions on each worker, and only when all of that went well accepts the first
    /// connection.
    ///
    /// # Errors
    /// All listeners that couldn't be bound, or what kept the workers from starting. Nothing runs then.
    pub fn start(self, extensions: ExtensionFactory) -> Result<Running, StartError> {
        self.start_after(extensions, || Ok(()))
    }

    /// The same, with something that is done when all is open and before the first connection is accepted.
    ///
    /// # Errors
    /// As [`Prepared::start`], and what `last` says.
    pub fn start_after(
        self,
        extensions: ExtensionFactory,
        last: impl FnOnce() -> Result<(), String>,
    ) -> Result<Running, StartError> {
        run(self, extensions, last)
    }
}

fn run(
    prepared: Prepared,
    extensions: ExtensionFactory,
    last: impl FnOnce() -> Result<(), String>,
) -> Result<Running, StartError> {
    let Prepared {
        shared,
        obeyed,
        stop,
        log_thread,
        forwarders,
        log_forwards,
        peers,
        handed,
    } = prepared;
    let threads = shared.global.threads.max(1);
    let mut to_hand = handed.is_some().then(ToHand::default);
    let mut handed = handed.unwrap_or_default();
    let (listening, addresses) =
        listen(&shared, threads, &mut handed, to_hand.as_mut()).map_err(StartError::Bind)?;
    let relay = Relay::open(log_forwards).map_err(StartError::Bind)?;
    let peers = peers.into_iter().zip(shared.peers.iter().cloned()).collect();
    let exchange = Exchange::open(peers, shared.global.peer_updates_max).map_err(StartError::Bind)?;
    let failed = no_thread;
    let stopped = stop.subscribe();
    let (reports, reported) = mpsc::channel();
    let mut workers = Vec::with_capacity(threads);
    let mut go = Vec::with_capacity(threads);
    for (index, (listening, orders)) in listening.into_iter().zip(obeyed).enumerate() {
        let (tell, told) = mpsc::channel();
        go.push(tell);
        let (shared, extensions) = (shared.clone(), extensions.clone());
        let (reports, stopped) = (reports.clone(), stopped.clone());
        let body = move || {
            work(
                index,
                shared,
                &extensions,
                (listening, orders),
                stopped,
                &reports,
                &told,
            )
        };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .stack_size(STACK_BYTES)
            .spawn(body);
        workers.push(thread.map_err(failed)?);
    }
    drop(reports);
    let mut errors: Vec<String> = reported.iter().take(threads).filter_map(Result::err).collect();
    if errors.is_empty() {
        errors.extend(last().err());
    }
    if !errors.is_empty() {
        // Workers that hear no word to go on end by themselves.
        drop(go);
        workers.into_iter().for_each(|w| drop(w.join()));
        errors.sort();
        errors.dedup();
        return Err(StartError::Workers(errors));
    }
    // Threads beside the workers count too.
    let counts = |beside: usize| {
        let shared = Arc::downgrade(&shared);
        move || {
            if let Some(shared) = shared.upgrade() {
                shared.tallies.count_here(threads + beside);
            }
        }
    };
    let relay = relay
        .start(shared.writer.clone(), stop.subscribe(), counts(0))
        .map_err(failed)?;
    let exchange = exchange
        .start(shared.writer.clone(), stop.subscribe(), counts(1))
        .map_err(failed)?;
    for tell in go {
        let _ = tell.send(());
    }
    Ok(Running {
        to_hand: to_hand.unwrap_or_default(),
        addresses,
        shutdown: Shutdown { stop: Arc::new(stop) },
        workers,
        relay,
        exchange,
        log_thread,
        forwarders,
        shared,
    })
}

/// A data plane that runs.
pub struct Running {
    to_hand: ToHand,
    addresses: Vec<Listen>,
    shutdown: Shutdown,
    workers: Vec<JoinHandle<()>>,
    /// The thread of `log-forward` sections.
    relay: Option<JoinHandle<()>>,
    /// The thread of `peers` sections.
    exchange: Option<JoinHandle<()>>,
    log_thread: Option<JoinHandle<()>>,
    forwarders: Forwarders,
    shared: Arc<Shared>,
}

/// A listener and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The frontend's name.
    pub frontend: String,
    /// The listener's name; may be empty.
    pub name: String,
    /// Where, with the port that was taken if any would do.
    pub address: BoundAddress,
}

impl Running {
    /// Where everything listens, in the order of the spec.
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// Copies of the listening sockets for the process that takes this one's place, once. Whoever has them keeps the ports
    /// open; there are none unless this process succeeds another ([`Prepared::succeeding`]).
    pub fn take_sockets(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.to_hand).into_sockets()
    }

    /// A handle that stops everything, from any thread.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// A handle for whoever watches and commands from outside the workers, from any thread.
    pub fn control(&self) -> Control {
        Control::new(&self.shared, &self.shutdown.stop)
    }

    /// Ends all sessions now.
    pub fn stop(&self) {
        self.shutdown.hard();
    }

    /// Client connections now.
    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// HTTP requests and TCP streams so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.total()
    }

    /// The live state of all backends and their servers, in the order of the spec.
    pub fn backends(&self) -> Vec<Arc<BackendState>> {
        self.shared.backends.now().iter().cloned().collect()
    }

    /// Log lines that were dropped because there was no room for them, or nobody took them.
    pub fn dropped_log_lines(&self) -> u64 {
        dropped_lines()
    }

    /// Waits until all workers have ended after a stop, and what was logged is written. False if a worker died of a bug.
    pub fn join(self) -> bool {
        let mut well = true;
        for worker in self.workers {
            well &= worker.join().is_ok();
        }
        if let Some(relay) = self.relay {
            well &= relay.join().is_ok();
        }
        if let Some(exchange) = self.exchange {
            well &= exchange.join().is_ok();
        }
        drop(self.shared);
        if let Some(log) = self.log_thread {
            let _ = log.join();
        }
        self.forwarders.finish();
        well
    }
}

/// Stops a running data plane. Cheap to clone; usable from a signal's handler task.
#[derive(Clone)]
pub struct Shutdown {
    stop: Arc<watch::Sender<Stop>>,
}

impl Shutdown {
    /// Accepts no more connections and closes the idle ones; each other session ends after its current response, or when
    /// its stream ends. (SIGUSR1.)
    pub fn soft(&self) {
        self.stop.send_if_modified(|stop| {
            let first = *stop == Stop::No;
            if first {
                *stop = Stop::Soft;
            }
            first
        });
    }

    /// Whether a stop was asked for, of either kind.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.stop.borrow() != Stop::No
    }

    /// Ends all sessions now. (SIGTERM.)
    pub fn hard(&self) {
        self.stop.send_replace(Stop::Hard);
    }
}

/// The sockets of each worker.
type OfWorkers = Vec<Vec<Listening>>;

/// Binds everything.
fn listen(
    shared: &Shared,
    threads: usize,
    handed: &mut Handed,
    mut to_hand: Option<&mut ToHand>,
) -> Result<(OfWorkers, Vec<Listen>), Vec<BindError>> {
    let mut of_workers: OfWorkers = (0..threads).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    let mut errors = Vec::new();
    for (frontend, front) in shared.frontends.iter().enumerate() {
        for listener in &front.listeners {
            let listens = |worker: usize| {
                let named = listener.workers.as_ref();
                named.is_none_or(|named| named.contains(&worker))
            };
            let count = (0..threads).filter(|worker| listens(*worker)).count();
            let bound = match bind(listener, count, handed) {
                Ok(bound) => bound,
                Err(e) => {
                    errors.push(e);
                    continue;
                }
            };
            if let Some(to_hand) = &mut to_hand {
                to_hand.add(&bound);
            }
            if let Some(first) = bound.first() {
                let (frontend, name) = (front.name.clone(), listener.name.clone());
                addresses.push(Listen {
                    frontend,
                    name,
                    address: first.address.clone(),
                });
            }
            let room = listener.maxconn.map(Room::of);
            let workers = of_workers.iter_mut().enumerate();
            let listening = workers.filter(|(worker, _)| listens(*worker));
            for ((_, worker), bound) in listening.zip(bound) {
                worker.push(Listening {
                    frontend,
                    spec: listener.clone(),
                    room: room.clone(),
                    bound,
                });
            }
        }
    }
    if errors.is_empty() {
        Ok((of_workers, addresses))
    } else {
        Err(errors)
    }
}

fn share(
    spec: ProxySpec,
    writer: Option<LogWriter>,
    orders: Vec<UnboundedSender<Order>>,
    peers: &[PeersSpec],
) -> Arc<Shared> {
    let ProxySpec {
        global,
        frontends,
        backends,
        rings,
        log_forwards: _,
        peers: _,
    } = spec;
    let threads = global.threads.max(1);
    let frontends: Vec<Arc<FrontendSpec>> = frontends.into_iter().map(Arc::new).collect();
    let backends: Vec<Arc<BackendSpec>> = backends.into_iter().map(Arc::new).collect();
    let (teller, news) = tokio::sync::mpsc::unbounded_channel();
    let backends = Arc::new(Directory::new(&backends, Instant::now(), threads, teller));
    for state in backends.now().iter() {
        if let Some(lines) = &state.spec().lines {
            lines.belongs_to(state);
        }
    }
    let connections: Arc<AtomicU32> = Arc::default();
    let frontend_paces = frontends
        .iter()
        .map(|f| Pace::of(f.sessions_per_second))
        .collect();
    let tls_room = global.tls_connections_max.map_or_else(Room::endless, Room::of);
    let descriptors = Descriptors::new(
        (connections.clone(), tls_room.clone()),
        global.descriptors_max,
        global.pool_low_percent,
        global.pool_high_percent,
    );
    Arc::new(Shared {
        board: Arc::new(Board::new(&frontends, backends.clone(), threads).hide_most(global.hides_most)),
        // Two threads beside the workers may serve as well.
        tallies: Tallies::new(threads + 2, Instant::now()),
        frontend_connections: frontends.iter().map(|_| Arc::new(AtomicU32::new(0))).collect(),
        rings,
        peers: peers.iter().map(SectionView::of).collect(),
        log_counters: frontends.iter().map(|_| Arc::default()).collect(),
        gates: frontends.iter().map(|f| Gate::of(f.disabled)).collect(),
        frontend_room: frontends
            .iter()
            .map(|f| f.maxconn.map_or_else(Room::endless, Room::of))
            .collect(),
        frontends,
        backends,
        connections,
        descriptors: Arc::new(descriptors),
        requests: PerWorker::new(threads),
        room: Room::of(global.maxconn),
        tls_room,
        paces: Paces {
            connections: Pace::of(global.paces.connections),
            sessions: Pace::of(global.paces.sessions),
            tls: Pace::of(global.paces.tls),
        },
        frontend_paces,
        orders,
        news: Mutex::new(Some(news)),
        writer,
        violations: Violations::default(),
        runtimes: Mutex::default(),
        pipes: Arc::new(Pipes::new(global.splice)),
        streams: StreamShares::new(global.maxconn, global.h2.fe_elasticity_percent),
        global,
    })
}

/// The life of a worker's thread.
fn work(
    index: usize,
    shared: Arc<Shared>,
    extensions: &ExtensionFactory,
    (listening, orders): (Vec<Listening>, Orders),
    stopped: watch::Receiver<Stop>,
    reports: &mpsc::Sender<Result<(), String>>,
    go: &mpsc::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())
    {
        Ok(runtime) => runtime,
        Err(e) => return drop(reports.send(Err(format!("no runtime: {e}")))),
    };
    // Extensions are built inside the runtime, so that they may make what needs one.
    let worker =
        runtime.block_on(async { extensions(index).and_then(|ext| Worker::new(index, shared, ext)) });
    let worker = match worker {
        Ok(worker) => worker,
        Err(e) => return drop(reports.send(Err(e))),
    };
    worker.shared.keep_metrics(runtime.metrics());
    let _ = reports.send(Ok(()));
    worker.shared.tallies.count_here(index);
    if go.recv().is_ok() {
        runtime.block_on(worker.run(listening, orders, stopped));
    }
    // Sessions and tasks go before the extensions that they use.
    drop(runtime);
}
