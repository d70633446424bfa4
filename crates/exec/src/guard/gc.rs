//! `collectgarbage`: one collector serves every script of a state, so no script turns it off or tunes it.
//!
//! It stays incremental: a collection of young objects, and the whole ones between them, are one piece of work, for which
//! everybody on the thread would wait. A script that asks for another mode or pace is told what it had asked for before, as
//! in Lua, and the collector goes on as it does.

use std::ffi::CStr;
use std::os::raw::{c_int, c_void};

use mlua::ffi::{self, lua_State};

use super::raw;

/// What scripts asked the collector to be, under the addresses of these in the registry.
static MODE_KEY: u8 = 0;
static PAUSE_KEY: u8 = 0;
static STEP_KEY: u8 = 0;

/// Lua's own values.
const MODE: &CStr = c"incremental";
const PAUSE: i64 = 200;
const STEP: i64 = 100;

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe { raw::replace(state, c"_G", c"collectgarbage", collectgarbage) }
}

unsafe extern "C-unwind" fn collectgarbage(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state and enough slots; the slice is of argument 1, which stays.
    unsafe {
        let Some(option) = raw::bytes(state, 1) else {
            return raw::original(state);
        };
        match option {
            b"stop" => ffi::luaL_error(
                state,
                c"collectgarbage 'stop' is not available: all scripts share the collector".as_ptr(),
            ),
            // It was never stopped.
            b"restart" => {
                ffi::lua_pushinteger(state, 0);
                1
            }
            b"generational" => mode(state, c"generational", 3),
            b"incremental" => mode(state, c"incremental", 4),
            b"setpause" => pace(state, &raw const PAUSE_KEY, PAUSE),
            b"setstepmul" => pace(state, &raw const STEP_KEY, STEP),
            // A step, however large, is one cycle at most.
            _ => raw::original(state),
        }
    }
}

/// Gives the mode that was asked for before. The numbers that may follow, up to argument `last`, have to be numbers.
///
/// # Safety
/// In a call of Lua's, with room for two values.
unsafe fn mode(state: *mut lua_State, asked: &'static CStr, last: c_int) -> c_int {
    let key = (&raw const MODE_KEY).cast::<c_void>();
    // SAFETY: the caller's.
    unsafe {
        for argument in 2..=last {
            ffi::luaL_optinteger(state, argument, 0);
        }
        if ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, key) != ffi::LUA_TSTRING {
            ffi::lua_pop(state, 1);
            ffi::lua_pushstring(state, MODE.as_ptr());
        }
        ffi::lua_pushstring(state, asked.as_ptr());
        ffi::lua_rawsetp(state, ffi::LUA_REGISTRYINDEX, key);
    }
    1
}

/// Gives the number that was asked for before.
///
/// # Safety
/// As for [`mode`].
unsafe fn pace(state: *mut lua_State, key: *const u8, default: i64) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let asked = ffi::luaL_optinteger(state, 2, 0);
        if ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, key.cast()) != ffi::LUA_TNUMBER {
            ffi::lua_pop(state, 1);
            ffi::lua_pushinteger(state, default);
        }
        ffi::lua_pushinteger(state, asked);
        ffi::lua_rawsetp(state, ffi::LUA_REGISTRYINDEX, key.cast());
    }
    1
}

#[cfg(test)]
mod tests {
    use mlua::state::{GcIncParams, GcMode};

    use super::super::tests::{assert_same, guarded};

    #[test]
    fn collecting_and_counting_are_luas() {
        for script in [
            "return collectgarbage(), collectgarbage('collect')",
            "return math.type(collectgarbage('count')), collectgarbage('isrunning')",
            "return collectgarbage('step', 1 << 30)",
            "return collectgarbage('x')",
            "return collectgarbage({})",
        ] {
            assert_same(script);
        }
    }

    #[test]
    fn what_scripts_ask_of_the_collector_reads_back_as_in_lua() {
        for script in [
            "return collectgarbage('generational'), collectgarbage('generational', 20, 100), collectgarbage('incremental')",
            "return collectgarbage('incremental', 200, 200, 10), collectgarbage('generational'), collectgarbage('incremental')",
            "return collectgarbage('setpause', 160), collectgarbage('setpause', 100), collectgarbage('setpause', 200)",
            "return collectgarbage('setstepmul', 400), collectgarbage('setstepmul', 200), collectgarbage('setstepmul')",
            "return collectgarbage('restart'), collectgarbage('isrunning')",
            "return collectgarbage('generational', 'x')",
            "return collectgarbage('incremental', 1, 2, {})",
            "return collectgarbage('setpause', {})",
        ] {
            assert_same(script);
        }
    }

    #[test]
    fn no_script_changes_how_it_works() {
        let lua = guarded(|_| false);
        lua.load("collectgarbage('generational') collectgarbage('setpause', 1000)")
            .exec()
            .unwrap();
        // It still is what it was, as setting it shows.
        let was = lua.gc_set_mode(GcMode::Incremental(GcIncParams::default()));
        assert!(matches!(was, GcMode::Incremental(_)), "{was:?}");
        let error = lua.load("collectgarbage('stop')").exec().unwrap_err().to_string();
        assert!(
            error.contains("collectgarbage 'stop' is not available"),
            "{error}"
        );
        assert!(
            lua.load("return collectgarbage('isrunning')")
                .eval::<bool>()
                .unwrap()
        );
    }
}
