//! Whether another process is started when one that serves has ended unasked, and how soon.
//!
//! The first one comes at once. Those that end shortly after they began are followed by pauses, each twice as long as the
//! one before; what ends again and again is not mended by being started, and whoever watches the master should hear of it.

use std::time::Duration;

/// Whoever lived that long was well.
const WELL: Duration = Duration::from_secs(10);

/// So many in a row that weren't are started anew.
const IN_A_ROW_MAX: u32 = 6;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The processes that ended unasked.
#[derive(Debug)]
pub(super) struct Restarts {
    /// It is never given up.
    for_ever: bool,
    /// How many in a row didn't live long.
    in_a_row: u32,
}

impl Restarts {
    pub(super) fn new(for_ever: bool) -> Self {
        Restarts {
            for_ever,
            in_a_row: 0,
        }
    }

    /// How long to wait after one that lived so long; `None` to give up. What couldn't be started lived for no time.
    pub(super) fn pause(&mut self, lived: Duration) -> Option<Duration> {
        if lived >= WELL {
            self.in_a_row = 0;
        }
        let before = self.in_a_row;
        self.in_a_row = before.saturating_add(1);
        if before >= IN_A_ROW_MAX && !self.for_ever {
            return None;
        }
        let doubled = |times: u32| PAUSE_MIN.saturating_mul(1 << times.min(16)).min(PAUSE_MAX);
        Some(before.checked_sub(1).map_or(Duration::ZERO, doubled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(restarts: &mut Restarts, lives: &[u64]) -> Vec<Option<u64>> {
        let pause = |lived: &u64| restarts.pause(Duration::from_millis(*lived));
        let pauses = lives.iter().map(pause);
        pauses
            .map(|pause| pause.map(|pause| u64::try_from(pause.as_millis()).unwrap()))
            .collect()
    }

    #[test]
    fn pauses_grow_until_it_is_given_up() {
        let mut restarts = Restarts::new(false);
        assert_eq!(
            pauses(&mut restarts, &[5, 0, 9_999, 5, 5, 5, 5]),
            [
                Some(0),
                Some(100),
                Some(200),
                Some(400),
                Some(800),
                Some(1600),
                None
            ]
        );
    }

    #[test]
    fn whoever_was_well_for_a_while_is_followed_at_once() {
        let mut restarts = Restarts::new(false);
        assert_eq!(
            pauses(&mut restarts, &[5, 5, 5, 10_000, 5]),
            [Some(0), Some(100), Some(200), Some(0), Some(100)]
        );
    }

    #[test]
    fn it_may_go_on_for_ever() {
        let mut restarts = Restarts::new(true);
        let many = pauses(&mut restarts, &[0; 50]);
        assert_eq!(many.last(), Some(&Some(5000)));
    }
}
