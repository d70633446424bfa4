//! A client's connection that speaks HTTP/1: its requests one after the other, and its timeouts.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use http_body::Body;
use tidegate_sample::Way;
use tidegate_sample::head::response;
use tidegate_sample::stick::Count;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::headers::wants_upgrade;
use super::http::{HttpSession, LOOK_AROUND};
use super::outgoing::Outgoing;
use super::stream::{HttpStream, Wire};
use crate::body::{Cut, MessageBody};
use crate::http1::{HeadLimits, Next, RequestHead, ServerConn, ServerOptions};
use crate::http2::is_preface;
use crate::rules::pages;
use crate::spec::HttpClose;
use crate::stream::Counted;
use crate::timeouts::Timer;
use crate::txn::{Mode, Txn};
use crate::violation::Violation;
use crate::websocket;

/// How long a refused client may go on sending what nobody reads, so that it gets to read the refusal.
const LINGER: Duration = Duration::from_secs(1);

/// The most that is read of such a client.
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Why no more requests are served.
pub(super) enum Exit {
    /// The client has ended the connection, or it broke.
    Gone,
    /// It has ended its side before it was answered.
    GaveUp(Rc<Txn>),
    /// It has ended its side in the middle of a request's head, or before it sent a first one.
    CutShort,
    /// What came is no request, perhaps by the byte at this place.
    Unreadable(StatusCode, Option<usize>),
    /// Nothing came for too long; `began` if a request had begun.
    NoRequest { began: bool },
    /// The client doesn't send the body of this request.
    BodyLate(Rc<Txn>),
    /// It was ended from outside while its server was waited for.
    Killed(Rc<Txn>),
    /// It doesn't read the response.
    Stuck,
    /// The worker is about to stop.
    Stopping,
    /// A response broke off, or there is to be none.
    Cut,
    /// A response was the last one.
    Served,
    /// A response made a tunnel of the connection.
    Switched,
}

/// A connection that is being served.
pub(super) struct Connection {
    stream: Rc<HttpStream>,
    conn: ServerConn,
    timer: Timer,
}

impl Connection {
    pub(super) fn new(session: &Rc<HttpSession>, counted: Counted, ahead: Bytes) -> Self {
        let global = &session.worker.shared.global;
        let options = ServerOptions {
            limits: HeadLimits::of(global, session.frontend.spec.http1.lenient),
            case: session.frontend.spec.http1.case(global),
            keep_alive: session.frontend.spec.http_close != HttpClose::Close,
        };
        let traffic = session.traffic.clone();
        let accepted_at = session.client.ready_at.get();
        Connection {
            stream: Rc::new(HttpStream::new(session, Wire::Http1, traffic, accepted_at)),
            conn: ServerConn::new(counted, ahead, options),
            timer: session.worker.wheel.timer(),
        }
    }

    /// Serves one request after the other.
    pub(super) async fn serve(&mut self) -> Exit {
        loop {
            match serve_one(&self.stream, &mut self.conn, &self.timer).await {
                Ok(()) => self.stream.log_ended(),
                Err(exit) => return exit,
            }
        }
    }

    /// Does what is left to do then. Gives the stream back, with what was read from it, if the client turned out to speak
    /// HTTP/2.
    pub(super) async fn leave(self, exit: Exit) -> Option<(Counted, Bytes)> {
        self.stream.leave(exit, self.conn, &self.timer).await
    }
}

/// Serves one request.
async fn serve_one(stream: &Rc<HttpStream>, conn: &mut ServerConn, timer: &Timer) -> Result<(), Exit> {
    let (head, body) = poll_fn(|cx| stream.poll_request(cx, conn, timer)).await?;
    let objection = head.objection.or_else(|| stream.objection(&head, &body));
    let mut activity = u64::MAX;
    let response = {
        // Boxed, so that a connection carries no room for it while it is idle.
        let mut handled = Box::pin(stream.clone().handle(head.parts, body, objection));
        poll_fn(|cx| stream.poll_handled(cx, handled.as_mut(), conn, timer, &mut activity)).await?
    };
    let (head, mut body) = response;
    conn.respond(&head, body.size_hint().exact());
    poll_fn(|cx| stream.poll_sent(cx, &mut body, conn, timer, &mut activity)).await?;
    timer.disarm();
    drop(body);
    match conn.is_kept() {
        _ if stream.tunnel.borrow().is_some() => Err(Exit::Switched),
        true => Ok(()),
        false => Err(Exit::Served),
    }
}

