//! Integers and ranges of integers.

use super::super::entries::{Entries, Slot};
use super::nets::Net;
use super::prefixes::Prefixes;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Single integers, which are looked up, and ranges, which are tried in their order.
#[derive(Clone)]
pub(in crate::pattern) struct Ranges {
    single: Prefixes<Net<u64>>,
    wide: Arc<Vec<(RangeInclusive<i64>, Slot)>>,
}

impl Ranges {
    pub(in crate::pattern) fn build(ranges: impl Iterator<Item = (RangeInclusive<i64>, Slot)>) -> Ranges {
        let (single, wide): (Vec<_>, Vec<_>) = ranges.partition(|(range, _)| is_single(range));
        let single = single
            .into_iter()
            .map(|(range, slot)| (key(*range.start()), slot));
        Ranges {
            single: Prefixes::build(single.collect()),
            wide: Arc::new(wide),
        }
    }

    pub(in crate::pattern) fn insert(&mut self, range: RangeInclusive<i64>, slot: Slot) {
        if is_single(&range) {
            self.single.insert(key(*range.start()), slot);
        } else {
            Arc::make_mut(&mut self.wide).push((range, slot));
        }
    }

    pub(in crate::pattern) fn remove(&mut self, range: &RangeInclusive<i64>, slot: Slot) {
        if is_single(range) {
            self.single.remove(&key(*range.start()), slot);
        } else {
            Arc::make_mut(&mut self.wide).retain(|(_, other)| *other != slot);
        }
    }

    /// The first of the ranges that hold an integer.
    pub(in crate::pattern) fn find(&self, int: i64, entries: &Entries) -> Option<Slot> {
        let wide = self.wide.iter().find(|(range, _)| range.contains(&int));
        entries.first(self.single.exact(key(int)), wide.map(|(_, slot)| *slot))
    }
}

fn is_single(range: &RangeInclusive<i64>) -> bool {
    range.start() == range.end()
}

fn key(int: i64) -> Net<u64> {
    Net::host(int.cast_unsigned())
}
