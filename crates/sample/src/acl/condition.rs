//! Conditions: `if` or `unless`, and ACLs joined by `or` and, side by side, by and.

use super::line::{Acl, Verdict};
use super::set::AclSet;
use crate::did_you_mean::did_you_mean;
use crate::error::{ParseError, WordError};
use crate::place::Place;
use crate::scope::{ExternalRunner, Scope};
use crate::session::Session;
use std::sync::Arc;

/// Whether a condition is asked to hold or not to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// `if`
    If,
    /// `unless`
    Unless,
}

/// A parsed condition, ready to be tested by any thread.
#[derive(Debug)]
pub struct Condition {
    polarity: Polarity,
    any_of: Box<[Box<[Term]>]>,
    suspends: bool,
    warnings: Vec<WordError>,
}

#[derive(Debug)]
struct Term {
    negated: bool,
    lines: Vec<Arc<Acl>>,
}

impl Condition {
    /// Parses a condition from its words, `if` or `unless` the first.
    ///
    /// # Errors
    /// The words are not a condition, name an unknown ACL, or an ACL cannot be used in the scope's place.
    pub fn parse(words: &[&str], acls: &AclSet, scope: &Scope<'_>) -> Result<Condition, WordError> {
        let polarity = match words.first().copied() {
            Some("if") => Polarity::If,
            Some("unless") => Polarity::Unless,
            Some(other) => {
                return Err(ParseError::new(
                    0..other.len(),
                    format!("expected a condition, found `{other}`"),
                )
                .help("a condition begins with `if` or `unless`")
                .suggest(did_you_mean(other, ["if", "unless"]))
                .in_word(0));
            }
            None => return Err(ParseError::new(0..0, "missing a condition").in_word(0)),
        };
        let mut parser = Parser {
            words,
            at: 1,
            acls,
            scope,
            warnings: Vec::new(),
        };
        let any_of = parser.any_of()?;
        let suspends = any_of
            .iter()
            .flatten()
            .flat_map(|term| &term.lines)
            .any(|acl| acl.expr().suspends());
        Ok(Condition {
            polarity,
            any_of: any_of.into(),
            suspends,
            warnings: parser.warnings,
        })
    }

    /// `if` or `unless`.
    #[must_use]
    pub fn polarity(&self) -> Polarity {
        self.polarity
    }

    /// Whether testing may have to wait: then the `_async` methods are the way.
    #[must_use]
    pub fn suspends(&self) -> bool {
        self.suspends
    }

    /// What parsing found that is allowed but hardly meant.
    #[must_use]
    pub fn warnings(&self) -> &[WordError] {
        &self.warnings
    }

    /// Whether the condition holds now. An ACL that suspends does not match here.
    pub fn eval(&self, session: &dyn Session) -> bool {
        self.test(session) == Verdict::Pass
    }

    /// Tests the condition; [`Verdict::Miss`] asks to come back when more data came.
    pub fn test(&self, session: &dyn Session) -> Verdict {
        let mut best = Verdict::Fail;
        for all_of in &self.any_of {
            let mut worst = Verdict::Pass;
            for term in all_of {
                worst = worst.min(term.test(session));
                if worst == Verdict::Fail {
                    break;
                }
            }
            best = best.max(worst);
            if best == Verdict::Pass {
                break;
            }
        }
        self.polarized(best)
    }

    /// As [`Condition::eval`], waiting where it must.
    pub async fn eval_async(&self, session: &dyn Session, runner: &dyn ExternalRunner) -> bool {
        self.test_async(session, runner).await == Verdict::Pass
    }

    /// As [`Condition::test`], waiting where it must.
    pub async fn test_async(&self, session: &dyn Session, runner: &dyn ExternalRunner) -> Verdict {
        if !self.suspends {
            return self.test(session);
        }
        let mut best = Verdict::Fail;
        for all_of in &self.any_of {
            let mut worst = Verdict::Pass;
            for term in all_of {
                worst = worst.min(term.test_async(session, runner).await);
                if worst == Verdict::Fail {
                    break;
                }
            }
            best = best.max(worst);
            if best == Verdict::Pass {
                break;
            }
        }
        self.polarized(best)
    }

    fn polarized(&self, verdict: Verdict) -> Verdict {
        match self.polarity {
            Polarity::If => verdict,
            Polarity::Unless => negated(verdict),
        }
    }
}

impl Term {
    fn test(&self, session: &dyn Session) -> Verdict {
        let mut best = Verdict::Fail;
        for acl in &self.lines {
            best = best.max(acl.test(session));
            if best == Verdict::Pass {
                break;
            }
        }
        if self.negated { negated(best) } else { best }
    }

