//! Events: functions that are called when something happens, one event after the other, on the worker that subscribed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use mlua::{Function, IntoLua, Lua, MultiValue, Result, Table, UserData, UserDataFields, Value};
use tidegate_exec::function;

use crate::arg::{Named, Object, error};
use crate::entry::{Entry, ScriptLimits};
use crate::env::{Env, Stage};
use crate::row::{Row, class_table, install_class, row};
use crate::run::{Ended, Kind, Run, Running};
use crate::state::State;
use crate::task;

/// Events that wait for a function that is slow. Past them, events are missed until it has caught up.
const WAITING_MAX: usize = 1000;

pub(crate) const ROWS: &[Row] = &[row(
    "unsub(sub)",
    "ends the subscription: its function is not called again",
    |lua, name, _| {
        function(lua, name, |_, sub: Object<EventSub>| {
            sub.0.0.end();
            Ok(())
        })
    },
)];

/// Makes the class.
pub(crate) fn install(lua: &Lua, env: &Arc<Env>) -> Result<()> {
    install_class(lua, env, EventSub::NAME, ROWS).map(|_| ())
}

/// An event on its way to functions.
#[derive(Clone)]
pub(crate) struct Event {
    /// Its type: `SERVER_UP`.
    pub(crate) name: &'static str,
    /// When it happened.
    pub(crate) at: SystemTime,
    /// What functions are told, made when they are called.
    pub(crate) data: Option<Arc<dyn Data>>,
}

/// What functions are told of an event.
pub(crate) trait Data: Send + Sync {
    /// As a value of a state.
    fn to_lua(&self, lua: &Lua, state: &State) -> Result<Value>;
}

/// What a script holds of a subscription.
pub(crate) struct EventSub(Arc<Subscription>);

/// The events that wait for a function.
#[derive(Default)]
pub(crate) struct Subscription {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Event>,
    /// Too many waited: events are missed until none does.
    paused: bool,
    missed: u64,
    over: bool,
    waker: Option<Waker>,
}

impl Subscription {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in. False once the subscription has ended.
    pub(crate) fn hear(&self, event: Event) -> bool {
        let waker = {
            let mut inner = self.inner();
            if inner.over {
                return false;
            }
            if inner.paused || inner.waiting.len() >= WAITING_MAX {
                inner.paused = true;
                inner.missed += 1;
                return true;
            }
            inner.waiting.push_back(event);
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn end(&self) {
        let waker = {
            let mut inner = self.inner();
            inner.over = true;
            inner.waiting.clear();
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next event, with how many were missed before it; none at the end.
    async fn next(&self) -> Option<(Event, u64)> {
        poll_fn(|cx| {
            let mut inner = self.inner();
            if inner.over {
                return Poll::Ready(None);
            }
            match inner.waiting.pop_front() {
                Some(event) => {
                    let mut missed = 0;
                    if inner.paused && inner.waiting.is_empty() {
                        inner.paused = false;
                        missed = std::mem::take(&mut inner.missed);
                    }
                    Poll::Ready(Some((event, missed)))
                }
                None => {
                    inner.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// A subscription that was made before anything is served.
pub(crate) struct Pending {
    subscription: Arc<Subscription>,
    function: Function,
    limits: ScriptLimits,
}

/// Subscribes a function: to what `listen` lets the subscription hear.
pub(crate) fn subscribe(
    lua: &Lua,
    env: &Arc<Env>,
    function: Function,
    listen: impl FnOnce(&Arc<Subscription>),
) -> Result<Value> {
    let subscription = Arc::<Subscription>::default();
    listen(&subscription);
    let pending = Pending {
        subscription: Arc::clone(&subscription),
        function,
        limits: Run::script_limits(),
    };
    match env.stage() {
        Stage::Serve => task::serve_events(env, pending)?,
        Stage::Load | Stage::Init => env.registry().subscriptions.push(pending),
    }
    lua.create_userdata(EventSub(subscription))?.into_lua(lua)
}

/// Reads the types that a script wants to hear of: each is one of `known`, or their family for all of them.
pub(crate) fn wanted(
    name: &str,
    types: &Table,
    family: &str,
    known: &[&'static str],
) -> Result<Vec<&'static str>> {
    let mut wanted = Vec::new();
    for word in types.sequence_values::<mlua::LuaString>() {
        let word = crate::arg::message(&word?.as_bytes());
        match known.iter().find(|known| **known == word) {
            Some(known) => wanted.push(*known),
            None if word == family => wanted.extend(known),
            None => {
                let list = known.join("`, `");
                return Err(error(
                    name,
                    format!("event_type {word} is unknown: `{list}` and `{family}` are known"),
                ));
            }
        }
    }
    if wanted.is_empty() {
        return Err(error(name, "no event type is given"));
    }
    Ok(wanted)
}

/// Calls the function for one event after the other, until the subscription ends.
pub(crate) async fn serve(state: Arc<State>, pending: Pending, _room: task::Room) {
    let Pending {
        subscription,
        function,
        limits,
    } = pending;
    let name = state.vm.enter(|_| task::place_of(&function)).unwrap_or_default();
    let entry = match state.vm.entry(&name, function) {
        Ok(entry) => Entry::new(entry, limits),
        Err(error) => {
            let failure = tidegate_proxy::ext::Failure::new(error.to_string());
            return state.env.failed("Lua event", &failure);
        }
    };
    let _live = task::Live::new(state.env.state_id, &entry);
    // Whatever ends this ends the subscription: nobody would take its events any more.
    let _end = EndWith(Arc::clone(&subscription));
    while let Some((event, missed)) = subscription.next().await {
        if missed > 0 {
            let text = format!(
                "Lua event: {missed} events were missed, because more than {WAITING_MAX} waited for the function at {name}"
            );
            state
                .env
                .settings
                .message(tidegate_proxy::log::Level::Error, &text);
        }
        let when = event.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let args = state.vm.enter(|lua| {
            let data = match &event.data {
                Some(data) => data.to_lua(lua, &state)?,
                None => Value::Nil,
            };
            let sub = lua.create_userdata(EventSub(Arc::clone(&subscription)))?;
            Ok::<_, mlua::Error>(MultiValue::from_iter([
                event.name.into_lua(lua)?,
                data,
                Value::UserData(sub),
                when.into_lua(lua)?,
            ]))
        });
        let args = args.map_err(mlua::Error::external).and_then(|args| args);
        let started = match args {
            Ok(args) => Running::start(&state, &entry, args, Run::new(Kind::Task)),
            Err(error) => Err(tidegate_proxy::ext::Failure::new(error.to_string())),
        };
        let ended = match started {
            Ok(mut running) => match running.first() {
                Ok(ended) => ended,
                Err(why) => running.rest(why).await,
            },
            Err(failure) => Ended::Failed(failure),
        };
        if let Ended::Failed(failure) = ended {
            state.env.failed("Lua event", &failure);
        }
    }
}

struct EndWith(Arc<Subscription>);

impl Drop for EndWith {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Named for EventSub {
    const NAME: &'static str = "EventSub";
}

impl UserData for EventSub {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", Self::NAME);
        fields.add_meta_field_with("__index", |lua| class_table(lua, Self::NAME));
    }
}
