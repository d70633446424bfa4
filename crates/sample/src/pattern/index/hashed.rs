//! A hash table of entries by their keys, for exact texts and for their parts.

use super::super::entries::{Entries, Slot, to_u32};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

/// Entries of a shard, in the mean, at which there come to be twice as many shards.
const SHARD_ENTRIES: usize = 256;

/// So few keys are compared one by one: that takes less than to hash a text.
const FEW: usize = 4;

/// Items on either side of a guess that are looked at one by one.
const NEAR: usize = 24;

/// Slots by the hash of their keys. Cloning is cheap, and a clone that is changed leaves the others alone.
///
/// Keys are in the entries; only hashes are kept here. Hashes are keyed by a secret of the process, so that whoever
/// chooses keys cannot choose those that fall together.
#[derive(Clone)]
pub(in crate::pattern) struct Hashed {
    /// As many as a power of two. Each is in the order of hashes, and then in that of adding.
    shards: Arc<Vec<Shard>>,
    /// The lengths that keys have, with the number of keys, in ascending order.
    lengths: Arc<Vec<(u32, u32)>>,
    len: usize,
}

type Shard = Arc<Vec<(u32, Slot)>>;

impl Hashed {
    pub(in crate::pattern) fn new() -> Hashed {
        Hashed {
            shards: Arc::new(vec![Shard::default()]),
            lengths: Arc::default(),
            len: 0,
        }
    }

    /// The slots whose keys may be this text, those of one key in the order of adding; the caller compares.
    pub(in crate::pattern) fn candidates(&self, text: &[u8]) -> impl Iterator<Item = Slot> {
        let is_few = self.shards.len() == 1 && self.len <= FEW;
        let hash = (!is_few).then(|| hash(text));
        let shard = self.shards.get(hash.map_or(0, |hash| self.shard_of(hash)));
        let shard = shard.map(|shard| &shard[..]).unwrap_or_default();
        let from = hash.map_or(0, |hash| self.first(shard, hash));
        shard
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(move |(other, _)| hash.is_none_or(|hash| *other == hash))
            .map(|(_, slot)| *slot)
    }

    /// The first slot whose key `is` this text.
    pub(in crate::pattern) fn find(
        &self,
        text: &[u8],
        entries: &Entries,
        is: impl Fn(&[u8]) -> bool,
    ) -> Option<Slot> {
        self.candidates(text).find(|slot| is(entries.key(*slot)))
    }

    /// The lengths that keys have, in ascending order.
    pub(in crate::pattern) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().map(|(length, _)| *length as usize)
    }

    /// Adds a slot whose key is `text`.
    pub(in crate::pattern) fn insert(&mut self, text: &[u8], slot: Slot) {
        if self.len >= self.shards.len() * SHARD_ENTRIES {
            self.grow();
        }
        let hash = hash(text);
        let shard = self.shard_of(hash);
        if let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(shard) {
            let shard = Arc::make_mut(shard);
            let at = shard.partition_point(|(other, _)| *other <= hash);
            shard.insert(at, (hash, slot));
            self.len += 1;
        }
        self.count(text.len(), true);
    }

    /// Takes a slot away whose key is `text`.
    pub(in crate::pattern) fn remove(&mut self, text: &[u8], slot: Slot) {
        let hash = hash(text);
        let shard = self.shard_of(hash);
        if let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(shard) {
            let shard = Arc::make_mut(shard);
            if let Some(at) = shard.iter().position(|item| *item == (hash, slot)) {
                shard.remove(at);
                self.len -= 1;
                self.count(text.len(), false);
            }
        }
    }

    /// The place of the first item of a shard that is not before a hash. Hashes are spread evenly, so it is near where
    /// it would be if they were so to the last: one look at the memory, where halving would take several.
    fn first(&self, shard: &[(u32, Slot)], hash: u32) -> usize {
        let within = u64::from(hash << self.shards.len().trailing_zeros());
        let guess = ((within * shard.len() as u64) >> 32) as usize;
        let is_before = |at: usize| shard.get(at).is_some_and(|(other, _)| *other < hash);
        let mut at = guess;
        while is_before(at) && at < guess + NEAR {
            at += 1;
        }
        while at > 0 && !is_before(at - 1) && at + NEAR > guess {
            at -= 1;
        }
        let found = !is_before(at) && (at == 0 || is_before(at - 1));
        if found {
            at
        } else {
            // Many entries of one key have taken the places of others.
            shard.partition_point(|(other, _)| *other < hash)
        }
    }

    fn shard_of(&self, hash: u32) -> usize {
        let bits = self.shards.len().trailing_zeros();
        hash.checked_shr(u32::BITS - bits).unwrap_or(0) as usize
    }

    /// Splits each shard by the next bit of the hashes.
    fn grow(&mut self) {
        let bits = self.shards.len().trailing_zeros();
        let mut grown = Vec::with_capacity(self.shards.len() * 2);
        for shard in self.shards.iter() {
            let middle = shard.partition_point(|(hash, _)| hash << bits >> 31 == 0);
            let (low, high) = shard.split_at_checked(middle).unwrap_or((shard, &[]));
            grown.push(Arc::new(low.to_vec()));
            grown.push(Arc::new(high.to_vec()));
        }
        self.shards = Arc::new(grown);
    }

    fn count(&mut self, length: usize, more: bool) {
        let length = to_u32(length);
        let lengths = Arc::make_mut(&mut self.lengths);
        match lengths.binary_search_by_key(&length, |(length, _)| *length) {
            Ok(at) => {
                let Some((_, count)) = lengths.get_mut(at) else {
                    return;
                };
                *count = if more { *count + 1 } else { *count - 1 };
                if *count == 0 {
                    lengths.remove(at);
                }
            }
            Err(at) if more => lengths.insert(at, (length, 1)),
            Err(_) => {}
        }
    }
}

