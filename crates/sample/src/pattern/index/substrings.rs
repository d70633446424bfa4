//! Texts to be found anywhere: an automaton that looks for all of them in one pass.

use super::super::entries::{Entries, Slot};
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, Anchored, Input, MatchKind};
use std::sync::Arc;

/// Patterns that are looked for one by one, because they came after the automaton was made.
const TAIL_MAX: usize = 32;

/// Patterns to be found anywhere in a text.
#[derive(Clone)]
pub(in crate::pattern) struct Substrings {
    ignore_case: bool,
    automaton: Option<Arc<AhoCorasick>>,
    /// The slots of the automaton's patterns.
    slots: Arc<Vec<Slot>>,
    tail: Arc<Vec<Slot>>,
}

impl Substrings {
    pub(in crate::pattern) fn build(slots: Vec<Slot>, entries: &Entries, ignore_case: bool) -> Substrings {
        let mut substrings = Substrings {
            ignore_case,
            automaton: None,
            slots: Arc::default(),
            tail: Arc::new(slots),
        };
        substrings.settle(entries);
        substrings
    }

    pub(in crate::pattern) fn insert(&mut self, slot: Slot, entries: &Entries) {
        Arc::make_mut(&mut self.tail).push(slot);
        if self.tail.len() > TAIL_MAX {
            self.settle(entries);
        }
    }

    /// Takes a pattern away, whose entry is still there.
    pub(in crate::pattern) fn remove(&mut self, slot: Slot, entries: &Entries) {
        if self.tail.contains(&slot) {
            Arc::make_mut(&mut self.tail).retain(|other| *other != slot);
        } else if self.slots.contains(&slot) {
            Arc::make_mut(&mut self.slots).retain(|other| *other != slot);
            self.settle(entries);
        }
    }

    /// Makes an automaton of all patterns. If they are too many for one, they go on being looked for one by one.
    fn settle(&mut self, entries: &Entries) {
        let mut slots = (*self.slots).clone();
        slots.extend(self.tail.iter());
        let automaton = AhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(self.ignore_case)
            .build(slots.iter().map(|slot| entries.key(*slot)));
        match automaton {
            Ok(automaton) if !slots.is_empty() => {
                self.automaton = Some(Arc::new(automaton));
                self.slots = Arc::new(slots);
                self.tail = Arc::default();
            }
            Ok(_) => {
                self.automaton = None;
                self.slots = Arc::default();
            }
            Err(_) => {
                self.automaton = None;
                self.slots = Arc::default();
                self.tail = Arc::new(slots);
            }
        }
    }

    /// The first of the patterns that the text contains.
    pub(in crate::pattern) fn find(&self, text: &[u8], entries: &Entries) -> Option<Slot> {
        let found = self.automaton.as_ref().and_then(|automaton| {
            // The automaton's first pattern is the first of all: nothing can come before it.
            let mut best: Option<usize> = None;
            let mut state = aho_corasick::automaton::OverlappingState::start();
            let input = Input::new(text).anchored(Anchored::No);
            loop {
                if automaton.try_find_overlapping(input.clone(), &mut state).is_err() {
                    break;
                }
                let Some(found) = state.get_match() else { break };
                let at = found.pattern().as_usize();
                best = Some(best.map_or(at, |best| best.min(at)));
                if best == Some(0) {
                    break;
                }
            }
            self.slots.get(best?).copied()
        });
        let tail = self.tail.iter().copied();
        let tail = tail.filter(|slot| contains(text, entries.key(*slot), self.ignore_case));
        tail.fold(found, |best, slot| entries.first(best, Some(slot)))
    }
}

fn contains(text: &[u8], part: &[u8], ignore_case: bool) -> bool {
    part.is_empty()
        || text.windows(part.len()).any(|window| {
            if ignore_case {
                window.eq_ignore_ascii_case(part)
            } else {
                window == part
            }
        })
}
