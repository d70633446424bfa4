//! The bodies of messages, whatever protocol brings them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::filter::chain::{Chain, Fault};
use crate::http1::Unseen;
use crate::replay::Attempt;
use crate::splice::Conduit;
use crate::txn::Txn;
use crate::{http1, http2};

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

/// A response that can't be completed: its connection (or its stream) is closed there and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response was cut off")
    }
}

impl std::error::Error for Cut {}

/// Whose doing it is that a body broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokenBy {
    /// Its sender's, who ended or reset it before it was whole.
    Cut,
    /// Its sender's, who sent what is against the rules of the protocol.
    Fault,
    /// Our own: it is not what was announced, or a filter failed.
    Us,
}

/// Why a body that comes from a peer broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyError {
    why: String,
    by: BrokenBy,
}

impl BodyError {
    /// Nothing more comes of it.
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        BodyError {
            why: why.to_string(),
            by: BrokenBy::Cut,
        }
    }

    /// What came is against the rules of the protocol.
    pub(crate) fn malformed(why: impl fmt::Display) -> Self {
        BodyError {
            by: BrokenBy::Fault,
            ..BodyError::new(why)
        }
    }

    /// Whose doing it is.
    pub(crate) fn by(&self) -> BrokenBy {
        self.by
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for BodyError {}

/// Where the rest of a body comes from.
enum Source {
    Http1(http1::Receiving),
    /// Boxed, so that bodies of HTTP/1 carry no room for it.
    Http2(Box<http2::Receiving>),
    /// Another body, through filters.
    Filtered(Box<Filtered>),
    /// Another body, which is kept to be sent again.
    Kept(Box<Attempt>),
}

/// A body on its way through filters.
struct Filtered {
    body: MessageBody,
    chain: Chain,
    txn: Rc<Txn>,
}

impl Filtered {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Filtered { body, chain, txn } = self;
        let polled = chain.poll(cx, txn, |cx| {
            let polled = Pin::new(&mut *body).poll_frame(cx);
            (polled, body.is_ended())
        });
        polled.map(|item| {
            Some(match item? {
                Ok(frame) => Ok(frame),
                Err(Fault::Source(error)) => Err(error),
                Err(Fault::Filter(failure)) => {
                    txn.log_failure("filter", &failure);
                    Err(BodyError {
                        by: BrokenBy::Us,
                        ..BodyError::new(failure)
                    })
                }
            })
        })
    }
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Source::Http1(body) => body.poll_frame(cx),
            Source::Http2(body) => body.poll_frame(cx),
            Source::Filtered(body) => body.poll_frame(cx),
            Source::Kept(body) => body.poll_frame(cx),
        }
    }

    fn is_ended(&self) -> bool {
        match self {
            Source::Http1(body) => body.is_ended(),
            Source::Http2(body) => body.is_ended(),
            Source::Filtered(body) => body.chain.is_ended(),
            Source::Kept(body) => body.is_ended(),
        }
    }

    fn leave_expectation(&self) -> bool {
        match self {
            Source::Http1(body) => body.leave_expectation(),
            Source::Http2(_) => true,
            Source::Kept(body) => body.leave_expectation(),
            Source::Filtered(body) => body.body.leave_expectation(),
        }
    }

    /// How much is still to come, if that was declared.
    fn remaining(&self) -> Option<u64> {
        match self {
            Source::Http1(body) => body.remaining(),
            Source::Http2(body) => body.remaining(),
            Source::Filtered(filtered) => filtered.chain.remaining(),
            Source::Kept(body) => body.remaining(),
        }
    }
}

/// The body of a message: pieces that are here already, then what is still to come from the wire.
#[derive(Default)]
pub struct MessageBody {
    ahead: VecDeque<Frame<Bytes>>,
    source: Option<Source>,
    watch: Option<Rc<BodyWatch>>,
    /// Trailers that whoever asked for pieces didn't get to see.
    /// Boxed, since bodies are moved often and this is rare.
    passed: Option<Box<HeaderMap>>,
    /// Nobody gets to see trailers.
    drops_trailers: bool,
}

impl MessageBody {
    /// Lets others see whether the rest of this body is waited for. `None` if nothing more will come.
    pub(crate) fn watch(&mut self) -> Option<Rc<BodyWatch>> {
        self.source.as_ref()?;
        Some(self.watch.get_or_insert_default().clone())
    }

