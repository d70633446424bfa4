//! `stats`: a page that a proxy serves itself, to requests whose targets begin as it says.

use std::rc::Rc;

use http::Method;

use super::exchange::{Made, Ruled};
use super::stream::HttpStream;
use crate::body::MessageBody;
use crate::rules::PreparedRules;
use crate::spec::{PageSpec, Timeouts};
use crate::txn::{Mode, Txn};

/// The page, if it is what the request is for. Requests that neither get nor post anything are a server's.
pub(super) fn wanted<'p>(page: Option<&'p PageSpec>, txn: &Txn) -> Option<&'p PageSpec> {
    let page = page?;
    let head = txn.request_head()?;
    let has_page = matches!(head.method, Method::GET | Method::HEAD | Method::POST);
    let target = head.uri.path_and_query().filter(|_| has_page)?;
    target.as_str().starts_with(&page.prefix).then_some(page)
}

impl HttpStream {
    /// Answers a request for a page, if it may be seen. `None` to close the connection.
    pub(super) async fn page(
        &self,
        page: &PageSpec,
        access: &PreparedRules,
        timeouts: &Timeouts,
        txn: &Rc<Txn>,
        mut body: MessageBody,
    ) -> Option<Made> {
        match self
            .request_rules(access, (Mode::Http, None), timeouts, txn, &mut body)
            .await
        {
            // No rule of responses sees it.
            Ruled::GoOn => {
                let produced = self.produced(&*page.service, &"stats".into(), txn, body).await;
                Some(produced.unwrap_or_else(|failed| failed))
            }
            Ruled::Made(made) => Some(made),
            Ruled::Close => None,
        }
    }
}
