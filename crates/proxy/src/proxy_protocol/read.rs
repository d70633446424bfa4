//! From bytes to a header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tidegate_sample::Data;
use tidegate_sample::convert::crc32c;

use super::{SIGNATURE, kind};

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// The client's address and the one it connected to; none if the connection's own are to be taken.
    pub(crate) addresses: Option<(SocketAddr, SocketAddr)>,
    /// What else it tells, by type.
    pub(crate) tlvs: Vec<(u8, Data)>,
}

impl Header {
    /// What it tells under a type.
    pub(crate) fn tlv(&self, kind: u8) -> Option<Data> {
        self.tlvs
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, value)| value.clone())
    }
}

/// What bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A header of this length.
    Whole(Header, usize),
    /// The beginning of one.
    Short,
    /// None.
    Other,
    /// One that is broken.
    Broken,
    /// One for a protocol that nobody knows.
    Unhandled,
}

/// The longest header of version 1, with its end of line.
const VERSION_1_BYTES_MAX: usize = 107;

/// Reads the header that `bytes` begin with.
pub(crate) fn read(bytes: &[u8]) -> Read {
    let begins = |start: &[u8]| {
        let length = start.len().min(bytes.len());
        bytes.get(..length) == start.get(..length)
    };
    if begins(&SIGNATURE) {
        return version2(bytes);
    }
    if begins(b"PROXY ") {
        return version1(bytes);
    }
    Read::Other
}

fn version1(bytes: &[u8]) -> Read {
    let seen = bytes
        .get(..bytes.len().min(VERSION_1_BYTES_MAX))
        .unwrap_or_default();
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < VERSION_1_BYTES_MAX {
            Read::Short
        } else {
            Read::Broken
        };
    };
    let line = seen.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return Read::Broken;
    };
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    let addresses = match family {
        Some("UNKNOWN") => return Read::Whole(Header::default(), end + 1),
        Some("TCP4" | "TCP6") => addresses(&mut words, family == Some("TCP4")),
        Some(_) => return Read::Unhandled,
        None => return Read::Broken,
    };
    match (addresses, words.next()) {
        (Some(addresses), None) => {
            let header = Header {
                addresses: Some(addresses),
                tlvs: Vec::new(),
            };
            Read::Whole(header, end + 1)
        }
        _ => Read::Broken,
    }
}

fn addresses<'a>(words: &mut impl Iterator<Item = &'a str>, v4: bool) -> Option<(SocketAddr, SocketAddr)> {
    let mut address = || {
        let address: IpAddr = words.next()?.parse().ok()?;
        (address.is_ipv4() == v4).then_some(address)
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || {
        let word = words.next()?;
        let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| word.parse::<u16>().ok()).flatten()
    };
    let (source_port, destination_port) = (port()?, port()?);
    Some((
        (source, source_port).into(),
        (destination, destination_port).into(),
    ))
}

