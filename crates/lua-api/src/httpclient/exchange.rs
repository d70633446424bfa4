//! A request on its way: connected to, sent, answered.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidegate_sample::head::{Headers, response};

use super::pool;
use super::request::Request;
use super::wire::{Body, Connection};
use crate::handle::stale;
use crate::run::Ends;
use crate::socket::{self};

/// The longest body of a response that is read as a whole.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What a script gets.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: Bytes,
    pub(super) headers: Headers,
    pub(super) body: Bytes,
    pub(super) error: Option<String>,
    /// The body, where the script reads it itself.
    pub(super) reader: Option<Reader>,
}

impl Answer {
    /// There is no response.
    pub(super) fn failed(why: impl Into<String>) -> Answer {
        Answer {
            status: 0,
            reason: Bytes::new(),
            headers: Headers::new(),
            body: Bytes::new(),
            error: Some(why.into()),
            reader: None,
        }
    }
}

/// The body of a response that a script reads.
pub(super) struct Reader(Mutex<Reading>);

/// How far it was read.
pub(super) enum Reading {
    /// So much is left; none while somebody reads, and at the end.
    Rest(Option<Rest>),
    /// The run that asked for it has ended.
    Stale,
}

/// What is left of a response.
pub(super) struct Rest {
    connection: Connection,
    timeout: Duration,
    kept_by: String,
}

impl Reader {
    /// What is left, for whoever reads; an error once it is nobody's any more.
    pub(super) fn take(&self) -> mlua::Result<Option<Rest>> {
        match &mut *self.reading() {
            Reading::Rest(rest) => Ok(rest.take()),
            Reading::Stale => Err(stale("HTTPClient")),
        }
    }

    pub(super) fn put_back(&self, rest: Option<Rest>) {
        if let Reading::Rest(left) = &mut *self.reading() {
            *left = rest;
        }
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends for Reader {
    fn end(&self) {
        *self.reading() = Reading::Stale;
    }
}

impl Rest {
    /// The next piece, if there is one, and what is left behind it.
    pub(super) async fn next(mut self) -> Result<(Option<Bytes>, Option<Rest>), String> {
        let piece = self.connection.piece();
        match tokio::time::timeout(self.timeout, piece).await {
            Err(_) => Err(TIMED_OUT.to_owned()),
            Ok(Some(Ok(piece))) => Ok((Some(piece), Some(self))),
            Ok(Some(Err(why))) => Err(why),
            Ok(None) => {
                pool::put(self.kept_by, self.connection);
                Ok((None, None))
            }
        }
    }
}

/// What is told of a server that is silent.
pub(super) const TIMED_OUT: &str = "timeout";

/// Sends a request and gathers its response.
pub(super) async fn run(request: Request, body: Body) -> Answer {
    match exchange(request, body).await {
        Ok(answer) => answer,
        Err(why) => Answer::failed(why),
    }
}

async fn exchange(request: Request, body: Body) -> Result<Answer, String> {
    // A connection that was kept may be closed by the time that it is used: then another one is tried. What may not be
    // sent twice goes over a connection of its own.
    if let (Body::Whole(whole), true) = (&body, request.head.method.is_idempotent()) {
        while let Some(mut connection) = pool::take(&request.kept_by) {
            let sent = connection.send(&request, Body::Whole(whole.clone()));
            if let Ok(head) = limited(request.timeout, sent).await? {
                return answered(request, connection, head).await;
            }
        }
    }
    let mut connection = connect(&request).await?;
    // A body that is given piece by piece takes as long as its function does: only silence of the server is limited.
    let limit = match &body {
        Body::Whole(_) => Some(request.timeout),
        Body::Pieces(_) => None,
    };
    let sent = connection.send(&request, body);
    let head = match limit {
        Some(limit) => limited(limit, sent).await??,
        None => sent.await?,
    };
    answered(request, connection, head).await
}

async fn connect(request: &Request) -> Result<Connection, String> {
    let settings = &request.settings;
    let mut left = settings.retries;
    loop {
        let opened = socket::open(&request.address, &settings.names, request.tls.as_ref());
        let why = match tokio::time::timeout(settings.connect_timeout, opened).await {
            Ok(Ok(stream)) => return Ok(Connection::new(stream)),
            // A name that nobody knows will not be known in a moment: who was asked has asked again already.
            Ok(Err(why)) if why.kind() == std::io::ErrorKind::NotFound => return Err(why.to_string()),
            Ok(Err(why)) => why.to_string(),
            Err(_) => "no connection in time".to_owned(),
        };
        if left == 0 {
            return Err(why);
        }
        left -= 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn answered(request: Request, connection: Connection, head: response::Parts) -> Result<Answer, String> {
    let mut told = Answer {
        status: head.status.as_u16(),
        reason: match &head.reason {
            Some(reason) => Bytes::copy_from_slice(reason.as_bytes()),
            None => Bytes::from_static(head.status.canonical_reason().unwrap_or_default().as_bytes()),
        },
        headers: head.headers,
        body: Bytes::new(),
        error: None,
        reader: None,
    };
    let rest = Rest {
        connection,
        timeout: request.timeout,
        kept_by: request.kept_by,
    };
    if request.stream {
        told.reader = Some(Reader(Mutex::new(Reading::Rest(Some(rest)))));
        return Ok(told);
    }
    let (mut body, mut left) = (BytesMut::new(), Some(rest));
    while let Some(rest) = left {
        let (piece, behind) = rest.next().await?;
        if let Some(piece) = piece {
            body.extend_from_slice(&piece);
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(format!(
                "the response is larger than {BODY_BYTES_MAX} bytes: `stream` lets it be read piece by piece"
            ));
        }
        left = behind;
    }
    told.body = body.freeze();
    Ok(told)
}

async fn limited<T>(limit: Duration, what: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(limit, what)
        .await
        .map_err(|_| TIMED_OUT.to_owned())
}
