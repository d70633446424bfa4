//! The connections that all workers together have to a server, where their number has a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use super::state::ServerState;

/// How many connections there are to a server.
#[derive(Default)]
pub(crate) struct Kept {
    open: AtomicU32,
    /// Of those, the ones that are idle, where that has a bound.
    idle: AtomicU32,
    /// How many wait for one to be closed.
    wanted: AtomicU32,
    closed: Notify,
}

impl Kept {
    /// Counts one more connection, unless there are that many.
    pub(super) fn open_one(&self, limit: Option<u32>) -> bool {
        let more = |now: u32| limit.is_none_or(|limit| now < limit).then_some(now + 1);
        let open = &self.open;
        open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    /// One of them is gone.
    pub(super) fn close_one(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        if self.is_to_close() {
            self.closed.notify_waiters();
        }
    }

    /// Whether there is any.
    pub(super) fn is_any_open(&self) -> bool {
        self.open.load(Ordering::SeqCst) > 0
    }

    /// Waits until there are fewer than that many. Idle ones are closed for it.
    pub(super) async fn wait_for_close(&self, limit: Option<u32>) {
        struct Wanted<'s>(&'s AtomicU32);
        impl Drop for Wanted<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.wanted.fetch_add(1, Ordering::SeqCst);
        let _wanted = Wanted(&self.wanted);
        let mut closed = std::pin::pin!(self.closed.notified());
        closed.as_mut().enable();
        let full = limit.is_some_and(|limit| self.open.load(Ordering::SeqCst) >= limit);
        if full {
            closed.await;
        }
    }

    /// Whether idle connections are to be closed, as somebody waits for room.
    pub(super) fn is_to_close(&self) -> bool {
        self.wanted.load(Ordering::SeqCst) > 0
    }
}

/// The place of a connection among those that may be idle (`pool-max-conn`).
pub(super) struct IdleRoom(Arc<ServerState>);

impl IdleRoom {
    /// One of so many, if it is free.
    pub(super) fn take(server: &Arc<ServerState>, most: usize) -> Option<Self> {
        let more = |now: u32| ((now as usize) < most).then_some(now + 1);
        let idle = &server.kept.idle;
        let taken = idle.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        taken.is_ok().then(|| IdleRoom(server.clone()))
    }
}

impl Drop for IdleRoom {
    fn drop(&mut self) {
        self.0.kept.idle.fetch_sub(1, Ordering::SeqCst);
    }
}
