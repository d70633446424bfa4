//! Consistent hashing: points of servers on a ring of hashes.

use tidegate_sample::hash::avalanche;

/// The most points that a ring has; beyond it each server gets fewer.
const POINTS_MAX: u64 = 1 << 20;

/// The points of a server's number are that far apart from those of the next one before they are mixed.
const POINTS_PER_ID: u32 = 4096;

/// What a server's points are derived from.
#[derive(Clone, Copy)]
pub(super) enum Seed {
    /// Its number.
    Id(u32),
    /// A hash of its name or address.
    Hashed(u32),
}

impl Seed {
    /// With a number, the points are those of HAProxy (as its program answers).
    fn point(self, n: u32) -> u32 {
        match self {
            Seed::Id(id) => avalanche(id.wrapping_mul(POINTS_PER_ID).wrapping_add(n)),
            Seed::Hashed(hash) => avalanche(hash ^ avalanche(n)),
        }
    }
}

/// A ring.
#[derive(Default)]
pub(super) struct Ring {
    /// Hashes and the places of their servers, in order.
    points: Vec<(u32, u32)>,
}

impl Ring {
    /// A ring on which each server, given by place, seed and weight, has as many points as it weighs.
    pub(super) fn new(servers: &[(u32, Seed, u32)]) -> Self {
        let sum: u64 = servers.iter().map(|(.., weight)| u64::from(*weight)).sum();
        let mut points = Vec::with_capacity(sum.min(POINTS_MAX) as usize);
        for (place, seed, weight) in servers {
            let count = if sum > POINTS_MAX {
                (u64::from(*weight) * POINTS_MAX / sum).max(1) as u32
            } else {
                *weight
            };
            points.extend((0..count).map(|n| (seed.point(n), *place)));
        }
        points.sort_unstable();
        Ring { points }
    }

    /// The places of servers from a hash on: that of the nearest point first, then those of the points that follow, each
    /// as often as it comes, once around.
    pub(super) fn from(&self, hash: u32) -> impl Iterator<Item = u32> + '_ {
        let count = self.points.len();
        let next = self.points.partition_point(|(point, _)| *point < hash);
        let at = move |index: usize| self.points.get(index % count.max(1)).copied();
        let nearest = match (at(next), at(next + count.saturating_sub(1))) {
            (Some((after, _)), Some((before, _))) if after.wrapping_sub(hash) > hash.wrapping_sub(before) => {
                next + count - 1
            }
            _ => next,
        };
        (nearest..nearest + count).filter_map(move |index| at(index).map(|(_, place)| place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn ring(weights: &[u32]) -> Ring {
        let servers: Vec<_> = (0..)
            .zip(weights)
            .map(|(place, weight)| (place, Seed::Id(place + 1), weight * 16))
            .collect();
        Ring::new(&servers)
    }

    fn first(ring: &Ring, hash: u32) -> u32 {
        ring.from(hash).next().unwrap()
    }

    #[test]
    fn keys_go_where_haproxy_sends_them() {
        // What HAProxy 2.6 answers to `hash-type consistent crc32` with three servers.
        let ring = ring(&[1, 1, 1]);
        let answers: String = (0..40)
            .map(|n| {
                let key = format!("k{n}");
                let hash = tidegate_sample::hash::crc32(key.as_bytes());
                char::from(b'1' + first(&ring, hash) as u8)
            })
            .collect();
        assert_eq!(answers, "1232333222111311223313131321232122322223");
    }

    #[test]
    fn a_server_that_goes_moves_its_own_keys_only() {
        let (all, less) = (ring(&[1, 1, 1, 1]), ring(&[1, 0, 1, 1]));
        let mut moved = 0;
        for n in 0..10_000u32 {
            let hash = avalanche(n);
            let before = first(&all, hash);
            if before == 1 {
                moved += 1;
                assert_ne!(first(&less, hash), 1);
            } else {
                assert_eq!(first(&less, hash), before);
            }
        }
        assert!((1500..3500).contains(&moved), "{moved}");
    }

    #[test]
    fn heavy_servers_have_more() {
        let ring = ring(&[10, 20, 40]);
        let mut shares: HashMap<u32, u32> = HashMap::new();
        for n in 0..70_000u32 {
            *shares.entry(first(&ring, avalanche(n))).or_default() += 1;
        }
        for (place, share) in [(0, 10_000), (1, 20_000), (2, 40_000)] {
            let off = shares[&place].abs_diff(share);
            assert!(off < share / 5, "{place}: {}", shares[&place]);
        }
    }

    #[test]
    fn a_walk_goes_once_around() {
        let ring = ring(&[1, 2]);
        let mut seen: Vec<u32> = ring.from(u32::MAX).collect();
        assert_eq!(seen.len(), 48);
        seen.sort_unstable();
        assert_eq!(seen.iter().filter(|place| **place == 0).count(), 16);
        assert_eq!(Ring::default().from(7).count(), 0);
    }
}
