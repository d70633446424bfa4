//! The Forwarded header (RFC 7239).

mod node;

pub(super) use node::ROWS as NODES;

use super::{ConverterRow, row};
use crate::arg::{ArgError, ArgKind, ArgSpec, at};
use crate::cast;
use crate::value::{Type, Value};
use node::Node;
use std::borrow::Cow;
use std::net::Ipv6Addr;

const NONE: ArgSpec = ArgSpec::NONE;
const FIELDS: [&str; 4] = ["proto", "host", "for", "by"];

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "rfc7239_is_valid",
        NONE,
        Type::Str,
        Type::Bool,
        "whether the value of a Forwarded header is valid: `req.hdr(forwarded),rfc7239_is_valid` (7.3.1)",
        |_, _, v| Some(Value::Bool(valid(&cast::text(v)?))),
    ),
    row(
        "rfc7239_field",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Str,
        Type::Str,
        "a parameter of a valid Forwarded header, without its quotes: `proto`, `host`, `for` or `by`, as \
         `req.hdr(forwarded),rfc7239_field(for)` (7.3.1)",
        |_, args, v| {
            let header = cast::text(v)?;
            if !valid(&header) {
                return None;
            }
            items(&header).find_map(|item| match item {
                Item::Pair(pair) if pair.is(at(args, 0).text()) => Some(Value::str(&*pair.value)),
                _ => None,
            })
        },
    )
    .prepared(|args| match at(args, 0).text() {
        text if FIELDS.iter().any(|field| field.as_bytes() == text) => Ok(()),
        _ => Err(ArgError::new(0, format!("the fields are {}", FIELDS.join(", ")))),
    }),
];

/// One `name=value`, its quotes undone.
struct Pair<'a> {
    name: &'a [u8],
    value: Cow<'a, [u8]>,
}

impl<'a> Pair<'a> {
    fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Reads the pair that `text` begins with; returns what follows.
    fn read(text: &'a [u8]) -> Option<(Pair<'a>, &'a [u8])> {
        let (name, rest) = token(text)?;
        let rest = rest.strip_prefix(b"=")?;
        let (value, rest) = match rest.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted)?,
            None => token(rest).map(|(value, rest)| (Cow::Borrowed(value), rest))?,
        };
        Some((Pair { name, value }, rest))
    }

    /// Whether the parameter is one of the RFC's, and the value one that it may have.
    fn is_valid(&self) -> bool {
        if self.is(b"for") || self.is(b"by") {
            Node::read(&self.value).is_some()
        } else if self.is(b"proto") {
            [&b"http"[..], b"https"]
                .iter()
                .any(|scheme| self.value.eq_ignore_ascii_case(scheme))
        } else if self.is(b"host") {
            is_host(&self.value)
        } else {
            // The RFC lets others add parameters; HAProxy takes none.
            false
        }
    }
}

enum Item<'a> {
    Pair(Pair<'a>),
    /// A comma: another element follows.
    Next,
    /// No parameter, and the last item.
    Broken,
}

/// What a header is made of, up to what is broken in it.
fn items(header: &[u8]) -> impl Iterator<Item = Item<'_>> {
    let mut rest = Some(header.trim_ascii());
    // Where a pair just ended, only a semicolon or a comma may follow.
    let mut after_pair = false;
    std::iter::from_fn(move || {
        let mut text = rest.take()?;
        while let [b';', after @ ..] = text {
            (text, after_pair) = (after, false);
        }
        if text.is_empty() {
            return None;
        }
        if let [b',', after @ ..] = text.trim_ascii_start() {
            (rest, after_pair) = (Some(after.trim_ascii_start()), false);
            return Some(Item::Next);
        }
        let Some((pair, after)) = Pair::read(text).filter(|_| !after_pair) else {
            return Some(Item::Broken);
        };
        (rest, after_pair) = (Some(after), true);
        Some(Item::Pair(pair))
    })
}

/// Whether a header has at least one parameter, each with a value that it may have and once in its element.
fn valid(header: &[u8]) -> bool {
    let mut any = false;
    let mut seen: Vec<&[u8]> = Vec::new();
    for item in items(header) {
        match item {
            Item::Broken => return false,
            Item::Next => seen.clear(),
            Item::Pair(pair) => {
                any = true;
                if !pair.is_valid() || seen.iter().any(|name| pair.is(name)) {
                    return false;
                }
                // A header of thousands of parameters is none that anybody sends.
                if seen.len() >= 32 {
                    return false;
                }
                seen.push(pair.name);
            }
        }
    }
    any
}

