//! Dates in cookies, as HAProxy writes them: steps of four seconds, in five digits of base64.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const STEP_S: u64 = 4;
const LENGTH: usize = 5;

/// A date, given in seconds of the epoch and rounded up, so that it has just come when it is read again at once.
pub(super) fn dated(seconds: u64) -> String {
    let steps = seconds.div_ceil(STEP_S);
    let digit = |at: usize| DIGITS.get((steps >> (6 * at) & 63) as usize);
    (0..LENGTH)
        .rev()
        .filter_map(digit)
        .map(|digit| char::from(*digit))
        .collect()
}

/// The seconds of the epoch that a date begins to say. None if it is none, or that of the epoch itself.
pub(super) fn date(text: &[u8]) -> Option<u64> {
    let digits = text.get(..LENGTH)?;
    let steps = digits.iter().try_fold(0u64, |steps, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        Some(steps << 6 | digit as u64)
    })?;
    (steps > 0).then_some(steps * STEP_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_haproxy() {
        // What HAProxy 2.6 set at these times.
        for (at, said) in [
            (1_795_934_572, "awvJb"),
            (1_795_934_573, "awvJc"),
            (1_795_934_576, "awvJc"),
            (1_795_934_581, "awvJe"),
        ] {
            assert_eq!(dated(at), said, "{at}");
        }
        assert_eq!(date(b"awvJc"), Some(1_795_934_576));
        assert_eq!(date(b"awvJc and more"), Some(1_795_934_576));
        for none in [&b""[..], b"awvJ", b"?????", b"AAAAA"] {
            assert_eq!(date(none), None);
        }
    }
}
