//! A client's connection that speaks HTTP/1: its requests one after the other, and its timeouts.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use tidegate_sample::stick::Count;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http::{HttpSession, LOOK_AROUND};
use super::stream::{HttpStream, Wire};
use crate::http1::unread;
use crate::http1::{End, ServerConn, ServerOptions, serve};
use crate::http2::is_preface;
use crate::reply::Reply;
use crate::rules::pages;
use crate::spec::HttpClose;
use crate::stream::Counted;
use crate::timeouts::Timer;
use crate::txn::{Mode, Txn};

/// How long a refused client may go on sending what nobody reads, so that it gets to read the refusal.
const LINGER: Duration = Duration::from_secs(1);

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

/// Serves HTTP/1 on a connection. Gives the stream back, with what was read from it, if the client turned out to speak
/// HTTP/2.
pub(super) async fn run(session: Rc<HttpSession>, counted: Counted) -> Option<(Counted, Bytes)> {
    let traffic = session.traffic.clone();
    traffic.swallow.set(true);
    let options = ServerOptions {
        head_bytes_max: session.worker.shared.global.buffer_bytes,
        fields_max: session.worker.shared.global.fields_max,
        keep_alive: session.frontend.spec.http_close != HttpClose::Close,
    };
    let timer = session.worker.wheel.timer();
    let accepted_at = session.client.ready_at.get();
    let stream = Rc::new(HttpStream::new(&session, Wire::Http1, traffic, accepted_at));
    let (mut counted, mut ahead) = (counted, Bytes::new());
    loop {
        let handler = stream.clone();
        let mut conn = serve(counted, ahead, options, move |head, body| {
            handler.clone().handle(head, body)
        });
        let mut activity = u64::MAX;
        let exit = poll_fn(|cx| stream.drive(cx, &mut conn, &timer, &mut activity)).await;
        // Rare beside what comes before: boxed, so that a connection carries no room for it.
        match Box::pin(stream.leave(exit, conn, &timer)).await {
            After::Over => return None,
            After::Http2(stream, read) => return Some((stream, read)),
            After::Mended(stream, read) => (counted, ahead) = (stream, read),
        }
    }
}

/// What comes after the codec gave a connection back.
enum After {
    Over,
    /// The client speaks HTTP/2.
    Http2(Counted, Bytes),
    /// A head that couldn't be read was mended.
    Mended(Counted, Bytes),
}

