//! `debug`: looking at one's own code, and nothing that reaches into the host or the interpreter.
//!
//! What stays sees and changes Lua functions of scripts only. Native functions hold pointers of the host in
//! their upvalues, and the host's own Lua code (chunks named `=[tidegate…`, and `=__mlua…` of the bindings) holds
//! native functions that must not be called by others. A `for` loop keeps its counter in hidden variables, of a
//! type that the interpreter does not check again; so hidden variables can be read but not set.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::raw::{c_char, c_int};

use mlua::ffi::{self, lua_State};

use super::raw;

/// Functions that are there to say that they are not.
const REFUSED: [(&CStr, ffi::lua_CFunction); 6] = [
    (c"debug", refuse),
    (c"getregistry", refuse),
    (c"getuservalue", refuse),
    (c"setcstacklimit", refuse),
    (c"sethook", refuse),
    (c"setuservalue", refuse),
];

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State) {
    // SAFETY: the caller's; what is pushed is popped.
    unsafe {
        raw::replace(state, c"debug", c"gethook", gethook);
        raw::replace(state, c"debug", c"getlocal", local);
        raw::replace(state, c"debug", c"setlocal", setlocal);
        raw::replace(state, c"debug", c"getupvalue", upvalue);
        raw::replace(state, c"debug", c"setupvalue", upvalue);
        raw::replace(state, c"debug", c"upvalueid", upvalue);
        raw::replace(state, c"debug", c"upvaluejoin", upvaluejoin);
        raw::replace(state, c"debug", c"getmetatable", getmetatable);
        ffi::lua_getglobal(state, c"debug".as_ptr());
        if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
            for (name, function) in REFUSED {
                ffi::lua_pushstring(state, name.as_ptr());
                ffi::lua_pushcclosure(state, function, 1);
                ffi::lua_setfield(state, -2, name.as_ptr());
            }
            // Of tables, by the rules of the global function, whatever that is by now.
            ffi::lua_getglobal(state, c"setmetatable".as_ptr());
            ffi::lua_pushcclosure(state, setmetatable, 1);
            ffi::lua_setfield(state, -2, c"setmetatable".as_ptr());
        }
        ffi::lua_pop(state, 1);
    }
}

/// Upvalue 1 is the name.
unsafe extern "C-unwind" fn refuse(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state and the upvalue of `install`.
    unsafe {
        let name = ffi::lua_tolstring(state, ffi::lua_upvalueindex(1), std::ptr::null_mut());
        ffi::luaL_error(state, c"debug.%s is not available to scripts".as_ptr(), name)
    }
}

/// No hook of a script's is ever set; the host's own are none of its affair.
unsafe extern "C-unwind" fn gethook(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state.
    unsafe {
        ffi::lua_pushnil(state);
        ffi::lua_pushlstring(state, c"".as_ptr(), 0);
        ffi::lua_pushinteger(state, 0);
    }
    3
}

/// `debug.getlocal`: nil for a level that is not the script's own code.
unsafe extern "C-unwind" fn local(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; indices are of its arguments.
    unsafe {
        let shift = c_int::from(ffi::lua_type(state, 1) == ffi::LUA_TTHREAD);
        let is_hidden = if ffi::lua_type(state, shift + 1) == ffi::LUA_TFUNCTION {
            !is_open_function(state, shift + 1)
        } else {
            level(state, shift).is_some_and(|mut record| !is_open_level(state, shift, &mut record))
        };
        if is_hidden {
            ffi::lua_pushnil(state);
            return 1;
        }
        raw::original(state)
    }
}

unsafe extern "C-unwind" fn setlocal(state: *mut lua_State) -> c_int {
    // SAFETY: as in `local`; the value pushed by `lua_getlocal` on the other thread is popped there.
    unsafe {
        let shift = c_int::from(ffi::lua_type(state, 1) == ffi::LUA_TTHREAD);
        let Some(mut record) = level(state, shift) else {
            return raw::original(state);
        };
        let Some(variable) = raw::integer(state, shift + 2) else {
            return raw::original(state);
        };
        let is_open = is_open_level(state, shift, &mut record) && {
            let thread = thread(state, shift);
            check_room(state, thread);
            let variable = c_int::try_from(variable).unwrap_or(c_int::MAX);
            let name = ffi::lua_getlocal(thread, &raw const record, variable);
            if name.is_null() {
                return raw::original(state);
            }
            ffi::lua_pop(thread, 1);
            // "(for state)", "(temporary)" and their like; the extra arguments of a function are its own.
            *name != b'(' as c_char || CStr::from_ptr(name) == c"(vararg)"
        };
        if is_open {
            return raw::original(state);
        }
        ffi::luaL_error(
            state,
            c"debug.setlocal sets named variables of scripts only".as_ptr(),
        )
    }
}

