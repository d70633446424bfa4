//! Files of patterns: one entry a line.

use super::entries::{Entries, Entry, page, to_u32};
use super::list::ListKind;
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Faults of a file that are kept to be told; of more than these only the number is known.
pub(super) const FAULTS_MAX: usize = 20;

/// What is wrong in a file of patterns.
#[derive(Clone, PartialEq, Eq)]
pub struct FileFaults {
    /// The file's name.
    pub name: String,
    /// Its text.
    pub text: Bytes,
    /// Where the faults are, and what they are; the first ones of them.
    pub faults: Vec<(Range<usize>, String)>,
    /// How many there are in all.
    pub total: usize,
}

impl FileFaults {
    /// The number of the line, from 1, that holds a byte of the text.
    #[must_use]
    pub fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(&self.text);
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

impl fmt::Debug for FileFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults in {}: {:?}", self.total, self.name, self.faults)
    }
}

/// Reads a file's lines. Leading blanks are dropped; what then is empty or begins with `#` at the very start
/// of the line is no entry. In a map the key is the first word and the value the rest, without the blanks around it.
pub(super) fn read(text: Bytes, kind: ListKind) -> Entries {
    let text = page(text);
    let mut values = Values::default();
    let mut entries = Entries::default();
    let mut order = 0;
    let mut from = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let at = from;
        from += line.len() + 1;
        if line.first() == Some(&b'#') {
            continue;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let start = line.iter().take_while(|byte| is_blank(**byte)).count();
        let rest = line.get(start..).unwrap_or_default();
        if rest.is_empty() {
            continue;
        }
        let range = |start: usize, end: usize| to_u32(at + start)..to_u32(at + end);
        let (key, value) = match kind {
            ListKind::Patterns => (range(start, line.len()), None),
            ListKind::Map => {
                let key = rest.iter().take_while(|byte| !is_blank(**byte)).count();
                let after = rest.get(key..).unwrap_or_default();
                let value = start + key + after.iter().take_while(|byte| is_blank(**byte)).count();
                let trailing = after.iter().rev().take_while(|byte| is_blank(**byte)).count();
                let end = (line.len() - trailing).max(value);
                let value = values.first(line.get(value..end).unwrap_or_default(), range(value, end));
                (range(start, start + key), Some(value))
            }
        };
        entries.push(Entry::of_page(&text, key, value, order));
        order += 1;
    }
    entries
}

/// Different values of a file that are remembered: what has more of them hardly repeats them.
const VALUES_MAX: usize = 1 << 16;

/// Where values stood first: all entries of a value share that place, which is then in the cache more often.
#[derive(Default)]
struct Values<'t>(HashMap<&'t [u8], Range<u32>>);

impl<'t> Values<'t> {
    fn first(&mut self, value: &'t [u8], at: Range<u32>) -> Range<u32> {
        if self.0.len() >= VALUES_MAX {
            return self.0.get(value).cloned().unwrap_or(at);
        }
        self.0.entry(value).or_insert(at).clone()
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Puts what is wrong with entries beside the text that they came from.
pub(super) fn faults(name: &str, text: Bytes, found: Vec<(Range<usize>, String)>) -> Arc<FileFaults> {
    let total = found.len();
    let mut faults = found;
    faults.truncate(FAULTS_MAX);
    Arc::new(FileFaults {
        name: name.to_string(),
        text,
        faults,
        total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &'static str, kind: ListKind) -> Vec<(String, Option<String>)> {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        read(Bytes::from_static(text.as_bytes()), kind)
            .iter()
            .map(|(_, entry)| (lossy(entry.key()), entry.value().map(lossy)))
            .collect()
    }

    #[test]
    fn lines_of_a_list_are_patterns() {
        let got = shown("# no\n\n \t\n one two \r\n\t# three\nfour", ListKind::Patterns);
        let keys: Vec<&str> = got.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["one two ", "# three", "four"]);
        assert!(got.iter().all(|(_, value)| value.is_none()));
    }

    #[test]
    fn lines_of_a_map_are_keys_and_values() {
        let got = shown(
            "#a b\n  2.22.246.0/23 \t United  Kingdom \t\r\nalone\nb  \n",
            ListKind::Map,
        );
        let want = [("2.22.246.0/23", "United  Kingdom"), ("alone", ""), ("b", "")];
        let want: Vec<_> = want
            .iter()
            .map(|(key, value)| ((*key).to_string(), Some((*value).to_string())))
            .collect();
        assert_eq!(got, want);
    }
}
