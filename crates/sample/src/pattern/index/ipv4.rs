//! IPv4 networks: a table by the first 12 bits of an address, and behind each place of it the networks there, packed.
//!
//! What a look-up costs is waiting for memory. So what it reads of a million addresses is some 4 MiB, which the nearer caches and the
//! processor's table of pages mostly hold: 4 bytes for each, side by side with those that begin with the same 16 bits. What only updates and
//! other questions need is elsewhere.

mod chunk;

use super::super::entries::{Entries, Entry, InPage, Slot};
use super::nets::Net;
use super::prefixes::Prefixes;
use crate::data::Data;
use bytes::Bytes;
use chunk::{Chunk, Node, PLACES, Spot, Stored};
use std::sync::Arc;

/// Bits that the table and a chunk's places know.
const TABLE_BITS: u8 = 16;

/// Values that are sorted together while the different ones are found.
const SORTED_AT_ONCE: usize = 1 << 16;

/// Networks and their slots. Cloning is cheap, and a clone that is changed leaves the others alone.
#[derive(Clone)]
pub(super) struct Ipv4Nets {
    /// By the first 8 bits, and then by the next 4.
    table: Arc<[Arc<[Chunk]>]>,
    /// Those of less than 16 bits, which are few.
    wide: Prefixes<Net<u32>>,
    values: Values,
}

/// The values of the text of the file.
#[derive(Clone)]
struct Values {
    page: Arc<Bytes>,
    /// The different ones, if they are few enough for a node to have their number.
    known: Option<Arc<[Data]>>,
}

/// What an address is in.
pub(in crate::pattern) enum NetFound<'i> {
    /// A network of which the slot was read.
    Slot(Slot),
    /// One of 16 bits and more.
    Spot(&'i Ipv4Nets, Spot<'i>),
}

impl NetFound<'_> {
    /// The network's entry.
    pub(in crate::pattern) fn slot(&self) -> Option<Slot> {
        match self {
            NetFound::Slot(slot) => Some(*slot),
            NetFound::Spot(_, spot) => spot.slot(),
        }
    }

    /// Its value, if that is known here.
    pub(in crate::pattern) fn value(&self) -> Option<Data> {
        match self {
            NetFound::Slot(_) => None,
            NetFound::Spot(nets, spot) => nets.values.find(spot.stored()?),
        }
    }
}

impl Ipv4Nets {
    /// Makes it of all networks at once. Of equal ones those that come first stay first.
    pub(super) fn build(mut nets: Vec<(Net<u32>, Slot)>, entries: &Entries) -> Ipv4Nets {
        nets.sort_by_key(|(net, _)| (net.bits, net.len));
        let (narrow, wide): (Vec<_>, Vec<_>) = nets.into_iter().partition(|(net, _)| net.len >= TABLE_BITS);
        let numbers = Numbers::new(entries);
        let none = Chunk::default();
        let nobody: Arc<[Chunk]> = vec![none.clone(); PLACES].into();
        let mut table = vec![nobody; 256];
        let halves = || narrow.chunk_by(|(a, _), (b, _)| a.bits >> 24 == b.bits >> 24);
        for half in halves() {
            let Some((first, _)) = half.first() else { continue };
            let mut chunks = vec![none.clone(); PLACES];
            for nets in chunks_of(half) {
                let Some((first, _)) = nets.first() else { continue };
                let nodes = nets
                    .iter()
                    .map(|(net, slot)| (*net, node(*net, *slot, numbers.of(*slot))));
                if let Some(chunk) = chunks.get_mut(chunk_of(first.bits)) {
                    *chunk = Chunk::without_slots(nodes);
                }
            }
            if let Some(half) = table.get_mut((first.bits >> 24) as usize) {
                *half = chunks.into();
            }
        }
        // Afterwards, so that what look-ups read lies together, on as few pages as can be.
        for half in halves() {
            let Some((first, _)) = half.first() else { continue };
            let chunks = table.get_mut((first.bits >> 24) as usize).and_then(Arc::get_mut);
            let Some(chunks) = chunks else { continue };
            for nets in chunks_of(half) {
                let Some((first, _)) = nets.first() else { continue };
                if let Some(chunk) = chunks.get_mut(chunk_of(first.bits)) {
                    chunk.set_slots(nets.iter().map(|(_, slot)| *slot).collect());
                }
            }
        }
        Ipv4Nets {
            table: table.into(),
            wide: Prefixes::build(wide),
            values: numbers.values(),
        }
    }

