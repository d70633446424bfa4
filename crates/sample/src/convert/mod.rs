//! Converters: the table of all of them, one row each.

mod aes;
mod capture;
mod control;
mod date;
mod digest;
mod encode;
mod figure;
mod fix;
mod forwarded;
mod hash;
mod json;
pub(crate) mod json_query;
pub(crate) mod jwt;
mod language;
pub(crate) mod map;
mod mqtt;
mod number;
mod packet;
mod protobuf;
pub(crate) mod regsub;
mod stick;
mod string;
mod variable;
mod x509;

pub use crate::hash::crc32c;
pub use crate::unsupported::unserved;
pub(crate) use x509::VERIFY_ERRORS;

use crate::arg::{Arg, ArgSpec, Bind, Prepare};
use crate::cast::{self, cast};
use crate::data::Data;
use crate::session::Session;
use crate::value::{Type, Value};
pub use jwt::algorithms::TokenAlgorithms;
pub use jwt::store::{TokenCertificate, offer_certificates};
use std::collections::HashMap;
use std::sync::LazyLock;

/// One converter.
#[derive(Debug)]
pub struct ConverterRow {
    /// The name in expressions.
    pub name: &'static str,
    /// The arguments.
    pub args: ArgSpec,
    /// The type that it takes; others are cast to it.
    pub input: Type,
    /// The type that it gives.
    pub output: Type,
    /// What it does, in a line.
    pub doc: &'static str,
    pub(crate) prepare: Option<Prepare>,
    pub(crate) bind: Option<Bind>,
    pub(crate) map: Option<map::Lookup>,
    run: Convert,
}

pub(crate) type Convert = fn(&dyn Session, &[Arg], Value) -> Option<Value>;

impl ConverterRow {
    pub(crate) fn apply(&self, session: &dyn Session, args: &[Arg], input: Value) -> Option<Value> {
        (self.run)(session, args, cast(input, self.input)?)
    }

    /// Whether it looks values up in a map.
    pub(crate) fn is_map(&self) -> bool {
        self.map.is_some()
    }

    /// The same with its arguments prepared.
    pub(crate) const fn prepared(mut self, prepare: Prepare) -> ConverterRow {
        self.prepare = Some(prepare);
        self
    }

    /// The same with its arguments bound to what is known where it is used.
    pub(crate) const fn bound(mut self, bind: Bind) -> ConverterRow {
        self.bind = Some(bind);
        self
    }
}

pub(crate) const fn row(
    name: &'static str,
    args: ArgSpec,
    input: Type,
    output: Type,
    doc: &'static str,
    run: Convert,
) -> ConverterRow {
    ConverterRow {
        name,
        args,
        input,
        output,
        doc,
        prepare: None,
        bind: None,
        map: None,
        run,
    }
}

/// What a converter makes of a text whose length is multiplied by that of its arguments, at most: there is no sample instead of
/// more, as scripts choose both.
pub(crate) const MADE_BYTES_MAX: usize = 1 << 26;

const TABLES: &[&[ConverterRow]] = &[
    string::ROWS,
    number::ROWS,
    encode::ROWS,
    hash::ROWS,
    digest::ROWS,
    date::ROWS,
    forwarded::ROWS,
    forwarded::NODES,
    packet::ETHERNET,
    packet::IP,
    packet::TCP,
    json_query::ROWS,
    control::ROWS,
    figure::ROWS,
    aes::ROWS,
    jwt::ROWS,
    language::ROWS,
    x509::ROWS,
    fix::ROWS,
    mqtt::ROWS,
    protobuf::ROWS,
    variable::ROWS,
    capture::ROWS,
    map::ROWS,
    stick::ROWS,
];

/// The text that `change` makes of a text.
fn with_text(value: Value, change: impl FnOnce(Data) -> Option<Data>) -> Option<Value> {
    change(cast::text(value)?).map(Value::Str)
}

/// All converters, in the table's order.
pub fn all() -> impl Iterator<Item = &'static ConverterRow> {
    TABLES.iter().copied().flatten()
}

/// The converter of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ConverterRow> {
    static INDEX: LazyLock<HashMap<&str, &ConverterRow>> =
        LazyLock::new(|| all().map(|row| (row.name, row)).collect());
    INDEX.get(name).copied()
}
