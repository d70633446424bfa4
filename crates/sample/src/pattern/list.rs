//! A list: entries that many threads match with while one of them is changed.
//!
//! Whoever matches takes the list's current [`Snapshot`], which never changes: no lock is taken for it. Whoever updates
//! makes another one, which shares nearly everything with the one before, and puts it in its place.

use super::entries::{Entries, Entry, Slot};
use super::index::{Index, Way};
use super::listed::{Found, Listed, Target, UpdateError};
use super::output::Output;
use super::writer::{Writer, full};
use crate::listeners::Listeners;
use crate::value::Value;
use arc_swap::ArcSwap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// No list holds more entries.
pub(super) const ENTRIES_MAX: usize = 1 << 26;
/// Versions of a list that may be prepared at one time.
const PREPARED_MAX: usize = 64;

/// What a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Patterns alone.
    Patterns,
    /// Patterns and the values that they stand for.
    Map,
}

/// Patterns, perhaps with values, that all threads share and that can be changed while they do.
pub struct List {
    name: Box<str>,
    kind: ListKind,
    current: ArcSwap<Snapshot>,
    writer: Mutex<Writer>,
    listeners: Listeners<ListChange>,
}

/// What becomes of the version that is matched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListChange {
    /// An entry was added.
    Add,
    /// Entries were taken away.
    Del,
    /// Entries have another value.
    Set,
    /// All entries were taken away.
    Clear,
    /// A prepared version took its place.
    Commit,
}

/// A version of a list. It never changes.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) entries: Entries,
    /// One for each way in which the list is matched.
    pub(super) indexes: Vec<Index>,
}

impl List {
    pub(super) fn new(name: &str, kind: ListKind, entries: Entries) -> List {
        let len = entries.iter().count();
        List {
            name: name.into(),
            kind,
            current: ArcSwap::from_pointee(Snapshot {
                entries,
                indexes: Vec::new(),
            }),
            writer: Mutex::new(Writer::new(len)),
            listeners: Listeners::default(),
        }
    }

    /// The list's name: that of its file, or with `virt@`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the entries have values.
    #[must_use]
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The version that is matched with, and the newest one that was prepared.
    #[must_use]
    pub fn versions(&self) -> (u32, u32) {
        let writer = self.lock();
        (writer.version, writer.newest)
    }

    /// The entries in the order in which they were added.
    #[must_use]
    pub fn entries(&self) -> Vec<Listed> {
        let snapshot = self.current.load();
        let mut all: Vec<Listed> = snapshot
            .entries
            .iter()
            .map(|(_, entry)| Listed::of(entry))
            .collect();
        all.sort_by_key(|entry| entry.reference);
        all
    }

    /// The same entries one by one, as they are now whatever becomes of the list meanwhile. Only their order is kept.
    pub fn walk(&self) -> impl Iterator<Item = Listed> + use<> {
        let snapshot = self.current.load_full();
        let mut slots: Vec<(u64, Slot)> = snapshot
            .entries
            .iter()
            .map(|(slot, entry)| (entry.order, slot))
            .collect();
        slots.sort_unstable();
        slots
            .into_iter()
            .filter_map(move |(_, slot)| snapshot.entries.get(slot).map(Listed::of))
    }

