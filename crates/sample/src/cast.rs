//! Casts between types, as in the manual's table.

use crate::data::Data;
use crate::value::{Type, Value};
use smallvec::SmallVec;
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
        (Value::Bool(b), Type::Bin) => Some(Value::bin(&i64::from(b).to_be_bytes()[..])),
        (Value::Int(i), Type::Bool) => Some(Value::Bool(i != 0)),
        (Value::Int(i), Type::Str) => Some(Value::Str(int_text(i))),
        (Value::Int(i), Type::Bin) => Some(Value::bin(&i.to_be_bytes()[..])),
        (Value::Int(i), Type::Ipv4 | Type::Addr) => Some(Value::Ipv4(Ipv4Addr::from(i as u32))),
        (Value::Int(i), Type::Ipv6) => Some(Value::Ipv6(Ipv4Addr::from(i as u32).to_ipv6_mapped())),
        (Value::Ipv4(ip), Type::Bool) => Some(Value::Bool(!ip.is_unspecified())),
        (Value::Ipv4(ip), Type::Int) => Some(Value::Int(u32::from(ip).into())),
        (Value::Ipv4(ip), Type::Ipv6) => Some(Value::Ipv6(ip.to_ipv6_mapped())),
        (Value::Ipv4(ip), Type::Str) => Some(Value::Str(ipv4_text(ip))),
        (Value::Ipv4(ip), Type::Bin) => Some(Value::bin(&ip.octets()[..])),
        (Value::Ipv6(ip), Type::Ipv4) => embedded_ipv4(ip).map(Value::Ipv4),
        (Value::Ipv6(ip), Type::Str) => Some(Value::Str(ipv6_text(ip))),
        (Value::Ipv6(ip), Type::Bin) => Some(Value::bin(&ip.octets()[..])),
        (Value::Str(text), Type::Bool) => text_int(&text).map(|i| Value::Bool(i != 0)),
        (Value::Str(text), Type::Int) => text_int(&text).map(Value::Int),
        (Value::Str(text), Type::Addr) => text_as::<IpAddr>(&text).map(Value::from),
        (Value::Str(text), Type::Ipv4) => text_as::<Ipv4Addr>(&text).map(Value::Ipv4),
        (Value::Str(text), Type::Ipv6) => text_as::<Ipv6Addr>(&text).map(Value::Ipv6),
        (Value::Str(text), Type::Bin) => Some(Value::Bin(text)),
        (Value::Str(text), Type::Method) => http::Method::from_bytes(&text).ok().map(Value::Method),
        (Value::Bin(bytes), Type::Str) => {
            // Text ends where C's would, as scripts and logs of HAProxy have it.
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            Some(Value::Str(bytes.slice(0..end)))
        }
        (Value::Method(method), Type::Str) => Some(Value::str(method.as_str())),
        (Value::Method(method), Type::Bin) => Some(Value::bin(method.as_str().as_bytes())),
        _ => None,
    }
}

/// Whether some value of type `from` has a form in type `to`.
#[must_use]
pub fn castable(from: Type, to: Type) -> bool {
    match (from, to) {
        (Type::Any | Type::Same | Type::Str, _) | (_, Type::Any | Type::Same) => true,
        (from, to) if from == to => true,
        (Type::Bool, Type::Int | Type::Str | Type::Bin) => true,
        (Type::Int | Type::Addr | Type::Ipv4, to) => to != Type::Method,
        (Type::Ipv6, Type::Addr | Type::Ipv4 | Type::Str | Type::Bin) => true,
        (Type::Bin, Type::Str) => true,
        (Type::Method, Type::Str | Type::Bin) => true,
        _ => false,
    }
}

/// The text of a value, if it has one.
pub(crate) fn text(value: Value) -> Option<Data> {
    match cast(value, Type::Str)? {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

/// The decimal text of an integer, without allocating.
pub(crate) fn int_text(int: i64) -> Data {
    Data::copy(itoa::Buffer::new().format(int).as_bytes())
}

/// Appends the text of an IPv4 address.
pub(crate) fn append_ipv4(into: &mut impl Extend<u8>, ip: Ipv4Addr) {
    for (place, octet) in ip.octets().into_iter().enumerate() {
        if place > 0 {
            into.extend([b'.']);
        }
        into.extend(itoa::Buffer::new().format(octet).bytes());
    }
}

/// The text of an IPv4 address, without allocating.
pub(crate) fn ipv4_text(ip: Ipv4Addr) -> Data {
    let mut text = SmallVec::<[u8; 16]>::new();
    append_ipv4(&mut text, ip);
    Data::copy(&text)
}

/// The text of an address, without allocating.
#[must_use]
pub fn address_text(address: IpAddr) -> Data {
    match address {
        IpAddr::V4(ip) => ipv4_text(ip),
        IpAddr::V6(ip) => Data::format(format_args!("{ip}")),
    }
}

/// The text of an IPv6 address; one that holds an IPv4 address in its last 32 bits ends in dotted form.
pub(crate) fn ipv6_text(ip: Ipv6Addr) -> Data {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Data::format(format_args!("::{a}.{b}.{c}.{d}"))
        }
        _ => Data::format(format_args!("{ip}")),
    }
}

