//! Bodies: what comes from a peer, and what goes to one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// The body of a request: pieces that were read ahead, then what is still to come from the wire.
#[derive(Default)]
pub struct RequestBody {
    ahead: VecDeque<Bytes>,
    wire: Option<Incoming>,
}

impl RequestBody {
    /// A body from the wire.
    pub(crate) fn from_wire(wire: Incoming) -> Self {
        RequestBody {
            ahead: VecDeque::new(),
            wire: Some(wire),
        }
    }

    /// A body that is all here.
    pub fn from_pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        RequestBody {
            ahead: pieces.into_iter().filter(|p| !p.is_empty()).collect(),
            wire: None,
        }
    }

    /// True if nothing (more) will come.
    pub fn is_ended(&self) -> bool {
        self.ahead.is_empty() && self.wire.as_ref().is_none_or(Body::is_end_stream)
    }

    /// The next piece; `None` at the end. Trailers are passed over.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        loop {
            return match ready!(Pin::new(&mut *self).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(bytes))),
                    _ => continue,
                },
                Some(Err(e)) => Poll::Ready(Some(Err(e.to_string()))),
                None => Poll::Ready(None),
            };
        }
    }

    /// Puts a piece that was read back to the front.
    pub(crate) fn unread(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.ahead.push_front(piece);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut self.wire {
            Some(wire) => Pin::new(wire).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.iter().map(|p| p.len() as u64).sum::<u64>();
        let Some(wire) = &self.wire else {
            return SizeHint::with_exact(ahead);
        };
        match wire.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(ahead + rest),
            None => SizeHint::default(),
        }
    }
}
