//! The Regex class.

use std::sync::Arc;

use mlua::{Lua, LuaString, MultiValue, Result, Table, UserData, UserDataFields, Value};
use pcre2::bytes::Regex as Compiled;
use tidegate_exec::function;

use crate::arg::{Named, Object};
use crate::env::Env;
use crate::row::{Row, install_class, own_fields, row};
use crate::subst;

pub(crate) const ROWS: &[Row] = &[
    row(
        "new(regex, case_sensitive)",
        "true and a Regex, or false and what is wrong with it; written `Regex.new(…)`",
        |lua, name, _| {
            function(lua, name, |lua, (text, case_sensitive): (LuaString, bool)| {
                Ok(match subst::compile(&text.as_bytes(), case_sensitive) {
                    Ok(regex) => (true, Value::UserData(lua.create_userdata(Regex(regex))?)),
                    Err(why) => (false, Value::String(lua.create_string(why)?)),
                })
            })
        },
    ),
    row("exec(regex, str)", "whether the text matches", |lua, name, _| {
        function(lua, name, |_, (this, text): (Object<Regex>, LuaString)| {
            Ok(this.0.0.is_match(&text.as_bytes()).unwrap_or(false))
        })
    }),
    row(
        "match(regex, str)",
        "whether the text matches, and a list of the match and its groups",
        |lua, name, _| {
            function(lua, name, |lua, (this, text): (Object<Regex>, LuaString)| {
                let text = text.as_bytes();
                let Some(found) = this.0.0.captures(&text).ok().flatten() else {
                    let none = Value::Table(lua.create_table()?);
                    return Ok(MultiValue::from_iter([Value::Boolean(false), none]));
                };
                let groups = lua.create_table()?;
                // Groups behind the last one that matched are not in the list.
                let last = (0..found.len()).rfind(|at| found.get(*at).is_some());
                for at in 0..=last.unwrap_or(0) {
                    let group = found.get(at).map_or(&b""[..], |group| group.as_bytes());
                    groups.raw_push(lua.create_string(group)?)?;
                }
                Ok(MultiValue::from_iter([
                    Value::Boolean(true),
                    Value::Table(groups),
                ]))
            })
        },
    ),
];

/// A compiled regular expression.
struct Regex(Compiled);

impl Named for Regex {
    const NAME: &'static str = "Regex";
}

impl UserData for Regex {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", Self::NAME);
        fields.add_meta_field_with("__index", |lua| Ok(own_fields(lua, Self::NAME)?.read));
        fields.add_meta_field_with("__newindex", |lua| Ok(own_fields(lua, Self::NAME)?.write));
    }
}

pub(crate) fn install(lua: &Lua, env: &Arc<Env>) -> Result<()> {
    let class: Table = install_class(lua, env, Regex::NAME, ROWS)?;
    lua.globals().raw_set(Regex::NAME, class)
}
