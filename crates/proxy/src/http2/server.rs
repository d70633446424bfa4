//! The client's side: several requests at once, each on a stream.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response, request};
use tidegate_sample::head::response;

use super::guard::{Guarded, Meter};
use crate::spec::GlobalSpec;
use crate::stream::Counted;

/// What is decided once for a connection.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// `tune.h2.fe.max-concurrent-streams`.
    pub(crate) streams_max: u32,
    /// `tune.h2.fe.initial-window-size`: bytes of a stream that nobody has asked for yet.
    pub(crate) window_bytes: u32,
    /// `tune.h2.max-frame-size`.
    pub(crate) frame_bytes_max: u32,
    /// `tune.h2.header-table-size`.
    pub(crate) table_bytes: u32,
    /// `tune.h2.fe.rxbuf`: bytes of all streams that nobody has asked for yet.
    pub(crate) buffer_bytes: u32,
    /// The most that a head may have, in bytes.
    pub(crate) head_bytes_max: u32,
    /// Whether it is told that WebSockets go over HTTP/2.
    pub(crate) websockets: bool,
}

impl Settings {
    /// Those of connections to servers.
    pub(crate) fn to_servers(global: &GlobalSpec) -> Settings {
        Settings {
            streams_max: global.h2.be_streams_max,
            window_bytes: global.h2.be_window_bytes,
            frame_bytes_max: global.h2.frame_bytes_max,
            table_bytes: global.h2.table_bytes,
            buffer_bytes: global.h2.be_buffer_bytes,
            head_bytes_max: u32::try_from(global.buffer_bytes).unwrap_or(u32::MAX),
            websockets: false,
        }
    }

    /// The window of a whole connection. It is opened this far once the peer has spoken, as then it must take no frame for
    /// another one: the first that we send are our settings, and what acknowledges its own.
    pub(super) fn connection_window(self) -> u32 {
        self.buffer_bytes.clamp(65_535, WINDOW_BYTES_MAX)
    }
}

/// Streams of one connection that were reset and of which frames may still come; and resets by our side for the peer's
/// errors, after which it is told to calm down.
pub(super) const RESET_STREAMS_MAX: usize = 50;
pub(super) const ERRORS_MAX: usize = 100;

/// The largest window that the protocol knows.
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;

/// What may wait of one response's body for the socket.
pub(super) const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// A connection whose requests are being served.
pub(crate) struct ServerConn {
    connection: Connection<Guarded, Bytes>,
    /// The window of the connection, until it is opened.
    window: Option<u32>,
}

/// What became of a connection when it was polled.
pub(crate) enum Polled {
    /// There is a request.
    Request(Box<request::Parts>, RecvStream, Responder),
    /// It has ended, in order or not.
    Ended(Result<(), h2::Error>),
}

/// Greets the client on a connection.
///
/// # Errors
/// It does not speak HTTP/2, or has gone.
pub(crate) async fn serve(
    io: Counted,
    ahead: Bytes,
    settings: Settings,
    meter: Rc<Meter>,
) -> Result<ServerConn, h2::Error> {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(settings.streams_max)
        .initial_window_size(settings.window_bytes)
        .max_frame_size(settings.frame_bytes_max)
        .header_table_size(settings.table_bytes)
        .max_header_list_size(settings.head_bytes_max)
        .max_concurrent_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(Some(ERRORS_MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    if settings.websockets {
        builder.enable_connect_protocol();
    }
    let connection = builder.handshake(Guarded::client(io, ahead, meter)).await?;
    Ok(ServerConn {
        connection,
        window: Some(settings.connection_window()),
    })
}

impl ServerConn {
    /// Goes on: reads, writes, takes the next request.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        self.connection.poll_accept(cx).map(|accepted| match accepted {
            Some(Ok((request, respond))) => {
                if let Some(window) = self.window.take() {
                    self.connection.set_target_window_size(window);
                }
                let (head, body) = request.into_parts();
                Polled::Request(Box::new(head), body, Responder(respond))
            }
            Some(Err(e)) => Polled::Ended(Err(e)),
            None => Polled::Ended(Ok(())),
        })
    }

    /// Takes no more requests than those that are on their way, and ends when they are served.
    pub(crate) fn end_when_served(&mut self) {
        self.connection.graceful_shutdown();
    }

    /// Ends at once, whatever is in progress.
    pub(crate) fn end(&mut self, reason: Reason) {
        self.connection.abrupt_shutdown(reason);
    }
}

/// Where the answer to one request goes.
pub(crate) struct Responder(SendResponse<Bytes>);

impl Responder {
    /// The number of the stream.
    pub(crate) fn stream_id(&self) -> u32 {
        self.0.stream_id().as_u32()
    }

    /// Ready when the client has let go of the request.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_reset(cx).map(drop)
    }

    /// Sends an informational response.
    pub(crate) fn inform(&mut self, head: response::Parts) {
        // The client may have gone meanwhile, which is noticed elsewhere.
        let _ = self.0.send_informational(message(head));
    }

    /// Sends the head of the response.
    ///
    /// # Errors
    /// The client has let go of the request.
    pub(crate) fn respond(&mut self, head: response::Parts, ended: bool) -> io::Result<Sender> {
        self.0
            .send_response(message(head), ended)
            .map(Sender::new)
            .map_err(to_io)
    }

    /// Lets go of the request without (the rest of) a response.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.0.send_reset(reason);
    }
}

/// A response as the codec takes it.
fn message(mut head: response::Parts) -> Response<()> {
    super::forget_http1(&mut head.headers);
    Response::from_parts(head.into(), ())
}

/// Where the body of a message goes.
pub(crate) struct Sender {
    stream: SendStream<Bytes>,
    reserved: bool,
}

impl Sender {
    pub(super) fn new(stream: SendStream<Bytes>) -> Self {
        Sender {
            stream,
            reserved: false,
        }
    }

    /// Ready when the peer has room for at least one of so many bytes.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        loop {
            let room = self.stream.capacity().min(wanted);
            if room > 0 {
                return Poll::Ready(Ok(room));
            }
            if !self.reserved {
                self.reserved = true;
                self.stream.reserve_capacity(wanted);
                continue;
            }
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(e)) => return Poll::Ready(Err(to_io(e))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
    }

    /// Sends as much of `data` as the peer has room for, at least one byte of it; says how much.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
        last: bool,
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(self.end(last).map(|()| 0));
        }
        let room = ready!(self.poll_room(cx, data.len()))?;
        let piece = data.split_to(room);
        self.reserved = false;
        let sent = self.stream.send_data(piece, last && data.is_empty());
        Poll::Ready(sent.map(|()| room).map_err(to_io))
    }

    fn end(&mut self, last: bool) -> io::Result<()> {
        if last {
            self.stream.send_data(Bytes::new(), true).map_err(to_io)
        } else {
            Ok(())
        }
    }

    /// Sends what ends the message.
    ///
    /// # Errors
    /// The peer has let go of the stream.
    pub(crate) fn trailers(&mut self, trailers: HeaderMap) -> io::Result<()> {
        self.stream.send_trailers(trailers).map_err(to_io)
    }

    /// Ready when the peer has let go of the stream.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(drop)
    }

    /// Lets go of the stream before its end.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }
}

pub(super) fn to_io(e: h2::Error) -> io::Error {
    if e.is_io() {
        e.into_io().unwrap_or_else(|| io::ErrorKind::Other.into())
    } else {
        io::Error::other(e)
    }
}
