//! What a service holds while it produces content: the request to read and the response to write.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tidegate_sample::head::{Headers, names};

use crate::body::MessageBody;
use crate::channel::ChannelError;
use crate::event::Event;
use crate::ext::Run;
use crate::http1::ReasonPhrase;
use crate::txn::Txn;

/// Bytes that may be sent ahead of a slow client before [`HttpApplet::send`] waits.
pub const SEND_BYTES_MAX: usize = 64 * 1024;

/// The most that one call of `receive` gathers.
pub const RECEIVE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a service can't do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceError {
    /// The client is gone, or the stream was shut.
    ClientGone,
    /// The response has to be started first.
    NotStarted,
    /// The response has been started; status and headers are on their way.
    AlreadyStarted,
    /// Not a final status (200 to 599).
    InvalidStatus(i64),
    /// A header name, header value or reason phrase that can't be sent.
    InvalidHeader(String),
    /// More body than the declared content-length. Nothing of the bytes was sent.
    ExcessBody {
        /// The declared content-length.
        declared: u64,
        /// What the body would have had.
        attempted: u64,
    },
    /// More was asked for at once than [`RECEIVE_BYTES_MAX`].
    TooLarge,
    /// The request's body is broken, or its client went in the middle of it.
    BrokenBody(String),
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceError::ClientGone => f.write_str("the client is gone"),
            ServiceError::NotStarted => f.write_str("the response was not started"),
            ServiceError::AlreadyStarted => f.write_str("the response was already started"),
            ServiceError::InvalidStatus(status) => {
                write!(f, "invalid status {status}: 200 to 599 can be sent")
            }
            ServiceError::InvalidHeader(why) => write!(f, "invalid header: {why}"),
            ServiceError::ExcessBody { declared, attempted } => {
                write!(
                    f,
                    "body of {attempted} bytes exceeds the declared content-length of {declared}"
                )
            }
            ServiceError::TooLarge => write!(f, "more than {RECEIVE_BYTES_MAX} bytes at once"),
            ServiceError::BrokenBody(why) => write!(f, "broken request body: {why}"),
        }
    }
}

impl std::error::Error for ServiceError {}

/// The applet of an HTTP service: one request to be answered.
pub struct HttpApplet {
    txn: Rc<Txn>,
    body: RefCell<MessageBody>,
    /// Received and not yet taken.
    pending: RefCell<BytesMut>,
    head: RefCell<ResponseHead>,
    started: Cell<bool>,
    declared: Cell<Option<u64>>,
    sent: Cell<u64>,
    /// True if the client gets no body whatever is sent (HEAD, 204, 304).
    bodyless: Cell<bool>,
    queue: RefCell<VecDeque<Bytes>>,
    queued: Cell<usize>,
    gone: Cell<bool>,
    changed: Event,
}

/// Status and headers in the making.
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<ReasonPhrase>,
    pub(crate) headers: Headers,
}

impl HttpApplet {
    /// An applet for a request whose body comes from `body`.
    pub(crate) fn new(txn: Rc<Txn>, body: MessageBody) -> Rc<Self> {
        Rc::new(HttpApplet {
            txn,
            body: RefCell::new(body),
            pending: RefCell::default(),
            head: RefCell::new(ResponseHead {
                status: StatusCode::OK,
                reason: None,
                headers: Headers::new(),
            }),
            started: Cell::new(false),
            declared: Cell::new(None),
            sent: Cell::new(0),
            bodyless: Cell::new(false),
            queue: RefCell::default(),
            queued: Cell::new(0),
            gone: Cell::new(false),
            changed: Event::default(),
        })
    }

    /// An applet that belongs to no connection, for tests of services: the body comes in the given pieces, and what is
    /// sent is collected for [`HttpApplet::take_sent`].
    pub fn detached(txn: Rc<Txn>, body: impl IntoIterator<Item = Bytes>) -> Rc<Self> {
        HttpApplet::new(txn, MessageBody::from_pieces(body))
    }

    /// The transaction; its [`request_head`](Txn::request_head) is the request to answer.
    pub fn txn(&self) -> &Rc<Txn> {
        &self.txn
    }

