//! What a log line of another program says: RFC 5424, RFC 3164, or a text that may have a priority before it.

/// The parts of a line. A part that is not there is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Message<'m> {
    /// Facility and level, if the line has them.
    pub(super) priority: Option<(u32, u8)>,
    pub(super) form: Form,
    pub(super) time: &'m [u8],
    pub(super) host: &'m [u8],
    pub(super) tag: &'m [u8],
    pub(super) pid: &'m [u8],
    pub(super) id: &'m [u8],
    pub(super) structured: &'m [u8],
    pub(super) text: &'m [u8],
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// A text, and what may be before it is a priority.
    #[default]
    Plain,
    Rfc3164,
    Rfc5424,
}

impl<'m> Message<'m> {
    /// A line of which nothing is known but that it is one.
    pub(super) fn opaque(line: &'m [u8]) -> Self {
        Message {
            text: line,
            ..Message::default()
        }
    }

    /// Reads a line. There is none that can't be read: what has no other form is text.
    pub(super) fn read(line: &'m [u8]) -> Self {
        let Some((number, rest)) = priority(line) else {
            return Message::opaque(line);
        };
        let read = rfc5424(rest).or_else(|| rfc3164(rest));
        Message {
            priority: Some((number >> 3, (number & 7) as u8)),
            ..read.unwrap_or(Message::opaque(rest))
        }
    }
}

/// `<N>` and what follows.
fn priority(line: &[u8]) -> Option<(u32, &[u8])> {
    let rest = line.strip_prefix(b"<")?;
    let end = rest.iter().take(5).position(|byte| *byte == b'>')?;
    let digits = std::str::from_utf8(rest.get(..end)?).ok()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, rest.get(end + 1..)?))
}

/// `1 TIME HOST APP PID ID DATA text`
fn rfc5424(rest: &[u8]) -> Option<Message<'_>> {
    let rest = rest.strip_prefix(b"1 ")?;
    let (time, rest) = word(rest)?;
    let (host, rest) = word(rest)?;
    let (tag, rest) = word(rest)?;
    let (pid, rest) = word(rest)?;
    let (id, rest) = word(rest)?;
    let length = structured_length(rest)?;
    let (structured, rest) = rest.split_at_checked(length)?;
    let text = match rest {
        [] => rest,
        _ => rest.strip_prefix(b" ")?,
    };
    if !(is_nil(time) || time.first().is_some_and(u8::is_ascii_digit)) {
        return None;
    }
    let known = |word: &'static [u8]| word;
    let part = |word| if is_nil(word) { known(b"") } else { word };
    Some(Message {
        priority: None,
        form: Form::Rfc5424,
        time: part(time),
        host: part(host),
        tag: part(tag),
        pid: part(pid),
        id: part(id),
        structured: part(structured),
        text,
    })
}

fn is_nil(word: &[u8]) -> bool {
    word == b"-"
}

/// The bytes of structured data: `-`, or elements in brackets, whose values may hold brackets behind backslashes and in
/// quotes.
fn structured_length(rest: &[u8]) -> Option<usize> {
    if rest.first() == Some(&b'-') {
        return Some(1);
    }
    let (mut inside, mut quoted, mut escaped) = (false, false, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if inside => quoted = !quoted,
            _ if quoted => {}
            b'[' if !inside => inside = true,
            b']' if inside => inside = false,
            _ if inside => {}
            _ => return (at > 0).then_some(at),
        }
    }
    (!inside && !rest.is_empty()).then_some(rest.len())
}

