//! One request of an HTTP/2 connection: from its head to the last byte of its response.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::Body;
use tidegate_sample::head::names::{CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT};
use tidegate_sample::head::response;

use super::h2::Shared;
use super::headers::{hosts_contradict, one_host};
use super::outgoing::Outgoing;
use super::stream::HttpStream;
use crate::body::{Cut, MessageBody};
use crate::http2::{Duplex, Part, Reason, Receiving, Request, Responder, Sender, upgraded};
use crate::reply::Reply;
use crate::rules::pages;
use crate::timeouts::Timer;
use crate::txn::Txn;

/// Why a request is given up.
enum GivenUp {
    /// The client has let go of it.
    Gone,
    /// The client has ended its side before it was answered, for which it gets this.
    Left(StatusCode),
    /// The client neither sends its body nor reads the response.
    Stuck,
    /// The response can't be completed.
    Cut,
    /// The connection is being ended from outside.
    Killed,
}

/// A request that is to be served.
pub(super) struct Asked {
    pub(super) shared: Rc<Shared>,
    pub(super) stream: Rc<HttpStream>,
    pub(super) request: Box<Request>,
    pub(super) part: Part,
}

/// Serves one request.
pub(super) async fn answer(asked: Asked) {
    let Asked {
        shared,
        stream,
        mut request,
        part,
    } = asked;
    let is_sound = upgraded(&mut request);
    let mut responder = Responder::new(part.clone());
    if !is_sound {
        return responder.reset(Reason::PROTOCOL_ERROR);
    }
    let Request {
        mut head,
        protocol,
        length,
        objection,
    } = *request;
    let tunnelled = protocol.is_some() || head.method == Method::CONNECT;
    let bodyless = head.method == Method::HEAD;
    let (body, raw) = if tunnelled {
        (MessageBody::default(), Some(part))
    } else {
        let receiving = Receiving::new(part, length, Some(stream.traffic.clone()));
        (MessageBody::http2(receiving), None)
    };
    let mut answering = Answering {
        timer: stream.worker.wheel.timer(),
        activity: u64::MAX,
        shared,
        stream,
    };
    let stream = answering.stream.clone();
    stream.number.set(responder.stream_id());
    let objection = objection.or(hosts_contradict(&head).then_some(StatusCode::BAD_REQUEST));
    one_host(&mut head.headers);
    let (response, txn) = {
        let mut handled = pin!(stream.clone().handle(head, body, objection));
        let response = poll_fn(|cx| answering.poll_handled(cx, handled.as_mut(), &mut responder)).await;
        (response, stream.current.borrow().clone())
    };
    match response {
        Ok(response) => {
            answering
                .send(response, responder, bodyless, raw, protocol.is_some())
                .await
        }
        Err(GivenUp::Gone) => {}
        Err(GivenUp::Cut) if stream.session.rejected.get() => responder.reset(Reason::ENHANCE_YOUR_CALM),
        Err(GivenUp::Cut) => responder.reset(Reason::CANCEL),
        Err(GivenUp::Stuck) => tell(&stream, responder, txn, StatusCode::REQUEST_TIMEOUT).await,
        Err(GivenUp::Killed) => tell(&stream, responder, txn, StatusCode::BAD_GATEWAY).await,
        Err(GivenUp::Left(status)) => tell(&stream, responder, txn, status).await,
    }
    stream.log_ended();
}

/// Answers with a page, if there is one.
async fn tell(stream: &HttpStream, mut responder: Responder, txn: Option<Rc<Txn>>, status: StatusCode) {
    let reply = match &txn {
        Some(txn) => pages::error(status, txn, &*stream.worker.runner).await,
        None => Reply::error(status),
    };
    if reply.silent {
        return responder.reset(Reason::CANCEL);
    }
    let mut head = response::Parts::new(reply.status);
    head.headers = reply.headers;
    head.headers.insert(CONTENT_LENGTH, reply.body.len());
    if let Ok(mut sender) = responder.respond(&head, false) {
        let mut body = reply.body;
        // A client that has no room for the page does without it.
        let _ = poll_fn(|cx| Poll::Ready(sender.poll_send(cx, &mut body, true))).await;
    }
}

/// What is needed while a request is answered.
struct Answering {
    shared: Rc<Shared>,
    stream: Rc<HttpStream>,
    /// For the client.
    timer: Timer,
    activity: u64,
}

