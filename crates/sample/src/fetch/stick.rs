//! What stick tables hold: of the entries that are tracked (`sc_…`), of the client's address (`src_…`), of a table as a
//! whole.

use super::places::{CLIENT, PROCESS};
use super::{FetchRow, One, row};
use crate::arg::{self, Arg, ArgKind, ArgSpec, at};
use crate::session::Session;
use crate::stick::{Ask, DataType, DataType as D};
use crate::value::{Type, Value};
use std::sync::Arc;

const COUNTER: ArgSpec = ArgSpec::new(1, &[ArgKind::Int, ArgKind::Table]);
const OTHER: ArgSpec = ArgSpec::new(0, &[ArgKind::Table]);
const NUMBER: ArgSpec = ArgSpec::new(1, &[ArgKind::Int]);
const ELEMENT: ArgSpec = ArgSpec::new(2, &[ArgKind::Int, ArgKind::Int, ArgKind::Table]);
const TABLE: ArgSpec = ArgSpec::new(1, &[ArgKind::Table]);
const TABLE_ELEMENT: ArgSpec = ArgSpec::new(2, &[ArgKind::Int, ArgKind::Table]);

/// A row for the counter of the first argument, and one for each of the first three counters.
macro_rules! tracked {
    ($($name:literal $places:ident $ask:expr, $doc:literal;)*) => {
        pub(super) const TRACKED: &[FetchRow] = &[$(
            row(concat!("sc_", $name), COUNTER, Type::Int, $places, concat!($doc, ", of the entry that a counter tracks"),
                |s, args| of_counter(s, counter(args, 0)?, at(args, 1), $ask)),
            row(concat!("sc0_", $name), OTHER, Type::Int, $places, concat!($doc, ", of the entry that counter 0 tracks"),
                |s, args| of_counter(s, 0, at(args, 0), $ask)),
            row(concat!("sc1_", $name), OTHER, Type::Int, $places, concat!($doc, ", of the entry that counter 1 tracks"),
                |s, args| of_counter(s, 1, at(args, 0), $ask)),
            row(concat!("sc2_", $name), OTHER, Type::Int, $places, concat!($doc, ", of the entry that counter 2 tracks"),
                |s, args| of_counter(s, 2, at(args, 0), $ask)),
        )*];
    };
}

macro_rules! source {
    ($($name:literal $ask:expr, $doc:literal;)* and of arrays $($array:literal $array_ask:expr, $array_doc:literal;)*) => {
        pub(super) const SOURCE: &[FetchRow] = &[
            $(row(concat!("src_", $name), TABLE, Type::Int, CLIENT, concat!($doc, ", of the client's address"),
                |s, args| of_source(s, at(args, 0), $ask)),)*
            $(row(concat!("src_", $array), TABLE_ELEMENT, Type::Int, CLIENT, concat!($array_doc, ", of the client's address"),
                |s, args| of_source(s, at(args, 1), $array_ask.at(index(args)?))),)*
        ];
    };
}

tracked! {
    "bytes_in_rate" PROCESS Ask::get(D::BytesInRate), "bytes from clients in the period";
    "bytes_out_rate" PROCESS Ask::get(D::BytesOutRate), "bytes to clients in the period";
    "clr_gpc0" PROCESS Ask::clear(D::Gpc0), "clears `gpc0` and gives what it was";
    "clr_gpc1" PROCESS Ask::clear(D::Gpc1), "clears `gpc1` and gives what it was";
    "conn_cnt" PROCESS Ask::get(D::ConnCnt), "connections";
    "conn_cur" PROCESS Ask::get(D::ConnCur), "connections that are open";
    "conn_rate" PROCESS Ask::get(D::ConnRate), "connections in the period";
    "get_gpc0" PROCESS Ask::get(D::Gpc0), "`gpc0`";
    "get_gpc1" PROCESS Ask::get(D::Gpc1), "`gpc1`";
    "get_gpt0" PROCESS Ask::get(D::Gpt0), "`gpt0`";
    "glitch_cnt" PROCESS Ask::get(D::GlitchCnt), "odd things that clients did to the protocol";
    "glitch_rate" PROCESS Ask::get(D::GlitchRate), "odd things that clients did to the protocol in the period";
    "gpc0_rate" PROCESS Ask::get(D::Gpc0Rate), "how often `gpc0` was incremented in the period";
    "gpc1_rate" PROCESS Ask::get(D::Gpc1Rate), "how often `gpc1` was incremented in the period";
    "http_err_cnt" PROCESS Ask::get(D::HttpErrCnt), "requests in error";
    "http_err_rate" PROCESS Ask::get(D::HttpErrRate), "requests in error in the period";
    "http_fail_cnt" PROCESS Ask::get(D::HttpFailCnt), "responses in error";
    "http_fail_rate" PROCESS Ask::get(D::HttpFailRate), "responses in error in the period";
    "http_req_cnt" PROCESS Ask::get(D::HttpReqCnt), "HTTP requests";
    "http_req_rate" PROCESS Ask::get(D::HttpReqRate), "HTTP requests in the period";
    "inc_gpc0" PROCESS Ask::increment(D::Gpc0, D::Gpc0Rate), "increments `gpc0` and gives what it is then";
    "inc_gpc1" PROCESS Ask::increment(D::Gpc1, D::Gpc1Rate), "increments `gpc1` and gives what it is then";
    "kbytes_in" CLIENT Ask::Kilobytes(D::BytesInCnt), "kilobytes from clients";
    "kbytes_out" CLIENT Ask::Kilobytes(D::BytesOutCnt), "kilobytes to clients";
    "sess_cnt" PROCESS Ask::get(D::SessCnt), "sessions";
    "sess_rate" PROCESS Ask::get(D::SessRate), "sessions in the period";
    "trackers" PROCESS Ask::Trackers, "how many track the same";
}

