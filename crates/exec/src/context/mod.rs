//! The execution context: one coroutine, one run at a time, resumed until it ends.

mod stretch;

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{self, Poll};

use mlua::ffi;
use mlua::{FromLuaMulti, IntoLuaMulti};

use crate::account::{Own, Stats};
use crate::clock::Ticks;
use crate::core::{Control, Core, Doom, Run};
use crate::entry::Entry;
use crate::failure;
use crate::held::Held;
use crate::host::{Pending, panic_text};
use crate::limits::{Compiled, Limits};
use crate::monitor;
use crate::outcome::{Again, Failure, FailureKind, Misuse, Outcome};
use crate::slot::Slot;
use crate::traceback::Traceback;
use stretch::{
    Stopped, close, hand_over, is_nothing, place, place_all, place_function, place_results, resume,
};

/// Whether a step may leave the run unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yielding {
    /// The run may stop and go on later.
    Allowed,
    /// The run has to end within this step; a yield ends it with [`FailureKind::YieldNotAllowed`].
    Refused,
}

/// One execution context: runs one Lua function at a time, from its start to its outcome.
///
/// Stepped by hand, by a host that has no executor:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::task::Waker;
/// use tidegate_exec::{Again, Outcome, Vm, VmOptions, Yielding};
///
/// let vm = Vm::per_thread(VmOptions::default())?;
/// let script = vm.load("count.lua", "local n = ... coroutine.yield() return n + 1")?;
/// let count = vm.entry("count", script)?;
///
/// let mut context = vm.context()?;
/// context.start(&count, 41)?;
/// let mut cx = std::task::Context::from_waker(Waker::noop());
/// assert!(matches!(context.step(&mut cx, Yielding::Allowed)?, Outcome::Again(Again::Turn)));
/// assert!(matches!(context.step(&mut cx, Yielding::Allowed)?, Outcome::Ok));
/// assert_eq!(context.take::<i64>()?, 42);
/// # Ok(())
/// # }
/// ```
///
/// Awaited, see [`call`](Self::call).
///
/// Dropping a context that is suspended drops what it waits for and closes its `<close>` variables.
pub struct Context {
    pub(crate) core: Held,
    /// `None` only after a failure for which no new coroutine could be made.
    pub(crate) slot: Option<Box<Slot>>,
    state: State,
    /// `None`: those of the state.
    limits: Option<Rc<Compiled>>,
    used: Ticks,
    results: i32,
    pending: Option<Pin<Box<dyn Pending>>>,
    /// Attached while there was no coroutine to attach it to.
    unplaced: Option<Box<dyn Any>>,
    /// The future above is in the state's count of such.
    counted: bool,
    counters: Own,
    /// A context stays on its thread: so do the futures that it waits for.
    not_send: PhantomData<*mut ()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Stopped,
    /// Started, with so many arguments in place.
    Ready(i32),
    /// Yielded, to be resumed with nothing.
    Yielded,
    /// Suspended in a host operation.
    Waiting,
}

/// Why a [`call`](Context::call) gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The run failed.
    Failed(Box<Failure>),
    /// The host misused the context.
    Misuse(Misuse),
}

impl Context {
    /// To be called with a `Vm` in hand.
    #[inline(always)]
    pub(crate) fn new(core: &Arc<Core>, limits: Option<Rc<Compiled>>) -> Result<Self, Misuse> {
        core.check_thread()?;
        let slot = match Slot::pooled(core) {
            Some(slot) => slot,
            // SAFETY: the lock is held, and `raw` names its current coroutine.
            None => core.making(|raw| unsafe { Slot::take(core, raw.state()) })?,
        };
        let mut context = Context::bare(core, limits);
        context.slot = Some(slot);
        Ok(context)
    }

    /// One that takes a coroutine when it begins.
    #[inline(always)]
    pub(crate) fn bare(core: &Arc<Core>, limits: Option<Rc<Compiled>>) -> Self {
        Context {
            core: Held::new(core),
            slot: None,
            state: State::Stopped,
            limits,
            used: 0,
            results: 0,
            pending: None,
            counted: false,
            unplaced: None,
            counters: Own::default(),
            not_send: PhantomData,
        }
    }

