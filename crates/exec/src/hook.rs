//! The hook that ends a slice, or a run: set by the monitor's signal on the coroutine that runs.
//!
//! It decides on the run's own thread, with the run's own clock. Wherever Lua can yield it ends a run by
//! *yielding*, which no `pcall` catches and which keeps the whole stack for the traceback; where Lua cannot
//! yield (inside `table.sort`, a finalizer, a metamethod called from C) it raises, and our `pcall` raises
//! again until the run is out.

use std::ffi::CStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use mlua::ffi::{self, lua_Debug, lua_State};

use crate::clock;
use crate::core::{self, Control, Core, Doom, Run};
use crate::monitor;
use crate::outcome::FailureKind;
use crate::traceback::Traceback;

/// The hook itself.
///
/// # Safety
/// For Lua to call, on a coroutine of a state made by this crate.
pub(crate) unsafe extern "C-unwind" fn on_count(l: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: Lua calls this on the coroutine that runs. `decide` has returned, with everything it made
    // dropped, before anything here leaves this frame by a jump.
    unsafe {
        match decide(l) {
            Verdict::GoOn => {}
            Verdict::Yield => {
                ffi::lua_yieldk(l, 0, 0, None);
            }
            Verdict::Raise(text) => {
                // A message handler runs before the error leaves this hook, inside which Lua allows no
                // other: without this it could loop until the monitor reaches into it, at each level.
                allow_hooks(l);
                ffi::lua_pushlstring(l, text.as_ptr().cast(), text.len());
                ffi::lua_error(l);
            }
        }
    }
}

