//! From what is known of a client to a header.

use std::net::SocketAddr;

use tidegate_sample::convert::crc32c;

use super::{SIGNATURE, kind};

/// The header of version 1: a line.
pub(crate) fn version1(addresses: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    match addresses.and_then(alike) {
        Some((source, destination)) => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.ip(), destination.ip());
            format!(
                "PROXY {family} {from} {to} {} {}\r\n",
                source.port(),
                destination.port()
            )
            .into_bytes()
        }
        None => b"PROXY UNKNOWN\r\n".to_vec(),
    }
}

/// What version 2 tells beside the addresses. What is `None` isn't told.
#[derive(Default)]
pub(crate) struct About {
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) unique_id: Option<Vec<u8>>,
    pub(crate) ssl: Option<AboutSsl>,
    pub(crate) more: Vec<(u8, Vec<u8>)>,
    pub(crate) checksum: bool,
}

/// What is told of the client's TLS.
#[derive(Default)]
pub(crate) struct AboutSsl {
    /// The client speaks TLS at all.
    pub(crate) spoken: bool,
    /// It showed a certificate on this connection.
    pub(crate) shown: bool,
    /// It has shown one in this session.
    pub(crate) known: bool,
    /// That certificate was verified.
    pub(crate) verified: bool,
    pub(crate) version: Option<Vec<u8>>,
    pub(crate) common_name: Option<Vec<u8>>,
    pub(crate) cipher: Option<Vec<u8>>,
    pub(crate) signature: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
}

/// The header of version 2 for a connection that the proxy makes for itself.
pub(crate) fn local2() -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([0x20, 0x00, 0, 0]);
    header
}

/// The header of version 2.
pub(crate) fn version2(addresses: Option<(SocketAddr, SocketAddr)>, about: &About) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.push(0x21);
    match addresses.and_then(alike) {
        Some((SocketAddr::V4(source), SocketAddr::V4(destination))) => {
            header.extend([0x11, 0, 0]);
            header.extend(source.ip().octets());
            header.extend(destination.ip().octets());
            header.extend(source.port().to_be_bytes());
            header.extend(destination.port().to_be_bytes());
        }
        Some((SocketAddr::V6(source), SocketAddr::V6(destination))) => {
            header.extend([0x21, 0, 0]);
            header.extend(source.ip().octets());
            header.extend(destination.ip().octets());
            header.extend(source.port().to_be_bytes());
            header.extend(destination.port().to_be_bytes());
        }
        _ => header.extend([0x00, 0, 0]),
    }
    let mut checksum_at = None;
    if about.checksum {
        checksum_at = Some(header.len() + 3);
        tlv(&mut header, kind::CRC32C, &[0; 4]);
    }
    let named = [
        (kind::ALPN, &about.alpn),
        (kind::AUTHORITY, &about.authority),
        (kind::UNIQUE_ID, &about.unique_id),
    ];
    for (kind, value) in named {
        if let Some(value) = value {
            tlv(&mut header, kind, value);
        }
    }
    if let Some(ssl) = &about.ssl {
        tlv(&mut header, kind::SSL, &ssl.value());
    }
    for (kind, value) in &about.more {
        tlv(&mut header, *kind, value);
    }
    let length = u16::try_from(header.len() - SIGNATURE.len() - 4).unwrap_or(u16::MAX);
    if let Some(place) = header.get_mut(14..16) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    if let Some(at) = checksum_at {
        let sum = crc32c(&header).to_be_bytes();
        if let Some(place) = header.get_mut(at..at + 4) {
            place.copy_from_slice(&sum);
        }
    }
    header
}

impl AboutSsl {
    fn value(&self) -> Vec<u8> {
        let flags = [(self.spoken, 1), (self.shown, 2), (self.known, 4)];
        let client = flags
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, bit)| bit)
            .sum();
        let mut value = vec![client];
        value.extend(u32::from(!self.verified).to_be_bytes());
        let parts = [
            (kind::SSL_VERSION, &self.version),
            (kind::SSL_CN, &self.common_name),
            (kind::SSL_CIPHER, &self.cipher),
            (kind::SSL_SIG_ALG, &self.signature),
            (kind::SSL_KEY_ALG, &self.key),
        ];
        for (kind, part) in parts {
            if let Some(part) = part {
                tlv(&mut value, kind, part);
            }
        }
        value
    }
}

/// Appends a TLV, unless it is too long for one.
fn tlv(to: &mut Vec<u8>, kind: u8, value: &[u8]) {
    if let Ok(length) = u16::try_from(value.len()) {
        to.push(kind);
        to.extend(length.to_be_bytes());
        to.extend_from_slice(value);
    }
}

/// Both addresses in one family: those of IPv4 are written as IPv6 has them where the other is of IPv6.
fn alike((source, destination): (SocketAddr, SocketAddr)) -> Option<(SocketAddr, SocketAddr)> {
    if source.is_ipv4() == destination.is_ipv4() {
        return Some((source, destination));
    }
    let mapped = |address: SocketAddr| match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        v6 => v6,
    };
    Some((mapped(source), mapped(destination)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy_protocol::read::{Read, read};
    use tidegate_sample::Data;

    fn pair(source: &str, destination: &str) -> Option<(SocketAddr, SocketAddr)> {
        Some((source.parse().unwrap(), destination.parse().unwrap()))
    }

    #[test]
    fn what_is_written_is_read_again() {
        for addresses in [
            pair("192.0.2.1:1", "198.51.100.7:65535"),
            pair("[2001:db8::1]:80", "[::1]:443"),
            None,
        ] {
            let Read::Whole(header, _) = read(&version1(addresses)) else {
                panic!()
            };
            assert_eq!(header.addresses, addresses);
            let about = About {
                alpn: Some(b"h2".to_vec()),
                authority: Some(b"a.test".to_vec()),
                more: vec![(0xe0, b"mine".to_vec())],
                checksum: addresses.is_some(),
                ..About::default()
            };
            let bytes = version2(addresses, &about);
            let Read::Whole(header, length) = read(&bytes) else {
                panic!("{bytes:?}")
            };
            assert_eq!((header.addresses, length), (addresses, bytes.len()));
            if addresses.is_some() {
                assert!(header.tlvs.contains(&(0xe0, Data::from("mine"))));
                assert!(header.tlvs.contains(&(2, Data::from("a.test"))));
            }
        }
    }

    #[test]
    fn addresses_of_two_families_become_those_of_one() {
        let mixed = version1(pair("192.0.2.1:1", "[::1]:2"));
        assert_eq!(mixed, b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n");
    }
}
