//! IPv4 and IPv6 headers.

use super::super::{ConverterRow, row};
use super::{byte, int, packet, tcp, word};
use crate::arg::{ArgError, ArgKind, ArgSpec, at};
use crate::value::{Type, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NONE: ArgSpec = ArgSpec::NONE;

/// What `ip.fp` appends, by the bit that asks for it.
const FP_TTL: i64 = 1;
const FP_OPTIONS: i64 = 2;
const FP_SOURCE: i64 = 4;

macro_rules! of_header {
    ($name:literal, $type:expr, $doc:literal, $read:expr) => {
        row($name, NONE, Type::Bin, $type, $doc, |_, _, v| {
            let data = packet(v)?;
            let header = Header::read(&data)?;
            let read: fn(&Header, &[u8]) -> Option<Value> = $read;
            read(&header, &data)
        })
    };
}

pub(crate) const ROWS: &[ConverterRow] = &[
    row(
        "ip.data",
        NONE,
        Type::Bin,
        Type::Bin,
        "what an IP packet carries, behind its header, options and extensions: `ip.data,tcp.dst` (7.3.1)",
        |_, _, v| {
            let data = packet(v)?;
            let header = Header::read(&data)?;
            Some(Value::Bin(data.slice(header.len..data.len())))
        },
    ),
    of_header!(
        "ip.df",
        Type::Int,
        "1 if an IP packet must not be fragmented, which is always so for IPv6 (7.3.1)",
        |header, data| match header.version {
            4 => int(byte(data, 6)? >> 6 & 1),
            _ => int(1),
        }
    ),
    of_header!(
        "ip.dst",
        Type::Addr,
        "the destination of an IP packet (7.3.1)",
        |header, data| header.address(data, 16, 24)
    ),
    row(
        "ip.fp",
        ArgSpec::new(0, &[ArgKind::Int]),
        Type::Bin,
        Type::Bin,
        "a fingerprint of 8 bytes of the system that sent an IP packet with a TCP header: `ip.fp(5),hex`; the sum of 1, 2 \
         and 4 appends the TTL, the kinds of TCP options and the source (7.3.1)",
        |_, args, v| fingerprint(&packet(v)?, at(args, 0).int_or(0)).map(Value::bin),
    )
    .prepared(|args| match at(args, 0).int_or(0) {
        0..=7 => Ok(()),
        _ => Err(ArgError::new(0, "the mode is the sum of 1, 2 and 4, or of some of them")),
    }),
    row(
        "ip.hdr",
        NONE,
        Type::Bin,
        Type::Bin,
        "the header of an IP packet with its options or extensions (7.3.1)",
        |_, _, v| {
            let data = packet(v)?;
            let header = Header::read(&data)?;
            Some(Value::Bin(data.slice(0..header.len)))
        },
    ),
    of_header!(
        "ip.proto",
        Type::Int,
        "the protocol that an IP packet carries: 6 is TCP, 17 is UDP (7.3.1)",
        |header, _| int(header.protocol)
    ),
    of_header!(
        "ip.src",
        Type::Addr,
        "the source of an IP packet (7.3.1)",
        |header, data| header.address(data, 12, 8)
    ),
    of_header!(
        "ip.tos",
        Type::Int,
        "the type of service of an IPv4 packet, the traffic class of an IPv6 packet (7.3.1)",
        |header, data| int(header.tos(data)?)
    ),
    of_header!(
        "ip.ttl",
        Type::Int,
        "the time to live of an IPv4 packet, the hop limit of an IPv6 packet (7.3.1)",
        |header, data| int(header.ttl(data)?)
    ),
    row(
        "ip.ver",
        NONE,
        Type::Bin,
        Type::Int,
        "the version of IP that a packet tells of: 4 or 6 (7.3.1)",
        |_, _, v| int(byte(&packet(v)?, 0)? >> 4),
    ),
];

struct Header {
    version: u8,
    /// With options and extensions.
    len: usize,
    /// Of what follows the header and its extensions.
    protocol: u8,
    /// Whether there are options or extensions.
    options: bool,
}

impl Header {
    /// None if this is no IP packet, or it ends inside its header.
    fn read(data: &[u8]) -> Option<Header> {
        let header = match byte(data, 0)? >> 4 {
            4 => {
                let len = usize::from(byte(data, 0)? & 15) * 4;
                Header {
                    version: 4,
                    len,
                    protocol: byte(data, 9)?,
                    options: len > 20,
                }
            }
            6 => {
                let (len, protocol) = behind_extensions(data)?;
                Header {
                    version: 6,
                    len,
                    protocol,
                    options: len > 40,
                }
            }
            _ => return None,
        };
        (header.len >= 20 && data.len() >= header.len).then_some(header)
    }

    fn address(&self, data: &[u8], at_v4: usize, at_v6: usize) -> Option<Value> {
        let address: IpAddr = match self.version {
            4 => Ipv4Addr::from(*data.get(at_v4..)?.first_chunk::<4>()?).into(),
            _ => Ipv6Addr::from(*data.get(at_v6..)?.first_chunk::<16>()?).into(),
        };
        Some(address.into())
    }

    fn tos(&self, data: &[u8]) -> Option<u8> {
        match self.version {
            4 => byte(data, 1),
            _ => Some((word(data, 0)? >> 4) as u8),
        }
    }

    fn ttl(&self, data: &[u8]) -> Option<u8> {
        byte(data, if self.version == 4 { 8 } else { 7 })
    }

    /// How long the whole packet says that it is.
    fn total(&self, data: &[u8]) -> Option<usize> {
        match self.version {
            4 => word(data, 2).map(usize::from),
            _ => Some(40 + usize::from(word(data, 4)?)),
        }
    }
}

/// Where the extensions of an IPv6 header end, and the protocol that follows.
fn behind_extensions(data: &[u8]) -> Option<(usize, u8)> {
    let (mut at, mut protocol) = (40, byte(data, 6)?);
    loop {
        let units = |data| byte(data, at + 1).map(usize::from);
        let len = match protocol {
            // Hop-by-hop options, routing, destination options, mobility, host identity, shim6.
            0 | 43 | 60 | 135 | 139 | 140 => (units(data)? + 1) * 8,
            // A fragment's header.
            44 => 8,
            // Authentication counts in other units.
            51 => (units(data)? + 2) * 4,
            _ => return Some((at, protocol)),
        };
        protocol = byte(data, at)?;
        at += len;
    }
}

/// The layout is the manual's.
fn fingerprint(data: &[u8], mode: i64) -> Option<Vec<u8>> {
    let header = Header::read(data)?;
    if header.protocol != 6 {
        return None;
    }
    let tcp = tcp::Header::read(data.get(header.len..)?)?;
    let ttl = header.ttl(data)?;
    let df = header.version == 6 || byte(data, 6)? & 0x40 != 0;
    let carries = header.total(data)? > header.len + tcp.len;
    let flag = |set: bool, bit: u8| u8::from(set) << bit;
    let ttl_class = match ttl {
        0..=32 => 0,
        33..=64 => 1,
        65..=128 => 2,
        129..=255 => 3,
    };
    let scale = tcp.window_scale().map_or(0, |scale| scale.min(14) + 1);
    let kinds = tcp.options().fold(0u8, |kinds, (kind, _)| match kind {
        2..=8 => kinds | 1 << (kind - 2),
        9.. => kinds | 1 << 7,
        _ => kinds,
    });
    let mut print = vec![
        header.tos(data)?,
        flag(header.version == 6, 7)
            | flag(df, 6)
            | ttl_class << 4
            | flag(header.options, 3)
            | flag(carries, 2)
            | flag(tcp.flags & 0x80 != 0, 1)
            | flag(tcp.flags & 0x40 != 0, 0),
        ((tcp.len / 4) as u8) << 4 | scale,
    ];
    print.extend_from_slice(&tcp.window.to_be_bytes());
    print.extend_from_slice(&tcp.segment_max().unwrap_or(0).to_be_bytes());
    print.push(kinds);
    if mode & FP_TTL != 0 {
        print.push(ttl);
    }
    if mode & FP_OPTIONS != 0 {
        print.extend(tcp.options().map(|(kind, _)| kind));
    }
    if mode & FP_SOURCE != 0 {
        let source = match header.version {
            4 => data.get(12..16)?,
            _ => data.get(8..24)?,
        };
        print.extend_from_slice(source);
    }
    Some(print)
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;

    /// A SYN of Linux: MSS 1460, SACK, timestamps, no-op, window scale 7.
    const SYN4: &str = "45100000 1c464000 40060000 c0a80001 0a000002 \
                        d431 01bb 11223344 00000000 a0c2 faf0 0000 0000 \
                        020405b4 0402 080a 01020304 00000000 01 030307";
    /// Hop-by-hop options and a fragment's header before the SYN.
    const SYN6: &str = "6ab12345 0024 00 80 20010db8000000000000000000000001 20010db8000000000000000000000002 \
                        2c 00 000000000000 06 00 000000000000 \
                        0050 1f90 00000001 00000000 5002 1000 0000 0000";

    #[test]
    fn ipv4() {
        for (converter, want) in [
            ("ip.ver", "4"),
            ("ip.tos", "16"),
            ("ip.ttl", "64"),
            ("ip.df", "1"),
            ("ip.proto", "6"),
            ("ip.src", "192.168.0.1"),
            ("ip.dst", "10.0.0.2"),
            ("ip.hdr", "451000001c46400040060000c0a800010a000002"),
            ("ip.data,tcp.dst", "443"),
        ] {
            assert_eq!(run(SYN4, converter), want, "{converter}");
        }
        let with_options = format!("46000018 00000000 01110000 01020304 05060708 01010101{}", "aabb");
        assert_eq!(run(&with_options, "ip.data"), "aabb");
        assert_eq!(run(&with_options, "ip.df"), "0");
        assert_eq!(run(&with_options, "ip.proto"), "17");
    }

    #[test]
    fn ipv6() {
        for (converter, want) in [
            ("ip.ver", "6"),
            ("ip.tos", "171"),
            ("ip.ttl", "128"),
            ("ip.df", "1"),
            ("ip.proto", "6"),
            ("ip.src", "2001:db8::1"),
            ("ip.dst", "2001:db8::2"),
            ("ip.hdr,bytes(40)", "2c000000000000000600000000000000"),
            ("ip.data,tcp.dst", "8080"),
        ] {
            assert_eq!(run(SYN6, converter), want, "{converter}");
        }
    }

    #[test]
    fn fingerprints() {
        let fp = "1053a8faf005b447";
        for (packet, converter, want) in [
            (SYN4, "ip.fp", fp.to_string()),
            (SYN4, "ip.fp(0)", fp.to_string()),
            (SYN4, "ip.fp(1)", format!("{fp}40")),
            (SYN4, "ip.fp(2)", format!("{fp}0204080103")),
            (SYN4, "ip.fp(4)", format!("{fp}c0a80001")),
            (SYN4, "ip.fp(7)", format!("{fp}400204080103c0a80001")),
            (SYN6, "ip.fp", "abe850100000 0000".replace(' ', "")),
            (
                SYN6,
                "ip.fp(4),bytes(8)",
                "20010db8000000000000000000000001".to_string(),
            ),
        ] {
            assert_eq!(run(packet, converter), want, "{converter}");
        }
        let carries = SYN4
            .replacen("45100000", "4510003d", 1)
            .replacen("a0c2", "a002", 1);
        assert_eq!(run(&carries, "ip.fp,bytes(1,1)"), "54");
        let error = "bin(00),ip.fp(8)".parse::<crate::Expr>().unwrap_err();
        assert!(error.message.contains("the sum of 1, 2 and 4"), "{error}");
    }

    #[test]
    fn what_is_no_packet_gives_nothing() {
        for (packet, converter) in [
            ("", "ip.ver"),
            ("45", "ip.proto"),
            ("44000000 00000000 40060000 c0a80001 0a000002", "ip.src"),
            ("46000000 00000000 40060000 c0a80001 0a000002", "ip.data"),
            ("75000000 00000000 40060000 c0a80001 0a000002", "ip.src"),
            ("60000000 0000 06 40 00", "ip.ttl"),
            (
                "45000000 00000000 40110000 c0a80001 0a000002 0000000000000000",
                "ip.fp",
            ),
            (
                "45000000 00000000 40060000 c0a80001 0a000002 0000000000000000",
                "ip.fp",
            ),
        ] {
            assert_eq!(run(packet, converter), "-", "{packet} {converter}");
        }
    }
}
