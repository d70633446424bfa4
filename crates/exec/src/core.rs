//! What all contexts of one state share, and how a raw `lua_State` leads back to it.
//!
//! Everything in here is touched under the state's lock only (mlua's own reentrant mutex): for a state of
//! one thread that lock is never contended, for a shared state it is what makes one thread at a time run.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;

use crate::anchors::Anchors;
use crate::clock::{self, Ticks};
use crate::held::Holders;
use crate::host::Pending;
use crate::limits::{Compiled, Limits};
use crate::monitor::{self, Before, Published};
use crate::outcome::{FailureKind, Misuse};
use crate::pieces::{self, Pieces};
use crate::slot::Slot;
use crate::traceback::Traceback;

/// Coroutines kept for reuse; more than that are left to the collector.
pub(crate) const POOLED_MAX: usize = 4096;

/// Places for references that wait for their release, kept for the next.
const DEAD_ROOM: usize = 256;

/// How long finalizers may take in all that are called before a run because memory was refused.
const EARNEST_MAX: Duration = Duration::from_secs(2);

/// One Lua state and its bookkeeping.
pub(crate) struct Core {
    pub(crate) lua: ManuallyDrop<mlua::Lua>,
    /// Who keeps it, for a state of one thread.
    pub(crate) holders: Option<&'static Holders>,
    /// The thread that may use it, for a state of one thread.
    pub(crate) owner: Option<&'static Published>,
    pub(crate) main: *mut lua_State,
    /// Tags of coroutines that are not contexts. Leaked, some bytes per state, since a coroutine that
    /// somebody kept through mlua can outlive us; they lead nowhere then.
    pub(crate) own_tag: &'static Tag,
    pub(crate) waiting_tag: &'static Tag,
    /// The innermost run, or null.
    pub(crate) run: Cell<*const Run>,
    /// A finalizer ran past its burst; what it catches is raised again until the collector has it.
    pub(crate) finalizer_over: Cell<bool>,
    /// The state is being closed.
    pub(crate) closing: Cell<bool>,
    // Boxed since a coroutine's tag lives in its slot and must stay where it is.
    #[expect(clippy::vec_box, reason = "the address of a slot is known to its coroutine")]
    pub(crate) idle: RefCell<Vec<Box<Slot>>>,
    pub(crate) counts: Counts,
    /// Limits of contexts whose host asked for none of its own.
    pub(crate) usual: Compiled,
    /// Limits of what runs outside a context: finalizers in host calls, `__tostring` of errors, `<close>`.
    pub(crate) aside: Compiled,
    /// Limits of the host's own calls into the state.
    pub(crate) entered: Compiled,
    /// What was held by owners that were dropped without the lock.
    pub(crate) dead: Mutex<Vec<Dead>>,
    pub(crate) has_dead: AtomicBool,
    pub(crate) memory_peak: Cell<usize>,
    /// What the state allocates from.
    pub(crate) pieces: *mut Pieces,
    /// It was refused memory since what could be freed last was.
    pub(crate) pressed: Arc<AtomicBool>,
    /// What the host keeps of it.
    pub(crate) anchors: Anchors,
}

// SAFETY: every `Cell`, `RefCell` and raw pointer in it is used only between locking `lua` and unlocking it
// (`Core::locked` and functions that Lua calls, which run under it), so one thread at a time.
unsafe impl Send for Core {}
// SAFETY: as above.
unsafe impl Sync for Core {}

/// What is to be released by whoever next holds the lock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dead {
    /// A reference of the registry.
    Reference(i32),
    /// A place among the anchors.
    Anchor(i32),
}

/// Numbers that must return to where they began.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) contexts: Cell<usize>,
    pub(crate) coroutines: Cell<usize>,
    pub(crate) pending: Cell<usize>,
}

/// What the extra space of each coroutine points to.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) core: Cell<*const Core>,
    pub(crate) kind: TagKind,
    /// The slot, for a context's coroutine.
    pub(crate) slot: Cell<*const Slot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagKind {
    /// The main state, and by inheritance every coroutine that a script makes.
    Own,
    /// A context's coroutine.
    Context,
    /// A script's coroutine that sleeps in a host operation or in a forced yield.
    Waiting,
}

impl Tag {
    pub(crate) fn new(kind: TagKind) -> Self {
        Tag {
            core: Cell::new(std::ptr::null()),
            kind,
            slot: Cell::new(std::ptr::null()),
        }
    }
}

