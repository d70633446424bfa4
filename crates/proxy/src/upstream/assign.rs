//! Getting room at a server: choosing one, and waiting for its turn if it is full.

use std::rc::Rc;
use std::time::Instant;

use super::balance::{Choice, Query};
use super::queue::{Turn, Waited};
use super::{Server, Slot};
use tidegate_sample::Session;

use crate::timeouts::Timer;
use crate::txn::Txn;
use crate::worker::Backend;

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// No server takes new sessions.
    Nobody,
    /// As many wait as may.
    QueueFull,
    /// `timeout queue` has struck.
    TimedOut,
}

/// Where a request is to go.
#[derive(Clone, Default)]
pub(crate) struct Wish {
    /// The server that it belongs to.
    pub(crate) server: Option<Rc<Server>>,
    /// The server that failed.
    pub(crate) avoid: Option<Rc<Server>>,
}

/// Room for one more at the wished server, or at one that the backend's algorithm chooses.
pub(crate) async fn assign(
    backend: &Backend,
    txn: &Txn,
    timer: &Timer,
    mut wish: Wish,
) -> Result<Slot, NoSlot> {
    let balancer = &backend.balancer;
    txn.usage.belongs.set(wish.server.is_some());
    let hash = match wish.server {
        Some(_) => None,
        None => balancer.hash(txn),
    };
    let mut since = None;
    let mut tried_another = false;
    loop {
        let chosen = match &wish.server {
            Some(server) => Choice::Server(server.clone()),
            // Who waits for any server goes before who comes now.
            None if hash.is_none() && balancer.shared().queued() > 0 => Choice::Full,
            None => balancer.pick(Query {
                hash,
                avoid: wish.avoid.as_ref(),
                second: txn.usage.second.get(),
            }),
        };
        let server = match chosen {
            Choice::Server(server) => Some(server),
            Choice::Full => None,
            Choice::Nobody => return Err(NoSlot::Nobody),
        };
        if let Some(server) = &server {
            if let Some(slot) = Slot::take(server) {
                return Ok(slot);
            }
            let most = server.state.maxqueue();
            if most > 0 && server.state.queued() >= most {
                if std::mem::replace(&mut tried_another, true) {
                    return Err(NoSlot::QueueFull);
                }
                if wish.server.is_some() {
                    txn.leaves_its_server();
                }
                (wish.server, wish.avoid) = (None, Some(server.clone()));
                continue;
            }
        }
        // Rare, and large: a request that need not wait carries no room for it.
        let started = *since.get_or_insert_with(Instant::now);
        match Box::pin(wait(backend, txn, timer, server.as_ref(), started)).await? {
            Turn::At(place) => {
                let server = balancer.servers();
                return server.at(place).map(Slot::granted).ok_or(NoSlot::Nobody);
            }
            Turn::SentAway => {
                txn.aims_at(None);
                if wish.server.take().is_some() {
                    txn.leaves_its_server();
                }
            }
        }
    }
}

/// Waits for a server, or for any, for what is left of `timeout queue`.
async fn wait(
    backend: &Backend,
    txn: &Txn,
    timer: &Timer,
    server: Option<&Rc<Server>>,
    since: Instant,
) -> Result<Turn, NoSlot> {
    let timeouts = txn.timeouts(&backend.spec.timeouts);
    let now = Instant::now();
    let limit = timeouts.queue.or(timeouts.connect);
    let left = limit.map(|limit| limit.saturating_sub(now.saturating_duration_since(since)));
    let shared = backend.balancer.shared();
    let waiting = shared.queue_up(server.map(|server| &server.state), txn.priority(), now);
    if server.is_some() {
        txn.aims_at(server.map(|server| &**server));
    }
    let _queued = InQueue(txn);
    let _place = Place {
        txn,
        at_server: server.is_some(),
        waited: waiting.told(),
    };
    let gone = OnDrop::new(txn, *b"CQ");
    let turn = timer.limit(left, waiting).await;
    gone.stays();
    turn.map_err(|_| NoSlot::TimedOut)
}

/// Notes for the log how many a transaction waited for, when it left a queue.
struct Place<'t> {
    txn: &'t Txn,
    at_server: bool,
    waited: Waited,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Ok(mut facts) = self.txn.facts.try_borrow_mut() else {
            return;
        };
        let place = match self.at_server {
            true => &mut facts.server_queue,
            false => &mut facts.backend_queue,
        };
        // Who had nobody before it is at the place 1: 0 tells that there was no queue.
        *place = place.saturating_add(self.waited.before()).saturating_add(1);
    }
}

/// Notes for the log when a transaction left the queue, or what is logged as one, however it did.
pub(crate) struct InQueue<'t>(pub(crate) &'t Txn);

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        let left = &self.0.times.connecting;
        if left.get().is_none() {
            left.set(Some(Instant::now()));
        }
    }
}

/// Notes for the log where a transaction was when its client went: dropped, unless it stays.
pub(crate) struct OnDrop<'t>(&'t Txn, [u8; 2]);

impl<'t> OnDrop<'t> {
    /// It is there now.
    pub(crate) fn new(txn: &'t Txn, state: [u8; 2]) -> Self {
        txn.stage.set(Some(state));
        OnDrop(txn, state)
    }

    /// The client didn't go.
    pub(crate) fn stays(self) {
        self.0.stage.set(None);
        std::mem::forget(self);
    }
}

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        if let Ok(mut facts) = self.0.facts.try_borrow_mut() {
            facts.termination.get_or_insert(self.1);
        }
    }
}
