//! A request's way to a server and its response's way back.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tidegate_sample::head::{names, request, response};
use tidegate_sample::{Session, Way};

use super::forwarding;
use super::headers::{announce_close, forget_connection, forget_h2c, only_trailers};
use super::logline;
use super::persistence::{self, Belongs};
use super::relay::Limits;
use super::reuse::Keep;
use super::stream::{HttpStream, Wire};
use crate::body::{BodyWatch, BrokenBy, Cut, MessageBody};
use crate::check::Traffic as Seen;
use crate::filter::filters_between;
use crate::http1::{self, Unseen as _};
use crate::http2;
use crate::log::LogStep;
use crate::replay::Replay;
use crate::spec::{FilterSpec, HttpClose, ServerProto, TimeoutKind};
use crate::splice::Conduit;
use crate::stick::{self, Chosen};
use crate::stream::{Stream, Traffic};
use crate::timeouts::{Elapsed, Timer};
use crate::txn::{Hurry, Txn};
use crate::upstream::Server;
use crate::upstream::assign::{NoSlot, Wish, assign};
use crate::upstream::connect::{ConnectFailure, Opened, connect, next_server};
use crate::upstream::link::{Link, SendFailure};
use crate::violation::Violation;
use crate::worker::Backend;

/// How often a request that no server has looked at is sent.
const TRIES_MAX: u32 = 4;

/// A server's side of a connection that switched protocols.
pub(crate) struct Tunnel {
    pub(crate) conn: Link,
    pub(crate) txn: Rc<Txn>,
    pub(crate) limits: Limits,
    pub(crate) backend: Rc<Backend>,
}

/// A server's answer.
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) body: MessageBody,
    pub(crate) conn: Link,
    pub(crate) server: Rc<Server>,
}

/// Why there is no answer.
pub(crate) enum NoAnswer {
    /// The status for the client, and the log's two letters.
    Failed(StatusCode, [u8; 2]),
    /// The client went in the middle of its request's body.
    Gone,
    /// The server closed a kept connection just as it was used. That may happen to any client on a kept connection: it is to
    /// see the same, and asks again if it knows that it may.
    Stale,
    /// The client is to ask the server itself, there.
    Elsewhere(HeaderValue),
}

