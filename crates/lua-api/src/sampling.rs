//! Fetches and converters: an expression asks for a value, a function gives it, and may wait before it does.

use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

use tidegate_exec::{Again, Scalars};
use tidegate_proxy::Txn;
use tidegate_proxy::ext::Failure;
use tidegate_sample::{ExternalId, ExternalRunner, LocalBoxFuture, Session, Value};

use crate::entry::Entry;
use crate::run::{Done, Ended, Kind, Place, Run, Running};
use crate::session::txn_arg;
use crate::state::State;
use crate::value;

/// A function with its state.
pub(crate) struct Bound {
    pub(crate) state: Arc<State>,
    pub(crate) entry: Entry,
}

/// The fetches and converters of one worker, by number.
#[derive(Default)]
pub(crate) struct LuaRunner {
    pub(crate) fetches: Vec<Bound>,
    pub(crate) converters: Vec<Bound>,
}

impl ExternalRunner for LuaRunner {
    fn fetch<'a>(
        &'a self,
        id: ExternalId,
        session: &'a dyn Session,
        args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>> {
        let (Some(bound), Some(txn)) = (self.fetches.get(id.0 as usize), transaction(session)) else {
            return Box::pin(ready(None));
        };
        let begun = fetching(bound, &txn, args, Place::Waits);
        result(bound, "fetch", begun, Some(txn))
    }

    fn fetch_now(&self, id: ExternalId, session: &dyn Session, args: &[Value]) -> Option<Value> {
        let bound = self.fetches.get(id.0 as usize)?;
        let txn = transaction(session)?;
        let begun = fetching(bound, &txn, args, Place::Hurries(Some(txn.place_of_hurry())));
        at_once(bound, "fetch", begun, Some(&txn))
    }

    fn convert_now(
        &self,
        id: ExternalId,
        session: &dyn Session,
        input: Value,
        args: &[Value],
    ) -> Option<Value> {
        let bound = self.converters.get(id.0 as usize)?;
        let txn = transaction(session);
        let place = Place::Hurries(txn.as_ref().map(|txn| txn.place_of_hurry()));
        let begun = conversion(bound, txn.as_ref(), &input, args, place);
        at_once(bound, "converter", begun, txn.as_ref())
    }

    fn convert<'a>(
        &'a self,
        id: ExternalId,
        session: &'a dyn Session,
        input: Value,
        args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>> {
        let txn = transaction(session);
        let Some(bound) = self.converters.get(id.0 as usize) else {
            return Box::pin(ready(None));
        };
        let begun = conversion(bound, txn.as_ref(), &input, args, Place::Waits);
        result(bound, "converter", begun, txn)
    }
}

fn transaction(session: &dyn Session) -> Option<Rc<Txn>> {
    session.as_any().downcast_ref::<Txn>().and_then(Txn::shared)
}

/// A function that began to run, and how far it came.
type Begun = std::result::Result<(Running, std::result::Result<Ended, Again>), Failure>;

fn fetching(bound: &Bound, txn: &Rc<Txn>, args: &[Value], place: Place<'_>) -> Begun {
    let arg = txn_arg(&bound.state, txn, Kind::Fetch)?;
    let (object, run) = (arg.object()?, Rc::clone(&arg.run));
    if args.is_empty() {
        return Running::begin(&bound.state, &bound.entry, object, run, place);
    }
    let args = (object, scalars(args, bound));
    Running::begin(&bound.state, &bound.entry, args, run, place)
}

fn conversion(
    bound: &Bound,
    txn: Option<&Rc<Txn>>,
    input: &Value,
    args: &[Value],
    place: Place<'_>,
) -> Begun {
    let input = value::to_scalar(input, bound.state.env.settings.bool_samples);
    let args = (input, scalars(args, bound));
    let run = match txn {
        Some(txn) => Run::of(Kind::Converter, txn),
        None => Run::new(Kind::Converter),
    };
    Running::begin(&bound.state, &bound.entry, args, run, place)
}

/// An expression's arguments as the function gets them.
fn scalars(args: &[Value], bound: &Bound) -> Scalars {
    let bools = bound.state.env.settings.bool_samples;
    Scalars(
        args.iter()
            .map(|sample| value::to_scalar(sample, bools))
            .collect(),
    )
}

/// Steps the function to its end, at once if it can be.
fn result<'a>(
    bound: &'a Bound,
    what: &'static str,
    begun: Begun,
    txn: Option<Rc<Txn>>,
) -> LocalBoxFuture<'a, Option<Value>> {
    let (mut running, ended) = match begun {
        Ok(begun) => begun,
        Err(failure) => {
            report(bound, what, txn.as_deref(), &failure);
            return Box::pin(ready(None));
        }
    };
    match ended {
        Ok(ended) => Box::pin(ready(sample(bound, what, &mut running, ended, txn.as_deref()))),
        Err(why) => Box::pin(async move {
            let ended = running.rest(why).await;
            sample(bound, what, &mut running, ended, txn.as_deref())
        }),
    }
}

/// What the function came to where nothing can wait.
fn at_once(bound: &Bound, what: &'static str, begun: Begun, txn: Option<&Rc<Txn>>) -> Option<Value> {
    let txn = txn.map(|txn| &**txn);
    match begun {
        Ok((mut running, Ok(ended))) => sample(bound, what, &mut running, ended, txn),
        // Where nothing can wait, a function has ended.
        Ok((_, Err(_))) => None,
        Err(failure) => {
            report(bound, what, txn, &failure);
            None
        }
    }
}

/// The value that the run gave: none if it returned nothing.
fn sample(
    bound: &Bound,
    what: &str,
    running: &mut Running,
    ended: Ended,
    txn: Option<&Txn>,
) -> Option<Value> {
    let failure = match ended {
        Ended::Returned => match running.take::<Scalars>() {
            Ok(values) => return values.0.into_iter().next().map(value::of_scalar),
            Err(failure) => failure,
        },
        Ended::Done(Done::Value(value)) => return Some(value::of_scalar(value)),
        Ended::Done(Done::Outcome(_)) => return None,
        Ended::Failed(failure) => failure,
    };
    report(bound, what, txn, &failure);
    None
}

fn report(bound: &Bound, what: &str, txn: Option<&Txn>, failure: &Failure) {
    let what = format!("Lua {what} '{}'", bound.entry.name());
    match txn {
        Some(txn) => txn.log_failure(&what, failure),
        None => bound.state.env.failed(&what, failure),
    }
}
