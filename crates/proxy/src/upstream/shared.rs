//! What all workers share of a backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::state::{Changes, ServerState};
use crate::spec::BackendSpec;

/// What all workers share of a backend and its servers.
pub struct BackendState {
    name: Box<str>,
    id: u32,
    servers: Vec<Arc<ServerState>>,
    version: Arc<AtomicU64>,
}

impl BackendState {
    /// Those of all backends, with the servers tracking each other as the spec says.
    pub(crate) fn all(backends: &[Arc<BackendSpec>], started: Instant) -> Vec<Arc<BackendState>> {
        let changes = Changes::new(started);
        let states: Vec<Arc<BackendState>> = backends
            .iter()
            .map(|spec| Arc::new(BackendState::new(spec, &changes)))
            .collect();
        for (backend, state) in states.iter().enumerate() {
            for (server, state) in state.servers.iter().enumerate() {
                let trackers = trackers(backends, &states, (backend, server));
                if !trackers.is_empty() {
                    state.track_by(trackers);
                }
            }
        }
        states
    }

    fn new(spec: &BackendSpec, changes: &Changes) -> Self {
        let version = Arc::default();
        let servers = spec.servers.iter();
        BackendState {
            name: spec.name.as_str().into(),
            id: spec.id,
            servers: servers
                .map(|server| Arc::new(ServerState::new(server, false, changes, &version)))
                .collect(),
            version,
        }
    }

    /// The backend's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The backend's number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its servers, in their order.
    pub fn servers(&self) -> &[Arc<ServerState>] {
        &self.servers
    }

    /// The server of a name.
    pub fn server(&self, name: &str) -> Option<&Arc<ServerState>> {
        self.servers.iter().find(|server| server.name() == name)
    }

    /// Changes whenever anything does that matters for the choice of a server.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Takes further steps of what grows with time.
    pub(crate) fn grow(&self, now: Instant) {
        self.servers.iter().for_each(|server| server.grow(now));
    }
}

/// The servers that track this one.
fn trackers(
    backends: &[Arc<BackendSpec>],
    states: &[Arc<BackendState>],
    tracked: (usize, usize),
) -> Vec<std::sync::Weak<ServerState>> {
    let mut found = Vec::new();
    for (spec, state) in backends.iter().zip(states) {
        for (server, state) in spec.servers.iter().zip(&state.servers) {
            if server.track == Some(tracked) {
                found.push(Arc::downgrade(state));
            }
        }
    }
    found
}
