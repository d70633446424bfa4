//! Dealing addresses out to the servers that share a name.
//!
//! A server keeps the address that it has for as long as the answers have it. The others get what nobody has; several get the
//! same only where that is allowed.

use std::net::{IpAddr, SocketAddr};

use crate::network::within;

/// An address that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) address: SocketAddr,
    /// The weight that a service's record gives, as servers have it.
    pub(super) weight: Option<u32>,
}

/// What becomes of the servers: their offers, in their order; `None` for one that there is no address for.
pub(super) fn deal(
    held: &[Option<SocketAddr>],
    offers: &[Offer],
    allow_duplicates: bool,
) -> Vec<Option<Offer>> {
    let mut free: Vec<Offer> = offers.to_vec();
    let mut dealt: Vec<Option<Offer>> = held
        .iter()
        .map(|held| {
            let at = free.iter().position(|offer| Some(offer.address) == *held)?;
            Some(free.remove(at))
        })
        .collect();
    let mut free = free.into_iter();
    for (place, held) in dealt.iter_mut().zip(held) {
        if place.is_some() {
            continue;
        }
        let again = || match allow_duplicates {
            true => offers
                .iter()
                .find(|offer| Some(offer.address) == *held)
                .or(offers.first())
                .copied(),
            false => None,
        };
        *place = free.next().or_else(again);
    }
    dealt
}

/// Puts addresses into the order in which they are taken: those of the networks first, then those of the family that is
/// preferred; otherwise as they came.
pub(super) fn sort(addresses: &mut Vec<IpAddr>, networks: &[(IpAddr, u8)], prefer_v4: bool) {
    let rank = |address: &IpAddr| {
        let in_network = networks
            .iter()
            .any(|(network, bits)| within(*address, *network, *bits));
        (!in_network, address.is_ipv4() != prefer_v4)
    };
    addresses.sort_by_key(rank);
    let mut seen = Vec::with_capacity(addresses.len());
    addresses.retain(|address| {
        let new = !seen.contains(address);
        seen.push(*address);
        new
    });
}

/// The weight of a service's record, 0 to 65535, as servers have it: 1 to 256.
pub(super) fn weight(of_record: u16) -> u32 {
    u32::from(of_record) / 256 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    fn offers(last: &[u8]) -> Vec<Offer> {
        last.iter()
            .map(|last| Offer {
                address: at(*last),
                weight: None,
            })
            .collect()
    }

    fn dealt(held: &[Option<u8>], offered: &[u8], allow: bool) -> Vec<Option<SocketAddr>> {
        let held: Vec<_> = held.iter().map(|held| held.map(at)).collect();
        let dealt = deal(&held, &offers(offered), allow);
        dealt
            .into_iter()
            .map(|offer| offer.map(|offer| offer.address))
            .collect()
    }

    #[test]
    fn a_server_keeps_its_address_whatever_the_order_of_answers() {
        assert_eq!(
            dealt(&[Some(2), Some(1)], &[1, 2], false),
            [Some(at(2)), Some(at(1))]
        );
        assert_eq!(
            dealt(&[None, Some(1)], &[1, 2], false),
            [Some(at(2)), Some(at(1))]
        );
    }

    #[test]
    fn what_is_gone_is_replaced_by_what_is_new() {
        assert_eq!(
            dealt(&[Some(1), Some(2)], &[2, 3], false),
            [Some(at(3)), Some(at(2))]
        );
        assert_eq!(dealt(&[Some(1), Some(2)], &[2], false), [None, Some(at(2))]);
    }

    #[test]
    fn servers_share_an_address_only_where_they_may() {
        assert_eq!(dealt(&[None, None], &[1], false), [Some(at(1)), None]);
        assert_eq!(dealt(&[None, None], &[1], true), [Some(at(1)), Some(at(1))]);
        assert_eq!(dealt(&[None, None], &[1, 2], true), [Some(at(1)), Some(at(2))]);
    }

    #[test]
    fn addresses_nearby_come_first_then_those_of_the_family() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut addresses = ["::1", "192.0.2.1", "10.1.2.3", "192.0.2.1"].map(ip).to_vec();
        sort(&mut addresses, &[(ip("10.0.0.0"), 8)], false);
        assert_eq!(addresses, ["10.1.2.3", "::1", "192.0.2.1"].map(ip));
        sort(&mut addresses, &[], true);
        assert_eq!(addresses, ["10.1.2.3", "192.0.2.1", "::1"].map(ip));
    }

    #[test]
    fn the_weights_of_records_become_those_of_servers() {
        assert_eq!([0, 255, 256, 65_535].map(weight), [1, 1, 2, 256]);
    }

    proptest! {
        #[test]
        fn nobody_gets_what_another_has(
            held in proptest::collection::vec(proptest::option::of(0u8..6), 0..6),
            offered in proptest::collection::hash_set(0u8..6, 0..6),
        ) {
            let offered: Vec<u8> = offered.into_iter().collect();
            let dealt = dealt(&held, &offered, false);
            let given: Vec<_> = dealt.iter().flatten().collect();
            let mut once = given.clone();
            once.sort();
            once.dedup();
            prop_assert_eq!(once.len(), given.len());
            prop_assert_eq!(given.len(), offered.len().min(held.len()));
        }
    }
}
