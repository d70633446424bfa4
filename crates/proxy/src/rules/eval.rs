//! Evaluating a rule set.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use tidegate_sample::ExternalRunner;
use tidegate_sample::Verdict as Match;
use tidegate_sample::head::response;
use tidegate_sample::pattern::Target;
use tidegate_sample::{Session, Type, Value, cast};

use super::prepared::PreparedRule;
use super::respond::{challenge, redirect, reply};
use super::tune::tune;
use super::{ListChange, OnFailure, Prepared, Rule, RuleAction, TargetEdit, edit, pages, target};
use crate::cache::{self, Found, Object};
use crate::clock::Turn;
use crate::ext::{ActionOutcome, Failure, HttpService, TcpService};
use crate::filter::bandwidth;
use crate::log::Level;
use crate::reply::Reply;
use crate::spec::ListenProto;
use crate::stick;
use crate::timeouts::Timer;
use crate::txn::{Mode, Phase, Txn};

/// What a rule set decided.
pub(crate) enum Verdict {
    /// Nothing: the session goes on. Also what `accept` and `act.STOP` mean.
    Continue,
    /// This is the answer.
    Reply { reply: Rc<Reply>, ground: Ground },
    /// The answer comes after a while (`tarpit`).
    Tarpit(Rc<Reply>),
    /// This service answers.
    Http(Rc<dyn HttpService>, Rc<str>),
    /// This service talks to the client.
    Tcp(Rc<dyn TcpService>, Rc<str>),
    /// The connection ends without a word (`reject`).
    Reject,
    /// The connection with the server ends (`close`).
    Close,
    /// The stream or request is over; what was prepared is sent (`txn:done`, `act.ABORT`).
    Done(Ground),
    /// The message's body is to be waited for; evaluation goes on at [`Next::rule`].
    WaitForBody(BodyWait),
    /// A cache has the response; without an object, the client has its content.
    Cached(Box<response::Parts>, Option<Arc<Object>>),
    /// Links that tell the client what it will need; evaluation goes on at [`Next::rule`].
    Hints(Vec<HeaderValue>),
    /// The client's connection ends without a trace.
    Vanish { rst_ttl: Option<u8> },
    /// What follows is HTTP.
    SwitchMode(ListenProto),
    /// A rule depends on data that has not come yet: once there is more, all of them are evaluated anew.
    WaitForData,
}

/// Why rules end a transaction by themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// They have what was asked for.
    Answer,
    /// They have something against it (`deny`).
    Refusal,
    /// Something broke (`act.ERROR`).
    Fault,
}

impl Ground {
    /// The termination state, where `at` is how far the transaction had come.
    pub(crate) fn state(self, at: u8) -> [u8; 2] {
        let by = match self {
            Ground::Answer => b'L',
            Ground::Refusal => b'P',
            Ground::Fault => b'I',
        };
        [by, at]
    }
}

/// How long a body is waited for, and how much of it is enough.
#[derive(Clone, Copy)]
pub(crate) struct BodyWait {
    pub(crate) time: Duration,
    pub(crate) at_least: Option<usize>,
    /// The size of the buffer, if it isn't the usual one.
    pub(crate) room: Option<usize>,
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
    /// What rules wait with.
    pub(crate) timer: &'a Timer,
    /// Room for a message's head.
    pub(crate) buffer_bytes: usize,
}

/// Nothing that was found so far holds for what comes.
const WAIT: Next = Next {
    verdict: Verdict::WaitForData,
    rule: 0,
};

/// Evaluates the rules from number `first` on, one after the other, until one of them ends the set.
pub(crate) async fn evaluate(
    rules: &[PreparedRule],
    first: usize,
    txn: &Rc<Txn>,
    setting: &Setting<'_>,
) -> Next {
    match begin(rules, first, txn, setting) {
        Ok(next) => next,
        Err(halted) => go_on(halted, rules, first, txn, setting).await,
    }
}

/// Evaluates them as far as that needs no future, which most rules don't: up to the end, or to where [`go_on`] is to go on.
pub(crate) fn begin(
    rules: &[PreparedRule],
    first: usize,
    txn: &Rc<Txn>,
    setting: &Setting<'_>,
) -> Result<Next, Halted> {
    if first == 0 {
        txn.strict.set(true);
    }
    pass(rules, 0, first, txn, setting)
}

/// Evaluation came to where a future is needed.
pub(crate) struct Halted {
    /// At this one of the rules.
    index: usize,
    by: HaltedBy,
}

