//! The servers' side: connections that several requests share.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http_body::Body;
use tidegate_http2::{Broken, Outgoing, Reason, Role, Settings};
use tidegate_sample::figures::HttpStreamFigures;
use tidegate_sample::head::names::CONTENT_LENGTH;
use tidegate_sample::head::{request, response};
use tokio::time::Sleep;

use super::core::{Core, Part};
use super::pulse::Pulse;
use super::receiving::Receiving;
use super::server::Sender;
use super::tunnel::Duplex;
use super::upgrade::Upgrade;
use super::wire::Wire;
use crate::body::{BrokenBy, MessageBody};
use crate::event::Event;
use crate::stream::{Counted, Stream, Traffic};
use crate::upstream::link::{INTERIM_MAX, SendFailure};
use crate::upstream::manner::Made;

/// A connection to a server. A task of its own drives it, as no session owns it.
pub(crate) struct ClientConn {
    core: Rc<Core>,
    /// Something was read, or a stream ended.
    moved: Rc<Event>,
    local: Option<SocketAddr>,
    encrypted: bool,
    /// Requests in progress.
    active: Cell<usize>,
    idle_since: Cell<Instant>,
    /// How it was made.
    pub(crate) made: Made,
}

impl ClientConn {
    /// A connection that is greeted as soon as there is something to ask.
    pub(crate) fn new(
        stream: Stream,
        made: Made,
        encrypted: bool,
        settings: Settings,
        pulse: Option<Box<Pulse>>,
    ) -> Rc<Self> {
        let local = stream.local();
        let (counted, _) = Counted::new(stream);
        let core = Core::new(Role::Client, settings);
        let moved = Rc::<Event>::default();
        tokio::task::spawn_local(drive(Wire::new(counted, core.clone()), moved.clone(), pulse));
        Rc::new(ClientConn {
            core,
            moved,
            local,
            encrypted,
            active: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            made,
        })
    }

    /// Whether it can take (more) requests, now or when others have ended.
    pub(crate) fn is_open(&self) -> bool {
        self.core.connection().borrow().takes_requests().1
    }

    /// Since when it has carried nothing; none while it carries something.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (self.active.get() == 0).then_some(self.idle_since.get())
    }

    /// Room for one more request, if there is any.
    pub(crate) fn reserve(self: &Rc<Self>) -> Option<ClientStream> {
        let (allowed, is_stuck) = {
            let connection = self.core.connection().borrow();
            // A server that doesn't read what it is sent won't read more.
            (connection.streams_max(), connection.is_full())
        };
        (self.active.get() < allowed && !is_stuck && self.is_open()).then(|| self.stream())
    }

    /// Room for a request on a connection that is new.
    pub(crate) fn stream(self: &Rc<Self>) -> ClientStream {
        self.count(self.active.get() + 1);
        ClientStream {
            conn: self.clone(),
            number: 0,
            traffic: Rc::default(),
            upload: None,
            interim: 0,
            tunnel: None,
        }
    }

    fn count(&self, active: usize) {
        self.active.set(active);
        self.idle_since.set(Instant::now());
    }

    /// Waits until one more request may be sent. False if none ever may.
    async fn has_room(&self) -> bool {
        poll_fn(|cx| {
            let (now, ever) = self.core.connection().borrow().takes_requests();
            if now || !ever {
                return Poll::Ready(now);
            }
            self.moved.register(cx);
            Poll::Pending
        })
        .await
    }

    /// Waits until the server has said what it can do, or is gone. Whether it takes an extended CONNECT.
    async fn takes_protocols(&self) -> bool {
        poll_fn(|cx| {
            let connection = self.core.connection().borrow();
            if connection.is_greeted() {
                return Poll::Ready(connection.takes_protocols());
            }
            self.moved.register(cx);
            Poll::Pending
        })
        .await
    }
}

impl Drop for ClientConn {
    fn drop(&mut self) {
        self.core.with(tidegate_http2::Connection::end_when_served);
    }
}

