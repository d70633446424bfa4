//! Keys: what samples become where a table looks them up.

use std::fmt::{self, Write};
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};

use xxhash_rust::xxh64::xxh64;

use crate::cast::{cast, hex};
use crate::data::Data;
use crate::value::{Type, Value};

/// The type of a table's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// IPv4 addresses (`ip`, `ipv4`).
    Ipv4,
    /// IPv6 addresses; IPv4 ones are mapped.
    Ipv6,
    /// Integers of 32 bits.
    Integer,
    /// Text, cut after this many bytes.
    Str {
        /// Most bytes.
        length: u32,
    },
    /// Blocks of bytes of this length, cut or filled with zeros.
    Binary {
        /// The length.
        length: u32,
    },
}

impl KeyType {
    /// HAProxy's name for the type, as `show table` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Ipv4 => "ip",
            KeyType::Ipv6 => "ipv6",
            KeyType::Integer => "integer",
            KeyType::Str { .. } => "string",
            KeyType::Binary { .. } => "binary",
        }
    }

    /// The type of sample that keys are made of.
    #[must_use]
    pub fn sample(self) -> Type {
        match self {
            KeyType::Ipv4 => Type::Ipv4,
            KeyType::Ipv6 => Type::Ipv6,
            KeyType::Integer => Type::Int,
            KeyType::Str { .. } => Type::Str,
            KeyType::Binary { .. } => Type::Bin,
        }
    }

    /// The key that a sample is; none if it has no form in this type.
    #[must_use]
    pub fn key(self, sample: Value) -> Option<Key> {
        // Most samples are keys already.
        match (self, sample) {
            (KeyType::Ipv4, Value::Ipv4(ip)) => Some(Key(Repr::Ipv4(ip))),
            (KeyType::Str { length }, Value::Str(text)) if text.len() <= length as usize => {
                Some(Key(Repr::Str(text)))
            }
            (_, sample) => self.cast(sample),
        }
    }

    fn cast(self, sample: Value) -> Option<Key> {
        if let (KeyType::Ipv4, Value::Ipv6(ip)) = (self, &sample) {
            // Other addresses that hold an IPv4 one are not those clients.
            return ip.to_ipv4_mapped().map(Key::from);
        }
        Some(match (self, cast(sample, self.sample())?) {
            (_, Value::Ipv4(ip)) => Key(Repr::Ipv4(ip)),
            (_, Value::Ipv6(ip)) => Key(Repr::Ipv6(ip)),
            // The upper half is cut off, as in HAProxy.
            (_, Value::Int(int)) => Key(Repr::Integer(int as u32)),
            (KeyType::Str { length }, Value::Str(text)) => {
                Key(Repr::Str(text.slice(0..text.len().min(length as usize))))
            }
            (KeyType::Binary { length }, Value::Bin(bytes)) => {
                Key(Repr::Binary(sized(bytes, length as usize)))
            }
            _ => return None,
        })
    }

    /// The key of a text on the command line of the runtime API. Bytes can't be written there.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<Key> {
        match self {
            KeyType::Ipv4 => text.parse().ok().map(|ip| Key(Repr::Ipv4(ip))),
            KeyType::Ipv6 => text.parse().ok().map(|ip| Key(Repr::Ipv6(ip))),
            KeyType::Integer => text.parse().ok().map(|int| Key(Repr::Integer(int))),
            KeyType::Str { .. } => self.key(Value::str(text)),
            KeyType::Binary { .. } => None,
        }
    }
}

fn sized(bytes: Data, length: usize) -> Data {
    if bytes.len() >= length {
        return bytes.slice(0..length);
    }
    let mut block = bytes.to_vec();
    block.resize(length, 0);
    Data::copy(&block)
}

/// A key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(Repr);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Repr {
    Ipv4(Ipv4Addr),
    Ipv6(Ipv6Addr),
    Integer(u32),
    Str(Data),
    Binary(Data),
}

