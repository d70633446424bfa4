//! What is to be written: pieces of bodies in their framing, and what the peer hasn't taken yet.

use std::cell::Cell;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use tidegate_http1::{HeaderCase, LAST_CHUNK, Leaving, chunk_size, fields};
use tidegate_sample::head::Headers;
use tokio::io::AsyncWrite;

use crate::stream::Counted;

/// Pieces that are no longer than this are copied behind what comes before them: the system takes one buffer faster than
/// several.
const COPIED_BYTES_MAX: usize = 4096;

/// What a connection that has nothing to write keeps of its buffer for the next one.
const SPARE_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Most of what is written leaves at once: so one buffer serves all connections of a worker.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What was made and not written yet.
#[derive(Default)]
pub(super) struct Outflow {
    front: Vec<u8>,
    /// So much of `front` is written.
    at: usize,
    piece: Bytes,
    tail: &'static [u8],
    /// The stream may hold what it took.
    unflushed: bool,
}

/// The body has more or fewer bytes than were announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongLength;

impl Outflow {
    pub(super) fn is_empty(&self) -> bool {
        !self.unflushed && self.is_written()
    }

    /// Whether more may be put before something is written.
    pub(super) fn has_room(&self, gathered_max: usize) -> bool {
        self.piece.is_empty() && self.tail.is_empty() && self.front.len() - self.at < gathered_max
    }

    fn is_written(&self) -> bool {
        self.at == self.front.len() && self.piece.is_empty() && self.tail.is_empty()
    }

    /// Where heads are written to.
    pub(super) fn front(&mut self) -> &mut Vec<u8> {
        if self.front.capacity() == 0 {
            self.front = SPARE.take();
        }
        &mut self.front
    }

    /// Adds a piece of a body. Only when nothing of the one before is left.
    ///
    /// # Errors
    /// It is more than was announced.
    pub(super) fn put(&mut self, piece: Bytes, leaving: &mut Leaving, last: bool) -> Result<(), WrongLength> {
        match leaving {
            Leaving::Nothing => return Ok(()),
            Leaving::Length(rest) => *rest = rest.checked_sub(piece.len() as u64).ok_or(WrongLength)?,
            Leaving::UntilEnd => {}
            Leaving::Chunked => {
                let front = self.front();
                if !piece.is_empty() {
                    chunk_size(front, piece.len());
                }
                self.tail = match (piece.is_empty(), last) {
                    (true, true) => b"0\r\n\r\n",
                    (true, false) => b"",
                    (false, true) => b"\r\n0\r\n\r\n",
                    (false, false) => b"\r\n",
                };
            }
        }
        match piece.len() <= COPIED_BYTES_MAX {
            true => {
                let tail = std::mem::take(&mut self.tail);
                let front = self.front();
                front.extend_from_slice(&piece);
                front.extend_from_slice(tail);
            }
            false => self.piece = piece,
        }
        Ok(())
    }

    /// Ends a body: with trailers, if there are any and they have a place.
    ///
    /// # Errors
    /// It is less than was announced.
    pub(super) fn end(
        &mut self,
        trailers: Option<&HeaderMap>,
        leaving: Leaving,
        case: Option<&HeaderCase>,
    ) -> Result<(), WrongLength> {
        match leaving {
            Leaving::Length(1..) => return Err(WrongLength),
            Leaving::Chunked => {
                let front = self.front();
                front.extend_from_slice(LAST_CHUNK);
                if let Some(trailers) = trailers {
                    fields(front, &Headers::from(trailers), case);
                }
                front.extend_from_slice(b"\r\n");
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes all there is.
    pub(super) fn poll_write(&mut self, io: &mut Counted, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_written() {
            let front = self.front.get(self.at..).unwrap_or_default();
            let written = match self.piece.is_empty() && self.tail.is_empty() {
                true => Pin::new(&mut *io).poll_write(cx, front),
                false => {
                    let slices = [
                        IoSlice::new(front),
                        IoSlice::new(&self.piece),
                        IoSlice::new(self.tail),
                    ];
                    let first = usize::from(front.is_empty());
                    Pin::new(&mut *io).poll_write_vectored(cx, slices.get(first..).unwrap_or_default())
                }
            };
            let mut written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            let of_front = written.min(self.front.len() - self.at);
            self.at += of_front;
            written -= of_front;
            let of_piece = written.min(self.piece.len());
            self.piece.advance(of_piece);
            self.tail = self.tail.get(written - of_piece..).unwrap_or_default();
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
        }
        self.at = 0;
        if self.front.capacity() > 0 {
            let mut spare = std::mem::take(&mut self.front);
            if spare.capacity() <= SPARE_BYTES_MAX {
                spare.clear();
                SPARE.set(spare);
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&'static [u8]], mut leaving: Leaving) -> Result<Vec<u8>, WrongLength> {
        let mut all = Vec::new();
        let mut out = Outflow::default();
        let last = pieces.len();
        for (at, piece) in pieces.iter().enumerate() {
            out.put(Bytes::from_static(piece), &mut leaving, at + 1 == last)?;
            all.append(&mut out.front);
            all.extend_from_slice(&std::mem::take(&mut out.piece));
            all.extend_from_slice(std::mem::take(&mut out.tail));
        }
        Ok(all)
    }

    #[test]
    fn pieces_leave_in_their_framing() {
        let long: &'static [u8] = &[b'x'; 5000];
        assert_eq!(written(&[b"ab", b"c"], Leaving::Length(3)).unwrap(), b"abc");
        assert_eq!(written(&[b"ab", b"c"], Leaving::Length(2)), Err(WrongLength));
        assert_eq!(
            written(&[b"ab", b"", b"c"], Leaving::Chunked).unwrap(),
            b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        );
        let chunk = written(&[long], Leaving::Chunked).unwrap();
        assert_eq!(chunk, [b"1388\r\n", long, b"\r\n0\r\n\r\n"].concat());
    }

    #[test]
    fn a_body_that_is_short_has_no_end() {
        let mut out = Outflow::default();
        assert_eq!(out.end(None, Leaving::Length(1), None), Err(WrongLength));
        assert_eq!(out.end(None, Leaving::Length(0), None), Ok(()));
        let mut trailers = HeaderMap::new();
        trailers.insert("x-a", "b".parse().unwrap());
        out.end(Some(&trailers), Leaving::Chunked, None).unwrap();
        assert_eq!(out.front, b"0\r\nx-a: b\r\n\r\n");
    }
}
