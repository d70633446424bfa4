//! What changed in a table, in the order in which it did: each key once, at its last change.

use std::collections::{BTreeMap, HashMap};

use tidegate_sample::stick::Key;

use super::message::put_key;

/// The changes of one table.
#[derive(Debug)]
pub(super) struct Journal {
    /// The number of the last change.
    last: u64,
    changes: BTreeMap<u64, Key>,
    numbers: HashMap<Vec<u8>, u64>,
    /// Most keys; those that changed longest ago have left the table by then.
    keys_max: usize,
}

impl Journal {
    /// An empty one, for a table of so many entries.
    pub(super) fn new(keys_max: usize) -> Journal {
        Journal {
            last: 0,
            changes: BTreeMap::new(),
            numbers: HashMap::new(),
            keys_max,
        }
    }

    /// The number of the last change; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// An entry has changed.
    pub(super) fn add(&mut self, key: Key) {
        self.last += 1;
        if let Some(before) = self.numbers.insert(bytes(&key), self.last) {
            self.changes.remove(&before);
        }
        self.changes.insert(self.last, key);
        while self.changes.len() > self.keys_max {
            let Some((_, oldest)) = self.changes.pop_first() else {
                break;
            };
            self.numbers.remove(&bytes(&oldest));
        }
    }

    /// The first change after one of this number.
    pub(super) fn after(&self, number: u64) -> Option<(u64, Key)> {
        let (number, key) = self.changes.range(number + 1..).next()?;
        Some((*number, key.clone()))
    }

    /// The entry is gone: nobody needs to hear of it.
    pub(super) fn forget(&mut self, number: u64) {
        if let Some(key) = self.changes.remove(&number) {
            self.numbers.remove(&bytes(&key));
        }
    }

    /// The change of this number as others told it: the lower half of it.
    pub(super) fn whole(&self, low: u32) -> u64 {
        let behind = (self.last as u32).wrapping_sub(low);
        self.last.saturating_sub(behind.into())
    }
}

fn bytes(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_key(&mut bytes, key);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_sample::Value;
    use tidegate_sample::stick::KeyType;

    fn key(number: i64) -> Key {
        KeyType::Integer.key(Value::Int(number)).unwrap()
    }

    #[test]
    fn each_key_is_there_once_at_its_last_change() {
        let mut journal = Journal::new(3);
        for number in [1, 2, 1, 3] {
            journal.add(key(number));
        }
        assert_eq!(journal.after(0), Some((2, key(2))));
        assert_eq!(journal.after(2), Some((3, key(1))));
        assert_eq!(journal.after(3), Some((4, key(3))));
        assert_eq!(journal.after(4), None);
        journal.forget(3);
        assert_eq!(journal.after(2), Some((4, key(3))));
        journal.add(key(1));
        journal.add(key(9));
        // There is no more room than the table has.
        assert_eq!(journal.after(0), Some((4, key(3))));
        assert_eq!((journal.last(), journal.whole(4), journal.whole(6)), (6, 4, 6));
    }
}
