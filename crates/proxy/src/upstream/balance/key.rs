//! From a request to the hash that chooses its server.

use std::net::IpAddr;

use tidegate_sample::hash::{avalanche, crc32, djb2, sdbm};
use tidegate_sample::{Session, Type, Value, cast};

use crate::spec::{HashBy, HashFunction, HashType, UriPart};
use crate::txn::Txn;

/// The hash of what a backend balances by; `None` if the request has none of it.
pub(super) fn hash(by: &HashBy, kind: HashType, txn: &Txn) -> Option<u32> {
    let session: &dyn Session = txn;
    match by {
        HashBy::Source => Some(mixed(address(txn.source()?.ip()), kind)),
        HashBy::Uri(part) => {
            let head = txn.request_head()?;
            if head.uri.authority().is_some() && !part.path_only {
                return Some(of_bytes(uri(head.uri.to_string().as_bytes(), *part), kind));
            }
            Some(of_bytes(uri(head.uri.whole_path().as_bytes(), *part), kind))
        }
        HashBy::Domain(expr) => of_value(expr.eval(session)?, kind, main_domain),
        HashBy::Sample(expr) => of_value(expr.eval(session)?, kind, |bytes| bytes),
        HashBy::Either(first, second) => first
            .eval(session)
            .and_then(|value| of_value(value, kind, |bytes| bytes))
            .or_else(|| of_value(second.eval(session)?, kind, |bytes| bytes)),
    }
}

pub(super) fn of_value(value: Value, kind: HashType, part: impl Fn(&[u8]) -> &[u8]) -> Option<u32> {
    let to = match kind.function {
        HashFunction::None => Type::Str,
        _ => Type::Bin,
    };
    let Some(Value::Str(bytes) | Value::Bin(bytes)) = cast(value, to) else {
        return None;
    };
    let bytes = part(&bytes);
    (!bytes.is_empty()).then(|| of_bytes(bytes, kind))
}

fn of_bytes(bytes: &[u8], kind: HashType) -> u32 {
    let hash = match kind.function {
        HashFunction::Sdbm => sdbm(0, bytes),
        HashFunction::Djb2 => djb2(bytes),
        HashFunction::Crc32 => crc32(bytes),
        HashFunction::None => number(bytes),
    };
    mixed(hash, kind)
}

fn mixed(hash: u32, kind: HashType) -> u32 {
    if kind.avalanche { avalanche(hash) } else { hash }
}

/// The number that a key begins with.
fn number(bytes: &[u8]) -> u32 {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0u32, |number, digit| {
        number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))
    })
}

/// An address is its own hash: that of IPv4 is its number, that of IPv6 its four parts together.
fn address(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip),
        IpAddr::V6(ip) => {
            let bits = u128::from(ip);
            (bits ^ bits >> 32 ^ bits >> 64 ^ bits >> 96) as u32
        }
    }
}

/// The part of a target that counts.
fn uri(target: &[u8], part: UriPart) -> &[u8] {
    let mut bytes = target;
    if let Some(most) = part.bytes_max {
        bytes = bytes.get(..most).unwrap_or(bytes);
    }
    let mut slashes = 0;
    let end = bytes.iter().position(|byte| match byte {
        b'?' => !part.whole,
        b'/' => {
            slashes += 1;
            part.depth_max.is_some_and(|most| slashes > most)
        }
        _ => false,
    });
    bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes)
}

/// The main part of a name: `1wt` of `haproxy.1wt.eu`, a port left out.
fn main_domain(name: &[u8]) -> &[u8] {
    let end = name.iter().position(|byte| *byte == b':').unwrap_or(name.len());
    let name = name.get(..end).unwrap_or(name);
    let mut parts = name.rsplit(|byte| *byte == b'.');
    let last = parts.next().unwrap_or_default();
    parts.next().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::HashMethod;

    #[test]
    fn parts_of_targets() {
        let part = |target: &'static str, part| std::str::from_utf8(uri(target.as_bytes(), part)).unwrap();
        let plain = UriPart::default();
        assert_eq!(part("/a/b?x=/y", plain), "/a/b");
        let whole = UriPart { whole: true, ..plain };
        assert_eq!(part("/a/b?x=/y", whole), "/a/b?x=/y");
        assert_eq!(part("http://h:1/a?x", plain), "http://h:1/a");
        let len = UriPart {
            bytes_max: Some(3),
            ..plain
        };
        assert_eq!((part("/abc", len), part("/a", len)), ("/ab", "/a"));
        let depth = |n| UriPart {
            depth_max: Some(n),
            ..plain
        };
        assert_eq!(part("/a/b/c", depth(1)), "/a");
        assert_eq!(part("/a/b/c", depth(2)), "/a/b");
        assert_eq!(part("/a/b/c", depth(9)), "/a/b/c");
    }

    #[test]
    fn main_parts_of_names() {
        let main = |name: &'static str| std::str::from_utf8(main_domain(name.as_bytes())).unwrap();
        assert_eq!(main("haproxy.1wt.eu"), "1wt");
        assert_eq!(main("1wt.eu:8080"), "1wt");
        assert_eq!((main("localhost"), main("")), ("localhost", ""));
    }

    #[test]
    fn keys_are_hashed_as_asked() {
        let kind = |function, avalanche| HashType {
            method: HashMethod::MapBased,
            function,
            avalanche,
        };
        assert_eq!(of_bytes(b"a", kind(HashFunction::Sdbm, false)), 97);
        assert_eq!(of_bytes(b"a", kind(HashFunction::Djb2, false)), 177_670);
        assert_eq!(of_bytes(b"a", kind(HashFunction::Crc32, false)), 0xe8b7_be43);
        assert_eq!(of_bytes(b"123x4", kind(HashFunction::None, false)), 123);
        assert_eq!(of_bytes(b"a", kind(HashFunction::Sdbm, true)), avalanche(97));
        assert_eq!(address("127.0.0.9".parse().unwrap()), 0x7f00_0009);
        assert_eq!(address("1::2".parse().unwrap()), 0x0001_0002);
    }
}
