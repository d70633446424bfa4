//! The monitor: one thread that notices runs past their time, so that runs which are not pay nothing.
//!
//! A thread that runs Lua *publishes* which coroutine it is in (two plain stores). The monitor ticks while
//! anything runs, seldom while all runs are short (see [`Pace`]); a run that it sees for longer than its slice
//! gets a signal **on its own thread**, and the handler sets a count hook on the published coroutine, which is
//! the one thing that Lua allows a signal handler to do. The hook then decides, see [`crate::hook`].
//!
//! Nobody waits for anybody: the monitor sleeps when nothing has run for a while, and the first run after
//! that wakes it. Both sides check after they wrote; the barrier that this needs is made by the monitor
//! alone (`membarrier`), so that publishing stays free.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mlua::ffi::lua_State;

use crate::hook;

/// Time between two looks while something runs long.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Time between two looks while all that runs is short: each takes the processor from what runs.
const CALM_TICK: Duration = Duration::from_millis(4);

/// Looks that saw nothing long before the monitor takes it that nothing is.
const CALM_AFTER: u32 = 100;

/// Ticks without any run before the monitor sleeps.
const IDLE_AFTER: u32 = 100;

/// The longest sleep where the kernel has no `membarrier`: then a wake-up could be missed once.
const SLEEP_WITHOUT_BARRIER: Duration = Duration::from_millis(20);

/// What one thread publishes. Written by that thread, read by the monitor and by the signal handler.
#[derive(Debug)]
pub(crate) struct Published {
    /// The coroutine that runs right now, or null.
    running: AtomicPtr<lua_State>,
    /// Counts the windows: a new number means another run, or the same after a yield.
    window: AtomicU64,
    /// After how many microseconds of one window the monitor signals, and when it insists.
    look_after_us: AtomicU32,
    insist_us: AtomicU32,
    /// The monitor saw the window past that: reach into finalizers too.
    insist: AtomicBool,
    /// The hook itself is running, where the handler must not touch anything.
    in_hook: AtomicBool,
    /// The handler set a hook, which has to be taken off when the run ends.
    hooked: AtomicBool,
    /// The thread to signal; taken away when it ends.
    thread: Mutex<Option<libc::pthread_t>>,
}

/// What was running before, to be put back.
#[derive(Debug)]
pub(crate) struct Before {
    running: *mut lua_State,
    look_after_us: u32,
    insist_us: u32,
}

/// Whether [`barrier`] is one. Registers this thread on first use.
pub(crate) fn has_barrier() -> bool {
    let _ = here();
    MONITOR.get().is_some_and(|monitor| monitor.has_barrier)
}

/// Makes every thread of the process see what this one wrote, and the other way round, at no cost to them.
pub(crate) fn barrier() {
    if let Some(monitor) = MONITOR.get() {
        barrier::all_threads(monitor.has_barrier);
    }
}

/// This thread's [`Published`], registered with the monitor on first use.
#[inline(always)]
pub(crate) fn here() -> &'static Published {
    let own = OWN.get();
    if own.is_null() {
        return register();
    }
    // SAFETY: `OWN` is null or points to what `register` leaked on this very thread.
    unsafe { &*own }
}

