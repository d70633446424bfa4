//! What tables make of a server's status.

use std::ops::RangeInclusive;

use super::count::Count;

/// The statuses that a set may hold.
pub const STATUSES: RangeInclusive<u16> = 100..=599;

/// Statuses of responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet([bool; 500]);

impl StatusSet {
    /// One with these statuses.
    #[must_use]
    pub fn of(ranges: &[RangeInclusive<u16>]) -> StatusSet {
        let mut set = StatusSet([false; 500]);
        ranges.iter().for_each(|range| set.change(range.clone(), true));
        set
    }

    /// Adds these statuses, or takes them away. Those that no set may hold are passed over.
    pub fn change(&mut self, range: RangeInclusive<u16>, held: bool) {
        for status in range {
            let place = status.checked_sub(*STATUSES.start());
            if let Some(place) = place.and_then(|at| self.0.get_mut(usize::from(at))) {
                *place = held;
            }
        }
    }

    /// Whether it holds a status.
    #[must_use]
    pub fn has(&self, status: u16) -> bool {
        let at = status.checked_sub(*STATUSES.start()).map(usize::from);
        at.and_then(|at| self.0.get(at)).is_some_and(|held| *held)
    }
}

/// Which statuses count as what (`http-err-codes`, `http-fail-codes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// The client's errors: `http_err_cnt` and `http_err_rate`.
    pub errors: StatusSet,
    /// The server's failures: `http_fail_cnt` and `http_fail_rate`.
    pub failures: StatusSet,
}

impl Default for Verdicts {
    /// A client that asks for what there isn't is at fault (4xx), a server that fails (5xx) is; 501 and 505 come of what
    /// clients ask for.
    fn default() -> Self {
        Verdicts {
            errors: StatusSet::of(&[400..=499]),
            failures: StatusSet::of(&[500..=500, 502..=504, 506..=599]),
        }
    }
}

impl Verdicts {
    /// What a response of this status is counted as, which may be both.
    pub fn of(&self, status: u16) -> impl Iterator<Item = Count> + use<> {
        let error = self.errors.has(status).then_some(Count::Error);
        let failure = self.failures.has(status).then_some(Count::Failure);
        error.into_iter().chain(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_added_and_taken_away() {
        let mut set = StatusSet::of(&[400..=499]);
        set.change(450..=459, false);
        set.change(501..=501, true);
        let held: Vec<bool> = [399, 400, 449, 450, 459, 460, 499, 500, 501, 99, 600]
            .map(|status| set.has(status))
            .to_vec();
        let (t, f) = (true, false);
        assert_eq!(held, [f, t, t, f, f, t, t, f, t, f, f]);
    }

    #[test]
    fn a_status_counts_as_an_error_or_a_failure() {
        let all: Vec<bool> = [200, 404, 500, 501, 505, 503]
            .map(|status| Verdicts::default().of(status).next().is_some())
            .to_vec();
        assert_eq!(all, [false, true, true, false, false, true]);
    }
}
