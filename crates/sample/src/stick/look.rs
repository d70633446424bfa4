//! What fetches and converters ask of an entry.

use super::data::{Cell, DataType};
use super::entry::EntryRef;
use super::key::Key;
use super::table::Table;
use crate::value::Value;

/// A question about an entry, or a change of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// A value.
    Get(Cell),
    /// A number of bytes, in kilobytes.
    Kilobytes(DataType),
    /// How many track it.
    Trackers,
    /// Counts one more, here and in the rate if there is one; gives what it is then.
    Increment(Cell, Option<Cell>),
    /// Clears a counter; gives what it was.
    Clear(Cell),
}

impl Ask {
    pub(crate) const fn get(kind: DataType) -> Ask {
        Ask::Get(Cell { kind, index: 0 })
    }

    pub(crate) const fn increment(kind: DataType, rate: DataType) -> Ask {
        Ask::Increment(Cell { kind, index: 0 }, Some(Cell { kind: rate, index: 0 }))
    }

    /// The same where nobody asks how often.
    pub(crate) const fn increment_alone(kind: DataType) -> Ask {
        Ask::Increment(Cell { kind, index: 0 }, None)
    }

    pub(crate) const fn clear(kind: DataType) -> Ask {
        Ask::Clear(Cell { kind, index: 0 })
    }

    /// The same of another element of an array.
    pub(crate) fn at(self, index: u32) -> Ask {
        let at = |cell: Cell| Cell { index, ..cell };
        match self {
            Ask::Get(cell) => Ask::Get(at(cell)),
            Ask::Increment(cell, rate) => Ask::Increment(at(cell), rate.map(at)),
            Ask::Clear(cell) => Ask::Clear(at(cell)),
            other => other,
        }
    }

    fn changes(self) -> bool {
        matches!(self, Ask::Increment(..) | Ask::Clear(_))
    }

    /// Asks an entry that is there. None if its table does not keep what is asked for.
    pub(crate) fn of(self, entry: EntryRef<'_>, now: u64) -> Option<Value> {
        if self.changes() {
            entry.touch(now);
        }
        let number = match self {
            Ask::Get(cell) => entry.get(cell, now),
            Ask::Kilobytes(kind) => entry.get(kind, now).map(|bytes| bytes >> 10),
            Ask::Trackers => Some(entry.trackers().into()),
            Ask::Increment(cell, rate) => {
                let rate = rate.and_then(|rate| entry.add(rate, 1, now));
                // HAProxy has no sample for what is not kept, but for these two.
                let legacy = matches!(cell.kind, DataType::Gpc0 | DataType::Gpc1);
                entry.add(cell, 1, now).or(rate).or(legacy.then_some(0))
            }
            Ask::Clear(cell) => entry.replace(cell, 0, now),
        };
        Some(Value::Int(i64::try_from(number?).unwrap_or(i64::MAX)))
    }

    /// Asks the entry of a key. One that is not there has nothing but zeros; it is added if it is to be changed.
    pub(crate) fn of_key(self, table: &Table, key: &Key, now: u64) -> Option<Value> {
        if self.changes() {
            return table.update(key, now, |entry| self.of(entry, now))?;
        }
        table
            .look_up(key, now, |entry| self.of(entry, now))
            .unwrap_or(Some(Value::Int(0)))
    }

    /// The same, but nothing is added.
    pub(crate) fn of_key_if_there(self, table: &Table, key: &Key, now: u64) -> Option<Value> {
        table
            .look_up(key, now, |entry| self.of(entry, now))
            .unwrap_or(Some(Value::Int(0)))
    }
}
