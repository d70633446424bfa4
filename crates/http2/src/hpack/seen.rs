//! Which fields were sent before, and where they are in the table.

use super::kind::Kind;

/// Fields are sorted into so many rows by what they are told from others by, of which each has so many places.
const ROWS: usize = 16;
const PLACES: usize = 4;

/// Each time that so many fields had no place, one gets that of another.
const FULL_MAX: u16 = 16;

/// A field is worth an entry once it comes a second time: what differs each time (dates, lengths, tags) stays out, and who asks but
/// once pays nothing.
///
/// Fields are told from each other by a few bytes of them. Those that are taken for one another cost an entry that isn't used.
#[derive(Debug)]
pub(super) struct Seen {
    /// The one that came last is the first of its row.
    rows: [[Place; PLACES]; ROWS],
    /// How many entries the table ever had, and has.
    stored: u16,
    entries: u16,
    /// How often a field had no place.
    full: u16,
}

/// A field that came.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Not 0 if there is one.
    mark: u16,
    /// Its number among all that were ever stored, if it was.
    number: u16,
}

/// What is known of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It comes for the first time.
    New,
    /// It came before.
    Again,
    /// It should be the entry of this age.
    Stored(usize),
}

/// What a field is told from others by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u32);

impl Mark {
    pub(super) fn of(kind: Kind, name: &[u8], value: &[u8]) -> Mark {
        let name = match kind {
            Kind::Known(known) => known.number() as u64,
            Kind::Pseudo(pseudo) => 0x100 + pseudo as u64,
            Kind::Other | Kind::Invalid => digest(name),
        };
        Mark((mixed(mixed(name) ^ digest(value)) >> 32) as u32)
    }

    fn row(self) -> usize {
        (self.0 >> 28) as usize % ROWS
    }

    fn short(self) -> u16 {
        (self.0 >> 12) as u16 | 1
    }
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen {
            rows: Default::default(),
            stored: 0,
            entries: 0,
            full: 0,
        }
    }

    /// Takes note of a field.
    pub(super) fn see(&mut self, mark: Mark) -> Known {
        let (stored, entries, mark_here) = (self.stored, self.entries, mark.short());
        let age = |place: &Place| stored.wrapping_sub(place.number);
        let Some(row) = self.rows.get_mut(mark.row()) else {
            return Known::New;
        };
        if let Some(at) = row.iter().position(|place| place.mark == mark_here) {
            let age = row.get(at).map_or(entries, age);
            if let Some(places) = row.get_mut(..=at) {
                places.rotate_right(1);
            }
            return if age < entries {
                Known::Stored(age.into())
            } else {
                Known::Again
            };
        }
        // The one goes that isn't in the table and came longest ago. One that is in the table seldom does: else those that differ each time
        // would take the places of those that don't.
        let goes = row.iter().rposition(|place| age(place) >= entries).or_else(|| {
            self.full = self.full.wrapping_add(1);
            self.full.is_multiple_of(FULL_MAX).then_some(PLACES - 1)
        });
        let Some(goes) = goes else {
            return Known::New;
        };
        if let Some(places) = row.get_mut(..=goes) {
            places.rotate_right(1);
        }
        if let Some(first) = row.first_mut() {
            *first = Place {
                mark: mark_here,
                number: stored.wrapping_sub(entries),
            };
        }
        Known::New
    }

    /// A field that was seen was stored, and is one of so many entries now.
    pub(super) fn store(&mut self, mark: Mark, entries: usize) {
        self.stored = self.stored.wrapping_add(1);
        self.entries = entries as u16;
        let row = self.rows.get_mut(mark.row());
        let place = row.and_then(|row| row.iter_mut().find(|place| place.mark == mark.short()));
        if let Some(place) = place {
            place.number = self.stored;
        }
    }

    /// There are so many entries now.
    pub(super) fn shrink(&mut self, entries: usize) {
        self.entries = entries as u16;
    }
}

/// Some of the bytes of a text, and how many it has.
fn digest(text: &[u8]) -> u64 {
    let len = text.len() as u64;
    let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) else {
        return text
            .iter()
            .fold(len, |digest, byte| (digest << 8) | u64::from(*byte));
    };
    let middle = text.get(text.len() / 2 - 4..).and_then(|text| text.first_chunk());
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let middle = middle.map_or(0, word);
    mixed(mixed(mixed(word(first) ^ len) ^ middle) ^ word(last))
}

fn mixed(word: u64) -> u64 {
    let product = u128::from(word) * 0x9E37_79B9_7F4A_7C15;
    (product as u64) ^ (product >> 64) as u64
}