/// One stretch of Lua running, from a host's call into the state until control is back.
pub(crate) struct Run {
    pub(crate) outer: Cell<*const Run>,
    /// The context's slot; null for what runs outside one.
    pub(crate) slot: *const Slot,
    /// Owned by the context, or by the core; alive as long as the run.
    limits: *const Compiled,
    /// Lua time that earlier windows of the same run took.
    pub(crate) used: Ticks,
    pub(crate) since: Cell<Ticks>,
    /// What windows of this run took that an over-long finalizer ended.
    pub(crate) lapsed: Cell<Ticks>,
    pub(crate) yielding: bool,
    /// Resumes of script coroutines, between here and the running one, from places that cannot yield.
    pub(crate) blocked: Cell<u32>,
    /// The coroutines that are suspended in a resume of the next, outermost first.
    pub(crate) chain: RefCell<Vec<*mut lua_State>>,
    /// The hook yielded: for a slice, or to end the run.
    pub(crate) control: Cell<Control>,
    pub(crate) doom: RefCell<Option<Doom>>,
    pub(crate) doomed: Cell<bool>,
    pub(crate) pending: RefCell<Option<Pin<Box<dyn Pending>>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    None,
    Slice,
    Stop,
}

/// Why a run is over although the script doesn't know it yet.
#[derive(Debug)]
pub(crate) struct Doom {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    pub(crate) traceback: Traceback,
}

impl Run {
    pub(crate) fn new(slot: *const Slot, limits: &Compiled, used: Ticks, yielding: bool) -> Self {
        Run {
            outer: Cell::new(std::ptr::null()),
            slot,
            limits,
            used,
            since: Cell::new(0),
            lapsed: Cell::new(0),
            yielding,
            blocked: Cell::new(0),
            chain: RefCell::new(Vec::new()),
            control: Cell::new(Control::None),
            doom: RefCell::new(None),
            doomed: Cell::new(false),
            pending: RefCell::new(None),
        }
    }

    #[inline(always)]
    pub(crate) fn limits(&self) -> &Compiled {
        // SAFETY: callers of `new` keep the limits where they are while the run is announced.
        unsafe { &*self.limits }
    }

    /// Starts a new window: what came before counts for the total, no more for the burst.
    pub(crate) fn next_window(&self) {
        let now = clock::now();
        let elapsed = now.wrapping_sub(self.since.replace(now));
        self.lapsed.set(self.lapsed.get().saturating_add(elapsed));
        monitor::here().next_window();
    }

    pub(crate) fn set_doom(&self, doom: Doom) {
        self.doomed.set(true);
        let mut slot = self.doom.borrow_mut();
        if slot.is_none() {
            *slot = Some(doom);
        }
    }
}

/// A run that was announced, to be handed back to [`Core::end`].
pub(crate) struct Begun {
    published: &'static Published,
    before: Before,
}

impl Begun {
    /// The run goes on in `l`.
    #[inline(always)]
    pub(crate) fn switch(&self, l: *mut lua_State) {
        self.published.switch(l);
    }
}

impl Core {
    /// Runs `f` with the state locked, and references of dropped owners released.
    #[inline(always)]
    pub(crate) fn locked<R>(&self, f: impl FnOnce(&RawLua) -> R) -> R {
        self.lua.exec_raw_lua(|raw| {
            if self.has_dead.load(Ordering::Relaxed) {
                self.release_dead();
            }
            f(raw)
        })
    }

    /// Runs `f`, which makes values for the host, with the state locked. Whoever makes values may have the collector call
    /// finalizers, none of which may go on for ever: outside a run they are within the limits for what runs aside.
    #[inline]
    pub(crate) fn making<R>(&self, f: impl FnOnce(&RawLua) -> R) -> R {
        self.locked(|raw| self.watching(raw.state(), || f(raw)))
    }

    /// Runs `f`, which makes values on `l`, as [`making`](Self::making) does, under the lock that is held.
    #[inline]
    pub(crate) fn watching<R>(&self, l: *mut lua_State, f: impl FnOnce() -> R) -> R {
        match self.current() {
            Some(_) => f(),
            None => self.aside(l, |_| f()),
        }
    }

    /// An error on any thread but the owner's.
    #[inline(always)]
    pub(crate) fn check_thread(&self) -> Result<(), Misuse> {
        match self.owner {
            Some(owner) if !std::ptr::eq(owner, monitor::here()) => Err(Misuse::WrongThread),
            _ => Ok(()),
        }
    }

    /// Announces that `l` runs from here on, as `run`.
    #[inline(always)]
    pub(crate) fn begin(&self, run: &Run, l: *mut lua_State) -> Begun {
        run.outer.set(self.run.replace(run));
        run.since.set(clock::now());
        let published = monitor::here();
        let before = published.begin(l, run.limits().look_after_us, run.limits().insist_us);
        Begun { published, before }
    }

    /// `l` stopped running; true if a hook may still be set on it. Gives the Lua time that it took.
    #[inline(always)]
    pub(crate) fn end(&self, run: &Run, begun: &Begun) -> (bool, Ticks) {
        let hooked = begun.published.end(&begun.before);
        self.run.set(run.outer.get());
        let spent = clock::now().wrapping_sub(run.since.get());
        (hooked, run.lapsed.get().saturating_add(spent))
    }

