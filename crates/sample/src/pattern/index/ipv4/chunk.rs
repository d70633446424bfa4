//! The networks that begin with the same 12 bits, packed by their next 4.

use super::super::super::entries::{InPage, Slot};
use super::super::nets::Net;
use std::sync::Arc;

/// Parts of a chunk, each of the networks that begin with the same 16 bits.
pub(super) const PLACES: usize = 16;
/// Networks that are compared one by one: the processor asks for all of them at a time.
const SCANNED_MAX: usize = 64;
/// Bits of a network that a node knows.
const BITS: u8 = 16;

/// A network as it is changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) slot: Slot,
    /// The last 16 bits.
    pub(super) bits: u16,
    /// The length, of the last 16 bits.
    pub(super) len: u8,
    pub(super) stored: Stored,
}

impl Node {
    pub(super) fn order(&self) -> (u16, u8) {
        (self.bits, self.len)
    }
}

/// How a node has its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its number; or its length, if values have none.
    pub(super) small: u16,
    /// Where it is in the text, if values have no numbers.
    pub(super) at: u32,
}

impl Stored {
    /// It isn't in the text, or too long: the entry is asked.
    pub(super) const ELSEWHERE: Stored = Stored {
        small: u16::MAX,
        at: 0,
    };

    pub(super) fn number(number: u16) -> Stored {
        Stored { small: number, at: 0 }
    }

    pub(super) fn at(value: InPage) -> Stored {
        Stored {
            small: value.len,
            at: value.at,
        }
    }
}

/// Networks by their places. In a place they are in order, so that one stands right before those that it holds.
#[derive(Clone, Default)]
pub(super) struct Chunk {
    /// Where the words of each place begin, and where the last one's end.
    starts: [u32; PLACES + 1],
    /// Whether all networks are whole addresses.
    hosts: bool,
    /// Whether values are where nodes say, and have no numbers.
    spread: bool,
    /// Of each place: a word for each node, of its bits and the small part of its value; half a word for each, of its length and that of the
    /// smallest other network here that holds it, unless all are addresses; a word for each of where its value is, if values have no numbers.
    words: Arc<[u32]>,
    /// The slots of all nodes.
    slots: Arc<[Slot]>,
}

/// A node that was found.
#[derive(Clone, Copy)]
pub(in crate::pattern) struct Spot<'i> {
    chunk: &'i Chunk,
    which: usize,
    place: Place<'i>,
    at: usize,
}

impl Spot<'_> {
    pub(super) fn slot(&self) -> Option<Slot> {
        let before: usize = (0..self.which).map(|which| self.chunk.place(which).len()).sum();
        self.chunk.slots.get(before + self.at).copied()
    }

    pub(super) fn stored(&self) -> Option<Stored> {
        self.place.stored(self.at)
    }
}

impl Chunk {
    /// Packs nodes, which are in order. Their slots have to follow.
    pub(super) fn without_slots(nodes: impl Iterator<Item = (Net<u32>, Node)>) -> Chunk {
        let mut places: [Vec<Node>; PLACES] = Default::default();
        for (net, node) in nodes {
            if let Some(place) = places.get_mut(place_of(net.bits)) {
                place.push(node);
            }
        }
        Chunk::pack(&places)
    }

    /// Takes in the slots of all nodes.
    pub(super) fn set_slots(&mut self, slots: Arc<[Slot]>) {
        self.slots = slots;
    }

    /// The smallest network that holds an address; of equal ones, the first.
    pub(super) fn longest(&self, ip: u32) -> Option<Spot<'_>> {
        let which = place_of(ip);
        let place = self.place(which);
        let at = place.longest(ip as u16)?;
        Some(Spot {
            chunk: self,
            which,
            place,
            at,
        })
    }

    /// Changes the nodes of an address' place.
    pub(super) fn change(&mut self, ip: u32, change: impl FnOnce(&mut Vec<Node>)) {
        let mut places: [Vec<Node>; PLACES] = Default::default();
        let mut slots = self.slots.iter();
        for (at, nodes) in places.iter_mut().enumerate() {
            let place = self.place(at);
            nodes.extend((0..place.len()).zip(slots.by_ref()).filter_map(|(at, slot)| {
                let (bits, len) = place.order(at)?;
                Some(Node {
                    slot: *slot,
                    bits,
                    len,
                    stored: place.stored(at)?,
                })
            }));
        }
        if let Some(nodes) = places.get_mut(place_of(ip)) {
            change(nodes);
        }
        *self = Chunk::pack(&places);
        self.slots = places.iter().flatten().map(|node| node.slot).collect();
    }

    fn pack(places: &[Vec<Node>; PLACES]) -> Chunk {
        let all = || places.iter().flatten();
        let mut chunk = Chunk {
            hosts: all().all(|node| node.len == BITS),
            spread: all().any(|node| node.stored.at != 0),
            ..Chunk::default()
        };
        let mut words = Vec::new();
        for (at, nodes) in places.iter().enumerate() {
            words.extend(
                nodes
                    .iter()
                    .map(|node| u32::from(node.bits) << 16 | u32::from(node.stored.small)),
            );
            if !chunk.hosts {
                let metas = metas(nodes);
                words.extend(metas.chunks(2).map(|two| {
                    let of = |at: usize| u32::from(two.get(at).copied().unwrap_or(0));
                    of(0) | of(1) << 16
                }));
            }
            if chunk.spread {
                words.extend(nodes.iter().map(|node| node.stored.at));
            }
            if let Some(end) = chunk.starts.get_mut(at + 1) {
                *end = u32::try_from(words.len()).unwrap_or(u32::MAX);
            }
        }
        chunk.words = words.into();
        chunk
    }

    fn place(&self, at: usize) -> Place<'_> {
        let edge = |at: usize| self.starts.get(at).copied().unwrap_or(0) as usize;
        let words = self.words.get(edge(at)..edge(at + 1)).unwrap_or_default();
        // See `words` of the chunk for what there is for each node.
        let len = match (self.hosts, self.spread) {
            (true, false) => words.len(),
            (true, true) => words.len() / 2,
            (false, false) => words.len() * 2 / 3,
            (false, true) => words.len() * 2 / 5,
        };
        let (nodes, rest) = words.split_at_checked(len).unwrap_or_default();
        let metas = if self.hosts { 0 } else { len.div_ceil(2) };
        let (metas, values) = rest.split_at_checked(metas).unwrap_or_default();
        Place {
            nodes,
            metas: (!self.hosts).then_some(metas),
            values: self.spread.then_some(values),
        }
    }
}

