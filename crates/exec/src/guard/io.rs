//! `io`: nothing that blocks the worker, and no process beside it.

use std::os::raw::{c_char, c_int, c_void};

use mlua::ffi::{self, lua_State};

use super::path::refusal;
use super::raw;

/// Registry key of the io library's default input.
const DEFAULT_INPUT: &std::ffi::CStr = c"_IO_input";

/// Name of the metatable of files (`LUA_FILEHANDLE`).
const FILE_HANDLE: &std::ffi::CStr = c"FILE*";

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State, allow_fork: bool) {
    // SAFETY: the caller's; what is pushed is popped.
    unsafe {
        raw::replace(state, c"io", c"open", open);
        raw::replace(state, c"io", c"input", open_or_raise);
        raw::replace(state, c"io", c"output", open_or_raise);
        if !allow_fork {
            raw::replace(state, c"io", c"popen", popen);
        }
        ffi::lua_getglobal(state, c"io".as_ptr());
        if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
            install_readers(state);
        }
        ffi::lua_pop(state, 1);
    }
}

/// Wraps `read` and `lines` of the library, which is on the top, and of its files.
///
/// # Safety
/// As for [`raw::replace`].
unsafe fn install_readers(state: *mut lua_State) {
    // SAFETY: the caller's; what is pushed is popped.
    unsafe {
        ffi::lua_getfield(state, -1, c"stdin".as_ptr());
        let stdin = stream(state, -1);
        ffi::lua_pop(state, 1);
        replace_reader(state, c"read", read_default, stdin);
        replace_reader(state, c"lines", lines, stdin);
        ffi::lua_getfield(state, ffi::LUA_REGISTRYINDEX, FILE_HANDLE.as_ptr());
        ffi::lua_getfield(state, -1, c"__index".as_ptr());
        replace_reader(state, c"read", read_file, stdin);
        replace_reader(state, c"lines", read_file, stdin);
        ffi::lua_pop(state, 2);
    }
}

/// Puts `function` in the place of the field `name` of the table on the top, with the original and the
/// stream of standard input as upvalues.
///
/// # Safety
/// As for [`raw::replace`], with a table on the top.
unsafe fn replace_reader(
    state: *mut lua_State,
    name: &std::ffi::CStr,
    function: ffi::lua_CFunction,
    stdin: *mut c_void,
) {
    // SAFETY: the caller's.
    unsafe {
        if ffi::lua_getfield(state, -1, name.as_ptr()) != ffi::LUA_TFUNCTION {
            ffi::luaL_error(state, c"'%s' of files is missing".as_ptr(), name.as_ptr());
        }
        ffi::lua_pushlightuserdata(state, stdin);
        ffi::lua_pushcclosure(state, function, 2);
        ffi::lua_setfield(state, -2, name.as_ptr());
    }
}

/// The C stream of the file at `index`; null if there is no file.
///
/// # Safety
/// `state` is valid, with two free slots.
unsafe fn stream(state: *mut lua_State, index: c_int) -> *mut c_void {
    // SAFETY: a file handle is a `luaL_Stream`, which begins with its `FILE *`.
    unsafe {
        let file = ffi::luaL_testudata(state, index, FILE_HANDLE.as_ptr()).cast::<*mut c_void>();
        if file.is_null() {
            std::ptr::null_mut()
        } else {
            *file
        }
    }
}

/// Whether the file at `index` is standard input (upvalue 2).
///
/// # Safety
/// Called from a function of [`replace_reader`].
unsafe fn is_stdin(state: *mut lua_State, index: c_int) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let stdin = ffi::lua_touserdata(state, ffi::lua_upvalueindex(2));
        !stdin.is_null() && stream(state, index) == stdin
    }
}

/// # Safety
/// As for [`raw::original`].
unsafe fn refuse_stdin(state: *mut lua_State) -> c_int {
    // SAFETY: the caller's.
    unsafe { ffi::luaL_error(state, c"standard input is not available to scripts".as_ptr()) }
}

/// `io.open`.
unsafe extern "C-unwind" fn open(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; the path is argument 1, which stays.
    unsafe {
        let path: *const c_char = ffi::lua_tolstring(state, 1, std::ptr::null_mut());
        let refused = if path.is_null() { None } else { refusal(path) };
        match refused {
            Some(refused) => raw::push_failure(state, path, refused.message, refused.errno),
            None => raw::original(state),
        }
    }
}

/// `io.input` and `io.output`, which raise what `io.open` returns.
unsafe extern "C-unwind" fn open_or_raise(state: *mut lua_State) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        check_path(state);
        raw::original(state)
    }
}

/// # Safety
/// Argument 1 may be a path; errors may be raised.
unsafe fn check_path(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        let path: *const c_char = ffi::lua_tolstring(state, 1, std::ptr::null_mut());
        let refused = if path.is_null() { None } else { refusal(path) };
        if let Some(refused) = refused {
            ffi::luaL_error(
                state,
                c"cannot open file '%s' (%s)".as_ptr(),
                path,
                refused.message.as_ptr(),
            );
        }
    }
}

