//! A client's connection that speaks HTTP/1: its requests one after the other, and its timeouts.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
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

use super::exchange::Asked;
use super::h2;
use super::headers::wants_upgrade;
use super::http::{HttpSession, LOOK_AROUND, MOMENT};
use super::outgoing::Outgoing;
use super::seats::Seat;
use super::stream::{Before, HttpStream, Wire};
use crate::body::{Cut, MessageBody};
use crate::http1::{Next, RequestHead, ServerConn, ServerOptions, poll_piece};
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

/// A client that says nothing for so long is parked.
const PARKED_AFTER: Duration = Duration::from_millis(200);

/// One that never asked twice is parked sooner: of many that come at once, few are there unparked at a time.
const ASKED_ONCE_PARKED_AFTER: Duration = Duration::from_millis(2);

/// The most that is read of such a client.
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Why no more requests are served.
pub(super) enum Exit {
    /// Nothing is asked for the moment.
    Quiet,
    /// The client has ended the connection, or it broke.
    Gone,
    /// It has ended its side before it was answered.
    GaveUp(Rc<Txn>, StatusCode),
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

/// What becomes of a connection.
pub(super) enum After {
    /// It has rested: this is what was read, or why it is over.
    Rested(Result<Bytes, Exit>),
    /// Nothing is asked for the moment.
    Rest(Resting),
    /// No more requests are served, for this reason.
    Leave(Box<Serving>, Exit),
    /// The client turned out to speak HTTP/2.
    Http2(Rc<HttpSession>, Counted, Bytes),
    /// It is over.
    Nothing,
}

/// A client's connection. While nothing is asked it is no more than what [rests](Resting); all that serves requests is made
/// when the first bytes of one are there, and let go of a moment after the last response, or with the first response: not every
/// client asks again, and those that come at once would all need a seat of their own.
pub(super) struct Connection(Stage);

enum Stage {
    /// Nothing is asked.
    Resting(Resting),
    /// Requests are served.
    Seated(Seat),
    /// Something is left to do.
    Leaving(Pin<Box<dyn Future<Output = After>>>),
    Over,
}

impl Connection {
    /// One of which this was read before.
    pub(super) fn new(session: &Rc<HttpSession>, io: Counted, ahead: Bytes) -> Self {
        let resting = Resting {
            session: session.clone(),
            io,
            timer: session.worker.wheel.timer(),
            before: Before {
                timer: session.worker.wheel.timer(),
                idle_since: session.client.ready_at(),
            },
        };
        Connection(match ahead.is_empty() {
            true => Stage::Resting(resting),
            false => Stage::Seated(Seat::taken(resting, ahead)),
        })
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let after = match &mut self.0 {
                Stage::Resting(resting) => After::Rested(ready!(resting.poll(cx))),
                Stage::Seated(seat) => ready!(seat.poll(cx)),
                Stage::Leaving(leaving) => ready!(leaving.as_mut().poll(cx)),
                Stage::Over => return Poll::Ready(()),
            };
            // The room that it has is large, and nothing of it is needed for what comes now.
            let before = std::mem::replace(&mut self.0, Stage::Over);
            self.0 = match (before, after) {
                (Stage::Resting(resting), After::Rested(woken)) => match woken {
                    Ok(ahead) => Stage::Seated(Seat::taken(resting, ahead)),
                    Err(Exit::CutShort) => Stage::Leaving(Box::pin(give_up(resting, Exit::CutShort))),
                    Err(late @ Exit::NoRequest { .. }) if resting.session.awaits_first_request() => {
                        Stage::Leaving(Box::pin(give_up(resting, late)))
                    }
                    // There is nobody to tell anything, and nothing to tell.
                    Err(_) => Stage::Over,
                },
                (before, after) => {
                    if let Stage::Seated(seat) = before {
                        seat.leave();
                    }
                    after.stage()
                }
            };
        }
    }
}

impl After {
    fn stage(self) -> Stage {
        match self {
            After::Rest(resting) => Stage::Resting(resting),
            After::Leave(serving, exit) => Stage::Leaving(Box::pin(serving.leave(exit))),
            After::Http2(session, counted, ahead) => Stage::Leaving(Box::pin(async {
                h2::run(session, counted, ahead).await;
                After::Nothing
            })),
            After::Rested(_) | After::Nothing => Stage::Over,
        }
    }
}