    /// Receives body until `max` bytes are gathered or the body has ended; without `max`, all of it. Empty at the end.
    /// The first call makes a client that sent `Expect: 100-continue` send its body.
    ///
    /// # Errors
    /// [`ServiceError::BrokenBody`], [`ServiceError::TooLarge`].
    pub fn receive(self: &Rc<Self>, max: Option<usize>) -> Run<'static, Result<Bytes, ServiceError>> {
        let this = self.clone();
        run_now_or_later(async move {
            let wanted = max.unwrap_or(usize::MAX);
            while this.pending.borrow().len() < wanted && this.fill().await? {}
            let mut pending = this.pending.borrow_mut();
            let length = wanted.min(pending.len());
            Ok(pending.split_to(length).freeze())
        })
    }

    /// Receives one line with its line feed; what is left of the body if there is none. Empty at the end.
    ///
    /// # Errors
    /// [`ServiceError::BrokenBody`], [`ServiceError::TooLarge`].
    pub fn getline(self: &Rc<Self>) -> Run<'static, Result<Bytes, ServiceError>> {
        let this = self.clone();
        run_now_or_later(async move {
            let mut searched = 0;
            loop {
                {
                    let mut pending = this.pending.borrow_mut();
                    let rest = pending.get(searched..).unwrap_or_default();
                    if let Some(at) = rest.iter().position(|b| *b == b'\n') {
                        return Ok(pending.split_to(searched + at + 1).freeze());
                    }
                    searched = pending.len();
                }
                if !this.fill().await? {
                    return Ok(this.pending.borrow_mut().split().freeze());
                }
            }
        })
    }

    /// Sets the status (200 if never set) and the reason phrase (the usual one if `None`).
    ///
    /// # Errors
    /// [`ServiceError::AlreadyStarted`], [`ServiceError::InvalidStatus`], [`ServiceError::InvalidHeader`] for the phrase.
    pub fn set_status(&self, status: i64, reason: Option<&[u8]>) -> Result<(), ServiceError> {
        self.not_started()?;
        let status = u16::try_from(status)
            .ok()
            .filter(|s| (200..=599).contains(s))
            .and_then(|s| StatusCode::from_u16(s).ok())
            .ok_or(ServiceError::InvalidStatus(status))?;
        let reason = match reason {
            Some(reason) => Some(
                ReasonPhrase::try_from(reason)
                    .map_err(|_| ServiceError::InvalidHeader("characters in the reason phrase".into()))?,
            ),
            None => None,
        };
        let mut head = self.head.borrow_mut();
        head.status = status;
        head.reason = reason;
        Ok(())
    }

    /// Adds a header field. A `content-length` declares the body's exact length; without one the body is sent in
    /// chunks (or until the connection's end, to an HTTP/1.0 client). `transfer-encoding` is the proxy's own affair and
    /// left out.
    ///
    /// # Errors
    /// [`ServiceError::AlreadyStarted`], [`ServiceError::InvalidHeader`].
    pub fn add_header(&self, name: &[u8], value: &[u8]) -> Result<(), ServiceError> {
        self.not_started()?;
        let name = HeaderName::from_bytes(name)
            .map_err(|_| ServiceError::InvalidHeader(format!("name `{}`", String::from_utf8_lossy(name))))?;
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| ServiceError::InvalidHeader(format!("characters in the value of `{name}`")))?;
        if name == names::TRANSFER_ENCODING {
            return Ok(());
        }
        if name == names::CONTENT_LENGTH {
            let length = value
                .to_str()
                .ok()
                .filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
            let Some(length) = length.and_then(|v| v.parse::<u64>().ok()) else {
                return Err(ServiceError::InvalidHeader("content-length is no number".into()));
            };
            if self.declared.get().is_some_and(|before| before != length) {
                return Err(ServiceError::InvalidHeader(
                    "two different content-lengths".into(),
                ));
            }
            if self.declared.replace(Some(length)).is_some() {
                return Ok(());
            }
        }
        self.head.borrow_mut().headers.append(name, value);
        Ok(())
    }

    /// Sends status and headers; from here on they are fixed and the body may be sent.
    ///
    /// # Errors
    /// [`ServiceError::AlreadyStarted`].
    pub fn start_response(&self) -> Result<(), ServiceError> {
        self.not_started()?;
        let status = self.head.borrow().status;
        let head_request = self.txn.request_head().is_some_and(|r| r.method == Method::HEAD);
        let no_body = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        self.bodyless.set(head_request || no_body);
        self.started.set(true);
        self.changed.notify();
        Ok(())
    }

    /// True once [`HttpApplet::start_response`] was called.
    pub fn is_started(&self) -> bool {
        self.started.get()
    }

    /// Sends a piece of the body. Completes at once while the client keeps up, else when there is room again.
    ///
    /// # Errors
    /// [`ServiceError::NotStarted`], [`ServiceError::ExcessBody`], [`ServiceError::ClientGone`].
    pub fn send(self: &Rc<Self>, bytes: Bytes) -> Run<'static, Result<(), ServiceError>> {
        if let Err(e) = self.enqueue(bytes) {
            return Run::ready(Err(e));
        }
        if self.queued.get() <= SEND_BYTES_MAX {
            return Run::ready(Ok(()));
        }
        let this = self.clone();
        Run::suspended(poll_fn(move |cx| {
            if this.gone.get() {
                return Poll::Ready(Err(ServiceError::ClientGone));
            }
            if this.queued.get() <= SEND_BYTES_MAX {
                return Poll::Ready(Ok(()));
            }
            this.changed.register(cx);
            Poll::Pending
        }))
    }

    /// Takes what was sent and not yet written to the client: status and headers once started, and the body so far.
    /// Makes room for more. For detached applets.
    pub fn take_sent(&self) -> Option<(StatusCode, Headers, Bytes)> {
        if !self.started.get() {
            return None;
        }
        let (status, headers) = {
            let head = self.head.borrow();
            (head.status, head.headers.clone())
        };
        let mut body = BytesMut::new();
        while let Some(piece) = self.pop() {
            body.extend_from_slice(&piece);
        }
        Some((status, headers, body.freeze()))
    }

    /// The next piece for the client.
    pub(crate) fn pop(&self) -> Option<Bytes> {
        let piece = self.queue.borrow_mut().pop_front()?;
        self.queued.set(self.queued.get() - piece.len());
        self.changed.notify();
        Some(piece)
    }

    /// True if something waits to be taken.
    pub(crate) fn has_queued(&self) -> bool {
        self.queued.get() > 0
    }

    /// Wakes the task of `cx` at the next change.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.changed.register(cx);
    }

    /// Takes status and headers for sending; to be called once, after the start.
    pub(crate) fn take_head(&self) -> ResponseHead {
        let empty = ResponseHead {
            status: StatusCode::OK,
            reason: None,
            headers: Headers::new(),
        };
        std::mem::replace(&mut *self.head.borrow_mut(), empty)
    }

    /// The declared content-length and the bytes sent so far.
    pub(crate) fn lengths(&self) -> (Option<u64>, u64) {
        (self.declared.get(), self.sent.get())
    }

    /// True if the client gets no body.
    pub(crate) fn is_bodyless(&self) -> bool {
        self.bodyless.get()
    }

    /// Says that nothing that is sent from here on reaches anybody.
    pub(crate) fn client_gone(&self) {
        self.gone.set(true);
        self.changed.notify();
    }

    fn not_started(&self) -> Result<(), ServiceError> {
        if self.started.get() {
            Err(ServiceError::AlreadyStarted)
        } else {
            Ok(())
        }
    }

    fn enqueue(&self, bytes: Bytes) -> Result<(), ServiceError> {
        if !self.started.get() {
            return Err(ServiceError::NotStarted);
        }
        if self.gone.get() {
            return Err(ServiceError::ClientGone);
        }
        let attempted = self.sent.get().saturating_add(bytes.len() as u64);
        if let Some(declared) = self.declared.get()
            && attempted > declared
        {
            return Err(ServiceError::ExcessBody { declared, attempted });
        }
        self.sent.set(attempted);
        if !bytes.is_empty() && !self.bodyless.get() {
            self.queued.set(self.queued.get() + bytes.len());
            self.queue.borrow_mut().push_back(bytes);
            self.changed.notify();
        }
        Ok(())
    }

    /// Adds the body's next piece to what is pending. False at the end.
    async fn fill(&self) -> Result<bool, ServiceError> {
        if self.pending.borrow().len() > RECEIVE_BYTES_MAX {
            return Err(ServiceError::TooLarge);
        }
        match poll_fn(|cx| self.poll_body(cx)).await {
            Some(Ok(piece)) => {
                self.pending.borrow_mut().extend_from_slice(&piece);
                Ok(true)
            }
            Some(Err(why)) => Err(ServiceError::BrokenBody(why)),
            None => Ok(false),
        }
    }

    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        self.body.borrow_mut().poll_piece(cx)
    }
}

