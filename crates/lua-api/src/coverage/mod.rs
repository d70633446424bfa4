//! What of HAProxy's documented Lua API is here: each entry held against the declarations that bind the functions.

use crate::classes::{attributes, reference};

/// What is documented: kind, class, and name with arguments.
const DOCUMENTED: &str = include_str!("documented.tsv");

/// Classes that are not served on purpose, and why.
const LEFT_OUT: &[(&str, &str)] = &[("ACME", ACME), ("AcmeEvent", ACME)];

const ACME: &str =
    "certificates are not asked for over ACME: whoever does that puts them into the store by the runtime API";

/// What an entry of the API is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A class of objects, or a table of functions.
    Class,
    /// A function or method.
    Function,
    /// A value beside the functions.
    Attribute,
}

/// Whether an entry of the API is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// It is.
    Served,
    /// A later version may have it.
    Missing,
    /// It is left out on purpose, for this reason.
    LeftOut(&'static str),
}

/// An entry of the API as HAProxy documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its class; a class's own name.
    pub class: &'static str,
    /// Its name with its arguments; empty for a class.
    pub signature: &'static str,
    /// Whether it is here.
    pub coverage: Coverage,
}

impl Entry {
    /// Its name alone.
    pub fn name(&self) -> &'static str {
        self.signature
            .split_once('(')
            .map_or(self.signature, |(name, _)| name)
    }
}

/// Every entry of the API that HAProxy documents, in the order of its documentation, and whether it is here.
pub fn coverage() -> Vec<Entry> {
    let rows = reference();
    let is_served = |kind: EntryKind, class: &str, name: &str| match kind {
        EntryKind::Class => {
            // The methods of these are the fetches and converters.
            matches!(class, "Fetches" | "Converters")
                || rows.iter().any(|rows| rows.class == class)
                || attributes().iter().any(|attribute| attribute.class == class)
        }
        EntryKind::Function => {
            let mut of_class = rows.iter().filter(|rows| rows.class == class);
            of_class.any(|rows| rows.rows.iter().any(|row| row.name() == name))
        }
        EntryKind::Attribute => {
            let mut all = attributes().iter();
            all.any(|attribute| attribute.class == class && attribute.name == name)
        }
    };
    let documented = DOCUMENTED.lines().filter(|line| !line.starts_with('#'));
    let mut entries: Vec<Entry> = documented.filter_map(entry).collect();
    for entry in &mut entries {
        let reason = LEFT_OUT.iter().find(|(class, _)| *class == entry.class);
        entry.coverage = match reason {
            Some((_, reason)) => Coverage::LeftOut(reason),
            None if is_served(entry.kind, entry.class, entry.name()) => Coverage::Served,
            None => Coverage::Missing,
        };
    }
    entries
}

fn entry(line: &'static str) -> Option<Entry> {
    let mut fields = line.split('\t');
    let kind = match fields.next()? {
        "class" => EntryKind::Class,
        "function" => EntryKind::Function,
        _ => EntryKind::Attribute,
    };
    Some(Entry {
        kind,
        class: fields.next()?,
        signature: fields.next()?,
        coverage: Coverage::Missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_entry_and_none_is_there_twice() {
        let entries = coverage();
        let lines = DOCUMENTED.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(entries.len(), lines.count());
        let mut names: Vec<_> = entries.iter().map(|entry| (entry.class, entry.name())).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn only_acme_is_left_out() {
        let left_out = |entry: &&Entry| matches!(entry.coverage, Coverage::LeftOut(_));
        for entry in coverage().iter().filter(left_out) {
            assert!(entry.class.to_lowercase().starts_with("acme"), "{entry:?}");
        }
    }
}
