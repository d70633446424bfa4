//! NetScaler's Client IP insertion: the headers of IP and TCP that the client sent last, behind a number that both sides know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::read::{Header, Read};

/// The number, and how long what follows is.
const LEGACY_BYTES: usize = 8;

/// What is between these and the headers since NetScaler 10.5: a type, and another length.
const TYPE_BYTES: usize = 4;
const TYPE: [u8; 2] = [0, 1];

const TCP: u8 = 6;
const TCP_BYTES_MIN: usize = 20;
const V6_BYTES: usize = 40;

/// Reads the header that `bytes` begin with.
pub(super) fn read(bytes: &[u8], magic: u32) -> Read {
    let magic = magic.to_be_bytes();
    let begun = bytes.len().min(magic.len());
    if bytes.get(..begun) != magic.get(..begun) {
        return Read::Other;
    }
    let Some(&[a, b, c, d, first, second]) = bytes.get(4..10) else {
        return Read::Short;
    };
    let (start, length) = if [first, second] == TYPE {
        let Some(&[a, b]) = bytes.get(10..12) else {
            return Read::Short;
        };
        (LEGACY_BYTES + TYPE_BYTES, u16::from_be_bytes([a, b]).into())
    } else {
        (LEGACY_BYTES, u32::from_be_bytes([a, b, c, d]))
    };
    let Ok(length) = usize::try_from(length) else {
        return Read::Broken;
    };
    // Headers of IP and TCP with all their options are no longer.
    if length > 2 * 60 + V6_BYTES {
        return Read::Broken;
    }
    let Some(headers) = bytes.get(start..start + length) else {
        return Read::Short;
    };
    match addresses(headers) {
        Some(addresses) => {
            let header = Header {
                addresses: Some(addresses),
                tlvs: Vec::new(),
            };
            Read::Whole(header, start + length)
        }
        None => Read::Unhandled,
    }
}

/// The client's address and the one that it connected to.
fn addresses(headers: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let first = *headers.first()?;
    let (source, destination, tcp): (IpAddr, IpAddr, &[u8]) = match first >> 4 {
        4 => {
            let length = usize::from(first & 0xf) * 4;
            let at = |from: usize| Some(Ipv4Addr::from(*headers.get(from..)?.first_chunk::<4>()?));
            let is_tcp = length >= 20 && headers.get(9) == Some(&TCP);
            (
                at(12)?.into(),
                at(16)?.into(),
                headers.get(length..).filter(|_| is_tcp)?,
            )
        }
        6 => {
            let at = |from: usize| Some(Ipv6Addr::from(*headers.get(from..)?.first_chunk::<16>()?));
            let is_tcp = headers.get(6) == Some(&TCP);
            (
                at(8)?.into(),
                at(24)?.into(),
                headers.get(V6_BYTES..).filter(|_| is_tcp)?,
            )
        }
        _ => return None,
    };
    let &[a, b, c, d] = tcp.first_chunk::<4>().filter(|_| tcp.len() >= TCP_BYTES_MIN)?;
    Some((
        (source, u16::from_be_bytes([a, b])).into(),
        (destination, u16::from_be_bytes([c, d])).into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4() -> Vec<u8> {
        let mut headers = vec![
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
        ];
        headers.extend([0x30, 0x39, 0, 80]);
        headers.resize(40, 0);
        headers
    }

    fn framed(headers: &[u8], standard: bool) -> Vec<u8> {
        let length = headers.len();
        let mut bytes = 0x22u32.to_be_bytes().to_vec();
        if standard {
            bytes.extend(u32::try_from(length + 12).unwrap().to_be_bytes());
            bytes.extend(TYPE);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        } else {
            bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        }
        bytes.extend(headers);
        bytes
    }

    #[test]
    fn both_forms_tell_addresses_at_their_last_byte() {
        let mut v6 = vec![0x60, 0, 0, 0, 0, 20, TCP, 64];
        v6.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        v6.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        v6.extend([0x30, 0x39, 0, 80]);
        v6.resize(60, 0);
        for standard in [false, true] {
            for (headers, expected) in [
                (v4(), ("192.0.2.1:12345", "198.51.100.2:80")),
                (v6.clone(), ("[2001:db8::1]:12345", "[2001:db8::2]:80")),
            ] {
                let mut bytes = framed(&headers, standard);
                let length = bytes.len();
                for end in 0..length {
                    assert_eq!(read(&bytes[..end], 0x22), Read::Short, "{end} of {length}");
                }
                bytes.extend(b"GET /");
                let Read::Whole(header, taken) = read(&bytes, 0x22) else {
                    panic!("no header: {bytes:?}")
                };
                assert_eq!(taken, length);
                let expected = (expected.0.parse().unwrap(), expected.1.parse().unwrap());
                assert_eq!(header.addresses, Some(expected));
            }
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        assert_eq!(read(b"GET / HTTP/1.1\r\n", 0x22), Read::Other);
        assert_eq!(read(&[0, 0, 0, 0x23], 0x22), Read::Other);
        let mut udp = v4();
        udp[9] = 17;
        assert_eq!(read(&framed(&udp, false), 0x22), Read::Unhandled);
        assert_eq!(read(&framed(&v4()[..30], true), 0x22), Read::Unhandled);
        assert_eq!(read(&[0, 0, 0, 0x22, 0, 1, 0, 0, 0x45, 0], 0x22), Read::Broken);
    }
}