/// How long a server may take to read the last that it is told.
const GOODBYE: Duration = Duration::from_secs(5);

/// Drives a connection until it ends: when its server ends it, or nobody asks for anything any more.
async fn drive(mut wire: Wire, moved: Rc<Event>, mut pulse: Option<Box<Pulse>>) {
    let core = wire.core().clone();
    let mut goodbye = pin!(None::<Sleep>);
    poll_fn(|cx| {
        core.enter(cx);
        let polled = loop {
            // No server asks for anything.
            while wire.poll_read(cx).is_ready() {}
            if let Some(pulse) = &mut pulse
                && pulse.poll(&core, cx).is_ready()
            {
                core.connection().borrow_mut().end(Reason::NO_ERROR);
            }
            let was_full = wire.is_full();
            match wire.poll_write(cx) {
                Poll::Ready(Ok(())) if was_full => {}
                Poll::Ready(Ok(())) if core.connection().borrow().outcome().is_none() => break Poll::Pending,
                Poll::Ready(_) => break Poll::Ready(()),
                Poll::Pending => break Poll::Pending,
            }
        };
        core.leave();
        moved.notify();
        if polled.is_pending() && core.connection().borrow().outcome().is_some() {
            if goodbye.is_none() {
                goodbye.set(Some(tokio::time::sleep(GOODBYE)));
            }
            return goodbye
                .as_mut()
                .as_pin_mut()
                .map_or(Poll::Pending, |sleep| sleep.poll(cx));
        }
        polled
    })
    .await;
    // Whoever waits for a stream of it is told.
    core.connection().borrow_mut().broke();
    moved.notify();
    let _ = tokio::time::timeout(GOODBYE, poll_fn(|cx| wire.poll_shutdown(cx))).await;
}

/// Room for one request on a connection, and the request that takes it.
pub(crate) struct ClientStream {
    conn: Rc<ClientConn>,
    number: u32,
    /// What is sent and received here.
    traffic: Rc<Traffic>,
    upload: Option<Upload>,
    /// Informational responses that have come.
    interim: u32,
    /// The stream, once it is a tunnel.
    tunnel: Option<Part>,
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.conn.count(self.conn.active.get().saturating_sub(1));
    }
}

