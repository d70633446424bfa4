//! A trie for prefixes, laid flat: its nodes in order, each with the length of its parent.
//!
//! A prefix stands right before everything that begins with it. So the longest one that a text begins with is the last
//! node that is not after the text, or one of that node's ancestors, and two binary searches find most of them.

use super::super::entries::Slot;
use std::cmp::Ordering;
use std::sync::Arc;

/// What can be a prefix of another of its kind.
pub(in crate::pattern) trait Key: Clone {
    /// Nodes that are copied together when one of them changes.
    const CHUNK_NODES: usize;
    /// Nodes that are searched together; see [`Chunk::index`].
    const BLOCK_NODES: usize;
    /// Whether to compare all keys of a block: for those that are compared at once and stand side by side, that is faster
    /// than to jump between them, since the memory is asked for all of them at the same time.
    const SCAN: bool;
    /// The same, borrowed.
    type Probe<'a>: Copy
    where
        Self: 'a;
    /// Borrows it.
    fn probe(&self) -> Self::Probe<'_>;
    /// The order of nodes: a prefix stands before what begins with it, and nothing else stands between them.
    fn order(a: Self::Probe<'_>, b: Self::Probe<'_>) -> Ordering;
    /// The length, in whatever it is counted.
    fn len(probe: Self::Probe<'_>) -> u32;
    /// The length of what both begin with.
    fn common(a: Self::Probe<'_>, b: Self::Probe<'_>) -> u32;
    /// The beginning of this length.
    fn cut<'a>(probe: Self::Probe<'a>, len: u32) -> Self::Probe<'a>;
}

#[derive(Clone, Copy)]
struct Node<K> {
    key: K,
    slot: Slot,
    /// The length of the longest other key that this one begins with, plus one; 0 if there is none.
    parent: u32,
}

/// Keys and their slots. Cloning is cheap, and a clone that is changed leaves the others alone.
#[derive(Clone)]
pub(in crate::pattern) struct Prefixes<K> {
    /// The first key of each chunk, and the chunk; none is empty.
    chunks: Arc<Vec<(K, Arc<Chunk<K>>)>>,
}

/// Nodes in their order.
#[derive(Clone)]
struct Chunk<K> {
    /// The first key of each block of nodes but the first: small enough to stay in the cache, so that a search waits for
    /// memory once.
    index: Box<[K]>,
    nodes: Box<[Node<K>]>,
}

impl<K: Key> Chunk<K> {
    /// A chunk of these nodes, and its first key; none without nodes.
    fn of(nodes: Vec<Node<K>>) -> Option<(K, Arc<Chunk<K>>)> {
        let first = nodes.first()?.key.clone();
        let blocks = nodes.chunks(K::BLOCK_NODES).skip(1);
        let index = blocks.filter_map(|block| Some(block.first()?.key.clone()));
        let chunk = Chunk {
            index: index.collect(),
            nodes: nodes.into(),
        };
        Some((first, Arc::new(chunk)))
    }

    /// How many nodes are before what is searched.
    fn search(&self, is_before: impl Fn(&K) -> bool) -> usize {
        let block = match K::SCAN {
            true => self.index.iter().filter(|key| is_before(key)).count(),
            false => self.index.partition_point(&is_before),
        };
        let start = block * K::BLOCK_NODES;
        let end = (start + K::BLOCK_NODES).min(self.nodes.len());
        let nodes = self.nodes.get(start..end).unwrap_or_default();
        start
            + match K::SCAN {
                true => nodes.iter().filter(|node| is_before(&node.key)).count(),
                false => nodes.partition_point(|node| is_before(&node.key)),
            }
    }
}

/// A chunk's number, and the number of a node in it.
type Position = (usize, usize);

impl<K: Key> Prefixes<K> {
    /// Makes it of all keys at once. Of equal keys those that come first stay first.
    pub(in crate::pattern) fn build(mut keys: Vec<(K, Slot)>) -> Prefixes<K> {
        keys.sort_by(|(a, _), (b, _)| K::order(a.probe(), b.probe()));
        let mut above: Vec<K> = Vec::new();
        let chunks = keys.chunks(K::CHUNK_NODES).filter_map(|keys| {
            let nodes = keys.iter().map(|(key, slot)| {
                while above.last().is_some_and(|last| !is_above(last, key)) {
                    above.pop();
                }
                let parent = above.last().map_or(0, |last| K::len(last.probe()) + 1);
                above.push(key.clone());
                Node {
                    key: key.clone(),
                    slot: *slot,
                    parent,
                }
            });
            Chunk::of(nodes.collect())
        });
        Prefixes {
            chunks: Arc::new(chunks.collect()),
        }
    }

    /// The slot of the longest key that `probe` begins with; of equal keys, the first.
    pub(in crate::pattern) fn longest(&self, probe: K::Probe<'_>) -> Option<Slot> {
        let at = self.before(self.upper(probe))?;
        let node = self.node(at)?;
        let common = K::common(node.key.probe(), probe);
        if common >= K::len(node.key.probe()) {
            return self.first_like(at, node);
        }
        let mut parent = node.parent;
        while parent > common + 1 {
            parent = self.first(K::cut(probe_of(node), parent - 1))?.parent;
        }
        if parent == 0 {
            return None;
        }
        self.first(K::cut(probe_of(node), parent - 1))
            .map(|node| node.slot)
    }

