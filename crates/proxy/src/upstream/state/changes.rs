//! What the servers of a process share, so that changes come one after the other and everybody hears of them.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tidegate_sample::Listeners;

use crate::upstream::news::ServerNews;
use crate::upstream::standing::Teller;

/// What the servers of a process share, so that changes come one after the other and everybody hears of them.
#[derive(Clone)]
pub(crate) struct Changes {
    one_at_a_time: Arc<Mutex<Revisions>>,
    pub(super) started: Instant,
    pub(super) listeners: Arc<Listeners<ServerNews>>,
    pub(super) teller: Arc<OnceLock<Teller>>,
    pub(super) workers: usize,
}

impl Changes {
    pub(crate) fn new(started: Instant, workers: usize) -> Self {
        Changes {
            one_at_a_time: Arc::default(),
            started,
            workers,
            listeners: Arc::default(),
            teller: Arc::default(),
        }
    }

    /// Those who hear of what becomes of servers.
    pub(crate) fn listeners(&self) -> &Arc<Listeners<ServerNews>> {
        &self.listeners
    }

    /// How many count what becomes of servers, each for itself.
    pub(in crate::upstream) fn workers(&self) -> usize {
        self.workers
    }

    /// From now on there is somebody to be told.
    pub(crate) fn tell_by(&self, teller: Teller) {
        let _ = self.teller.set(teller);
    }

    pub(in crate::upstream) fn lock(&self) -> MutexGuard<'_, Revisions> {
        self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

/// The numbers of revisions, by which servers that have the name of one that is gone are told from it: another one whenever servers
/// have been removed since the last was added.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Revisions {
    now: u32,
    removed: bool,
}

impl Revisions {
    /// That of a server which is added.
    pub(in crate::upstream) fn of_arrival(&mut self) -> u32 {
        if std::mem::take(&mut self.removed) {
            self.now = self.now.wrapping_add(1);
        }
        self.now
    }

    /// A server is removed.
    pub(in crate::upstream) fn note_removal(&mut self) {
        self.removed = true;
    }
}
