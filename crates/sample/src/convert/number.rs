//! Converters of integers, booleans and addresses. Arithmetic stops at the largest and smallest integer.

use super::string::operand;
use super::{ConverterRow, row};
use crate::arg::{Arg, ArgKind, ArgSpec, at};
use crate::session::Session;
use crate::value::{Type, Value};
use std::net::{Ipv4Addr, Ipv6Addr};

const NONE: ArgSpec = ArgSpec::NONE;
const OPERAND: ArgSpec = ArgSpec::new(1, &[ArgKind::Str]);

macro_rules! operation {
    ($name:literal, $doc:literal, $operation:expr) => {
        row($name, OPERAND, Type::Int, Type::Int, $doc, |s, args, v| {
            operate(s, args, v, $operation)
        })
        .prepared(|args| operand(args, 0))
    };
}

pub(super) const ROWS: &[ConverterRow] = &[
    operation!("add", "adds an integer or a variable", i64::saturating_add),
    operation!("sub", "subtracts an integer or a variable", i64::saturating_sub),
    operation!(
        "mul",
        "multiplies by an integer or a variable",
        i64::saturating_mul
    ),
    operation!(
        "div",
        "divides by an integer or a variable; by 0, the largest integer",
        |left, right| {
            if right == 0 {
                i64::MAX
            } else {
                left.saturating_div(right)
            }
        }
    ),
    operation!(
        "mod",
        "the remainder of a division by an integer or a variable; by 0, 0",
        |left, right| { left.checked_rem(right).unwrap_or(0) }
    ),
    operation!(
        "and",
        "bitwise and with an integer or a variable",
        |left, right| left & right
    ),
    operation!(
        "or",
        "bitwise or with an integer or a variable",
        |left, right| left | right
    ),
    operation!(
        "xor",
        "bitwise exclusive or with an integer or a variable",
        |left, right| left ^ right
    ),
    row(
        "neg",
        NONE,
        Type::Int,
        Type::Int,
        "the opposite number",
        |_, _, v| int(v, i64::saturating_neg),
    ),
    row(
        "cpl",
        NONE,
        Type::Int,
        Type::Int,
        "all bits inverted",
        |_, _, v| int(v, |int| !int),
    ),
    row("not", NONE, Type::Int, Type::Bool, "true if 0", |_, _, v| {
        test(v, |int| int == 0)
    }),
    row("bool", NONE, Type::Int, Type::Bool, "true if not 0", |_, _, v| {
        test(v, |int| int != 0)
    }),
    row("odd", NONE, Type::Int, Type::Bool, "true if odd", |_, _, v| {
        test(v, |int| int & 1 == 1)
    }),
    row("even", NONE, Type::Int, Type::Bool, "true if even", |_, _, v| {
        test(v, |int| int & 1 == 0)
    }),
    row(
        "htonl",
        NONE,
        Type::Int,
        Type::Bin,
        "the low 32 bits as 4 bytes, the highest first",
        |_, _, v| match v {
            Value::Int(int) => Some(Value::bin(&(int as u32).to_be_bytes()[..])),
            _ => None,
        },
    ),
    row(
        "ipmask",
        ArgSpec::new(1, &[ArgKind::Mask4, ArgKind::Mask6]),
        Type::Addr,
        Type::Addr,
        "the network of an address, by the mask for IPv4 and the one for IPv6",
        |_, args, v| match (v, at(args, 0), at(args, 1)) {
            (Value::Ipv4(ip), Arg::Mask4(mask), _) => Some(masked4(ip, *mask)),
            (Value::Ipv6(ip), Arg::Mask4(mask), mask6) => match (ip.to_ipv4_mapped(), mask6) {
                // One that stands for an IPv4 address is one.
                (Some(ip), _) => Some(masked4(ip, *mask)),
                (None, Arg::Mask6(mask)) => Some(Value::Ipv6(Ipv6Addr::from(u128::from(ip) & mask))),
                _ => None,
            },
            _ => None,
        },
    ),
];

fn masked4(ip: Ipv4Addr, mask: u32) -> Value {
    Value::Ipv4(Ipv4Addr::from(u32::from(ip) & mask))
}

fn operate(session: &dyn Session, args: &[Arg], value: Value, apply: fn(i64, i64) -> i64) -> Option<Value> {
    let right = at(args, 0).int(session)?;
    int(value, |left| apply(left, right))
}

fn int(value: Value, apply: impl FnOnce(i64) -> i64) -> Option<Value> {
    match value {
        Value::Int(int) => Some(Value::Int(apply(int))),
        _ => None,
    }
}

fn test(value: Value, test: impl FnOnce(i64) -> bool) -> Option<Value> {
    match value {
        Value::Int(int) => Some(Value::Bool(test(int))),
        _ => None,
    }
}
