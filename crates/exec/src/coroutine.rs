//! The `coroutine` library's `resume`, `wrap` and `close`, as scripts see them.
//!
//! They behave as Lua's own, and besides: a host operation inside a script's coroutine suspends all that
//! resumed it up to the context, and resumes them in turn; limits reach into it; and a context's own
//! coroutine is out of every script's reach.

use mlua::ffi::{self, lua_CFunction, lua_KContext, lua_State};
use mlua::{Lua, Result, Table};

use crate::core::{self, Control, Core, TagKind};
use crate::failure;
use crate::hook;
use crate::monitor;

pub(crate) fn install(lua: &Lua) -> Result<()> {
    let library: Table = lua.globals().raw_get("coroutine")?;
    // SAFETY: all are native functions in Lua's sense, see their own comments.
    unsafe {
        library.raw_set("resume", lua.create_c_function(resume)?)?;
        library.raw_set("wrap", lua.create_c_function(wrap)?)?;
        library.raw_set("close", lua.create_c_function(close)?)
    }
}

/// True for functions that can be suspended while what they called waits.
pub(crate) fn lets_yield(f: lua_CFunction) -> bool {
    [resume as lua_CFunction, wrapped]
        .iter()
        .any(|own| std::ptr::fn_addr_eq(*own, f))
}

/// How driving a coroutine ended.
enum Driven {
    /// So many results are on the driver's stack.
    Results(i32),
    /// The error is on top of the driver's stack.
    Failed,
    /// It waits for the host: yield, and go on when resumed.
    Waits,
    /// The run is being ended: raise what is on top of the driver's stack.
    Ending,
}

unsafe extern "C-unwind" fn resume(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua; nothing here has a destructor when something raises or yields.
    unsafe {
        let co = coroutine_argument(l, 1);
        let driven = drive(l, co, ffi::lua_gettop(l) - 1, false);
        after_resume(l, driven)
    }
}

/// The host resumed what waited below: the coroutine is at the bottom, what it is to get above it.
unsafe extern "C-unwind" fn resume_goes_on(l: *mut lua_State, _: i32, _: lua_KContext) -> i32 {
    // SAFETY: as for `resume`.
    unsafe {
        let co = ffi::lua_tothread(l, 1);
        let driven = drive(l, co, ffi::lua_gettop(l) - 1, true);
        after_resume(l, driven)
    }
}

unsafe fn after_resume(l: *mut lua_State, driven: Driven) -> i32 {
    // SAFETY: as for `resume`.
    unsafe {
        match driven {
            Driven::Results(n) => {
                ffi::lua_pushboolean(l, 1);
                ffi::lua_insert(l, -(n + 1));
                n + 1
            }
            Driven::Failed => {
                ffi::lua_pushboolean(l, 0);
                ffi::lua_insert(l, -2);
                2
            }
            Driven::Waits => {
                ffi::lua_settop(l, 1);
                ffi::lua_pushlightuserdata(l, core::suspended());
                ffi::lua_yieldk(l, 1, 0, Some(resume_goes_on))
            }
            Driven::Ending => ffi::lua_error(l),
        }
    }
}

unsafe extern "C-unwind" fn wrap(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua; nothing here has a destructor.
    unsafe {
        ffi::luaL_checktype(l, 1, ffi::LUA_TFUNCTION);
        let co = ffi::lua_newthread(l);
        ffi::lua_pushvalue(l, 1);
        ffi::lua_xmove(l, co, 1);
        ffi::lua_pushcclosure(l, wrapped, 1);
        1
    }
}

unsafe extern "C-unwind" fn wrapped(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua as a closure of `wrap`.
    unsafe {
        let co = ffi::lua_tothread(l, ffi::lua_upvalueindex(1));
        let driven = drive(l, co, ffi::lua_gettop(l), false);
        after_wrapped(l, co, driven)
    }
}

unsafe extern "C-unwind" fn wrapped_goes_on(l: *mut lua_State, _: i32, _: lua_KContext) -> i32 {
    // SAFETY: as for `wrapped`.
    unsafe {
        let co = ffi::lua_tothread(l, ffi::lua_upvalueindex(1));
        let driven = drive(l, co, ffi::lua_gettop(l), true);
        after_wrapped(l, co, driven)
    }
}

