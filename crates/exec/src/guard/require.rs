//! `package`: `require` finds text chunks and C modules as Lua does, without opening what could block.

use std::os::raw::{c_char, c_int};

use mlua::ffi::{self, lua_State};

use super::load::load_path;
use super::path::refusal;
use super::raw::{self, Stop};

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State, allow_bytecode: bool, allow_loadlib: bool) {
    // SAFETY: the caller's; what is pushed is popped.
    unsafe {
        raw::replace(state, c"package", c"searchpath", searchpath);
        ffi::lua_getglobal(state, c"package".as_ptr());
        let package = ffi::lua_gettop(state);
        if ffi::lua_type(state, package) == ffi::LUA_TTABLE {
            ffi::lua_getfield(state, package, c"loadlib".as_ptr());
            ffi::lua_getfield(state, package, c"searchers".as_ptr());
            let searchers: [(i64, ffi::lua_CFunction); 3] =
                [(2, lua_module), (3, c_module), (4, c_submodule)];
            for (index, searcher) in searchers {
                // Where the bindings were told to leave C modules out, there are fewer.
                if ffi::lua_rawgeti(state, -1, index) == ffi::LUA_TFUNCTION {
                    ffi::lua_pushvalue(state, package);
                    ffi::lua_pushvalue(state, package + 1);
                    ffi::lua_pushboolean(state, allow_bytecode.into());
                    ffi::lua_pushcclosure(state, searcher, 3);
                    ffi::lua_rawseti(state, -3, index);
                }
                ffi::lua_pop(state, 1);
            }
            if !allow_loadlib {
                ffi::lua_pushcclosure(state, loadlib, 0);
                ffi::lua_setfield(state, package, c"loadlib".as_ptr());
            }
        }
        ffi::lua_settop(state, package - 1);
    }
}

unsafe extern "C-unwind" fn loadlib(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state.
    unsafe {
        ffi::luaL_error(
            state,
            c"package.loadlib is not available: C modules are loaded with require".as_ptr(),
        )
    }
}

/// `package.searchpath`.
unsafe extern "C-unwind" fn searchpath(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; the strings are arguments, which stay.
    unsafe {
        let name = ffi::luaL_checklstring(state, 1, std::ptr::null_mut());
        let path = ffi::luaL_checklstring(state, 2, std::ptr::null_mut());
        let dot = ffi::luaL_optlstring(state, 3, c".".as_ptr(), std::ptr::null_mut());
        let slash = ffi::luaL_optlstring(state, 4, c"/".as_ptr(), std::ptr::null_mut());
        if search(state, name, path, dot, slash) {
            return 1;
        }
        ffi::lua_pushnil(state);
        ffi::lua_insert(state, -2);
        2
    }
}

/// Pushes the first file of the list `path` that can be read (true), or what was tried (false).
///
/// # Safety
/// All are C strings that stay on the stack; errors may be raised.
unsafe fn search(
    state: *mut lua_State,
    name: *const c_char,
    path: *const c_char,
    dot: *const c_char,
    slash: *const c_char,
) -> bool {
    // SAFETY: the caller's; what is read was pushed here and stays below.
    unsafe {
        let stop = Stop::of(state);
        ffi::luaL_checkstack(state, 8, std::ptr::null());
        let file = if *dot == 0 {
            name
        } else {
            ffi::luaL_gsub(state, name, dot, slash)
        };
        ffi::luaL_gsub(state, path, c"?".as_ptr(), file);
        let list = ffi::lua_gettop(state);
        let mut rest = raw::check_bytes(state, list);
        loop {
            stop.check(c"searching a path");
            let end = rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len());
            let candidate = ffi::lua_pushlstring(state, rest.as_ptr().cast(), end);
            if is_readable(state, candidate) {
                return true;
            }
            ffi::lua_pop(state, 1);
            match rest.get(end + 1..) {
                Some(others) => rest = others,
                None => break,
            }
        }
        ffi::lua_pushlstring(state, c"no file '".as_ptr(), 9);
        let tried = ffi::lua_tolstring(state, list, std::ptr::null_mut());
        ffi::luaL_gsub(state, tried, c";".as_ptr(), c"'\n\tno file '".as_ptr());
        ffi::lua_pushlstring(state, c"'".as_ptr(), 1);
        ffi::lua_concat(state, 3);
        false
    }
}

