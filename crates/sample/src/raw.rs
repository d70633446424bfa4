//! Bytes that are no UTF-8, in texts that are.
//!
//! Configurations are bytes, and what reads expressions works on text. Each byte that isn't part of valid UTF-8 becomes a
//! character that means nothing else on the way in, and that byte again wherever the text's bytes count.

use std::borrow::Cow;

/// The character of byte 0 of such bytes; the last of its plane are for private use.
const FIRST: u32 = 0x10_ff00;

/// The text of these bytes. Nothing is lost: `decoded` gives them back.
#[must_use]
pub fn encoded(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        // What looks like one of ours is spelt with ours.
        Ok(text) if !text.chars().any(|c| byte_of(c).is_some()) => Cow::Borrowed(text),
        _ => {
            let mut text = String::with_capacity(bytes.len() * 2);
            for chunk in bytes.utf8_chunks() {
                for c in chunk.valid().chars() {
                    match byte_of(c) {
                        Some(_) => spell(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
                        None => text.push(c),
                    }
                }
                spell(chunk.invalid(), &mut text);
            }
            Cow::Owned(text)
        }
    }
}

/// Where a place of the text of these bytes is among the bytes.
#[must_use]
pub fn position(bytes: &[u8], in_text: usize) -> usize {
    let text = encoded(bytes);
    let before = text.get(..in_text).unwrap_or(&text);
    decoded(before).len()
}

/// The bytes that a text was made of.
pub(crate) fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.chars().any(|c| byte_of(c).is_some()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    text.chars().for_each(|c| push(c, &mut bytes));
    Cow::Owned(bytes)
}

/// Adds what a character of such a text stands for.
pub(crate) fn push(c: char, bytes: &mut Vec<u8>) {
    match byte_of(c) {
        Some(byte) => bytes.push(byte),
        None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn byte_of(c: char) -> Option<u8> {
    u32::from(c)
        .checked_sub(FIRST)
        .and_then(|byte| u8::try_from(byte).ok())
}

fn spell(bytes: &[u8], text: &mut String) {
    text.extend(
        bytes
            .iter()
            .filter_map(|byte| char::from_u32(FIRST + u32::from(*byte))),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_itself() {
        assert!(matches!(
            encoded("caf\u{e9}".as_bytes()),
            Cow::Borrowed("caf\u{e9}")
        ));
        assert_eq!(&*decoded(&encoded(b"caf\xe9!")), b"caf\xe9!");
        assert_eq!(position(b"a\xe9b", 1 + 4), 2);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..40), c in any::<char>()) {
            let mut bytes = bytes;
            push(c, &mut bytes);
            bytes.extend("\u{10ff80}".as_bytes());
            let text = encoded(&bytes);
            prop_assert_eq!(&*decoded(&text), &bytes[..]);
        }
    }
}
