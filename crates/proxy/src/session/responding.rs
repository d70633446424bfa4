//! What a response passes on its way, whoever made it: what is stored of it, rules, filters.

use std::rc::Rc;

use http::StatusCode;
use tidegate_sample::Way;
use tidegate_sample::head::response;

use super::ahead::{Ahead, receive};
use super::exchange::{self, Made};
use super::filtering::Broken;
use super::outgoing::Content;
use super::stream::HttpStream;
use crate::rules::{BodyWait, Ground, Halted, Next, PreparedRules, Verdict, begin, evaluate, go_on};
use crate::stick;
use crate::txn::{Phase, Txn};
use crate::upstream::Server;
use crate::worker::Backend;

/// Whether there is anything to be evaluated: most responses need not be moved for it.
pub(super) fn has_rules(sets: &[Option<&PreparedRules>]) -> bool {
    sets.iter().flatten().any(|rules| !rules.is_empty())
}

impl HttpStream {
    /// Stores what the response says of its server.
    pub(super) async fn store_response(
        &self,
        backend: &Backend,
        server: &Server,
        txn: &Rc<Txn>,
        head: response::Parts,
    ) -> response::Parts {
        txn.phase.set(Phase::Response);
        // Expressions see it meanwhile.
        *txn.response.borrow_mut() = Some(head);
        stick::store_response(backend, server, txn, &*self.worker.runner).await;
        let taken = txn.response.borrow_mut().take();
        taken.unwrap_or_default()
    }

    /// Evaluates the rules that every response passes last, whoever made it.
    pub(super) async fn finish_response(
        &self,
        backend: Option<&Backend>,
        txn: &Rc<Txn>,
        made: Made,
    ) -> Option<Made> {
        let mut made = made;
        let of_backend = backend.map(|backend| &backend.http_after_response);
        let sets = [of_backend, Some(&self.frontend.http_after_response)];
        if has_rules(&sets) {
            made = self.response_rules(sets, txn, made).await?;
        }
        // Most responses pass here without a filter, and needn't be moved for that.
        if !self.filters_response(backend, txn, &made.content) {
            return Some(made);
        }
        let Made { head, content, .. } = made;
        match Box::pin(self.filter_response(backend, txn, head, content)).await {
            Ok((head, content)) => Some(Made {
                head,
                content,
                ..made
            }),
            Err(Broken) => Some(self.error(txn, StatusCode::BAD_GATEWAY, true).await),
        }
    }

    /// Evaluates rules of a response, set after set; what one answers in its place, the next do not see. `None` where they
    /// close the client's connection without an answer.
    pub(super) async fn response_rules(
        &self,
        sets: [Option<&PreparedRules>; 2],
        txn: &Rc<Txn>,
        made: Made,
    ) -> Option<Made> {
        let mut made = made;
        for rules in sets.into_iter().flatten() {
            match self.response_rule_set(rules, txn, made).await {
                Ok(seen) => made = seen,
                Err(instead) => return instead,
            }
        }
        Some(made)
    }

    async fn response_rule_set(
        &self,
        rules: &PreparedRules,
        txn: &Rc<Txn>,
        made: Made,
    ) -> Result<Made, Option<Made>> {
        if rules.is_empty() || made.silent {
            return Ok(made);
        }
        txn.phase.set(Phase::Response);
        let Made {
            head, content, close, ..
        } = made;
        *txn.response.borrow_mut() = Some(head);
        let begun = begin(rules.from(0), 0, txn, &self.setting(false));
        if let Ok(Next {
            verdict: Verdict::Continue,
            ..
        }) = begun
            && let Some(head) = txn.response.borrow_mut().take()
        {
            return Ok(Made {
                head,
                content,
                close,
                silent: false,
            });
        }
        // Boxed, so that a request without such rules carries no room for them.
        Box::pin(self.apply_response_rules(rules, begun, txn, content, close)).await
    }

    async fn apply_response_rules(
        &self,
        rules: &PreparedRules,
        begun: Result<Next, Halted>,
        txn: &Rc<Txn>,
        mut content: Content,
        close: bool,
    ) -> Result<Made, Option<Made>> {
        let setting = self.setting(false);
        let mut next = match begun {
            Ok(next) => next,
            Err(halted) => go_on(halted, rules.from(0), 0, txn, &setting).await,
        };
        while let Verdict::WaitForBody(wait) = next.verdict {
            if let Err(late) = Box::pin(self.buffer_response(txn, &mut content, wait)).await {
                return Err(Some(late));
            }
            next = evaluate(rules.from(next.rule), next.rule, txn, &setting).await;
        }
        let head = txn.response.borrow_mut().take();
        if let (Verdict::Reply { .. }, Content::Server(relayed)) = (&next.verdict, &mut content) {
            relayed.forgo(self.worker.shared.global.buffer_bytes);
        }
        let (status, state) = match (next.verdict, head) {
            (Verdict::Reply { reply, ground }, _) => {
                if ground == Ground::Refusal {
                    txn.usage.response_is_denied(&txn.client);
                }
                txn.facts.borrow_mut().termination = Some(ground.state(b'H'));
                return Err(Some(exchange::made(&reply)));
            }
            (Verdict::Done(ground), _) => {
                txn.is_done(ground.state(b'H'));
                return Err(None);
            }
            (Verdict::Vanish { rst_ttl }, _) => {
                self.session.traffic.vanish.set(Some(rst_ttl));
                (StatusCode::BAD_GATEWAY, *b"PH")
            }
            (Verdict::Reject | Verdict::Close | Verdict::Tarpit(_), _) => (StatusCode::BAD_GATEWAY, *b"PH"),
            (_, Some(head)) => {
                return Ok(Made {
                    head,
                    content,
                    close,
                    silent: false,
                });
            }
            (_, None) => (StatusCode::INTERNAL_SERVER_ERROR, *b"PH"),
        };
        txn.facts.borrow_mut().termination = Some(state);
        Err(Some(self.error(txn, status, false).await))
    }

    /// Waits for as much of a response's body as is wanted, which is a server's or all here; a server that is late is given up.
    async fn buffer_response(
        &self,
        txn: &Rc<Txn>,
        content: &mut Content,
        wait: BodyWait,
    ) -> Result<(), Made> {
        let room = wait.room.unwrap_or(self.worker.shared.global.buffer_bytes);
        let wanted = wait.at_least.unwrap_or(room).min(room);
        match content {
            Content::Empty => txn.put_body(Way::Response, &[], true),
            Content::Cached(object, _) => {
                let body = object.piece(0);
                let ended = body.len() == object.body().len();
                txn.put_body(Way::Response, &[body], ended);
            }
            Content::Full(bytes) => txn.put_body(Way::Response, std::slice::from_ref(bytes), true),
            // What a service sends can't be looked at before it is sent.
            Content::Service(_) | Content::Filtered(_) => {}
            Content::Server(relayed) => {
                let timer = self.worker.wheel.timer();
                let mut ahead = Ahead::default();
                let receiving = receive(&mut ahead, wanted, |cx| relayed.poll_piece(cx, &self.timer, txn));
                if timer.limit(Some(wait.time), receiving).await.is_err() {
                    txn.facts.borrow_mut().termination = Some(*b"sD");
                    return Err(self.error(txn, StatusCode::GATEWAY_TIMEOUT, false).await);
                }
                let Ahead { pieces, ended, .. } = ahead;
                let ended = ended || relayed.is_ended();
                txn.put_body(Way::Response, &pieces, ended);
                for piece in pieces.into_iter().rev() {
                    relayed.unread(piece);
                }
            }
        }
        Ok(())
    }
}
