//! HTTP/1 as a client speaks it: a connection of the codec (`tidegate_http1`) for one request at a time.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use tidegate_http1::{
    HeadLimits, Incoming, LAST_CHUNK, Leaving, Reading, ResponseHead, Step, chunk_size, field, fields,
    number, request_line,
};
use tidegate_sample::head::{names, response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc;

use super::exchange::TIMED_OUT;
use super::request::Request;
use crate::socket::Stream;

/// What is asked of the system at once.
const READ_BYTES: usize = 8192;
/// The most of a response that is held while the body of its request is still being sent.
const EARLY_BYTES_MAX: usize = 1 << 20;
/// Informational responses that a server may send before the final one.
const INTERIM_MAX: usize = 100;

/// A connection for one request at a time.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    held: Bytes,
    /// The peer has ended its side.
    ended: bool,
    /// It may serve another request, once the response is over.
    keeps: bool,
    /// What comes of the response.
    incoming: Incoming,
}

/// The body of a request.
pub(super) enum Body {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece, up to a `None`. Without one the request is broken off.
    Pieces(mpsc::Receiver<Option<Bytes>>),
}

/// Whether the body of a request is still wanted, by what came of its answer: such a server answers as it reads. One that
/// answers with an error or a redirect is through with it.
fn asks_for_more(held: &[u8]) -> bool {
    const CLASS_AT: usize = "HTTP/1.1 ".len();
    held.len() <= EARLY_BYTES_MAX && matches!(held.get(CLASS_AT), None | Some(b'1' | b'2'))
}

