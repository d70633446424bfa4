//! Content rules (`tcp-request content`, `tcp-response content`) on HTTP messages: until `inspect-delay` is over, they
//! may wait for more of a body.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tidegate_sample::Way;

use super::ahead::{Ahead, receive};
use super::exchange::{self, Made};
use super::outgoing::Content;
use super::stream::HttpStream;
use crate::body::MessageBody;
use crate::rules::{Ground, Verdict, evaluate};
use crate::txn::{Phase, Txn};
use crate::worker::Backend;

/// How long rules may wait.
pub(super) struct Inspection {
    until: Option<Instant>,
}

impl Inspection {
    /// One that begins now.
    pub(super) fn new(delay: Option<Duration>) -> Self {
        Inspection {
            until: delay.map(|delay| Instant::now() + delay),
        }
    }

    /// Whether a condition that misses data may wait for more.
    pub(super) fn may_wait(&self, is_growing: impl FnOnce() -> bool) -> bool {
        self.until
            .is_some_and(|until| is_growing() && Instant::now() < until)
    }

    /// When it is over, if there is one.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    fn left(&self) -> Option<Duration> {
        let until = self.until?;
        Some(until.saturating_duration_since(Instant::now()))
    }
}

impl HttpStream {
    /// Whether more of a message may be seen than there is.
    pub(super) fn is_growing(&self, txn: &Txn, way: Way, ended: bool) -> bool {
        let room = self.worker.shared.global.buffer_bytes;
        let held = match way {
            Way::Request => txn.request_body().len(),
            Way::Response => txn.response_body().len(),
        };
        !ended && !txn.body_ended(way) && held < room
    }

    /// Receives more of a request's body.
    pub(super) async fn more_of_request(
        &self,
        txn: &Rc<Txn>,
        body: &mut MessageBody,
        inspection: &Inspection,
    ) {
        let wanted = txn.request_body().len() + 1;
        let mut ahead = Ahead::default();
        let receiving = receive(&mut ahead, wanted, |cx| body.poll_piece(cx));
        // Rules that waited in vain go on without.
        let _ = self.timer.limit(inspection.left(), receiving).await;
        txn.put_body(Way::Request, &ahead.pieces, ahead.ended || body.is_ended());
        for piece in ahead.pieces.into_iter().rev() {
            body.unread(piece);
        }
    }

    async fn more_of_response(&self, txn: &Rc<Txn>, content: &mut Content, inspection: &Inspection) {
        let Content::Server(relayed) = content else {
            return txn.put_body(Way::Response, &[], true);
        };
        let wanted = txn.response_body().len() + 1;
        let mut ahead = Ahead::default();
        let receiving = receive(&mut ahead, wanted, |cx| relayed.poll_piece(cx, &self.timer, txn));
        let timer = self.worker.wheel.timer();
        let _ = timer.limit(inspection.left(), receiving).await;
        txn.put_body(Way::Response, &ahead.pieces, ahead.ended || relayed.is_ended());
        for piece in ahead.pieces.into_iter().rev() {
            relayed.unread(piece);
        }
    }

    /// Evaluates a backend's `tcp-response content` rules on a server's response. `None` where they close the client's
    /// connection without an answer.
    pub(super) async fn inspect_response(
        &self,
        backend: &Backend,
        txn: &Rc<Txn>,
        made: Made,
    ) -> Option<Made> {
        let mut made = made;
        let rules = &backend.tcp_response;
        let inspection = Inspection::new(backend.spec.response_inspect_delay);
        txn.phase.set(Phase::Response);
        let mut first = 0;
        let verdict = loop {
            let ended = match &made.content {
                Content::Server(relayed) => relayed.is_ended(),
                _ => true,
            };
            let may_wait = inspection.may_wait(|| self.is_growing(txn, Way::Response, ended));
            txn.inspecting.set(may_wait);
            txn.inspected_until.set(inspection.until());
            // Expressions see the head meanwhile.
            let taken = std::mem::take(&mut made.head);
            *txn.response.borrow_mut() = Some(taken);
            let next = evaluate(rules.from(first), first, txn, &self.setting(may_wait)).await;
            txn.inspecting.set(false);
            txn.inspected_until.set(None);
            made.head = txn.response.borrow_mut().take()?;
            first = next.rule;
            match next.verdict {
                Verdict::WaitForData => self.more_of_response(txn, &mut made.content, &inspection).await,
                decided => break decided,
            }
        };
        match verdict {
            Verdict::Continue => return Some(made),
            // Without its server a response is incomplete.
            Verdict::Close => {
                txn.facts.borrow_mut().termination = Some(*b"SH");
                return Some(self.error(txn, StatusCode::BAD_GATEWAY, false).await);
            }
            Verdict::Reply {
                reply,
                ground: Ground::Answer,
            } => {
                txn.facts.borrow_mut().termination = Some(*b"LH");
                return Some(exchange::made(&reply));
            }
            Verdict::Reply { ground, .. } => txn.facts.borrow_mut().termination = Some(ground.state(b'D')),
            Verdict::Done(Ground::Answer) => txn.is_done(*b"LH"),
            Verdict::Vanish { rst_ttl } => {
                self.session.traffic.vanish.set(Some(rst_ttl));
                txn.facts.borrow_mut().termination = Some(*b"PD");
            }
            _ => txn.facts.borrow_mut().termination = Some(*b"PD"),
        }
        None
    }
}