    /// The innermost run.
    #[inline(always)]
    pub(crate) fn current(&self) -> Option<&Run> {
        // SAFETY: `begin` and `end` keep the pointer to runs that are alive on this thread's stack.
        unsafe { self.run.get().as_ref() }
    }

    /// True while errors must not be caught: the run, or the finalizer, is being ended.
    #[inline(always)]
    pub(crate) fn is_ending(&self) -> bool {
        self.finalizer_over.get() || self.current().is_some_and(|run| run.doomed.get())
    }

    /// Runs `f` as a run of its own outside any context, within the limits for such.
    pub(crate) fn aside<R>(&self, l: *mut lua_State, f: impl FnOnce(&Run) -> R) -> R {
        self.watched(&Run::new(std::ptr::null(), &self.aside, 0, false), l, f)
    }

    /// Runs `f`, which lets `l` run, as `run`.
    pub(crate) fn watched<R>(&self, run: &Run, l: *mut lua_State, f: impl FnOnce(&Run) -> R) -> R {
        struct End<'a>(&'a Core, &'a Run, Begun, *mut lua_State);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                let (hooked, _) = self.0.end(self.1, &self.2);
                if hooked || self.1.doomed.get() {
                    // SAFETY: `l` is a live coroutine of this state and the lock is held.
                    unsafe { ffi::lua_sethook(self.3, None, 0, 0) };
                }
            }
        }
        let begun = self.begin(run, l);
        let end = End(self, run, begun, l);
        let result = f(run);
        drop(end);
        result
    }

    /// Lets go of the coroutines kept for reuse.
    pub(crate) fn drop_idle(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        for slot in idle {
            // SAFETY: callers hold the lock; an idle coroutine does not run.
            unsafe { slot.release(self) };
        }
    }

    /// Frees what the collector left behind when memory was refused, before another run needs it.
    ///
    /// What Lua does by itself then calls no finalizers, and its next cycle waits until the heap has doubled, which the limit
    /// never lets it: what only finalizers let go of (sockets, queues with all that they hold) would stay for ever, and every run would look
    /// for room in vain.
    #[inline(always)]
    pub(crate) fn relieve(&self) {
        if self.pressed.load(Ordering::Relaxed) {
            self.collect_in_earnest();
        }
    }

    #[cold]
    fn collect_in_earnest(&self) {
        self.locked(|raw| {
            // Where a run waits for this one, its garbage isn't any yet.
            if self.current().is_some() {
                return;
            }
            // Whatever those of a script take, nobody waits for them all: past this time each is cut short.
            let limits = Compiled::new(Limits {
                total: Some(EARNEST_MAX),
                ..self.aside.source
            });
            let l = raw.state();
            // The first cycle calls finalizers, the second frees what they held.
            let cycles = self.watched(&Run::new(std::ptr::null(), &limits, 0, false), l, |_| {
                let (begun, mut cycles) = (clock::now(), 0);
                while cycles < 2 && clock::duration(clock::now().wrapping_sub(begun)) < 2 * EARNEST_MAX {
                    // SAFETY: a step may be taken at any time under the lock; finalizers are protected.
                    cycles += unsafe { ffi::lua_gc(l, ffi::LUA_GCSTEP, 0) };
                }
                cycles
            });
            if cycles == 2 {
                self.pressed.store(false, Ordering::Relaxed);
                // SAFETY: the lock is held, and nothing is allocated meanwhile.
                unsafe { (*self.pieces).give_back() };
            }
        });
    }

    /// Notes the heap's size.
    pub(crate) fn note_memory(&self, l: *mut lua_State) {
        // SAFETY: the callers hold the lock.
        let used = unsafe { pieces::counted(l) };
        if used > self.memory_peak.get() {
            self.memory_peak.set(used);
        }
    }

    /// A future that was counted is gone.
    pub(crate) fn count_pending(&self, gone: bool) {
        self.counts
            .pending
            .set(self.counts.pending.get() - usize::from(gone));
    }

    /// Leaves something to be released by whoever next holds the lock.
    pub(crate) fn bury(&self, dead: Dead) {
        self.dead
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(dead);
        self.has_dead.store(true, Ordering::Release);
    }

    #[cold]
    fn release_dead(&self) {
        self.has_dead.store(false, Ordering::Relaxed);
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        for dead in dead.drain(..) {
            // SAFETY: it was made in this state and is released once, under the lock. That neither allocates in the state nor
            // calls anything, so that nobody buries another meanwhile.
            unsafe {
                match dead {
                    Dead::Reference(at) => ffi::luaL_unref(self.main, ffi::LUA_REGISTRYINDEX, at),
                    Dead::Anchor(at) => self.anchors.release(at),
                }
            }
        }
        // Those of a large script are not for every day.
        dead.shrink_to(DEAD_ROOM);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Finalizers run while the state is closed: a run like any other, but that it ends when the guardian's
        // own finalizer says so.
        let limits = Compiled::new(Limits {
            total: self.aside.source.burst.map(|burst| burst * CLOSING_BURSTS),
            ..self.aside.source
        });
        let run = Run::new(std::ptr::null(), &limits, 0, false);
        let begun = self.begin(&run, self.main);
        // SAFETY: the lock is held, and `pieces` isn't used after.
        let limit = self.lua.exec_raw_lua(|_| unsafe {
            self.drop_idle();
            Pieces::uninstall(self.pieces, self.main)
        });
        if let Some(limit) = limit {
            // It is refused where the allocator is not mlua's own, and then there was no limit of mlua's either.
            let _ = self.lua.set_memory_limit(limit);
        }
        self.closing.set(true);
        // SAFETY: dropped once, here, and not used after.
        unsafe { ManuallyDrop::drop(&mut self.lua) };
        self.end(&run, &begun);
        // Should the host hold the state by a handle of mlua's own, its coroutines lead nowhere from now on.
        self.own_tag.core.set(std::ptr::null());
        self.waiting_tag.core.set(std::ptr::null());
    }
}

