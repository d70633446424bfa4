//! The order in which servers take turns.

/// The longest order that is made; beyond it weights are rounded.
const TURNS_MAX: u64 = 1 << 16;

/// An order in which each of these, given by place and weight, comes as often as its weight says, spread evenly. None has
/// weight 0.
pub(super) fn turns(weights: &[(u32, u32)]) -> Vec<u32> {
    let divisor = weights.iter().fold(0, |all, (_, weight)| gcd(all, *weight));
    let mut parts: Vec<(u32, u64)> = weights
        .iter()
        .map(|(place, weight)| (*place, u64::from(*weight) / u64::from(divisor.max(1))))
        .collect();
    let sum: u64 = parts.iter().map(|(_, part)| part).sum();
    if sum > TURNS_MAX {
        for (_, part) in &mut parts {
            *part = (*part * TURNS_MAX / sum).max(1);
        }
    }
    let sum: u64 = parts.iter().map(|(_, part)| part).sum();
    // The n-th turn of each is in the middle of the n-th of its equal shares of the round.
    let mut order: Vec<(u64, usize, u32)> = Vec::new();
    for (at, (place, part)) in parts.iter().enumerate() {
        order.extend((0..*part).map(|n| ((((2 * n + 1) * sum) << 16) / part, at, *place)));
    }
    order.sort_unstable();
    order.into_iter().map(|(_, _, place)| place).collect()
}

/// The most steps that [`map`] may take; beyond it the order is that of [`turns`].
const MAP_STEPS_MAX: u64 = 1 << 24;

/// The order that static algorithms have: hashes find the same servers in it as in haproxy's. Each place adds its weight to
/// what a server is owed, and goes to the first of those that are owed most whole rounds.
pub(super) fn map(weights: &[(u32, u32)]) -> Vec<u32> {
    let divisor = weights
        .iter()
        .fold(0, |all, (_, weight)| gcd(all, *weight))
        .max(1);
    let sum: u64 = weights
        .iter()
        .map(|(_, weight)| u64::from(weight / divisor))
        .sum();
    if sum > TURNS_MAX || sum * weights.len() as u64 > MAP_STEPS_MAX {
        return turns(weights);
    }
    // No sum of weights is near a number that doesn't fit.
    let round = i64::try_from(sum).unwrap_or(i64::MAX);
    let mut owed = vec![0i64; weights.len()];
    let mut order = Vec::new();
    for _ in 0..sum {
        let mut most: Option<(i64, &mut i64, u32)> = None;
        for ((place, weight), owed) in weights.iter().zip(&mut owed) {
            *owed += i64::from(weight / divisor);
            let rounds = (*owed + round) / round;
            if most.as_ref().is_none_or(|(before, ..)| rounds > *before) {
                most = Some((rounds, owed, *place));
            }
        }
        if let Some((_, owed, place)) = most {
            *owed -= round;
            order.push(place);
        }
    }
    order
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equals_alternate_and_others_are_spread() {
        assert_eq!(turns(&[(4, 16), (7, 16)]), [4, 7]);
        assert_eq!(turns(&[(0, 48), (1, 16)]), [0, 0, 1, 0]);
        assert_eq!(turns(&[(0, 2), (1, 1)]), [0, 1, 0]);
        assert_eq!(turns(&[]), [0; 0]);
    }

    /// The orders of haproxy 2.6.
    #[test]
    fn static_orders_are_those_of_haproxy() {
        let of = |weights: &[u32]| map(&(0..).zip(weights.iter().copied()).collect::<Vec<_>>());
        assert_eq!(of(&[10, 20, 30, 40]), [0, 1, 3, 2, 3, 1, 2, 3, 2, 3]);
        assert_eq!(of(&[16, 16, 16]), [0, 1, 2]);
        assert_eq!(of(&[]), [0; 0]);
        // Too many steps: still an order in which each has its share.
        let heavy: Vec<u32> = (0..1000).map(|n| 3001 + n).collect();
        assert!(of(&heavy).len() <= 1 << 16);
    }

    #[test]
    fn an_order_has_a_bound() {
        let weights: Vec<(u32, u32)> = (0..1000).map(|place| (place, 3001 + place)).collect();
        let order = turns(&weights);
        assert!(order.len() <= 1 << 16);
        let share = |place| order.iter().filter(|at| **at == place).count() as u64;
        let sum: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        for (place, weight) in weights {
            let exact = u64::from(weight) * (1 << 16) / sum;
            assert_eq!(share(place), exact);
        }
    }

    proptest! {
        #[test]
        fn each_comes_as_often_as_it_weighs_and_never_far_from_its_due(
            weights in prop::collection::vec(1u32..=256, 1..12)
        ) {
            let weights: Vec<(u32, u32)> = (0..).zip(weights).collect();
            let order = turns(&weights);
            let sum: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
            for (place, weight) in weights {
                let (round, weight) = (order.len() as u64, u64::from(weight));
                let mut had = 0;
                for (at, next) in (1..).zip(&order) {
                    had += u64::from(*next == place);
                    let due = at * weight;
                    prop_assert!(had * sum <= due + 2 * sum && had * sum + 2 * sum >= due);
                }
                prop_assert_eq!(had * sum, round * weight);
            }
        }
    }
}