/// `io.lines`, of a path or of the default input.
unsafe extern "C-unwind" fn lines(state: *mut lua_State) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        if ffi::lua_type(state, 1) <= ffi::LUA_TNIL {
            return read_default(state);
        }
        check_path(state);
        raw::original(state)
    }
}

/// `io.read`.
unsafe extern "C-unwind" fn read_default(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state and the upvalues of `replace_reader`; what is pushed is popped.
    unsafe {
        ffi::luaL_checkstack(state, 3, c"too many arguments".as_ptr());
        ffi::lua_getfield(state, ffi::LUA_REGISTRYINDEX, DEFAULT_INPUT.as_ptr());
        let refused = is_stdin(state, -1);
        ffi::lua_pop(state, 1);
        if refused {
            refuse_stdin(state)
        } else {
            raw::original(state)
        }
    }
}

/// `file:read` and `file:lines`.
unsafe extern "C-unwind" fn read_file(state: *mut lua_State) -> c_int {
    // SAFETY: as in `read_default`.
    unsafe {
        if is_stdin(state, 1) {
            refuse_stdin(state)
        } else {
            raw::original(state)
        }
    }
}

/// `io.popen` where the host allows no other process.
unsafe extern "C-unwind" fn popen(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state.
    unsafe {
        ffi::luaL_error(
            state,
            c"io.popen is not available: it starts a process, which needs insecure-fork-wanted".as_ptr(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::tests::Directory;
    use super::super::tests::{assert_same, guarded, guarded_with};
    use super::super::{GuardOptions, Interrupt};

    const NEVER: Interrupt = |_| false;

    #[test]
    fn a_pipe_is_refused_and_nobody_waits() {
        let directory = Directory::new("io");
        let fifo = directory.fifo();
        let lua = guarded(NEVER);
        for mode in ["r", "w", "a", "r+"] {
            let (file, message, errno): (mlua::Value, String, i32) = lua
                .load(format!("return io.open('{fifo}', '{mode}')"))
                .eval()
                .unwrap();
            assert!(file.is_nil());
            assert_eq!(
                message,
                format!("{fifo}: a named pipe could block the worker and is not opened")
            );
            assert_eq!(errno, libc::EPERM);
        }
        for call in ["lines", "input", "output"] {
            let error = lua
                .load(format!("io.{call}('{fifo}')"))
                .exec()
                .unwrap_err()
                .to_string();
            assert!(error.contains("cannot open file '"), "{error}");
            assert!(error.contains("a named pipe could block the worker"), "{error}");
        }
    }

    #[test]
    fn regular_files_are_luas() {
        let directory = Directory::new("io-regular");
        let path = directory.file("text", b"one\ntwo\n3\n");
        for script in [
            format!(
                "local f = io.open('{path}') return f:read('l', 'L', 'n'), f:read('a'), f:read('a', 'l')"
            ),
            format!(
                "local t = {{}} for l in io.lines('{path}') do t[#t + 1] = l end return table.concat(t, '/')"
            ),
            format!("io.input('{path}') return io.read(), io.read('n'), io.lines()()"),
            format!("local f = io.open('{path}') local n = f:lines() f:close() return pcall(n)"),
            format!("return io.open('{path}', 'x')"),
            "return io.open('/no/such/file')".into(),
            "return io.open()".into(),
            "return io.open({})".into(),
            "return io.lines('/no/such/file')".into(),
            "return io.lines({})".into(),
            "return io.input('/no/such/file')".into(),
            "return io.input({})".into(),
            "return io.open('/dev/null'):read('a')".into(),
            "return #io.open('/dev/urandom'):read(16)".into(),
            "return io.stdout.read({})".into(),
            "return io.stdout.lines()".into(),
            "return io.stderr:read()".into(),
            "return io.type(io.stdin), io.type(io.input())".into(),
        ] {
            assert_same(&script);
        }
    }

    #[test]
    fn standard_input_is_not_read() {
        let lua = guarded(NEVER);
        for call in [
            "io.read()",
            "io.lines()",
            "io.stdin:read('a')",
            "io.stdin:lines()",
            "io.input():read()",
        ] {
            let error = lua.load(call).exec().unwrap_err().to_string();
            assert!(
                error.contains("standard input is not available to scripts"),
                "{call}: {error}"
            );
        }
    }

    #[test]
    fn a_process_is_only_started_where_that_is_allowed() {
        let error = guarded(NEVER)
            .load("io.popen('echo x')")
            .exec()
            .unwrap_err()
            .to_string();
        assert!(error.contains("insecure-fork-wanted"), "{error}");
        let lua = guarded_with(&GuardOptions {
            allow_fork: true,
            ..GuardOptions::default()
        });
        let line: String = lua.load("return io.popen('echo x'):read()").eval().unwrap();
        assert_eq!(line, "x");
    }
}
