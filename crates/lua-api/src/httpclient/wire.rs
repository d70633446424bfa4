//! HTTP/1 as a client speaks it.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method};
use tidegate_sample::head::{Headers, names};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc;

use super::exchange::TIMED_OUT;
use super::request::Request;
use crate::socket::Stream;

/// The longest head of a response, and the most fields in it.
const HEAD_BYTES_MAX: usize = 64 << 10;
const FIELDS_MAX: usize = 128;
/// The most of a response that is held while the body of its request is still being sent.
const EARLY_BYTES_MAX: usize = 1 << 20;
/// The longest line before a chunk.
const LINE_BYTES_MAX: usize = 4096;

/// A connection for one request at a time.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    held: BytesMut,
    /// The peer lets it be used again, once the response is over.
    keeps: bool,
    is_idle: bool,
}

/// The body of a request.
pub(super) enum Body {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece, up to a `None`. Without one the request is broken off.
    Pieces(mpsc::Receiver<Option<Bytes>>),
}

/// The head of a response.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: Bytes,
    pub(super) headers: Headers,
}

/// The body of a response, on its way.
pub(super) struct Incoming(Left);

/// What is left of it.
#[derive(Clone, Copy)]
enum Left {
    Length(u64),
    Chunk(u64),
    ChunkSize,
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
}

/// Whether the body of a request is still wanted, by what came of its answer: such a server answers as it reads. One that
/// answers with an error or a redirect is through with it.
fn asks_for_more(held: &[u8]) -> bool {
    const CLASS_AT: usize = "HTTP/1.1 ".len();
    held.len() <= EARLY_BYTES_MAX && matches!(held.get(CLASS_AT), None | Some(b'1' | b'2'))
}