    async fn test_async(&self, session: &dyn Session, runner: &dyn ExternalRunner) -> Verdict {
        let mut best = Verdict::Fail;
        for acl in &self.lines {
            best = best.max(acl.test_async(session, runner).await);
            if best == Verdict::Pass {
                break;
            }
        }
        if self.negated { negated(best) } else { best }
    }
}

fn negated(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Pass => Verdict::Fail,
        Verdict::Miss => Verdict::Miss,
        Verdict::Fail => Verdict::Pass,
    }
}

/// Whether a word joins the terms of a condition.
pub(super) fn is_or(word: &str) -> bool {
    word == "||" || word.eq_ignore_ascii_case("or")
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
    acls: &'a AclSet,
    scope: &'a Scope<'a>,
    warnings: Vec<WordError>,
}

impl Parser<'_> {
    fn any_of(&mut self) -> Result<Vec<Box<[Term]>>, WordError> {
        let mut any_of = Vec::new();
        let mut all_of = Vec::new();
        loop {
            match self.words.get(self.at) {
                None if all_of.is_empty() => return Err(self.missing_term()),
                Some(word) if is_or(word) && all_of.is_empty() => return Err(self.missing_term()),
                None => {
                    any_of.push(all_of.into());
                    return Ok(any_of);
                }
                Some(word) if is_or(word) => {
                    any_of.push(std::mem::take(&mut all_of).into());
                    self.at += 1;
                }
                Some(_) => all_of.push(self.term()?),
            }
        }
    }

    fn missing_term(&self) -> WordError {
        match self.words.get(self.at) {
            Some(word) => {
                ParseError::new(0..word.len(), format!("there is nothing before `{word}`")).in_word(self.at)
            }
            None => {
                let last = self.words.get(self.at - 1).copied().unwrap_or_default();
                ParseError::new(0..last.len(), format!("there is no ACL after `{last}`")).in_word(self.at - 1)
            }
        }
    }

    fn term(&mut self) -> Result<Term, WordError> {
        let mut negated = false;
        loop {
            let Some(&word) = self.words.get(self.at) else {
                return Err(self.missing_term());
            };
            let name = word.trim_start_matches('!');
            let marks = word.len() - name.len();
            negated ^= marks % 2 == 1;
            if name.is_empty() {
                self.at += 1;
                continue;
            }
            let at = self.at;
            let lines = if name == "{" {
                self.anonymous()?
            } else {
                self.named(name, marks)?
            };
            for acl in &lines {
                self.check(acl, at)?;
            }
            return Ok(Term { negated, lines });
        }
    }

    fn named(&mut self, name: &str, offset: usize) -> Result<Vec<Arc<Acl>>, WordError> {
        let at = self.at;
        self.at += 1;
        if let Some(lines) = self.acls.lines(name, self.scope) {
            return Ok(lines);
        }
        let span = offset..offset + name.len();
        let error = ParseError::new(span, format!("no such ACL: `{name}`"));
        Err(match name {
            "if" | "unless" => error.help("a rule has one condition; `!` before an ACL negates it"),
            "and" | "&&" => error.help("ACLs side by side are joined by and: leave it out"),
            _ if name.starts_with('{') => error.help("put a space after the brace"),
            _ => error.suggest(did_you_mean(name, self.acls.names()).map(str::to_string)),
        }
        .in_word(at))
    }

    fn anonymous(&mut self) -> Result<Vec<Arc<Acl>>, WordError> {
        let open = self.at;
        let inner = self.words.get(open + 1..).unwrap_or_default();
        let Some(len) = inner.iter().position(|word| *word == "}") else {
            let len = self.words.get(open).map_or(0, |word| word.len());
            return Err(ParseError::new(0..len, "missing closing `}` in the condition").in_word(open));
        };
        self.at = open + len + 2;
        let shift = |error: WordError| WordError {
            word: error.word + open + 1,
            ..error
        };
        let scope = Scope {
            place: None,
            has_session: true,
            acls: Some(self.acls),
            ..*self.scope
        };
        let (acl, warnings) = Acl::parse(inner.get(..len).unwrap_or_default(), &scope).map_err(shift)?;
        self.warnings.extend(warnings.into_iter().map(shift));
        Ok(vec![Arc::new(acl)])
    }

    /// Whether the place can have what the ACL asks for.
    fn check(&self, acl: &Acl, at: usize) -> Result<(), WordError> {
        let len = self.words.get(at).map_or(0, |word| word.len());
        let place: Option<Place> = self.scope.place;
        match place.map(|place| acl.expr().check(place, self.scope.has_session)) {
            Some(Err(error)) => Err(ParseError {
                span: 0..len,
                ..error
            }
            .in_word(at)),
            _ => Ok(()),
        }
    }
}
