//! Evaluating a rule set.

use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use tidegate_sample::ExternalRunner;
use tidegate_sample::Verdict as Match;
use tidegate_sample::pattern::Target;

use super::prepared::PreparedRule;
use super::respond::{challenge, redirect, reply};
use super::{HeaderEdit, ListChange, OnFailure, Prepared, RuleAction, edit};
use crate::ext::{ActionOutcome, Failure, HttpService, TcpService};
use crate::log::Level;
use crate::reply::Reply;
use crate::txn::{Phase, Txn};

/// What a rule set decided.
pub(crate) enum Verdict {
    /// Nothing: the session goes on. Also what `accept` and `act.STOP` mean.
    Continue,
    /// This is the answer; `refused` if it is a refusal (`deny`), as the log tells.
    Reply { reply: Rc<Reply>, refused: bool },
    /// The answer comes after a while (`tarpit`).
    Tarpit(Rc<Reply>),
    /// This service answers.
    Http(Rc<dyn HttpService>, Rc<str>),
    /// This service talks to the client.
    Tcp(Rc<dyn TcpService>, Rc<str>),
    /// The connection ends without a word (`reject`).
    Reject,
    /// The stream or request is over; what was prepared is sent (`act.DONE`, `act.ABORT`).
    Done,
    /// The request's body is to be waited for, as long as this; evaluation goes on at [`Next::rule`].
    WaitForBody(Duration),
    /// The rule depends on data that has not come yet; evaluation goes on at [`Next::rule`].
    WaitForData,
}

/// A verdict, and the rule to go on with if the set was not finished.
pub(crate) struct Next {
    pub(crate) verdict: Verdict,
    pub(crate) rule: usize,
}

/// What evaluation needs besides rules and transaction.
pub(crate) struct Setting<'a> {
    pub(crate) runner: &'a dyn ExternalRunner,
    pub(crate) on_failure: OnFailure,
    /// True while more data may come that a condition depends on: a condition that misses it waits. When it is false,
    /// such a condition doesn't hold.
    pub(crate) may_wait: bool,
}

/// Evaluates the rules from number `first` on, one after the other, until one of them ends the set.
pub(crate) async fn evaluate(
    rules: &[PreparedRule],
    first: usize,
    txn: &Rc<Txn>,
    setting: &Setting<'_>,
) -> Next {
    for (index, rule) in rules.iter().enumerate() {
        let at = |verdict, offset| Next {
            verdict,
            rule: first + index + offset,
        };
        if let Some(condition) = &rule.rule.condition {
            let matched = if condition.suspends() {
                condition.test_async(&**txn, setting.runner).await
            } else {
                condition.test(&**txn)
            };
            match matched {
                Match::Pass => {}
                Match::Miss if setting.may_wait => return at(Verdict::WaitForData, 0),
                Match::Miss | Match::Fail => continue,
            }
        }
        match act(rule, txn, setting).await {
            Step::Next => {}
            Step::End(verdict) => {
                txn.decided_by(rule.place.as_ref());
                return at(verdict, 1);
            }
        }
    }
    Next {
        verdict: Verdict::Continue,
        rule: first + rules.len(),
    }
}

enum Step {
    Next,
    End(Verdict),
}

async fn act(prepared: &PreparedRule, txn: &Rc<Txn>, setting: &Setting<'_>) -> Step {
    let rule = &prepared.rule;
    let runner = setting.runner;
    match (&rule.action, &prepared.prepared) {
        (RuleAction::Return(_), Prepared::Reply(reply)) => Step::End(Verdict::Reply {
            reply: reply.clone(),
            refused: false,
        }),
        (RuleAction::Return(spec), _) => {
            let reply = Rc::new(Box::pin(reply(spec, txn, runner)).await);
            Step::End(Verdict::Reply {
                reply,
                refused: false,
            })
        }
        (RuleAction::Deny(_), Prepared::Reply(reply)) => Step::End(Verdict::Reply {
            reply: reply.clone(),
            refused: true,
        }),
        (RuleAction::Deny(Some(spec)), _) => {
            let reply = Rc::new(Box::pin(reply(spec, txn, runner)).await);
            Step::End(Verdict::Reply { reply, refused: true })
        }
        (RuleAction::Deny(None), _) => Step::End(refusal(txn)),
        (RuleAction::Auth(realm), _) => Step::End(Verdict::Reply {
            reply: Rc::new(challenge(realm)),
            refused: true,
        }),
        (RuleAction::Tarpit(spec), _) => Step::End(Verdict::Tarpit(Rc::new(match spec {
            Some(spec) => Box::pin(reply(spec, txn, runner)).await,
            None => Reply::error(StatusCode::INTERNAL_SERVER_ERROR),
        }))),
        (RuleAction::Redirect(spec), _) => match redirect(spec, txn, runner).await {
            Some(reply) => Step::End(Verdict::Reply {
                reply: Rc::new(reply),
                refused: false,
            }),
            None => Step::Next,
        },
        (RuleAction::Accept, _) => Step::End(Verdict::Continue),
        (RuleAction::Reject, _) => Step::End(Verdict::Reject),
        (RuleAction::UseService { .. }, Prepared::Http(service)) => {
            Step::End(Verdict::Http(service.clone(), rule.line.as_str().into()))
        }
        (RuleAction::UseService { .. }, Prepared::Tcp(service)) => {
            Step::End(Verdict::Tcp(service.clone(), rule.line.as_str().into()))
        }
        (RuleAction::WaitForBody(time), _) => Step::End(Verdict::WaitForBody(*time)),
        (RuleAction::Run { args, .. }, Prepared::Action(action)) => {
            // If it is given up while it waits, this stays.
            txn.waits_for(prepared.place.as_ref());
            let outcome = action.run(txn, args).await;
            txn.waits_for(None);
            after_action(outcome, prepared, txn, setting)
        }
        _ => {
            change(prepared, txn, runner).await;
            Step::Next
        }
    }
}