impl Key {
    /// The key as a sample.
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.0 {
            Repr::Ipv4(ip) => Value::Ipv4(*ip),
            Repr::Ipv6(ip) => Value::Ipv6(*ip),
            Repr::Integer(int) => Value::Int(i64::from(*int)),
            Repr::Str(text) => Value::Str(text.clone()),
            Repr::Binary(bytes) => Value::Bin(bytes.clone()),
        }
    }

    /// The one of so many parts, from 1, that it is in: the same in every instance.
    pub(super) fn part(&self, parts: u32) -> u32 {
        let hash = match &self.0 {
            Repr::Ipv4(ip) => xxh64(&ip.octets(), 0),
            Repr::Ipv6(ip) => xxh64(&ip.octets(), 0),
            Repr::Integer(int) => xxh64(&int.to_be_bytes(), 0),
            Repr::Str(bytes) | Repr::Binary(bytes) => xxh64(bytes, 0),
        };
        u32::try_from(hash % u64::from(parts.max(1))).unwrap_or_default() + 1
    }

    pub(super) fn hash(&self, hasher: &impl BuildHasher) -> u64 {
        let mut hasher = hasher.build_hasher();
        match &self.0 {
            Repr::Ipv4(ip) => hasher.write_u32((*ip).into()),
            Repr::Ipv6(ip) => hasher.write_u128((*ip).into()),
            Repr::Integer(int) => hasher.write_u32(*int),
            Repr::Str(bytes) | Repr::Binary(bytes) => hasher.write(bytes),
        }
        hasher.finish()
    }
}

impl From<Ipv4Addr> for Key {
    fn from(ip: Ipv4Addr) -> Key {
        Key(Repr::Ipv4(ip))
    }
}

impl fmt::Display for Key {
    /// As `show table` writes it: one word, bytes in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Ipv4(ip) => ip.fmt(f),
            Repr::Ipv6(ip) => ip.fmt(f),
            Repr::Integer(int) => int.fmt(f),
            Repr::Str(text) => text.iter().try_for_each(|byte| match byte {
                b' ' | b'=' | b'\\' => write!(f, "\\{}", char::from(*byte)),
                b'!'..=b'~' => f.write_char(char::from(*byte)),
                b'\t' => f.write_str("\\t"),
                b'\n' => f.write_str("\\n"),
                b'\r' => f.write_str("\\r"),
                b'\x1b' => f.write_str("\\e"),
                _ => write!(f, "\\x{byte:02X}"),
            }),
            Repr::Binary(bytes) => f.write_str(&String::from_utf8_lossy(&hex(bytes))),
        }
    }
}

/// A key as an entry keeps it, in as little room as it takes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stored {
    Ipv4(Ipv4Addr),
    Ipv6(Box<Ipv6Addr>),
    Integer(u32),
    Str(Box<[u8]>),
    Binary(Box<[u8]>),
}

impl From<&Key> for Stored {
    fn from(key: &Key) -> Stored {
        match &key.0 {
            Repr::Ipv4(ip) => Stored::Ipv4(*ip),
            Repr::Ipv6(ip) => Stored::Ipv6(Box::new(*ip)),
            Repr::Integer(int) => Stored::Integer(*int),
            Repr::Str(text) => Stored::Str(text.as_slice().into()),
            Repr::Binary(bytes) => Stored::Binary(bytes.as_slice().into()),
        }
    }
}

impl Stored {
    pub(super) fn hash(&self, hasher: &impl BuildHasher) -> u64 {
        let mut hasher = hasher.build_hasher();
        match self {
            Stored::Ipv4(ip) => hasher.write_u32((*ip).into()),
            Stored::Ipv6(ip) => hasher.write_u128((**ip).into()),
            Stored::Integer(int) => hasher.write_u32(*int),
            Stored::Str(bytes) | Stored::Binary(bytes) => hasher.write(bytes),
        }
        hasher.finish()
    }

    pub(super) fn is(&self, key: &Key) -> bool {
        match (self, &key.0) {
            (Stored::Ipv4(a), Repr::Ipv4(b)) => a == b,
            (Stored::Ipv6(a), Repr::Ipv6(b)) => **a == *b,
            (Stored::Integer(a), Repr::Integer(b)) => a == b,
            (Stored::Str(a), Repr::Str(b)) | (Stored::Binary(a), Repr::Binary(b)) => **a == *b.as_slice(),
            _ => false,
        }
    }

