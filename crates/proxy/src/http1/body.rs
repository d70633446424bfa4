//! Bodies that come from a peer.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Whether anybody waits for a body that its sender holds back.
#[derive(Default)]
pub(crate) struct BodyWatch {
    awaited: Cell<bool>,
    ended: Cell<bool>,
}

impl BodyWatch {
    /// True while more was asked for and hasn't come.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.get()
    }

    /// True once the end has come, or an error.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.get()
    }
}

/// The body of a message: pieces that are here already, then what is still to come from the wire.
#[derive(Default)]
pub struct MessageBody {
    ahead: VecDeque<Bytes>,
    wire: Option<Incoming>,
    watch: Option<Rc<BodyWatch>>,
}

impl MessageBody {
    /// Lets others see whether the rest of this body is waited for. `None` if nothing more will come.
    pub(crate) fn watch(&mut self) -> Option<Rc<BodyWatch>> {
        self.wire.as_ref()?;
        Some(self.watch.get_or_insert_default().clone())
    }

    /// A body from the wire.
    pub(crate) fn from_wire(wire: Incoming) -> Self {
        let wire = if wire.is_end_stream() { None } else { Some(wire) };
        MessageBody {
            ahead: VecDeque::new(),
            wire,
            watch: None,
        }
    }

    /// A body that is all here.
    pub fn from_pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        MessageBody {
            ahead: pieces.into_iter().filter(|p| !p.is_empty()).collect(),
            wire: None,
            watch: None,
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

    /// Puts back what was read, to be read again.
    pub(crate) fn unread(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.ahead.push_front(piece);
        }
    }
}

impl Body for MessageBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let this = &mut *self;
        let Some(wire) = &mut this.wire else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(&mut *wire).poll_frame(cx);
        if let Some(watch) = &this.watch {
            watch.awaited.set(polled.is_pending());
            if matches!(polled, Poll::Ready(None | Some(Err(_)))) || wire.is_end_stream() {
                watch.ended.set(true);
            }
        }
        polled
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