enum HaltedBy {
    /// Its condition needs one.
    Condition,
    /// Its condition holds; its sample may still come.
    Sample,
    /// Its condition holds, and its action needs one.
    Action,
    /// So does telling what its failure means.
    Failure(Unwritable),
}

/// Evaluates the rest of the rules.
pub(crate) async fn go_on(
    halted: Halted,
    rules: &[PreparedRule],
    first: usize,
    txn: &Rc<Txn>,
    setting: &Setting<'_>,
) -> Next {
    let mut halted = halted;
    loop {
        let Halted { index, by } = halted;
        let step = match rules.get(index) {
            Some(rule) => take_step(rule, by, txn, setting).await,
            None => Some(Step::Next),
        };
        match step {
            None => return WAIT,
            Some(Step::End(verdict)) => return ended(rules, index, first, verdict, txn),
            Some(Step::Next) => {}
        }
        halted = match pass(rules, index + 1, first, txn, setting) {
            Ok(next) => return next,
            Err(halted) => halted,
        };
    }
}

/// Evaluates the rules behind `start` of them.
fn pass(
    rules: &[PreparedRule],
    start: usize,
    first: usize,
    txn: &Rc<Txn>,
    setting: &Setting<'_>,
) -> Result<Next, Halted> {
    for (index, rule) in rules.iter().enumerate().skip(start) {
        let halted = |by| Err(Halted { index, by });
        if let Some(condition) = &rule.rule.condition {
            if condition.suspends() {
                return halted(HaltedBy::Condition);
            }
            match condition.test(&**txn) {
                Match::Pass => {}
                Match::Miss if setting.may_wait => return Ok(WAIT),
                Match::Miss | Match::Fail => continue,
            }
        }
        if setting.may_wait && has_sample(&rule.rule.action) {
            return halted(HaltedBy::Sample);
        }
        match at_once(rule, txn, setting) {
            AtOnce::Done(Step::Next) => {}
            AtOnce::Done(Step::End(verdict)) => return Ok(ended(rules, index, first, verdict, txn)),
            AtOnce::Failed(why) => return halted(HaltedBy::Failure(why)),
            AtOnce::No => return halted(HaltedBy::Action),
        }
    }
    Ok(Next {
        verdict: Verdict::Continue,
        rule: first + rules.len(),
    })
}

/// This one of the rules ended the set.
fn ended(rules: &[PreparedRule], index: usize, first: usize, verdict: Verdict, txn: &Txn) -> Next {
    txn.decided_by(rules.get(index).and_then(|rule| rule.place.as_ref()));
    Next {
        verdict,
        rule: first + index + 1,
    }
}

/// Goes on with a rule; `None` if what it depends on may still come.
async fn take_step(rule: &PreparedRule, by: HaltedBy, txn: &Rc<Txn>, setting: &Setting<'_>) -> Option<Step> {
    let by = match (by, &rule.rule.condition) {
        (HaltedBy::Condition, Some(condition)) => match condition.test_async(&**txn, setting.runner).await {
            Match::Pass => HaltedBy::Sample,
            Match::Miss if setting.may_wait => return None,
            Match::Miss | Match::Fail => return Some(Step::Next),
        },
        (by, _) => by,
    };
    let by = match by {
        HaltedBy::Condition | HaltedBy::Sample => {
            if setting.may_wait && lacks_data(&rule.rule.action, txn, setting.runner).await {
                return None;
            }
            match at_once(rule, txn, setting) {
                AtOnce::Done(step) => return Some(step),
                AtOnce::Failed(why) => HaltedBy::Failure(why),
                AtOnce::No => HaltedBy::Action,
            }
        }
        by => by,
    };
    Some(match by {
        HaltedBy::Failure(why) => rewrite_failed(&rule.rule, txn, setting.runner, &why).await,
        _ => act(rule, txn, setting).await,
    })
}

/// Whether an action is about a sample that it waits for, as a condition does.
fn has_sample(action: &RuleAction) -> bool {
    matches!(action, RuleAction::Capture(..) | RuleAction::Track(_))
}

/// Whether the sample that an action is about isn't there, and may still come: such an action waits, as a condition does.
async fn lacks_data(action: &RuleAction, txn: &Rc<Txn>, runner: &dyn ExternalRunner) -> bool {
    let sample = match action {
        RuleAction::Capture(_, _, sample) => sample,
        RuleAction::Track(track) if txn.tracked(track.counter).is_none() => &track.key,
        _ => return false,
    };
    sample.may_change(&**txn) && sample.eval_async(&**txn, runner).await.is_none()
}

