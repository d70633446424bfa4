//! The stick counters of a session: the entries of tables that it tracks.

use std::cell::{OnceCell, Ref, RefCell};

use tidegate_sample::stick::{Count, Tracked};

/// The entries that a connection or a transaction tracks, by the number of the counter. While there is none, nothing is
/// allocated and nothing is counted.
#[derive(Default)]
pub(crate) struct Counters(OnceCell<Box<All>>);

type All = RefCell<Vec<(u32, Tracked)>>;

impl Counters {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(|all| all.borrow().is_empty())
    }

    /// The entry that a counter tracks.
    pub(crate) fn get(&self, counter: u32) -> Option<Ref<'_, Tracked>> {
        Ref::filter_map(self.0.get()?.borrow(), |all| {
            all.iter()
                .find(|(number, _)| *number == counter)
                .map(|(_, tracked)| tracked)
        })
        .ok()
    }

    pub(crate) fn add(&self, counter: u32, tracked: Tracked) {
        self.0
            .get_or_init(Box::default)
            .borrow_mut()
            .push((counter, tracked));
    }

    /// Counts something in all of them.
    pub(crate) fn count(&self, what: Count, amount: u64, now: u64) {
        let Some(all) = self.0.get() else { return };
        for (_, tracked) in &*all.borrow() {
            tracked.entry().count(what, amount, now);
        }
    }

    /// Ends the tracking.
    pub(crate) fn release(&self, now: u64) {
        let Some(all) = self.0.get() else { return };
        for (_, tracked) in all.take() {
            tracked.release(now);
        }
    }
}
