//! What all threads share of a server's checks.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
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
    /// The agent says that the server is down, or somebody said so in its place.
    agent_down: AtomicBool,
    /// What somebody wants of the task that checks, by its number; 0 for nothing.
    wanted: AtomicU8,
    wake: Notify,
    over: AtomicBool,
    /// A check is on its way, and a question to the agent.
    under_way: [AtomicBool; 2],
    ended: Notify,
    errors: AtomicU32,
    /// What the last of them was, by its place among [`ERRORS`].
    last_error: AtomicU8,
    /// How often there were too many.
    analyses_failed: AtomicU64,
    agent: Mutex<Option<LastAnswer>>,
}

/// What came of asking the agent last.
#[derive(Clone, Debug)]
pub struct LastAnswer {
    /// How it ended.
    pub finding: Finding,
    /// How long it took.
    pub took: Duration,
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
    /// Whether it is up, as far as its checks go.
    pub up: bool,
    /// Failed checks while the server was up, so far.
    pub failures: u64,
}

impl LastCheck {
    /// How far it is as HAProxy counts: up to `rise` where the server comes up, and on to `rise + fall - 1`.
    #[must_use]
    pub fn level(&self, rise: u32) -> u32 {
        let done = self.progress.0;
        match self.up {
            true => rise + done.saturating_sub(1),
            false => done.min(rise.saturating_sub(1)),
        }
    }
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
    /// The server returned to service: what was found before doesn't count any more.
    Anew,
}

impl Wanted {
    /// Its number, for [`of_number`](Self::of_number).
    fn number(self) -> u8 {
        match self {
            Wanted::Errors(then) => then as u8,
            Wanted::Up => 5,
            Wanted::Down => 6,
            Wanted::Stopping => 7,
            Wanted::Anew => 8,
        }
    }

    /// What this is the number of; none of 0.
    fn of_number(number: u8) -> Option<Wanted> {
        Some(match number {
            1 => Wanted::Errors(OnErrors::FastInter),
            2 => Wanted::Errors(OnErrors::FailCheck),
            3 => Wanted::Errors(OnErrors::SuddenDeath),
            4 => Wanted::Errors(OnErrors::MarkDown),
            5 => Wanted::Up,
            6 => Wanted::Down,
            7 => Wanted::Stopping,
            8 => Wanted::Anew,
            _ => return None,
        })
    }
}

/// Held while a check is on its way.
pub(super) struct UnderWay<'c>(&'c AtomicBool);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
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
    /// The server closed the connection before a response came.
    Closed,
    /// No response came in time.
    Silent,
    /// What came was no response.
    Junk,
}

/// Errors in the traffic, in HAProxy's words.
const ERRORS: [&str; 5] = [
    "L4 unsuccessful connection",
    "Wrong http response",
    "Close from server (http)",
    "Read timeout (http)",
    "Invalid http response (headers)",
];

impl Traffic {
    /// The place of what it is among [`ERRORS`], if it is an error.
    fn number(self) -> u8 {
        match self {
            Traffic::Connected | Traffic::NotConnected => 0,
            Traffic::Status(_) => 1,
            Traffic::Closed => 2,
            Traffic::Silent => 3,
            Traffic::Junk => 4,
        }
    }

