//! One stream of an HTTP connection: where a request and its response pass. HTTP/2 has one for each request, and so has
//! HTTP/1, unless the next request is there already.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use tidegate_sample::Way;
use tidegate_sample::head::{Headers, response};

use super::headers::forget_connection;
use super::http::HttpSession;
use super::logline;
use super::relay::{Direction, relay};
use super::upstream::Tunnel;
use crate::body::BodyWatch;
use crate::client::Client;
use crate::clock;
use crate::log::LogStep;
use crate::pipe::Pipe;
use crate::spec::TimeoutKind;
use crate::stream::Traffic;
use crate::timeouts::Timer;
use crate::txn::{Phase, Txn};
use crate::worker::{Frontend, Worker};

/// Which protocol the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
}

/// One stream of a client's connection.
pub(crate) struct HttpStream {
    pub(crate) worker: Rc<Worker>,
    pub(crate) frontend: Rc<Frontend>,
    pub(crate) client: Rc<Client>,
    /// The connection, which others may share.
    pub(crate) session: Rc<HttpSession>,
    pub(crate) wire: Wire,
    /// Its number on the connection; 0 for the one of HTTP/1.
    pub(crate) number: Cell<u32>,
    /// What is read from and written to the client here.
    pub(crate) traffic: Rc<Traffic>,
    /// For whatever the current request waits for on the other side.
    pub(crate) timer: Timer,
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
    /// Informational responses that the client is to get before the final one.
    pub(crate) informational: RefCell<Vec<response::Parts>>,
    /// Since when there has been nothing to do.
    pub(crate) idle_since: Cell<Instant>,
    /// When the first byte of the next request was noticed.
    pub(crate) first_byte: Cell<Option<Instant>>,
    /// How much was read when something of it was noticed last, and when that was.
    pub(crate) heard: Cell<Option<(u64, Instant)>>,
    /// Bytes read when there was nothing to do any more.
    pub(crate) read_before: Cell<u64>,
    /// Bytes written before the current response.
    pub(crate) written_before: Cell<u64>,
}

/// What is left of a stream for the next one on its connection.
pub(super) struct Before {
    /// That of the last one: it may still be filed for the next.
    pub(super) timer: Timer,
    /// When the last one ended.
    pub(super) idle_since: Instant,
}

/// Ends the transaction of a tunnel, also where that is ended from outside.
struct EndsTunnel<'t>(&'t HttpStream, &'t Rc<Txn>);

impl Drop for EndsTunnel<'_> {
    fn drop(&mut self) {
        let EndsTunnel(stream, txn) = self;
        txn.facts.borrow_mut().termination.get_or_insert(*b"CD");
        txn.note_killer(*b"CD");
        stream.end_transaction(txn);
    }
}

impl Drop for HttpStream {
    fn drop(&mut self) {
        // A session that is ended from outside has nobody else to do it.
        self.log_ended();
    }
}

impl HttpStream {
    pub(crate) fn new(
        session: &Rc<HttpSession>,
        wire: Wire,
        traffic: Rc<Traffic>,
        idle_since: Instant,
    ) -> Self {
        HttpStream {
            worker: session.worker.clone(),
            frontend: session.frontend.clone(),
            client: session.client.clone(),
            session: session.clone(),
            wire,
            number: Cell::new(0),
            traffic,
            timer: session.worker.wheel.timer(),
            busy: Cell::new(false),
            body: RefCell::default(),
            current: RefCell::default(),
            tunnel: RefCell::default(),
            ended: RefCell::default(),
            informational: RefCell::default(),
            idle_since: Cell::new(idle_since),
            first_byte: Cell::new(None),
            heard: Cell::new(None),
            read_before: Cell::new(0),
            written_before: Cell::new(0),
        }
    }

