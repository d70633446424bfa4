//! How long a state lives: as long as anybody holds a [`Vm`](crate::Vm) of it, or a context.
//!
//! A context may live for less time than an atomic count takes to go up and down. So the contexts of a state of
//! one thread share one count of the state, taken by the first of them and kept from then on; how many they are
//! is a plain number of their thread. Whoever goes last, the last context or the last `Vm`, gives it back.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, compiler_fence};

use crate::core::Core;
use crate::monitor;

/// Who holds a state of one thread. Leaked, some bytes per state, since a thread that lets go of the state
/// still looks here when another may be freeing it.
#[derive(Debug)]
pub(crate) struct Holders {
    /// Contexts that live. Written by their thread alone.
    contexts: AtomicUsize,
    /// The shared count was taken, and not given back.
    taken: AtomicBool,
    /// No `Vm` is left.
    closed: AtomicBool,
}

impl Holders {
    /// `None` where every context has to count for itself.
    pub(crate) fn new(per_thread: bool) -> Option<&'static Self> {
        let shared = per_thread && monitor::has_barrier();
        shared.then(|| {
            &*Box::leak(Box::new(Holders {
                contexts: AtomicUsize::new(0),
                taken: AtomicBool::new(false),
                closed: AtomicBool::new(false),
            }))
        })
    }

    /// Gives the shared count back, once.
    ///
    /// # Safety
    /// `core` is the pointer of the state's `Arc`, alive if the count is still taken; no context lives, and none
    /// can begin.
    #[cold]
    unsafe fn give_back(&self, core: *const Core) {
        // Of two who meet here only one finds it taken.
        if self.taken.swap(false, Ordering::AcqRel) {
            // SAFETY: the caller's; the count that was taken is given back once.
            unsafe { Arc::decrement_strong_count(core) };
        }
    }
}

/// What the clones of a [`Vm`](crate::Vm) share.
pub(crate) struct Owner(pub(crate) Arc<Core>);

impl Drop for Owner {
    fn drop(&mut self) {
        let Some(holders) = self.0.holders else { return };
        holders.closed.store(true, Ordering::SeqCst);
        // No context can begin any more, since that takes a `Vm`. But on another thread the last one may end right
        // now: after the barrier it sees that the state is closed, or else we see that it ended.
        if self.0.check_thread().is_err() {
            monitor::barrier();
        }
        if holders.contexts.load(Ordering::Acquire) == 0 {
            // SAFETY: the core is alive, held by this `Arc`; no context is left.
            unsafe { holders.give_back(Arc::as_ptr(&self.0)) };
        }
    }
}

/// A context's hold on its state.
#[derive(Debug)]
pub(crate) struct Held(NonNull<Core>);

impl Held {
    /// To be called with a `Vm` of the state in hand, on the state's thread if it has one. Contexts stay on the
    /// thread that made them.
    #[inline(always)]
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        match core.holders {
            Some(holders) => {
                let contexts = holders.contexts.load(Ordering::Relaxed);
                holders.contexts.store(contexts + 1, Ordering::Relaxed);
                if !holders.taken.load(Ordering::Relaxed) {
                    holders.taken.store(true, Ordering::Relaxed);
                    std::mem::forget(Arc::clone(core));
                }
            }
            None => std::mem::forget(Arc::clone(core)),
        }
        // SAFETY: the pointer of an `Arc` is not null.
        Held(unsafe { NonNull::new_unchecked(Arc::as_ptr(core).cast_mut()) })
    }
}

impl Deref for Held {
    type Target = Core;

    #[inline(always)]
    fn deref(&self) -> &Core {
        // SAFETY: the count taken in `new`, or the one that it shares, keeps the core until `drop`.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Held {
    #[inline(always)]
    fn drop(&mut self) {
        let core: *const Core = self.0.as_ptr();
        let Some(holders) = self.holders else {
            // SAFETY: the count was taken in `new`, from this very `Arc`.
            unsafe { Arc::decrement_strong_count(core) };
            return;
        };
        let contexts = holders.contexts.load(Ordering::Relaxed);
        holders.contexts.store(contexts - 1, Ordering::Release);
        // From here on the core may be gone, unless the shared count is still there. The monitor's barrier is what
        // keeps the processor from looking first.
        compiler_fence(Ordering::SeqCst);
        if contexts == 1 && holders.closed.load(Ordering::Acquire) {
            // SAFETY: the last context is going, and with no `Vm` left no other can come.
            unsafe { holders.give_back(core) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Weak};

    use crate::core::Core;
    use crate::{Vm, VmOptions};

    fn vm() -> (Vm, Weak<Core>) {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        let core = Arc::downgrade(&vm.core);
        (vm, core)
    }

    fn is_gone(core: &Weak<Core>) -> bool {
        core.upgrade().is_none()
    }

    #[test]
    fn the_last_of_vm_and_contexts_frees_the_state() {
        let (alone, core) = vm();
        drop(alone);
        assert!(is_gone(&core));

        let (first, core) = vm();
        let (a, b) = (first.context().unwrap(), first.context().unwrap());
        drop(first);
        drop(a);
        assert!(!is_gone(&core));
        drop(b);
        assert!(is_gone(&core));

        let (last, core) = vm();
        drop(last.context().unwrap());
        drop(last.context().unwrap());
        let clone = last.clone();
        drop(last);
        assert!(!is_gone(&core));
        let context = clone.context().unwrap();
        drop(context);
        drop(clone);
        assert!(is_gone(&core));
    }

    #[test]
    fn a_shared_state_is_freed_too() {
        let vm = Vm::shared(VmOptions::default()).unwrap();
        let core = Arc::downgrade(&vm.core);
        let context = vm.context().unwrap();
        drop(vm);
        assert!(!is_gone(&core));
        drop(context);
        assert!(is_gone(&core));
    }

    #[test]
    fn a_vm_may_end_on_another_thread_at_any_moment() {
        let (unused, core) = vm();
        drop(unused.context().unwrap());
        std::thread::spawn(move || drop(unused)).join().unwrap();
        assert!(is_gone(&core));

        let (held, core) = vm();
        let context = held.context().unwrap();
        std::thread::spawn(move || drop(held)).join().unwrap();
        assert!(!is_gone(&core));
        drop(context);
        assert!(is_gone(&core));

        for turn in 0..200 {
            let (vm, core) = vm();
            let contexts = [vm.context().unwrap(), vm.context().unwrap()];
            let ready = Arc::new(AtomicU32::new(0));
            let other = Arc::clone(&ready);
            let wait = |ready: &AtomicU32, more: u32| {
                ready.fetch_add(1, Ordering::SeqCst);
                while ready.load(Ordering::SeqCst) < 2 {
                    std::thread::yield_now();
                }
                for _ in 0..more {
                    std::hint::spin_loop();
                }
            };
            let thread = std::thread::spawn(move || {
                wait(&other, turn);
                drop(vm);
            });
            wait(&ready, 100);
            drop(contexts);
            thread.join().unwrap();
            assert!(is_gone(&core));
        }
    }
}
