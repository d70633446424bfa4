//! HTTP/2 by hand.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::ground::PATIENCE;
use crate::support::Result;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The preface and empty settings.
pub(crate) fn hello() -> Vec<u8> {
    [PREFACE, &frame(4, 0, 0, b"")].concat()
}

/// A field that nobody remembers.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.push(u8::try_from(text.len()).unwrap_or(0));
        field.extend(text.bytes());
    }
    field
}

/// The head of a request for this path of the host `h`.
pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "http"),
        field(":authority", "h"),
        field(":path", path),
    ]
    .concat()
}

/// One end of a connection.
pub(crate) struct Client(pub(crate) TcpStream);

/// A frame: kind, flags, stream, payload.
pub(crate) type Frame = (u8, u8, u32, Vec<u8>);

impl Client {
    /// A client that has said hello.
    pub(crate) fn new(stream: TcpStream) -> Result<Client> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut client = Client(stream);
        client.send(&hello())?;
        Ok(client)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_all(bytes)?)
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> Result<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head)?;
        let [a, b, c, kind, flags, d, e, f, g] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload)?;
        Ok((kind, flags, u32::from_be_bytes([d, e, f, g]), payload))
    }

    /// Reads on as far as to this frame.
    pub(crate) fn until(&mut self, wanted: impl Fn(u8, u8, u32, &[u8]) -> bool) -> Result<Frame> {
        loop {
            let (kind, flags, stream, payload) = self.frame()?;
            if wanted(kind, flags, stream, &payload) {
                return Ok((kind, flags, stream, payload));
            }
        }
    }

    /// Why the other side leaves; none if it just goes.
    pub(crate) fn goodbye(&mut self) -> Option<u32> {
        let (.., payload) = self.until(|kind, _, _, _| kind == 7).ok()?;
        let code = payload.get(4..8)?.try_into().ok()?;
        Some(u32::from_be_bytes(code))
    }
}
