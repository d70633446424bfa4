//! Lines as they are sent: commands with `;` between them, words with blanks between them, `\` before what shall be
//! taken as it is, and at the end perhaps the sign that a payload follows.

/// A word of a command, as it is meant: without its escapes.
pub(crate) type Word = Vec<u8>;

/// The longest text that may end a payload.
const MARK_BYTES_MAX: usize = 64;

/// A line, understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// The words of each command. There is at least one command; it may have no words.
    pub(crate) commands: Vec<Vec<Word>>,
    /// The line that will end the payload of the last command, if one follows.
    pub(crate) payload_end: Option<Vec<u8>>,
}

impl Line {
    /// Reads a line, its end left out.
    pub(crate) fn parse(line: &[u8]) -> Line {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (line, payload_end) = match payload_mark(line) {
            Some((rest, mark)) => (rest, Some(mark.to_vec())),
            None => (line, None),
        };
        let mut commands = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut word: Option<Word> = None;
        let mut bytes = line.iter().copied();
        while let Some(byte) = bytes.next() {
            match byte {
                b' ' | b'\t' => words.extend(word.take()),
                b';' => {
                    words.extend(word.take());
                    commands.push(std::mem::take(&mut words));
                }
                // A `\` at the very end has nothing to protect.
                b'\\' => word.get_or_insert_default().extend(bytes.next()),
                byte => word.get_or_insert_default().push(byte),
            }
        }
        words.extend(word);
        // `show info;` is one command, not two.
        if !words.is_empty() || commands.is_empty() {
            commands.push(words);
        }
        Line {
            commands,
            payload_end,
        }
    }
}

/// The commands of a line without an end that have one of their own: a `;` that nothing protects.
pub(crate) fn ended(line: &[u8]) -> Option<&[u8]> {
    let (mut end, mut protected) = (None, false);
    for (at, byte) in line.iter().enumerate() {
        if *byte == b';' && !protected {
            end = line.get(..at);
        }
        protected = *byte == b'\\' && !protected;
    }
    end
}

/// What is before the sign of a payload, and the line that will end it; an empty one if nothing is said.
fn payload_mark(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = line.iter().rposition(|byte| matches!(byte, b' ' | b'\t'))?;
    let mark = line.get(start + 1..)?.strip_prefix(b"<<")?;
    (mark.len() <= MARK_BYTES_MAX).then(|| (line.get(..start).unwrap_or_default(), mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commands(line: &str) -> Vec<Vec<String>> {
        let text = |word: Word| String::from_utf8(word).unwrap();
        let line = Line::parse(line.as_bytes());
        assert_eq!(line.payload_end, None);
        let commands = line.commands.into_iter();
        commands
            .map(|words| words.into_iter().map(text).collect())
            .collect()
    }

    #[test]
    fn words_have_blanks_between_them_and_commands_semicolons() {
        assert_eq!(commands(" show  info\ttyped "), [["show", "info", "typed"]]);
        assert_eq!(
            commands("show info;show stat"),
            [["show", "info"], ["show", "stat"]]
        );
        assert_eq!(commands("show info;"), [["show", "info"]]);
        assert_eq!(commands("show info\r"), [["show", "info"]]);
        assert_eq!(commands(""), [[""; 0]]);
        assert_eq!(commands(";a"), [vec![], vec!["a"]]);
    }

    #[test]
    fn a_backslash_protects_what_follows() {
        assert_eq!(
            commands(r"echo a\;b c\ d e\\f g\n"),
            [["echo", "a;b", "c d", r"e\f", "gn"]]
        );
        assert_eq!(commands(r"echo \"), [["echo", ""]]);
    }

    #[test]
    fn a_payload_is_announced_by_the_last_word() {
        let mark = |line: &str| {
            let line = Line::parse(line.as_bytes());
            (line.commands.len(), line.payload_end)
        };
        assert_eq!(mark("add map #0 <<"), (1, Some(vec![])));
        assert_eq!(mark("a;add map #0 <<END\r"), (2, Some(b"END".to_vec())));
        assert_eq!(mark("add map #0 x<<"), (1, None));
        assert_eq!(mark("add map #0 << "), (1, None));
        assert_eq!(
            mark(&format!("a <<{}", "x".repeat(64))).1.map(|m| m.len()),
            Some(64)
        );
        assert_eq!(mark(&format!("a <<{}", "x".repeat(65))).1, None);
        let line = Line::parse(b"add map #0 <<END");
        assert_eq!(line.commands[0].len(), 3, "the sign is no word of the command");
    }

    #[test]
    fn a_command_may_have_an_end_of_its_own() {
        assert_eq!(
            ended(b"show info;show stat;quit"),
            Some(&b"show info;show stat"[..])
        );
        assert_eq!(ended(b"show info;"), Some(&b"show info"[..]));
        assert_eq!(ended(br"show info\;"), None);
        assert_eq!(ended(br"show info\\;"), Some(&br"show info\\"[..]));
        assert_eq!(ended(b"show info"), None);
    }

    proptest! {
        #[test]
        fn every_line_is_understood_somehow(line: Vec<u8>) {
            let parsed = Line::parse(&line);
            prop_assert!(!parsed.commands.is_empty());
            let kept: usize = parsed.commands.iter().flatten().map(Vec::len).sum();
            prop_assert!(kept <= line.len());
        }

        #[test]
        fn escaped_words_come_back(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..5)) {
            let line: Vec<u8> = words
                .iter()
                .map(|word| word.iter().flat_map(|byte| [b'\\', *byte]).collect::<Vec<u8>>())
                .collect::<Vec<_>>()
                .join(&b' ');
            // What looks like the end of the line is its end.
            prop_assume!(!line.ends_with(b"\r"));
            prop_assert_eq!(Line::parse(&line).commands, vec![words]);
        }
    }
}