impl HttpStream {
    /// Sends the request to a server of `backend` and waits for the head of its response.
    pub(crate) async fn ask(
        &self,
        backend: &Backend,
        txn: &Rc<Txn>,
        mut body: MessageBody,
    ) -> Result<Answer, NoAnswer> {
        self.make_unique_id(txn).await;
        txn.times.queued.set(Some(Instant::now()));
        let belongs = if backend.spec.persistence.is_empty() {
            Belongs::default()
        } else {
            Box::pin(persistence::server_of(backend, txn, &*self.worker.runner)).await
        };
        let chosen = if backend.spec.stick.is_empty() || belongs.ignored {
            Chosen::default()
        } else {
            Box::pin(stick::preferred(backend, txn, &*self.worker.runner)).await
        };
        let wish = Wish {
            server: belongs
                .server
                .or_else(|| chosen.server.clone())
                .or_else(|| self.last_server(backend)),
            avoid: None,
        };
        let slot = assign(backend, txn, &self.timer, wish).await;
        let slot = slot.map_err(|why| NoAnswer::Failed(StatusCode::SERVICE_UNAVAILABLE, no_slot(why)))?;
        // One who waits in a queue notes when that is over.
        self.note_after(&txn.times.connecting, &txn.times.queued, false);
        let mut server = slot.server().clone();
        txn.choose_server(slot);
        if let Some(prefix) = &server.spec.redirect
            && let Some(there) = elsewhere(prefix, txn)
        {
            return Err(NoAnswer::Elsewhere(there));
        }
        let mut head = self.outgoing_head(backend, txn)?;
        let bodyless = body.is_ended();
        let retries = Retries::new(backend, txn, &mut body, self.worker.shared.global.buffer_bytes);
        let repeatable = bodyless && is_idempotent(&head.method) && retries.hidden;
        let mut tries = 0;
        let mut reuse = true;
        loop {
            tries += 1;
            let idle = match reuse {
                true => self.idle_connection(backend, &server, txn),
                false => None,
            };
            let reused = idle.is_some();
            let mut conn = match idle {
                Some(conn) => {
                    *txn.server_tls.borrow_mut() = conn.made().tls.clone();
                    txn.backend_src.set(conn.local());
                    conn
                }
                None => {
                    self.make_room(backend);
                    // Rare beside requests on kept connections: boxed, so that those carry no room for it.
                    let (fresh, to) = Box::pin(self.open(backend, server, txn)).await?;
                    server = to;
                    fresh
                }
            };
            chosen.store(&server);
            conn.made().life.carries(self.session.number());
            txn.facts.borrow_mut().server_connection_reused = reused;
            txn.usage.with_server(conn.traffic());
            self.note_after(&txn.times.connected, &txn.times.connecting, !reused);
            logline::at(LogStep::Connect, txn);
            if let Some(header) = &backend.spec.send_name
                && let Ok(name) = HeaderValue::from_bytes(&server.named.name)
            {
                head.headers.insert(header.clone(), name);
            }
            let watch = self.body.borrow().clone();
            let sent = {
                let traffic = conn.traffic().clone();
                let limit = txn
                    .overrides
                    .timeout(TimeoutKind::Server, backend.spec.timeouts.server);
                let sending = pin!(conn.send(head, body, |head| self.inform(head)));
                while_moving(&self.timer, limit, &traffic, watch.as_deref(), sending).await
            };
            match &sent {
                Err(_) => server.saw(Seen::Silent),
                Ok(Err(SendFailure::Closed { .. })) => server.saw(Seen::Closed),
                Ok(Err(SendFailure::Invalid)) => server.saw(Seen::Junk),
                Ok(_) => {}
            }
            let on = &backend.spec.retry_on;
            let again = retries.are_left(backend, txn);
            let (retry, failure) = match sent {
                Ok(Ok((head, mut body))) => {
                    if conn.begins_well(&mut body) {
                        server.saw(Seen::Status(head.status.as_u16()));
                        if !(again && on.statuses.contains(&head.status.as_u16())) {
                            retries.are_over();
                            self.learn(backend, &server, &head, &conn);
                            txn.times.response.set(Some(Instant::now()));
                            txn.usage.server_stream.set(conn.figures());
                            return Ok(Answer {
                                head,
                                body,
                                conn,
                                server,
                            });
                        }
                        (true, NoAnswer::Failed(head.status, *b"--"))
                    } else {
                        (on.junk, NoAnswer::Failed(StatusCode::BAD_GATEWAY, *b"PH"))
                    }
                }
                Ok(Err(SendFailure::Unsent(request))) if tries < TRIES_MAX => {
                    (head, body) = *request;
                    continue;
                }
                // The server says that it hasn't looked at the request: another connection may do.
                Ok(Err(SendFailure::Refused)) if bodyless && tries < TRIES_MAX => {
                    head = self.outgoing_head(backend, txn)?;
                    body = MessageBody::default();
                    continue;
                }
                Ok(Err(SendFailure::Closed { silent: true })) if reused && repeatable && !on.empty => {
                    // The server closed an idle connection just as it was used: not the request's fault.
                    head = self.outgoing_head(backend, txn)?;
                    body = MessageBody::default();
                    reuse = false;
                    continue;
                }
                Ok(Err(SendFailure::Body(BrokenBy::Cut))) => (false, NoAnswer::Gone),
                Ok(Err(SendFailure::Body(BrokenBy::Fault | BrokenBy::Us))) => {
                    (false, NoAnswer::Failed(StatusCode::BAD_REQUEST, *b"PH"))
                }
                Ok(Err(SendFailure::Closed { silent: true }))
                    if reused && self.may_ask_again(txn) && !(on.empty && again) =>
                {
                    (false, NoAnswer::Stale)
                }
                Ok(Err(SendFailure::Closed { silent })) => {
                    // A stream that is reset has brought nothing, whatever else came on its connection.
                    let empty = silent || matches!(conn, Link::Http2(_));
                    let retry = if empty { on.empty } else { on.junk };
                    (retry, NoAnswer::Failed(StatusCode::BAD_GATEWAY, *b"SH"))
                }
                Ok(Err(SendFailure::Unsent(_) | SendFailure::Refused)) => {
                    (on.empty, NoAnswer::Failed(StatusCode::BAD_GATEWAY, *b"SH"))
                }
                Ok(Err(SendFailure::Invalid)) => {
                    self.keep_violation(backend, &server, &conn);
                    (on.junk, NoAnswer::Failed(StatusCode::BAD_GATEWAY, *b"PH"))
                }
                Err(Elapsed) => (on.timeout, NoAnswer::Failed(StatusCode::GATEWAY_TIMEOUT, *b"sH")),
            };
            if !(retry && again) {
                return Err(failure);
            }
            drop(conn);
            let number = txn.facts.borrow().retries + 1;
            txn.facts.borrow_mut().retries = number;
            // Rare, and large.
            let next = Box::pin(next_server(backend, server, &self.timer, txn, number, None)).await;
            server = next.map_err(|why| NoAnswer::Failed(StatusCode::SERVICE_UNAVAILABLE, no_slot(why)))?;
            head = self.outgoing_head(backend, txn)?;
            body = retries.body();
            // Others that were idle may be as broken.
            reuse = false;
        }
    }

