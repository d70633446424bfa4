//! `load`, `loadfile` and `dofile`: text only, since the interpreter trusts bytecode and a forged chunk can do
//! anything; and in slices, since the compiler is native code that nothing stops.

use std::ffi::CStr;
use std::mem::size_of;
use std::os::raw::{c_char, c_int, c_void};

use mlua::ffi::{self, lua_KContext, lua_State};

use super::path::refusal;
use super::raw::{self, Stop};

/// Source that is compiled between two looks at the interrupt.
const SLICE_BYTES: usize = 1 << 16;

/// Where a reader keeps its piece while it is compiled: above the arguments of `load`.
const PIECE_SLOT: c_int = 5;

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State, allow_bytecode: bool) {
    // SAFETY: the caller's; what is pushed is popped.
    unsafe {
        ffi::lua_getglobal(state, c"_G".as_ptr());
        if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
            let functions: [(&CStr, ffi::lua_CFunction); 3] =
                [(c"load", load), (c"loadfile", loadfile), (c"dofile", dofile)];
            for (name, function) in functions {
                ffi::lua_pushboolean(state, allow_bytecode.into());
                ffi::lua_pushcclosure(state, function, 1);
                ffi::lua_setfield(state, -2, name.as_ptr());
            }
        }
        ffi::lua_pop(state, 1);
    }
}

/// # Safety
/// Only in a function of [`install`].
unsafe fn allows_bytecode(state: *mut lua_State) -> bool {
    // SAFETY: the caller's.
    unsafe { ffi::lua_toboolean(state, ffi::lua_upvalueindex(1)) != 0 }
}

/// The mode to load with, for the one asked for, when only text is allowed: nothing at all if no text was
/// wanted.
///
/// # Safety
/// `mode` is a C string.
unsafe fn text_only(mode: *const c_char) -> *const c_char {
    // SAFETY: the caller's.
    let wants_text = unsafe { CStr::from_ptr(mode) }.to_bytes().contains(&b't');
    if wants_text {
        c"t".as_ptr()
    } else {
        c"none".as_ptr()
    }
}

unsafe extern "C-unwind" fn load(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; what readers point to lives in this frame or on the stack until
    // `lua_load` is back; nothing needs dropping.
    unsafe {
        let source = raw::bytes(state, 1);
        let mut mode = ffi::luaL_optlstring(state, 3, c"bt".as_ptr(), std::ptr::null_mut());
        let has_environment = ffi::lua_type(state, 4) != ffi::LUA_TNONE;
        let status = if let Some(source) = source {
            let text = ffi::lua_tolstring(state, 1, std::ptr::null_mut());
            let name = ffi::luaL_optlstring(state, 2, text, std::ptr::null_mut());
            if source.first() == Some(&0x1b) && !allows_bytecode(state) {
                mode = c"t".as_ptr();
            }
            let mut rest = Rest {
                source,
                stop: Stop::of(state),
            };
            ffi::lua_load(state, read_slice, (&raw mut rest).cast(), name, mode)
        } else {
            let name = ffi::luaL_optlstring(state, 2, c"=(load)".as_ptr(), std::ptr::null_mut());
            ffi::luaL_checktype(state, 1, ffi::LUA_TFUNCTION);
            if !allows_bytecode(state) {
                mode = text_only(mode);
            }
            ffi::lua_settop(state, PIECE_SLOT);
            let mut stop = Stop::of(state);
            ffi::lua_load(state, read_from_function, (&raw mut stop).cast(), name, mode)
        };
        loaded(state, status, if has_environment { 4 } else { 0 })
    }
}

/// What of a string is not compiled yet.
struct Rest<'s> {
    source: &'s [u8],
    stop: Stop,
}

unsafe extern "C-unwind" fn read_slice(
    _: *mut lua_State,
    rest: *mut c_void,
    size: *mut usize,
) -> *const c_char {
    // SAFETY: `lua_load` passes on what `load` gave it, in whose frame it lives.
    unsafe {
        let rest = &mut *rest.cast::<Rest<'_>>();
        let slice = rest.source.get(..SLICE_BYTES).unwrap_or(rest.source);
        rest.source = rest.source.get(slice.len()..).unwrap_or(&[]);
        if !rest.source.is_empty() {
            rest.stop.check(c"load");
        }
        size.write(slice.len());
        slice.as_ptr().cast()
    }
}

