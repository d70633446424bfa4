//! The client's side: requests in, responses out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use http_body::Body;
use tidegate_http1::{
    Framing, HeadLimits, HeaderCase, Leaving, Reading, RequestHead, field, fields, number, status_line,
};
use tidegate_sample::head::names::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use tidegate_sample::head::response;

use super::body::Receiving;
use super::bypass::{Bypass, Unseen};
use super::outflow::{Outflow, WrongLength};
use super::wire::{Shared, Wire};
use crate::body::{Cut, MessageBody};
use crate::stream::Counted;

/// The most of a body that nobody wanted is received all the same, so that its client may go on.
const UNWANTED_BYTES_MAX: u64 = 64 * 1024;

/// A head that is no longer is looked at whenever more of it comes.
const SHORT_BYTES_MAX: usize = 4096;

/// More is not gathered before it is written.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// Informational responses that a client doesn't read are dropped beyond this.
const INTERIM_BYTES_MAX: usize = 16 * 1024;

/// What is decided once for a connection.
pub(crate) struct ServerOptions {
    pub(crate) limits: HeadLimits,
    /// `option h1-case-adjust-bogus-client`.
    pub(crate) case: Option<HeaderCase>,
    /// Whether a connection serves more than one request.
    pub(crate) keep_alive: bool,
}

/// A client's connection.
pub(crate) struct ServerConn {
    wire: Shared,
    out: Outflow,
    bypass: Bypass,
    options: ServerOptions,
    /// Bytes that were looked at and are no whole head.
    looked_at: usize,
    /// Of a body that nobody wants, so much may still come.
    unwanted: u64,
    /// The request that is being answered came by HTTP/1.0.
    old: bool,
    /// It was a HEAD.
    bodyless: bool,
    /// It was a CONNECT.
    connects: bool,
    kept: bool,
    leaving: Leaving,
    body_ended: bool,
    cut: bool,
    /// What came is answered by something that wasn't asked for.
    refuses: bool,
}

/// What comes next on a connection.
#[expect(
    clippy::large_enum_variant,
    reason = "moved once per request: a box would cost more than the move"
)]
pub(crate) enum Next {
    Request(RequestHead, MessageBody),
    /// What came is no request; the status to refuse it with, and the place of the byte at fault, if it is one's.
    Unreadable(StatusCode, Option<usize>),
    /// The client has ended the connection, or it broke.
    Ended,
}

impl ServerConn {
    /// A connection of which this was read before.
    pub(crate) fn new(io: Counted, ahead: Bytes, options: ServerOptions) -> Self {
        ServerConn::on(Wire::new(io, ahead), options)
    }

    pub(super) fn on(wire: Shared, options: ServerOptions) -> Self {
        ServerConn {
            wire,
            out: Outflow::default(),
            bypass: Bypass::default(),
            options,
            looked_at: 0,
            unwanted: UNWANTED_BYTES_MAX,
            old: false,
            bodyless: false,
            connects: false,
            kept: true,
            leaving: Leaving::Nothing,
            body_ended: true,
            cut: false,
            refuses: false,
        }
    }

