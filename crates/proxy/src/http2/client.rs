//! The servers' side: connections that several requests share.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{Request, Response, StatusCode};
use http_body::Body;
use tidegate_sample::figures::HttpStreamFigures;
use tidegate_sample::head::names::CONTENT_LENGTH;
use tidegate_sample::head::{request, response};

use super::guard::{Guarded, Meter};
use super::receiving::Receiving;
use super::server::{ERRORS_MAX, RESET_STREAMS_MAX, SEND_BUFFER_BYTES, Sender, Settings};
use super::translate::{Translated, translate};
use super::tunnel::Duplex;
use crate::body::MessageBody;
use crate::event::Event;
use crate::stream::{Counted, Stream, Traffic};
use crate::upstream::link::SendFailure;
use crate::upstream::manner::Made;

/// A connection to a server. A task of its own drives it, as no session owns it.
pub(crate) struct ClientConn {
    send: RefCell<SendRequest<Bytes>>,
    state: Rc<State>,
    traffic: Rc<Traffic>,
    local: Option<SocketAddr>,
    encrypted: bool,
    streams_max: usize,
    /// Requests in progress.
    active: Cell<usize>,
    idle_since: Cell<Instant>,
    /// How it was made.
    pub(crate) made: Made,
}

/// What the connection and the task that drives it share.
struct State {
    ended: Cell<bool>,
    meter: Rc<Meter>,
    /// Something was read.
    moved: Event,
}

