//! Fields as a decoder gives them.

use tidegate_sample::head::FieldName;

use super::ENTRY_BYTES;

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
    /// Where the value will be in the text that the block is decoded into, if it is [kept](Then::Keep). A name that isn't well
    /// known will be right before it, and others won't be there.
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
    /// It stays, or is put, where the field says.
    Keep,
    /// Nothing of it stays: whoever took the field keeps something else of it.
    Forget,
    /// Neither this field nor any that follows is wanted. The rest of the block is decoded for the sake of later ones.
    Stop,
}

impl Field<'_> {
    /// What the field counts for where lists of fields are limited (RFC 9113, section 10.5.1).
    #[must_use]
    pub fn size(&self) -> usize {
        self.name.as_bytes().len() + self.value.len() + ENTRY_BYTES
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
    const ALL: [Pseudo; 6] = [
        Pseudo::Authority,
        Pseudo::Method,
        Pseudo::Path,
        Pseudo::Protocol,
        Pseudo::Scheme,
        Pseudo::Status,
    ];

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

    pub(super) fn of(text: &[u8]) -> Option<Pseudo> {
        Pseudo::ALL
            .into_iter()
            .find(|pseudo| pseudo.as_str().as_bytes() == text)
    }
}

/// Whether a value is one that a message can hold, given that it is known to have no control characters.
pub(super) fn is_fit(value: &[u8], is_plain: bool) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !is_blank(value.first()) && !is_blank(value.last()) && (is_plain || is_without_controls(value))
}

/// Whether these are bytes that a value may have. Looks at eight at a time; only if some of them may be bad is it looked at each.
pub(crate) fn is_without_controls(value: &[u8]) -> bool {
    let (words, rest) = value.as_chunks::<8>();
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let mut bad = words.iter().fold(0, |bad, bytes| bad | controls(word(bytes)));
    match value.last_chunk() {
        Some(last) => bad |= controls(word(last)),
        None => bad |= u64::from(!rest.iter().all(|byte| is_plain(*byte))),
    }
    bad == 0 || value.iter().all(|byte| is_plain(*byte))
}

fn is_plain(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Not 0 if a byte of these is below a blank, or DEL.
fn controls(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let del = word ^ (ONES * 0x7f);
    (below | (del.wrapping_sub(ONES) & !del)) & TOPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_no_controls_and_no_blanks_around_them() {
        for len in 1..20 {
            for at in 0..len {
                for byte in 0..=255_u8 {
                    let mut value = vec![b'a'; len];
                    value[at] = byte;
                    let is_edge = at == 0 || at == len - 1;
                    let expected = match byte {
                        b' ' | b'\t' => !is_edge,
                        0..32 | 127 => false,
                        _ => true,
                    };
                    assert_eq!(is_fit(&value, false), expected, "{}", value.escape_ascii());
                }
            }
        }
        assert!(is_fit(b"", false));
    }

    #[test]
    fn pseudo_fields_are_found_by_their_names() {
        for pseudo in Pseudo::ALL {
            assert_eq!(Pseudo::of(pseudo.as_str().as_bytes()), Some(pseudo));
        }
        assert_eq!(Pseudo::of(b":x"), None);
    }
}