unsafe fn after_wrapped(l: *mut lua_State, co: *mut lua_State, driven: Driven) -> i32 {
    // SAFETY: as for `wrapped`.
    unsafe {
        match driven {
            Driven::Results(n) => n,
            Driven::Waits => {
                ffi::lua_settop(l, 0);
                ffi::lua_pushlightuserdata(l, core::suspended());
                ffi::lua_yieldk(l, 1, 0, Some(wrapped_goes_on))
            }
            Driven::Ending => ffi::lua_error(l),
            Driven::Failed => {
                let status = ffi::lua_status(co);
                if status != ffi::LUA_OK && status != ffi::LUA_YIELD {
                    // The coroutine died: close what it left open; an error in there takes the first one's place.
                    let status = close_published(l, co);
                    if status != ffi::LUA_OK {
                        ffi::lua_pop(l, 1);
                        ffi::lua_xmove(co, l, 1);
                    }
                    if status != ffi::LUA_ERRMEM && ffi::lua_type(l, -1) == ffi::LUA_TSTRING {
                        ffi::luaL_where(l, 1);
                        ffi::lua_insert(l, -2);
                        ffi::lua_concat(l, 2);
                    }
                }
                ffi::lua_error(l)
            }
        }
    }
}

unsafe extern "C-unwind" fn close(l: *mut lua_State) -> i32 {
    // SAFETY: called by Lua; nothing here has a destructor when something raises.
    unsafe {
        let co = coroutine_argument(l, 1);
        if let Some(refusal) = refusal(co, "close", false) {
            return ffi::luaL_error(l, refusal.as_ptr());
        }
        let is_idle = co != l && (ffi::lua_status(co) != ffi::LUA_OK || !has_frames(co));
        if !is_idle {
            let state = if co == l {
                c"cannot close a running coroutine"
            } else {
                c"cannot close a normal coroutine"
            };
            return ffi::luaL_error(l, state.as_ptr());
        }
        if close_published(l, co) == ffi::LUA_OK {
            ffi::lua_pushboolean(l, 1);
            return 1;
        }
        if core::of(l).is_some_and(Core::is_ending) {
            ffi::lua_xmove(co, l, 1);
            ffi::lua_error(l);
        }
        ffi::lua_pushboolean(l, 0);
        ffi::lua_xmove(co, l, 1);
        2
    }
}

/// Closes `co` while limits watch it: its `<close>` handlers are code like any other.
unsafe fn close_published(l: *mut lua_State, co: *mut lua_State) -> i32 {
    let published = monitor::here();
    let before = published.running();
    published.switch(co);
    // SAFETY: `co` does not run; closing is protected and gives a status.
    let status = unsafe { ffi::lua_closethread(co, l) };
    published.switch(before);
    // SAFETY: `l` is the coroutine that runs.
    unsafe { arm_if_ending(l) };
    status
}

/// Closes `l`, and before it the scripts' coroutines that wait inside one another below it, innermost first.
///
/// # Safety
/// The lock is held, `l` is a coroutine of ours that does not run, `from` one that does, and a run is announced.
pub(crate) unsafe fn close_all(core: &Core, l: *mut lua_State, from: *mut lua_State) -> i32 {
    let mut below = Vec::new();
    // SAFETY: as promised; what waits below is kept from the collector by what waits for it, which is closed after.
    unsafe {
        let mut outer = l;
        while let Some(inner) = waiting_below(outer) {
            below.push(inner);
            outer = inner;
        }
        for co in below.into_iter().rev() {
            hook::allow_hooks(co);
            // What its handlers raise has nobody to go to.
            if close_published(from, co) != ffi::LUA_OK {
                ffi::lua_settop(co, 0);
            }
            core::set_tag(co, core.own_tag);
        }
        ffi::lua_closethread(l, from)
    }
}

/// The script's coroutine that `l` waits for, if it is suspended in resuming one.
unsafe fn waiting_below(l: *mut lua_State) -> Option<*mut lua_State> {
    // SAFETY: `l` does not run; its stack is checked for what is pushed, and popped; nothing raises.
    unsafe {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        if ffi::lua_getstack(l, 0, &mut ar) == 0 || ffi::lua_checkstack(l, 2) == 0 {
            return None;
        }
        let top = ffi::lua_gettop(l);
        ffi::lua_getinfo(l, c"f".as_ptr(), &mut ar);
        let is = |f: lua_CFunction| ffi::lua_tocfunction(l, -1).is_some_and(|g| std::ptr::fn_addr_eq(f, g));
        let found = if is(wrapped) {
            ffi::lua_getupvalue(l, -1, 1)
        } else if is(resume) {
            ffi::lua_getlocal(l, &ar, 1)
        } else {
            std::ptr::null()
        };
        let co = if found.is_null() {
            std::ptr::null_mut()
        } else {
            ffi::lua_tothread(l, -1)
        };
        ffi::lua_settop(l, top);
        let waits = !co.is_null() && core::tag(co).is_some_and(|tag| tag.kind == TagKind::Waiting);
        waits.then_some(co)
    }
}

unsafe fn has_frames(co: *mut lua_State) -> bool {
    // SAFETY: a zeroed record is what `lua_getstack` expects.
    unsafe {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        ffi::lua_getstack(co, 0, &mut ar) != 0
    }
}