    /// Waits for a request.
    pub(crate) fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        (self.old, self.bodyless, self.connects) = (false, false, false);
        let shared = self.wire.clone();
        let mut wire = shared.borrow_mut();
        if !wire.is_over() && !ready!(self.poll_rest(&mut wire, cx)) {
            return Poll::Ready(Next::Ended);
        }
        let limits = self.options.limits;
        loop {
            // Blank lines may come between requests.
            while let [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] = &wire.held[..] {
                wire.held = wire.held.slice_ref(rest);
                self.looked_at = 0;
            }
            // Of a head that grows long, what brings no line to its end isn't looked at: that would be to look at all of it
            // for every byte.
            let new = wire.held.get(self.looked_at..).unwrap_or_default();
            let length = wire.held.len();
            let worth_it = length <= SHORT_BYTES_MAX || new.contains(&b'\n') || length >= limits.bytes_max;
            if !new.is_empty() && worth_it {
                match tidegate_http1::request(&wire.held, limits) {
                    Reading::Head(head, length) => {
                        self.looked_at = 0;
                        self.begin(&mut wire, &head, length);
                        drop(wire);
                        let body = match head.framing {
                            Framing::Nothing => MessageBody::default(),
                            _ => MessageBody::http1(Receiving::new(&shared)),
                        };
                        return Poll::Ready(Next::Request(head, body));
                    }
                    Reading::Partial => self.looked_at = wire.held.len(),
                    Reading::Mended(mended) => {
                        wire.held = mended;
                        self.looked_at = 0;
                        continue;
                    }
                    Reading::TooLarge => {
                        let held = wire.held.get(..limits.bytes_max).unwrap_or(&wire.held);
                        let status = match held.contains(&b'\n') {
                            true => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                            false => StatusCode::URI_TOO_LONG,
                        };
                        return Poll::Ready(Next::Unreadable(status, None));
                    }
                    Reading::Unreadable(at) => {
                        return Poll::Ready(Next::Unreadable(StatusCode::BAD_REQUEST, Some(at)));
                    }
                }
            }
            if !matches!(ready!(wire.poll_more(cx)), Ok(1..)) {
                return Poll::Ready(Next::Ended);
            }
        }
    }

    /// Waits for the end of a body that is still sent on, or that nobody wanted. False if it is too much.
    fn poll_rest(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<bool> {
        ready!(wire.poll_over(cx));
        while !wire.is_over() {
            match ready!(wire.poll_body(cx)) {
                Some(Ok(frame)) => {
                    let came = frame.data_ref().map_or(0, Bytes::len) as u64;
                    match self.unwanted.checked_sub(came) {
                        Some(rest) => self.unwanted = rest,
                        None => return Poll::Ready(false),
                    }
                }
                Some(Err(_)) => return Poll::Ready(false),
                None => break,
            }
        }
        Poll::Ready(true)
    }

    fn begin(&mut self, wire: &mut Wire, head: &RequestHead, length: usize) {
        drop(wire.held.split_to(length));
        self.old = head.parts.version == Version::HTTP_10;
        self.bodyless = head.parts.method == Method::HEAD;
        self.connects = head.parts.method == Method::CONNECT;
        self.kept = head.keep_alive && self.options.keep_alive;
        self.unwanted = UNWANTED_BYTES_MAX;
        wire.expect(head.framing, self.options.limits);
        wire.expects = head.expects;
    }

    /// Whether everything is done that was begun, and nothing has come since.
    pub(crate) fn is_at_rest(&self) -> bool {
        let wire = self.wire.borrow();
        wire.is_over() && wire.held.is_empty() && !wire.ended && self.out.is_empty()
    }

    /// Whether a part of a request is here.
    pub(crate) fn has_begun(&self) -> bool {
        let wire = self.wire.borrow();
        wire.is_over() && !wire.held.is_empty()
    }

    /// What was read and not understood.
    pub(crate) fn ahead(&self) -> Bytes {
        self.wire.borrow().held.clone()
    }

    /// While a request is served: ready when its client has gone. What comes meanwhile is kept, as far as there is room.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wire = self.wire.borrow_mut();
        if self.body_ended && wire.expects && wire.is_awaited() {
            wire.expects = false;
            self.out
                .front()
                .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if !self.out.is_empty() {
            let io = wire.io().map_err(drop);
            if let Ok(io) = io
                && let Poll::Ready(Err(_)) = self.out.poll_write(io, cx)
            {
                return Poll::Ready(());
            }
        }
        while !wire.ended {
            // Whoever waits for the body reads it, which may be another task.
            if wire.is_awaited() {
                wire.succeed_reader(cx);
                return Poll::Pending;
            }
            if wire.held.len() >= self.options.limits.bytes_max {
                return Poll::Pending;
            }
            if ready!(wire.poll_more(cx)).is_err() {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Whether the request's body, as far as somebody has read it, is none.
    pub(crate) fn is_malformed(&self) -> bool {
        self.wire.borrow().is_malformed()
    }

    /// Sends an informational response, when the client is looked after next.
    pub(crate) fn inform(&mut self, mut head: response::Parts) {
        if self.old || self.out.front().len() > INTERIM_BYTES_MAX {
            return;
        }
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(TRANSFER_ENCODING);
        let out = self.out.front();
        status_line(out, &head);
        fields(out, &head.headers, self.options.case.as_ref());
        out.extend_from_slice(b"\r\n");
    }

    /// Begins a response whose body is so long, if that is known.
    pub(crate) fn respond(&mut self, head: &response::Parts, length: Option<u64>) {
        let status = head.status;
        let switches = status.is_informational() || self.connects && status.is_success();
        let none =
            self.bodyless || switches || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        // A server's version is passed on, and with it how such a response ends.
        let old = head.version == Version::HTTP_10;
        let declared = || head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        self.leaving = match length.or_else(declared) {
            _ if none => Leaving::Nothing,
            Some(length) => Leaving::Length(length),
            None if self.old || old => Leaving::UntilEnd,
            None => Leaving::Chunked,
        };
        self.body_ended = self.leaving == Leaving::Nothing;
        self.cut = false;
        self.bypass.begin();
        // What follows such a response is no request, be there a tunnel or not.
        self.kept &= !switches && self.leaving != Leaving::UntilEnd && self.may_follow();
        let case = self.options.case.as_ref();
        let out = self.out.front();
        status_line(out, head);
        let mut has_length = false;
        for (name, value) in head.headers.iter() {
            if name == CONTENT_LENGTH {
                let told = match self.leaving {
                    Leaving::Nothing => !switches && status != StatusCode::NO_CONTENT,
                    Leaving::Length(length) => {
                        value.to_str().ok().and_then(|v| v.parse().ok()) == Some(length)
                    }
                    _ => false,
                };
                if !told || std::mem::replace(&mut has_length, true) {
                    continue;
                }
            } else if name == TRANSFER_ENCODING {
                continue;
            } else if name == CONNECTION {
                // Whether it is kept is said below.
                if value.as_bytes().eq_ignore_ascii_case(b"keep-alive") {
                    continue;
                }
                let tokens = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
                if { tokens }.any(|token| token.eq_ignore_ascii_case(b"close")) {
                    self.kept = false;
                    continue;
                }
            }
            field(out, name, value.as_bytes(), case);
        }
        let length = match self.leaving {
            Leaving::Length(length) => Some(length),
            // Of a HEAD's response the length is told, where it is known.
            Leaving::Nothing if self.bodyless => length.filter(|length| *length > 0),
            _ => None,
        };
        if let (Some(length), false) = (length, has_length) {
            field(out, CONTENT_LENGTH, b"", case);
            out.truncate(out.len() - 2);
            number(out, length, 10);
            out.extend_from_slice(b"\r\n");
        }
        if self.leaving == Leaving::Chunked {
            field(out, TRANSFER_ENCODING, b"chunked", case);
        }
        match (self.kept, self.old || old) {
            _ if switches => {}
            (false, _) if old => {}
            (false, _) => field(out, CONNECTION, b"close", case),
            (true, true) => field(out, CONNECTION, b"keep-alive", case),
            (true, false) => {}
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Makes this the response, and the last one of the connection. False if the client has got a part of something else.
    pub(crate) fn respond_last(&mut self, head: &response::Parts, body: Bytes) -> bool {
        if !self.out.is_empty() {
            return false;
        }
        self.kept = false;
        self.refuses = true;
        self.respond(head, Some(body.len() as u64));
        self.body_ended = true;
        self.out.put(body, &mut self.leaving, true).is_ok()
    }

    /// Writes what is left to be written.
    pub(crate) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut wire = self.wire.borrow_mut();
        self.out.poll_write(wire.io()?, cx)
    }

    /// Whether the rest of the request's body, if there is one, can be waited for.
    fn may_follow(&self) -> bool {
        let wire = self.wire.borrow();
        let is_short = || !wire.expects && wire.remaining().is_none_or(|rest| rest <= UNWANTED_BYTES_MAX);
        wire.is_over() || !wire.is_lost() && (wire.is_held || is_short())
    }

    /// Sends the response with its body.
    ///
    /// # Errors
    /// The body broke off; what came of it was sent. Or the client has gone.
    pub(crate) fn poll_send<B>(&mut self, cx: &mut Context<'_>, body: &mut B) -> Poll<Result<(), Cut>>
    where
        B: Body<Data = Bytes, Error = Cut> + Unseen<Broken = Cut> + Unpin,
    {
        loop {
            let bypassed = !self.body_ended && self.bypass.takes(self.leaving, body, &self.wire);
            if bypassed && self.out.is_empty() {
                let passed = self.bypass.poll(cx, &mut self.leaving, body, &self.wire);
                self.cut = ready!(passed).is_err();
                self.body_ended = self.cut || self.leaving == Leaving::Length(0);
                continue;
            }
            let mut waits = false;
            while !bypassed && !self.body_ended && self.out.has_room(GATHERED_BYTES_MAX) {
                // No body of ours is polled while the connection is borrowed: it may be one that comes by it.
                match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(frame) => self.take(frame, body.is_end_stream()),
                    Poll::Pending => {
                        waits = true;
                        break;
                    }
                }
            }
            let mut wire = self.wire.borrow_mut();
            let io = wire.io().map_err(|_| Cut)?;
            ready!(self.out.poll_write(io, cx)).map_err(|_| Cut)?;
            match (self.body_ended, self.cut) {
                (_, true) => return Poll::Ready(Err(Cut)),
                (true, _) => return Poll::Ready(Ok(())),
                _ if waits => return Poll::Pending,
                _ => {}
            }
        }
    }

    fn take(&mut self, frame: Option<Result<http_body::Frame<Bytes>, Cut>>, last: bool) {
        let case = self.options.case.as_ref();
        let done = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let put = self.out.put(data, &mut self.leaving, last);
                    self.body_ended = last;
                    match (last, self.leaving) {
                        (true, Leaving::Length(1..)) => Err(WrongLength),
                        _ => put,
                    }
                }
                Err(frame) => {
                    self.body_ended = true;
                    self.out.end(frame.trailers_ref(), self.leaving, case)
                }
            },
            None => {
                self.body_ended = true;
                self.out.end(None, self.leaving, case)
            }
            Some(Err(Cut)) => {
                self.cut = true;
                Ok(())
            }
        };
        self.cut |= done.is_err();
        self.body_ended |= self.cut;
    }

    /// Whether another request may come.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whether only the end of the connection tells the client where the response ends.
    pub(crate) fn ends_with_connection(&self) -> bool {
        self.leaving == Leaving::UntilEnd
    }

    /// Whether the client may still be sending what nobody will read.
    pub(crate) fn is_talking(&self) -> bool {
        let wire = self.wire.borrow();
        !wire.ended && (!wire.is_over() || !wire.held.is_empty() || self.refuses)
    }

    /// Gives the stream back, with what was read from it and not used. Whoever reads a body of it has come to an end.
    pub(crate) fn into_stream(self) -> Option<(Counted, Bytes)> {
        self.wire.borrow_mut().take()
    }
}

impl Drop for ServerConn {
    fn drop(&mut self) {
        drop(self.wire.borrow_mut().take());
    }
}