    /// Whether the client knows by itself what to do when its connection ends in place of an answer: it was kept.
    fn may_ask_again(&self, txn: &Txn) -> bool {
        self.wire == Wire::Http1 && !txn.facts.borrow().first_request
    }

    /// Keeps what a server sent that is no response, for who looks into it.
    fn keep_violation(&self, backend: &Backend, server: &Server, conn: &Link) {
        let Link::Http1(conn) = conn else { return };
        if let Some((bytes, position)) = conn.fault() {
            self.worker.shared.violations.add(Violation {
                way: Way::Response,
                at: SystemTime::now(),
                frontend: (*self.frontend.named).clone(),
                backend: Some((*backend.named).clone()),
                server: Some((*server.named).clone()),
                source: self.session.client.ends().source,
                bytes,
                position,
            });
        }
    }

    /// A new connection to `server`, or to another one if that fails.
    async fn open(
        &self,
        backend: &Backend,
        server: Rc<Server>,
        txn: &Rc<Txn>,
    ) -> Result<(Link, Rc<Server>), NoAnswer> {
        let connected = connect(backend, server, &self.timer, txn).await;
        let (server, opened) =
            connected.map_err(|why| NoAnswer::Failed(StatusCode::SERVICE_UNAVAILABLE, no_connection(why)))?;
        let conn = self.greet(backend, &server, opened).await;
        let conn = conn.map_err(|_| NoAnswer::Failed(StatusCode::BAD_GATEWAY, *b"SC"))?;
        self.share(backend, &server, &conn);
        txn.backend_src.set(conn.local());
        Ok((conn, server))
    }

    /// Makes of a stream what carries requests.
    async fn greet(&self, backend: &Backend, server: &Server, opened: Opened) -> Result<Link, SendFailure> {
        let Opened { stream, made } = opened;
        let global = &self.worker.shared.global;
        let encrypted = matches!(stream, Stream::Tls(_));
        let asked = made.manner.as_ref().and_then(|manner| manner.proto);
        let speaks_http2 = match asked.unwrap_or(server.spec.proto) {
            ServerProto::Any => stream.alpn() == Some(b"h2"),
            proto => proto == ServerProto::Http2,
        };
        if !speaks_http2 {
            let limits = global.head_limits(backend.spec.http1.lenient);
            let case = backend.spec.http1.case(global);
            let conn = http1::ClientConn::new(stream, made, limits, case);
            return Ok(Link::Http1(Box::new(conn)));
        }
        let pulse = server.pulse(&self.worker.wheel);
        let conn = http2::ClientConn::new(stream, made, encrypted, http2::to_servers(global), pulse);
        Ok(Link::Http2(Box::new(conn.stream())))
    }