/// The applet of a TCP service: one stream to talk to.
pub struct TcpApplet {
    txn: Rc<Txn>,
}

impl TcpApplet {
    /// The applet of a stream. Also for tests, on a [detached](Txn::detached) transaction: what the client sends is the
    /// input of its [`request_channel`](Txn::request_channel), what the service sends the output of its
    /// [`response_channel`](Txn::response_channel).
    pub fn new(txn: Rc<Txn>) -> Rc<Self> {
        Rc::new(TcpApplet { txn })
    }

    /// The transaction.
    pub fn txn(&self) -> &Rc<Txn> {
        &self.txn
    }

    /// Receives until `max` bytes are gathered or the client has ended its side; without `max`, all until that end.
    /// Empty at the end.
    ///
    /// # Errors
    /// [`ServiceError::TooLarge`].
    pub fn receive(self: &Rc<Self>, max: Option<usize>) -> Run<'static, Result<Bytes, ServiceError>> {
        let this = self.clone();
        run_now_or_later(async move {
            let wanted = max.unwrap_or(usize::MAX);
            let channel = this.txn.request_channel();
            let mut gathered = BytesMut::new();
            loop {
                let piece = channel.take(Some(wanted - gathered.len()));
                if gathered.is_empty() && piece.len() == wanted {
                    return Ok(piece);
                }
                gathered.extend_from_slice(&piece);
                if gathered.len() == wanted || !channel.may_recv() && channel.input_len() == 0 {
                    return Ok(gathered.freeze());
                }
                if gathered.len() > RECEIVE_BYTES_MAX {
                    return Err(ServiceError::TooLarge);
                }
                channel.wait_input(0).await;
            }
        })
    }

    /// Takes what is there, up to `max` bytes, without waiting. Empty if nothing is.
    pub fn try_receive(&self, max: Option<usize>) -> Bytes {
        self.txn.request_channel().take(max)
    }

    /// Receives one line with its line feed; at the end of the stream, what is left. Empty at the end. A line longer
    /// than the channel (`tune.bufsize`) comes in pieces.
    ///
    /// # Errors
    /// None so far.
    pub fn getline(self: &Rc<Self>) -> Run<'static, Result<Bytes, ServiceError>> {
        let this = self.clone();
        run_now_or_later(async move {
            let channel = this.txn.request_channel();
            loop {
                let seen = channel.input_len();
                if let Some(line) = channel.take_line() {
                    return Ok(line);
                }
                channel.wait_input(seen).await;
            }
        })
    }

    /// Sends bytes to the client. Completes when all of them are on their way.
    ///
    /// # Errors
    /// [`ServiceError::ClientGone`].
    pub fn send(self: &Rc<Self>, bytes: Bytes) -> Run<'static, Result<(), ServiceError>> {
        match self.txn.response_channel().send(&bytes) {
            Ok(()) => Run::ready(Ok(())),
            Err(ChannelError::Shut) => Run::ready(Err(ServiceError::ClientGone)),
            Err(ChannelError::Full { .. }) => {
                let this = self.clone();
                Run::suspended(async move {
                    let sent = this.txn.response_channel().send_all(bytes).await;
                    sent.map_err(|_| ServiceError::ClientGone)
                })
            }
        }
    }
}

