//! Headers of the request and the response.

use super::places::{EITHER, REQUEST, RESPONSE};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::cast::{cast, leading_int};
use crate::data::Data;
use crate::head::{FieldValue, Headers};
use crate::session::{Session, Way};
use crate::value::{Type, Value};
use http::HeaderName;
use std::cell::Ref;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{ControlFlow, Range};

/// How far back from the last occurrence one can ask.
const OCCURRENCE_MIN: i64 = -10;

const NAMED: ArgSpec = ArgSpec::new(0, &[ArgKind::Str, ArgKind::Int]);
const NAME: ArgSpec = ArgSpec::new(0, &[ArgKind::Str]);
const OPTION: ArgSpec = ArgSpec::new(0, &[ArgKind::Str]);

const HDR: &str = "a value of a header whose values are separated by commas";
const FHDR: &str = "a header's whole value";
const CNT: &str = "the number of values of a header";
const FCNT: &str = "the number of a header's occurrences";
const VAL: &str = "a value of a header as an integer";
const IP: &str = "a value of a header as an address; a port after an IPv4 address is dropped";
const NAMES: &str = "the names of all headers, separated by a comma or the given character";
const ALL: &str = "all headers as text";
const ALL_BIN: &str = "all headers as names and values with their lengths before them";

/// The rows of a fetch that looks at each occurrence, for the request, the response and either.
macro_rules! each {
    ($name:literal, $places:expr, $type:expr, $doc:expr, $way:expr, $split:expr, $to:expr) => {
        row($name, NAMED, $type, $places, $doc, |s, args| {
            one(s, $way(s), args, $split, $to)
        })
        .prepared(prepare)
        .many(|s, args, visit| each(s, $way(s), args, $split, $to, visit))
    };
}

macro_rules! count {
    ($name:literal, $places:expr, $doc:expr, $way:expr, $split:expr) => {
        row($name, NAME, Type::Int, $places, $doc, |s, args| {
            count(s, $way(s), args, $split)
        })
        .prepared(prepare)
    };
}

type WayOf = fn(&dyn Session) -> Way;
const REQ: WayOf = |_| Way::Request;
const RES: WayOf = |_| Way::Response;
const NOW: WayOf = |session| session.way();

pub(super) const ROWS: &[FetchRow] = &[
    each!("hdr", EITHER, Type::Str, HDR, NOW, true, Type::Str),
    each!("req.hdr", REQUEST, Type::Str, HDR, REQ, true, Type::Str),
    each!("res.hdr", RESPONSE, Type::Str, HDR, RES, true, Type::Str),
    each!("shdr", RESPONSE, Type::Str, HDR, RES, true, Type::Str),
    each!("req.fhdr", REQUEST, Type::Str, FHDR, REQ, false, Type::Str),
    each!("res.fhdr", RESPONSE, Type::Str, FHDR, RES, false, Type::Str),
    each!("hdr_val", REQUEST, Type::Int, VAL, REQ, true, Type::Int),
    each!("req.hdr_val", REQUEST, Type::Int, VAL, REQ, true, Type::Int),
    each!("res.hdr_val", RESPONSE, Type::Int, VAL, RES, true, Type::Int),
    each!("shdr_val", RESPONSE, Type::Int, VAL, RES, true, Type::Int),
    each!("hdr_ip", REQUEST, Type::Addr, IP, REQ, true, Type::Addr),
    each!("req.hdr_ip", REQUEST, Type::Addr, IP, REQ, true, Type::Addr),
    each!("res.hdr_ip", RESPONSE, Type::Addr, IP, RES, true, Type::Addr),
    each!("shdr_ip", RESPONSE, Type::Addr, IP, RES, true, Type::Addr),
    count!("hdr_cnt", REQUEST, CNT, REQ, true),
    count!("req.hdr_cnt", REQUEST, CNT, REQ, true),
    count!("res.hdr_cnt", RESPONSE, CNT, RES, true),
    count!("shdr_cnt", RESPONSE, CNT, RES, true),
    count!("req.fhdr_cnt", REQUEST, FCNT, REQ, false),
    count!("res.fhdr_cnt", RESPONSE, FCNT, RES, false),
    row("req.hdr_names", OPTION, Type::Str, REQUEST, NAMES, |s, args| {
        names(s, Way::Request, args)
    }),
    row("res.hdr_names", OPTION, Type::Str, RESPONSE, NAMES, |s, args| {
        names(s, Way::Response, args)
    }),
    row("req.hdrs", ArgSpec::NONE, Type::Bin, REQUEST, ALL, |s, _| {
        all_text(s, Way::Request)
    }),
    row("res.hdrs", ArgSpec::NONE, Type::Bin, RESPONSE, ALL, |s, _| {
        all_text(s, Way::Response)
    }),
    row(
        "req.hdrs_bin",
        ArgSpec::NONE,
        Type::Bin,
        REQUEST,
        ALL_BIN,
        |s, _| all_binary(s, Way::Request),
    ),
    row(
        "res.hdrs_bin",
        ArgSpec::NONE,
        Type::Bin,
        RESPONSE,
        ALL_BIN,
        |s, _| all_binary(s, Way::Response),
    ),
];

