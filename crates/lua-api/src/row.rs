//! The tables that the classes are made of: each function's signature, what it does in a line, its binding.

use std::sync::Arc;

use mlua::{Function, Lua, Result, Table};
use tidegate_exec::HOST_CHUNK;

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

/// How fields of a userdata's class are read and written.
pub(crate) struct OwnFields {
    pub(crate) read: Function,
    pub(crate) write: Function,
}

/// Lets scripts give fields of their own to the objects of a userdata's class, which go before its methods: in HAProxy objects are
/// tables, and there are scripts that put functions of their own in the place of a socket's.
pub(crate) fn own_fields(lua: &Lua, name: &str) -> Result<OwnFields> {
    const OWN_FIELDS: &str = r#"
        local class = ...
        local setmetatable, own = setmetatable, nil
        local function read(object, name)
            local fields = own and own[object]
            local value
            if fields then
                value = fields[name]
            end
            if value == nil then
                value = class[name]
            end
            return value
        end
        local function write(object, name, value)
            own = own or setmetatable({}, { __mode = "k" })
            local fields = own[object]
            if not fields then
                fields = {}
                own[object] = fields
            end
            fields[name] = value
        end
        return { read, write }
    "#;
    let key = format!("{}.own", registry_name(name));
    let known: Option<Table> = lua.named_registry_value(&key)?;
    let both = match known {
        Some(both) => both,
        None => {
            let chunk = lua.load(OWN_FIELDS).set_name(HOST_CHUNK);
            let both: Table = chunk.call(class_table(lua, name)?)?;
            lua.set_named_registry_value(&key, &both)?;
            both
        }
    };
    Ok(OwnFields {
        read: both.raw_get(1)?,
        write: both.raw_get(2)?,
    })
}

fn registry_name(class: &str) -> String {
    format!("tidegate.{class}")
}