enum Step {
    Next,
    End(Verdict),
}

/// What became of a rule without a future.
enum AtOnce {
    Done(Step),
    Failed(Unwritable),
    /// It needs one.
    No,
}

/// Does what most rules do, for which nothing is to be waited.
fn at_once(prepared: &PreparedRule, txn: &Rc<Txn>, setting: &Setting<'_>) -> AtOnce {
    AtOnce::Done(match (&prepared.rule.action, &prepared.prepared) {
        (RuleAction::Return(_), Prepared::Reply(reply)) => Step::End(Verdict::Reply {
            reply: reply.clone(),
            ground: Ground::Answer,
        }),
        (RuleAction::Deny(_), Prepared::Reply(reply)) => Step::End(Verdict::Reply {
            reply: reply.clone(),
            ground: Ground::Refusal,
        }),
        (RuleAction::Track(track), _) if !track.key.suspends() => {
            stick::track_at_once(txn, track);
            Step::Next
        }
        (RuleAction::SetVar(to, expr), _) if !expr.suspends() => {
            if let Some(value) = expr.eval(&**txn) {
                to.assign(&**txn, value);
            }
            Step::Next
        }
        (RuleAction::Header(header), _) if !header.suspends() => {
            match edit::edit_at_once(header, txn, setting.buffer_bytes) {
                Ok(()) => Step::Next,
                Err(why) => return AtOnce::Failed(Unwritable::Rewrite(why.to_string())),
            }
        }
        (RuleAction::CacheUse { cache, hints }, _) => match cache::look_up(cache, *hints, txn) {
            Found::Response(head, object) => Step::End(Verdict::Cached(head, object)),
            Found::Hints(links) => Step::End(Verdict::Hints(links)),
            Found::Nothing => Step::Next,
        },
        (RuleAction::CacheStore { cache, by_filter }, _) => {
            cache::record(cache, *by_filter, txn);
            Step::Next
        }
        _ => return AtOnce::No,
    })
}

async fn act(prepared: &PreparedRule, txn: &Rc<Txn>, setting: &Setting<'_>) -> Step {
    let rule = &prepared.rule;
    let runner = setting.runner;
    match (&rule.action, &prepared.prepared) {
        (RuleAction::Return(spec), _) => {
            let reply = Rc::new(Box::pin(reply(spec, txn, runner)).await);
            Step::End(Verdict::Reply {
                reply,
                ground: Ground::Answer,
            })
        }
        (RuleAction::Deny(Some(spec)), _) => {
            let reply = Rc::new(Box::pin(reply(spec, txn, runner)).await);
            Step::End(Verdict::Reply {
                reply,
                ground: Ground::Refusal,
            })
        }
        (RuleAction::Deny(None), _) => Step::End(refusal(txn, runner).await),
        (RuleAction::Auth(realm), _) => Step::End(Verdict::Reply {
            reply: Rc::new(challenge(realm, txn, runner).await),
            // Whoever is asked for a password isn't refused yet.
            ground: Ground::Answer,
        }),
        (RuleAction::Tarpit(spec), _) => Step::End(Verdict::Tarpit(Rc::new(match spec {
            Some(spec) => Box::pin(reply(spec, txn, runner)).await,
            None => pages::error(StatusCode::INTERNAL_SERVER_ERROR, txn, runner).await,
        }))),
        (RuleAction::Redirect(spec), _) => match redirect(spec, txn, runner).await {
            Some(reply) => Step::End(Verdict::Reply {
                reply: Rc::new(reply),
                ground: Ground::Answer,
            }),
            None => Step::Next,
        },
        (RuleAction::Accept, _) => Step::End(Verdict::Continue),
        (RuleAction::SwitchMode(proto), _) => Step::End(match txn.mode() {
            Mode::Tcp => Verdict::SwitchMode(*proto),
            Mode::Http => Verdict::Continue,
        }),
        (RuleAction::Reject, _) => Step::End(Verdict::Reject),
        (RuleAction::Close, _) => Step::End(Verdict::Close),
        (RuleAction::ExpectProxy, _) => {
            txn.client.expects_proxy.set(true);
            Step::Next
        }
        (RuleAction::ExpectNetscaler, _) => {
            txn.client.expects_netscaler.set(true);
            Step::Next
        }
        (RuleAction::UseService { .. } | RuleAction::Serve(_), Prepared::Http(service)) => {
            Step::End(Verdict::Http(service.clone(), rule.line.as_str().into()))
        }
        (RuleAction::UseService { .. }, Prepared::Tcp(service)) => {
            Step::End(Verdict::Tcp(service.clone(), rule.line.as_str().into()))
        }
        (RuleAction::WaitForBody { time, at_least, room }, _) => Step::End(Verdict::WaitForBody(BodyWait {
            time: *time,
            at_least: *at_least,
            room: *room,
        })),
        (RuleAction::LimitBandwidth(to), _) => {
            bandwidth::limit(to, txn, runner).await;
            Step::Next
        }
        (RuleAction::SilentDrop { rst_ttl }, _) => Step::End(Verdict::Vanish { rst_ttl: *rst_ttl }),
        (RuleAction::StrictMode(on), _) => {
            txn.strict.set(*on);
            Step::Next
        }
        (RuleAction::Pause(time), _) => {
            let time = time.eval(&**txn, runner).await;
            if let Some(time) = time.and_then(|ms| u64::try_from(ms).ok()) {
                setting.timer.sleep(Duration::from_millis(time)).await;
            }
            Step::Next
        }
        (RuleAction::Resolve(resolution), _) => {
            Box::pin(resolution.run(txn, runner)).await;
            Step::Next
        }
        (RuleAction::Tune(tuning), _) => {
            tune(tuning, txn, runner).await;
            Step::Next
        }
        (
            RuleAction::EarlyHint(..)
            | RuleAction::Header(_)
            | RuleAction::Target(_)
            | RuleAction::SetMethod(_)
            | RuleAction::SetStatus(..),
            _,
        ) => match rewrite(rule, txn, setting).await {
            Ok(()) => Step::Next,
            Err(failed) => rewrite_failed(rule, txn, runner, &failed).await,
        },
        (RuleAction::Run { args, .. }, Prepared::Action(action)) => {
            // If it is given up while it waits, this stays.
            txn.waits_for(prepared.place.as_ref());
            let outcome = action.run(txn, args).await;
            txn.waits_for(None);
            Turn::refresh();
            after_action(outcome, prepared, txn, setting).await
        }
        _ => {
            change(prepared, txn, runner).await;
            Step::Next
        }
    }
}

