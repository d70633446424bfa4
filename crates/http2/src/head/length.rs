//! The length that a message declares for its body.

use super::Malformed;

/// What `content-length` fields say, one after the other.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) length: Option<u64>,
}

impl Declared {
    /// Takes in a field. The first is told: as one number without zeros before it, which is all that others are to see.
    ///
    /// # Errors
    /// It is no number, or another one than before.
    pub(super) fn take_in<'v>(&mut self, value: &'v [u8]) -> Result<Option<&'v [u8]>, Malformed> {
        let is_first = self.length.is_none();
        let mut told = value;
        for part in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            let length = number(part).ok_or(Malformed)?;
            if *self.length.get_or_insert(length) != length {
                return Err(Malformed);
            }
            told = part;
        }
        while let [b'0', rest @ ..] = told
            && !rest.is_empty()
        {
            told = rest;
        }
        Ok(is_first.then_some(told))
    }
}

/// Digits, and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_say_the_same_are_one_and_others_none() {
        let mut declared = Declared::default();
        assert_eq!(declared.take_in(b"000, 00"), Ok(Some(&b"0"[..])));
        assert_eq!((declared.take_in(b"0"), declared.length), (Ok(None), Some(0)));
        assert_eq!(declared.take_in(b"1"), Err(Malformed));
        assert_eq!(Declared::default().take_in(b"012"), Ok(Some(&b"12"[..])));
        for bad in ["", "1,", "+1", "1 2", "1, 2", "0x1", "18446744073709551616"] {
            assert_eq!(
                Declared::default().take_in(bad.as_bytes()),
                Err(Malformed),
                "{bad}"
            );
        }
    }
}
