//! The stick counters of a session: the entries of tables that it tracks.

use std::cell::{Cell, OnceCell, Ref, RefCell};

use smallvec::SmallVec;
use tidegate_sample::stick::{Count, Counts, Tracked};

/// The entries that a connection or a transaction tracks, by the number of the counter. While there is none, nothing is
/// allocated and nothing is counted.
#[derive(Default)]
pub(crate) struct Counters(OnceCell<Box<All>>);

#[derive(Default)]
struct All {
    tracked: RefCell<SmallVec<[(u32, Tracked); 3]>>,
    /// What any of their tables counts.
    counts: Cell<Counts>,
}

impl Counters {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(|all| all.tracked.borrow().is_empty())
    }

    /// The entry that a counter tracks.
    pub(crate) fn get(&self, counter: u32) -> Option<Ref<'_, Tracked>> {
        Ref::filter_map(self.0.get()?.tracked.borrow(), |all| {
            all.iter()
                .find(|(number, _)| *number == counter)
                .map(|(_, tracked)| tracked)
        })
        .ok()
    }

    pub(crate) fn add(&self, counter: u32, tracked: Tracked) {
        let all = self.0.get_or_init(Box::default);
        all.counts.set(all.counts.get().and(tracked.table().counts()));
        all.tracked.borrow_mut().push((counter, tracked));
    }

    /// Whether one of them counts this.
    pub(crate) fn counts(&self, what: Count) -> bool {
        self.0.get().is_some_and(|all| all.counts.get().contains(what))
    }

    /// Counts something in all of them.
    pub(crate) fn count(&self, what: Count, amount: u64, now: u64) {
        let Some(all) = self.0.get() else { return };
        for (_, tracked) in &*all.tracked.borrow() {
            tracked.entry().count(what, amount, now);
        }
    }

    /// Ends the tracking.
    pub(crate) fn release(&self, now: u64) {
        let Some(all) = self.0.get() else { return };
        all.counts.set(Counts::default());
        for (_, tracked) in all.tracked.take() {
            tracked.release(now);
        }
    }
}
