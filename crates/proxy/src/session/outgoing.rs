//! The body of a response on its way to the client, and what happens at its end.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::service::Produced;
use super::stream::HttpStream;
use super::upstream::Relayed;
use crate::body::Cut;
use crate::cache::Object;
use crate::filter::chain::{Chain, Fault};
use crate::http1::Unseen;
use crate::splice::Conduit;
use crate::timeouts::Timer;
use crate::txn::Txn;

/// How long a service may go on after its response if no timeout says so.
const LINGER: Duration = Duration::from_secs(60);

/// A response's body.
pub(crate) struct Outgoing {
    content: Content,
    active: Active,
}

/// Where a body comes from.
pub(crate) enum Content {
    /// There is none (any more).
    Empty,
    /// It is all here.
    Full(Bytes),
    /// From a cache, from this byte on.
    Cached(Arc<Object>, usize),
    /// From a server. Boxed: a response's parts are moved often, and most of this is not looked at meanwhile.
    Server(Box<Relayed>),
    /// From a service.
    Service(Box<Produced>),
    /// From one of these, through filters.
    Filtered(Box<Filtered>),
}

/// A body on its way through filters.
pub(crate) struct Filtered {
    source: Content,
    chain: Chain,
    /// What has passed already.
    ahead: VecDeque<Frame<Bytes>>,
}

impl Filtered {
    pub(crate) fn new(source: Content, chain: Chain) -> Self {
        Filtered {
            source,
            chain,
            ahead: VecDeque::new(),
        }
    }

    /// Lets a piece pass before anybody asks for it.
    pub(super) fn poll_ahead(
        &mut self,
        cx: &mut Context<'_>,
        timer: &Timer,
        txn: &Rc<Txn>,
    ) -> Poll<Result<(), Cut>> {
        let frame = ready!(self.poll_chain(cx, timer, txn)).transpose()?;
        self.ahead.extend(frame);
        Poll::Ready(Ok(()))
    }

    /// How many bytes have passed and wait.
    pub(super) fn held(&self) -> usize {
        let data = self.ahead.iter().filter_map(Frame::data_ref);
        data.map(Bytes::len).sum()
    }

    /// Whether all has passed, though it may not have been asked for yet.
    pub(super) fn chain_ended(&self) -> bool {
        self.chain.is_ended()
    }

    /// How much passed, if that was all.
    pub(super) fn length(&self) -> Option<usize> {
        self.chain.is_ended().then(|| self.held())
    }

    /// All that comes out is to be so long.
    pub(super) fn declare(&mut self, length: Option<u64>) {
        self.chain.declare(length);
    }

    /// Whether a filter changed the length of a body that it was to keep.
    pub(super) fn changed_length(&self) -> bool {
        self.chain.changed_length()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ahead.is_empty() && self.chain.is_ended()
    }

    /// What was before the filters.
    pub(super) fn into_source(self) -> Content {
        self.source
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &Timer,
        txn: &Rc<Txn>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => self.poll_chain(cx, timer, txn),
        }
    }

    fn poll_chain(
        &mut self,
        cx: &mut Context<'_>,
        timer: &Timer,
        txn: &Rc<Txn>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Filtered { source, chain, .. } = self;
        let polled = chain.poll(cx, txn, |cx| {
            let polled = source.poll(cx, timer, txn);
            (polled, source.is_ended())
        });
        polled.map(|item| {
            Some(match item? {
                Ok(frame) => Ok(frame),
                Err(Fault::Source(cut)) => Err(cut),
                Err(Fault::Filter(failure)) => {
                    txn.log_failure("filter", &failure);
                    txn.facts.borrow_mut().termination = Some(*b"PD");
                    Err(Cut)
                }
            })
        })
    }
}

impl Content {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &Timer,
        txn: &Rc<Txn>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self {
            Content::Empty => Poll::Ready(None),
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Content::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Cached(object, at) => {
                let piece = object.piece(*at);
                *at += piece.len();
                Poll::Ready((!piece.is_empty()).then_some(Ok(Frame::data(piece))))
            }
            Content::Server(relayed) => relayed.poll(cx, timer, txn),
            Content::Service(produced) => produced.poll(cx, txn),
            Content::Filtered(filtered) => filtered.poll(cx, timer, txn),
        }
    }

    /// Whether nothing (more) will come.
    pub(crate) fn is_ended(&self) -> bool {
        match self {
            Content::Empty => true,
            Content::Full(bytes) => bytes.is_empty(),
            Content::Cached(object, at) => *at >= object.body().len(),
            Content::Server(relayed) => relayed.is_ended(),
            Content::Service(_) => false,
            Content::Filtered(filtered) => filtered.is_ended(),
        }
    }

    /// What is behind filters.
    fn source(&mut self) -> &mut Content {
        match self {
            Content::Filtered(filtered) => filtered.source.source(),
            other => other,
        }
    }
}

