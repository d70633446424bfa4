//! From written words to what they mean: quotes, escapes, environment variables.
//!
//! Between single quotes everything stands for itself. Elsewhere a backslash escapes; between double quotes
//! `$NAME`, `${NAME}`, `${NAME-default}` and `${NAME[*]}` are replaced too.

use super::environment::Surroundings;
use super::tree::{Line, TokenKind};
use super::word::Word;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::source::{Sources, Span, to_u32};

/// What words may refer to beside the environment.
const PSEUDO: [&str; 3] = [".FILE", ".LINE", ".SECTION"];

/// No keyword takes as many words; a line beyond it is no configuration.
const WORDS_MAX: usize = 4096;

/// The words of a line. Faults are reported, and the line is then unusable (`None`).
pub(crate) fn decode_line(
    line: &Line,
    sources: &Sources,
    around: &Surroundings<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut sound = true;
    for token in line.tokens.iter().filter(|token| token.kind == TokenKind::Word) {
        let decoder = Decoder::new(sources.text(token.span), token.span, around, diagnostics);
        match decoder.run() {
            Some(mut decoded) => words.append(&mut decoded),
            None => sound = false,
        }
    }
    if let Some(word) = words.get(WORDS_MAX) {
        let message = format!("more than {WORDS_MAX} words on one line");
        diagnostics.push(Diagnostic::error(code::TOO_MANY_WORDS, word.span(), message));
        sound = false;
    }
    sound.then_some(words)
}

/// The words of a text that is all on one line, such as the argument of `-cc`.
pub(crate) fn decode_text(
    span: Span,
    sources: &Sources,
    around: &Surroundings<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Word>> {
    let tree = super::tree::Tree::parse(span.file, sources.text(span));
    let mut words = Vec::new();
    for line in &tree.lines {
        words.append(&mut decode_line(line, sources, around, diagnostics)?);
    }
    Some(words)
}

struct Decoder<'d> {
    text: &'d [u8],
    span: Span,
    at: usize,
    around: &'d Surroundings<'d>,
    diagnostics: &'d mut Diagnostics,
    words: Vec<Word>,
    word: Word,
    /// The open quote and where it is.
    quote: Option<(u8, usize)>,
    sound: bool,
}