    /// Makes the unique id while there is time for it: where it is asked for later, nothing may wait.
    async fn make_unique_id(&self, txn: &Txn) {
        let format = self.frontend.spec.unique_id.as_ref();
        if format.is_some_and(|format| format.suspends()) {
            txn.unique_id_async(&*self.worker.runner).await;
        }
    }

    /// The request's head as the server is to see it. The transaction keeps its own: response rules and log lines look at
    /// it, and it may have to be sent once more.
    fn outgoing_head(&self, backend: &Backend, txn: &Txn) -> Result<request::Parts, NoAnswer> {
        let lost = NoAnswer::Failed(StatusCode::INTERNAL_SERVER_ERROR, *b"IH");
        let own = txn.request_head().ok_or(lost)?;
        let mut is_of_origin = false;
        if own.version == http::Version::HTTP_2 && own.method != Method::CONNECT {
            // Requests of HTTP/2 always name their authority, which for HTTP/1 is the `host` field. What isn't asked for by
            // HTTP says so.
            let is_http = |scheme: &str| {
                ["http", "https"]
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(scheme))
            };
            is_of_origin = own.uri.scheme_str().is_none_or(is_http);
        }
        let uri = match is_of_origin {
            true => own.uri.origin_form(),
            false => own.uri.clone(),
        };
        let mut head = request::Parts::new(own.method.clone(), uri, own.version, own.headers.clone());
        drop(own);
        // What came by HTTP/1.0 need not say for which host it is: it is no request of HTTP/1.1.
        let old = head.version == http::Version::HTTP_10;
        if !old {
            head.version = http::Version::HTTP_11;
        }
        forget_h2c(&mut head.headers);
        let is_told_to = forget_connection(&mut head.headers);
        only_trailers(&mut head.headers);
        let closes = (is_told_to || self.closes_server(backend)) && !backend.spec.pretend_keepalive;
        if closes && !old {
            announce_close(&mut head.headers);
        } else if !closes && old {
            head.headers
                .append(names::CONNECTION, HeaderValue::from_static("keep-alive"));
        }
        if let Some(name) = &self.frontend.spec.unique_id_header
            && let Some(id) = txn.unique_id()
            && let Ok(id) = HeaderValue::from_bytes(&id)
        {
            head.headers.append(name, id);
        }
        let mut filters = filters_between(&self.frontend.spec, &backend.spec, Way::Response);
        let offloads = |filter: &FilterSpec| matches!(filter, FilterSpec::Compression(spec) if spec.offload);
        if filters.any(offloads) {
            head.headers.remove(names::ACCEPT_ENCODING);
        }
        if let Some(cookie) = &backend.spec.persistence.cookie {
            persistence::to_server(cookie, &mut head.headers);
        }
        txn.hurried(Hurry::Forwarded, || {
            forwarding::tell(&self.frontend.spec, &backend.spec, txn, &mut head.headers);
        });
        Ok(head)
    }

    /// The body of an answer, which gives its connection back to the pool in the end.
    pub(crate) fn relayed(
        &self,
        backend: &Backend,
        body: MessageBody,
        conn: Link,
        server: Rc<Server>,
    ) -> Relayed {
        let keep = self.keep(backend, &conn);
        let upload_goes_on = self.body.borrow().as_ref().is_some_and(|w| !w.is_ended());
        let held = if upload_goes_on {
            // While the client doesn't read, nobody polls the response, and yet its request must go on.
            tokio::task::spawn_local(conn.drive_on());
            None
        } else {
            Some(conn)
        };
        let mut relayed = Relayed {
            body,
            conn: held,
            keep,
            server,
            limit: backend.spec.timeouts.server,
            waiting: false,
        };
        if relayed.body.is_ended() {
            relayed.finish();
        }
        relayed
    }

    /// The limits of a tunnel between this client and a server of `backend`.
    pub(crate) fn tunnel_limits(&self, backend: &Backend, txn: &Txn) -> Limits {
        Limits::of(txn, &self.frontend.spec, &backend.spec)
    }

    pub(super) fn closes_server(&self, backend: &Backend) -> bool {
        self.frontend.spec.http_close != HttpClose::KeepAlive
            || backend.spec.http_close != HttpClose::KeepAlive
    }
}

