//! A stream that begins with what was read of it before, and whose requests' first lines are looked at.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Counted;

/// Such a stream.
pub(super) struct Rewound {
    pub(super) ahead: Bytes,
    pub(super) io: Counted,
    /// The target of the request that comes next has a fragment. The codec would forget it.
    fragment: Rc<Cell<bool>>,
    /// Within a first line.
    in_line: bool,
}

impl Rewound {
    pub(super) fn new(io: Counted, ahead: Bytes, fragment: Rc<Cell<bool>>) -> Self {
        Rewound {
            ahead,
            io,
            fragment,
            in_line: true,
        }
    }

    fn look(&mut self, new: &[u8]) {
        if !self.in_line {
            return;
        }
        let end = new.iter().position(|b| *b == b'\n');
        let line = new.get(..end.unwrap_or(new.len())).unwrap_or_default();
        if line.contains(&b'#') {
            self.fragment.set(true);
        }
        // A blank line may come before a request.
        self.in_line = end.is_none() || line.trim_ascii().is_empty();
    }
}

impl AsyncRead for Rewound {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if !this.ahead.is_empty() {
            let taken = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead.split_to(taken));
            this.look(buf.filled().get(before..).unwrap_or_default());
            return Poll::Ready(Ok(()));
        }
        // While no response is owed, what comes is a head.
        let expected = this.io.traffic().swallow.get();
        let result = Pin::new(&mut this.io).poll_read(cx, buf);
        if expected && result.is_ready() {
            this.look(buf.filled().get(before..).unwrap_or_default());
        } else if !expected {
            this.in_line = true;
        }
        result
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.in_line = true;
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A response goes out: what is read next may be another request.
        this.in_line = true;
        Pin::new(&mut this.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
