//! Casts between the types, each to each.
//!
//! What can be cast is what the haproxy package (2.6) accepts before a converter of that type.
#![allow(clippy::unwrap_used, reason = "it is a test")]

use tidegate_sample::{Type, Value, cast, castable};

const TYPES: [Type; 9] = [
    Type::Bool,
    Type::Int,
    Type::Addr,
    Type::Ipv4,
    Type::Ipv6,
    Type::Str,
    Type::Bin,
    Type::Method,
    Type::Any,
];

/// From the type at the left to those of the columns, in the order of [`TYPES`].
const MATRIX: &str = "
    bool   Y Y . . . Y Y . Y
    sint   Y Y Y Y Y Y Y . Y
    addr   Y Y Y Y Y Y Y . Y
    ipv4   Y Y Y Y Y Y Y . Y
    ipv6   . . Y Y Y Y Y . Y
    str    Y Y Y Y Y Y Y Y Y
    bin    . . . . . Y Y . Y
    meth   . . . . . Y Y Y Y
    any    Y Y Y Y Y Y Y Y Y
";

fn rows() -> impl Iterator<Item = (Type, Vec<(Type, bool)>)> {
    let lines = MATRIX.lines().filter(|line| !line.trim().is_empty());
    TYPES.into_iter().zip(lines).map(|(from, line)| {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some(from.name()));
        (
            from,
            TYPES.into_iter().zip(words.map(|word| word == "Y")).collect(),
        )
    })
}

#[test]
fn what_can_be_cast_is_known_before_there_is_a_value() {
    for (from, columns) in rows() {
        assert_eq!(columns.len(), TYPES.len());
        for (to, wanted) in columns {
            assert_eq!(castable(from, to), wanted, "{from} to {to}");
        }
    }
}

/// A value as it is written below: its type and its form.
fn shown(value: Option<Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::Bool(bool)) => format!("bool {bool}"),
        Some(Value::Int(int)) => format!("sint {int}"),
        Some(Value::Ipv4(ip)) => format!("ipv4 {ip}"),
        Some(Value::Ipv6(ip)) => format!("ipv6 {ip}"),
        Some(Value::Str(text)) => format!("str {}", text.escape_ascii()),
        Some(Value::Bin(bytes)) => bytes
            .iter()
            .fold("bin ".to_owned(), |all, byte| format!("{all}{byte:02x}")),
        Some(Value::Method(method)) => format!("meth {method}"),
    }
}

#[test]
fn each_value_has_its_form_in_each_type() {
    let ip = |text: &str| Value::from(text.parse::<std::net::IpAddr>().unwrap());
    let none = "-";
    for (value, forms) in [
        (
            Value::Bool(true),
            [
                "bool true",
                "sint 1",
                none,
                none,
                none,
                "str 1",
                "bin 0000000000000001",
                none,
                "bool true",
            ],
        ),
        (
            Value::Bool(false),
            [
                "bool false",
                "sint 0",
                none,
                none,
                none,
                "str 0",
                "bin 0000000000000000",
                none,
                "bool false",
            ],
        ),
        (
            Value::Int(16_909_060),
            [
                "bool true",
                "sint 16909060",
                "ipv4 1.2.3.4",
                "ipv4 1.2.3.4",
                "ipv6 ::ffff:1.2.3.4",
                "str 16909060",
                "bin 0000000001020304",
                none,
                "sint 16909060",
            ],
        ),
        (
            ip("1.2.3.4"),
            [
                "bool true",
                "sint 16909060",
                "ipv4 1.2.3.4",
                "ipv4 1.2.3.4",
                "ipv6 ::ffff:1.2.3.4",
                "str 1.2.3.4",
                "bin 01020304",
                none,
                "ipv4 1.2.3.4",
            ],
        ),
        (
            ip("2001:db8::1"),
            [
                none,
                none,
                "ipv6 2001:db8::1",
                none,
                "ipv6 2001:db8::1",
                "str 2001:db8::1",
                "bin 20010db8000000000000000000000001",
                none,
                "ipv6 2001:db8::1",
            ],
        ),
        (
            ip("::ffff:1.2.3.4"),
            [
                none,
                none,
                "ipv6 ::ffff:1.2.3.4",
                "ipv4 1.2.3.4",
                "ipv6 ::ffff:1.2.3.4",
                "str ::ffff:1.2.3.4",
                "bin 00000000000000000000ffff01020304",
                none,
                "ipv6 ::ffff:1.2.3.4",
            ],
        ),
        (
            Value::str("17"),
            [
                "bool true",
                "sint 17",
                none,
                none,
                none,
                "str 17",
                "bin 3137",
                "meth 17",
                "str 17",
            ],
        ),
        (
            Value::str("::1"),
            [
                "bool false",
                "sint 0",
                "ipv6 ::1",
                none,
                "ipv6 ::1",
                "str ::1",
                "bin 3a3a31",
                none,
                "str ::1",
            ],
        ),
        (
            Value::str("10.0.0.1"),
            [
                "bool true",
                "sint 10",
                "ipv4 10.0.0.1",
                "ipv4 10.0.0.1",
                none,
                "str 10.0.0.1",
                "bin 31302e302e302e31",
                "meth 10.0.0.1",
                "str 10.0.0.1",
            ],
        ),
        (
            Value::bin(&b"a\0b"[..]),
            [
                none,
                none,
                none,
                none,
                none,
                "str a",
                "bin 610062",
                none,
                "bin 610062",
            ],
        ),
        (
            Value::Method(http::Method::PUT),
            [
                none,
                none,
                none,
                none,
                none,
                "str PUT",
                "bin 505554",
                "meth PUT",
                "meth PUT",
            ],
        ),
    ] {
        for (to, form) in TYPES.into_iter().zip(forms) {
            let got = cast(value.clone(), to);
            assert_eq!(shown(got.clone()), form, "{value:?} to {to}");
            assert!(got.is_none() || castable(value.kind(), to), "{value:?} to {to}");
        }
    }
}
