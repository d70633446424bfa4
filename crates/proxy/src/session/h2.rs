//! A client's connection that speaks HTTP/2: several requests at once, each on its stream, all in one task.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, Stream as _};

use super::answering;
use super::http::{HttpSession, LOOK_AROUND};
use super::stream::{HttpStream, Wire};
use crate::counts::Count;
use crate::event::Event;
use crate::http2::{Meter, Polled, Reason, ServerConn, Settings, serve};
use crate::stream::{Counted, Traffic};
use crate::timeouts::Timer;
use crate::txn::{Mode, Txn};

/// How long a connection that is to end may take to say so.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the streams of a connection share with it.
pub(super) struct Shared {
    pub(super) session: Rc<HttpSession>,
    pub(super) meter: Rc<Meter>,
    /// How often everything was written that could be.
    rounds: Cell<u64>,
    written: Event,
    /// A stream has something to write.
    pub(super) dirty: Cell<bool>,
}

impl Shared {
    /// Completes when everything has been written that was to be written by now.
    pub(super) async fn all_written(&self) {
        let before = self.rounds.get();
        self.dirty.set(true);
        poll_fn(|cx| {
            if self.rounds.get() > before {
                return Poll::Ready(());
            }
            self.written.register(cx);
            Poll::Pending
        })
        .await;
    }
}

type Exchanges = FuturesUnordered<Pin<Box<dyn Future<Output = ()>>>>;

/// One connection.
struct Connection {
    shared: Rc<Shared>,
    conn: ServerConn,
    exchanges: RefCell<Exchanges>,
    timer: Timer,
    idle_since: Instant,
    ending: Option<Ending>,
    /// Bytes that had moved when the timer was armed for a client that doesn't read.
    activity: u64,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// What is in progress is served, and no more.
    Soft,
    /// It is over.
    Hard,
}

/// Why the connection ended.
enum Exit {
    /// In order.
    Done,
    /// The client broke the protocol, or went beyond its budget.
    Refused,
    /// The client has gone, or was too slow.
    Gone,
}