async fn after_action(
    outcome: ActionOutcome,
    prepared: &PreparedRule,
    txn: &Rc<Txn>,
    setting: &Setting<'_>,
) -> Step {
    let runner = setting.runner;
    let in_response = matches!(txn.phase(), Phase::Response | Phase::ResponseContent);
    let (status, ground) = match outcome {
        ActionOutcome::Continue => return Step::Next,
        ActionOutcome::Stop => return Step::End(Verdict::Continue),
        ActionOutcome::Done => {
            return Step::End(match txn.take_reply() {
                Some(reply) => Verdict::Reply {
                    reply: Rc::new(reply),
                    ground: Ground::Answer,
                },
                None => Verdict::Done(Ground::Answer),
            });
        }
        ActionOutcome::Abort => return Step::End(Verdict::Done(Ground::Refusal)),
        ActionOutcome::Deny => return Step::End(refusal(txn, runner).await),
        ActionOutcome::Failed(failure) => {
            report(txn, &prepared.rule.line, &failure);
            return match prepared.rule.on_error.unwrap_or(setting.on_failure) {
                OnFailure::Continue => Step::Next,
                OnFailure::Deny => Step::End(refusal(txn, runner).await),
            };
        }
        ActionOutcome::Invalid if in_response => (StatusCode::BAD_GATEWAY, Ground::Refusal),
        ActionOutcome::Error => (StatusCode::INTERNAL_SERVER_ERROR, Ground::Fault),
        ActionOutcome::Invalid => (StatusCode::BAD_REQUEST, Ground::Refusal),
    };
    Step::End(Verdict::Reply {
        reply: Rc::new(pages::error(status, txn, runner).await),
        ground,
    })
}

fn report(txn: &Txn, line: &str, failure: &Failure) {
    txn.log_failure(line, failure);
}

/// A refusal: with the reply that was left, else with the page that belongs to it.
async fn refusal(txn: &Txn, runner: &dyn ExternalRunner) -> Verdict {
    let status = if txn.phase() == Phase::Response {
        StatusCode::BAD_GATEWAY
    } else {
        StatusCode::FORBIDDEN
    };
    let reply = match txn.take_reply() {
        Some(reply) => reply,
        None => pages::error(status, txn, runner).await,
    };
    Verdict::Reply {
        reply: Rc::new(reply),
        ground: Ground::Refusal,
    }
}

