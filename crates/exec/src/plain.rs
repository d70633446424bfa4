//! What plain functions of the host take and give: values that are read from Lua's stack and put there directly,
//! without a reference into the state (see [`plain`](crate::plain)).

use mlua::Error;
use mlua::ffi::{self, lua_State};

pub(crate) use sealed::Wrong;

use crate::left::leave;
use crate::object::{STANDS_FOR, Standing, This};
use crate::scalar::{self, Chars, Said, Scalar, Scalars};

/// One argument of a plain function. Only types of this crate and of the language are.
pub trait PlainArg: Sized + sealed::Arg {}

/// The arguments of a plain function: one, or a tuple of them, of which the last may be [`Scalars`], all that are left.
pub trait PlainArgs: Sized + sealed::Args {}

/// What a plain function gives: a value, nothing, or a tuple.
pub trait PlainResults: Sized + sealed::Results {}

impl<T: sealed::Arg> PlainArg for T {}
impl<T: sealed::Args> PlainArgs for T {}
impl<T: sealed::Results> PlainResults for T {}

/// What passes between Lua's stack and the host.
pub(crate) mod sealed {
    use super::lua_State;

    /// Why an argument was refused.
    #[derive(Clone, Copy, Debug)]
    pub enum Wrong {
        /// It is of one type where another was expected.
        Type { to: &'static str, from: &'static str },
        /// It is of the right type.
        Value(&'static str),
        /// There is no memory to look at it.
        Memory,
    }

    pub trait Arg: Sized {
        /// Reads the value at `index`; there may be none, which is as if it were nil.
        ///
        /// # Safety
        /// The state's lock is held, `l` is the coroutine that runs a native function, and its stack has room for four
        /// more values. Nothing is raised.
        unsafe fn read(l: *mut lua_State, index: i32) -> Result<Self, Wrong>;
    }

    pub trait Args: Sized {
        /// Reads those from `index` on, or says which was refused.
        ///
        /// # Safety
        /// As for [`Arg::read`].
        unsafe fn read_all(l: *mut lua_State, index: i32) -> Result<Self, (i32, Wrong)>;
    }

