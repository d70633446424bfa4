//! The way of one request to a server: a connection of its own, or a stream of one that is shared.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body;
use tidegate_sample::figures::HttpStreamFigures;
use tidegate_sample::head::FieldValue;
use tidegate_sample::head::names::EXPECT;
use tidegate_sample::head::{request, response};

use super::manner::Made;
use crate::body::{BrokenBy, MessageBody};
use crate::pipe::Pipe;
use crate::stream::Traffic;
use crate::{http1, http2};

/// Informational responses that a server may send before the final one.
pub(crate) const INTERIM_MAX: u32 = 100;

/// What carries a request to a server and its response back.
pub(crate) enum Link {
    /// A connection of HTTP/1, for this request alone. Boxed for as long as it lives: it changes hands often.
    Http1(Box<http1::ClientConn>),
    /// A stream of HTTP/2.
    Http2(Box<http2::ClientStream>),
}

/// Why no response came.
pub(crate) enum SendFailure {
    /// The connection was closed before anything of the request was sent; here it is.
    Unsent(Box<(request::Parts, MessageBody)>),
    /// The server says that it has not looked at the request, which may be sent again.
    Refused,
    /// The connection was closed or reset; `silent` if not one byte of a response had come.
    Closed {
        /// Nothing at all was answered.
        silent: bool,
    },
    /// What came is no response.
    Invalid,
    /// The request's own body broke off.
    Body(BrokenBy),
}

impl Link {
    /// The address that the server was connected from.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        match self {
            Link::Http1(conn) => conn.local(),
            Link::Http2(stream) => stream.local(),
        }
    }

    /// How its connection was made, and what that has been used for.
    pub(crate) fn made(&self) -> &Made {
        match self {
            Link::Http1(conn) => &conn.made,
            Link::Http2(stream) => stream.made(),
        }
    }

    /// What was counted for this request or, on a connection of its own, for it and those before it.
    pub(crate) fn traffic(&self) -> &Rc<Traffic> {
        match self {
            Link::Http1(conn) => conn.traffic(),
            Link::Http2(stream) => stream.traffic(),
        }
    }

    /// What is known of the stream; none for HTTP/1.
    pub(crate) fn figures(&self) -> Option<HttpStreamFigures> {
        match self {
            Link::Http1(_) => None,
            Link::Http2(stream) => Some(stream.figures()),
        }
    }

    /// Goes on with whatever is to be read and written. Ready when there is nothing more of it.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Link::Http1(conn) => conn.drive(cx),
            Link::Http2(stream) => stream.drive(cx),
        }
    }

    /// Sends a request and waits for the head of its response. The request's body goes on being sent while the link is
    /// driven. Informational responses go to `informed`.
    pub(crate) async fn send(
        &mut self,
        mut head: request::Parts,
        body: MessageBody,
        informed: impl FnMut(response::Parts),
    ) -> Result<(response::Parts, MessageBody), SendFailure> {
        let waits = |expected: FieldValue<'_>| expected.as_bytes().eq_ignore_ascii_case(b"100-continue");
        if !body.is_ended() && head.headers.get(EXPECT).is_some_and(waits) && !body.leave_expectation() {
            // The client was told to go on by us. Other expectations are the server's to meet.
            head.headers.remove(EXPECT);
        }
        match self {
            Link::Http1(conn) => conn.send(head, body, informed).await,
            Link::Http2(stream) => Box::pin(stream.send(head, body, informed)).await,
        }
    }

    /// Whether the beginning of a body, as far as it is here, is what it should be. A response whose first chunk is none is
    /// better answered by an error than cut off.
    pub(crate) fn begins_well(&mut self, body: &mut MessageBody) -> bool {
        if matches!(self, Link::Http2(_)) || body.is_ended() || body.size_hint().exact().is_some() {
            return true;
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut polled = Pin::new(&mut *body).poll_frame(&mut cx);
        if polled.is_pending() {
            let _ = self.drive(&mut cx);
            polled = Pin::new(&mut *body).poll_frame(&mut cx);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => body.unread_frame(frame),
            Poll::Ready(Some(Err(_))) => return false,
            Poll::Ready(None) | Poll::Pending => {}
        }
        true
    }

    /// Waits for what is still to be sent.
    pub(crate) async fn drive_on(mut self) {
        poll_fn(|cx| self.drive(cx)).await;
    }

    /// The stream of bytes after a response that switched protocols, with what was read of it and not used. None if it
    /// can't be had.
    pub(crate) async fn into_pipe(self) -> Option<(Box<dyn Pipe>, Bytes)> {
        match self {
            Link::Http1(conn) => {
                let (stream, ahead) = conn.into_stream()?;
                Some((Box::new(stream), ahead))
            }
            Link::Http2(stream) => Some((Box::new(stream.into_duplex()?), Bytes::new())),
        }
    }
}
