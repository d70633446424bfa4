//! `table.sort`.
//!
//! The original's algorithm stays (an invalid order function is noticed, and equal elements end up where
//! they always did). What changes is the comparison: where sorting can take long without running Lua code,
//! a comparison function of ours looks at the interrupt before each one.

use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};

use super::raw::{self, Stop};

/// Plain elements that the original may sort by itself: a few milliseconds.
const ELEMENTS_MAX: i64 = 20_000;

/// Longest string that counts as quickly compared.
const TEXT_BYTES_MAX: usize = 64;

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe { raw::replace(state, c"table", c"sort", sort) }
}

unsafe extern "C-unwind" fn sort(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; indices are of its arguments.
    unsafe {
        let is_plain = ffi::lua_type(state, 1) == ffi::LUA_TTABLE && raw::is_plain(state, 1);
        let kind = ffi::lua_type(state, 2);
        if ffi::lua_type(state, 1) == ffi::LUA_TNONE {
            return raw::original(state); // which refuses it
        }
        if kind == ffi::LUA_TFUNCTION && is_plain && ffi::lua_iscfunction(state, 2) == 0 {
            return raw::original(state); // the hook sees every comparison
        }
        if kind > ffi::LUA_TNIL && kind != ffi::LUA_TFUNCTION {
            return raw::original(state); // which refuses it
        }
        if is_plain && kind <= ffi::LUA_TNIL && is_quick(state) {
            return raw::original(state);
        }
        // A table with metamethods is here too, whatever compares: they may be native.
        ffi::lua_settop(state, 2);
        let stop = Stop::of(state);
        stop.check(c"table.sort");
        ffi::lua_pushcclosure(state, compare, 1); // takes the comparison function, or nil
        raw::original(state)
    }
}

/// Whether all elements of the plain table at 1 are few, and numbers or short strings.
///
/// # Safety
/// `state` is valid, with a free slot.
unsafe fn is_quick(state: *mut lua_State) -> bool {
    // SAFETY: the caller's; what is pushed is popped.
    unsafe {
        let count = ffi::lua_rawlen(state, 1) as i64;
        if count > ELEMENTS_MAX {
            return false;
        }
        let mut index = 1;
        while index <= count {
            let is_quick = match ffi::lua_rawgeti(state, 1, index) {
                ffi::LUA_TNUMBER => true,
                ffi::LUA_TSTRING => ffi::lua_rawlen(state, -1) <= TEXT_BYTES_MAX,
                _ => false,
            };
            ffi::lua_pop(state, 1);
            if !is_quick {
                return false;
            }
            index += 1;
        }
    }
    true
}

/// Compares as the function in upvalue 1 does, or with `<`; asks the host first.
unsafe extern "C-unwind" fn compare(state: *mut lua_State) -> c_int {
    // SAFETY: called by the original sort with two elements; upvalue 1 is ours.
    unsafe {
        Stop::of(state).check(c"table.sort");
        if ffi::lua_type(state, ffi::lua_upvalueindex(1)) == ffi::LUA_TNIL {
            let is_less = ffi::lua_compare(state, 1, 2, ffi::LUA_OPLT);
            ffi::lua_pushboolean(state, is_less);
        } else {
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
            ffi::lua_insert(state, 1);
            ffi::lua_call(state, 2, 1);
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_same, assert_stopped};

    #[test]
    fn order_and_errors_are_luas() {
        let long = "local t = {} for i = 1, 25000 do t[i] = i * 7919 % 10007 end";
        let proxy = "local data = {3, 1, 2}
            local t = setmetatable({}, {__index = data, __newindex = data, __len = function() return 3 end})";
        for script in [
            "local t = {3, 1, 2} table.sort(t) return table.unpack(t)",
            "local t = {'b', 'a', 'c'} table.sort(t, function(a, b) return a > b end) return table.unpack(t)",
            "table.sort({1, 'x'})",
            "table.sort({1, 2, nil, 4})",
            "table.sort({{}, {}})",
            "table.sort({1, 2, 3}, 'x')",
            "table.sort({1}, math.max)",
            "table.sort({1, 2, 3}, math.max)",
            "table.sort()",
            "table.sort(nil)",
            "table.sort(setmetatable({}, {__len = function() return 2^31 end}))",
            "table.sort(setmetatable({}, {__len = function() return 2^31 - 2 end}))",
            "local t = {3, 1, 2} table.sort(t, coroutine.yield)",
        ] {
            assert_same(script);
        }
        assert_same(&format!("{long} table.sort(t) return table.concat(t, ',')"));
        assert_same(&format!("{long} t[777] = 'x' return pcall(table.sort, t)"));
        assert_same(&format!("{proxy} table.sort(t) return table.unpack(data)"));
        assert_same(
            "local t, mt = {}, {__lt = function(a, b) return a.n < b.n end}
             for i = 1, 50 do t[i] = setmetatable({n = i * 31 % 17}, mt) end
             table.sort(t)
             local out = {} for i, v in ipairs(t) do out[i] = v.n end
             return table.concat(out, ',')",
        );
    }

    #[test]
    fn long_sorts_end_when_the_host_says_so() {
        let many = "local t = {} for i = 1, 30000 do t[i] = -i end";
        let texts = "local s, t = ('x'):rep(1e6), {} for i = 1, 1000 do t[i] = s end";
        for script in [
            format!("{many} table.sort(t)"),
            format!("{texts} table.sort(t)"),
            "table.sort(setmetatable({}, {__len = function() return 2^31 - 2 end, __index = rawlen}))".into(),
            "table.sort({1, 2, 3}, rawequal)".into(),
        ] {
            assert_stopped(&script, "table.sort exceeded its time");
        }
    }
}
