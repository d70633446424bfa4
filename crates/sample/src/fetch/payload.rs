//! The bytes that are buffered: a TCP channel's content, an HTTP message's body.

use super::places::{EITHER, REQUEST, RESPONSE};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::head::names::CONTENT_LENGTH;
use crate::session::{Session, Way};
use crate::value::{Type, Value};

const NONE: ArgSpec = ArgSpec::NONE;
const RANGE: ArgSpec = ArgSpec::new(2, &[ArgKind::Int, ArgKind::Int]);
const LV: ArgSpec = ArgSpec::new(2, &[ArgKind::Int, ArgKind::Int, ArgKind::Str]);

const PAYLOAD: &str = "bytes of the buffer: offset and length, 0 for all there is";
const PAYLOAD_LV: &str = "bytes of the buffer whose length stands before them: offset and size of that length, \
                          offset of the bytes";

macro_rules! payload {
    ($name:literal, $places:expr, $way:expr) => {
        row($name, RANGE, Type::Bin, $places, PAYLOAD, |s, args| {
            payload(s, $way(s), args)
        })
        .prepared(prepare_range)
        // Bytes that are there stay as they are, unless it is about all that there will be.
        .volatile_while(|s, args| at(args, 1).int_or(0) == 0 || payload(s, $way(s), args).is_none())
    };
}

macro_rules! payload_lv {
    ($name:literal, $places:expr, $way:expr) => {
        row($name, LV, Type::Bin, $places, PAYLOAD_LV, |s, args| {
            payload_lv(s, $way(s), args)
        })
        .prepared(prepare_lv)
        .volatile_while(|s, args| payload_lv(s, $way(s), args).is_none())
    };
}

type WayOf = fn(&dyn Session) -> Way;
const REQ: WayOf = |_| Way::Request;
const RES: WayOf = |_| Way::Response;
const NOW: WayOf = |session| session.way();

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "req.len",
        NONE,
        Type::Int,
        REQUEST,
        "the number of bytes buffered",
        |s, _| len(s, Way::Request),
    )
    .volatile(),
    row(
        "req_len",
        NONE,
        Type::Int,
        REQUEST,
        "the number of bytes buffered",
        |s, _| len(s, Way::Request),
    )
    .volatile(),
    row(
        "res.len",
        NONE,
        Type::Int,
        RESPONSE,
        "the number of bytes buffered",
        |s, _| len(s, Way::Response),
    )
    .volatile(),
    payload!("payload", EITHER, NOW),
    payload!("req.payload", REQUEST, REQ),
    payload!("res.payload", RESPONSE, RES),
    payload_lv!("payload_lv", EITHER, NOW),
    payload_lv!("req.payload_lv", REQUEST, REQ),
    payload_lv!("res.payload_lv", RESPONSE, RES),
    row(
        "req.body",
        NONE,
        Type::Bin,
        REQUEST,
        "the body received so far",
        |s, _| body(s, Way::Request),
    )
    .volatile(),
    row(
        "res.body",
        NONE,
        Type::Bin,
        RESPONSE,
        "the body received so far",
        |s, _| body(s, Way::Response),
    )
    .volatile(),
    row(
        "req.body_len",
        NONE,
        Type::Int,
        REQUEST,
        "the length of the body received so far",
        |s, _| len(s, Way::Request),
    )
    .volatile(),
    row(
        "res.body_len",
        NONE,
        Type::Int,
        RESPONSE,
        "the length of the body received so far",
        |s, _| len(s, Way::Response),
    )
    .volatile(),
    row(
        "req.body_size",
        NONE,
        Type::Int,
        REQUEST,
        "the body's announced length, or what is there",
        |s, _| size(s, Way::Request),
    )
    .volatile(),
    row(
        "res.body_size",
        NONE,
        Type::Int,
        RESPONSE,
        "the body's announced length, or what is there",
        |s, _| size(s, Way::Response),
    )
    .volatile(),
];

fn prepare_range(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    for index in [0, 1] {
        if at(args, index).int_or(0) < 0 {
            return Err(ArgError::new(index, "it cannot be negative"));
        }
    }
    Ok(())
}

/// The third argument, an offset from the start or, with a sign, from the end of the length's bytes, becomes
/// the offset from the start.
fn prepare_lv(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    prepare_range(args)?;
    let (offset, size) = (at(args, 0).int_or(0), at(args, 1).int_or(0));
    if !(1..=8).contains(&size) {
        return Err(ArgError::new(1, "the size of the length is 1 to 8 bytes"));
    }
    let after = offset.saturating_add(size);
    let start = match at(args, 2).text() {
        b"" => after,
        text => {
            let number: i64 = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| ArgError::new(2, "the offset of the bytes is a number"))?;
            let relative = text.starts_with(b"+") || text.starts_with(b"-");
            if relative {
                after.saturating_add(number)
            } else {
                number
            }
        }
    };
    if start < 0 {
        return Err(ArgError::new(2, "the bytes would begin before the buffer"));
    }
    args.truncate(2);
    args.push(Arg::Int(start));
    Ok(())
}

fn index(arg: &Arg) -> usize {
    usize::try_from(arg.int_or(0)).unwrap_or(usize::MAX)
}

fn len(session: &dyn Session, way: Way) -> Option<Value> {
    Some(Value::Int(
        i64::try_from(session.buffered(way)?.len()).unwrap_or(i64::MAX),
    ))
}

fn body(session: &dyn Session, way: Way) -> Option<Value> {
    Some(Value::bin(&*session.buffered(way)?))
}

fn payload(session: &dyn Session, way: Way, args: &[Arg]) -> Option<Value> {
    let bytes = session.buffered(way)?;
    let rest = bytes.get(index(at(args, 0))..)?;
    match index(at(args, 1)) {
        0 if bytes.is_empty() => None,
        0 => Some(Value::bin(rest)),
        len => Some(Value::bin(rest.get(..len)?)),
    }
}

fn payload_lv(session: &dyn Session, way: Way, args: &[Arg]) -> Option<Value> {
    let bytes = session.buffered(way)?;
    let start = index(at(args, 0));
    let length = bytes.get(start..start.checked_add(index(at(args, 1)))?)?;
    let length = length.iter().try_fold(0usize, |length, byte| {
        length.checked_mul(256)?.checked_add(usize::from(*byte))
    })?;
    let start = index(at(args, 2));
    match length {
        0 => None,
        length => Some(Value::bin(bytes.get(start..start.checked_add(length)?)?)),
    }
}

fn size(session: &dyn Session, way: Way) -> Option<Value> {
    let announced = super::header::headers(session, way)
        .and_then(|headers| headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse::<i64>().ok());
    match announced {
        Some(size) => Some(Value::Int(size)),
        None => len(session, way),
    }
}
