//! Where the body of a message ends, as its fields declare it. Whatever two readers could take for two different ends is
//! refused, for that is how requests are smuggled.

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Nothing,
    /// After so many bytes, at least one.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilEnd,
}

impl Framing {
    pub(super) fn of_length(length: u64) -> Framing {
        match length {
            0 => Framing::Nothing,
            _ => Framing::Length(length),
        }
    }
}

/// What the fields of a head say of its framing, one after the other.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) length: Option<u64>,
    /// Codings other than `chunked`.
    others: u8,
    chunked: u8,
    chunked_last: bool,
    pub(super) has_codings: bool,
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody knows where it would end.
    Ambiguous,
    /// Its end is known, but not what it says.
    UnknownCoding,
}

impl Declared {
    /// Takes in a `content-length`. The first one is told, as one number without zeros before it, which is all that others are
    /// to see of it.
    ///
    /// # Errors
    /// It is no number, or another one than before.
    pub(super) fn length<'v>(&mut self, value: &'v [u8]) -> Result<Option<&'v [u8]>, Refused> {
        let is_first = self.length.is_none();
        for part in value.split(|b| *b == b',') {
            let length = number(part.trim_ascii()).ok_or(Refused::Ambiguous)?;
            if *self.length.get_or_insert(length) != length {
                return Err(Refused::Ambiguous);
            }
        }
        let digits = value
            .split(|b| *b == b',')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let shortest = digits.get(zeros.min(digits.len().saturating_sub(1))..);
        Ok(shortest.filter(|_| is_first))
    }

    /// Takes in a `transfer-encoding`.
    pub(super) fn codings(&mut self, value: &[u8]) {
        self.has_codings = true;
        for coding in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            self.chunked_last = coding.eq_ignore_ascii_case(b"chunked");
            match self.chunked_last {
                true => self.chunked = self.chunked.saturating_add(1),
                false => self.others = self.others.saturating_add(1),
            }
        }
    }

    /// Whether the body comes in chunks, if it has codings.
    ///
    /// # Errors
    /// The codings are not `chunked` alone.
    pub(super) fn chunked(&self) -> Result<bool, Refused> {
        match (self.has_codings, self.chunked, self.others) {
            (false, ..) => Ok(false),
            (true, 1, 0) => Ok(true),
            (true, 1, _) if self.chunked_last => Err(Refused::UnknownCoding),
            _ => Err(Refused::Ambiguous),
        }
    }
}

/// The longest that a body may be said to be: what is longer is another number for whoever counts with a sign.
const LENGTH_MAX: u64 = i64::MAX as u64;

/// Digits, and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |n, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        n.checked_mul(10)?.checked_add(digit.into())
    });
    number.filter(|n| *n <= LENGTH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(values: &[&'static str]) -> Result<Option<u64>, Refused> {
        let mut declared = Declared::default();
        for value in values {
            declared.length(value.as_bytes())?;
        }
        Ok(declared.length)
    }

    #[test]
    fn a_length_is_a_number_and_all_of_them_are_the_same() {
        assert_eq!(lengths(&["12"]), Ok(Some(12)));
        assert_eq!(lengths(&["12", "12, 012"]), Ok(Some(12)));
        assert_eq!(lengths(&["9223372036854775807"]), Ok(Some(LENGTH_MAX)));
        for bad in ["", "+1", "-1", "1 2", "0x1", "1,2", "1,", "9223372036854775808"] {
            assert_eq!(lengths(&[bad]), Err(Refused::Ambiguous), "{bad}");
        }
        assert_eq!(lengths(&["1", "2"]), Err(Refused::Ambiguous));
    }

    #[test]
    fn codings_are_chunked_alone() {
        let codings = |values: &[&'static str]| {
            let mut declared = Declared::default();
            values.iter().for_each(|v| declared.codings(v.as_bytes()));
            declared.chunked()
        };
        assert_eq!(codings(&[]), Ok(false));
        assert_eq!(codings(&["Chunked"]), Ok(true));
        assert_eq!(codings(&["gzip , chunked"]), Err(Refused::UnknownCoding));
        assert_eq!(codings(&["gzip", "chunked"]), Err(Refused::UnknownCoding));
        for bad in [
            "chunked, gzip",
            "xchunked",
            "chunked,chunked",
            "",
            "chunked,",
            ",chunked,",
        ] {
            assert_eq!(codings(&[bad]), Err(Refused::Ambiguous), "{bad}");
        }
    }
}