/// Writes some of it, or, if nothing is left, flushes: true then. Nothing is lost when it is dropped.
async fn push(to: &mut (impl AsyncWrite + Unpin), out: &mut BytesMut) -> std::io::Result<bool> {
    if out.is_empty() {
        return to.flush().await.map(|()| true);
    }
    match to.write_buf(out).await? {
        0 => Err(std::io::ErrorKind::WriteZero.into()),
        _ => Ok(false),
    }
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Connection {
        Connection {
            stream,
            held: BytesMut::new(),
            keeps: false,
            is_idle: false,
        }
    }

    /// Whether it can take another request: nothing came that was not asked for, and its peer has not closed it.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut byte = [0];
        let mut read = ReadBuf::new(&mut byte);
        self.is_idle
            && self.held.is_empty()
            && Pin::new(&mut self.stream)
                .poll_read(&mut cx, &mut read)
                .is_pending()
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(&mut self, request: &Request, body: Body) -> Result<(Head, Incoming), String> {
        self.is_idle = false;
        self.keeps = false;
        let mut whole = true;
        let sent = match body {
            Body::Whole(body) => {
                let mut out = head(request, Some(body.len()));
                out.extend_from_slice(&body);
                self.stream.write_all(&out).await
            }
            Body::Pieces(pieces) => {
                let out = head(request, None);
                match self.stream.write_all(&out).await {
                    Ok(()) => {
                        whole = self.send_pieces(pieces, request.timeout).await?;
                        Ok(())
                    }
                    failed => failed,
                }
            }
        };
        let sent = match sent {
            Ok(()) => self.stream.flush().await,
            failed => failed,
        };
        sent.map_err(|why| why.to_string())?;
        let (head, version) = self.receive_head().await?;
        let incoming = incoming(&request.method, &head)?;
        let says = |word: &str| {
            let values = head.headers.get_all(names::CONNECTION);
            let mut words = values
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','));
            words.any(|known| known.trim().eq_ignore_ascii_case(word))
        };
        self.keeps = whole
            && !matches!(incoming, Left::UntilClose)
            && if version == 1 {
                !says("close")
            } else {
                says("keep-alive")
            };
        self.is_idle = self.keeps && matches!(incoming, Left::Done);
        Ok((head, Incoming(incoming)))
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
        let (mut out, mut is_last, mut is_flushed) = (BytesMut::new(), false, true);
        loop {
            self.held.reserve(4096);
            tokio::select! {
                biased;
                pushed = push(&mut to, &mut out), if !(out.is_empty() && is_flushed) => {
                    match pushed {
                        Ok(flushed) => is_flushed = flushed,
                        // Whoever answers may hear no more.
                        Err(_) if !self.held.is_empty() => return Ok(false),
                        Err(why) => return Err(failed(why)),
                    }
                    if is_flushed && is_last {
                        return Ok(true);
                    }
                }
                piece = pieces.recv(), if out.is_empty() && is_flushed => match piece {
                    None => return Err("the body was broken off".to_owned()),
                    Some(None) => {
                        out.extend_from_slice(b"0\r\n\r\n");
                        is_last = true;
                    }
                    // An empty chunk would be the end.
                    Some(Some(piece)) if piece.is_empty() => {}
                    Some(Some(piece)) => {
                        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                        out.extend_from_slice(&piece);
                        out.extend_from_slice(b"\r\n");
                    }
                },
                read = from.read_buf(&mut self.held) => {
                    let count = read.map_err(failed)?;
                    if count == 0 && self.held.is_empty() {
                        return Err("closed".to_owned());
                    }
                    if count == 0 || !asks_for_more(&self.held) {
                        return Ok(false);
                    }
                }
                () = tokio::time::sleep(patience), if !(out.is_empty() && is_flushed) => {
                    return match self.held.is_empty() {
                        true => Err(TIMED_OUT.to_owned()),
                        false => Ok(false),
                    };
                }
            }
        }
    }

    /// The final response's head, and the minor version of HTTP/1.
    async fn receive_head(&mut self) -> Result<(Head, u8), String> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
            let mut parsed = httparse::Response::new(&mut fields);
            match parsed
                .parse(&self.held)
                .map_err(|why| format!("invalid response: {why}"))?
            {
                httparse::Status::Complete(length) => {
                    let (status, version) = (parsed.code.unwrap_or(0), parsed.version.unwrap_or(0));
                    let reason = Bytes::copy_from_slice(parsed.reason.unwrap_or_default().as_bytes());
                    let mut headers = Headers::new();
                    for field in parsed.headers.iter() {
                        let name =
                            HeaderName::from_bytes(field.name.as_bytes()).map_err(|why| why.to_string())?;
                        let value = HeaderValue::from_bytes(field.value).map_err(|why| why.to_string())?;
                        headers.append(name, value);
                    }
                    self.held.advance(length);
                    match status {
                        101 => return Err("the server switches protocols".to_owned()),
                        // Another one follows.
                        100..200 => continue,
                        _ => {}
                    }
                    let head = Head {
                        status,
                        reason,
                        headers,
                    };
                    return Ok((head, version));
                }
                httparse::Status::Partial if self.held.len() > HEAD_BYTES_MAX => {
                    return Err("the head of the response is too long".to_owned());
                }
                httparse::Status::Partial => self.fill().await?,
            }
        }
    }

    /// The next piece of a body; none at its end.
    pub(super) async fn piece(&mut self, incoming: &mut Incoming) -> Option<Result<Bytes, String>> {
        match self.next(&mut incoming.0).await {
            Ok(Some(piece)) => Some(Ok(piece)),
            Ok(None) => {
                self.is_idle = self.keeps;
                None
            }
            Err(why) => Some(Err(why)),
        }
    }

    async fn next(&mut self, left: &mut Left) -> Result<Option<Bytes>, String> {
        loop {
            match *left {
                Left::Done => return Ok(None),
                Left::Length(0) => *left = Left::Done,
                Left::Chunk(0) => *left = Left::ChunkEnd,
                Left::Length(n) | Left::Chunk(n) => {
                    if self.held.is_empty() {
                        self.fill().await?;
                    }
                    let length = usize::try_from(n).unwrap_or(usize::MAX).min(self.held.len());
                    let rest = n - length as u64;
                    *left = match left {
                        Left::Chunk(_) => Left::Chunk(rest),
                        _ => Left::Length(rest),
                    };
                    return Ok(Some(self.held.split_to(length).freeze()));
                }
                Left::UntilClose => {
                    if self.held.is_empty() && !self.fill_or_end().await? {
                        *left = Left::Done;
                        continue;
                    }
                    return Ok(Some(self.held.split().freeze()));
                }
                Left::ChunkSize => {
                    let line = self.line().await?;
                    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                    let digits = std::str::from_utf8(digits.trim_ascii()).unwrap_or_default();
                    // A sign is no digit.
                    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                    let size = u64::from_str_radix(digits, 16).ok().filter(|_| plain);
                    *left = match size {
                        Some(0) => Left::Trailers,
                        Some(size) => Left::Chunk(size),
                        None => return Err("invalid size of a chunk".to_owned()),
                    };
                }
                Left::ChunkEnd => {
                    if !self.line().await?.is_empty() {
                        return Err("invalid end of a chunk".to_owned());
                    }
                    *left = Left::ChunkSize;
                }
                Left::Trailers => {
                    if self.line().await?.is_empty() {
                        *left = Left::Done;
                    }
                }
            }
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<Bytes, String> {
        loop {
            if let Some(at) = self.held.iter().position(|byte| *byte == b'\n') {
                let mut line = self.held.split_to(at + 1);
                line.truncate(at);
                if line.last() == Some(&b'\r') {
                    line.truncate(at - 1);
                }
                return Ok(line.freeze());
            }
            if self.held.len() > LINE_BYTES_MAX {
                return Err("a line of the response is too long".to_owned());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), String> {
        match self.fill_or_end().await? {
            true => Ok(()),
            false => Err("the server closed the connection".to_owned()),
        }
    }

    async fn fill_or_end(&mut self) -> Result<bool, String> {
        self.held.reserve(8192);
        let read = self.stream.read_buf(&mut self.held).await;
        read.map(|n| n > 0).map_err(|why| why.to_string())
    }
}

/// The head of a request. Without a length its body comes in chunks.
fn head(request: &Request, length: Option<usize>) -> BytesMut {
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let slash = if target.starts_with('/') { "" } else { "/" };
    let mut out = BytesMut::new();
    out.extend_from_slice(format!("{} {slash}{target} HTTP/1.1\r\n", request.method).as_bytes());
    for (name, value) in request.headers.iter() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
    match length {
        None => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Some(0) if !has_body => {}
        Some(length) => out.extend_from_slice(format!("content-length: {length}\r\n").as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// How a response's body ends.
fn incoming(method: &Method, head: &Head) -> Result<Left, String> {
    if *method == Method::HEAD || matches!(head.status, 204 | 304) {
        return Ok(Left::Done);
    }
    if let Some(last) = head.headers.get_all(names::TRANSFER_ENCODING).next_back() {
        let last = last
            .to_str()
            .unwrap_or_default()
            .rsplit(',')
            .next()
            .unwrap_or_default();
        return match last.trim().eq_ignore_ascii_case("chunked") {
            true => Ok(Left::ChunkSize),
            false => Ok(Left::UntilClose),
        };
    }
    let mut lengths = head.headers.get_all(names::CONTENT_LENGTH);
    let Some(first) = lengths.next() else {
        return Ok(Left::UntilClose);
    };
    let text = first.to_str().unwrap_or_default();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let length = text
        .parse()
        .ok()
        .filter(|_| plain && lengths.all(|other| other == first));
    match length {
        Some(0) => Ok(Left::Done),
        Some(length) => Ok(Left::Length(length)),
        None => Err("invalid content-length".to_owned()),
    }
}
