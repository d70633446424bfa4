//! `collectgarbage`: one collector serves every script of a state, so no script turns it off or tunes it.

use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};

use super::raw;

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe { raw::replace(state, c"_G", c"collectgarbage", collectgarbage) }
}

unsafe extern "C-unwind" fn collectgarbage(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; the slice is of argument 1, which stays.
    unsafe {
        let Some(option) = raw::bytes(state, 1) else {
            return raw::original(state);
        };
        match option {
            b"stop" | b"restart" | b"setpause" | b"setstepmul" | b"generational" | b"incremental" => {
                ffi::luaL_error(
                    state,
                    c"collectgarbage '%s' is not available: all scripts share the collector".as_ptr(),
                    ffi::lua_tolstring(state, 1, std::ptr::null_mut()),
                )
            }
            // A step, however large, is one cycle at most.
            _ => raw::original(state),
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn what_every_script_would_feel_is_an_error() {
        let lua = guarded(|_| false);
        for option in [
            "stop",
            "restart",
            "setpause",
            "setstepmul",
            "generational",
            "incremental",
        ] {
            let error = lua
                .load(format!("collectgarbage('{option}')"))
                .exec()
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("collectgarbage '{option}' is not available")),
                "{error}"
            );
        }
        assert!(
            lua.load("return collectgarbage('isrunning')")
                .eval::<bool>()
                .unwrap()
        );
    }
}
