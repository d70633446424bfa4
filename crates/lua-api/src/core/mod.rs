//! The `core` table.

mod log;
mod net;
mod register;
mod text;
mod time;
mod wait;

use std::sync::Arc;

use mlua::{Lua, Result};

use crate::classes::Parts;
use crate::env::Env;
use crate::handle::{self, Class, Session};
use crate::row::{ClassRows, Row, install as install_rows};
use crate::{arg, concat, httpclient, patref, plane, queue, shared, socket};

const TABLES: [&[Row]; 13] = [
    log::ROWS,
    time::ROWS,
    wait::ROWS,
    register::ROWS,
    text::ROWS,
    net::ROWS,
    concat::CORE_ROWS,
    queue::CORE_ROWS,
    socket::CORE_ROWS,
    patref::CORE_ROWS,
    plane::EVENT_ROWS,
    httpclient::CORE_ROWS,
    shared::CORE_ROWS,
];

/// Makes the `core` table.
pub(crate) fn install(lua: &Lua, env: &Arc<Env>, parts: &Parts) -> Result<()> {
    let core = lua.create_table()?;
    for rows in TABLES {
        install_rows(lua, env, &core, rows)?;
    }
    core.raw_set("silent", SILENT)?;
    for number in 0..8 {
        if let Some(level) = arg::level_of(number) {
            core.raw_set(level.name(), number)?;
        }
    }
    core.raw_set("thread", env.state_id)?;
    for (name, objects, class) in [
        ("f", &parts.fetches, Class::Fetches),
        ("sf", &parts.fetches, Class::FetchesText),
        ("c", &parts.converters, Class::Converters),
        ("sc", &parts.converters, Class::ConvertersText),
    ] {
        core.raw_set(name, handle::object(objects, Session::NONE, class))?;
    }
    lua.globals().raw_set("core", core)
}

/// The level of `txn:set_loglevel` that means no log line.
pub(crate) const SILENT: i64 = -1;

pub(crate) fn reference() -> Vec<ClassRows> {
    TABLES.map(|rows| ClassRows { class: "core", rows }).into()
}
