//! What runs, as it is watched and commanded from outside the workers.
//!
//! Nothing here waits for a worker or holds one up: figures are added up from what the workers count, and orders are
//! stores that the workers see when they look next.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tidegate_sample::figures::{BackendFigures, Figures, FrontendFigures, ServerFigures};
use tokio::sync::watch;

use crate::log::LogWriter;
use crate::spec::{BackendSpec, FrontendSpec, GlobalSpec};
use crate::upstream::shared::BackendState;
use crate::worker::{Shared, Stop};

/// A handle on what runs. Keeping it keeps nothing alive.
#[derive(Clone)]
pub struct Control {
    shared: Weak<Shared>,
    stop: watch::Receiver<Stop>,
}

impl Control {
    pub(crate) fn new(shared: &Arc<Shared>, stop: &watch::Sender<Stop>) -> Self {
        Control {
            shared: Arc::downgrade(shared),
            stop: stop.subscribe(),
        }
    }

    /// What runs now; none once everything has ended. It should not be held longer than a command takes.
    #[must_use]
    pub fn plane(&self) -> Option<Plane> {
        let stopping = *self.stop.borrow() != Stop::No;
        let shared = self.shared.upgrade()?;
        Some(Plane { shared, stopping })
    }

    /// Waits until a stop is asked for, of either kind.
    pub async fn stopping(&self) {
        let mut stop = self.stop.clone();
        // An error means that nobody is left to ask: that is an end as well.
        let _ = stop.wait_for(|stop| *stop != Stop::No).await;
    }
}

/// What runs, for as long as a command takes.
pub struct Plane {
    shared: Arc<Shared>,
    stopping: bool,
}

impl Plane {
    /// What holds for the whole process.
    #[must_use]
    pub fn global(&self) -> &GlobalSpec {
        &self.shared.global
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Client connections now.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Client connections so far.
    #[must_use]
    pub fn connections_total(&self) -> u64 {
        self.shared.board.connections_total()
    }

    /// Client connections of the last second.
    #[must_use]
    pub fn connections_per_second(&self) -> u64 {
        let frontends = self.frontends().filter_map(|f| self.frontend_figures(&f.name));
        frontends.map(|figures| figures.sessions_per_second).sum()
    }

    /// HTTP requests and TCP streams so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.total()
    }

    /// Log lines that were dropped because too many were waiting.
    #[must_use]
    pub fn dropped_log_lines(&self) -> u64 {
        self.shared.writer.as_ref().map_or(0, LogWriter::dropped)
    }

    /// The frontends in the order of the configuration.
    pub fn frontends(&self) -> impl Iterator<Item = &FrontendSpec> {
        self.shared.frontends.iter().map(|spec| &**spec)
    }

    /// The backends in the order of the configuration, with their live state.
    pub fn backends(&self) -> impl Iterator<Item = (&BackendSpec, &BackendState)> {
        let backends = self.shared.backends.iter().zip(&self.shared.states);
        backends.map(|(spec, state)| (&**spec, &**state))
    }

    /// What is counted of a frontend.
    #[must_use]
    pub fn frontend_figures(&self, name: &str) -> Option<FrontendFigures> {
        self.shared.board.frontend(name.as_bytes())
    }

    /// What is counted of a backend.
    #[must_use]
    pub fn backend_figures(&self, name: &str) -> Option<BackendFigures> {
        self.shared.board.backend(name.as_bytes())
    }

    /// What is counted of a server.
    #[must_use]
    pub fn server_figures(&self, backend: &str, server: &str) -> Option<ServerFigures> {
        self.shared.board.server(backend.as_bytes(), server.as_bytes())
    }
}