const GPC: Ask = Ask::increment(DataType::Gpc, DataType::GpcRate);

pub(super) const ARRAYS: &[FetchRow] = &[
    row(
        "sc_clr_gpc",
        ELEMENT,
        Type::Int,
        PROCESS,
        "clears a counter of the array and gives what it was, of the entry that a counter tracks",
        |s, args| element(s, args, Ask::clear(D::Gpc)),
    ),
    row(
        "sc1_clr_gpc",
        COUNTER,
        Type::Int,
        PROCESS,
        "clears a counter of the array and gives what it was, of the entry that counter 1 tracks",
        |s, args| of_counter(s, 1, at(args, 1), Ask::clear(D::Gpc).at(index(args)?)),
    ),
    row(
        "sc_get_gpc",
        ELEMENT,
        Type::Int,
        PROCESS,
        "a counter of the array, of the entry that a counter tracks",
        |s, args| element(s, args, Ask::get(D::Gpc)),
    ),
    row(
        "sc_get_gpt",
        ELEMENT,
        Type::Int,
        PROCESS,
        "a tag of the array, of the entry that a counter tracks",
        |s, args| element(s, args, Ask::get(D::Gpt)),
    ),
    row(
        "sc_gpc_rate",
        ELEMENT,
        Type::Int,
        PROCESS,
        "how often a counter of the array was incremented in the period, of the entry that a counter tracks",
        |s, args| element(s, args, Ask::get(D::GpcRate)),
    ),
    row(
        "sc_inc_gpc",
        ELEMENT,
        Type::Int,
        PROCESS,
        "increments a counter of the array and gives what it is then, of the entry that a counter tracks",
        |s, args| element(s, args, GPC),
    ),
];

pub(super) const KEYS: &[FetchRow] = &[
    key("sc_key", NUMBER, |s, args| key_of(s, counter(args, 0)?)),
    key("sc0_key", ArgSpec::NONE, |s, _| key_of(s, 0)),
    key("sc1_key", ArgSpec::NONE, |s, _| key_of(s, 1)),
    key("sc2_key", ArgSpec::NONE, |s, _| key_of(s, 2)),
    is_tracked("sc_tracked", COUNTER, |s, args| tracks(s, counter(args, 0)?)),
    is_tracked("sc0_tracked", OTHER, |s, _| tracks(s, 0)),
    is_tracked("sc1_tracked", OTHER, |s, _| tracks(s, 1)),
    is_tracked("sc2_tracked", OTHER, |s, _| tracks(s, 2)),
];

