//! Values in JSON and in CBOR (RFC 8949).

use super::out::Kind;
use crate::cast;
use crate::value::Value;
use std::io::Write;

/// How values are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `json`
    Json,
    /// `cbor`: printable by default, each byte as two hexadecimal digits.
    Cbor,
}

/// The type that an item is made to have: `%(name:type)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemType {
    Str,
    Sint,
    Bool,
}

impl ItemType {
    pub(super) const NAMES: [(&'static str, ItemType); 3] = [
        ("str", ItemType::Str),
        ("sint", ItemType::Sint),
        ("bool", ItemType::Bool),
    ];
}

/// A value on its way to an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
}

impl<'a> Item<'a> {
    /// What an alias wrote.
    pub(super) fn written(kind: Kind, bytes: &'a [u8]) -> Item<'a> {
        match kind {
            Kind::Nothing => Item::Null,
            Kind::Text => Item::Text(bytes),
            Kind::Number => number(bytes).map_or(Item::Text(bytes), Item::Int),
        }
    }

    /// The item as the type that is asked for; what can't be one is null.
    fn typed(self, kind: ItemType, scratch: &'a mut Vec<u8>) -> Item<'a> {
        match (kind, self) {
            (_, Item::Null) => Item::Null,
            (ItemType::Str, Item::Text(_) | Item::Bytes(_)) => self,
            (ItemType::Str, Item::Bool(bool)) => Item::Text(if bool { b"true" } else { b"false" }),
            (ItemType::Str, Item::Int(int)) => {
                scratch.extend_from_slice(&cast::int_text(int));
                Item::Text(scratch)
            }
            (ItemType::Sint, Item::Int(_)) => self,
            (ItemType::Sint, Item::Bool(bool)) => Item::Int(bool.into()),
            (ItemType::Sint, Item::Text(text) | Item::Bytes(text)) => {
                number(text).map_or(Item::Null, Item::Int)
            }
            (ItemType::Bool, Item::Bool(_)) => self,
            (ItemType::Bool, Item::Int(int)) => Item::Bool(int != 0),
            (ItemType::Bool, Item::Text(text) | Item::Bytes(text)) => match text {
                b"true" => Item::Bool(true),
                b"false" => Item::Bool(false),
                _ => number(text).map_or(Item::Null, |int| Item::Bool(int != 0)),
            },
        }
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Writes one encoding into a buffer.
pub(super) struct Encoder<'a> {
    pub(super) into: &'a mut Vec<u8>,
    pub(super) encoding: Encoding,
    /// CBOR's bytes as they are, rather than in hexadecimal.
    pub(super) binary: bool,
}

impl Encoder<'_> {
    /// Opens the map of all named items.
    pub(super) fn begin_map(&mut self) {
        match self.encoding {
            Encoding::Json => self.into.push(b'{'),
            Encoding::Cbor => self.cbor(&[0xbf]),
        }
    }

    /// The name of the next item of the map.
    pub(super) fn key(&mut self, name: &str, first: bool) {
        match self.encoding {
            Encoding::Json => {
                if !first {
                    self.into.extend_from_slice(b", ");
                }
                self.json_text(name.as_bytes());
                self.into.extend_from_slice(b": ");
            }
            Encoding::Cbor => self.cbor_string(0x60, name.as_bytes()),
        }
    }

    /// Closes the map.
    pub(super) fn end_map(&mut self) {
        match self.encoding {
            Encoding::Json => self.into.push(b'}'),
            Encoding::Cbor => self.cbor(&[0xff]),
        }
    }

    /// A sample; bytes stay bytes only in binary CBOR.
    pub(super) fn value(&mut self, value: Option<Value>, kind: Option<ItemType>) {
        match value {
            None => self.item(Item::Null, kind),
            Some(Value::Bool(bool)) => self.item(Item::Bool(bool), kind),
            Some(Value::Int(int)) => self.item(Item::Int(int), kind),
            Some(Value::Bin(bytes)) if self.binary => self.item(Item::Bytes(&bytes), kind),
            Some(other) => match cast::text(other) {
                Some(text) => self.item(Item::Text(&text), kind),
                None => self.item(Item::Null, kind),
            },
        }
    }

    /// One item, made the type that is asked for.
    pub(super) fn item(&mut self, item: Item<'_>, kind: Option<ItemType>) {
        let mut scratch = Vec::new();
        let item = match kind {
            Some(kind) => item.typed(kind, &mut scratch),
            None => item,
        };
        match self.encoding {
            Encoding::Json => self.json(item),
            Encoding::Cbor => match item {
                Item::Null => self.cbor(&[0xf6]),
                Item::Bool(bool) => self.cbor(&[if bool { 0xf5 } else { 0xf4 }]),
                Item::Int(int) if int < 0 => self.cbor_head(0x20, !int.cast_unsigned()),
                Item::Int(int) => self.cbor_head(0x00, int.unsigned_abs()),
                // RFC 8949 allows nothing but UTF-8 in a text.
                Item::Text(text) if std::str::from_utf8(text).is_ok() => self.cbor_string(0x60, text),
                Item::Text(bytes) | Item::Bytes(bytes) => self.cbor_string(0x40, bytes),
            },
        }
    }

    fn json(&mut self, item: Item<'_>) {
        match item {
            Item::Null => self.into.extend_from_slice(b"null"),
            Item::Bool(bool) => self.into.extend_from_slice(if bool { b"true" } else { b"false" }),
            Item::Int(int) => self.into.extend_from_slice(&cast::int_text(int)),
            Item::Text(text) | Item::Bytes(text) => self.json_text(text),
        }
    }

    /// A string of printable ASCII: the rest is escaped, and what is not UTF-8 byte by byte.
    fn json_text(&mut self, text: &[u8]) {
        self.into.push(b'"');
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => self.into.extend_from_slice(&[b'\\', c as u8]),
                    ' '..='~' => self.into.push(c as u8),
                    '\n' => self.into.extend_from_slice(b"\\n"),
                    '\r' => self.into.extend_from_slice(b"\\r"),
                    '\t' => self.into.extend_from_slice(b"\\t"),
                    _ => c
                        .encode_utf16(&mut [0; 2])
                        .iter()
                        .for_each(|unit| self.json_unit(*unit)),
                }
            }
            chunk
                .invalid()
                .iter()
                .for_each(|byte| self.json_unit((*byte).into()));
        }
        self.into.push(b'"');
    }

    fn json_unit(&mut self, unit: u16) {
        // Writing to memory does not fail.
        let _ = write!(self.into, "\\u{unit:04x}");
    }

    /// A major type and its argument, in as few bytes as it takes.
    fn cbor_head(&mut self, major: u8, argument: u64) {
        let [a, b, c, d, e, f, g, h] = argument.to_be_bytes();
        match argument {
            0..24 => self.cbor(&[major | h]),
            24..0x100 => self.cbor(&[major | 24, h]),
            0x100..0x1_0000 => self.cbor(&[major | 25, g, h]),
            0x1_0000..0x1_0000_0000 => self.cbor(&[major | 26, e, f, g, h]),
            _ => self.cbor(&[major | 27, a, b, c, d, e, f, g, h]),
        }
    }

    fn cbor_string(&mut self, major: u8, bytes: &[u8]) {
        self.cbor_head(major, bytes.len() as u64);
        self.cbor(bytes);
    }

    fn cbor(&mut self, bytes: &[u8]) {
        if self.binary {
            self.into.extend_from_slice(bytes);
        } else {
            for byte in bytes {
                let _ = write!(self.into, "{byte:02X}");
            }
        }
    }
}
