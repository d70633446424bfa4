//! Nodes: what `for` and `by` of a Forwarded header tell of.

use super::super::{ConverterRow, row};
use crate::arg::ArgSpec;
use crate::cast;
use crate::value::{Type, Value};
use std::net::{Ipv4Addr, Ipv6Addr};

const NONE: ArgSpec = ArgSpec::NONE;

pub(crate) const ROWS: &[ConverterRow] = &[
    row(
        "rfc7239_n2nn",
        NONE,
        Type::Str,
        Type::Any,
        "the name in a node of a Forwarded header: an address, `unknown` or an identifier with its underscore (7.3.1)",
        |_, _, v| {
            let text = cast::text(v)?;
            Node::read(&text).map(|node| match node.name {
                Name::Ipv4(ip) => Value::Ipv4(ip),
                Name::Ipv6(ip) => Value::Ipv6(ip),
                Name::Text(name) => Value::str(name),
            })
        },
    ),
    row(
        "rfc7239_n2np",
        NONE,
        Type::Str,
        Type::Any,
        "the port in a node of a Forwarded header: a number or an identifier with its underscore; nothing without one \
         (7.3.1)",
        |_, _, v| {
            let text = cast::text(v)?;
            Some(match Node::read(&text)?.port? {
                port @ [b'_', ..] => Value::str(port),
                digits => Value::Int(cast::leading_int(digits).0),
            })
        },
    ),
    row(
        "rfc7239_nn",
        NONE,
        Type::Any,
        Type::Str,
        "a name for a node of a Forwarded header: an address as it stands there, a text with an underscore before it, an \
         empty text as `unknown` (7.3.1)",
        |_, _, v| match v {
            Value::Ipv4(ip) => Some(Value::Str(cast::ipv4_text(ip))),
            Value::Ipv6(ip) => Some(Value::str(format!("[{ip}]"))),
            Value::Str(name) | Value::Bin(name) if name.is_empty() => Some(Value::str("unknown")),
            Value::Str(name) | Value::Bin(name) => obfuscated(&name),
            _ => None,
        },
    ),
    row(
        "rfc7239_np",
        NONE,
        Type::Any,
        Type::Str,
        "a port for a node of a Forwarded header: a port number, or a text with an underscore before it (7.3.1)",
        |_, _, v| match v {
            Value::Int(port @ 0..=65535) => Some(Value::Str(cast::int_text(port))),
            Value::Str(name) | Value::Bin(name) => obfuscated(&name),
            _ => None,
        },
    ),
];

pub(super) enum Name<'a> {
    Ipv4(Ipv4Addr),
    Ipv6(Ipv6Addr),
    /// `unknown`, or an identifier that begins with an underscore.
    Text(&'a [u8]),
}

/// Who `for` and `by` tell of.
pub(super) struct Node<'a> {
    name: Name<'a>,
    port: Option<&'a [u8]>,
}

impl<'a> Node<'a> {
    pub(super) fn read(text: &'a [u8]) -> Option<Node<'a>> {
        let (name, rest) = if let Some(bracketed) = text.strip_prefix(b"[") {
            let end = bracketed.iter().position(|byte| *byte == b']')?;
            let (address, rest) = bracketed.split_at_checked(end)?;
            let address = std::str::from_utf8(address).ok()?.parse().ok()?;
            (Name::Ipv6(address), rest.strip_prefix(b"]")?)
        } else {
            let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            let (name, rest) = text.split_at_checked(end)?;
            let ipv4 = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
            match ipv4 {
                Some(ip) => (Name::Ipv4(ip), rest),
                None if name.eq_ignore_ascii_case(b"unknown") || is_obfuscated(name) => {
                    (Name::Text(name), rest)
                }
                None => return None,
            }
        };
        let port = match rest {
            [] => None,
            [b':', port @ ..] if is_obfuscated(port) => Some(port),
            [b':', port @ ..] if matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit) => {
                Some(port)
            }
            _ => return None,
        };
        Some(Node { name, port })
    }
}

