//! A context's coroutine, with all that must stay at one address while it lives; pooled between contexts.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use mlua::ffi::{self, lua_State};

use crate::core::{self, Core, POOLED_MAX, Tag, TagKind};
use crate::entry::EntryInner;
use crate::limits::Compiled;
use crate::outcome::Misuse;

pub(crate) struct Slot {
    pub(crate) l: *mut lua_State,
    /// Keeps the coroutine from the collector.
    anchor: i32,
    tag: Tag,
    /// The context's private Lua value.
    pub(crate) memory: Cell<i32>,
    /// Its stack may hold results or arguments.
    soiled: Cell<bool>,
    /// What runs, or ran last: kept in the pool, since the next run is often of the same entry.
    pub(crate) entry: RefCell<Option<Arc<EntryInner>>>,
    /// What the host attached to the context.
    pub(crate) attached: RefCell<Option<Box<dyn Any>>>,
}

impl Slot {
    /// A clean coroutine from the pool, if there is one and this thread need not lock the state to look.
    #[inline(always)]
    pub(crate) fn pooled(core: &Core) -> Option<Box<Slot>> {
        // A state of one thread: the caller has checked that this is it, and nobody else touches the pool.
        let slot = if core.owner.is_some() {
            core.idle.borrow_mut().pop()
        } else {
            None
        }?;
        core.counts.contexts.set(core.counts.contexts.get() + 1);
        Some(slot)
    }

    /// A clean coroutine from the pool, with the state's lock held.
    #[inline(always)]
    pub(crate) fn idle(core: &Core) -> Option<Box<Slot>> {
        let slot = core.idle.borrow_mut().pop()?;
        core.counts.contexts.set(core.counts.contexts.get() + 1);
        Some(slot)
    }

    /// A clean coroutine: from the pool, or new.
    ///
    /// # Safety
    /// The state's lock must be held, and `from` be its current coroutine.
    pub(crate) unsafe fn take(core: &Core, from: *mut lua_State) -> Result<Box<Slot>, Misuse> {
        core.counts.contexts.set(core.counts.contexts.get() + 1);
        if let Some(slot) = core.idle.borrow_mut().pop() {
            return Ok(slot);
        }
        // SAFETY: as promised by the caller.
        let made = unsafe { Self::make(core, from) };
        if made.is_err() {
            core.counts.contexts.set(core.counts.contexts.get() - 1);
        }
        made
    }

    /// # Safety
    /// As for [`take`](Self::take).
    #[cold]
    unsafe fn make(core: &Core, from: *mut lua_State) -> Result<Box<Slot>, Misuse> {
        unsafe extern "C-unwind" fn anchored_coroutine(l: *mut lua_State) -> i32 {
            // SAFETY: called by `lua_pcall` below with one light userdata, the place for the results; no
            // value with a destructor is alive when one of these raises.
            unsafe {
                let out = ffi::lua_touserdata(l, 1).cast::<(*mut lua_State, i32)>();
                let made = ffi::lua_newthread(l);
                let anchor = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
                *out = (made, anchor);
                0
            }
        }
        let mut out: (*mut lua_State, i32) = (std::ptr::null_mut(), ffi::LUA_NOREF);
        // SAFETY: the lock is held; everything that can raise runs inside the protected call; the stack of
        // `from` is checked for the two slots used.
        unsafe {
            if ffi::lua_checkstack(from, 3) == 0 {
                return Err(Misuse::OutOfMemory);
            }
            ffi::lua_pushcfunction(from, anchored_coroutine);
            ffi::lua_pushlightuserdata(from, (&raw mut out).cast());
            if ffi::lua_pcall(from, 1, 0, 0) != ffi::LUA_OK {
                ffi::lua_pop(from, 1);
                return Err(Misuse::OutOfMemory);
            }
        }
        let (l, anchor) = out;
        let slot = Box::new(Slot {
            l,
            anchor,
            tag: Tag::new(TagKind::Context),
            memory: Cell::new(ffi::LUA_NOREF),
            soiled: Cell::new(false),
            entry: RefCell::new(None),
            attached: RefCell::new(None),
        });
        slot.tag.core.set(core);
        slot.tag.slot.set(&raw const *slot);
        // SAFETY: `l` is anchored, and the tag lives in the box, which `discard` outlives only after it has
        // reset the extra space.
        unsafe { core::set_tag(l, &slot.tag) };
        core.counts.coroutines.set(core.counts.coroutines.get() + 1);
        Ok(slot)
    }

