//! Log-format strings: text, aliases such as `%ci`, and expressions `%[…]`.

mod alias;
mod defaults;
mod encode;
mod out;
mod parse;

use alias::UNIQUE_ID;
pub use alias::{Alias, aliases};
pub use defaults::{CLF_FORMAT, HTTP_FORMAT, HTTPS_FORMAT, PREDEFINED, TCP_CLF_FORMAT, TCP_FORMAT};

use crate::error::ParseError;
use crate::expr::Expr;
use crate::scope::{ExternalRunner, Scope};
use crate::session::{Facts, Session};
use crate::value::Value;
use encode::{Encoder, Encoding, ItemType};
use out::{Flags, Out};
use std::cell::OnceCell;
use std::str::FromStr;

/// What a log-format string is for: the two differ in what absent values and spaces become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A log line: an absent value is `-`, spaces side by side are one, control characters are `#XX`.
    Log,
    /// A header's value, a body, a variable: spaces are kept, an absent value is empty, control characters
    /// are `%XX`, so that what a client sent cannot end the line it is put in.
    Text,
}

/// A parsed log-format string, ready to be evaluated by any thread.
#[derive(Debug)]
pub struct LogFormat {
    text: Box<str>,
    style: Style,
    /// The whole is a map of the named items.
    whole: Option<Encoding>,
    /// Bytes stay as they are.
    binary: bool,
    segments: Box<[Segment]>,
    suspends: bool,
    /// Nothing is encoded: text with fields in it, as nearly all are.
    is_plain: bool,
}

#[derive(Debug)]
enum Segment {
    Text(Box<[u8]>),
    /// Spaces of a log line.
    Space,
    Item(Item),
}

#[derive(Debug)]
struct Item {
    what: What,
    flags: Flags,
    name: Option<Box<str>>,
    kind: Option<ItemType>,
}

#[derive(Debug)]
enum What {
    Alias(&'static Alias),
    Expr(Expr),
}

impl What {
    fn suspends(&self) -> bool {
        match self {
            What::Alias(alias) => alias.name == UNIQUE_ID,
            What::Expr(expr) => expr.suspends(),
        }
    }
}

impl LogFormat {
    /// Parses a string for a header, a body or a variable.
    ///
    /// # Errors
    /// An unknown alias or flag, or an expression that [`Expr::parse`] refuses.
    pub fn parse(text: &str, scope: &Scope<'_>) -> Result<LogFormat, ParseError> {
        LogFormat::parse_as(Style::Text, text, scope)
    }

    /// Parses a string for a log line.
    ///
    /// # Errors
    /// As [`LogFormat::parse`].
    pub fn parse_log(text: &str, scope: &Scope<'_>) -> Result<LogFormat, ParseError> {
        LogFormat::parse_as(Style::Log, text, scope)
    }

    /// Parses a string of either style.
    ///
    /// # Errors
    /// As [`LogFormat::parse`].
    pub fn parse_as(style: Style, text: &str, scope: &Scope<'_>) -> Result<LogFormat, ParseError> {
        let parsed = parse::parse(style, text, scope)?;
        let suspends = parsed
            .segments
            .iter()
            .any(|segment| matches!(segment, Segment::Item(item) if item.what.suspends()));
        Ok(LogFormat {
            text: text.into(),
            style,
            whole: parsed.whole,
            binary: parsed.binary,
            is_plain: parsed.whole.is_none() && !has_encoding(&parsed.segments),
            segments: parsed.segments.into(),
            suspends,
        })
    }

    /// The string as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether evaluation may have to wait: then [`LogFormat::eval_into_async`] is the way.
    #[must_use]
    pub fn suspends(&self) -> bool {
        self.suspends
    }

    /// An alias that only HTTP frontends have values for, if the format has one.
    #[must_use]
    pub fn http_alias(&self) -> Option<&'static Alias> {
        self.aliases().find(|alias| alias.http)
    }

    /// Whether the format has the alias of this name.
    #[must_use]
    pub fn has_alias(&self, name: &str) -> bool {
        self.aliases().any(|alias| alias.name == name)
    }

