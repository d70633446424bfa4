//! Plain values between scripts and the host, without a reference into the state.
//!
//! A string that mlua hands over is a reference: it takes a slot of a stack of mlua's own, a count and their
//! release, which costs more than copying the few bytes that names and header values have. And a string handed
//! back has to be made in protected mode, unless the frame that makes it holds nothing: see [`Said`].

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;
use mlua::{Error, FromLua, FromLuaMulti, IntoLua, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Value};
use smallvec::SmallVec;

use crate::left;

/// Bytes of a Lua string, copied: as an argument, a string or a number, which Lua takes for its text; as a
/// result, a string.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Chars(SmallVec<[u8; 36]>);

impl Chars {
    /// The bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.0.into_vec()
    }
}

impl Deref for Chars {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Chars {
    fn from(bytes: &[u8]) -> Self {
        Chars(SmallVec::from_slice(bytes))
    }
}

impl From<&str> for Chars {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl fmt::Debug for Chars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl FromLua for Chars {
    fn from_lua(value: Value, lua: &Lua) -> Result<Self> {
        let text = LuaString::from_lua(value, lua).map_err(|error| match error {
            Error::FromLuaConversionError { from, .. } => not_a("string", from),
            other => other,
        })?;
        Ok((&*text.as_bytes()).into())
    }

    unsafe fn from_stack(index: i32, lua: &RawLua) -> Result<Self> {
        let l = lua.state();
        // SAFETY: the caller holds the lock and names a value on the stack.
        unsafe {
            match ffi::lua_type(l, index) {
                ffi::LUA_TSTRING => Ok(bytes_at(l, index).into()),
                ffi::LUA_TNUMBER => text_at(l, index),
                kind => Err(not_a("string", type_name(kind))),
            }
        }
    }
}

impl IntoLua for Chars {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        lua.create_string(&self.0).map(Value::String)
    }

    unsafe fn push_into_stack(self, lua: &RawLua) -> Result<()> {
        // SAFETY: the contract is the same one.
        unsafe { Said(&self).push_into_stack(lua) }
    }
}

/// A value that is no object.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Nothing.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction.
    Number(f64),
    /// A string.
    Text(Chars),
    /// None of these: the name of its type. Handed to Lua, it is nil.
    Other(&'static str),
}

impl FromLua for Scalar {
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        Ok(match value {
            Value::Nil => Scalar::Nil,
            Value::Boolean(b) => Scalar::Bool(b),
            Value::Integer(i) => Scalar::Int(i),
            Value::Number(n) => Scalar::Number(n),
            Value::String(text) => Scalar::Text((&*text.as_bytes()).into()),
            other => Scalar::Other(other.type_name()),
        })
    }

    unsafe fn from_stack(index: i32, lua: &RawLua) -> Result<Self> {
        // SAFETY: the caller holds the lock and names a value on the stack.
        Ok(unsafe { at(lua.state(), index) })
    }
}

impl IntoLua for Scalar {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        Ok(match self {
            Scalar::Nil | Scalar::Other(_) => Value::Nil,
            Scalar::Bool(b) => Value::Boolean(b),
            Scalar::Int(i) => Value::Integer(i),
            Scalar::Number(n) => Value::Number(n),
            Scalar::Text(text) => text.into_lua(lua)?,
        })
    }

    unsafe fn push_into_stack(self, lua: &RawLua) -> Result<()> {
        let l = lua.state();
        // SAFETY: the caller holds the lock and left room for a value; what can raise is left to `Chars`.
        unsafe {
            match self {
                Scalar::Nil | Scalar::Other(_) => ffi::lua_pushnil(l),
                Scalar::Bool(b) => ffi::lua_pushboolean(l, b.into()),
                Scalar::Int(i) => ffi::lua_pushinteger(l, i),
                Scalar::Number(n) => ffi::lua_pushnumber(l, n),
                Scalar::Text(text) => text.push_into_stack(lua)?,
            }
        }
        Ok(())
    }
}

