//! What the one thread needs that updates a list.

use super::entries::{Entry, Slot};
use super::index::Hashed;
use super::list::{ENTRIES_MAX, ListKind, Snapshot};
use super::listed::{Target, UpdateError};
use super::output::Output;
use std::collections::BTreeMap;

/// What updates need and matching does not.
pub(super) struct Writer {
    /// The order of the next entry, and so the number of entries ever added.
    pub(super) order: u64,
    pub(super) len: usize,
    /// Slots without entries.
    pub(super) free: Vec<Slot>,
    /// Slots by the keys as they were written; made by the first update that needs it.
    pub(super) keys: Option<Hashed>,
    /// What values must be, besides texts.
    pub(super) outputs: Vec<Output>,
    pub(super) version: u32,
    pub(super) newest: u32,
    pub(super) prepared: BTreeMap<u32, Vec<Entry>>,
}

impl Writer {
    /// For a list of entries that take the first slots.
    pub(super) fn new(len: usize) -> Writer {
        Writer {
            order: len as u64,
            len,
            free: Vec::new(),
            keys: None,
            outputs: Vec::new(),
            version: 0,
            newest: 0,
            prepared: BTreeMap::new(),
        }
    }

    /// Whether an entry can be put in the list.
    pub(super) fn check(
        &self,
        snapshot: &Snapshot,
        kind: ListKind,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), UpdateError> {
        if (kind == ListKind::Map) != value.is_some() {
            let message = match kind {
                ListKind::Map => "an entry of a map needs a value",
                ListKind::Patterns => "an entry of a list that is no map has no value",
            };
            return Err(UpdateError(message.to_string()));
        }
        if u32::try_from(key.len() + value.map_or(0, <[u8]>::len)).is_err() {
            return Err(UpdateError("the entry is too long".to_string()));
        }
        for index in &snapshot.indexes {
            index.check(key).map_err(UpdateError)?;
        }
        self.check_value(value.unwrap_or_default())
    }

    fn check_value(&self, value: &[u8]) -> Result<(), UpdateError> {
        self.outputs
            .iter()
            .try_for_each(|output| output.check(value))
            .map_err(UpdateError)
    }

    pub(super) fn add(
        &mut self,
        next: &mut Snapshot,
        kind: ListKind,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), UpdateError> {
        self.check(next, kind, key, value)?;
        if self.len >= ENTRIES_MAX {
            return Err(full());
        }
        let entry = Entry::own(key, value, self.order);
        let slot = match self.free.pop() {
            Some(slot) => {
                next.entries.set(slot, entry);
                slot
            }
            None => next.entries.push(entry),
        };
        self.order += 1;
        self.len += 1;
        if let Some(keys) = &mut self.keys {
            keys.insert(key, slot);
        }
        for index in &mut next.indexes {
            index.insert(slot, &next.entries);
        }
        Ok(())
    }

    pub(super) fn set(
        &mut self,
        next: &mut Snapshot,
        kind: ListKind,
        target: Target<'_>,
        value: &[u8],
    ) -> Result<usize, UpdateError> {
        if kind != ListKind::Map {
            return Err(UpdateError(
                "the list is no map: its entries have no values".to_string(),
            ));
        }
        self.check_value(value)?;
        let slots = self.slots(next, target);
        for slot in &slots {
            let Some(entry) = next.entries.get(*slot) else {
                continue;
            };
            let entry = Entry::own(entry.key(), Some(value), entry.order);
            next.entries.set(*slot, entry);
            for index in &mut next.indexes {
                index.revalue(*slot, &next.entries);
            }
        }
        Ok(slots.len())
    }

    pub(super) fn remove(&mut self, next: &mut Snapshot, target: Target<'_>) -> usize {
        let slots = self.slots(next, target);
        for slot in &slots {
            for index in &mut next.indexes {
                index.remove(*slot, &next.entries);
            }
            if let Some(keys) = &mut self.keys {
                keys.remove(next.entries.key(*slot), *slot);
            }
            next.entries.remove(*slot);
            self.free.push(*slot);
            self.len -= 1;
        }
        slots.len()
    }

    pub(super) fn slots(&mut self, snapshot: &Snapshot, target: Target<'_>) -> Vec<Slot> {
        let entries = &snapshot.entries;
        match target {
            Target::Key(key) => {
                let keys = self.keys.get_or_insert_with(|| {
                    let mut keys = Hashed::new();
                    for (slot, entry) in entries.iter() {
                        keys.insert(entry.key(), slot);
                    }
                    keys
                });
                let slots = keys.candidates(key);
                slots.filter(|slot| entries.key(*slot) == key).collect()
            }
            Target::Reference(reference) => entries
                .iter()
                .filter(|(_, entry)| entry.order == reference)
                .map(|(slot, _)| slot)
                .collect(),
        }
    }
}

pub(super) fn full() -> UpdateError {
    UpdateError(format!("a list holds {ENTRIES_MAX} entries at most"))
}
