//! Taking connections: a task for each listening socket of a worker, and the socket's end.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_sample::Named;
use tokio::sync::watch;

use super::{Frontend, Worker};
use crate::check::report;
use crate::client::{Client, Ends, Entrance};
use crate::figures::Usage;
use crate::gate::FrontendState;
use crate::listener::{Acceptor, Bound, BoundAddress};
use crate::log::Level;
use crate::pace::Pace;
use crate::room::{Place, Room};
use crate::session::{Session, Welcome};
use crate::spec::{ListenAddress, ListenerSpec};
use crate::stream::Stream;
use crate::tally::{self, Pulse};
use crate::upstream::connect::is_shortage;

/// How often a listener tells that it can take no connection.
const TOLD_EACH_MS: u64 = 1000;

/// A listening socket with what belongs to it.
pub(crate) struct Listening {
    pub(crate) frontend: usize,
    pub(crate) spec: ListenerSpec,
    pub(crate) room: Option<Arc<Room>>,
    pub(crate) bound: Bound,
}

/// A listening socket on its worker, and what the connections that come by it begin with.
pub(super) struct Door {
    spec: ListenerSpec,
    frontend: Rc<Frontend>,
    entrance: Rc<Entrance>,
    welcome: Rc<Welcome>,
    usage: Arc<Usage>,
    /// Where connections need room.
    rooms: [Option<Arc<Room>>; 4],
    /// The address that clients connect to; of a wildcard each connection has to be asked.
    fixed: Option<SocketAddr>,
    /// The port, if it can be had again.
    own_port: Option<SocketAddr>,
    /// None while the frontend is paused, and once it takes nobody any more.
    acceptor: RefCell<Option<Acceptor>>,
}

impl Worker {
    /// Makes a socket ready to take connections. None if it can't be used, which has been told.
    pub(super) fn door(&self, listening: Listening) -> Option<Rc<Door>> {
        let Listening {
            frontend,
            spec,
            room,
            bound,
        } = listening;
        let frontend = self.frontends.get(frontend).cloned()?;
        let frontend_room = self.shared.frontend_room.get(frontend.index(self)).cloned();
        let own_port = match (&bound.address, &spec.address) {
            (BoundAddress::Tcp(address), ListenAddress::Tcp(_)) => Some(*address),
            _ => None,
        };
        let fixed = match &bound.address {
            BoundAddress::Tcp(address) if !address.ip().is_unspecified() => Some(*address),
            _ => None,
        };
        let usage = self
            .shared
            .board
            .listener_of(&frontend.spec.name, spec.id, self.index);
        let acceptor = match Acceptor::new(bound) {
            Ok(acceptor) => RefCell::new(Some(acceptor)),
            Err(e) => {
                let why = format!("{}: the socket can't be used: {e}", spec.line);
                frontend.logger.message(Level::Alert, &why);
                return None;
            }
        };
        let tls_room = spec.tls.is_some().then(|| self.shared.tls_room.clone());
        Some(Rc::new(Door {
            entrance: Rc::new(self.entrance(&frontend, &spec, &usage)),
            welcome: Rc::new(Welcome::of(&spec)),
            rooms: [Some(self.shared.room.clone()), frontend_room, room, tls_room],
            frontend,
            usage,
            fixed,
            own_port,
            acceptor,
            spec,
        }))
    }

