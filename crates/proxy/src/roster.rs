//! The sessions of a worker, as they are listed and ended from outside.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use slab::Slab;
use tidegate_sample::Named;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::client::Client;
use crate::spec::BackendId;
use crate::upstream::shared::BackendState;
use crate::upstream::state::ServerState;

/// A session, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The number by which it can be named; no other session of the process has or had it.
    pub id: u64,
    /// The client's address; none for a Unix socket.
    pub source: Option<SocketAddr>,
    /// The frontend.
    pub frontend: String,
    /// The backend that its request or stream is in.
    pub backend: Option<String>,
    /// The server that its request or stream is at.
    pub server: Option<String>,
    /// How long ago its connection came.
    pub age: Duration,
}

/// What is asked of a worker.
pub(crate) enum Order {
    /// List the sessions.
    List(oneshot::Sender<Vec<SessionView>>),
    /// End those that are meant, and say how many there were.
    End(Meant, KilledBy, oneshot::Sender<usize>),
    /// Check a server that is new, and ask its agent.
    Check(Arc<BackendState>, Arc<ServerState>),
    /// Follow the name that a server has now.
    Resolve(Arc<BackendState>, Arc<ServerState>),
    /// Get a backend ready that is new, at its place.
    Know(BackendId, Arc<BackendState>, oneshot::Sender<Result<(), String>>),
    /// Let go of the backend at a place.
    Forget(BackendId, oneshot::Sender<()>),
}

/// Which sessions are meant.
#[derive(Clone)]
pub(crate) enum Meant {
    /// The one of a number.
    Id(u64),
    /// Those whose request or stream is at a server of a backend.
    AtServer(String, String),
}

/// Why sessions are ended from outside: the letter for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KilledBy {
    /// An operator.
    Operator,
    /// Their server went down (`on-marked-down`).
    Down,
    /// A server came up that their backup stood in for (`on-marked-up`).
    Up,
}

impl KilledBy {
    /// The first of the two letters of such a session's end.
    pub(crate) fn letter(self) -> u8 {
        match self {
            KilledBy::Operator => b'K',
            KilledBy::Down => b'D',
            KilledBy::Up => b'U',
        }
    }
}

/// A session's chance to tell its client that it is being ended from outside: it ends by itself then.
#[derive(Default)]
pub(crate) struct LastWord {
    waits: Cell<bool>,
    speaker: RefCell<Option<Waker>>,
}

impl LastWord {
    /// The task of `cx` has something to say, until [`LastWord::waive`] is called.
    pub(crate) fn want(&self, cx: &Context<'_>) {
        self.waits.set(true);
        let mut speaker = self.speaker.borrow_mut();
        if !speaker
            .as_ref()
            .is_some_and(|speaker| speaker.will_wake(cx.waker()))
        {
            *speaker = Some(cx.waker().clone());
        }
    }

    /// There is nothing to say.
    pub(crate) fn waive(&self) {
        self.waits.set(false);
    }

    /// Wakes whoever has something to say; false if nobody has.
    fn give(&self) -> bool {
        let waits = self.waits.get();
        if let Some(speaker) = self.speaker.borrow().as_ref().filter(|_| waits) {
            speaker.wake_by_ref();
        }
        waits
    }
}

/// The orders that a worker still has to obey.
pub(crate) type Orders = mpsc::UnboundedReceiver<Order>;

/// Where a session's request or stream is.
#[derive(Default)]
pub(crate) struct Whereabouts {
    pub(crate) backend: Option<Rc<Named>>,
    pub(crate) server: Option<Rc<Named>>,
}

fn name(named: &Option<Rc<Named>>) -> Option<String> {
    named
        .as_ref()
        .map(|named| String::from_utf8_lossy(&named.name).into_owned())
}

struct Live {
    id: u64,
    client: Rc<Client>,
    /// None only until it was begun.
    task: Option<AbortHandle>,
}

/// The sessions that a worker has now.
pub(crate) struct Roster {
    live: RefCell<Slab<Live>>,
    next: Cell<u64>,
    workers: u64,
}

impl Roster {
    pub(crate) fn new(worker: usize, workers: usize) -> Self {
        Roster {
            live: RefCell::default(),
            next: Cell::new(worker as u64 + 1),
            workers: workers.max(1) as u64,
        }
    }

    /// A number for the next session.
    fn number(&self) -> u64 {
        self.next.replace(self.next.get().wrapping_add(self.workers))
    }

    /// A session that is about to begin. Returns its place, which it has to leave.
    pub(crate) fn enter(&self, client: Rc<Client>) -> usize {
        let live = Live {
            id: self.number(),
            client,
            task: None,
        };
        self.live.borrow_mut().insert(live)
    }

    /// The session at a place has begun, as this task.
    pub(crate) fn begin(&self, place: usize, task: AbortHandle) {
        if let Some(live) = self.live.borrow_mut().get_mut(place) {
            live.task = Some(task);
        }
    }

    pub(crate) fn leave(&self, place: usize) {
        // What it held may want to leave too, so it goes once the list is free.
        let gone = self.live.borrow_mut().try_remove(place);
        drop(gone);
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<SessionView> {
        let live = self.live.borrow();
        let mut listed: Vec<SessionView> = { live.iter() }
            .map(|(_, live)| {
                let whereabouts = live.client.whereabouts.borrow();
                SessionView {
                    id: live.id,
                    source: live.client.source(),
                    frontend: String::from_utf8_lossy(&live.client.entrance.frontend.name).into_owned(),
                    backend: name(&whereabouts.backend),
                    server: name(&whereabouts.server),
                    age: live.client.accepted_at.elapsed(),
                }
            })
            .collect();
        listed.sort_unstable_by_key(|session| session.id);
        listed
    }

    /// Ends those that are meant. Says how many there were.
    pub(crate) fn end(&self, meant: &Meant, by: KilledBy) -> usize {
        let is_meant = |id: u64, client: &Client| match meant {
            Meant::Id(wanted) => id == *wanted,
            Meant::AtServer(backend, server) => {
                let whereabouts = client.whereabouts.borrow();
                name(&whereabouts.backend).as_ref() == Some(backend)
                    && name(&whereabouts.server).as_ref() == Some(server)
            }
        };
        let live = self.live.borrow();
        let doomed: Vec<(Rc<Client>, AbortHandle)> = live
            .iter()
            .map(|(_, live)| live)
            .filter(|live| is_meant(live.id, &live.client))
            .filter_map(|live| {
                live.client.killed_by.set(Some(by));
                Some((live.client.clone(), live.task.clone()?))
            })
            .collect();
        drop(live);
        for (client, task) in &doomed {
            if !client.last_word.give() {
                task.abort();
            }
        }
        doomed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_sessions_of_the_workers_have_one_number() {
        let rosters = [Roster::new(0, 2), Roster::new(1, 2)];
        let numbers: Vec<u64> = (0..4).flat_map(|_| rosters.iter().map(Roster::number)).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
