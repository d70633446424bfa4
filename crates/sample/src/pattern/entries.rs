//! The entries of a list: what was written, kept once for all the ways to match it.

use crate::data::Data;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Entries that are copied together when one of them changes.
const CHUNK_ENTRIES: usize = 1024;

/// An entry's place among the others. It is free for another entry once this one is gone.
pub(super) type Slot = u32;

/// One entry: 32 bytes beside the text that it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The text that holds key and value: the whole file, or one that was made for this entry.
    page: Arc<Bytes>,
    key_at: u32,
    key_len: u32,
    value_at: u32,
    value_len: u32,
    /// When it was added: the first one wins where several match. [`Entry::GONE`] marks a free slot.
    pub(super) order: u64,
}

impl Entry {
    const GONE: u64 = u64::MAX;
    const NO_VALUE: u32 = u32::MAX;

    /// An entry of a file that was read.
    pub(super) fn of_page(
        page: &Arc<Bytes>,
        key: Range<u32>,
        value: Option<Range<u32>>,
        order: u64,
    ) -> Entry {
        let (value_at, value_len) = value.map_or((0, Entry::NO_VALUE), |range| {
            (range.start, range.end.saturating_sub(range.start))
        });
        Entry {
            page: Arc::clone(page),
            key_at: key.start,
            key_len: key.end.saturating_sub(key.start),
            value_at,
            value_len,
            order,
        }
    }

    /// An entry with a text of its own.
    pub(super) fn own(key: &[u8], value: Option<&[u8]>, order: u64) -> Entry {
        let mut text = Vec::with_capacity(key.len() + value.map_or(0, <[u8]>::len));
        text.extend_from_slice(key);
        text.extend_from_slice(value.unwrap_or_default());
        let (middle, end) = (to_u32(key.len()), to_u32(text.len()));
        Entry::of_page(&page(text.into()), 0..middle, value.map(|_| middle..end), order)
    }

    /// The key as it was written.
    pub(crate) fn key(&self) -> &[u8] {
        slice(&self.page, self.key_at, self.key_len)
    }

    /// The value as it was written; none in a list that is no map.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        (self.value_len != Entry::NO_VALUE).then(|| slice(&self.page, self.value_at, self.value_len))
    }

    /// The key, sharing the text that holds it.
    pub(crate) fn key_data(&self) -> Data {
        self.data(self.key_at, self.key_len)
    }

    /// The value, sharing the text that holds it; empty where there is none.
    pub(crate) fn value_data(&self) -> Data {
        match self.value_len {
            Entry::NO_VALUE => Data::EMPTY,
            len => self.data(self.value_at, len),
        }
    }

    /// Where the value is in a text, if that is the one that holds it.
    pub(super) fn value_in(&self, page: &Arc<Bytes>) -> Option<InPage> {
        let len = u16::try_from(self.value_len).ok()?;
        Arc::ptr_eq(&self.page, page).then_some(InPage {
            at: self.value_at,
            len,
        })
    }

    fn data(&self, at: u32, len: u32) -> Data {
        Data::shared(&self.page, at as usize..at as usize + len as usize)
    }

    /// Where the key stands in the text.
    pub(super) fn key_range(&self) -> Range<usize> {
        self.key_at as usize..self.key_at as usize + self.key_len as usize
    }

    /// Where the value stands in the line of a file; after the key if there is none.
    pub(super) fn value_range(&self) -> Range<usize> {
        let end = self.key_range().end;
        match self.value_len {
            Entry::NO_VALUE => end..end,
            // It is kept where it stood first, which may be in another line.
            len => {
                let behind = self.page.get(end..).unwrap_or_default();
                let blanks = behind.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
                let start = end + blanks.count();
                start..start + len as usize
            }
        }
    }
}

/// Where a short value is in a text that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pattern) struct InPage {
    pub(super) at: u32,
    pub(super) len: u16,
}

impl InPage {
    /// The value, sharing the text.
    pub(super) fn data(self, page: &Bytes) -> Data {
        Data::shared(page, self.at as usize..self.at as usize + usize::from(self.len))
    }
}

/// A text for entries to share. Sharing it later allocates nothing.
pub(super) fn page(text: Bytes) -> Arc<Bytes> {
    // The first clone of bytes that came from a vector allocates the count of their owners: this one.
    drop(text.clone());
    Arc::new(text)
}

