//! Heads that are not as they should be, made such that they can be read.

/// Where the head ends that these bytes begin with; none if it isn't all there.
pub(super) fn head_end(bytes: &[u8]) -> Option<usize> {
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

/// The same head without the fields whose names or values can't be passed on. None if it isn't all here, or has no such
/// field.
pub(super) fn purge(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = head_end(bytes)?;
    let (head, rest) = bytes.split_at_checked(end)?;
    let mut lines = head.split_inclusive(|b| *b == b'\n');
    let mut kept = lines.next()?.to_vec();
    lines
        .filter(|line| !is_bad(line))
        .for_each(|line| kept.extend_from_slice(line));
    kept.extend_from_slice(rest);
    (kept.len() < bytes.len()).then_some(kept)
}

fn is_bad(line: &[u8]) -> bool {
    let mut parts = line.splitn(2, |b| *b == b':');
    let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
        return false;
    };
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    name.is_empty() || !name.iter().all(is_name) || value.contains(&0)
}

/// Where the first line ends after which a field goes on.
pub(super) fn first_fold(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..head_end(bytes).unwrap_or(bytes.len()))?;
    folds(head).next()
}

/// The same bytes with the lines of each field joined by blanks. None if there is nothing to join.
pub(super) fn unfold(bytes: &[u8]) -> Option<Vec<u8>> {
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
        assert_eq!(unfold(&joined), None);
    }

    #[test]
    fn fields_that_can_not_be_passed_on_are_taken_away() {
        let odd = b"GET / HTTP/1.1\r\na\0b: c\r\nd: e\r\nf g: h\r\n: i\r\nj: k\0\r\n\r\nl m: n\r\n";
        assert_eq!(purge(odd).unwrap(), b"GET / HTTP/1.1\r\nd: e\r\n\r\nl m: n\r\n");
        assert_eq!(purge(b"GET / HTTP/1.1\r\nd: e\r\n\r\n"), None);
        assert_eq!(purge(b"GET / HTTP/1.1\r\na b: e\r\n"), None);
    }

    #[test]
    fn the_first_field_can_not_go_on() {
        let bad = b"GET / HTTP/1.1\r\n a: b\r\nhost: h\r\n\r\n";
        assert_eq!(unfold(bad), None);
    }

    #[test]
    fn a_head_ends_at_its_first_blank_line() {
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\nrest"), Some(18));
        assert_eq!(head_end(b"GET / HTTP/1.1\n\nrest"), Some(16));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\na: b\r\n"), None);
        assert_eq!(head_end(b"\r\nGET / HTTP/1.1\r\n\r\n"), Some(20));
    }

    proptest::proptest! {
        #[test]
        fn joining_changes_nothing_but_line_ends(bytes in proptest::collection::vec(
            proptest::sample::select(b"a: \t\r\n".to_vec()), 0..60)) {
            if let Some(joined) = unfold(&bytes) {
                proptest::prop_assert_eq!(joined.len(), bytes.len());
                proptest::prop_assert_eq!(unfold(&joined), None);
                for (old, new) in bytes.iter().zip(&joined) {
                    proptest::prop_assert!(old == new || *new == b' ' && matches!(old, b'\r' | b'\n'));
                }
            }
        }
    }
}