/// A connection of which nothing is asked.
pub(super) struct Resting {
    session: Rc<HttpSession>,
    io: Counted,
    /// For the client.
    timer: Timer,
    before: Before,
}

impl Resting {
    /// Waits for the first bytes of a request.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Exit>> {
        loop {
            let session = &self.session;
            match poll_unparked(&mut self.io, cx) {
                Poll::Ready(Ok(ahead)) if !ahead.is_empty() => return Poll::Ready(Ok(ahead)),
                Poll::Ready(_) if session.is_cut_short(false) => return Poll::Ready(Err(Exit::CutShort)),
                Poll::Ready(_) => return Poll::Ready(Err(Exit::Gone)),
                Poll::Pending => {}
            }
            let (since, limit) = (self.before.idle_since, session.silence_limit());
            let parked_after = if session.asks_again() {
                PARKED_AFTER
            } else {
                ASKED_ONCE_PARKED_AFTER
            };
            if session.park_tried.get()
                || limit.is_some_and(|limit| limit <= parked_after)
                || session.leaves_in().is_some()
            {
                return session.poll_late(cx, &self.timer, (since, limit), false).map(Err);
            }
            self.timer.arm_from(since, parked_after);
            ready!(self.timer.poll_elapsed(cx));
            session.park_tried.set(true);
            if self.io.park(&session.worker.lot).is_err() {
                return Poll::Ready(Err(Exit::Gone));
            }
        }
    }
}

/// Reads from a connection, once it has something to read if it is parked.
fn poll_unparked(io: &mut Counted, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    if let Some(parked) = io.parked() {
        ready!(parked.poll_ready(cx));
        io.unpark()?;
    }
    poll_piece(io, cx)
}

/// Serves requests as long as one follows the other.
pub(super) async fn serve(resting: Resting, ahead: Bytes) -> After {
    let mut serving = Serving::new(resting, ahead);
    loop {
        match serving.serve_one().await {
            Ok(()) => serving.stream.log_ended(),
            // As most connections end.
            Err(Exit::Gone) if serving.stream.session.lingering.is_empty() => {
                serving.stream.client.last_word.waive();
                drop(serving.conn);
                serving.stream.log_ended();
                return After::Nothing;
            }
            Err(Exit::Quiet) => return serving.rest().map_or(After::Nothing, After::Rest),
            Err(exit) => return After::Leave(Box::new(serving), exit),
        }
    }
}

/// Does what is left to do with a connection that was at rest.
async fn give_up(mut resting: Resting, exit: Exit) -> After {
    if resting.io.unpark().is_err() {
        return After::Nothing;
    }
    Serving::new(resting, Bytes::new()).leave(exit).await
}

/// A connection of which something is asked.
pub(super) struct Serving {
    stream: Rc<HttpStream>,
    conn: ServerConn,
    timer: Timer,
}

impl Serving {
    fn new(resting: Resting, ahead: Bytes) -> Self {
        let Resting {
            session,
            io,
            timer,
            before,
        } = resting;
        let global = &session.worker.shared.global;
        let options = ServerOptions {
            limits: global.head_limits(session.frontend.spec.http1.lenient),
            case: session.frontend.spec.http1.case(global),
            keep_alive: session.frontend.spec.http_close != HttpClose::Close,
        };
        Serving {
            stream: Rc::new(HttpStream::after(&session, Wire::Http1, before, ahead.len())),
            conn: ServerConn::new(io, ahead, options),
            timer,
        }
    }

