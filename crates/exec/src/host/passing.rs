//! Arguments and results of host functions, and errors as scripts read them.

use mlua::ffi;
use mlua::state::RawLua;
use mlua::{Error, FromLuaMulti, IntoLuaMulti, Lua, MultiValue, Result};

use crate::{core, scalar};

/// Arguments whose conversion may fail without mlua raising its own kind of error.
pub(super) struct Args<A>(pub(super) Result<A>);

impl<A: FromLuaMulti> FromLuaMulti for Args<A> {
    fn from_lua_multi(values: MultiValue, lua: &Lua) -> Result<Self> {
        Ok(Args(A::from_lua_args(values, 1, None, lua)))
    }

    unsafe fn from_stack_multi(n: i32, lua: &RawLua) -> Result<Self> {
        // SAFETY: the contract is the same one.
        Ok(Args(unsafe { A::from_stack_args(n, 1, None, lua) }))
    }

    unsafe fn from_stack_args(n: i32, _: usize, _: Option<&str>, lua: &RawLua) -> Result<Self> {
        // SAFETY: the contract is the same one.
        Ok(Args(unsafe { A::from_stack_args(n, 1, None, lua) }))
    }
}

/// An error's text, or that there was no memory, on its way to the outer frame.
pub(super) enum Text {
    Message(String),
    OutOfMemory,
}

impl IntoLuaMulti for Text {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        match self {
            Text::Message(text) => text.into_lua_multi(lua),
            Text::OutOfMemory => Err(Error::MemoryError("not enough memory".into())),
        }
    }
}

/// Results, or an error's text and the mark of a failure.
pub(super) struct Returns<R>(pub(super) std::result::Result<R, Text>);

impl<R: IntoLuaMulti> IntoLuaMulti for Returns<R> {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        match self.0 {
            Ok(values) => values.into_lua_multi(lua),
            Err(text) => text.into_lua_multi(lua),
        }
    }

    unsafe fn push_into_stack_multi(self, lua: &RawLua) -> Result<i32> {
        let l = lua.state();
        // SAFETY: the contract is the same one; there is room for a mark, as C functions have 20 slots.
        unsafe {
            let text = match self.0 {
                Ok(values) => {
                    let top = ffi::lua_gettop(l);
                    match scalar::leaving(l, || values.push_into_stack_multi(lua)) {
                        Ok(n) => return Ok(n),
                        Err(error) => {
                            ffi::lua_settop(l, top);
                            text(&error, "?")
                        }
                    }
                }
                Err(text) => text,
            };
            let n = text.push_into_stack_multi(lua)?;
            ffi::lua_pushlightuserdata(l, core::failed());
            Ok(n + 1)
        }
    }
}

/// What became of an operation's call.
pub(super) enum Started<R> {
    /// It was ready at once.
    Ready(R),
    /// Its future waits with the run.
    Suspended,
    Failed(Text),
}

impl<R: IntoLuaMulti> IntoLuaMulti for Started<R> {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        match self {
            Started::Ready(values) => values.into_lua_multi(lua),
            Started::Suspended => Ok(MultiValue::new()),
            Started::Failed(text) => text.into_lua_multi(lua),
        }
    }

    unsafe fn push_into_stack_multi(self, lua: &RawLua) -> Result<i32> {
        // SAFETY: the contract is the same one; there is room for a mark.
        unsafe {
            match self {
                Started::Ready(values) => Returns(Ok(values)).push_into_stack_multi(lua),
                Started::Suspended => {
                    ffi::lua_pushlightuserdata(lua.state(), core::suspended());
                    Ok(1)
                }
                Started::Failed(text) => Returns::<()>(Err(text)).push_into_stack_multi(lua),
            }
        }
    }
}

/// The error as a script should read it.
pub(super) fn text(error: &Error, name: &str) -> Text {
    match error {
        Error::MemoryError(_) => Text::OutOfMemory,
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => text(cause, name),
        Error::BadArgument { pos, cause, .. } => {
            let what = match &**cause {
                Error::FromLuaConversionError { from, to, message } => match message {
                    Some(message) if *from == to.as_str() => message.clone(),
                    _ => format!("{} expected, got {}", lua_type_name(to), lua_type_name(from)),
                },
                other => other.to_string(),
            };
            Text::Message(format!("bad argument #{pos} to '{name}' ({what})"))
        }
        Error::FromLuaConversionError { from, to, .. } => Text::Message(format!(
            "bad argument to '{name}' ({} expected, got {})",
            lua_type_name(to),
            lua_type_name(from)
        )),
        Error::RuntimeError(message) => Text::Message(message.clone()),
        other => Text::Message(other.to_string()),
    }
}

/// Scripts know Lua's names of types, not Rust's.
fn lua_type_name(rust: &str) -> &str {
    match rust {
        "String" | "LuaString" | "&str" | "str" | "BString" | "bytes" => "string",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" | "integer" => {
            "number"
        }
        "f32" | "f64" | "Number" => "number",
        "bool" => "boolean",
        other => other,
    }
}
