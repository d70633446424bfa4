//! The way to the servers.

pub(crate) mod assign;
pub(crate) mod balance;
mod change;
pub(crate) mod connect;
pub(crate) mod kept;
pub(crate) mod link;
pub(crate) mod manner;
pub(crate) mod news;
pub(crate) mod open;
pub(crate) mod own;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod shared;
pub(crate) mod state;

use std::cell::{Cell, Ref, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::Named;

use self::open::Descriptors;
use self::pool::Claim;
use self::shared::BackendState;
use self::state::ServerState;
use crate::check::Traffic;
use crate::figures::Usage;
use crate::spec::{ServerAddress, ServerSpec};

/// One worker's view of a server.
pub(crate) struct Server {
    pub(crate) spec: ServerSpec,
    pub(crate) named: Rc<Named>,
    /// Its place in its backend.
    pub(crate) place: usize,
    pub(crate) state: Arc<ServerState>,
    backend: Arc<BackendState>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) pool: pool::Pool,
    /// Which of the ports to connect from comes next.
    pub(crate) next_port: Cell<u16>,
    address: RefCell<ServerAddress>,
    address_version: Cell<u32>,
}

impl Server {
    pub(crate) fn new(
        spec: &ServerSpec,
        place: usize,
        state: &Arc<ServerState>,
        backend: &Arc<BackendState>,
        usage: Arc<Usage>,
        descriptors: Arc<Descriptors>,
    ) -> Rc<Self> {
        Rc::new(Server {
            named: Rc::new(Named {
                name: spec.name.as_str().into(),
                id: spec.id,
            }),
            place,
            state: state.clone(),
            backend: backend.clone(),
            pool: pool::Pool::new(spec, state, usage.clone(), descriptors),
            usage,
            next_port: Cell::new(0),
            address_version: Cell::new(state.address_version()),
            address: RefCell::new(state.address()),
            spec: spec.clone(),
        })
    }

    /// Takes in what a session saw of it, if anybody wants to know.
    pub(crate) fn saw(&self, traffic: Traffic) {
        if let Some(observing) = self.spec.check.as_ref().and_then(|check| check.observe.as_ref()) {
            self.state.checks().observe(observing, traffic);
        }
    }

    /// An idle connection to where it is now that meets the claim.
    pub(crate) fn idle_connection(&self, claim: &Claim<'_>) -> Option<link::Link> {
        // Whoever asks for the address drops what leads elsewhere.
        drop(self.address());
        self.pool.take(claim)
    }

    /// Where it is for a client that connected to this address.
    pub(crate) fn address_for(&self, destination: Option<SocketAddr>) -> ServerAddress {
        match self.socket_for(destination) {
            Some(address) => ServerAddress::Tcp(address),
            None => self.address().clone(),
        }
    }

    /// The same, if it is an address of IP.
    pub(crate) fn socket_for(&self, destination: Option<SocketAddr>) -> Option<SocketAddr> {
        let ServerAddress::Tcp(mut address) = *self.address() else {
            return None;
        };
        if let Some(destination) = destination {
            if address.ip().is_unspecified() {
                address.set_ip(destination.ip());
            }
            if let Some(offset) = self.spec.port_offset {
                // As 16 bits have it.
                address.set_port((i32::from(destination.port()) + offset) as u16);
            }
        }
        Some(address)
    }

    /// Where it is. Release it before any wait.
    pub(crate) fn address(&self) -> Ref<'_, ServerAddress> {
        let version = self.state.address_version();
        if self.address_version.replace(version) != version {
            *self.address.borrow_mut() = self.state.address();
            // What is idle leads to where it was.
            self.pool.clear();
        }
        self.address.borrow()
    }
}

/// Room for one request or stream at a server. Given back when it is dropped.
pub(crate) struct Slot(Rc<Server>);

impl Slot {
    /// Takes room, if there is any and nobody waits for it.
    pub(crate) fn take(server: &Rc<Server>) -> Option<Slot> {
        let free = !server.backend.is_ahead(&server.state) && server.backend.enter(server.place);
        free.then(|| Slot(server.clone()))
    }

    /// What was taken already by whoever gave it.
    pub(crate) fn granted(server: &Rc<Server>) -> Slot {
        Slot(server.clone())
    }

    pub(crate) fn server(&self) -> &Rc<Server> {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.backend.leave(self.0.place);
    }
}
