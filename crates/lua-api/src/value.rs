//! Samples as Lua values, and back.

use mlua::{Lua, Result};
use tidegate_sample::{Data, Type, Value, cast};

use crate::settings::BoolSamples;

/// The Lua value of a sample.
pub(crate) fn to_lua(lua: &Lua, value: &Value, bools: BoolSamples) -> Result<mlua::Value> {
    Ok(match value {
        Value::Bool(b) => match bools {
            BoolSamples::Normal => mlua::Value::Boolean(*b),
            BoolSamples::Pre31Bug => mlua::Value::Integer((*b).into()),
        },
        Value::Int(i) => mlua::Value::Integer(*i),
        Value::Str(data) | Value::Bin(data) => mlua::Value::String(lua.create_string(data)?),
        Value::Method(method) => mlua::Value::String(lua.create_string(method.as_str())?),
        Value::Ipv4(ip) => mlua::Value::String(lua.create_string(ip.to_string())?),
        Value::Ipv6(ip) => mlua::Value::String(lua.create_string(ip.to_string())?),
    })
}

/// A sample on its way to Lua.
pub(crate) struct Sample<'a>(pub(crate) &'a Value, pub(crate) BoolSamples);

impl mlua::IntoLua for Sample<'_> {
    fn into_lua(self, lua: &Lua) -> Result<mlua::Value> {
        to_lua(lua, self.0, self.1)
    }
}

/// The Lua string of a sample, as the `sf` and `sc` classes give it; empty where there is none.
pub(crate) fn to_lua_text(lua: &Lua, value: Option<Value>) -> Result<mlua::Value> {
    let text = match value {
        Some(Value::Bin(bytes)) => bytes,
        Some(value) => match cast(value, Type::Str) {
            Some(Value::Str(text)) => text,
            _ => Data::EMPTY,
        },
        None => Data::EMPTY,
    };
    Ok(mlua::Value::String(lua.create_string(&text)?))
}

/// The sample that a Lua value makes. What has no form as a sample is `false`, as in HAProxy.
pub(crate) fn from_lua(value: &mlua::Value) -> Value {
    match value {
        mlua::Value::Boolean(b) => Value::Bool(*b),
        mlua::Value::Integer(i) => Value::Int(*i),
        // Samples have no fractions.
        mlua::Value::Number(n) => Value::Int(*n as i64),
        mlua::Value::String(text) => Value::str(&*text.as_bytes()),
        _ => Value::Bool(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_integers_unless_asked_for() {
        let lua = Lua::new();
        let yes = Value::Bool(true);
        let old = to_lua(&lua, &yes, BoolSamples::Pre31Bug).unwrap();
        assert_eq!(old, mlua::Value::Integer(1));
        let new = to_lua(&lua, &yes, BoolSamples::Normal).unwrap();
        assert_eq!(new, mlua::Value::Boolean(true));
    }

    #[test]
    fn texts_are_never_absent_and_bytes_stay_bytes() {
        let lua = Lua::new();
        let text = |value| match to_lua_text(&lua, value).unwrap() {
            mlua::Value::String(text) => text.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(None), b"");
        assert_eq!(text(Some(Value::Int(-7))), b"-7");
        assert_eq!(text(Some(Value::bin(&b"\x00\xff"[..]))), b"\x00\xff");
    }

    #[test]
    fn what_is_no_sample_is_false() {
        assert_eq!(from_lua(&mlua::Value::Nil), Value::Bool(false));
        assert_eq!(from_lua(&mlua::Value::Number(1.5)), Value::Int(1));
    }
}
