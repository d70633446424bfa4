//! How much may be compressed: bytes a second of the whole process, and how busy a thread may be.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock::ticks;
use crate::tally;

/// `maxcomprate` and `maxcompcpuusage`. Without a limit nothing is counted.
#[derive(Debug, Default)]
pub struct CompressionLimit {
    /// Bytes a second; 0 for no limit.
    bytes: AtomicU32,
    /// A thread that is busier, in percent, compresses nothing; 0 for no limit.
    busy_max: u32,
    /// The second that is counted, its bytes, and those of the one before.
    second: AtomicU64,
    now: AtomicU64,
    before: AtomicU64,
}

impl CompressionLimit {
    /// So many bytes a second, or without a limit if that is 0; and by no thread that is as busy, in percent.
    #[must_use]
    pub fn new(bytes: u32, busy_max: Option<u32>) -> CompressionLimit {
        CompressionLimit {
            bytes: AtomicU32::new(bytes),
            busy_max: busy_max.unwrap_or(0),
            ..CompressionLimit::default()
        }
    }

    /// Bytes a second; 0 for no limit.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// From now on it is so many.
    pub fn set_bytes(&self, bytes: u32) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether another body may be compressed.
    pub(super) fn has_room(&self) -> bool {
        let bytes = self.bytes();
        let slow_enough = bytes == 0 || self.rate(ticks()) < u64::from(bytes);
        slow_enough && (self.busy_max == 0 || tally::busy_percent() <= self.busy_max)
    }

    /// So many bytes are compressed.
    pub(super) fn took(&self, bytes: u64) {
        if self.bytes() > 0 {
            self.turn(ticks() / 1000);
            self.now.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes of the last second: of the one before this as much as isn't over yet.
    fn rate(&self, now_ms: u64) -> u64 {
        self.turn(now_ms / 1000);
        let left = 1000 - now_ms % 1000;
        let before = self.before.load(Ordering::Relaxed).saturating_mul(left) / 1000;
        before.saturating_add(self.now.load(Ordering::Relaxed))
    }

    fn turn(&self, second: u64) {
        let seen = self.second.load(Ordering::Relaxed);
        let is_next = second > seen
            && self
                .second
                .compare_exchange(seen, second, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_next {
            let last = self.now.swap(0, Ordering::Relaxed);
            let before = if second == seen + 1 { last } else { 0 };
            self.before.store(before, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_fades_into_the_next() {
        let limit = CompressionLimit::new(1000, None);
        assert_eq!(limit.rate(5_000), 0);
        limit.now.store(800, Ordering::Relaxed);
        assert_eq!(limit.rate(5_900), 800);
        assert_eq!(limit.rate(6_000), 800);
        assert_eq!(limit.rate(6_500), 400);
        assert_eq!(limit.rate(8_000), 0, "a second without any is between");
    }

    #[test]
    fn there_is_room_below_the_limit() {
        let limit = CompressionLimit::new(0, None);
        limit.took(10_000);
        assert!(limit.has_room());
        limit.set_bytes(1000);
        assert!(limit.has_room(), "nothing was counted before");
        limit.took(10_000);
        limit.took(10_000);
        assert!(!limit.has_room());
        assert_eq!(limit.bytes(), 1000);
    }
}
