//! Idle connections of one server, on one worker.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::http1::ClientConn;

/// Connections that wait for their next request, the one used last on top.
pub(crate) struct Pool {
    idle: RefCell<Vec<(ClientConn, Instant)>>,
    max: usize,
    purge_after: Duration,
}

impl Pool {
    pub(crate) fn new(max: Option<usize>, purge_after: Duration) -> Self {
        Pool {
            idle: RefCell::default(),
            max: max.unwrap_or(usize::MAX),
            purge_after,
        }
    }

    /// A connection that is ready for a request. Those that their server has closed meanwhile are dropped.
    pub(crate) fn take(&self) -> Option<ClientConn> {
        loop {
            let (mut conn, _) = self.idle.borrow_mut().pop()?;
            if conn.is_usable() {
                return Some(conn);
            }
        }
    }

    /// Keeps a connection for later, if it can serve again and there is room.
    pub(crate) fn put(&self, mut conn: ClientConn) {
        if self.idle.borrow().len() < self.max && conn.is_usable() {
            self.idle.borrow_mut().push((conn, Instant::now()));
        }
    }

    /// Drops what was closed by its server or has been idle for too long.
    pub(crate) fn purge(&self, now: Instant) {
        self.idle.borrow_mut().retain_mut(|(conn, since)| {
            now.saturating_duration_since(*since) < self.purge_after && conn.is_usable()
        });
    }

    /// Drops all.
    pub(crate) fn clear(&self) {
        self.idle.borrow_mut().clear();
    }
}
