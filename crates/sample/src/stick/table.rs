//! A table: keys of one type, as many as it has room for, with what is kept for each.

use std::collections::HashSet;
use std::hash::RandomState;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::count::Counts;
use super::data::{Column, DataType, Layout};
use super::entry::{Entry, EntryRef, Tracked};
use super::key::{Key, KeyType};
use super::shard::{Locked, Shard, is_tracked, touched};
use super::sharing::Changes;
use crate::data::Data;

/// Most shards, each with a lock of its own.
const SHARDS_MAX: usize = 64;
/// Entries for which a table has another shard: small ones have but one, and so an exact order.
const ENTRIES_PER_SHARD: usize = 1024;
/// Most different servers that the entries of a table belong to.
const SERVERS_MAX: usize = 65_536;

/// What identifies a server in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerKey {
    /// `srvkey name`.
    #[default]
    Name,
    /// `srvkey addr`: its address with the port.
    Address,
}

/// A table as the configuration describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The name: that of the section where it stands.
    pub name: String,
    /// The type of the keys.
    pub key: KeyType,
    /// `size`: most entries.
    pub size: usize,
    /// `expire`: how long an entry is kept that nothing touches, milliseconds.
    pub expire_ms: Option<u64>,
    /// `nopurge`: when it is full, new keys are refused instead of old ones forgotten.
    pub no_purge: bool,
    /// `srvkey`.
    pub server_key: ServerKey,
    /// `brates-factor`: bytes in rates are counted in blocks of so many.
    pub bytes_factor: u32,
    /// `recv-only`: what others tell of open connections is taken in too.
    pub recv_only: bool,
    /// `peers`: the section of those who are told of it.
    pub peers: Option<String>,
    /// `write-to`: the table that some of what others tell is written to as well.
    pub write_to: Option<String>,
    /// `store`.
    pub columns: Vec<Column>,
}

impl TableSpec {
    /// A table that keeps nothing but its keys.
    #[must_use]
    pub fn new(name: impl Into<String>, key: KeyType, size: usize) -> TableSpec {
        TableSpec {
            name: name.into(),
            key,
            size,
            expire_ms: None,
            no_purge: false,
            server_key: ServerKey::default(),
            bytes_factor: 1,
            recv_only: false,
            peers: None,
            write_to: None,
            columns: Vec::new(),
        }
    }
}

/// A table, shared by all threads. Times are milliseconds on one clock that never goes back.
///
/// A key is found under the lock of its shard, which is held for that alone. An entry that is tracked is updated with
/// no lock at all.
#[derive(Debug)]
pub struct Table {
    spec: TableSpec,
    layout: Layout,
    hasher: RandomState,
    shards: Box<[Shard]>,
    used: AtomicUsize,
    /// Rules on persistence use it: it keeps servers, whatever `store` says.
    keeps_servers: AtomicBool,
    /// Whoever tells others of it.
    pub(super) changes: OnceLock<Changes>,
    /// Among how many parts those that share it divide its keys.
    pub(super) parts: OnceLock<u32>,
    servers: ArcSwap<Vec<Data>>,
}