/// The place of an address in its chunk.
fn place_of(ip: u32) -> usize {
    (ip >> 16 & 0xf) as usize
}

/// Of each node, its length, and 1 more than that of the smallest other network here that holds it, or 0.
fn metas(nodes: &[Node]) -> Vec<u16> {
    let mut above: Vec<(u16, u8)> = Vec::new();
    let mut metas = Vec::with_capacity(nodes.len());
    for node in nodes {
        let holds = |(bits, len): &(u16, u8)| *len < node.len && same(*bits, node.bits) >= *len;
        while above.last().is_some_and(|last| !holds(last)) {
            above.pop();
        }
        let parent = above.last().map_or(0, |(_, len)| u16::from(*len) + 1);
        metas.push(u16::from(node.len) | parent << 8);
        above.push(node.order());
    }
    metas
}

/// The networks that begin with the same 16 bits.
#[derive(Clone, Copy)]
struct Place<'i> {
    nodes: &'i [u32],
    metas: Option<&'i [u32]>,
    values: Option<&'i [u32]>,
}

impl Place<'_> {
    fn len(&self) -> usize {
        self.nodes.len()
    }

    fn bits(&self, at: usize) -> Option<u16> {
        self.nodes.get(at).map(|word| (word >> 16) as u16)
    }

    /// The length of a node, and that of what holds it.
    fn meta(&self, at: usize) -> (u8, u8) {
        match self.metas {
            None => (BITS, 0),
            Some(metas) => {
                let word = metas.get(at / 2).copied().unwrap_or_default();
                let [len, parent, ..] = (word >> (at % 2 * 16)).to_le_bytes();
                (len, parent)
            }
        }
    }

    fn order(&self, at: usize) -> Option<(u16, u8)> {
        Some((self.bits(at)?, self.meta(at).0))
    }

    fn stored(&self, at: usize) -> Option<Stored> {
        let small = *self.nodes.get(at)? as u16;
        let at = self.values.and_then(|values| values.get(at)).copied();
        Some(Stored {
            small,
            at: at.unwrap_or(0),
        })
    }

    fn longest(&self, low: u16) -> Option<usize> {
        let last = u32::from(low) << 16 | u32::from(u16::MAX);
        let before = match self.nodes.len() <= SCANNED_MAX {
            true => self
                .nodes
                .iter()
                .map(|word| u32::from(*word <= last))
                .sum::<u32>() as usize,
            false => self.nodes.partition_point(|word| *word <= last),
        };
        let mut at = usize::checked_sub(before, 1)?;
        let bits = self.bits(at)?;
        let (len, mut parent) = self.meta(at);
        let common = same(bits, low);
        if common >= len {
            while at > 0 && self.order(at - 1) == Some((bits, len)) {
                at -= 1;
            }
            return Some(at);
        }
        loop {
            let len = parent.checked_sub(1)?;
            let holder = self.first_at((first(bits, len), len))?;
            if len <= common {
                return Some(holder);
            }
            parent = self.meta(holder).1;
        }
    }

    /// The first node that isn't before another.
    fn first_at(&self, wanted: (u16, u8)) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.order(middle)? < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.len()).then_some(low)
    }
}

/// The number of first bits that are the same.
fn same(one: u16, other: u16) -> u8 {
    (one ^ other).leading_zeros() as u8
}

/// The first bits; the others are zero.
fn first(bits: u16, len: u8) -> u16 {
    u16::MAX
        .checked_shl(u32::from(BITS.saturating_sub(len)))
        .map_or(0, |mask| bits & mask)
}