    /// One that goes on where another of the same connection has ended. So many bytes were read since.
    pub(super) fn after(session: &Rc<HttpSession>, wire: Wire, before: Before, ahead: usize) -> Self {
        let traffic = session.traffic.clone();
        let (read, written) = (traffic.read.get(), traffic.written.get());
        let mut stream = HttpStream::new(session, wire, traffic, before.idle_since);
        stream.timer = before.timer;
        // What came before the first request is the first one's.
        if session.requests.get() > 0 {
            stream.read_before.set(read.saturating_sub(ahead as u64));
            stream.written_before.set(written);
        }
        stream
    }

    /// What the next one is to know.
    pub(super) fn end(mut stream: Rc<Self>) -> Before {
        let timer = match Rc::get_mut(&mut stream) {
            Some(stream) => stream.timer.take(),
            None => stream.worker.wheel.timer(),
        };
        Before {
            timer,
            idle_since: stream.idle_since.get(),
        }
    }

    /// A transaction is over: the stream is idle again, and its log line due once everything is written.
    pub(crate) fn end_transaction(&self, txn: &Rc<Txn>) {
        self.busy.set(false);
        self.body.borrow_mut().take();
        self.current.borrow_mut().take();
        self.first_byte.set(None);
        self.read_before.set(self.traffic.read.get());
        let now = clock::now();
        self.idle_since.set(now);
        txn.times.ended.set(Some(now));
        txn.phase.set(Phase::Log);
        if !self.session.lingering.has(txn) && !self.is_logged_by_scripts() {
            txn.end();
        }
        if self.session.timed || txn.tracks() {
            *self.ended.borrow_mut() = Some(txn.clone());
        }
    }

    /// Logs the transaction that has ended, if there is one, and lets go of what it tracked.
    pub(crate) fn log_ended(&self) {
        let ended = self.ended.take();
        let Some(txn) = ended else { return };
        if self.session.timed {
            txn.count_bytes();
            let written = self.traffic.written.get();
            txn.facts.borrow_mut().bytes_read = written.saturating_sub(self.written_before.get());
            self.written_before.set(written);
            logline::at(LogStep::Close, &txn);
        }
        if self.is_logged_by_scripts() && !self.session.lingering.has(&txn) {
            txn.end();
        }
        txn.untrack();
    }

    /// Scripts that make its line find a transaction that has not ended.
    fn is_logged_by_scripts(&self) -> bool {
        self.session.timed && self.frontend.log_calls_scripts
    }

    /// `timeout client`, or what a rule set in its place.
    pub(crate) fn client_timeout(&self) -> Option<Duration> {
        let configured = self.frontend.spec.timeouts.client;
        match &*self.current.borrow() {
            Some(txn) => txn.overrides.timeout(TimeoutKind::Client, configured),
            None => configured,
        }
    }

