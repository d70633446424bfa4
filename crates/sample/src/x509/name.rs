//! Distinguished names as text.

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::RdnSequence;

use super::{names, text};

/// The name of whom a certificate is for, or of who vouches for it.
#[derive(Clone, Copy, Debug)]
pub struct DistinguishedName<'a>(pub(super) &'a RdnSequence);

/// Which of several entries is meant: the nth from the beginning, or, if negative, from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence(i64);

impl Occurrence {
    /// The first.
    #[must_use]
    pub const fn first() -> Occurrence {
        Occurrence(1)
    }

    /// This one; 0 stands for the first.
    #[must_use]
    pub const fn new(number: i64) -> Occurrence {
        Occurrence(if number == 0 { 1 } else { number })
    }
}

impl DistinguishedName<'_> {
    /// All of it in one line: `/C=FR/O=Acme/CN=me`. `None` for one that nobody should be shown.
    #[must_use]
    pub fn oneline(&self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        for entry in self.entries() {
            line.push(b'/');
            line.extend_from_slice(names::attribute(&entry.oid).as_bytes());
            line.push(b'=');
            line.extend_from_slice(&value(entry)?);
        }
        Some(line)
    }

    /// The value of one entry.
    #[must_use]
    pub fn entry(&self, name: &str, occurrence: Occurrence) -> Option<Vec<u8>> {
        let named: Vec<_> = self
            .entries()
            .filter(|entry| names::attribute(&entry.oid) == name)
            .collect();
        let at = match occurrence.0 {
            forward @ 1.. => usize::try_from(forward - 1).ok()?,
            backward => named
                .len()
                .checked_sub(usize::try_from(backward.unsigned_abs()).ok()?)?,
        };
        value(named.get(at)?)
    }

    /// As RFC 2253 writes it: the last entry first, `CN=me,O=Acme,C=FR`.
    #[must_use]
    pub fn rfc2253(&self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        for (at, set) in self.0.0.iter().rev().enumerate() {
            if at > 0 {
                line.push(b',');
            }
            for (at, entry) in set.0.iter().enumerate() {
                if at > 0 {
                    line.push(b'+');
                }
                line.extend_from_slice(names::attribute(&entry.oid).as_bytes());
                line.push(b'=');
                escape(&value(entry)?, &mut line);
            }
        }
        Some(line)
    }

    /// With commas between its entries, as OpenSSL prints a name among others.
    pub(super) fn listed(&self) -> String {
        let entry = |entry: &AttributeTypeAndValue| {
            let value = text(&entry.value);
            format!(
                "{} = {}",
                names::attribute(&entry.oid),
                String::from_utf8_lossy(&value)
            )
        };
        self.entries().map(entry).collect::<Vec<_>>().join(", ")
    }

    /// A name with commas between its entries, as OpenSSL prints one among others.
    #[must_use]
    pub fn listed_of(name: &RdnSequence) -> String {
        DistinguishedName(name).listed()
    }

    fn entries(&self) -> impl Iterator<Item = &AttributeTypeAndValue> {
        self.0.0.iter().flat_map(|set| set.0.iter())
    }
}

/// A value's text; none if something hides behind a NUL byte.
fn value(entry: &AttributeTypeAndValue) -> Option<Vec<u8>> {
    let text = text(&entry.value);
    (!text.contains(&0)).then_some(text)
}

fn escape(value: &[u8], out: &mut Vec<u8>) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.iter().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => out.extend([b'\\', *byte]),
            b' ' | b'#' if at == 0 => out.extend([b'\\', *byte]),
            b' ' if at == last => out.extend(b"\\ "),
            0x20..=0x7e => out.push(*byte),
            other => out.extend(format!("\\{other:02X}").bytes()),
        }
    }
}
