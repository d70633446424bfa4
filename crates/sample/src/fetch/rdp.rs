//! The cookie in the first packet of an RDP client.

use super::places::REQUEST;
use super::reader::{Reader, raw};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgKind, ArgSpec, at};
use crate::session::{Session, Way};
use crate::value::{Type, Value};

const NAME: ArgSpec = ArgSpec::new(0, &[ArgKind::Str]);

const COOKIE: &str = "the value of an RDP client's cookie, of this name if one is given";
const COUNT: &str = "1 if an RDP client sent a cookie, of this name if one is given; else 0";

const fn cookie_row(name: &'static str) -> FetchRow {
    row(name, NAME, Type::Str, REQUEST, COOKIE, |s, args| {
        match find(s, args) {
            Found::Value(value) if !value.is_empty() => Some(value),
            _ => None,
        }
        .map(Value::Str)
    })
    .volatile_while(is_short)
}

const fn count_row(name: &'static str) -> FetchRow {
    row(name, NAME, Type::Int, REQUEST, COUNT, |s, args| {
        match find(s, args) {
            Found::Value(_) => Some(Value::Int(1)),
            Found::Other => Some(Value::Int(0)),
            Found::Short => None,
        }
    })
    .volatile_while(is_short)
}

pub(super) const ROWS: &[FetchRow] = &[
    cookie_row("req.rdp_cookie"),
    cookie_row("rdp_cookie"),
    count_row("req.rdp_cookie_cnt"),
    count_row("rdp_cookie_cnt"),
];

/// What is in the request's buffer.
enum Found {
    /// The cookie.
    Value(crate::Data),
    /// No RDP, or no such cookie.
    Other,
    /// Too little to tell.
    Short,
}

fn is_short(session: &dyn Session, args: &[Arg]) -> bool {
    matches!(find(session, args), Found::Short)
}

fn find(session: &dyn Session, args: &[Arg]) -> Found {
    let Some(bytes) = raw(session, Way::Request) else {
        return Found::Other;
    };
    match cookie(&bytes) {
        None => Found::Short,
        Some(Some((name, value))) if wanted(at(args, 0), name) => Found::Value(value.into()),
        Some(_) => Found::Other,
    }
}

fn wanted(arg: &Arg, name: &[u8]) -> bool {
    arg.text().is_empty() || arg.text().eq_ignore_ascii_case(name)
}

/// A cookie's name and value.
type Cookie<'a> = (&'a [u8], &'a [u8]);

/// The cookie that the packet begins with: `None` while too little has come, `Some(None)` if it has none.
fn cookie(bytes: &[u8]) -> Option<Option<Cookie<'_>>> {
    const LABEL: &[u8] = b"cookie:";
    let mut reader = Reader(bytes);
    // TPKT: version 3, a reserved byte, the length of all. X.224: a length, the type, two references, the class.
    if reader.u8()? != 3 {
        return Some(None);
    }
    reader.take(3 + 1)?;
    if reader.u8()? & 0xf0 != 0xe0 {
        return Some(None);
    }
    reader.take(2 + 2 + 1)?;
    let label = reader.0.get(..LABEL.len()).unwrap_or(reader.0);
    if !label.eq_ignore_ascii_case(LABEL.get(..label.len()).unwrap_or(LABEL)) {
        return Some(None);
    }
    reader.take(LABEL.len())?;
    let end = reader.0.windows(2).position(|pair| pair == b"\r\n")?;
    let line = reader.0.get(..end).unwrap_or_default().trim_ascii_start();
    let split = line.iter().position(|byte| *byte == b'=');
    Some(split.and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?))))
}
