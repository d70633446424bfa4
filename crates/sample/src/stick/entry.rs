//! Entries: a key and what is kept for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::count::Count;
use super::data::{Cell, Form, Place};
use super::key::{Key, Stored};
use super::rate::Rate;
use super::table::Table;
use crate::data::Data;

/// What a table keeps for one key. Everything but the key changes without a lock.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Stored,
    /// How many sessions track it: it stays for as long as there are any. It grows under the lock of its shard only.
    pub(super) trackers: AtomicU32,
    /// When it was created, updated or matched last, milliseconds.
    pub(super) touched: AtomicU64,
    /// The place in the order of its shard, which is behind `touched`; changed under the lock of the shard only.
    pub(super) queued: AtomicU64,
    /// Whoever tells others of changes knows of one and did not tell it yet.
    pub(super) noted: AtomicBool,
    server_id: AtomicU32,
    /// The number of the server's key among those of the table, from 1.
    server_key: AtomicU32,
    values: Box<[AtomicU64]>,
}

impl Entry {
    pub(super) fn new(key: &Key, slots: usize, now: u64) -> Entry {
        Entry {
            key: key.into(),
            trackers: AtomicU32::new(0),
            touched: AtomicU64::new(now),
            queued: AtomicU64::new(now),
            noted: AtomicBool::new(false),
            server_id: AtomicU32::new(0),
            server_key: AtomicU32::new(0),
            values: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(super) fn touch(&self, now: u64) {
        self.touched.fetch_max(now, Ordering::Relaxed);
    }

    pub(super) fn set_server_id(&self, id: u32) {
        self.server_id.store(id, Ordering::Relaxed);
    }

    /// By its number among the keys of the table.
    pub(super) fn set_server_key(&self, number: u32) {
        self.server_key.store(number, Ordering::Relaxed);
    }
}

/// An entry of a table, to be read and updated.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'t> {
    pub(super) table: &'t Table,
    pub(super) entry: &'t Entry,
}

impl EntryRef<'_> {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> Key {
        self.entry.key.key()
    }

    /// How many sessions track it now.
    #[must_use]
    pub fn trackers(&self) -> u32 {
        self.entry.trackers.load(Ordering::Relaxed)
    }

    /// Milliseconds since it was touched.
    #[must_use]
    pub fn idle_ms(&self, now: u64) -> u64 {
        now.saturating_sub(self.entry.touched.load(Ordering::Relaxed))
    }

    /// Milliseconds until it is forgotten; 0 if it is never.
    #[must_use]
    pub fn expires_ms(&self, now: u64) -> u64 {
        let expire = self.table.spec().expire_ms;
        expire.map_or(0, |expire| expire.saturating_sub(self.idle_ms(now)))
    }

    /// A number that no other entry has meanwhile.
    #[must_use]
    pub fn address(&self) -> usize {
        std::ptr::from_ref(self.entry).addr()
    }

    /// Puts its end off.
    pub fn touch(&self, now: u64) {
        self.entry.touch(now);
        self.note();
    }

    /// A value; none if the table does not keep it.
    #[must_use]
    pub fn get(&self, cell: impl Into<Cell>, now: u64) -> Option<u64> {
        let cell = cell.into();
        match cell.kind.form() {
            Form::ServerId => self.table.keeps(cell.kind).then(|| self.server_id().into()),
            Form::ServerKey => None,
            _ => {
                let place = self.table.layout().find(cell)?;
                Some(self.read(place, now))
            }
        }
    }

    /// Adds to a value and gives what it is then; none if the table does not keep it.
    pub fn add(&self, cell: impl Into<Cell>, amount: u64, now: u64) -> Option<u64> {
        let place = self.table.layout().find(cell.into())?;
        if place.column.kind.form() == Form::Rate {
            let amount = self.table.blocks(place.column.kind, amount);
            self.rate(place)?
                .add(u32::try_from(amount).unwrap_or(u32::MAX), now);
            self.note();
            return Some(self.read(place, now));
        }
        let before = self.word(place.slot)?.fetch_add(amount, Ordering::Relaxed);
        self.note();
        Some(limited(place, before.wrapping_add(amount)))
    }

    /// Gives a value and sets it to another; none if the table does not keep it.
    pub fn replace(&self, cell: impl Into<Cell>, value: u64, now: u64) -> Option<u64> {
        let before = self.put(cell.into(), value, now);
        self.note();
        before
    }

    fn put(&self, cell: Cell, value: u64, now: u64) -> Option<u64> {
        if cell.kind.form() == Form::ServerId {
            let id = u32::try_from(value).unwrap_or(u32::MAX);
            let kept = self.table.keeps(cell.kind);
            return kept.then(|| self.entry.server_id.swap(id, Ordering::Relaxed).into());
        }
        let place = self.table.layout().find(cell)?;
        if place.column.kind.form() == Form::Rate {
            let before = self.read(place, now);
            let value = self.table.blocks(place.column.kind, value);
            self.rate(place)?
                .set(u32::try_from(value).unwrap_or(u32::MAX), now);
            return Some(before);
        }
        let before = self.word(place.slot)?.swap(value, Ordering::Relaxed);
        Some(limited(place, before))
    }

    /// Counts something, as far as the table keeps it.
    pub fn count(&self, what: Count, amount: u64, now: u64) {
        let Some(counted) = self.table.layout().counted(what) else {
            return;
        };
        if let Some(word) = counted.total.and_then(|slot| self.word(slot)) {
            word.fetch_add(amount, Ordering::Relaxed);
        }
        if let Some(place) = counted.rate
            && let Some(rate) = self.rate(place)
        {
            let amount = self.table.blocks(place.column.kind, amount);
            rate.add(u32::try_from(amount).unwrap_or(u32::MAX), now);
        }
        self.note();
    }

    /// The number of the server that the key belongs to; 0 if it belongs to none.
    #[must_use]
    pub fn server_id(&self) -> u32 {
        self.entry.server_id.load(Ordering::Relaxed)
    }

    /// The name or address of that server.
    #[must_use]
    pub fn server_key(&self) -> Option<Data> {
        self.table
            .server_key(self.entry.server_key.load(Ordering::Relaxed))
    }

    /// The key belongs to this server from now on.
    pub fn set_server(&self, id: u32, key: &[u8]) {
        let number = self.table.number_of_server(key);
        self.entry.server_id.store(id, Ordering::Relaxed);
        self.entry.server_key.store(number, Ordering::Relaxed);
        self.note();
    }

    fn read(&self, place: Place, now: u64) -> u64 {
        match self.rate(place) {
            Some(rate) => u64::from(rate.read(now)) * self.table.block(place.column.kind),
            None => limited(
                place,
                self.word(place.slot)
                    .map_or(0, |word| word.load(Ordering::Relaxed)),
            ),
        }
    }

    pub(super) fn rate(&self, place: Place) -> Option<Rate<'_>> {
        if place.column.kind.form() != Form::Rate {
            return None;
        }
        let words = [self.word(place.slot)?, self.word(place.slot + 1)?];
        Some(Rate::new(words, place.column.period_ms))
    }

    pub(super) fn word(&self, slot: usize) -> Option<&AtomicU64> {
        self.entry.values.get(slot)
    }

    /// One more tracks it.
    pub(super) fn join(&self) {
        if let Some(word) = self.table.layout().open().and_then(|slot| self.word(slot)) {
            word.fetch_add(1, Ordering::Relaxed);
        }
        self.note();
    }

    fn leave(&self) {
        if let Some(word) = self.table.layout().open().and_then(|slot| self.word(slot)) {
            // It may have been set to something else meanwhile.
            let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| now.checked_sub(1));
        }
        self.entry.trackers.fetch_sub(1, Ordering::Release);
    }
}

/// What is counted in 32 bits is never more than they hold.
fn limited(place: Place, value: u64) -> u64 {
    match place.column.kind.form() {
        Form::Large => value,
        _ => value.min(u32::MAX.into()),
    }
}

/// An entry that a session tracks. It is there until this is dropped.
#[derive(Debug)]
pub struct Tracked {
    table: Arc<Table>,
    entry: Arc<Entry>,
}

impl Tracked {
    /// The entry was marked as tracked under the lock of its shard.
    pub(super) fn new(table: Arc<Table>, entry: Arc<Entry>) -> Tracked {
        Tracked { table, entry }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The entry.
    #[must_use]
    pub fn entry(&self) -> EntryRef<'_> {
        EntryRef {
            table: &self.table,
            entry: &self.entry,
        }
    }

    /// Ends the tracking: the time of the entry begins anew.
    pub fn release(self, now: u64) {
        self.entry().touch(now);
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.entry().leave();
    }
}