enum Verdict {
    GoOn,
    Yield,
    Raise(&'static str),
}

/// True when the place where `l` is can yield up to the host.
///
/// # Safety
/// `l` must be the coroutine that runs.
pub(crate) unsafe fn can_yield(run: &Run, l: *mut lua_State) -> bool {
    // SAFETY: as promised by the caller.
    run.yielding && !run.slot.is_null() && run.blocked.get() == 0 && unsafe { ffi::lua_isyieldable(l) } != 0
}

/// For native code that loops: true once the run on whose behalf `l` runs is past what it may take.
pub(crate) fn is_over(l: *mut lua_State) -> bool {
    // SAFETY: native functions run under the state's lock, on a coroutine of ours.
    let Some(core) = (unsafe { core::of(l) }) else {
        return false;
    };
    // SAFETY: as above. The error that native code raises now ends in the hook at the next instruction.
    core.current().is_some_and(|run| unsafe {
        is_ending(core, run, l) && {
            arm(l);
            true
        }
    })
}

/// For what may neither raise an error nor look at the stack: true once the innermost run on this thread is past its burst.
#[cold]
pub(crate) fn is_past_burst() -> bool {
    let l = monitor::here().running();
    if l.is_null() {
        return false;
    }
    // SAFETY: a published coroutine is alive, and this thread holds its state's lock.
    let run = unsafe { core::of(l) }.and_then(Core::current);
    run.is_some_and(|run| clock::now().wrapping_sub(run.since.get()) >= run.limits().burst)
}

/// There was no memory for `l`: if its run was past its time by then, that is why.
///
/// # Safety
/// `l` must be the coroutine of the innermost run, which has just ended.
#[cold]
pub(crate) unsafe fn starved(core: &Core, run: &Run, l: *mut lua_State) {
    // SAFETY: as promised by the caller: what ended is still on its stack.
    unsafe { is_ending(core, run, l) };
}

/// True once what `l` runs is being ended; begins to end what is past its time: the finalizer that `l` is
/// in, or else the run.
unsafe fn is_ending(core: &Core, run: &Run, l: *mut lua_State) -> bool {
    if core.is_ending() {
        return true;
    }
    let elapsed = clock::now().wrapping_sub(run.since.get());
    let total = run.used.saturating_add(run.lapsed.get()).saturating_add(elapsed);
    let limits = run.limits();
    let is_past_burst = elapsed >= limits.burst;
    let is_past_total = total >= limits.total;
    // SAFETY: as promised by the caller.
    if is_past_burst && unsafe { in_finalizer(run, l) } {
        core.finalizer_over.set(true);
        // One after the other may be past its burst: all of them together are within the total.
        if is_past_total {
            doom(run, l, FailureKind::TotalTimeout, limits.source.total);
        }
    } else if is_past_total {
        doom(run, l, FailureKind::TotalTimeout, limits.source.total);
    } else if is_past_burst {
        doom(run, l, FailureKind::BurstTimeout, limits.source.burst);
    } else {
        return false;
    }
    true
}

/// Makes the hook look at `l` again at its next instruction.
///
/// # Safety
/// `l` must be a live coroutine, and the state's lock held by this thread. Safe to call from a signal handler.
pub(crate) unsafe fn arm(l: *mut lua_State) {
    // SAFETY: as promised by the caller.
    unsafe { ffi::lua_sethook(l, Some(on_count), ffi::LUA_MASKCOUNT, 1) };
}

/// True if [`arm`] was called and the hook has not run since.
///
/// # Safety
/// `l` must be a live coroutine on this thread. Safe to call from a signal handler.
pub(crate) unsafe fn is_armed(l: *mut lua_State) -> bool {
    // SAFETY: both only read fields of `l`.
    unsafe { ffi::lua_gethookcount(l) == 1 && ffi::lua_gethook(l).is_some() }
}

unsafe fn decide(l: *mut lua_State) -> Verdict {
    let published = monitor::here();
    published.enter_hook();
    // SAFETY: Lua runs under the state's lock, on a coroutine of ours.
    let verdict = match unsafe { core::of(l) } {
        Some(core) => match core.current() {
            // SAFETY: as above.
            Some(run) => unsafe { judge(core, run, l) },
            None => unhook(l),
        },
        None => unhook(l),
    };
    published.leave_hook();
    verdict
}

unsafe fn judge(core: &Core, run: &Run, l: *mut lua_State) -> Verdict {
    // SAFETY: `l` runs.
    let (ending, yieldable) = unsafe { (is_ending(core, run, l), can_yield(run, l)) };
    if ending {
        if core.finalizer_over.get() {
            // SAFETY: `l` runs; the next instruction outside what catches this raises again.
            unsafe { arm(l) };
            return Verdict::Raise(FINALIZER_OVER);
        }
        if yieldable {
            run.control.set(Control::Stop);
            return Verdict::Yield;
        }
        // SAFETY: as above.
        unsafe { arm(l) };
        return Verdict::Raise("execution timeout");
    }
    let elapsed = clock::now().wrapping_sub(run.since.get());
    if yieldable && (run.limits().forced_yield.is_some() || elapsed >= run.limits().slice) {
        run.control.set(Control::Slice);
        let _ = reset(run, l);
        return Verdict::Yield;
    }
    reset(run, l)
}

/// What the warning about a finalizer says that had to be ended.
const FINALIZER_OVER: &str = "finalizer exceeded its time";

/// A host function panicked on behalf of `l`: that ends the finalizer that it is in, or else the run.
///
/// # Safety
/// `l` must be the coroutine that runs, with the state's lock held.
#[cold]
pub(crate) unsafe fn panicked(l: *mut lua_State, message: &str) {
    // SAFETY: as promised by the caller.
    unsafe {
        let Some(core) = core::of(l) else { return };
        let Some(run) = core.current() else { return };
        if in_finalizer(run, l) {
            core.finalizer_over.set(true);
        } else {
            run.set_doom(Doom {
                kind: FailureKind::HostPanic,
                message: message.to_owned(),
                traceback: Traceback::capture(&run.chain.borrow(), l),
            });
        }
        arm(l);
    }
}

/// How many frames are searched for a finalizer. One that went deeper ends the run that it interrupted,
/// instead of only itself.
const FINALIZER_LEVELS_MAX: i32 = 100;

/// True if `l`, or a coroutine that waits for it, is inside a finalizer.
unsafe fn in_finalizer(run: &Run, l: *mut lua_State) -> bool {
    let is_finalizer = |l: *mut lua_State, level: i32| {
        // SAFETY: `l` and those that wait for it are alive; a zeroed record is what these expect; the
        // option neither allocates nor raises, and names end in a NUL.
        unsafe {
            let mut ar: lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(l, level, &mut ar) == 0 {
                return None;
            }
            ffi::lua_getinfo(l, c"n".as_ptr(), &mut ar);
            Some(
                !ar.name.is_null()
                    && CStr::from_ptr(ar.name) == c"__gc"
                    && CStr::from_ptr(ar.namewhat) == c"metamethod",
            )
        }
    };
    let chain = run.chain.borrow();
    std::iter::once(&l).chain(chain.iter().rev()).any(|&l| {
        (0..FINALIZER_LEVELS_MAX)
            .map_while(|level| is_finalizer(l, level))
            .any(|found| found)
    })
}

#[cold]
fn doom(run: &Run, l: *mut lua_State, kind: FailureKind, limit: Option<std::time::Duration>) {
    // SAFETY: `l` runs, and the chain holds coroutines that wait for it.
    let traceback = unsafe { Traceback::capture(&run.chain.borrow(), l) };
    let limit_ms = limit.unwrap_or_default().as_millis();
    let message = match kind {
        FailureKind::BurstTimeout => format!("ran {limit_ms} ms without yielding"),
        _ => format!("ran {limit_ms} ms in all"),
    };
    run.set_doom(Doom {
        kind,
        message,
        traceback,
    });
}

/// Back to no hook, or to the exact count that was asked for.
fn reset(run: &Run, l: *mut lua_State) -> Verdict {
    match run.limits().forced_yield {
        Some(count) => {
            let count = i32::try_from(count.get()).unwrap_or(i32::MAX);
            // SAFETY: `l` is the coroutine that runs this hook.
            unsafe { ffi::lua_sethook(l, Some(on_count), ffi::LUA_MASKCOUNT, count) };
            Verdict::GoOn
        }
        None => unhook(l),
    }
}

fn unhook(l: *mut lua_State) -> Verdict {
    // SAFETY: `l` is the coroutine that runs this hook.
    unsafe { ffi::lua_sethook(l, None, 0, 0) };
    Verdict::GoOn
}

/// Where Lua keeps the flag that allows hooks: the byte after `status` in `lua_State`, behind the common
/// header of collectable objects. Lua has no call for it, and switches hooks off inside finalizers, where
/// HAProxy dies in an endless loop. [`verify_layout`] proves the place before it is used.
const ALLOW_HOOK: usize = 11;

static VERIFIED: OnceLock<bool> = OnceLock::new();

/// Switches hooks on, which are off inside finalizers and inside message handlers of a hook's error.
///
/// # Safety
/// `l` must be a live coroutine on this thread. Safe to call from a signal handler.
pub(crate) unsafe fn allow_hooks(l: *mut lua_State) {
    if VERIFIED.get() == Some(&true) {
        // SAFETY: the place was proved to be the flag; it is a byte that only this thread reads or writes.
        unsafe { l.cast::<u8>().add(ALLOW_HOOK).write_volatile(1) };
    }
}

/// Finds out, once per process, whether the flag is where we think: it must read 0 inside a hook and
/// 1 outside of one, on two coroutines.
///
/// # Safety
/// `l` must be a live coroutine of a state that this thread may use, with nothing running in it.
pub(crate) unsafe fn verify_layout(l: *mut lua_State) -> bool {
    static INSIDE_OFF: AtomicBool = AtomicBool::new(false);
    unsafe extern "C-unwind" fn look(l: *mut lua_State, _: *mut lua_Debug) {
        // SAFETY: the byte is inside the coroutine's own allocation, whatever it means.
        let flag = unsafe { l.cast::<u8>().add(ALLOW_HOOK).read_volatile() };
        INSIDE_OFF.store(flag == 0, Ordering::Relaxed);
    }
    *VERIFIED.get_or_init(|| {
        // SAFETY: the stack is checked, the chunk is constant and cannot fail but for memory, which the
        // protected call catches; the hook is taken off again.
        unsafe {
            if ffi::lua_checkstack(l, 2) == 0 {
                return false;
            }
            let flag = || l.cast::<u8>().add(ALLOW_HOOK).read_volatile();
            let before = flag();
            ffi::lua_sethook(l, Some(look), ffi::LUA_MASKCOUNT, 1);
            let chunk = c"local a = 1";
            let status = ffi::luaL_loadstring(l, chunk.as_ptr());
            if status == ffi::LUA_OK {
                let _ = ffi::lua_pcall(l, 0, 0, 0);
            } else {
                ffi::lua_pop(l, 1);
            }
            ffi::lua_sethook(l, None, 0, 0);
            before == 1 && flag() == 1 && INSIDE_OFF.load(Ordering::Relaxed)
        }
    })
}