/// Any number of plain values: all arguments that are left, or results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scalars(pub SmallVec<[Scalar; 2]>);

impl FromLuaMulti for Scalars {
    fn from_lua_multi(values: MultiValue, lua: &Lua) -> Result<Self> {
        let scalars = values.into_iter().map(|value| Scalar::from_lua(value, lua));
        scalars.collect::<Result<_>>().map(Scalars)
    }

    unsafe fn from_stack_multi(n: i32, lua: &RawLua) -> Result<Self> {
        // SAFETY: the caller holds the lock, and `n` values are on top of the stack.
        let scalars = (-n..0).map(|index| unsafe { Scalar::from_stack(index, lua) });
        scalars.collect::<Result<_>>().map(Scalars)
    }
}

impl IntoLuaMulti for Scalars {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        self.0.into_iter().map(|scalar| scalar.into_lua(lua)).collect()
    }

    unsafe fn push_into_stack_multi(self, lua: &RawLua) -> Result<i32> {
        let n = i32::try_from(self.0.len()).map_err(|_| Error::runtime("too many values"))?;
        // SAFETY: the caller holds the lock; the stack is checked for the values.
        unsafe {
            if ffi::lua_checkstack(lua.state(), n) == 0 {
                return Err(Error::runtime("stack overflow"));
            }
            for scalar in self.0 {
                scalar.push_into_stack(lua)?;
            }
        }
        Ok(n)
    }
}

/// Bytes that become a Lua string, from wherever they are.
///
/// A host function's own result is left aside for its outer frame, which makes the string: it holds nothing
/// that would have to be dropped, so it can do so without the cost of protected mode.
#[derive(Clone, Copy, Debug)]
pub struct Said<B>(pub B);

impl<B: AsRef<[u8]>> IntoLua for Said<B> {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        lua.create_string(self.0).map(Value::String)
    }

    unsafe fn push_into_stack(self, lua: &RawLua) -> Result<()> {
        // SAFETY: the contract is the same one, with room for a value.
        unsafe {
            let l = lua.state();
            if BASE.get() == (l, ffi::lua_gettop(l)) {
                BASE.set(NOT_WANTED);
                left::leave(self.0.as_ref());
                ffi::lua_pushlightuserdata(l, crate::core::said());
                return Ok(());
            }
            push_text(l, self.0.as_ref())
        }
    }
}