    /// The number of entries, those of versions that are being prepared included.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        let writer = self.lock();
        writer.len + writer.prepared.values().map(Vec::len).sum::<usize>()
    }

    /// The entries that were added to a version that is not committed yet; none if there is no such version.
    #[must_use]
    pub fn prepared(&self, version: u32) -> Option<Vec<Listed>> {
        let writer = self.lock();
        Some(writer.prepared.get(&version)?.iter().map(Listed::of).collect())
    }

    /// What a text matches now, for each way in which the list is matched.
    #[must_use]
    pub fn look_up(&self, text: &[u8]) -> Vec<Found> {
        let snapshot = self.current.load();
        let found = snapshot.indexes.iter().map(|index| {
            let slot = index.find_any(Value::str(text), &snapshot.entries);
            Found {
                method: index.way.method,
                ignore_case: index.way.ignore_case,
                entry: slot.and_then(|slot| snapshot.entries.get(slot)).map(Listed::of),
            }
        });
        found.collect()
    }

    /// Adds an entry, also if there is one of its key already.
    ///
    /// # Errors
    /// The key is no pattern for a way in which the list is matched, the value is none for what is made of it, or there
    /// are too many entries.
    pub fn add(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), UpdateError> {
        self.update(|writer, next| writer.add(next, self.kind, key, value))?;
        self.listeners.tell(&ListChange::Add);
        Ok(())
    }

    /// Those who hear of what becomes of the version that is matched with.
    pub fn listeners(&self) -> &Listeners<ListChange> {
        &self.listeners
    }

    /// Adds an entry unless there is one of its key: the action `add-acl`. Tells whether it did.
    ///
    /// # Errors
    /// As [`List::add`].
    pub fn add_missing(&self, key: &[u8], value: Option<&[u8]>) -> Result<bool, UpdateError> {
        let known = |writer: &mut Writer, next: &Snapshot| !writer.slots(next, Target::Key(key)).is_empty();
        if known(&mut self.lock(), &self.current.load()) {
            return Ok(false);
        }
        let added = self.update(|writer, next| match known(writer, next) {
            true => Ok(false),
            false => writer.add(next, self.kind, key, value).map(|()| true),
        })?;
        if added {
            self.listeners.tell(&ListChange::Add);
        }
        Ok(added)
    }

    /// Gives all entries of a key, or one entry, another value. Tells how many there were.
    ///
    /// # Errors
    /// The list is no map, or the value is none for what is made of it.
    pub fn set(&self, target: Target<'_>, value: &[u8]) -> Result<usize, UpdateError> {
        let set = self.update(|writer, next| writer.set(next, self.kind, target, value))?;
        if set > 0 {
            self.listeners.tell(&ListChange::Set);
        }
        Ok(set)
    }

    /// Gives all entries of a key another value, or adds one: the action `set-map`.
    ///
    /// # Errors
    /// As [`List::set`] and [`List::add`].
    pub fn set_or_add(&self, key: &[u8], value: &[u8]) -> Result<(), UpdateError> {
        let change =
            self.update(
                |writer, next| match writer.set(next, self.kind, Target::Key(key), value)? {
                    0 => writer
                        .add(next, self.kind, key, Some(value))
                        .map(|()| ListChange::Add),
                    _ => Ok(ListChange::Set),
                },
            )?;
        self.listeners.tell(&change);
        Ok(())
    }

    /// Takes all entries of a key, or one entry, away. Tells how many there were.
    pub fn remove(&self, target: Target<'_>) -> usize {
        let removed = self.update(|writer, next| Ok::<_, UpdateError>(writer.remove(next, target)));
        let removed = removed.unwrap_or(0);
        if removed > 0 {
            self.listeners.tell(&ListChange::Del);
        }
        removed
    }

    /// Takes all entries away.
    pub fn clear(&self) {
        let mut writer = self.lock();
        // Nothing is wrong with no entries.
        let _ = self.replace(&mut writer, Entries::default());
        drop(writer);
        self.listeners.tell(&ListChange::Clear);
    }

    /// Begins a version that takes the place of the current one when it is committed.
    ///
    /// # Errors
    /// Too many versions are being prepared.
    pub fn prepare(&self) -> Result<u32, UpdateError> {
        let mut writer = self.lock();
        if writer.prepared.len() >= PREPARED_MAX {
            let message = format!(
                "`{}` has {PREPARED_MAX} versions that are not committed",
                self.name
            );
            return Err(UpdateError(message));
        }
        writer.newest = writer.newest.wrapping_add(1);
        let version = writer.newest;
        writer.prepared.insert(version, Vec::new());
        Ok(version)
    }

    /// Adds an entry to a version that is being prepared: nothing matches it before the commit.
    ///
    /// # Errors
    /// There is no such version, or as [`List::add`].
    pub fn add_to(&self, version: u32, key: &[u8], value: Option<&[u8]>) -> Result<(), UpdateError> {
        let mut writer = self.lock();
        writer.check(&self.current.load(), self.kind, key, value)?;
        let order = writer.order;
        let name = &self.name;
        let Some(entries) = writer.prepared.get_mut(&version) else {
            return Err(no_version(name, version));
        };
        if entries.len() >= ENTRIES_MAX {
            return Err(full());
        }
        entries.push(Entry::own(key, value, order));
        writer.order += 1;
        Ok(())
    }

    /// Takes all entries away from a version that is being prepared.
    ///
    /// # Errors
    /// There is no such version.
    pub fn clear_version(&self, version: u32) -> Result<(), UpdateError> {
        match self.lock().prepared.get_mut(&version) {
            Some(entries) => {
                entries.clear();
                Ok(())
            }
            None => Err(no_version(&self.name, version)),
        }
    }

    /// Puts a prepared version in the place of the current one, at once for all who match. Older ones are given up.
    ///
    /// # Errors
    /// There is no such version.
    pub fn commit(&self, version: u32) -> Result<(), UpdateError> {
        let mut writer = self.lock();
        let Some(prepared) = writer.prepared.remove(&version) else {
            return Err(no_version(&self.name, version));
        };
        let mut entries = Entries::default();
        for entry in prepared {
            entries.push(entry);
        }
        self.replace(&mut writer, entries)?;
        writer.version = version;
        // Numbers wrap: what was prepared before this one is less than half a circle behind.
        writer
            .prepared
            .retain(|other, _| other.wrapping_sub(version) < u32::MAX / 2);
        drop(writer);
        self.listeners.tell(&ListChange::Commit);
        Ok(())
    }

    /// Takes all entries of a key away from a version that is being prepared. Tells how many there were.
    ///
    /// # Errors
    /// There is no such version.
    pub fn remove_from(&self, version: u32, key: &[u8]) -> Result<usize, UpdateError> {
        let mut writer = self.lock();
        let Some(entries) = writer.prepared.get_mut(&version) else {
            return Err(no_version(&self.name, version));
        };
        let before = entries.len();
        entries.retain(|entry| entry.key() != key);
        Ok(before - entries.len())
    }

    /// Gives all entries of a key another value in a version that is being prepared. Tells how many there were.
    ///
    /// # Errors
    /// There is no such version, or as [`List::set`].
    pub fn set_in(&self, version: u32, key: &[u8], value: &[u8]) -> Result<usize, UpdateError> {
        let mut writer = self.lock();
        writer.check(&self.current.load(), self.kind, key, Some(value))?;
        let Some(entries) = writer.prepared.get_mut(&version) else {
            return Err(no_version(&self.name, version));
        };
        let mut set = 0;
        for entry in entries.iter_mut().filter(|entry| entry.key() == key) {
            *entry = Entry::own(key, Some(value), entry.order);
            set += 1;
        }
        Ok(set)
    }

    /// Forgets a version that is being prepared.
    ///
    /// # Errors
    /// There is no such version.
    pub fn give_up(&self, version: u32) -> Result<(), UpdateError> {
        match self.lock().prepared.remove(&version) {
            Some(_) => Ok(()),
            None => Err(no_version(&self.name, version)),
        }
    }

    /// Makes the list matchable in a way, and holds its values to an output. Gives the number of the index.
    ///
    /// # Errors
    /// Where in the texts of entries something is wrong, and what.
    pub(super) fn match_by(&self, way: Way, output: Output) -> Result<usize, Vec<(Range<usize>, String)>> {
        let mut writer = self.lock();
        let mut next = Snapshot::clone(&self.current.load());
        let mut faults = Vec::new();
        if !writer.outputs.contains(&output) {
            for (_, entry) in next.entries.iter() {
                if let Err(message) = output.check(entry.value().unwrap_or_default()) {
                    faults.push((entry.value_range(), message));
                }
            }
        }
        let known = next.indexes.iter().position(|index| index.way == way);
        let at = known.unwrap_or(next.indexes.len());
        if known.is_none() {
            match Index::build(way, &next.entries) {
                Ok(index) => next.indexes.push(index),
                Err(found) => {
                    let found = found.into_iter().filter_map(|(slot, message)| {
                        next.entries.get(slot).map(|entry| (entry.key_range(), message))
                    });
                    faults.extend(found);
                }
            }
        }
        if !faults.is_empty() {
            faults.sort_by_key(|(range, _)| range.start);
            return Err(faults);
        }
        if !writer.outputs.contains(&output) {
            writer.outputs.push(output);
        }
        if known.is_none() {
            self.current.store(Arc::new(next));
        }
        Ok(at)
    }

    /// The version to match with.
    pub(super) fn current(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.current.load()
    }

    fn update<T>(
        &self,
        change: impl FnOnce(&mut Writer, &mut Snapshot) -> Result<T, UpdateError>,
    ) -> Result<T, UpdateError> {
        let mut writer = self.lock();
        let mut next = Snapshot::clone(&self.current.load());
        let done = change(&mut writer, &mut next)?;
        self.current.store(Arc::new(next));
        Ok(done)
    }

    /// Puts other entries in the place of all.
    fn replace(&self, writer: &mut Writer, entries: Entries) -> Result<(), UpdateError> {
        let ways = self
            .current
            .load()
            .indexes
            .iter()
            .map(|index| index.way)
            .collect::<Vec<_>>();
        let indexes = ways.into_iter().map(|way| Index::build(way, &entries));
        let indexes = indexes.collect::<Result<Vec<_>, _>>().map_err(|faults| {
            let first = faults.into_iter().next();
            UpdateError(first.map_or_else(String::new, |(_, message)| message))
        })?;
        writer.len = entries.iter().count();
        writer.free.clear();
        writer.keys = None;
        self.current.store(Arc::new(Snapshot { entries, indexes }));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // Snapshots are put in place whole, so one who panicked left nothing half done that matters.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_version(name: &str, version: u32) -> UpdateError {
    UpdateError(format!(
        "`{name}` has no version {version} that is being prepared"
    ))
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_takes_no_room() {
        let list = List::new("virt@x", ListKind::Map, Entries::default());
        list.add(b"stays", Some(b"1")).unwrap();
        for round in 0..5000_u32 {
            let key = round.to_string();
            list.set_or_add(key.as_bytes(), b"2").unwrap();
            assert_eq!(list.remove(Target::Key(key.as_bytes())), 1);
        }
        list.add(b"last", Some(b"3")).unwrap();
        assert_eq!(list.len(), 2);
        let slots = list.current().entries.iter().map(|(slot, _)| slot).max();
        assert_eq!(slots, Some(1));
    }

    #[test]
    fn a_walk_sees_the_list_as_it_was() {
        let list = List::new("virt@x", ListKind::Map, Entries::default());
        for key in [b"1", b"2", b"3"] {
            list.add(key, Some(b"v")).unwrap();
        }
        list.remove(Target::Key(b"1"));
        list.add(b"4", Some(b"v")).unwrap();
        let version = list.prepare().unwrap();
        list.add_to(version, b"5", Some(b"v")).unwrap();
        assert_eq!((list.len(), list.entry_count()), (3, 4));
        let walk = list.walk();
        list.clear();
        let keys: Vec<_> = walk.map(|entry| entry.key).collect();
        assert_eq!(keys, [b"2", b"3", b"4"].map(|key| Box::from(&key[..])));
    }
}
