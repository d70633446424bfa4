//! Entries as listings show them, and how updates name them.

use super::entries::Entry;
use super::method::MatchMethod;
use std::fmt;

/// An entry, as listings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The number by which the entry can be named; no other entry of the list has or had it.
    pub reference: u64,
    /// The pattern as it was written.
    pub key: Box<[u8]>,
    /// The value; none in a list that is no map.
    pub value: Option<Box<[u8]>>,
}

impl Listed {
    pub(super) fn of(entry: &Entry) -> Listed {
        Listed {
            reference: entry.order,
            key: entry.key().into(),
            value: entry.value().map(Into::into),
        }
    }
}

/// What a text matches in one of the ways in which a list is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The method.
    pub method: MatchMethod,
    /// Whether case is ignored.
    pub ignore_case: bool,
    /// The entry that matches, if one does.
    pub entry: Option<Listed>,
}

/// Why a list was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateError(pub(super) String);

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UpdateError {}

/// What an update is about: all entries of a key, or one entry.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// The entries whose key was written like this.
    Key(&'a [u8]),
    /// The entry of this [`Listed::reference`].
    Reference(u64),
}
