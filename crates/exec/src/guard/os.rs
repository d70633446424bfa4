//! `os`: nothing that ends, changes or leaves the process.

use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};

use super::raw;

/// Longest format that `os.date` takes: it is worked through without a stop.
const DATE_FORMAT_BYTES_MAX: usize = 4096;

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State, allow_fork: bool) {
    // SAFETY: the caller's.
    unsafe {
        raw::replace(state, c"os", c"exit", exit);
        raw::replace(state, c"os", c"setlocale", setlocale);
        raw::replace(state, c"os", c"date", date);
        if !allow_fork {
            raw::replace(state, c"os", c"execute", execute);
        }
    }
}

unsafe extern "C-unwind" fn exit(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state.
    unsafe {
        ffi::luaL_error(
            state,
            c"os.exit is not available: it would end the whole process".as_ptr(),
        )
    }
}

/// `os.execute` where the host allows no other process.
unsafe extern "C-unwind" fn execute(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state.
    unsafe {
        if ffi::lua_type(state, 1) <= ffi::LUA_TNIL {
            // The question whether there is a shell: there is none for this script.
            ffi::lua_pushboolean(state, 0);
            return 1;
        }
        ffi::luaL_error(
            state,
            c"os.execute is not available: it starts a process, which needs insecure-fork-wanted".as_ptr(),
        )
    }
}

/// Tells the locale. The process has one for all scripts and threads, so a request for another fails as Lua's
/// manual says of requests that cannot be honored: it returns nil.
unsafe extern "C-unwind" fn setlocale(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; indices are of values put there.
    unsafe {
        if ffi::lua_type(state, 1) <= ffi::LUA_TNIL {
            return raw::original(state);
        }
        ffi::luaL_checklstring(state, 1, std::ptr::null_mut());
        ffi::lua_settop(state, 2);
        ffi::lua_pushvalue(state, 1);
        ffi::lua_pushnil(state);
        ffi::lua_replace(state, 1);
        raw::original(state);
        if ffi::lua_rawequal(state, -1, 3) == 0 {
            ffi::lua_pushnil(state);
        }
    }
    1
}

unsafe extern "C-unwind" fn date(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; the slice is of argument 1, which stays.
    unsafe {
        if raw::bytes(state, 1).is_some_and(|format| format.len() > DATE_FORMAT_BYTES_MAX) {
            let limit = DATE_FORMAT_BYTES_MAX as i64;
            return ffi::luaL_error(
                state,
                c"os.date takes a format of at most %I bytes".as_ptr(),
                limit,
            );
        }
        raw::original(state)
    }
}

#[cfg(test)]
mod tests {
    use super::super::GuardOptions;
    use super::super::tests::{assert_same, guarded, guarded_with};

    #[test]
    fn what_would_end_or_leave_the_process_is_an_error() {
        let lua = guarded(|_| false);
        for (call, message) in [
            (
                "os.exit()",
                "os.exit is not available: it would end the whole process",
            ),
            ("os.exit(true, true)", "os.exit is not available"),
            ("os.execute('true')", "insecure-fork-wanted"),
            ("os.date(('%'):rep(5000))", "at most 4096 bytes"),
        ] {
            let error = lua.load(call).exec().unwrap_err().to_string();
            assert!(error.contains(message), "{call}: {error}");
        }
        assert!(!lua.load("return os.execute()").eval::<bool>().unwrap());
        let lua = guarded_with(&GuardOptions {
            allow_fork: true,
            ..GuardOptions::default()
        });
        assert!(lua.load("return os.execute('true')").eval::<bool>().unwrap());
    }

    #[test]
    fn the_locale_can_be_asked_for_only() {
        for script in [
            "return os.setlocale()",
            "return os.setlocale(nil, 'ctype')",
            "return os.setlocale('C')",
            "return os.setlocale('C', 'numeric')",
            "return os.setlocale('C', 'x')",
            "return os.setlocale({})",
            "return os.setlocale('no-such-locale')",
        ] {
            assert_same(script);
        }
        let lua = guarded(|_| false);
        assert!(
            lua.load("return os.setlocale('C.UTF-8')")
                .eval::<mlua::Value>()
                .unwrap()
                .is_nil()
        );
        assert_eq!(lua.load("return os.setlocale()").eval::<String>().unwrap(), "C");
    }

    #[test]
    fn the_rest_is_luas() {
        for script in [
            "return os.date('!%Y-%m-%d', 0)",
            "return os.date('*t', 0).year",
            "return os.date('%')",
            "return type(os.time()), type(os.clock()), os.getenv('NO_SUCH_VARIABLE')",
            "local n = os.tmpname() local m = n .. '.x' assert(os.rename(n, m)) return os.remove(m)",
            "return os.remove('/no/such/file')",
        ] {
            assert_same(script);
        }
    }
}
