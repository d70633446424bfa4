//! Log-format strings: text, aliases such as `%ci`, and expressions `%[…]`.

mod alias;
mod defaults;
mod out;
mod parse;

pub use alias::{Alias, aliases};
pub use defaults::{CLF_FORMAT, HTTP_FORMAT, HTTPS_FORMAT, PREDEFINED, TCP_CLF_FORMAT, TCP_FORMAT};

use crate::error::ParseError;
use crate::expr::Expr;
use crate::scope::{ExternalRunner, Scope};
use crate::session::{Facts, Session};
use crate::value::Value;
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
    segments: Box<[Segment]>,
    suspends: bool,
}

#[derive(Debug)]
enum Segment {
    Text(Box<[u8]>),
    /// Spaces of a log line.
    Space,
    Alias {
        alias: &'static Alias,
        flags: Flags,
    },
    Expr {
        expr: Expr,
        flags: Flags,
    },
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
        let segments = parse::segments(style, text, scope)?;
        let suspends = segments
            .iter()
            .any(|segment| matches!(segment, Segment::Expr { expr, .. } if expr.suspends()));
        Ok(LogFormat {
            text: text.into(),
            style,
            segments: segments.into(),
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
        self.segments.iter().find_map(|segment| match segment {
            Segment::Alias { alias, .. } if alias.http => Some(*alias),
            _ => None,
        })
    }

    /// The constant that this format is, if it asks the session for nothing.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &*self.segments {
            [] => Some(b""),
            [Segment::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the result to `into`. An expression that suspends gives no value here.
    pub fn eval_into(&self, into: &mut Vec<u8>, session: &dyn Session) {
        let mut out = Out::new(into, self.style);
        let facts = OnceCell::new();
        for segment in &self.segments {
            match segment {
                Segment::Expr { expr, flags } => out.value(expr.eval(session), *flags),
                other => other.write(&mut out, session, &facts),
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
        // What a session says may change while a fetch waits, so facts are not kept across.
        let mut out = Out::new(into, self.style);
        for segment in &self.segments {
            match segment {
                Segment::Expr { expr, flags } => {
                    out.value(expr.eval_async(session, runner).await, *flags);
                }
                other => other.write(&mut out, session, &OnceCell::new()),
            }
        }
    }

    /// The result as a text sample.
    pub fn eval(&self, session: &dyn Session) -> Value {
        let mut text = Vec::new();
        self.eval_into(&mut text, session);
        Value::str(text)
    }
}

impl Segment {
    fn write(&self, out: &mut Out<'_>, session: &dyn Session, facts: &OnceCell<Facts>) {
        match self {
            Segment::Text(text) => out.literal(text),
            Segment::Space => out.space(),
            Segment::Alias { alias, flags } => {
                let facts = facts.get_or_init(|| session.facts());
                out.flags(*flags);
                (alias.write)(out, session, facts);
            }
            Segment::Expr { .. } => {}
        }
    }
}

impl FromStr for LogFormat {
    type Err = ParseError;

    /// Parses as a text with no scripts' fetches and for any place.
    fn from_str(text: &str) -> Result<LogFormat, ParseError> {
        LogFormat::parse(text, &Scope::anywhere())
    }
}
