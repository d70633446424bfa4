//! The lists of a configuration, by name: whatever names one twice shares it.

use super::entries::Entries;
use super::file::{self, FileFaults};
use super::index::Way;
use super::list::{List, ListKind};
use super::method::MatchMethod;
use super::name::{ListName, Origin};
use super::output::Output;
use super::view::View;
use crate::error::ParseError;
use crate::scope::{Files, Scope};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The lists of a configuration.
#[derive(Debug, Default)]
pub struct Lists {
    all: Mutex<BTreeMap<String, Loaded>>,
}

#[derive(Clone, Debug)]
struct Loaded {
    list: Arc<List>,
    /// The text of the file, to point into where it is found to be wrong.
    text: Bytes,
    /// How many there were before it.
    order: usize,
}

/// Why a list cannot be used.
#[derive(Clone, Debug)]
pub(crate) enum LoadError {
    /// In a sentence.
    Message(String),
    /// Its file is wrong in these places.
    File(Arc<FileFaults>),
}

impl Lists {
    /// The list of this name (with `virt@`, without other prefixes), if anything in the configuration uses it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<List>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(ListName::parse(name).name)
            .map(|loaded| Arc::clone(&loaded.list))
    }

    /// All lists, in the order in which the configuration named them first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<List>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<&Loaded> = all.values().collect();
        all.sort_by_key(|loaded| loaded.order);
        all.into_iter().map(|loaded| Arc::clone(&loaded.list)).collect()
    }

    fn open(&self, name: ListName<'_>, kind: ListKind, files: &dyn Files) -> Result<Loaded, LoadError> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = all.get(name.name) {
            return same_kind(loaded, kind).map(|()| loaded.clone());
        }
        let mut loaded = load(name, kind, files)?;
        loaded.order = all.len();
        all.insert(name.name.to_string(), loaded.clone());
        Ok(loaded)
    }
}

impl List {
    /// The list of a name, for whoever updates it.
    ///
    /// # Errors
    /// The list cannot be read, or is already used for the other kind.
    pub fn open(name: &str, kind: ListKind, scope: &Scope<'_>) -> Result<Arc<List>, ParseError> {
        loaded(name, kind, scope)
            .map(|loaded| loaded.list)
            .map_err(|error| ParseError::of_list(0..name.len(), error))
    }
}

/// A way to match the list of a name.
pub(crate) fn view(
    text: &str,
    kind: ListKind,
    (method, ignore_case): (MatchMethod, bool),
    output: Output,
    scope: &Scope<'_>,
) -> Result<View, LoadError> {
    let loaded = loaded(text, kind, scope)?;
    let way = Way { method, ignore_case };
    match loaded.list.match_by(way, output) {
        Ok(index) => Ok(View::new(loaded.list, index)),
        Err(faults) => Err(LoadError::File(file::faults(
            loaded.list.name(),
            loaded.text,
            faults,
        ))),
    }
}

/// A list of patterns that stand in the configuration itself, and a way to match it; or which of them is wrong.
pub(crate) fn inline(
    keys: &[Vec<u8>],
    method: MatchMethod,
    ignore_case: bool,
) -> Result<View, (usize, String)> {
    let list = List::new("", ListKind::Patterns, Entries::default());
    // An empty list can be matched in every way.
    let index = list
        .match_by(Way { method, ignore_case }, Output::Str)
        .unwrap_or(0);
    for (at, key) in keys.iter().enumerate() {
        list.add(key, None).map_err(|error| (at, error.to_string()))?;
    }
    Ok(View::new(Arc::new(list), index))
}

fn loaded(text: &str, kind: ListKind, scope: &Scope<'_>) -> Result<Loaded, LoadError> {
    let name = ListName::parse(text);
    if name.is_empty() {
        return Err(LoadError::Message("the name of the file is missing".to_string()));
    }
    match scope.lists {
        Some(lists) => lists.open(name, kind, scope.files),
        None => load(name, kind, scope.files),
    }
}

fn same_kind(loaded: &Loaded, kind: ListKind) -> Result<(), LoadError> {
    if loaded.list.kind() == kind {
        return Ok(());
    }
    let (is, wanted) = match kind {
        ListKind::Map => ("patterns alone", "a map"),
        ListKind::Patterns => ("a map", "patterns alone"),
    };
    let name = loaded.list.name();
    let message = format!("`{name}` is already used for {is}, and can't be {wanted} too");
    Err(LoadError::Message(message))
}

fn load(name: ListName<'_>, kind: ListKind, files: &dyn Files) -> Result<Loaded, LoadError> {
    let what = match kind {
        ListKind::Map => "map file",
        ListKind::Patterns => "pattern file",
    };
    let text = match name.origin {
        Origin::Virtual => Vec::new(),
        Origin::File | Origin::OptionalFile => match files.read(name.name) {
            Err(error) if name.origin == Origin::OptionalFile && error.kind() == io::ErrorKind::NotFound => {
                Vec::new()
            }
            Err(error) => {
                let message = format!("cannot read {what} `{}`: {error}", name.name);
                return Err(LoadError::Message(message));
            }
            Ok(text) => text,
        },
    };
    if u32::try_from(text.len()).is_err() {
        let message = format!("{what} `{}` is larger than 4 GiB", name.name);
        return Err(LoadError::Message(message));
    }
    let text = Bytes::from(text);
    let entries = file::read(text.clone(), kind);
    Ok(Loaded {
        list: Arc::new(List::new(name.name, kind, entries)),
        text,
        order: 0,
    })
}
