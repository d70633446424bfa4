//! Fetches: the table of all of them, one row each.

mod l4;

use crate::arg::{Arg, ArgSpec, Prepare};
use crate::scope::Places;
use crate::session::Session;
use crate::value::{Type, Value};
use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::LazyLock;

/// One fetch.
#[derive(Debug)]
pub struct FetchRow {
    /// The name in expressions.
    pub name: &'static str,
    /// The arguments.
    pub args: ArgSpec,
    /// The type of its sample.
    pub output: Type,
    /// Where its data can exist.
    pub places: Places,
    /// What it gives, in a line.
    pub doc: &'static str,
    pub(crate) prepare: Option<Prepare>,
    pub(crate) run: Run,
}

/// How a fetch gets its sample.
pub(crate) enum Run {
    /// One sample at most.
    One(One),
    /// Any number of samples: conditions look at each, expressions take the one that `one` chooses.
    Many { one: One, each: Each },
}

pub(crate) type One = fn(&dyn Session, &[Arg]) -> Option<Value>;
pub(crate) type Each = fn(&dyn Session, &[Arg], &mut dyn FnMut(Value) -> ControlFlow<()>) -> ControlFlow<()>;

impl Run {
    pub(crate) fn one(&self, session: &dyn Session, args: &[Arg]) -> Option<Value> {
        match self {
            Run::One(one) | Run::Many { one, .. } => one(session, args),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Run::One(_) => "One",
            Run::Many { .. } => "Many",
        })
    }
}

/// A row with one sample and no preparation.
pub(crate) const fn row(
    name: &'static str,
    args: ArgSpec,
    output: Type,
    places: Places,
    doc: &'static str,
    one: One,
) -> FetchRow {
    FetchRow {
        name,
        args,
        output,
        places,
        doc,
        prepare: None,
        run: Run::One(one),
    }
}

impl FetchRow {
    /// The same with its arguments prepared.
    pub(crate) const fn prepared(mut self, prepare: Prepare) -> FetchRow {
        self.prepare = Some(prepare);
        self
    }

    /// The same with many samples, of which the one so far is an expression's.
    pub(crate) const fn many(self, each: Each) -> FetchRow {
        let (Run::One(one) | Run::Many { one, .. }) = self.run;
        FetchRow {
            run: Run::Many { one, each },
            ..self
        }
    }
}

const TABLES: &[&[FetchRow]] = &[l4::ROWS];

/// All fetches, in the table's order.
pub fn all() -> impl Iterator<Item = &'static FetchRow> {
    TABLES.iter().copied().flatten()
}

/// The fetch of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static FetchRow> {
    static INDEX: LazyLock<HashMap<&str, &FetchRow>> =
        LazyLock::new(|| all().map(|row| (row.name, row)).collect());
    INDEX.get(name).copied()
}
