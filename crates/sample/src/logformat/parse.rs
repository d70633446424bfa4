//! Reads a log-format string.

use super::encode::{Encoding, ItemType};
use super::out::Flags;
use super::{Item, Segment, Style, What, alias};
use crate::did_you_mean::did_you_mean;
use crate::error::ParseError;
use crate::expr::Expr;
use crate::raw;
use crate::scope::Scope;

/// What a string says.
pub(super) struct Parsed {
    pub(super) whole: Option<Encoding>,
    pub(super) binary: bool,
    pub(super) segments: Vec<Segment>,
}

pub(super) fn parse(style: Style, text: &str, scope: &Scope<'_>) -> Result<Parsed, ParseError> {
    let mut parser = Parser {
        style,
        text,
        scope,
        defaults: Flags {
            mandatory: style == Style::Log,
            ..Flags::default()
        },
        whole: None,
        binary: false,
        bin: false,
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
    Ok(Parsed {
        whole: parser.whole,
        binary: parser.binary,
        segments: parser.segments,
    })
}

struct Parser<'a> {
    style: Style,
    text: &'a str,
    scope: &'a Scope<'a>,
    /// What `%{…}o` set for the fields after it.
    defaults: Flags,
    /// The encoding of the whole.
    whole: Option<Encoding>,
    binary: bool,
    /// Whether the flags that were read last have `bin`.
    bin: bool,
    literal: Vec<u8>,
    segments: Vec<Segment>,
}

/// What stands between the parentheses of `%(name:type)`.
#[derive(Default)]
struct Label {
    name: Option<Box<str>>,
    kind: Option<ItemType>,
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
            raw::push(c, &mut self.literal);
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
        let mut label = Label::default();
        if self.rest(at).starts_with('(') {
            (label, at) = self.label(at)?;
        }
        let mut flags = self.defaults;
        self.bin = self.binary;
        if self.rest(at).starts_with('{') {
            (flags, at) = self.flags(at)?;
        }
        if self.rest(at).starts_with('[') {
            let (expr, end) = self.expression(start, at)?;
            self.push(What::Expr(expr), flags, label);
            return Ok(end);
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
            self.options(flags);
            return Ok(at + len);
        }
        let Some(alias) = alias::find(name) else {
            return Err(
                ParseError::new(at..at + len, format!("unknown log-format alias `{name}`"))
                    .help("write `%%` for a percent sign")
                    .suggest(did_you_mean(name, alias::aliases().map(|alias| alias.name))),
            );
        };
        self.push(What::Alias(alias), flags, label);
        Ok(at + len)
    }

    fn push(&mut self, what: What, flags: Flags, label: Label) {
        self.flush();
        let Label { name, kind } = label;
        self.segments.push(Segment::Item(Item {
            what,
            flags,
            name,
            kind,
        }));
    }

    /// `%{…}o`: an encoding that is set before everything else is the whole's.
    fn options(&mut self, flags: Flags) {
        self.binary = self.bin;
        self.defaults = flags;
        let begins = self.literal.is_empty()
            && self
                .segments
                .iter()
                .all(|segment| matches!(segment, Segment::Space));
        if begins {
            self.whole = flags.encoding;
        }
    }

    fn expression(&mut self, start: usize, at: usize) -> Result<(Expr, usize), ParseError> {
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
        Ok((expr, end + 1))
    }

    /// `(name)` or `(name:type)`; either may be empty.
    fn label(&self, open: usize) -> Result<(Label, usize), ParseError> {
        let Some(len) = self.rest(open).find(')') else {
            return Err(ParseError::new(
                open..self.text.len(),
                "missing `)` after the item's name",
            ));
        };
        let inner = self.text.get(open + 1..open + len).unwrap_or_default();
        let (name, kind) = inner.split_once(':').map_or((inner, None), |(n, k)| (n, Some(k)));
        let kind = match kind {
            None | Some("") => None,
            Some(kind) => {
                let known = ItemType::NAMES.iter().find(|(name, _)| *name == kind);
                let span = open + 1 + name.len() + 1..open + len;
                Some(known.ok_or_else(|| {
                    ParseError::new(span, format!("unknown type `{kind}` of a log-format item"))
                        .help("the types are str, sint and bool")
                })?)
            }
        };
        let label = Label {
            name: (!name.is_empty()).then(|| name.into()),
            kind: kind.map(|(_, kind)| *kind),
        };
        Ok((label, open + len + 1))
    }

    /// `{+Q,-E}`
    fn flags(&mut self, open: usize) -> Result<(Flags, usize), ParseError> {
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
                    // It counts for the whole only: `%{+bin}o`.
                    "bin" => self.bin = sign.unwrap_or(self.bin),
                    "json" => switch(&mut flags.encoding, Encoding::Json, sign),
                    "cbor" => switch(&mut flags.encoding, Encoding::Cbor, sign),
                    _ => {
                        return Err(ParseError::new(span, format!("unknown log-format flag `{name}`"))
                            .help("the flags are E, M, Q, X, bin, cbor and json"));
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

fn switch(encoding: &mut Option<Encoding>, named: Encoding, sign: Option<bool>) {
    match sign {
        Some(true) => *encoding = Some(named),
        Some(false) if *encoding == Some(named) => *encoding = None,
        _ => {}
    }
}