/// Serves HTTP/2 on a connection. What was read of it before comes first.
pub(super) async fn run(session: Rc<HttpSession>, counted: Counted, ahead: Bytes) {
    session.frontend.usage.counts.add(Count::Http2Sessions, 1);
    // Its requests are streams of their own.
    if let Some(upgraded) = session.upgraded.take() {
        upgraded.end();
    }
    let timer = session.worker.wheel.timer();
    let tuning = session.worker.shared.global.h2;
    let share = session.worker.shared.streams.share(tuning.fe_streams_max);
    let meter = Meter::new(share.most(), (tuning.fe_glitches_max, tuning.glitches_busy_min));
    *session.client.h2.borrow_mut() = Some(meter.clone());
    let settings = Settings {
        streams_max: share.most(),
        window_bytes: tuning.fe_window_bytes,
        frame_bytes_max: tuning.frame_bytes_max,
        table_bytes: tuning.table_bytes,
        buffer_bytes: tuning.fe_buffer_bytes,
        head_bytes_max: u32::try_from(session.worker.shared.global.buffer_bytes).unwrap_or(u32::MAX),
        websockets: tuning.fe_websockets,
    };
    let timeouts = &session.frontend.spec.timeouts;
    let limit = timeouts.http_request.or(timeouts.client);
    let greeting = Box::pin(serve(counted, ahead, settings, meter.clone()));
    let Ok(Ok(conn)) = timer.limit(limit, greeting).await else {
        // Not HTTP/2 after all, or too slow even to say hello.
        return log_refused(&session);
    };
    let shared = Rc::new(Shared {
        session: session.clone(),
        meter,
        rounds: Cell::new(0),
        written: Event::default(),
        dirty: Cell::new(false),
    });
    let mut connection = Connection {
        shared,
        conn,
        exchanges: RefCell::default(),
        timer,
        idle_since: session.client.ready_at.get(),
        ending: None,
        activity: u64::MAX,
    };
    let exit = poll_fn(|cx| connection.poll(cx)).await;
    drop(connection);
    if let Exit::Refused = exit {
        log_refused(&session);
    }
    poll_fn(|cx| session.lingering.poll(cx)).await;
}

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let shared = self.shared.clone();
        let session = &shared.session;
        loop {
            shared.dirty.set(false);
            if let Poll::Ready(exit) = self.poll_connection(cx) {
                return Poll::Ready(exit);
            }
            if !session.traffic.write_blocked.get() {
                shared.rounds.set(shared.rounds.get() + 1);
                shared.written.notify();
            }
            self.poll_exchanges(cx);
            if !shared.dirty.get() {
                break;
            }
        }
        let _ = session.lingering.poll(cx);
        for _ in 0..shared.meter.take_refused() {
            log_refused(session);
        }
        self.watch(cx)
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        loop {
            match self.conn.poll(cx) {
                Poll::Ready(Polled::Request(head, body, responder)) => {
                    let shared = &self.shared;
                    let stream = HttpStream::new(
                        &shared.session,
                        Wire::Http2,
                        Rc::<Traffic>::default(),
                        self.idle_since,
                    );
                    let exchange = answering::answer(shared.clone(), Rc::new(stream), head, body, responder);
                    let exchanges = self.exchanges.get_mut();
                    exchanges.push(Box::pin(exchange));
                    shared.meter.carries(exchanges.len());
                    self.activity = u64::MAX;
                }
                Poll::Ready(Polled::Ended(result)) => {
                    let exit = match result {
                        _ if self.shared.meter.is_exhausted() => Exit::Refused,
                        Ok(()) => Exit::Done,
                        Err(e) if e.is_io() || e.is_remote() => Exit::Gone,
                        Err(_) => Exit::Refused,
                    };
                    return Poll::Ready(exit);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_exchanges(&mut self, cx: &mut Context<'_>) {
        let exchanges = self.exchanges.get_mut();
        while let Poll::Ready(Some(())) = Pin::new(&mut *exchanges).poll_next(cx) {
            self.idle_since = Instant::now();
            self.shared.meter.carries(exchanges.len());
        }
    }

    /// Ends what is to end, and what takes too long.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let shared = self.shared.clone();
        let session = &shared.session;
        if session.traffic.vanish.get().is_some() {
            return Poll::Ready(Exit::Gone);
        }
        if shared.meter.is_exhausted() && self.ending != Some(Ending::Hard) {
            return self.end(Reason::ENHANCE_YOUR_CALM, cx);
        }
        if self.ending == Some(Ending::Hard) {
            return self.timer.poll_elapsed(cx).map(|_| Exit::Gone);
        }
        let total = session.worker.shared.global.h2.fe_streams_total;
        let enough = total > 0 && session.requests.get() >= u64::from(total);
        let idle = self.exchanges.get_mut().is_empty();
        let waits = idle && session.frontend.spec.idle_close_on_response;
        let leaves_in = session.leaves_in();
        let stops = leaves_in == Some(Duration::ZERO) && !waits;
        let soon = leaves_in.filter(|_| !waits && self.ending.is_none());
        if (enough || stops || session.closing.get()) && self.ending.is_none() {
            self.ending = Some(Ending::Soft);
            self.conn.end_when_served();
            cx.waker().wake_by_ref();
        }
        let timeouts = &session.frontend.spec.timeouts;
        let blocked = session.traffic.write_blocked.get();
        if !idle && !blocked {
            // Each stream watches its own client. This timer is there to be woken by a soft stop.
            self.activity = u64::MAX;
            self.timer.arm(Some(soon.unwrap_or(LOOK_AROUND)));
            if self.timer.poll_elapsed(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        if blocked {
            let now = session.traffic.written.get();
            if self.activity != now {
                self.activity = now;
                self.timer.arm(timeouts.client.or(Some(LOOK_AROUND)));
            }
            return self.timer.poll_elapsed(cx).map(|_| Exit::Gone);
        }
        let limit = match (self.ending, session.requests.get()) {
            (Some(_), _) => Some(GOODBYE),
            (None, 0) => timeouts.http_request.or(timeouts.client),
            (None, _) => session.idle_limit(),
        };
        if let Some(soon) =
            soon.filter(|soon| limit.is_none_or(|limit| self.idle_since.elapsed() + *soon < limit))
        {
            self.timer.arm(Some(soon));
            if self.timer.poll_elapsed(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        self.timer.arm_from(self.idle_since, limit.unwrap_or(LOOK_AROUND));
        match self.timer.poll_elapsed(cx) {
            Poll::Ready(_) if limit.is_some() => self.end(Reason::NO_ERROR, cx),
            Poll::Ready(_) => {
                self.timer.arm(Some(LOOK_AROUND));
                let _ = self.timer.poll_elapsed(cx);
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ends at once, with a word of farewell.
    fn end(&mut self, reason: Reason, cx: &mut Context<'_>) -> Poll<Exit> {
        self.ending = Some(Ending::Hard);
        self.conn.end(reason);
        self.timer.arm(Some(GOODBYE));
        cx.waker().wake_by_ref();
        self.timer.poll_elapsed(cx).map(|_| Exit::Gone)
    }
}

/// Logs that a client was refused before there was a request.
fn log_refused(session: &Rc<HttpSession>) {
    if !session.worker.shared.global.h2.log_errors {
        return;
    }
    let traffic = session.traffic.clone();
    let stream = HttpStream::new(session, Wire::Http2, traffic, session.client.ready_at.get());
    let txn = Txn::new(session.client.clone(), Mode::Http, 0);
    {
        let mut facts = txn.facts.borrow_mut();
        (facts.termination, facts.status) = (Some(*b"PR"), Some(0));
    }
    stream.end_transaction(&txn);
    stream.log_ended();
}