fn prepare(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    if let Some(Arg::Int(occurrence)) = args.get(1)
        && *occurrence < OCCURRENCE_MIN
    {
        return Err(ArgError::new(
            1,
            format!("an occurrence from the end is {OCCURRENCE_MIN} or more"),
        ));
    }
    if let Some(name) = args.first_mut()
        && !name.text().is_empty()
    {
        let header = HeaderName::from_bytes(name.text())
            .map_err(|_| ArgError::new(0, "this cannot be a header's name"))?;
        *name = Arg::Header(header.into());
    }
    Ok(())
}

/// The headers of a message.
pub(super) fn headers(session: &dyn Session, way: Way) -> Option<Ref<'_, Headers>> {
    Some(match way {
        Way::Request => Ref::map(session.request()?, |parts| &parts.headers),
        Way::Response => Ref::map(session.response()?, |parts| &parts.headers),
    })
}

/// Visits the values of the header that the first argument names, all headers if it names none.
fn visit_values<'h>(
    headers: &'h Headers,
    args: &[Arg],
    split: bool,
    visit: &mut dyn FnMut(FieldValue<'h>, Range<usize>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut value = |value: FieldValue<'h>| {
        if split {
            visit_list(value, visit)
        } else {
            // What rules wrote may have blanks around it, which are not sent as part of the value.
            visit(value, trimmed(value.as_bytes(), 0..value.len()))
        }
    };
    match at(args, 0) {
        Arg::Header(name) => headers.get_all(name).try_for_each(&mut value),
        _ => headers.values().try_for_each(value),
    }
}

/// Visits the parts of a value between commas that are not in quotes, without the blanks around them.
fn visit_list<'h>(
    value: FieldValue<'h>,
    visit: &mut dyn FnMut(FieldValue<'h>, Range<usize>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let bytes = value.as_bytes();
    // Most values are no lists, and looking for one letter is quick.
    if !bytes.contains(&b',') {
        return visit(value, trimmed(bytes, 0..bytes.len()));
    }
    let mut start = 0;
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                visit(value, trimmed(bytes, start..at))?;
                start = at + 1;
            }
            _ => {}
        }
    }
    visit(value, trimmed(bytes, start..bytes.len()))
}

/// `range` without the blanks at its ends.
pub(super) fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let part = bytes.get(range.clone()).unwrap_or_default();
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let before = part.iter().take_while(is_blank).count();
    let after = part.iter().skip(before).rev().take_while(is_blank).count();
    range.start + before..range.end - after
}

/// The occurrence that the second argument asks for, the last without one.
fn one(session: &dyn Session, way: Way, args: &[Arg], split: bool, to: Type) -> Option<Value> {
    if matches!(at(args, 0), Arg::None) {
        return None;
    }
    let headers = headers(session, way)?;
    let wanted = match at(args, 1).int_or(0) {
        0 => -1,
        occurrence => occurrence,
    };
    if wanted == -1 {
        return typed(last(&headers, args, split)?, to);
    }
    let skip = if wanted > 0 {
        wanted - 1
    } else {
        let mut count = 0;
        let _ = visit_values(&headers, args, split, &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        });
        count + wanted
    };
    let mut found = None;
    let mut index = 0;
    let _ = visit_values(&headers, args, split, &mut |value, range| {
        if index == skip {
            found = Some(Data::field(value, range));
            return ControlFlow::Break(());
        }
        index += 1;
        ControlFlow::Continue(())
    });
    typed(found?, to)
}

/// The last of the values: each field has one at least.
fn last(headers: &Headers, args: &[Arg], split: bool) -> Option<Data> {
    let field = match at(args, 0) {
        Arg::Header(name) => headers.get_all(name).next_back()?,
        _ => headers.values().next_back()?,
    };
    let mut part = trimmed(field.as_bytes(), 0..field.len());
    if split {
        let _ = visit_list(field, &mut |_, range| {
            part = range;
            ControlFlow::Continue(())
        });
    }
    Some(Data::field(field, part))
}

