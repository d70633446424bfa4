//! The few things that every guarded function does with the raw Lua state.
//!
//! A Lua error jumps over native frames without running destructors. So no function in this module, and no
//! function of the guard that calls into Lua, may hold a value that needs dropping while it does.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::Interrupt;

/// Registry key of the interrupt: the address is what counts.
static INTERRUPT_KEY: u8 = 0;

/// Puts `function` in the place of `table.name`, with the original as its first upvalue. Does nothing in a
/// state whose library `table` is not open.
///
/// # Safety
/// `state` is valid, has four free slots, and may raise errors.
pub(super) unsafe fn replace(state: *mut lua_State, table: &CStr, name: &CStr, function: lua_CFunction) {
    // SAFETY: the caller's; every index is one that was pushed here.
    unsafe {
        ffi::lua_getglobal(state, table.as_ptr());
        if ffi::lua_type(state, -1) != ffi::LUA_TTABLE {
            ffi::lua_pop(state, 1);
            return;
        }
        ffi::lua_getfield(state, -1, name.as_ptr());
        if ffi::lua_iscfunction(state, -1) == 0 {
            ffi::luaL_error(
                state,
                c"'%s.%s' is missing".as_ptr(),
                table.as_ptr(),
                name.as_ptr(),
            );
        }
        ffi::lua_pushcclosure(state, function, 1);
        ffi::lua_setfield(state, -2, name.as_ptr());
        ffi::lua_pop(state, 1);
    }
}

/// The original of a function that is called too often to look its original up in an upvalue. The C library is
/// linked into the program once, so that its functions are the same in every state.
pub(super) struct Original(AtomicPtr<c_void>);

impl Original {
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// As [`replace`], and remembers the original here.
    ///
    /// # Safety
    /// As for [`replace`]; every state's `table.name` is the same C function, without upvalues.
    pub(super) unsafe fn replace(
        &self,
        state: *mut lua_State,
        table: &CStr,
        name: &CStr,
        function: lua_CFunction,
    ) {
        // SAFETY: the caller's.
        unsafe { self.put(state, table, name, function, None) };
    }

    /// As [`replace`](Self::replace), with a string as the function's first upvalue.
    ///
    /// # Safety
    /// As for [`replace`](Self::replace).
    pub(super) unsafe fn replace_with(
        &self,
        state: *mut lua_State,
        table: &CStr,
        name: &CStr,
        function: lua_CFunction,
        upvalue: &CStr,
    ) {
        // SAFETY: the caller's.
        unsafe { self.put(state, table, name, function, Some(upvalue)) };
    }

    unsafe fn put(
        &self,
        state: *mut lua_State,
        table: &CStr,
        name: &CStr,
        function: lua_CFunction,
        upvalue: Option<&CStr>,
    ) {
        // SAFETY: the caller's; what is pushed is popped.
        unsafe {
            ffi::lua_getglobal(state, table.as_ptr());
            if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                ffi::lua_getfield(state, -1, name.as_ptr());
                let Some(original) = ffi::lua_tocfunction(state, -1) else {
                    ffi::luaL_error(
                        state,
                        c"'%s.%s' is missing".as_ptr(),
                        table.as_ptr(),
                        name.as_ptr(),
                    );
                    return;
                };
                self.0.store(original as *mut c_void, Ordering::Relaxed);
                ffi::lua_pop(state, 1);
                if let Some(upvalue) = upvalue {
                    ffi::lua_pushstring(state, upvalue.as_ptr());
                }
                ffi::lua_pushcclosure(state, function, c_int::from(upvalue.is_some()));
                ffi::lua_setfield(state, -2, name.as_ptr());
            }
            ffi::lua_pop(state, 1);
        }
    }

    /// Runs the original on the arguments of the running call.
    ///
    /// # Safety
    /// In a function installed by [`replace`](Self::replace), with its arguments on the stack.
    #[inline(always)]
    pub(super) unsafe fn call(&self, state: *mut lua_State) -> c_int {
        let original = self.0.load(Ordering::Relaxed);
        // SAFETY: the caller's: `replace` stored a C function of Lua before this could run.
        unsafe { std::mem::transmute::<*mut c_void, lua_CFunction>(original)(state) }
    }
}

/// Runs the function that was replaced (see [`replace`]) on the same arguments, in this very call.
///
/// # Safety
/// Only from a function installed by [`replace`], whose original has no upvalues of its own.
#[inline(always)]
pub(super) unsafe fn original(state: *mut lua_State) -> c_int {
    // SAFETY: the caller's: upvalue 1 is the original C function.
    unsafe {
        match ffi::lua_tocfunction(state, ffi::lua_upvalueindex(1)) {
            Some(function) => function(state),
            None => ffi::luaL_error(state, c"a guarded function lost its original".as_ptr()),
        }
    }
}

