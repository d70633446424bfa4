//! Waiting for a server's turn, or for that of any server, across all workers.
//!
//! The queues are looked at only when somebody waits: then, and only then, whoever leaves a server takes their lock. Who joins
//! a queue looks once more for room after that, so that nobody waits beside a server that has some.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tidegate_sample::Priority;

use super::shared::BackendState;
use super::state::ServerState;

/// What orders those who wait: their class, when they came with their offset, and who came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    class: i64,
    at_ms: i64,
    number: u64,
}

/// Those who wait for a server, or for any.
#[derive(Default)]
struct Queue {
    waiters: BTreeMap<Rank, Arc<Waiter>>,
    /// How many have had their turn so far.
    served: u64,
}

/// The queues of a backend.
pub(crate) struct Queues {
    waiting: Mutex<Lists>,
    /// In all of them.
    all: AtomicU32,
    /// In that of the backend.
    of_backend: AtomicU32,
    of_backend_max: AtomicU32,
    number: AtomicU64,
}

struct Lists {
    backend: Queue,
    servers: Vec<Queue>,
}

impl Lists {
    /// The queue of a server, or that of the backend.
    fn of(&mut self, place: Option<usize>) -> Option<&mut Queue> {
        match place {
            Some(place) => self.servers.get_mut(place),
            None => Some(&mut self.backend),
        }
    }
}

impl Queues {
    pub(crate) fn new(servers: usize) -> Self {
        Queues {
            waiting: Mutex::new(Lists {
                backend: Queue::default(),
                servers: (0..servers).map(|_| Queue::default()).collect(),
            }),
            all: AtomicU32::new(0),
            of_backend: AtomicU32::new(0),
            of_backend_max: AtomicU32::new(0),
            number: AtomicU64::new(0),
        }
    }

    /// How many wait in all of them.
    pub(crate) fn all(&self) -> u32 {
        self.all.load(Ordering::SeqCst)
    }

    /// How many wait for any server.
    pub(crate) fn of_backend(&self) -> u32 {
        self.of_backend.load(Ordering::SeqCst)
    }

    /// The most of them at a time.
    pub(crate) fn of_backend_max(&self) -> u32 {
        self.of_backend_max.load(Ordering::Relaxed)
    }

