//! `core.log` and its kin: messages that belong to no session.

use std::sync::Arc;

use mlua::{Function, Lua, Result};
use tidegate_exec::{Chars, plain};
use tidegate_proxy::log::Level;

use crate::arg::{level_arg, logged};
use crate::env::Env;
use crate::row::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "log(loglevel, msg)",
        "sends a message to the log targets",
        |lua, name, env| {
            let env = Arc::clone(env);
            plain(lua, name, move |(level, text): (i64, Chars)| {
                env.settings.message(level_arg(1, "log", level)?, &logged(&text));
                Ok(())
            })
        },
    ),
    row(
        "Debug(msg)",
        "sends a message at level debug",
        |lua, name, env| at(lua, name, env, Level::Debug),
    ),
    row("Info(msg)", "sends a message at level info", |lua, name, env| {
        at(lua, name, env, Level::Info)
    }),
    row(
        "Warning(msg)",
        "sends a message at level warning",
        |lua, name, env| at(lua, name, env, Level::Warning),
    ),
    row(
        "Alert(msg)",
        "sends a message at level alert",
        |lua, name, env| at(lua, name, env, Level::Alert),
    ),
];

fn at(lua: &Lua, name: &str, env: &Arc<Env>, level: Level) -> Result<Function> {
    let env = Arc::clone(env);
    plain(lua, name, move |text: Chars| {
        env.settings.message(level, &logged(&text));
        Ok(())
    })
}
