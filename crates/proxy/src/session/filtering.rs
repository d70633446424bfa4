//! A message's way past the filters of its proxies: the frontend's, then the backend's.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use http_body::Body;
use tidegate_sample::Way;
use tidegate_sample::head::names::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tidegate_sample::head::{Headers, response};

use super::outgoing::{Content, Filtered};
use super::stream::HttpStream;
use crate::body::MessageBody;
use crate::cache::{Recorded, Recording};
use crate::ext::Failure;
use crate::filter::chain::Chain;
use crate::filter::{Filter, Filters};
use crate::txn::{Phase, Txn};
use crate::worker::Backend;

/// A filter broke, which is logged already: the message can't go on.
pub(super) struct Broken;

impl HttpStream {
    /// Has filters take part in a transaction, and tells them that its request is next.
    pub(super) async fn attach_filters(&self, filters: &Filters, txn: &Rc<Txn>) -> Result<(), StatusCode> {
        if filters.is_empty() {
            return Ok(());
        }
        let attached = async {
            let attached = txn.attachments.attach(filters, txn).await;
            attached.map_err(|failure| (failure, StatusCode::INTERNAL_SERVER_ERROR, *b"IR"))?;
            let started = txn.attachments.start(txn, Way::Request).await;
            started.map_err(|failure| (failure, StatusCode::BAD_REQUEST, *b"PR"))
        };
        Box::pin(attached).await.map_err(|(failure, status, state)| {
            broken(txn, &failure, state);
            status
        })
    }

    /// Tells the filters that the response is next.
    pub(super) async fn start_response(&self, txn: &Rc<Txn>) -> Result<(), Broken> {
        if txn.attachments.is_empty() {
            return Ok(());
        }
        let phase = txn.phase.replace(Phase::Response);
        let started = Box::pin(txn.attachments.start(txn, Way::Response)).await;
        txn.phase.set(phase);
        started.map_err(|failure| broken(txn, &failure, *b"PH"))
    }

    /// Shows the filters a request that is about to go to a server, or to a service.
    pub(crate) async fn filter_request(
        &self,
        backend: Option<&Backend>,
        txn: &Rc<Txn>,
        body: MessageBody,
    ) -> Result<MessageBody, Broken> {
        let of_backend = backend
            .map(|backend| backend.filters.of(Way::Request))
            .unwrap_or_default();
        if self.frontend.filters.of(Way::Request).is_empty() && of_backend.is_empty() {
            return Ok(body);
        }
        Box::pin(self.filtered_request(of_backend, txn, body)).await
    }