/// The IPv4 address inside a mapped, compatible or 6to4 IPv6 address.
pub(crate) fn embedded_ipv4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

fn text_as<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The integer of a text: none if it is empty.
fn text_int(text: &[u8]) -> Option<i64> {
    (!text.is_empty()).then(|| leading_int(text).0)
}

/// The integer that a text begins with (zero if it begins with none; too large ones are the largest), and
/// the number of bytes that it takes.
pub(crate) fn leading_int(text: &[u8]) -> (i64, usize) {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut int: i64 = 0;
    let mut used = text.len() - digits.len();
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        let digit = i64::from(digit - b'0');
        int = int
            .saturating_mul(10)
            .saturating_add(if negative { -digit } else { digit });
        used += 1;
    }
    (int, used)
}

/// Bytes as uppercase hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> Data {
    bytes
        .iter()
        .flat_map(|byte| hex_digits(*byte))
        .collect::<Vec<u8>>()
        .into()
}

/// The two digits of a byte.
pub(crate) fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value, to: Type) -> Option<String> {
        text(cast(value, to)?).map(|text| text.escape_ascii().to_string())
    }

    #[test]
    fn integers_in_text_stop_at_the_first_other_byte_and_saturate() {
        for (text, want) in [
            ("12abc", 12),
            ("abc", 0),
            (" 12", 0),
            ("+12", 12),
            ("-12", -12),
            ("-", 0),
            ("0x10", 0),
            ("9223372036854775808", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-9223372036854775809", i64::MIN),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(
                cast(Value::str(text), Type::Int),
                Some(Value::Int(want)),
                "{text}"
            );
        }
        assert_eq!(cast(Value::str(""), Type::Int), None);
        assert_eq!(cast(Value::str(""), Type::Bool), None);
    }

    #[test]
    fn an_appended_address_is_as_it_is_displayed() {
        for ip in [[0; 4], [1, 22, 133, 0], [255; 4], [127, 0, 0, 1]].map(Ipv4Addr::from) {
            let mut text = b"from ".to_vec();
            append_ipv4(&mut text, ip);
            assert_eq!(String::from_utf8(text).unwrap(), format!("from {ip}"));
        }
    }

    #[test]
    fn numbers_addresses_and_bytes() {
        let ip = |text: &str| Value::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(
            shown(Value::Int(5_000_000_000), Type::Addr).as_deref(),
            Some("42.5.242.0")
        );
        assert_eq!(
            shown(Value::Int(-3), Type::Ipv4).as_deref(),
            Some("255.255.255.253")
        );
        assert_eq!(cast(ip("1.2.3.4"), Type::Int), Some(Value::Int(16_909_060)));
        assert_eq!(cast(ip("::1"), Type::Int), None);
        assert_eq!(
            shown(ip("::ffff:1.2.3.4"), Type::Str).as_deref(),
            Some("::ffff:1.2.3.4")
        );
        assert_eq!(shown(ip("::1.2.3.4"), Type::Str).as_deref(), Some("::1.2.3.4"));
        assert_eq!(shown(ip("::102"), Type::Str).as_deref(), Some("::102"));
        assert_eq!(
            shown(ip("1:0:0:2:0:0:0:3"), Type::Str).as_deref(),
            Some("1:0:0:2::3")
        );
        assert_eq!(
            cast(Value::Bool(true), Type::Bin),
            Some(Value::bin(&[0, 0, 0, 0, 0, 0, 0, 1][..]))
        );
        assert_eq!(
            shown(Value::Int(i64::MIN), Type::Str).as_deref(),
            Some("-9223372036854775808")
        );
    }

    #[test]
    fn what_has_a_form_is_castable() {
        let values = [
            Value::Bool(true),
            Value::Int(7),
            Value::Ipv4(Ipv4Addr::LOCALHOST),
            Value::Ipv6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
            Value::str("::ffff:1.2.3.4"),
            Value::bin("a"),
            Value::Method(http::Method::GET),
        ];
        let types = [
            Type::Bool,
            Type::Int,
            Type::Addr,
            Type::Ipv4,
            Type::Ipv6,
            Type::Str,
            Type::Bin,
            Type::Method,
        ];
        for value in values {
            for to in types {
                if value.kind() == Type::Str && matches!(to, Type::Ipv4 | Type::Method) {
                    continue;
                }
                let casts = cast(value.clone(), to).is_some();
                assert_eq!(casts, castable(value.kind(), to), "{value:?} to {to}");
            }
        }
    }
}
