//! One field of a head: its name and its value.

use std::fmt;
use std::str::{Utf8Error, from_utf8};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::names::KnownName;

/// The name of a field, in lower case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldName<'h> {
    pub(super) known: KnownName,
    pub(super) text: &'h [u8],
}

impl<'h> FieldName<'h> {
    /// A name in lower case, which a codec found and checked.
    #[must_use]
    pub fn of(text: &'h [u8]) -> FieldName<'h> {
        FieldName {
            known: KnownName::of(text),
            text,
        }
    }

    /// A name in lower case that is not well known, for whoever remembers that it isn't.
    #[must_use]
    pub fn not_known(text: &'h [u8]) -> FieldName<'h> {
        FieldName {
            known: KnownName::OTHER,
            text,
        }
    }

    /// Which well-known name it is, if it is one.
    #[must_use]
    pub fn known(self) -> Option<KnownName> {
        Some(self.known).filter(|known| !known.is_other())
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'h str {
        // Names are tokens, and these are ASCII.
        from_utf8(self.text).unwrap_or_default()
    }

    /// The name.
    #[must_use]
    pub fn as_bytes(self) -> &'h [u8] {
        self.text
    }
}

impl PartialEq<KnownName> for FieldName<'_> {
    fn eq(&self, other: &KnownName) -> bool {
        self.known == *other
    }
}

impl PartialEq<HeaderName> for FieldName<'_> {
    fn eq(&self, other: &HeaderName) -> bool {
        self.text == other.as_str().as_bytes()
    }
}

impl PartialEq<KnownName> for HeaderName {
    fn eq(&self, other: &KnownName) -> bool {
        self.as_str() == other.as_str()
    }
}

impl PartialEq<str> for FieldName<'_> {
    fn eq(&self, other: &str) -> bool {
        self.text.eq_ignore_ascii_case(other.as_bytes())
    }
}

impl PartialEq<&str> for FieldName<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Debug for FieldName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text.escape_ascii())
    }
}

impl fmt::Display for FieldName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of a field: bytes that a message can hold.
#[derive(Clone, Copy)]
pub struct FieldValue<'h> {
    pub(super) bytes: &'h [u8],
    pub(super) part_of: Option<&'h Bytes>,
}

impl<'h> FieldValue<'h> {
    /// The value.
    #[must_use]
    pub fn as_bytes(self) -> &'h [u8] {
        self.bytes
    }

    /// The value as text.
    ///
    /// # Errors
    /// It is none.
    pub fn to_str(self) -> Result<&'h str, Utf8Error> {
        from_utf8(self.bytes)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(self) -> usize {
        self.bytes.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// What the value is a part of, if others may share that.
    #[must_use]
    pub fn part_of(self) -> Option<&'h Bytes> {
        self.part_of
    }

    /// The value on its own, for whoever keeps it.
    #[must_use]
    pub fn detached(self) -> HeaderValue {
        // What is in a list was fit for it.
        HeaderValue::from_bytes(self.bytes).unwrap_or(HeaderValue::from_static(""))
    }
}

impl AsRef<[u8]> for FieldValue<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}

impl PartialEq for FieldValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for FieldValue<'_> {}

impl PartialEq<str> for FieldValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.bytes == other.as_bytes()
    }
}

impl PartialEq<&str> for FieldValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<[u8]> for FieldValue<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.bytes == other
    }
}

impl PartialEq<HeaderValue> for FieldValue<'_> {
    fn eq(&self, other: &HeaderValue) -> bool {
        self.bytes == other.as_bytes()
    }
}

impl fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.bytes.escape_ascii())
    }
}

/// What fields can be looked for with. Whether letters are capital means nothing.
pub trait AsName {
    /// The name to compare with.
    fn as_name(&self) -> FieldName<'_>;
}

impl AsName for KnownName {
    fn as_name(&self) -> FieldName<'_> {
        FieldName::from(*self)
    }
}

impl From<KnownName> for FieldName<'static> {
    fn from(known: KnownName) -> FieldName<'static> {
        FieldName {
            known,
            text: known.as_str().as_bytes(),
        }
    }
}

impl AsName for FieldName<'_> {
    fn as_name(&self) -> FieldName<'_> {
        *self
    }
}

impl AsName for HeaderName {
    fn as_name(&self) -> FieldName<'_> {
        self.as_str().as_name()
    }
}

/// A name that is looked for again and again: whether it is well known is found out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoughtName {
    known: KnownName,
    name: HeaderName,
}

impl From<HeaderName> for SoughtName {
    fn from(name: HeaderName) -> SoughtName {
        SoughtName {
            known: KnownName::of(name.as_str().as_bytes()),
            name,
        }
    }
}

impl AsName for SoughtName {
    fn as_name(&self) -> FieldName<'_> {
        FieldName {
            known: self.known,
            text: self.name.as_str().as_bytes(),
        }
    }
}

impl AsName for str {
    fn as_name(&self) -> FieldName<'_> {
        FieldName {
            known: KnownName::of(self.as_bytes()),
            text: self.as_bytes(),
        }
    }
}

impl<N: AsName + ?Sized> AsName for &N {
    fn as_name(&self) -> FieldName<'_> {
        (**self).as_name()
    }
}

/// What is a name for sure, and may be given to a field. A text is one if the program itself has it.
pub trait IsName: AsName {}

impl IsName for KnownName {}
impl IsName for FieldName<'_> {}
impl IsName for HeaderName {}
impl IsName for &HeaderName {}
impl IsName for &'static str {}

/// What is a value for sure, and may be given to a field.
pub trait IsValue {
    /// Writes it behind what is there.
    fn write(&self, to: &mut Vec<u8>);
}

impl IsValue for HeaderValue {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_bytes());
    }
}

impl IsValue for FieldValue<'_> {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.bytes);
    }
}

impl<V: IsValue> IsValue for &V {
    fn write(&self, to: &mut Vec<u8>) {
        (**self).write(to);
    }
}

impl IsValue for u64 {
    fn write(&self, to: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = std::io::Write::write_fmt(to, format_args!("{self}"));
    }
}

impl IsValue for usize {
    fn write(&self, to: &mut Vec<u8>) {
        (*self as u64).write(to);
    }
}