/// `debug.getupvalue`, `setupvalue` and `upvalueid`: no upvalues but those of scripts' Lua functions.
unsafe extern "C-unwind" fn upvalue(state: *mut lua_State) -> c_int {
    // SAFETY: as in `local`.
    unsafe {
        if ffi::lua_type(state, 1) == ffi::LUA_TFUNCTION && !is_open_function(state, 1) {
            ffi::luaL_checkinteger(state, 2);
            return 0;
        }
        raw::original(state)
    }
}

unsafe extern "C-unwind" fn upvaluejoin(state: *mut lua_State) -> c_int {
    // SAFETY: as in `local`.
    unsafe {
        for argument in [1, 3] {
            if ffi::lua_type(state, argument) == ffi::LUA_TFUNCTION && !is_open_function(state, argument) {
                return ffi::luaL_argerror(state, argument, c"Lua function of a script expected".as_ptr());
            }
        }
        raw::original(state)
    }
}

/// The metatable whatever its `__metatable` says, but for userdata: what is in theirs is the host's, and
/// calling it with another userdata would break the host.
unsafe extern "C-unwind" fn getmetatable(state: *mut lua_State) -> c_int {
    // SAFETY: as in `local`.
    unsafe {
        if ffi::lua_type(state, 1) != ffi::LUA_TUSERDATA {
            return raw::original(state);
        }
        if ffi::lua_getmetatable(state, 1) == 0 {
            ffi::lua_pushnil(state);
        } else {
            ffi::luaL_getmetafield(state, 1, c"__metatable".as_ptr());
        }
    }
    1
}

/// Upvalue 1 is the global function.
unsafe extern "C-unwind" fn setmetatable(state: *mut lua_State) -> c_int {
    // SAFETY: as in `local`.
    unsafe {
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE {
            let kind = ffi::luaL_typename(state, 1);
            return ffi::luaL_error(
                state,
                c"debug.setmetatable sets those of tables only (got %s)".as_ptr(),
                kind,
            );
        }
        ffi::lua_settop(state, 2);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, 2, 1);
    }
    1
}

/// The thread that a function of the library is asked about.
///
/// # Safety
/// `shift` is 1 only if argument 1 is a thread.
unsafe fn thread(state: *mut lua_State, shift: c_int) -> *mut lua_State {
    if shift == 0 {
        return state;
    }
    // SAFETY: the caller's.
    unsafe { ffi::lua_tothread(state, 1) }
}

/// The level that the argument after `shift` names, if it is one.
///
/// # Safety
/// As for [`thread`].
unsafe fn level(state: *mut lua_State, shift: c_int) -> Option<ffi::lua_Debug> {
    // SAFETY: the caller's; the record is only used if `lua_getstack` filled it.
    unsafe {
        let level = c_int::try_from(raw::integer(state, shift + 1)?).ok()?;
        let mut record = MaybeUninit::<ffi::lua_Debug>::zeroed();
        let thread = thread(state, shift);
        (ffi::lua_getstack(thread, level, record.as_mut_ptr()) != 0).then(|| record.assume_init())
    }
}

/// Whether a script's Lua code runs at the level of `record`.
///
/// # Safety
/// As for [`thread`]; `record` is of that thread.
unsafe fn is_open_level(state: *mut lua_State, shift: c_int, record: &mut ffi::lua_Debug) -> bool {
    // SAFETY: the caller's.
    unsafe { ffi::lua_getinfo(thread(state, shift), c"S".as_ptr(), record) != 0 && is_open_source(record) }
}

/// Whether the function at `index` is a script's Lua function.
///
/// # Safety
/// There is a function at `index`, and a free slot.
unsafe fn is_open_function(state: *mut lua_State, index: c_int) -> bool {
    let mut record = MaybeUninit::<ffi::lua_Debug>::zeroed();
    // SAFETY: the caller's; all of the record are numbers and pointers, for which zero is a value. With `>`
    // the function is taken off the stack.
    unsafe {
        ffi::lua_pushvalue(state, index);
        ffi::lua_getinfo(state, c">S".as_ptr(), record.as_mut_ptr()) != 0 && is_open_source(&*record.as_ptr())
    }
}

/// # Safety
/// `record` was filled with `S`.
unsafe fn is_open_source(record: &ffi::lua_Debug) -> bool {
    // SAFETY: the caller's: `source` has `srclen` bytes.
    let source = unsafe { std::slice::from_raw_parts(record.source.cast::<u8>(), record.srclen) };
    !(source == b"=[C]" || source.starts_with(b"=[tidegate") || source.starts_with(b"=__mlua"))
}

