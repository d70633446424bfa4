//! As much of DER and PEM as keys and certificates are made of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]`, as the version of a certificate has it.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// The number of the algorithm RSA.
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Takes elements one after the other.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element, which has to be of this kind.
    pub(super) fn take(&mut self, kind: u8) -> Option<&'a [u8]> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
                (len, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        (tag == kind).then(|| {
            self.0 = rest;
            content
        })
    }

    /// Leaves out the next element, whatever it is.
    pub(super) fn skip(&mut self) -> Option<()> {
        let kind = *self.0.first()?;
        self.take(kind).map(drop)
    }

    /// The content of the next element, a string of bits of which none is left over.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.strip_prefix(&[0])
    }
}

/// An element of this kind.
pub(super) fn element(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![kind];
    let len = content.len().to_be_bytes();
    let significant = len.iter().position(|byte| *byte != 0).unwrap_or(len.len() - 1);
    let len = len.get(significant..).unwrap_or_default();
    match len {
        [short @ 0..=0x7f] => element.push(*short),
        // A length has eight bytes at most.
        long => {
            element.push(0x80 | long.len() as u8);
            element.extend(long);
        }
    }
    element.extend(content);
    element
}

/// An integer that is not negative.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let significant = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = bytes.get(significant..).unwrap_or_default();
    match digits.first() {
        Some(0..=0x7f) => element(INTEGER, digits),
        _ => element(INTEGER, &[&[0], digits].concat()),
    }
}

/// The label and the content of the first block of a PEM text.
pub(super) fn pem(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let base64: String = body.split_ascii_whitespace().collect();
    Some((label.to_string(), STANDARD.decode(base64).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_as_short_as_they_may_be() {
        for (bytes, want) in [
            (&[][..], &[2, 1, 0][..]),
            (&[0, 0], &[2, 1, 0]),
            (&[0, 1], &[2, 1, 1]),
            (&[0x80], &[2, 2, 0, 0x80]),
            (&[1, 0, 1], &[2, 3, 1, 0, 1]),
        ] {
            assert_eq!(unsigned(bytes), want, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(content in proptest::collection::vec(any::<u8>(), 0..70_000), after in any::<u8>()) {
            let mut written = element(OCTET_STRING, &content);
            written.push(after);
            let mut reader = Reader(&written);
            prop_assert_eq!(reader.take(OCTET_STRING), Some(&*content));
            prop_assert_eq!(reader.0, &[after]);
        }
    }
}