    /// Sets what runs.
    #[inline(always)]
    pub(crate) fn set_entry(&self, entry: &Arc<EntryInner>) {
        let mut own = self.entry.borrow_mut();
        if !own.as_ref().is_some_and(|own| Arc::ptr_eq(own, entry)) {
            *own = Some(Arc::clone(entry));
        }
    }

    /// The limits of what runs, where the context has none of its own. They live as long as the entry is this one.
    #[inline(always)]
    pub(crate) fn limits(&self, core: &Core) -> *const Compiled {
        let entry = self.entry.borrow();
        let own = entry.as_ref().and_then(|entry| entry.limits.as_ref());
        own.unwrap_or(&core.usual)
    }

    /// True if the context left nothing in here that it may ask for later.
    #[inline(always)]
    pub(crate) fn is_bare(&self) -> bool {
        self.memory.get() == ffi::LUA_NOREF && self.attached.borrow().is_none()
    }

    /// Something stays on the coroutine's stack.
    pub(crate) fn soil(&self) {
        self.soiled.set(true);
    }

    /// Empties the coroutine's stack.
    ///
    /// # Safety
    /// The state's lock must be held; the coroutine must be finished.
    #[inline(always)]
    pub(crate) unsafe fn clear(&self) {
        if self.soiled.replace(false) {
            // SAFETY: as promised by the caller; clearing a stack raises nothing.
            unsafe { ffi::lua_settop(self.l, 0) };
        }
    }

    /// Puts a coroutine that ended well back for the next context.
    ///
    /// # Safety
    /// The state's lock must be held; the coroutine must be finished.
    #[inline(always)]
    pub(crate) unsafe fn put_back(self: Box<Self>, core: &Core) {
        // SAFETY: as promised by the caller; clearing a stack raises nothing.
        unsafe {
            self.clear();
            self.forget(core);
        }
        let mut idle = core.idle.borrow_mut();
        if idle.len() < POOLED_MAX {
            idle.push(self);
        } else {
            drop(idle);
            // SAFETY: as promised by the caller.
            unsafe { self.release(core) };
        }
    }

    /// Leaves a broken coroutine to the collector.
    ///
    /// # Safety
    /// The state's lock must be held; the coroutine must not be running.
    #[cold]
    pub(crate) unsafe fn discard(&self, core: &Core) {
        // SAFETY: as promised by the caller; clearing a stack raises nothing.
        unsafe {
            // What is left there is the error: a script that kept the coroutine could start it.
            ffi::lua_settop(self.l, 0);
            self.forget(core);
            self.release(core);
        }
    }

    unsafe fn forget(&self, core: &Core) {
        let memory = self.memory.replace(ffi::LUA_NOREF);
        if memory != ffi::LUA_NOREF {
            // SAFETY: the reference is this slot's own; the lock is held.
            unsafe { ffi::luaL_unref(core.main, ffi::LUA_REGISTRYINDEX, memory) };
        }
        if self.attached.borrow().is_some() {
            *self.attached.borrow_mut() = None;
        }
        core.counts.contexts.set(core.counts.contexts.get() - 1);
    }

    /// # Safety
    /// The state's lock must be held; the coroutine must not be running.
    pub(crate) unsafe fn release(&self, core: &Core) {
        // A script may still hold the coroutine: it becomes one of the script's own.
        // SAFETY: it is alive until the reference below is gone; `own_tag` outlives the state.
        unsafe {
            core::set_tag(self.l, core.own_tag);
            ffi::luaL_unref(core.main, ffi::LUA_REGISTRYINDEX, self.anchor);
        }
        core.counts.coroutines.set(core.counts.coroutines.get() - 1);
    }
}