    /// Serves one request.
    async fn serve_one(&mut self) -> Result<(), Exit> {
        let Serving { stream, conn, timer } = self;
        let mut asked = poll_fn(|cx| {
            let (head, body) = ready!(stream.poll_request(cx, conn, timer))?;
            // What means nothing is no request, for the log neither.
            if let Some(status) = head.objection.or_else(|| stream.objection(&head, &body)) {
                return Poll::Ready(Err(Exit::Unreadable(status, None)));
            }
            Poll::Ready(Ok(Some(Asked {
                head: head.parts,
                body,
                objection: None,
            })))
        })
        .await?;
        let mut activity = u64::MAX;
        let mut body = {
            let mut handled = pin!(stream.exchange(&mut asked));
            poll_fn(|cx| {
                let response = stream.poll_handled(cx, handled.as_mut(), conn, timer, &mut activity);
                let (head, body) = ready!(response)?;
                conn.respond(&head, body.size_hint().exact());
                Poll::Ready(Ok(body))
            })
            .await?
        };
        poll_fn(|cx| stream.poll_sent(cx, &mut body, conn, timer, &mut activity)).await?;
        timer.disarm();
        drop(body);
        match conn.is_kept() {
            _ if stream.tunnel.borrow().is_some() => Err(Exit::Switched),
            true => Ok(()),
            false => Err(Exit::Served),
        }
    }

    fn rest(self) -> Option<Resting> {
        let (io, _) = self.conn.into_stream()?;
        self.stream.session.park_tried.set(false);
        Some(Resting {
            session: self.stream.session.clone(),
            io,
            timer: self.timer,
            before: HttpStream::end(self.stream),
        })
    }

    /// Does what is left to do when no more requests are served.
    async fn leave(self, exit: Exit) -> After {
        match self.stream.leave(exit, self.conn, &self.timer).await {
            Some((counted, ahead)) => After::Http2(self.stream.session.clone(), counted, ahead),
            None => After::Nothing,
        }
    }
}

impl HttpSession {
    /// Ready when the client was silent for too long since then.
    fn poll_late(
        &self,
        cx: &mut Context<'_>,
        timer: &Timer,
        (since, limit): (Instant, Option<Duration>),
        began: bool,
    ) -> Poll<Exit> {
        // Whoever has connected to ask for something, or is asking, is not idle.
        let is_idle = !began && !self.awaits_first_request();
        let leaves_in = self
            .leaves_in()
            .filter(|_| is_idle && !self.frontend.spec.idle_close_on_response);
        if leaves_in == Some(Duration::ZERO) {
            return Poll::Ready(Exit::Stopping);
        }
        if let Some(soon) = leaves_in.filter(|soon| limit.is_none_or(|limit| since.elapsed() + *soon < limit))
        {
            timer.arm(Some(soon));
            return timer.poll_elapsed(cx).map(|_| Exit::Stopping);
        }
        timer.arm_from(since, limit.unwrap_or(LOOK_AROUND));
        match timer.poll_elapsed(cx) {
            Poll::Ready(_) if limit.is_some() => Poll::Ready(Exit::NoRequest { began }),
            Poll::Ready(_) => {
                timer.arm(Some(LOOK_AROUND));
                timer.poll_elapsed(cx).map(|_| Exit::Stopping)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether the end of the connection cuts something short: a request that has begun, or a first one that was due.
    fn is_cut_short(&self, began: bool) -> bool {
        let ended = self.traffic.read_ended.get() || self.traffic.failed.get();
        ended && !self.closing.get() && (began || self.awaits_first_request())
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
            Poll::Ready(Next::Ended) if self.session.is_cut_short(conn.has_begun()) => {
                return Poll::Ready(Err(Exit::CutShort));
            }
            Poll::Ready(Next::Ended) => return Poll::Ready(Err(Exit::Gone)),
            Poll::Pending => {}
        }
        let began = conn.has_begun();
        let (since, limit) = if began {
            let timeouts = &self.frontend.spec.timeouts;
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
        } else if self.may_rest(conn) {
            if !self.session.asks_again() {
                return Poll::Ready(Err(Exit::Quiet));
            }
            timer.arm_from(self.idle_since.get(), MOMENT);
            return timer.poll_elapsed(cx).map(|_| Err(Exit::Quiet));
        } else {
            (self.idle_since.get(), self.session.silence_limit())
        };
        self.session.poll_late(cx, timer, (since, limit), began).map(Err)
    }

    /// Whether nothing is left to do that was asked.
    fn may_rest(&self, conn: &ServerConn) -> bool {
        conn.is_at_rest() && self.session.lingering.is_empty() && !self.worker.stopping.get()
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
        ready!(self.poll_stuck(cx, timer, activity));
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
        // The server waits for what will never come, and its response may, too.
        if conn.is_malformed() {
            if let Some(txn) = &*self.current.borrow() {
                txn.facts.borrow_mut().termination = Some(*b"PD");
            }
            return Poll::Ready(Err(Exit::Cut));
        }
        ready!(self.poll_stuck(cx, timer, activity));
        self.client_is_stuck(true);
        Poll::Ready(Err(Exit::Stuck))
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

    /// The client has ended its side, or broken the connection, before it was answered.
    fn client_gave_up(&self) -> Exit {
        let orderly = self.traffic.read_ended.get() && !self.traffic.failed.get();
        self.parting(orderly)
            .map_or(Exit::Gone, |(txn, status)| Exit::GaveUp(txn, status))
    }

    /// What is left to do when no more requests are served.
    async fn leave(&self, exit: Exit, conn: ServerConn, timer: &Timer) -> Option<(Counted, Bytes)> {
        self.client.last_word.waive();
        match exit {
            Exit::Quiet | Exit::Gone | Exit::Stopping => drop(conn),
            Exit::Killed(txn) => self.answer(conn, timer, &txn, StatusCode::BAD_GATEWAY).await,
            Exit::GaveUp(txn, status) => self.answer(conn, timer, &txn, status).await,
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
                        source: self.client.ends().source,
                        bytes: received,
                        position,
                    });
                }
                self.refuse(conn, timer, status, *b"PR").await;
            }
            Exit::NoRequest { began } => {
                if began || self.session.awaits_first_request() {
                    self.refuse(conn, timer, StatusCode::REQUEST_TIMEOUT, *b"cR")
                        .await;
                }
            }
            Exit::Stuck => reset(conn),
            // Where the end of the connection is that of the response, a cut must not look like it.
            Exit::Cut if conn.ends_with_connection() => reset(conn),
            Exit::Cut => drop(conn),
            Exit::Served => self.close(conn, timer, None).await,
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
        txn.usage.number.set(self.worker.number_request());
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
    }