fn after_action(
    outcome: ActionOutcome,
    prepared: &PreparedRule,
    txn: &Rc<Txn>,
    setting: &Setting<'_>,
) -> Step {
    let in_response = txn.phase() == Phase::Response;
    let error = |status| {
        let status = if in_response {
            StatusCode::BAD_GATEWAY
        } else {
            status
        };
        Step::End(Verdict::Reply {
            reply: Rc::new(Reply::error(status)),
            refused: true,
        })
    };
    match outcome {
        ActionOutcome::Continue => Step::Next,
        ActionOutcome::Stop => Step::End(Verdict::Continue),
        ActionOutcome::Done | ActionOutcome::Abort => Step::End(match txn.take_reply() {
            Some(reply) => Verdict::Reply {
                reply: Rc::new(reply),
                refused: false,
            },
            None => Verdict::Done,
        }),
        ActionOutcome::Deny => Step::End(refusal(txn)),
        ActionOutcome::Error => error(StatusCode::INTERNAL_SERVER_ERROR),
        ActionOutcome::Invalid => error(StatusCode::BAD_REQUEST),
        ActionOutcome::Failed(failure) => {
            report(txn, &prepared.rule.line, &failure);
            match prepared.rule.on_error.unwrap_or(setting.on_failure) {
                OnFailure::Continue => Step::Next,
                OnFailure::Deny => Step::End(refusal(txn)),
            }
        }
    }
}

fn report(txn: &Txn, line: &str, failure: &Failure) {
    txn.log_failure(line, failure);
}

/// A refusal: with the reply that was left, else with the page that belongs to it.
fn refusal(txn: &Txn) -> Verdict {
    let status = if txn.phase() == Phase::Response {
        StatusCode::BAD_GATEWAY
    } else {
        StatusCode::FORBIDDEN
    };
    let reply = txn.take_reply().unwrap_or_else(|| Reply::error(status));
    Verdict::Reply {
        reply: Rc::new(reply),
        refused: true,
    }
}

/// Actions that only change something.
async fn change(prepared: &PreparedRule, txn: &Rc<Txn>, runner: &dyn ExternalRunner) {
    let line = &prepared.rule.line;
    let complain = |why: &dyn std::fmt::Display| {
        txn.log(Level::Warning, &format!("{line}: {why}"));
    };
    match &prepared.rule.action {
        RuleAction::Header(header) => {
            let text = match header {
                HeaderEdit::Set(_, text) | HeaderEdit::Add(_, text) => Some(text.eval(txn, runner).await),
                HeaderEdit::Del(_) => None,
            };
            let fits = if txn.phase() == Phase::Response {
                txn.response_head_mut()
                    .is_none_or(|mut head| edit::apply(header, text, &mut head.headers))
            } else {
                txn.request_head_mut()
                    .is_none_or(|mut head| edit::apply(header, text, &mut head.headers))
            };
            if !fits {
                complain(&"the value can't be sent as a header");
            }
        }
        RuleAction::SetVar(to, expr) => {
            let value = if expr.suspends() {
                expr.eval_async(&**txn, runner).await
            } else {
                expr.eval(&**txn)
            };
            if let Some(value) = value {
                to.assign(&**txn, value);
            }
        }
        RuleAction::SetVarFmt(to, text) => {
            let text = text.eval(txn, runner).await;
            to.assign(&**txn, tidegate_sample::Value::str(text));
        }
        RuleAction::UnsetVar(name) => {
            txn.unset_var(name);
        }
        RuleAction::ChangeList(list, change) => {
            let done = match change {
                ListChange::Add(key) => list.add_missing(&key.eval(txn, runner).await, None).map(drop),
                ListChange::Set(key, value) => {
                    let key = key.eval(txn, runner).await;
                    list.set_or_add(&key, &value.eval(txn, runner).await)
                }
                ListChange::Remove(key) => {
                    list.remove(Target::Key(&key.eval(txn, runner).await));
                    Ok(())
                }
            };
            let _ = done.inspect_err(|e| complain(e));
        }
        RuleAction::SetMethod(text) => {
            let text = text.eval(txn, runner).await;
            let _ = txn.set_method(&text).inspect_err(|e| complain(e));
        }
        RuleAction::SetPath(text) => {
            let text = text.eval(txn, runner).await;
            let _ = txn.set_path(&text).inspect_err(|e| complain(e));
        }
        RuleAction::SetPathQuery(text) => {
            let text = text.eval(txn, runner).await;
            let _ = txn.set_path_and_query(&text).inspect_err(|e| complain(e));
        }
        RuleAction::SetQuery(text) => {
            let text = text.eval(txn, runner).await;
            let _ = txn.set_query(&text).inspect_err(|e| complain(e));
        }
        RuleAction::SetUri(text) => {
            let text = text.eval(txn, runner).await;
            let _ = txn.set_uri(&text).inspect_err(|e| complain(e));
        }
        RuleAction::SetStatus(status, reason) => {
            if !txn.set_status(*status, reason.as_deref()) {
                complain(&"the reason can't be sent");
            }
        }
        RuleAction::SetLogLevel(level) => txn.set_log_level(*level),
        RuleAction::SetSource(expr) => {
            let value = if expr.suspends() {
                expr.eval_async(&**txn, runner).await
            } else {
                expr.eval(&**txn)
            };
            if let Some(value) = value {
                txn.set_source(&value);
            }
        }
        _ => complain(&"the action can't be used here"),
    }
}
