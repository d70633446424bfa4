//! Fields as a decoder gives them.

use tidegate_sample::head::FieldName;

/// A field of a block.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// Its value.
    pub value: &'a [u8],
    /// Whether the value is one that a message can hold: no control characters but tabs, and no white space around it
    /// (RFC 9113, section 8.2.1).
    pub is_fit: bool,
    /// Where the value is in the text that the block is decoded into. Names that aren't well known are before it.
    pub value_at: usize,
}

/// The name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// That of a part of the first line of HTTP/1.
    Pseudo(Pseudo),
    /// That of a field, in lower case.
    Field(FieldName<'a>),
    /// Something that is no name in HTTP/2: it is empty, has capital letters or what isn't a token's, or begins with a colon
    /// and is none of [`Pseudo`].
    Invalid(&'a [u8]),
}

/// What begins with a colon (RFC 9113, section 8.3; RFC 8441).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are their names")]
pub enum Pseudo {
    Authority,
    Method,
    Path,
    Protocol,
    Scheme,
    Status,
}

/// What becomes of the text of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It stays where it is.
    Keep,
    /// It is taken out again: whoever took the field keeps something else of it.
    Forget,
    /// Neither this field's nor any that follows is wanted. The rest of the block is decoded for the sake of later ones.
    Stop,
}

impl Field<'_> {
    /// What the field counts for where lists of fields are limited (RFC 9113, section 10.5.1).
    #[must_use]
    pub fn size(&self) -> usize {
        self.name.as_bytes().len() + self.value.len() + super::ENTRY_BYTES
    }
}

impl<'a> Name<'a> {
    /// The name as it is written.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Name::Pseudo(pseudo) => pseudo.as_str().as_bytes(),
            Name::Field(name) => name.as_bytes(),
            Name::Invalid(text) => text,
        }
    }
}

impl Pseudo {
    /// The name as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Pseudo::Authority => ":authority",
            Pseudo::Method => ":method",
            Pseudo::Path => ":path",
            Pseudo::Protocol => ":protocol",
            Pseudo::Scheme => ":scheme",
            Pseudo::Status => ":status",
        }
    }
}
