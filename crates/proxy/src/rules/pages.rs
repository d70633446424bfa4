//! What is sent in place of the pages of statuses: `errorfile`, `errorloc`, `errorfiles` and `http-error`.

use std::sync::Arc;

use http::StatusCode;
use tidegate_sample::ExternalRunner;

use super::respond::reply;
use super::{ReplySpec, Text};
use crate::reply::Reply;
use crate::txn::Txn;

/// A proxy's own pages.
#[derive(Default)]
pub struct ErrorPages(Vec<(StatusCode, ErrorPage)>);

/// What is sent in place of one page.
pub enum ErrorPage {
    /// What a file says.
    File(FilePage),
    /// A reply that is computed.
    Reply(ReplySpec),
}

/// What a file says that holds a whole response.
#[derive(Clone)]
pub enum FilePage {
    /// It is empty: the connection is closed without an answer.
    Silence,
    /// This message, whose status may be another one.
    Message(Arc<Reply>),
}

impl ErrorPages {
    /// Puts a page in place of that of a status.
    pub fn put(&mut self, status: StatusCode, page: ErrorPage) {
        self.0.retain(|(known, _)| *known != status);
        self.0.push((status, page));
    }

    /// The page in place of that of a status.
    pub(crate) fn of(&self, status: StatusCode) -> Option<&ErrorPage> {
        self.0
            .iter()
            .find(|(known, _)| *known == status)
            .map(|(_, page)| page)
    }
}

/// What a transaction gets for an error: the backend's page, else the frontend's, else the usual one.
pub(crate) async fn error(status: StatusCode, txn: &Txn, runner: &dyn ExternalRunner) -> Reply {
    let backend = txn.usage.backend();
    let home = txn.client.entrance.home.as_ref();
    let page = backend
        .as_ref()
        .and_then(|backend| backend.spec.error_pages.of(status))
        .or_else(|| home.and_then(|home| home.spec.error_pages.of(status)));
    match page {
        None => Reply::error(status),
        Some(page) => shown(page, status, txn, runner).await,
    }
}

async fn shown(page: &ErrorPage, status: StatusCode, txn: &Txn, runner: &dyn ExternalRunner) -> Reply {
    match page {
        ErrorPage::File(file) => file.reply(status),
        // A page that stands for itself is the usual one.
        ErrorPage::Reply(ReplySpec {
            content: ReplyContent::Page,
            ..
        }) => Reply::error(status),
        ErrorPage::Reply(spec) => Box::pin(reply(spec, txn, runner)).await,
    }
}

impl FilePage {
    /// What is sent; the status is that of a page that isn't.
    pub(crate) fn reply(&self, status: StatusCode) -> Reply {
        match self {
            FilePage::Silence => Reply::silence(status),
            FilePage::Message(message) => Reply::clone(message),
        }
    }
}

/// What a reply holds.
pub enum ReplyContent {
    /// The page that belongs to its status.
    Page,
    /// Nothing.
    Nothing,
    /// A body; one that is empty has no type.
    Body {
        /// `content-type`.
        content_type: Option<String>,
        /// `string`, `lf-string`, `file` or `lf-file`.
        body: Text,
    },
    /// `errorfile`, and `errorfiles` with a section that has one for the status: all of the reply.
    File(FilePage),
}
