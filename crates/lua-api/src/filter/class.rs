//! The `filter` table: what the methods of filters say, and what they ask for.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Error, FromLua, Lua, Result, Table, Value, Variadic};
use tidegate_exec::{This, function};

use crate::arg::{Int, bad_argument, error};
use crate::channel::ChannelClass;
use crate::env::Env;
use crate::handle::Of;
use crate::row::{Row, install as install_rows, row};
use crate::run::Run;

pub(super) const CONTINUE: i64 = 1;
pub(super) const WAIT: i64 = 0;
pub(super) const ERROR: i64 = -1;
/// `FLT_CFG_FL_HTX`
const HTX: i64 = 1;

pub(crate) const ROWS: &[Row] = &[
    row(
        "register_data_filter([flt, ]chn)",
        "lets the data of the channel `chn` pass this filter; possible until they do",
        |lua, name, _| {
            function(lua, name, |lua, args: Variadic<Value>| {
                register(lua, "register_data_filter", args, true)
            })
        },
    ),
    row(
        "unregister_data_filter([flt, ]chn)",
        "lets the data of the channel `chn` pass by this filter from here on",
        |lua, name, _| {
            function(lua, name, |lua, args: Variadic<Value>| {
                register(lua, "unregister_data_filter", args, false)
            })
        },
    ),
    row(
        "wake_time(milliseconds)",
        "the longest time until the method that says so is called again",
        |lua, name, _| {
            function(lua, name, |lua, args: Variadic<Value>| {
                let ms = args.into_iter().next_back().unwrap_or(Value::Nil);
                let Int(ms) = Int::from_lua(ms, lua)?;
                let ms = u64::try_from(ms).map_err(|_| bad_argument(1, "wake_time", "not a duration"))?;
                let run = Run::current().filter(|run| run.filter().is_some());
                let run = run.ok_or_else(|| Error::runtime("wake_time: no filter runs here"))?;
                run.wake_after.set(Some(Duration::from_millis(ms)));
                Ok(())
            })
        },
    ),
];

/// Makes the table.
pub(crate) fn install(lua: &Lua, env: &Arc<Env>) -> Result<()> {
    let filter = lua.create_table()?;
    for (name, code) in [
        ("CONTINUE", CONTINUE),
        ("WAIT", WAIT),
        ("ERROR", ERROR),
        ("FLT_CFG_FL_HTX", HTX),
    ] {
        filter.raw_set(name, code)?;
    }
    install_rows(lua, env, &filter, ROWS)?;
    lua.globals().raw_set("filter", filter)
}

/// Whether a class of filters is for HTTP too.
pub(crate) fn is_for_http(class: &Table) -> Result<bool> {
    let flags = class.raw_get::<Option<i64>>("flags")?;
    Ok(flags.is_some_and(|flags| flags & HTX != 0))
}

/// With the filter itself before the channel, as the documentation's example has it, or without.
fn register(lua: &Lua, name: &str, args: Variadic<Value>, wanted: bool) -> Result<()> {
    let channel = args.into_iter().next_back().unwrap_or(Value::Nil);
    let channel = This::<Of<ChannelClass>>::from_lua(channel, lua)?;
    channel.live()?;
    let work = Run::current().and_then(|run| run.filter());
    let work = work.ok_or_else(|| error(name, "no filter runs here"))?;
    work.side(channel.way()).registered.set(wanted);
    Ok(())
}
