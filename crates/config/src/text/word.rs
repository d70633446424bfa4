//! A word as the configuration means it, and the way back to where each byte was written.

use std::borrow::Cow;

use crate::diag::{Diagnostic, code};
use crate::source::{Span, to_u32};

/// A decoded word: quotes and backslashes taken away, variables put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    bytes: Vec<u8>,
    /// Where the whole word is written, quotes included.
    span: Span,
    runs: Vec<Run>,
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