impl HttpStream {
    /// Waits for a request, for as long as it may take.
    fn poll_request(
        &self,
        cx: &mut Context<'_>,
        conn: &mut ServerConn,
        timer: &Timer,
    ) -> Poll<Result<(RequestHead, MessageBody), Exit>> {
        let next = conn.poll_request(cx);
        let _ = self.session.lingering.poll(cx);
        match next {
            Poll::Ready(Next::Request(head, body)) => return Poll::Ready(Ok((head, body))),
            Poll::Ready(Next::Unreadable(status, at)) => {
                return Poll::Ready(Err(Exit::Unreadable(status, at)));
            }
            Poll::Ready(Next::Ended) if self.is_cut_short(conn) => return Poll::Ready(Err(Exit::CutShort)),
            Poll::Ready(Next::Ended) => return Poll::Ready(Err(Exit::Gone)),
            Poll::Pending => {}
        }
        let leaves_in = self
            .session
            .leaves_in()
            .filter(|_| !self.frontend.spec.idle_close_on_response);
        if leaves_in == Some(Duration::ZERO) {
            return Poll::Ready(Err(Exit::Stopping));
        }
        let timeouts = &self.frontend.spec.timeouts;
        let began = conn.has_begun();
        let (since, limit) = if began {
            let since = self.first_byte.get().unwrap_or_else(|| {
                let now = Instant::now();
                self.first_byte.set(Some(now));
                now
            });
            match timeouts.http_request {
                // Without a bound for the whole head it is silence that takes too long.
                None => (self.last_heard(since), timeouts.client),
                whole => (since, whole),
            }
        } else if self.session.requests.get() == 0 {
            (self.idle_since.get(), timeouts.http_request.or(timeouts.client))
        } else {
            (self.idle_since.get(), self.session.idle_limit())
        };
        if let Some(soon) = leaves_in.filter(|soon| limit.is_none_or(|limit| since.elapsed() + *soon < limit))
        {
            timer.arm(Some(soon));
            return timer.poll_elapsed(cx).map(|_| Err(Exit::Stopping));
        }
        timer.arm_from(since, limit.unwrap_or(LOOK_AROUND));
        match timer.poll_elapsed(cx) {
            Poll::Ready(_) if limit.is_some() => Poll::Ready(Err(Exit::NoRequest { began })),
            Poll::Ready(_) => {
                timer.arm(Some(LOOK_AROUND));
                timer.poll_elapsed(cx).map(|_| Err(Exit::Stopping))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// When something of the head was last received that began then.
    fn last_heard(&self, began: Instant) -> Instant {
        let read = self.traffic.read.get();
        match self.heard.get() {
            Some((before, at)) if before == read => at,
            heard => {
                let at = heard.map_or(began, |_| Instant::now());
                self.heard.set(Some((read, at)));
                at
            }
        }
    }

    /// Waits for the response to a request.
    fn poll_handled<F: Future<Output = Result<(response::Parts, Outgoing), Cut>>>(
        &self,
        cx: &mut Context<'_>,
        handled: Pin<&mut F>,
        conn: &mut ServerConn,
        timer: &Timer,
        activity: &mut u64,
    ) -> Poll<Result<(response::Parts, Outgoing), Exit>> {
        let last_word = &self.client.last_word;
        last_word.waive();
        if self.client.killed_by.get().is_some()
            && let Some(txn) = self.current.borrow().clone()
        {
            txn.facts.borrow_mut().status = Some(StatusCode::BAD_GATEWAY.as_u16());
            return Poll::Ready(Err(Exit::Killed(txn)));
        }
        let polled = handled.poll(cx);
        for head in self.take_informational() {
            conn.inform(head);
        }
        if let Poll::Ready(response) = polled {
            return Poll::Ready(response.map_err(|Cut| Exit::Cut));
        }
        let _ = self.session.lingering.poll(cx);
        if conn.poll_gone(cx).is_ready() && self.gives_up() {
            return Poll::Ready(Err(self.client_gave_up()));
        }
        if self.awaits_server() {
            last_word.want(cx);
        }
        ready!(self.poll_late(cx, timer, activity));
        let due = self.client_is_stuck(false);
        let txn = self.current.borrow().clone();
        Poll::Ready(Err(txn.filter(|_| due).map_or(Exit::Stuck, Exit::BodyLate)))
    }

    /// Sends a response.
    fn poll_sent(
        &self,
        cx: &mut Context<'_>,
        body: &mut Outgoing,
        conn: &mut ServerConn,
        timer: &Timer,
        activity: &mut u64,
    ) -> Poll<Result<(), Exit>> {
        if let Poll::Ready(sent) = conn.poll_send(cx, body) {
            return Poll::Ready(sent.map_err(|Cut| Exit::Cut));
        }
        let _ = self.session.lingering.poll(cx);
        if !self.traffic.write_blocked.get() && conn.poll_gone(cx).is_ready() && self.gives_up() {
            return Poll::Ready(Err(Exit::Gone));
        }
        ready!(self.poll_late(cx, timer, activity));
        self.client_is_stuck(true);
        Poll::Ready(Err(Exit::Stuck))
    }

    /// Ready when the client was waited for for too long.
    fn poll_late(&self, cx: &mut Context<'_>, timer: &Timer, activity: &mut u64) -> Poll<()> {
        // The client is waited for only if it is to send more of its body, or to read.
        if !self.waits_for_client() {
            timer.disarm();
            *activity = u64::MAX;
            return Poll::Pending;
        }
        let now = self.traffic.read.get() + self.traffic.written.get();
        if *activity != now {
            *activity = now;
            timer.arm(self.client_timeout());
        }
        timer.poll_elapsed(cx).map(drop)
    }

    /// The status by which a request is refused that asks for a WebSocket without a key, or one of HTTP/1.0 whose body others
    /// may take for another request.
    fn objection(&self, head: &RequestHead, body: &MessageBody) -> Option<StatusCode> {
        let headers = &head.parts.headers;
        if wants_upgrade(headers) && websocket::lacks_key(headers) {
            return Some(StatusCode::BAD_REQUEST);
        }
        let bodyless = matches!(head.parts.method, Method::GET | Method::HEAD | Method::DELETE);
        let doubtful = head.parts.version == Version::HTTP_10 && bodyless && !body.is_ended();
        (doubtful && !self.worker.shared.global.accept_any_payload).then_some(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Whether a server has the whole request and owes the response.
    fn awaits_server(&self) -> bool {
        let is_at_server = self.client.whereabouts.borrow().server.is_some();
        let txn = self.current.borrow();
        is_at_server && !self.body_is_due() && txn.as_ref().is_some_and(|txn| txn.stage.get().is_none())
    }

    fn is_cut_short(&self, conn: &ServerConn) -> bool {
        let missed = conn.has_begun() || self.awaits_first_request();
        self.traffic.read_ended.get() && !self.session.closing.get() && missed
    }

    /// Whether a first request was due and is missed.
    fn awaits_first_request(&self) -> bool {
        self.session.requests.get() == 0 && !self.frontend.spec.ignore_probes
    }

    /// Whether a request is given up whose client sends nothing more.
    fn gives_up(&self) -> bool {
        if self.traffic.failed.get() {
            return true;
        }
        let txn = self.current.borrow();
        let backend = txn.as_ref().and_then(|txn| txn.usage.backend());
        backend.map_or(self.frontend.spec.closing.abort, |backend| {
            backend.spec.closing.abort
        })
    }

    /// The client has ended its side, or broken the connection, before it was answered.
    fn client_gave_up(&self) -> Exit {
        let orderly = self.traffic.read_ended.get() && !self.traffic.failed.get();
        let Some(txn) = self.current.borrow().clone().filter(|_| orderly) else {
            return Exit::Gone;
        };
        // What no server has seen ends without a word.
        if matches!(txn.stage.get(), Some([b'C', b'Q' | b'C'])) {
            return Exit::Gone;
        }
        // Where it was then, what is given up with the request says best itself.
        txn.facts.borrow_mut().status = Some(StatusCode::BAD_REQUEST.as_u16());
        Exit::GaveUp(txn)
    }

    /// What is left to do when no more requests are served.
    async fn leave(&self, exit: Exit, conn: ServerConn, timer: &Timer) -> Option<(Counted, Bytes)> {
        self.client.last_word.waive();
        match exit {
            Exit::Gone | Exit::Stopping => drop(conn),
            Exit::Killed(txn) => self.answer(conn, timer, &txn, StatusCode::BAD_GATEWAY).await,
            Exit::GaveUp(txn) => self.answer(conn, timer, &txn, StatusCode::BAD_REQUEST).await,
            Exit::BodyLate(txn) => self.answer(conn, timer, &txn, StatusCode::REQUEST_TIMEOUT).await,
            Exit::CutShort => self.refuse(conn, timer, StatusCode::BAD_REQUEST, *b"CR").await,
            Exit::Unreadable(status, at) => {
                let received = conn.ahead();
                if is_preface(&received) {
                    if self.session.may_become_http2() {
                        return conn.into_stream();
                    }
                    self.refuse(conn, timer, StatusCode::METHOD_NOT_ALLOWED, *b"PR")
                        .await;
                    self.log_ended();
                    return None;
                }
                if let Some(position) = at {
                    self.worker.shared.violations.add(Violation {
                        way: Way::Request,
                        at: SystemTime::now(),
                        frontend: (*self.frontend.named).clone(),
                        backend: None,
                        server: None,
                        source: self.client.ends.source,
                        bytes: received,
                        position,
                    });
                }
                self.refuse(conn, timer, status, *b"PR").await;
            }
            Exit::NoRequest { began } => {
                if began || self.awaits_first_request() {
                    self.refuse(conn, timer, StatusCode::REQUEST_TIMEOUT, *b"cR")
                        .await;
                }
            }
            Exit::Stuck => reset(conn),
            // Where the end of the connection is that of the response, a cut must not look like it.
            Exit::Cut if conn.ends_with_connection() => reset(conn),
            Exit::Cut => drop(conn),
            Exit::Served => {
                let _ = timer.limit(Some(LINGER), end(conn)).await;
            }
            Exit::Switched => {
                if let (Some(tunnel), Some((mut stream, ahead))) = (self.tunnel.take(), conn.into_stream()) {
                    self.relay(tunnel, &mut stream, ahead).await;
                }
            }
        }
        self.log_ended();
        poll_fn(|cx| self.session.lingering.poll(cx)).await;
        None
    }

    /// Answers a request that could not be read, and logs it as one.
    async fn refuse(&self, conn: ServerConn, timer: &Timer, status: StatusCode, termination: [u8; 2]) {
        let txn = Txn::new(self.client.clone(), Mode::Http, 0);
        // What came counts, though it was no request: `dontlognull` is for connections that said nothing.
        txn.usage
            .with_client(&txn.client, &self.traffic, self.read_before.get());
        {
            let mut facts = txn.facts.borrow_mut();
            facts.status = Some(status.as_u16());
            facts.termination = Some(termination);
        }
        txn.times.idle_since.set(Some(self.idle_since.get()));
        let began = status != StatusCode::REQUEST_TIMEOUT;
        let started = self.first_byte.get().or_else(|| began.then(Instant::now));
        txn.times.started.set(started);
        txn.count(Count::Request, 1);
        // Who is slow has done nothing wrong yet.
        if status != StatusCode::REQUEST_TIMEOUT {
            txn.count(Count::Error, 1);
        }
        self.answer(conn, timer, &txn, status).await;
        self.end_transaction(&txn);
    }

    /// Answers with a page of ours, and ends the connection such that the client can read it.
    async fn answer(&self, mut conn: ServerConn, timer: &Timer, txn: &Txn, status: StatusCode) {
        let reply = pages::error(status, txn, &*self.worker.runner).await;
        if !reply.silent && conn.respond_last(&reply.head(), reply.body) {
            let _ = timer.limit(Some(LINGER), end(conn)).await;
        }
    }
}

fn reset(conn: ServerConn) {
    if let Some((stream, _)) = conn.into_stream() {
        stream.stream().reset_on_close();
    }
}

/// Ends a connection in order. What the client still sends is read for a while: a connection that is closed with something
/// unread is reset, and the client would not get to read what it was sent.
async fn end(mut conn: ServerConn) {
    let written = poll_fn(|cx| conn.poll_written(cx)).await;
    let talks = conn.is_talking();
    let Some((mut stream, _)) = conn.into_stream().filter(|_| written.is_ok()) else {
        return;
    };
    if stream.shutdown().await.is_err() || !talks {
        return;
    }
    let mut left = LINGER_BYTES_MAX;
    poll_fn(|cx| {
        // The room is the closure's, so that the end of a connection carries none.
        let mut sink = [0; 4096];
        while left > 0 {
            let mut buffer = ReadBuf::new(&mut sink);
            match ready!(Pin::new(&mut stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => left = left.saturating_sub(buffer.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(())
    })
    .await;
}
