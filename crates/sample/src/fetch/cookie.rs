//! Cookies of the request (`Cookie`) and the response (`Set-Cookie`).

use super::header::{headers, trimmed};
use super::places::{EITHER, REQUEST, RESPONSE};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgKind, ArgSpec, at};
use crate::cast::leading_int;
use crate::cookies::pieces;
use crate::data::Data;
use crate::head::FieldValue;
use crate::head::names::{COOKIE, SET_COOKIE};
use crate::session::{Session, Way};
use crate::value::{Type, Value};
use std::ops::{ControlFlow, Range};

const NAME: ArgSpec = ArgSpec::new(0, &[ArgKind::Str]);

const COOK: &str = "a cookie's value";
const VAL: &str = "a cookie's value as an integer";
const CNT: &str = "the number of cookies of a name";
const NAMES: &str = "the names of all cookies, separated by a comma or the given character";

macro_rules! each {
    ($name:literal, $places:expr, $type:expr, $doc:expr, $way:expr) => {
        row($name, NAME, $type, $places, $doc, |s, args| {
            typed(one(s, $way(s), args)?, $type)
        })
        .many(|s, args, visit| each(s, $way(s), args, $type, visit))
    };
}

macro_rules! count {
    ($name:literal, $places:expr, $way:expr) => {
        row($name, NAME, Type::Int, $places, CNT, |s, args| {
            count(s, $way(s), args)
        })
    };
}

type WayOf = fn(&dyn Session) -> Way;
const REQ: WayOf = |_| Way::Request;
const RES: WayOf = |_| Way::Response;
const NOW: WayOf = |session| session.way();

pub(super) const ROWS: &[FetchRow] = &[
    each!("cookie", EITHER, Type::Str, COOK, NOW),
    each!("cook", REQUEST, Type::Str, COOK, REQ),
    each!("req.cook", REQUEST, Type::Str, COOK, REQ),
    each!("res.cook", RESPONSE, Type::Str, COOK, RES),
    each!("scook", RESPONSE, Type::Str, COOK, RES),
    each!("cook_val", REQUEST, Type::Int, VAL, REQ),
    each!("req.cook_val", REQUEST, Type::Int, VAL, REQ),
    each!("res.cook_val", RESPONSE, Type::Int, VAL, RES),
    each!("scook_val", RESPONSE, Type::Int, VAL, RES),
    count!("cook_cnt", REQUEST, REQ),
    count!("req.cook_cnt", REQUEST, REQ),
    count!("res.cook_cnt", RESPONSE, RES),
    count!("scook_cnt", RESPONSE, RES),
    row("req.cook_names", NAME, Type::Str, REQUEST, NAMES, |s, args| {
        names(s, Way::Request, args)
    }),
    row("res.cook_names", NAME, Type::Str, RESPONSE, NAMES, |s, args| {
        names(s, Way::Response, args)
    }),
];

/// Takes a header's value, and where in it a cookie's name and value are.
type VisitCookie<'a> = dyn FnMut(FieldValue<'_>, Range<usize>, Range<usize>) -> ControlFlow<()> + 'a;

/// Visits all cookies: the header's value, and where in it the name and the value are.
fn visit_cookies(session: &dyn Session, way: Way, visit: &mut VisitCookie<'_>) -> ControlFlow<()> {
    let Some(headers) = headers(session, way) else {
        return ControlFlow::Continue(());
    };
    let name = match way {
        Way::Request => COOKIE,
        Way::Response => SET_COOKIE,
    };
    for header in headers.get_all(name) {
        let bytes = header.as_bytes();
        for piece in pieces(bytes) {
            let part = trimmed(bytes, piece);
            let text = bytes.get(part.clone()).unwrap_or_default();
            let equals = text.iter().position(|byte| *byte == b'=');
            // A name alone is no cookie, and those with a `$` told of others once (RFC 2965).
            let told = way == Way::Request && text.starts_with(b"$");
            if let Some(equals) = equals.filter(|_| !told) {
                let at = part.start + equals;
                visit(
                    header,
                    trimmed(bytes, part.start..at),
                    trimmed(bytes, at + 1..part.end),
                )?;
            }
            // What follows in a Set-Cookie header are the attributes of that cookie.
            if way == Way::Response {
                break;
            }
        }
    }
    ControlFlow::Continue(())
}

fn visit_named(
    session: &dyn Session,
    way: Way,
    args: &[Arg],
    visit: &mut dyn FnMut(FieldValue<'_>, Range<usize>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let wanted = at(args, 0).text();
    visit_cookies(session, way, &mut |header, name, value| {
        let matches = wanted.is_empty() || header.as_bytes().get(name) == Some(wanted);
        if matches {
            visit(header, value)
        } else {
            ControlFlow::Continue(())
        }
    })
}

/// The last cookie of the name; the first of all without a name.
fn one(session: &dyn Session, way: Way, args: &[Arg]) -> Option<Data> {
    let first = at(args, 0).text().is_empty();
    let mut found = None;
    let _ = visit_named(session, way, args, &mut |header, value| {
        found = Some(Data::field(header, value));
        if first {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    found
}

/// A cookie's value in the type of its fetch.
fn typed(text: Data, to: Type) -> Option<Value> {
    match to {
        Type::Int => Some(Value::Int(leading_int(&text).0)),
        _ => Some(Value::Str(text)),
    }
}

fn each(
    session: &dyn Session,
    way: Way,
    args: &[Arg],
    to: Type,
    visit: &mut dyn FnMut(Value) -> ControlFlow<()>,
) -> ControlFlow<()> {
    visit_named(session, way, args, &mut |header, value| {
        typed(Data::field(header, value), to).map_or(ControlFlow::Continue(()), &mut *visit)
    })
}

fn count(session: &dyn Session, way: Way, args: &[Arg]) -> Option<Value> {
    headers(session, way)?;
    let mut count = 0;
    let _ = visit_named(session, way, args, &mut |_, _| {
        count += 1;
        ControlFlow::Continue(())
    });
    Some(Value::Int(count))
}

fn names(session: &dyn Session, way: Way, args: &[Arg]) -> Option<Value> {
    headers(session, way)?;
    let separator = at(args, 0).text().get(..1).unwrap_or(b",");
    let mut names: Vec<u8> = Vec::new();
    let _ = visit_cookies(session, way, &mut |header, name, _| {
        if !names.is_empty() {
            names.extend_from_slice(separator);
        }
        names.extend_from_slice(header.as_bytes().get(name).unwrap_or_default());
        ControlFlow::Continue(())
    });
    Some(Value::str(names))
}
