//! Whether a peer with nothing in progress is still there (`idle-ping`).

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::core::Core;
use crate::timeouts::Timer;

/// Asks a peer now and then, as long as nothing is in progress.
pub(crate) struct Pulse {
    every: Duration,
    /// Armed while nothing is in progress.
    timer: Timer,
    is_resting: bool,
    /// When the peer was asked in this rest, until the answer is seen.
    asked: bool,
    heard_at: Option<Instant>,
}

impl Pulse {
    pub(crate) fn new(every: Duration, timer: Timer) -> Pulse {
        Pulse {
            every,
            timer,
            is_resting: false,
            asked: false,
            heard_at: None,
        }
    }

    /// When the peer answered last.
    pub(crate) fn heard_at(&self) -> Option<Instant> {
        self.heard_at
    }

    /// Asks when it is time; what is asked is to be written then. Ready if the peer hasn't answered by the time it was to be asked
    /// again.
    pub(crate) fn poll(&mut self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        let mut connection = core.connection().borrow_mut();
        if connection.active() > 0 || !connection.is_greeted() || connection.outcome().is_some() {
            self.timer.disarm();
            (self.is_resting, self.asked) = (false, false);
            return Poll::Pending;
        }
        if !self.is_resting {
            self.is_resting = true;
            self.timer.arm(Some(self.every));
        }
        if self.asked && !connection.is_asking() {
            self.asked = false;
            self.heard_at = Some(Instant::now());
        }
        while self.timer.poll_elapsed(cx).is_ready() {
            if self.asked {
                return Poll::Ready(());
            }
            connection.ask();
            self.asked = true;
            self.timer.arm(Some(self.every));
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
