//! Taking a header from a socket, and not a byte more.

use std::io;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;

use super::read::{Header, Read, read};
use crate::stream::Stream;

/// Why no header came: the number by which logs and fetches know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) u8);

impl Fault {
    const EMPTY: Fault = Fault(11);
    const ABORT: Fault = Fault(12);
    pub(crate) const TIMEOUT: Fault = Fault(13);
    const TRUNCATED: Fault = Fault(14);
    const NOT_HEADER: Fault = Fault(15);
    const BROKEN: Fault = Fault(16);
    const UNHANDLED: Fault = Fault(17);
}

/// Receives a header of at most `bytes_max`. The caller bounds the time.
///
/// What has come is looked at before it is taken, so that what follows the header stays where it is. Bytes that are
/// certainly the header's, as it is not whole yet, are taken at once: the socket then tells when more come.
pub(crate) async fn receive(stream: &Stream, bytes_max: usize) -> Result<Header, Fault> {
    let mut taken: Vec<u8> = Vec::new();
    let mut room = vec![0; bytes_max.max(512)];
    loop {
        let seen = with_socket(stream, &mut room, RecvFlags::PEEK)
            .await
            .map_err(|_| Fault::ABORT)?;
        if seen == 0 {
            return Err(if taken.is_empty() {
                Fault::EMPTY
            } else {
                Fault::TRUNCATED
            });
        }
        let before = taken.len();
        taken.extend_from_slice(room.get(..seen).unwrap_or_default());
        match read(&taken) {
            Read::Whole(header, length) => {
                let mut left = length.saturating_sub(before);
                while left > 0 {
                    let part = room.get_mut(..left).unwrap_or_default();
                    let n = with_socket(stream, part, RecvFlags::empty())
                        .await
                        .map_err(|_| Fault::ABORT)?;
                    left = left.saturating_sub(n.max(1));
                }
                return Ok(header);
            }
            Read::Short if taken.len() >= bytes_max => return Err(Fault::TRUNCATED),
            Read::Short => {
                let part = room.get_mut(..seen).unwrap_or_default();
                let n = with_socket(stream, part, RecvFlags::empty())
                    .await
                    .map_err(|_| Fault::ABORT)?;
                taken.truncate(before + n);
            }
            Read::Other => return Err(Fault::NOT_HEADER),
            Read::Broken => return Err(Fault::BROKEN),
            Read::Unhandled => return Err(Fault::UNHANDLED),
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
        // Headers come before TLS.
        Stream::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}