    /// The smallest network that holds an address; of equal ones, the first.
    pub(super) fn longest(&self, ip: u32) -> Option<NetFound<'_>> {
        let half = self.table.get((ip >> 24) as usize);
        let chunk = half.and_then(|half| half.get(chunk_of(ip)));
        if let Some(spot) = chunk.and_then(|chunk| chunk.longest(ip)) {
            return Some(NetFound::Spot(self, spot));
        }
        self.wide.longest(Net::host(ip)).map(NetFound::Slot)
    }

    /// Adds a network after those that are equal to it.
    pub(super) fn insert(&mut self, net: Net<u32>, slot: Slot, entries: &Entries) {
        if net.len < TABLE_BITS {
            return self.wide.insert(net, slot);
        }
        let stored = self.values.store(slot, entries);
        let node = node(net, slot, stored);
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
                node.stored = Stored::ELSEWHERE;
            }
        });
    }

    fn change(&mut self, net: Net<u32>, change: impl FnOnce(&mut Vec<Node>)) {
        let half = Arc::make_mut(&mut self.table).get_mut((net.bits >> 24) as usize);
        let Some(half) = half else { return };
        if let Some(chunk) = Arc::make_mut(half).get_mut(chunk_of(net.bits)) {
            chunk.change(net.bits, change);
        }
    }
}

/// Networks, which are in order, by their chunks.
fn chunks_of(nets: &[(Net<u32>, Slot)]) -> impl Iterator<Item = &[(Net<u32>, Slot)]> {
    nets.chunk_by(|(a, _), (b, _)| a.bits >> 20 == b.bits >> 20)
}

/// The chunk of an address among those with the same first 8 bits.
fn chunk_of(ip: u32) -> usize {
    (ip >> 20 & 0xf) as usize
}

fn node(net: Net<u32>, slot: Slot, stored: Stored) -> Node {
    Node {
        slot,
        bits: net.bits as u16,
        len: net.len.saturating_sub(TABLE_BITS),
        stored,
    }
}

impl Values {
    fn find(&self, stored: Stored) -> Option<Data> {
        if stored.small == Stored::ELSEWHERE.small {
            return None;
        }
        match &self.known {
            Some(known) => known.get(usize::from(stored.small)).cloned(),
            None => {
                let value = InPage {
                    at: stored.at,
                    len: stored.small,
                };
                Some(value.data(&self.page))
            }
        }
    }

    /// How a node that comes later has the value of an entry.
    fn store(&self, slot: Slot, entries: &Entries) -> Stored {
        match (
            &self.known,
            entries.get(slot).and_then(|entry| in_page(entry, &self.page)),
        ) {
            (None, Some(value)) => Stored::at(value),
            // most have a text of their own
            _ => Stored::ELSEWHERE,
        }
    }
}

/// Gives values their numbers.
struct Numbers<'e> {
    entries: &'e Entries,
    page: Arc<Bytes>,
    /// Where the different ones are, in order: equal values of a file are at the place of the first. Absent if they are too many.
    known: Option<Vec<InPage>>,
}