    /// Whether nobody need wait for this body: something is wrong with it.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(&self.source, Some(Source::Http2(body)) if body.is_broken())
    }

    /// A body that comes by HTTP/1.
    pub(crate) fn http1(receiving: http1::Receiving) -> Self {
        MessageBody::from_source(Source::Http1(receiving))
    }

    /// A body that comes by HTTP/2.
    pub(crate) fn http2(receiving: http2::Receiving) -> Self {
        MessageBody::from_source(Source::Http2(Box::new(receiving)))
    }

    /// What comes out when a transaction's body has passed filters.
    pub(crate) fn filtered(body: MessageBody, chain: Chain, txn: Rc<Txn>) -> Self {
        MessageBody::from_source(Source::Filtered(Box::new(Filtered { body, chain, txn })))
    }

    /// A body that is kept as it is sent.
    pub(crate) fn kept(attempt: Attempt) -> Self {
        MessageBody::from_source(Source::Kept(Box::new(attempt)))
    }

    fn from_source(source: Source) -> Self {
        MessageBody {
            ahead: VecDeque::new(),
            source: (!source.is_ended()).then_some(source),
            watch: None,
            passed: None,
            drops_trailers: false,
        }
    }

    /// A body that is all here.
    pub fn from_pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        MessageBody {
            ahead: pieces
                .into_iter()
                .filter(|p| !p.is_empty())
                .map(Frame::data)
                .collect(),
            source: None,
            watch: None,
            passed: None,
            drops_trailers: false,
        }
    }

    /// Keeps trailers back from whoever asks from now on.
    pub(crate) fn drop_trailers(&mut self) {
        self.drops_trailers = true;
    }

    /// True if nothing (more) will come.
    pub fn is_ended(&self) -> bool {
        self.ahead.is_empty() && self.source.as_ref().is_none_or(Source::is_ended)
    }

    /// The next piece; `None` at the end. Trailers are passed over, and come behind what is put back.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        loop {
            return match ready!(Pin::new(&mut *self).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(bytes))),
                    Ok(_) => continue,
                    Err(frame) => {
                        self.passed = frame.into_trailers().ok().map(Box::new);
                        continue;
                    }
                },
                Some(Err(e)) => Poll::Ready(Some(Err(e.to_string()))),
                None => Poll::Ready(None),
            };
        }
    }

    /// Whether the client may hold it back until it is told to go on. If so, somebody else is to tell it.
    pub(crate) fn leave_expectation(&self) -> bool {
        self.ahead.is_empty() && self.source.as_ref().is_some_and(Source::leave_expectation)
    }

    /// All that comes out of its filters is to be so long.
    pub(crate) fn declare(&mut self, length: Option<u64>) {
        if let Some(Source::Filtered(filtered)) = &mut self.source {
            filtered.chain.declare(length);
        }
    }

    /// Whether filters changed the length that it was told to have.
    pub(crate) fn changed_length(&self) -> bool {
        matches!(&self.source, Some(Source::Filtered(filtered)) if filtered.chain.changed_length())
    }

    /// Puts back what was read, to be read again.
    pub(crate) fn unread(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if let Some(trailers) = self.passed.take() {
            self.ahead.push_back(Frame::trailers(*trailers));
        }
        self.unread_frame(Frame::data(piece));
    }

    /// Puts back what was read, to be read again.
    pub(crate) fn unread_frame(&mut self, frame: Frame<Bytes>) {
        self.ahead.push_front(frame);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(source) = &mut self.source else {
            return Poll::Ready(None);
        };
        let polled = source.poll_frame(cx);
        self.tell_watch(
            polled.is_pending(),
            matches!(polled, Poll::Ready(None | Some(Err(_)))),
        );
        polled
    }

    fn tell_watch(&self, awaited: bool, ended: bool) {
        if let Some(watch) = &self.watch {
            watch.awaited.set(awaited);
            if ended || self.source.as_ref().is_none_or(Source::is_ended) {
                watch.ended.set(true);
            }
        }
    }
}

impl Unseen for MessageBody {
    type Broken = BodyError;

    fn unseen(&self) -> u64 {
        match &self.source {
            Some(Source::Http1(body)) if self.ahead.is_empty() && self.passed.is_none() => body.unseen(),
            _ => 0,
        }
    }

    fn poll_unseen(&mut self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<Result<usize, BodyError>> {
        let polled = match &mut self.source {
            Some(Source::Http1(body)) if self.ahead.is_empty() => body.poll_unseen(cx, conduit),
            _ => Poll::Ready(Ok(0)),
        };
        self.tell_watch(polled.is_pending(), matches!(polled, Poll::Ready(Err(_))));
        polled
    }
}

impl Body for MessageBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let polled = self.poll_next(cx);
            match &polled {
                Poll::Ready(Some(Ok(frame))) if self.drops_trailers && frame.is_trailers() => {}
                _ => return polled,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        if self.ahead.iter().any(Frame::is_trailers) {
            // Only a body without a length can have them.
            return SizeHint::default();
        }
        let data = self.ahead.iter().filter_map(Frame::data_ref);
        let ahead = data.map(|p| p.len() as u64).sum::<u64>();
        let Some(source) = &self.source else {
            return SizeHint::with_exact(ahead);
        };
        match source.remaining() {
            Some(rest) => SizeHint::with_exact(ahead + rest),
            None => SizeHint::default(),
        }
    }
}
