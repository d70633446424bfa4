//! Small helpers: splitting texts, process information, variables of the process.

use std::sync::Arc;

use mlua::LuaString;
use tidegate_exec::{Chars, function};
use tidegate_sample::ByteSet;
use tidegate_sample::vars::{VarName, VarScope};

use crate::plane::figure_table;
use crate::row::{Row, row};
use crate::value;

pub(super) const ROWS: &[Row] = &[
    row(
        "tokenize(str, separators[, noblank])",
        "splits `str` at each character of `separators`, without empty parts if `noblank`",
        |lua, name, _| {
            function(
                lua,
                name,
                |lua, (text, separators, noblank): (LuaString, LuaString, Option<bool>)| {
                    let (text, separators) = (text.as_bytes(), ByteSet::of(&separators.as_bytes()));
                    let parts = text
                        .split(|byte| separators.contains(*byte))
                        .filter(|part| !(noblank == Some(true) && part.is_empty()));
                    let table = lua.create_table()?;
                    for part in parts {
                        table.raw_push(lua.create_string(part)?)?;
                    }
                    Ok(table)
                },
            )
        },
    ),
    row(
        "get_info()",
        "the figures of `show info` by their names; before the configuration is complete, those of the process that are known",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |lua, ()| {
                if let Some(figures) = env.settings.world.info() {
                    let info = figure_table(lua, figures)?;
                    info.raw_set("Tasks", env.tasks.load(std::sync::atomic::Ordering::Relaxed))?;
                    return Ok(info);
                }
                let info = lua.create_table()?;
                info.raw_set("Name", "Tidegate")?;
                info.raw_set("Version", env!("CARGO_PKG_VERSION"))?;
                info.raw_set("Pid", std::process::id())?;
                info.raw_set("Nbthread", env.settings.threads)?;
                info.raw_set("Uptime_sec", 0)?;
                Ok(info)
            })
        },
    ),
    row(
        "use_native_mailers_config()",
        "there for HAProxy's sake: `Proxy.get_mailers` needs no permission",
        |lua, name, _| function(lua, name, |_, ()| Ok(())),
    ),
    row(
        "disable_legacy_mailers()",
        "there for the sake of scripts for former versions of HAProxy: scripts alone send mails here",
        |lua, name, _| function(lua, name, |_, ()| Ok(())),
    ),
    row(
        "get_var(var)",
        "the value of a variable of the scope `proc`, or nil",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, name: Chars| {
                let text = String::from_utf8_lossy(&name);
                let known = VarName::parse(&text).ok().filter(|n| n.scope() == VarScope::Proc);
                let found = known.and_then(|name| env.settings.proc_vars.value(&name));
                Ok(found.map(|found| value::to_scalar(&found, env.settings.bool_samples)))
            })
        },
    ),
];