unsafe extern "C-unwind" fn read_from_function(
    state: *mut lua_State,
    stop: *mut c_void,
    size: *mut usize,
) -> *const c_char {
    // SAFETY: as in `read_slice`; the piece stays in its slot while it is compiled.
    unsafe {
        (*stop.cast::<Stop>()).check(c"load");
        ffi::luaL_checkstack(state, 2, c"too many nested functions".as_ptr());
        ffi::lua_pushvalue(state, 1);
        ffi::lua_call(state, 0, 1);
        if ffi::lua_type(state, -1) == ffi::LUA_TNIL {
            ffi::lua_pop(state, 1);
            size.write(0);
            return std::ptr::null();
        }
        if ffi::lua_isstring(state, -1) == 0 {
            ffi::luaL_error(state, c"reader function must return a string".as_ptr());
        }
        ffi::lua_replace(state, PIECE_SLOT);
        ffi::lua_tolstring(state, PIECE_SLOT, size)
    }
}

/// The results of `load` and `loadfile`: the function, in its environment; or nil and the message.
///
/// # Safety
/// What `lua_load` left is on the top.
unsafe fn loaded(state: *mut lua_State, status: c_int, environment: c_int) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        if status != ffi::LUA_OK {
            ffi::lua_pushnil(state);
            ffi::lua_insert(state, -2);
            return 2;
        }
        if environment != 0 {
            ffi::lua_pushvalue(state, environment);
            if ffi::lua_setupvalue(state, -2, 1).is_null() {
                ffi::lua_pop(state, 1);
            }
        }
    }
    1
}

unsafe extern "C-unwind" fn loadfile(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; paths and modes are arguments, which stay.
    unsafe {
        let path = ffi::luaL_optlstring(state, 1, std::ptr::null(), std::ptr::null_mut());
        let mode = ffi::luaL_optlstring(state, 2, c"bt".as_ptr(), std::ptr::null_mut());
        let environment = if ffi::lua_type(state, 3) == ffi::LUA_TNONE {
            0
        } else {
            3
        };
        let mode = if allows_bytecode(state) {
            mode
        } else {
            text_only(mode)
        };
        let status = load_path(state, path, mode);
        loaded(state, status, environment)
    }
}

unsafe extern "C-unwind" fn dofile(state: *mut lua_State) -> c_int {
    // SAFETY: as in `loadfile`.
    unsafe {
        let path = ffi::luaL_optlstring(state, 1, std::ptr::null(), std::ptr::null_mut());
        ffi::lua_settop(state, 1);
        let mode = if allows_bytecode(state) { c"bt" } else { c"t" };
        if load_path(state, path, mode.as_ptr()) != ffi::LUA_OK {
            ffi::lua_error(state);
        }
        ffi::lua_callk(state, 0, ffi::LUA_MULTRET, 0, Some(dofile_done));
        dofile_done(state, ffi::LUA_OK, 0)
    }
}

unsafe extern "C-unwind" fn dofile_done(state: *mut lua_State, _: c_int, _: lua_KContext) -> c_int {
    // SAFETY: Lua continues with the path at 1 and the results above.
    unsafe { ffi::lua_gettop(state) - 1 }
}

/// Loads a file, unless opening it could block.
///
/// # Safety
/// `path` is null or a C string, `mode` a C string; errors may be raised.
pub(super) unsafe fn load_path(state: *mut lua_State, path: *const c_char, mode: *const c_char) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        if path.is_null() {
            return ffi::luaL_error(state, c"standard input is not available to scripts".as_ptr());
        }
        match refusal(path) {
            Some(refused) => {
                ffi::lua_pushfstring(
                    state,
                    c"cannot open %s: %s".as_ptr(),
                    path,
                    refused.message.as_ptr(),
                );
                ffi::LUA_ERRFILE
            }
            None => ffi::luaL_loadfilex(state, path, mode),
        }
    }
}