/// Whether the file can be opened; an error if that could block.
///
/// # Safety
/// `path` is a C string; errors may be raised.
unsafe fn is_readable(state: *mut lua_State, path: *const c_char) -> bool {
    // SAFETY: the caller's; the descriptor is closed at once.
    unsafe {
        if let Some(refused) = refusal(path) {
            ffi::luaL_error(
                state,
                c"cannot open file '%s' (%s)".as_ptr(),
                path,
                refused.message.as_ptr(),
            );
        }
        let descriptor = libc::open(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC);
        descriptor >= 0 && libc::close(descriptor) == 0
    }
}

/// As [`search`], in the list `package.FIELD`.
///
/// # Safety
/// Only in a searcher of [`install`]; `name` and `field` are C strings.
unsafe fn find(state: *mut lua_State, name: *const c_char, field: *const c_char) -> bool {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_getfield(state, ffi::lua_upvalueindex(1), field);
        let path = ffi::lua_tolstring(state, -1, std::ptr::null_mut());
        if path.is_null() {
            ffi::luaL_error(state, c"'package.%s' must be a string".as_ptr(), field);
        }
        search(state, name, path, c".".as_ptr(), c"/".as_ptr())
    }
}

unsafe extern "C-unwind" fn lua_module(state: *mut lua_State) -> c_int {
    // SAFETY: `require` calls with a name and the upvalues of `install`; the file's name stays on the stack.
    unsafe {
        let name = ffi::luaL_checklstring(state, 1, std::ptr::null_mut());
        if !find(state, name, c"path".as_ptr()) {
            return 1;
        }
        let file = ffi::lua_tolstring(state, -1, std::ptr::null_mut());
        let mode = if ffi::lua_toboolean(state, ffi::lua_upvalueindex(3)) != 0 {
            c"bt"
        } else {
            c"t"
        };
        if load_path(state, file, mode.as_ptr()) != ffi::LUA_OK {
            return fail(state, name, file);
        }
        ffi::lua_pushstring(state, file);
    }
    2
}

unsafe extern "C-unwind" fn c_module(state: *mut lua_State) -> c_int {
    // SAFETY: as in `lua_module`.
    unsafe {
        let name = ffi::luaL_checklstring(state, 1, std::ptr::null_mut());
        if !find(state, name, c"cpath".as_ptr()) {
            return 1;
        }
        let file = ffi::lua_tolstring(state, -1, std::ptr::null_mut());
        match open_function(state, file, name) {
            Opened::Yes => {
                ffi::lua_pushstring(state, file);
                2
            }
            Opened::NoFunction | Opened::NoLibrary => fail(state, name, file),
        }
    }
}

/// Looks for `a.b` in the library of `a`.
unsafe extern "C-unwind" fn c_submodule(state: *mut lua_State) -> c_int {
    // SAFETY: as in `lua_module`.
    unsafe {
        let name = ffi::luaL_checklstring(state, 1, std::ptr::null_mut());
        let bytes = std::ffi::CStr::from_ptr(name).to_bytes();
        let Some(dot) = bytes.iter().position(|&byte| byte == b'.') else {
            return 0;
        };
        let root = ffi::lua_pushlstring(state, name, dot);
        if !find(state, root, c"cpath".as_ptr()) {
            return 1;
        }
        let file = ffi::lua_tolstring(state, -1, std::ptr::null_mut());
        match open_function(state, file, name) {
            Opened::Yes => {
                ffi::lua_pushstring(state, file);
                2
            }
            Opened::NoFunction => {
                ffi::lua_pushfstring(state, c"no module '%s' in file '%s'".as_ptr(), name, file);
                1
            }
            Opened::NoLibrary => fail(state, name, file),
        }
    }
}

