//! A dictionary that all threads share. Reading takes no lock; writers come one after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tidegate_proxy::ticks;

use super::stored::Stored;

/// What an entry takes beside its key and value, about.
const ENTRY_BYTES: usize = 160;

/// Who waits for which key to change, each with a number of its own.
type Waiters = HashMap<Box<[u8]>, Vec<(u64, Waker)>>;

/// A dictionary.
pub(crate) struct Dict {
    name: String,
    bytes_max: usize,
    entries: papaya::HashMap<Box<[u8]>, Arc<Entry>>,
    writer: Mutex<Writer>,
    waiters: Mutex<Waiters>,
    /// How many wait, so that writers need not look.
    waiting: AtomicUsize,
    evicted: AtomicU64,
}

/// An entry. What is written takes its place.
pub(crate) struct Entry {
    key: Box<[u8]>,
    pub(crate) value: Stored,
    /// When it ends, on the clock of [`ticks`]; 0 for never.
    expires: u64,
    /// No other entry of the dictionary has or had it.
    pub(crate) version: u64,
    bytes: usize,
    /// It was read since somebody looked for one to evict.
    used: AtomicBool,
}

#[derive(Default)]
struct Writer {
    version: u64,
    bytes: usize,
    /// In the order in which they are looked at when room is needed.
    queue: VecDeque<Arc<Entry>>,
}

/// Why something was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Exists,
    Missing,
    Differs,
    TooLarge,
    NoNumber,
}

impl Refused {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Refused::Exists => "exists",
            Refused::Missing => "not found",
            Refused::Differs => "differs",
            Refused::TooLarge => "too large",
            Refused::NoNumber => "not a number",
        }
    }
}

/// What a dictionary holds, for listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DictReport {
    /// Its name.
    pub name: String,
    /// Its entries.
    pub entries: usize,
    /// What they take, about.
    pub bytes: usize,
    /// The most that they may take.
    pub bytes_max: usize,
    /// Entries that had to make room.
    pub evicted: u64,
}

impl Entry {
    fn is_over(&self, now: u64) -> bool {
        self.expires != 0 && self.expires <= now
    }
}