source! {
    "bytes_in_rate" Ask::get(D::BytesInRate), "bytes from the client in the period";
    "bytes_out_rate" Ask::get(D::BytesOutRate), "bytes to the client in the period";
    "clr_gpc0" Ask::clear(D::Gpc0), "clears `gpc0` and gives what it was";
    "clr_gpc1" Ask::clear(D::Gpc1), "clears `gpc1` and gives what it was";
    "conn_cnt" Ask::get(D::ConnCnt), "connections";
    "conn_cur" Ask::get(D::ConnCur), "connections that are open";
    "conn_rate" Ask::get(D::ConnRate), "connections in the period";
    "get_gpc0" Ask::get(D::Gpc0), "`gpc0`";
    "get_gpc1" Ask::get(D::Gpc1), "`gpc1`";
    "get_gpt0" Ask::get(D::Gpt0), "`gpt0`";
    "glitch_cnt" Ask::get(D::GlitchCnt), "odd things that it did to the protocol";
    "glitch_rate" Ask::get(D::GlitchRate), "odd things that it did to the protocol in the period";
    "gpc0_rate" Ask::get(D::Gpc0Rate), "how often `gpc0` was incremented in the period";
    "gpc1_rate" Ask::get(D::Gpc1Rate), "how often `gpc1` was incremented in the period";
    "http_err_cnt" Ask::get(D::HttpErrCnt), "requests in error";
    "http_err_rate" Ask::get(D::HttpErrRate), "requests in error in the period";
    "http_fail_cnt" Ask::get(D::HttpFailCnt), "responses in error";
    "http_fail_rate" Ask::get(D::HttpFailRate), "responses in error in the period";
    "http_req_cnt" Ask::get(D::HttpReqCnt), "HTTP requests";
    "http_req_rate" Ask::get(D::HttpReqRate), "HTTP requests in the period";
    "inc_gpc0" Ask::increment(D::Gpc0, D::Gpc0Rate), "increments `gpc0` and gives what it is then";
    "inc_gpc1" Ask::increment(D::Gpc1, D::Gpc1Rate), "increments `gpc1` and gives what it is then";
    "kbytes_in" Ask::Kilobytes(D::BytesInCnt), "kilobytes from the client";
    "kbytes_out" Ask::Kilobytes(D::BytesOutCnt), "kilobytes to the client";
    "sess_cnt" Ask::get(D::SessCnt), "sessions";
    "sess_rate" Ask::get(D::SessRate), "sessions in the period";
    "updt_conn_cnt" Ask::increment_alone(D::ConnCnt), "counts a connection and gives how many there were";
    and of arrays
    "clr_gpc" Ask::clear(D::Gpc), "clears a counter of the array and gives what it was";
    "get_gpc" Ask::get(D::Gpc), "a counter of the array";
    "get_gpt" Ask::get(D::Gpt), "a tag of the array";
    "gpc_rate" Ask::get(D::GpcRate), "how often a counter of the array was incremented in the period";
    "inc_gpc" GPC, "increments a counter of the array and gives what it is then";
}

pub(super) const TABLES: &[FetchRow] = &[
    row(
        "table_avl",
        TABLE,
        Type::Int,
        PROCESS,
        "how many more entries a table has room for",
        |s, args| Some(number(arg::table(s, at(args, 0))?.available(s.ticks()))),
    ),
    row(
        "table_cnt",
        TABLE,
        Type::Int,
        PROCESS,
        "how many entries a table has",
        |s, args| Some(number(arg::table(s, at(args, 0))?.used(s.ticks()))),
    ),
];

const fn key(name: &'static str, args: ArgSpec, one: One) -> FetchRow {
    row(
        name,
        args,
        Type::Any,
        PROCESS,
        "the key of the entry that the counter tracks",
        one,
    )
}

const fn is_tracked(name: &'static str, args: ArgSpec, one: One) -> FetchRow {
    row(
        name,
        args,
        Type::Bool,
        PROCESS,
        "whether the counter tracks an entry",
        one,
    )
}

fn key_of(session: &dyn Session, counter: u32) -> Option<Value> {
    Some(session.tracked(counter)?.entry().key().value())
}

fn tracks(session: &dyn Session, counter: u32) -> Option<Value> {
    Some(Value::Bool(session.tracked(counter).is_some()))
}

fn number(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The number of the counter in an argument.
fn counter(args: &[Arg], index: usize) -> Option<u32> {
    u32::try_from(at(args, index).int_or(-1)).ok()
}

/// The element of an array that the first argument names.
fn index(args: &[Arg]) -> Option<u32> {
    counter(args, 0)
}

fn element(session: &dyn Session, args: &[Arg], ask: Ask) -> Option<Value> {
    of_counter(session, counter(args, 1)?, at(args, 2), ask.at(index(args)?))
}

/// Asks the entry that a counter tracks, or the one of the same key in another table.
fn of_counter(session: &dyn Session, counter: u32, other: &Arg, ask: Ask) -> Option<Value> {
    let tracked = session.tracked(counter)?;
    let now = session.ticks();
    if matches!(other, Arg::None) {
        return ask.of(tracked.entry(), now);
    }
    let other = arg::table(session, other)?;
    if Arc::ptr_eq(other, tracked.table()) {
        return ask.of(tracked.entry(), now);
    }
    match other.spec().key.key(tracked.entry().key().value()) {
        Some(key) => ask.of_key_if_there(other, &key, now),
        // A key that can't be there isn't.
        None => Some(Value::Int(0)),
    }
}

/// Asks the entry of the client's address.
fn of_source(session: &dyn Session, table: &Arg, ask: Ask) -> Option<Value> {
    let table = arg::table(session, table)?;
    let key = table.spec().key.key(session.src()?.ip().into())?;
    ask.of_key(table, &key, session.ticks())
}