// A reader's state is a plain value: an error may jump over it.
const _: () = assert!(!std::mem::needs_drop::<Rest<'_>>() && size_of::<Stop>() > 0);

#[cfg(test)]
mod tests {
    use super::super::path::tests::Directory;
    use super::super::tests::{assert_same, assert_stopped, guarded, guarded_with};
    use super::super::{GuardOptions, Interrupt};

    const NEVER: Interrupt = |_| false;

    #[test]
    fn text_loads_as_in_lua() {
        let directory = Directory::new("load");
        let good = directory.file("good.lua", b"#!shebang\nlocal a, b = ... return x, a, b");
        let bad = directory.file("bad.lua", b"return return");
        let waits = directory.file("waits.lua", b"return coroutine.yield(1)");
        for script in [
            "return load('return 1 + 1')()",
            "return load('return x', 'name', 't', {x = 7})()",
            "return load('return x', 'name', 't', nil)",
            "return load('return 1', nil, 'b')",
            "return load('return return')",
            "return load('error(1)', '=name')()",
            "return load(12)",
            "return load()",
            "return load({})",
            "return load('x', {})",
            "local n = 0 return load(function() n = n + 1 return ({'return ', '1', ' + 1'})[n] end)()",
            "return load(function() return nil end)",
            "return load(function() return {} end)",
            "return load(function() error('reader') end)",
            "return load(function() coroutine.yield() end)",
            "return load('return 1', '=x', 't', {}, 'more')()",
            // More than a slice, with tokens across the cuts.
            "return load('return {' .. ('\"abcdefg\", '):rep(50000) .. '}')()[50000]",
            "return load(('x = 1\\n'):rep(50000) .. '=')",
            "return loadfile('/no/such/file')",
            "return loadfile({})",
            "dofile('/no/such/file')",
        ] {
            assert_same(script);
        }
        assert_same(&format!("return loadfile('{good}', 't', {{x = 7}})(1, 2)"));
        assert_same(&format!("return loadfile('{bad}')"));
        assert_same(&format!("return dofile('{good}')"));
        assert_same(&format!("return dofile('{bad}')"));
        assert_same(&format!(
            "local f = coroutine.wrap(dofile) return f('{waits}'), f(2, 3)"
        ));
    }

    #[test]
    fn bytecode_loads_where_it_is_allowed() {
        let directory = Directory::new("bytecode");
        let chunk: mlua::BString = guarded(NEVER)
            .load("return string.dump(function() return 7 end)")
            .eval()
            .unwrap();
        let path = directory.file("chunk", &chunk);
        let text = directory.file("text", b"return 7");
        let lua = guarded(NEVER);
        lua.globals().set("chunk", chunk.clone()).unwrap();
        for call in [
            "load(chunk)".into(),
            "load(chunk, 'x', 'b')".into(),
            "load(coroutine.wrap(function() coroutine.yield(chunk) end))".into(),
            format!("loadfile('{path}')"),
            format!("select(2, pcall(dofile, '{path}')), select(2, pcall(dofile, '{path}'))"),
        ] {
            let (_, message): (mlua::Value, String) = lua.load(format!("return {call}")).eval().unwrap();
            assert!(
                message.contains("attempt to load a binary chunk (mode is 't')"),
                "{call}: {message}"
            );
        }
        let (_, message): (mlua::Value, String) = lua
            .load("return load(coroutine.wrap(function() coroutine.yield(chunk) end), 'x', 'b')")
            .eval()
            .unwrap();
        assert!(message.contains("attempt to load a binary chunk"), "{message}");

        let (_, message): (mlua::Value, String) = lua
            .load(format!("return loadfile('{text}', 'b')"))
            .eval()
            .unwrap();
        assert!(message.contains("attempt to load a text chunk"), "{message}");

        let lua = guarded_with(&GuardOptions {
            allow_bytecode: true,
            ..GuardOptions::default()
        });
        lua.globals().set("chunk", chunk).unwrap();
        for call in [
            "load(chunk)()".into(),
            format!("loadfile('{path}', 'b')()"),
            format!("dofile('{path}')"),
        ] {
            assert_eq!(
                lua.load(format!("return {call}")).eval::<i64>().unwrap(),
                7,
                "{call}"
            );
        }
    }

    #[test]
    fn a_file_that_blocks_is_not_opened() {
        let directory = Directory::new("load-fifo");
        let fifo = directory.fifo();
        let lua = guarded(NEVER);
        let (_, message): (mlua::Value, String) =
            lua.load(format!("return loadfile('{fifo}')")).eval().unwrap();
        assert!(
            message.contains("a named pipe could block the worker"),
            "{message}"
        );
        for (call, message) in [
            (format!("dofile('{fifo}')"), "a named pipe could block the worker"),
            ("dofile()".into(), "standard input is not available"),
            ("loadfile()".into(), "standard input is not available"),
        ] {
            let error = lua.load(&call).exec().unwrap_err().to_string();
            assert!(error.contains(message), "{call}: {error}");
        }
    }

    #[test]
    fn endless_source_ends_when_the_host_says_so() {
        assert_stopped("assert(load(('x = 1\\n'):rep(100000)))", "load exceeded its time");
        // A reader that never runs an instruction of Lua.
        assert_stopped(
            "assert(load(string.gmatch((' '):rep(1000), ' ')))",
            "load exceeded its time",
        );
    }
}
