//! Regular expressions, tried in their order.

use super::super::entries::Slot;
use pcre2::bytes::Regex;
use std::sync::Arc;

/// Regular expressions.
#[derive(Clone, Default)]
pub(in crate::pattern) struct Regexes {
    all: Arc<Vec<(Slot, Regex)>>,
}

impl Regexes {
    pub(in crate::pattern) fn insert(&mut self, slot: Slot, regex: Regex) {
        Arc::make_mut(&mut self.all).push((slot, regex));
    }

    pub(in crate::pattern) fn remove(&mut self, slot: Slot) {
        Arc::make_mut(&mut self.all).retain(|(other, _)| *other != slot);
    }

    /// The first expression that matches somewhere in the text. One that takes too long to match doesn't.
    pub(in crate::pattern) fn find(&self, text: &[u8]) -> Option<(Slot, &Regex)> {
        let found = self
            .all
            .iter()
            .find(|(_, regex)| regex.is_match(text).unwrap_or(false));
        found.map(|(slot, regex)| (*slot, regex))
    }
}
