//! A message's way past the filters of its proxies: the frontend's, then the backend's.

use std::rc::Rc;

use tidegate_sample::Way;
use tidegate_sample::head::names::CONTENT_LENGTH;
use tidegate_sample::head::response;

use super::outgoing::{Content, Filtered};
use super::stream::HttpStream;
use crate::body::MessageBody;
use crate::cache::{Recorded, Recording};
use crate::filter::Filter;
use crate::filter::chain::Chain;
use crate::txn::{Phase, Txn};
use crate::worker::Backend;

impl HttpStream {
    /// Shows the filters a request that is about to go to a server.
    pub(crate) async fn filter_request(
        &self,
        backend: &Backend,
        txn: &Rc<Txn>,
        body: MessageBody,
    ) -> MessageBody {
        if self.frontend.filters.is_empty() && backend.filters.is_empty() {
            return body;
        }
        let has_body = !body.is_ended();
        let filters = self.frontend.filters.iter().chain(&backend.filters);
        let chain = Box::pin(chain(Chain::default(), filters, txn, Way::Request, has_body)).await;
        if chain.is_empty() || !has_body {
            return body;
        }
        if !chain.keeps_length()
            && let Some(mut head) = txn.request_head_mut()
        {
            head.headers.remove(CONTENT_LENGTH);
        }
        MessageBody::filtered(body, chain, txn.clone())
    }

    /// Whether there is anything that a response is to be shown to.
    pub(crate) fn filters_response(&self, backend: Option<&Backend>, txn: &Txn, content: &Content) -> bool {
        let any = || !self.frontend.filters.is_empty() || backend.is_some_and(|b| !b.filters.is_empty());
        match content {
            Content::Server(_) | Content::Service(_) => any() || txn.caching.records(),
            Content::Cached(..) => any(),
            Content::Empty | Content::Full(_) | Content::Filtered(_) => false,
        }
    }

    /// Shows the filters a response that a server or a service made.
    pub(crate) async fn filter_response(
        &self,
        backend: Option<&Backend>,
        txn: &Rc<Txn>,
        head: response::Parts,
        content: Content,
    ) -> (response::Parts, Content) {
        let of_backend = backend.map(|backend| &backend.filters[..]).unwrap_or_default();
        let recordings = match content {
            Content::Server(_) | Content::Service(_) => txn.caching.recordings(),
            Content::Cached(..) => Vec::new(),
            _ => return (head, content),
        };
        if recordings.is_empty() && self.frontend.filters.is_empty() && of_backend.is_empty() {
            return (head, content);
        }
        txn.phase.set(Phase::Response);
        let spare = response::Parts::default();
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
        let filters = self.frontend.filters.iter().chain(of_backend);
        let chain = Box::pin(chain(recorded, filters, txn, Way::Response, has_body)).await;
        let mut head = txn.response.borrow_mut().take().unwrap_or(spare);
        if chain.is_empty() || !has_body {
            return (head, content);
        }
        if !chain.keeps_length() {
            head.headers.remove(CONTENT_LENGTH);
        }
        (head, Content::Filtered(Box::new(Filtered::new(content, chain))))
    }
}

async fn chain<'a>(
    mut chain: Chain,
    filters: impl Iterator<Item = &'a Rc<dyn Filter>>,
    txn: &Rc<Txn>,
    way: Way,
    has_body: bool,
) -> Chain {
    for filter in filters {
        if let Some(data) = filter.message(txn, way, has_body).await {
            chain.push(data);
        }
    }
    chain
}
