//! `string.gsub`.

use std::mem::MaybeUninit;
use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};

use super::bound::is_small;
use super::matcher::{Budget, Extent, Matcher};
use super::pattern::{Item, compile};
use super::raw::{self, Original, Stop};
use super::string::{ITEMS_MAX, compiled, or_raise, position, push_capture, push_captures};

/// Bytes that all replacements together may add without anybody being asked.
const ADDED_BYTES_MAX: usize = 1 << 22;

pub(super) static GSUB: Original = Original::new();

pub(super) unsafe extern "C-unwind" fn gsub(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls with a valid state; the slices are of arguments, which stay.
    unsafe {
        let (Some(subject), Some(pattern)) = (raw::bytes(state, 1), raw::bytes(state, 2)) else {
            return GSUB.call(state);
        };
        if pattern.len() <= ITEMS_MAX && ffi::lua_type(state, 3) == ffi::LUA_TSTRING {
            let mut room = [const { MaybeUninit::uninit() }; ITEMS_MAX];
            return gsub_within(state, subject, pattern, |pattern| compile(pattern, &mut room));
        }
        if is_small(pattern, subject.len()) && is_quick(state, subject) {
            GSUB.call(state)
        } else {
            long_gsub(state)
        }
    }
}

/// Whether what is put in the matches' place takes no long native code either. A callback in Lua is the
/// hook's affair; a native one (`string.upper`, or worse) never lets a hook run.
///
/// # Safety
/// The arguments of `string.gsub` are on the stack.
unsafe fn is_quick(state: *mut lua_State, subject: &[u8]) -> bool {
    // SAFETY: the caller's.
    unsafe {
        match ffi::lua_type(state, 3) {
            ffi::LUA_TSTRING => {
                let added = raw::bytes(state, 3).map_or(0, <[u8]>::len);
                (subject.len() + 1).saturating_mul(added) <= ADDED_BYTES_MAX
            }
            ffi::LUA_TFUNCTION => ffi::lua_iscfunction(state, 3) == 0,
            ffi::LUA_TTABLE => raw::is_plain(state, 3),
            _ => true,
        }
    }
}

/// # Safety
/// The arguments of `string.gsub` are on the stack; nothing above needs dropping.
#[cold]
pub(super) unsafe fn long_gsub(state: *mut lua_State) -> c_int {
    // SAFETY: arguments 1 and 2 and the items stay on the stack; nothing here needs dropping.
    unsafe {
        let subject = raw::check_bytes(state, 1);
        let pattern = raw::check_bytes(state, 2);
        gsub_within(state, subject, pattern, |pattern| compiled(state, pattern))
    }
}

/// # Safety
/// As for [`long_gsub`], with its arguments 1 and 2; `compile` does not raise while it holds anything that
/// needs dropping.
#[inline(always)]
unsafe fn gsub_within<'i>(
    state: *mut lua_State,
    subject: &[u8],
    pattern: &[u8],
    compile: impl FnOnce(&[u8]) -> &'i [Item],
) -> c_int {
    let mut buffer = MaybeUninit::<ffi::luaL_Buffer>::uninit();
    // SAFETY: arguments 1 to 3 and the items stay on the stack below the buffer's own slot; the buffer stays
    // in place and is used as luaL_Buffer asks, with what is pushed popped before the next use; nothing
    // held here needs dropping when a callback or an error jumps away.
    unsafe {
        let kind = ffi::lua_type(state, 3);
        let most = ffi::luaL_optinteger(state, 4, position(subject.len()) + 1);
        if !matches!(
            kind,
            ffi::LUA_TNUMBER | ffi::LUA_TSTRING | ffi::LUA_TFUNCTION | ffi::LUA_TTABLE
        ) {
            return GSUB.call(state); // which refuses it in Lua's words
        }
        let anchored = pattern.first() == Some(&b'^');
        let items = compile(pattern.get(usize::from(anchored)..).unwrap_or(&[]));
        let mut matcher = Matcher::new(subject, items, Budget::new(|| Stop::of(state).asked()));
        let buffer = buffer.as_mut_ptr();
        ffi::luaL_buffinit(state, buffer);

        let mut count = 0;
        let mut changed = false;
        let mut at = 0;
        let mut last_end = None;
        while count < most {
            if !anchored {
                let candidate = or_raise(state, matcher.candidate(at));
                add(buffer, subject, at, candidate);
                at = candidate;
            }
            match or_raise(state, matcher.match_at(at)) {
                Some(end) if Some(end) != last_end => {
                    count += 1;
                    changed |= add_replacement(state, buffer, &mut matcher, subject, kind, at, end);
                    at = end;
                    last_end = Some(end);
                }
                _ if at < subject.len() => {
                    add(buffer, subject, at, at + 1);
                    at += 1;
                }
                _ => break,
            }
            if anchored {
                break;
            }
        }
        if changed {
            add(buffer, subject, at, subject.len());
            ffi::luaL_pushresult(buffer);
        } else {
            ffi::lua_pushvalue(state, 1);
        }
        ffi::lua_pushinteger(state, count);
    }
    2
}

