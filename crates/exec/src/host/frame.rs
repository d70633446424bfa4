//! The outer frames of host functions: what jumps out of them, by raising or yielding, leaves nothing behind that
//! would have to be dropped.

use mlua::ffi::{self, lua_CFunction, lua_KContext, lua_State};
use mlua::{Function, Lua, Result};

use crate::core::{self, Core};
use crate::{hook, left};

/// Puts `after` behind a function made by mlua: the same upvalue, and the native function to run first.
pub(super) fn wrap(lua: &Lua, inner: Function, after: lua_CFunction) -> Result<Function> {
    // SAFETY: runs in protected mode with one argument, an mlua function, which is a native closure with
    // one upvalue; the new closure holds that upvalue too, so the function finds what it expects.
    unsafe {
        lua.exec_raw::<Function>(inner, |l| {
            let native = ffi::lua_tocfunction(l, -1);
            ffi::lua_getupvalue(l, -1, 1);
            ffi::lua_pushlightuserdata(l, native.map_or(std::ptr::null_mut(), |f| f as *mut _));
            ffi::lua_pushcclosure(l, after, 2);
            ffi::lua_remove(l, 1);
        })
    }
}

/// Calls the wrapped native function in this very frame.
///
/// # Safety
/// `l` must run a closure made by [`wrap`].
#[inline(always)]
unsafe fn call_wrapped(l: *mut lua_State) -> i32 {
    // SAFETY: `wrap` stored a native function there.
    unsafe {
        let native = ffi::lua_touserdata(l, ffi::lua_upvalueindex(2));
        let native: unsafe extern "C-unwind" fn(*mut lua_State) -> i32 = std::mem::transmute(native);
        native(l)
    }
}

/// A plain function's outer frame: raises, or says, what the inner one left.
pub(super) unsafe extern "C-unwind" fn finish(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua as a closure of `wrap`; nothing here has a destructor.
    unsafe {
        let n = call_wrapped(l);
        if n > 0 {
            returned(l, n);
        }
        n
    }
}

/// An operation's outer frame: yields until the host has the results, if they weren't ready at once.
pub(super) unsafe extern "C-unwind" fn finish_operation(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua as a closure of `wrap`; nothing here has a destructor, so the yield may leave it.
    unsafe {
        let n = call_wrapped(l);
        if n > 0 {
            if ffi::lua_touserdata(l, -1) == core::suspended() {
                return ffi::lua_yieldk(l, 1, 0, Some(resumed));
            }
            returned(l, n);
        }
        n
    }
}

/// The outer frame of [`turn`](super::turn).
pub(super) unsafe extern "C-unwind" fn finish_turn(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua, under the lock, as a closure of `wrap`; nothing here has a destructor.
    unsafe {
        let run = core::of(l).and_then(Core::current);
        if !run.is_some_and(|run| run.yielding && !run.slot.is_null() && hook::can_yield(run, l)) {
            let n = call_wrapped(l);
            if ffi::lua_touserdata(l, -1) == core::failed() {
                returned(l, n);
            }
        }
        // What it was called with is nobody's business.
        ffi::lua_settop(l, 0);
        ffi::lua_pushlightuserdata(l, core::suspended());
        ffi::lua_yieldk(l, 1, 0, Some(turned))
    }
}

/// Others had their turn.
unsafe extern "C-unwind" fn turned(_: *mut lua_State, _: i32, _: lua_KContext) -> i32 {
    0
}

/// Looks for marks among the `n` results on top.
#[inline(always)]
unsafe fn returned(l: *mut lua_State, n: i32) {
    // SAFETY: as for the callers, which hold nothing.
    unsafe {
        let first = ffi::lua_touserdata(l, -n);
        if first == core::said() {
            left::say(l, n);
        } else if ffi::lua_touserdata(l, -1) == core::failed() {
            ffi::lua_settop(l, -2);
            raise(l);
        }
    }
}

/// The operation's results are on the stack, above the arguments it was called with.
pub(super) unsafe extern "C-unwind" fn resumed(l: *mut lua_State, _: i32, _: lua_KContext) -> i32 {
    // SAFETY: called by Lua when the host resumed with what `Pending::push` put there.
    unsafe {
        // On top: how many results there are, or that there is an error's text.
        let n = ffi::lua_tointegerx(l, -1, std::ptr::null_mut());
        ffi::lua_settop(l, -2);
        if n >= 0 { n as i32 } else { raise(l) }
    }
}

/// What a host calls its own Lua code around operations: messages name the script that called it instead.
pub const HOST_CHUNK: &str = "=[host]";

/// The level of what called the running function, without the host's own code in between.
///
/// # Safety
/// `l` runs a native function. Neither allocates nor raises.
unsafe fn script_level(l: *mut lua_State) -> i32 {
    let mut level = 1;
    // SAFETY: the caller's; a zeroed record is what these expect, and a source ends in a NUL.
    unsafe {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        while ffi::lua_getstack(l, level, &mut ar) != 0 {
            ffi::lua_getinfo(l, c"S".as_ptr(), &mut ar);
            if std::ffi::CStr::from_ptr(ar.source).to_bytes() != HOST_CHUNK.as_bytes() {
                break;
            }
            level += 1;
        }
    }
    level
}

/// Raises the text on top of the stack, with the place of the call before it.
///
/// # Safety
/// Called by a frame without destructors, with a string on top.
pub(super) unsafe fn raise(l: *mut lua_State) -> i32 {
    // SAFETY: as promised by the caller.
    unsafe {
        ffi::luaL_where(l, script_level(l));
        ffi::lua_insert(l, -2);
        ffi::lua_concat(l, 2);
        ffi::lua_error(l)
    }
}
