//! What the entries of stick tables count of a transaction that tracks them.

use tidegate_sample::stick::Count;

use super::Txn;
use crate::clock::Turn;

impl Txn {
    /// Whether anything is tracked.
    pub(crate) fn tracks(&self) -> bool {
        !(self.counters.is_empty() && self.client.counters.is_empty())
    }

    /// Counts something for all entries that the transaction or its connection tracks.
    pub(crate) fn count(&self, what: Count, amount: u64) {
        if amount > 0 && (self.counters.counts(what) || self.client.counters.counts(what)) {
            let now = Turn::ticks();
            self.counters.count(what, amount, now);
            self.client.counters.count(what, amount, now);
        }
    }

    /// Counts the bytes that went through since it was asked last.
    pub(crate) fn count_bytes(&self) {
        if self.tracks() {
            let (came, went) = self.usage.new_bytes();
            self.count(Count::BytesIn, came);
            self.count(Count::BytesOut, went);
        }
    }

    /// Counts the last bytes and ends the tracking, when all that was to be sent is on its way.
    pub(crate) fn untrack(&self) {
        self.count_bytes();
        if self.tracks() {
            let glitches = self.client.new_glitches();
            self.count(Count::Glitch, glitches.into());
        }
        if !self.counters.is_empty() {
            self.counters.release(Turn::ticks());
        }
    }
}