/// What it takes to send a request again that was sent already.
struct Retries {
    /// Its body, if it has one and may be sent again.
    replay: Option<Rc<Replay>>,
    /// It has none.
    bodyless: bool,
    /// It may be sent again where its server never saw it, as far as anybody can tell.
    hidden: bool,
}

impl Retries {
    fn new(backend: &Backend, txn: &Txn, body: &mut MessageBody, bytes_max: usize) -> Self {
        let on = &backend.spec.retry_on;
        let bodyless = body.is_ended();
        let allowed = txn.overrides.allows_request_retry();
        let replay = (allowed && on.keeps_requests() && !bodyless)
            .then(|| Replay::new(std::mem::take(body), bytes_max));
        if let Some(first) = replay.as_ref().and_then(Replay::attempt) {
            *body = first;
        }
        Retries {
            bodyless,
            hidden: allowed && !on.is_none(),
            replay,
        }
    }

    /// Whether the request can be sent once more, and may be.
    fn are_left(&self, backend: &Backend, txn: &Txn) -> bool {
        let whole = self.bodyless || self.replay.as_ref().is_some_and(|replay| replay.is_whole());
        whole && self.hidden && txn.facts.borrow().retries < txn.retries(backend)
    }

    /// The request won't be sent again: what is kept of its body is let go.
    fn are_over(&self) {
        if let Some(replay) = &self.replay {
            replay.forget();
        }
    }

    /// The body once more.
    fn body(&self) -> MessageBody {
        let again = self.replay.as_ref().and_then(Replay::attempt);
        again.unwrap_or_default()
    }
}

/// A response's body as it comes from its server.
pub(crate) struct Relayed {
    body: MessageBody,
    conn: Option<Link>,
    server: Rc<Server>,
    keep: Keep,
    limit: Option<Duration>,
    waiting: bool,
}