unsafe fn coroutine_argument(l: *mut lua_State, index: i32) -> *mut lua_State {
    // SAFETY: called from frames without destructors; the check raises.
    unsafe {
        ffi::luaL_checktype(l, index, ffi::LUA_TTHREAD);
        ffi::lua_tothread(l, index)
    }
}

/// Why a script may not do this to `co`.
unsafe fn refusal(co: *mut lua_State, what: &str, goes_on: bool) -> Option<&'static std::ffi::CStr> {
    // SAFETY: `co` is a live coroutine of a state of ours.
    let kind = unsafe { core::tag(co) }?.kind;
    match (kind, what) {
        (TagKind::Context, "close") => Some(c"cannot close a context's coroutine"),
        (TagKind::Context, _) => Some(c"cannot resume a context's coroutine"),
        (TagKind::Waiting, "close") => Some(c"cannot close a coroutine that waits for the host"),
        (TagKind::Waiting, _) if !goes_on => Some(c"cannot resume a coroutine that waits for the host"),
        _ => None,
    }
}

/// Lets `co` run, with the top `n` values of `l` as its arguments.
unsafe fn drive(l: *mut lua_State, co: *mut lua_State, n: i32, goes_on: bool) -> Driven {
    // SAFETY: `l` runs and `co` is a live coroutine of the same state. What raises in here (pushing text)
    // does so with nothing alive that has a destructor.
    unsafe {
        // A context that resumes itself gets Lua's usual answer.
        if co != l
            && let Some(refusal) = refusal(co, "resume", goes_on)
        {
            ffi::lua_pushstring(l, refusal.as_ptr());
            return Driven::Failed;
        }
        if ffi::lua_checkstack(co, n) == 0 {
            ffi::lua_pushstring(l, c"too many arguments to resume".as_ptr());
            return Driven::Failed;
        }
        let Some(core) = core::of(l) else {
            ffi::lua_pushstring(l, c"not a coroutine of this state".as_ptr());
            return Driven::Failed;
        };
        if goes_on {
            core::set_tag(co, core.own_tag);
        }
        ffi::lua_xmove(l, co, n);
        let (status, results) = step(core, l, co, n);
        match status {
            ffi::LUA_OK | ffi::LUA_YIELD => {
                if status == ffi::LUA_YIELD && waits(core, co, results) {
                    ffi::lua_pop(co, results);
                    core::set_tag(co, core.waiting_tag);
                    return Driven::Waits;
                }
                if ffi::lua_checkstack(l, results + 1) == 0 {
                    ffi::lua_pop(co, results);
                    ffi::lua_pushstring(l, c"too many results to resume".as_ptr());
                    return Driven::Failed;
                }
                ffi::lua_xmove(co, l, results);
                Driven::Results(results)
            }
            _ => {
                ffi::lua_xmove(co, l, 1);
                failure::note_panic(l);
                if core.is_ending() {
                    Driven::Ending
                } else {
                    Driven::Failed
                }
            }
        }
    }
}

/// One resume, published to the monitor and noted in the run.
unsafe fn step(core: &Core, l: *mut lua_State, co: *mut lua_State, n: i32) -> (i32, i32) {
    let published = monitor::here();
    let before = published.running();
    let run = core.current();
    // SAFETY: `l` runs.
    let blocks = u32::from(unsafe { ffi::lua_isyieldable(l) } == 0);
    if let Some(run) = run {
        run.blocked.set(run.blocked.get() + blocks);
        run.chain.borrow_mut().push(l);
        if run.doomed.get() {
            // SAFETY: `co` is live and the lock is held.
            unsafe { hook::arm(co) };
        }
    }
    published.switch(co);
    let mut results = 0;
    // SAFETY: `co` is live; resuming is protected and gives a status, also when `co` cannot be resumed.
    let status = unsafe { ffi::lua_resume(co, l, n, &mut results) };
    published.switch(before);
    if let Some(run) = run {
        run.chain.borrow_mut().pop();
        run.blocked.set(run.blocked.get() - blocks);
    }
    // SAFETY: `l` is the coroutine that runs.
    unsafe { arm_if_ending(l) };
    (status, results)
}

/// The end of a run must find the hook wherever it comes to.
unsafe fn arm_if_ending(l: *mut lua_State) {
    // SAFETY: `l` runs, under the lock.
    unsafe {
        if core::of(l).is_some_and(Core::is_ending) {
            hook::arm(l);
        }
    }
}

/// True if what `co` yielded is for the host.
unsafe fn waits(core: &Core, co: *mut lua_State, results: i32) -> bool {
    match results {
        0 => core
            .current()
            .is_some_and(|run| run.control.get() != Control::None),
        // SAFETY: one value is on top of `co`.
        1 => unsafe { ffi::lua_touserdata(co, -1) == core::suspended() },
        _ => false,
    }
}
