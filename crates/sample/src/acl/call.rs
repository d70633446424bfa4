//! `acl(name,!name,...)` in an expression: whether all of these ACLs match.

use super::line::{Acl, Verdict};
use super::set::AclSet;
use crate::did_you_mean::did_you_mean;
use crate::place::Places;
use crate::scope::{ExternalRunner, Scope};
use crate::session::Session;
use crate::value::Value;
use std::sync::Arc;

/// The ACLs that the arguments name.
#[derive(Debug)]
pub struct AclCall {
    terms: Box<[Term]>,
}

#[derive(Debug)]
struct Term {
    negated: bool,
    lines: Vec<Arc<Acl>>,
}

/// What is wrong with one of the names.
pub(crate) struct AclCallError {
    /// The argument's index.
    pub(crate) index: usize,
    /// What is wrong with it.
    pub(crate) message: String,
    /// The name that was probably meant.
    pub(crate) suggestion: Option<String>,
}

impl AclCall {
    /// Finds the ACLs. Those of a section are known in its rules; in an `acl` line, those before it are.
    pub(crate) fn new<'n>(
        names: impl IntoIterator<Item = &'n str>,
        scope: &Scope<'_>,
    ) -> Result<AclCall, AclCallError> {
        let none = AclSet::default();
        let acls = scope.acls.unwrap_or(&none);
        let term = |(index, text): (usize, &str)| {
            let name = text.trim_start_matches('!');
            let lines = acls.lines(name, scope).ok_or_else(|| AclCallError {
                index,
                message: format!("there is no ACL `{name}` here"),
                suggestion: did_you_mean(name, acls.names()).map(str::to_string),
            })?;
            Ok(Term {
                negated: (text.len() - name.len()) % 2 == 1,
                lines,
            })
        };
        let terms: Result<Vec<Term>, AclCallError> = names.into_iter().enumerate().map(term).collect();
        Ok(AclCall { terms: terms?.into() })
    }

    /// Whether all match; none while that depends on data that may still come.
    pub(crate) fn eval(&self, session: &dyn Session) -> Option<Value> {
        let mut all = Some(true);
        for term in &self.terms {
            let verdict = term.lines.iter().map(|acl| acl.test(session)).max();
            match term.said(verdict) {
                Some(false) => return Some(Value::Bool(false)),
                said => all = all.and(said),
            }
        }
        all.map(Value::Bool)
    }

    /// The same, waiting where it must.
    pub(crate) async fn eval_async(
        &self,
        session: &dyn Session,
        runner: &dyn ExternalRunner,
    ) -> Option<Value> {
        let mut all = Some(true);
        for term in &self.terms {
            let mut verdict = None;
            for acl in &term.lines {
                verdict = verdict.max(Some(acl.test_async(session, runner).await));
            }
            match term.said(verdict) {
                Some(false) => return Some(Value::Bool(false)),
                said => all = all.and(said),
            }
        }
        all.map(Value::Bool)
    }

    /// Whether one of them may have to wait.
    pub(crate) fn suspends(&self) -> bool {
        self.all().any(|acl| acl.expr().suspends())
    }

    /// Whether one of them calls a script.
    pub(crate) fn calls_script(&self) -> bool {
        self.all().any(|acl| acl.expr().calls_script())
    }

    /// Whether more data may change what they say.
    pub(crate) fn may_change(&self, session: &dyn Session) -> bool {
        self.all().any(|acl| acl.expr().may_change(session))
    }

    /// Where all of them have their data.
    pub(crate) fn places(&self) -> Places {
        self.all()
            .fold(Places::ALL, |places, acl| places.and(acl.expr().places()))
    }

    fn all(&self) -> impl Iterator<Item = &Acl> {
        self.terms.iter().flat_map(|term| &term.lines).map(|acl| &**acl)
    }
}

impl Term {
    fn said(&self, verdict: Option<Verdict>) -> Option<bool> {
        match verdict? {
            Verdict::Miss => None,
            verdict => Some((verdict == Verdict::Pass) != self.negated),
        }
    }
}
