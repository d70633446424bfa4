//! What both sides remember of the fields that they exchanged (RFC 7541, section 2.3.2).

use std::collections::VecDeque;

use super::ENTRY_BYTES;
use super::kind::Kind;

/// A table: the newest entry comes first, and the oldest go when there is no room.
///
/// The texts of all entries are in one piece of memory, each behind the one before; nothing is allocated for an entry. What entries
/// that went leave free is used again by moving the others, once they are at the most as large as what is free.
#[derive(Debug)]
pub(super) struct Table {
    /// From the oldest to the newest.
    entries: VecDeque<Entry>,
    text: Vec<u8>,
    /// Places are counted from the first byte that ever was in the table. This is the one that the text begins with now.
    text_at: u32,
    /// What all entries count for, and may.
    bytes: usize,
    bytes_max: usize,
}

/// An entry, but for its text.
#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: Kind,
    is_fit: bool,
    at: u32,
    /// The length of the name, be it in the text or not.
    name_len: u32,
    value_len: u32,
}

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored<'t> {
    pub(super) kind: Kind,
    /// Empty if the kind tells the name.
    pub(super) name: &'t [u8],
    pub(super) value: &'t [u8],
    pub(super) is_fit: bool,
}

/// Memory for texts begins with this.
const TEXT_BYTES: usize = 256;

impl Table {
    pub(super) fn new(bytes_max: usize) -> Table {
        Table {
            entries: VecDeque::new(),
            text: Vec::new(),
            text_at: 0,
            bytes: 0,
            bytes_max,
        }
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry that came as so many others after it.
    pub(super) fn entry(&self, age: usize) -> Option<Stored<'_>> {
        let entry = self.entries.get(self.entries.len().checked_sub(age + 1)?)?;
        let at = entry.at.wrapping_sub(self.text_at) as usize;
        let text = self.text.get(at..at + entry.text_len())?;
        let (name, value) = text.split_at_checked(text.len() - entry.value_len as usize)?;
        Some(Stored {
            kind: entry.kind,
            name,
            value,
            is_fit: entry.is_fit,
        })
    }

    /// Takes in a field; others go for it. One that is larger than the table takes all with it and stays out itself. Returns whether it is in.
    pub(super) fn insert(&mut self, field: Stored<'_>) -> bool {
        let name_len = field.kind.name(field.name).as_bytes().len();
        let bytes = name_len + field.value.len() + ENTRY_BYTES;
        let Some(room) = self.bytes_max.checked_sub(bytes) else {
            self.shrink_to(0);
            return false;
        };
        self.shrink_to(room);
        let name = if field.kind.has_text() { field.name } else { &[] };
        self.make_room(name.len() + field.value.len());
        self.entries.push_back(Entry {
            kind: field.kind,
            is_fit: field.is_fit,
            at: self.text_at.wrapping_add(self.text.len() as u32),
            name_len: name_len as u32,
            value_len: field.value.len() as u32,
        });
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(field.value);
        self.bytes += bytes;
        true
    }

    /// The table has another size from now on.
    pub(super) fn resize(&mut self, bytes_max: usize) {
        self.shrink_to(bytes_max);
        self.bytes_max = bytes_max;
    }

    fn shrink_to(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }

    /// Sees to it that so many bytes of text fit.
    fn make_room(&mut self, more: usize) {
        if self.text.len() + more <= self.text.capacity() {
            return;
        }
        let free = match self.entries.front() {
            Some(oldest) => oldest.at.wrapping_sub(self.text_at) as usize,
            None => self.text.len(),
        };
        if free >= self.text.len() - free {
            self.text.drain(..free);
            self.text_at = self.text_at.wrapping_add(free as u32);
        }
        let needed = self.text.len() + more;
        if needed > self.text.capacity() {
            // What is in use is less than a table full, and what isn't is less than what is.
            let twice = (2 * self.text.capacity()).clamp(TEXT_BYTES, 2 * self.bytes_max.max(TEXT_BYTES));
            self.text.reserve_exact(twice.max(needed) - self.text.len());
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        self.name_len as usize + self.value_len as usize + ENTRY_BYTES
    }

    fn text_len(&self) -> usize {
        let name_len = if self.kind.has_text() { self.name_len } else { 0 };
        name_len as usize + self.value_len as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field<'f>(name: &'f str, value: &'f str) -> Stored<'f> {
        let kind = Kind::of(name.as_bytes());
        Stored {
            kind,
            name: if kind.has_text() { name.as_bytes() } else { b"" },
            value: value.as_bytes(),
            is_fit: true,
        }
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let mut table = Table::new(100);
        assert!(table.insert(field("a", "1")) && table.insert(field("host", "h")));
        assert_eq!((table.entries.len(), table.bytes), (2, 34 + 37));
        assert!(table.insert(field("b", "2")));
        assert_eq!(table.entry(0), Some(field("b", "2")));
        assert_eq!(table.entry(1), Some(field("host", "h")));
        assert_eq!(table.entry(2), None);
        table.resize(40);
        assert_eq!((table.entries.len(), table.bytes, table.bytes_max()), (1, 34, 40));
        assert!(!table.insert(field("b", "12345678")));
        assert_eq!((table.entries.len(), table.bytes), (0, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_table_is_what_a_list_of_fields_would_be(
            bytes_max in 0_usize..700,
            steps in prop::collection::vec(
                prop_oneof![
                    20 => ("(a|x-long-name|host|:path|Bad)", "[a-z]{0,60}").prop_map(Ok),
                    1 => (0_usize..700).prop_map(Err),
                ],
                0..120,
            ),
        ) {
            let mut table = Table::new(bytes_max);
            let mut list: Vec<(String, String)> = Vec::new();
            let (mut max, mut largest) = (bytes_max, bytes_max);
            let size = |(name, value): &(String, String)| name.len() + value.len() + 32;
            for step in steps {
                match step {
                    Ok((name, value)) => {
                        table.insert(field(&name, &value));
                        list.insert(0, (name, value));
                    }
                    Err(resized) => {
                        table.resize(resized);
                        (max, largest) = (resized, largest.max(resized));
                    }
                }
                while list.iter().map(size).sum::<usize>() > max {
                    list.pop();
                }
                prop_assert_eq!(table.bytes, list.iter().map(size).sum::<usize>());
                prop_assert_eq!(table.entries.len(), list.len());
                let stored = (0..list.len()).map(|age| table.entry(age).unwrap());
                let listed = list.iter().map(|(name, value)| field(name, value));
                prop_assert!(stored.eq(listed));
                prop_assert!(table.text.capacity() <= 2 * largest.max(TEXT_BYTES));
            }
        }
    }
}
