//! The `act` table: what an action says to the rules that called it.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Error, FromLua as _, Lua, Result, Table, Value};
use tidegate_exec::function;
use tidegate_proxy::ext::ActionOutcome;

use crate::arg::{Int, bad_argument};
use crate::env::Env;
use crate::row::{Row, install as install_rows, row};
use crate::run::Run;

const CONTINUE: i64 = 0;
const STOP: i64 = 1;
pub(crate) const YIELD: i64 = 2;
const ERROR: i64 = 3;
const DONE: i64 = 4;
const DENY: i64 = 5;
const ABORT: i64 = 6;
const INVALID: i64 = 7;

pub(crate) const ROWS: &[Row] = &[row(
    "wake_time(milliseconds)",
    "when the action gives `act.YIELD`: the longest time until it runs again",
    |lua, name, _| {
        // With a colon the first argument is the table itself; scripts for older versions write a dot.
        function(lua, name, |lua, (first, second): (Value, Option<Int>)| {
            let Int(ms) = match (second, first) {
                (Some(ms), _) => ms,
                (None, Value::Table(_)) => {
                    return Err(bad_argument(2, "wake_time", "number expected, got no value"));
                }
                (None, first) => Int::from_lua(first, lua)?,
            };
            let ms = u64::try_from(ms).map_err(|_| bad_argument(2, "wake_time", "not a duration"))?;
            let run = Run::current().ok_or_else(|| Error::runtime("wake_time: no action runs here"))?;
            run.wake_after.set(Some(Duration::from_millis(ms)));
            Ok(())
        })
    },
)];

pub(crate) fn install(lua: &Lua, env: &Arc<Env>) -> Result<()> {
    let act: Table = lua.create_table()?;
    for (name, code) in [
        ("CONTINUE", CONTINUE),
        ("STOP", STOP),
        ("YIELD", YIELD),
        ("ERROR", ERROR),
        ("DONE", DONE),
        ("DENY", DENY),
        ("ABORT", ABORT),
        ("INVALID", INVALID),
    ] {
        act.raw_set(name, code)?;
    }
    install_rows(lua, env, &act, ROWS)?;
    lua.globals().raw_set("act", act)
}

/// What an action's result means, which may be a number of any kind, or a text of one. Anything that is no code is `act.CONTINUE`.
pub(crate) fn outcome(code: Option<i64>) -> ActionOutcome {
    match code {
        // What ends a transaction is `txn:done`; this ends the rules alone, as HAProxy does it.
        Some(STOP | DONE) => ActionOutcome::Stop,
        Some(ERROR) => ActionOutcome::Error,
        Some(DENY) => ActionOutcome::Deny,
        Some(ABORT) => ActionOutcome::Abort,
        Some(INVALID) => ActionOutcome::Invalid,
        _ => ActionOutcome::Continue,
    }
}
