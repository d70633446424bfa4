//! HTTP/2, frame by frame, for tests that play one side of it by hand.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::Result;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// One side of a connection.
pub(crate) struct Frames(pub(crate) TcpStream);

impl Frames {
    /// A client that has said hello.
    pub(crate) fn client(mut stream: TcpStream) -> Result<Frames> {
        stream.write_all(PREFACE)?;
        let mut frames = Frames(stream);
        frames.send(SETTINGS, 0, 0, &[])?;
        Ok(frames)
    }

    /// A server that has been said hello to.
    pub(crate) fn server(mut stream: TcpStream) -> Result<Frames> {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface)?;
        if preface != PREFACE {
            return Err("no preface of HTTP/2".into());
        }
        let mut frames = Frames(stream);
        frames.send(SETTINGS, 0, 0, &[])?;
        Ok(frames)
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<()> {
        let [_, a, b, c] = u32::try_from(payload.len())?.to_be_bytes();
        let [d, e, f, g] = stream.to_be_bytes();
        let mut frame = vec![a, b, c, kind, flags, d, e, f, g];
        frame.extend_from_slice(payload);
        Ok(self.0.write_all(&frame)?)
    }

    /// A GET request for `/`.
    pub(crate) fn get(&mut self, stream: u32) -> Result<()> {
        // `:method GET`, `:scheme http`, `:path /`, `:authority x`.
        let block = b"\x82\x86\x84\x41\x01x";
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, block)
    }

    /// The next frame that isn't about settings, which are acknowledged; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>> {
        loop {
            let mut head = [0; 9];
            match self.0.read_exact(&mut head) {
                Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                read => read?,
            }
            let [a, b, c, kind, flags, d, e, f, g] = head;
            let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c]))?];
            self.0.read_exact(&mut payload)?;
            if kind == SETTINGS && flags & ACK == 0 {
                self.send(SETTINGS, ACK, 0, &[])?;
            } else if kind != SETTINGS {
                let stream = u32::from_be_bytes([d, e, f, g]);
                return Ok(Some(Frame {
                    kind,
                    flags,
                    stream,
                    payload,
                }));
            }
        }
    }

    /// The next frame of a kind; what comes before it is passed over.
    pub(crate) fn until(&mut self, kind: u8) -> Result<Frame> {
        loop {
            match self.next()? {
                Some(frame) if frame.kind == kind => return Ok(frame),
                Some(_) => {}
                None => return Err(format!("ended before a frame of kind {kind}").into()),
            }
        }
    }
}
