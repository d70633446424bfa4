//! How much a server has to do: what it serves and who waits for it, and the limits of both.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::ServerState;

/// What changes with every request, on a line of the cache of its own.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Load {
    connections: AtomicU32,
    queued: AtomicU32,
    queued_max: AtomicU32,
    last_turn: AtomicU64,
}

impl ServerState {
    /// Requests or streams that it serves, of all workers.
    pub fn connections(&self) -> u32 {
        self.load.connections.load(Ordering::SeqCst)
    }

    /// How many wait for it.
    pub fn queued(&self) -> u32 {
        self.load.queued.load(Ordering::SeqCst)
    }

    /// Most that waited for it at a time.
    pub fn queued_max(&self) -> u32 {
        self.load.queued_max.load(Ordering::Relaxed)
    }

    /// Both together.
    pub(crate) fn busy(&self) -> u32 {
        self.connections().saturating_add(self.queued())
    }

    /// Most requests or streams that it serves at a time; 0 for no limit.
    pub fn maxconn(&self) -> u32 {
        self.maxconn.load(Ordering::Relaxed)
    }

    /// Sets that limit.
    pub fn set_maxconn(&self, limit: u32) {
        let _guard = self.changes.lock();
        self.maxconn.store(limit, Ordering::Relaxed);
        self.tell();
    }

    /// `minconn`: what the limit is without load; 0 for no ramp.
    pub(crate) fn minconn(&self) -> u32 {
        self.minconn
    }

    /// `maxqueue`: most that wait for it; 0 for no limit.
    pub fn maxqueue(&self) -> u32 {
        self.maxqueue
    }

    /// One more waits for it, or one less.
    pub(in crate::upstream) fn count_queued(&self, more: bool) {
        if more {
            let now = self.load.queued.fetch_add(1, Ordering::SeqCst) + 1;
            self.load.queued_max.fetch_max(now, Ordering::Relaxed);
        } else {
            self.load.queued.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Counts one more that it serves, unless there are that many.
    pub(in crate::upstream) fn enter(&self, limit: Option<u32>) -> bool {
        let connections = &self.load.connections;
        let entered = match limit {
            None => {
                connections.fetch_add(1, Ordering::SeqCst);
                true
            }
            Some(limit) => {
                let more = |now: u32| (now < limit).then_some(now + 1);
                connections
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
                    .is_ok()
            }
        };
        // Whoever takes it away looks for who is there after saying so, and who enters looks after that.
        if entered && self.is_removed() {
            self.leave();
            return false;
        }
        entered
    }

    /// One of them is gone.
    pub(in crate::upstream) fn leave(&self) {
        self.load.connections.fetch_sub(1, Ordering::SeqCst);
    }

    /// The number of the turn that it had last.
    pub(crate) fn last_turn(&self) -> u64 {
        self.load.last_turn.load(Ordering::Relaxed)
    }

    /// It has its turn.
    pub(crate) fn take_turn(&self, number: u64) {
        self.load.last_turn.store(number, Ordering::Relaxed);
    }
}