    /// Does at once what [`start`](Self::start) and the first [`step`](Self::step) do, for less: the state is locked once,
    /// and the arguments are made within the run. What waits is not polled again.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn begin(
        &mut self,
        entry: &Entry,
        args: impl IntoLuaMulti,
        yielding: Yielding,
    ) -> Result<Outcome, Misuse> {
        if self.state != State::Stopped {
            return Err(Misuse::NotOver);
        }
        if !std::ptr::eq(entry.inner.core.as_ptr(), &raw const *self.core) {
            return Err(Misuse::OtherState);
        }
        self.core.check_thread()?;
        self.results = 0;
        self.used = 0;
        let core = &*self.core;
        core.relieve();
        let limits: *const Compiled = match &self.limits {
            Some(own) => &raw const **own,
            None => entry.inner.limits.as_ref().unwrap_or(&core.usual),
        };
        let ended = core.locked(|raw| {
            let from = raw.state();
            let slot = match self.slot.take().or_else(|| Slot::idle(core)) {
                Some(slot) => slot,
                // SAFETY: the lock is held, and `from` is its current coroutine.
                None => core.watching(from, || unsafe { Slot::take(core, from) })?,
            };
            if self.unplaced.is_some() {
                *slot.attached.borrow_mut() = self.unplaced.take();
            }
            slot.set_entry(&entry.inner);
            // SAFETY: the limits are this context's, the entry's or the state's, all of which outlive the run.
            let run = unsafe { Run::new(&raw const *slot, &*limits, 0, yielding == Yielding::Allowed) };
            let outer = Some(monitor::here().running()).filter(|outer| !outer.is_null());
            // Finalizers that the collector calls while arguments are made run on the coroutine that makes them.
            let begun = core.begin(&run, from);
            // SAFETY: the lock is held; the coroutine does not run.
            match unsafe { place_all(raw, &slot, entry.inner.reference, args) } {
                Ok(n) => {
                    begun.switch(slot.l);
                    self.counters.run();
                    entry.inner.counters.run();
                    // SAFETY: function and arguments are in place.
                    let ended = unsafe { resume(core, &run, begun, slot, n, outer.unwrap_or(from)) };
                    if ended.hooked {
                        // SAFETY: a live coroutine that runs no Lua now.
                        unsafe { ffi::lua_sethook(from, None, 0, 0) };
                    }
                    Ok((ended, run))
                }
                Err(misuse) => {
                    if core.end(&run, &begun).0 {
                        // SAFETY: as above.
                        unsafe { ffi::lua_sethook(from, None, 0, 0) };
                    }
                    slot.soil();
                    self.slot = Some(slot);
                    Err(misuse)
                }
            }
        });
        let (ended, run) = ended?;
        Ok(self.settle(ended, &run, yielding))
    }

    /// Puts a function and its arguments in place. The first [`step`](Self::step) runs it.
    ///
    /// # Errors
    /// [`Misuse::NotOver`] while a run isn't over, [`Misuse::OtherState`] for an entry of another state,
    /// [`Misuse::Conversion`] and [`Misuse::OutOfMemory`] when the arguments can't be placed.
    pub fn start(&mut self, entry: &Entry, args: impl IntoLuaMulti) -> Result<(), Misuse> {
        if self.state != State::Stopped {
            return Err(Misuse::NotOver);
        }
        if !std::ptr::eq(entry.inner.core.as_ptr(), &raw const *self.core) {
            return Err(Misuse::OtherState);
        }
        self.core.check_thread()?;
        let core = &*self.core;
        core.relieve();
        if self.slot.is_none() {
            self.slot = Some(match Slot::pooled(core) {
                Some(slot) => slot,
                // SAFETY: the lock is held, and `raw` names its current coroutine.
                None => core.making(|raw| unsafe { Slot::take(core, raw.state()) })?,
            });
        }
        if self.unplaced.is_some()
            && let Some(slot) = &self.slot
        {
            *slot.attached.borrow_mut() = self.unplaced.take();
        }
        let n = match &self.slot {
            // Without arguments there is nothing to convert, and the first step can place the function.
            Some(_) if is_nothing(&args) => 0,
            // SAFETY: the lock is held; the coroutine does not run.
            Some(slot) => core.making(|raw| unsafe { place(raw, slot, args) })?,
            None => return Err(Misuse::OutOfMemory),
        };
        if let Some(slot) = &self.slot {
            slot.set_entry(&entry.inner);
        }
        self.results = 0;
        self.used = 0;
        self.state = State::Ready(n);
        self.counters.run();
        entry.inner.counters.run();
        Ok(())
    }

    /// Runs until the function ends, fails, waits or yields. `cx` is who to wake when a host operation is
    /// ready; a host without executor passes a waker that does nothing and steps again.
    ///
    /// # Errors
    /// [`Misuse::NotStarted`] without a run.
    pub fn step(&mut self, cx: &mut task::Context<'_>, yielding: Yielding) -> Result<Outcome, Misuse> {
        let used = self.used;
        loop {
            let outcome = match self.state {
                State::Stopped => return Err(Misuse::NotStarted),
                State::Ready(n) => self.run(Resume::First(n), yielding),
                State::Yielded => self.run(Resume::With(0), yielding),
                State::Waiting => match self.poll_pending(cx) {
                    Poll::Pending => return Ok(Outcome::Again(Again::Waiting)),
                    Poll::Ready(Ok(pending)) => self.run(Resume::Results(pending), yielding),
                    Poll::Ready(Err(message)) => {
                        let doom = self.doom_here(FailureKind::HostPanic, message);
                        Outcome::Failed(self.fail(Some(doom), ffi::LUA_YIELD))
                    }
                },
            };
            // An operation that is ready at once costs no turn of the event loop.
            if !matches!(outcome, Outcome::Again(Again::Waiting)) {
                return Ok(outcome);
            }
            // But a script that meets only such operations must not hold the thread for that.
            if self.used.saturating_sub(used) >= self.compiled().slice {
                return Ok(Outcome::Again(Again::Slice));
            }
        }
    }

    /// The results of a run that ended with [`Outcome::Ok`]; a second call finds none.
    ///
    /// # Errors
    /// [`Misuse::Conversion`] when they are not of the type asked for.
    pub fn take<R: FromLuaMulti>(&mut self) -> Result<R, Misuse> {
        let n = std::mem::take(&mut self.results);
        let slot = self.slot.as_ref();
        self.core.making(|raw| {
            // SAFETY: the lock is held; `n` results are on the coroutine's stack, and the other stack is
            // checked before they are moved there and put back to where it was after.
            unsafe {
                let to = raw.state();
                let top = ffi::lua_gettop(to);
                let n = match slot {
                    Some(slot) if n > 0 => {
                        if ffi::lua_checkstack(to, n + 2) == 0 {
                            return Err(Misuse::OutOfMemory);
                        }
                        ffi::lua_xmove(slot.l, to, n);
                        n
                    }
                    _ => 0,
                };
                let results = R::from_stack_multi(n, raw);
                ffi::lua_settop(to, top);
                results.map_err(|_| Misuse::Conversion)
            }
        })
    }

    /// Whether there are results for [`take`](Self::take).
    pub fn has_results(&self) -> bool {
        self.results > 0
    }

    /// Runs `entry` to its end on any executor; what it waits for wakes the task.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use tidegate_exec::{Vm, VmOptions, operation};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    /// # runtime.block_on(async {
    /// let vm = Vm::per_thread(VmOptions::default())?;
    /// vm.enter(|lua| {
    ///     let sleep = operation(lua, "sleep", |_, ms: u64| {
    ///         Ok(async move { Ok(tokio::time::sleep(Duration::from_millis(ms)).await) })
    ///     })?;
    ///     lua.globals().set("sleep", sleep)
    /// })??;
    /// let entry = vm.entry("nap", vm.load("nap.lua", "sleep(1) return 'rested'")?)?;
    ///
    /// let mut context = vm.context()?;
    /// assert_eq!(context.call::<String>(&entry, ()).await?, "rested");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError::Failed`] with what the run ended in.
    pub async fn call<R: FromLuaMulti>(
        &mut self,
        entry: &Entry,
        args: impl IntoLuaMulti,
    ) -> Result<R, CallError> {
        self.call_with(entry, args, |_| next_turn()).await
    }

    /// As [`call`](Self::call), with the host's own way to let others have their turn when the script
    /// yields or its slice is over.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub async fn call_with<R, P>(
        &mut self,
        entry: &Entry,
        args: impl IntoLuaMulti,
        mut pause: impl FnMut(Again) -> P,
    ) -> Result<R, CallError>
    where
        R: FromLuaMulti,
        P: Future<Output = ()>,
    {
        self.start(entry, args)?;
        // A call that is dropped half-way must not leave its run behind.
        let running = CancelOnDrop(self);
        loop {
            let outcome = poll_fn(|cx| match running.0.step(cx, Yielding::Allowed) {
                Ok(Outcome::Again(Again::Waiting)) => Poll::Pending,
                other => Poll::Ready(other),
            });
            match outcome.await? {
                Outcome::Ok => return Ok(running.0.take()?),
                Outcome::Again(why) => pause(why).await,
                Outcome::Failed(failure) => return Err(CallError::Failed(failure)),
            }
        }
    }

    /// Ends a run that isn't over: drops what it waits for and closes its `<close>` variables.
    #[cold]
    pub fn cancel(&mut self) {
        self.pending = None;
        let suspended = matches!(self.state, State::Yielded | State::Waiting);
        self.state = State::Stopped;
        if suspended && let Some(slot) = self.slot.take() {
            let core = &*self.core;
            let counted = std::mem::take(&mut self.counted);
            self.slot = core.making(|raw| {
                core.count_pending(counted);
                // SAFETY: the lock is held and the coroutine is suspended.
                unsafe {
                    if close(core, raw, &slot) {
                        ffi::lua_settop(slot.l, 0);
                        return Some(slot);
                    }
                    let fresh = Slot::take(core, raw.state()).ok();
                    hand_over(&slot, fresh.as_deref());
                    slot.discard(core);
                    fresh
                }
            });
        }
    }

    /// True from a [`start`](Self::start) until the run's outcome.
    pub fn is_running(&self) -> bool {
        self.state != State::Stopped
    }

    /// The limits of the runs to come, of entries without limits of their own.
    pub fn limits(&self) -> Limits {
        self.limits.as_deref().unwrap_or(&self.core.usual).source
    }

    #[inline(always)]
    fn compiled(&self) -> &Compiled {
        match (&self.limits, &self.slot) {
            (Some(own), _) => own,
            // SAFETY: the slot keeps its entry until another run starts, which takes the context.
            (None, Some(slot)) => unsafe { &*slot.limits(&self.core) },
            (None, None) => &self.core.usual,
        }
    }

    /// Sets the limits, from the next step on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = Some(Compiled::recent(limits));
    }

    /// What this context used so far, over all its runs.
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// Attaches a value of the host's, for host functions to find with [`Current::attached`](crate::Current::attached).
    pub fn attach<T: Any>(&mut self, value: T) {
        match &self.slot {
            Some(slot) => *slot.attached.borrow_mut() = Some(Box::new(value)),
            None => self.unplaced = Some(Box::new(value)),
        }
    }

    fn poll_pending(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<Pin<Box<dyn Pending>>, String>> {
        let Some(pending) = &mut self.pending else {
            return Poll::Pending;
        };
        match catch_unwind(AssertUnwindSafe(|| pending.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => match self.pending.take() {
                Some(pending) => {
                    self.counted = false;
                    Poll::Ready(Ok(pending))
                }
                None => Poll::Pending,
            },
            Err(payload) => {
                self.pending = None;
                Poll::Ready(Err(format!(
                    "a host operation panicked: {}",
                    panic_text(&*payload)
                )))
            }
        }
    }

    #[inline(always)]
    fn run(&mut self, how: Resume, yielding: Yielding) -> Outcome {
        let Some(slot) = self.slot.take() else {
            return Outcome::Failed(self.fail(None, ffi::LUA_ERRMEM));
        };
        let core = &*self.core;
        let l = slot.l;
        let limits: *const Compiled = match &self.limits {
            Some(own) => &raw const **own,
            None => slot.limits(core),
        };
        // SAFETY: the limits are this context's, its entry's or the state's, all of which outlive the run.
        let run = unsafe {
            Run::new(
                &raw const *slot,
                &*limits,
                self.used,
                yielding == Yielding::Allowed,
            )
        };
        // How deep the calls of native code are is counted along the coroutines: from the one that runs.
        let outer = Some(monitor::here().running()).filter(|outer| !outer.is_null());
        let ended = core.locked(|raw| {
            // SAFETY: the lock is held; the coroutine is stopped or suspended with its arguments in place;
            // `run` outlives its announcement.
            unsafe {
                let n = match how {
                    Resume::With(n) => n,
                    Resume::First(n) => place_function(l, &slot, n),
                    Resume::Results(pending) => {
                        core.count_pending(true);
                        match core.watching(raw.state(), || place_results(raw, l, pending)) {
                            Ok(n) => n,
                            Err(misplaced) => {
                                self.slot = Some(slot);
                                return Err(misplaced);
                            }
                        }
                    }
                };
                let begun = core.begin(&run, l);
                Ok(resume(
                    core,
                    &run,
                    begun,
                    slot,
                    n,
                    outer.unwrap_or_else(|| raw.state()),
                ))
            }
        });
        match ended {
            Ok(ended) => self.settle(ended, &run, yielding),
            Err((kind, message)) => {
                let doom = self.doom_here(kind, message);
                Outcome::Failed(self.fail(Some(doom), ffi::LUA_YIELD))
            }
        }
    }

    /// What a stretch of running came to.
    #[inline(always)]
    fn settle(&mut self, ended: Stopped, run: &Run, yielding: Yielding) -> Outcome {
        self.slot = ended.slot;
        self.counted = ended.counted;
        self.spent(ended.spent);
        match ended.status {
            ffi::LUA_OK if ended.doom.is_none() => {
                self.state = State::Stopped;
                self.results = ended.results;
                Outcome::Ok
            }
            ffi::LUA_YIELD if ended.doom.is_none() => self.yielded(run, yielding),
            status => Outcome::Failed(self.fail(ended.doom, status)),
        }
    }

    fn yielded(&mut self, run: &Run, yielding: Yielding) -> Outcome {
        self.counters.yielded();
        if yielding == Yielding::Refused {
            let doom = self.doom_here(
                FailureKind::YieldNotAllowed,
                FailureKind::YieldNotAllowed.to_string(),
            );
            return Outcome::Failed(self.fail(Some(doom), ffi::LUA_YIELD));
        }
        if self.used >= self.compiled().total {
            let limit_ms = self.compiled().source.total.unwrap_or_default().as_millis();
            let doom = self.doom_here(FailureKind::TotalTimeout, format!("ran {limit_ms} ms in all"));
            return Outcome::Failed(self.fail(Some(doom), ffi::LUA_YIELD));
        }
        if let Some(pending) = run.pending.take() {
            self.pending = Some(pending);
            self.state = State::Waiting;
            return Outcome::Again(Again::Waiting);
        }
        self.state = State::Yielded;
        Outcome::Again(if run.control.get() == Control::Slice {
            Again::Slice
        } else {
            Again::Turn
        })
    }

    #[inline(always)]
    fn spent(&mut self, ticks: Ticks) {
        self.used = self.used.saturating_add(ticks);
        self.counters.spent(ticks);
    }

    /// A failure found from outside, at the place where the coroutine is suspended.
    fn doom_here(&self, kind: FailureKind, message: String) -> Doom {
        let traceback = match &self.slot {
            // SAFETY: the lock is held and the coroutine is suspended.
            Some(slot) => self.core.locked(|_| unsafe { Traceback::capture(&[], slot.l) }),
            None => Traceback::default(),
        };
        Doom {
            kind,
            message,
            traceback,
        }
    }

    /// Tells what happened, and renews the context.
    #[cold]
    fn fail(&mut self, doom: Option<Doom>, status: i32) -> Box<Failure> {
        self.state = State::Stopped;
        self.pending = None;
        self.results = 0;
        let counted = std::mem::take(&mut self.counted);
        let core = &*self.core;
        let broken = self.slot.take();
        let entry = broken.as_ref().and_then(|slot| slot.entry.borrow().clone());
        let (failure, fresh) = core.making(|raw| {
            core.note_memory(raw.state());
            core.count_pending(counted);
            // SAFETY: the lock is held; the coroutine has ended in an error or is suspended.
            unsafe {
                let report = failure::report(core, raw, broken.as_ref().map(|slot| slot.l), doom, status);
                let Some(broken) = broken else {
                    return (report, Slot::take(core, raw.state()).ok());
                };
                close(core, raw, &broken);
                let fresh = Slot::take(core, raw.state()).ok();
                hand_over(&broken, fresh.as_deref());
                broken.discard(core);
                (report, fresh)
            }
        });
        self.slot = fresh;
        self.counters.failed(failure.kind);
        let name = match &entry {
            Some(entry) => {
                entry.counters.failed(failure.kind);
                Arc::clone(&entry.name)
            }
            None => "".into(),
        };
        Box::new(Failure {
            entry: name,
            ..failure
        })
    }
}

impl Drop for Context {
    #[inline]
    fn drop(&mut self) {
        if self.is_running() {
            self.cancel();
        }
        if let Some(slot) = self.slot.take() {
            // SAFETY: the lock is held; the coroutine is finished or was never started.
            self.core.locked(|_| unsafe { slot.put_back(&self.core) });
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl From<Misuse> for CallError {
    fn from(misuse: Misuse) -> Self {
        CallError::Misuse(misuse)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Failed(failure) => failure.fmt(f),
            CallError::Misuse(misuse) => misuse.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

/// What a run is resumed with.
enum Resume {
    /// The function, with so many arguments in place.
    First(i32),
    /// Values that are in place.
    With(i32),
    /// The results of a host operation, to be put in place.
    Results(Pin<Box<dyn Pending>>),
}

struct CancelOnDrop<'a>(&'a mut Context);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.0.is_running() {
            self.0.cancel();
        }
    }
}

/// Ready the second time it is asked.
fn next_turn() -> impl Future<Output = ()> {
    let mut asked = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
