//! Headers in the binary form of `req.hdrs_bin`: each name and each value with its length before it, and two empty
//! texts at the end.

/// The names and values of a list, up to its end or to where it is cut off.
pub fn fields(list: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut texts = texts(list);
    std::iter::from_fn(move || {
        let name = texts.next()?;
        let value = texts.next()?;
        (!name.is_empty()).then_some((name, value))
    })
}

/// The names of a list that holds nothing else.
pub fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    texts(list).take_while(|name| !name.is_empty())
}

fn texts(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (length, after) = varint(rest)?;
        let (text, after) = after.split_at_checked(length)?;
        rest = after;
        Some(text)
    })
}

/// A length in the variable form of the stream processing protocol: below 240 one byte, then 4 bits in the first byte and
/// 7 in each that follows.
pub(crate) fn push_varint(bytes: &mut Vec<u8>, value: usize) {
    if value < 240 {
        bytes.push(value as u8);
        return;
    }
    bytes.push(value as u8 | 240);
    let mut rest = (value - 240) >> 4;
    while rest >= 128 {
        bytes.push(rest as u8 | 128);
        rest = (rest - 128) >> 7;
    }
    bytes.push(rest as u8);
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut value = usize::from(*first);
    if value < 240 {
        return Some((value, rest));
    }
    let mut shift = 4;
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        value = value.checked_add(usize::from(*byte).checked_shl(shift)?)?;
        if *byte < 128 {
            return Some((value, rest));
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_back_as_they_were() {
        for length in [
            0, 1, 239, 240, 241, 2287, 2288, 16_384, 264_431, 264_432, 10_000_000,
        ] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, length);
            bytes.push(7);
            assert_eq!(varint(&bytes), Some((length, &[7][..])), "{length}");
        }
        assert_eq!(varint(&[255; 32]), None);
    }

    #[test]
    fn a_list_ends_where_it_says_or_is_cut_off() {
        let all = b"\x01a\x02bc\x01d\x00\x00\x00\x01x\x01y";
        let read = |list| fields(list).collect::<Vec<_>>();
        assert_eq!(read(all), [(&b"a"[..], &b"bc"[..]), (b"d", b"")]);
        assert_eq!(read(&all[..4]), []);
        assert_eq!(
            names(b"\x01a\x02bc\x00\x01d").collect::<Vec<_>>(),
            [&b"a"[..], b"bc"]
        );
        assert_eq!(names(b"\x09a").count(), 0);
    }
}
