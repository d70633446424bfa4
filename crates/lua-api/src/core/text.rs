//! Small helpers: splitting texts, process information, variables of the process.

use std::sync::Arc;

use mlua::LuaString;
use tidegate_exec::{Chars, function};
use tidegate_sample::vars::{VarName, VarScope};

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
                    let (text, separators) = (text.as_bytes(), separators.as_bytes());
                    let parts = text
                        .split(|byte| separators.contains(byte))
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
        "what is known of the process: Name, Version, Pid, Nbthread, Uptime_sec, Start_time_sec, Tasks",
        |lua, name, env| {
            let env = Arc::clone(env);
            let started = std::time::SystemTime::now();
            function(lua, name, move |lua, ()| {
                let info = lua.create_table()?;
                info.raw_set("Name", "Tidegate")?;
                info.raw_set("Version", env!("CARGO_PKG_VERSION"))?;
                info.raw_set("Pid", std::process::id())?;
                info.raw_set("Nbthread", env.settings.threads)?;
                let up = started.elapsed().unwrap_or_default();
                info.raw_set("Uptime_sec", up.as_secs())?;
                let since = started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                info.raw_set("Start_time_sec", since.as_secs())?;
                let tasks = env.tasks.load(std::sync::atomic::Ordering::Relaxed);
                info.raw_set("Tasks", tasks)?;
                Ok(info)
            })
        },
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
