//! Connections of one server that can serve more requests, on one worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::kept::IdleRoom;
use super::link::Link;
use super::manner::{Made, Manner};
use super::open::Descriptors;
use super::state::ServerState;
use crate::figures::Usage;
use crate::http1::ClientConn;
use crate::http2;
use crate::spec::{HttpReuse, ServerSpec};

/// What a request may take.
pub(crate) struct Claim<'m> {
    pub(crate) reuse: HttpReuse,
    /// How the connection must have been made.
    pub(crate) manner: Option<&'m Manner>,
    /// The request's session.
    pub(crate) session: usize,
    /// It is the session's first one.
    pub(crate) is_first: bool,
}

impl Claim<'_> {
    /// Whether there may be anything for it.
    fn is_any(&self) -> bool {
        match self.reuse {
            HttpReuse::Never => false,
            HttpReuse::Safe => !self.is_first,
            HttpReuse::Aggressive | HttpReuse::Always => true,
        }
    }

    /// Whether this connection is one for it.
    fn is_met_by(&self, made: &Made) -> bool {
        // One that has been used again has shown that it is kept.
        let proven = self.reuse != HttpReuse::Aggressive || !self.is_first || made.life.uses() > 1;
        proven && !made.life.is_private() && made.is_of(self.manner)
    }

    /// Whether it may join others on a connection of HTTP/2. Where one slow response may hold up another, only those of
    /// the same session are let.
    fn may_join(&self, conn: &http2::ClientConn) -> bool {
        self.reuse != HttpReuse::Safe || conn.idle_since().is_some() || conn.made.life.is_of(self.session)
    }
}

/// One that waits for its next request.
struct Idle {
    conn: Box<ClientConn>,
    since: Instant,
    /// Its place among those that the server may have.
    _room: Option<IdleRoom>,
}

/// Connections that wait for their next request, and those that serve several at once.
pub(crate) struct Pool {
    /// Of HTTP/1, the one used last on top.
    idle: RefCell<Vec<Idle>>,
    /// Of HTTP/2.
    shared: RefCell<Vec<Rc<http2::ClientConn>>>,
    server: Arc<ServerState>,
    usage: Arc<Usage>,
    descriptors: Arc<Descriptors>,
    max: Option<usize>,
    /// Requests that one connection serves.
    uses_max: u32,
    purge_every: Duration,
    purged: Cell<Instant>,
    /// The most transactions that were at the server at once since that, and before it.
    needed: Cell<(usize, usize)>,
    /// Nothing is kept any more.
    retired: Cell<bool>,
}

impl Pool {
    pub(crate) fn new(
        spec: &ServerSpec,
        server: &Arc<ServerState>,
        usage: Arc<Usage>,
        descriptors: Arc<Descriptors>,
    ) -> Self {
        Pool {
            idle: RefCell::default(),
            shared: RefCell::default(),
            server: server.clone(),
            usage,
            descriptors,
            max: spec.pool_max,
            uses_max: spec.reuse_max.map_or(u32::MAX, |most| most.saturating_add(1)),
            purge_every: spec.pool_purge_delay,
            purged: Cell::new(Instant::now()),
            needed: Cell::new((0, 0)),
            retired: Cell::new(false),
        }
    }

    /// A link that meets the claim and is ready for a request. Connections that their server has closed meanwhile are
    /// dropped.
    pub(crate) fn take(&self, claim: &Claim<'_>) -> Option<Link> {
        if !claim.is_any() {
            return None;
        }
        let found = self.find(claim);
        self.tell();
        found
    }

    fn find(&self, claim: &Claim<'_>) -> Option<Link> {
        loop {
            let found = {
                let mut idle = self.idle.borrow_mut();
                let at = idle.iter().rposition(|idle| claim.is_met_by(&idle.conn.made));
                at.map(|at| idle.remove(at))
            };
            let Some(Idle { mut conn, .. }) = found else {
                return self.stream(claim);
            };
            if conn.is_usable() {
                return Some(Link::Http1(conn));
            }
        }
    }

