//! Addresses and networks.

use super::super::entries::{Entries, Slot};
use super::ipv4::{Ipv4Nets, NetFound};
use super::prefixes::{Key, Prefixes};
use crate::cast::embedded_ipv4;
use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The first bits of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pattern) struct Net<B> {
    pub(super) bits: B,
    pub(super) len: u8,
}

/// Integers of a width.
pub(in crate::pattern) trait Bits: Copy + Ord {
    /// The number of bits.
    const WIDTH: u8;
    /// The number of first bits that are the same.
    fn same(self, other: Self) -> u8;
    /// The first bits; the others are zero.
    fn first(self, len: u8) -> Self;
}

macro_rules! bits {
    ($int:ty) => {
        impl Bits for $int {
            const WIDTH: u8 = <$int>::BITS as u8;

            fn same(self, other: Self) -> u8 {
                (self ^ other).leading_zeros() as u8
            }

            fn first(self, len: u8) -> Self {
                let rest = u32::from(Self::WIDTH.saturating_sub(len));
                <$int>::MAX.checked_shl(rest).map_or(0, |mask| self & mask)
            }
        }
    };
}

bits!(u32);
bits!(u64);
bits!(u128);

impl<B: Bits> Net<B> {
    /// The net of the first `len` bits of an address.
    pub(in crate::pattern) fn new(bits: B, len: u8) -> Net<B> {
        Net {
            bits: bits.first(len),
            len,
        }
    }

    /// One address.
    pub(in crate::pattern) fn host(bits: B) -> Net<B> {
        Net { bits, len: B::WIDTH }
    }
}

impl<B: Bits + 'static> Key for Net<B> {
    const CHUNK_NODES: usize = 2048;
    const BLOCK_NODES: usize = 32;
    const SCAN: bool = true;
    type Probe<'a> = Net<B>;

    fn probe(&self) -> Net<B> {
        *self
    }

    fn order(a: Net<B>, b: Net<B>) -> Ordering {
        a.bits.cmp(&b.bits).then(a.len.cmp(&b.len))
    }

    fn len(probe: Net<B>) -> u32 {
        probe.len.into()
    }

    fn common(a: Net<B>, b: Net<B>) -> u32 {
        a.bits.same(b.bits).min(a.len).min(b.len).into()
    }

    fn cut<'a>(probe: Self::Probe<'a>, len: u32) -> Self::Probe<'a> {
        Net::new(probe.bits, u8::try_from(len).unwrap_or(B::WIDTH))
    }
}

/// A parsed address or network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pattern) enum Network {
    /// IPv4 with the first bits of the mask set.
    V4(Net<u32>),
    /// IPv4 with any other mask.
    Masked(u32, u32),
    /// IPv6.
    V6(Net<u128>),
}

/// Networks, and IPv4 networks with holes in their masks, which are few and tried one by one.
#[derive(Clone)]
pub(in crate::pattern) struct Nets {
    v4: Ipv4Nets,
    masked: Arc<Vec<(u32, u32, Slot)>>,
    v6: Prefixes<Net<u128>>,
}

impl Nets {
    pub(in crate::pattern) fn build(
        networks: impl Iterator<Item = (Network, Slot)>,
        entries: &Entries,
    ) -> Nets {
        let (mut v4, mut masked, mut v6) = (Vec::new(), Vec::new(), Vec::new());
        for (network, slot) in networks {
            match network {
                Network::V4(net) => v4.push((net, slot)),
                Network::Masked(net, mask) => masked.push((net, mask, slot)),
                Network::V6(net) => v6.push((net, slot)),
            }
        }
        Nets {
            v4: Ipv4Nets::build(v4, entries),
            masked: Arc::new(masked),
            v6: Prefixes::build(v6),
        }
    }

    pub(in crate::pattern) fn insert(&mut self, network: Network, slot: Slot, entries: &Entries) {
        match network {
            Network::V4(net) => self.v4.insert(net, slot, entries),
            Network::Masked(net, mask) => Arc::make_mut(&mut self.masked).push((net, mask, slot)),
            Network::V6(net) => self.v6.insert(net, slot),
        }
    }

    pub(in crate::pattern) fn remove(&mut self, network: Network, slot: Slot) {
        match network {
            Network::V4(net) => self.v4.remove(net, slot),
            Network::Masked(..) => Arc::make_mut(&mut self.masked).retain(|(.., other)| *other != slot),
            Network::V6(net) => self.v6.remove(&net, slot),
        }
    }

    /// Notes that an entry has another value.
    pub(in crate::pattern) fn revalue(&mut self, network: Network, slot: Slot) {
        if let Network::V4(net) = network {
            self.v4.revalue(net, slot);
        }
    }

    /// The smallest network of an address' own kind that holds it, else of the other kind.
    pub(in crate::pattern) fn find(&self, ip: IpAddr, entries: &Entries) -> Option<NetFound<'_>> {
        match ip {
            IpAddr::V4(ip) => self
                .v4(ip, entries)
                .or_else(|| self.v6(u128::from(ip.to_ipv6_mapped()))),
            IpAddr::V6(ip) => self
                .v6(u128::from(ip))
                .or_else(|| self.v4(embedded_ipv4(ip)?, entries)),
        }
    }

    fn v4(&self, ip: Ipv4Addr, entries: &Entries) -> Option<NetFound<'_>> {
        let ip = u32::from(ip);
        self.v4.longest(ip).or_else(|| {
            let holding = self.masked.iter().filter(|(net, mask, _)| ip & mask == *net);
            let slot = holding.fold(None, |best, (.., slot)| entries.first(best, Some(*slot)))?;
            Some(NetFound::Slot(slot))
        })
    }

    fn v6(&self, ip: u128) -> Option<NetFound<'_>> {
        self.v6.longest(Net::host(ip)).map(NetFound::Slot)
    }
}