    /// Whether the client is the one that is waited for: to send more of its body, or to read.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.traffic.write_blocked.get() || self.body_is_due()
    }

    /// Ready when the client was waited for for too long; `activity` is the bytes that had moved when the timer was armed.
    pub(super) fn poll_stuck(&self, cx: &mut Context<'_>, timer: &Timer, activity: &mut u64) -> Poll<()> {
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

    /// Whether more of the request's body is waited for.
    pub(crate) fn body_is_due(&self) -> bool {
        self.body.borrow().as_ref().is_some_and(|b| b.is_awaited())
    }

    /// Whether a request is given up whose client sends nothing more.
    pub(crate) fn gives_up(&self) -> bool {
        if self.session.traffic.failed.get() {
            return true;
        }
        let txn = self.current.borrow();
        let backend = txn.as_ref().and_then(|txn| txn.usage.backend());
        backend.map_or(self.frontend.spec.closing.abort, |backend| {
            backend.spec.closing.abort
        })
    }

    /// What a client gets to hear that has ended its side before it was answered; nothing if that was not in order.
    pub(super) fn parting(&self, orderly: bool) -> Option<(Rc<Txn>, StatusCode)> {
        let txn = self.current.borrow().clone().filter(|_| orderly)?;
        // What no server has seen ends without a word.
        if matches!(txn.stage.get(), Some([b'C', b'Q' | b'C'])) {
            return None;
        }
        // Where it was then, what is given up with the request says best itself; a tarpit has a status already.
        let status = { txn.facts.borrow().status }.filter(|_| txn.stage.get() == Some(*b"CT"));
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::BAD_REQUEST);
        txn.facts.borrow_mut().status = Some(status.as_u16());
        Some((txn, status))
    }

    /// Notes for the log that the client was too slow. True if it was for its body.
    pub(crate) fn client_is_stuck(&self, began_writing: bool) -> bool {
        let due = self.body_is_due();
        let txn = self.current.borrow().clone();
        if let Some(txn) = txn {
            let mut facts = txn.facts.borrow_mut();
            let waits_for_body = txn.stage.get() == Some(*b"CR");
            if waits_for_body {
                txn.times.request.set(None);
            }
            facts.termination = Some(match (began_writing, waits_for_body) {
                (true, _) => *b"cD",
                (_, true) => *b"cR",
                _ => *b"cH",
            });
            if due && !began_writing {
                facts.status = Some(StatusCode::REQUEST_TIMEOUT.as_u16());
            }
        }
        due
    }

    /// Joins a client whose request has become a tunnel with its server.
    pub(crate) async fn relay(&self, tunnel: Tunnel, client: &mut dyn Pipe, ahead: Bytes) {
        let limits = tunnel.limits;
        let txn = tunnel.txn;
        let _ending = EndsTunnel(self, &txn);
        // The connection counts as open until the tunnel ends.
        let _life = tunnel.conn.made().life.clone();
        let termination = match tunnel.conn.into_pipe().await {
            Some((mut server, server_ahead)) => {
                let worker = &self.worker;
                let (mut up, mut down) = (Direction::new(ahead), Direction::new(server_ahead));
                if !txn.attachments.is_empty() {
                    let filters = |way| {
                        let of_frontend = self.frontend.filters.of(way).iter();
                        of_frontend.chain(tunnel.backend.filters.of(way))
                    };
                    for (direction, way) in [(&mut up, Way::Request), (&mut down, Way::Response)] {
                        if let Some(chain) = txn.attachments.stream(filters(way), way) {
                            direction.filter(chain, &txn);
                        }
                    }
                }
                let end = relay(worker, &txn, client, up, &mut *server, down, limits).await;
                end.termination()
            }
            None => *b"SD",
        };
        txn.facts.borrow_mut().termination.get_or_insert(termination);
    }

    /// Informational responses that the client is to get now.
    pub(crate) fn take_informational(&self) -> Vec<response::Parts> {
        let hints = match &*self.current.borrow() {
            Some(txn) if !txn.hints.borrow().is_empty() => txn.hints.take(),
            _ => Headers::new(),
        };
        if !hints.is_empty() {
            let mut head = response::Parts::new(StatusCode::EARLY_HINTS);
            head.headers = hints;
            self.informational.borrow_mut().push(head);
        }
        self.informational.take()
    }

    /// Sends an informational response before the final one.
    pub(crate) fn inform(&self, mut head: response::Parts) {
        forget_connection(&mut head.headers);
        self.informational.borrow_mut().push(head);
    }

    /// Notes the time if anybody wants to know.
    pub(crate) fn note(&self, moment: &Cell<Option<Instant>>) {
        if self.session.timed {
            moment.set(Some(Instant::now()));
        }
    }

    /// Notes the time of something that follows on `before`. If log lines don't tell, and nothing was waited for, it is the same.
    pub(crate) fn note_after(
        &self,
        moment: &Cell<Option<Instant>>,
        before: &Cell<Option<Instant>>,
        waited: bool,
    ) {
        match self.session.timed || waited {
            true => moment.set(Some(Instant::now())),
            false => moment.set(moment.get().or(before.get())),
        }
    }
}