/// # Safety
/// `buffer` is in use, with its slot on the top of the stack.
unsafe fn add(buffer: *mut ffi::luaL_Buffer, subject: &[u8], from: usize, to: usize) {
    let bytes = subject.get(from..to).unwrap_or(&[]);
    // SAFETY: the caller's.
    unsafe { ffi::luaL_addlstring(buffer, bytes.as_ptr().cast(), bytes.len()) }
}

/// Adds what replaces the match `start..end`; whether that is something else than the match.
///
/// # Safety
/// As for [`long_gsub`], from where it is called.
unsafe fn add_replacement<I: Fn() -> bool>(
    state: *mut lua_State,
    buffer: *mut ffi::luaL_Buffer,
    matcher: &mut Matcher<'_, I>,
    subject: &[u8],
    kind: c_int,
    start: usize,
    end: usize,
) -> bool {
    // SAFETY: the caller's; the value pushed last is what `luaL_addvalue` takes off.
    unsafe {
        match kind {
            ffi::LUA_TFUNCTION => {
                or_raise(state, matcher.budget().check());
                ffi::lua_pushvalue(state, 3);
                let arguments = push_captures(state, matcher, subject, start, end, true);
                ffi::lua_call(state, arguments, 1);
            }
            ffi::LUA_TTABLE => {
                or_raise(state, matcher.budget().check());
                push_capture(state, matcher, subject, 0, start, end);
                ffi::lua_gettable(state, 3);
            }
            _ => {
                add_template(state, buffer, matcher, subject, start, end);
                return true;
            }
        }
        if ffi::lua_toboolean(state, -1) == 0 {
            ffi::lua_pop(state, 1);
            add(buffer, subject, start, end);
            return false;
        }
        if ffi::lua_isstring(state, -1) == 0 {
            let kind = ffi::luaL_typename(state, -1);
            ffi::luaL_error(state, c"invalid replacement value (a %s)".as_ptr(), kind);
        }
        ffi::luaL_addvalue(buffer);
    }
    true
}

/// Adds argument 3 with its `%0` to `%9` filled in.
///
/// # Safety
/// As for [`add_replacement`].
unsafe fn add_template<I: Fn() -> bool>(
    state: *mut lua_State,
    buffer: *mut ffi::luaL_Buffer,
    matcher: &mut Matcher<'_, I>,
    subject: &[u8],
    start: usize,
    end: usize,
) {
    // SAFETY: the caller's; argument 3 is a string or a number, and stays.
    unsafe {
        let mut rest = raw::check_bytes(state, 3);
        while let Some(percent) = rest.iter().position(|&byte| byte == b'%') {
            add(buffer, rest, 0, percent);
            let what = rest.get(percent + 1).copied();
            rest = rest.get(percent + 2..).unwrap_or(&[]);
            match what {
                Some(b'%') => add(buffer, b"%", 0, 1),
                Some(b'0') => {
                    or_raise(state, matcher.budget().spend((end - start) / 16));
                    add(buffer, subject, start, end);
                }
                Some(digit @ b'1'..=b'9') => {
                    let capture = matcher.capture(usize::from(digit - b'1'), start, end);
                    match or_raise(state, capture) {
                        (at, Extent::Bytes(length)) => {
                            or_raise::<()>(state, matcher.budget().spend(length / 16));
                            add(buffer, subject, at, at + length);
                        }
                        (at, _) => {
                            ffi::lua_pushinteger(state, position(at) + 1);
                            ffi::luaL_addvalue(buffer);
                        }
                    }
                }
                _ => {
                    ffi::luaL_error(
                        state,
                        c"invalid use of '%c' in replacement string".as_ptr(),
                        c_int::from(b'%'),
                    );
                }
            }
        }
        or_raise::<()>(state, matcher.budget().spend(rest.len() / 16 + 8));
        add(buffer, rest, 0, rest.len());
    }
}