    pub(super) fn key(&self) -> Key {
        Key(match self {
            Stored::Ipv4(ip) => Repr::Ipv4(*ip),
            Stored::Ipv6(ip) => Repr::Ipv6(**ip),
            Stored::Integer(int) => Repr::Integer(*int),
            Stored::Str(text) => Repr::Str(Data::copy(text)),
            Stored::Binary(bytes) => Repr::Binary(Data::copy(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: KeyType, sample: Value) -> Option<String> {
        let key = kind.key(sample)?;
        let stored = Stored::from(&key);
        let state = std::hash::RandomState::new();
        assert!(stored.is(&key) && stored.key() == key && stored.hash(&state) == key.hash(&state));
        match cast(key.value(), Type::Str)? {
            Value::Str(text) => Some(text.escape_ascii().to_string()),
            _ => None,
        }
    }

    #[test]
    fn a_text_is_written_as_one_word() {
        let written = |text: &str| {
            let kind = KeyType::Str { length: 40 };
            kind.key(Value::Str(text.as_bytes().to_vec().into()))
                .unwrap()
                .to_string()
        };
        // What HAProxy 2.6 shows of these.
        assert_eq!(written("a b=c\\d\te"), "a\\ b\\=c\\\\d\\te");
        assert_eq!(written("\"x\"<~>\u{e9}"), "\"x\"<~>\\xC3\\xA9");
    }

    #[test]
    fn samples_become_keys_of_the_tables_type() {
        let ip = |text: &str| Value::from(text.parse::<std::net::IpAddr>().unwrap());
        let mapped = ip("::ffff:192.0.2.1");
        let cases = [
            (KeyType::Ipv4, ip("192.0.2.1"), Some("192.0.2.1")),
            (KeyType::Ipv4, mapped, Some("192.0.2.1")),
            (KeyType::Ipv4, ip("2001:db8::1"), None),
            (KeyType::Ipv4, ip("::192.0.2.1"), None),
            (KeyType::Ipv4, ip("2002:c000:201::"), None),
            (KeyType::Ipv4, Value::str("nothing"), None),
            (KeyType::Ipv6, ip("192.0.2.1"), Some("::ffff:192.0.2.1")),
            (KeyType::Ipv6, Value::str("2001:db8::1"), Some("2001:db8::1")),
            (KeyType::Integer, Value::str("12x"), Some("12")),
            (KeyType::Integer, Value::Int(1 << 32 | 7), Some("7")),
            (KeyType::Str { length: 3 }, Value::str("abcdef"), Some("abc")),
            (KeyType::Str { length: 3 }, Value::str(""), Some("")),
            (KeyType::Str { length: 3 }, Value::Int(-1), Some("-1")),
        ];
        for (kind, sample, expected) in cases {
            let shown = format!("{kind:?} {sample:?}");
            assert_eq!(text(kind, sample).as_deref(), expected, "{shown}");
        }
    }

    #[test]
    fn blocks_of_bytes_have_one_length() {
        let key = |bytes: &'static str| KeyType::Binary { length: 4 }.key(Value::bin(bytes)).unwrap();
        assert_eq!(key("ab").value(), Value::bin("ab\0\0"));
        assert_eq!(key("abcdef").value(), Value::bin("abcd"));
        assert_eq!(key("ab"), key("ab\0"));
    }

    #[test]
    fn keys_are_read_from_text_as_their_type_is_written() {
        let reads = |kind: KeyType, text| kind.parse(text).is_some();
        assert!(reads(KeyType::Ipv4, "192.0.2.1") && !reads(KeyType::Ipv4, "::1"));
        assert!(reads(KeyType::Ipv6, "::1") && !reads(KeyType::Ipv6, "192.0.2.1"));
        assert!(reads(KeyType::Integer, "7") && !reads(KeyType::Integer, "-1"));
        assert!(reads(KeyType::Str { length: 2 }, "abc") && !reads(KeyType::Binary { length: 2 }, "abc"));
    }
}
