//! The figures that this crate owes, each as a ratio to a baseline of the same run.
//!
//! `cargo bench -p tidegate-exec` measures and prints the table that docs/benchmarks.md keeps.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod many;
mod original;
mod preempt;
mod scripts;

use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use criterion::Criterion;
use tidegate_exec::mlua::Lua;
use tidegate_exec::{Limits, Outcome, Vm, VmOptions, Yielding, operation};

#[global_allocator]
static ALLOCATOR: many::Counting = many::Counting;

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(30)
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300))
        .configure_from_args();
    for mut set in sets() {
        let mut group = criterion.benchmark_group(set.name);
        for (name, run) in &mut set.runs {
            group.bench_function(*name, |b| b.iter(&mut *run));
        }
        group.finish();
    }
    // `cargo test --benches` only wants to see that all of it runs.
    if std::env::args().any(|arg| arg == "--bench") {
        summary();
    }
}

/// One thing to run.
type Run = Box<dyn FnMut()>;

/// The same work done in several ways.
struct Set {
    name: &'static str,
    runs: Vec<(&'static str, Run)>,
}

fn sets() -> Vec<Set> {
    let mut sets = vec![trivial(), suspension()];
    sets.extend(scripts::SCRIPTS.map(computing));
    sets
}

fn vm() -> Vm {
    Vm::per_thread(VmOptions {
        memory_bytes_max: None,
        ..VmOptions::default()
    })
    .unwrap()
}

fn waker() -> std::task::Context<'static> {
    std::task::Context::from_waker(Waker::noop())
}

fn trivial() -> Set {
    let script = "return";
    let vm = vm();
    let entry = vm
        .entry("trivial", vm.load("trivial.lua", script).unwrap())
        .unwrap();
    let ours = move || {
        let mut context = vm.context().unwrap();
        context.start(&entry, ()).unwrap();
        while !matches!(context.step(&mut waker(), Yielding::Allowed), Ok(Outcome::Ok)) {}
    };
    let mut original = original::Original::new(script);
    let lua = Lua::new();
    let function = lua.load(script).into_function().unwrap();
    let call_async = move || {
        let _ = &lua;
        let call = function.call_async::<()>(());
        assert!(matches!(
            std::pin::pin!(call).poll(&mut waker()),
            Poll::Ready(Ok(()))
        ));
    };
    let original = move || original.run();
    let runs: Vec<(&str, Run)> = vec![
        ("ours", Box::new(ours)),
        ("original", Box::new(original)),
        ("call_async", Box::new(call_async)),
    ];
    Set {
        name: "trivial",
        runs,
    }
}

/// Ready when it was polled so many times in vain.
fn ready_after(polls: u32) -> impl Future<Output = tidegate_exec::mlua::Result<()>> + Send {
    let mut left = polls;
    poll_fn(move |_| match left.checked_sub(1) {
        None => Poll::Ready(Ok(())),
        Some(fewer) => {
            left = fewer;
            Poll::Pending
        }
    })
}

fn suspension() -> Set {
    let script = "while true do wait() end";
    let vm = vm();
    vm.enter(|lua| {
        lua.globals().set(
            "wait",
            operation(lua, "wait", |_, ()| Ok(ready_after(many::POLLS_UNREADY)))?,
        )
    })
    .unwrap()
    .unwrap();
    let entry = vm.entry("wait", vm.load("wait.lua", script).unwrap()).unwrap();
    let mut context = vm
        .context_with(Limits {
            total: None,
            ..Limits::default()
        })
        .unwrap();
    context.start(&entry, ()).unwrap();
    let _ = context.step(&mut waker(), Yielding::Allowed).unwrap();
    let ours = move || {
        assert!(matches!(
            context.step(&mut waker(), Yielding::Allowed),
            Ok(Outcome::Again(_))
        ))
    };
    let lua = Lua::new();
    lua.globals()
        .set("wait", lua.create_async_function(|_, ()| ready_after(1)).unwrap())
        .unwrap();
    let mut call = Box::pin(lua.load(script).into_function().unwrap().call_async::<()>(()));
    assert!(call.as_mut().poll(&mut waker()).is_pending());
    let mlua = move || {
        let _ = &lua;
        assert!(call.as_mut().poll(&mut waker()).is_pending());
    };
    Set {
        name: "suspension",
        runs: vec![("ours", Box::new(ours) as Run), ("mlua", Box::new(mlua))],
    }
}