    pub trait Results: Sized {
        /// Pushes the values and says how many they are. With `first`, nothing of the results was pushed yet, and
        /// a text may be left for [`say`](crate::left::say) instead.
        ///
        /// # Safety
        /// The state's lock is held, and the stack of `l` has room for so many values and three more. Nothing is raised.
        unsafe fn push(self, l: *mut lua_State, first: bool) -> mlua::Result<i32>;
    }
}

impl sealed::Arg for bool {
    unsafe fn read(l: *mut lua_State, index: i32) -> Result<Self, Wrong> {
        // SAFETY: as promised by the caller; looking raises nothing.
        Ok(unsafe { ffi::lua_toboolean(l, index) } != 0)
    }
}

impl sealed::Arg for i64 {
    unsafe fn read(l: *mut lua_State, index: i32) -> Result<Self, Wrong> {
        let mut is_integer = 0;
        // SAFETY: as promised by the caller; numbers and texts of numbers are converted without changing the stack.
        unsafe {
            let number = ffi::lua_tointegerx(l, index, &mut is_integer);
            if is_integer != 0 {
                return Ok(number);
            }
            Err(match ffi::lua_type(l, index) {
                ffi::LUA_TNUMBER => Wrong::Value("number has no integer representation"),
                kind => not_a("number", kind),
            })
        }
    }
}

impl sealed::Arg for f64 {
    unsafe fn read(l: *mut lua_State, index: i32) -> Result<Self, Wrong> {
        let mut is_number = 0;
        // SAFETY: as for integers.
        unsafe {
            let number = ffi::lua_tonumberx(l, index, &mut is_number);
            match is_number {
                0 => Err(not_a("number", ffi::lua_type(l, index))),
                _ => Ok(number),
            }
        }
    }
}

impl sealed::Arg for Chars {
    unsafe fn read(l: *mut lua_State, index: i32) -> Result<Self, Wrong> {
        // SAFETY: as promised by the caller.
        unsafe {
            match ffi::lua_type(l, index) {
                ffi::LUA_TSTRING => Ok(scalar::bytes_at(l, index).into()),
                ffi::LUA_TNUMBER => scalar::text_at(l, index).map_err(|_| Wrong::Memory),
                kind => Err(not_a("string", kind)),
            }
        }
    }
}

impl sealed::Arg for Scalar {
    unsafe fn read(l: *mut lua_State, index: i32) -> Result<Self, Wrong> {
        // SAFETY: as promised by the caller.
        Ok(unsafe { scalar::at(l, index) })
    }
}

impl<T: sealed::Arg> sealed::Arg for Option<T> {
    unsafe fn read(l: *mut lua_State, index: i32) -> Result<Self, Wrong> {
        // SAFETY: as promised by the caller.
        unsafe {
            match ffi::lua_type(l, index) {
                ffi::LUA_TNIL | ffi::LUA_TNONE => Ok(None),
                _ => T::read(l, index).map(Some),
            }
        }
    }
}

impl<S: Standing> sealed::Arg for This<S> {
    unsafe fn read(l: *mut lua_State, index: i32) -> Result<Self, Wrong> {
        // SAFETY: as promised by the caller; reading a table raw raises nothing.
        unsafe {
            let kind = ffi::lua_type(l, index);
            if kind == ffi::LUA_TTABLE {
                let is_ours = ffi::lua_rawgeti(l, index, STANDS_FOR) == ffi::LUA_TLIGHTUSERDATA;
                let stands_for = ffi::lua_touserdata(l, -1).addr() as u64;
                ffi::lua_settop(l, -2);
                if is_ours && let Some(standing) = S::of(stands_for) {
                    return Ok(This(standing));
                }
            }
            Err(not_a(S::NAME, kind))
        }
    }
}

impl<T: sealed::Arg> sealed::Args for T {
    unsafe fn read_all(l: *mut lua_State, index: i32) -> Result<Self, (i32, Wrong)> {
        // SAFETY: as promised by the caller.
        unsafe { T::read(l, index) }.map_err(|wrong| (index, wrong))
    }
}

impl sealed::Args for () {
    unsafe fn read_all(_: *mut lua_State, _: i32) -> Result<Self, (i32, Wrong)> {
        Ok(())
    }
}

impl sealed::Args for Scalars {
    unsafe fn read_all(l: *mut lua_State, index: i32) -> Result<Self, (i32, Wrong)> {
        // SAFETY: as promised by the caller.
        unsafe {
            let top = ffi::lua_gettop(l);
            Ok(Scalars((index..=top).map(|index| scalar::at(l, index)).collect()))
        }
    }
}

macro_rules! tuples {
    ($($arg:ident $value:ident),*; $last:ident $rest:ident) => {
        impl<$($arg: sealed::Arg,)* $last: sealed::Args> sealed::Args for ($($arg,)* $last,) {
            unsafe fn read_all(l: *mut lua_State, index: i32) -> Result<Self, (i32, Wrong)> {
                let mut at = index;
                // SAFETY: as promised by the caller.
                unsafe {
                    $(
                        let $value = $arg::read(l, at).map_err(|wrong| (at, wrong))?;
                        at += 1;
                    )*
                    let $rest = $last::read_all(l, at)?;
                    Ok(($($value,)* $rest,))
                }
            }
        }

        impl<$($arg: sealed::Results,)* $last: sealed::Results> sealed::Results for ($($arg,)* $last,) {
            unsafe fn push(self, l: *mut lua_State, first: bool) -> mlua::Result<i32> {
                let ($($value,)* $rest,) = self;
                let (mut pushed, mut first) = (0, first);
                // SAFETY: as promised by the caller.
                unsafe {
                    $(
                        pushed += $value.push(l, first)?;
                        first = false;
                    )*
                    Ok(pushed + $rest.push(l, first)?)
                }
            }
        }
    };
}

tuples!(A a; L last);
tuples!(A a, B b; L last);
tuples!(A a, B b, C c; L last);
tuples!(A a, B b, C c, D d; L last);

impl sealed::Results for () {
    unsafe fn push(self, _: *mut lua_State, _: bool) -> mlua::Result<i32> {
        Ok(0)
    }
}

macro_rules! numbers {
    ($($number:ident $push:ident $as:ident),*) => {$(
        impl sealed::Results for $number {
            unsafe fn push(self, l: *mut lua_State, _: bool) -> mlua::Result<i32> {
                // SAFETY: as promised by the caller; such values need no memory.
                unsafe { ffi::$push(l, self as $as) };
                Ok(1)
            }
        }
    )*};
}

numbers!(bool lua_pushboolean i32, i64 lua_pushinteger i64, u32 lua_pushinteger i64, f64 lua_pushnumber f64);

impl<B: AsRef<[u8]>> sealed::Results for Said<B> {
    unsafe fn push(self, l: *mut lua_State, first: bool) -> mlua::Result<i32> {
        // SAFETY: as promised by the caller.
        unsafe {
            if first {
                leave(self.0.as_ref());
                ffi::lua_pushnil(l);
            } else {
                scalar::push_text(l, self.0.as_ref())?;
            }
        }
        Ok(1)
    }
}

impl sealed::Results for Chars {
    unsafe fn push(self, l: *mut lua_State, first: bool) -> mlua::Result<i32> {
        // SAFETY: as promised by the caller.
        unsafe { Said(&self).push(l, first) }
    }
}

impl sealed::Results for Scalar {
    unsafe fn push(self, l: *mut lua_State, first: bool) -> mlua::Result<i32> {
        // SAFETY: as promised by the caller; what could raise is a text.
        unsafe {
            match self {
                Scalar::Nil | Scalar::Other(_) => ffi::lua_pushnil(l),
                Scalar::Bool(b) => ffi::lua_pushboolean(l, b.into()),
                Scalar::Int(i) => ffi::lua_pushinteger(l, i),
                Scalar::Number(n) => ffi::lua_pushnumber(l, n),
                Scalar::Text(text) => return text.push(l, first),
            }
        }
        Ok(1)
    }
}

impl<T: sealed::Results> sealed::Results for Option<T> {
    unsafe fn push(self, l: *mut lua_State, first: bool) -> mlua::Result<i32> {
        // SAFETY: as promised by the caller.
        unsafe {
            match self {
                Some(value) => value.push(l, first),
                None => {
                    ffi::lua_pushnil(l);
                    Ok(1)
                }
            }
        }
    }
}

impl sealed::Results for Scalars {
    unsafe fn push(self, l: *mut lua_State, first: bool) -> mlua::Result<i32> {
        let mut pushed = 0;
        // SAFETY: as promised by the caller, and the stack is checked for as many values as there are.
        unsafe {
            let room = i32::try_from(self.0.len()).map_or(i32::MAX, |n| n.saturating_add(3));
            if ffi::lua_checkstack(l, room) == 0 {
                return Err(Error::runtime("stack overflow"));
            }
            for value in self.0 {
                pushed += value.push(l, first && pushed == 0)?;
            }
        }
        Ok(pushed)
    }
}

fn not_a(to: &'static str, kind: i32) -> Wrong {
    Wrong::Type {
        to,
        from: scalar::type_name(kind),
    }
}