impl Published {
    /// `l` starts to run on this thread, within these limits.
    #[inline(always)]
    pub(crate) fn begin(&self, l: *mut lua_State, look_after_us: u32, insist_us: u32) -> Before {
        let before = Before {
            running: self.running.load(Ordering::Relaxed),
            look_after_us: self.look_after_us.load(Ordering::Relaxed),
            insist_us: self.insist_us.load(Ordering::Relaxed),
        };
        self.look_after_us.store(look_after_us, Ordering::Relaxed);
        self.insist_us.store(insist_us, Ordering::Relaxed);
        self.insist.store(false, Ordering::Relaxed);
        self.next_window();
        self.running.store(l, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        if ASLEEP.load(Ordering::Relaxed) {
            wake_monitor();
        }
        before
    }

    /// What [`begin`](Self::begin) announced is over. True if the handler had set a hook meanwhile.
    #[inline(always)]
    pub(crate) fn end(&self, before: &Before) -> bool {
        self.running.store(before.running, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        self.insist.store(false, Ordering::Relaxed);
        if !before.running.is_null() {
            self.look_after_us.store(before.look_after_us, Ordering::Relaxed);
            self.insist_us.store(before.insist_us, Ordering::Relaxed);
        }
        // The outer run, if there is one, starts a new window: it has just been interrupted.
        self.next_window();
        self.hooked.load(Ordering::Relaxed) && self.hooked.swap(false, Ordering::Relaxed)
    }

    /// The run goes on in another coroutine of the same run.
    #[inline(always)]
    pub(crate) fn switch(&self, l: *mut lua_State) {
        self.running.store(l, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    /// The coroutine that runs, or null.
    #[inline(always)]
    pub(crate) fn running(&self) -> *mut lua_State {
        self.running.load(Ordering::Relaxed)
    }

    /// The same run gets a fresh window.
    #[inline(always)]
    pub(crate) fn next_window(&self) {
        // This thread is the only writer, so no read-modify-write is needed.
        self.window.store(
            self.window.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }

    /// Keeps the handler away while the hook works.
    pub(crate) fn enter_hook(&self) {
        self.in_hook.store(true, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        self.insist.store(false, Ordering::Relaxed);
    }

    /// The hook is done.
    pub(crate) fn leave_hook(&self) {
        compiler_fence(Ordering::SeqCst);
        self.in_hook.store(false, Ordering::Relaxed);
    }
}

thread_local! {
    // Const, without destructor: the signal handler may read it at any time.
    static OWN: Cell<*const Published> = const { Cell::new(ptr::null()) };
    static LEAVE: Leave = const { Leave };
}

/// Takes the thread out of the monitor's list when it ends.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let own = OWN.replace(ptr::null());
        if own.is_null() {
            return;
        }
        // SAFETY: `OWN` holds what `register` made, and the list keeps it alive until removed below.
        let own = unsafe { &*own };
        *lock(&own.thread) = None;
        let Some(monitor) = MONITOR.get() else { return };
        let mut threads = lock(&monitor.threads);
        let Some(at) = threads.iter().position(|other| ptr::eq(other.as_ref(), own)) else {
            return;
        };
        // A signal may still be on its way, and states remember their thread by it: it is never freed.
        lock(&monitor.ended).push(threads.swap_remove(at));
    }
}

struct Monitor {
    threads: Mutex<Vec<Arc<Published>>>,
    /// Those of threads that ended.
    ended: Mutex<Vec<Arc<Published>>>,
    thread: std::thread::Thread,
    has_barrier: bool,
}

static MONITOR: OnceLock<Monitor> = OnceLock::new();
static ASLEEP: AtomicBool = AtomicBool::new(false);

#[cold]
fn register() -> &'static Published {
    let monitor = MONITOR.get_or_init(start);
    let own = Arc::new(Published {
        running: AtomicPtr::new(ptr::null_mut()),
        window: AtomicU64::new(0),
        look_after_us: AtomicU32::new(u32::MAX),
        insist_us: AtomicU32::new(u32::MAX),
        insist: AtomicBool::new(false),
        in_hook: AtomicBool::new(false),
        hooked: AtomicBool::new(false),
        // SAFETY: asking for one's own thread id has no precondition.
        thread: Mutex::new(Some(unsafe { libc::pthread_self() })),
    });
    lock(&monitor.threads).push(Arc::clone(&own));
    // SAFETY: the monitor, which is never freed, keeps a count of it for ever: among the threads or the ended ones.
    let own: &'static Published = unsafe { &*Arc::as_ptr(&own) };
    OWN.set(own);
    LEAVE.with(|_| ());
    own
}

fn start() -> Monitor {
    install_handler();
    let monitor = std::thread::Builder::new()
        .name("lua-monitor".into())
        .spawn(watch);
    let thread = match monitor {
        Ok(handle) => handle.thread().clone(),
        // Without the monitor there is no limit on time; a process that cannot start one thread cannot serve.
        Err(error) => {
            eprintln!("tidegate-exec: cannot start the monitor thread: {error}");
            std::process::abort()
        }
    };
    Monitor {
        threads: Mutex::new(Vec::new()),
        ended: Mutex::new(Vec::new()),
        thread,
        has_barrier: barrier::register(),
    }
}

fn wake_monitor() {
    if ASLEEP.swap(false, Ordering::SeqCst)
        && let Some(monitor) = MONITOR.get()
    {
        monitor.thread.unpark();
    }
}

/// What the monitor remembers of one thread.
#[derive(Clone, Copy)]
struct Seen {
    window: u64,
    since: Instant,
}

/// The monitor's whole life.
fn watch() {
    let monitor = loop {
        // `start` is still filling the cell when this thread begins.
        match MONITOR.get() {
            Some(monitor) => break monitor,
            None => std::thread::sleep(TICK),
        }
    };
    let mut seen: Vec<(*const Published, Seen)> = Vec::new();
    let mut pace = Pace::default();
    loop {
        match pace.next(look(monitor, &mut seen)) {
            Some(tick) => std::thread::sleep(tick),
            None => sleep_until_woken(monitor),
        }
    }
}

/// What one look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// Nothing has run since the last.
    Nothing,
    /// What ran at the last look is over, and nothing runs.
    Ended,
    /// Something runs that did not at the last look.
    Fresh,
    /// What ran at the last look still does.
    Long,
}

/// When to look next.
#[derive(Default)]
struct Pace {
    /// Looks in a row that found nothing at all.
    quiet: u32,
    /// Looks in a row, but for the quiet ones, that found nothing long.
    short: u32,
    /// The next look is to tell whether what the last one found at work goes on.
    is_close: bool,
}

impl Pace {
    /// How long to sleep after a look that found this; `None` until woken.
    fn next(&mut self, found: Found) -> Option<Duration> {
        match found {
            Found::Nothing => self.quiet += 1,
            Found::Ended | Found::Fresh => {
                self.quiet = 0;
                self.short = self.short.saturating_add(1);
            }
            Found::Long => *self = Pace::default(),
        }
        if self.quiet >= IDLE_AFTER {
            self.quiet = 0;
            return None;
        }
        // What runs may have begun just now, or long ago: one more look tells.
        self.is_close = found == Found::Fresh && !self.is_close;
        Some(if self.short < CALM_AFTER || self.is_close {
            TICK
        } else {
            CALM_TICK
        })
    }
}

/// One look at every thread: the most that any of them does.
fn look(monitor: &Monitor, seen: &mut Vec<(*const Published, Seen)>) -> Found {
    let threads = lock(&monitor.threads);
    let now = Instant::now();
    let mut found = Found::Nothing;
    seen.retain(|(known, _)| threads.iter().any(|thread| Arc::as_ptr(thread) == *known));
    for thread in threads.iter() {
        let window = thread.window.load(Ordering::Relaxed);
        let key = Arc::as_ptr(thread);
        let is_running = !thread.running.load(Ordering::Relaxed).is_null();
        let another = if is_running { Found::Fresh } else { Found::Ended };
        let fresh = Seen { window, since: now };
        match seen.iter_mut().find(|(known, _)| *known == key) {
            None => {
                seen.push((key, fresh));
                found = found.max(another);
            }
            Some((_, state)) if state.window != window => {
                *state = fresh;
                found = found.max(another);
            }
            Some((_, state)) if is_running => {
                found = Found::Long;
                let us = now.duration_since(state.since).as_micros();
                if us >= u128::from(thread.look_after_us.load(Ordering::Relaxed)) {
                    let insist = us >= u128::from(thread.insist_us.load(Ordering::Relaxed));
                    signal(thread, insist);
                }
            }
            Some(_) => {}
        }
    }
    found
}

fn signal(thread: &Published, insist: bool) {
    let id = lock(&thread.thread);
    if let Some(id) = *id {
        if insist {
            thread.insist.store(true, Ordering::Relaxed);
        }
        // SAFETY: the thread is alive, since it takes its id away under this lock before it ends.
        unsafe { libc::pthread_kill(id, SIGNAL) };
    }
}

fn sleep_until_woken(monitor: &Monitor) {
    ASLEEP.store(true, Ordering::SeqCst);
    barrier::all_threads(monitor.has_barrier);
    let runs = lock(&monitor.threads)
        .iter()
        .any(|t| !t.running.load(Ordering::SeqCst).is_null());
    if runs {
        ASLEEP.store(false, Ordering::SeqCst);
        return;
    }
    while ASLEEP.load(Ordering::SeqCst) {
        if monitor.has_barrier {
            std::thread::park();
        } else {
            std::thread::park_timeout(SLEEP_WITHOUT_BARRIER);
            ASLEEP.store(false, Ordering::SeqCst);
        }
    }
}

/// Ignored by default in every program, and by convention free for a runtime's own use.
const SIGNAL: libc::c_int = libc::SIGURG;

fn install_handler() {
    // SAFETY: a zeroed `sigaction` is valid; the handler only does what its own comment says is allowed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(SIGNAL, &action, ptr::null_mut());
    }
}

/// Runs on the worker, between any two of its instructions: it may read what is published, and call
/// `lua_sethook`, which Lua documents as safe from a signal handler.
extern "C" fn on_signal(_: libc::c_int) {
    let own = OWN.get();
    if own.is_null() {
        return;
    }
    // SAFETY: `OWN` is null or points to this thread's leaked `Published`.
    let own = unsafe { &*own };
    let l = own.running.load(Ordering::Relaxed);
    if l.is_null() || own.in_hook.load(Ordering::Relaxed) {
        return;
    }
    if own.insist.load(Ordering::Relaxed) {
        // SAFETY: a published coroutine is alive, and the flag is a byte that only this thread writes.
        unsafe { hook::allow_hooks(l) };
    }
    own.hooked.store(true, Ordering::Relaxed);
    // SAFETY: a published coroutine is alive, and `lua_sethook` may be called from a handler.
    unsafe {
        // Setting a hook walks all calls on the stack: on one deep enough that takes longer than a tick, and
        // a run that was signalled again meanwhile would never get to the hook.
        if !hook::is_armed(l) {
            hook::arm(l);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A barrier that the monitor makes for all threads at once, so that none of them needs its own.
mod barrier {
    #[cfg(target_os = "linux")]
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
    #[cfg(target_os = "linux")]
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;

    pub(super) fn register() -> bool {
        #[cfg(target_os = "linux")]
        // SAFETY: the call takes three integers and touches no memory of ours.
        unsafe {
            libc::syscall(libc::SYS_membarrier, REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0
        }
        #[cfg(not(target_os = "linux"))]
        false
    }

    pub(super) fn all_threads(registered: bool) {
        #[cfg(target_os = "linux")]
        if registered {
            // SAFETY: as above.
            unsafe { libc::syscall(libc::SYS_membarrier, PRIVATE_EXPEDITED, 0, 0) };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = registered;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm() -> Pace {
        let mut pace = Pace::default();
        while pace.next(Found::Ended) != Some(CALM_TICK) {}
        pace
    }

    #[test]
    fn short_runs_are_looked_at_seldom() {
        let mut pace = Pace::default();
        let close = (0..).take_while(|_| pace.next(Found::Ended) == Some(TICK));
        assert_eq!(close.count() + 1, CALM_AFTER as usize);
        assert_eq!(pace.next(Found::Ended), Some(CALM_TICK));
    }

    #[test]
    fn what_runs_is_looked_at_again_soon_and_once() {
        let mut pace = calm();
        assert_eq!(pace.next(Found::Fresh), Some(TICK));
        assert_eq!(pace.next(Found::Fresh), Some(CALM_TICK), "it was another run");
        assert_eq!(pace.next(Found::Fresh), Some(TICK));
    }

    #[test]
    fn a_long_run_is_watched_closely_and_so_is_what_comes_after() {
        let mut pace = calm();
        for found in [Found::Long, Found::Fresh, Found::Ended, Found::Nothing] {
            assert_eq!(pace.next(found), Some(TICK), "{found:?}");
        }
    }

    #[test]
    fn it_sleeps_when_nothing_has_run_for_a_while() {
        for mut pace in [Pace::default(), calm()] {
            let looks = (0..).take_while(|_| pace.next(Found::Nothing).is_some());
            assert_eq!(looks.count() + 1, IDLE_AFTER as usize);
            assert!(pace.next(Found::Fresh).is_some(), "woken");
        }
    }
}