    /// Takes the connections of one socket for as long as its frontend does.
    pub(super) async fn accept(self: Rc<Self>, door: Rc<Door>) {
        let Door { spec, frontend, .. } = &*door;
        let timer = self.wheel.timer();
        let mut told_at = None;
        let mut gate = match self.shared.gates.get(frontend.index(&self)) {
            Some(gate) => gate.watch(),
            None => return,
        };
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
            for room in door.rooms.iter().flatten() {
                room.wait().await;
            }
            // What comes too often waits where the system keeps it.
            while let Some(wait) = paces.into_iter().flatten().filter_map(Pace::wait).max() {
                timer.sleep(wait).await;
            }
            let state = *gate.borrow();
            match state {
                FrontendState::Open => {}
                FrontendState::Stopped => return drop(door.acceptor.take()),
                FrontendState::Paused => {
                    // What can't be bound again stays, and its clients wait.
                    if door.own_port.is_some() {
                        door.acceptor.take();
                    }
                    let _ = gate.wait_for(|state| *state != FrontendState::Paused).await;
                    if let Some(address) = door.own_port {
                        match Acceptor::again(address, spec) {
                            Ok(again) => door.acceptor.replace(Some(again)),
                            Err(e) => {
                                let why = format!("{}: the socket can't be opened again: {e}", spec.line);
                                return frontend.logger.message(Level::Alert, &why);
                            }
                        };
                    }
                    continue;
                }
            }
            // Nothing is registered anew for each connection: the socket and the gate remember who waits.
            let accepted = poll_fn(|cx| {
                let acceptor = door.acceptor.borrow();
                match acceptor.as_ref().map(|acceptor| acceptor.poll_accept(cx)) {
                    Some(Poll::Ready(accepted)) => Poll::Ready(Some(accepted)),
                    _ => changed.as_mut().poll(cx).map(|()| None),
                }
            });
            let Some(accepted) = accepted.await else {
                changed.set(next_change(gate.clone()));
                continue;
            };
            match accepted {
                Ok((_, peer)) if self.refuses(peer) => {}
                Ok((stream, peer)) => {
                    let mut permits: [Place; 4] = Default::default();
                    for (permit, room) in permits.iter_mut().zip(&door.rooms) {
                        if let Some(room) = room {
                            *permit = room.enter().await;
                        }
                    }
                    for pace in paces.into_iter().flatten() {
                        while let Err(wait) = pace.take() {
                            timer.sleep(wait).await;
                        }
                    }
                    self.begin(&door, stream, peer, permits);
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

    /// Closes a socket for good. Who waits there is still served, as far as there is room.
    pub(super) fn last_call(self: &Rc<Self>, door: &Door) {
        let Some(acceptor) = door.acceptor.take() else {
            return;
        };
        // What is wrong with a socket that is closed is of no interest any more.
        let _ = acceptor.close(|stream, peer| {
            let mut permits: [Place; 4] = Default::default();
            for (permit, room) in permits.iter_mut().zip(&door.rooms) {
                match room
                    .as_ref()
                    .map_or_else(|| Some(Place::default()), Room::try_enter)
                {
                    Some(place) => *permit = place,
                    None => return,
                }
            }
            if !self.refuses(peer) {
                self.begin(door, stream, peer, permits);
            }
        });
    }

    /// `harden.reject-privileged-ports.tcp`: whether nobody is served who connects from there.
    fn refuses(&self, peer: Option<SocketAddr>) -> bool {
        self.shared.global.reject_privileged_ports && peer.is_some_and(|peer| peer.port() < 1024)
    }

    /// What the clients of a socket have in common.
    fn entrance(&self, frontend: &Rc<Frontend>, spec: &ListenerSpec, usage: &Arc<Usage>) -> Entrance {
        let global = &self.shared.global;
        Entrance {
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
        }
    }

    /// Begins the session of a connection.
    fn begin(self: &Rc<Self>, door: &Door, stream: Stream, source: Option<SocketAddr>, permits: [Place; 4]) {
        let destination = door.fixed.or_else(|| stream.local());
        let ends = Ends { source, destination };
        let client = Rc::new(Client::new(door.entrance.clone(), ends));
        let second = self.shared.board.second(client.accepted_at);
        tally::beat(Pulse::Connections, client.accepted_at);
        let place = self.roster.enter(client.clone());
        let counted = Counting::new(self.clone(), place, door, second, permits);
        let (worker, frontend) = (self.clone(), door.frontend.clone());
        let session = Session::new(worker, frontend, client, &door.welcome, stream);
        let task = tokio::task::spawn_local(Attended {
            session,
            _counted: counted,
        });
        self.roster.begin(place, task.abort_handle());
    }
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
    fn new(worker: Rc<Worker>, place: usize, door: &Door, second: u32, permits: [Place; 4]) -> Self {
        let (frontend, listener) = (door.frontend.clone(), door.usage.clone());
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
