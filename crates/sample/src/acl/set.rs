//! The named ACLs of a section.

use super::condition::is_or;
use super::line::Acl;
use super::predefined;
use crate::error::{ParseError, WordError};
use crate::scope::Scope;
use std::collections::HashMap;
use std::sync::Arc;

/// Named ACLs. Lines of one name add up: the ACL matches if any of them does.
///
/// A condition takes the lines that its ACLs have when it is parsed, so declare them all first.
#[derive(Clone, Debug, Default)]
pub struct AclSet {
    named: HashMap<String, Vec<Arc<Acl>>>,
}

impl AclSet {
    /// Adds an `acl` line: its name, expression, flags and patterns. Gives what should be warned of.
    ///
    /// # Errors
    /// The name is missing, reserved or has a character that names cannot have, or [`Acl::parse`]'s.
    pub fn declare(&mut self, words: &[&str], scope: &Scope<'_>) -> Result<Vec<WordError>, WordError> {
        let Some((name, rest)) = words.split_first() else {
            return Err(ParseError::new(0..0, "missing the ACL's name").in_word(0));
        };
        check_name(name).map_err(|error| error.in_word(0))?;
        let shift = |error: WordError| WordError {
            word: error.word + 1,
            ..error
        };
        // Where it may be used depends on each condition that uses it.
        let scope = Scope {
            place: None,
            has_session: true,
            acls: Some(self),
            ..*scope
        };
        let (acl, warnings) = Acl::parse(rest, &scope).map_err(shift)?;
        self.named
            .entry((*name).to_string())
            .or_default()
            .push(Arc::new(acl));
        Ok(warnings.into_iter().map(shift).collect())
    }

    /// The lines of a declared or predefined ACL.
    pub(super) fn lines(&self, name: &str, scope: &Scope<'_>) -> Option<Vec<Arc<Acl>>> {
        if let Some(lines) = self.named.get(name) {
            return Some(lines.clone());
        }
        let scope = Scope {
            place: None,
            has_session: true,
            ..*scope
        };
        let (acl, _) = Acl::parse(predefined::find(name)?, &scope).ok()?;
        Some(vec![Arc::new(acl)])
    }

    /// All names that a condition may use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.named
            .keys()
            .map(String::as_str)
            .chain(predefined::PREDEFINED.iter().map(|(name, _)| *name))
    }
}

fn check_name(name: &str) -> Result<(), ParseError> {
    if is_or(name) {
        return Err(
            ParseError::new(0..name.len(), format!("`{name}` cannot be an ACL's name"))
                .help("it joins the terms of a condition"),
        );
    }
    let wrong = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
    if let Some(at) = name.find(wrong) {
        let c = name
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .unwrap_or_default();
        return Err(ParseError::new(
            at..at + c.len_utf8(),
            format!("character `{c}` in the ACL name `{name}`"),
        )
        .help("a name is made of letters, digits, `_`, `-`, `.` and `:`"));
    }
    Ok(())
}
