//! How soon a run past its slice is made to yield, alone and on a busy machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidegate_exec::{Again, Limits, Outcome, Vm, VmOptions, Yielding};

/// The median and the 99th of 100 of the time past the slice.
pub struct Late {
    pub median: Duration,
    pub p99: Duration,
}

/// Preempts an endless loop `runs` times, with `busy` threads competing for the processors.
pub fn measure(runs: usize, busy: usize) -> Late {
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..busy)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let slice = Duration::from_millis(1);
    let vm = Vm::per_thread(VmOptions::default()).unwrap();
    let entry = vm
        .entry("endless", vm.load("endless.lua", "while true do end").unwrap())
        .unwrap();
    let limits = Limits {
        slice: Some(slice),
        total: None,
        ..Limits::default()
    };
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut context = vm.context_with(limits).unwrap();
    context.start(&entry, ()).unwrap();
    let mut late: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            let outcome = context.step(&mut cx, Yielding::Allowed);
            assert!(matches!(outcome, Ok(Outcome::Again(Again::Slice))), "{outcome:?}");
            start.elapsed().saturating_sub(slice)
        })
        .collect();
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        let _ = thread.join();
    }
    late.sort_unstable();
    Late {
        median: late[runs / 2],
        p99: late[runs * 99 / 100],
    }
}
