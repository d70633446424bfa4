//! Texts that are looked up whole, by their end or by their parts, in one hash table.

use super::super::entries::{Entries, Slot};
use super::hashed::Hashed;
use crate::arg::unhex;
use smallvec::SmallVec;
use std::borrow::Cow;

/// Longer texts are put in lower case on the heap.
const INLINE_BYTES: usize = 256;

/// Which parts of a text are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pattern) enum Part {
    /// All of it.
    Whole,
    /// All of it; the patterns are in hexadecimal.
    Bytes,
    /// What it ends with.
    End,
    /// What is between two of these bytes, or a beginning and an end.
    Between(&'static [u8]),
}

/// Patterns that are texts.
#[derive(Clone)]
pub(in crate::pattern) struct Texts {
    part: Part,
    ignore_case: bool,
    hashed: Hashed,
}

impl Texts {
    pub(in crate::pattern) fn new(part: Part, ignore_case: bool) -> Texts {
        Texts {
            part,
            ignore_case,
            hashed: Hashed::new(),
        }
    }

    pub(in crate::pattern) fn insert(&mut self, key: &[u8], slot: Slot) {
        // Nothing is between delimiters that are side by side.
        if let Some(text) = self.normal(key).filter(|text| !self.never_matches(text)) {
            let text = self.folded(&text);
            self.hashed.insert(&text, slot);
        }
    }

    pub(in crate::pattern) fn remove(&mut self, key: &[u8], slot: Slot) {
        if let Some(text) = self.normal(key).filter(|text| !self.never_matches(text)) {
            let text = self.folded(&text);
            self.hashed.remove(&text, slot);
        }
    }

    /// The first of the patterns that match.
    pub(in crate::pattern) fn find(&self, text: &[u8], entries: &Entries) -> Option<Slot> {
        let text = &*self.folded(text);
        match self.part {
            Part::Whole | Part::Bytes => self.look_up(text, entries),
            Part::End => self
                .hashed
                .lengths()
                .take_while(|length| *length <= text.len())
                .filter_map(|length| self.look_up(text.get(text.len() - length..)?, entries))
                .fold(None, |best, slot| entries.first(best, Some(slot))),
            Part::Between(delimiters) => self.between(text, delimiters, entries),
        }
    }

    fn between(&self, text: &[u8], delimiters: &[u8], entries: &Entries) -> Option<Slot> {
        let is_edge = |at: usize| text.get(at).is_none_or(|byte| delimiters.contains(byte));
        let mut best = None;
        for start in 0..text.len() {
            if start > 0 && !is_edge(start - 1) {
                continue;
            }
            for length in self.hashed.lengths() {
                if start + length > text.len() {
                    break;
                }
                if is_edge(start + length) {
                    let part = text.get(start..start + length).unwrap_or_default();
                    best = entries.first(best, self.look_up(part, entries));
                }
            }
        }
        best
    }

    fn look_up(&self, text: &[u8], entries: &Entries) -> Option<Slot> {
        let is_same = |key: &[u8]| match self.ignore_case {
            true => key.eq_ignore_ascii_case(text),
            false => key == text,
        };
        self.hashed.find(text, entries, |key| match self.part {
            Part::Whole | Part::End => key.len() == text.len() && is_same(key),
            Part::Bytes | Part::Between(_) => self.normal(key).is_some_and(|key| is_same(&key)),
        })
    }

    /// What of a key is compared.
    fn normal<'k>(&self, key: &'k [u8]) -> Option<Cow<'k, [u8]>> {
        match self.part {
            Part::Whole | Part::End => Some(key.into()),
            Part::Bytes => unhex(std::str::from_utf8(key).ok()?).ok().map(Cow::Owned),
            Part::Between(delimiters) => Some(trimmed(key, delimiters).into()),
        }
    }

    fn never_matches(&self, text: &[u8]) -> bool {
        matches!(self.part, Part::Between(_)) && text.is_empty()
    }

    fn folded<'t>(&self, text: &'t [u8]) -> Folded<'t> {
        folded(text, self.ignore_case)
    }
}

/// A text, in lower case if case is ignored.
#[expect(clippy::large_enum_variant, reason = "it is on the stack for one look-up")]
pub(super) enum Folded<'t> {
    Same(&'t [u8]),
    Lower(SmallVec<[u8; INLINE_BYTES]>),
}

impl std::ops::Deref for Folded<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Folded::Same(text) => text,
            Folded::Lower(text) => text,
        }
    }
}

/// A text, in lower case if case is ignored.
pub(super) fn folded(text: &[u8], ignore_case: bool) -> Folded<'_> {
    if !ignore_case || !text.iter().any(u8::is_ascii_uppercase) {
        return Folded::Same(text);
    }
    let mut lower = SmallVec::from_slice(text);
    lower.make_ascii_lowercase();
    Folded::Lower(lower)
}

/// `text` without the delimiters at its ends.
fn trimmed<'t>(mut text: &'t [u8], delimiters: &[u8]) -> &'t [u8] {
    while let [first, rest @ ..] = text
        && delimiters.contains(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && delimiters.contains(last)
    {
        text = rest;
    }
    text
}