    /// Lets there be so many queues of servers.
    pub(super) fn make_room(&self, servers: usize) {
        let mut lists = self.lock();
        if lists.servers.len() < servers {
            lists.servers.resize_with(servers, Queue::default);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waiting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This server has room, which is taken already.
    At(usize),
    /// The server that was waited for serves no more.
    SentAway,
}

struct Waiter {
    /// How many had had their turn when it came.
    joined: u64,
    answer: Mutex<Answer>,
}

#[derive(Default)]
struct Answer {
    turn: Option<Turn>,
    waker: Option<Waker>,
    /// How many had their turn while this one waited, once it waits no more.
    overtaken: u32,
}

impl Waiter {
    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the answer, while the queues are locked: whoever finds itself gone from them finds the answer too.
    fn tell(&self, turn: Turn, served: u64) -> Option<Waker> {
        self.left(served);
        let mut answer = self.lock();
        answer.turn = Some(turn);
        answer.waker.take()
    }

    /// Notes that it left a queue in which so many had their turn so far.
    fn left(&self, served: u64) {
        let overtaken = u32::try_from(served.saturating_sub(self.joined)).unwrap_or(u32::MAX);
        self.lock().overtaken = overtaken;
    }
}

/// A place in a queue. Dropped, it is given up, and so is what was granted meanwhile.
pub(crate) struct Waiting {
    backend: Arc<BackendState>,
    /// The server that is waited for.
    server: Option<Arc<ServerState>>,
    rank: Rank,
    waiter: Arc<Waiter>,
    done: bool,
}

/// What is known of who waited.
pub(crate) struct Waited(Arc<Waiter>);

impl Waited {
    /// How many had their turn before this one was served, sent away, or went.
    pub(crate) fn before(&self) -> u32 {
        self.0.lock().overtaken
    }
}

impl Waiting {
    /// What tells of it when it is over.
    pub(crate) fn told(&self) -> Waited {
        Waited(self.waiter.clone())
    }
}

impl BackendState {
    /// Waits for a server, or for any.
    pub(crate) fn queue_up(
        self: &Arc<Self>,
        server: Option<&Arc<ServerState>>,
        priority: Priority,
        now: Instant,
    ) -> Waiting {
        let rank = Rank {
            class: priority.class,
            at_ms: self.ms(now).saturating_add(priority.offset),
            number: self.queues.number.fetch_add(1, Ordering::Relaxed),
        };
        let waiter = {
            let mut lists = self.queues.lock();
            self.count(server.map(|server| &**server), true);
            let queue = lists.of(server.map(|server| server.place()));
            let waiter = Arc::new(Waiter {
                joined: queue.as_ref().map_or(0, |queue| queue.served),
                answer: Mutex::default(),
            });
            if let Some(queue) = queue {
                queue.waiters.insert(rank, waiter.clone());
            }
            waiter
        };
        match server {
            Some(server) => {
                self.serve_queues(server);
                if !server.is_up() && !self.persists() {
                    self.send_away(server);
                    self.look_after_queues();
                }
            }
            None => self.look_after_queues(),
        }
        Waiting {
            backend: self.clone(),
            server: server.cloned(),
            rank,
            waiter,
            done: false,
        }
    }

    /// Lets those go on for whom a server has room now.
    pub(super) fn serve_queues(&self, server: &ServerState) {
        loop {
            // Room first, then who gets it: nobody is told of room that somebody else took.
            if !self.enter(server) {
                return;
            }
            match self.tell_next(server) {
                Some(waker) => waker.into_iter().for_each(Waker::wake),
                None => {
                    self.give_back(server);
                    // Who joined in between has seen no room.
                    if !self.is_waited_for(server) {
                        return;
                    }
                }
            }
        }
    }

    /// Looks through all queues after a change.
    pub(super) fn look_after_queues(&self) {
        if self.queues.all() == 0 {
            return;
        }
        for server in self.servers().iter() {
            if !server.is_up() && !self.persists() {
                self.send_away(server);
            } else {
                self.serve_queues(server);
            }
        }
    }

    /// `option persist`: who belongs to a server stays with it when it is down, too.
    fn persists(&self) -> bool {
        self.spec().persistence.persist
    }

    /// A server begins to run dry: those who wait for it need not, if they may go to another at all.
    pub(super) fn let_go(&self, server: &ServerState) {
        if self.spec().redispatch != 0 && !self.persists() {
            self.send_away(server);
            self.look_after_queues();
        }
    }

    /// Those who wait for a server look for another.
    pub(super) fn send_away(&self, server: &ServerState) {
        let wakers: Vec<Waker> = {
            let mut lists = self.queues.lock();
            let (left, served) = lists
                .of(Some(server.place()))
                .map(|queue| (std::mem::take(&mut queue.waiters), queue.served))
                .unwrap_or_default();
            let tell = |waiter: Arc<Waiter>| {
                self.count(Some(server), false);
                waiter.tell(Turn::SentAway, served)
            };
            left.into_values().filter_map(tell).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn is_waited_for(&self, server: &ServerState) -> bool {
        (server.queued() > 0 || server.is_up() && self.is_ahead(server)) && self.has_room(server)
    }

    /// Whether somebody waits who would be served at this server.
    pub(crate) fn is_ahead(&self, server: &ServerState) -> bool {
        self.queues.all() > 0
            && (server.queued() > 0 || self.queues.of_backend() > 0 && server.plays.load(Ordering::SeqCst))
    }

    /// Tells whoever is next that a server has room for it: the first of those who wait for it and, if it takes part in
    /// balancing, for any. Gives what wakes it, if it sleeps; `None` if there is nobody.
    fn tell_next(&self, server: &ServerState) -> Option<Option<Waker>> {
        let plays = server.is_up() && server.plays.load(Ordering::SeqCst);
        let mut lists = self.queues.lock();
        let lists = &mut *lists;
        let place = server.place();
        let own = lists.servers.get_mut(place)?;
        let of_server = own.waiters.first_key_value().map(|(rank, _)| *rank);
        let of_any = lists
            .backend
            .waiters
            .first_key_value()
            .map(|(rank, _)| *rank)
            .filter(|_| plays);
        let (queue, from) = match (of_server, of_any) {
            (Some(one), Some(any)) if any < one => (&mut lists.backend, None),
            (Some(_), _) => (own, Some(server)),
            (None, Some(_)) => (&mut lists.backend, None),
            (None, None) => return None,
        };
        let (_, waiter) = queue.waiters.pop_first()?;
        self.count(from, false);
        let told = waiter.tell(Turn::At(place), queue.served);
        queue.served += 1;
        Some(told)
    }

    fn count(&self, server: Option<&ServerState>, more: bool) {
        let change = |count: &AtomicU32| {
            if more {
                count.fetch_add(1, Ordering::SeqCst);
            } else {
                count.fetch_sub(1, Ordering::SeqCst);
            }
        };
        change(&self.queues.all);
        match server {
            Some(server) => {
                server.count_queued(more);
                self.replay(server);
            }
            None => {
                change(&self.queues.of_backend);
                let now = self.queues.of_backend();
                self.queues.of_backend_max.fetch_max(now, Ordering::Relaxed);
            }
        }
    }
}

impl Future for Waiting {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn> {
        let turn = {
            let mut answer = self.waiter.lock();
            if answer.turn.is_none() && !answer.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                answer.waker = Some(cx.waker().clone());
            }
            answer.turn
        };
        match turn {
            Some(turn) => {
                self.done = true;
                Poll::Ready(turn)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let was_there = {
            let mut lists = self.backend.queues.lock();
            let server = self.server.as_deref();
            let queue = lists.of(server.map(ServerState::place));
            let was_there = queue.is_some_and(|queue| {
                let waiter = queue.waiters.remove(&self.rank);
                if let Some(waiter) = &waiter {
                    waiter.left(queue.served);
                }
                waiter.is_some()
            });
            if was_there {
                self.backend.count(server, false);
            }
            was_there
        };
        if was_there {
            return;
        }
        // Whoever took it out has told it the answer.
        let turn = self.waiter.lock().turn;
        if let Some(Turn::At(place)) = turn
            && let Some(server) = self.backend.servers().at(place)
        {
            self.backend.leave(server);
        }
    }
}

#[cfg(test)]
mod tests;
