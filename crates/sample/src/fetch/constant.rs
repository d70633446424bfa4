//! Fetches whose value is in the expression itself.

use super::places::ANYWHERE;
use super::{FetchRow, row};
use crate::arg::{self, Arg, ArgError, ArgKind, ArgSpec, at};
use crate::session::Session;
use crate::value::{Type, Value};

const ONE: ArgSpec = ArgSpec::new(1, &[ArgKind::Str]);

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "always_true",
        ArgSpec::NONE,
        Type::Bool,
        ANYWHERE,
        "true",
        |_, _| Some(Value::Bool(true)),
    ),
    row(
        "always_false",
        ArgSpec::NONE,
        Type::Bool,
        ANYWHERE,
        "false",
        |_, _| Some(Value::Bool(false)),
    ),
    row(
        "bool",
        ONE,
        Type::Bool,
        ANYWHERE,
        "a boolean: true, false, 1 or 0",
        value,
    )
    .prepared(|args| {
        let value = match at(args, 0).text().to_ascii_lowercase().as_slice() {
            b"true" | b"1" => true,
            b"false" | b"0" => false,
            _ => return Err(ArgError::new(0, "a boolean is `true`, `false`, `1` or `0`")),
        };
        *args = vec![Arg::Value(Value::Bool(value))];
        Ok(())
    }),
    row(
        "int",
        ArgSpec::new(1, &[ArgKind::Int]),
        Type::Int,
        ANYWHERE,
        "an integer",
        |_, args| match at(args, 0) {
            Arg::Int(int) => Some(Value::Int(*int)),
            _ => None,
        },
    ),
    row("str", ONE, Type::Str, ANYWHERE, "a text", value).prepared(|args| {
        *args = vec![Arg::Value(Value::str(at(args, 0).text()))];
        Ok(())
    }),
    row("bin", ONE, Type::Bin, ANYWHERE, "bytes in hexadecimal", value).prepared(|args| {
        let text = String::from_utf8_lossy(at(args, 0).text()).into_owned();
        if text.is_empty() {
            return Err(ArgError::new(0, "it takes hexadecimal digits"));
        }
        let bytes = arg::unhex(&text).map_err(|message| ArgError::new(0, message))?;
        *args = vec![Arg::Value(Value::bin(bytes))];
        Ok(())
    }),
    row("meth", ONE, Type::Method, ANYWHERE, "an HTTP method", value).prepared(|args| {
        let method = http::Method::from_bytes(at(args, 0).text())
            .map_err(|_| ArgError::new(0, "this cannot be an HTTP method"))?;
        *args = vec![Arg::Value(Value::Method(method))];
        Ok(())
    }),
    row(
        "ipv4",
        ArgSpec::new(1, &[ArgKind::Ipv4]),
        Type::Ipv4,
        ANYWHERE,
        "an IPv4 address",
        |_, args| match at(args, 0) {
            Arg::Ipv4(ip) => Some(Value::Ipv4(*ip)),
            _ => None,
        },
    ),
    row(
        "ipv6",
        ArgSpec::new(1, &[ArgKind::Ipv6]),
        Type::Ipv6,
        ANYWHERE,
        "an IPv6 address",
        |_, args| match at(args, 0) {
            Arg::Ipv6(ip) => Some(Value::Ipv6(*ip)),
            _ => None,
        },
    ),
];

fn value(_: &dyn Session, args: &[Arg]) -> Option<Value> {
    match at(args, 0) {
        Arg::Value(value) => Some(value.clone()),
        _ => None,
    }
}
