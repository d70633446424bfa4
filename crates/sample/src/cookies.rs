//! Where the cookies of a field are.

use std::ops::Range;

/// The places of the cookies in a `cookie` field, with the blanks around them. What delimits them, a semicolon or a comma that is not
/// in quotes, stands behind each but the last. In a `set-cookie` field the first of them is the cookie.
pub fn pieces(field: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next.filter(|start| *start < field.len())?;
        let end = end_of_cookie(field, start);
        next = Some(end + 1);
        Some(start..end)
    })
}

fn end_of_cookie(bytes: &[u8], start: usize) -> usize {
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'"' => quoted = !quoted,
            b';' | b',' if !quoted => return at,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_a_cookie_together() {
        let texts = |field: &str| {
            let texts = pieces(field.as_bytes()).map(|piece| field[piece].to_owned());
            texts.collect::<Vec<_>>()
        };
        assert_eq!(texts("a=1; b=2,c"), ["a=1", " b=2", "c"]);
        assert_eq!(texts("a=\"1;2,3\";b"), ["a=\"1;2,3\"", "b"]);
        assert_eq!(texts(";a="), ["", "a="]);
        assert_eq!(texts(""), [""; 0]);
    }
}
