//! `string.gmatch` over words: `%a+`, `[^,]+`, and whatever else is one repeated set.
//!
//! Such an iterator needs no matcher, no captures and no budget: it skips what is not in the set, takes what
//! is, and is linear in its subject. It is most of what scripts iterate with.

use std::mem::size_of;
use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};

use super::pattern::{Set, repeated_set};

/// Longer subjects are gone through with a look at the interrupt now and then.
const SUBJECT_BYTES_MAX: usize = 1 << 20;

/// What the iterator keeps between two words. Plain data: the collector frees it with its userdata.
struct Words {
    set: Set,
    /// The subject's bytes, which the iterator's first upvalue keeps.
    subject: *const [u8],
    at: usize,
}

/// Makes the iterator, if the pattern is of this kind: 1, the number of results, or else 0.
///
/// # Safety
/// `subject` and `pattern` are arguments 1 and 2 of the running function, which has no others. Nothing in the
/// frames above may need dropping.
#[inline(always)]
pub(super) unsafe fn gmatch(state: *mut lua_State, subject: &[u8], pattern: &[u8]) -> c_int {
    if subject.len() > SUBJECT_BYTES_MAX {
        return 0;
    }
    let Some(set) = repeated_set(pattern) else {
        return 0;
    };
    // SAFETY: the subject becomes an upvalue of the iterator, and so does the userdata, which has room for
    // `Words` and is aligned for any of Lua's types, of which a pointer is one.
    unsafe {
        ffi::lua_settop(state, 1);
        let words = ffi::lua_newuserdatauv(state, size_of::<Words>(), 0).cast::<Words>();
        words.write(Words { set, subject, at: 0 });
        ffi::lua_pushcclosure(state, next, 2);
    }
    1
}

unsafe extern "C-unwind" fn next(state: *mut lua_State) -> c_int {
    // SAFETY: the upvalues are those of `gmatch`, out of a script's reach; a string's bytes never move.
    unsafe {
        let words = ffi::lua_touserdata(state, ffi::lua_upvalueindex(2)).cast::<Words>();
        let Words { set, subject, at } = &mut *words;
        let subject = &**subject;
        let rest = subject.get(*at..).unwrap_or(&[]);
        let Some(skipped) = rest.iter().position(|&byte| set.has(byte)) else {
            *at = usize::MAX;
            return 0;
        };
        let rest = rest.get(skipped..).unwrap_or(&[]);
        let length = rest.iter().position(|&byte| !set.has(byte)).unwrap_or(rest.len());
        *at += skipped + length;
        ffi::lua_pushlstring(state, rest.as_ptr().cast(), length);
    }
    1
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_same, guarded, plain};
    use proptest::prelude::*;

    #[test]
    fn iterators_are_luas() {
        for script in [
            "local next = string.gmatch('a b', '%a+') return next(), next(), next(), next()",
            "local next = string.gmatch('', '%a+') return next(), select('#', next())",
            "local next = string.gmatch(1234.5, '%d+') return next(), next(), next()",
            "local next = string.gmatch('a b c', '%a+', 3) return next(), next(), next()",
            "local next = string.gmatch('a b c', '%a+', -1) return next(), next()",
            "local next = string.gmatch('a b c', '%a+', 'x') return next(), next()",
            "local next = string.gmatch('a\\0b', '%Z+') return next(), next(), next()",
            "local next = string.gmatch('+a+', '[+]+') return next(), next(), next()",
            "local next = string.gmatch('[+', '[+') return next()",
            "local next = string.gmatch('x%+', '%+') return next(), next()",
            "local a, b = string.gmatch('a b', '%a+'), string.gmatch('c', '%a+') return a(), b(), a(), b()",
        ] {
            assert_same(script);
        }
    }

    proptest! {
        #[test]
        fn any_words_are_luas(
            pattern in "(%[a-zA-Z]|\\[\\^?[ab%\\]0a-]{0,4}\\]|[ab.^])[+]",
            subject in "[ab0 \u{0}\\]%^é-]{0,14}",
        ) {
            thread_local!(static BOTH: (mlua::Lua, mlua::Lua) = (guarded(|_| false), plain()));
            let script = "local subject, pattern = ...
                return pcall(function()
                    local words = {}
                    for word, more in subject:gmatch(pattern) do
                        words[#words + 1] = word .. '|' .. tostring(more)
                    end
                    return table.concat(words, ',')
                end)";
            let (ours, luas) = BOTH.with(|(ours, luas)| {
                let run = |lua: &mlua::Lua| {
                    let (ok, text): (bool, mlua::BString) =
                        lua.load(script).set_name("=t").call((&*subject, &*pattern)).unwrap();
                    (ok, text)
                };
                (run(ours), run(luas))
            });
            prop_assert_eq!(ours, luas);
        }
    }
}