impl AsRef<[u8]> for Chars {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

thread_local! {
    /// Where the first of a function's results is about to be pushed: the coroutine and the height of its stack.
    static BASE: Cell<(*mut lua_State, i32)> = const { Cell::new(NOT_WANTED) };
}

/// No results are being pushed.
const NOT_WANTED: (*mut lua_State, i32) = (std::ptr::null_mut(), 0);

/// Runs `push`, which pushes a host function's results onto `l`. If the first of them is a text, it may be
/// left for [`left::say`], with [`core::said`](crate::core::said) in its place.
///
/// # Safety
/// `l` must be the coroutine whose stack `push` pushes to.
pub(crate) unsafe fn leaving<R>(l: *mut lua_State, push: impl FnOnce() -> R) -> R {
    // SAFETY: as promised by the caller.
    let base = unsafe { ffi::lua_gettop(l) };
    BASE.set((l, base));
    let result = push();
    BASE.set(NOT_WANTED);
    result
}

/// Pushes a string, in protected mode.
///
/// # Safety
/// The state's lock must be held. Nothing is raised.
pub(crate) unsafe fn push_text(l: *mut lua_State, mut text: &[u8]) -> Result<()> {
    // SAFETY: the stack is checked; the text outlives the call that is given its address.
    unsafe {
        if ffi::lua_checkstack(l, 3) == 0 {
            return Err(Error::runtime("stack overflow"));
        }
        ffi::lua_pushlightuserdata(l, (&raw mut text).cast());
        protected(l, make_string, 1)
    }
}

/// The plain value at `index`, which may be past the top.
///
/// # Safety
/// The state's lock must be held. Nothing is raised.
pub(crate) unsafe fn at(l: *mut lua_State, index: i32) -> Scalar {
    // SAFETY: as promised by the caller; the value's type is looked at first.
    unsafe {
        match ffi::lua_type(l, index) {
            ffi::LUA_TNIL | ffi::LUA_TNONE => Scalar::Nil,
            ffi::LUA_TBOOLEAN => Scalar::Bool(ffi::lua_toboolean(l, index) != 0),
            ffi::LUA_TNUMBER if ffi::lua_isinteger(l, index) != 0 => {
                Scalar::Int(ffi::lua_tointegerx(l, index, std::ptr::null_mut()))
            }
            ffi::LUA_TNUMBER => Scalar::Number(ffi::lua_tonumberx(l, index, std::ptr::null_mut())),
            ffi::LUA_TSTRING => Scalar::Text(bytes_at(l, index).into()),
            kind => Scalar::Other(type_name(kind)),
        }
    }
}

/// The text of the number at `index`.
///
/// # Safety
/// The state's lock must be held, a number be there, and room for three more values. Nothing is raised.
pub(crate) unsafe fn text_at(l: *mut lua_State, index: i32) -> Result<Chars> {
    // SAFETY: as promised by the caller; a copy is converted, since the number is to stay one.
    unsafe {
        ffi::lua_pushvalue(l, index);
        protected(l, text_of_number, 1)?;
        let text = bytes_at(l, -1).into();
        ffi::lua_settop(l, -2);
        Ok(text)
    }
}

/// Calls `f` with the `n` values on top, for one result.
///
/// # Safety
/// The state's lock must be held, and there be room for two more values; `f` takes what is on top.
pub(crate) unsafe fn protected(l: *mut lua_State, f: ffi::lua_CFunction, n: i32) -> Result<()> {
    // SAFETY: the callers left room for the function; an error ends here.
    unsafe {
        ffi::lua_pushcfunction(l, f);
        ffi::lua_insert(l, -(n + 1));
        match ffi::lua_pcall(l, n, 1, 0) {
            ffi::LUA_OK => Ok(()),
            _ => {
                ffi::lua_settop(l, -2);
                Err(Error::MemoryError("not enough memory".into()))
            }
        }
    }
}

unsafe extern "C-unwind" fn make_string(l: *mut lua_State) -> i32 {
    // SAFETY: called by `push_into_stack` with the address of the bytes; nothing here has a destructor.
    unsafe {
        let bytes = *ffi::lua_touserdata(l, 1).cast::<&[u8]>();
        ffi::lua_pushlstring(l, bytes.as_ptr().cast(), bytes.len());
    }
    1
}

unsafe extern "C-unwind" fn text_of_number(l: *mut lua_State) -> i32 {
    // SAFETY: called with a number, which Lua turns into its text in place.
    unsafe { ffi::lua_tolstring(l, 1, std::ptr::null_mut()) };
    1
}

/// The bytes of a string on the stack.
///
/// # Safety
/// A string must be there, and stay there for as long as the bytes are looked at.
pub(crate) unsafe fn bytes_at<'a>(l: *mut lua_State, index: i32) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the callers checked that it is a string, which stays where it is while the stack holds it; they
    // copy the bytes at once.
    unsafe {
        let start = ffi::lua_tolstring(l, index, &mut length);
        std::slice::from_raw_parts(start.cast(), length)
    }
}

/// The name of a type that a stack knows.
pub(crate) fn type_name(kind: i32) -> &'static str {
    match kind {
        ffi::LUA_TNIL | ffi::LUA_TNONE => "nil",
        ffi::LUA_TBOOLEAN => "boolean",
        ffi::LUA_TNUMBER => "number",
        ffi::LUA_TSTRING => "string",
        ffi::LUA_TTABLE => "table",
        ffi::LUA_TFUNCTION => "function",
        ffi::LUA_TTHREAD => "thread",
        _ => "userdata",
    }
}

