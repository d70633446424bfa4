//! What a status line says beside its number.

use std::fmt;

use bytes::Bytes;

/// A reason phrase that is not the usual one of its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonPhrase(Bytes);

/// Characters that no reason phrase may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidReason;

impl fmt::Display for InvalidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reason phrase has no control characters")
    }
}

impl std::error::Error for InvalidReason {}

impl ReasonPhrase {
    /// The phrase as it is written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Bytes> for ReasonPhrase {
    type Error = InvalidReason;

    fn try_from(phrase: Bytes) -> Result<Self, InvalidReason> {
        let fits = |b: &u8| matches!(b, b'\t' | b' '..=b'~' | 0x80..);
        match phrase.iter().all(fits) {
            true => Ok(ReasonPhrase(phrase)),
            false => Err(InvalidReason),
        }
    }
}

impl TryFrom<&[u8]> for ReasonPhrase {
    type Error = InvalidReason;

    fn try_from(phrase: &[u8]) -> Result<Self, InvalidReason> {
        ReasonPhrase::try_from(Bytes::copy_from_slice(phrase))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_one_line() {
        let whole = ReasonPhrase::try_from(&b"Not \xfcber today"[..]).unwrap();
        assert_eq!(whole.as_bytes(), b"Not \xfcber today");
        for bad in [&b"a\r\nb: c"[..], b"a\0", b"\x7f"] {
            assert_eq!(ReasonPhrase::try_from(bad), Err(InvalidReason));
        }
    }
}
