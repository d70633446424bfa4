//! Limits on how often something may happen per second, which can be changed while it does.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::ticks;
use crate::window::{COUNT_MAX, counts, one_more, per_second};

/// How often something may happen per second, all workers together. Without a limit nothing is counted.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// 0 for no limit.
    limit: AtomicU32,
    /// The second, the count of the one before and that of this one.
    window: AtomicU64,
}

impl Pace {
    /// So often, or without a limit if that is 0.
    pub(crate) fn of(limit: u32) -> Pace {
        let pace = Pace::default();
        pace.set_limit(limit);
        pace
    }

    /// How often; 0 for no limit.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// From now on it may happen so often.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How long until it may happen again; none if it may now.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let limit = self.limit();
        if limit == 0 {
            return None;
        }
        wait_for(self.window.load(Ordering::Relaxed), limit, ticks())
    }

    /// It happens, unless that would be once too often: then how long until it may.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        let limit = self.limit();
        match limit {
            0 => Ok(()),
            limit => self.take_at(limit, ticks()),
        }
    }

    /// What was taken did not happen.
    pub(crate) fn give_back(&self) {
        if self.limit() > 0 {
            // In the next second it makes no difference any more.
            let _ = self
                .window
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                    (word & COUNT_MAX > 0).then(|| word - 1)
                });
        }
    }

    fn take_at(&self, limit: u32, now_ms: u64) -> Result<(), Duration> {
        let mut word = self.window.load(Ordering::Relaxed);
        loop {
            if let Some(wait) = wait_for(word, limit, now_ms) {
                return Err(wait);
            }
            let next = one_more(word, now_ms / 1000);
            match self
                .window
                .compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }
}

/// How long until one more fits in: a second's events fade over the next one.
fn wait_for(word: u64, limit: u32, now_ms: u64) -> Option<Duration> {
    let (second, millisecond) = (now_ms / 1000, now_ms % 1000);
    if per_second(word, second, millisecond) < u64::from(limit) {
        return None;
    }
    let (count, before) = counts(word, second);
    // One of those of the second before is forgotten each time; those of this one only once it is over.
    let step = match before {
        _ if count >= u64::from(limit) => 1000 - millisecond,
        0 => 1,
        before => 1000 / before,
    };
    Some(Duration::from_millis(step.clamp(1, 1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_happens_in_any_second() {
        let pace = Pace::of(10);
        let mut taken = Vec::new();
        let mut now = 5_000;
        while now < 9_000 {
            match pace.take_at(10, now) {
                Ok(()) => taken.push(now),
                Err(wait) => now += u64::try_from(wait.as_millis()).unwrap(),
            }
        }
        for (at, first) in taken.iter().enumerate() {
            let within = taken
                .iter()
                .skip(at)
                .take_while(|time| **time < first + 1000)
                .count();
            assert!(within <= 12, "{within} from {first} on: {taken:?}");
        }
        assert!((36..=44).contains(&taken.len()), "{}", taken.len());
    }

    #[test]
    fn without_a_limit_nothing_waits_and_what_did_not_happen_counts_for_nothing() {
        let pace = Pace::default();
        assert!((0..1000).all(|_| pace.take().is_ok()) && pace.wait().is_none());
        pace.set_limit(2);
        assert_eq!(pace.take_at(2, 5_000), Ok(()));
        assert_eq!(pace.take_at(2, 5_000), Ok(()));
        assert_eq!(pace.take_at(2, 5_400), Err(Duration::from_millis(600)));
        pace.give_back();
        assert_eq!(pace.take_at(2, 5_400), Ok(()));
        // Both fade one after the other.
        assert_eq!(pace.take_at(2, 6_000), Err(Duration::from_millis(500)));
        assert_eq!(pace.take_at(2, 6_501), Ok(()));
    }
}
