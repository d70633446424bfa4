//! Blocks are written.

use tidegate_sample::head::{FieldName, names};

use super::kind::Kind;
use super::seen::{Known, Mark, Seen};
use super::table::{Stored, Table};
use super::{Pseudo, TABLE_BYTES, standard};

/// Cookies shorter than this could be guessed one by one by who sees how long a block is.
const COOKIE_BYTES_MIN: usize = 20;

/// Writes the blocks of one direction of a connection.
///
/// Strings are never coded: see docs/benchmarks.md for what that would cost, and save.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    seen: Seen,
    /// The smallest size of the table since the last block, if that changed it.
    shrunk_to: Option<usize>,
}

/// A block that is being written.
#[derive(Debug)]
pub struct Block<'e> {
    encoder: &'e mut Encoder,
    out: &'e mut Vec<u8>,
}

/// How a field that isn't in the table is written (RFC 7541, section 6.2): the first bits of a byte that is completed by the index of its
/// name.
#[derive(Clone, Copy)]
struct Literal {
    bits: u8,
    index_bits: u32,
}

const STORED: Literal = Literal {
    bits: 0x40,
    index_bits: 6,
};
const PASSING: Literal = Literal {
    bits: 0,
    index_bits: 4,
};
/// No one is to store it, on the whole way.
const SECRET: Literal = Literal {
    bits: 0x10,
    index_bits: 4,
};

impl Encoder {
    /// An encoder for a peer that keeps 4096 bytes of fields, as each does that hasn't said anything.
    #[must_use]
    pub fn new() -> Encoder {
        Encoder {
            table: Table::new(TABLE_BYTES),
            seen: Seen::new(),
            shrunk_to: None,
        }
    }

    /// The peer keeps no more than this (its SETTINGS_HEADER_TABLE_SIZE). We make use of 4096 bytes at the most; the next block tells what
    /// changes for the peer.
    pub fn set_table_bytes_max(&mut self, table_bytes_max: usize) {
        let bytes_max = table_bytes_max.min(TABLE_BYTES);
        if bytes_max != self.table.bytes_max() {
            let before = self.shrunk_to.unwrap_or(TABLE_BYTES);
            self.shrunk_to = Some(before.min(bytes_max));
            self.table.resize(bytes_max);
            self.seen.shrink(self.table.len());
        }
    }

    /// Begins a block behind what `out` holds. Blocks have to reach the peer in the order in which they were begun, each whole.
    pub fn block<'e>(&'e mut self, out: &'e mut Vec<u8>) -> Block<'e> {
        if let Some(smallest) = self.shrunk_to.take() {
            let bytes_max = self.table.bytes_max();
            if smallest < bytes_max {
                integer(out, 0x20, 5, smallest);
            }
            integer(out, 0x20, 5, bytes_max);
        }
        Block { encoder: self, out }
    }
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder::new()
    }
}

impl Block<'_> {
    /// Writes a pseudo-header field. They come before all others.
    pub fn pseudo(&mut self, name: Pseudo, value: &[u8]) {
        match standard::index_of_pseudo(name, value) {
            Ok(index) => self.out.push(0x80 | index),
            Err(index) if name == Pseudo::Path => {
                self.literal(PASSING, index, name.as_str().as_bytes(), value)
            }
            Err(index) => self.storable(Kind::Pseudo(name), index, name.as_str().as_bytes(), value),
        }
    }

    /// Writes a field.
    pub fn field(&mut self, name: FieldName<'_>, value: &[u8]) {
        let kind = Kind::of_name(name);
        let index = match kind {
            Kind::Known(known) => standard::index_of(known),
            _ => 0,
        };
        if is_secret(name, value) {
            self.literal(SECRET, index, name.as_bytes(), value);
        } else {
            self.storable(kind, index, name.as_bytes(), value);
        }
    }

    /// Writes a field that may be stored.
    fn storable(&mut self, kind: Kind, index: u8, name: &[u8], value: &[u8]) {
        let Encoder { table, seen, .. } = &mut *self.encoder;
        let mark = Mark::of(kind, name, value);
        let known = seen.see(mark);
        if let Known::Stored(age) = known
            && let Some(entry) = table.entry(age)
            && entry.kind == kind
            && (!kind.has_text() || entry.name == name)
            && entry.value == value
        {
            return integer(self.out, 0x80, 7, standard::LEN + 1 + age);
        }
        let is_worth_it = name.len() + value.len() <= table.bytes_max() / 4;
        if !is_worth_it || known == Known::New {
            return self.literal(PASSING, index, name, value);
        }
        let is_fit = true;
        let stored = Stored {
            kind,
            name,
            value,
            is_fit,
        };
        if table.insert(stored) {
            seen.store(mark, table.len());
        } else {
            seen.shrink(table.len());
        }
        self.literal(STORED, index, name, value);
    }

    fn literal(&mut self, literal: Literal, index: u8, name: &[u8], value: &[u8]) {
        let out = &mut *self.out;
        integer(out, literal.bits, literal.index_bits, index.into());
        if index == 0 {
            string(out, name);
        }
        string(out, value);
    }
}

/// Whether a field is for its receiver alone.
fn is_secret(name: FieldName<'_>, value: &[u8]) -> bool {
    name == names::AUTHORIZATION
        || name == names::PROXY_AUTHORIZATION
        || (value.len() < COOKIE_BYTES_MIN && (name == names::COOKIE || name == names::SET_COOKIE))
}

fn string(out: &mut Vec<u8>, string: &[u8]) {
    integer(out, 0, 7, string.len());
    out.extend_from_slice(string);
}

