//! Values that the host holds for a moment, out of the collector's reach.
//!
//! A reference into the registry takes ten times as long: these lie on the stack of a coroutine that does nothing else, each
//! in a place of its own.

use std::cell::RefCell;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Result};

/// The values of one state. All of it is used under the state's lock.
pub(crate) struct Anchors {
    /// Kept in the registry for as long as the state lives.
    l: *mut lua_State,
    free: RefCell<Vec<i32>>,
}

impl Anchors {
    pub(crate) fn new(lua: &Lua) -> Result<Self> {
        // SAFETY: runs in protected mode on a stack with room for a native function's 20 values.
        let l = unsafe {
            lua.exec_raw::<mlua::LightUserData>((), |l| {
                let anchors = ffi::lua_newthread(l);
                ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
                ffi::lua_pushlightuserdata(l, anchors.cast());
            })?
        };
        Ok(Anchors {
            l: l.0.cast(),
            free: RefCell::default(),
        })
    }

    /// Keeps the value on top of `l`, which stays there too; says where. None where there is no room.
    ///
    /// # Safety
    /// The state's lock is held, and `l` is a coroutine of it with a value on top and room for another.
    pub(crate) unsafe fn keep(&self, l: *mut lua_State) -> Option<i32> {
        let free = self.free.borrow_mut().pop();
        // SAFETY: as promised by the caller. The stack is checked for one value more than it holds; none of this raises.
        unsafe {
            let at = match free {
                Some(at) => at,
                None => {
                    if ffi::lua_checkstack(self.l, 2) == 0 {
                        return None;
                    }
                    ffi::lua_pushnil(self.l);
                    ffi::lua_gettop(self.l)
                }
            };
            ffi::lua_pushvalue(l, -1);
            ffi::lua_xmove(l, self.l, 1);
            ffi::lua_replace(self.l, at);
            Some(at)
        }
    }

    /// Pushes the value that is kept at `at`.
    ///
    /// # Safety
    /// The state's lock is held, and `l` is a coroutine of it with room for a value; something is kept there.
    #[inline(always)]
    pub(crate) unsafe fn push(&self, l: *mut lua_State, at: i32) {
        // SAFETY: as promised by the caller; the stack has room for one value more than it holds.
        unsafe {
            ffi::lua_pushvalue(self.l, at);
            ffi::lua_xmove(self.l, l, 1);
        }
    }

    /// Lets go of the value that is kept at `at`.
    ///
    /// # Safety
    /// The state's lock is held; something is kept there, and this is said once.
    #[inline(always)]
    pub(crate) unsafe fn release(&self, at: i32) {
        // SAFETY: as promised by the caller; the stack has room for one value more than it holds.
        unsafe {
            ffi::lua_pushnil(self.l);
            ffi::lua_replace(self.l, at);
        }
        self.free.borrow_mut().push(at);
    }

    /// How many values are kept, for tests which show that nothing is left behind.
    ///
    /// # Safety
    /// The state's lock is held.
    pub(crate) unsafe fn count(&self) -> usize {
        // SAFETY: as promised by the caller.
        let places = unsafe { ffi::lua_gettop(self.l) };
        usize::try_from(places).unwrap_or(0) - self.free.borrow().len()
    }
}
