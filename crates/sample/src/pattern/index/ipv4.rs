//! IPv4 networks: a table by the first 16 bits of an address, and behind each place of it the networks there, in order.
//!
//! What a look-up costs is waiting for memory. So the networks of a place stand side by side, each with where its value
//! is in the text of the file: behind the table, which stays in the cache, there is one place to wait for.

use super::super::entries::{Entries, InPage, Slot};
use super::nets::Net;
use super::prefixes::Prefixes;
use bytes::Bytes;
use std::sync::Arc;

/// Networks that are compared one by one: the processor asks for all of them at a time.
const SCANNED_MAX: usize = 64;
/// Bits that the table knows.
const TABLE_BITS: u8 = 16;

/// Networks and their slots. Cloning is cheap, and a clone that is changed leaves the others alone.
#[derive(Clone)]
pub(super) struct Ipv4Nets {
    /// By the first 8 bits, and then by the next 8. A place without networks costs nothing more.
    table: Arc<[Arc<[Place]>]>,
    /// Those of less than 16 bits, which are few.
    wide: Prefixes<Net<u32>>,
    /// The text that values are in.
    page: Arc<Bytes>,
}

/// The networks that begin with the same 16 bits. A network stands right before those that it holds.
type Place = Option<Arc<[Node]>>;

/// A network, by the last 16 bits: 12 bytes, so that those of a place are in few lines of the cache.
#[derive(Clone, Copy)]
struct Node {
    slot: Slot,
    value_at: u32,
    bits: u16,
    /// Three numbers: see the constants.
    packed: u16,
}

/// The value's length, or [`ELSEWHERE`].
const VALUE_LEN: Packed = Packed { at: 0, bits: 6 };
/// The network's length, of the last 16 bits.
const LEN: Packed = Packed { at: 6, bits: 5 };
/// The length of the smallest other network here that holds this one, plus one; 0 if there is none.
const PARENT: Packed = Packed { at: 11, bits: 5 };

/// The length of a value that isn't in the text, or is too long: the entry is asked.
const ELSEWHERE: u16 = 63;

/// A number among the bits of another.
struct Packed {
    at: u16,
    bits: u16,
}

impl Packed {
    fn of(&self, packed: u16) -> u16 {
        packed >> self.at & self.mask()
    }

    fn set(&self, packed: &mut u16, value: u16) {
        *packed = *packed & !(self.mask() << self.at) | (value & self.mask()) << self.at;
    }

    fn mask(&self) -> u16 {
        (1 << self.bits) - 1
    }
}

impl Node {
    fn len(&self) -> u8 {
        LEN.of(self.packed) as u8
    }

    fn parent(&self) -> u8 {
        PARENT.of(self.packed) as u8
    }

    fn order(&self) -> (u16, u8) {
        (self.bits, self.len())
    }

    fn value(&self) -> Option<InPage> {
        let len = VALUE_LEN.of(self.packed);
        (len != ELSEWHERE).then_some(InPage {
            at: self.value_at,
            len,
        })
    }
}

/// What an address is in.
pub(in crate::pattern) struct NetFound<'i> {
    /// The network's entry.
    pub(in crate::pattern) slot: Slot,
    /// Where its value is, if that is known here.
    pub(in crate::pattern) value: Option<(&'i Arc<Bytes>, InPage)>,
}

impl Ipv4Nets {
    /// Makes it of all networks at once. Of equal ones those that come first stay first.
    pub(super) fn build(mut nets: Vec<(Net<u32>, Slot)>, entries: &Entries) -> Ipv4Nets {
        let page = entries.page();
        nets.sort_by_key(|(net, _)| (net.bits, net.len));
        let (narrow, wide): (Vec<_>, Vec<_>) = nets.into_iter().partition(|(net, _)| net.len >= TABLE_BITS);
        let empty: Arc<[Place]> = vec![None; 256].into();
        let mut table = vec![empty; 256];
        for half in narrow.chunk_by(|(a, _), (b, _)| a.bits >> 24 == b.bits >> 24) {
            let mut places = vec![None; 256];
            let mut high = 0;
            for nets in half.chunk_by(|(a, _), (b, _)| a.bits >> 16 == b.bits >> 16) {
                let Some((first, _)) = nets.first() else { continue };
                high = first.bits >> 24;
                let nodes = nets.iter().map(|(net, slot)| node(*net, *slot, entries, &page));
                if let Some(place) = places.get_mut((first.bits >> 16 & 0xff) as usize) {
                    *place = Some(with_parents(nodes.collect()));
                }
            }
            if let Some(half) = table.get_mut(high as usize) {
                *half = places.into();
            }
        }
        Ipv4Nets {
            table: table.into(),
            wide: Prefixes::build(wide),
            page,
        }
    }

