//! Backends of `mode log`: each line goes to one of their servers.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use super::{Ring, datagram};
use crate::spec::ServerAddress;
use crate::upstream::shared::BackendState;

/// How a server gets lines.
#[derive(Debug)]
pub enum LogServer {
    /// As datagrams.
    Datagrams,
    /// Over a stream, by way of this ring, whose only server it is.
    Stream(Arc<Ring>),
}

/// A backend of `mode log`. Who of its servers can be used is that of any backend.
pub struct LogBackend {
    name: String,
    /// In the order of the backend's servers.
    servers: Vec<LogServer>,
    /// Set once the backend is; it holds this one.
    state: OnceLock<Weak<BackendState>>,
    lots: AtomicU64,
}

impl fmt::Debug for LogBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogBackend({})", self.name)
    }
}

impl LogBackend {
    /// A backend of a name with these servers, which sends nothing before it belongs to a state.
    pub fn new(name: impl Into<String>, servers: Vec<LogServer>) -> Arc<LogBackend> {
        Arc::new(LogBackend {
            name: name.into(),
            servers,
            state: OnceLock::new(),
            lots: AtomicU64::new(RandomState::new().hash_one(0)),
        })
    }

    /// From now on that is the state of its servers.
    pub(crate) fn belongs_to(&self, state: &Arc<BackendState>) {
        for server in state.servers().iter() {
            if let Some(LogServer::Stream(ring)) = self.servers.get(server.place()) {
                ring.leads_to(server);
            }
        }
        let _ = self.state.set(Arc::downgrade(state));
    }

    /// Sends a line to one of the servers. False if none can be used, or there is no room for it.
    pub(super) fn send(&self, line: &[u8], message: &[u8]) -> bool {
        let Some(state) = self.state.get().and_then(Weak::upgrade) else {
            return false;
        };
        let lot = avalanche(self.lots.fetch_add(1, Ordering::Relaxed));
        let Some(place) = state.place_for_line(message, lot) else {
            return false;
        };
        match self.servers.get(place) {
            Some(LogServer::Stream(ring)) => ring.push(line),
            Some(LogServer::Datagrams) => {
                let servers = state.servers();
                match servers.at(place).map(|server| server.address()) {
                    Some(ServerAddress::Tcp(address)) => datagram::udp(address, line).is_ok(),
                    Some(ServerAddress::Unix(path)) => datagram::unix(&path, line).is_ok(),
                    Some(ServerAddress::Abstract(name)) => datagram::abstract_unix(&name, line).is_ok(),
                    None => false,
                }
            }
            None => false,
        }
    }
}

/// The bits of a number, mixed well.
fn avalanche(number: u64) -> u32 {
    tidegate_sample::hash::avalanche((number ^ number >> 32) as u32)
}