fn each(
    session: &dyn Session,
    way: Way,
    args: &[Arg],
    split: bool,
    to: Type,
    visit: &mut dyn FnMut(Value) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if !matches!(at(args, 1), Arg::None) {
        return one(session, way, args, split, to).map_or(ControlFlow::Continue(()), visit);
    }
    let Some(headers) = headers(session, way) else {
        return ControlFlow::Continue(());
    };
    visit_values(
        &headers,
        args,
        split,
        &mut |value, range| match typed(Data::field(value, range), to) {
            Some(value) => visit(value),
            None => ControlFlow::Continue(()),
        },
    )
}

/// A header's value in the type of its fetch.
fn typed(text: Data, to: Type) -> Option<Value> {
    match to {
        Type::Str => Some(Value::Str(text)),
        Type::Int => Some(Value::Int(leading_int(&text).0)),
        Type::Addr => address(std::str::from_utf8(&text).ok()?).map(Value::from),
        to => cast(Value::Str(text), to),
    }
}

/// An address as headers have it: IPv6, or IPv4 with a port or without, and zeros before its numbers or none.
fn address(text: &str) -> Option<IpAddr> {
    let unbracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Ok(ip) = unbracketed.unwrap_or(text).parse::<Ipv6Addr>() {
        return Some(ip.into());
    }
    let ip = match text.split_once(':') {
        Some((ip, port)) => {
            // It may be written with zeros before it.
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let _: u16 = port.parse().ok().filter(|_| digits)?;
            ip
        }
        None => text,
    };
    let mut numbers = ip.split('.').map(|number| {
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u8>().ok().filter(|_| digits)
    });
    let mut next = || numbers.next().flatten();
    let ip = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    numbers.next().is_none().then_some(ip.into())
}

fn count(session: &dyn Session, way: Way, args: &[Arg], split: bool) -> Option<Value> {
    let headers = headers(session, way)?;
    let mut count = 0;
    let _ = visit_values(&headers, args, split, &mut |_, _| {
        count += 1;
        ControlFlow::Continue(())
    });
    Some(Value::Int(count))
}

fn names(session: &dyn Session, way: Way, args: &[Arg]) -> Option<Value> {
    let headers = headers(session, way)?;
    let separator = at(args, 0).text().get(..1).unwrap_or(b",");
    let names: Vec<&[u8]> = headers.names().map(|name| name.as_bytes()).collect();
    Some(Value::str(names.join(separator)))
}

fn all_text(session: &dyn Session, way: Way) -> Option<Value> {
    let mut text = Vec::new();
    for (name, value) in headers(session, way)?.iter() {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    Some(Value::bin(text))
}

fn all_binary(session: &dyn Session, way: Way) -> Option<Value> {
    let mut bytes = Vec::new();
    for (name, value) in headers(session, way)?.iter() {
        for part in [name.as_bytes(), value.as_bytes()] {
            crate::header_list::push_varint(&mut bytes, part.len());
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(&[0, 0]);
    Some(Value::bin(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What haproxy 2.6 answers to `req.hdr_ip`.
    #[test]
    fn addresses_of_headers_may_have_ports_and_zeros() {
        let ipv4 = |text: &str| text.parse::<Ipv4Addr>().ok().map(IpAddr::from);
        for text in ["1.2.3.4", "1.2.3.4:80", "1.2.3.4:080", "01.2.3.4", "1.2.3.0004"] {
            assert_eq!(address(text), ipv4("1.2.3.4"), "{text}");
        }
        assert_eq!(address("2001:db8::1"), "2001:db8::1".parse().ok());
        assert_eq!(address("::ffff:1.2.3.4"), "::ffff:1.2.3.4".parse().ok());
        assert_eq!(address("[2001:db8::1]"), "2001:db8::1".parse().ok());
        for text in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:99999",
            "[::1",
            "[::1]:80",
            "[1.2.3.4]",
            "1.2.3.+4",
            "1.2.3.4:+5",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_no_number_is_0() {
        for (text, wanted) in [("", 0), ("12", 12), ("-7", -7), ("12abc", 12), ("abc", 0)] {
            assert_eq!(typed(text.into(), Type::Int), Some(Value::Int(wanted)), "{text}");
        }
    }
}