    /// The smallest network that holds an address; of equal ones, the first.
    pub(super) fn longest(&self, ip: u32) -> Option<NetFound<'_>> {
        let nodes = self.table.get((ip >> 24) as usize).and_then(|half| {
            let place = half.get((ip >> 16 & 0xff) as usize)?;
            place.as_deref()
        });
        if let Some(node) = nodes.and_then(|nodes| longest(nodes, ip as u16)) {
            return Some(NetFound {
                slot: node.slot,
                value: node.value().map(|value| (&self.page, value)),
            });
        }
        let slot = self.wide.longest(Net::host(ip))?;
        Some(NetFound { slot, value: None })
    }

    /// Adds a network after those that are equal to it.
    pub(super) fn insert(&mut self, net: Net<u32>, slot: Slot, entries: &Entries) {
        if net.len < TABLE_BITS {
            return self.wide.insert(net, slot);
        }
        let node = node(net, slot, entries, &self.page);
        self.change(net, |nodes| {
            let at = nodes.partition_point(|other| other.order() <= node.order());
            nodes.insert(at, node);
        });
    }

    /// Takes a network away.
    pub(super) fn remove(&mut self, net: Net<u32>, slot: Slot) {
        if net.len < TABLE_BITS {
            return self.wide.remove(&net, slot);
        }
        self.change(net, |nodes| nodes.retain(|node| node.slot != slot));
    }

    /// Notes that the entry of a network has another value.
    pub(super) fn revalue(&mut self, net: Net<u32>, slot: Slot) {
        if net.len < TABLE_BITS {
            return;
        }
        self.change(net, |nodes| {
            for node in nodes.iter_mut().filter(|node| node.slot == slot) {
                VALUE_LEN.set(&mut node.packed, ELSEWHERE);
            }
        });
    }

    fn change(&mut self, net: Net<u32>, change: impl FnOnce(&mut Vec<Node>)) {
        let half = Arc::make_mut(&mut self.table).get_mut((net.bits >> 24) as usize);
        let Some(half) = half else { return };
        let Some(place) = Arc::make_mut(half).get_mut((net.bits >> 16 & 0xff) as usize) else {
            return;
        };
        let mut nodes = place.as_deref().unwrap_or_default().to_vec();
        change(&mut nodes);
        *place = (!nodes.is_empty()).then(|| with_parents(nodes));
    }
}

fn node(net: Net<u32>, slot: Slot, entries: &Entries, page: &Arc<Bytes>) -> Node {
    let value = entries.get(slot).and_then(|entry| entry.value_in(page));
    let value = value.filter(|value| value.len < ELSEWHERE);
    let mut packed = 0;
    VALUE_LEN.set(&mut packed, value.map_or(ELSEWHERE, |value| value.len));
    LEN.set(&mut packed, net.len.saturating_sub(TABLE_BITS).into());
    Node {
        slot,
        value_at: value.map_or(0, |value| value.at),
        bits: net.bits as u16,
        packed,
    }
}

/// Nodes that are in order, once each knows what holds it.
fn with_parents(mut nodes: Vec<Node>) -> Arc<[Node]> {
    let mut above: Vec<(u16, u8)> = Vec::new();
    for node in &mut nodes {
        let holds = |(bits, len): &(u16, u8)| *len < node.len() && same(*bits, node.bits) >= *len;
        while above.last().is_some_and(|last| !holds(last)) {
            above.pop();
        }
        let parent = above.last().map_or(0, |(_, len)| u16::from(*len) + 1);
        PARENT.set(&mut node.packed, parent);
        above.push(node.order());
    }
    nodes.into()
}

