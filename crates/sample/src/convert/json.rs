//! Text in JSON strings.

use crate::data::Data;

/// Escapes a text for a JSON string. The input is `ascii`, where each byte is a character, or a kind of `utf8`: with `p` a
/// character may take more bytes than it needs, with `s` what is no character is left out; without it, there is no result then.
pub(super) fn escaped(data: &[u8], input: &[u8]) -> Option<Data> {
    let mut result = String::with_capacity(data.len() + 8);
    if matches!(input, b"" | b"ascii") {
        data.iter().for_each(|byte| push(u16::from(*byte), &mut result));
        return Some(result.into());
    }
    let (skip, permissive) = (input.ends_with(b"s"), input.contains(&b'p'));
    let mut rest = data;
    while let Some((character, len)) = first(rest, permissive) {
        match character {
            Some(character) => push(character, &mut result),
            None if skip => {}
            None => return None,
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    Some(result.into())
}

/// The first character of UTF-8, if it is one that an escape of four digits can hold, and how many bytes to go on.
fn first(bytes: &[u8], permissive: bool) -> Option<(Option<u16>, usize)> {
    let lead = *bytes.first()?;
    // How many bytes follow, the bits of the first, and the least character that needs so many.
    let (more, bits, least) = match lead {
        0..=0x7f => (0, lead, 0),
        0xc0..=0xdf => (1, lead & 0x1f, 0x80),
        0xe0..=0xef => (2, lead & 0x0f, 0x800),
        0xf0..=0xf7 => (3, lead & 0x07, 0x1_0000),
        _ => return Some((None, 1)),
    };
    let following = bytes
        .iter()
        .skip(1)
        .take(more)
        .take_while(|byte| **byte & 0xc0 == 0x80);
    let (count, character) = following.fold((0, u32::from(bits)), |(count, character), byte| {
        (count + 1, character << 6 | u32::from(byte & 0x3f))
    });
    let whole = count == more && (permissive || character >= least);
    let character = u16::try_from(character)
        .ok()
        .filter(|character| whole && !matches!(character, 0xd800..=0xdfff | 0xfffe | 0xffff));
    Some((character, count + 1))
}

fn push(character: u16, result: &mut String) {
    match character {
        0x22 => result.push_str("\\\""),
        0x5c => result.push_str("\\\\"),
        0x2f => result.push_str("\\/"),
        0x08 => result.push_str("\\b"),
        0x0c => result.push_str("\\f"),
        0x0a => result.push_str("\\n"),
        0x0d => result.push_str("\\r"),
        0x09 => result.push_str("\\t"),
        0x20..=0x7e => result.extend(char::from_u32(character.into())),
        character => {
            result.push_str("\\u");
            let digit = |shift: u32| char::from_digit(u32::from(character >> shift & 15), 16);
            result.extend([12, 8, 4, 0].into_iter().filter_map(digit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What haproxy 2.6 answers for `utf8`, `utf8s`, `utf8p` and `utf8ps`.
    #[test]
    fn what_is_no_character_is_refused_or_left_out() {
        let cases: [(&[u8], [Option<&str>; 4]); 8] = [
            (b"\xc3\xa9\xe2\x82\xac", [Some("\\u00e9\\u20ac"); 4]),
            // More than four digits.
            (b"a\xf0\x9f\x98\x80", [None, Some("a"), None, Some("a")]),
            // More bytes than needed.
            (b"\xc0\xaf", [None, Some(""), Some("\\/"), Some("\\/")]),
            (b"\xe0\x80\xaf", [None, Some(""), Some("\\/"), Some("\\/")]),
            (b"\xf4\xc0\x80b", [None, Some("b"), None, Some("\\u0000b")]),
            // Too few bytes, half a surrogate, what is never a character.
            (b"\xe2\x82a", [None, Some("a"), None, Some("a")]),
            (b"\xed\xa0\x80", [None, Some(""), None, Some("")]),
            (b"\xef\xbf\xbe", [None, Some(""), None, Some("")]),
        ];
        for (bytes, wanted) in cases {
            let inputs = [&b"utf8"[..], b"utf8s", b"utf8p", b"utf8ps"];
            for (input, wanted) in inputs.into_iter().zip(wanted) {
                let input_name = input.escape_ascii();
                assert_eq!(
                    escaped(bytes, input),
                    wanted.map(Data::from),
                    "{input_name} of {}",
                    bytes.escape_ascii()
                );
            }
        }
    }
}
