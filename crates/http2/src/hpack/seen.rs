//! Which fields were sent before, and where they are in the table.

use super::kind::Kind;

const PLACES: usize = 64;

/// A field is worth an entry once it comes a second time: what differs each time (dates, lengths, tags) stays out, and who asks but
/// once pays nothing.
///
/// Fields are told from each other by a few bytes of them. Those that are taken for one another cost an entry that isn't used.
#[derive(Debug)]
pub(super) struct Seen {
    /// The last field that came, by [`Mark::place`].
    marks: [u16; PLACES],
    /// The last that was stored, as its number among all that were. They count from 1.
    stored: [u32; PLACES],
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

    fn place(self) -> usize {
        self.0 as usize % PLACES
    }

    /// 0 is none.
    fn short(self) -> u16 {
        (self.0 >> 16) as u16 | 1
    }
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen {
            marks: [0; PLACES],
            stored: [0; PLACES],
        }
    }

    /// The number of the field that was stored last among those which this might be. 0 if there is none.
    pub(super) fn stored(&self, mark: Mark) -> u32 {
        self.stored.get(mark.place()).copied().unwrap_or_default()
    }

    pub(super) fn store(&mut self, mark: Mark, number: u32) {
        if let Some(stored) = self.stored.get_mut(mark.place()) {
            *stored = number;
        }
    }

    /// Whether the field was seen already; from now on it was.
    pub(super) fn again(&mut self, mark: Mark) -> bool {
        let Some(last) = self.marks.get_mut(mark.place()) else {
            return false;
        };
        std::mem::replace(last, mark.short()) == mark.short()
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
    mixed(mixed(word(first) ^ len) ^ middle) ^ word(last)
}

fn mixed(word: u64) -> u64 {
    let word = word.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word ^ (word >> 32)
}
