//! A load of HTTP/2 that both sides know of before: so many connections, each with so many requests in progress.
//!
//! It is a process of its own, `cargo xtask http2`, so that it can be pinned. It understands as much of the protocol as it
//! takes to see that each request was answered with 200: its own heads are written once, and of those that come it looks
//! at the first byte, which is what HPACK makes of `:status: 200`.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lexopt::ValueExt as _;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Result;

const BUFFER_BYTES: usize = 256 * 1024;

/// What a client begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest window.
const WINDOW_MAX: u32 = 0x7fff_ffff;

/// After so many bytes the connection's window is opened again.
const WINDOW_STEP: u32 = 1 << 30;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// `:status: 200` in the static table of HPACK.
const OK: u8 = 0x88;

const HEADER_BYTES: usize = 9;

/// `cargo xtask http2 ADDRESS CONNECTIONS STREAMS SECONDS`: prints how many requests were answered.
pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    let mut words = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Value(value) => words.push(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let [address, connections, streams, seconds] = &words[..] else {
        return Err("usage: cargo xtask http2 ADDRESS CONNECTIONS STREAMS SECONDS".into());
    };
    let time = Duration::from_secs(seconds.parse()?);
    let answered = load(address.parse()?, connections.parse()?, streams.parse()?, time)?;
    println!("{answered} requests");
    Ok(())
}

/// Asks for `time`, and says how many requests were answered.
fn load(address: SocketAddr, connections: usize, streams: u32, time: Duration) -> Result<u64> {
    let mut poll = Poll::new()?;
    let request = request(address);
    let mut all = Vec::with_capacity(connections);
    for place in 0..connections {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry()
            .register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
        let mut connection = Connection::new(stream, &request);
        (0..streams).for_each(|_| connection.ask());
        connection.write()?;
        all.push(connection);
    }
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; BUFFER_BYTES];
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed()) {
        poll.poll(&mut events, Some(left))
            .or_else(|error| match error.kind() {
                ErrorKind::Interrupted => Ok(()),
                _ => Err(error),
            })?;
        for event in &events {
            if let Some(connection) = all.get_mut(event.token().0) {
                connection.read(&mut buffer)?;
                connection.write()?;
            }
        }
    }
    let answered = all.iter().map(|connection| connection.answered).sum();
    match answered {
        0 => Err("no request was answered".into()),
        answered => Ok(answered),
    }
}

/// A request's head, as every stream begins: GET /x.
fn request(address: SocketAddr) -> Vec<u8> {
    let host = address.to_string();
    let length = u8::try_from(host.len()).unwrap_or_default();
    // `:method: GET`, `:scheme: http`, then `:path` and `:authority` as literals that no table keeps.
    [
        &[0x82, 0x86, 0x04, 2][..],
        b"/x",
        &[0x01, length],
        host.as_bytes(),
    ]
    .concat()
}

/// What a client says that asks once.
pub(super) fn question(address: SocketAddr) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    put(&mut out, SETTINGS, 0, 0, &[]);
    put(&mut out, HEADERS, END_STREAM | END_HEADERS, 1, &request(address));
    out
}

/// Whether a stream ends with one of these frames, of which the last may not be whole.
pub(super) fn has_end(mut frames: &[u8]) -> bool {
    while let Some((header, after)) = frames.split_first_chunk::<HEADER_BYTES>() {
        let [a, b, c, kind, flags, ..] = *header;
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return true;
        }
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c]));
        frames = length
            .ok()
            .and_then(|length| after.get(length..))
            .unwrap_or_default();
    }
    false
}

/// One connection.
struct Connection<'r> {
    stream: TcpStream,
    request: &'r [u8],
    next: u32,
    answered: u64,
    /// What was read and is no whole frame.
    held: Vec<u8>,
    out: Vec<u8>,
    /// Bytes of bodies that came since the window was opened last.
    came: u32,
}

impl<'r> Connection<'r> {
    fn new(stream: TcpStream, request: &'r [u8]) -> Self {
        let mut connection = Connection {
            stream,
            request,
            next: 1,
            answered: 0,
            held: Vec::new(),
            out: PREFACE.to_vec(),
            came: 0,
        };
        // SETTINGS_INITIAL_WINDOW_SIZE.
        let settings = [&4_u16.to_be_bytes()[..], &WINDOW_MAX.to_be_bytes()].concat();
        connection.frame(SETTINGS, 0, 0, &settings);
        connection.open(WINDOW_MAX - 0xffff);
        connection
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        put(&mut self.out, kind, flags, stream, payload);
    }