fn computing((name, script): (&'static str, &'static str)) -> Set {
    let mut limited = scripts::Limited::new(script);
    let mut bare = scripts::Bare::new(script, None);
    let mut hooked = scripts::Bare::new(script, Some(10_000));
    let runs: Vec<(&str, Run)> = vec![
        ("limited", Box::new(move || limited.run())),
        ("bare", Box::new(move || bare.run())),
        ("hooked", Box::new(move || hooked.run())),
    ];
    Set { name, runs }
}

/// Nanoseconds for each run of the set, measured in turns: what disturbs one round disturbs all of them. The
/// fastest of many short rounds is what the processor needs when it is left alone.
fn in_turns(set: &mut Set) -> Vec<f64> {
    let rounds = 60;
    let mut best = vec![f64::INFINITY; set.runs.len()];
    let counts: Vec<u32> = set
        .runs
        .iter_mut()
        .map(|(_, run)| {
            let (start, mut n) = (Instant::now(), 0);
            while start.elapsed() < Duration::from_millis(10) {
                run();
                n += 1;
            }
            n.max(1)
        })
        .collect();
    for _ in 0..rounds {
        for ((best, (_, run)), n) in best.iter_mut().zip(&mut set.runs).zip(&counts) {
            let start = Instant::now();
            for _ in 0..*n {
                run();
            }
            *best = best.min(start.elapsed().as_nanos() as f64 / f64::from(*n));
        }
    }
    best
}

fn summary() {
    println!("\n| figure | measured | target |\n|---|---|---|");
    let row = |figure: &str, measured: String, target: &str| println!("| {figure} | {measured} | {target} |");
    let times = |base: f64, ours: f64| {
        format!(
            "{:.1} times faster ({ours:.0} ns against {base:.0} ns)",
            base / ours
        )
    };
    let ns = in_turns(&mut trivial());
    row(
        "create, run, destroy, against the original's algorithm",
        times(ns[1], ns[0]),
        "5",
    );
    row("the same against mlua's `call_async`", times(ns[2], ns[0]), "4");
    let ns = in_turns(&mut suspension());
    row(
        "a host suspension, against an mlua async function",
        times(ns[1], ns[0]),
        "3",
    );
    for script in scripts::SCRIPTS {
        let name = script.0;
        let ns = in_turns(&mut computing(script));
        let percent = (ns[0] / ns[1] - 1.0) * 100.0;
        row(
            &format!("limits and accounts, {name}, against none"),
            format!("{percent:+.1} %"),
            "3 % or less",
        );
        let target = if name == "library" {
            "(none)"
        } else {
            "0.5 or less"
        };
        row(
            &format!("the same against a count hook, {name}"),
            format!("{:.2}", ns[0] / ns[2]),
            target,
        );
    }
    let few = many::measure(1_000, 200);
    let middle = many::measure(100_000, 4);
    let most = many::measure(1_000_000, 2);
    for seen in [&few, &middle, &most] {
        let figure = format!("memory per suspended context, {} of them", seen.contexts);
        row(&figure, format!("{:.0} bytes", seen.bytes_each), "1536 or less");
    }
    let ratio = most.wake_each.as_secs_f64() / few.wake_each.as_secs_f64();
    let text = format!(
        "{ratio:.2} times ({:?} against {:?})",
        most.wake_each, few.wake_each
    );
    row(
        "a wake-up in random order among 1,000,000, against 1,000",
        text,
        "2 or less",
    );
    for busy in [0, 2] {
        let late = preempt::measure(300, busy);
        let text = format!("{:?} in the median, {:?} at p99", late.median, late.p99);
        row(
            &format!("preempted past its slice, {busy} busy threads beside it"),
            text,
            "1 tick (1 ms), 10 ms",
        );
    }
}