    /// A stream of a connection that has room for one.
    fn stream(&self, claim: &Claim<'_>) -> Option<Link> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_empty() {
            return None;
        }
        // One that was used up ends with the requests that it carries.
        shared.retain(|conn| conn.is_open() && self.lets_go_on(&conn.made));
        let mut fitting = shared
            .iter()
            .filter(|conn| claim.is_met_by(&conn.made) && claim.may_join(conn));
        let stream = fitting.find_map(http2::ClientConn::reserve)?;
        Some(Link::Http2(Box::new(stream)))
    }

    /// Whether `max-reuse` lets a connection carry more.
    pub(crate) fn lets_go_on(&self, made: &Made) -> bool {
        made.life.uses() < self.uses_max
    }

    /// Gives a link back for later, if it can serve again and there is room.
    pub(crate) fn put(&self, link: Link) {
        // A stream's room on its connection is free again once the stream is dropped.
        let Link::Http1(conn) = link else { return };
        let wanted = !self.retired.get()
            && !self.server.admin().is_maint()
            && !self.purge_every.is_zero()
            && self.lets_go_on(&conn.made)
            && !self.server.kept.is_to_close()
            && !self.descriptors.are_scarce();
        // Whether its server has closed it meanwhile is asked when it is taken.
        if !wanted || !conn.is_idle() {
            return;
        }
        self.let_one_go(&conn.made);
        let room = match self.max {
            None => None,
            Some(most) => match IdleRoom::take(&self.server, most) {
                None => return,
                room => room,
            },
        };
        self.idle.borrow_mut().push(Idle {
            conn,
            since: Instant::now(),
            _room: room,
        });
        self.tell();
    }

    /// One is about to be idle, while its transaction is still at the server. If there are as many already as were needed of late, the
    /// one that has been idle for longest goes for it: with `http-reuse safe` each session brings one of its own.
    fn let_one_go(&self, made: &Made) {
        let now = self.usage.in_progress();
        let (since, before) = self.needed.get();
        self.needed.set((since.max(now), before));
        let needed = since.max(before).max(now);
        let mut idle = self.idle.borrow_mut();
        if idle.len() + now <= needed {
            return;
        }
        // One that is good for others is no replacement for it.
        let twin = { idle.iter() }.position(|idle| idle.conn.made.is_of(made.manner.as_deref()));
        let oldest = twin.map(|at| idle.remove(at));
        drop(idle);
        drop(oldest);
    }

    /// Lets others have streams of this connection.
    pub(crate) fn share(&self, conn: &Rc<http2::ClientConn>) {
        if self.retired.get() {
            return;
        }
        self.shared.borrow_mut().push(conn.clone());
    }

    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty() && self.shared.borrow().is_empty()
    }

    /// Closes the one that has been idle for longest. False if none is.
    pub(crate) fn drop_one(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        if !idle.is_empty() {
            let oldest = idle.remove(0);
            drop(idle);
            drop(oldest);
            self.tell();
            return true;
        }
        drop(idle);
        let mut shared = self.shared.borrow_mut();
        let at = shared.iter().position(|conn| conn.idle_since().is_some());
        let oldest = at.map(|at| shared.remove(at));
        drop(shared);
        oldest.is_some()
    }

    /// Drops what was closed by its server and, after each `pool-purge-delay`, half of those that nobody has needed in that
    /// time.
    pub(crate) fn purge(&self, now: Instant) {
        self.idle.borrow_mut().retain_mut(|idle| idle.conn.is_usable());
        self.shared.borrow_mut().retain(|conn| conn.is_open());
        while self.server.kept.is_to_close() && self.drop_one() {}
        let since = self.purged.get();
        if now.saturating_duration_since(since) >= self.purge_every {
            self.purged.set(now);
            self.needed.update(|(since, _)| (0, since));
            self.halve(|idle_since| self.purge_every.is_zero() || idle_since <= since);
        }
        let mut left = self.max.unwrap_or(usize::MAX);
        self.shared.borrow_mut().retain(|conn| {
            let fits = conn.idle_since().is_none() || left > 0;
            left = left.saturating_sub(usize::from(conn.idle_since().is_some()));
            fits
        });
        self.tell();
    }

    fn halve(&self, is_needless: impl Fn(Instant) -> bool) {
        let half = |needless: usize| match self.purge_every.is_zero() {
            true => needless,
            false => needless.div_ceil(2),
        };
        let mut idle = self.idle.borrow_mut();
        // They are in the order in which they became idle.
        let doomed = half(idle.iter().filter(|idle| is_needless(idle.since)).count());
        let doomed: Vec<Idle> = idle.drain(..doomed).collect();
        drop(idle);
        drop(doomed);
        let needless = |conn: &Rc<http2::ClientConn>| conn.idle_since().is_some_and(&is_needless);
        let mut shared = self.shared.borrow_mut();
        let mut doomed = half(shared.iter().filter(|conn| needless(conn)).count());
        shared.retain(|conn| {
            let goes = doomed > 0 && needless(conn);
            doomed -= usize::from(goes);
            !goes
        });
    }

    /// Drops all that carry nothing, and lets nobody have more of the others.
    pub(crate) fn clear(&self) {
        let idle = self.idle.take();
        let shared = self.shared.take();
        drop((idle, shared));
        self.tell();
    }

    /// Drops all that carry nothing, and keeps no other any more: its server is gone, or something else.
    pub(crate) fn retire(&self) {
        self.clear();
        self.retired.set(true);
    }

    /// Tells how many connections carry nothing.
    fn tell(&self) {
        let shared = self.shared.borrow();
        let shared = shared.iter().filter(|conn| conn.idle_since().is_some()).count();
        self.usage.set_idle(self.idle.borrow().len() + shared);
    }
}