    /// Whether it is an error where `layer` is watched; none if it says nothing there.
    fn is_error(self, layer: Layer) -> Option<bool> {
        match (layer, self) {
            (_, Traffic::NotConnected) => Some(true),
            (Layer::Four, Traffic::Connected) => Some(false),
            (Layer::Seven, Traffic::Status(status)) => Some(!matches!(status, 100..=499 | 501 | 505)),
            (Layer::Seven, Traffic::Closed | Traffic::Silent | Traffic::Junk) => Some(true),
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

    /// The server is as somebody says, whatever its checks found: the last of them counts as that far.
    pub(crate) fn moved(&self, up: bool, progress: (u32, u32)) {
        if let Some(last) = &mut *self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            (last.up, last.progress) = (up, progress);
        }
    }

    /// Whether the agent says that the server is down.
    #[must_use]
    pub fn is_agent_down(&self) -> bool {
        self.agent_down.load(Ordering::Relaxed)
    }

    /// Notes what the agent says of the server, or somebody in its place.
    pub(crate) fn agent_says(&self, down: bool) {
        self.agent_down.store(down, Ordering::Relaxed);
    }

    /// What came of asking the agent last; none before it was.
    #[must_use]
    pub fn last_answer(&self) -> Option<LastAnswer> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note_answer(&self, answer: LastAnswer) {
        *self.agent.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    /// Whether a check is on its way.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        let [check, _] = &self.under_way;
        check.load(Ordering::Relaxed)
    }

    /// Whether the agent is being asked.
    #[must_use]
    pub fn is_agent_asked(&self) -> bool {
        let [_, agent] = &self.under_way;
        agent.load(Ordering::Relaxed)
    }

    /// A check, or a question to the agent, is on its way as long as what this gives is held.
    pub(super) fn begin(&self, asks_agent: bool) -> UnderWay<'_> {
        let [check, agent] = &self.under_way;
        let flag = if asks_agent { agent } else { check };
        flag.store(true, Ordering::Relaxed);
        UnderWay(flag)
    }

    /// What there were too many of.
    pub(super) fn last_error(&self) -> &'static str {
        let number = self.last_error.load(Ordering::Relaxed);
        ERRORS.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// How often `observe` saw too many errors in the traffic.
    #[must_use]
    pub fn analyses_failed(&self) -> u64 {
        self.analyses_failed.load(Ordering::Relaxed)
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
        self.wanted.store(wanted.number(), Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Waits until something is asked.
    pub(super) async fn asked(&self) -> Wanted {
        loop {
            self.wake.notified().await;
            if let Some(wanted) = Wanted::of_number(self.wanted.swap(0, Ordering::Relaxed)) {
                return wanted;
            }
        }
    }

    /// What an operator said of the server, if that is what was asked last.
    pub(super) fn said(&self) -> Option<Wanted> {
        let number = self.wanted.load(Ordering::Relaxed);
        let wanted = Wanted::of_number(number)?;
        let said = matches!(wanted, Wanted::Up | Wanted::Down | Wanted::Stopping);
        let relaxed = Ordering::Relaxed;
        (said && self.wanted.compare_exchange(number, 0, relaxed, relaxed).is_ok()).then_some(wanted)
    }

    /// Takes in what a session saw.
    pub(crate) fn observe(&self, observing: &Observing, traffic: Traffic) {
        match traffic.is_error(observing.layer) {
            None => {}
            // Read first: a line of memory that nobody writes to costs no other core anything.
            Some(false) if self.errors.load(Ordering::Relaxed) == 0 => {}
            Some(false) => self.errors.store(0, Ordering::Relaxed),
            Some(true) => {
                self.last_error.store(traffic.number(), Ordering::Relaxed);
                let errors = self.errors.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if errors >= observing.errors_max {
                    self.errors.store(0, Ordering::Relaxed);
                    self.analyses_failed.fetch_add(1, Ordering::Relaxed);
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
        use Traffic::{Silent, Status};
        assert!(!wanted(Layer::Four, &[Status(500), Silent, Silent]));
        assert!(wanted(Layer::Seven, &[Silent, Status(503)]));
        for status in [100, 200, 404, 499, 501, 505] {
            assert!(
                !wanted(Layer::Seven, &[Status(status), Status(status)]),
                "{status}"
            );
        }
    }

    #[test]
    fn what_an_operator_said_is_taken_once_and_nothing_else_with_it() {
        let state = CheckState::default();
        assert_eq!(state.said(), None);
        state.want(Wanted::Down);
        assert_eq!((state.said(), state.said()), (Some(Wanted::Down), None));
        state.want(Wanted::Anew);
        assert_eq!(state.said(), None, "that is for whoever waits for it");
        assert_eq!(state.wanted.load(Ordering::Relaxed), 8);
    }
}