/// What became of the wish to forget an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is forgotten.
    Done,
    /// There is none of that key.
    Missing,
    /// It is tracked, and stays.
    InUse,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(spec: TableSpec) -> Table {
        let shards = (spec.size / ENTRIES_PER_SHARD)
            .clamp(1, SHARDS_MAX)
            .next_power_of_two();
        Table {
            layout: Layout::new(&spec.columns),
            hasher: RandomState::new(),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            used: AtomicUsize::new(0),
            keeps_servers: AtomicBool::new(false),
            changes: OnceLock::new(),
            parts: OnceLock::new(),
            servers: ArcSwap::default(),
            spec,
        }
    }

    /// The description that it was made of.
    #[must_use]
    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The column of a kind of data, if the table keeps it.
    #[must_use]
    pub fn column(&self, kind: DataType) -> Option<Column> {
        self.layout.column(kind)
    }

    /// What it counts of all that may happen.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.layout.counts()
    }

    /// Whether the table keeps a kind of data.
    #[must_use]
    pub fn keeps(&self, kind: DataType) -> bool {
        match kind {
            DataType::ServerId | DataType::ServerKey => {
                self.keeps_servers.load(Ordering::Relaxed)
                    || self.spec.columns.iter().any(|column| column.kind == kind)
            }
            _ => self.layout.column(kind).is_some(),
        }
    }

    /// From now on it keeps servers.
    pub fn keep_servers(&self) {
        self.keeps_servers.store(true, Ordering::Relaxed);
    }

    /// Number of entries.
    #[must_use]
    pub fn used(&self, now: u64) -> usize {
        self.expire(now);
        self.used.load(Ordering::Relaxed)
    }

    /// How many more entries there is room for.
    #[must_use]
    pub fn available(&self, now: u64) -> usize {
        self.spec.size.saturating_sub(self.used(now))
    }

    /// Shows the entry of a key, if there is one. Looking at it does not put its end off.
    pub fn look_up<R>(&self, key: &Key, now: u64, look: impl FnOnce(EntryRef<'_>) -> R) -> Option<R> {
        let hash = key.hash(&self.hasher);
        let shard = self.shard(hash)?.lock();
        let entry = shard.find(hash, key).filter(|entry| !self.is_over(entry, now))?;
        Some(look(EntryRef { table: self, entry }))
    }

    /// Updates the entry of a key, which is there from now on. None if there is no room for it.
    pub fn update<R>(&self, key: &Key, now: u64, change: impl FnOnce(EntryRef<'_>) -> R) -> Option<R> {
        self.find_or_insert(key, now, |entry| {
            entry.touch(now);
            let entry = EntryRef { table: self, entry };
            let changed = change(entry);
            entry.note();
            changed
        })
    }

    /// Tracks the entry of a key, which is there from now on. None if there is no room for it.
    #[must_use]
    pub fn track(self: &Arc<Self>, key: &Key, now: u64) -> Option<Tracked> {
        let entry = self.find_or_insert(key, now, |entry| {
            entry.trackers.fetch_add(1, Ordering::Relaxed);
            entry.touch(now);
            entry.clone()
        })?;
        let tracked = Tracked::new(self.clone(), entry);
        tracked.entry().join();
        Some(tracked)
    }

    /// Forgets the entry of a key unless it is tracked.
    pub fn remove(&self, key: &Key, now: u64) -> Removal {
        let hash = key.hash(&self.hasher);
        let Some(mut shard) = self.shard(hash).map(Shard::lock) else {
            return Removal::Missing;
        };
        let Some(entry) = shard.find(hash, key).cloned() else {
            return Removal::Missing;
        };
        if is_tracked(&entry) {
            return Removal::InUse;
        }
        let was_over = self.is_over(&entry, now);
        self.take(&mut shard, &entry);
        if was_over { Removal::Missing } else { Removal::Done }
    }

    /// Forgets all entries that are not tracked and for which `doomed` holds.
    pub fn remove_all(&self, now: u64, doomed: &mut dyn FnMut(EntryRef<'_>) -> bool) {
        self.expire(now);
        for shard in &self.shards {
            let mut shard = shard.lock();
            let all: Vec<_> = shard.entries().cloned().collect();
            for entry in all {
                if !is_tracked(&entry)
                    && doomed(EntryRef {
                        table: self,
                        entry: &entry,
                    })
                {
                    self.take(&mut shard, &entry);
                }
            }
        }
    }

    /// Shows all entries, in the order of their keys within each part of the table, until `visit` breaks. No lock is held
    /// meanwhile.
    pub fn each(&self, now: u64, visit: &mut dyn FnMut(EntryRef<'_>) -> ControlFlow<()>) {
        self.expire(now);
        for shard in &self.shards {
            let mut entries: Vec<_> = shard.lock().entries().cloned().collect();
            entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            for entry in &entries {
                if !self.is_over(entry, now) && visit(EntryRef { table: self, entry }).is_break() {
                    return;
                }
            }
        }
    }

    /// Forgets what is out of date. Whoever looks an entry up does not see such a one anyway; this is for the room.
    pub fn expire(&self, now: u64) {
        let Some(before) = self.spec.expire_ms.and_then(|expire| now.checked_sub(expire)) else {
            return;
        };
        for shard in &self.shards {
            if shard.oldest() <= before {
                let gone = shard.lock().expire(before, now, &self.hasher);
                self.used.fetch_sub(gone, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The name or address of a server by its number.
    pub(super) fn server_key(&self, number: u32) -> Option<Data> {
        let at = (number as usize).checked_sub(1)?;
        self.servers.load().get(at).cloned()
    }

    /// The number of a server; 0 when there are too many.
    pub(super) fn number_of_server(&self, key: &[u8]) -> u32 {
        let number = |servers: &[Data]| {
            let at = servers.iter().position(|known| known.as_slice() == key)?;
            u32::try_from(at + 1).ok()
        };
        if let Some(known) = number(&self.servers.load()) {
            return known;
        }
        self.servers.rcu(|servers| {
            let mut servers = Vec::clone(servers);
            if number(&servers).is_none() && servers.len() < SERVERS_MAX {
                servers.push(Data::copy(key));
            }
            servers
        });
        number(&self.servers.load()).unwrap_or(0)
    }

    /// In how many bytes a rate is counted.
    pub(super) fn block(&self, kind: DataType) -> u64 {
        match kind {
            DataType::BytesInRate | DataType::BytesOutRate => self.spec.bytes_factor.max(1).into(),
            _ => 1,
        }
    }

    /// In how many blocks so many bytes are; one that has begun is counted.
    pub(super) fn blocks(&self, kind: DataType, amount: u64) -> u64 {
        amount.div_ceil(self.block(kind))
    }

    fn shard(&self, hash: u64) -> Option<&Shard> {
        // The map inside takes the lowest and highest bits.
        self.shards.get((hash >> 32) as usize & (self.shards.len() - 1))
    }

    fn is_over(&self, entry: &Entry, now: u64) -> bool {
        let over = |expire: u64| touched(entry).saturating_add(expire) <= now && !is_tracked(entry);
        self.spec.expire_ms.is_some_and(over)
    }

    pub(super) fn find_or_insert<R>(
        &self,
        key: &Key,
        now: u64,
        then: impl FnOnce(&Arc<Entry>) -> R,
    ) -> Option<R> {
        let hash = key.hash(&self.hasher);
        let shard = self.shard(hash)?;
        loop {
            let mut locked = shard.lock();
            if let Some(entry) = locked.find(hash, key) {
                if !self.is_over(entry, now) {
                    return Some(then(entry));
                }
                let entry = entry.clone();
                self.take(&mut locked, &entry);
            }
            let room = self
                .used
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                    (used < self.spec.size).then_some(used + 1)
                });
            if room.is_ok() {
                let entry = Arc::new(Entry::new(key, self.layout.slots(), now));
                locked.insert(hash, &entry, &self.hasher);
                return Some(then(&entry));
            }
            drop(locked);
            if !self.make_room(now) {
                return None;
            }
        }
    }

    /// Forgets some of the oldest entries, those that are out of date first. False if none may go.
    fn make_room(&self, now: u64) -> bool {
        if self.used(now) < self.spec.size {
            return true;
        }
        if self.spec.no_purge {
            return false;
        }
        let wanted = self.spec.size / 256 + 1;
        let mut tried = HashSet::new();
        while tried.len() < self.shards.len() {
            let left = self
                .shards
                .iter()
                .enumerate()
                .filter(|(at, _)| !tried.contains(at));
            let Some((at, oldest)) = left.min_by_key(|(_, shard)| shard.oldest()) else {
                break;
            };
            let gone = oldest.lock().evict(wanted, now, &self.hasher);
            if gone > 0 {
                self.used.fetch_sub(gone, Ordering::Relaxed);
                return true;
            }
            tried.insert(at);
        }
        false
    }

    fn take(&self, shard: &mut Locked<'_>, entry: &Arc<Entry>) {
        shard.remove(entry, &self.hasher);
        self.used.fetch_sub(1, Ordering::Relaxed);
    }
}
