//! A part of a table: some of its keys, and the order in which they were touched.

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use super::entry::Entry;
use super::key::Key;

/// Entries that are looked at in vain before a search for one that may go is given up: those after them had their turn
/// later.
const LOOKS_MAX: usize = 256;

/// A part of a table with a lock of its own.
#[derive(Debug)]
pub(super) struct Shard {
    inside: Mutex<Inside>,
    /// When the first of the order was queued; more than any time if there is none.
    oldest: AtomicU64,
}

/// What the lock protects.
#[derive(Debug, Default)]
pub(super) struct Inside {
    entries: HashTable<Arc<Entry>>,
    /// By when they were queued. An entry that was touched since is queued again when its turn comes, so that touching
    /// one takes no lock.
    order: BTreeMap<(u64, usize), Arc<Entry>>,
}

impl Default for Shard {
    fn default() -> Shard {
        Shard {
            inside: Mutex::default(),
            oldest: AtomicU64::new(u64::MAX),
        }
    }
}

impl Shard {
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked {
            inside: self.inside.lock().unwrap_or_else(PoisonError::into_inner),
            oldest: &self.oldest,
            reordered: false,
        }
    }

    /// When the entry that was queued first was.
    pub(super) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Relaxed)
    }
}

/// A shard whose lock is held.
pub(super) struct Locked<'s> {
    inside: MutexGuard<'s, Inside>,
    oldest: &'s AtomicU64,
    /// Another one may be the first of the order.
    reordered: bool,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if !self.reordered {
            return;
        }
        let first = self.inside.order.first_key_value();
        let oldest = first.map_or(u64::MAX, |((queued, _), _)| *queued);
        self.oldest.store(oldest, Ordering::Relaxed);
    }
}

impl Locked<'_> {
    pub(super) fn find(&self, hash: u64, key: &Key) -> Option<&Arc<Entry>> {
        self.inside.entries.find(hash, |entry| entry.key.is(key))
    }

    pub(super) fn insert(&mut self, hash: u64, entry: &Arc<Entry>, hasher: &RandomState) {
        self.inside
            .entries
            .insert_unique(hash, entry.clone(), |entry| entry.key.hash(hasher));
        let queued = entry.queued.load(Ordering::Relaxed);
        self.reordered = true;
        self.inside.order.insert(place(queued, entry), entry.clone());
    }

    pub(super) fn remove(&mut self, entry: &Arc<Entry>, hasher: &RandomState) {
        let queued = entry.queued.load(Ordering::Relaxed);
        self.reordered = true;
        self.inside.order.remove(&place(queued, entry));
        self.forget(entry, hasher);
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.inside.entries.iter()
    }

    /// Forgets what was not touched since `before`; says how many entries those were.
    pub(super) fn expire(&mut self, before: u64, now: u64, hasher: &RandomState) -> usize {
        self.reordered = true;
        let mut gone = 0;
        while let Some(first) = self.inside.order.first_entry() {
            if first.key().0 > before {
                break;
            }
            let entry = first.remove();
            let last = if is_tracked(&entry) { now } else { touched(&entry) };
            if last > before {
                self.queue(entry, last);
            } else {
                self.forget(&entry, hasher);
                gone += 1;
            }
        }
        gone
    }

    /// Forgets the entries that were touched longest ago and are not tracked, as many as wanted if there are; says how
    /// many those were.
    pub(super) fn evict(&mut self, wanted: usize, now: u64, hasher: &RandomState) -> usize {
        self.reordered = true;
        let (mut gone, mut tracked) = (0, Vec::new());
        // Each may have to be queued anew before it has its turn.
        for _ in 0..(2 * self.inside.order.len()).min(LOOKS_MAX) {
            if gone == wanted {
                break;
            }
            let Some(((queued, _), entry)) = self.inside.order.pop_first() else {
                break;
            };
            let last = touched(&entry);
            if is_tracked(&entry) {
                tracked.push(entry);
            } else if last > queued {
                self.queue(entry, last);
            } else {
                self.forget(&entry, hasher);
                gone += 1;
            }
        }
        // Not before: they might be first again.
        for entry in tracked {
            self.queue(entry, now);
        }
        gone
    }

    fn queue(&mut self, entry: Arc<Entry>, at: u64) {
        entry.queued.store(at, Ordering::Relaxed);
        self.inside.order.insert(place(at, &entry), entry);
    }

    /// Takes an entry that is not in the order (any more) out of the map.
    fn forget(&mut self, entry: &Arc<Entry>, hasher: &RandomState) {
        let hash = entry.key.hash(hasher);
        let found = self
            .inside
            .entries
            .find_entry(hash, |known| Arc::ptr_eq(known, entry));
        if let Ok(found) = found {
            found.remove();
        }
        // A burst of keys is no reason to keep the room that it took.
        let (length, room) = (self.inside.entries.len(), self.inside.entries.capacity());
        if room > 64 && length < room / 8 {
            self.inside
                .entries
                .shrink_to(length * 2, |entry| entry.key.hash(hasher));
        }
    }
}

fn place(queued: u64, entry: &Arc<Entry>) -> (u64, usize) {
    (queued, Arc::as_ptr(entry).addr())
}

pub(super) fn is_tracked(entry: &Entry) -> bool {
    entry.trackers.load(Ordering::Acquire) > 0
}

pub(super) fn touched(entry: &Entry) -> u64 {
    entry.touched.load(Ordering::Relaxed)
}
