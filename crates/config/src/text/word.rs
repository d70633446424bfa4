//! A word as the configuration means it, and the way back to where each byte was written.

use std::borrow::Cow;

use crate::diag::{Diagnostic, code};
use crate::source::{Span, to_u32};

use super::environment::Environment;

/// A decoded word: quotes and backslashes taken away, variables put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    bytes: Vec<u8>,
    /// Where the whole word is written, quotes included.
    span: Span,
    runs: Vec<Run>,
    /// The value with the variables put in that only addresses may refer to outside of quotes; none if there are none.
    address: Option<Box<Word>>,
}

/// Bytes of the value that come from one piece of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    /// Where the run begins in the value.
    at: usize,
    start: u32,
    end: u32,
    /// Each byte stands for itself; otherwise all of them stand for the whole piece (an escape, a variable).
    verbatim: bool,
}

impl Word {
    /// An empty word at a place.
    pub(crate) fn empty(span: Span) -> Word {
        Word {
            bytes: Vec::new(),
            span,
            runs: Vec::new(),
            address: None,
        }
    }

    /// A word that isn't written in any file.
    pub(crate) fn unwritten(bytes: &[u8], span: Span) -> Word {
        let mut word = Word::empty(span);
        for byte in bytes {
            word.push(*byte, span.start, span.start, false);
        }
        word
    }

    /// The value.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value for messages, and for comparison with names.
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// The value as text.
    ///
    /// # Errors
    /// When it isn't UTF-8.
    pub fn text(&self) -> Result<&str, Box<Diagnostic>> {
        std::str::from_utf8(&self.bytes).map_err(|error| {
            let at = error.valid_up_to();
            Box::new(
                Diagnostic::error(code::NOT_UTF8, self.span_of(at, at + 1), "this isn't valid UTF-8")
                    .label("text is expected here"),
            )
        })
    }

    /// Whether the value is exactly this text.
    pub fn is(&self, text: &str) -> bool {
        self.bytes == text.as_bytes()
    }

    /// Where the whole word is written, quotes included.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Where the bytes `start..end` of the value are written. Past the end of the value it is the place
    /// after the last byte.
    pub fn span_of(&self, start: usize, end: usize) -> Span {
        let first = match self.source_of(start) {
            Some((from, _)) => from,
            None => return self.value_span().after(),
        };
        let last = match end.checked_sub(1).filter(|last| *last >= start) {
            Some(last) => self.source_of(last).map_or(self.value_span().end, |(_, to)| to),
            None => first,
        };
        Span {
            file: self.span.file,
            start: first,
            end: last.max(first),
        }
    }

    /// The part of the word from a byte of the value on, as a word of its own.
    pub fn tail(&self, from: usize) -> Word {
        self.part(from, self.bytes.len())
    }

    /// The bytes `from..to` of the value, as a word of its own.
    pub fn part(&self, from: usize, to: usize) -> Word {
        let to = to.min(self.bytes.len());
        let from = from.min(to);
        let mut part = Word::empty(self.span_of(from, to));
        for at in from..to {
            let Some(byte) = self.bytes.get(at) else { break };
            let Some((start, end)) = self.source_of(at) else {
                break;
            };
            let verbatim = self.run_of(at).is_some_and(|run| run.verbatim);
            part.push(*byte, start, end, verbatim);
        }
        part
    }

    /// Words with one space between them, as one word.
    pub(crate) fn join(words: &[Word]) -> Option<Word> {
        let (first, rest) = words.split_first()?;
        let mut joined = first.clone();
        for word in rest {
            let (from, to) = (joined.span.end, word.span.start);
            joined.push(b' ', from, to.max(from), false);
            for (at, byte) in word.bytes.iter().enumerate() {
                let Some((start, end)) = word.source_of(at) else {
                    break;
                };
                joined.push(*byte, start, end, word.run_of(at).is_some_and(|run| run.verbatim));
            }
            joined.span = joined.span.to(word.span);
        }
        Some(joined)
    }

    /// Appends a byte that stands for `start..end` of the file.
    pub(crate) fn push(&mut self, byte: u8, start: u32, end: u32, verbatim: bool) {
        let at = self.bytes.len();
        self.bytes.push(byte);
        if let Some(last) = self.runs.last_mut() {
            let follows = verbatim && last.verbatim && last.end == start;
            if follows {
                last.end = end;
                return;
            }
            if !verbatim && !last.verbatim && last.start == start && last.end == end {
                return;
            }
        }
        self.runs.push(Run {
            at,
            start,
            end,
            verbatim,
        });
    }

    /// The word as an address: variables are put in also outside of quotes.
    pub(crate) fn as_address(&self) -> &Word {
        self.address.as_deref().unwrap_or(self)
    }

    /// Puts the values of variables in the place of their names, for who takes the word for an address. One that isn't set is
    /// empty.
    pub(crate) fn expand_address(&mut self, environment: &Environment) {
        if !self.bytes.contains(&b'$') {
            return;
        }
        let mut expanded = Word::empty(self.span);
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let reference = (*byte == b'$').then(|| Reference::at(&self.bytes, at)).flatten();
            let Some((start, end)) = self.source_of(at) else {
                break;
            };
            match reference {
                Some(reference) => {
                    let (_, end) = self.source_of(reference.end - 1).unwrap_or((start, end));
                    for value in environment.get(reference.name).unwrap_or_default() {
                        expanded.push(*value, start, end, false);
                    }
                    at = reference.end;
                }
                None => {
                    expanded.push(*byte, start, end, self.run_of(at).is_some_and(|run| run.verbatim));
                    at += 1;
                }
            }
        }
        self.address = Some(Box::new(expanded));
    }

    /// Fixes the extent once the word is complete.
    pub(crate) fn set_span(&mut self, span: Span) {
        self.span = span;
    }

    fn run_of(&self, at: usize) -> Option<&Run> {
        let next = self.runs.partition_point(|run| run.at <= at);
        self.runs.get(next.checked_sub(1)?)
    }

    fn source_of(&self, at: usize) -> Option<(u32, u32)> {
        if at >= self.bytes.len() {
            return None;
        }
        let run = self.run_of(at)?;
        if !run.verbatim {
            return Some((run.start, run.end));
        }
        let start = run.start + to_u32(at - run.at);
        Some((start, start + 1))
    }

    /// Like the whole span, without closing quotes.
    fn value_span(&self) -> Span {
        match self.runs.last() {
            Some(last) => Span {
                file: self.span.file,
                start: self.span.start,
                end: last.end,
            },
            None => self.span,
        }
    }
}

/// `$NAME` or `${NAME}`.
struct Reference<'w> {
    name: &'w [u8],
    /// Behind its last byte.
    end: usize,
}

impl<'w> Reference<'w> {
    /// The one whose dollar is at this place.
    fn at(bytes: &'w [u8], dollar: usize) -> Option<Reference<'w>> {
        let braced = bytes.get(dollar + 1) == Some(&b'{');
        let start = dollar + 1 + usize::from(braced);
        let rest = bytes.get(start..)?;
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        let end = start + length + usize::from(braced);
        let closed = !braced || rest.get(length) == Some(&b'}');
        let name = rest.get(..length).filter(|name| closed && !name.is_empty())?;
        Some(Reference { name, end })
    }
}
