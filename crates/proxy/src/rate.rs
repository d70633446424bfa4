//! How often something happens per second, over the last second or so.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::window::{counts, one_more, per_second};

/// The count of the current second and of the one before, and which second that is, in one word: one worker writes it,
/// any may read it.
#[derive(Default)]
pub(crate) struct Rate {
    word: AtomicU64,
    most: AtomicU64,
}

impl Rate {
    /// Counts one more in this second.
    pub(crate) fn count(&self, second: u32) {
        let word = one_more(self.word.load(Ordering::Relaxed), second.into());
        self.word.store(word, Ordering::Relaxed);
        let (now, _) = counts(word, second.into());
        if now > self.most.load(Ordering::Relaxed) {
            self.most.store(now, Ordering::Relaxed);
        }
    }

    /// Most of a second so far.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// Forgets which second had most.
    pub(crate) fn forget_most(&self) {
        self.most.store(0, Ordering::Relaxed);
    }

    /// How many there were in this second and in the one before it.
    pub(crate) fn lately(&self, second: u32) -> u64 {
        let (now, before) = counts(self.word.load(Ordering::Relaxed), second.into());
        now + before
    }

    /// How many there were in the second that ends now: those of the current one, and of the one before it the part
    /// that is not too long ago.
    pub(crate) fn per_second(&self, second: u32, millisecond: u32) -> u64 {
        per_second(
            self.word.load(Ordering::Relaxed),
            second.into(),
            millisecond.into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::COUNT_MAX;

    #[test]
    fn what_happened_fades_within_a_second() {
        let rate = Rate::default();
        assert_eq!(rate.per_second(7, 0), 0);
        (0..10).for_each(|_| rate.count(7));
        assert_eq!((rate.per_second(7, 0), rate.per_second(7, 999)), (10, 10));
        assert_eq!(rate.most(), 10);
        assert_eq!((rate.per_second(8, 0), rate.per_second(8, 500)), (10, 5));
        assert_eq!((rate.lately(8), rate.lately(9)), (10, 0));
        assert_eq!(rate.per_second(9, 0), 0);
        rate.count(8);
        assert_eq!(rate.most(), 10);
        assert_eq!((rate.per_second(8, 500), rate.per_second(9, 250)), (6, 0));
        rate.count(8);
        assert_eq!(rate.per_second(9, 500), 1);
        assert_eq!(rate.per_second(1 << 24 | 8, 1000), 2);
    }

    #[test]
    fn a_count_has_a_bound() {
        let rate = Rate::default();
        (0..=COUNT_MAX + 3).for_each(|_| rate.count(1));
        assert_eq!(rate.per_second(1, 0), COUNT_MAX);
        assert_eq!(rate.per_second(2, 0), COUNT_MAX);
    }
}
