//! The client's side of an HTTP session: its requests one after the other, and its timeouts.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::lingering::Lingering;
use super::logline;
use super::relay::relay;
use super::upstream::Tunnel;
use crate::client::Client;
use crate::http1::{BodyWatch, End, ServerConn, ServerOptions, serve};
use crate::reply::Reply;
use crate::spec::HttpClose;
use crate::stream::{Counted, Stream, Traffic};
use crate::timeouts::Timer;
use crate::txn::{Mode, Phase, Txn};
use crate::worker::{Frontend, Worker};

/// How often a connection without timeout looks whether its worker is about to stop.
const LOOK_AROUND: Duration = Duration::from_secs(3600);

/// How long a refused client may go on sending what nobody reads, so that it gets to read the refusal.
const LINGER: Duration = Duration::from_secs(1);

/// One client connection in HTTP mode.
pub(crate) struct HttpSession {
    pub(crate) worker: Rc<Worker>,
    pub(crate) frontend: Rc<Frontend>,
    pub(crate) client: Rc<Client>,
    pub(crate) traffic: Rc<Traffic>,
    /// For whatever the current request waits for on the other side.
    pub(crate) timer: Timer,
    /// Requests so far, the current one included.
    pub(crate) requests: Cell<u64>,
    /// Between a request's head and the end of its response.
    pub(crate) busy: Cell<bool>,
    /// The body of the current request, if it has one that has not ended.
    pub(crate) body: RefCell<Option<Rc<BodyWatch>>>,
    /// The current transaction.
    pub(crate) current: RefCell<Option<Rc<Txn>>>,
    /// A response switched protocols; this is the other side.
    pub(crate) tunnel: RefCell<Option<Tunnel>>,
    /// A transaction that ended and whose log line waits for the last bytes to be written.
    pub(crate) ended: RefCell<Option<Rc<Txn>>>,
    /// Services that go on after their responses.
    pub(crate) lingering: Lingering,
    /// Since when the connection has been idle.
    pub(crate) idle_since: Cell<Instant>,
    /// When the first byte of the next request was noticed.
    pub(crate) first_byte: Cell<Option<Instant>>,
    /// Bytes read when the connection became idle.
    pub(crate) read_before: Cell<u64>,
    /// Bytes written before the current response.
    pub(crate) written_before: Cell<u64>,
    /// True if anybody wants to know what happened when.
    pub(crate) timed: bool,
}

/// Why the codec no longer has the connection.
enum Exit {
    Ended(End),
    /// Nothing came for too long; `began` if a request had begun.
    NoRequest {
        began: bool,
    },
    /// The client neither sends its body nor reads the response.
    ClientStuck,
    /// The worker is about to stop.
    Stopping,
}

pub(crate) async fn run(worker: Rc<Worker>, frontend: Rc<Frontend>, client: Rc<Client>, stream: Stream) {
    let (counted, traffic) = Counted::marked(stream, Some(client.packets.clone()));
    traffic.swallow.set(true);
    let timed = !frontend.logger.is_silent();
    let options = ServerOptions {
        head_bytes_max: worker.shared.global.buffer_bytes,
        keep_alive: frontend.spec.http_close != HttpClose::Close,
    };
    let timer = worker.wheel.timer();
    let session = Rc::new(HttpSession {
        timer: worker.wheel.timer(),
        idle_since: Cell::new(client.accepted_at),
        first_byte: Cell::new(None),
        worker,
        frontend,
        client,
        traffic,
        requests: Cell::new(0),
        busy: Cell::new(false),
        body: RefCell::default(),
        current: RefCell::default(),
        tunnel: RefCell::default(),
        ended: RefCell::default(),
        lingering: Lingering::default(),
        read_before: Cell::new(0),
        written_before: Cell::new(0),
        timed,
    });
    let handler = session.clone();
    let mut conn = serve(counted, options, move |head, body| {
        handler.clone().handle(head, body)
    });
    let mut activity = u64::MAX;
    let exit = poll_fn(|cx| session.drive(cx, &mut conn, &timer, &mut activity)).await;
    session.leave(exit, conn, timer).await;
}

