//! What is done on a context's coroutine: its function and arguments are put in place, it runs, and what is left is closed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use mlua::IntoLuaMulti;
use mlua::ffi;
use mlua::state::RawLua;

use crate::clock::Ticks;
use crate::core::{Begun, Core, Doom, Run};
use crate::coroutine;
use crate::hook;
use crate::host::{Pending, panic_text};
use crate::outcome::{FailureKind, Misuse};
use crate::slot::Slot;

/// How a coroutine stopped.
pub(super) struct Stopped {
    pub(super) status: i32,
    pub(super) results: i32,
    pub(super) spent: Ticks,
    pub(super) doom: Option<Doom>,
    /// `None`: it went back to the pool.
    pub(super) slot: Option<Box<Slot>>,
    /// What it waits for is in the state's count of such.
    pub(super) counted: bool,
    /// A hook may have been set while it ran.
    pub(super) hooked: bool,
}

/// Lets the coroutine of `slot` run, which `begun` announced.
///
/// # Safety
/// The state's lock is held; the coroutine is stopped or suspended with `n` arguments in place; `run` outlives its announcement.
#[inline(always)]
pub(super) unsafe fn resume(
    core: &Core,
    run: &Run,
    begun: Begun,
    slot: Box<Slot>,
    n: i32,
    from: *mut ffi::lua_State,
) -> Stopped {
    let l = slot.l;
    // SAFETY: as promised by the caller; resuming is protected and gives a status.
    unsafe {
        if let Some(count) = run.limits().forced_yield
            && ffi::lua_gethook(l).is_none()
        {
            let count = i32::try_from(count.get()).unwrap_or(i32::MAX);
            ffi::lua_sethook(l, Some(hook::on_count), ffi::LUA_MASKCOUNT, count);
        }
        let mut results = 0;
        let status = ffi::lua_resume(l, from, n, &mut results);
        if status == ffi::LUA_ERRMEM {
            hook::starved(core, run, l);
        }
        let (hooked, spent) = core.end(run, &begun);
        if hooked || run.doomed.get() || run.limits().forced_yield.is_some() {
            core.note_memory(l);
            if status != ffi::LUA_YIELD || run.limits().forced_yield.is_none() {
                ffi::lua_sethook(l, None, 0, 0);
            }
        }
        let mut counted = false;
        if status == ffi::LUA_YIELD {
            ffi::lua_pop(l, results);
            if run.pending.borrow().is_some() {
                counted = true;
                core.counts.pending.set(core.counts.pending.get() + 1);
            }
        }
        let doom = run.doom.take();
        let done = status == ffi::LUA_OK && doom.is_none();
        if let Some(entry) = &*slot.entry.borrow() {
            entry.counters.spent(spent);
            if status == ffi::LUA_YIELD {
                entry.counters.yielded();
            }
        }
        // A run that leaves nothing behind gives its coroutine back at once, while the lock is held.
        let slot = if done && results == 0 && slot.is_bare() {
            slot.put_back(core);
            None
        } else {
            slot.soil();
            Some(slot)
        };
        Stopped {
            status,
            results,
            spent,
            doom,
            slot,
            counted,
            hooked,
        }
    }
}

/// True for `()`, known when compiled.
pub(super) fn is_nothing<A>(_: &A) -> bool {
    size_of::<A>() == 0 && std::any::type_name::<A>() == "()"
}

/// Puts the entry's function under its `n` arguments; says how many they are.
#[inline(always)]
pub(super) unsafe fn place_function(l: *mut ffi::lua_State, slot: &Slot, n: i32) -> i32 {
    // SAFETY: the callers hold the lock and the coroutine does not run; a finished coroutine's stack has
    // room for 20 values, and `place` checked for more.
    unsafe {
        if n == 0 {
            slot.clear();
        }
        let reference = slot
            .entry
            .borrow()
            .as_ref()
            .map_or(ffi::LUA_REFNIL, |entry| entry.reference);
        ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, reference.into());
        if n > 0 {
            ffi::lua_insert(l, -(n + 1));
        }
        n
    }
}

