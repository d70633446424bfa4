//! A cursor over bytes from the network: whatever is not there is `None`.

use crate::session::{Session, Way};
use std::cell::Ref;

/// The raw bytes of a direction. In HTTP mode there are none: a body is no TLS.
pub(super) fn raw(session: &dyn Session, way: Way) -> Option<Ref<'_, [u8]>> {
    match session.request() {
        None => session.buffered(way),
        Some(_) => None,
    }
}

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.number(1)?.try_into().ok()
    }

    /// The next two bytes, as a number in network order.
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.number(2)?.try_into().ok()
    }

    /// The bytes that follow their length of `size` bytes.
    pub(super) fn block(&mut self, size: usize) -> Option<&'a [u8]> {
        let len = self.number(size)?;
        self.take(len)
    }

    /// The next `size` bytes, eight at most, as a number in network order.
    pub(super) fn number(&mut self, size: usize) -> Option<usize> {
        self.take(size)?.iter().try_fold(0usize, |number, byte| {
            number.checked_mul(256)?.checked_add(usize::from(*byte))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut reader = Reader(&[1, 2, 3, 0, 2, b'h', b'i', 9]);
        assert_eq!((reader.u8(), reader.u16()), (Some(1), Some(0x0203)));
        assert_eq!(reader.block(2), Some(&b"hi"[..]));
        assert_eq!(reader.block(1), None);
        assert_eq!((reader.u8(), reader.take(0)), (None, Some(&b""[..])));
    }
}
