//! A connection as it is read: by whoever waits for a head, and by whoever holds the body that comes after it.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::Frame;
use tidegate_http1::{Framing, HeadLimits, Incoming, Step};
use tokio::io::AsyncReadExt;

use crate::body::BodyError;
use crate::splice::Conduit;
use crate::stream::Counted;

/// What is asked of the system at once.
const READ_BYTES: usize = 64 * 1024;

/// What is received in smaller pieces is copied out of the buffer, which all connections of a worker share; larger
/// pieces take their part of it with them.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// What is told of a body whose connection has gone.
const GONE: &str = "the connection is gone";

thread_local! {
    static BUFFER: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The reading half of a connection, with what was read and not used.
pub(super) struct Wire {
    io: Option<Counted>,
    /// There is no connection: what comes is handed in.
    fed: bool,
    pub(super) held: Bytes,
    coming: Incoming,
    /// The peer has ended its side.
    pub(super) ended: bool,
    /// Which message this is. Who holds the body of one before has nothing to read here.
    pub(super) message: u32,
    /// Somebody holds the body.
    pub(super) is_held: bool,
    /// Whoever waits for the body.
    reader: Option<Waker>,
    /// Whoever waits for the body to be over, be it because it broke off.
    successor: Option<Waker>,
    /// The client is to be told to go on before its body comes.
    pub(super) expects: bool,
}

/// A reading half that is shared with the body that comes on it.
pub(super) type Shared = Rc<RefCell<Wire>>;

impl Wire {
    pub(super) fn new(io: Counted, held: Bytes) -> Shared {
        Wire::with(Some(io), held)
    }

    /// A reading half that reads what it is [fed](Self::feed).
    pub(super) fn fed() -> Shared {
        Wire::with(None, Bytes::new())
    }

    fn with(io: Option<Counted>, held: Bytes) -> Shared {
        Rc::new(RefCell::new(Wire {
            fed: io.is_none(),
            io,
            held,
            coming: Incoming::NOTHING,
            ended: false,
            message: 0,
            is_held: false,
            reader: None,
            successor: None,
            expects: false,
        }))
    }

    /// The connection, to be written to.
    pub(super) fn io(&mut self) -> io::Result<&mut Counted> {
        self.io.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Takes the connection away from whoever still reads a body.
    pub(super) fn take(&mut self) -> Option<(Counted, Bytes)> {
        self.coming.break_off(GONE);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Some((self.io.take()?, std::mem::take(&mut self.held)))
    }

    /// Receives more: says how much, 0 at the end.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        let Some(io) = &mut self.io else {
            return match self.fed {
                true => Poll::Pending,
                false => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            };
        };
        let piece = ready!(poll_piece(io, cx))?;
        self.ended = piece.is_empty();
        let read = piece.len();
        self.append(piece);
        Poll::Ready(Ok(read))
    }

    /// Takes what came.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.append(Bytes::copy_from_slice(piece));
    }

    fn append(&mut self, piece: Bytes) {
        self.held = match self.held.is_empty() {
            true => piece,
            false => [&self.held[..], &piece].concat().into(),
        };
    }

    /// After a head, this comes.
    pub(super) fn expect(&mut self, framing: Framing, limits: HeadLimits) {
        self.message = self.message.wrapping_add(1);
        self.is_held = false;
        self.reader = None;
        self.coming = Incoming::new(framing, limits);
    }

    /// Whether the current message has ended.
    pub(super) fn is_over(&self) -> bool {
        self.coming.is_over()
    }

    /// Whether the peer broke the rules of the protocol in it.
    pub(super) fn is_malformed(&self) -> bool {
        self.coming.is_lost() && !self.coming.is_broken_off()
    }

    /// Whether nobody can find its end any more.
    pub(super) fn is_lost(&self) -> bool {
        self.coming.is_lost()
    }

    /// Bytes that are still to come, if that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.coming.remaining()
    }

    /// Whether somebody waits for more of a body.
    pub(super) fn is_awaited(&self) -> bool {
        self.reader.is_some()
    }

    /// The next piece of the body, or its trailers; none at its end.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_frame(cx);
        self.keep_reader(cx, polled.is_pending());
        if polled.is_pending() {
            return Poll::Pending;
        }
        self.expects = false;
        if self.is_over() || self.is_lost() {
            self.tell_successor();
        }
        polled
    }

    /// Remembers who waits for more of the body, or that nobody does.
    fn keep_reader(&mut self, cx: &Context<'_>, waits: bool) {
        if !waits {
            self.reader = None;
        } else if !self.reader.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            return Poll::Ready(match self.coming.step(&mut self.held, self.ended) {
                Step::Piece(piece) => Some(Ok(Frame::data(piece))),
                Step::Trailers(fields) => Some(Ok(Frame::trailers(fields))),
                Step::End => None,
                Step::Bad(why) if self.coming.is_broken_off() => Some(Err(BodyError::new(why))),
                Step::Bad(why) => Some(Err(BodyError::malformed(why))),
                Step::More => match ready!(self.poll_more(cx)) {
                    Ok(_) => continue,
                    Err(why) => {
                        self.coming.break_off(GONE);
                        Some(Err(BodyError::new(why)))
                    }
                },
            });
        }
    }

    /// Whether the connection is one whose bytes may pass unseen.
    pub(super) fn splices(&self) -> bool {
        self.io.as_ref().is_some_and(Counted::splices)
    }

    /// How many bytes of the body are next on the connection that nobody has to see.
    pub(super) fn unseen(&self) -> u64 {
        match self.held.is_empty() && !self.ended && self.splices() {
            true => self.remaining().unwrap_or(0),
            false => 0,
        }
    }

    /// Receives some of them.
    pub(super) fn poll_unseen(
        &mut self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
    ) -> Poll<io::Result<usize>> {
        let rest = self.unseen();
        let (Some(io), 1..) = (&mut self.io, rest) else {
            return Poll::Ready(Ok(0));
        };
        let polled = io.poll_fill(cx, conduit, rest);
        self.keep_reader(cx, polled.is_pending());
        let Some(came) = ready!(polled)? else {
            return Poll::Ready(Ok(0));
        };
        self.ended = came == 0;
        self.coming.pass(came as u64);
        self.expects = false;
        if self.is_over() {
            self.tell_successor();
        }
        Poll::Ready(Ok(came))
    }

    /// Ready once the body is over, or nobody holds it any more.
    pub(super) fn poll_over(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.is_over() || !self.is_held {
            return Poll::Ready(());
        }
        self.succeed_reader(cx);
        Poll::Pending
    }

    /// Has somebody told when nobody waits for the body any more.
    pub(super) fn succeed_reader(&mut self, cx: &Context<'_>) {
        if !self.successor.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            self.successor = Some(cx.waker().clone());
        }
    }

    /// Nobody holds the body any more.
    pub(super) fn let_go(&mut self) {
        self.is_held = false;
        self.reader = None;
        self.tell_successor();
    }

    fn tell_successor(&mut self) {
        if let Some(successor) = self.successor.take() {
            successor.wake();
        }
    }
}

/// Receives something; what is empty is the end.
pub(crate) fn poll_piece(io: &mut Counted, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.reserve(READ_BYTES);
        let mut room = (&mut *buffer).limit(READ_BYTES);
        let read = ready!(pin!(io.read_buf(&mut room)).poll(cx))?;
        Poll::Ready(Ok(match read <= COPIED_BYTES_MAX {
            true => {
                let piece = Bytes::copy_from_slice(buffer);
                buffer.clear();
                piece
            }
            false => buffer.split().freeze(),
        }))
    })
}
