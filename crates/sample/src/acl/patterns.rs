//! The patterns of an ACL line: those of its files, and those that stand in it.

use super::version;
use crate::cast::cast;
use crate::error::{ParseError, WordError};
use crate::pattern::{self, ListKind, MatchMethod, Output, View};
use crate::raw;
use crate::scope::Scope;
use crate::userlist::UserList;
use crate::value::Value;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What an ACL line's values are compared with.
#[derive(Debug)]
pub(super) struct Patterns {
    method: MatchMethod,
    views: Vec<View>,
    /// What is in the only view, if that is one range that stands in the line itself: it never changes.
    range: Option<RangeInclusive<i64>>,
    /// The values are users of this list, and their groups are what is compared.
    groups: Option<Arc<UserList>>,
}

impl Patterns {
    pub(super) fn new(method: MatchMethod) -> Patterns {
        Patterns {
            method,
            views: Vec::new(),
            range: None,
            groups: None,
        }
    }

    /// Compares the groups of users instead of their names.
    pub(super) fn of_groups(&mut self, list: Option<&Arc<UserList>>) {
        self.groups = list.cloned();
    }

    /// Adds the patterns of a file: its lines, or the first word of each line if it is a map.
    pub(super) fn file(
        &mut self,
        name: &str,
        map: bool,
        ignore_case: bool,
        scope: &Scope<'_>,
    ) -> Result<(), ParseError> {
        let kind = if map { ListKind::Map } else { ListKind::Patterns };
        let way = (self.method, ignore_case);
        let view = pattern::view(name, kind, way, Output::Str, scope)
            .map_err(|error| ParseError::of_list(0..name.len(), error))?;
        self.views.push(view);
        Ok(())
    }

    /// Adds the patterns that stand in the line itself, where integers may have operators before them and be written
    /// as versions.
    pub(super) fn words(
        &mut self,
        words: &[&str],
        ignore_case: bool,
        versions: bool,
    ) -> Result<(), WordError> {
        let fault = |word: usize, message: String| {
            let len = words.get(word).map_or(0, |word| word.len());
            ParseError::new(0..len, message).in_word(word)
        };
        let mut keys = Vec::new();
        let mut places = Vec::new();
        let mut operator = None;
        for (at, word) in words.iter().enumerate() {
            if matches!(self.method, MatchMethod::Int | MatchMethod::Len) {
                if let Some(named) = Operator::named(word) {
                    operator = Some(named);
                    continue;
                }
                let number = match versions {
                    true => version::as_number(word).map_err(|message| fault(at, message))?,
                    false => None,
                };
                let word = number.as_deref().unwrap_or(word);
                let Some(key) = operated(word, operator).map_err(|message| fault(at, message))? else {
                    continue;
                };
                keys.push(key.into_bytes());
            } else {
                keys.push(raw::decoded(word).into_owned());
            }
            places.push(at);
        }
        if !keys.is_empty() {
            let view = pattern::inline(&keys, self.method, ignore_case)
                .map_err(|(at, message)| fault(places.get(at).copied().unwrap_or(0), message))?;
            if let ([key], MatchMethod::Int, true) = (keys.as_slice(), self.method, self.views.is_empty()) {
                self.range = pattern::range(key).ok();
            }
            self.views.push(view);
        }
        Ok(())
    }

    /// Whether nothing can match: no pattern, and a method that needs one.
    pub(super) fn never_match(&self) -> bool {
        self.views.is_empty() && !matches!(self.method, MatchMethod::Found | MatchMethod::Bool)
    }

    /// Whether a value matches.
    pub(super) fn matches(&self, value: Value) -> bool {
        if let (Some(range), Value::Int(int)) = (&self.range, &value) {
            return range.contains(int);
        }
        let Some(value) = cast(value, self.method.input()) else {
            return false;
        };
        if let (Some(list), Value::Str(user)) = (&self.groups, &value) {
            let is_wanted = |group: &[u8]| {
                let group = Value::str(group);
                self.views.iter().any(|view| view.matches(&group))
            };
            return list.groups(user).any(is_wanted);
        }
        match self.method {
            MatchMethod::Found => true,
            MatchMethod::Bool => value == Value::Bool(true),
            _ => self.views.iter().any(|view| view.matches(&value)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
}

impl Operator {
    fn named(word: &str) -> Option<Operator> {
        Some(match word {
            "eq" => Operator::Eq,
            "ge" => Operator::Ge,
            "gt" => Operator::Gt,
            "le" => Operator::Le,
            "lt" => Operator::Lt,
            _ => return None,
        })
    }
}

/// The range that an integer stands for after an operator; none if no integer is in it.
fn operated(word: &str, operator: Option<Operator>) -> Result<Option<String>, String> {
    let Some(operator) = operator.filter(|operator| *operator != Operator::Eq) else {
        return Ok(Some(word.to_string()));
    };
    let Some(int) = pattern::number(word) else {
        return Err(match word.contains(':') {
            true => format!("`{word}` is a range, which takes no operator but `eq`"),
            false => format!("`{word}` is not a number"),
        });
    };
    Ok(match operator {
        Operator::Eq => Some(word.to_string()),
        Operator::Ge => Some(format!("{int}:")),
        Operator::Le => Some(format!(":{int}")),
        // Nothing is past the last integer.
        Operator::Gt => int.checked_add(1).map(|low| format!("{low}:")),
        Operator::Lt => int.checked_sub(1).map(|high| format!(":{high}")),
    })
}