impl<'e> Numbers<'e> {
    fn new(entries: &'e Entries) -> Numbers<'e> {
        let most = usize::from(Stored::ELSEWHERE.small);
        let page = entries.page();
        let mut known: Vec<InPage> = Vec::new();
        let mut sort_at = SORTED_AT_ONCE;
        // in their own order, which is that of memory
        for (_, entry) in entries.iter() {
            known.extend(in_page(entry, &page));
            if known.len() == sort_at {
                known.sort_unstable();
                known.dedup();
                sort_at = known.len() + SORTED_AT_ONCE;
                if known.len() > most {
                    break;
                }
            }
        }
        known.sort_unstable();
        known.dedup();
        Numbers {
            entries,
            page,
            known: Some(known).filter(|known| known.len() <= most),
        }
    }

    fn of(&self, slot: Slot) -> Stored {
        let Some(value) = self
            .entries
            .get(slot)
            .and_then(|entry| in_page(entry, &self.page))
        else {
            return Stored::ELSEWHERE;
        };
        let Some(known) = &self.known else {
            return Stored::at(value);
        };
        let number = known.binary_search(&value).ok();
        let number = number.and_then(|number| u16::try_from(number).ok());
        number.map_or(Stored::ELSEWHERE, Stored::number)
    }

    fn values(self) -> Values {
        let page = self.page;
        let known = self
            .known
            .map(|known| known.iter().map(|value| value.data(&page)).collect());
        Values { page, known }
    }
}

fn in_page(entry: &Entry, page: &Arc<Bytes>) -> Option<InPage> {
    let value = entry.value_in(page)?;
    (value.len != Stored::ELSEWHERE.small).then_some(value)
}

#[cfg(test)]
mod tests {
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
                let found = nets.longest(probe.bits).and_then(|found| found.slot());
                prop_assert_eq!(found, naive(&model, probe.bits), "{:x} in {:?}", probe.bits, model);
            }
        }
    }

    fn value(nets: &Ipv4Nets, ip: u32) -> Option<Data> {
        let found = nets.longest(ip).unwrap();
        let NetFound::Spot(nets, spot) = found else {
            panic!("of 16 bits")
        };
        nets.values.find(spot.stored()?)
    }

    /// So many addresses from 10.0.0.0 on, each with a value of its own, and those of the slots.
    fn with_values(count: u32) -> (Ipv4Nets, Entries) {
        let mut text = String::new();
        let ranges: Vec<_> = (0..count)
            .map(|at| {
                let start = text.len() as u32;
                text.push_str(&format!("k {at};"));
                start..text.len() as u32
            })
            .collect();
        let page = Arc::new(Bytes::from(text.into_bytes()));
        let mut entries = Entries::default();
        for (order, range) in ranges.into_iter().enumerate() {
            let (start, end) = (range.start, range.end);
            entries.push(Entry::of_page(
                &page,
                start..start + 1,
                Some(start + 2..end - 1),
                order as u64,
            ));
        }
        let nets = (0..count)
            .map(|at| (Net::host(0x0A00_0000 + at * 3), at))
            .collect();
        (Ipv4Nets::build(nets, &entries), entries)
    }

    #[test]
    fn values_are_known_whether_they_are_few_or_many() {
        for count in [1, 100, 65_535, 65_536, 70_000] {
            let (mut nets, entries) = with_values(count);
            for at in [0, count / 2, count - 1] {
                assert_eq!(
                    value(&nets, 0x0A00_0000 + at * 3),
                    Some(Data::copy(at.to_string().as_bytes()))
                );
            }
            // others stay known when one comes or goes
            nets.insert(Net::new(0x0A00_0000, 24), 0, &entries);
            nets.remove(Net::host(0x0A00_0000), 0);
            let last = count - 1;
            if count > 1 {
                assert_eq!(
                    value(&nets, 0x0A00_0000 + last * 3),
                    Some(Data::copy(last.to_string().as_bytes()))
                );
            }
        }
    }

    #[test]
    fn values_that_change_are_asked_for() {
        let (mut nets, _) = with_values(3);
        let host = Net::host(0x0A00_0003);
        assert_eq!(value(&nets, host.bits), Some(Data::copy(b"1")));
        nets.revalue(host, 1);
        assert_eq!(value(&nets, host.bits), None);
        assert_eq!(nets.longest(host.bits).unwrap().slot(), Some(1));
        assert_eq!(value(&nets, 0x0A00_0006), Some(Data::copy(b"2")));
        nets.remove(host, 1);
        assert!(nets.longest(host.bits).is_none());
    }
}
