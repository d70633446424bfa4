//! The tables that the classes are made of: each function's signature, what it does in a line, its binding.

use std::sync::Arc;

use mlua::{Function, Lua, Result, Table};

use crate::env::Env;

pub(crate) type Bind = fn(&Lua, &str, &Arc<Env>) -> Result<Function>;

/// One function of a class.
pub struct Row {
    /// The name with its arguments, optional ones in brackets.
    pub signature: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
    pub(crate) bind: Bind,
}

/// A class of functions that scripts see.
pub struct ClassRows {
    /// The class's name.
    pub class: &'static str,
    /// Its functions.
    pub rows: &'static [Row],
}

impl Row {
    /// The function's name.
    pub fn name(&self) -> &'static str {
        self.signature
            .split_once('(')
            .map_or(self.signature, |(name, _)| name)
    }
}

pub(crate) const fn row(signature: &'static str, doc: &'static str, bind: Bind) -> Row {
    Row { signature, doc, bind }
}

/// Puts the functions of `rows` into `table`.
pub(crate) fn install(lua: &Lua, env: &Arc<Env>, table: &Table, rows: &[Row]) -> Result<()> {
    for row in rows {
        table.raw_set(row.name(), (row.bind)(lua, row.name(), env)?)?;
    }
    Ok(())
}

/// A table with the functions of `rows`.
pub(crate) fn methods(lua: &Lua, env: &Arc<Env>, rows: &[Row]) -> Result<Table> {
    let table = lua.create_table()?;
    install(lua, env, &table, rows)?;
    Ok(table)
}

/// The metatable of a class whose objects have methods only.
pub(crate) fn metatable(lua: &Lua, name: &str, methods: &Table) -> Result<Table> {
    let metatable = lua.create_table()?;
    metatable.raw_set("__index", methods)?;
    metatable.raw_set("__name", name)?;
    Ok(metatable)
}

/// Makes the table of methods of a userdata's class, for [`class_table`] to find.
pub(crate) fn install_class(lua: &Lua, env: &Arc<Env>, name: &str, rows: &[Row]) -> Result<Table> {
    let class = methods(lua, env, rows)?;
    lua.set_named_registry_value(&registry_name(name), &class)?;
    Ok(class)
}

/// The table of methods of a userdata's class.
pub(crate) fn class_table(lua: &Lua, name: &str) -> Result<Table> {
    lua.named_registry_value(&registry_name(name))
}

fn registry_name(class: &str) -> String {
    format!("tidegate.{class}")
}
