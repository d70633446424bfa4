//! The words of a statement, taken one after the other.

use std::time::Duration;

use crate::diag::{Code, Diagnostic, code};
use crate::source::{FileId, Span, Spanned};
use crate::text::Word;
use crate::units::{TimeUnit, UnitFault, parse_integer, parse_size, parse_time};

/// What parsing a statement gives; the first fault ends the statement, not the run.
pub(crate) type Parsed<T> = Result<T, Box<Diagnostic>>;

/// A cursor over the words of a statement.
#[derive(Debug, Clone)]
pub(crate) struct Args<'a> {
    words: &'a [Word],
    at: usize,
    /// What the words before the cursor are called in messages: `timeout client`.
    name: String,
    last: Span,
}

impl<'a> Args<'a> {
    /// The words of a statement, the first of which is its keyword.
    pub(crate) fn of_statement(keyword: &Word, words: &'a [Word]) -> Args<'a> {
        Args {
            words,
            at: 1,
            name: keyword.lossy().into_owned(),
            last: keyword.span(),
        }
    }

    /// The words behind a keyword of this name.
    pub(crate) fn of_statement_behind(name: &str, words: &'a [Word]) -> Args<'a> {
        let nowhere = Span {
            file: FileId::NONE,
            start: 0,
            end: 0,
        };
        Args {
            words,
            at: 0,
            name: name.to_owned(),
            last: words.first().map_or(nowhere, Word::span),
        }
    }

    /// The same words, from the cursor on, under a longer name: `timeout` becomes `timeout client`.
    pub(crate) fn named(&mut self, word: &Word) {
        self.name = format!("{} {}", self.name, word.lossy());
    }

    /// What the statement is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The word that was taken last; the keyword at first.
    pub(crate) fn last(&self) -> Span {
        self.last
    }

    /// The next word, if there is one.
    pub(crate) fn next(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        self.last = word.span();
        Some(word)
    }

    /// The next word without taking it.
    pub(crate) fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.at)
    }

