//! One way to match a list.

use super::entries::Entry;
use super::index::ValueAt;
use super::list::{List, ListKind};
use super::listed::Listed;
use super::method::MatchMethod;
use super::output::Output;
use crate::data::Data;
use crate::error::ParseError;
use crate::scope::Scope;
use crate::value::Value;
use pcre2::bytes::Regex;
use std::sync::Arc;

/// A list and one way to match it, for any thread.
#[derive(Clone, Debug)]
pub struct View {
    list: Arc<List>,
    index: usize,
}

impl View {
    pub(super) fn new(list: Arc<List>, index: usize) -> View {
        View { list, index }
    }

    /// The list of a name and a way to match it, for whoever is not an expression.
    ///
    /// # Errors
    /// The list cannot be read, or something in it is no pattern for the method.
    pub fn open(
        name: &str,
        kind: ListKind,
        method: MatchMethod,
        ignore_case: bool,
        scope: &Scope<'_>,
    ) -> Result<View, ParseError> {
        super::view(name, kind, (method, ignore_case), Output::Str, scope)
            .map_err(|error| ParseError::of_list(0..name.len(), error))
    }

    /// The entry that a value matches now.
    #[must_use]
    pub fn look_up(&self, value: Value) -> Option<Listed> {
        let snapshot = self.list.current();
        let index = snapshot.indexes.get(self.index)?;
        let slot = index.find_any(value, &snapshot.entries)?;
        snapshot.entries.get(slot).map(Listed::of)
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &Arc<List> {
        &self.list
    }

    /// Whether a value that has the method's type matches a pattern now.
    pub(crate) fn matches(&self, value: &Value) -> bool {
        let snapshot = self.list.current();
        let index = snapshot.indexes.get(self.index);
        index.is_some_and(|index| index.find(value, &snapshot.entries).is_some())
    }

    /// Hands the entry that a value matches now to `then`, with its regular expression if it is one.
    pub(crate) fn find<T>(&self, value: &Value, then: impl FnOnce(&Entry, Option<&Regex>) -> T) -> Option<T> {
        let snapshot = self.list.current();
        let hit = snapshot.indexes.get(self.index)?.find(value, &snapshot.entries)?;
        Some(then(snapshot.entries.get(hit.slot)?, hit.regex))
    }

    /// The value of the entry that a value matches now. The entry itself is not looked at where the index knows that.
    pub(crate) fn value(&self, value: &Value) -> Option<Data> {
        let snapshot = self.list.current();
        match snapshot
            .indexes
            .get(self.index)?
            .find_value(value, &snapshot.entries)?
        {
            ValueAt::Known(value) => Some(value),
            ValueAt::Entry(slot) => Some(snapshot.entries.get(slot)?.value_data()),
        }
    }
}