/// Offsets are 32 bits wide; files are bounded so that they fit.
pub(super) fn to_u32(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn slice(page: &Bytes, at: u32, len: u32) -> &[u8] {
    page.get(at as usize..at as usize + len as usize)
        .unwrap_or_default()
}

/// All entries of a version of a list. Cloning is cheap, and a clone that is changed leaves the others alone.
#[derive(Clone, Default)]
pub(super) struct Entries {
    full: Arc<Vec<Arc<[Entry]>>>,
    tail: Arc<Vec<Entry>>,
}

impl Entries {
    /// The entry at a slot, if it is there.
    pub(super) fn get(&self, slot: Slot) -> Option<&Entry> {
        let (chunk, at) = (slot as usize / CHUNK_ENTRIES, slot as usize % CHUNK_ENTRIES);
        let entry = match self.full.get(chunk) {
            Some(chunk) => chunk.get(at),
            None if chunk == self.full.len() => self.tail.get(at),
            None => None,
        };
        entry.filter(|entry| entry.order != Entry::GONE)
    }

    /// The text that the first entry is in.
    pub(super) fn page(&self) -> Arc<Bytes> {
        self.iter()
            .next()
            .map(|(_, entry)| Arc::clone(&entry.page))
            .unwrap_or_default()
    }

    /// The key at a slot; empty if there is no entry.
    pub(super) fn key(&self, slot: Slot) -> &[u8] {
        self.get(slot).map(Entry::key).unwrap_or_default()
    }

    /// Puts an entry at the end.
    pub(super) fn push(&mut self, entry: Entry) -> Slot {
        let slot = to_u32(self.full.len() * CHUNK_ENTRIES + self.tail.len());
        let tail = Arc::make_mut(&mut self.tail);
        tail.push(entry);
        if tail.len() == CHUNK_ENTRIES {
            let full = std::mem::take(tail).into();
            Arc::make_mut(&mut self.full).push(full);
        }
        slot
    }

    /// Puts an entry in the place of another.
    pub(super) fn set(&mut self, slot: Slot, entry: Entry) {
        let (chunk, at) = (slot as usize / CHUNK_ENTRIES, slot as usize % CHUNK_ENTRIES);
        let place = if chunk < self.full.len() {
            Arc::make_mut(&mut self.full)
                .get_mut(chunk)
                .and_then(|chunk| Arc::make_mut(chunk).get_mut(at))
        } else {
            Arc::make_mut(&mut self.tail).get_mut(at)
        };
        if let Some(place) = place {
            *place = entry;
        }
    }

    /// Takes the entry at a slot away, and lets go of its text.
    pub(super) fn remove(&mut self, slot: Slot) {
        let gone = Entry::of_page(&Arc::default(), 0..0, None, Entry::GONE);
        self.set(slot, gone);
    }

    /// The entries with their slots, in the order of the slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        self.full
            .iter()
            .flat_map(|chunk| chunk.iter())
            .chain(self.tail.iter())
            .enumerate()
            .map(|(slot, entry)| (to_u32(slot), entry))
            .filter(|(_, entry)| entry.order != Entry::GONE)
    }

    /// Of two slots, the one whose entry was added first.
    pub(super) fn first(&self, one: Option<Slot>, other: Option<Slot>) -> Option<Slot> {
        let (Some(a), Some(b)) = (one, other) else {
            return one.or(other);
        };
        let order = |slot| self.get(slot).map_or(Entry::GONE, |entry| entry.order);
        Some(if order(b) < order(a) { b } else { a })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_clone_leaves_the_others_alone() {
        let mut entries = Entries::default();
        for i in 0..3000_u64 {
            let slot = entries.push(Entry::own(i.to_string().as_bytes(), Some(b"v"), i));
            assert_eq!(u64::from(slot), i);
        }
        let before = entries.clone();
        entries.set(3, Entry::own(b"3", Some(b"other"), 3));
        entries.remove(2999);
        entries.remove(4);
        assert_eq!(entries.get(3).unwrap().value(), Some(&b"other"[..]));
        assert_eq!(before.get(3).unwrap().value(), Some(&b"v"[..]));
        assert!(entries.get(2999).is_none() && before.get(2999).is_some());
        assert_eq!((entries.iter().count(), before.iter().count()), (2998, 3000));
        assert_eq!(entries.key(700), b"700");
        assert!(entries.get(3000).is_none() && entries.get(u32::MAX).is_none());
    }

    #[test]
    fn long_values_share_the_text_of_the_file() {
        let text = page(Bytes::from(vec![b'x'; 300]));
        let entry = Entry::of_page(&text, 0..10, Some(100..300), 0);
        let data = entry.value_data();
        assert!(std::ptr::eq(data.as_ptr(), &text[100]) && data.len() == 200);
        assert_eq!(size_of::<Entry>(), 32);
    }
}