/// Room for a value on a thread's stack.
///
/// # Safety
/// Both are valid, and errors may be raised.
unsafe fn check_room(state: *mut lua_State, thread: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        if ffi::lua_checkstack(thread, 2) == 0 {
            ffi::luaL_error(state, c"stack overflow".as_ptr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_same, guarded};

    fn refused(script: &str, message: &str) {
        let lua = guarded(|_| false);
        let host = lua
            .load("local secret = {} function host() return secret end")
            .set_name("=[tidegate test]");
        host.exec().unwrap();
        let error = lua.load(script).exec().unwrap_err().to_string();
        assert!(error.contains(message), "{script}: {error}");
    }

    #[test]
    fn what_reaches_further_is_refused_by_name() {
        for name in [
            "debug",
            "getregistry",
            "getuservalue",
            "setcstacklimit",
            "sethook",
            "setuservalue",
        ] {
            refused(
                &format!("debug.{name}()"),
                &format!("debug.{name} is not available to scripts"),
            );
        }
        refused(
            "debug.setmetatable(1, {})",
            "debug.setmetatable sets those of tables only (got number)",
        );
        refused(
            "debug.setmetatable(io.stdin, {})",
            "of tables only (got userdata)",
        );
        refused(
            "debug.upvaluejoin(host, 1, function() return host end, 1)",
            "Lua function of a script",
        );
        refused(
            "debug.upvaluejoin(function() return host end, 1, print, 1)",
            "Lua function of a script",
        );
    }

    #[test]
    fn hidden_variables_keep_their_types() {
        // Were it allowed, the loop would add its step to a pointer.
        refused(
            "for i = 1, 3 do
                for n = 1, 9 do
                    if debug.getlocal(1, n) == '(for state)' then debug.setlocal(1, n, {}) end
                end
            end",
            "debug.setlocal sets named variables of scripts only",
        );
        refused(
            "debug.setlocal(0, 1, 1)",
            "debug.setlocal sets named variables of scripts only",
        );
    }

    #[test]
    fn native_and_host_functions_show_nothing() {
        let lua = guarded(|_| false);
        lua.load("local secret = {} function host(f) if f then f() end return secret end")
            .set_name("=[tidegate test]")
            .exec()
            .unwrap();
        lua.load(
            "assert(debug.getupvalue(string.find, 1) == nil)
            assert(debug.getupvalue(string.gmatch('x', 'x'), 1) == nil)
            assert(debug.getupvalue(host, 1) == nil)
            assert(debug.setupvalue(host, 1, {}) == nil)
            assert(debug.upvalueid(host, 1) == nil)
            assert(debug.getlocal(host, 1) == nil)
            local seen = 0
            host(function()
                assert(debug.getinfo(2, 'f').func == host)
                assert(debug.getlocal(2, 1) == nil)
                assert(not pcall(debug.setlocal, 3, 1, 1))
                seen = seen + 1
            end)
            table.sort({2, 1}, function() assert(debug.getlocal(2, 1) == nil) seen = seen + 1 end)
            assert(seen >= 2)
            assert(debug.gethook() == nil)",
        )
        .exec()
        .unwrap();
        let userdata = lua.create_any_userdata(1u8).unwrap();
        lua.globals().set("userdata", userdata).unwrap();
        lua.load("assert(type(debug.getmetatable(userdata)) ~= 'table')")
            .exec()
            .unwrap();
    }

    #[test]
    fn a_script_sees_its_own_code_as_in_lua() {
        for script in [
            "return debug.traceback('x', 1)",
            "return debug.getinfo(1, 'l').currentline, debug.getinfo(print).what",
            "local a, b = 1, 2 return debug.getlocal(1, 2)",
            "local a = 1 debug.setlocal(1, 1, 5) return a",
            "local function f(...) debug.setlocal(1, -1, 7) return ... end return f(1, 2)",
            "local a = 1 return debug.setlocal(1, 77, 5)",
            "local a = 1 return debug.setlocal(77, 1, 5)",
            "return debug.getlocal(77, 1)",
            "return debug.getlocal('x', 1)",
            "return debug.getlocal(function(one, two) end, 2)",
            "local up = 1 local function f() return up end return debug.getupvalue(f, 1)",
            "local up = 1 local function f() return up end return debug.setupvalue(f, 1, 5), f()",
            "local up = 1 local function f() return up end return debug.getupvalue(f, 2)",
            "return debug.getupvalue(1, 1)",
            "return debug.getupvalue(print, 'x')",
            "local a, b = 1, 2 local function f() return a end local function g() return b end
             debug.upvaluejoin(f, 1, g, 1) return f(), debug.upvalueid(f, 1) == debug.upvalueid(g, 1)",
            "local c = coroutine.create(function(x) coroutine.yield() return x end) coroutine.resume(c, 1)
             debug.setlocal(c, 1, 1, 7) return debug.getlocal(c, 1, 1)",
            "local mt = {__metatable = 1} return debug.getmetatable(setmetatable({}, mt)) == mt",
            "return debug.getmetatable('').__index == string",
            "local t, mt = {}, {} return debug.setmetatable(t, mt) == t and getmetatable(t) == mt",
            "return debug.getmetatable()",
        ] {
            assert_same(script);
        }
        // Only here the rules are the global function's.
        let lua = guarded(|_| false);
        let error = lua
            .load("debug.setmetatable(setmetatable({}, {__metatable = 1}), {})")
            .exec()
            .unwrap_err();
        assert!(
            error.to_string().contains("cannot change a protected metatable"),
            "{error}"
        );
    }
}
