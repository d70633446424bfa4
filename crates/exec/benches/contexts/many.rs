//! A great many contexts at once: what each takes, and what waking one costs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tidegate_exec::{Again, Context, Limits, Outcome, Vm, VmOptions, Yielding, operation};

/// Counts what is allocated: Lua's memory comes from the same allocator.
pub struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often an operation is polled before its context waits: when it is made, and at the end of the step.
pub const POLLS_UNREADY: u32 = 2;

/// What was seen with so many contexts.
pub struct Seen {
    pub contexts: usize,
    pub bytes_each: f64,
    pub wake_each: Duration,
}

/// Suspends `contexts` contexts in a host operation, then wakes them in random order, `rounds` times each.
pub fn measure(contexts: usize, rounds: usize) -> Seen {
    let vm = Vm::per_thread(VmOptions {
        memory_bytes_max: None,
        ..VmOptions::default()
    })
    .unwrap();
    // An operation that is ready once its own flag is set.
    thread_local! { static OPEN: RefCell<Rc<std::cell::Cell<bool>>> = RefCell::default(); }
    vm.enter(|lua| {
        let wait = operation(lua, "wait", |_, ()| {
            let mut polls = 0;
            Ok(poll_fn(move |_| {
                polls += 1;
                let ready = polls > POLLS_UNREADY && OPEN.with(|open| open.borrow().get());
                if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
            }))
        })?;
        lua.globals().set("wait", wait)
    })
    .unwrap()
    .unwrap();
    let entry = vm
        .entry("wait", vm.load("wait.lua", "while true do wait() end").unwrap())
        .unwrap();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut all: Vec<Context> = Vec::with_capacity(contexts);
    let before = LIVE.load(Ordering::Relaxed);
    for _ in 0..contexts {
        let mut context = vm
            .context_with(Limits {
                total: None,
                ..Limits::default()
            })
            .unwrap();
        context.start(&entry, ()).unwrap();
        while !matches!(
            context.step(&mut cx, Yielding::Allowed),
            Ok(Outcome::Again(Again::Waiting))
        ) {}
        all.push(context);
    }
    vm.collect().unwrap();
    let held = LIVE.load(Ordering::Relaxed).saturating_sub(before);
    // The contexts themselves lie in the vector that was there before.
    let bytes_each = held as f64 / contexts as f64 + size_of::<Context>() as f64;
    OPEN.with(|open| open.borrow().set(true));
    let mut order: Vec<usize> = (0..contexts).collect();
    shuffle(&mut order);
    let start = Instant::now();
    for _ in 0..rounds {
        for &i in &order {
            // It is ready now, and resumed; what it then waits for is not ready yet.
            let outcome = all[i].step(&mut cx, Yielding::Allowed);
            assert!(matches!(outcome, Ok(Outcome::Again(_))), "{outcome:?}");
        }
    }
    let wake_each = start.elapsed() / u32::try_from(contexts * rounds).unwrap();
    Seen {
        contexts,
        bytes_each,
        wake_each,
    }
}

fn shuffle(order: &mut [usize]) {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..order.len()).rev() {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        order.swap(i, (seed % (i as u64 + 1)) as usize);
    }
}