/// Whether a text is what the Host header may be: a name or address, and maybe a port.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text.iter().rposition(|byte| *byte == b':') {
        Some(at) if !text.ends_with(b"]") => text.split_at_checked(at).unwrap_or((text, b"")),
        _ => (text, &b""[..]),
    };
    let digits = port.strip_prefix(b":").unwrap_or_default();
    let port_is_valid = digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit);
    let host_is_valid = match host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")) {
        Some(address) => std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte))
        }
    };
    host_is_valid && port_is_valid
}

/// The token of HTTP that `text` begins with, and what follows it.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    match text.iter().take_while(|byte| is_token(byte)).count() {
        0 => None,
        len => text.split_at_checked(len),
    }
}

/// What stands before the closing quote, its escapes undone, and what follows.
fn unquoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some((Cow::Owned(value), rest)),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..]
                if *byte == b'\t' || *byte >= b' ' && *byte != 127 =>
            {
                value.push(*byte);
                rest
            }
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Converter, NoSession, Scope};
    use proptest::prelude::*;

    pub(super) fn run(name: &str, args: &[&str], input: Value) -> Option<Value> {
        let args: Vec<Value> = args.iter().map(|arg| Value::str(*arg)).collect();
        Converter::new(name, &args, &Scope::anywhere())
            .unwrap()
            .apply(&NoSession, input)
    }

    pub(super) fn field(header: &str, name: &str) -> Option<Value> {
        run("rfc7239_field", &[name], Value::str(header))
    }

    #[test]
    fn headers_are_valid_as_the_rfc_and_the_manual_have_them() {
        for header in [
            "for=127.0.0.1;proto=http",
            "for=_gazonk",
            "For=\"[2001:db8:cafe::17]:4711\"",
            "for=192.0.2.60;proto=https;by=203.0.113.43",
            "for=192.0.2.43, for=198.51.100.17",
            "for=192.0.2.43,for=\"[2001:db8:cafe::17]\"",
            "for=_hidden, for=_SEVKISEK",
            "for=unknown;by=\"unknown:80\"",
            "proto=https;host=\"haproxy.org:80\"",
            "host=\"[::1]:80\"",
            "for=\"_name:_port\"",
            "for=\"127\\.0.0.1\"",
            ";for=1.2.3.4;",
            " for=1.2.3.4 ",
        ] {
            assert!(valid(header.as_bytes()), "{header}");
        }
        for header in [
            "",
            ";",
            ",",
            "proto=custom",
            "for=127.0.0.1:80",
            "for=[::1]",
            "for=\"::1\"",
            "for=1.2.3",
            "for=_",
            "for=name",
            "for=\"1.2.3.4:\"",
            "for=\"1.2.3.4:123456\"",
            "for=\"1.2.3.4:x\"",
            "for=\"[::1\"",
            "for=\"[::1]x\"",
            "for=\"1.2.3.4",
            "for=1.2.3.4;for=1.2.3.4",
            "for=1.2.3.4; proto=http",
            "for =1.2.3.4",
            "for=1.2.3.4\"x\"",
            "for=",
            "for",
            "host=\"a b\"",
            "host=\"a:b\"",
            "host=\"\"",
            "for=1.2.3.4;=x",
            "for=1.2.3.4 proto=http",
            "for=1.2.3.4,broken",
            "for=1.2.3.4;secret=x",
        ] {
            assert!(!valid(header.as_bytes()), "{header}");
        }
    }

    #[test]
    fn fields_of_a_valid_header() {
        let header = "proto=https;host=\"haproxy.org:80\";for=\"127.0.0.1:9999\"";
        assert_eq!(field(header, "host"), Some(Value::str("haproxy.org:80")));
        assert_eq!(field(header, "for"), Some(Value::str("127.0.0.1:9999")));
        assert_eq!(field(header, "proto"), Some(Value::str("https")));
        assert_eq!(field(header, "by"), None);
        assert_eq!(
            field("FOR=1.2.3.4, for=5.6.7.8", "for"),
            Some(Value::str("1.2.3.4"))
        );
        assert_eq!(field("for=1.2.3.4;proto=custom", "for"), None);
        let error = Converter::new("rfc7239_field", &[Value::str("port")], &Scope::anywhere()).unwrap_err();
        assert_eq!(
            error.message,
            "`rfc7239_field`: the fields are proto, host, for, by"
        );
    }

    proptest! {
        #[test]
        fn any_header_ends_well(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "for", "by", "proto", "host", "=", ";", ",", " ", "\"", "\\", "[", "]", "::1", "1.2.3.4", ":80", "_x", "\u{1}", "\u{e9}",
        ]), 0..30)) {
            let header = pieces.concat();
            let found = field(&header, "for");
            prop_assert!(found.is_none() || valid(header.as_bytes()));
            let _ = run("rfc7239_n2nn", &[], Value::str(header));
        }
    }
}