enum Opened {
    /// The function is on the top.
    Yes,
    /// The library has no such function; the message is on the top.
    NoFunction,
    /// There is no such library; the message is on the top.
    NoLibrary,
}

/// Loads `luaopen_NAME` from the library: of `v1-name` the part before the hyphen first, then the one behind.
///
/// # Safety
/// Only in a searcher of [`install`]; both are C strings that stay.
unsafe fn open_function(state: *mut lua_State, file: *const c_char, name: *const c_char) -> Opened {
    // SAFETY: the caller's; strings pushed here stay while they are read.
    unsafe {
        ffi::luaL_checkstack(state, 10, std::ptr::null());
        let mut name = ffi::luaL_gsub(state, name, c".".as_ptr(), c"_".as_ptr());
        let bytes = std::ffi::CStr::from_ptr(name).to_bytes();
        if let Some(hyphen) = bytes.iter().position(|&byte| byte == b'-') {
            let before = ffi::lua_pushlstring(state, name, hyphen);
            match open_symbol(state, file, before) {
                Opened::NoFunction => name = name.add(hyphen + 1),
                opened => return opened,
            }
        }
        open_symbol(state, file, name)
    }
}

/// # Safety
/// As for [`open_function`].
unsafe fn open_symbol(state: *mut lua_State, file: *const c_char, name: *const c_char) -> Opened {
    // SAFETY: the caller's: upvalue 2 is the original `package.loadlib`.
    unsafe {
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(2));
        ffi::lua_pushstring(state, file);
        ffi::lua_pushfstring(state, c"luaopen_%s".as_ptr(), name);
        ffi::lua_call(state, 2, 3);
        if ffi::lua_type(state, -3) == ffi::LUA_TFUNCTION {
            ffi::lua_pop(state, 2);
            return Opened::Yes;
        }
        let is_symbol = raw::bytes(state, -1) == Some(b"init");
        ffi::lua_pop(state, 1);
        if is_symbol {
            Opened::NoFunction
        } else {
            Opened::NoLibrary
        }
    }
}

