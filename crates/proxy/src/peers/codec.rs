//! How peers write numbers: short ones in one byte, longer ones in as many as they need.

use std::io::{Error, ErrorKind, Result};

/// Most bytes of a number.
const NUMBER_BYTES_MAX: usize = 10;

/// Appends a number.
pub(super) fn put(into: &mut Vec<u8>, number: u64) {
    if number < 0xf0 {
        return into.push(number as u8);
    }
    into.push(number as u8 | 0xf0);
    let mut rest = (number - 0xf0) >> 4;
    while rest >= 0x80 {
        into.push(rest as u8 | 0x80);
        rest = (rest - 0x80) >> 7;
    }
    into.push(rest as u8);
}

/// Appends bytes with their length before them.
pub(super) fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    put(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

/// What is left of a message.
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

impl<'b> Reader<'b> {
    /// A number of any length.
    ///
    /// # Errors
    /// It is cut off, or longer than any number.
    pub(super) fn number(&mut self) -> Result<u64> {
        match number(self.0)? {
            Some((number, bytes)) => {
                self.bytes(bytes)?;
                Ok(number)
            }
            None => Err(broken("a number is cut off")),
        }
    }

    /// A number of 32 bits, the highest byte first.
    ///
    /// # Errors
    /// It is cut off.
    pub(super) fn fixed(&mut self) -> Result<u32> {
        let bytes = self.bytes(4)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// So many bytes.
    ///
    /// # Errors
    /// There are not as many.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'b [u8]> {
        let Some((bytes, rest)) = self.0.split_at_checked(count) else {
            return Err(broken("a message is cut off"));
        };
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes with their length before them.
    ///
    /// # Errors
    /// They are cut off.
    pub(super) fn counted(&mut self) -> Result<&'b [u8]> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.bytes(count)
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The number that some bytes begin with, and how many bytes that has; none if more must come first.
///
/// # Errors
/// It is longer than any number.
pub(super) fn number(bytes: &[u8]) -> Result<Option<(u64, usize)>> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    let mut value = u64::from(*first);
    if value < 0xf0 {
        return Ok(Some((value, 1)));
    }
    for (at, byte) in (1..).zip(bytes.iter().skip(1)) {
        if at >= NUMBER_BYTES_MAX {
            return Err(broken("a number is too long"));
        }
        let shift = 4 + 7 * (at as u32 - 1);
        value = value.wrapping_add(u64::from(*byte).wrapping_shl(shift));
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    match bytes.len() > NUMBER_BYTES_MAX {
        true => Err(broken("a number is too long")),
        false => Ok(None),
    }
}

/// What a peer sent makes no sense.
pub(super) fn broken(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_written_as_documented() {
        let written = |number| {
            let mut into = Vec::new();
            put(&mut into, number);
            into
        };
        assert_eq!(written(0x1234), [0xf4, 0x94, 0x01]);
        assert_eq!(written(239), [239]);
        assert_eq!(written(240), [0xf0, 0]);
        assert_eq!(written(30_000), [0xf0, 0xc4, 0x0d]);
        assert_eq!(number(&[0xf4, 0x94]).unwrap(), None);
        assert!(number(&[0xff; 11]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u64, follows: u8) {
            let mut into = Vec::new();
            put(&mut into, value);
            let length = into.len();
            into.push(follows);
            prop_assert_eq!(number(&into).unwrap(), Some((value, length)));
        }
    }
}
