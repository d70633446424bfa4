//! Rules that are evaluated in another order than written.

use crate::diag::{Diagnostic, Diagnostics, code};
use crate::source::Span;

/// When a kind of rule is evaluated, the first one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    TcpConnection,
    TcpSession,
    TcpContent,
    HttpRequest,
    Redirect,
    UseBackend,
}

impl Rank {
    fn name(self) -> &'static str {
        match self {
            Rank::TcpConnection => "tcp-request connection",
            Rank::TcpSession => "tcp-request session",
            Rank::TcpContent => "tcp-request content",
            Rank::HttpRequest => "http-request",
            Rank::Redirect => "redirect",
            Rank::UseBackend => "use_backend",
        }
    }
}

/// The kinds of rules that a section had so far, each with its first place.
#[derive(Debug, Default)]
pub(crate) struct Order {
    seen: Vec<(Rank, Span)>,
}

impl Order {
    /// Takes a rule in, and warns when one that is evaluated later stands before it.
    pub(crate) fn note(&mut self, rank: Rank, span: Span, diagnostics: &mut Diagnostics) {
        let later = self
            .seen
            .iter()
            .filter(|(known, _)| *known > rank)
            .min_by_key(|(known, _)| *known);
        if let Some((known, place)) = later {
            let message = format!(
                "this `{}` rule is evaluated before the `{}` rule above it",
                rank.name(),
                known.name()
            );
            diagnostics.push(
                Diagnostic::warning(code::RULE_ORDER, span, message)
                    .related(*place, "evaluated later")
                    .help("write the rules in the order of their evaluation"),
            );
        }
        if !self.seen.iter().any(|(known, _)| *known == rank) {
            self.seen.push((rank, span));
        }
    }
}
