//! A client's connection that speaks HTTP/2: several requests at once, each on its stream, all in one task.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answering::Asked;
use super::exchanges::Exchanges;
use super::http::{HttpSession, LOOK_AROUND, MOMENT};
use super::stream::{HttpStream, Wire};
use crate::clock;
use crate::counts::Count;
use crate::event::Event;
use crate::http2::{Core, Outcome, Polled, Pulse, Reason, ServerConn, from_clients};
use crate::stream::{Counted, Traffic};
use crate::timeouts::Timer;
use crate::txn::{Mode, Txn};

/// How long a connection that is to end may take to say so.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the streams of a connection share with it.
pub(super) struct Shared {
    pub(super) session: Rc<HttpSession>,
    pub(super) core: Rc<Core>,
    /// How often everything was written that could be.
    rounds: Cell<u64>,
    written: Event,
}

impl Shared {
    /// Completes when everything has been written that was to be written by now.
    pub(super) async fn all_written(&self) {
        let before = self.rounds.get();
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

/// One connection.
struct Connection {
    shared: Rc<Shared>,
    conn: ServerConn,
    exchanges: Exchanges,
    timer: Timer,
    /// Whether the client is there while it asks for nothing.
    pulse: Option<Box<Pulse>>,
    idle_since: Instant,
    /// When it could have brought the next request: after the last one.
    free_since: Instant,
    /// It holds no more than one does of which nothing is asked.
    rests: bool,
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
    let lenient = session.frontend.spec.http1.lenient;
    let global = &session.worker.shared.global;
    let share = session.worker.shared.streams.share(global.h2.fe_streams_max);
    let settings = from_clients(global, share.most(), lenient);
    let conn = ServerConn::new(counted, &ahead, settings);
    drop(ahead);
    session.client.speaks_http2(conn.core().clone());
    let shared = Rc::new(Shared {
        session: session.clone(),
        core: conn.core().clone(),
        rounds: Cell::new(0),
        written: Event::default(),
    });
    let mut connection = Connection {
        shared,
        conn,
        exchanges: Exchanges::default(),
        timer: session.worker.wheel.timer(),
        pulse: { session.client.entrance.idle_ping }
            .map(|every| Box::new(Pulse::new(every, session.worker.wheel.timer()))),
        idle_since: session.client.ready_at(),
        free_since: session.client.ready_at(),
        rests: true,
        ending: None,
        activity: u64::MAX,
    };
    let exit = poll_fn(|cx| {
        connection.shared.core.enter(cx);
        let polled = connection.poll(cx);
        connection.shared.core.leave();
        polled
    });
    let exit = exit.await;
    drop(connection);
    if let Exit::Refused = exit {
        log_bad(&session, *b"PR");
    }
    poll_fn(|cx| session.lingering.poll(cx)).await;
}

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let shared = self.shared.clone();
        let session = &shared.session;
        session.client.last_word.waive();
        if session.client.killed_by.get().is_some() && self.ending != Some(Ending::Hard) {
            self.farewell(cx);
        }
        loop {
            let ended = self.poll_requests(cx);
            // What came with the end was asked all the same, and is told of.
            self.poll_exchanges(cx);
            if ended.is_ready() {
                return ended;
            }
            if session.traffic.vanish.get().is_some() {
                // The client isn't to hear a word of it.
                return Poll::Ready(Exit::Gone);
            }
            let was_full = self.conn.is_full();
            match self.conn.poll_written(cx) {
                Poll::Ready(Ok(())) => {
                    shared.rounds.set(shared.rounds.get() + 1);
                    shared.written.notify();
                    if self.conn.is_over() {
                        if let Poll::Ready(exit) = self.poll_requests(cx) {
                            return Poll::Ready(exit);
                        }
                        break;
                    }
                    // What wasn't read since there was too much to write is read now.
                    if !was_full {
                        break;
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Exit::Gone),
                Poll::Pending => break,
            }
        }
        let _ = session.lingering.poll(cx);
        for _ in 0..shared.core.take_refused() {
            log_bad(session, *b"PR");
        }
        if self.ending.is_none() && !self.exchanges.is_empty() {
            session.client.last_word.want(cx);
        }
        self.watch(cx)
    }

    /// It is being ended from outside: those who wait for a response are told that there will be none.
    fn farewell(&mut self, cx: &mut Context<'_>) {
        // Each is to notice.
        self.exchanges.wake_all();
        self.poll_exchanges(cx);
        let _ = self.end(Reason::NO_ERROR, cx);
    }

    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        loop {
            match self.conn.poll_request(cx) {
                Poll::Ready(Polled::Request(request, part)) => {
                    let shared = &self.shared;
                    let stream = HttpStream::new(
                        &shared.session,
                        Wire::Http2,
                        Rc::<Traffic>::default(),
                        self.free_since,
                    );
                    self.free_since = clock::now();
                    self.exchanges.begin(Asked {
                        shared: shared.clone(),
                        stream: Rc::new(stream),
                        request,
                        part,
                    });
                    self.activity = u64::MAX;
                    self.rests = false;
                }
                Poll::Ready(Polled::Ended(outcome)) => {
                    if self.ending.is_none() && self.exchanges.is_empty() && self.conn.is_cut_short() {
                        log_bad(&self.shared.session, *b"CR");
                    }
                    return Poll::Ready(match outcome {
                        Outcome::Done => Exit::Done,
                        // By a rule, and not for what it did to the protocol.
                        Outcome::Refused(_) if self.shared.session.rejected.get() => Exit::Done,
                        Outcome::Refused(_) => Exit::Refused,
                        Outcome::Gone => Exit::Gone,
                    });
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_exchanges(&mut self, cx: &mut Context<'_>) {
        if self.exchanges.poll(cx) {
            self.idle_since = Instant::now();
        }
    }

    /// Ends what is to end, and what takes too long.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let shared = self.shared.clone();
        let session = &shared.session;
        if self.ending != Some(Ending::Hard) && self.conn.is_over() {
            self.ending = Some(Ending::Hard);
            self.timer.arm(Some(GOODBYE));
        }
        if session.rejected.get() && self.ending != Some(Ending::Hard) {
            return self.end(Reason::ENHANCE_YOUR_CALM, cx);
        }
        if self.ending == Some(Ending::Hard) {
            return self.timer.poll_elapsed(cx).map(|_| Exit::Gone);
        }
        if let Some(pulse) = &mut self.pulse
            && pulse.poll(&shared.core, cx).is_ready()
        {
            return self.end(Reason::NO_ERROR, cx);
        }
        let total = session.worker.shared.global.h2.fe_streams_total;
        let enough = total > 0 && session.requests.get() >= u64::from(total);
        let idle = self.exchanges.is_empty();
        // Who has connected and said nothing yet is about to ask for something.
        let waits = idle && (session.frontend.spec.idle_close_on_response || !self.conn.is_greeted());
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
        let since = self.silent_since();
        if let Some(soon) = soon.filter(|soon| limit.is_none_or(|limit| since.elapsed() + *soon < limit)) {
            self.timer.arm(Some(soon));
            if self.timer.poll_elapsed(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        if !self.rests && limit.is_none_or(|limit| limit > MOMENT) {
            self.timer.arm_from(self.idle_since, MOMENT);
            if self.timer.poll_elapsed(cx).is_pending() {
                return Poll::Pending;
            }
            self.rests = true;
            self.conn.rest();
        }
        self.timer.arm_from(since, limit.unwrap_or(LOOK_AROUND));
        let elapsed = self.timer.poll_elapsed(cx);
        if elapsed.is_ready() && limit.is_some() && self.ending.is_none() && self.conn.is_halfway() {
            log_bad(session, *b"cR");
        }
        match elapsed {
            // Too slow even to say hello: there is nothing to be told of, and nobody to tell.
            Poll::Ready(_) if limit.is_some() && !self.conn.is_greeted() => Poll::Ready(Exit::Gone),
            Poll::Ready(_) if limit.is_some() => self.end(Reason::NO_ERROR, cx),
            Poll::Ready(_) => {
                self.timer.arm(Some(LOOK_AROUND));
                let _ = self.timer.poll_elapsed(cx);
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Since when the client counts as silent. That it answers a ping puts off `timeout client`, and nothing else.
    fn silent_since(&self) -> Instant {
        let session = &self.shared.session;
        let timeouts = &session.frontend.spec.timeouts;
        let between = timeouts.http_keep_alive.filter(|_| session.requests.get() > 0);
        let is_own = between.or(timeouts.http_request).is_some() || self.ending.is_some();
        let heard_at = self.pulse.as_deref().and_then(Pulse::heard_at);
        heard_at
            .filter(|_| !is_own)
            .map_or(self.idle_since, |heard_at| heard_at.max(self.idle_since))
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

/// Logs that a client was refused, or was too slow, before there was a request.
fn log_bad(session: &Rc<HttpSession>, why: [u8; 2]) {
    if !session.worker.shared.global.h2.log_errors {
        return;
    }
    let traffic = session.traffic.clone();
    let stream = HttpStream::new(session, Wire::Http2, traffic, session.client.ready_at());
    let txn = Txn::new(session.client.clone(), Mode::Http, 0);
    {
        let mut facts = txn.facts.borrow_mut();
        (facts.termination, facts.status) = (Some(why), Some(0));
    }
    stream.end_transaction(&txn);
    stream.log_ended();
}
