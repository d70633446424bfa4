//! Casts between types, as in the manual's table.

use crate::data::Data;
use crate::value::{Type, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Turns a value into another type; none if this value has no form in that type.
#[must_use]
pub fn cast(value: Value, to: Type) -> Option<Value> {
    match (value, to) {
        (value, Type::Any | Type::Same) => Some(value),
        (value @ (Value::Ipv4(_) | Value::Ipv6(_)), Type::Addr) => Some(value),
        (value, to) if value.kind() == to => Some(value),
        (Value::Bool(b), Type::Int) => Some(Value::Int(b.into())),
        (Value::Bool(b), Type::Str) => Some(Value::str(if b { "1" } else { "0" })),
        (Value::Int(i), Type::Bool) => Some(Value::Bool(i != 0)),
        (Value::Int(i), Type::Str) => Some(Value::Str(int_text(i))),
        (Value::Int(i), Type::Bin) => Some(Value::bin(&i.to_be_bytes()[..])),
        (Value::Int(i), Type::Ipv4 | Type::Addr) => Some(Value::Ipv4(Ipv4Addr::from(i as u32))),
        (Value::Int(i), Type::Ipv6) => Some(Value::Ipv6(Ipv4Addr::from(i as u32).to_ipv6_mapped())),
        (Value::Ipv4(ip), Type::Int) => Some(Value::Int(u32::from(ip).into())),
        (Value::Ipv4(ip), Type::Ipv6) => Some(Value::Ipv6(ip.to_ipv6_mapped())),
        (Value::Ipv4(ip), Type::Str) => Some(Value::str(ip.to_string())),
        (Value::Ipv4(ip), Type::Bin) => Some(Value::bin(&ip.octets()[..])),
        (Value::Ipv6(ip), Type::Ipv4) => embedded_ipv4(ip).map(Value::Ipv4),
        (Value::Ipv6(ip), Type::Str) => Some(Value::str(ip.to_string())),
        (Value::Ipv6(ip), Type::Bin) => Some(Value::bin(&ip.octets()[..])),
        (Value::Str(text), Type::Bool) => leading_int(&text).map(|i| Value::Bool(i != 0)),
        (Value::Str(text), Type::Int) => leading_int(&text).map(Value::Int),
        (Value::Str(text), Type::Addr) => text_as::<IpAddr>(&text).map(Value::from),
        (Value::Str(text), Type::Ipv4) => text_as::<Ipv4Addr>(&text).map(Value::Ipv4),
        (Value::Str(text), Type::Ipv6) => text_as::<Ipv6Addr>(&text).map(Value::Ipv6),
        (Value::Str(text), Type::Bin) => Some(Value::Bin(text)),
        (Value::Str(text), Type::Method) => http::Method::from_bytes(&text).ok().map(Value::Method),
        (Value::Bin(bytes), Type::Str) => Some(Value::Str(hex(&bytes))),
        (Value::Method(method), Type::Str) => Some(Value::str(method.as_str())),
        (Value::Method(method), Type::Bin) => Some(Value::bin(method.as_str().as_bytes())),
        _ => None,
    }
}

/// Whether some value of type `from` has a form in type `to`.
#[must_use]
pub fn castable(from: Type, to: Type) -> bool {
    match (from, to) {
        (Type::Any | Type::Same, _) | (_, Type::Any | Type::Same) => true,
        (from, to) if from == to => true,
        (Type::Bool, Type::Int | Type::Str) => true,
        (Type::Int, Type::Bool | Type::Str | Type::Bin | Type::Ipv4 | Type::Ipv6 | Type::Addr) => true,
        (Type::Addr, Type::Int | Type::Ipv4 | Type::Ipv6 | Type::Str | Type::Bin) => true,
        (Type::Ipv4, Type::Addr | Type::Int | Type::Ipv6 | Type::Str | Type::Bin) => true,
        (Type::Ipv6, Type::Addr | Type::Ipv4 | Type::Str | Type::Bin) => true,
        (Type::Str, _) => true,
        (Type::Bin, Type::Str) => true,
        (Type::Method, Type::Str | Type::Bin) => true,
        _ => false,
    }
}

/// The decimal text of an integer, without allocating.
pub(crate) fn int_text(int: i64) -> Data {
    let mut buf = [0u8; 20];
    let mut at = buf.len();
    let mut rest = int.unsigned_abs();
    loop {
        at -= 1;
        if let Some(byte) = buf.get_mut(at) {
            *byte = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if int < 0 {
        at -= 1;
        if let Some(byte) = buf.get_mut(at) {
            *byte = b'-';
        }
    }
    Data::copy(buf.get(at..).unwrap_or_default())
}

/// The IPv4 address inside a mapped or 6to4 IPv6 address.
fn embedded_ipv4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    ip.to_ipv4_mapped()
}

fn text_as<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The integer that a text begins with; zero if it begins with none.
fn leading_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut int: i64 = 0;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        let digit = i64::from(digit - b'0');
        let signed = if negative { -digit } else { digit };
        int = int.checked_mul(10)?.checked_add(signed)?;
    }
    Some(int)
}

/// Bytes as uppercase hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> Data {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect::<Vec<u8>>()
        .into()
}