    async fn filtered_request(
        &self,
        of_backend: &[Rc<dyn Filter>],
        txn: &Rc<Txn>,
        body: MessageBody,
    ) -> Result<MessageBody, Broken> {
        let has_body = !body.is_ended();
        let told = txn.request_head().and_then(|head| length(&head.headers));
        let filters = self.frontend.filters.of(Way::Request).iter().chain(of_backend);
        let chain = chain(Chain::default(), filters, txn, Way::Request, has_body).await;
        let chain = chain.map_err(|failure| broken(txn, &failure, *b"PR"))?;
        let framing = match txn.request_head_mut() {
            Some(mut head) => Framing::settle(&mut head.headers, told, &chain),
            None => Framing::Open,
        };
        if chain.is_empty() {
            return Ok(body);
        }
        let bytes_max = self.worker.shared.global.buffer_bytes;
        let looks = !txn.attachments.is_empty();
        let mut body = MessageBody::filtered(body, chain, txn.clone());
        let mut ahead = VecDeque::new();
        let mut held = 0;
        let mut ended = false;
        while looks && !ended && framing.looks_ahead(has_body, held, ahead.is_empty(), bytes_max) {
            match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                Some(Ok(frame)) => {
                    held += frame.data_ref().map_or(0, Bytes::len);
                    ahead.push_back(frame);
                    ended = body.is_ended();
                }
                Some(Err(_)) => {
                    txn.facts.borrow_mut().termination = Some(*b"PR");
                    return Err(Broken);
                }
                None => ended = true,
            }
        }
        if let Some(mut head) = txn.request_head_mut() {
            let length = framing.tell(&mut head.headers, body.changed_length(), ended.then_some(held));
            body.declare(length);
        }
        for frame in ahead.into_iter().rev() {
            body.unread_frame(frame);
        }
        Ok(body)
    }

    /// Whether there is anything that a response is to be shown to.
    pub(crate) fn filters_response(&self, backend: Option<&Backend>, txn: &Txn, content: &Content) -> bool {
        let any = || !self.frontend.filters.is_empty() || backend.is_some_and(|b| !b.filters.is_empty());
        match content {
            Content::Server(_) | Content::Service(_) => any() || txn.caching.records(),
            Content::Cached(..) => any(),
            // What a service has made in one go; replies of rules and pages of errors pass as they are.
            Content::Full(_) | Content::Empty => {
                let facts = txn.facts.borrow();
                facts.service.is_some() && facts.termination == Some(*b"LR") && any()
            }
            Content::Filtered(_) => false,
        }
    }

    /// Shows the filters a response that a server or a service made.
    pub(super) async fn filter_response(
        &self,
        backend: Option<&Backend>,
        txn: &Rc<Txn>,
        head: response::Parts,
        content: Content,
    ) -> Result<(response::Parts, Content), Broken> {
        let of_backend = backend
            .map(|backend| backend.filters.of(Way::Response))
            .unwrap_or_default();
        let recordings = match content {
            Content::Server(_) | Content::Service(_) => txn.caching.recordings(),
            Content::Cached(..) | Content::Full(_) | Content::Empty => Vec::new(),
            Content::Filtered(_) => return Ok((head, content)),
        };
        if recordings.is_empty() && self.frontend.filters.is_empty() && of_backend.is_empty() {
            return Ok((head, content));
        }
        self.start_response(txn).await?;
        txn.phase.set(Phase::Response);
        let spare = response::Parts::default();
        let told = length(&head.headers);
        *txn.response.borrow_mut() = Some(head);
        let has_body = !content.is_ended();
        let mut recorded = Chain::default();
        for recorder in recordings.into_iter().filter_map(Recording::begin) {
            if has_body {
                recorded.push(Box::new(Recorded(Some(recorder))));
            } else {
                recorder.finish();
            }
        }
        let filters = self.frontend.filters.of(Way::Response).iter().chain(of_backend);
        let chain = Box::pin(chain(recorded, filters, txn, Way::Response, has_body)).await;
        let chain = chain.map_err(|failure| broken(txn, &failure, *b"PH"))?;
        let framing = match txn.response_head_mut() {
            Some(mut head) => Framing::settle(&mut head.headers, told, &chain),
            None => Framing::Open,
        };
        if chain.is_empty() {
            let head = txn.response.borrow_mut().take().unwrap_or(spare);
            return Ok((head, content));
        }
        // The length is that of what isn't sent then.
        let is_bodyless = |status| matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let bodyless = txn.request_head().is_some_and(|head| head.method == Method::HEAD)
            || txn.response_head().is_some_and(|head| is_bodyless(head.status));
        let mut filtered = Filtered::new(content, chain);
        if !txn.attachments.is_empty() {
            self.look_ahead(txn, &framing, has_body, &mut filtered).await?;
        }
        let head = txn.response.borrow_mut().take();
        let mut head = head.unwrap_or(spare);
        let length = framing.tell(&mut head.headers, filtered.changed_length(), filtered.length());
        filtered.declare(length.filter(|_| !bodyless));
        if txn.attachments.is_empty() {
            return Ok((head, Content::Filtered(Box::new(filtered))));
        }
        // Filters may look at the head while they see the body.
        *txn.response.borrow_mut() = Some(head.clone());
        Ok((
            head,
            match has_body || !bodyless && !filtered.is_ended() {
                true => Content::Filtered(Box::new(filtered)),
                false => filtered.into_source(),
            },
        ))
    }

    /// Shows the filters the head of a response that makes a tunnel of the connection.
    pub(super) async fn filter_switch(
        &self,
        backend: &Backend,
        txn: &Rc<Txn>,
        head: response::Parts,
    ) -> Result<response::Parts, Broken> {
        if txn.attachments.is_empty() {
            return Ok(head);
        }
        let phase = txn.phase.replace(Phase::Response);
        *txn.response.borrow_mut() = Some(head);
        let filters = self
            .frontend
            .filters
            .of(Way::Response)
            .iter()
            .chain(backend.filters.of(Way::Response));
        // There is no body: what passes the tunnel is shown as a stream.
        let seen = Box::pin(async {
            chain(Chain::default(), filters.clone(), txn, Way::Response, false).await?;
            for filter in filters {
                if let Some(Some(at_work)) = txn.attachments.of(filter) {
                    at_work.http_end(txn, Way::Response).await?;
                }
            }
            Ok(())
        })
        .await;
        txn.phase.set(phase);
        seen.map_err(|failure: Failure| broken(txn, &failure, *b"PH"))?;
        let head = txn.response.borrow().clone();
        head.ok_or(Broken)
    }

    /// Lets a body pass its filters as far as its framing depends on what comes out.
    async fn look_ahead(
        &self,
        txn: &Rc<Txn>,
        framing: &Framing,
        has_body: bool,
        filtered: &mut Filtered,
    ) -> Result<(), Broken> {
        let bytes_max = self.worker.shared.global.buffer_bytes;
        while !filtered.chain_ended()
            && framing.looks_ahead(has_body, filtered.held(), filtered.held() == 0, bytes_max)
        {
            let timer = &self.timer;
            let came = poll_fn(|cx| filtered.poll_ahead(cx, timer, txn)).await;
            if came.is_err() {
                return Err(Broken);
            }
        }
        Ok(())
    }
}