impl ClientStream {
    /// The address that the server was connected from.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.conn.local
    }

    /// How the connection was made.
    pub(crate) fn made(&self) -> &Made {
        &self.conn.made
    }

    /// The connection.
    pub(crate) fn connection(&self) -> &Rc<ClientConn> {
        &self.conn
    }

    /// What was counted here.
    pub(crate) fn traffic(&self) -> &Rc<Traffic> {
        &self.traffic
    }

    /// What is known of it.
    pub(crate) fn figures(&self) -> HttpStreamFigures {
        self.conn.core.figures(self.number)
    }

    /// Goes on sending the request's body. Ready when it is sent.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(upload) = &mut self.upload else {
            return Poll::Ready(());
        };
        let sent = ready!(upload.poll(cx, &self.traffic));
        if sent.is_err()
            && let Some(upload) = &mut self.upload
        {
            upload.sender.reset(Reason::CANCEL);
        }
        self.upload = None;
        Poll::Ready(())
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &mut self,
        head: request::Parts,
        body: MessageBody,
        mut informed: impl FnMut(response::Parts),
    ) -> Result<(response::Parts, MessageBody), SendFailure> {
        if !self.conn.has_room().await {
            return Err(SendFailure::Unsent(Box::new((head, body))));
        }
        let upgrade = Upgrade::of(&head.headers);
        if upgrade.is_some() && !self.conn.takes_protocols().await {
            return Err(SendFailure::Invalid);
        }
        let connects = upgrade.is_some() || head.method == Method::CONNECT;
        let ended = body.is_ended() && !connects;
        let outgoing = Outgoing {
            head: &head,
            protocol: upgrade.as_ref().map(|upgrade| upgrade.protocol.as_bytes()),
            encrypted: self.conn.encrypted,
        };
        let key = self
            .conn
            .core
            .with(|connection| connection.request(outgoing, ended));
        let Ok(key) = key else {
            return Err(SendFailure::Unsent(Box::new((head, body))));
        };
        let part = Part::first(&self.conn.core, key);
        self.number = part.id();
        if !ended && !connects {
            self.upload = Some(Upload::new(body, Sender::new(part.clone())));
        }
        let mut head = poll_fn(|cx| self.poll_response(cx, &part, &mut informed)).await?;
        self.traffic.read.update(|r| r + 1);
        if connects && head.status.is_success() {
            self.tunnel = Some(part);
            if let Some(upgrade) = upgrade {
                upgrade.answer(&mut head);
            }
            return Ok((head, MessageBody::default()));
        }
        let length = head.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let receiving = Receiving::new(part, length, Some(self.traffic.clone()));
        Ok((head, MessageBody::http2(receiving)))
    }

    fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        part: &Part,
        informed: &mut impl FnMut(response::Parts),
    ) -> Poll<Result<response::Parts, SendFailure>> {
        while let Poll::Ready(head) = part.with(|connection, key| connection.poll_head(key, cx)) {
            match head {
                Ok(head) if head.status.is_informational() => {
                    self.interim += 1;
                    if self.interim > INTERIM_MAX {
                        return Poll::Ready(Err(SendFailure::Invalid));
                    }
                    informed(head);
                }
                Ok(head) => return Poll::Ready(Ok(head)),
                Err(broken) => return Poll::Ready(Err(failure(broken, part.core()))),
            }
        }
        if let Some(upload) = &mut self.upload {
            match upload.poll(cx, &self.traffic) {
                Poll::Ready(Ok(())) => self.upload = None,
                // A server may refuse the rest of a body and answer all the same.
                Poll::Ready(Err(Broke::Server)) => self.upload = None,
                Poll::Ready(Err(Broke::Body(by))) => {
                    upload.sender.reset(Reason::CANCEL);
                    return Poll::Ready(Err(SendFailure::Body(by)));
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// The stream of bytes that a CONNECT has become.
    pub(crate) fn into_duplex(mut self) -> Option<Duplex> {
        let receiving = self.tunnel.take()?;
        let sending = Sender::new(receiving.clone());
        let traffic = self.traffic.clone();
        Some(Duplex::new(receiving, sending, traffic).on(self))
    }
}

/// Why there is no response.
fn failure(why: Broken, core: &Core) -> SendFailure {
    match why {
        // The server says that it hasn't looked at the request.
        Broken::Unseen => SendFailure::Refused,
        Broken::Peer(_) => SendFailure::Closed { silent: false },
        Broken::Connection if !core.is_refused() => SendFailure::Closed { silent: true },
        Broken::Here(_) | Broken::Faulty(_) | Broken::Connection => SendFailure::Invalid,
    }
}

/// Whose fault it is that a body can't be sent.
enum Broke {
    Body(BrokenBy),
    Server,
}

/// A request's body on its way.
struct Upload {
    body: MessageBody,
    sender: Sender,
    data: Bytes,
}

impl Upload {
    fn new(body: MessageBody, sender: Sender) -> Self {
        Upload {
            body,
            sender,
            data: Bytes::new(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, traffic: &Traffic) -> Poll<Result<(), Broke>> {
        loop {
            while !self.data.is_empty() {
                let last = self.body.is_ended();
                let sent = ready!(self.sender.poll_send(cx, &mut self.data, last));
                let sent = sent.map_err(|_| Broke::Server)?;
                traffic.written.update(|w| w + sent as u64);
                if last && self.data.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.data = data,
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        let sent = self.sender.trailers(&trailers);
                        return Poll::Ready(sent.map_err(|_| Broke::Server));
                    }
                },
                Some(Err(fault)) => return Poll::Ready(Err(Broke::Body(fault.by()))),
                None => {
                    let sent = ready!(self.sender.poll_send(cx, &mut Bytes::new(), true));
                    return Poll::Ready(sent.map(drop).map_err(|_| Broke::Server));
                }
            }
        }
    }
}
