//! The client's side: several requests at once, each on a stream.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use tidegate_http2::{Outcome, Reason, Request, Role, Settings};
use tidegate_sample::head::response;

use super::core::{Core, Part, to_io};
use super::wire::Wire;
use crate::stream::Counted;

/// A connection whose requests are being served.
pub(crate) struct ServerConn {
    wire: Wire,
    /// Everything that is to be said was.
    closes: bool,
}

/// What became of a connection when it was polled.
pub(crate) enum Polled {
    /// There is a request.
    Request(Box<Request>, Part),
    /// It has ended, in order or not.
    Ended(Outcome),
}

impl ServerConn {
    /// A connection of which this was read before.
    pub(crate) fn new(io: Counted, ahead: &[u8], settings: Settings) -> ServerConn {
        let core = Core::new(Role::Server, settings);
        core.connection().borrow_mut().buffer().extend_from_slice(ahead);
        ServerConn {
            wire: Wire::new(io, core),
            closes: false,
        }
    }

    /// Its state.
    pub(crate) fn core(&self) -> &Rc<Core> {
        self.wire.core()
    }

    /// Goes on reading: takes the next request. Its end comes once everything is written.
    pub(crate) fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        if let Poll::Ready((key, request)) = self.wire.poll_read(cx) {
            return Poll::Ready(Polled::Request(request, Part::first(self.wire.core(), key)));
        }
        let outcome = self.core().connection().borrow().outcome();
        let Some(outcome) = outcome else {
            return Poll::Pending;
        };
        if !self.closes {
            // Whoever can't be written to needn't hear the rest.
            let _ = ready!(self.wire.poll_write(cx));
            self.closes = true;
        }
        let _ = ready!(self.wire.poll_shutdown(cx));
        Poll::Ready(Polled::Ended(outcome))
    }

    /// Writes what there is. Ready when everything is written.
    pub(crate) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_write(cx)
    }

    /// Whether nothing is read since too much is to be written.
    pub(crate) fn is_full(&self) -> bool {
        self.wire.is_full()
    }

    /// Whether it came to its end, whatever is still to be written.
    pub(crate) fn is_over(&self) -> bool {
        self.core().connection().borrow().outcome().is_some()
    }

    /// Whether the client has begun to say something that hasn't come to its end: its hello, a frame or a head.
    pub(crate) fn is_halfway(&self) -> bool {
        self.core().connection().borrow().is_halfway()
    }

    /// Whether the connection ended in the middle of that.
    pub(crate) fn is_cut_short(&self) -> bool {
        self.core().connection().borrow().is_cut_short()
    }

    /// Whether the client has said hello.
    pub(crate) fn is_greeted(&self) -> bool {
        self.core().connection().borrow().is_greeted()
    }

    /// Takes no more requests than those that are on their way, and ends when they are served.
    pub(crate) fn end_when_served(&mut self) {
        self.core().connection().borrow_mut().end_when_served();
    }

    /// Nothing was in progress for a while, and perhaps nothing will be for long.
    pub(crate) fn rest(&mut self) {
        self.core().connection().borrow_mut().rest();
    }

    /// Ends at once, whatever is in progress.
    pub(crate) fn end(&mut self, reason: Reason) {
        self.core().connection().borrow_mut().end(reason);
    }
}

impl Drop for ServerConn {
    fn drop(&mut self) {
        // Whoever still holds a part in a stream is told.
        self.core().connection().borrow_mut().broke();
    }
}

/// Where the answer to one request goes.
pub(crate) struct Responder(Part);

impl Responder {
    pub(crate) fn new(part: Part) -> Responder {
        Responder(part)
    }

    /// The number of the stream.
    pub(crate) fn stream_id(&self) -> u32 {
        self.0.id()
    }

    /// Ready when the client has let go of the request.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_gone(cx)
    }

    /// Whether the client has ended its side of the connection.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    /// Sends an informational response.
    pub(crate) fn inform(&mut self, head: &response::Parts) {
        // The client may have gone meanwhile, which is noticed elsewhere.
        let _ = self
            .0
            .with(|connection, key| connection.respond(key, head, false));
    }

    /// Sends the head of the response.
    ///
    /// # Errors
    /// The client has let go of the request.
    pub(crate) fn respond(self, head: &response::Parts, ended: bool) -> io::Result<Sender> {
        let sent = self
            .0
            .with(|connection, key| connection.respond(key, head, ended));
        sent.map(|()| Sender::new(self.0)).map_err(to_io)
    }

    /// Lets go of the request without (the rest of) a response.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.0.reset(reason);
    }
}

/// Where the body of a message goes.
pub(crate) struct Sender(Part);

impl Sender {
    pub(super) fn new(part: Part) -> Sender {
        Sender(part)
    }

    /// Ready when the peer has room for at least one of so many bytes.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let room = self
            .0
            .with(|connection, key| connection.poll_room(key, cx, wanted));
        room.map_err(to_io)
    }

    /// Sends as much of `data` as the peer has room for, at least one byte of it; says how much.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
        last: bool,
    ) -> Poll<io::Result<usize>> {
        let sent = self
            .0
            .with(|connection, key| connection.poll_send(key, cx, data, last));
        sent.map_err(to_io)
    }

    /// Sends what ends the message.
    ///
    /// # Errors
    /// The peer has let go of the stream.
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) -> io::Result<()> {
        self.0
            .with(|connection, key| connection.trailers(key, trailers))
            .map_err(to_io)
    }

    /// Ready when the peer has let go of the stream.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_gone(cx)
    }

    /// Whether the client has ended its side of the connection.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    /// Lets go of the stream before its end.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.0.reset(reason);
    }
}