/// The bytes of the string (or number, which becomes one) at `index`; `None` for any other value.
///
/// # Safety
/// The string stays on the stack or in an upvalue for as long as the slice is used.
#[inline(always)]
pub(super) unsafe fn bytes<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    let mut length = 0;
    // SAFETY: Lua's strings do not move, and this one is kept by the caller.
    unsafe {
        let text = ffi::lua_tolstring(state, index, &raw mut length);
        (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast::<u8>(), length))
    }
}

/// As [`bytes`], raising Lua's argument error for a value that is no string.
///
/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn check_bytes<'a>(state: *mut lua_State, argument: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: as in `bytes`; `luaL_checklstring` does not come back without a string.
    unsafe {
        let text = ffi::luaL_checklstring(state, argument, &raw mut length);
        std::slice::from_raw_parts(text.cast::<u8>(), length)
    }
}

/// The integer at `index`, if it is one or can be read as one.
///
/// # Safety
/// `state` is valid.
#[inline(always)]
pub(super) unsafe fn integer(state: *mut lua_State, index: c_int) -> Option<i64> {
    let mut is_integer = 0;
    // SAFETY: the caller's.
    let value = unsafe { ffi::lua_tointegerx(state, index, &raw mut is_integer) };
    (is_integer != 0).then_some(value)
}

/// Whether the value at `index` has no metatable: if it is a table, reading and writing it runs nobody's code.
///
/// # Safety
/// `state` is valid and has a free slot.
#[inline(always)]
pub(super) unsafe fn is_plain(state: *mut lua_State, index: c_int) -> bool {
    // SAFETY: the caller's; what is pushed is popped.
    unsafe {
        if ffi::lua_getmetatable(state, index) != 0 {
            ffi::lua_pop(state, 1);
            return false;
        }
    }
    true
}

/// Pushes nil, `path: message` and `errno`, as a failed call of the io library does. Gives their number.
///
/// # Safety
/// `state` is valid, `path` a C string.
pub(super) unsafe fn push_failure(
    state: *mut lua_State,
    path: *const c_char,
    message: &CStr,
    errno: c_int,
) -> c_int {
    // SAFETY: the caller's; three slots are within the minimum a C function has.
    unsafe {
        ffi::lua_pushnil(state);
        ffi::lua_pushfstring(state, c"%s: %s".as_ptr(), path, message.as_ptr());
        ffi::lua_pushinteger(state, errno.into());
    }
    3
}

/// Keeps the host's interrupt in the state.
///
/// # Safety
/// `state` is valid, has a free slot, and may raise errors.
pub(super) unsafe fn set_interrupt(state: *mut lua_State, interrupt: Interrupt) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_pushlightuserdata(state, interrupt as *mut c_void);
        ffi::lua_rawsetp(state, ffi::LUA_REGISTRYINDEX, (&raw const INTERRUPT_KEY).cast());
    }
}

/// What to ask whether a long call shall end now.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    state: *mut lua_State,
    interrupt: Option<Interrupt>,
}

impl Stop {
    /// # Safety
    /// `state` is valid for as long as the value is used, and has a free slot.
    pub(super) unsafe fn of(state: *mut lua_State) -> Self {
        // SAFETY: the caller's; under this key there is only ever what `set_interrupt` put there, which is
        // an `Interrupt` and not null, so that `Option` of it has the same shape.
        let interrupt = unsafe {
            ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, (&raw const INTERRUPT_KEY).cast());
            let interrupt = ffi::lua_touserdata(state, -1);
            ffi::lua_pop(state, 1);
            std::mem::transmute::<*mut c_void, Option<Interrupt>>(interrupt)
        };
        Self { state, interrupt }
    }

    #[inline]
    pub(super) fn asked(&self) -> bool {
        self.interrupt.is_some_and(|interrupt| interrupt(self.state))
    }

    /// Raises `NAME exceeded its time` if the host wants the run to end.
    ///
    /// # Safety
    /// Nothing in the frames above may need dropping.
    #[inline]
    pub(super) unsafe fn check(&self, name: &CStr) {
        if self.asked() {
            // SAFETY: the caller's.
            unsafe { ffi::luaL_error(self.state, c"%s exceeded its time".as_ptr(), name.as_ptr()) };
        }
    }
}