/// How many finalizers without end a closing state waits for; those after them are cut short.
const CLOSING_BURSTS: u32 = 3;

/// Puts an object into a fresh state whose finalizer is the last to run when it is closed, since Lua calls
/// them in reverse order. From then on the monitor must leave the coroutine alone: its memory is freed next.
pub(crate) fn install_guardian(lua: &mlua::Lua) -> mlua::Result<()> {
    unsafe extern "C-unwind" fn leave(l: *mut lua_State) -> i32 {
        // SAFETY: called by Lua, under the lock or by whoever closes the state.
        if unsafe { of(l) }.is_some_and(|core| core.closing.get()) {
            monitor::here().switch(std::ptr::null_mut());
        }
        0
    }
    // SAFETY: runs in protected mode; the stack has room for a native function's 20 values.
    unsafe {
        lua.exec_raw((), |l| {
            ffi::lua_newuserdatauv(l, 1, 0);
            ffi::lua_createtable(l, 0, 1);
            ffi::lua_pushcfunction(l, leave);
            ffi::lua_setfield(l, -2, c"__gc".as_ptr());
            ffi::lua_setmetatable(l, -2);
            ffi::lua_rawsetp(l, ffi::LUA_REGISTRYINDEX, (&raw const MARKS[1]).cast());
        })
    }
}

/// The state that `l` belongs to.
///
/// # Safety
/// `l` must be a live coroutine of a state made by [`crate::Vm`], whose lock this thread holds.
#[inline(always)]
pub(crate) unsafe fn of<'a>(l: *mut lua_State) -> Option<&'a Core> {
    // SAFETY: by the contract the extra space is null or points to a tag, whose core outlives its states.
    unsafe { tag(l)?.core.get().as_ref() }
}

/// The tag of `l`.
///
/// # Safety
/// As for [`of`].
#[inline(always)]
pub(crate) unsafe fn tag<'a>(l: *mut lua_State) -> Option<&'a Tag> {
    // SAFETY: each coroutine has this space; ours hold null or a tag that lives as long as its owner.
    unsafe { (*ffi::lua_getextraspace(l).cast::<*const Tag>()).as_ref() }
}

/// Makes `l` lead to `tag`.
///
/// # Safety
/// `l` must be a live coroutine, and `tag` must outlive it or be replaced before it goes.
#[inline(always)]
pub(crate) unsafe fn set_tag(l: *mut lua_State, tag: *const Tag) {
    // SAFETY: each coroutine has this space, for the host's own use.
    unsafe { *ffi::lua_getextraspace(l).cast::<*const Tag>() = tag };
}

/// Marks that only host code can put on a stack, told apart by their addresses.
pub(crate) static MARKS: [u8; 3] = [0, 1, 2];

/// A coroutine yielded this: it waits, and so do all that resumed it.
#[inline(always)]
pub(crate) fn suspended() -> *mut c_void {
    (&raw const MARKS[0]).cast_mut().cast()
}

/// A host function returned this: below it is an error's text.
#[inline(always)]
pub(crate) fn failed() -> *mut c_void {
    (&raw const MARKS[1]).cast_mut().cast()
}

/// A host function returned this: in its place belongs a text that was left (see [`crate::scalar`]).
#[inline(always)]
pub(crate) fn said() -> *mut c_void {
    (&raw const MARKS[2]).cast_mut().cast()
}
