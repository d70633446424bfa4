//! The Map class: lookups in a map by one of the match methods.

use std::sync::Arc;

use mlua::{Function, Lua, LuaString, Result, Table, UserData, UserDataFields};
use tidegate_exec::{Scalar, function};
use tidegate_sample::pattern::MatchMethod;
use tidegate_sample::{Converter, Value as Sample};

use crate::arg::{Int, Named, Object, bad_argument, message};
use crate::calls::NoTxn;
use crate::env::{Env, Stage};
use crate::row::{Row, install_class, own_fields, row};
use crate::settings::BoolSamples;
use crate::value;

/// The methods by HAProxy's numbers.
const METHODS: [(&str, i64); 14] = [
    ("found", 0),
    ("bool", 1),
    ("int", 2),
    ("ip", 3),
    ("bin", 4),
    ("len", 5),
    ("str", 6),
    ("beg", 7),
    ("sub", 8),
    ("dir", 9),
    ("dom", 10),
    ("end", 11),
    ("reg", 12),
    ("regm", 13),
];

pub(crate) const ROWS: &[Row] = &[
    row(
        "new(name, method)",
        "a Map of the file or list of that name, which is loaded if it wasn't; written `Map.new(…)`",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, (name, method): (LuaString, Option<Int>)| {
                new(
                    &env,
                    &message(&name.as_bytes()),
                    method.map_or(6, |Int(method)| method),
                )
            })
        },
    ),
    row(
        "lookup(map, str)",
        "what a text finds in the map, or nil",
        |lua, name, env| looked_up(lua, name, env, false),
    ),
    row(
        "slookup(map, str)",
        "what a text finds in the map, or an empty text",
        |lua, name, env| looked_up(lua, name, env, true),
    ),
];

/// A map with its match method.
struct Map(Converter);

/// Makes the class with its attributes.
pub(crate) fn install(lua: &Lua, env: &Arc<Env>) -> Result<()> {
    let class: Table = install_class(lua, env, Map::NAME, ROWS)?;
    for (name, number) in METHODS {
        class.raw_set(name, number)?;
        class.raw_set(format!("_{name}"), number)?;
    }
    lua.globals().raw_set(Map::NAME, class)
}

fn new(env: &Env, name: &str, method: i64) -> Result<Map> {
    let wrong = |why: String| mlua::Error::runtime(format!("'new': {why}"));
    let known = METHODS.iter().find(|(_, number)| *number == method);
    let known = known.and_then(|(name, _)| MatchMethod::from_name(name));
    let Some(method) = known else {
        return Err(mlua::Error::runtime("'new' needs a valid match method."));
    };
    let args = [Sample::str(name.as_bytes())];
    env.in_scope(|scope| Converter::new(&format!("map_{}", method.name()), &args, scope))
        .map(Map)
        .map_err(|error| match env.stage() {
            Stage::Serve => wrong(format!("map: cannot load map at runtime: {error}.")),
            Stage::Load | Stage::Init => wrong(format!("failed to open pattern file <{name}>: {error}.")),
        })
}

fn looked_up(lua: &Lua, name: &str, env: &Arc<Env>, as_text: bool) -> Result<Function> {
    let env = Arc::clone(env);
    function(lua, name, move |_, (map, key): (Object<Map>, Scalar)| {
        let found = match key {
            Scalar::Nil | Scalar::Other(_) => return Err(bad_argument(2, "lookup", "string expected")),
            key => map.0.0.apply(&NoTxn(&env.settings), value::of_scalar(key)),
        };
        Ok(match (found, as_text) {
            (None, false) => Scalar::Nil,
            (found, true) => value::to_text(found),
            (Some(found), false) => value::to_scalar(&found, BoolSamples::Normal),
        })
    })
}

impl Named for Map {
    const NAME: &'static str = "Map";
}

impl UserData for Map {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", Self::NAME);
        fields.add_meta_field_with("__index", |lua| Ok(own_fields(lua, Self::NAME)?.read));
        fields.add_meta_field_with("__newindex", |lua| Ok(own_fields(lua, Self::NAME)?.write));
    }
}