    fn open(&mut self, bytes: u32) {
        self.frame(WINDOW_UPDATE, 0, 0, &bytes.to_be_bytes());
    }

    fn ask(&mut self) {
        put(
            &mut self.out,
            HEADERS,
            END_STREAM | END_HEADERS,
            self.next,
            self.request,
        );
        self.next += 2;
    }

    fn write(&mut self) -> Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err("a connection was closed".into()),
                Ok(length) => {
                    self.held
                        .extend_from_slice(buffer.get(..length).unwrap_or_default());
                    self.take_frames()?;
                    // A short read has drained the socket.
                    if length < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take_frames(&mut self) -> Result<()> {
        let mut held = std::mem::take(&mut self.held);
        let mut taken = 0;
        while let Some((header, after)) = held
            .get(taken..)
            .and_then(<[u8]>::split_first_chunk::<HEADER_BYTES>)
        {
            let [a, b, c, kind, flags, ..] = *header;
            let length = usize::try_from(u32::from_be_bytes([0, a, b, c]))?;
            let Some(payload) = after.get(..length) else { break };
            self.take_frame(kind, flags, payload)?;
            taken += HEADER_BYTES + length;
        }
        held.drain(..taken);
        self.held = held;
        Ok(())
    }

    fn take_frame(&mut self, kind: u8, flags: u8, payload: &[u8]) -> Result<()> {
        match kind {
            DATA => {
                self.came += u32::try_from(payload.len())?;
                if self.came > WINDOW_STEP {
                    let came = std::mem::take(&mut self.came);
                    self.open(came);
                }
            }
            HEADERS if !is_ok(flags, payload) => return Err("an answer was no 200".into()),
            SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => self.frame(PING, ACK, 0, payload),
            RST_STREAM => return Err("a stream was reset".into()),
            GOAWAY => return Err("a connection was told to end".into()),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            self.answered += 1;
            self.ask();
        }
        Ok(())
    }
}

fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Whether a head is one of 200.
fn is_ok(flags: u8, payload: &[u8]) -> bool {
    let before = usize::from(flags & PADDED != 0) + if flags & PRIORITY != 0 { 5 } else { 0 };
    let mut block = payload.iter().skip(before);
    // The table's size may be set before the first field.
    block.find(|byte| **byte & 0xe0 != 0x20) == Some(&OK)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers the first request with these frames.
    fn answered_with(frames: &[(u8, u8, &[u8])]) -> Result<u64> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut answer = Vec::new();
        for (kind, flags, payload) in frames {
            put(&mut answer, *kind, *flags, 1, payload);
        }
        let server = std::thread::spawn(move || -> std::io::Result<()> {
            let (mut stream, _) = listener.accept()?;
            stream.read_exact(&mut [0; PREFACE.len()])?;
            stream.write_all(&answer)?;
            // Until the load has seen enough.
            while stream.read(&mut [0; 1024])? > 0 {}
            Ok(())
        });
        // Long beside what a busy machine may keep the server waiting.
        let result = load(address, 1, 1, Duration::from_secs(1));
        // A load that fails resets the connection.
        drop(server.join());
        result
    }

    #[test]
    fn answers_are_counted_at_their_ends() {
        let once = answered_with(&[
            (SETTINGS, 0, &[]),
            (HEADERS, END_HEADERS, &[0x20, OK]),
            (DATA, END_STREAM, b"hello"),
        ]);
        assert_eq!(once.unwrap(), 1);
        let bodyless = answered_with(&[(HEADERS, END_HEADERS | END_STREAM | PADDED, &[0, OK])]);
        assert_eq!(bodyless.unwrap(), 1);
    }

    #[test]
    fn the_end_of_an_answer_is_found_behind_what_comes_before_it() {
        let mut frames = Vec::new();
        put(&mut frames, SETTINGS, ACK, 0, &[1; 6]);
        put(&mut frames, HEADERS, END_HEADERS, 1, &[OK]);
        assert!(!has_end(&frames));
        put(&mut frames, DATA, END_STREAM, 1, b"hello");
        assert!(has_end(&frames) && !has_end(&frames[..frames.len() - 9]));
    }

    #[test]
    fn what_is_no_200_fails_the_load() {
        for frames in [
            &[(HEADERS, END_HEADERS | END_STREAM, &[0x8d][..])][..],
            &[(RST_STREAM, 0, &[0, 0, 0, 1])],
            &[(GOAWAY, 0, &[0; 8])],
        ] {
            assert!(answered_with(frames).is_err(), "{frames:?}");
        }
    }
}
