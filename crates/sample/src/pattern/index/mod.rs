//! What a list's patterns are looked up with, for each way to match them.

mod hashed;
mod ipv4;
mod nets;
mod prefixes;
mod ranges;
mod regexes;
mod substrings;
mod texts;

pub(super) use hashed::Hashed;
pub(super) use nets::{Net, Network};

use super::entries::{Entries, Slot};
use super::method::MatchMethod;
use super::parse;
use crate::arg;
use crate::cast::cast;
use crate::data::Data;
use crate::value::Value;
use nets::Nets;
use pcre2::bytes::Regex;
use prefixes::Prefixes;
use ranges::Ranges;
use regexes::Regexes;
use std::net::IpAddr;
use std::sync::Arc;
use substrings::Substrings;
use texts::{Part, Texts, folded};

/// How a list's patterns are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) method: MatchMethod,
    pub(super) ignore_case: bool,
}

/// What matched.
pub(super) struct Hit<'i> {
    /// The entry's slot.
    pub(super) slot: Slot,
    /// The entry's regular expression, if it is one.
    pub(super) regex: Option<&'i Regex>,
}

/// Where the value of what matched is.
pub(super) enum ValueAt {
    /// Here: the index knows it.
    Known(Data),
    /// In the entry at a slot.
    Entry(Slot),
}

/// The patterns of a list, ready to be matched in one way. Cloning is cheap, and a clone that is changed leaves the
/// others alone.
#[derive(Clone)]
pub(super) struct Index {
    pub(super) way: Way,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// The method has nothing to compare with.
    Nothing,
    Ranges(Ranges),
    Nets(Nets),
    Texts(Texts),
    Prefixes(Prefixes<Arc<[u8]>>),
    Substrings(Substrings),
    Regexes(Regexes),
}

impl Index {
    /// Makes an index of all entries, or tells which of them are no patterns for it.
    pub(super) fn build(way: Way, entries: &Entries) -> Result<Index, Vec<(Slot, String)>> {
        let mut faults = Vec::new();
        let mut parsed = Parser {
            entries,
            faults: &mut faults,
        };
        let kind = match way.method {
            MatchMethod::Found | MatchMethod::Bool => Kind::Nothing,
            MatchMethod::Int | MatchMethod::Len => Kind::Ranges(Ranges::build(parsed.all(parse::range))),
            MatchMethod::Ip => Kind::Nets(Nets::build(parsed.all(parse::network), entries)),
            MatchMethod::Reg => {
                let mut regexes = Regexes::default();
                for (regex, slot) in parsed.all(|key| regex(key, way.ignore_case)) {
                    regexes.insert(slot, regex);
                }
                Kind::Regexes(regexes)
            }
            MatchMethod::Sub => {
                let slots = entries.iter().map(|(slot, _)| slot).collect();
                Kind::Substrings(Substrings::build(slots, entries, way.ignore_case))
            }
            MatchMethod::Beg => {
                let key = |key: &[u8]| Ok(Arc::from(&*folded(key, way.ignore_case)));
                Kind::Prefixes(Prefixes::build(parsed.all(key).collect()))
            }
            MatchMethod::Bin | MatchMethod::Str | MatchMethod::End | MatchMethod::Dir | MatchMethod::Dom => {
                let part = match way.method {
                    MatchMethod::Bin => Part::Bytes,
                    MatchMethod::End => Part::End,
                    MatchMethod::Dir => Part::Between(b"/?"),
                    MatchMethod::Dom => Part::Between(b"/?.:"),
                    _ => Part::Whole,
                };
                let check = |key: &[u8]| {
                    if part == Part::Bytes {
                        parse::bytes(key).map(drop)
                    } else {
                        Ok(())
                    }
                };
                let mut texts = Texts::new(part, way.ignore_case);
                for ((), slot) in parsed.all(check) {
                    texts.insert(entries.key(slot), slot);
                }
                Kind::Texts(texts)
            }
        };
        if faults.is_empty() {
            Ok(Index { way, kind })
        } else {
            Err(faults)
        }
    }

    /// Whether a text can be a pattern here.
    pub(super) fn check(&self, key: &[u8]) -> Result<(), String> {
        match self.way.method {
            MatchMethod::Int | MatchMethod::Len => parse::range(key).map(drop),
            MatchMethod::Ip => parse::network(key).map(drop),
            MatchMethod::Bin => parse::bytes(key).map(drop),
            MatchMethod::Reg => regex(key, self.way.ignore_case).map(drop),
            _ => Ok(()),
        }
    }