    /// Takes the next word if it is this one.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.is(text));
        if found {
            self.next();
        }
        found
    }

    /// All words that are left, without taking them.
    pub(crate) fn rest(&self) -> &'a [Word] {
        self.words.get(self.at..).unwrap_or_default()
    }

    /// Takes all words that are left.
    pub(crate) fn take_rest(&mut self) -> &'a [Word] {
        let rest = self.rest();
        self.at = self.words.len();
        if let Some(word) = rest.last() {
            self.last = word.span();
        }
        rest
    }

    /// The next word, which must be there.
    pub(crate) fn expect(&mut self, what: &str) -> Parsed<&'a Word> {
        match self.next() {
            Some(word) => Ok(word),
            None => Err(self.missing(what)),
        }
    }

    /// The next word as text.
    pub(crate) fn text(&mut self, what: &str) -> Parsed<&'a str> {
        self.expect(what)?.text()
    }

    /// The next word as text with its place.
    pub(crate) fn spanned(&mut self, what: &str) -> Parsed<Spanned<String>> {
        let word = self.expect(what)?;
        Ok(Spanned::new(word.text()?.to_owned(), word.span()))
    }

    /// The next word as a time.
    pub(crate) fn time(&mut self, unit: TimeUnit) -> Parsed<Duration> {
        let word = self.expect("a time such as `30s`")?;
        parse_time(word.bytes(), unit).map_err(|fault| self.unit_fault(word, fault))
    }

    /// The next word as a size.
    pub(crate) fn size(&mut self) -> Parsed<u64> {
        let word = self.expect("a size such as `64k`")?;
        parse_size(word.bytes()).map_err(|fault| self.unit_fault(word, fault))
    }

    /// The next word as an integer in bounds.
    pub(crate) fn integer<T: TryFrom<u64>>(&mut self, min: u64, max: u64) -> Parsed<T> {
        let word = self.expect("an integer")?;
        let fault = |fault| self.unit_fault(word, fault);
        let value = parse_integer(word.bytes(), min, max).map_err(fault)?;
        T::try_from(value).map_err(|_| {
            let message = format!("`{value}` is out of range");
            Box::new(Diagnostic::error(code::BAD_NUMBER, word.span(), message))
        })
    }

    /// The next word as one of a few names.
    pub(crate) fn one_of<T: Copy>(&mut self, what: &str, names: &[(&'static str, T)]) -> Parsed<T> {
        let word = self.expect(what)?;
        pick(word, what, names)
    }

    /// `on` or `off`.
    pub(crate) fn on_off(&mut self) -> Parsed<bool> {
        self.one_of("`on` or `off`", &[("on", true), ("off", false)])
    }

    /// All words that are left, with one space between them.
    pub(crate) fn joined(&mut self, what: &str) -> Parsed<String> {
        let mut text = self.text(what)?.to_owned();
        for word in self.take_rest() {
            text.push(' ');
            text.push_str(word.text()?);
        }
        Ok(text)
    }

    /// Checks that no word is left.
    pub(crate) fn end(&self) -> Parsed<()> {
        let rest = self.rest();
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
            return Ok(());
        };
        let message = format!("`{}` doesn't take this argument: `{}`", self.name, first.lossy());
        let plural = if rest.len() == 1 {
            "unexpected"
        } else {
            "unexpected from here on"
        };
        let mut diagnostic =
            Diagnostic::error(code::EXTRA_ARGUMENT, first.span().to(last.span()), message).label(plural);
        if let Some(number) = self.number_before_unit(first) {
            diagnostic = diagnostic.help(format!(
                "write the unit right behind the number: `{}{}`",
                number.lossy(),
                first.lossy()
            ));
        }
        Err(Box::new(diagnostic))
    }

    /// The number that was taken last, when a word is a unit that went astray.
    fn number_before_unit(&self, unit: &Word) -> Option<&'a Word> {
        let is_unit = ["us", "ms", "s", "m", "h", "d", "k", "g"]
            .iter()
            .any(|name| unit.is(name));
        let before = self.words.get(self.at.checked_sub(1)?)?;
        let is_number = !before.bytes().is_empty() && before.bytes().iter().all(u8::is_ascii_digit);
        (is_unit && is_number).then_some(before)
    }

    /// Something is missing after the last word.
    pub(crate) fn missing(&self, what: &str) -> Box<Diagnostic> {
        let message = format!("`{}` is incomplete", self.name);
        Box::new(
            Diagnostic::error(code::MISSING_ARGUMENT, self.last.after(), message)
                .label(format!("expected {what} here")),
        )
    }

    fn unit_fault(&self, word: &Word, fault: UnitFault) -> Box<Diagnostic> {
        let span = if word.bytes().is_empty() {
            word.span()
        } else {
            word.span_of(fault.at.start, fault.at.end)
        };
        let mut diagnostic = Diagnostic::error(code::BAD_NUMBER, span, fault.message);
        if let Some(help) = fault.help {
            diagnostic = diagnostic.help(help);
        }
        Box::new(diagnostic.note(format!("in the arguments of `{}`", self.name)))
    }
}

/// The value that a word names.
pub(crate) fn pick<T: Copy>(word: &Word, what: &str, names: &[(&'static str, T)]) -> Parsed<T> {
    if let Some((_, value)) = names.iter().find(|(name, _)| word.is(name)) {
        return Ok(*value);
    }
    let message = format!("`{}` is not {what}", word.lossy());
    let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let mut diagnostic = Diagnostic::error(code::BAD_ARGUMENT, word.span(), message);
    if !word.bytes().iter().all(u8::is_ascii_digit) {
        diagnostic = diagnostic.suggest(&word.lossy(), known.iter().copied());
    }
    if diagnostic.help.is_empty() {
        let what = if known.len() == 1 { "expected" } else { "one of" };
        diagnostic = diagnostic.help(format!("{what} {}", list(&known)));
    }
    Err(Box::new(diagnostic))
}

/// Names in backticks, with commas.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A fault of a whole word.
pub(crate) fn fault<T>(code: Code, word: &Word, message: impl Into<String>) -> Parsed<T> {
    Err(Box::new(Diagnostic::error(code, word.span(), message)))
}

/// A fault of a word that isn't what the keyword takes.
pub(crate) fn bad_argument<T>(word: &Word, message: impl Into<String>) -> Parsed<T> {
    fault(code::BAD_ARGUMENT, word, message)
}