fn version2(bytes: &[u8]) -> Read {
    let Some((&[version_command, family, high, low], _)) = bytes
        .get(SIGNATURE.len()..)
        .and_then(|rest| rest.split_first_chunk::<4>())
    else {
        // What has come of it may be wrong already.
        return match bytes.get(SIGNATURE.len()) {
            Some(byte) if byte >> 4 != 2 || byte & 15 > 1 => Read::Broken,
            _ => Read::Short,
        };
    };
    if version_command >> 4 != 2 || version_command & 15 > 1 {
        return Read::Broken;
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let start = SIGNATURE.len() + 4;
    let Some(body) = bytes.get(start..start + length) else {
        return Read::Short;
    };
    let whole = bytes.get(..start + length).unwrap_or_default();
    // Addresses of a connection of the proxy's own (LOCAL) are not looked at.
    let local = version_command & 15 == 0;
    let (addresses, rest) = match family {
        0x11 => match body.split_first_chunk::<12>() {
            Some((block, rest)) => (Some(ipv4(block)), rest),
            None => return Read::Broken,
        },
        0x21 => match body.split_first_chunk::<36>() {
            Some((block, rest)) => (Some(ipv6(block)), rest),
            None => return Read::Broken,
        },
        // Unix sockets have no addresses that anybody here could use.
        0x31 => match body.get(216..) {
            Some(rest) => (None, rest),
            None => return Read::Broken,
        },
        // Nothing is known of how long unspecified addresses are: all of it is passed over.
        0x00 => (None, &[][..]),
        _ if local => (None, &[][..]),
        _ => return Read::Unhandled,
    };
    let Some(tlvs) = tlvs(rest) else {
        return Read::Broken;
    };
    if !local && !checks(whole, start + length - rest.len(), rest) {
        return Read::Broken;
    }
    let header = Header {
        addresses: addresses.filter(|_| !local),
        tlvs: if local { Vec::new() } else { tlvs },
    };
    Read::Whole(header, start + length)
}

fn ipv4(block: &[u8; 12]) -> (SocketAddr, SocketAddr) {
    let [a, b, c, d, e, f, g, h, s0, s1, d0, d1] = *block;
    (
        (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([s0, s1])).into(),
        (Ipv4Addr::new(e, f, g, h), u16::from_be_bytes([d0, d1])).into(),
    )
}

fn ipv6(block: &[u8; 36]) -> (SocketAddr, SocketAddr) {
    let address = |at: usize| {
        let bytes = block
            .get(at..at + 16)
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        Ipv6Addr::from(bytes.unwrap_or_default())
    };
    let port = |at: usize| {
        let bytes = block
            .get(at..at + 2)
            .and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
        u16::from_be_bytes(bytes.unwrap_or_default())
    };
    ((address(0), port(32)).into(), (address(16), port(34)).into())
}

/// The next of several TLVs: its type and value, and what follows.
fn next_tlv(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk::<3>()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((kind, value, rest))
}

fn tlvs(mut bytes: &[u8]) -> Option<Vec<(u8, Data)>> {
    let mut tlvs = Vec::new();
    while !bytes.is_empty() {
        let (kind, value, rest) = next_tlv(bytes)?;
        tlvs.push((kind, Data::from(value)));
        bytes = rest;
    }
    Some(tlvs)
}

/// Whether the checksum is right, if there is one: it is that of the header with zeros in its own place.
fn checks(whole: &[u8], mut at: usize, mut rest: &[u8]) -> bool {
    while let Some((found, value, after)) = next_tlv(rest) {
        if found == kind::CRC32C {
            let Ok(sum) = <[u8; 4]>::try_from(value) else {
                return false;
            };
            let mut zeroed = whole.to_vec();
            if let Some(own) = zeroed.get_mut(at + 3..at + 7) {
                own.fill(0);
            }
            return crc32c(&zeroed) == u32::from_be_bytes(sum);
        }
        at += 3 + value.len();
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(tail: &[u8]) -> Vec<u8> {
        let length = u16::try_from(12 + tail.len()).unwrap().to_be_bytes();
        let addresses = [192, 0, 2, 1, 198, 51, 100, 7, 0x30, 0x39, 1, 0xbb];
        [&SIGNATURE[..], &[0x21, 0x11], &length, &addresses, tail].concat()
    }

    fn pair(source: &str, destination: &str) -> Option<(SocketAddr, SocketAddr)> {
        Some((source.parse().unwrap(), destination.parse().unwrap()))
    }

    #[test]
    fn version_1_is_a_line() {
        let read = |text: &str| read(text.as_bytes());
        let Read::Whole(header, 43) = read("PROXY TCP4 192.0.2.1 198.51.100.7 123 443\r\nGET /") else {
            panic!()
        };
        assert_eq!(header.addresses, pair("192.0.2.1:123", "198.51.100.7:443"));
        let Read::Whole(header, _) = read("PROXY TCP6 2001:db8::1 ::2 1 65535\r\n") else {
            panic!()
        };
        assert_eq!(header.addresses, pair("[2001:db8::1]:1", "[::2]:65535"));
        assert_eq!(read("PROXY UNKNOWN\r\nx"), Read::Whole(Header::default(), 15));
        assert_eq!(
            read("PROXY UNKNOWN a b c d\r\n"),
            Read::Whole(Header::default(), 23)
        );
        for broken in [
            "PROXY TCP4 192.0.2.1 198.51.100.7 123 443\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 123 65536\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 123\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 123 443 \r\n",
            "PROXY TCP4 192.0.2.1  198.51.100.7 123 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n",
            "PROXY TCP4 ::1 ::2 123 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.7 123 443\r\n",
            "PROXY \r\n",
        ] {
            assert!(
                matches!(read(broken), Read::Broken | Read::Unhandled),
                "{broken:?}"
            );
        }
        assert_eq!(read(&format!("PROXY UNKNOWN {}", "x".repeat(200))), Read::Broken);
        assert_eq!(read("GET / HTTP/1.1\r\n"), Read::Other);
        assert_eq!(read("PROXI"), Read::Other);
    }

    #[test]
    fn version_2_has_addresses_and_more() {
        let Read::Whole(header, 39) = read(&v4(b"\x02\0\x04host\x04\0\x01x")[..]) else {
            panic!()
        };
        assert_eq!(header.addresses, pair("192.0.2.1:12345", "198.51.100.7:443"));
        assert_eq!(header.tlvs, [(2, Data::from("host")), (4, Data::from("x"))]);
        // Cut off or overlong, a TLV spoils all.
        assert_eq!(read(&v4(b"\x02\0\x05host")), Read::Broken);
        assert_eq!(read(&v4(b"\x02\0")), Read::Broken);
        let local = [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat();
        assert_eq!(read(&local), Read::Whole(Header::default(), 16));
        let unspecified = [&SIGNATURE[..], &[0x21, 0, 0, 2, 9, 9]].concat();
        assert_eq!(read(&unspecified), Read::Whole(Header::default(), 18));
        let unix = [&SIGNATURE[..], &[0x21, 0x31, 0, 216], &[b'x'; 216]].concat();
        assert_eq!(read(&unix), Read::Whole(Header::default(), 232));
        for (at, byte) in [(12, 0x11), (12, 0x22), (12, 0x01)] {
            let mut bytes = v4(b"");
            bytes[at] = byte;
            assert_eq!(read(&bytes), Read::Broken, "{byte:#x}");
            assert_eq!(read(&bytes[..13]), Read::Broken, "{byte:#x}");
        }
        let mut short = v4(b"");
        short[15] = 11;
        assert_eq!(read(&short), Read::Broken);
    }

    #[test]
    fn a_header_that_is_cut_anywhere_is_waited_for() {
        for whole in [
            b"PROXY TCP4 192.0.2.1 198.51.100.7 123 443\r\n".to_vec(),
            v4(b"\x02\0\x04host"),
            [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat(),
        ] {
            for end in 0..whole.len() {
                assert_eq!(read(&whole[..end]), Read::Short, "{end} of {whole:?}");
            }
            assert!(matches!(read(&whole), Read::Whole(..)));
        }
    }

    /// Whatever single byte is changed, nothing is read past the header, and nothing panics.
    #[test]
    fn a_header_that_is_broken_anywhere_is_no_other_one() {
        for whole in [
            b"PROXY TCP6 2001:db8::1 ::2 1 65535\r\n".to_vec(),
            v4(b"\x02\0\x04host\x03\0\x04abcd"),
        ] {
            for at in 0..whole.len() {
                for byte in 0..=255 {
                    let mut bytes = whole.clone();
                    bytes[at] = byte;
                    if let Read::Whole(_, length) = read(&bytes) {
                        assert!(length <= bytes.len());
                    }
                }
            }
        }
    }

    #[test]
    fn a_checksum_has_to_be_right() {
        let mut bytes = v4(b"\x03\0\x04\0\0\0\0\x02\0\x01h");
        let sum = crc32c(&bytes).to_be_bytes();
        bytes[31..35].copy_from_slice(&sum);
        assert!(matches!(read(&bytes), Read::Whole(..)));
        for at in 16..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x40;
            assert!(!matches!(read(&broken), Read::Whole(..)) || at == 28, "{at}");
        }
    }
}