fn hash(text: &[u8]) -> u32 {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let hash = SECRET.hash_one(text);
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::super::super::entries::Entry;
    use super::*;

    #[test]
    fn few_keys_are_found_before_there_were_many_and_after() {
        let mut entries = Entries::default();
        let mut hashed = Hashed::new();
        let keys: Vec<String> = (0..1000).map(|i| format!("key{i}")).collect();
        let find = |hashed: &Hashed, entries: &Entries, key: &str| {
            hashed.find(key.as_bytes(), entries, |k| k == key.as_bytes())
        };
        for (slot, key) in (0..).zip(&keys) {
            entries.push(Entry::own(key.as_bytes(), None, slot.into()));
            hashed.insert(key.as_bytes(), slot);
            assert_eq!(find(&hashed, &entries, key), Some(slot));
            assert_eq!(find(&hashed, &entries, "none"), None);
        }
        for (slot, key) in (0..).zip(&keys).take(997) {
            hashed.remove(key.as_bytes(), slot);
            assert_eq!(find(&hashed, &entries, key), None);
        }
        for (slot, key) in (0..).zip(&keys).skip(997) {
            assert_eq!(find(&hashed, &entries, key), Some(slot), "{key}");
        }
    }

    #[test]
    fn every_key_is_found_through_growth_and_removal() {
        let mut entries = Entries::default();
        let mut hashed = Hashed::new();
        let keys: Vec<String> = (0..5000).map(|i| format!("key{}", i % 4000)).collect();
        for (order, key) in (0..).zip(&keys) {
            let slot = entries.push(Entry::own(key.as_bytes(), None, order));
            hashed.insert(key.as_bytes(), slot);
        }
        let find =
            |hashed: &Hashed, key: &str| hashed.find(key.as_bytes(), &entries, |k| k == key.as_bytes());
        for (slot, key) in (0..4000).zip(&keys) {
            assert_eq!(find(&hashed, key), Some(slot), "the first of its key");
        }
        assert_eq!(find(&hashed, "key4000"), None);
        let before = hashed.clone();
        for (slot, key) in (0..500).zip(&keys) {
            hashed.remove(key.as_bytes(), slot);
        }
        assert_eq!(find(&hashed, "key499"), Some(4499), "the second of its key");
        assert_eq!(find(&before, "key499"), Some(499));
        hashed.remove(b"key499", 4499);
        assert_eq!(find(&hashed, "key499"), None);
        assert_eq!(hashed.lengths().collect::<Vec<_>>(), [4, 5, 6, 7]);
        for key in 0..10 {
            let key = format!("key{key}");
            let slots: Vec<Slot> = hashed.candidates(key.as_bytes()).collect();
            slots
                .into_iter()
                .for_each(|slot| hashed.remove(key.as_bytes(), slot));
        }
        assert_eq!(hashed.lengths().collect::<Vec<_>>(), [5, 6, 7]);
    }
}
