//! Connections of one server that can serve more requests, on one worker.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::link::Link;
use super::manner::{Made, Manner};
use crate::figures::Usage;
use crate::http1::ClientConn;
use crate::http2;

/// Connections that wait for their next request, and those that serve several at once.
pub(crate) struct Pool {
    /// Of HTTP/1, the one used last on top.
    idle: RefCell<Vec<(ClientConn, Instant)>>,
    /// Of HTTP/2.
    shared: RefCell<Vec<(Rc<http2::ClientConn>, Made)>>,
    usage: Arc<Usage>,
    max: usize,
    purge_after: Duration,
}

impl Pool {
    pub(crate) fn new(max: Option<usize>, purge_after: Duration, usage: Arc<Usage>) -> Self {
        Pool {
            idle: RefCell::default(),
            shared: RefCell::default(),
            usage,
            max: max.unwrap_or(usize::MAX),
            purge_after,
        }
    }

    /// A link of this manner that is ready for a request, with how it was made. Connections that their server has closed
    /// meanwhile are dropped.
    pub(crate) fn take(&self, manner: Option<&Manner>) -> Option<(Link, Made)> {
        let found = self.find(manner);
        self.tell();
        found
    }

    fn find(&self, manner: Option<&Manner>) -> Option<(Link, Made)> {
        loop {
            let found = {
                let mut idle = self.idle.borrow_mut();
                match manner {
                    // All connections of the server are alike, then.
                    None => idle.pop(),
                    Some(_) => {
                        let at = idle.iter().rposition(|(conn, _)| conn.made.is_of(manner));
                        at.map(|at| idle.remove(at))
                    }
                }
            };
            let Some((mut conn, _)) = found else {
                return self.stream(manner);
            };
            if conn.is_usable() {
                let made = conn.made.clone();
                return Some((Link::Http1(conn), made));
            }
        }
    }

    /// A stream of a connection that has room for one.
    fn stream(&self, manner: Option<&Manner>) -> Option<(Link, Made)> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_empty() {
            return None;
        }
        shared.retain(|(conn, _)| conn.is_open());
        let mut fitting = shared.iter().filter(|(_, made)| made.is_of(manner));
        let (stream, made) =
            fitting.find_map(|(conn, made)| Some((http2::ClientConn::reserve(conn)?, made)))?;
        Some((Link::Http2(Box::new(stream)), made.clone()))
    }

    /// Gives a link back for later, if it can serve again and there is room.
    pub(crate) fn put(&self, link: Link) {
        // A stream's room on its connection is free again once the stream is dropped.
        if let Link::Http1(mut conn) = link
            && self.idle.borrow().len() < self.max
            && conn.is_usable()
        {
            self.idle.borrow_mut().push((conn, Instant::now()));
            self.tell();
        }
    }

    /// Lets others have streams of this connection.
    pub(crate) fn share(&self, conn: &Rc<http2::ClientConn>, made: &Made) {
        self.shared.borrow_mut().push((conn.clone(), made.clone()));
    }

    /// Drops what was closed by its server or has been idle for too long.
    pub(crate) fn purge(&self, now: Instant) {
        let old = |since: Instant| now.saturating_duration_since(since) >= self.purge_after;
        self.idle
            .borrow_mut()
            .retain_mut(|(conn, since)| !old(*since) && conn.is_usable());
        let mut idle = 0;
        self.shared.borrow_mut().retain(|(conn, _)| {
            let since = conn.idle_since();
            idle += usize::from(since.is_some());
            conn.is_open() && !since.is_some_and(|since| old(since) || idle > self.max)
        });
        self.tell();
    }

    /// Drops all that carry nothing, and lets nobody have more of the others.
    pub(crate) fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.shared.borrow_mut().clear();
        self.tell();
    }

    /// Tells how many connections carry nothing.
    fn tell(&self) {
        let shared = self.shared.borrow();
        let shared = shared
            .iter()
            .filter(|(conn, _)| conn.idle_since().is_some())
            .count();
        self.usage.set_idle(self.idle.borrow().len() + shared);
    }
}