    /// Takes in the entry at a slot, whose key was checked.
    pub(super) fn insert(&mut self, slot: Slot, entries: &Entries) {
        let key = entries.key(slot);
        match &mut self.kind {
            Kind::Nothing => {}
            Kind::Ranges(ranges) => {
                if let Ok(range) = parse::range(key) {
                    ranges.insert(range, slot);
                }
            }
            Kind::Nets(nets) => {
                if let Ok(network) = parse::network(key) {
                    nets.insert(network, slot, entries);
                }
            }
            Kind::Texts(texts) => texts.insert(key, slot),
            Kind::Prefixes(prefixes) => prefixes.insert(Arc::from(&*folded(key, self.way.ignore_case)), slot),
            Kind::Substrings(substrings) => substrings.insert(slot, entries),
            Kind::Regexes(regexes) => {
                if let Ok(regex) = regex(key, self.way.ignore_case) {
                    regexes.insert(slot, regex);
                }
            }
        }
    }

    /// Notes that the entry at a slot has another value.
    pub(super) fn revalue(&mut self, slot: Slot, entries: &Entries) {
        if let Kind::Nets(nets) = &mut self.kind
            && let Ok(network) = parse::network(entries.key(slot))
        {
            nets.revalue(network, slot);
        }
    }

    /// Lets go of the entry at a slot, which is still among the entries.
    pub(super) fn remove(&mut self, slot: Slot, entries: &Entries) {
        let key = entries.key(slot);
        match &mut self.kind {
            Kind::Nothing => {}
            Kind::Ranges(ranges) => {
                if let Ok(range) = parse::range(key) {
                    ranges.remove(&range, slot);
                }
            }
            Kind::Nets(nets) => {
                if let Ok(network) = parse::network(key) {
                    nets.remove(network, slot);
                }
            }
            Kind::Texts(texts) => texts.remove(key, slot),
            Kind::Prefixes(prefixes) => {
                prefixes.remove(&Arc::from(&*folded(key, self.way.ignore_case)), slot);
            }
            Kind::Substrings(substrings) => substrings.remove(slot, entries),
            Kind::Regexes(regexes) => regexes.remove(slot),
        }
    }

    /// The entry that a value of the method's type matches.
    pub(super) fn find(&self, value: &Value, entries: &Entries) -> Option<Hit<'_>> {
        let slot = match (&self.kind, value) {
            (Kind::Ranges(ranges), Value::Int(int)) => ranges.find(*int, entries),
            (Kind::Ranges(ranges), Value::Str(text)) => {
                ranges.find(i64::try_from(text.len()).unwrap_or(i64::MAX), entries)
            }
            (Kind::Nets(nets), value) => nets.find(address(value)?, entries)?.slot(),
            (Kind::Texts(texts), Value::Str(text) | Value::Bin(text)) => texts.find(text, entries),
            (Kind::Prefixes(prefixes), Value::Str(text)) => {
                prefixes.longest(&folded(text, self.way.ignore_case))
            }
            (Kind::Substrings(substrings), Value::Str(text)) => substrings.find(text, entries),
            (Kind::Regexes(regexes), Value::Str(text)) => {
                return regexes.find(text).map(|(slot, regex)| Hit {
                    slot,
                    regex: Some(regex),
                });
            }
            _ => None,
        };
        slot.map(|slot| Hit { slot, regex: None })
    }

    /// Where the value is of the entry that a value of the method's type matches. The entry isn't looked for where the index knows.
    pub(super) fn find_value(&self, value: &Value, entries: &Entries) -> Option<ValueAt> {
        let Kind::Nets(nets) = &self.kind else {
            return self.find(value, entries).map(|hit| ValueAt::Entry(hit.slot));
        };
        let found = nets.find(address(value)?, entries)?;
        match found.value() {
            Some(value) => Some(ValueAt::Known(value)),
            None => found.slot().map(ValueAt::Entry),
        }
    }

    /// As [`Index::find`], for a value of any type.
    pub(super) fn find_any(&self, value: Value, entries: &Entries) -> Option<Slot> {
        self.find(&cast(value, self.way.method.input())?, entries)
            .map(|hit| hit.slot)
    }
}

fn address(value: &Value) -> Option<IpAddr> {
    match value {
        Value::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Value::Ipv6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

/// Parses the keys of all entries, and keeps what is wrong with them.
struct Parser<'p> {
    entries: &'p Entries,
    faults: &'p mut Vec<(Slot, String)>,
}

impl Parser<'_> {
    fn all<T>(&mut self, parse: impl Fn(&[u8]) -> Result<T, String>) -> impl Iterator<Item = (T, Slot)> {
        self.entries
            .iter()
            .filter_map(move |(slot, entry)| match parse(entry.key()) {
                Ok(parsed) => Some((parsed, slot)),
                Err(message) => {
                    self.faults.push((slot, message));
                    None
                }
            })
    }
}

fn regex(key: &[u8], ignore_case: bool) -> Result<Regex, String> {
    let text = parse::text(key)?;
    arg::regex(text, ignore_case).map_err(|why| format!("`{text}` is not a valid regular expression: {why}"))
}
