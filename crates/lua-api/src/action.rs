//! Actions: a rule runs a function with the transaction.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::Value;
use tidegate_exec::Again;
use tidegate_proxy::ext::{Action, ActionOutcome, Failure, Run as Answer};
use tidegate_proxy::{Mode, Phase, Txn};

use crate::act;
use crate::arg::whole;
use crate::entry::Entry;
use crate::run::{Done, Ended, Kind, Place, Running};
use crate::session::{WithTexts, txn_arg};
use crate::state::State;

pub(crate) struct LuaAction {
    pub(crate) state: Arc<State>,
    pub(crate) entry: Entry,
}

/// What comes of one run: an outcome, or the wish to be run again.
enum Verdict {
    Outcome(ActionOutcome),
    Again(Option<Duration>),
}

impl Action for LuaAction {
    fn run<'a>(&'a self, txn: &'a Rc<Txn>, args: &'a [String]) -> Answer<'a, ActionOutcome> {
        let begun = txn_arg(&self.state, txn, Kind::Action).and_then(|arg| {
            let (object, run) = (arg.object()?, Rc::clone(&arg.run));
            if args.is_empty() {
                Running::begin(&self.state, &self.entry, object, run, Place::Waits)
            } else {
                let args = WithTexts(object, args);
                Running::begin(&self.state, &self.entry, args, run, Place::Waits)
            }
        });
        let (mut running, ended) = match begun {
            Ok(begun) => begun,
            Err(failure) => return Answer::ready(self.broken(failure)),
        };
        match ended {
            Ok(ended) => match self.verdict(&mut running, ended) {
                Verdict::Outcome(outcome) => Answer::ready(outcome),
                Verdict::Again(after) => Answer::suspended(self.evaluate(txn, args, running, Err(after))),
            },
            Err(why) => Answer::suspended(self.evaluate(txn, args, running, Ok(why))),
        }
    }
}

impl LuaAction {
    /// Goes on with a run that waits, and runs the function again as often as it asks for that.
    async fn evaluate(
        &self,
        txn: &Rc<Txn>,
        args: &[String],
        mut running: Running,
        mut next: Result<Again, Option<Duration>>,
    ) -> ActionOutcome {
        loop {
            let ended = match next {
                Ok(why) => running.rest(why).await,
                Err(after) => {
                    if let Err(failure) = something_new(txn, after).await {
                        return self.broken(failure);
                    }
                    let restarted = txn_arg(&self.state, txn, Kind::Action)
                        .and_then(|arg| running.restart(&self.entry, WithTexts(arg.object()?, args)));
                    if let Err(failure) = restarted {
                        return self.broken(failure);
                    }
                    running.rest(Again::Turn).await
                }
            };
            match self.verdict(&mut running, ended) {
                Verdict::Outcome(outcome) => return outcome,
                Verdict::Again(after) => next = Err(after),
            }
        }
    }

    fn verdict(&self, running: &mut Running, ended: Ended) -> Verdict {
        let outcome = match ended {
            Ended::Returned if !running.has_results() => ActionOutcome::Continue,
            Ended::Returned => match running.take::<Value>() {
                Ok(value) => match whole(&value) {
                    Some(act::YIELD) => return Verdict::Again(running.run().wake_after.take()),
                    code => act::outcome(code),
                },
                Err(failure) => self.broken(failure),
            },
            Ended::Done(Done::Outcome(outcome)) => outcome,
            Ended::Done(Done::Value(_)) => ActionOutcome::Continue,
            Ended::Failed(failure) => self.broken(failure),
        };
        running.run().wake_after.set(None);
        Verdict::Outcome(outcome)
    }

    fn broken(&self, failure: Failure) -> ActionOutcome {
        ActionOutcome::Failed(named("function", self.entry.name(), failure))
    }
}

/// A failure with the function's name before it.
pub(crate) fn named(what: &str, name: &str, failure: Failure) -> Failure {
    Failure {
        message: format!("Lua {what} '{name}': {}", failure.message),
        detail: failure.detail,
    }
}

/// What an action that gave `act.YIELD` waits for: its wake time, the end of `inspect-delay`, or more data in the direction
/// it looks at. A failure where none of them will come, which would keep the session for ever.
async fn something_new(txn: &Rc<Txn>, after: Option<Duration>) -> Result<(), Failure> {
    let left = txn
        .inspected_until()
        .map(|until| until.duration_since(Instant::now()));
    if left == Some(Duration::ZERO) {
        return Err(Failure::new("act.YIELD: `inspect-delay` is over"));
    }
    let Some(limit) = [after, left].into_iter().flatten().min() else {
        return Err(Failure::new(format!(
            "act.YIELD: without act:wake_time{} nothing runs the function again in {}",
            match txn.mode() {
                Mode::Tcp => " and `inspect-delay`",
                Mode::Http => "",
            },
            place(txn)
        )));
    };
    let data = async {
        let channel = match (txn.mode(), txn.phase()) {
            (Mode::Tcp, Phase::ResponseContent | Phase::Response) => txn.response_channel(),
            (Mode::Tcp, _) => txn.request_channel(),
            // Nothing of an HTTP message arrives while its rules are evaluated.
            (Mode::Http, _) => return std::future::pending().await,
        };
        if !channel.may_recv() || channel.is_full() {
            return std::future::pending().await;
        }
        channel.wait_input(channel.input_len()).await;
    };
    let _ = tokio::time::timeout(limit, data).await;
    Ok(())
}

/// The rules that are being evaluated.
fn place(txn: &Txn) -> &'static str {
    match (txn.mode(), txn.phase()) {
        (Mode::Tcp, Phase::ResponseContent | Phase::Response) => "`tcp-response content`",
        (Mode::Tcp, _) => "`tcp-request content`",
        (Mode::Http, Phase::Response) => "`http-response` and `http-after-response`",
        (Mode::Http, _) => "`http-request`",
    }
}
