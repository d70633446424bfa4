//! A connection with what was read ahead from it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use bytes::BytesMut;
use mlua::{Lua, Result, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::address::{Address, Family};
use super::wrong;
use crate::names::Names;

/// Anything that bytes go through.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An open connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    pub(super) peer: String,
    pub(super) local: String,
    /// What it is kept by, in a pool.
    pub(super) place: String,
}

/// What `receive` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Line,
    All,
    Bytes(usize),
}

impl Pattern {
    /// Reads the second argument of `receive`.
    pub(super) fn of(value: &Value, lua: &Lua) -> Result<Pattern> {
        match value {
            Value::Nil => return Ok(Pattern::Line),
            Value::String(text) if &*text.as_bytes() == b"*l" => return Ok(Pattern::Line),
            Value::String(text) if &*text.as_bytes() == b"*a" => return Ok(Pattern::All),
            _ => {}
        }
        match lua.coerce_integer(value.clone())? {
            Some(n) => usize::try_from(n)
                .map(Pattern::Bytes)
                .map_err(|_| wrong("Unsupported size.")),
            None => Err(wrong("Unsupported pattern.")),
        }
    }
}

/// More than this is never kept for one `receive`, whatever a script asks for.
const RECEIVE_BYTES_MAX: usize = 64 << 20;

impl Connection {
    /// Connects without TLS.
    pub(super) async fn open(address: &Address, names: &Names) -> io::Result<Connection> {
        let connected = match address {
            Address::Host { .. } => return Self::of_tcp(Self::tcp(address, names).await?),
            Address::Unix(path) => UnixStream::connect(path).await?,
            // Names of this kind are paths that begin with a zero.
            Address::Abstract(name) => {
                let path = [b"\0", name.as_slice()].concat();
                UnixStream::connect(OsStr::from_bytes(&path)).await?
            }
        };
        Ok(Self::new(
            Box::new(connected),
            "unix".to_owned(),
            "unix".to_owned(),
        ))
    }

    /// The same connection through a layer on top of its stream.
    pub(super) async fn through<S: Stream + 'static>(
        self,
        layer: impl AsyncFnOnce(Box<dyn Stream>) -> io::Result<S>,
    ) -> io::Result<Connection> {
        let stream = Box::new(layer(self.stream).await?);
        Ok(Self::new(stream, self.peer, self.local))
    }

    /// Connects by TCP, to any of the addresses that a name has.
    async fn tcp(address: &Address, names: &Names) -> io::Result<TcpStream> {
        let Address::Host { name, port, family } = address else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not an address of TCP",
            ));
        };
        let mut failed = None;
        let places = names.places(name, *port, *family == Family::V4).await?;
        for place in places.iter().filter(|place| family.has(&place.ip())) {
            match TcpStream::connect(place).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(why) => failed = Some(why),
            }
        }
        let none = || io::Error::new(io::ErrorKind::NotFound, format!("no address of `{name}` fits"));
        Err(failed.unwrap_or_else(none))
    }

    fn of_tcp(stream: TcpStream) -> io::Result<Connection> {
        let (peer, local) = (stream.peer_addr()?.to_string(), stream.local_addr()?.to_string());
        Ok(Self::new(Box::new(stream), peer, local))
    }

    fn new(stream: Box<dyn Stream>, peer: String, local: String) -> Connection {
        Connection {
            stream,
            buffer: BytesMut::new(),
            peer,
            local,
            place: String::new(),
        }
    }

    /// The stream alone.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Whether it is open, with nothing that came and was not asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut byte = [0];
        let mut read = tokio::io::ReadBuf::new(&mut byte);
        self.buffer.is_empty()
            && std::pin::Pin::new(&mut self.stream)
                .poll_read(&mut cx, &mut read)
                .is_pending()
    }

    /// Sends all of `data`; `sent` tells how far it got, whatever happens.
    pub(super) async fn send(&mut self, data: &[u8], sent: &mut usize) -> io::Result<()> {
        while let Some(rest) = data.get(*sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => *sent += n,
            }
        }
        self.stream.flush().await
    }

    /// Reads what `pattern` asks for; `None` if the other side closed before. What was read then, or when this
    /// is given up, stays in the buffer.
    pub(super) async fn receive(&mut self, pattern: Pattern) -> io::Result<Option<BytesMut>> {
        let mut looked_at = 0;
        loop {
            match pattern {
                Pattern::Bytes(n) if self.buffer.len() >= n => return Ok(Some(self.buffer.split_to(n))),
                Pattern::Line => {
                    let fresh = self.buffer.get(looked_at..).unwrap_or_default();
                    if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                        let mut line = self.buffer.split_to(looked_at + at + 1);
                        line.truncate(line.len() - 1);
                        return Ok(Some(without_returns(line)));
                    }
                    looked_at = self.buffer.len();
                }
                Pattern::All | Pattern::Bytes(_) => {}
            }
            if self.buffer.len() >= RECEIVE_BYTES_MAX {
                return Err(io::Error::new(
                    io::ErrorKind::OutOfMemory,
                    "too much to receive at once",
                ));
            }
            self.buffer.reserve(4096);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                // The end is what `*a` waits for.
                let is_all = pattern == Pattern::All && !self.buffer.is_empty();
                return Ok(is_all.then(|| self.buffer.split()));
            }
        }
    }

    /// What was read of `pattern` and not given out.
    pub(super) fn take_buffered(&mut self, pattern: Pattern) -> BytesMut {
        match pattern {
            Pattern::Line => without_returns(self.buffer.split()),
            Pattern::All | Pattern::Bytes(_) => self.buffer.split(),
        }
    }
}

/// A line has no carriage returns, wherever they were.
fn without_returns(line: BytesMut) -> BytesMut {
    if line.contains(&b'\r') {
        line.into_iter().filter(|byte| *byte != b'\r').collect()
    } else {
        line
    }
}
