//! The servers' side: requests out, responses in.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::Body;
use tidegate_http1::{
    Framing, HeadLimits, HeaderCase, Leaving, Reading, ResponseHead, field, number, request_line,
};
use tidegate_sample::head::names::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use tidegate_sample::head::{request, response};

use super::body::Receiving;
use super::bypass::{Bypass, Stuck};
use super::outflow::Outflow;
use super::wire::{Shared, Wire};
use crate::body::{BrokenBy, MessageBody};
use crate::stream::{Counted, Stream, Traffic};
use crate::upstream::link::{INTERIM_MAX, SendFailure};
use crate::upstream::manner::Made;

/// More is not gathered before it is written.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// A connection to a server, for one request at a time. Whoever holds it drives it.
pub(crate) struct ClientConn {
    wire: Shared,
    upload: Upload,
    traffic: Rc<Traffic>,
    local: Option<SocketAddr>,
    limits: HeadLimits,
    case: Option<HeaderCase>,
    /// How it was made.
    pub(crate) made: Made,
    /// It may serve another request.
    kept: bool,
    /// The byte with which what was received last is no response.
    fault: Option<usize>,
}

impl ClientConn {
    /// Prepares a connected stream for requests.
    pub(crate) fn new(mut stream: Stream, made: Made, limits: HeadLimits, case: Option<HeaderCase>) -> Self {
        let local = stream.local();
        // A body may end with the connection: then a cut must not look like its end.
        stream.refuse_truncation();
        let (counted, traffic) = Counted::new(stream);
        ClientConn {
            wire: Wire::new(counted, Bytes::new()),
            upload: Upload::default(),
            traffic,
            local,
            limits,
            case,
            made,
            kept: true,
            fault: None,
        }
    }

    /// The address that the server was connected from.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Goes on with what is to be written. Ready when nothing is left of that.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.upload.poll(&self.wire, self.case.as_ref(), cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => self.kept = false,
            Poll::Pending => {
                // A server that has answered and gone wants nothing more, though the client may be slow to send it.
                let mut wire = self.wire.borrow_mut();
                let is_over = wire.is_over() && wire.held.is_empty();
                if !is_over || !matches!(wire.poll_more(cx), Poll::Ready(Ok(0) | Err(_))) {
                    return Poll::Pending;
                }
                self.kept = false;
            }
        }
        Poll::Ready(())
    }

    /// Whether the connection can take a request now. Notices a server that has closed it; asks the system nothing that
    /// it hasn't said already.
    pub(crate) fn is_usable(&mut self) -> bool {
        let mut wire = self.wire.borrow_mut();
        // Whatever a server says that wasn't asked, the connection is of no use.
        let mut cx = Context::from_waker(Waker::noop());
        self.is_done(&wire) && wire.poll_more(&mut cx).is_pending()
    }

    /// Whether the last request and its response are complete, and leave the connection to another one.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_done(&self.wire.borrow())
    }

    fn is_done(&self, wire: &Wire) -> bool {
        self.kept && self.upload.is_done() && wire.is_over() && wire.held.is_empty()
    }

    /// Sends a request and waits for the head of its response. The request's body goes on being sent while the
    /// connection is driven.
    pub(crate) async fn send(
        &mut self,
        head: request::Parts,
        body: MessageBody,
        mut informed: impl FnMut(response::Parts),
    ) -> Result<(response::Parts, MessageBody), SendFailure> {
        let read_before = self.traffic.read.get();
        let written_before = self.traffic.written.get();
        self.kept &= !self.upload.begin(&head, body, self.case.as_ref());
        let mut first = true;
        let mut interim = 0;
        let received = poll_fn(|cx| {
            match self.upload.poll(&self.wire, self.case.as_ref(), cx) {
                Poll::Ready(Err(Broken::Body(by))) => return Poll::Ready(Err(SendFailure::Body(by))),
                Poll::Ready(Err(Broken::Server)) => {
                    self.kept = false;
                    if first && self.traffic.written.get() == written_before {
                        return Poll::Ready(Err(SendFailure::Closed { silent: true }));
                    }
                    // A server may refuse the rest of a request and answer all the same.
                    self.upload.give_up();
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            first = false;
            self.poll_head(cx, &head.method, read_before, |head| {
                interim += 1;
                if interim <= INTERIM_MAX {
                    informed(head);
                }
                interim <= INTERIM_MAX
            })
        })
        .await?;
        self.kept &= received.keep_alive;
        let body = match received.framing {
            Framing::Nothing => MessageBody::default(),
            _ => MessageBody::http1(Receiving::new(&self.wire)),
        };
        Ok((received.parts, body))
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        asked: &Method,
        read_before: u64,
        mut informed: impl FnMut(response::Parts) -> bool,
    ) -> Poll<Result<ResponseHead, SendFailure>> {
        let mut wire = self.wire.borrow_mut();
        loop {
            if !wire.held.is_empty() {
                match tidegate_http1::response(&wire.held, self.limits, asked) {
                    Reading::Head(head, length) => {
                        drop(wire.held.split_to(length));
                        let status = head.parts.status;
                        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                            wire.expect(head.framing, self.limits);
                            return Poll::Ready(Ok(head));
                        }
                        if !informed(head.parts) {
                            return Poll::Ready(Err(SendFailure::Invalid));
                        }
                        continue;
                    }
                    Reading::Mended(mended) => {
                        wire.held = mended;
                        continue;
                    }
                    Reading::Partial => {}
                    Reading::TooLarge => return Poll::Ready(Err(SendFailure::Invalid)),
                    Reading::Unreadable(at) => {
                        self.fault = Some(at);
                        return Poll::Ready(Err(SendFailure::Invalid));
                    }
                }
            }
            if !matches!(ready!(wire.poll_more(cx)), Ok(1..)) {
                return Poll::Ready(Err(SendFailure::Closed {
                    silent: self.traffic.read.get() == read_before,
                }));
            }
        }
    }

    /// What was received and is no response, and the place of the byte at fault.
    pub(crate) fn fault(&self) -> Option<(Bytes, usize)> {
        Some((self.wire.borrow().held.clone(), self.fault?))
    }

    /// What was counted on the connection.
    pub(crate) fn traffic(&self) -> &Rc<Traffic> {
        &self.traffic
    }

    /// Gives the stream back after a response that switched protocols, with what was read from it and not used.
    pub(crate) fn into_stream(self) -> Option<(Counted, Bytes)> {
        self.wire.borrow_mut().take()
    }
}