    /// The slot of the first key that is equal to `probe`.
    pub(in crate::pattern) fn exact(&self, probe: K::Probe<'_>) -> Option<Slot> {
        let node = self.first(probe)?;
        (K::order(node.key.probe(), probe) == Ordering::Equal).then_some(node.slot)
    }

    /// Adds a key after those that are equal to it.
    pub(in crate::pattern) fn insert(&mut self, key: K, slot: Slot) {
        let at = self.upper(key.probe());
        let mut parent = 0;
        let mut fresh = true;
        if let Some(before) = self.before(at).and_then(|before| self.node(before)) {
            let common = K::common(before.key.probe(), key.probe());
            if common >= K::len(before.key.probe()) {
                fresh = common < K::len(key.probe());
                parent = if fresh { common + 1 } else { before.parent };
            } else {
                parent = before.parent;
                while parent > common + 1 {
                    let above = self.first(K::cut(before.key.probe(), parent - 1));
                    parent = above.map_or(0, |above| above.parent);
                }
            }
        }
        if fresh {
            let len = K::len(key.probe()) + 1;
            self.each_below(at, &key, |node| node.parent = node.parent.max(len));
        }
        self.put(at, Node { key, slot, parent });
    }

    /// Takes a key away.
    pub(in crate::pattern) fn remove(&mut self, key: &K, slot: Slot) {
        let mut at = self.lower(key.probe());
        let mut alike = 0;
        let mut found = None;
        while let Some(node) = self.node(at) {
            if K::order(node.key.probe(), key.probe()) != Ordering::Equal {
                break;
            }
            if node.slot == slot {
                found = Some((at, node.parent));
            }
            alike += 1;
            at = self.after(at);
        }
        let Some((place, parent)) = found else { return };
        if alike == 1 {
            let len = K::len(key.probe()) + 1;
            self.each_below(at, key, |node| {
                if node.parent == len {
                    node.parent = parent;
                }
            });
        }
        self.take(place);
    }

    /// The slot of the first of the keys that are equal to the one of `node`.
    fn first_like(&self, at: Position, node: &Node<K>) -> Option<Slot> {
        let alone = at.1 > 0
            && self
                .node((at.0, at.1 - 1))
                .is_some_and(|other| K::order(other.key.probe(), node.key.probe()) != Ordering::Equal);
        if alone {
            return Some(node.slot);
        }
        self.exact(node.key.probe())
    }

    /// The first node that is not before `probe`.
    fn first(&self, probe: K::Probe<'_>) -> Option<&Node<K>> {
        self.node(self.lower(probe))
    }

    fn node(&self, (chunk, at): Position) -> Option<&Node<K>> {
        self.chunks.get(chunk)?.1.nodes.get(at)
    }

    /// The position before one.
    fn before(&self, (chunk, at): Position) -> Option<Position> {
        match at.checked_sub(1) {
            Some(at) => Some((chunk, at)),
            None => {
                let chunk = chunk.checked_sub(1)?;
                Some((chunk, self.chunks.get(chunk)?.1.nodes.len() - 1))
            }
        }
    }

    /// The position after one, in the next chunk if its own ends.
    fn after(&self, (chunk, at): Position) -> Position {
        match self.chunks.get(chunk) {
            Some((_, own)) if at + 1 >= own.nodes.len() => (chunk + 1, 0),
            _ => (chunk, at + 1),
        }
    }

    /// After the last node that is not after `probe`: at the end of a chunk rather than at the start of the next.
    fn upper(&self, probe: K::Probe<'_>) -> Position {
        self.search(|key| K::order(key.probe(), probe) != Ordering::Greater)
    }

    /// At the first node that is not before `probe`.
    fn lower(&self, probe: K::Probe<'_>) -> Position {
        let (chunk, at) = self.search(|key| K::order(key.probe(), probe) == Ordering::Less);
        match self.chunks.get(chunk) {
            Some((_, own)) if at >= own.nodes.len() => (chunk + 1, 0),
            _ => (chunk, at),
        }
    }

    fn search(&self, is_before: impl Fn(&K) -> bool) -> Position {
        let chunks = self.chunks.partition_point(|(key, _)| is_before(key));
        let Some(chunk) = chunks.checked_sub(1) else {
            return (0, 0);
        };
        let at = self
            .chunks
            .get(chunk)
            .map_or(0, |(_, chunk)| chunk.search(is_before));
        (chunk, at)
    }