    /// Answers with a page of ours, and ends the connection such that the client can read it.
    async fn answer(&self, mut conn: ServerConn, timer: &Timer, txn: &Rc<Txn>, status: StatusCode) {
        let reply = pages::error(status, txn, &*self.worker.runner).await;
        if !reply.silent && conn.respond_last(&reply.head(), reply.body) {
            self.close(conn, timer, Some(txn)).await;
        } else {
            self.is_over(Some(txn));
        }
    }

    /// All is written of a transaction: if it was no request, it ends with that.
    fn is_over(&self, txn: Option<&Rc<Txn>>) {
        if let Some(txn) = txn.filter(|txn| txn.times.ended.get().is_none()) {
            self.end_transaction(txn);
        }
        self.log_ended();
    }

    /// Ends a connection in order. What is left to tell of its last transaction is told as soon as all is written.
    async fn close(&self, mut conn: ServerConn, timer: &Timer, txn: Option<&Rc<Txn>>) {
        let written = timer
            .limit(Some(LINGER), poll_fn(|cx| conn.poll_written(cx)))
            .await;
        self.is_over(txn);
        if let Ok(Ok(())) = written {
            let _ = timer.limit(Some(LINGER), linger(conn)).await;
        }
    }
}

fn reset(conn: ServerConn) {
    if let Some((stream, _)) = conn.into_stream() {
        stream.stream().reset_on_close();
    }
}

/// Ends our side of a connection. What the client still sends is read for a while: a connection that is closed with something
/// unread is reset, and the client would not get to read what it was sent.
async fn linger(conn: ServerConn) {
    let talks = conn.is_talking();
    let Some((mut stream, _)) = conn.into_stream() else {
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

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;
    use crate::client::Client;

    /// Sites have many connections of which nothing is asked. The allocator rounds up, so that a few bytes more may cost each
    /// of them sixteen or, with the runtime's aligned task beside them, a hundred.
    #[test]
    fn what_a_connection_at_rest_takes_is_small() {
        assert!(size_of::<Connection>() <= 112, "{}", size_of::<Connection>());
        assert!(size_of::<HttpSession>() <= 104, "{}", size_of::<HttpSession>());
        assert!(size_of::<Client>() <= 184, "{}", size_of::<Client>());
    }
}