/// Raises what `require` raises for a module that was found and cannot be loaded; the reason is on the top.
///
/// # Safety
/// Both are C strings; errors may be raised.
unsafe fn fail(state: *mut lua_State, name: *const c_char, file: *const c_char) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let reason = ffi::lua_tolstring(state, -1, std::ptr::null_mut());
        let message = c"error loading module '%s' from file '%s':\n\t%s".as_ptr();
        ffi::luaL_error(state, message, name, file, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::tests::Directory;
    use super::super::tests::{assert_same, guarded, guarded_with};
    use super::super::{GuardOptions, Interrupt};

    const NEVER: Interrupt = |_| false;

    #[test]
    fn modules_are_found_as_in_lua() {
        let directory = Directory::new("require");
        directory.file("good.lua", b"return {name = ..., file = select(2, ...)}");
        directory.file("bad.lua", b"return return");
        directory.file("native.so", b"not a library");
        let at = directory.path().display();
        let paths = format!("package.path = '{at}/?.lua;/no/such/?.lua' package.cpath = '{at}/?.so'");
        for call in [
            "local m, f = require('good') return m.name, m.file, f, require('good') == m",
            "return require('bad')",
            "return require('missing')",
            "return require('missing.sub-part')",
            "return require('native')",
            "return require('native.sub')",
            "return require('v1-native')",
            "package.path = nil return require('x')",
            "package.cpath = {} return require('x')",
            "package.path = '' return require('x')",
            "package.path = ';;' return require('x')",
            "return package.searchpath('good', package.path)",
            "return package.searchpath('a.b-c', '?/x;?y;')",
            "return package.searchpath('a.b', '?', '', '/')",
            "return package.searchpath('a+b', '?;z?z', '+', '%')",
            "return package.searchpath('a', '')",
            "return package.searchpath('a')",
        ] {
            assert_same(&format!("{paths} {call}"));
        }
    }

    #[test]
    fn a_library_without_the_function_is_no_module() {
        // A library that is loaded anyway, wherever this machine has it.
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let library = maps
            .lines()
            .filter_map(|line| line.split_once('/'))
            .find(|(_, path)| path.contains("libc.so"));
        let (_, path) = library.expect("a C library that is linked dynamically");
        for name in ["x", "x.y", "v2-x", "x.v2-y"] {
            assert_same(&format!(
                "package.path = '' package.cpath = '/{path}' return require('{name}')"
            ));
        }
    }

    #[test]
    fn c_modules_load() {
        let directory = Directory::new("require-c");
        let source = directory.file(
            "tiny.c",
            b"int luaopen_tiny(void *L) { (void)L; return 0; }
              int luaopen_tiny_sub(void *L) { (void)L; return 0; }
              int luaopen_old(void *L) { (void)L; return 0; }",
        );
        let library = directory.path().join("tiny.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = std::process::Command::new(compiler)
            .args(["-shared", "-fPIC", "-o"])
            .args([library.as_os_str(), source.as_ref()])
            .status();
        assert!(built.unwrap().success());
        let path = library.display();
        for name in ["tiny", "tiny.sub", "tiny-v2", "v2-old", "tiny.v2-sub"] {
            assert_same(&format!(
                "package.path = '' package.cpath = '{path}' return require('{name}')"
            ));
        }
        let (_, file): (mlua::Value, String) = guarded(NEVER)
            .load(format!(
                "package.path = '' package.cpath = '{path}' return require('tiny.sub')"
            ))
            .eval()
            .unwrap();
        assert_eq!(file, path.to_string());
    }

    #[test]
    fn a_module_of_bytecode_or_one_that_blocks_is_an_error() {
        let directory = Directory::new("require-guard");
        let fifo = directory.fifo();
        let lua = guarded(NEVER);
        let chunk: mlua::BString = lua
            .load("return string.dump(function() return 7 end)")
            .eval()
            .unwrap();
        let path = directory.file("chunk.lua", &chunk);
        let load = format!("package.path = '{path}' return require('chunk')");
        let error = lua.load(&load).exec().unwrap_err().to_string();
        assert!(
            error.contains("attempt to load a binary chunk (mode is 't')"),
            "{error}"
        );
        let allowed = guarded_with(&GuardOptions {
            allow_bytecode: true,
            ..GuardOptions::default()
        });
        assert_eq!(allowed.load(&load).eval::<i64>().unwrap(), 7);

        for script in [
            format!("package.path = '{fifo}' require('x')"),
            format!("package.path = '' package.cpath = '{fifo}' require('x')"),
            format!("package.searchpath('x', '{fifo}')"),
        ] {
            let error = lua.load(&script).exec().unwrap_err().to_string();
            assert!(
                error.contains("a named pipe could block the worker"),
                "{script}: {error}"
            );
        }
    }

    #[test]
    fn loadlib_is_only_there_where_that_is_allowed() {
        let error = guarded(NEVER)
            .load("package.loadlib('x', 'y')")
            .exec()
            .unwrap_err()
            .to_string();
        assert!(error.contains("package.loadlib is not available"), "{error}");
        let lua = guarded_with(&GuardOptions {
            allow_loadlib: true,
            ..GuardOptions::default()
        });
        let (_, _, place): (mlua::Value, String, String) = lua
            .load("return package.loadlib('/no/such.so', 'y')")
            .eval()
            .unwrap();
        assert_eq!(place, "open");
    }
}
