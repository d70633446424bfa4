//! Heads that the codec could not read: what can be mended, and what is wrong with the rest.

use http::StatusCode;

/// Where the head ends that these bytes begin with; none if it isn't all there.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte != b'\n' {
            continue;
        }
        let text = bytes.get(line..at).unwrap_or_default();
        if line > 0 && matches!(text, b"" | b"\r") {
            return Some(at + 1);
        }
        line = at + 1;
    }
    None
}

/// Whether a field goes on in the next line, as was once allowed.
pub(crate) fn is_folded(bytes: &[u8]) -> bool {
    let head = bytes
        .get(..head_end(bytes).unwrap_or(bytes.len()))
        .unwrap_or_default();
    folds(head).next().is_some()
}

/// The same bytes with the lines of each field joined by blanks. None if there is nothing to join.
pub(crate) fn unfold(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = head_end(bytes)?;
    let head = bytes.get(..end)?;
    let mut joined = bytes.to_vec();
    let mut any = false;
    for at in folds(head) {
        any = true;
        let before = at.checked_sub(1).filter(|b| head.get(*b) == Some(&b'\r'));
        for place in before.into_iter().chain([at]) {
            if let Some(byte) = joined.get_mut(place) {
                *byte = b' ';
            }
        }
    }
    any.then_some(joined)
}

/// The line ends after which a field goes on. What follows the first line of a message is no field that could.
fn folds(head: &[u8]) -> impl Iterator<Item = usize> {
    let ends = head.iter().enumerate().filter(|(_, b)| **b == b'\n');
    let ends = ends.map(|(at, _)| at).skip(1);
    ends.filter(|at| matches!(head.get(at + 1), Some(b' ' | b'\t')))
}

/// The status for a head that can't be read. The codec's own word for it tells one that is too large from others.
pub(crate) fn status(bytes: &[u8], own: Option<StatusCode>, head_bytes_max: usize) -> StatusCode {
    if own != Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) {
        return StatusCode::BAD_REQUEST;
    }
    if !bytes.contains(&b'\n') {
        return StatusCode::URI_TOO_LONG;
    }
    if bytes.len() < head_bytes_max {
        // It has room, and too many fields.
        return StatusCode::BAD_REQUEST;
    }
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_several_lines_are_joined() {
        let folded = b"GET / HTTP/1.1\r\na: b\r\n  c\r\n\td\nhost: h\r\n\r\nbody\n x";
        let joined = unfold(folded).unwrap();
        assert_eq!(
            joined,
            b"GET / HTTP/1.1\r\na: b    c  \td\nhost: h\r\n\r\nbody\n x"
        );
        assert!(is_folded(folded) && !is_folded(&joined));
        assert_eq!(unfold(&joined), None);
    }

    #[test]
    fn the_first_field_can_not_go_on() {
        let bad = b"GET / HTTP/1.1\r\n a: b\r\nhost: h\r\n\r\n";
        assert!(!is_folded(bad));
        assert_eq!(unfold(bad), None);
    }

    #[test]
    fn a_head_ends_at_its_first_blank_line() {
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\nrest"), Some(18));
        assert_eq!(head_end(b"GET / HTTP/1.1\n\nrest"), Some(16));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\na: b\r\n"), None);
        assert_eq!(head_end(b"\r\nGET / HTTP/1.1\r\n\r\n"), Some(20));
    }

    #[test]
    fn what_is_too_large_is_told_apart() {
        let large = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(status(b"GET /xxxxxxx", large, 10), 414);
        assert_eq!(status(b"GET / HTTP/1.1\r\na: xxxx", large, 10), 431);
        assert_eq!(status(b"GET / HTTP/1.1\r\na: b\r\n", large, 100), 400);
        assert_eq!(status(b"rubbish", Some(StatusCode::BAD_REQUEST), 100), 400);
    }

    proptest::proptest! {
        #[test]
        fn joining_changes_nothing_but_line_ends(bytes in proptest::collection::vec(
            proptest::sample::select(b"a: \t\r\n".to_vec()), 0..60)) {
            if let Some(joined) = unfold(&bytes) {
                proptest::prop_assert_eq!(joined.len(), bytes.len());
                proptest::prop_assert!(!is_folded(&joined));
                for (old, new) in bytes.iter().zip(&joined) {
                    proptest::prop_assert!(old == new || *new == b' ' && matches!(old, b'\r' | b'\n'));
                }
            }
        }
    }
}
