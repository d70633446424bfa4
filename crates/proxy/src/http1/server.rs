//! The client's side: requests in, responses out.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;

use super::Receiving;
use super::rewound::Rewound;
use crate::body::{Cut, MessageBody};
use crate::stream::Counted;

/// What is decided once for a connection.
#[derive(Clone, Copy)]
pub(crate) struct ServerOptions {
    /// The most that a request's head may have, in bytes.
    pub(crate) head_bytes_max: usize,
    /// `tune.http.maxhdr`: the most fields that a head may have, if it was set.
    pub(crate) fields_max: Option<usize>,
    /// Whether a connection serves more than one request.
    pub(crate) keep_alive: bool,
}

/// Marks the head of a request whose target has a fragment, which no target of a request may have.
#[derive(Clone, Copy)]
pub(crate) struct Fragment;

/// How a connection ended.
pub(crate) enum End {
    /// In order, or because the client went, or because a response switched protocols: then the stream goes on without
    /// this module.
    Closed,
    /// A request could not be understood. Nothing was answered yet if the stream was still to swallow
    /// [automatic replies](crate::stream::Traffic::swallow).
    Malformed,
    /// The session's own error, or the stream's.
    Failed,
}

/// A connection whose requests are being served.
pub(crate) trait ServerConn {
    /// Goes on: reads requests, polls what serves them, writes responses.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End>;

    /// Gives the stream back, with what was read from it and not used.
    fn into_stream(self) -> (Counted, Bytes);
}

/// Serves the requests of `stream` one after the other with `handle`. An error of `handle` closes the connection without
/// a response.
pub(crate) fn serve<F, Fut, B>(
    stream: Counted,
    ahead: Bytes,
    options: ServerOptions,
    handle: F,
) -> impl ServerConn
where
    F: Fn(request::Parts, MessageBody) -> Fut,
    Fut: Future<Output = Result<Response<B>, Cut>>,
    B: Body<Data = Bytes, Error = Cut> + 'static,
{
    let seen = Rc::<Cell<bool>>::default();
    let fragment = seen.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (mut head, body) = request.into_parts();
        upgrades_by_hand(&mut head);
        if fragment.take() {
            head.extensions.insert(Fragment);
        }
        handle(head, MessageBody::http1(Receiving::new(body)))
    });
    let mut builder = http1::Builder::new();
    builder
        .auto_date_header(false)
        .keep_alive(options.keep_alive)
        .max_buf_size(options.head_bytes_max.max(8192))
        .header_read_timeout(None);
    if let Some(fields) = options.fields_max {
        builder.max_headers(fields);
    }
    let stream = Rewound::new(stream, ahead, seen);
    Connection(builder.serve_connection(TokioIo::new(stream), service))
}

/// The codec's own way of handing over upgraded streams needs them to be `Send`; ours are not and need nothing of it.
fn upgrades_by_hand(head: &mut request::Parts) {
    head.extensions.remove::<hyper::upgrade::OnUpgrade>();
}

struct Connection<S: HttpService<Incoming>>(http1::Connection<TokioIo<Rewound>, S>);

impl<S, B> ServerConn for Connection<S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes, Error = Cut> + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        Pin::new(&mut self.0).poll(cx).map(|result| match result {
            Ok(()) => End::Closed,
            Err(e) if e.is_parse() => End::Malformed,
            Err(_) => End::Failed,
        })
    }

    fn into_stream(self) -> (Counted, Bytes) {
        let parts = self.0.into_parts();
        let rewound = parts.io.into_inner();
        let ahead = match (parts.read_buf.is_empty(), rewound.ahead.is_empty()) {
            (_, true) => parts.read_buf,
            (true, _) => rewound.ahead,
            _ => [&parts.read_buf[..], &rewound.ahead[..]].concat().into(),
        };
        (rewound.io, ahead)
    }
}