/// Writes an integer that begins in the last bits of a byte (RFC 7541, section 5.1).
fn integer(out: &mut Vec<u8>, first: u8, bits: u32, integer: usize) {
    let all = (1 << bits) - 1;
    if integer < all {
        return out.push(first | integer as u8);
    }
    out.push(first | all as u8);
    let mut rest = integer - all;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(encoder: &mut Encoder, name: &str, value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let kind = Kind::of(name.as_bytes());
        let mut block = encoder.block(&mut out);
        match kind {
            Kind::Pseudo(pseudo) => block.pseudo(pseudo, value.as_bytes()),
            _ => block.field(FieldName::of(name.as_bytes()), value.as_bytes()),
        }
        out
    }

    #[test]
    fn a_field_is_stored_when_it_comes_again() {
        let mut encoder = Encoder::new();
        assert_eq!(field(&mut encoder, "server", "x"), b"\x0f\x27\x01x");
        assert_eq!(field(&mut encoder, "server", "x"), b"\x76\x01x");
        assert_eq!(field(&mut encoder, "server", "x"), b"\xbe");
        for _ in 0..3 {
            let other = field(&mut encoder, "x-other", "some value");
            assert!(other.len() == 1 || other.ends_with(b"\x07x-other\x0asome value"));
        }
        assert_eq!(field(&mut encoder, "x-other", "some value"), b"\xbe");
        assert_eq!(field(&mut encoder, "server", "x"), b"\xbf");
        assert_eq!(field(&mut encoder, "server", "y"), b"\x0f\x27\x01y");
        assert_eq!(field(&mut encoder, ":status", "200"), b"\x88");
        assert_eq!(field(&mut encoder, ":status", "429"), b"\x08\x03429");
        assert_eq!(field(&mut encoder, ":status", "429"), b"\x48\x03429");
        assert_eq!(field(&mut encoder, ":status", "429"), b"\xbe");
    }

    #[test]
    fn what_tells_who_somebody_is_is_stored_by_no_one() {
        let mut encoder = Encoder::new();
        for _ in 0..3 {
            assert_eq!(
                field(&mut encoder, "authorization", "Basic YTpi")[..3],
                *b"\x1f\x08\x0a"
            );
            assert_eq!(field(&mut encoder, "cookie", "a=1"), b"\x1f\x11\x03a=1");
            assert_eq!(field(&mut encoder, "set-cookie", "a=1"), b"\x1f\x28\x03a=1");
            assert_eq!(field(&mut encoder, ":path", "/a?token=1")[..2], *b"\x04\x0a");
        }
        let long = "a=0123456789abcdef0123";
        assert_eq!(field(&mut encoder, "cookie", long)[..2], *b"\x0f\x11");
        assert_eq!(field(&mut encoder, "cookie", long)[..1], *b"\x60");
        assert_eq!(field(&mut encoder, "cookie", long), b"\xbe");
    }

    #[test]
    fn what_many_fields_say_again_is_a_byte_for_each() {
        let mut encoder = Encoder::new();
        let head = |encoder: &mut Encoder, at: usize| {
            let stays =
                (0..24).map(|n| field(encoder, &format!("x-field-{n}"), &format!("a value, {n}")).len());
            let stays = stays.sum::<usize>();
            // These differ each time, and take no place of those that don't.
            for name in ["date", "etag", "content-length"] {
                field(encoder, name, &format!("{at} of {name}"));
            }
            stays
        };
        let lengths: Vec<usize> = (0..50).map(|at| head(&mut encoder, at)).collect();
        assert!(lengths[2..].iter().all(|len| *len <= 30), "{lengths:?}");
        let again = lengths[2..].iter().filter(|len| **len > 24).count();
        assert!(again <= 5, "{lengths:?}");
    }

    #[test]
    fn nothing_is_stored_that_would_take_the_place_of_most_others() {
        let mut encoder = Encoder::new();
        let large = "x".repeat(1100);
        for _ in 0..3 {
            assert_eq!(field(&mut encoder, "server", &large)[..2], *b"\x0f\x27");
        }
        encoder.set_table_bytes_max(0);
        field(&mut encoder, "server", "x");
        for _ in 0..3 {
            assert_eq!(field(&mut encoder, "server", "x"), b"\x0f\x27\x01x");
        }
    }

    #[test]
    fn the_next_block_tells_what_became_of_the_table() {
        let mut encoder = Encoder::new();
        let next = |encoder: &mut Encoder| {
            let mut out = Vec::new();
            encoder.block(&mut out);
            out
        };
        assert_eq!(next(&mut encoder), b"");
        // More than we use, which is what we used before.
        encoder.set_table_bytes_max(65536);
        assert_eq!(next(&mut encoder), b"");
        encoder.set_table_bytes_max(100);
        assert_eq!(
            (next(&mut encoder), next(&mut encoder)),
            (b"\x3f\x45".into(), vec![])
        );
        encoder.set_table_bytes_max(0);
        encoder.set_table_bytes_max(50);
        assert_eq!(next(&mut encoder), b"\x20\x3f\x13");
        encoder.set_table_bytes_max(10);
        encoder.set_table_bytes_max(100_000);
        assert_eq!(next(&mut encoder), b"\x2a\x3f\xe1\x1f");
        assert_eq!(next(&mut encoder), b"");
    }

    #[test]
    fn entries_that_went_are_not_referred_to() {
        let mut encoder = Encoder::new();
        for _ in 0..3 {
            field(&mut encoder, "server", "x");
        }
        for n in 0..200 {
            let value = format!("{n}").repeat(20);
            for _ in 0..2 {
                field(&mut encoder, "x-other", &value);
            }
        }
        assert_ne!(field(&mut encoder, "server", "x").len(), 1);
    }
}
