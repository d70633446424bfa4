//! `sample RANGES:SIZE`: a share of the messages.

use std::sync::atomic::{AtomicU64, Ordering};

/// Which of so many messages are sent. All users of one `log` line count together.
#[derive(Debug)]
pub struct Sampling {
    ranges: Vec<(u64, u64)>,
    size: u64,
    seen: AtomicU64,
}

impl Sampling {
    /// Of each `size` messages those that are in one of the ranges, both ends included, numbered from 1.
    pub fn new(ranges: Vec<(u64, u64)>, size: u64) -> Self {
        Sampling {
            ranges,
            size: size.max(1),
            seen: AtomicU64::new(0),
        }
    }

    /// Counts a message, and says whether it is one to send.
    pub(crate) fn takes(&self) -> bool {
        let number = self.seen.fetch_add(1, Ordering::Relaxed) % self.size + 1;
        self.ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_sample_the_ranges_are_taken() {
        let sampling = Sampling::new(vec![(1, 2), (5, 5)], 5);
        let taken: Vec<bool> = (0..10).map(|_| sampling.takes()).collect();
        let once = [true, true, false, false, true];
        assert_eq!(taken, [once, once].concat());
    }
}
