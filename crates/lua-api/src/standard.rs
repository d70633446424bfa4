//! Functions of the standard library, where scripts written for HAProxy know them otherwise than Lua 5.4 has them.

use std::sync::Arc;

use mlua::{AnyUserData, Function, Lua, MultiValue, ObjectLike, Result, Table, Value};
use tidegate_exec::{Chars, function};

use crate::env::Env;

/// Puts them into the libraries that are open.
pub(crate) fn adapt(lua: &Lua, env: &Arc<Env>) -> Result<()> {
    let library = |name| lua.globals().raw_get::<Option<Table>>(name);
    if let (Some(os), Some(environment)) = (library("os")?, &env.settings.environment) {
        let environment = Arc::clone(environment);
        let getenv = function(lua, "getenv", move |lua, name: Chars| {
            let value = environment.get(&*name);
            value.map(|value| lua.create_string(value)).transpose()
        })?;
        os.raw_set("getenv", getenv)?;
    }
    if let Some(io) = library("io")? {
        // What a script writes is seen at once, also in a file or a pipe, as in HAProxy.
        let stdout: AnyUserData = io.raw_get("stdout")?;
        stdout.call_method::<()>("setvbuf", "no")?;
    }
    if let Some(math) = library("math")? {
        // As in Lua 5.3 and 5.5, a number with a fraction will do: scripts seed with the clock.
        let original: Function = math.raw_get("randomseed")?;
        let randomseed = function(lua, "randomseed", move |_, seeds: MultiValue| {
            let whole = |seed| match seed {
                Value::Number(seed) => Value::Integer(seed as i64),
                other => other,
            };
            original.call::<MultiValue>(seeds.into_iter().map(whole).collect::<MultiValue>())
        })?;
        math.raw_set("randomseed", randomseed)?;
    }
    Ok(())
}
