//! What HAProxy's scripts know and Tidegate does not have yet: there by name, and an error when used.

use mlua::{Error, Function, Lua, Result, Table, Value, Variadic};
use tidegate_exec::function;

/// Global classes.
const GLOBALS: &[&str] = &["ACME"];

pub(crate) fn install(lua: &Lua) -> Result<()> {
    for name in GLOBALS {
        lua.globals().raw_set(*name, empty(lua, name)?)?;
    }
    Ok(())
}

/// A function that says that it isn't one yet.
pub(crate) fn refusal(lua: &Lua, name: &str, message: String) -> Result<Function> {
    function(lua, name, move |_, _: Variadic<Value>| {
        Err::<(), _>(Error::runtime(message.clone()))
    })
}

/// A table in which nothing can be looked up.
fn empty(lua: &Lua, name: &str) -> Result<Table> {
    let message = format!("{name} is not supported yet");
    let metatable = lua.create_table()?;
    for event in ["__index", "__newindex", "__pairs", "__len", "__call"] {
        metatable.raw_set(event, refusal(lua, name, message.clone())?)?;
    }
    let table = lua.create_table()?;
    table.set_metatable(Some(metatable))?;
    Ok(table)
}