/// `Mmm dd hh:mm:ss HOST [TAG[PID]: ]text`
fn rfc3164(rest: &[u8]) -> Option<Message<'_>> {
    let (time, rest) = rest.split_at_checked(15)?;
    if !is_date(time) {
        return None;
    }
    let (host, rest) = word(rest.strip_prefix(b" ")?)?;
    let message = Message {
        form: Form::Rfc3164,
        time,
        host,
        text: rest,
        ..Message::default()
    };
    let Some((sender, text)) = word(rest) else {
        return Some(message);
    };
    let Some(sender) = sender.strip_suffix(b":") else {
        return Some(message);
    };
    let (tag, pid) = match (
        sender.strip_suffix(b"]"),
        sender.iter().position(|byte| *byte == b'['),
    ) {
        (Some(_), Some(at)) => (
            sender.get(..at).unwrap_or_default(),
            sender.get(at + 1..sender.len() - 1).unwrap_or_default(),
        ),
        _ => (sender, &b""[..]),
    };
    Some(Message {
        tag,
        pid,
        text,
        ..message
    })
}

fn is_date(time: &[u8]) -> bool {
    let [a, b, c, b' ', day @ .., _, _, b':', _, _, b':', _, _] = time else {
        return false;
    };
    let rest = time.get(4..).unwrap_or_default();
    [*a, *b, *c].iter().all(u8::is_ascii_alphabetic)
        && day.last() == Some(&b' ')
        && rest
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b':'))
}

/// Up to the next blank, and what follows it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text
        .iter()
        .position(|byte| *byte == b' ')
        .filter(|end| *end > 0)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> (Option<(u32, u8)>, Form, Vec<String>) {
        let m = Message::read(line.as_bytes());
        let parts = [m.time, m.host, m.tag, m.pid, m.id, m.structured, m.text];
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        (m.priority, m.form, parts.into_iter().map(text).collect())
    }

    #[test]
    fn lines_of_the_old_form_have_a_host_and_maybe_a_sender() {
        for (line, wanted) in [
            (
                "<34>Oct 11 22:14:15 box su[123]: hello world",
                ["Oct 11 22:14:15", "box", "su", "123", "", "", "hello world"],
            ),
            (
                "<34>Oct 11 22:14:15 box su: hello",
                ["Oct 11 22:14:15", "box", "su", "", "", "", "hello"],
            ),
            (
                "<34>Oct  1 22:14:15 box no sender",
                ["Oct  1 22:14:15", "box", "", "", "", "", "no sender"],
            ),
        ] {
            let (priority, form, found) = parts(line);
            assert_eq!((priority, form), (Some((4, 2)), Form::Rfc3164), "{line}");
            assert_eq!(found, wanted, "{line}");
        }
    }

    #[test]
    fn lines_of_the_new_form_have_all_parts() {
        let (priority, form, found) =
            parts(r#"<165>1 2003-10-11T22:14:15.003Z h a p m [a@1 b="x\"]y"][c@2] text [x]"#);
        assert_eq!((priority, form), (Some((20, 5)), Form::Rfc5424));
        assert_eq!(
            found,
            [
                "2003-10-11T22:14:15.003Z",
                "h",
                "a",
                "p",
                "m",
                r#"[a@1 b="x\"]y"][c@2]"#,
                "text [x]"
            ]
        );
        let (_, form, found) = parts("<1>1 - - - - - -");
        assert_eq!(form, Form::Rfc5424);
        assert_eq!(found, [""; 7]);
    }

    #[test]
    fn everything_else_is_text() {
        for (line, priority, text) in [
            ("<13>just text", Some((1, 5)), "just text"),
            ("no priority", None, "no priority"),
            ("", None, ""),
            ("<34>", Some((4, 2)), ""),
            ("<34>1 bad", Some((4, 2)), "1 bad"),
            (
                "<34>1 2003 h a p m [open x",
                Some((4, 2)),
                "1 2003 h a p m [open x",
            ),
            ("<34>Oct 11 22:14:15 alone", Some((4, 2)), "Oct 11 22:14:15 alone"),
            ("<x>y", None, "<x>y"),
            ("<123456>y", None, "<123456>y"),
            ("<999>x", Some((124, 7)), "x"),
        ] {
            let m = Message::read(line.as_bytes());
            assert_eq!((m.priority, m.form), (priority, Form::Plain), "{line}");
            assert_eq!(m.text, text.as_bytes(), "{line}");
        }
    }
}
