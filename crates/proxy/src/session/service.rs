//! Responses that a service produces.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tidegate_sample::head::response;

use super::lingering::Rest;
use super::outgoing::Content;
use crate::applet::HttpApplet;
use crate::body::{Cut, MessageBody};
use crate::ext::{Failure, HttpService, Run};
use crate::log::Level;
use crate::timeouts::Timer;
use crate::txn::{Phase, Txn};

/// A service's response, or that there is none.
#[allow(
    clippy::large_enum_variant,
    reason = "moved once per request: a box would cost more than the move"
)]
pub(crate) enum Served {
    Response(Box<response::Parts>, Content),
    /// It failed before its response started.
    Failed,
}

/// Lets a service run until its response starts.
pub(crate) async fn serve(
    service: &dyn HttpService,
    line: &Rc<str>,
    txn: &Rc<Txn>,
    body: MessageBody,
) -> Served {
    txn.phase.set(Phase::Service);
    txn.facts.borrow_mut().service = Some(service.name());
    let applet = HttpApplet::new(txn.clone(), body);
    let mut run = service.serve(applet.clone());
    let mut ended = None;
    let started = std::future::poll_fn(|cx| {
        // What a service does in one go is answered in one go: so it runs as far as it can, started or not.
        match std::pin::Pin::new(&mut run).poll(cx) {
            Poll::Ready(result) => {
                ended = Some(result);
                Poll::Ready(())
            }
            Poll::Pending if applet.is_started() => Poll::Ready(()),
            Poll::Pending => {
                applet.register(cx);
                Poll::Pending
            }
        }
    });
    // It is no server: what bounds it is its own, and that its client goes.
    started.await;
    if !applet.is_started() {
        if let Some(Err(failure)) = &ended {
            txn.log_failure(line, failure);
        } else {
            txn.log(
                Level::Error,
                &format!("{line}: the service ended without starting a response"),
            );
        }
        return Served::Failed;
    }
    let head = applet.take_head();
    let response = response::Parts {
        reason: head.reason,
        headers: head.headers,
        ..response::Parts::new(head.status)
    };
    let produced = Produced {
        applet,
        run,
        ended,
        line: line.clone(),
        logged: false,
    };
    let content = produced.into_content();
    Served::Response(Box::new(response), content)
}

/// A body that a service is producing.
pub(crate) struct Produced {
    applet: Rc<HttpApplet>,
    run: Run<'static, Result<(), Failure>>,
    ended: Option<Result<(), Failure>>,
    line: Rc<str>,
    /// A failure was logged.
    logged: bool,
}

impl Produced {
    /// What was produced in one go, in order and as declared, needs no more than its bytes.
    fn into_content(self) -> Content {
        let (declared, sent) = self.applet.lengths();
        let whole = matches!(self.ended, Some(Ok(()))) && declared.is_none_or(|d| d == sent);
        if !whole || self.applet.is_bodyless() {
            return Content::Service(Box::new(self));
        }
        let mut pieces = std::iter::from_fn(|| self.applet.pop());
        let Some(first) = pieces.next() else {
            return Content::Empty;
        };
        let Some(second) = pieces.next() else {
            return Content::Full(first);
        };
        let mut all = Vec::with_capacity(usize::try_from(sent).unwrap_or(0));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        pieces.for_each(|piece| all.extend_from_slice(&piece));
        Content::Full(all.into())
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        txn: &Txn,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if let Some(piece) = self.applet.pop() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            // What was sent before a failure is the client's; then the response is cut off.
            if self.failed(txn) {
                txn.facts.borrow_mut().termination = Some(*b"SD");
                return Poll::Ready(Some(Err(Cut)));
            }
            if self.ended.is_some() {
                return self.check_length(txn);
            }
            match std::pin::Pin::new(&mut self.run).poll(cx) {
                Poll::Ready(result) => self.ended = Some(result),
                Poll::Pending if self.applet.has_queued() => {}
                Poll::Pending => {
                    self.applet.register(cx);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether the service failed, which is logged.
    fn failed(&mut self, txn: &Txn) -> bool {
        let Some(Err(failure)) = &self.ended else {
            return false;
        };
        if !std::mem::replace(&mut self.logged, true) {
            txn.log_failure(&self.line, failure);
        }
        true
    }

    /// Whether the client has all that it is to get.
    pub(crate) fn is_whole(&self) -> bool {
        let (declared, sent) = self.applet.lengths();
        self.applet.is_bodyless() || declared == Some(sent) && !self.applet.has_queued()
    }

    /// The service, if it has not ended though its response is whole.
    pub(crate) fn take_rest(&mut self, timer: impl FnOnce() -> Timer) -> Option<Rest> {
        if self.ended.is_some() || !self.is_whole() {
            return None;
        }
        self.ended = Some(Ok(()));
        Some(Rest {
            run: std::mem::replace(&mut self.run, Run::ready(Ok(()))),
            applet: self.applet.clone(),
            line: self.line.clone(),
            timer: timer(),
        })
    }

    fn check_length(&self, txn: &Txn) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.applet.lengths() {
            (Some(declared), sent) if sent < declared && !self.applet.is_bodyless() => {
                let line = &self.line;
                let why = format!(
                    "{line}: the service sent {sent} bytes of the {declared} that it declared; the response is cut off"
                );
                txn.log(Level::Error, &why);
                txn.facts.borrow_mut().termination = Some(*b"SD");
                Poll::Ready(Some(Err(Cut)))
            }
            _ => Poll::Ready(None),
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.applet.lengths() {
            (Some(declared), _) => SizeHint::with_exact(declared),
            (None, _) => SizeHint::default(),
        }
    }
}

impl Drop for Produced {
    fn drop(&mut self) {
        // A response may be whole before its service fails: then nobody asks for more of it.
        let txn = Rc::clone(self.applet.txn());
        self.failed(&txn);
        if !self.is_whole() {
            self.applet.client_gone();
        }
    }
}