/// Writes some of it, or, if nothing is left, flushes: true then. Nothing is lost when it is dropped.
async fn push(to: &mut (impl AsyncWrite + Unpin), out: &mut Vec<u8>) -> std::io::Result<bool> {
    if out.is_empty() {
        return to.flush().await.map(|()| true);
    }
    match to.write(out).await? {
        0 => Err(std::io::ErrorKind::WriteZero.into()),
        written => {
            out.drain(..written);
            Ok(false)
        }
    }
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Connection {
        Connection {
            stream,
            held: Bytes::new(),
            ended: false,
            keeps: false,
            incoming: Incoming::NOTHING,
        }
    }

    /// Whether it can take another request: nothing came that was not asked for, and its peer has not closed it.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut byte = [0];
        let mut read = ReadBuf::new(&mut byte);
        self.keeps
            && self.incoming.is_over()
            && self.held.is_empty()
            && Pin::new(&mut self.stream)
                .poll_read(&mut cx, &mut read)
                .is_pending()
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(&mut self, request: &Request, body: Body) -> Result<response::Parts, String> {
        self.keeps = false;
        let whole = match body {
            Body::Whole(body) => {
                let mut out = head(request, Some(body.len()));
                out.extend_from_slice(&body);
                self.send_whole(&out).await?
            }
            Body::Pieces(pieces) => {
                self.write(&head(request, None)).await?;
                self.send_pieces(pieces, request.timeout).await?
            }
        };
        let limits = request.settings.limits;
        let head = self.receive_head(&request.head.method, limits).await?;
        self.keeps = whole && head.keep_alive;
        self.incoming = Incoming::new(head.framing, limits);
        Ok(head.parts)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = match self.stream.write_all(bytes).await {
            Ok(()) => self.stream.flush().await,
            failed => failed,
        };
        written.map_err(|why| why.to_string())
    }

    /// Sends a request with its body, and holds what comes of the answer meanwhile. False if that makes the rest needless.
    async fn send_whole(&mut self, request: &[u8]) -> Result<bool, String> {
        let failed = |why: std::io::Error| why.to_string();
        let written = self.stream.write(request).await.map_err(failed)?;
        // Most go out at once.
        let Some(mut out) = request.get(written..).filter(|out| !out.is_empty()) else {
            return self.stream.flush().await.map(|()| true).map_err(failed);
        };
        let (mut from, mut to) = tokio::io::split(&mut self.stream);
        let held = &mut self.held;
        while !out.is_empty() {
            tokio::select! {
                biased;
                written = to.write(out) => match written {
                    Ok(0) => return Err(failed(std::io::ErrorKind::WriteZero.into())),
                    Ok(written) => out = out.get(written..).unwrap_or_default(),
                    // Whoever answers may hear no more.
                    Err(_) if !held.is_empty() => return Ok(false),
                    Err(why) => return Err(failed(why)),
                },
                read = receive(&mut from, held) => {
                    let count = read.map_err(failed)?;
                    if count == 0 && held.is_empty() {
                        return Err("the server closed the connection".to_owned());
                    }
                    if count == 0 || !asks_for_more(held) {
                        return Ok(false);
                    }
                }
            }
        }
        to.flush().await.map(|()| true).map_err(failed)
    }

    /// Sends the pieces of a body as they come, and holds what comes of the answer meanwhile. False if that makes the
    /// rest of the body needless.
    async fn send_pieces(
        &mut self,
        mut pieces: mpsc::Receiver<Option<Bytes>>,
        patience: Duration,
    ) -> Result<bool, String> {
        let failed = |why: std::io::Error| why.to_string();
        let (mut from, mut to) = tokio::io::split(&mut self.stream);
        let held = &mut self.held;
        let (mut out, mut is_last, mut is_flushed) = (Vec::new(), false, true);
        loop {
            tokio::select! {
                biased;
                pushed = push(&mut to, &mut out), if !(out.is_empty() && is_flushed) => {
                    match pushed {
                        Ok(flushed) => is_flushed = flushed,
                        // Whoever answers may hear no more.
                        Err(_) if !held.is_empty() => return Ok(false),
                        Err(why) => return Err(failed(why)),
                    }
                    if is_flushed && is_last {
                        return Ok(true);
                    }
                }
                piece = pieces.recv(), if out.is_empty() && is_flushed => match piece {
                    None => return Err("the body was broken off".to_owned()),
                    Some(None) => {
                        out.extend_from_slice(LAST_CHUNK);
                        out.extend_from_slice(b"\r\n");
                        is_last = true;
                    }
                    // An empty chunk would be the end.
                    Some(Some(piece)) if piece.is_empty() => {}
                    Some(Some(piece)) => {
                        chunk_size(&mut out, piece.len());
                        out.extend_from_slice(&piece);
                        out.extend_from_slice(b"\r\n");
                    }
                },
                read = receive(&mut from, held) => {
                    let count = read.map_err(failed)?;
                    if count == 0 && held.is_empty() {
                        return Err("closed".to_owned());
                    }
                    if count == 0 || !asks_for_more(held) {
                        return Ok(false);
                    }
                }
                () = tokio::time::sleep(patience), if !(out.is_empty() && is_flushed) => {
                    return match held.is_empty() {
                        true => Err(TIMED_OUT.to_owned()),
                        false => Ok(false),
                    };
                }
            }
        }
    }

    /// The head of the final response.
    async fn receive_head(&mut self, asked: &Method, limits: HeadLimits) -> Result<ResponseHead, String> {
        let mut interim = 0;
        loop {
            match tidegate_http1::response(&self.held, limits, asked) {
                Reading::Head(head, length) => {
                    self.held.advance(length);
                    let status = head.parts.status;
                    if status == http::StatusCode::SWITCHING_PROTOCOLS {
                        return Err("the server switches protocols".to_owned());
                    }
                    if !status.is_informational() {
                        return Ok(head);
                    }
                    interim += 1;
                    if interim > INTERIM_MAX {
                        return Err("invalid response: too many that are informational".to_owned());
                    }
                }
                Reading::Mended(mended) => self.held = mended,
                Reading::TooLarge => return Err("the head of the response is too large".to_owned()),
                Reading::Unreadable(at) => return Err(format!("invalid response at its byte {at}")),
                Reading::Partial => {
                    if !self.receive().await? {
                        return Err("the server closed the connection".to_owned());
                    }
                }
            }
        }
    }

    /// The next piece of a body; none at its end.
    pub(super) async fn piece(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            match self.incoming.step(&mut self.held, self.ended) {
                Step::Piece(piece) => return Some(Ok(piece)),
                Step::Trailers(_) => {}
                Step::End => return None,
                Step::Bad(why) => return Some(Err(why.to_owned())),
                Step::More => {
                    if let Err(why) = self.receive().await {
                        return Some(Err(why));
                    }
                }
            }
        }
    }

    /// Receives more; false at the end.
    async fn receive(&mut self) -> Result<bool, String> {
        let read = receive(&mut self.stream, &mut self.held).await;
        let read = read.map_err(|why| why.to_string())?;
        self.ended = read == 0;
        Ok(!self.ended)
    }
}

/// Receives more: says how much, 0 at the end. Nothing is lost when it is dropped.
async fn receive(from: &mut (impl AsyncRead + Unpin), held: &mut Bytes) -> std::io::Result<usize> {
    let mut room = BytesMut::with_capacity(READ_BYTES);
    let read = from.read_buf(&mut room).await?;
    let piece = room.freeze();
    *held = match held.is_empty() {
        true => piece,
        false => [&held[..], &piece].concat().into(),
    };
    Ok(read)
}

/// The head of a request. Without a length its body comes in chunks.
fn head(request: &Request, length: Option<usize>) -> Vec<u8> {
    let head = &request.head;
    let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&head.method);
    let leaving = match length {
        None => Leaving::Chunked,
        Some(0) if !has_body => Leaving::Nothing,
        Some(length) => Leaving::Length(length as u64),
    };
    let mut out = Vec::with_capacity(256);
    request_line(&mut out, head, leaving);
    fields(&mut out, &head.headers, None);
    match leaving {
        Leaving::Chunked => field(&mut out, names::TRANSFER_ENCODING, b"chunked", None),
        Leaving::Length(length) => {
            let mut digits = Vec::new();
            number(&mut digits, length, 10);
            field(&mut out, names::CONTENT_LENGTH, &digits, None);
        }
        Leaving::Nothing | Leaving::UntilEnd => {}
    }
    out.extend_from_slice(b"\r\n");
    out
}