impl Outgoing {
    pub(crate) fn new(content: Content, active: Active) -> Self {
        Outgoing { content, active }
    }

    fn drops_trailers(&self) -> bool {
        self.active.stream.frontend.spec.drop_trailers
    }

    fn end(&mut self) {
        self.content = Content::Empty;
        self.active.complete.set(true);
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        let polled = this.content.poll(cx, &this.active.stream.timer, &this.active.txn);
        this.active.txn.count_bytes();
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && this.content.is_ended()
            && !(frame.is_trailers() && this.drops_trailers())
        {
            this.end();
            return polled;
        }
        match &polled {
            Poll::Ready(None) => this.end(),
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() && this.drops_trailers() => {
                this.end();
                return Poll::Ready(None);
            }
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Cached(object, at) => {
                SizeHint::with_exact(object.body().len().saturating_sub(*at) as u64)
            }
            Content::Server(relayed) => relayed.size_hint(),
            Content::Service(produced) => produced.size_hint(),
            Content::Filtered(filtered) => match filtered.length() {
                Some(length) => SizeHint::with_exact(length as u64),
                None => SizeHint::default(),
            },
        }
    }
}

impl Unseen for Outgoing {
    type Broken = Cut;

    fn unseen(&self) -> u64 {
        match &self.content {
            Content::Server(relayed) => relayed.unseen(),
            _ => 0,
        }
    }

    fn poll_unseen(&mut self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<Result<usize, Cut>> {
        let polled = match &mut self.content {
            Content::Server(relayed) => {
                relayed.poll_unseen(cx, &self.active.stream.timer, &self.active.txn, conduit)
            }
            _ => Poll::Ready(Ok(0)),
        };
        self.active.txn.count_bytes();
        if matches!(polled, Poll::Ready(Ok(1..))) && self.content.is_ended() {
            self.end();
        }
        polled
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // The codec drops a body that has nothing to say without asking it; so it does for a HEAD request's.
        let ended = self.is_end_stream();
        let is_served = matches!(self.content.source(), Content::Service(produced) if produced.is_whole());
        let nothing_left = ended || self.active.bodyless || is_served;
        if nothing_left {
            self.active.complete.set(true);
        }
        let stream = self.active.stream.clone();
        if let Content::Service(produced) = self.content.source() {
            let timer = || {
                let timer = stream.worker.wheel.timer();
                timer.arm(stream.frontend.spec.timeouts.server.or(Some(LINGER)));
                timer
            };
            if let Some(rest) = produced.take_rest(timer) {
                stream.session.lingering.push(rest);
            }
        }
        if let (Content::Server(relayed), true) = (self.content.source(), nothing_left) {
            relayed.finish();
        }
    }
}

/// A transaction in progress. Dropping it ends the transaction: in order if it was marked complete, else because the
/// client or the codec let go of it.
pub(crate) struct Active {
    pub(crate) stream: Rc<HttpStream>,
    pub(crate) txn: Rc<Txn>,
    /// The response's head was handed over.
    pub(crate) answered: Cell<bool>,
    /// The client gets no body whatever there is.
    pub(crate) bodyless: bool,
    pub(crate) complete: Cell<bool>,
}

impl Active {
    pub(crate) fn new(stream: Rc<HttpStream>, txn: Rc<Txn>, bodyless: bool) -> Self {
        Active {
            stream,
            txn,
            answered: Cell::new(false),
            bodyless,
            complete: Cell::new(false),
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self
            .stream
            .tunnel
            .borrow()
            .as_ref()
            .is_some_and(|t| Rc::ptr_eq(&t.txn, &self.txn))
        {
            // It goes on as a tunnel.
            return;
        }
        if !self.complete.get() {
            // Whoever goes in the middle of its request's body is in the data phase, too.
            let in_data = self.answered.get() || self.stream.body_is_due();
            let state = if in_data { *b"CD" } else { *b"CH" };
            self.txn.facts.borrow_mut().termination.get_or_insert(state);
            self.txn.note_killer(state);
        }
        self.stream.end_transaction(&self.txn);
    }
}
