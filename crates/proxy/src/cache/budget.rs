//! The room of a cache, in blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What room is counted in.
pub(super) const BLOCK_BYTES: u64 = 1024;

/// What takes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole responses.
    Full,
    /// What is left of a response when only its hints are kept.
    Hints,
}

/// The blocks that there are, and those that are taken.
#[derive(Debug)]
pub(super) struct Budget {
    total: u64,
    hints_max: u64,
    taken: AtomicU64,
    hints: AtomicU64,
}

/// Blocks that are taken until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Arc<Budget>,
    kind: Kind,
    blocks: u64,
}

impl Budget {
    pub(super) fn new(total: u64, hints_max: u64) -> Budget {
        Budget {
            total,
            hints_max,
            taken: AtomicU64::new(0),
            hints: AtomicU64::new(0),
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Whether so many blocks more are too many because of what hints may take, and not because nothing is free.
    pub(super) fn hints_are_full(&self, blocks: u64) -> bool {
        self.hints.load(Ordering::Relaxed).saturating_add(blocks) > self.hints_max
    }

    /// Takes blocks, if there are as many.
    pub(super) fn take(self: &Arc<Self>, kind: Kind, blocks: u64) -> Option<Lease> {
        if kind == Kind::Hints && !add(&self.hints, blocks, self.hints_max) {
            return None;
        }
        if !add(&self.taken, blocks, self.total) {
            if kind == Kind::Hints {
                self.hints.fetch_sub(blocks, Ordering::Relaxed);
            }
            return None;
        }
        Some(Lease {
            budget: self.clone(),
            kind,
            blocks,
        })
    }
}

/// Adds, unless the sum would be more than allowed.
fn add(counter: &AtomicU64, more: u64, most: u64) -> bool {
    let sum = |now: u64| now.checked_add(more).filter(|sum| *sum <= most);
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum)
        .is_ok()
}

impl Lease {
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Takes blocks until there are so many, or leaves it as it is.
    pub(super) fn grow(&mut self, blocks: u64) -> bool {
        let more = blocks.saturating_sub(self.blocks);
        let Some(mut added) = self.budget.take(self.kind, more) else {
            return false;
        };
        self.blocks += std::mem::take(&mut added.blocks);
        true
    }

    /// Gives back what is more than so many blocks.
    pub(super) fn shrink(&mut self, blocks: u64) {
        let spare = self.blocks.saturating_sub(blocks);
        self.blocks -= spare;
        self.give_back(spare);
    }

    fn give_back(&self, blocks: u64) {
        self.budget.taken.fetch_sub(blocks, Ordering::Relaxed);
        if self.kind == Kind::Hints {
            self.budget.hints.fetch_sub(blocks, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back(self.blocks);
    }
}

/// The blocks that so many bytes take.
pub(super) fn blocks_of(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_all_of_it_comes_back() {
        let budget = Arc::new(Budget::new(10, 2));
        let mut first = budget.take(Kind::Full, 4).unwrap();
        assert!(budget.take(Kind::Full, 7).is_none());
        assert!(first.grow(9) && !first.grow(11));
        assert_eq!(first.blocks(), 9);
        first.shrink(3);
        let hints = budget.take(Kind::Hints, 2).unwrap();
        assert!(budget.take(Kind::Hints, 1).is_none() && budget.hints_are_full(1));
        drop(hints);
        assert!(!budget.hints_are_full(2));
        let rest = budget.take(Kind::Full, 7).unwrap();
        assert!(budget.take(Kind::Hints, 1).is_none() && !budget.hints_are_full(1));
        drop((first, rest));
        assert!(budget.take(Kind::Full, 10).is_some());
        assert_eq!(blocks_of(0), 1);
        assert_eq!((blocks_of(1024), blocks_of(1025)), (1, 2));
    }
}