impl ClientConn {
    /// Greets a server.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) async fn new(
        stream: Stream,
        made: Made,
        encrypted: bool,
        settings: Settings,
        glitches: (u32, u32),
    ) -> Result<Rc<Self>, SendFailure> {
        let local = stream.local();
        let (counted, traffic) = Counted::new(stream);
        let meter = Meter::new(settings.streams_max, glitches);
        let streams_max = settings.streams_max as usize;
        let (send, connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_max_send_streams(streams_max)
            .initial_window_size(settings.window_bytes)
            .max_frame_size(settings.frame_bytes_max)
            .header_table_size(settings.table_bytes)
            .max_header_list_size(settings.head_bytes_max)
            .max_concurrent_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(Some(ERRORS_MAX))
            .max_send_buffer_size(SEND_BUFFER_BYTES)
            .handshake(Guarded::server(counted, meter.clone()))
            .await
            .map_err(|_| SendFailure::Closed { silent: true })?;
        let state = Rc::new(State {
            ended: Cell::new(false),
            meter,
            moved: Event::default(),
        });
        tokio::task::spawn_local(drive(
            connection,
            state.clone(),
            traffic.clone(),
            settings.connection_window(),
        ));
        Ok(Rc::new(ClientConn {
            send: RefCell::new(send),
            state,
            traffic,
            local,
            encrypted,
            streams_max,
            active: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            made,
        }))
    }

    /// Whether it can take (more) requests, now or when others have ended.
    pub(crate) fn is_open(&self) -> bool {
        if self.state.ended.get() {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        // An error says that the server is going away.
        !matches!(self.send.borrow_mut().poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    /// Since when it has carried nothing; none while it carries something.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (self.active.get() == 0).then_some(self.idle_since.get())
    }

    /// Room for one more request, if there is any.
    pub(crate) fn reserve(self: &Rc<Self>) -> Option<ClientStream> {
        let allowed = self
            .send
            .borrow()
            .current_max_send_streams()
            .min(self.streams_max);
        (self.active.get() < allowed && self.is_open()).then(|| self.stream())
    }

    /// Room for a request on a connection that is new.
    pub(crate) fn stream(self: &Rc<Self>) -> ClientStream {
        self.count(self.active.get() + 1);
        ClientStream {
            conn: self.clone(),
            number: 0,
            traffic: Rc::default(),
            upload: None,
            tunnel: None,
        }
    }

    fn count(&self, active: usize) {
        self.active.set(active);
        self.state.meter.carries(active);
        self.idle_since.set(Instant::now());
    }

    /// Waits until the server has said what it can do, or is gone.
    async fn greeted(&self) {
        poll_fn(|cx| {
            if self.traffic.read.get() > 0 || self.state.ended.get() {
                return Poll::Ready(());
            }
            self.state.moved.register(cx);
            Poll::Pending
        })
        .await;
    }
}

/// Drives a connection until it ends: when its server ends it, or nobody has a handle to it. Its window is opened as soon as
/// the server has spoken.
async fn drive(
    mut connection: Connection<Guarded, Bytes>,
    state: Rc<State>,
    traffic: Rc<Traffic>,
    window: u32,
) {
    let mut is_open = false;
    poll_fn(|cx| {
        let polled = Pin::new(&mut connection).poll(cx);
        if !is_open && traffic.read.get() > 0 {
            is_open = true;
            connection.set_target_window_size(window);
        }
        state.moved.notify();
        if polled.is_ready() || state.meter.is_exhausted() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    state.ended.set(true);
    // Whoever waits for a stream of it is told when it is dropped.
    drop(connection);
    state.moved.notify();
}

/// Room for one request on a connection, and the request that takes it.
pub(crate) struct ClientStream {
    conn: Rc<ClientConn>,
    number: u32,
    /// What is sent and received here.
    traffic: Rc<Traffic>,
    upload: Option<Upload>,
    /// The stream, once it is a tunnel.
    tunnel: Option<(RecvStream, Sender)>,
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
        self.conn.state.meter.figures(self.number)
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
        let mut send = self.conn.send.borrow().clone();
        if poll_fn(|cx| send.poll_ready(cx)).await.is_err() {
            return Err(SendFailure::Unsent(Box::new((head, body))));
        }
        let translated = translate(head, self.conn.encrypted);
        let Translated {
            head,
            upgrade,
            connects,
        } = translated;
        if upgrade.is_some() {
            self.conn.greeted().await;
            if !send.is_extended_connect_protocol_enabled() {
                return Err(SendFailure::Invalid);
            }
        }
        let ended = body.is_ended() && !connects;
        let sent = send.send_request(Request::from_parts(head, ()), ended);
        let (mut response, sender) = sent.map_err(|e| failure(&e))?;
        self.number = response.stream_id().as_u32();
        let mut sender = Some(Sender::new(sender));
        if !ended && !connects {
            self.upload = sender.take().map(|sender| Upload::new(body, sender));
        }
        let response = poll_fn(|cx| self.poll_response(cx, &mut response, &mut informed)).await?;
        let (head, received) = response.into_parts();
        let mut head = response::Parts::from(head);
        self.traffic.read.update(|r| r + 1);
        if connects && head.status.is_success() {
            self.tunnel = sender.map(|sender| (received, sender));
            if let Some(upgrade) = upgrade {
                upgrade.answer(&mut head);
            }
            return Ok((head, MessageBody::default()));
        }
        let length = head.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let receiving = Receiving::new(received, length, Some(self.traffic.clone()));
        Ok((head, MessageBody::http2(receiving)))
    }

    fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        response: &mut ResponseFuture,
        informed: &mut impl FnMut(response::Parts),
    ) -> Poll<Result<Response<RecvStream>, SendFailure>> {
        while let Poll::Ready(Some(Ok(head))) = response.poll_informational(cx) {
            if head.status() == StatusCode::SWITCHING_PROTOCOLS {
                // HTTP/2 knows no such thing.
                return Poll::Ready(Err(SendFailure::Invalid));
            }
            informed(head.into_parts().0.into());
        }
        if let Poll::Ready(response) = Pin::new(response).poll(cx) {
            return Poll::Ready(response.map_err(|e| failure(&e)));
        }
        if let Some(upload) = &mut self.upload {
            match upload.poll(cx, &self.traffic) {
                Poll::Ready(Ok(())) => self.upload = None,
                // A server may refuse the rest of a body and answer all the same.
                Poll::Ready(Err(Broken::Server)) => self.upload = None,
                Poll::Ready(Err(Broken::Client)) => {
                    upload.sender.reset(Reason::CANCEL);
                    return Poll::Ready(Err(SendFailure::Body));
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// The stream of bytes that a CONNECT has become.
    pub(crate) fn into_duplex(mut self) -> Option<Duplex> {
        let (receiving, sending) = self.tunnel.take()?;
        let traffic = self.traffic.clone();
        Some(Duplex::new(receiving, sending, traffic).on(self))
    }
}

/// Why there is no response.
fn failure(why: &h2::Error) -> SendFailure {
    let refused = why.is_reset() && why.reason() == Some(Reason::REFUSED_STREAM);
    if why.is_remote() && (refused || why.is_go_away()) {
        // The server says that it hasn't looked at the request.
        return SendFailure::Refused;
    }
    if why.is_io() || why.is_remote() {
        return SendFailure::Closed { silent: why.is_io() };
    }
    SendFailure::Invalid
}

/// Whose fault it is that a body can't be sent.
enum Broken {
    Client,
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

    fn poll(&mut self, cx: &mut Context<'_>, traffic: &Traffic) -> Poll<Result<(), Broken>> {
        loop {
            while !self.data.is_empty() {
                let last = self.body.is_ended();
                let sent = ready!(self.sender.poll_send(cx, &mut self.data, last));
                let sent = sent.map_err(|_| Broken::Server)?;
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
                        let sent = self.sender.trailers(trailers);
                        return Poll::Ready(sent.map_err(|_| Broken::Server));
                    }
                },
                Some(Err(_)) => return Poll::Ready(Err(Broken::Client)),
                None => {
                    let sent = ready!(self.sender.poll_send(cx, &mut Bytes::new(), true));
                    return Poll::Ready(sent.map(drop).map_err(|_| Broken::Server));
                }
            }
        }
    }
}
