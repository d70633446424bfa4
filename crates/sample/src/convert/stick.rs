//! Converters that look the sample up in a stick table.

use super::{Convert, ConverterRow, row};
use crate::arg::{self, Arg, ArgKind, ArgSpec, at};
use crate::session::Session;
use crate::stick::{Ask, DataType as D, EntryRef};
use crate::value::{Type, Value};

const TABLE: ArgSpec = ArgSpec::new(1, &[ArgKind::Table]);
const ELEMENT: ArgSpec = ArgSpec::new(2, &[ArgKind::Int, ArgKind::Table]);
const TABLE_DEFAULT: ArgSpec = ArgSpec::new(1, &[ArgKind::Table, ArgKind::Int]);

const fn int(name: &'static str, args: ArgSpec, doc: &'static str, run: Convert) -> ConverterRow {
    row(name, args, Type::Any, Type::Int, doc, run)
}

macro_rules! rows {
    ($($name:literal $ask:expr, $doc:literal;)* and of arrays $($array:literal $array_ask:expr, $array_doc:literal;)*) => {
        pub(super) const ROWS: &[ConverterRow] = &[
            row("in_table", TABLE, Type::Any, Type::Bool, "whether the table has an entry of the key", is_there),
            int("table_expire", TABLE_DEFAULT, "milliseconds until the key's entry is forgotten, or a default", |s, args, input| {
                time(s, args, input, |entry, now| entry.expires_ms(now))
            }),
            int("table_idle", TABLE_DEFAULT, "milliseconds since the key's entry was touched, or a default", |s, args, input| {
                time(s, args, input, |entry, now| entry.idle_ms(now))
            }),
            $(int(concat!("table_", $name), TABLE, concat!($doc, ", of the key's entry"),
                |s, args, input| ask(s, at(args, 0), input, $ask)),)*
            $(int(concat!("table_", $array), ELEMENT, concat!($array_doc, ", of the key's entry"),
                |s, args, input| {
                    let index = u32::try_from(at(args, 0).int_or(-1)).ok()?;
                    ask(s, at(args, 1), input, $array_ask.at(index))
                }),)*
        ];
    };
}

rows! {
    "bytes_in_rate" Ask::get(D::BytesInRate), "bytes from clients in the period";
    "bytes_out_rate" Ask::get(D::BytesOutRate), "bytes to clients in the period";
    "clr_gpc0" Ask::clear(D::Gpc0), "clears `gpc0` and gives what it was";
    "clr_gpc1" Ask::clear(D::Gpc1), "clears `gpc1` and gives what it was";
    "conn_cnt" Ask::get(D::ConnCnt), "connections";
    "conn_cur" Ask::get(D::ConnCur), "connections that are open";
    "conn_rate" Ask::get(D::ConnRate), "connections in the period";
    "glitch_cnt" Ask::get(D::GlitchCnt), "odd things that clients did to the protocol";
    "glitch_rate" Ask::get(D::GlitchRate), "odd things that clients did to the protocol in the period";
    "gpc0" Ask::get(D::Gpc0), "`gpc0`";
    "gpc0_rate" Ask::get(D::Gpc0Rate), "how often `gpc0` was incremented in the period";
    "gpc1" Ask::get(D::Gpc1), "`gpc1`";
    "gpc1_rate" Ask::get(D::Gpc1Rate), "how often `gpc1` was incremented in the period";
    "gpt0" Ask::get(D::Gpt0), "`gpt0`";
    "http_err_cnt" Ask::get(D::HttpErrCnt), "requests in error";
    "http_err_rate" Ask::get(D::HttpErrRate), "requests in error in the period";
    "http_fail_cnt" Ask::get(D::HttpFailCnt), "responses in error";
    "http_fail_rate" Ask::get(D::HttpFailRate), "responses in error in the period";
    "http_req_cnt" Ask::get(D::HttpReqCnt), "HTTP requests";
    "http_req_rate" Ask::get(D::HttpReqRate), "HTTP requests in the period";
    "inc_gpc0" Ask::increment(D::Gpc0, D::Gpc0Rate), "increments `gpc0` and gives what it is then";
    "inc_gpc1" Ask::increment(D::Gpc1, D::Gpc1Rate), "increments `gpc1` and gives what it is then";
    "kbytes_in" Ask::Kilobytes(D::BytesInCnt), "kilobytes from clients";
    "kbytes_out" Ask::Kilobytes(D::BytesOutCnt), "kilobytes to clients";
    "server_id" Ask::get(D::ServerId), "the number of the server";
    "sess_cnt" Ask::get(D::SessCnt), "sessions";
    "sess_rate" Ask::get(D::SessRate), "sessions in the period";
    "trackers" Ask::Trackers, "how many track it";
    and of arrays
    "clr_gpc" Ask::clear(D::Gpc), "clears a counter of the array and gives what it was";
    "gpc" Ask::get(D::Gpc), "a counter of the array";
    "gpc_rate" Ask::get(D::GpcRate), "how often a counter of the array was incremented in the period";
    "gpt" Ask::get(D::Gpt), "a tag of the array";
    "inc_gpc" Ask::increment(D::Gpc, D::GpcRate), "increments a counter of the array and gives what it is then";
}

fn ask(session: &dyn Session, table: &Arg, input: Value, ask: Ask) -> Option<Value> {
    let table = arg::table(session, table)?;
    let key = table.spec().key.key(input)?;
    ask.of_key(table, &key, session.ticks())
}

fn is_there(session: &dyn Session, args: &[Arg], input: Value) -> Option<Value> {
    let table = arg::table(session, at(args, 0))?;
    let key = table.spec().key.key(input)?;
    Some(Value::Bool(
        table.look_up(&key, session.ticks(), |_| ()).is_some(),
    ))
}

fn time(
    session: &dyn Session,
    args: &[Arg],
    input: Value,
    which: fn(EntryRef<'_>, u64) -> u64,
) -> Option<Value> {
    let table = arg::table(session, at(args, 0))?;
    let key = table.spec().key.key(input)?;
    let now = session.ticks();
    match (table.look_up(&key, now, |entry| which(entry, now)), at(args, 1)) {
        (Some(time), _) => Some(Value::Int(i64::try_from(time).unwrap_or(i64::MAX))),
        (None, Arg::Int(default)) => Some(Value::Int(*default)),
        (None, _) => None,
    }
}