fn is_obfuscated(text: &[u8]) -> bool {
    matches!(text, [b'_', name @ ..] if !name.is_empty() && name.iter().all(is_obfuscated_byte))
}

fn is_obfuscated_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn obfuscated(name: &[u8]) -> Option<Value> {
    (!name.is_empty() && name.iter().all(is_obfuscated_byte)).then(|| Value::str([b"_", name].concat()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{field, run};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nodes_are_taken_apart() {
        let long: Ipv6Addr = "ab:cd:ff:ff:ff:ff:ff:ff".parse().unwrap();
        for (node, name, port) in [
            (
                "127.0.0.1:9999",
                Value::Ipv4(Ipv4Addr::LOCALHOST),
                Some(Value::Int(9999)),
            ),
            ("127.0.0.1", Value::Ipv4(Ipv4Addr::LOCALHOST), None),
            (
                "[ab:cd:ff:ff:ff:ff:ff:ff]:9998",
                Value::Ipv6(long),
                Some(Value::Int(9998)),
            ),
            ("[::1]", Value::Ipv6(Ipv6Addr::LOCALHOST), None),
            ("_name:_port", Value::str("_name"), Some(Value::str("_port"))),
            ("unknown", Value::str("unknown"), None),
        ] {
            assert_eq!(run("rfc7239_n2nn", &[], Value::str(node)), Some(name), "{node}");
            assert_eq!(run("rfc7239_n2np", &[], Value::str(node)), port, "{node}");
        }
        for node in [
            "",
            "name",
            "127.0.0.1:",
            "127.0.0.1:port",
            "::1",
            "[::1",
            "_na me",
            "\u{e9}",
        ] {
            assert_eq!(run("rfc7239_n2nn", &[], Value::str(node)), None, "{node}");
            assert_eq!(run("rfc7239_n2np", &[], Value::str(node)), None, "{node}");
        }
    }

    #[test]
    fn nodes_are_made() {
        let long: Ipv6Addr = "ab:cd:ff:ff:ff:ff:ff:ff".parse().unwrap();
        for (name, input, want) in [
            ("rfc7239_nn", Value::Ipv6(long), Some("[ab:cd:ff:ff:ff:ff:ff:ff]")),
            ("rfc7239_nn", Value::Ipv4(Ipv4Addr::LOCALHOST), Some("127.0.0.1")),
            ("rfc7239_nn", Value::str("test"), Some("_test")),
            ("rfc7239_nn", Value::str(""), Some("unknown")),
            ("rfc7239_nn", Value::str("a b"), None),
            ("rfc7239_nn", Value::Int(5), None),
            ("rfc7239_np", Value::Int(12), Some("12")),
            ("rfc7239_np", Value::Int(65536), None),
            ("rfc7239_np", Value::Int(-1), None),
            ("rfc7239_np", Value::str("test"), Some("_test")),
            ("rfc7239_np", Value::str(""), None),
            ("rfc7239_np", Value::str("a:b"), None),
            ("rfc7239_np", Value::Ipv4(Ipv4Addr::LOCALHOST), None),
        ] {
            assert_eq!(
                run(name, &[], input.clone()),
                want.map(Value::str),
                "{name} {input:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_made_can_be_taken_apart(ip in any::<std::net::IpAddr>(), port in 0i64..65536) {
            let part = |name, input| match run(name, &[], input) {
                Some(Value::Str(text)) => String::from_utf8(text.to_vec()).unwrap(),
                other => panic!("{other:?}"),
            };
            let node = format!("{}:{}", part("rfc7239_nn", ip.into()), part("rfc7239_np", port.into()));
            let header = format!("for=\"{node}\"");
            prop_assert_eq!(field(&header, "for"), Some(Value::str(node.clone())));
            prop_assert_eq!(run("rfc7239_n2nn", &[], Value::str(node.clone())), Some(ip.into()));
            prop_assert_eq!(run("rfc7239_n2np", &[], Value::str(node)), Some(port.into()));
        }
    }
}
