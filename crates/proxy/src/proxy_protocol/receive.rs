//! Taking a header from a socket, and not a byte more.

use std::io;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;

use super::netscaler;
use super::read::{Header, Read, read};
use crate::stream::Stream;

/// Whose header it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The PROXY protocol's, of either version.
    Proxy,
    /// NetScaler's, which begins with this number.
    Netscaler { magic: u32 },
}

impl Form {
    fn read(self, bytes: &[u8]) -> Read {
        match self {
            Form::Proxy => read(bytes),
            Form::Netscaler { magic } => netscaler::read(bytes, magic),
        }
    }
}

/// Why no header came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Empty,
    Abort,
    Timeout,
    Truncated,
    NotHeader,
    Broken,
    Unhandled,
}

impl Fault {
    /// The number by which logs and fetches know it.
    pub(crate) fn number(self, form: Form) -> u8 {
        let [proxy, netscaler] = match self {
            Fault::Empty => [11, 18],
            Fault::Abort => [12, 19],
            Fault::Timeout => [13, 20],
            Fault::Truncated => [14, 21],
            Fault::NotHeader => [15, 22],
            Fault::Broken => [16, 23],
            Fault::Unhandled => [17, 23],
        };
        match form {
            Form::Proxy => proxy,
            Form::Netscaler { .. } => netscaler,
        }
    }
}

/// Receives a header of at most `bytes_max`. The caller bounds the time.
///
/// What has come is looked at before it is taken, so that what follows the header stays where it is. Bytes that are
/// certainly the header's, as it is not whole yet, are taken at once: the socket then tells when more come.
pub(crate) async fn receive(stream: &Stream, form: Form, bytes_max: usize) -> Result<Header, Fault> {
    let mut taken: Vec<u8> = Vec::new();
    let mut room = vec![0; bytes_max.max(512)];
    loop {
        let seen = with_socket(stream, &mut room, RecvFlags::PEEK)
            .await
            .map_err(|_| Fault::Abort)?;
        if seen == 0 {
            return Err(if taken.is_empty() {
                Fault::Empty
            } else {
                Fault::Truncated
            });
        }
        let before = taken.len();
        taken.extend_from_slice(room.get(..seen).unwrap_or_default());
        match form.read(&taken) {
            Read::Whole(header, length) => {
                let mut left = length.saturating_sub(before);
                while left > 0 {
                    let part = room.get_mut(..left).unwrap_or_default();
                    let n = with_socket(stream, part, RecvFlags::empty())
                        .await
                        .map_err(|_| Fault::Abort)?;
                    left = left.saturating_sub(n.max(1));
                }
                return Ok(header);
            }
            Read::Short if taken.len() >= bytes_max => return Err(Fault::Truncated),
            Read::Short => {
                let part = room.get_mut(..seen).unwrap_or_default();
                let n = with_socket(stream, part, RecvFlags::empty())
                    .await
                    .map_err(|_| Fault::Abort)?;
                taken.truncate(before + n);
            }
            Read::Other => return Err(Fault::NotHeader),
            Read::Broken => return Err(Fault::Broken),
            Read::Unhandled => return Err(Fault::Unhandled),
        }
    }
}

async fn with_socket(stream: &Stream, room: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    fn from(socket: impl AsFd, room: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
        Ok(recv(socket, room, flags)?.0)
    }
    match stream {
        Stream::Tcp(tcp) => tcp.async_io(Interest::READABLE, || from(tcp, room, flags)).await,
        Stream::Unix(unix) => {
            unix.async_io(Interest::READABLE, || from(unix, room, flags))
                .await
        }
        // Headers come before TLS, and before anybody rests.
        Stream::Tls(_) | Stream::Parked(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}