impl Relayed {
    /// The next piece. `timer` is the session's, free by now.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &Timer,
        txn: &Txn,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Pending, Some(conn)) = (&polled, &mut self.conn) {
            let _ = conn.drive(cx);
            polled = Pin::new(&mut self.body).poll_frame(cx);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = false;
                timer.disarm();
                if self.body.is_ended() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(fault))) => {
                let state = match fault.by() {
                    BrokenBy::Fault => *b"PD",
                    BrokenBy::Cut | BrokenBy::Us => *b"SD",
                };
                txn.facts.borrow_mut().termination = Some(state);
                Poll::Ready(Some(Err(Cut)))
            }
            Poll::Pending => self.wait(cx, timer, txn).map(|cut| Some(Err(cut))),
        }
    }

    /// Nothing comes now: ready when that is so for too long.
    fn wait(&mut self, cx: &mut Context<'_>, timer: &Timer, txn: &Txn) -> Poll<Cut> {
        if !self.waiting {
            self.waiting = true;
            timer.arm(txn.overrides.timeout(TimeoutKind::Server, self.limit));
        }
        timer.poll_elapsed(cx).map(|Elapsed| {
            txn.facts.borrow_mut().termination = Some(*b"sD");
            Cut
        })
    }

    /// How many bytes are next that nobody has to see.
    pub(crate) fn unseen(&self) -> u64 {
        self.body.unseen()
    }

    /// Receives some of them; what breaks then is found out by whoever reads next.
    pub(crate) fn poll_unseen(
        &mut self,
        cx: &mut Context<'_>,
        timer: &Timer,
        txn: &Txn,
        conduit: &mut Conduit,
    ) -> Poll<Result<usize, Cut>> {
        let mut polled = self.body.poll_unseen(cx, conduit);
        if let (Poll::Pending, Some(conn)) = (&polled, &mut self.conn) {
            let _ = conn.drive(cx);
            polled = self.body.poll_unseen(cx, conduit);
        }
        let Poll::Ready(came) = polled else {
            return self.wait(cx, timer, txn).map(Err);
        };
        self.waiting = false;
        timer.disarm();
        if self.body.is_ended() {
            self.finish();
        }
        Poll::Ready(Ok(came.unwrap_or(0)))
    }

    /// The next piece of data, for whoever looks at the body ahead of the client.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        timer: &Timer,
        txn: &Txn,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            let frame = match std::task::ready!(self.poll(cx, timer, txn)) {
                Some(Ok(frame)) => frame,
                Some(Err(cut)) => return Poll::Ready(Some(Err(cut))),
                None => return Poll::Ready(None),
            };
            if let Ok(piece) = frame.into_data() {
                return Poll::Ready(Some(Ok(piece)));
            }
        }
    }

    /// Puts back what was looked at.
    pub(crate) fn unread(&mut self, piece: Bytes) {
        self.body.unread(piece);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.body.is_ended()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// Nobody wants this body. What of it is here already is taken, so that a short one leaves its connection to others.
    pub(crate) fn forgo(&mut self, bytes_max: usize) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut left = bytes_max;
        while !self.body.is_ended() {
            let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut self.body).poll_frame(&mut cx) else {
                return;
            };
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(room) => left = room,
                None => return,
            }
        }
        self.finish();
    }

    /// The response was received: its connection may serve another request.
    pub(crate) fn finish(&mut self) {
        if let Some(conn) = self.conn.take() {
            std::mem::replace(&mut self.keep, Keep::Nowhere).put(&self.server, conn);
        }
    }
}

/// Runs `future` as long as something moves on the connection, for at most `limit` without. The time that the client takes
/// to send its body is its own.
async fn while_moving<F: Future>(
    timer: &Timer,
    limit: Option<Duration>,
    traffic: &Traffic,
    upload: Option<&BodyWatch>,
    // By reference: a future taken by value is kept twice, once as the argument and once pinned.
    mut future: Pin<&mut F>,
) -> Result<F::Output, Elapsed> {
    let mut seen = None;
    let result = std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if limit.is_none() || upload.is_some_and(BodyWatch::is_awaited) {
            timer.disarm();
            seen = None;
            return Poll::Pending;
        }
        let now = Some(traffic.read.get() + traffic.written.get());
        if seen != now {
            seen = now;
            timer.arm(limit);
        }
        timer.poll_elapsed(cx).map(Err)
    })
    .await;
    timer.disarm();
    result
}

/// The log's letters for a transaction that got no connection.
pub(super) fn no_connection(failure: ConnectFailure) -> [u8; 2] {
    match failure {
        ConnectFailure::NoServer(why) => no_slot(why),
        ConnectFailure::Refused => *b"SC",
        ConnectFailure::TimedOut => *b"sC",
        ConnectFailure::Exhausted => *b"RC",
    }
}

/// The log's letters for a transaction that got no room at a server.
pub(super) fn no_slot(why: NoSlot) -> [u8; 2] {
    match why {
        NoSlot::Nobody => *b"SC",
        NoSlot::QueueFull => *b"SQ",
        NoSlot::TimedOut => *b"sQ",
    }
}

/// Where a client finds what it asked for, if it may be sent there (`redir`).
fn elsewhere(prefix: &str, txn: &Txn) -> Option<HeaderValue> {
    let head = txn.request_head()?;
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    let path = head.uri.path_and_query()?;
    HeaderValue::try_from(format!("{prefix}{path}")).ok()
}

/// Whether sending a request twice does no more than sending it once.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::TRACE
    )
}