impl<'d> Decoder<'d> {
    fn new(
        text: &'d [u8],
        span: Span,
        around: &'d Surroundings<'d>,
        diagnostics: &'d mut Diagnostics,
    ) -> Decoder<'d> {
        let word = Word::empty(span);
        Decoder {
            text,
            span,
            at: 0,
            around,
            diagnostics,
            words: Vec::new(),
            word,
            quote: None,
            sound: true,
        }
    }

    fn run(mut self) -> Option<Vec<Word>> {
        while let Some(byte) = self.peek(0) {
            match (self.quote, byte) {
                (None, b'\'' | b'"') => {
                    self.quote = Some((byte, self.at));
                    self.at += 1;
                }
                (Some((open, _)), byte) if open == byte => {
                    self.quote = None;
                    self.at += 1;
                }
                (Some((b'\'', _)), _) => self.keep(1),
                (_, b'\\') => self.escape(),
                (Some(_), b'$') => self.variable(),
                _ => self.keep(1),
            }
        }
        if let Some((open, at)) = self.quote {
            let kind = if open == b'"' { "double" } else { "single" };
            let message = format!("this {kind} quote is never closed");
            let diagnostic = Diagnostic::error(code::UNMATCHED_QUOTE, self.place(at, at + 1), message).help(
                "close it before the end of the line, or write `\\` before it if it is a plain character",
            );
            self.fault(diagnostic);
        }
        self.word.set_span(self.span);
        self.words.push(self.word);
        for word in &mut self.words {
            word.expand_address(self.around.environment);
        }
        self.sound.then_some(self.words)
    }

    /// Takes bytes that stand for themselves.
    fn keep(&mut self, count: usize) {
        for _ in 0..count {
            let Some(byte) = self.peek(0) else { return };
            if byte == 0 {
                let place = self.place(self.at, self.at + 1);
                self.fault(Diagnostic::error(
                    code::CONTROL_BYTE,
                    place,
                    "a NUL byte in the configuration",
                ));
            }
            let start = self.source(self.at);
            self.word.push(byte, start, start + 1, true);
            self.at += 1;
        }
    }

    fn escape(&mut self) {
        let meant = match self.peek(1) {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(byte @ (b' ' | b'#' | b'\\' | b'\'' | b'"')) => byte,
            Some(b'$') if self.quote.is_some() => b'$',
            Some(b'x') => return self.hexadecimal(),
            Some(_) => return self.keep(2),
            None => {
                let place = self.place(self.at, self.at + 1);
                self.diagnostics.push(
                    Diagnostic::warning(
                        code::NO_CONTINUATION,
                        place,
                        "a backslash at the end of a line doesn't continue it",
                    )
                    .label("taken as a plain backslash")
                    .help("write the whole statement on one line"),
                );
                return self.keep(1);
            }
        };
        self.replace(meant, 2);
    }

    fn hexadecimal(&mut self) {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(self.peek(2)), digit(self.peek(3))) else {
            let end = (self.at + 4).min(self.text.len());
            let diagnostic = Diagnostic::error(
                code::BAD_ESCAPE,
                self.place(self.at, end),
                "invalid hexadecimal escape",
            )
            .label("`\\x` needs two hexadecimal digits");
            self.fault(diagnostic);
            return self.keep(2);
        };
        let value = u8::try_from(high * 16 + low).unwrap_or(0);
        if value == 0 {
            let place = self.place(self.at, self.at + 4);
            self.fault(Diagnostic::error(
                code::BAD_ESCAPE,
                place,
                "a NUL byte can't be part of a word",
            ));
        }
        self.replace(value, 4);
    }

    /// `$NAME` or `${NAME}` or `${NAME-default}` or `${NAME[*]}`, between double quotes.
    fn variable(&mut self) {
        let start = self.at;
        let braced = self.peek(1) == Some(b'{');
        let name_at = start + 1 + usize::from(braced);
        let mut end = name_at + usize::from(self.text.get(name_at) == Some(&b'.'));
        while self.text.get(end).is_some_and(|byte| is_name_byte(*byte)) {
            end += 1;
        }
        let name = self.text.get(name_at..end).unwrap_or_default();
        let bare = name.strip_prefix(b".").unwrap_or(name);
        if bare.first().is_none_or(u8::is_ascii_digit) {
            let diagnostic = Diagnostic::error(
                code::BAD_VARIABLE,
                self.place(start, (name_at + 1).min(self.text.len())),
                "invalid name of an environment variable",
            )
            .label("a name begins with a letter or `_`")
            .help("for a plain dollar sign write `\\$`, or use single quotes");
            self.fault(diagnostic);
            self.at = end.max(start + 1);
            return;
        }
        if name.starts_with(b".") && !PSEUDO.iter().any(|known| known.as_bytes() == name) {
            let written = String::from_utf8_lossy(name).into_owned();
            let message = format!("there is no pseudo-variable `{written}`");
            let diagnostic = Diagnostic::error(code::BAD_VARIABLE, self.place(name_at, end), message)
                .suggest(&written, PSEUDO)
                .help("those that begin with a dot are `.FILE`, `.LINE` and `.SECTION`");
            self.fault(diagnostic);
        }
        let mut default = None;
        let mut is_list = false;
        if braced {
            if self.text.get(end..).is_some_and(|rest| rest.starts_with(b"[*]")) {
                is_list = true;
                end += 3;
            }
            if self.text.get(end) == Some(&b'-') {
                let from = end + 1;
                while self
                    .text
                    .get(end)
                    .is_some_and(|byte| !matches!(byte, b'}' | b'"'))
                {
                    end += 1;
                }
                default = self.text.get(from..end);
            }
            if self.text.get(end) != Some(&b'}') {
                let diagnostic = Diagnostic::error(
                    code::BAD_VARIABLE,
                    self.place(start, end),
                    "this reference to an environment variable is never closed",
                )
                .label("expected `}` here");
                self.fault(diagnostic);
                self.at = end;
                return;
            }
            end += 1;
        }
        let value = self.around.value(name);
        let value = value.as_deref().or(default).unwrap_or_default();
        let (from, to) = (self.source(start), self.source(end));
        self.at = end;
        for byte in value.iter().copied() {
            if is_list && byte == b' ' {
                let next = Word::empty(self.span);
                let mut done = std::mem::replace(&mut self.word, next);
                done.set_span(self.span);
                if !done.bytes().is_empty() {
                    self.words.push(done);
                }
            } else {
                self.word.push(byte, from, to, false);
            }
        }
    }

    fn replace(&mut self, value: u8, written: usize) {
        let start = self.source(self.at);
        self.at += written;
        let end = self.source(self.at);
        self.word.push(value, start, end, false);
    }

    fn fault(&mut self, diagnostic: Diagnostic) {
        self.sound = false;
        self.diagnostics.push(diagnostic);
    }

    fn source(&self, at: usize) -> u32 {
        self.span.start + to_u32(at)
    }

    fn place(&self, start: usize, end: usize) -> Span {
        Span {
            file: self.span.file,
            start: self.source(start),
            end: self.source(end),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::environment::Environment;
    use crate::text::tree::Tree;

    fn decode(text: &str) -> (Vec<String>, Vec<String>) {
        let mut sources = Sources::default();
        let file = sources.add("t", text.as_bytes().to_vec());
        let environment: Environment = [("HOME", "/root"), ("LIST", "1 2 3")].into_iter().collect();
        let around = Surroundings {
            environment: &environment,
            file: "t",
            line: 7,
            section: "global",
        };
        let mut diagnostics = Diagnostics::default();
        let tree = Tree::parse(file, text.as_bytes());
        let words = tree
            .lines
            .iter()
            .filter_map(|line| decode_line(line, &sources, &around, &mut diagnostics))
            .flatten()
            .map(|word| word.lossy().into_owned())
            .collect();
        let faults = diagnostics
            .iter()
            .map(|item| {
                let span = item.primary.as_ref().unwrap().span;
                format!("{} {}", item.code, String::from_utf8_lossy(sources.text(span)))
            })
            .collect();
        (words, faults)
    }

    fn words(text: &str) -> Vec<String> {
        let (words, faults) = decode(text);
        assert!(faults.is_empty(), "{faults:?}");
        words
    }

    // each of these was tried on HAProxy 2.6 by `.notice`
    #[test]
    fn quotes_and_escapes_mean_what_haproxy_takes_them_for() {
        assert_eq!(words(r"a\ b\tc\x41"), ["a b\tcA"]);
        assert_eq!(words(r#""d\"e\'f\ng\$HOME\#h\x41\z""#), ["d\"e'f\ng$HOME#hA\\z"]);
        assert_eq!(
            words("$HOME"),
            ["$HOME"],
            "outside of quotes a dollar sign is plain"
        );
        assert_eq!(words(r#""a"'b'c\"d\'e"#), ["abc\"d'e"]);
        assert_eq!(words(r"a\zb\$c"), [r"a\zb\$c"]);
        assert_eq!(words(r#""x#y" #z"#), ["x#y"]);
        assert_eq!(words(r#"""  ''"#), ["", ""]);
        assert_eq!(words(r"'a\n$HOME\'"), [r"a\n$HOME\"]);
    }

    #[test]
    fn variables_are_replaced_between_double_quotes() {
        assert_eq!(
            words(r#""$HOME/${HOME}/${NOPE-def}/${NOPE}/$NOPE""#),
            ["/root//root/def//"]
        );
        assert_eq!(words(r#""${HOME-a b}${LIST[*]}""#), ["/root1", "2", "3"]);
        assert_eq!(words(r#""${NOPE[*]}""#), [""]);
        assert_eq!(words(r#""${HOME}"x"$HOME""#), ["/rootx/root"]);
        assert_eq!(words(r#""${.FILE}:$.LINE in ${.SECTION}""#), ["t:7 in global"]);
    }

    #[test]
    fn addresses_refer_to_variables_outside_of_quotes_too() {
        let mut sources = Sources::default();
        let text = r#"$HOME:${PORT}x${NOPE} "$HOME" '$HOME' ${HOME $ a$1"#;
        let file = sources.add("t", text.as_bytes().to_vec());
        let environment: Environment = [("HOME", "h"), ("PORT", "80")].into_iter().collect();
        let around = Surroundings {
            environment: &environment,
            file: "t",
            line: 1,
            section: "",
        };
        let tree = Tree::parse(file, text.as_bytes());
        let words = decode_line(&tree.lines[0], &sources, &around, &mut Diagnostics::default()).unwrap();
        let addresses: Vec<_> = words
            .iter()
            .map(|word| word.as_address().lossy().into_owned())
            .collect();
        assert_eq!(addresses, ["h:80x", "h", "h", "${HOME", "$", "a"]);
        assert!(
            words[0].is("$HOME:${PORT}x${NOPE}"),
            "anything else takes it as it is written"
        );
    }

    #[test]
    fn faults_point_at_the_very_characters() {
        assert_eq!(decode(r#"a "b"#).1, ["TG0010 \""]);
        assert_eq!(decode(r"a b'c").1, ["TG0010 '"]);
        assert_eq!(decode(r"a \xzz").1, [r"TG0011 \xzz"]);
        assert_eq!(decode(r"a \x4").1, [r"TG0011 \x4"]);
        assert_eq!(decode(r#"a "${1X}""#).1, ["TG0012 ${1"]);
        assert_eq!(decode(r#"a "${.NOPE-x}""#).1, ["TG0012 .NOPE"]);
        assert_eq!(decode(r#"a "${X""#).1, ["TG0012 ${X"]);
        assert_eq!(decode(r#"a "${X-d""#).1, ["TG0012 ${X-d"]);
        assert_eq!(decode(r#"a "$""#).1, ["TG0012 $\""]);
        assert_eq!(decode("a b\\\nc").1, ["TG0015 \\"]);
        assert_eq!(decode("a\0b").1, ["TG0013 \0"]);
        assert_eq!(decode(r#""\x00 \xgg '"#).1.len(), 3, "all faults of a word");
    }

    #[test]
    fn a_byte_of_the_value_is_found_again_in_the_file() {
        let text = r#"  "ab\tc$HOME"d 'e'"#;
        let mut sources = Sources::default();
        let file = sources.add("t", text.as_bytes().to_vec());
        let environment: Environment = [("HOME", "/root")].into_iter().collect();
        let around = Surroundings {
            environment: &environment,
            file: "t",
            line: 1,
            section: "",
        };
        let mut diagnostics = Diagnostics::default();
        let tree = Tree::parse(file, text.as_bytes());
        let words = decode_line(&tree.lines[0], &sources, &around, &mut diagnostics).unwrap();
        let word = &words[0];
        assert!(word.is("ab\tc/rootd"));
        let written =
            |start, end| String::from_utf8_lossy(sources.text(word.span_of(start, end))).into_owned();
        assert_eq!(written(0, 2), "ab");
        assert_eq!(written(2, 3), r"\t");
        assert_eq!(written(3, 4), "c");
        assert_eq!(written(4, 9), "$HOME");
        assert_eq!(written(6, 7), "$HOME");
        assert_eq!(written(9, 10), "d");
        assert_eq!(written(1, 10), r#"b\tc$HOME"d"#);
        assert_eq!(
            word.span_of(10, 11),
            Span {
                file,
                start: 15,
                end: 15
            }
        );
        let part = word.part(1, 5);
        assert!(part.is("b\tc/"));
        assert_eq!(sources.text(part.span_of(1, 2)), br"\t");
        assert_eq!(sources.text(word.span()), br#""ab\tc$HOME"d"#);
    }
}
