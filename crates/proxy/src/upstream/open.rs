//! Connections to servers for as long as they are open: how many there are, and what each has been used for.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::Server;
use super::state::ServerState;
use crate::room::{Place, Room};

/// The descriptors that connections of the process take.
#[derive(Default)]
pub(crate) struct Descriptors {
    clients: Arc<AtomicU32>,
    /// Room for connections over TLS.
    tls: Option<Arc<Room>>,
    servers: AtomicUsize,
    low: usize,
    high: usize,
}

impl Descriptors {
    /// With so many of clients, of `most` that there may be. `low` and `high` are parts of those, in percent.
    pub(crate) fn new((clients, tls): (Arc<AtomicU32>, Arc<Room>), most: usize, low: u32, high: u32) -> Self {
        let part = |percent: u32| most / 100 * percent as usize;
        Descriptors {
            clients,
            tls: Some(tls),
            servers: AtomicUsize::new(0),
            low: part(low),
            high: part(high),
        }
    }

    /// Takes room for one connection over TLS; none if there is no room (`maxsslconn`).
    fn room_for_tls(&self) -> Option<Place> {
        self.tls
            .as_ref()
            .map_or_else(|| Some(Place::default()), Room::try_enter)
    }

    fn used(&self) -> usize {
        self.servers.load(Ordering::Relaxed) + self.clients.load(Ordering::Relaxed) as usize
    }

    /// Whether there are too many to keep one more that is idle (`tune.pool-low-fd-ratio`).
    pub(crate) fn are_scarce(&self) -> bool {
        self.used() > self.low
    }

    /// Whether there are so many that an idle one is closed for each that is opened (`tune.pool-high-fd-ratio`).
    pub(crate) fn are_short(&self) -> bool {
        self.used() > self.high
    }
}

/// One connection that is open, or about to be.
struct Established {
    server: Arc<ServerState>,
    descriptors: Arc<Descriptors>,
}

impl Established {
    /// Counts one more; with `strict-maxconn` once there is room for it.
    async fn at(server: &Server, descriptors: &Arc<Descriptors>) -> Self {
        let state = &server.state;
        let limit = || Some(state.maxconn()).filter(|most| server.spec.strict_maxconn && *most > 0);
        while !state.kept.open_one(limit()) {
            // An idle one of this worker makes room at once, one of another when that looks through its own.
            if !server.pool.drop_one() {
                state.kept.wait_for_close(limit()).await;
            }
        }
        descriptors.servers.fetch_add(1, Ordering::Relaxed);
        Established {
            server: state.clone(),
            descriptors: descriptors.clone(),
        }
    }
}

impl Drop for Established {
    fn drop(&mut self) {
        self.server.kept.close_one();
        self.descriptors.servers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is known of a connection from its beginning to its end.
pub(crate) struct Life {
    /// Requests that went over it.
    uses: Cell<u32>,
    private: Cell<bool>,
    /// The session that it carries requests of, where one has it for itself.
    session: Cell<usize>,
    /// Room for a connection over TLS, if it is one.
    tls: Cell<Option<Place>>,
    /// Its place among the server's connections; checks have connections of their own.
    established: Option<Established>,
}

impl Life {
    pub(crate) async fn begin(server: &Server, descriptors: &Arc<Descriptors>) -> Rc<Self> {
        Rc::new(Life {
            uses: Cell::new(0),
            private: Cell::new(false),
            session: Cell::new(0),
            tls: Cell::new(None),
            established: Some(Established::at(server, descriptors).await),
        })
    }

    /// That of a connection that isn't counted: a check's.
    pub(crate) fn uncounted() -> Rc<Self> {
        Rc::new(Life {
            uses: Cell::new(0),
            private: Cell::new(true),
            session: Cell::new(0),
            tls: Cell::new(None),
            established: None,
        })
    }

    /// It is to be one over TLS; false if there is no room for one more.
    pub(crate) fn takes_tls(&self) -> bool {
        let place = match &self.established {
            Some(counted) => counted.descriptors.room_for_tls(),
            None => Some(Place::default()),
        };
        let there = place.is_some();
        self.tls.set(place);
        there
    }

    /// It carries one more request, of this session.
    pub(crate) fn carries(&self, session: usize) {
        self.uses.set(self.uses.get().saturating_add(1));
        self.session.set(session);
    }

    /// Requests that went over it.
    pub(crate) fn uses(&self) -> u32 {
        self.uses.get()
    }

    /// Whether the last request that it carried was one of this session.
    pub(crate) fn is_of(&self, session: usize) -> bool {
        self.session.get() == session
    }

    /// Whether it serves the session that made it, and no other.
    pub(crate) fn is_private(&self) -> bool {
        self.private.get()
    }

    /// From now on it does.
    pub(crate) fn make_private(&self) {
        self.private.set(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_scarce_before_they_are_short() {
        let clients = Arc::new(AtomicU32::new(0));
        let descriptors = Descriptors::new((clients.clone(), Room::endless()), 1000, 20, 25);
        let now = |clients_now: u32, servers: usize| {
            clients.store(clients_now, Ordering::Relaxed);
            descriptors.servers.store(servers, Ordering::Relaxed);
            (descriptors.are_scarce(), descriptors.are_short())
        };
        assert_eq!(now(100, 100), (false, false));
        assert_eq!(now(100, 101), (true, false));
        assert_eq!(now(151, 100), (true, true));
    }
}
