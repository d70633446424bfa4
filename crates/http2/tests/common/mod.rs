//! Frames by hand, and what comes out of a connection.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::IoSlice;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tidegate_http2::{Connection, Key, PREFACE, Received};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// END_STREAM with END_HEADERS, and each alone; ACK is as the first.
pub const WHOLE: u8 = 5;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The number at this place of the payload.
    pub fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let pair = |(number, value): &(u16, u32)| [&number.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &pairs.iter().flat_map(pair).collect::<Vec<_>>())
}

/// The preface and empty settings.
pub fn hello() -> Vec<u8> {
    [PREFACE, &settings(&[])].concat()
}

/// The header block of a GET request: static entries, and the authority `h`.
pub const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'h'];

/// The same for POST.
pub const POST: &[u8] = &[0x83, 0x86, 0x84, 0x41, 0x01, b'h'];

/// A field that nobody remembers.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0, name.len() as u8];
    field.extend(name.as_bytes());
    field.push(value.len() as u8);
    field.extend(value.as_bytes());
    field
}

pub fn feed(connection: &mut Connection, bytes: &[u8]) {
    connection.buffer().extend_from_slice(bytes);
}

/// Everything that is to be sent.
pub fn sent(connection: &mut Connection) -> Vec<u8> {
    let mut all = Vec::new();
    while connection.has_output() {
        let mut slices = [IoSlice::new(&[]); 4];
        let count = connection.slices(&mut slices);
        let piece: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        connection.wrote(piece.len());
        all.extend(piece);
    }
    all
}

/// The same as frames.
pub fn frames(connection: &mut Connection) -> Vec<Frame> {
    let mut rest = &sent(connection)[..];
    rest = rest.strip_prefix(PREFACE).unwrap_or(rest);
    let mut frames = Vec::new();
    while let [a, b, c, kind, flags, d, e, f, g, tail @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        frames.push(Frame {
            kind: *kind,
            flags: *flags,
            stream: u32::from_be_bytes([*d, *e, *f, *g]),
            payload: tail[..length].to_vec(),
        });
        rest = &tail[length..];
    }
    assert!(rest.is_empty());
    frames
}

pub fn no_context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What comes on a stream now.
pub fn received(connection: &mut Connection, key: Key) -> Option<Received> {
    match connection.poll_received(key, &no_context()) {
        Poll::Ready(received) => Some(received),
        Poll::Pending => None,
    }
}

/// Sends as much as there is room for.
pub fn send(connection: &mut Connection, key: Key, data: &mut Bytes, last: bool) -> Option<usize> {
    match connection.poll_send(key, &no_context(), data, last) {
        Poll::Ready(sent) => Some(sent.unwrap()),
        Poll::Pending => None,
    }
}