impl Answering {
    fn poll_handled<F: Future<Output = Result<(response::Parts, Outgoing), Cut>>>(
        &mut self,
        cx: &mut Context<'_>,
        handled: Pin<&mut F>,
        responder: &mut Responder,
    ) -> Poll<Result<(response::Parts, Outgoing), GivenUp>> {
        if self.stream.client.killed_by.get().is_some() {
            return Poll::Ready(Err(self.killed()));
        }
        let polled = handled.poll(cx);
        for head in self.stream.take_informational() {
            responder.inform(&head);
        }
        if let Poll::Ready(response) = polled {
            return Poll::Ready(response.map_err(|Cut| GivenUp::Cut));
        }
        if responder.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(GivenUp::Gone));
        }
        if responder.has_ended() && self.stream.gives_up() {
            let orderly = !self.stream.session.traffic.failed.get();
            let parting = self.stream.parting(orderly);
            return Poll::Ready(Err(
                parting.map_or(GivenUp::Gone, |(_, status)| GivenUp::Left(status))
            ));
        }
        self.poll_late(cx, false).map(Err)
    }

    /// A client that has said all is told that there will be no response.
    fn killed(&self) -> GivenUp {
        let txn = self.stream.current.borrow();
        match &*txn {
            Some(txn) if !self.stream.body_is_due() => {
                txn.facts.borrow_mut().status = Some(StatusCode::BAD_GATEWAY.as_u16());
                GivenUp::Killed
            }
            _ => GivenUp::Cut,
        }
    }

    /// Ready when the client was waited for for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>, answered: bool) -> Poll<GivenUp> {
        let stuck = self.stream.poll_stuck(cx, &self.timer, &mut self.activity);
        stuck.map(|()| {
            self.stream.client_is_stuck(answered);
            GivenUp::Stuck
        })
    }

    /// Sends the response, and is the tunnel that it may have begun.
    async fn send(
        mut self,
        response: (response::Parts, Outgoing),
        responder: Responder,
        bodyless: bool,
        raw: Option<Part>,
        upgraded: bool,
    ) {
        let (mut head, body) = response;
        let tunnel = self.stream.tunnel.take();
        if upgraded && head.status == StatusCode::SWITCHING_PROTOCOLS {
            // An extended CONNECT is answered as any other.
            head.status = StatusCode::OK;
            head.headers.remove(SEC_WEBSOCKET_ACCEPT);
        }
        self.stream.traffic.written.update(|w| w + head_bytes(&head));
        if let Some(tunnel) = tunnel {
            drop(body);
            if let (Ok(sender), Some(raw)) = (responder.respond(&head, false), raw) {
                let mut client = Duplex::new(raw, sender, self.stream.traffic.clone());
                self.stream.relay(tunnel, &mut client, Bytes::new()).await;
            } else {
                self.stream.end_transaction(&tunnel.txn);
            }
            return;
        }
        let without = bodyless || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        declare(&mut head, &body, bodyless, without);
        let ended = without || body.is_end_stream();
        let Ok(mut sender) = responder.respond(&head, ended) else {
            return;
        };
        if ended {
            return self.shared.core.served();
        }
        let mut body = body;
        match self.send_body(&mut body, &mut sender).await {
            Ok(()) => self.shared.core.served(),
            Err(GivenUp::Gone | GivenUp::Left(_)) => {}
            Err(GivenUp::Stuck) => sender.reset(Reason::CANCEL),
            Err(GivenUp::Cut | GivenUp::Killed) => {
                // What came before is the client's.
                self.shared.all_written().await;
                sender.reset(Reason::INTERNAL_ERROR);
            }
        }
    }

    async fn send_body(&mut self, body: &mut Outgoing, sender: &mut Sender) -> Result<(), GivenUp> {
        loop {
            let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(Ok(frame)),
                Poll::Pending if gave_up(&self.stream, sender, cx) => Poll::Ready(Err(GivenUp::Gone)),
                Poll::Pending => self.poll_late(cx, true).map(Err),
            })
            .await?;
            let frame = match frame {
                Some(frame) => frame.map_err(|Cut| GivenUp::Cut)?,
                None => {
                    let sent = poll_fn(|cx| sender.poll_send(cx, &mut Bytes::new(), true)).await;
                    return sent.map(drop).map_err(|_| GivenUp::Gone);
                }
            };
            match frame.into_data() {
                Ok(mut data) => {
                    let last = body.is_end_stream();
                    self.send_data(&mut data, last, sender).await?;
                    if last {
                        return Ok(());
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return sender.trailers(&trailers).map_err(|_| GivenUp::Gone);
                    }
                }
            }
        }
    }

    async fn send_data(&mut self, data: &mut Bytes, last: bool, sender: &mut Sender) -> Result<(), GivenUp> {
        let stream = self.stream.clone();
        loop {
            let sent = poll_fn(|cx| match sender.poll_send(cx, data, last) {
                Poll::Ready(sent) => Poll::Ready(sent.map_err(|_| GivenUp::Gone)),
                Poll::Pending if gave_up(&stream, sender, cx) => Poll::Ready(Err(GivenUp::Gone)),
                Poll::Pending => {
                    stream.traffic.write_blocked.set(true);
                    self.poll_late(cx, true).map(Err)
                }
            })
            .await;
            stream.traffic.write_blocked.set(false);
            stream
                .traffic
                .written
                .update(|w| w + *sent.as_ref().unwrap_or(&0) as u64);
            sent?;
            if data.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Whether the client wants no more of a response.
fn gave_up(stream: &HttpStream, sender: &mut Sender, cx: &mut Context<'_>) -> bool {
    sender.poll_gone(cx).is_ready() || sender.has_ended() && stream.gives_up()
}

/// About what a head takes in a log line's count of bytes.
fn head_bytes(head: &response::Parts) -> u64 {
    (head.headers.bytes() + head.headers.len() * 4) as u64 + 16
}

/// Gives a response the length that its body is known to have.
fn declare(head: &mut response::Parts, body: &Outgoing, bodyless: bool, without: bool) {
    if head.headers.contains(CONTENT_LENGTH) || without && !bodyless {
        return;
    }
    match body.size_hint().exact() {
        Some(0) if bodyless => {}
        Some(length) => {
            head.headers.insert(CONTENT_LENGTH, length);
        }
        None => {}
    }
}
