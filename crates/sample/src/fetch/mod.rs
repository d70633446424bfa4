//! Fetches: the table of all of them, one row each.

mod auth;
mod capture;
mod certificate;
mod connection;
mod constant;
mod cookie;
mod counters;
mod distcc;
mod dump;
mod header;
mod hello;
mod internal;
mod l4;
mod payload;
mod rdp;
mod reader;
mod request;
mod response;
mod settings;
mod stick;
mod tls;
mod tls_seen;
mod unserved;
mod url_param;

pub use connection::connection_error;
pub(crate) use hello::{client_hello, extension};
pub(crate) use unserved::reason as unserved_reason;
pub use unserved::unserved;

pub(crate) use request::{http_version, uri_without_query};

use crate::arg::{Arg, ArgSpec, Prepare};
use crate::place::Places;
use crate::scope::{ExternalRunner, LocalBoxFuture, LongWork};
use crate::session::{Session, Way};
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
    /// Whether a value now may be another one when more data came; `None`: never.
    pub(crate) changes: Option<Changes>,
    pub(crate) prepare: Option<Prepare>,
    pub(crate) run: Run,
}

/// How a fetch gets its sample.
pub(crate) enum Run {
    /// One sample at most.
    One(One),
    /// Any number of samples: conditions look at each, expressions take the one that `one` chooses.
    Many { one: One, each: Each },
    /// One sample at most, for which much may have to be computed: `begin` leaves that to whoever can wait.
    Long { one: One, begin: Begin },
    /// One sample at most, which whoever can wait gets from `wait`.
    Waiting { one: One, wait: Wait },
}

/// How far a fetch came without computing for long.
pub(crate) enum Begun {
    /// This is the sample, if there is one.
    Known(Option<Value>),
    /// This gives it.
    Work(LongWork),
}

pub(crate) type Changes = fn(&dyn Session, &[Arg]) -> bool;
pub(crate) type Begin = fn(&dyn Session, &[Arg]) -> Begun;
pub(crate) type Wait =
    for<'a> fn(&'a dyn Session, &'a dyn ExternalRunner) -> LocalBoxFuture<'a, Option<Value>>;
pub(crate) type One = fn(&dyn Session, &[Arg]) -> Option<Value>;
pub(crate) type Each = fn(&dyn Session, &[Arg], &mut dyn FnMut(Value) -> ControlFlow<()>) -> ControlFlow<()>;

impl Run {
    pub(crate) fn one(&self, session: &dyn Session, args: &[Arg]) -> Option<Value> {
        self.of_one()(session, args)
    }

    const fn of_one(&self) -> One {
        match self {
            Run::One(one) | Run::Many { one, .. } | Run::Long { one, .. } | Run::Waiting { one, .. } => *one,
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Run::One(_) => "One",
            Run::Many { .. } => "Many",
            Run::Long { .. } => "Long",
            Run::Waiting { .. } => "Waiting",
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
        changes: None,
        prepare: None,
        run: Run::One(one),
    }
}

impl FetchRow {
    /// Whether the value may be another one once more has come.
    pub(crate) fn may_change(&self, session: &dyn Session, args: &[Arg]) -> bool {
        match self.changes {
            Some(changes) => changes(session, args),
            None => self.reads_request(session.way()) && session.request().is_none(),
        }
    }

    /// Whether it is asked of a request of HTTP, with which a client of TCP may begin too.
    fn reads_request(&self, way: Way) -> bool {
        self.places == places::REQUEST || way == Way::Request && self.places == places::EITHER
    }

    /// The same with its arguments prepared.
    pub(crate) const fn prepared(mut self, prepare: Prepare) -> FetchRow {
        self.prepare = Some(prepare);
        self
    }

    /// The same with a value that changes while data comes in.
    pub(crate) const fn volatile(self) -> FetchRow {
        self.volatile_while(|_, _| true)
    }

    /// The same with a value that changes for as long as this holds.
    pub(crate) const fn volatile_while(mut self, changes: Changes) -> FetchRow {
        self.changes = Some(changes);
        self
    }

    /// The same with many samples, of which the one so far is an expression's.
    pub(crate) const fn many(self, each: Each) -> FetchRow {
        FetchRow {
            run: Run::Many {
                one: self.run.of_one(),
                each,
            },
            ..self
        }
    }

    /// The same where whoever can wait begins like this.
    pub(crate) const fn long(self, begin: Begin) -> FetchRow {
        FetchRow {
            run: Run::Long {
                one: self.run.of_one(),
                begin,
            },
            ..self
        }
    }

    /// The same where whoever can wait gets the sample like this.
    pub(crate) const fn waiting(self, wait: Wait) -> FetchRow {
        FetchRow {
            run: Run::Waiting {
                one: self.run.of_one(),
                wait,
            },
            ..self
        }
    }
}

const TABLES: &[&[FetchRow]] = &[
    l4::ROWS,
    request::ROWS,
    url_param::ROWS,
    header::ROWS,
    cookie::ROWS,
    auth::ROWS,
    payload::ROWS,
    tls::ROWS,
    tls_seen::BOTH,
    tls_seen::SECRETS,
    tls_seen::ROWS,
    certificate::CLIENT,
    certificate::OWN,
    certificate::SERVER,
    certificate::NAMES,
    certificate::WHOLE,
    rdp::ROWS,
    distcc::ROWS,
    response::ROWS,
    capture::ROWS,
    internal::ROWS,
    dump::ROWS,
    counters::ROWS,
    settings::ROWS,
    connection::ROWS,
    stick::TRACKED,
    stick::ARRAYS,
    stick::KEYS,
    stick::SOURCE,
    stick::TABLES,
    constant::ROWS,
];

/// Where the data of each source can exist; columns as in [`Place::ALL`](crate::Place::ALL).
mod places {
    use crate::place::Places;

    pub(super) const ANYWHERE: Places = Places::ALL;
    pub(super) const PROCESS: Places = Places::columns(b"YYYYYYYYYYYYYYYYYYYY.Y");
    pub(super) const CLIENT: Places = Places::columns(b"YYYYYYYYYYYYYYYYYYYY..");
    pub(super) const SESSION: Places = Places::columns(b".YYYYYYYYYYYYYYYYYY...");
    pub(super) const FRONTEND: Places = Places::columns(b"YYYYYYYYYYYYYYYYYYY...");
    pub(super) const BACKEND: Places = Places::columns(b"......YYYYYYYYYYYYYY..");
    pub(super) const SERVER: Places = Places::columns(b"..........YYYYYYYYYY..");
    pub(super) const SERVER_SIDE: Places = Places::columns(b"...........YYYYYYYYY..");
    pub(super) const REQUEST: Places = Places::columns(b"..YYYYYYYYY...........");
    pub(super) const REQUEST_KEPT: Places = Places::columns(b"..YYYYYYYYYYYYYYYYY...");
    pub(super) const EITHER: Places = Places::columns(b"..YYYYYYYYYYYYYYYY.Y..");
    pub(super) const RESPONSE: Places = Places::columns(b"...........YYYYYYY.Y..");
    pub(super) const RESPONSE_END: Places = Places::columns(b".........YYYYYYYYYY...");
}

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