/// Puts a function and its arguments onto the coroutine's stack; says how many arguments.
///
/// # Safety
/// The state's lock is held, and the coroutine does not run.
#[inline(always)]
pub(super) unsafe fn place_all(
    raw: &RawLua,
    slot: &Slot,
    function: i32,
    args: impl IntoLuaMulti,
) -> Result<i32, Misuse> {
    // SAFETY: as promised by the caller. A finished coroutine's stack has room for 20 values, and `move_args` checks for more.
    unsafe {
        slot.clear();
        ffi::lua_rawgeti(slot.l, ffi::LUA_REGISTRYINDEX, function.into());
        if is_nothing(&args) {
            return Ok(0);
        }
        move_args(raw, slot.l, args)
    }
}

/// Moves arguments onto the coroutine's stack; says how many.
#[inline(always)]
pub(super) unsafe fn place(raw: &RawLua, slot: &Slot, args: impl IntoLuaMulti) -> Result<i32, Misuse> {
    // SAFETY: the callers hold the lock; both stacks are checked before anything is put there.
    unsafe {
        slot.clear();
        slot.soil();
        move_args(raw, slot.l, args)
    }
}

/// # Safety
/// The state's lock is held, and `l` does not run.
#[inline(always)]
unsafe fn move_args(raw: &RawLua, l: *mut ffi::lua_State, args: impl IntoLuaMulti) -> Result<i32, Misuse> {
    // SAFETY: as promised by the caller; both stacks are checked before anything is put there.
    unsafe {
        let from = raw.state();
        let top = ffi::lua_gettop(from);
        // mlua asserts that values are of this state, and their conversion may be host code.
        let Ok(Ok(n)) = catch_unwind(AssertUnwindSafe(|| args.push_into_stack_multi(raw))) else {
            ffi::lua_settop(from, top);
            return Err(Misuse::Conversion);
        };
        if n > 0 {
            if ffi::lua_checkstack(l, n + 2) == 0 {
                ffi::lua_settop(from, top);
                return Err(Misuse::OutOfMemory);
            }
            ffi::lua_xmove(from, l, n);
        }
        Ok(n)
    }
}

/// Why the results of a host operation could not be placed.
pub(super) type Misplaced = (FailureKind, String);

pub(super) unsafe fn place_results(
    raw: &RawLua,
    l: *mut ffi::lua_State,
    mut pending: Pin<Box<dyn Pending>>,
) -> Result<i32, Misplaced> {
    // SAFETY: as for `place`.
    unsafe {
        let from = raw.state();
        let top = ffi::lua_gettop(from);
        // Turning values into Lua's may be host code.
        let (n, ok) = match catch_unwind(AssertUnwindSafe(|| pending.as_mut().push(raw))) {
            Ok(Ok((n, ok))) if ffi::lua_checkstack(l, n + 1) != 0 => (n, ok),
            Ok(_) => {
                ffi::lua_settop(from, top);
                let message = "no room for the results of a host operation".into();
                return Err((FailureKind::OutOfMemory, message));
            }
            Err(payload) => {
                ffi::lua_settop(from, top);
                let message = format!("a host operation panicked: {}", panic_text(&*payload));
                return Err((FailureKind::HostPanic, message));
            }
        };
        if n > 0 {
            ffi::lua_xmove(from, l, n);
        }
        ffi::lua_pushinteger(l, if ok { n.into() } else { -1 });
        Ok(n + 1)
    }
}

/// Runs what is left to close, within the limit for such; true if the coroutine can be used again.
pub(super) unsafe fn close(core: &Core, raw: &RawLua, slot: &Slot) -> bool {
    // SAFETY: the callers hold the lock and the coroutine does not run; closing is protected.
    unsafe {
        ffi::lua_sethook(slot.l, None, 0, 0);
        // A run that was ended by an error from its hook has its hooks switched off still.
        hook::allow_hooks(slot.l);
        core.aside(slot.l, |_| coroutine::close_all(core, slot.l, raw.state())) == ffi::LUA_OK
    }
}

/// What is the context's, not the coroutine's, goes to the new one.
pub(super) fn hand_over(from: &Slot, to: Option<&Slot>) {
    if let Some(to) = to {
        to.memory.set(from.memory.replace(ffi::LUA_NOREF));
        *to.attached.borrow_mut() = from.attached.borrow_mut().take();
    }
}
