//! Requests of checks on connections of sessions' kind: of HTTP/2, or of those that sessions take too.

use std::future::poll_fn;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Version};
use tidegate_sample::head::{Headers, Target, names, request, response};

use super::message::Response;
use crate::body::MessageBody;
use crate::upstream::Server;
use crate::upstream::link::Link;

/// By this number sessions would know whose connection it is; none has it.
const NOBODY: usize = usize::MAX;

/// Such a connection, and what was last asked on it.
pub(super) struct Exchange {
    link: Option<Link>,
    /// To whose pool the connection goes back.
    home: Option<Rc<Server>>,
    asked: Option<Box<(request::Parts, MessageBody)>>,
    response: Option<Response>,
    body: MessageBody,
}

/// There is no response, or it broke off.
pub(super) struct Broken;

impl Exchange {
    pub(super) fn new(link: Link, home: Option<Rc<Server>>) -> Exchange {
        Exchange {
            link: Some(link),
            home,
            asked: None,
            response: None,
            body: MessageBody::default(),
        }
    }

    /// Prepares a request; it is sent when its response is waited for.
    pub(super) fn ask(
        &mut self,
        method: &Method,
        uri: &[u8],
        version: Version,
        fields: Vec<(HeaderName, Vec<u8>)>,
        body: Option<Bytes>,
    ) -> Result<(), Broken> {
        let uri = Target::parse(&Bytes::copy_from_slice(uri)).map_err(|_| Broken)?;
        let mut headers = Headers::new();
        for (name, value) in fields {
            let ours = name == names::CONTENT_LENGTH
                || name == names::TRANSFER_ENCODING
                || name == names::CONNECTION;
            if !ours {
                headers.append(name, HeaderValue::from_bytes(&value).map_err(|_| Broken)?);
            }
        }
        if let Some(body) = &body {
            headers.append(names::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if version == Version::HTTP_10 {
            headers.append(names::CONNECTION, HeaderValue::from_static("keep-alive"));
        }
        let head = request::Parts::new(method.clone(), uri, version, headers);
        let body = MessageBody::from_pieces(body);
        self.asked = Some(Box::new((head, body)));
        self.response = None;
        Ok(())
    }

    /// What has come of the response.
    pub(super) fn response(&self) -> Option<&Response> {
        self.response.as_ref()
    }

    /// Whether the connection could be left to others if only the rest of the response were received.
    pub(super) fn may_leave(&self, bytes_max: usize) -> bool {
        let waits = |response: &Response| !response.complete && response.body.len() < bytes_max;
        self.home.is_some() && self.response.as_ref().is_some_and(waits)
    }

    /// Waits for more of it.
    pub(super) async fn receive(&mut self) -> Result<(), Broken> {
        let link = self.link.as_mut().ok_or(Broken)?;
        if let Some(asked) = self.asked.take() {
            let (head, body) = *asked;
            link.made().life.carries(NOBODY);
            let (head, body) = link.send(head, body, |_| {}).await.map_err(|_| Broken)?;
            self.response = Some(begun(head, body.is_ended()));
            self.body = body;
            return Ok(());
        }
        let response = self.response.as_mut().ok_or(Broken)?;
        let body = &mut self.body;
        let piece = poll_fn(|cx| {
            let _ = link.drive(cx);
            body.poll_piece(cx)
        });
        match piece.await {
            Some(Ok(bytes)) => response.body.extend_from_slice(&bytes),
            Some(Err(_)) => return Err(Broken),
            None => {}
        }
        response.complete = self.body.is_ended();
        Ok(())
    }

    /// Whether the connection goes on when this is dropped: others are to have it, and nothing of the response is left on it.
    pub(super) fn goes_home(&self) -> bool {
        let complete = self.response.as_ref().is_some_and(|response| response.complete);
        self.home.is_some() && complete
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let goes_home = self.goes_home();
        if let (Some(home), Some(link)) = (&self.home, self.link.take())
            && goes_home
        {
            home.pool.put(link);
        }
    }
}

fn begun(head: response::Parts, complete: bool) -> Response {
    Response {
        status: head.status,
        reason: head.status.canonical_reason().unwrap_or_default().to_owned(),
        version: head.version,
        headers: head.headers,
        body: Vec::new(),
        complete,
    }
}