impl HttpStream {
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
        let _ = self.session.lingering.poll(cx);
        if let Poll::Ready(end) = polled {
            return Poll::Ready(Exit::Ended(end));
        }
        let timeouts = &self.frontend.spec.timeouts;
        let traffic = &self.traffic;
        if self.busy.get() || traffic.write_blocked.get() {
            // The client is waited for only if it is to send more of its body, or to read.
            if !self.waits_for_client() {
                timer.disarm();
                *activity = u64::MAX;
                return Poll::Pending;
            }
            let now = traffic.read.get() + traffic.written.get();
            if *activity != now {
                *activity = now;
                timer.arm(self.client_timeout());
            }
            return timer.poll_elapsed(cx).map(|_| Exit::ClientStuck);
        }
        traffic.swallow.set(true);
        *activity = u64::MAX;
        if self.worker.stopping.get() {
            return Poll::Ready(Exit::Stopping);
        }
        let began = traffic.read.get() != self.read_before.get();
        let requests = self.session.requests.get();
        let (since, limit) = if began {
            let since = self.first_byte.get().unwrap_or_else(|| {
                let now = Instant::now();
                self.first_byte.set(Some(now));
                now
            });
            (since, timeouts.http_request.or(timeouts.client))
        } else if requests == 0 {
            (self.idle_since.get(), timeouts.http_request.or(timeouts.client))
        } else {
            (self.idle_since.get(), self.session.idle_limit())
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

    /// What is left to do when the codec is done with the connection.
    async fn leave(&self, exit: Exit, conn: impl ServerConn, timer: &Timer) -> After {
        let began_writing = self.traffic.written.get() > self.written_before.get();
        match exit {
            Exit::Ended(End::Closed | End::Failed) => {
                let tunnel = self.tunnel.take();
                let current = self.current.borrow().clone();
                match (tunnel, current) {
                    (Some(tunnel), _) => {
                        let (mut stream, ahead) = conn.into_stream();
                        self.relay(tunnel, &mut stream, ahead).await;
                    }
                    (None, Some(txn)) if self.is_given_up(began_writing) => {
                        // What is given up with the request says first where it was.
                        let (stream, _) = conn.into_stream();
                        self.client_gave_up(&txn);
                        self.answer(stream, timer, &txn, StatusCode::BAD_REQUEST).await;
                    }
                    (None, None) if self.is_cut_short() => {
                        let (stream, _) = conn.into_stream();
                        self.refuse(stream, timer, StatusCode::BAD_REQUEST, *b"CR").await;
                    }
                    // A request that was not answered yet ends with it, and is logged below.
                    _ => drop(conn),
                }
            }
            Exit::Ended(End::Malformed) => {
                if self.traffic.swallow.get() {
                    let (mut stream, ahead) = conn.into_stream();
                    if self.session.may_become_http2() && is_preface(&ahead) {
                        self.traffic.swallow.set(false);
                        return After::Http2(stream, ahead);
                    }
                    let max = self.worker.shared.global.buffer_bytes;
                    if let Some(mended) = self.mend(&mut stream, &ahead, timer, max).await {
                        return After::Mended(stream, mended);
                    }
                    let own = self.traffic.swallowed.get();
                    let own = own.and_then(|s| StatusCode::from_u16(s).ok());
                    let status = unread::status(&ahead, own, max);
                    self.refuse(stream, timer, status, *b"PR").await;
                }
            }
            Exit::NoRequest { began } => {
                if began || self.awaits_first_request() {
                    let (stream, _) = conn.into_stream();
                    self.refuse(stream, timer, StatusCode::REQUEST_TIMEOUT, *b"cR")
                        .await;
                }
            }
            Exit::ClientStuck => {
                let ended = self.client_is_stuck(began_writing);
                let txn = self.current.borrow().clone();
                let (stream, _) = conn.into_stream();
                if ended
                    && !began_writing
                    && let Some(txn) = txn
                {
                    self.answer(stream, timer, &txn, StatusCode::REQUEST_TIMEOUT)
                        .await;
                } else {
                    stream.stream().reset_on_close();
                }
            }
            Exit::Stopping => {}
        }
        self.log_ended();
        poll_fn(|cx| self.session.lingering.poll(cx)).await;
        After::Over
    }

    /// Whether the client has ended its side before it was answered.
    fn is_given_up(&self, began_writing: bool) -> bool {
        let traffic = &self.traffic;
        self.busy.get() && traffic.read_ended.get() && !traffic.failed.get() && !began_writing
    }

    /// Whether the client has ended its side in the middle of a request's head, or before it sent a first one.
    fn is_cut_short(&self) -> bool {
        let traffic = &self.traffic;
        let began = traffic.read.get() > self.read_before.get();
        traffic.read_ended.get() && !self.session.closing.get() && (began || self.awaits_first_request())
    }

    /// Whether a first request was due and is missed.
    fn awaits_first_request(&self) -> bool {
        self.session.requests.get() == 0 && !self.frontend.spec.ignore_probes
    }

    fn client_gave_up(&self, txn: &Txn) {
        let mut facts = txn.facts.borrow_mut();
        facts.status = Some(StatusCode::BAD_REQUEST.as_u16());
        facts.termination.get_or_insert(*b"CH");
    }

    /// Joins the lines of fields in a head, if that is what kept it from being read.
    async fn mend(&self, stream: &mut Counted, ahead: &Bytes, timer: &Timer, max: usize) -> Option<Bytes> {
        if !unread::is_folded(ahead) {
            return None;
        }
        let mut head = ahead.to_vec();
        let limit = self.frontend.spec.timeouts.http_request;
        let limit = limit.or(self.frontend.spec.timeouts.client);
        let complete = async {
            while unread::head_end(&head).is_none() && head.len() < max {
                if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        };
        timer.limit(limit, complete).await.ok()?;
        unread::unfold(&head).map(Bytes::from)
    }

    /// Answers a request that could not be read, and logs it as one.
    async fn refuse(&self, stream: Counted, timer: &Timer, status: StatusCode, termination: [u8; 2]) {
        let txn = Txn::new(self.client.clone(), Mode::Http, 0);
        // What came counts, though it was no request: `dontlognull` is for connections that said nothing.
        txn.usage
            .with_client(txn.client.home.as_deref(), &self.traffic, self.read_before.get());
        {
            let mut facts = txn.facts.borrow_mut();
            facts.status = Some(status.as_u16());
            facts.termination = Some(termination);
        }
        txn.times.idle_since.set(Some(self.idle_since.get()));
        txn.times.started.set(self.first_byte.get());
        txn.count(Count::Request, 1);
        // Who is slow has done nothing wrong yet.
        if status != StatusCode::REQUEST_TIMEOUT {
            txn.count(Count::Error, 1);
        }
        self.answer(stream, timer, &txn, status).await;
        self.end_transaction(&txn);
    }

    /// Writes a page of ours where the codec doesn't, and ends the connection such that the client can read it.
    async fn answer(&self, mut stream: Counted, timer: &Timer, txn: &Txn, status: StatusCode) {
        let reply = pages::error(status, txn, &*self.worker.runner).await;
        if reply.silent {
            return;
        }
        self.traffic.swallow.set(false);
        let page = on_the_wire(&reply);
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

/// The bytes of a reply.
fn on_the_wire(reply: &Reply) -> Vec<u8> {
    let mut page = format!("HTTP/1.1 {} ", reply.status.as_u16()).into_bytes();
    match &reply.reason {
        Some(reason) => page.extend_from_slice(reason),
        None => page.extend_from_slice(reply.status.canonical_reason().unwrap_or("Error").as_bytes()),
    }
    page.extend_from_slice(
        format!(
            "\r\ncontent-length: {}\r\nconnection: close\r\n",
            reply.body.len()
        )
        .as_bytes(),
    );
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
