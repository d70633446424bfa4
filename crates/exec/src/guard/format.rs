//! `string.format`, made quick rather than safe: there is nothing in it to guard.
//!
//! Scripts build most of their texts with it, and nearly always of `%s` and `%d`. For each of those Lua's own
//! goes through the C library's `snprintf` or looks for a `__tostring` by name. Here a short text of nothing
//! else is put together in place; whatever is out of the ordinary is left to the original, before anything
//! has been done that could be seen.

use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};

use super::raw::{self, Original};
use super::text::Text;

/// A longer text is the original's.
const TEXT_BYTES_MAX: usize = 512;

static FORMAT: Original = Original::new();

/// # Safety
/// As for [`raw::replace`].
pub(super) unsafe fn install(state: *mut lua_State) {
    // SAFETY: the caller's; the name becomes the function's upvalue, which it looks up in metatables.
    unsafe { FORMAT.replace_with(state, c"string", c"format", format, c"__tostring") };
}

unsafe extern "C-unwind" fn format(state: *mut lua_State) -> c_int {
    let mut text = Text::<TEXT_BYTES_MAX>::new();
    // SAFETY: Lua calls with a valid state; nothing here needs dropping.
    unsafe {
        if write(state, &mut text).is_none() {
            return FORMAT.call(state);
        }
        text.push_to(state);
    }
    1
}

/// Writes the whole text; `None` if the original has to.
///
/// # Safety
/// The arguments of `string.format` are on the stack.
#[inline(always)]
unsafe fn write(state: *mut lua_State, text: &mut Text<TEXT_BYTES_MAX>) -> Option<()> {
    // SAFETY: the caller's; the slices are of arguments, which stay.
    unsafe {
        if ffi::lua_type(state, 1) != ffi::LUA_TSTRING {
            return None;
        }
        let mut format = raw::bytes(state, 1)?.iter();
        let mut argument = 1;
        let mut strings_are_plain = false;
        while let Some(&byte) = format.next() {
            if byte != b'%' {
                text.push(byte)?;
                continue;
            }
            match format.next() {
                Some(b'%') => text.push(b'%')?,
                Some(b'd') => {
                    argument += 1;
                    text.push_integer(raw::integer(state, argument)?)?;
                }
                Some(b's') => {
                    argument += 1;
                    match ffi::lua_type(state, argument) {
                        ffi::LUA_TSTRING => {
                            if !strings_are_plain {
                                if has_tostring(state, argument) {
                                    return None;
                                }
                                strings_are_plain = true;
                            }
                            text.push_all(raw::bytes(state, argument)?)?;
                        }
                        ffi::LUA_TNUMBER if ffi::lua_isinteger(state, argument) != 0 => {
                            if !raw::is_plain(state, argument) {
                                return None;
                            }
                            text.push_integer(raw::integer(state, argument)?)?;
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
    }
    Some(())
}

/// Whether `tostring` of the value at `index` is what its metatable says. (All strings share one.)
///
/// # Safety
/// Called from the function that [`install`] installed, with two free slots.
unsafe fn has_tostring(state: *mut lua_State, index: c_int) -> bool {
    // SAFETY: the caller's; upvalue 1 is the name, and what is pushed is popped.
    unsafe {
        if ffi::lua_getmetatable(state, index) == 0 {
            return false;
        }
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        let kind = ffi::lua_rawget(state, -2);
        ffi::lua_pop(state, 2);
        kind != ffi::LUA_TNIL
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_same, guarded, plain};
    use proptest::prelude::*;

    #[test]
    fn texts_are_luas() {
        for call in [
            "''",
            "'plain'",
            "'%d:%s', 7, 'item'",
            "'%d%%', 100",
            "'%d %d', math.mininteger, math.maxinteger",
            "'%s %s', -1, 0",
            "'%d', '12'",
            "'%d', 3.0",
            "'%d', 3.5",
            "'%d', 'x'",
            "'%d', {}",
            "'%d'",
            "'%s'",
            "'%'",
            "'%s%', 1",
            "'%s %s %s %s', nil, true, 1.5, 2^63",
            "'%5d|%-5s|%.2f|%x|%c|%q|%i|%5.1s', 1, 'a', 1, 255, 65, 'q', 3, 'xyz'",
            "12, 3",
            "{}",
            "",
            "'a\\0b%s', 'c\\0d'",
            "('x'):rep(600)",
            "'%s', ('x'):rep(512)",
            "'%s', ('x'):rep(513)",
            "('x'):rep(511) .. '%d', 10",
            "'%s', setmetatable({}, {__tostring = function() return 'mine' end})",
            "'%s', setmetatable({}, {__tostring = function() return 1 end})",
            "'%s', setmetatable({}, {__name = 'named'})",
        ] {
            assert_same(&format!("return string.format({call})"));
        }
    }

    #[test]
    fn the_metatable_of_strings_has_its_say() {
        assert_same(
            "getmetatable('').__tostring = function() return 'mine' end
             local text = string.format('%s %s', 'text', 5)
             getmetatable('').__tostring = nil
             return text, string.format('%s %s', 'text', 5)",
        );
    }

    proptest! {
        #[test]
        fn any_text_is_luas(
            format in "([a ]|%%|%s|%d|%[0-5]?[sdxi]|%\\.1f|%q){0,5}",
            text in "[b ]{0,3}",
            number: i64,
            is_text in proptest::collection::vec(any::<bool>(), 0..5),
        ) {
            thread_local!(static BOTH: (mlua::Lua, mlua::Lua) = (guarded(|_| false), plain()));
            let arguments: Vec<String> = is_text
                .iter()
                .map(|&is_text| if is_text { format!("'{text}'") } else { format!("0x{number:x}") })
                .collect();
            let arguments = [format!("'{format}'")].into_iter().chain(arguments).collect::<Vec<_>>();
            let script = format!("return pcall(string.format, {})", arguments.join(", "));
            let (ours, luas) = BOTH.with(|(ours, luas)| {
                let run = |lua: &mlua::Lua| lua.load(&script).eval::<(bool, mlua::BString)>().unwrap();
                (run(ours), run(luas))
            });
            prop_assert_eq!(ours, luas);
        }
    }
}
