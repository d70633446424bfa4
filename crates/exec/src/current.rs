//! The context that runs, as the host functions that it calls see it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use mlua::ffi;

use crate::core::{self, Core};
use crate::hook;
use crate::slot::Slot;

/// The context that runs right now, as host functions see it.
pub struct Current<'a> {
    core: &'a Core,
    slot: &'a Slot,
    lua: &'a mlua::Lua,
}

/// The context on whose behalf `lua` runs, or `None` outside of any.
pub fn current(lua: &mlua::Lua) -> Option<Current<'_>> {
    lua.exec_raw_lua(|raw| {
        // SAFETY: the lock is held while a host function runs, and the slot lives as long as its run, which
        // the host function is inside of.
        unsafe {
            let core = core::of(raw.state())?;
            let slot = core.current()?.slot.as_ref()?;
            Some(Current { core, slot, lua })
        }
    })
}

impl Current<'_> {
    /// The entry that runs.
    pub fn entry(&self) -> Option<Arc<str>> {
        self.slot
            .entry
            .borrow()
            .as_ref()
            .map(|entry| Arc::clone(&entry.name))
    }

    /// True if the context may wait here.
    pub fn can_wait(&self) -> bool {
        self.lua.exec_raw_lua(|raw| {
            // SAFETY: the coroutine runs, and the lock is held.
            self.core
                .current()
                .is_some_and(|run| unsafe { hook::can_yield(run, raw.state()) })
        })
    }

    /// Looks at what the host attached, if it is of that type.
    pub fn attached<T: Any, R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.slot
            .attached
            .borrow()
            .as_ref()
            .and_then(|value| value.downcast_ref())
            .map(f)
    }

    /// The context's private Lua value; nil if none was set.
    ///
    /// # Errors
    /// When the state has no memory left.
    pub fn memory(&self) -> mlua::Result<mlua::Value> {
        let reference = self.slot.memory.get();
        if reference == ffi::LUA_NOREF {
            return Ok(mlua::Value::Nil);
        }
        // SAFETY: runs in protected mode; the reference is the slot's own.
        unsafe {
            self.lua.exec_raw((), |l| {
                ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, reference.into());
            })
        }
    }

    /// Sets the context's private Lua value, in place of the one before.
    ///
    /// # Errors
    /// When the state has no memory left.
    pub fn set_memory(&self, value: mlua::Value) -> mlua::Result<()> {
        // SAFETY: runs in protected mode with the value as its one argument; the old reference is the
        // slot's own and released once.
        unsafe {
            let reference = self.lua.exec_raw::<i32>(value, |l| {
                let reference = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
                ffi::lua_pushinteger(l, reference.into());
            })?;
            let old = self.slot.memory.replace(reference);
            if old != ffi::LUA_NOREF {
                ffi::luaL_unref(self.core.main, ffi::LUA_REGISTRYINDEX, old);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Current<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current")
            .field("entry", &self.entry())
            .finish_non_exhaustive()
    }
}