/// Why a message can't be changed.
enum Unwritable {
    /// The rewrite failed: what becomes of it is for `strict-mode` to say.
    Rewrite(String),
    /// The client's own request is at fault.
    BadRequest,
}

/// Changes the message.
async fn rewrite(rule: &Rule, txn: &Rc<Txn>, setting: &Setting<'_>) -> Result<(), Unwritable> {
    let runner = setting.runner;
    let failed = |why: &dyn std::fmt::Display| Unwritable::Rewrite(why.to_string());
    match &rule.action {
        RuleAction::EarlyHint(name, text) => edit::hint(name, text, txn, runner, setting.buffer_bytes)
            .await
            .map_err(|why| failed(&why)),
        RuleAction::Header(header) => edit::edit(header, txn, runner, setting.buffer_bytes)
            .await
            .map_err(|why| failed(&why)),
        RuleAction::SetMethod(text) => {
            let method = text.eval(txn, runner).await;
            txn.set_method(&method).map_err(|why| failed(&why))
        }
        RuleAction::SetStatus(status, reason) => match txn.set_status(*status, reason.as_deref()) {
            true => Ok(()),
            false => Err(failed(&"the reason can't be sent")),
        },
        RuleAction::Target(edit) => {
            let done = match edit {
                TargetEdit::Path(text) => txn.set_path(&text.eval(txn, runner).await),
                TargetEdit::PathQuery(text) => txn.set_path_and_query(&text.eval(txn, runner).await),
                TargetEdit::Query(text) => txn.set_query(&text.eval(txn, runner).await),
                TargetEdit::Uri(text) => txn.set_uri(&text.eval(txn, runner).await),
                TargetEdit::Replace(part, pattern, text) => {
                    let text = text.eval(txn, runner).await;
                    target::replace(*part, pattern, &text, txn)
                }
                TargetEdit::Normalize(normalizer) => {
                    let target = txn.request_head().and_then(|head| {
                        head.uri
                            .path_and_query()
                            .map(|_| head.uri.whole_path().into_owned())
                    });
                    match target.map(|target| normalizer.apply(target.as_bytes())) {
                        None => Ok(()),
                        Some(Err(_)) => return Err(Unwritable::BadRequest),
                        Some(Ok(target)) => txn.set_path_and_query(&target),
                    }
                }
            };
            done.map_err(|why| failed(&why))
        }
        _ => Ok(()),
    }
}

async fn rewrite_failed(rule: &Rule, txn: &Txn, runner: &dyn ExternalRunner, failed: &Unwritable) -> Step {
    if let Unwritable::Rewrite(_) = failed {
        txn.usage.rewrite_failed(&txn.client);
    }
    let status = match failed {
        Unwritable::BadRequest => StatusCode::BAD_REQUEST,
        Unwritable::Rewrite(_) if !txn.strict.get() => return Step::Next,
        Unwritable::Rewrite(why) => {
            txn.log(Level::Warning, &format!("{}: {why}", rule.line));
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    Step::End(Verdict::Reply {
        reply: Rc::new(pages::error(status, txn, runner).await),
        ground: Ground::Refusal,
    })
}

/// Actions that only change something.
async fn change(prepared: &PreparedRule, txn: &Rc<Txn>, runner: &dyn ExternalRunner) {
    let line = &prepared.rule.line;
    let complain = |why: &dyn std::fmt::Display| {
        txn.log(Level::Warning, &format!("{line}: {why}"));
    };
    match &prepared.rule.action {
        RuleAction::SetVar(to, expr) => {
            if let Some(value) = expr.eval_async(&**txn, runner).await {
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
        RuleAction::Track(track) => stick::track(txn, track, runner).await,
        RuleAction::ChangeCounter(change) => stick::change(txn, change, runner).await,
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
        RuleAction::SetLogLevel(level) => txn.set_log_level(*level),
        RuleAction::DoLog(origin, profile) => crate::session::logline::rule(txn, *origin, profile.as_deref()),
        RuleAction::Capture(way, slot, expr) => {
            let value = if expr.suspends() {
                expr.eval_async(&**txn, runner).await
            } else {
                expr.eval(&**txn)
            };
            if let Some(Value::Str(text)) = value.and_then(|value| cast(value, Type::Str)) {
                txn.capture(*way, *slot, &text);
            }
        }
        _ => complain(&"the action can't be used here"),
    }
}