    /// The constant that this format is, if it asks the session for nothing.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &*self.segments {
            _ if self.whole.is_some() => None,
            [] => Some(b""),
            [Segment::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the result to `into`. An expression that tries to wait gives no value here.
    pub fn eval_into(&self, into: &mut Vec<u8>, session: &dyn Session) {
        let facts = OnceCell::new();
        if self.is_plain {
            return self.eval_plain(into, session, &facts);
        }
        let mut writer = Writer::new(self, into);
        for segment in &self.segments {
            if let Some(item) = writer.text_or_item(segment) {
                match &item.what {
                    What::Alias(alias) => writer.alias(item, alias, session, &facts),
                    What::Expr(expr) => writer.value(item, expr.eval(session)),
                }
            }
        }
        writer.end();
    }

    fn eval_plain(&self, into: &mut Vec<u8>, session: &dyn Session, facts: &OnceCell<Facts>) {
        let mut out = Out::new(into, self.style);
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => out.literal(text),
                Segment::Space => out.space(),
                Segment::Item(Item { what, flags, .. }) => match what {
                    What::Alias(alias) => {
                        out.flags(*flags);
                        (alias.write)(&mut out, session, facts.get_or_init(|| session.facts()));
                    }
                    What::Expr(expr) if self.binary => out.binary(expr.eval(session), *flags),
                    What::Expr(expr) => out.value(expr.eval(session), *flags),
                },
            }
        }
    }

    /// As [`LogFormat::eval_into`], waiting where it must.
    pub async fn eval_into_async(
        &self,
        into: &mut Vec<u8>,
        session: &dyn Session,
        runner: &dyn ExternalRunner,
    ) {
        if !self.suspends {
            return self.eval_into(into, session);
        }
        let mut writer = Writer::new(self, into);
        for segment in &self.segments {
            if let Some(item) = writer.text_or_item(segment) {
                match &item.what {
                    // What a session says may change while a fetch waits, so facts are not kept across.
                    What::Alias(alias) => {
                        if alias.name == UNIQUE_ID {
                            // Made now, it is there when it is asked for.
                            session.unique_id_async(runner).await;
                        }
                        writer.alias(item, alias, session, &OnceCell::new());
                    }
                    What::Expr(expr) => writer.value(item, expr.eval_async(session, runner).await),
                }
            }
        }
        writer.end();
    }

    /// The result as a text sample.
    pub fn eval(&self, session: &dyn Session) -> Value {
        let mut text = Vec::new();
        self.eval_into(&mut text, session);
        Value::str(text)
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Item(item) => Some(item),
            Segment::Text(_) | Segment::Space => None,
        })
    }

    fn aliases(&self) -> impl Iterator<Item = &'static Alias> {
        self.items().filter_map(|item| match item.what {
            What::Alias(alias) => Some(alias),
            What::Expr(_) => None,
        })
    }
}

fn has_encoding(segments: &[Segment]) -> bool {
    segments
        .iter()
        .any(|segment| matches!(segment, Segment::Item(item) if item.flags.encoding.is_some()))
}

impl FromStr for LogFormat {
    type Err = ParseError;

    /// Parses as a text with no scripts' fetches and for any place.
    fn from_str(text: &str) -> Result<LogFormat, ParseError> {
        LogFormat::parse(text, &Scope::anywhere())
    }
}

/// Puts one result together: text with items in it, or a map of the items that have names.
struct Writer<'f, 'a> {
    format: &'f LogFormat,
    out: Out<'a>,
    named: usize,
}

impl<'f, 'a> Writer<'f, 'a> {
    fn new(format: &'f LogFormat, into: &'a mut Vec<u8>) -> Writer<'f, 'a> {
        let mut writer = Writer {
            format,
            out: Out::new(into, format.style),
            named: 0,
        };
        if let Some(whole) = format.whole {
            writer.encoder(whole).begin_map();
        }
        writer
    }

    /// Writes a text at once; an item is the caller's to ask the session for. A map holds named items only.
    fn text_or_item(&mut self, segment: &'f Segment) -> Option<&'f Item> {
        match segment {
            Segment::Item(item) => (self.format.whole.is_none() || item.name.is_some()).then_some(item),
            Segment::Text(_) | Segment::Space if self.format.whole.is_some() => None,
            Segment::Text(text) => {
                self.out.literal(text);
                None
            }
            Segment::Space => {
                self.out.space();
                None
            }
        }
    }

    fn alias(&mut self, item: &Item, alias: &Alias, session: &dyn Session, facts: &OnceCell<Facts>) {
        let facts = facts.get_or_init(|| session.facts());
        self.out.flags(item.flags);
        let Some(encoding) = self.encoding(item) else {
            return (alias.write)(&mut self.out, session, facts);
        };
        let mut written = Vec::new();
        let mut raw = Out::raw(&mut written, item.flags);
        (alias.write)(&mut raw, session, facts);
        let kind = raw.kind();
        self.encoder(encoding)
            .item(encode::Item::written(kind, &written), item.kind);
    }

    fn value(&mut self, item: &Item, value: Option<Value>) {
        match self.encoding(item) {
            Some(encoding) => self.encoder(encoding).value(value, item.kind),
            None if self.format.binary => self.out.binary(value, item.flags),
            None => self.out.value(value, item.flags),
        }
    }

    /// The encoding of an item, its name written.
    fn encoding(&mut self, item: &Item) -> Option<Encoding> {
        let Some(whole) = self.format.whole else {
            return item.flags.encoding;
        };
        let first = self.named == 0;
        self.named += 1;
        self.encoder(whole).key(item.name.as_deref()?, first);
        Some(whole)
    }

    fn end(mut self) {
        if let Some(whole) = self.format.whole {
            self.encoder(whole).end_map();
        }
    }

    fn encoder(&mut self, encoding: Encoding) -> Encoder<'_> {
        Encoder {
            into: self.out.bytes(),
            encoding,
            binary: self.format.binary,
        }
    }
}
