//! Since when a server is what it is, and how often and for how long it was down.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Operational, ServerState};

impl ServerState {
    /// How long ago it last changed between up and down.
    pub fn since_change(&self, now: Instant) -> Duration {
        let (ms, changed_ms) = (self.changes.ms(now), self.changed_ms.load(Ordering::Relaxed));
        let here = Duration::from_millis(ms.saturating_sub(changed_ms));
        match self.spec.load().saved {
            // Nothing has changed since the process before this one.
            Some(saved) if changed_ms == 0 => here + saved.since,
            _ => here,
        }
    }

    /// For how long it was down or out of service.
    pub fn downtime(&self, now: Instant) -> Duration {
        let before = Duration::from_millis(self.down_ms.load(Ordering::Relaxed));
        match self.seen() {
            Operational::Stopped => before + self.since_change(now),
            _ => before,
        }
    }

    /// Notes that it goes down or comes up now.
    pub(super) fn change_at(&self, was: Operational, now: Instant) {
        let ms = self.changes.ms(now);
        let since = self.changed_ms.swap(ms, Ordering::Relaxed);
        if was == Operational::Stopped {
            self.down_ms
                .fetch_add(ms.saturating_sub(since), Ordering::Relaxed);
        }
    }

    /// It is down from the beginning, which doesn't count as going down.
    pub(crate) fn begin_stopped(&self, now: Instant) {
        self.set_operational(Operational::Stopped, now);
        self.downs.store(0, Ordering::Relaxed);
    }

    /// How often it went down, or out of service while it was up.
    pub fn downs(&self) -> u64 {
        self.downs.load(Ordering::Relaxed)
    }

    /// Counts that it went down, if it did.
    pub(super) fn count_down(&self, before: Operational) {
        let down = Operational::Stopped;
        if before != down && self.seen() == down {
            self.downs.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::AdminState;
    use super::super::tests::{at, state};
    use super::*;

    #[test]
    fn what_takes_it_out_of_service_counts_once() {
        let (t, s) = state(|_| {});
        s.begin_stopped(t);
        assert_eq!((s.downs(), s.is_up()), (0, false));
        s.set_operational(Operational::Running, at(t, 1));
        s.set_operational(Operational::Stopping, at(t, 2));
        assert_eq!(s.downs(), 0);
        s.set_operational(Operational::Stopped, at(t, 3));
        // It was down already.
        s.set_admin(AdminState::Maint, at(t, 4));
        assert_eq!(s.downs(), 1);
        s.set_operational(Operational::Running, at(t, 5));
        s.set_admin(AdminState::Ready, at(t, 6));
        s.set_admin(AdminState::Drain, at(t, 7));
        assert_eq!(s.downs(), 1);
        s.set_admin(AdminState::Maint, at(t, 8));
        assert_eq!(
            (s.downs(), s.admin().bits()),
            (2, 1),
            "it doesn't run dry any more"
        );
    }
}
