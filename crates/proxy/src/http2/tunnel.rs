//! A stream that carries bytes both ways, after CONNECT.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tidegate_http2::{Reason, Received};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::ClientStream;
use super::core::{Part, to_io};
use super::server::Sender;
use crate::pipe::Pipe;
use crate::stream::Traffic;

/// The most that is handed over at once.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// One stream as a stream of bytes.
pub(crate) struct Duplex {
    receiving: Part,
    sending: Sender,
    /// Received and not yet taken.
    held: Bytes,
    ended: bool,
    traffic: Rc<Traffic>,
    /// The room that it takes on its connection to a server.
    room: Option<ClientStream>,
}

impl Duplex {
    pub(crate) fn new(receiving: Part, sending: Sender, traffic: Rc<Traffic>) -> Self {
        Duplex {
            receiving,
            sending,
            held: Bytes::new(),
            ended: false,
            traffic,
            room: None,
        }
    }

    /// The same, taking this room as long as it lives.
    pub(super) fn on(mut self, room: ClientStream) -> Self {
        self.room = Some(room);
        self
    }
}

impl Pipe for Duplex {
    fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn reset(&mut self) {
        self.sending.reset(Reason::CANCEL);
    }
}

impl AsyncRead for Duplex {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.held.is_empty() && !this.ended {
            let received = this
                .receiving
                .with(|connection, key| connection.poll_received(key, cx));
            match ready!(received) {
                Received::Data(data) => this.held = data,
                Received::Trailers(_) | Received::End => this.ended = true,
                Received::Broken(why) => return Poll::Ready(Err(to_io(why))),
            }
        }
        let taken = this.held.len().min(buf.remaining());
        buf.put_slice(this.held.get(..taken).unwrap_or_default());
        this.held.advance(taken);
        this.traffic.read.set(this.traffic.read.get() + taken as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.sending.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let piece = buf.get(..buf.len().min(PIECE_BYTES_MAX)).unwrap_or_default();
        // Room is asked for first, so that nothing is copied in vain.
        ready!(this.sending.poll_room(cx, piece.len()))?;
        let mut piece = Bytes::copy_from_slice(piece);
        let sent = ready!(this.sending.poll_send(cx, &mut piece, false))?;
        this.traffic.written.set(this.traffic.written.get() + sent as u64);
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .sending
            .poll_send(cx, &mut Bytes::new(), true)
            .map_ok(drop)
    }
}
