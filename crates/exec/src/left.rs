//! A text that a host function's inner frame leaves for its outer one.
//!
//! The outer frame holds nothing that would have to be dropped, so it can make a string without the cost of
//! protected mode, and can raise an error.

use std::cell::{Cell, RefCell};

use mlua::ffi::{self, lua_State};

struct Left {
    is_there: Cell<bool>,
    bytes: RefCell<Vec<u8>>,
}

/// More than this is not kept for the next text.
const KEPT_MAX: usize = 64 * 1024;

thread_local! {
    static LEFT: Left = const { Left { is_there: Cell::new(false), bytes: RefCell::new(Vec::new()) } };
}

/// Leaves a text for [`say`].
pub(crate) fn leave(text: &[u8]) {
    LEFT.with(|left| {
        left.is_there.set(true);
        let mut bytes = left.bytes.borrow_mut();
        bytes.clear();
        bytes.extend_from_slice(text);
    });
}

/// Forgets what was left.
#[inline(always)]
pub(crate) fn forget() {
    LEFT.with(|left| left.is_there.set(false));
}

/// Whether a text was left since it was last forgotten.
#[inline(always)]
pub(crate) fn is_there() -> bool {
    LEFT.with(|left| left.is_there.get())
}

/// Puts the text that was left in the place of the first of the `n` values on top.
///
/// # Safety
/// Called with so many values on top, by a frame without destructors: making a string may raise.
pub(crate) unsafe fn say(l: *mut lua_State, n: i32) {
    let (bytes, length) = LEFT.with(|left| {
        let bytes = left.bytes.borrow();
        (bytes.as_ptr(), bytes.len())
    });
    // SAFETY: Lua copies the bytes before anything else can run, and nobody else touches this thread's.
    unsafe {
        if n == 1 {
            ffi::lua_settop(l, -2);
            ffi::lua_pushlstring(l, bytes.cast(), length);
        } else {
            ffi::lua_pushlstring(l, bytes.cast(), length);
            ffi::lua_replace(l, -(n + 1));
        }
    }
    if length > KEPT_MAX {
        LEFT.with(|left| left.bytes.take());
    }
}
