//! Replies of rules, and pages in place of those that are built in.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use tidegate_config::model::{self, ReplyBody, ReplyContent as Content};
use tidegate_config::{Diagnostic, Span, code};
use tidegate_proxy::Reply;
use tidegate_proxy::spec::{ErrorPage, ErrorPages, FilePage, ReplyContent, ReplySpec, Text};

use super::Assembly;

impl Assembly {
    pub(super) fn reply(&mut self, reply: model::HttpReply, span: Span) -> Option<ReplySpec> {
        let mut spec = ReplySpec::status(self.status(reply.status, span)?);
        spec.content = match reply.content {
            Content::Page => ReplyContent::Page,
            Content::Nothing => ReplyContent::Nothing,
            Content::Body { content_type, body } => ReplyContent::Body {
                content_type,
                body: match body {
                    ReplyBody::Bytes(bytes) => Text::literal(bytes),
                    ReplyBody::Format(format) => format.into(),
                },
            },
            Content::File(page) => ReplyContent::File(self.file_page(&page, span)?),
        };
        for header in reply.headers {
            spec.headers
                .push((self.header(&header.name, span)?, header.value.into()));
        }
        Some(spec)
    }

    /// The pages of a proxy, which is named at `span`.
    pub(super) fn error_pages(
        &mut self,
        pages: std::collections::BTreeMap<u16, model::ErrorPage>,
        span: Span,
    ) -> ErrorPages {
        let mut own = ErrorPages::default();
        for (status, page) in pages {
            let page = match page {
                model::ErrorPage::File(page) => self.file_page(&page, span).map(ErrorPage::File),
                model::ErrorPage::Reply(reply) => self.reply(reply, span).map(ErrorPage::Reply),
            };
            if let (Some(status), Some(page)) = (self.status(status, span), page) {
                own.put(status, page);
            }
        }
        own
    }

    fn file_page(&mut self, page: &model::FilePage, span: Span) -> Option<FilePage> {
        let response = match page {
            model::FilePage::Silence => return Some(FilePage::Silence),
            model::FilePage::Response(response) => response,
        };
        let status: StatusCode = self.status(response.status, span)?;
        let mut reply = Reply::new(status).with_body(response.body.clone());
        let usual = status.canonical_reason().unwrap_or_default();
        if !response.reason.is_empty() && response.reason != usual {
            reply.reason = Some(response.reason.clone().into());
        }
        for (name, value) in &response.headers {
            let field = HeaderName::from_bytes(name.as_bytes()).ok();
            let Some((name, value)) = field.zip(HeaderValue::from_bytes(value).ok()) else {
                let message = format!("the header `{name}` of an error page can't be sent");
                self.faults.push(Diagnostic::error(code::BAD_NAME, span, message));
                return None;
            };
            reply.headers.append(name, value);
        }
        Some(FilePage::Message(Arc::new(reply)))
    }
}