fn not_a(to: &str, from: &'static str) -> Error {
    Error::FromLuaConversionError {
        from,
        to: to.to_owned(),
        message: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Vm, VmOptions, function};

    /// `say(times, text)` gives the text so often and then how often; `scalars(...)` gives what it was given.
    fn vm(options: VmOptions) -> Vm {
        let vm = Vm::per_thread(options).unwrap();
        vm.enter(|lua| {
            let globals = lua.globals();
            let say = function(lua, "say", |_, (times, text): (usize, Chars)| {
                Ok((Said(text.repeat(times)), times, text))
            })?;
            globals.set("say", say)?;
            let scalars = function(lua, "scalars", |_, scalars: Scalars| Ok(scalars))?;
            globals.set("scalars", scalars)
        })
        .unwrap()
        .unwrap();
        vm
    }

    fn eval<R: FromLuaMulti>(vm: &Vm, source: &str) -> Result<R> {
        vm.enter(|lua| lua.load(source).eval::<R>()).unwrap()
    }

    #[test]
    fn texts_come_and_go_as_they_are() {
        let vm = vm(VmOptions::default());
        for (source, expected) in [
            ("return say(2, 'ab')", "abab"),
            ("return say(1, '')", ""),
            ("return (select(3, say(1, 'x')))", "x"),
            ("return say(2, 12)", "1212"),
            ("return say(1, 1.5)", "1.5"),
            ("return say(1, 'a\\0\\xff')", "a\0\u{fffd}"),
            (
                "local t = {} for i = 1, 3 do t[i] = say(i, say(1, 'y')) end return table.concat(t)",
                "yyyyyy",
            ),
            (
                "return #say(1, ('z'):rep(100000)) .. say(1, 'after')",
                "100000after",
            ),
        ] {
            let text: LuaString = eval(&vm, source).unwrap();
            assert_eq!(text.to_string_lossy(), expected, "{source}");
        }
    }

    #[test]
    fn plain_values_come_and_go_as_they_are() {
        let vm = vm(VmOptions::default());
        let source = "local r = table.pack(scalars('a', nil, 1, 1.5, true, 'b'))
            return r.n .. tostring(r[2]) .. r[1] .. r[3] .. r[4] .. tostring(r[5]) .. r[6] .. math.type(r[3])";
        assert_eq!(eval::<String>(&vm, source).unwrap(), "6nila11.5truebinteger");
        assert_eq!(eval::<Value>(&vm, "return scalars({})").unwrap(), Value::Nil);
        assert!(eval::<MultiValue>(&vm, "return scalars()").unwrap().is_empty());
        let many = "local t = {} for i = 1, 200 do t[i] = 'v' .. i end
            local r = {scalars(table.unpack(t))} return #r, r[1], r[200]";
        assert_eq!(
            eval::<(i64, String, String)>(&vm, many).unwrap(),
            (200, "v1".into(), "v200".into())
        );
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let vm = vm(VmOptions::default());
        for (source, got) in [
            ("say(1, {})", "table"),
            ("say(1)", "nil"),
            ("say(1, true)", "boolean"),
        ] {
            let error = eval::<()>(&vm, source).unwrap_err().to_string();
            let wanted = format!("bad argument #2 to 'say' (string expected, got {got})");
            assert!(error.contains(&wanted), "{source}: {error}");
        }
    }

    #[test]
    fn a_text_that_the_state_has_no_room_for_is_an_error_of_the_script() {
        let vm = vm(VmOptions {
            memory_bytes_max: Some(4 << 20),
            ..VmOptions::default()
        });
        for source in [
            "return pcall(say, 8 << 20, 'x')",
            "return pcall(say, 5, ('x'):rep(1 << 20))",
        ] {
            let (ok, error): (bool, String) = eval(&vm, source).unwrap();
            assert!(!ok && error.contains("not enough memory"), "{source}: {error}");
        }
        assert_eq!(eval::<String>(&vm, "return say(2, 'ab')").unwrap(), "abab");
    }
}
