//! Who is least loaded, known at any moment to all workers without a lock.
//!
//! A tournament: each inner node of a binary tree holds the better one of the winners below it. When a server's load
//! changes, the matches on its way to the top are played again.

use std::sync::atomic::{AtomicU64, Ordering};

/// A match's winner and how often it was played, in one word: whoever plays it on the word of an outdated match plays again.
struct Match(AtomicU64);

const NOBODY: u32 = u32::MAX;

/// A tournament among a fixed number of players.
pub(crate) struct Tournament {
    /// The top first; the matches below `at` are `2 * at + 1` and `2 * at + 2`.
    matches: Box<[Match]>,
    /// The smallest power of two that is not less than the number of players.
    width: usize,
    players: usize,
}

impl Tournament {
    /// One in which all play.
    pub(crate) fn new(players: usize) -> Self {
        let width = players.next_power_of_two().max(2);
        Tournament {
            matches: (0..width - 1)
                .map(|_| Match(AtomicU64::new(u64::from(NOBODY))))
                .collect(),
            width,
            players,
        }
    }

    /// Who wins over all.
    pub(crate) fn best(&self) -> Option<usize> {
        self.winner(0).filter(|player| *player < self.players)
    }

    /// Who wins over all others.
    pub(crate) fn best_but(
        &self,
        out: usize,
        better: impl Fn(Option<usize>, Option<usize>) -> Option<usize>,
    ) -> Option<usize> {
        let mut at = out + self.width - 1;
        let mut best = None;
        while at > 0 {
            let sibling = if at % 2 == 1 { at + 1 } else { at - 1 };
            best = better(best, self.winner(sibling));
            at = (at - 1) / 2;
        }
        best
    }

    /// A player has changed. `better` tells the better one of two, or the one there is.
    pub(crate) fn play(&self, player: usize, better: impl Fn(Option<usize>, Option<usize>) -> Option<usize>) {
        let mut at = player + self.width - 1;
        while at > 0 {
            at = (at - 1) / 2;
            let Some(Match(word)) = self.matches.get(at) else {
                return;
            };
            let mut before = word.load(Ordering::SeqCst);
            loop {
                let winner = better(self.winner(2 * at + 1), self.winner(2 * at + 2));
                let winner = winner
                    .and_then(|winner| u32::try_from(winner).ok())
                    .unwrap_or(NOBODY);
                let next = (before >> 32).wrapping_add(1) << 32 | u64::from(winner);
                match word.compare_exchange(before, next, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(_) => break,
                    Err(now) => before = now,
                }
            }
        }
    }

    /// The winner at a node: a player at the bottom, who always wins over nobody.
    fn winner(&self, at: usize) -> Option<usize> {
        match self.matches.get(at) {
            Some(Match(word)) => {
                let winner = word.load(Ordering::SeqCst) as u32;
                (winner != NOBODY).then_some(winner as usize)
            }
            None => Some(at + 1 - self.width).filter(|player| *player < self.players),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use proptest::prelude::*;

    use super::*;

    fn lower<'l>(
        loads: &'l [AtomicU32],
    ) -> impl Fn(Option<usize>, Option<usize>) -> Option<usize> + Copy + 'l {
        |a, b| {
            let key = |p: usize| (loads[p].load(Ordering::SeqCst), p);
            [a, b].into_iter().flatten().min_by_key(|p| key(*p))
        }
    }

    fn expected(loads: &[AtomicU32], but: Option<usize>) -> Option<usize> {
        (0..loads.len())
            .filter(|p| Some(*p) != but)
            .min_by_key(|p| (loads[*p].load(Ordering::SeqCst), *p))
    }

    proptest! {
        #[test]
        fn the_least_wins(
            count in 1usize..20,
            changes in prop::collection::vec((0usize..20, 0u32..50), 1..100),
        ) {
            let loads: Vec<AtomicU32> = (0..count).map(|_| AtomicU32::new(0)).collect();
            let tree = Tournament::new(count);
            (0..count).for_each(|p| tree.play(p, lower(&loads)));
            for (player, load) in changes {
                let player = player % count;
                loads[player].store(load, Ordering::SeqCst);
                tree.play(player, lower(&loads));
                prop_assert_eq!(tree.best(), expected(&loads, None));
                prop_assert_eq!(tree.best_but(player, lower(&loads)), expected(&loads, Some(player)));
            }
        }
    }

    #[test]
    fn changes_at_the_same_time_leave_the_right_winner() {
        for round in 0..200u32 {
            let loads: Arc<Vec<AtomicU32>> = Arc::new((0..7).map(|_| AtomicU32::new(9)).collect());
            let tree = Arc::new(Tournament::new(7));
            (0..7).for_each(|p| tree.play(p, lower(&loads)));
            let threads = (0..3u32).map(|thread| {
                let (loads, tree) = (loads.clone(), tree.clone());
                std::thread::spawn(move || {
                    let mut random = round * 3 + thread + 1;
                    for _ in 0..200 {
                        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let player = (random >> 16) as usize % 7;
                        loads[player].store(random >> 8 & 31, Ordering::SeqCst);
                        tree.play(player, lower(&loads));
                    }
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().for_each(|t| t.join().unwrap());
            assert_eq!(tree.best(), expected(&loads, None));
        }
    }
}
