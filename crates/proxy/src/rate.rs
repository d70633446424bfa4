//! How often something happens per second, over the last second or so.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of a count; more than they hold in a second is as much as they hold.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
/// Bits of the second's number, which wraps after half a year.
const SECOND_MAX: u64 = (1 << 24) - 1;

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
        let (now, before) = counts(self.word.load(Ordering::Relaxed), second);
        let word = (u64::from(second) & SECOND_MAX) << (2 * COUNT_BITS)
            | before << COUNT_BITS
            | (now + 1).min(COUNT_MAX);
        self.word.store(word, Ordering::Relaxed);
        if now >= self.most.load(Ordering::Relaxed) {
            self.most.store((now + 1).min(COUNT_MAX), Ordering::Relaxed);
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
        let (now, before) = counts(self.word.load(Ordering::Relaxed), second);
        now + before
    }

    /// How many there were in the second that ends now: those of the current one, and of the one before it the part
    /// that is not too long ago.
    pub(crate) fn per_second(&self, second: u32, millisecond: u32) -> u64 {
        let (now, before) = counts(self.word.load(Ordering::Relaxed), second);
        now + before * u64::from(1000 - millisecond.min(1000)) / 1000
    }
}

/// The counts of a second and of the one before it.
fn counts(word: u64, second: u32) -> (u64, u64) {
    let (last, before, now) = (
        word >> (2 * COUNT_BITS),
        word >> COUNT_BITS & COUNT_MAX,
        word & COUNT_MAX,
    );
    match (u64::from(second).wrapping_sub(last)) & SECOND_MAX {
        0 => (now, before),
        1 => (0, now),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