/// How a body's length is told, once filters have seen the head.
enum Framing {
    /// Not at all.
    Open,
    /// As it came, whatever a filter does: what comes out is to fit.
    Kept(u64),
    /// As a filter said.
    Declared(u64),
    /// It was not told before.
    Unknown,
}

impl Framing {
    /// Settles what is told. What says that the body comes in chunks is a wish; the codecs do what can be done.
    fn settle(headers: &mut Headers, told: Option<u64>, chain: &Chain) -> Framing {
        let chunked = headers.remove(TRANSFER_ENCODING);
        if chain.is_empty() {
            return Framing::Open;
        }
        if chunked || !chain.keeps_length() {
            headers.remove(CONTENT_LENGTH);
            return Framing::Open;
        }
        match (length(headers), told) {
            (None, _) => {
                headers.remove(CONTENT_LENGTH);
                Framing::Unknown
            }
            (Some(length), Some(told)) if length == told => Framing::Kept(length),
            (Some(length), _) => Framing::Declared(length),
        }
    }

    /// Whether more of the body has to pass first: enough to see whether there is one, or all of it where that fits into a
    /// buffer and its length is told.
    fn looks_ahead(&self, has_body: bool, held: usize, nothing: bool, bytes_max: usize) -> bool {
        match self {
            _ if !has_body => nothing,
            Framing::Kept(length) => {
                *length <= bytes_max as u64 && held <= bytes_max.saturating_mul(LOOK_AHEAD_BUFFERS)
            }
            Framing::Open | Framing::Declared(_) | Framing::Unknown => false,
        }
    }

    /// Tells the length, where it is another one by now: `whole` if all of the body has passed. What comes out is to be as
    /// long as what this gives.
    fn tell(&self, headers: &mut Headers, changed: bool, whole: Option<usize>) -> Option<u64> {
        match self {
            Framing::Kept(length) if !changed => return Some(*length),
            Framing::Declared(length) => return Some(*length),
            Framing::Open | Framing::Unknown => return None,
            Framing::Kept(_) => headers.remove(CONTENT_LENGTH),
        };
        if let Some(length) = whole {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None
    }
}

/// So many buffers may be held of a body whose length is known only when all of it has passed.
const LOOK_AHEAD_BUFFERS: usize = 4;

fn length(headers: &Headers) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn broken(txn: &Txn, failure: &Failure, state: [u8; 2]) -> Broken {
    txn.log_failure("filter", failure);
    txn.facts.borrow_mut().termination = Some(state);
    Broken
}

async fn chain<'a>(
    mut chain: Chain,
    filters: impl Iterator<Item = &'a Rc<dyn Filter>>,
    txn: &Rc<Txn>,
    way: Way,
    has_body: bool,
) -> Result<Chain, Failure> {
    for filter in filters {
        let data = match txn.attachments.of(filter) {
            Some(None) => None,
            Some(Some(at_work)) => at_work.http_headers(txn, way, has_body).await?,
            None => filter.message(txn, way, has_body).await.filter(|_| has_body),
        };
        if let Some(data) = data {
            chain.push(data);
        }
    }
    Ok(chain)
}
