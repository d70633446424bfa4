//! What all threads share of a server's checks.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::run::Finding;
use super::spec::{Layer, Observing, OnErrors};

/// What all threads share of a server's checks.
#[derive(Debug, Default)]
pub struct CheckState {
    last: Mutex<Option<LastCheck>>,
    disabled: AtomicBool,
    agent_disabled: AtomicBool,
    /// What somebody wants of the task that checks, by its number; 0 for nothing.
    wanted: AtomicU8,
    wake: Notify,
    over: AtomicBool,
    ended: Notify,
    errors: AtomicU32,
}

/// The last check.
#[derive(Clone, Debug)]
pub struct LastCheck {
    /// What it found.
    pub finding: Finding,
    /// When it ended.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// How far the server is towards its next change, and how far it has to go.
    pub progress: (u32, u32),
    /// Failed checks while the server was up, so far.
    pub failures: u64,
    /// How often the server went down.
    pub downs: u64,
}

/// What is asked of the task that checks a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Errors were seen in the traffic.
    Errors(OnErrors),
    /// An operator says that the server is up.
    Up,
    /// An operator says that the server is down.
    Down,
    /// An operator says that the server stops softly.
    Stopping,
}

/// What a session saw of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// A connection was made.
    Connected,
    /// None could be.
    NotConnected,
    /// A response of this status came.
    Status(u16),
    /// What came was no response, or none came in time.
    NoResponse,
}

impl Traffic {
    /// Whether it is an error where `layer` is watched; none if it says nothing there.
    fn is_error(self, layer: Layer) -> Option<bool> {
        match (layer, self) {
            (_, Traffic::NotConnected) => Some(true),
            (Layer::Four, Traffic::Connected) => Some(false),
            (Layer::Seven, Traffic::Status(status)) => Some(!matches!(status, 100..=499 | 501 | 505)),
            (Layer::Seven, Traffic::NoResponse) => Some(true),
            (Layer::Four, _) | (Layer::Seven, Traffic::Connected) => None,
        }
    }
}

impl CheckState {
    /// Those of a server that is checked from the beginning, or only once somebody asks for it.
    pub(crate) fn new(enabled: bool) -> CheckState {
        CheckState {
            disabled: AtomicBool::new(!enabled),
            agent_disabled: AtomicBool::new(!enabled),
            ..CheckState::default()
        }
    }

    /// The last check; none before the first.
    #[must_use]
    pub fn last(&self) -> Option<LastCheck> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, check: LastCheck) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(check);
    }

    /// Whether checks are made.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.disabled.load(Ordering::Relaxed)
    }

    /// Lets checks be made, or not.
    pub fn enable(&self, enabled: bool) {
        self.disabled.store(!enabled, Ordering::Relaxed);
    }

    /// Whether the agent is asked.
    #[must_use]
    pub fn is_agent_enabled(&self) -> bool {
        !self.agent_disabled.load(Ordering::Relaxed)
    }

    /// Lets the agent be asked, or not.
    pub fn enable_agent(&self, enabled: bool) {
        self.agent_disabled.store(!enabled, Ordering::Relaxed);
    }

    /// The server is gone: nobody checks it any more.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.ended.notify_waiters();
    }

    /// Waits until the server is gone.
    pub(super) async fn are_over(&self) {
        let mut ended = std::pin::pin!(self.ended.notified());
        ended.as_mut().enable();
        if !self.over.load(Ordering::SeqCst) {
            ended.await;
        }
    }

    /// Asks something of the task that checks the server. What was asked last counts.
    pub fn want(&self, wanted: Wanted) {
        let number = match wanted {
            Wanted::Errors(then) => then as u8,
            Wanted::Up => 5,
            Wanted::Down => 6,
            Wanted::Stopping => 7,
        };
        self.wanted.store(number, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Waits until something is asked.
    pub(super) async fn asked(&self) -> Wanted {
        loop {
            self.wake.notified().await;
            match self.wanted.swap(0, Ordering::Relaxed) {
                1 => return Wanted::Errors(OnErrors::FastInter),
                2 => return Wanted::Errors(OnErrors::FailCheck),
                3 => return Wanted::Errors(OnErrors::SuddenDeath),
                4 => return Wanted::Errors(OnErrors::MarkDown),
                5 => return Wanted::Up,
                6 => return Wanted::Down,
                7 => return Wanted::Stopping,
                _ => {}
            }
        }
    }

    /// Takes in what a session saw.
    pub(crate) fn observe(&self, observing: &Observing, traffic: Traffic) {
        match traffic.is_error(observing.layer) {
            None => {}
            // Read first: a line of memory that nobody writes to costs no other core anything.
            Some(false) if self.errors.load(Ordering::Relaxed) == 0 => {}
            Some(false) => self.errors.store(0, Ordering::Relaxed),
            Some(true) => {
                let errors = self.errors.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if errors >= observing.errors_max {
                    self.errors.store(0, Ordering::Relaxed);
                    self.want(Wanted::Errors(observing.then));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observing(layer: Layer) -> Observing {
        Observing {
            layer,
            errors_max: 2,
            then: OnErrors::MarkDown,
        }
    }

    fn wanted(layer: Layer, traffic: &[Traffic]) -> bool {
        let state = CheckState::default();
        traffic
            .iter()
            .for_each(|seen| state.observe(&observing(layer), *seen));
        state.wanted.load(Ordering::Relaxed) == OnErrors::MarkDown as u8
    }

    #[test]
    fn only_errors_in_a_row_count() {
        use Traffic::{Connected, NotConnected, Status};
        assert!(wanted(Layer::Four, &[NotConnected, NotConnected]));
        assert!(!wanted(Layer::Four, &[NotConnected, Connected, NotConnected]));
        assert!(wanted(Layer::Seven, &[Status(500), Connected, NotConnected]));
        assert!(!wanted(Layer::Seven, &[Status(500), Status(200), Status(500)]));
    }

    #[test]
    fn each_layer_has_its_own_errors() {
        use Traffic::{NoResponse, Status};
        assert!(!wanted(Layer::Four, &[Status(500), NoResponse, NoResponse]));
        assert!(wanted(Layer::Seven, &[NoResponse, Status(503)]));
        for status in [100, 200, 404, 499, 501, 505] {
            assert!(
                !wanted(Layer::Seven, &[Status(status), Status(status)]),
                "{status}"
            );
        }
    }
}
