//! How streams hold log lines (RFC 6587): each with its length before it, or ended by a line feed.

/// What stands at the beginning of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'b> {
    /// A line, and how many bytes it takes with what surrounds it.
    Line(&'b [u8], usize),
    /// More is to come.
    Partial,
    /// What can't be a line, or one that is too long.
    Broken,
}

/// Digits of the longest length.
const LENGTH_DIGITS_MAX: usize = 10;

/// The first line of a buffer. With `lines_only` no length is looked for.
pub(super) fn first(buffer: &[u8], lines_only: bool, line_bytes_max: usize) -> Frame<'_> {
    match buffer.first() {
        Some(b'1'..=b'9') if !lines_only => counted(buffer, line_bytes_max),
        _ => ended(buffer, line_bytes_max),
    }
}

fn counted(buffer: &[u8], line_bytes_max: usize) -> Frame<'_> {
    let digits = buffer.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = buffer.split_at(digits);
    let length = std::str::from_utf8(number)
        .ok()
        .and_then(|number| number.parse::<usize>().ok());
    match (length, rest) {
        _ if digits > LENGTH_DIGITS_MAX => Frame::Broken,
        (Some(length), [b' ', line @ ..]) if length <= line_bytes_max => match line.get(..length) {
            Some(line) => Frame::Line(line, digits + 1 + length),
            None => Frame::Partial,
        },
        (Some(_), []) => Frame::Partial,
        _ => Frame::Broken,
    }
}

fn ended(buffer: &[u8], line_bytes_max: usize) -> Frame<'_> {
    match buffer.iter().position(|byte| matches!(byte, b'\n' | 0)) {
        Some(end) if end <= line_bytes_max => Frame::Line(buffer.get(..end).unwrap_or_default(), end + 1),
        None if buffer.len() <= line_bytes_max => Frame::Partial,
        _ => Frame::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_or_ended() {
        for (buffer, lines_only, wanted) in [
            (&b"5 hello<1>"[..], false, Frame::Line(b"hello", 7)),
            (b"5 hell", false, Frame::Partial),
            (b"12", false, Frame::Partial),
            (b"5x", false, Frame::Broken),
            (b"11 hello", false, Frame::Broken),
            (b"12345678901 x", false, Frame::Broken),
            (b"<1>a\nb", false, Frame::Line(b"<1>a", 5)),
            (b"<1>a\0b", false, Frame::Line(b"<1>a", 5)),
            (b"<1>a", false, Frame::Partial),
            (b"<1>aaaaaaaa", false, Frame::Broken),
            (b"5 a\n", true, Frame::Line(b"5 a", 4)),
            (b"", false, Frame::Partial),
        ] {
            assert_eq!(
                first(buffer, lines_only, 10),
                wanted,
                "{:?}",
                String::from_utf8_lossy(buffer)
            );
        }
    }
}