/// Why a request can't be sent.
enum Broken {
    /// Its body broke off.
    Body(BrokenBy),
    /// The server doesn't take it.
    Server,
}

/// A request on its way.
#[derive(Default)]
struct Upload {
    out: Outflow,
    bypass: Bypass,
    /// What is still to come of the body.
    body: Option<(MessageBody, Leaving)>,
}

impl Upload {
    fn is_done(&self) -> bool {
        self.body.is_none() && self.out.is_empty() && self.bypass.is_empty()
    }

    fn give_up(&mut self) {
        *self = Upload::default();
    }

    /// Begins a request. True if it says that it is the connection's last.
    fn begin(&mut self, head: &request::Parts, body: MessageBody, case: Option<&HeaderCase>) -> bool {
        let ended = body.is_ended();
        let length = body.size_hint().exact();
        let leaving = match length {
            _ if ended => Leaving::Nothing,
            Some(length) => Leaving::Length(length),
            None => Leaving::Chunked,
        };
        let length = match (ended, length) {
            // Whoever expects a body is told that there is none.
            (true, _) => matches!(head.method, Method::POST | Method::PUT | Method::PATCH).then_some(0),
            (false, length) => length,
        };
        self.bypass.begin();
        let out = self.out.front();
        request_line(out, head, leaving);
        let (mut has_length, mut is_last) = (false, false);
        for (name, value) in head.headers.iter() {
            if name == CONNECTION {
                is_last |= value.as_bytes().eq_ignore_ascii_case(b"close");
            } else if name == CONTENT_LENGTH {
                let says = value.to_str().ok().and_then(|v| v.parse().ok());
                // Of a request without a body a length of 0 may be told, and no other.
                if says.is_none()
                    || says != length.or(ended.then_some(0))
                    || std::mem::replace(&mut has_length, true)
                {
                    continue;
                }
            } else if name == TRANSFER_ENCODING {
                continue;
            }
            field(out, name, value.as_bytes(), case);
        }
        if let (Some(length), false) = (length, has_length) {
            field(out, CONTENT_LENGTH, b"", case);
            out.truncate(out.len() - 2);
            number(out, length, 10);
            out.extend_from_slice(b"\r\n");
        }
        if leaving == Leaving::Chunked {
            field(out, TRANSFER_ENCODING, b"chunked", case);
        }
        out.extend_from_slice(b"\r\n");
        self.body = (!ended).then_some((body, leaving));
        is_last
    }

    fn poll(
        &mut self,
        wire: &Shared,
        case: Option<&HeaderCase>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            let mut bypassed = false;
            if let Some((body, leaving)) = &mut self.body
                && self.bypass.takes(*leaving, body, wire)
            {
                bypassed = true;
                if self.out.is_empty() {
                    match ready!(self.bypass.poll(cx, leaving, body, wire)) {
                        Ok(()) => {}
                        Err(Stuck::Receiver) => return Poll::Ready(Err(Broken::Server)),
                        Err(Stuck::Body(fault)) => return Poll::Ready(Err(Broken::Body(fault.by()))),
                    }
                    if *leaving == Leaving::Length(0) {
                        self.body = None;
                    }
                    continue;
                }
            }
            let mut waits = false;
            while let Some((body, leaving)) = &mut self.body
                && !bypassed
                && self.out.has_room(GATHERED_BYTES_MAX)
            {
                let put = match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => {
                            let last = body.is_ended();
                            let put = self.out.put(data, leaving, last);
                            let short = last && matches!(leaving, Leaving::Length(1..));
                            if last {
                                self.body = None;
                            }
                            put.is_ok() && !short
                        }
                        Err(frame) => {
                            let ended = self.out.end(frame.trailers_ref(), *leaving, case);
                            self.body = None;
                            ended.is_ok()
                        }
                    },
                    Poll::Ready(None) => {
                        let ended = self.out.end(None, *leaving, case);
                        self.body = None;
                        ended.is_ok()
                    }
                    Poll::Ready(Some(Err(fault))) => return Poll::Ready(Err(Broken::Body(fault.by()))),
                    Poll::Pending => {
                        waits = true;
                        break;
                    }
                };
                if !put {
                    return Poll::Ready(Err(Broken::Body(BrokenBy::Us)));
                }
            }
            if !self.out.is_empty() {
                let mut wire = wire.borrow_mut();
                let io = wire.io().map_err(|_| Broken::Server)?;
                ready!(self.out.poll_write(io, cx)).map_err(|_| Broken::Server)?;
            }
            match &self.body {
                None => return Poll::Ready(Ok(())),
                Some(_) if waits => return Poll::Pending,
                Some(_) => {}
            }
        }
    }
}
