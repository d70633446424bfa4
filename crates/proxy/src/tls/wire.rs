//! The bytes below TLS, and the stream above it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::stream::Stream;
use crate::tally::OverTls;

/// A first message is not longer than this, nor is what answers it up to where it is encrypted.
const TAPPED_BYTES_MAX: usize = 16 * 1024;

/// A socket whose first bytes are kept, until the handshake is over.
pub(crate) struct Wire {
    stream: Stream,
    tap: Option<Box<Tap>>,
}

/// What went over a socket.
#[derive(Default)]
pub(crate) struct Tap {
    pub(crate) read: Vec<u8>,
    pub(crate) written: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: Stream) -> Self {
        Wire {
            stream,
            tap: Some(Box::default()),
        }
    }

    /// The socket.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Keeps no more, and hands over what was kept.
    pub(crate) fn untap(&mut self) -> Tap {
        self.tap.take().map_or_else(Tap::default, |tap| *tap)
    }
}

fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = TAPPED_BYTES_MAX.saturating_sub(kept.len());
    kept.extend(bytes.iter().take(room));
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(tap) = &mut self.tap {
            keep(&mut tap.read, buf.filled().get(before..).unwrap_or_default());
        }
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let (Some(tap), Poll::Ready(Ok(n))) = (&mut self.tap, &result) {
            keep(&mut tap.written, buf.get(..*n).unwrap_or_default());
        }
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if let (Some(tap), Poll::Ready(Ok(n))) = (&mut self.tap, &result) {
            let mut left = *n;
            for buf in bufs {
                let piece = buf.get(..left.min(buf.len())).unwrap_or_default();
                keep(&mut tap.written, piece);
                left -= piece.len();
            }
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A stream above TLS.
///
/// What was written may still be here, encrypted, because the peer had no room for it. It goes on whenever the stream is
/// polled for anything.
pub(crate) struct Secure {
    tls: TlsStream<Wire>,
    /// Whether an end without a farewell is an error.
    strict: bool,
    _counted: OverTls,
}

impl Secure {
    pub(crate) fn new(tls: impl Into<TlsStream<Wire>>, counted: OverTls) -> Self {
        Secure {
            tls: tls.into(),
            strict: false,
            _counted: counted,
        }
    }

    /// The socket below.
    pub(crate) fn socket(&self) -> &Stream {
        self.tls.get_ref().0.stream()
    }

    /// What ALPN agreed on.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.tls.get_ref().1.alpn_protocol()
    }

    /// Takes an end for an error unless the peer said that it ends. Whoever reads to the end to know that it has all needs
    /// that; others let pass that many peers go without a word.
    pub(crate) fn refuse_truncation(&mut self) {
        self.strict = true;
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tls.get_ref().1.wants_write() {
            ready!(Pin::new(&mut self.tls).poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Secure {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A failure to write shows when something is written; there may be something to read all the same.
        let _ = self.go_on(cx);
        match ready!(Pin::new(&mut self.tls).poll_read(cx, buf)) {
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof && !self.strict => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

impl AsyncWrite for Secure {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.go_on(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
