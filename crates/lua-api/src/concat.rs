//! The Concat class: a long text made of many pieces, put together once.
//!
//! A Concat is a table of its pieces, so that they count for the state's memory limit.

use mlua::{LuaString, Table};
use tidegate_exec::{Said, function};

use crate::row::{Row, metatable, methods, row};

pub(crate) const CORE_ROWS: &[Row] = &[row("concat()", "a new Concat", |lua, name, env| {
    let class = metatable(lua, "Concat", &methods(lua, env, ROWS)?)?;
    function(lua, name, move |lua, ()| {
        let concat = lua.create_table()?;
        concat.set_metatable(Some(class.clone()))?;
        Ok(concat)
    })
})];

pub(crate) const ROWS: &[Row] = &[
    row("add(concat, string)", "appends a piece", |lua, name, _| {
        function(lua, name, |_, (pieces, piece): (Table, LuaString)| {
            pieces.raw_push(piece)
        })
    }),
    row("dump(concat)", "the whole text", |lua, name, _| {
        function(lua, name, |_, pieces: Table| {
            let mut whole = Vec::new();
            for at in 1..=pieces.raw_len() {
                let piece: LuaString = pieces.raw_get(at)?;
                whole.extend_from_slice(&piece.as_bytes());
            }
            Ok(Said(whole))
        })
    }),
];
