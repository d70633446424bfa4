//! Integers and what they count, as they are read from a block.

use super::CompressionError;

/// What is left of a block.
#[derive(Clone, Copy)]
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

/// So many bytes may follow the first of an integer. What they can say beyond is more than any block has.
const MORE_BYTES_MAX: usize = 4;

impl<'b> Reader<'b> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The integer that begins in the last bits of a byte (RFC 7541, section 5.1).
    ///
    /// # Errors
    /// It is too long, or ends with the block.
    pub(super) fn integer(&mut self, first: u8, bits: u32) -> Result<usize, CompressionError> {
        let all = (1 << bits) - 1;
        let prefix = usize::from(first) & all;
        if prefix < all {
            return Ok(prefix);
        }
        self.long_integer(prefix)
    }

    #[cold]
    fn long_integer(&mut self, prefix: usize) -> Result<usize, CompressionError> {
        let mut integer = prefix;
        for place in 0..MORE_BYTES_MAX {
            let byte = self.byte().ok_or(CompressionError)?;
            integer += usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(integer);
            }
        }
        Err(CompressionError)
    }

    /// The bytes of a string, and whether they are coded (RFC 7541, section 5.2).
    ///
    /// # Errors
    /// It goes on beyond the block.
    pub(super) fn string(&mut self) -> Result<(&'b [u8], bool), CompressionError> {
        let first = self.byte().ok_or(CompressionError)?;
        let len = self.integer(first, 7)?;
        let (string, rest) = self.0.split_at_checked(len).ok_or(CompressionError)?;
        self.0 = rest;
        Ok((string, first & 0x80 != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], bits: u32) -> Result<(usize, usize), CompressionError> {
        let mut reader = Reader(bytes);
        let first = reader.byte().unwrap();
        Ok((reader.integer(first, bits)?, reader.0.len()))
    }

    #[test]
    fn integers_are_those_of_the_standard() {
        // RFC 7541, appendix C.1
        assert_eq!(read(&[0b1110_1010], 5), Ok((10, 0)));
        assert_eq!(read(&[0x1f, 0x9a, 0x0a, 7], 5), Ok((1337, 1)));
        assert_eq!(read(&[42], 8), Ok((42, 0)));
    }

    #[test]
    fn integers_end_and_are_not_too_long() {
        assert_eq!(
            read(&[0x7f, 0xff, 0xff, 0xff, 0x7f], 7),
            Ok((127 + (1 << 28) - 1, 0))
        );
        assert_eq!(read(&[0x7f, 0x80, 0x80, 0x80, 0x00], 7), Ok((127, 0)));
        assert_eq!(
            read(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x00], 7),
            Err(CompressionError)
        );
        assert_eq!(read(&[0x7f, 0x80], 7), Err(CompressionError));
        assert_eq!(read(&[0x7f], 7), Err(CompressionError));
    }

    #[test]
    fn strings_end_within_the_block() {
        assert_eq!(Reader(&[2, b'a', b'b', b'c']).string(), Ok((&b"ab"[..], false)));
        assert_eq!(Reader(&[0x81, 0x1f]).string(), Ok((&b"\x1f"[..], true)));
        assert_eq!(Reader(&[2, b'a']).string(), Err(CompressionError));
        assert_eq!(Reader(&[]).string(), Err(CompressionError));
    }
}