impl HttpSession {
    /// Lets the codec go on and watches the client's timeouts.
    fn drive(
        &self,
        cx: &mut Context<'_>,
        conn: &mut impl ServerConn,
        timer: &Timer,
        activity: &mut u64,
    ) -> Poll<Exit> {
        let polled = conn.poll(cx);
        self.log_ended();
        let _ = self.lingering.poll(cx);
        if let Poll::Ready(end) = polled {
            return Poll::Ready(Exit::Ended(end));
        }
        let timeouts = &self.frontend.spec.timeouts;
        let traffic = &self.traffic;
        if self.busy.get() || traffic.write_blocked.get() {
            // The client is waited for only if it is to send more of its body, or to read.
            let body_due = self.body.borrow().as_ref().is_some_and(|b| b.is_awaited());
            if !body_due && !traffic.write_blocked.get() {
                timer.disarm();
                *activity = u64::MAX;
                return Poll::Pending;
            }
            let now = traffic.read.get() + traffic.written.get();
            if *activity != now {
                *activity = now;
                timer.arm(timeouts.client);
            }
            return timer.poll_elapsed(cx).map(|_| Exit::ClientStuck);
        }
        traffic.swallow.set(true);
        *activity = u64::MAX;
        if self.worker.stopping.get() {
            return Poll::Ready(Exit::Stopping);
        }
        let began = traffic.read.get() != self.read_before.get();
        let (since, limit) = if began {
            let since = self.first_byte.get().unwrap_or_else(|| {
                let now = Instant::now();
                self.first_byte.set(Some(now));
                now
            });
            (since, timeouts.http_request.or(timeouts.client))
        } else if self.requests.get() == 0 {
            (self.idle_since.get(), timeouts.http_request.or(timeouts.client))
        } else {
            (
                self.idle_since.get(),
                timeouts
                    .http_keep_alive
                    .or(timeouts.http_request)
                    .or(timeouts.client),
            )
        };
        match limit {
            Some(limit) => timer.arm_from(since, limit),
            None => timer.arm_from(since, LOOK_AROUND),
        }
        match timer.poll_elapsed(cx) {
            Poll::Ready(_) if limit.is_some() => Poll::Ready(Exit::NoRequest { began }),
            Poll::Ready(_) => {
                timer.arm(Some(LOOK_AROUND));
                timer.poll_elapsed(cx).map(|_| Exit::Stopping)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// A transaction is over: the connection is idle again, and its log line due once everything is written.
    pub(crate) fn end_transaction(&self, txn: &Rc<Txn>) {
        self.busy.set(false);
        self.body.borrow_mut().take();
        self.current.borrow_mut().take();
        self.first_byte.set(None);
        self.read_before.set(self.traffic.read.get());
        let now = Instant::now();
        self.idle_since.set(now);
        txn.times.ended.set(Some(now));
        txn.phase.set(Phase::Log);
        if !self.lingering.has(txn) {
            txn.close();
        }
        if self.timed {
            *self.ended.borrow_mut() = Some(txn.clone());
        }
    }

    fn log_ended(&self) {
        if self.timed
            && let Some(txn) = self.ended.take()
        {
            let written = self.traffic.written.get();
            txn.facts.borrow_mut().bytes_read = written.saturating_sub(self.written_before.get());
            self.written_before.set(written);
            logline::write(&self.frontend, &self.worker, &txn);
        }
    }

    /// What is left to do when the codec is done with the connection.
    async fn leave(&self, exit: Exit, conn: impl ServerConn, timer: Timer) {
        let began_writing = self.traffic.written.get() > self.written_before.get();
        match exit {
            Exit::Ended(End::Closed | End::Failed) => {
                let tunnel = self.tunnel.take();
                if let Some(tunnel) = tunnel {
                    let (stream, ahead) = conn.into_stream();
                    self.tunnel_through(tunnel, stream, ahead).await;
                }
            }
            Exit::Ended(End::Malformed) => {
                let status = self
                    .traffic
                    .swallowed
                    .get()
                    .and_then(|s| StatusCode::from_u16(s).ok());
                let status = status.unwrap_or(StatusCode::BAD_REQUEST);
                if self.traffic.swallow.get() {
                    let (stream, _) = conn.into_stream();
                    self.refuse(stream, &timer, status, *b"PR").await;
                }
            }
            Exit::NoRequest { began } => {
                if began || self.requests.get() == 0 {
                    let (stream, _) = conn.into_stream();
                    self.refuse(stream, &timer, StatusCode::REQUEST_TIMEOUT, *b"cR")
                        .await;
                }
            }
            Exit::ClientStuck => {
                let ended = self.body_timeout(began_writing);
                let (stream, _) = conn.into_stream();
                if ended && !began_writing {
                    self.answer(stream, &timer, StatusCode::REQUEST_TIMEOUT).await;
                } else {
                    stream.stream().reset_on_close();
                }
            }
            Exit::Stopping => {}
        }
        self.log_ended();
        poll_fn(|cx| self.lingering.poll(cx)).await;
    }

    /// Notes for the log that the client was too slow. True if it was for its body.
    fn body_timeout(&self, began_writing: bool) -> bool {
        let due = self.body.borrow().as_ref().is_some_and(|b| b.is_awaited());
        let txn = self.current.borrow().clone();
        if let Some(txn) = txn {
            let mut facts = txn.facts.borrow_mut();
            facts.termination = Some(if began_writing { *b"cD" } else { *b"cH" });
            if due && !began_writing {
                facts.status = Some(StatusCode::REQUEST_TIMEOUT.as_u16());
            }
        }
        due
    }

    async fn tunnel_through(&self, tunnel: Tunnel, stream: Counted, ahead: Bytes) {
        let (server, server_ahead) = tunnel.conn.into_stream().await;
        let limits = tunnel.limits;
        let txn = tunnel.txn;
        let end = relay(&self.worker, stream, ahead, server, server_ahead, limits).await;
        txn.facts
            .borrow_mut()
            .termination
            .get_or_insert(end.termination());
        self.end_transaction(&txn);
    }

    /// Answers a request that could not be read, and logs it as one.
    async fn refuse(&self, stream: Counted, timer: &Timer, status: StatusCode, termination: [u8; 2]) {
        let txn = Txn::new(self.client.clone(), Mode::Http, 0);
        {
            let mut facts = txn.facts.borrow_mut();
            facts.status = Some(status.as_u16());
            facts.termination = Some(termination);
        }
        txn.times.idle_since.set(Some(self.idle_since.get()));
        txn.times.started.set(self.first_byte.get());
        self.answer(stream, timer, status).await;
        self.end_transaction(&txn);
    }

    /// Writes a page of ours where the codec doesn't, and ends the connection such that the client can read it.
    async fn answer(&self, mut stream: Counted, timer: &Timer, status: StatusCode) {
        self.traffic.swallow.set(false);
        let page = wire_page(status);
        let _ = timer
            .limit(Some(LINGER), async {
                stream.write_all(&page).await?;
                stream.shutdown().await?;
                let mut sink = [0; 4096];
                let mut left: usize = 256 * 1024;
                loop {
                    let n = stream.read(&mut sink).await?;
                    left = left.saturating_sub(n);
                    if n == 0 || left == 0 {
                        return std::io::Result::Ok(());
                    }
                }
            })
            .await;
    }
}

/// The bytes of an error page.
fn wire_page(status: StatusCode) -> Vec<u8> {
    let reply = Reply::error(status);
    let reason = status.canonical_reason().unwrap_or("Error");
    let mut page = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-length: {}\r\nconnection: close\r\n",
        status.as_u16(),
        reply.body.len()
    )
    .into_bytes();
    for (name, value) in &reply.headers {
        page.extend_from_slice(name.as_str().as_bytes());
        page.extend_from_slice(b": ");
        page.extend_from_slice(value.as_bytes());
        page.extend_from_slice(b"\r\n");
    }
    page.extend_from_slice(b"\r\n");
    page.extend_from_slice(&reply.body);
    page
}
