//! The way to the servers.

pub(crate) mod balance;
pub(crate) mod connect;
pub(crate) mod link;
pub(crate) mod pool;
pub(crate) mod shared;
pub(crate) mod state;

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::Named;

use self::state::ServerState;
use crate::check::Traffic;
use crate::figures::Usage;
use crate::spec::{ServerAddress, ServerSpec};

/// One worker's view of a server.
pub(crate) struct Server {
    pub(crate) spec: ServerSpec,
    pub(crate) named: Rc<Named>,
    pub(crate) state: Arc<ServerState>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) pool: pool::Pool,
    /// What the server is ahead (or behind) of its fair share of turns, by weight.
    pub(crate) credit: Cell<i64>,
    address: RefCell<ServerAddress>,
    address_version: Cell<u32>,
}

impl Server {
    pub(crate) fn new(spec: &ServerSpec, state: &Arc<ServerState>, usage: Arc<Usage>) -> Rc<Self> {
        Rc::new(Server {
            named: Rc::new(Named {
                name: spec.name.as_str().into(),
                id: spec.id,
            }),
            state: state.clone(),
            pool: pool::Pool::new(spec.pool_max, spec.pool_purge_delay, usage.clone()),
            usage,
            credit: Cell::new(0),
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

    /// An idle connection to where it is now.
    pub(crate) fn idle_connection(&self) -> Option<link::Link> {
        // Whoever asks for the address drops what leads elsewhere.
        drop(self.address());
        self.pool.take()
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
