//! Reads a log-format string.

use super::out::Flags;
use super::{Segment, Style, alias};
use crate::did_you_mean::did_you_mean;
use crate::error::ParseError;
use crate::expr::Expr;
use crate::scope::Scope;
use crate::unsupported;

pub(super) fn segments(style: Style, text: &str, scope: &Scope<'_>) -> Result<Vec<Segment>, ParseError> {
    let mut parser = Parser {
        style,
        text,
        scope,
        defaults: Flags {
            mandatory: style == Style::Log,
            ..Flags::default()
        },
        literal: Vec::new(),
        segments: Vec::new(),
    };
    let mut at = 0;
    while let Some(c) = parser.rest(at).chars().next() {
        if c == '%' {
            at = parser.field(at)?;
        } else {
            parser.literal(c);
            at += c.len_utf8();
        }
    }
    parser.flush();
    Ok(parser.segments)
}

struct Parser<'a> {
    style: Style,
    text: &'a str,
    scope: &'a Scope<'a>,
    /// What `%{…}o` set for the fields after it.
    defaults: Flags,
    literal: Vec<u8>,
    segments: Vec<Segment>,
}

impl<'a> Parser<'a> {
    fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    fn literal(&mut self, c: char) {
        if c == ' ' && self.style == Style::Log {
            self.flush();
            self.segments.push(Segment::Space);
        } else {
            self.literal
                .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            self.segments
                .push(Segment::Text(std::mem::take(&mut self.literal).into()));
        }
    }

    /// Reads the field at the percent sign at `start`; returns where it ends.
    fn field(&mut self, start: usize) -> Result<usize, ParseError> {
        let mut at = start + 1;
        if self.rest(at).starts_with('%') {
            self.literal('%');
            return Ok(at + 1);
        }
        if self.rest(at).starts_with('(') {
            at = self.item_name(at)?;
        }
        let mut flags = self.defaults;
        if self.rest(at).starts_with('{') {
            (flags, at) = self.flags(at)?;
        }
        if self.rest(at).starts_with('[') {
            return self.expression(start, at, flags);
        }
        let rest = self.rest(at);
        let len = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let name = rest.get(..len).unwrap_or_default();
        if name.is_empty() {
            let end = at + rest.chars().next().map_or(0, char::len_utf8);
            return Err(ParseError::new(start..end, "there is no alias after `%`")
                .help("write `%%` for a percent sign"));
        }
        if name == "o" {
            self.defaults = flags;
            return Ok(at + len);
        }
        let Some(alias) = alias::find(name) else {
            if unsupported::is_alias(name) {
                let message = format!("log-format alias `{name}` is not supported yet");
                return Err(ParseError::new(at..at + len, message));
            }
            return Err(
                ParseError::new(at..at + len, format!("unknown log-format alias `{name}`"))
                    .help("write `%%` for a percent sign")
                    .suggest(did_you_mean(name, alias::aliases().map(|alias| alias.name))),
            );
        };
        self.flush();
        self.segments.push(Segment::Alias { alias, flags });
        Ok(at + len)
    }

    fn expression(&mut self, start: usize, at: usize, flags: Flags) -> Result<usize, ParseError> {
        let inner = at + 1;
        let (expr, used) =
            Expr::parse_prefix(self.rest(inner), self.scope).map_err(|error| error.shifted(inner))?;
        let end = inner + used;
        match self.rest(end).chars().next() {
            Some(']') => {}
            Some(c) => {
                let span = end..end + c.len_utf8();
                return Err(ParseError::new(
                    span,
                    format!("expected `]` after `{}`, found `{c}`", expr.text()),
                ));
            }
            None => {
                let message = format!("missing `]` after `{}`", expr.text());
                return Err(ParseError::new(start..end, message));
            }
        }
        self.flush();
        self.segments.push(Segment::Expr { expr, flags });
        Ok(end + 1)
    }

    /// `(name)`: names are for encodings, which `flags` refuses, so a name changes nothing.
    fn item_name(&self, open: usize) -> Result<usize, ParseError> {
        let Some(len) = self.rest(open).find(')') else {
            return Err(ParseError::new(
                open..self.text.len(),
                "missing `)` after the item's name",
            ));
        };
        let name = self.text.get(open + 1..open + len).unwrap_or_default();
        if let Some(colon) = name.find(':') {
            let span = open + 1 + colon..open + len;
            return Err(ParseError::new(
                span,
                "the type of a log-format item is not supported yet",
            ));
        }
        Ok(open + len + 1)
    }

    /// `{+Q,-E}`
    fn flags(&self, open: usize) -> Result<(Flags, usize), ParseError> {
        let Some(len) = self.rest(open).find('}') else {
            return Err(ParseError::new(
                open..self.text.len(),
                "missing `}` after the flags",
            ));
        };
        let inner = self.text.get(open + 1..open + len).unwrap_or_default();
        let mut flags = self.defaults;
        let mut at = open + 1;
        for part in inner.split(',') {
            // Signs without a comma between them are as good: `+Q+E`.
            let mut rest = part;
            while !rest.is_empty() {
                let span = at..at + rest.len();
                // A flag without a sign changes nothing: the format of `option tcplog clf` has one.
                let (sign, name) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
                    (Some(name), _) => (Some(true), name),
                    (_, Some(name)) => (Some(false), name),
                    _ => (None, rest),
                };
                let written = usize::from(sign.is_some());
                let len = name.find(['+', '-']).unwrap_or(name.len());
                let (name, next) = name.split_at_checked(len).unwrap_or((name, ""));
                match name {
                    "Q" => flags.quote = sign.unwrap_or(flags.quote),
                    "E" => flags.escape = sign.unwrap_or(flags.escape),
                    "X" => flags.hex = sign.unwrap_or(flags.hex),
                    "M" => flags.mandatory = sign.unwrap_or(flags.mandatory),
                    "bin" | "json" | "cbor" => {
                        return Err(ParseError::new(
                            span,
                            format!("log-format encoding `{name}` is not supported yet"),
                        ));
                    }
                    _ => {
                        return Err(ParseError::new(span, format!("unknown log-format flag `{name}`"))
                            .help("the flags are E, M, Q and X"));
                    }
                }
                at += written + len;
                rest = next;
            }
            at += 1;
        }
        Ok((flags, open + len + 1))
    }
}
