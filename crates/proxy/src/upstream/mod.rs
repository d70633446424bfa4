//! The way to the servers.

pub(crate) mod balance;
pub(crate) mod connect;
pub(crate) mod pool;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tidegate_sample::Named;

use crate::figures::Usage;
use crate::spec::ServerSpec;

/// What all workers know of a server.
#[derive(Default)]
pub(crate) struct ServerShared {
    /// Taken out of service.
    pub(crate) down: AtomicBool,
}

/// One worker's view of a server.
pub(crate) struct Server {
    pub(crate) spec: ServerSpec,
    pub(crate) named: Rc<Named>,
    pub(crate) shared: Arc<ServerShared>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) pool: pool::Pool,
    /// What the server is ahead (or behind) of its fair share of turns, by weight.
    pub(crate) credit: Cell<i64>,
}
