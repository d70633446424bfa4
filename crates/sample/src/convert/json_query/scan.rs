//! Finds a value in a JSON text without reading more of it than is before the value's end.

use super::path::Step;
use crate::data::Data;
use std::borrow::Cow;

/// Arrays and objects inside each other, at most.
const DEPTH_MAX: usize = 128;

/// A value as it stands in the text.
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    /// What is between the quotes.
    Text(&'a [u8]),
    /// The whole array, with its brackets.
    Array(&'a [u8]),
    Object,
}

/// A place in a text.
pub(super) struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Scanner<'a> {
        Scanner { rest: text }
    }

    /// The value at the end of a path; none if it is not there, or anything before its end is broken.
    pub(super) fn find(mut self, path: &[Step]) -> Option<Token<'a>> {
        for (depth, step) in path.iter().enumerate() {
            if depth >= DEPTH_MAX {
                return None;
            }
            match step {
                Step::Name(name) => self.enter_object(name)?,
                Step::Index(index) => self.enter_array(*index)?,
            }
        }
        self.value(0)
    }

    /// Goes to the value of the first member of this name.
    fn enter_object(&mut self, name: &[u8]) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return None;
        }
        loop {
            let key = self.text()?;
            self.take(b':')?;
            if *characters(key)? == *name {
                return Some(());
            }
            self.value(1)?;
            self.take(b',')?;
        }
    }

    /// Goes to the element of this index.
    fn enter_array(&mut self, index: usize) -> Option<()> {
        self.take(b'[')?;
        for _ in 0..index {
            self.value(1)?;
            self.take(b',')?;
        }
        Some(())
    }

    /// Reads one whole value.
    fn value(&mut self, depth: usize) -> Option<Token<'a>> {
        if depth >= DEPTH_MAX {
            return None;
        }
        match self.peek()? {
            b'"' => self.text().map(Token::Text),
            b'{' => {
                self.members(b'{', b'}', |scanner| {
                    scanner.text()?;
                    scanner.take(b':')?;
                    scanner.value(depth + 1).map(drop)
                })?;
                Some(Token::Object)
            }
            b'[' => {
                let start = self.rest;
                self.members(b'[', b']', |scanner| scanner.value(depth + 1).map(drop))?;
                start.get(..start.len() - self.rest.len()).map(Token::Array)
            }
            b't' => self.word(b"true").map(|()| Token::Bool(true)),
            b'f' => self.word(b"false").map(|()| Token::Bool(false)),
            b'n' => self.word(b"null").map(|()| Token::Null),
            _ => self.number().map(Token::Number),
        }
    }

    /// Reads what is between two brackets, with commas between.
    fn members(
        &mut self,
        open: u8,
        close: u8,
        mut member: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(open)?;
        if self.peek()? != close {
            member(self)?;
            while self.peek()? == b',' {
                self.take(b',')?;
                member(self)?;
            }
        }
        self.take(close)
    }

    fn number(&mut self) -> Option<&'a str> {
        let digits = |text: &'a [u8]| {
            let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            text.split_at_checked(len).filter(|_| len > 0)
        };
        let start = self.rest;
        let unsigned = start.strip_prefix(b"-").unwrap_or(start);
        let (whole, mut rest) = digits(unsigned)?;
        if whole.len() > 1 && whole.starts_with(b"0") {
            return None;
        }
        if let Some(fraction) = rest.strip_prefix(b".") {
            (_, rest) = digits(fraction)?;
        }
        if let [b'e' | b'E', exponent @ ..] = rest {
            let exponent = match exponent {
                [b'+' | b'-', exponent @ ..] => exponent,
                exponent => exponent,
            };
            (_, rest) = digits(exponent)?;
        }
        self.rest = rest;
        std::str::from_utf8(start.get(..start.len() - rest.len())?).ok()
    }

    /// Reads a text; returns what is between its quotes.
    fn text(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let start = self.rest;
        let mut len = 0;
        loop {
            len += match start.get(len)? {
                b'"' => break,
                b'\\' => 2,
                _ => 1,
            };
        }
        self.rest = start.get(len + 1..)?;
        start.get(..len)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then_some(())?;
        self.rest = self.rest.get(1..)?;
        Some(())
    }

    /// The next byte that is not a blank.
    fn peek(&mut self) -> Option<u8> {
        let blanks = self
            .rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
            .count();
        self.rest = self.rest.get(blanks..)?;
        self.rest.first().copied()
    }
}

/// The text that a JSON text `escaped` stands for, shared with `within` if nothing in it is escaped.
pub(super) fn unescaped(within: &Data, escaped: &[u8]) -> Option<Data> {
    Some(match characters(escaped)? {
        Cow::Borrowed(plain) => within.part(plain),
        Cow::Owned(text) => text.into(),
    })
}

fn characters(escaped: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !escaped.contains(&b'\\') {
        return Some(Cow::Borrowed(escaped));
    }
    let mut text = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    loop {
        rest = match rest {
            [] => return Some(Cow::Owned(text)),
            [b'\\', b'u', after @ ..] => {
                let (unit, after) = code_unit(after)?;
                let low = match after {
                    [b'\\', b'u', after @ ..] if (0xd800..0xdc00).contains(&unit) => {
                        code_unit(after).filter(|(low, _)| (0xdc00..0xe000).contains(low))
                    }
                    _ => None,
                };
                let (code, after) = match low {
                    Some((low, after)) => (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), after),
                    None => (unit, after),
                };
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                after
            }
            [b'\\', escape, after @ ..] => {
                text.push(match escape {
                    b'"' | b'\\' | b'/' => *escape,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    _ => return None,
                });
                after
            }
            [byte, after @ ..] => {
                text.push(*byte);
                after
            }
        };
    }
}

/// The number that four hexadecimal digits make, and what follows them.
fn code_unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, after) = text.split_at_checked(4)?;
    let unit = digits
        .iter()
        .try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?))?;
    Some((unit, after))
}
