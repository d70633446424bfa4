//! The servers' side: requests out, responses in.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, request, response};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::Receiving;
use crate::body::MessageBody;
use crate::stream::{Counted, Stream, Traffic};
use crate::upstream::link::SendFailure;
use crate::upstream::manner::Made;

/// A connection to a server, for one request at a time. Whoever holds it drives it.
pub(crate) struct ClientConn {
    sender: SendRequest<MessageBody>,
    conn: Box<Connection<TokioIo<Counted>, MessageBody>>,
    traffic: Rc<Traffic>,
    local: Option<SocketAddr>,
    /// How it was made.
    pub(crate) made: Made,
    ended: bool,
}

impl ClientConn {
    /// Prepares a connected stream for requests.
    pub(crate) async fn new(
        mut stream: Stream,
        made: Made,
        head_bytes_max: usize,
        fields_max: Option<usize>,
    ) -> Result<Self, SendFailure> {
        let local = stream.local();
        // A body may end with the connection: then a cut must not look like its end.
        stream.refuse_truncation();
        let (counted, traffic) = Counted::new(stream);
        let mut builder = Builder::new();
        builder
            .max_buf_size(head_bytes_max.max(8192))
            .allow_obsolete_multiline_headers_in_responses(true);
        if let Some(fields) = fields_max {
            builder.max_headers(fields);
        }
        let (sender, conn) = builder
            .handshake(TokioIo::new(counted))
            .await
            .map_err(|_| SendFailure::Closed { silent: true })?;
        Ok(ClientConn {
            sender,
            conn: Box::new(conn),
            traffic,
            local,
            made,
            ended: false,
        })
    }

    /// The address that the server was connected from.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Goes on with whatever is to be read and written. Ready when the connection has ended.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Ready(());
        }
        let poll = Pin::new(&mut *self.conn).poll(cx);
        self.ended = poll.is_ready();
        poll.map(drop)
    }

    /// Whether the connection can take a request now. Notices a server that has closed it; asks the system nothing that
    /// it hasn't said already.
    pub(crate) fn is_usable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.drive(&mut cx).is_pending() && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of its response. The request's body goes on being sent while the
    /// connection is driven.
    pub(crate) async fn send(
        &mut self,
        head: request::Parts,
        body: MessageBody,
    ) -> Result<(response::Parts, MessageBody), SendFailure> {
        let before = self.traffic.read.get();
        let mut response = pin!(self.sender.try_send_request(Request::from_parts(head, body)));
        let conn = &mut self.conn;
        let ended = &mut self.ended;
        let result = poll_fn(|cx| {
            if !*ended {
                *ended = Pin::new(&mut **conn).poll(cx).is_ready();
            }
            response.as_mut().poll(cx)
        })
        .await;
        match result {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok((head, MessageBody::http1(Receiving::new(body))))
            }
            Err(mut failed) => {
                if let Some(request) = failed.take_message() {
                    return Err(SendFailure::Unsent(Box::new(request.into_parts())));
                }
                let error = failed.into_error();
                Err(if error.is_parse() {
                    SendFailure::Invalid
                } else if error.is_user() {
                    SendFailure::Body
                } else {
                    SendFailure::Closed {
                        silent: self.traffic.read.get() == before,
                    }
                })
            }
        }
    }

    /// What was counted on the connection.
    pub(crate) fn traffic(&self) -> &Rc<Traffic> {
        &self.traffic
    }

    /// Gives the stream back after a response that switched protocols, with what was read from it and not used.
    pub(crate) async fn into_stream(mut self) -> (Counted, Bytes) {
        // The switch is complete once the codec has let go of the stream.
        poll_fn(|cx| self.drive(cx)).await;
        let parts = self.conn.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}