/// Polls once without a task: what is there needs no box. What isn't, registers its waker when it is polled in earnest.
fn run_now_or_later<T>(future: impl Future<Output = T> + 'static) -> Run<'static, T> {
    let mut future = Box::pin(future);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        Poll::Ready(value) => Run::ready(value),
        Poll::Pending => Run::Suspended(future),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn applet(method: &str, body: &[&'static str]) -> Rc<HttpApplet> {
        let request = http::Request::builder().method(method).uri("/").body(()).unwrap();
        let txn = Txn::detached().request(request).build();
        HttpApplet::detached(txn, body.iter().map(|p| Bytes::from_static(p.as_bytes())))
    }

    fn now<T>(run: Run<'static, T>) -> T {
        run.now_or_never().unwrap()
    }

    #[test]
    fn the_body_is_received_in_lines_and_sizes_whatever_its_pieces() {
        let applet = applet("POST", &["ab", "c\nde", "fgh", "i"]);
        assert_eq!(&now(applet.getline()).unwrap()[..], b"abc\n");
        assert_eq!(&now(applet.receive(Some(3))).unwrap()[..], b"def");
        assert_eq!(&now(applet.receive(None)).unwrap()[..], b"ghi");
        assert_eq!(&now(applet.receive(None)).unwrap()[..], b"");
        assert_eq!(&now(applet.getline()).unwrap()[..], b"");
    }

    #[test]
    fn sending_needs_a_start_and_keeps_to_the_declared_length() {
        let applet = applet("GET", &[]);
        assert_eq!(now(applet.send("x".into())), Err(ServiceError::NotStarted));
        applet.add_header(b"Content-Length", b"3").unwrap();
        applet.start_response().unwrap();
        assert_eq!(applet.start_response(), Err(ServiceError::AlreadyStarted));
        now(applet.send("ab".into())).unwrap();
        let excess = ServiceError::ExcessBody {
            declared: 3,
            attempted: 4,
        };
        assert_eq!(now(applet.send("cd".into())), Err(excess));
        now(applet.send("c".into())).unwrap();
        assert_eq!(&applet.take_sent().unwrap().2[..], b"abc");
    }

    #[test]
    fn what_can_not_be_a_final_response_is_refused() {
        let applet = applet("GET", &[]);
        for status in [100, 101, 0, -5, 9999] {
            assert_eq!(
                applet.set_status(status, None),
                Err(ServiceError::InvalidStatus(status))
            );
        }
        assert!(applet.set_status(200, Some(b"a\r\nb")).is_err());
        assert!(applet.add_header(b"a b", b"x").is_err());
        assert!(applet.add_header(b"a", b"x\r\ny").is_err());
        assert!(applet.add_header(b"content-length", b"+3").is_err());
    }

    #[test]
    fn a_slow_client_makes_the_service_wait() {
        let applet = applet("GET", &[]);
        applet.start_response().unwrap();
        now(applet.send(vec![0; SEND_BYTES_MAX].into())).unwrap();
        let mut waiting = applet.send("more".into());
        assert!((&mut waiting).now_or_never().is_none());
        assert!(applet.pop().is_some());
        assert_eq!((&mut waiting).now_or_never(), Some(Ok(())));
    }

    #[test]
    fn a_tcp_service_reads_lines_and_answers() {
        let txn = Txn::detached().input("one\ntwo").build();
        let applet = TcpApplet::new(txn.clone());
        assert_eq!(&now(applet.getline()).unwrap()[..], b"one\n");
        let mut rest = applet.receive(None);
        assert!((&mut rest).now_or_never().is_none());
        txn.request_channel().end();
        assert_eq!(&(&mut rest).now_or_never().unwrap().unwrap()[..], b"two");
        now(applet.send("bye".into())).unwrap();
        assert_eq!(txn.response_channel().output_len(), 3);
        txn.response_channel().shut();
        assert_eq!(now(applet.send("x".into())), Err(ServiceError::ClientGone));
    }
}
