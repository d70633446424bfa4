//! `pcall` and `xpcall` that let go of a run which is being ended.
//!
//! They are Lua's own in every other respect. Without this a script could catch the error that ends it at
//! places where the hook cannot yield, again and again.

use mlua::ffi::{self, lua_CFunction, lua_KContext, lua_State};
use mlua::{Lua, Result};

use crate::core::{self, Core};
use crate::failure;

pub(crate) fn install(lua: &Lua) -> Result<()> {
    // SAFETY: both are native functions in Lua's sense, see their own comments.
    let (pcall, xpcall) = unsafe { (lua.create_c_function(pcall)?, lua.create_c_function(xpcall)?) };
    lua.globals().raw_set("pcall", pcall)?;
    lua.globals().raw_set("xpcall", xpcall)
}

/// True for functions that can be suspended while what they called waits.
pub(crate) fn lets_yield(f: lua_CFunction) -> bool {
    [pcall as lua_CFunction, xpcall]
        .iter()
        .any(|own| std::ptr::fn_addr_eq(*own, f))
}

unsafe extern "C-unwind" fn pcall(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua; nothing here has a destructor.
    unsafe {
        ffi::luaL_checkany(l, 1);
        ffi::lua_pushboolean(l, 1);
        ffi::lua_insert(l, 1);
        let status = ffi::lua_pcallk(l, ffi::lua_gettop(l) - 2, ffi::LUA_MULTRET, 0, 0, Some(finish));
        finish(l, status, 0)
    }
}

unsafe extern "C-unwind" fn xpcall(l: *mut lua_State) -> i32 {
    // SAFETY: as for `pcall`. The stack becomes: function, handler, true, function, arguments.
    unsafe {
        let n = ffi::lua_gettop(l);
        ffi::luaL_checktype(l, 2, ffi::LUA_TFUNCTION);
        ffi::lua_pushboolean(l, 1);
        ffi::lua_pushvalue(l, 1);
        ffi::lua_rotate(l, 3, 2);
        let status = ffi::lua_pcallk(l, n - 2, ffi::LUA_MULTRET, 2, 2, Some(finish));
        finish(l, status, 2)
    }
}

/// `below` values under the results are not part of them.
unsafe extern "C-unwind" fn finish(l: *mut lua_State, status: i32, below: lua_KContext) -> i32 {
    // SAFETY: called from the frames above, or by Lua to continue them.
    unsafe {
        if status == ffi::LUA_OK || status == ffi::LUA_YIELD {
            return ffi::lua_gettop(l) - below as i32;
        }
        failure::note_panic(l);
        if core::of(l).is_some_and(Core::is_ending) {
            ffi::lua_error(l);
        }
        ffi::lua_pushboolean(l, 0);
        ffi::lua_pushvalue(l, -2);
        2
    }
}