    /// Changes all nodes from a position on whose keys begin with `key`.
    fn each_below(&mut self, at: Position, key: &K, change: impl Fn(&mut Node<K>)) {
        let (mut chunk, mut from) = at;
        loop {
            let Some((_, own)) = self.chunks.get(chunk) else {
                return;
            };
            let nodes = own.nodes.len();
            let rest = own.nodes.get(from..).unwrap_or_default();
            let below = rest.partition_point(|node| is_above(key, &node.key));
            if below > 0 {
                let Some((_, own)) = Arc::make_mut(&mut self.chunks).get_mut(chunk) else {
                    return;
                };
                let nodes = Arc::make_mut(own).nodes.iter_mut();
                nodes.skip(from).take(below).for_each(&change);
            }
            if from + below < nodes {
                return;
            }
            (chunk, from) = (chunk + 1, 0);
        }
    }

    fn put(&mut self, (chunk, at): Position, node: Node<K>) {
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some((_, own)) = chunks.get(chunk) else {
            chunks.extend(Chunk::of(vec![node]));
            return;
        };
        let mut all = own.nodes.to_vec();
        all.insert(at.min(all.len()), node);
        let rest = if all.len() > K::CHUNK_NODES {
            all.split_off(K::CHUNK_NODES / 2)
        } else {
            Vec::new()
        };
        if let (Some(place), Some(own)) = (chunks.get_mut(chunk), Chunk::of(all)) {
            *place = own;
        }
        if let Some(rest) = Chunk::of(rest) {
            chunks.insert(chunk + 1, rest);
        }
    }

    fn take(&mut self, (chunk, at): Position) {
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(place) = chunks.get_mut(chunk) else {
            return;
        };
        let mut rest = place.1.nodes.to_vec();
        if at < rest.len() {
            rest.remove(at);
        }
        match Chunk::of(rest) {
            Some(own) => *place = own,
            None => {
                chunks.remove(chunk);
            }
        }
    }
}

fn probe_of<K: Key>(node: &Node<K>) -> K::Probe<'_> {
    node.key.probe()
}

/// Whether `below` is longer than `key` and begins with it.
fn is_above<K: Key>(key: &K, below: &K) -> bool {
    let len = K::len(key.probe());
    len < K::len(below.probe()) && K::common(key.probe(), below.probe()) >= len
}

impl Key for Arc<[u8]> {
    const CHUNK_NODES: usize = 512;
    const BLOCK_NODES: usize = 32;
    const SCAN: bool = false;
    type Probe<'a> = &'a [u8];

    fn probe(&self) -> &[u8] {
        self
    }

    fn order(a: &[u8], b: &[u8]) -> Ordering {
        a.cmp(b)
    }

    fn len(probe: &[u8]) -> u32 {
        super::super::entries::to_u32(probe.len())
    }

    fn common(a: &[u8], b: &[u8]) -> u32 {
        let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        super::super::entries::to_u32(common)
    }

    fn cut<'a>(probe: Self::Probe<'a>, len: u32) -> Self::Probe<'a> {
        probe.get(..len as usize).unwrap_or(probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The longest of the keys that `probe` begins with, and of equal ones the first.
    fn naive(keys: &[(Vec<u8>, Slot)], probe: &[u8]) -> Option<Slot> {
        let longest = keys
            .iter()
            .filter(|(key, _)| probe.starts_with(key))
            .map(|(key, _)| key.len())
            .max()?;
        keys.iter()
            .find(|(key, _)| key.len() == longest && probe.starts_with(key))
            .map(|(_, slot)| *slot)
    }

    fn short() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(b'a'..=b'c', 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_finds_what_a_scan_finds(
            first in proptest::collection::vec(short(), 0..200),
            steps in proptest::collection::vec((any::<bool>(), short(), any::<prop::sample::Index>()), 0..200),
            probes in proptest::collection::vec(short(), 1..60),
        ) {
            let mut model: Vec<(Vec<u8>, Slot)> = (0..).zip(first).map(|(slot, key)| (key, slot)).collect();
            let mut prefixes = Prefixes::<Arc<[u8]>>::build(
                model.iter().map(|(key, slot)| (key.clone().into(), *slot)).collect(),
            );
            let mut slot = 1000;
            for (add, key, which) in steps {
                if add || model.is_empty() {
                    slot += 1;
                    prefixes.insert(key.clone().into(), slot);
                    model.push((key, slot));
                } else {
                    let (key, slot) = model.remove(which.index(model.len()));
                    prefixes.remove(&key.into(), slot);
                }
            }
            for probe in &probes {
                prop_assert_eq!(prefixes.longest(probe), naive(&model, probe), "{:?} in {:?}", probe, model);
                let exact = model.iter().find(|(key, _)| key == probe).map(|(_, slot)| *slot);
                prop_assert_eq!(prefixes.exact(probe), exact);
            }
        }
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut prefixes =
            Prefixes::<Arc<[u8]>>::build(vec![(Arc::from(&b"a"[..]), 1), (Arc::from(&b"abc"[..]), 2)]);
        let before = prefixes.clone();
        prefixes.insert(Arc::from(&b"ab"[..]), 3);
        prefixes.remove(&Arc::from(&b"a"[..]), 1);
        assert_eq!(
            (before.longest(b"ab"), prefixes.longest(b"ab")),
            (Some(1), Some(3))
        );
        assert_eq!((before.longest(b"ax"), prefixes.longest(b"ax")), (Some(1), None));
    }
}
