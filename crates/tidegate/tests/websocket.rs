//! WebSockets through the program: frames of every kind and size arrive as they were sent, in both directions.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A frame as it is sent: whether it is the last of its message, what it is, and what it holds.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    last: bool,
    kind: u8,
    payload: Vec<u8>,
}

fn frame(last: bool, kind: u8, payload: impl Into<Vec<u8>>) -> Frame {
    let payload = payload.into();
    Frame { last, kind, payload }
}

impl Frame {
    fn write(&self, to: &mut impl Write, mask: Option<[u8; 4]>) -> Result<()> {
        let length = self.payload.len();
        let masked = if mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![u8::from(self.last) << 7 | self.kind];
        match length {
            0..126 => bytes.push(masked | u8::try_from(length)?),
            126..65_536 => {
                bytes.push(masked | 126);
                bytes.extend(u16::try_from(length)?.to_be_bytes());
            }
            _ => {
                bytes.push(masked | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(mask.iter().flatten());
        let key = mask.unwrap_or_default();
        bytes.extend(
            self.payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        Ok(to.write_all(&bytes)?)
    }

    fn read(from: &mut impl Read) -> Result<Frame> {
        let [first, second] = array(from)?;
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(array(from)?)),
            127 => u64::from_be_bytes(array(from)?),
            short => u64::from(short),
        };
        let key: [u8; 4] = if second & 0x80 != 0 { array(from)? } else { [0; 4] };
        let mut payload = vec![0; usize::try_from(length)?];
        from.read_exact(&mut payload)?;
        payload
            .iter_mut()
            .zip(key.iter().cycle())
            .for_each(|(byte, key)| *byte ^= key);
        Ok(frame(first & 0x80 != 0, first & 0x0f, payload))
    }
}

fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A server that sends every frame back, a pong for each ping, and ends after a close.
fn mirrors(stream: TcpStream) -> Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    let asked = head(&mut from)?;
    assert!(
        asked.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n"),
        "{asked}"
    );
    to.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
          sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )?;
    loop {
        let mut frame = Frame::read(&mut from)?;
        if frame.kind == PING {
            frame.kind = PONG;
        }
        frame.write(&mut to, None)?;
        if frame.kind == CLOSE {
            return Ok(());
        }
    }
}

fn upgrade(site: &Site) -> Result<BufReader<TcpStream>> {
    let mut client = BufReader::new(site.connect(0)?);
    client.get_mut().write_all(
        b"GET /chat HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
          sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
    )?;
    let answer = head(&mut client)?;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(
        answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{answer}"
    );
    Ok(client)
}

fn start(name: &str) -> Result<Site> {
    let config = format!(
        "global\n    nbthread 1\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    timeout tunnel 20s\n\
         listen l\n    bind 127.0.0.1:8080\n    server s {}\n",
        server(origin(mirrors)?)
    );
    Site::start(name, &[("site.cfg", &config)])
}

/// Lengths around those at which the form of a frame changes, and buffers are full.
const LENGTHS: [usize; 14] = [
    0,
    1,
    124,
    125,
    126,
    127,
    128,
    16_383,
    16_384,
    16_385,
    65_535,
    65_536,
    65_537,
    1 << 20,
];

#[test]
fn frames_of_every_kind_and_size_arrive_as_they_were_sent() -> Result<()> {
    let site = start("websocket")?;
    let mut client = upgrade(&site)?;
    for length in LENGTHS {
        let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        for kind in [TEXT, BINARY] {
            let sent = frame(true, kind, payload.clone());
            // Sent while it comes back: neither side's buffers hold the longest ones.
            let mut to = client.get_ref().try_clone()?;
            let going = sent.clone();
            let sender = std::thread::spawn(move || going.write(&mut to, Some([1, 2, 3, 4])).is_ok());
            assert_eq!(Frame::read(&mut client)?, sent, "{length}");
            assert!(sender.join().unwrap_or(false));
        }
    }
    for length in [0, 1, 125] {
        let ping = frame(true, PING, vec![7; length]);
        ping.write(client.get_mut(), Some([9; 4]))?;
        assert_eq!(Frame::read(&mut client)?, frame(true, PONG, vec![7; length]));
    }
    // A message in pieces, with a ping between them, in one write.
    let pieces = [
        frame(false, TEXT, "in "),
        frame(false, CONTINUATION, ""),
        frame(true, PING, "?"),
        frame(true, CONTINUATION, "pieces"),
    ];
    let mut together = Vec::new();
    for piece in &pieces {
        piece.write(&mut together, Some([0xff, 0, 0xaa, 0x55]))?;
    }
    client.get_mut().write_all(&together)?;
    for piece in &pieces {
        let back = Frame::read(&mut client)?;
        let kind = if piece.kind == PING { PONG } else { piece.kind };
        assert_eq!(back, frame(piece.last, kind, piece.payload.clone()));
    }
    // Byte by byte.
    let mut bytes = Vec::new();
    frame(true, BINARY, vec![3; 300]).write(&mut bytes, Some([5, 6, 7, 8]))?;
    for byte in bytes {
        client.get_mut().write_all(&[byte])?;
    }
    assert_eq!(Frame::read(&mut client)?, frame(true, BINARY, vec![3; 300]));
    let close = frame(true, CLOSE, 1000_u16.to_be_bytes());
    close.write(client.get_mut(), Some([0; 4]))?;
    assert_eq!(Frame::read(&mut client)?, close);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest)?;
    assert!(rest.is_empty());
    Ok(())
}

#[test]
fn frames_that_come_with_the_request_are_not_lost() -> Result<()> {
    let site = start("websocket-early")?;
    let mut client = BufReader::new(site.connect(0)?);
    let mut all = b"GET /chat HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        .to_vec();
    frame(true, TEXT, "early").write(&mut all, Some([1; 4]))?;
    client.get_mut().write_all(&all)?;
    assert!(head(&mut client)?.starts_with("HTTP/1.1 101 "));
    assert_eq!(Frame::read(&mut client)?, frame(true, TEXT, "early"));
    Ok(())
}
