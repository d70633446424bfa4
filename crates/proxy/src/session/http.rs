//! A client's connection in HTTP mode, and which protocol it speaks.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::lingering::Lingering;
use super::{Life, h1, h2};
use crate::client::Client;
use crate::spec::ListenProto;
use crate::stream::{Counted, Stream, Traffic};
use crate::txn::Txn;
use crate::upstream::Server;
use crate::upstream::own::OwnConnections;
use crate::worker::{Backend, Frontend, Worker};

/// How often a connection without timeout looks whether its worker is about to stop.
pub(super) const LOOK_AROUND: Duration = Duration::from_secs(3600);

/// A client that says nothing for so long after a response isn't one that asks again at once.
pub(super) const MOMENT: Duration = Duration::from_millis(10);

/// One client connection in HTTP mode: what its [streams](super::stream::HttpStream) share.
pub(crate) struct HttpSession {
    pub(crate) worker: Rc<Worker>,
    pub(crate) frontend: Rc<Frontend>,
    pub(crate) client: Rc<Client>,
    /// What is read from and written to the connection.
    pub(crate) traffic: Rc<Traffic>,
    /// Requests so far, on all streams.
    pub(crate) requests: Cell<u64>,
    /// A response said that the connection is to end.
    pub(crate) closing: Cell<bool>,
    /// It was tried to park the connection since its last request.
    pub(super) park_tried: Cell<bool>,
    /// A rule rejected a request: the connection ends without a word.
    pub(crate) rejected: Cell<bool>,
    /// Services that go on after their responses.
    pub(crate) lingering: Lingering,
    /// True if anybody wants to know what happened when.
    pub(crate) timed: bool,
    /// Connections to servers that no other session may use.
    pub(crate) own: OwnConnections,
    /// The server of the last request, if that matters for the next.
    pub(crate) last: Cell<Option<LastServer>>,
    /// What it is to speak.
    proto: ListenProto,
    /// When it is to end, once the worker stops.
    leaves_at: Cell<Option<Instant>>,
    /// The stream of TCP that it was, until its first request comes.
    pub(crate) upgraded: Cell<Option<Box<Upgraded>>>,
}

/// A stream of TCP that has become HTTP.
pub(crate) struct Upgraded {
    /// Its transaction, which its first request goes on with.
    pub(crate) txn: Rc<Txn>,
    /// The backend that was chosen for it.
    pub(crate) backend: Option<Rc<Backend>>,
}

impl Upgraded {
    /// The transaction has no request to go on with.
    pub(super) fn end(self) {
        self.txn.close();
    }
}

impl Drop for HttpSession {
    fn drop(&mut self) {
        if let Some(upgraded) = self.upgraded.take() {
            upgraded.end();
        }
    }
}

/// The server that a session's last request went to.
pub(crate) struct LastServer {
    pub(crate) server: Rc<Server>,
    /// It wants the client to say who it is, on this connection.
    pub(crate) challenged: bool,
}

impl HttpSession {
    fn new(
        worker: Rc<Worker>,
        frontend: Rc<Frontend>,
        client: Rc<Client>,
        traffic: Rc<Traffic>,
        proto: ListenProto,
        upgraded: Option<Upgraded>,
    ) -> Rc<Self> {
        let timed = !frontend.logger.is_silent();
        Rc::new(HttpSession {
            worker,
            frontend,
            client,
            traffic,
            requests: Cell::new(0),
            closing: Cell::new(false),
            park_tried: Cell::new(false),
            rejected: Cell::new(false),
            lingering: Lingering::default(),
            timed,
            own: OwnConnections::default(),
            last: Cell::default(),
            proto,
            leaves_at: Cell::default(),
            upgraded: Cell::new(upgraded.map(Box::new)),
        })
    }

    fn serve(self: Rc<Self>, counted: Counted, ahead: Bytes) -> Life {
        let speaks_http2 = match self.proto {
            ListenProto::Any => counted.stream().alpn() == Some(b"h2"),
            ListenProto::Http1 | ListenProto::Never => false,
            ListenProto::Http2 => true,
        };
        match speaks_http2 {
            true => Box::pin(h2::run(self, counted, ahead)),
            false => Box::pin(h1::Connection::new(&self, counted, ahead)),
        }
    }

    /// What tells it apart from others of its worker.
    pub(super) fn number(self: &Rc<Self>) -> usize {
        Rc::as_ptr(self) as usize
    }

    /// Whether a client that begins with what HTTP/2 begins with is understood.
    pub(super) fn may_become_http2(&self) -> bool {
        self.proto == ListenProto::Any && self.frontend.spec.h2_upgrade && self.requests.get() == 0
    }

    /// How soon the connection is to end because the worker stops; none while it isn't to.
    pub(super) fn leaves_in(&self) -> Option<Duration> {
        self.worker.leaves_in(&self.leaves_at)
    }

    /// Whether a first request was due and is missed.
    pub(super) fn awaits_first_request(&self) -> bool {
        self.requests.get() == 0 && !self.frontend.spec.ignore_probes
    }

    /// Whether it is known of the client that it asks more than once.
    pub(super) fn asks_again(&self) -> bool {
        self.requests.get() > 1
    }

    /// How long a client may say nothing between two requests, or before the first.
    pub(super) fn silence_limit(&self) -> Option<Duration> {
        let timeouts = &self.frontend.spec.timeouts;
        match self.requests.get() {
            0 => timeouts.http_request.or(timeouts.client),
            _ => self.idle_limit(),
        }
    }

    /// How long the connection may have nothing to do after it has served a request.
    pub(super) fn idle_limit(&self) -> Option<Duration> {
        let timeouts = &self.frontend.spec.timeouts;
        timeouts
            .http_keep_alive
            .or(timeouts.http_request)
            .or(timeouts.client)
    }
}

/// Serves a client's connection, until it ends.
pub(crate) fn serve(worker: Rc<Worker>, frontend: Rc<Frontend>, client: Rc<Client>, stream: Stream) -> Life {
    let (counted, traffic) = Counted::marked(stream, Some(client.clone()));
    let proto = client.entrance.proto;
    let session = HttpSession::new(worker, frontend, client, traffic, proto, None);
    session.serve(counted, Bytes::new())
}

/// Serves what was a stream of TCP, of which this was read.
pub(crate) fn upgrade(
    worker: Rc<Worker>,
    frontend: Rc<Frontend>,
    traffic: Rc<Traffic>,
    (counted, ahead): (Counted, Bytes),
    proto: ListenProto,
    upgraded: Upgraded,
) -> Life {
    let client = upgraded.txn.client.clone();
    let session = HttpSession::new(worker, frontend, client, traffic, proto, Some(upgraded));
    session.serve(counted, ahead)
}
