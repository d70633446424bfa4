//! The texts of patterns: numbers, networks, bytes.

use super::index::{Net, Network};
use crate::arg;
use crate::cast::leading_int;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// A pattern that must be text.
pub(super) fn text(key: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(key).map_err(|_| format!("`{}` is not UTF-8", key.escape_ascii()))
}

/// `5`, `5:7`, `5:`, `:7`
pub(crate) fn range(key: &[u8]) -> Result<RangeInclusive<i64>, String> {
    let text = text(key)?;
    if let Some((low, high)) = text.split_once(':') {
        let bound = |text: &str, open| if text.is_empty() { Some(open) } else { number(text) };
        return match (bound(low, i64::MIN), bound(high, i64::MAX)) {
            (Some(low), Some(high)) if low <= high && text.len() > 1 => Ok(low..=high),
            _ => Err(format!("`{text}` is not a valid range of numbers")),
        };
    }
    match number(text) {
        Some(int) => Ok(int..=int),
        None => Err(format!("`{text}` is not a number")),
    }
}

/// A whole number.
pub(crate) fn number(text: &str) -> Option<i64> {
    let (int, used) = leading_int(text.as_bytes());
    (used == text.len() && text.ends_with(|c: char| c.is_ascii_digit())).then_some(int)
}

/// Bytes in hexadecimal.
pub(super) fn bytes(key: &[u8]) -> Result<Vec<u8>, String> {
    arg::unhex(text(key)?)
}

/// An address, perhaps with a mask: a length, or for IPv4 also an address.
pub(super) fn network(key: &[u8]) -> Result<Network, String> {
    let text = text(key)?;
    let wrong = || format!("`{text}` is not a valid IPv4 or IPv6 address or network");
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    if let Some(ip) = ipv4(address) {
        let (ip, mask) = (
            u32::from(ip),
            mask.map_or(Some(u32::MAX), arg::mask4).ok_or_else(wrong)?,
        );
        return Ok(if mask.leading_ones() == mask.count_ones() {
            Network::V4(Net::new(ip, mask.leading_ones() as u8))
        } else {
            Network::Masked(ip & mask, mask)
        });
    }
    let ip: Ipv6Addr = address.parse().map_err(|_| wrong())?;
    let len = mask.map_or(Ok(128), |mask| mask.parse().map_err(|_| wrong()))?;
    if len > 128 {
        return Err(wrong());
    }
    Ok(Network::V6(Net::new(u128::from(ip), len)))
}

/// `10.1.2.3`, or with zeros left out before the last part: `10.3` is `10.0.0.3`.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    let (first, last) = text.rsplit_once('.')?;
    let zeros = match first.split('.').count() {
        1 => ".0.0.",
        2 => ".0.",
        _ => return None,
    };
    format!("{first}{zeros}{last}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges() {
        for (text, want) in [
            ("5", 5..=5),
            ("-5", -5..=-5),
            ("3:7", 3..=7),
            (":3", i64::MIN..=3),
            ("3:", 3..=i64::MAX),
            ("-9:-3", -9..=-3),
        ] {
            assert_eq!(range(text.as_bytes()), Ok(want), "{text}");
        }
        for wrong in ["5abc", "5.5", "3:x", ":", "7:3", "", "foo", "-", "+", "1:2:3"] {
            assert!(range(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks() {
        let v4 = |ip: &str, len| Ok(Network::V4(Net::new(ip.parse::<Ipv4Addr>().unwrap().into(), len)));
        assert_eq!(network(b"10.9.8.7/8"), v4("10.0.0.0", 8));
        assert_eq!(network(b"10.9.8.7/255.255.0.0"), v4("10.9.0.0", 16));
        assert_eq!(network(b"1.2.3.4/0"), v4("0.0.0.0", 0));
        assert_eq!(network(b"1.2.3.4"), v4("1.2.3.4", 32));
        assert_eq!(network(b"10.12"), v4("10.0.0.12", 32));
        assert_eq!(network(b"192.168.1/22"), v4("192.168.0.0", 22));
        assert_eq!(
            network(b"10.1.2.3/255.0.255.0"),
            Ok(Network::Masked(0x0a00_0200, 0xff00_ff00))
        );
        assert_eq!(
            network(b"2001:db8:1::/32"),
            Ok(Network::V6(Net::new(0x2001_0db8 << 96, 32)))
        );
        assert_eq!(network(b"::/0"), Ok(Network::V6(Net::new(0, 0))));
        for wrong in [
            "10.0.0.0/33",
            "::1/129",
            "localhost",
            "10.0.0.0/",
            "10",
            "1.2.3.4.5",
            "::1/x",
            "",
            "1..2",
        ] {
            assert!(network(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