fn longest(nodes: &[Node], low: u16) -> Option<&Node> {
    let before = |node: &Node| node.bits <= low;
    let at = match nodes.len() <= SCANNED_MAX {
        true => nodes.iter().filter(|node| before(node)).count(),
        false => nodes.partition_point(before),
    };
    let mut at = at.checked_sub(1)?;
    let node = nodes.get(at)?;
    let common = same(node.bits, low);
    if common >= node.len() {
        while at > 0
            && nodes
                .get(at - 1)
                .is_some_and(|other| other.order() == node.order())
        {
            at -= 1;
        }
        return nodes.get(at);
    }
    let mut parent = node.parent();
    loop {
        let len = parent.checked_sub(1)?;
        let holder = (first(node.bits, len), len);
        let holder = nodes.get(nodes.partition_point(|other| other.order() < holder))?;
        if len <= common {
            return Some(holder);
        }
        parent = holder.parent();
    }
}

/// The number of first bits that are the same.
fn same(one: u16, other: u16) -> u8 {
    (one ^ other).leading_zeros() as u8
}

/// The first bits; the others are zero.
fn first(bits: u16, len: u8) -> u16 {
    u16::MAX
        .checked_shl(u32::from(TABLE_BITS.saturating_sub(len)))
        .map_or(0, |mask| bits & mask)
}

#[cfg(test)]
mod tests {
    use super::super::super::entries::Entry;
    use super::*;
    use proptest::prelude::*;

    fn net() -> impl Strategy<Value = Net<u32>> {
        // Few different bits, so that networks hold and equal each other.
        let bits = proptest::collection::vec(
            prop::sample::select(vec![0_u32, 1, 2, 4, 9, 15, 16, 23, 30, 31]),
            0..5,
        );
        (bits, 8..=32_u8).prop_map(|(bits, len)| {
            Net::new(bits.into_iter().fold(0x0A00_0000, |ip, bit| ip ^ 1 << bit), len)
        })
    }

    fn naive(nets: &[(Net<u32>, Slot)], ip: u32) -> Option<Slot> {
        let holding = || nets.iter().filter(|(net, _)| Net::new(ip, net.len) == *net);
        let len = holding().map(|(net, _)| net.len).max()?;
        holding().find(|(net, _)| net.len == len).map(|(_, slot)| *slot)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_finds_what_a_scan_finds(
            begin in proptest::collection::vec(net(), 0..300),
            steps in proptest::collection::vec((any::<bool>(), net(), any::<prop::sample::Index>()), 0..60),
            probes in proptest::collection::vec(net(), 1..60),
        ) {
            let mut entries = Entries::default();
            for order in 0..1000 {
                entries.push(Entry::own(b"k", Some(b"v"), order));
            }
            let mut model: Vec<(Net<u32>, Slot)> = begin.into_iter().zip(0..).collect();
            let mut nets = Ipv4Nets::build(model.clone(), &entries);
            let mut slot = 500;
            for (add, net, which) in steps {
                if add || model.is_empty() {
                    slot += 1;
                    nets.insert(net, slot, &entries);
                    model.push((net, slot));
                } else {
                    let (net, slot) = model.remove(which.index(model.len()));
                    nets.remove(net, slot);
                }
            }
            for probe in probes {
                let found = nets.longest(probe.bits).map(|found| found.slot);
                prop_assert_eq!(found, naive(&model, probe.bits), "{:x} in {:?}", probe.bits, model);
            }
        }
    }

    #[test]
    fn nodes_are_small_and_values_that_change_are_asked_for() {
        assert_eq!(size_of::<Node>(), 12);
        let mut entries = Entries::default();
        let page = Arc::new(Bytes::from_static(b"10.0.0.1 value"));
        entries.push(Entry::of_page(&page, 0..8, Some(9..14), 0));
        let mut nets = Ipv4Nets::build(vec![(Net::host(0x0A00_0001), 0)], &entries);
        let known = |nets: &Ipv4Nets| nets.longest(0x0A00_0001).unwrap().value.is_some();
        assert!(known(&nets));
        nets.revalue(Net::host(0x0A00_0001), 0);
        assert!(!known(&nets));
        nets.remove(Net::host(0x0A00_0001), 0);
        assert!(nets.longest(0x0A00_0001).is_none());
    }
}