impl Dict {
    pub(super) fn new(name: &str, bytes_max: usize) -> Dict {
        Dict {
            name: name.to_owned(),
            bytes_max,
            entries: papaya::HashMap::new(),
            writer: Mutex::default(),
            waiters: Mutex::default(),
            waiting: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// The entry of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Entry>> {
        let entry = self.entries.pin().get(key).cloned()?;
        if entry.is_over(ticks()) {
            return None;
        }
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(entry)
    }

    /// Puts what `change` makes of the value before in its place, alone among writers. Gives the value.
    pub(crate) fn change(
        &self,
        key: &[u8],
        ttl_ms: Option<u64>,
        change: impl FnOnce(Option<&Stored>) -> Result<Stored, Refused>,
    ) -> Result<Stored, Refused> {
        let now = ticks();
        let mut writer = self.writer();
        let map = self.entries.pin();
        let before = map.get(key).cloned().filter(|entry| !entry.is_over(now));
        let value = change(before.as_ref().map(|entry| &entry.value))?;
        let bytes = key.len() + value.bytes() + ENTRY_BYTES;
        if bytes > self.bytes_max {
            return Err(Refused::TooLarge);
        }
        writer.version += 1;
        let expires = match (ttl_ms, &before) {
            (Some(0), _) => 0,
            (Some(ttl), _) => now.saturating_add(ttl),
            // What only changes keeps its end.
            (None, Some(before)) => before.expires,
            (None, None) => 0,
        };
        let entry = Arc::new(Entry {
            key: key.into(),
            value: value.clone(),
            expires,
            version: writer.version,
            bytes,
            used: AtomicBool::new(false),
        });
        writer.bytes += bytes;
        if let Some(before) = map.insert(key.into(), Arc::clone(&entry)) {
            writer.bytes = writer.bytes.saturating_sub(before.bytes);
        }
        writer.queue.push_back(entry);
        self.make_room(&mut writer, now);
        drop(writer);
        self.wake(key);
        Ok(value)
    }

    /// Takes a key out. Tells whether it was there.
    pub(crate) fn remove(&self, key: &[u8]) -> bool {
        let mut writer = self.writer();
        let removed = self.entries.pin().remove(key).cloned();
        let Some(removed) = removed else { return false };
        writer.version += 1;
        writer.bytes = writer.bytes.saturating_sub(removed.bytes);
        drop(writer);
        self.wake(key);
        !removed.is_over(ticks())
    }

    /// Takes all keys out.
    pub(crate) fn clear(&self) {
        let mut writer = self.writer();
        writer.version += 1;
        writer.bytes = 0;
        writer.queue.clear();
        self.entries.pin().clear();
        drop(writer);
        let keys: Vec<_> = self.waiters().keys().cloned().collect();
        for key in keys {
            self.wake(&key);
        }
    }

    /// The keys, at most so many.
    pub(crate) fn keys(&self, most: usize) -> Vec<Box<[u8]>> {
        let now = ticks();
        let map = self.entries.pin();
        let living = map.iter().filter(|(_, entry)| !entry.is_over(now));
        living.map(|(key, _)| key.clone()).take(most).collect()
    }

    /// What it holds.
    pub(crate) fn report(&self) -> DictReport {
        let writer = self.writer();
        DictReport {
            name: self.name.clone(),
            entries: self.entries.len(),
            bytes: writer.bytes,
            bytes_max: self.bytes_max,
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }

    /// Lets those go that have ended, then those that were not read for longest.
    fn make_room(&self, writer: &mut Writer, now: u64) {
        let map = self.entries.pin();
        // What was replaced is still in the queue; it may not grow without end.
        if writer.queue.len() > 2 * map.len() + 64 {
            let living =
                |entry: &Arc<Entry>| map.get(&entry.key).is_some_and(|known| Arc::ptr_eq(known, entry));
            writer.queue.retain(living);
        }
        while writer.bytes > self.bytes_max {
            let Some(entry) = writer.queue.pop_front() else {
                return;
            };
            let lives = map
                .get(&entry.key)
                .is_some_and(|known| Arc::ptr_eq(known, &entry));
            if !lives {
                continue;
            }
            if entry.used.swap(false, Ordering::Relaxed) && !entry.is_over(now) {
                writer.queue.push_back(entry);
                continue;
            }
            map.remove(&entry.key);
            writer.bytes = writer.bytes.saturating_sub(entry.bytes);
            if !entry.is_over(now) {
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, key: &[u8]) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let woken = self.waiters().remove(key).unwrap_or_default();
        for (_, waker) in woken {
            waker.wake();
        }
    }
}

/// Waits until a key has another version than one that is known.
pub(crate) struct Change {
    dict: Arc<Dict>,
    key: Box<[u8]>,
    known: u64,
    number: u64,
}

impl Change {
    /// `known` is 0 where there was no entry.
    pub(crate) fn new(dict: &Arc<Dict>, key: &[u8], known: u64) -> Change {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        dict.waiting.fetch_add(1, Ordering::SeqCst);
        Change {
            dict: Arc::clone(dict),
            key: key.into(),
            known,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Option<Arc<Entry>>> {
        {
            let mut waiters = self.dict.waiters();
            let waiters = waiters.entry(self.key.clone()).or_default();
            match waiters.iter_mut().find(|(number, _)| *number == self.number) {
                Some((_, waker)) => waker.clone_from(cx.waker()),
                None => waiters.push((self.number, cx.waker().clone())),
            }
        }
        // Looked at after it is known who waits: whoever writes now wakes.
        let entry = self.dict.get(&self.key);
        match entry.as_ref().map_or(0, |entry| entry.version) == self.known {
            true => Poll::Pending,
            false => Poll::Ready(entry),
        }
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let mut waiters = self.dict.waiters();
        if let Some(of_key) = waiters.get_mut(&self.key) {
            of_key.retain(|(number, _)| *number != self.number);
            if of_key.is_empty() {
                waiters.remove(&self.key);
            }
        }
        drop(waiters);
        self.dict.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(dict: &Dict, key: &str, value: i64) {
        dict.change(key.as_bytes(), Some(0), |_| Ok(Stored::Int(value)))
            .unwrap();
    }

    #[test]
    fn what_was_not_read_makes_room() {
        let one = ENTRY_BYTES + 2 + Stored::Int(0).bytes();
        let dict = Dict::new("d", 10 * one);
        for n in 0..10 {
            set(&dict, &format!("k{n}"), n);
        }
        assert!(dict.get(b"k0").is_some());
        set(&dict, "ka", 1);
        assert!(dict.get(b"k0").is_some(), "it was read");
        assert!(dict.get(b"k1").is_none(), "it was not");
        let report = dict.report();
        assert_eq!((report.entries, report.evicted), (10, 1));
        assert!(report.bytes <= report.bytes_max);
        assert_eq!(
            dict.change(b"big", None, |_| Ok(Stored::Text(vec![0; 10 * one].into()))),
            Err(Refused::TooLarge)
        );
    }

    #[test]
    fn what_is_written_again_and_again_takes_no_room() {
        let dict = Dict::new("d", 1 << 20);
        for n in 0..10_000 {
            set(&dict, "same", n);
        }
        assert_eq!(dict.report().entries, 1);
        assert!(dict.writer().queue.len() < 100);
        assert!(dict.remove(b"same") && !dict.remove(b"same"));
        assert_eq!(dict.report().bytes, 0);
    }

    #[test]
    fn readers_and_writers_of_many_threads_agree() {
        let dict = Arc::new(Dict::new("d", 1 << 20));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let dict = dict.clone();
                std::thread::spawn(move || {
                    for _ in 0..1000 {
                        let added = dict.change(b"n", None, |before| match before {
                            Some(Stored::Int(n)) => Ok(Stored::Int(n + 1)),
                            _ => Ok(Stored::Int(1)),
                        });
                        assert!(added.is_ok() && dict.get(b"n").is_some());
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(dict.get(b"n").unwrap().value, Stored::Int(4000));
    }
}
