//! What execution contexts have beyond their origin: limits, suspension, recycling, failures, cancellation,
//! kinds of state, generations, accounts, and being a future. The names carry the number of the point.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{self, Wake};
use std::time::Duration;

use common::*;
use tidegate_exec::mlua::{self, MultiValue, Value};
use tidegate_exec::{
    Again, CallError, Context, Failure, FailureKind, Limits, Misuse, Outcome, Vm, Yielding, function,
    operation, turn,
};

/// Spins for `ms` of Lua time without a call.
const SPIN: &str = "local function spin(ms)
        local stop = os.clock() + ms / 1000 while os.clock() < stop do end
    end ";

#[test]
fn a1_a_slice_yields_and_the_run_goes_on_as_if_nothing_had_been() {
    let vm = vm();
    let source = format!(
        "{SPIN} local a, b, t = 1, 'b', {{...}} spin(20) coroutine.wrap(function() spin(20) end)()
        pcall(spin, 20) return a, b, t[1]"
    );
    let mut context = vm.context_with(patient()).unwrap();
    context.start(&entry(&vm, &source), "arg").unwrap();
    let mut slices = 0;
    loop {
        match step(&mut context) {
            Outcome::Again(why) => assert_eq!(why, Again::Slice),
            Outcome::Ok => break,
            Outcome::Failed(failure) => panic!("{failure:?}"),
        }
        assert!(context.is_running());
        slices += 1;
    }
    assert!(slices >= 3, "{slices}");
    assert_eq!(
        context.take::<(i64, String, String)>().unwrap(),
        (1, "b".into(), "arg".into())
    );
    assert_eq!(context.stats().yields, slices);
}

#[test]
fn a1_past_its_slice_where_it_cannot_yield_a_run_goes_on_in_place() {
    let vm = vm();
    let source = format!(
        "{SPIN} local n = 0
        table.sort({{2, 1}}, function(a, b) spin(10) n = n + 1 return a < b end) return n > 0"
    );
    assert_eq!(run::<bool>(&vm, &source), Ok(true));
    let mut context = vm.context_with(patient()).unwrap();
    context
        .start(&entry(&vm, &format!("{SPIN} spin(10) return 1")), ())
        .unwrap();
    assert!(matches!(step_with(&mut context, Yielding::Refused), Outcome::Ok));
}

#[test]
fn a1_the_burst_ends_what_cannot_yield() {
    let vm = vm();
    let limits = Limits {
        total: None,
        ..short()
    };
    for source in [
        "table.sort({2, 1}, function()\nwhile true do end end)",
        "string.gsub('x', 'x', function()\nwhile true do end end)",
        "tostring(setmetatable({}, {__tostring = function()\nwhile true do end end}))",
        "table.sort({2, 1}, function() coroutine.wrap(function() coroutine.wrap(function()\nwhile true do end end)() end)() end)",
    ] {
        let failure = failure_with(&vm, source, limits);
        assert_kind(&failure, FailureKind::BurstTimeout);
        assert_eq!(message(&failure), "ran 20 ms without yielding");
    }
}

#[test]
fn a1_a_yield_starts_a_new_burst_and_waiting_is_not_counted() {
    let vm = vm();
    let limits = Limits {
        slice: None,
        burst: Some(Duration::from_millis(200)),
        total: None,
        forced_yield: None,
    };
    for pause in ["coroutine.yield()", "nap()"] {
        let source = format!("for i = 1, 8 do spin_ms(40) local x = 1 {pause} end return true");
        // On a busy machine one of the short bursts may take as long as all of them should.
        let goes_on = || run_with::<bool>(&vm, &source, limits) == Ok(true);
        assert!((0..10).any(|_| goes_on()), "{pause}");
    }
    // The host takes its time between two steps: no limit of the script's.
    let limits = Limits {
        burst: Some(Duration::from_millis(100)),
        total: Some(Duration::from_millis(100)),
        ..Limits::NONE
    };
    let mut context = vm.context_with(limits).unwrap();
    context
        .start(&entry(&vm, "nap() coroutine.yield() return true"), ())
        .unwrap();
    expect_again(&step(&mut context), Again::Waiting);
    std::thread::sleep(Duration::from_millis(150));
    expect_again(&step(&mut context), Again::Turn);
    std::thread::sleep(Duration::from_millis(150));
    assert!(matches!(step(&mut context), Outcome::Ok));
}

#[test]
fn a1_the_total_adds_up_over_yields_of_every_kind() {
    let vm = vm();
    for pause in ["coroutine.yield()", "nap()", "ready()", "coroutine.wrap(nap)()"] {
        let source = format!("for i = 1, 1000 do spin_ms(5) {pause} end");
        let limits = Limits {
            total: Some(Duration::from_millis(50)),
            ..Limits::NONE
        };
        let mut context = vm.context_with(limits).unwrap();
        context.start(&entry(&vm, &source), ()).unwrap();
        let (outcome, turns) = finish_counting(&mut context);
        let Outcome::Failed(failure) = outcome else {
            panic!("{outcome:?}");
        };
        assert_kind(&failure, FailureKind::TotalTimeout);
        assert_eq!(message(&failure), "ran 50 ms in all");
        assert!(turns <= 10, "{turns} yields of 5 ms");
        // The next run of the same context begins anew.
        assert_eq!(
            call::<i64>(&mut context, &entry(&vm, "spin_ms(5) nap() return 1"), ()),
            Ok(1)
        );
    }
}

#[test]
fn a1_limits_hold_deep_inside_a_script_s_own_coroutines() {
    let vm = vm();
    for depth in [1, 2, 10, 50] {
        for resume in [
            "coroutine.wrap(deep)(n - 1)",
            "coroutine.resume(coroutine.create(deep), n - 1)",
            "pcall(coroutine.wrap(deep), n - 1)",
        ] {
            let source = format!(
                "local function deep(n) if n == 0 then while true do end end {resume} end deep({depth}) while true do end"
            );
            for limits in [total_only(), burst_only()] {
                // On a busy machine the limit may be reached before the innermost loop is.
                let deep = |failure: &Failure| failure.traceback.matches("(resumed by)").count() == depth;
                let mut failure = failure_with(&vm, &source, limits);
                for _ in 0..10 {
                    if deep(&failure) {
                        break;
                    }
                    failure = failure_with(&vm, &source, limits);
                }
                assert!(
                    matches!(
                        failure.kind,
                        FailureKind::TotalTimeout | FailureKind::BurstTimeout
                    ),
                    "{failure:?}"
                );
                assert!(deep(&failure), "{depth}: {}", failure.traceback);
            }
        }
    }
}

#[test]
fn a1_slices_pass_through_a_script_s_own_coroutines_unseen() {
    let vm = vm();
    let source = format!(
        "{SPIN} local seen = {{}}
        local inner = coroutine.wrap(function() for i = 1, 3 do spin(5) coroutine.yield(i) end return 'end' end)
        local outer = coroutine.wrap(function() for i = 1, 4 do spin(5) coroutine.yield(inner()) end end)
        for i = 1, 4 do seen[i] = outer() end return table.concat(seen, ' ')"
    );
    let mut context = vm.context_with(patient()).unwrap();
    context.start(&entry(&vm, &source), ()).unwrap();
    let (outcome, turns) = finish_counting(&mut context);
    assert!(matches!(outcome, Outcome::Ok), "{outcome:?}");
    assert_eq!(context.take::<String>().unwrap(), "1 2 3 end");
    assert!(turns >= 5, "{turns}");
}

#[test]
fn a1_a_forced_yield_counts_exactly() {
    let vm = vm();
    let turns = |source: &str, count: u32| {
        let limits = Limits {
            forced_yield: NonZeroU32::new(count),
            ..Limits::NONE
        };
        let mut context = vm.context_with(limits).unwrap();
        context.start(&entry(&vm, source), ()).unwrap();
        let (outcome, turns) = finish_counting(&mut context);
        assert!(matches!(outcome, Outcome::Ok), "{outcome:?}");
        turns
    };
    // One instruction for each round of an empty loop, and a few around it.
    for (rounds, count) in [(10_000, 1000), (10_000, 100), (100_000, 1000)] {
        let source = format!("for i = 1, {rounds} do end");
        let expected = rounds / count;
        let counted = turns(&source, count);
        assert!(
            (expected..=expected + 1).contains(&counted),
            "{counted} of {expected}"
        );
        assert_eq!(turns(&source, count), counted, "the count is not exact");
        // In a coroutine of the script's own there is a count of its own.
        let inside = format!("coroutine.wrap(function() for i = 1, {rounds} do end end)()");
        let counted = turns(&inside, count);
        assert!(
            (expected..=expected + 1).contains(&counted),
            "{counted} of {expected} inside"
        );
    }
    // After it, nothing of the hook is left for the next context.
    let mut context = vm.context_with(steady()).unwrap();
    context
        .start(&entry(&vm, "for i = 1, 100000 do end"), ())
        .unwrap();
    assert!(matches!(step(&mut context), Outcome::Ok));
}

#[test]
fn a1_without_limits_nothing_is_interrupted() {
    let vm = vm();
    let mut context = vm.context_with(Limits::NONE).unwrap();
    context
        .start(&entry(&vm, &format!("{SPIN} spin(50) return 1")), ())
        .unwrap();
    assert!(matches!(step(&mut context), Outcome::Ok));
}

#[test]
fn a2_an_operation_s_results_are_what_the_function_returns() {
    let vm = vm();
    for (source, expected) in [
        ("return nap()", ""),
        ("return nap(1, nil, 'x')", "1 nil x"),
        ("return (nap(1, 2))", "1"),
        ("return nap(nap(1), nap(2))", "1 2"),
        ("return 0, nap(1)", "0 1"),
        ("local t = {nap(1, 2, 3)} return #t", "3"),
        ("return select('#', nap(table.unpack({}, 1, 200)))", "200"),
        ("return ready(1, 2), nap(3, 4)", "1 3 4"),
        ("return pcall(nap, 1, 2)", "true 1 2"),
        (
            "local r = 0 for i = 1, 100 do r = r + nap(i) + ready(i) end return r",
            "10100",
        ),
    ] {
        let source = format!(
            "local r = table.pack((function() {source} end)())
            for i = 1, r.n do r[i] = tostring(r[i]) end return table.concat(r, ' ')"
        );
        assert_eq!(run::<String>(&vm, &source).unwrap(), expected, "{source}");
    }
}

#[test]
fn a2_an_operation_wakes_whoever_steps() {
    struct Counter(AtomicUsize);
    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let vm = vm();
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Arc::clone(&counter).into();
    let mut cx = task::Context::from_waker(&waker);
    let mut context = vm.context_with(steady()).unwrap();
    context.start(&entry(&vm, "nap() nap() nap()"), ()).unwrap();
    for woken in 1..=3 {
        expect_again(&context.step(&mut cx, Yielding::Allowed).unwrap(), Again::Waiting);
        assert_eq!(counter.0.load(Ordering::SeqCst), woken);
        assert_eq!(vm.usage().unwrap().pending, 1);
    }
    assert!(matches!(
        context.step(&mut cx, Yielding::Allowed).unwrap(),
        Outcome::Ok
    ));
    assert_eq!(vm.usage().unwrap().pending, 0);
}

#[test]
fn a2_an_operation_that_is_ready_at_once_is_a_call_like_any_other() {
    let vm = vm();
    let mut context = vm.context_with(Limits::NONE).unwrap();
    let source = "local n = 0 for i = 1, 100 do n = n + ready(i) end return n, ready('a', 'b')";
    context.start(&entry(&vm, source), ()).unwrap();
    assert!(matches!(step(&mut context), Outcome::Ok));
    assert_eq!(
        context.take::<(i64, String, String)>().unwrap(),
        (5050, "a".into(), "b".into())
    );
    assert_eq!(context.stats().yields, 0);
    assert_eq!(vm.usage().unwrap().pending, 0);
}

#[test]
fn a2_a_turn_is_given_from_any_depth() {
    let vm = vm();
    vm.enter(|lua| lua.globals().set("turn", turn(lua, "turn")?))
        .unwrap()
        .unwrap();
    for (source, turns) in [
        ("turn() turn(1, 2) return select('#', turn(3))", 3),
        ("return coroutine.wrap(function() turn() return 0 end)()", 1),
        (
            "local inner = coroutine.wrap(function() for i = 1, 2 do turn() coroutine.yield(i) end end)
            local sum = 0 for i = 1, 2 do turn() sum = sum + inner() end return sum - 3",
            4,
        ),
        ("return select(2, pcall(function() turn() return 0 end))", 1),
    ] {
        let mut context = vm.context_with(Limits::NONE).unwrap();
        context.start(&entry(&vm, source), ()).unwrap();
        for _ in 0..turns {
            expect_again(&step(&mut context), Again::Turn);
        }
        assert!(matches!(step(&mut context), Outcome::Ok), "{source}");
        assert_eq!(context.take::<i64>().unwrap(), 0, "{source}");
        assert_eq!(context.stats().yields, turns, "{source}");
    }
    let failure = run::<()>(&vm, "table.sort({2, 1}, function() turn() end)").unwrap_err();
    assert_eq!(
        message(&failure),
        "test.lua:1: attempt to yield across a C-call boundary: `turn` waits inside `sort`"
    );
    let mut context = vm.context_with(Limits::NONE).unwrap();
    context.start(&entry(&vm, "turn()"), ()).unwrap();
    let outcome = step_with(&mut context, Yielding::Refused);
    assert!(matches!(&outcome, Outcome::Failed(f) if f.kind == FailureKind::YieldNotAllowed));
    let outside = vm
        .enter(|lua| lua.load("turn()").exec())
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(outside.contains("only works inside a context"), "{outside}");
}

#[test]
fn a2_where_no_yield_is_allowed_no_operation_begins() {
    let vm = vm();
    let begun = Arc::new(AtomicUsize::new(0));
    vm.enter(|lua| {
        let begun = Arc::clone(&begun);
        let count = operation(lua, "count", move |_, _: ()| {
            begun.fetch_add(1, Ordering::SeqCst);
            Ok(async { Ok(()) })
        });
        lua.globals().set("count", count.unwrap()).unwrap();
    })
    .unwrap();
    let mut context = vm.context_with(Limits::NONE).unwrap();
    context.start(&entry(&vm, "count()"), ()).unwrap();
    let outcome = step_with(&mut context, Yielding::Refused);
    assert!(matches!(&outcome, Outcome::Failed(f) if f.kind == FailureKind::YieldNotAllowed));
    let failure = run::<()>(&vm, "table.sort({2, 1}, function() count() end)").unwrap_err();
    assert!(message(&failure).contains("waits inside `sort`"), "{failure:?}");
    assert_eq!(begun.load(Ordering::SeqCst), 0);
    assert_eq!(run::<()>(&vm, "count()"), Ok(()));
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

#[test]
fn a2_a_step_too_early_changes_nothing() {
    let vm = vm();
    let gate = Arc::new(AtomicBool::new(false));
    vm.enter(|lua| {
        let gate = Arc::clone(&gate);
        let wait = operation(lua, "gate", move |_, _: ()| {
            let gate = Arc::clone(&gate);
            Ok(std::future::poll_fn(move |_| {
                if gate.load(Ordering::Relaxed) {
                    task::Poll::Ready(Ok("open"))
                } else {
                    task::Poll::Pending
                }
            }))
        });
        lua.globals().set("gate", wait.unwrap()).unwrap();
    })
    .unwrap();
    let mut context = vm.context_with(steady()).unwrap();
    context.start(&entry(&vm, "return gate()"), ()).unwrap();
    for _ in 0..5 {
        expect_again(&step(&mut context), Again::Waiting);
    }
    assert_eq!(context.stats().yields, 1);
    gate.store(true, Ordering::Relaxed);
    assert!(matches!(step(&mut context), Outcome::Ok));
    assert_eq!(context.take::<String>().unwrap(), "open");
}

#[test]
fn a3_operations_suspend_through_coroutines_while_yields_reach_their_own_resume() {
    let vm = vm();
    for (source, expected) in [
        ("return coroutine.wrap(function() nap() return 1 end)()", "1"),
        ("return coroutine.resume(coroutine.create(function(...) return nap(...) end), 1, 2)", "true 1 2"),
        (
            "local co = coroutine.wrap(function(a) local b = coroutine.yield(nap(a)) return nap(b) end) return co(1), co(2)",
            "1 2",
        ),
        (
            "local inner = coroutine.wrap(function() nap() coroutine.yield('i1') nap() return 'i2' end)
            local outer = coroutine.wrap(function() coroutine.yield(inner()) nap() return inner() end)
            return outer(), outer()",
            "i1 i2",
        ),
        (
            "local r = {} for v in coroutine.wrap(function() for i = 1, 3 do nap() coroutine.yield(i) end end) do r[#r + 1] = v end
            return table.concat(r)",
            "123",
        ),
        (
            "local function deep(n) if n == 0 then return nap('bottom') end return coroutine.wrap(deep)(n - 1) end return deep(50)",
            "bottom",
        ),
        (
            "local co = coroutine.create(function() nap() error('lost') end) local ok, e = coroutine.resume(co) return ok, e, coroutine.status(co)",
            "false test.lua:1: lost dead",
        ),
        (
            "local ok, e = pcall(coroutine.wrap(function() nap_fails('refused') end)) return ok, (e:gsub('test.lua:1: ', ''))",
            "false refused",
        ),
        (
            "local co = coroutine.create(function() nap() return coroutine.isyieldable() end) return coroutine.resume(co)",
            "true true",
        ),
        (
            "local closed local co = coroutine.create(function()
                local x <close> = setmetatable({}, {__close = function() closed = 'closed' end}) nap() coroutine.yield() end)
            coroutine.resume(co) return coroutine.close(co), closed",
            "true closed",
        ),
        ("return pcall(coroutine.wrap(function() return pcall(nap, 7) end))", "true true 7"),
        (
            "local co co = coroutine.create(function() nap() return coroutine.status(co), coroutine.running() == co end) return coroutine.resume(co)",
            "true running true",
        ),
    ] {
        let packed = format!(
            "local r = table.pack((function() {source} end)())
            for i = 1, r.n do r[i] = tostring(r[i]) end return table.concat(r, ' ')"
        );
        assert_eq!(run::<String>(&vm, &packed).unwrap(), expected, "{source}");
        // The same, cut into slices wherever that may be.
        for count in [1, 2, 3, 7, 50] {
            let limits = Limits {
                forced_yield: NonZeroU32::new(count),
                ..Limits::NONE
            };
            assert_eq!(run_with::<String>(&vm, &packed, limits).unwrap(), expected, "{count}: {source}");
        }
    }
    assert_eq!(vm.usage().unwrap().pending, 0);
}

#[test]
fn a4_recycling_leaves_nothing_behind() {
    let vm = vm();
    let probe = Probe::new();
    vm.enter(|lua| give_probe(lua, "probe", &probe)).unwrap();
    let held = probe.alive();
    let leave = entry(
        &vm,
        "set_priv(probe()) local t = {} for i = 1, 150 do t[i] = probe() end return table.unpack(t)",
    );
    let look = entry(&vm, "return get_priv(), attached(), select('#', ...)");
    for how in ["taken", "left", "cancelled"] {
        let mut context = vm.context_with(steady()).unwrap();
        context.attach(7_i64);
        let coroutines = vm.usage().unwrap().coroutines;
        match how {
            "taken" => assert_eq!(call::<MultiValue>(&mut context, &leave, ()).unwrap().len(), 150),
            "left" => {
                context.start(&leave, ()).unwrap();
                assert!(matches!(finish(&mut context), Outcome::Ok));
            }
            _ => {
                context
                    .start(
                        &entry(&vm, "set_priv(probe()) local a = probe() nap(probe())"),
                        (),
                    )
                    .unwrap();
                expect_again(&step(&mut context), Again::Waiting);
            }
        }
        drop(context);
        let mut next = vm.context_with(steady()).unwrap();
        assert_eq!(vm.usage().unwrap().coroutines, coroutines, "{how}: not recycled");
        assert_eq!(
            call::<(Value, Value, i64)>(&mut next, &look, ()).unwrap(),
            (Value::Nil, Value::Nil, 0),
            "{how}"
        );
        vm.enter(|lua| lua.gc_collect()).unwrap().unwrap();
        vm.enter(|lua| lua.gc_collect()).unwrap().unwrap();
        assert_eq!(probe.alive(), held, "{how}");
    }
}

#[test]
fn a4_a_value_attached_between_two_runs_is_found_by_the_next() {
    let vm = vm();
    let look = entry(&vm, "return attached()");
    let mut context = vm.context().unwrap();
    call::<()>(&mut context, &entry(&vm, "local a = 1"), ()).unwrap();
    context.attach(7_i64);
    assert_eq!(call::<i64>(&mut context, &look, ()), Ok(7));
    assert_eq!(call::<i64>(&mut context, &look, ()), Ok(7));
    context.attach(8_i64);
    assert_eq!(call::<i64>(&mut context, &look, ()), Ok(8));
}

#[test]
fn a5_a_failure_keeps_kind_message_traceback_place_and_caller() {
    let vm = vm();
    let source = "local function inner()
    nap()
    error('no luck')
end
local function outer()
    inner()
    return 1
end
outer()";
    let entry = named_entry(&vm, "check_login", source);
    let mut context = vm.context().unwrap();
    let failure = call::<()>(&mut context, &entry, ()).unwrap_err();
    assert_kind(&failure, FailureKind::Runtime);
    assert_eq!(message(&failure), "test.lua:3: no luck");
    assert_eq!(
        (failure.script.as_deref(), failure.line),
        (Some("test.lua"), Some(3))
    );
    assert_eq!(&*failure.entry, "check_login");
    assert_eq!(
        failure.traceback,
        "stack traceback:\n\t[C]: in global 'error'\n\ttest.lua:3: in upvalue 'inner'\n\ttest.lua:6: in local 'outer'\n\ttest.lua:9: in main chunk"
    );
}

#[test]
fn a5_host_errors_are_strings_with_the_place_of_the_call() {
    let vm = vm();
    for name in ["fails", "nap_fails"] {
        let source = format!("local ok, e = pcall(function()\n{name}('refused')\nend) return ok, e, type(e)");
        assert_eq!(
            run::<(bool, String, String)>(&vm, &source).unwrap(),
            (false, "test.lua:2: refused".into(), "string".into())
        );
        let failure = failure(&vm, &format!("\n\n{name}('refused')"));
        assert_kind(&failure, FailureKind::Runtime);
        assert_eq!(message(&failure), "test.lua:3: refused");
        assert_eq!(failure.line, Some(3));
        // Called by a native function there is no place to name, as in Lua's own library.
        let source = format!("return select(2, pcall({name}, 'refused'))");
        assert_eq!(run::<String>(&vm, &source).unwrap(), "refused");
    }
}

#[test]
fn a5_arguments_of_the_wrong_type_are_named_as_lua_does() {
    let vm = vm();
    vm.enter(|lua| {
        let f = function(lua, "takes", |_, (_, _): (i64, String)| Ok(())).unwrap();
        lua.globals().set("takes", f).unwrap();
    })
    .unwrap();
    for (args, expected) in [
        (
            "{}, 'x'",
            "bad argument #1 to 'takes' (number expected, got table)",
        ),
        ("1, {}", "bad argument #2 to 'takes' (string expected, got table)"),
    ] {
        let failure = failure(&vm, &format!("takes({args})"));
        assert_eq!(message(&failure), format!("test.lua:1: {expected}"));
    }
}

#[test]
fn a5_misuse_is_an_error_of_the_host_s_that_no_script_sees() {
    let (vm, other) = (vm(), common::vm());
    let mut cx = task::Context::from_waker(task::Waker::noop());
    let entry = entry(&vm, "coroutine.yield() return {}");
    let mut context = vm.context_with(steady()).unwrap();
    assert!(matches!(
        context.step(&mut cx, Yielding::Allowed),
        Err(Misuse::NotStarted)
    ));
    let foreign = common::entry(&other, "return 1");
    assert_eq!(context.start(&foreign, ()), Err(Misuse::OtherState));
    context.start(&entry, ()).unwrap();
    assert_eq!(context.start(&entry, ()), Err(Misuse::NotOver));
    expect_again(&step(&mut context), Again::Turn);
    assert_eq!(context.start(&entry, ()), Err(Misuse::NotOver));
    assert!(matches!(step(&mut context), Outcome::Ok));
    assert_eq!(context.take::<i64>(), Err(Misuse::Conversion));
    assert!(matches!(
        context.step(&mut cx, Yielding::Allowed),
        Err(Misuse::NotStarted)
    ));
    // None of it broke anything.
    assert_eq!(
        call::<i64>(&mut context, &common::entry(&vm, "return nap(7)"), ()),
        Ok(7)
    );
    let elsewhere = vm.clone();
    let found = std::thread::spawn(move || {
        (
            elsewhere.context().map(|_| ()),
            elsewhere.enter(|_| ()),
            elsewhere.usage().map(|_| ()),
            elsewhere.collect(),
            elsewhere.load("x.lua", "return 1").is_err(),
        )
    })
    .join()
    .unwrap();
    let wrong = Err(Misuse::WrongThread);
    assert_eq!(found, (wrong, wrong, wrong, wrong, true));
}

#[test]
fn a5_values_of_another_state_are_misuse() {
    let (vm, other) = (vm(), common::vm());
    let foreign = other.load("foreign.lua", "return 1").unwrap();
    assert!(vm.entry("foreign", foreign.clone()).is_err());
    let echo = entry(&vm, "return ...");
    let mut context = vm.context().unwrap();
    assert_eq!(context.start(&echo, (1, foreign)), Err(Misuse::Conversion));
    assert!(!context.is_running());
    assert_eq!(call::<i64>(&mut context, &echo, 7), Ok(7));
    serves(&vm);
}

#[test]
fn a5_arguments_that_cannot_be_converted_are_misuse_and_leave_the_context_usable() {
    struct Refuses;
    impl mlua::IntoLua for Refuses {
        fn into_lua(self, _: &mlua::Lua) -> mlua::Result<Value> {
            Err(mlua::Error::runtime("has no place in Lua"))
        }
    }
    let vm = vm();
    let echo = entry(&vm, "return ...");
    let mut context = vm.context().unwrap();
    assert_eq!(context.start(&echo, (1, Refuses, 2)), Err(Misuse::Conversion));
    assert!(!context.is_running());
    assert_eq!(call::<(i64, i64)>(&mut context, &echo, (1, 2)), Ok((1, 2)));
}

#[test]
fn a6_dropping_a_suspended_context_drops_its_future_and_closes_its_variables() {
    let vm = vm();
    let probe = Probe::new();
    vm.enter(|lua| {
        let inside = probe.clone();
        let wait = operation(lua, "holds", move |_, _: ()| {
            let held = inside.clone();
            Ok(async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok(())
            })
        });
        lua.globals().set("holds", wait.unwrap()).unwrap();
    })
    .unwrap();
    let idle = probe.alive();
    let source = "local why = ...
        local a <close> = setmetatable({}, {__close = function() closed = closed .. 'a' end})
        local b <close> = setmetatable({}, {__close = function() closed = closed .. 'b' end})
        if why == 'wait' then holds() elseif why == 'yield' then coroutine.yield()
        elseif why == 'inside' then coroutine.wrap(holds)() else while true do end end";
    let wait = entry(&vm, source);
    for why in ["wait", "yield", "inside", "slice"] {
        for way in ["drop", "cancel"] {
            exec(&vm, "closed = ''");
            let mut context = vm
                .context_with(if why == "slice" { patient() } else { steady() })
                .unwrap();
            context.start(&wait, why).unwrap();
            assert!(matches!(step(&mut context), Outcome::Again(_)));
            let waits = usize::from(why == "wait" || why == "inside");
            assert_eq!(
                (probe.alive() - idle, vm.usage().unwrap().pending),
                (waits, waits)
            );
            assert_eq!(eval::<String>(&vm, "return closed"), "");
            if way == "drop" {
                drop(context);
            } else {
                context.cancel();
                assert!(!context.is_running());
                assert_eq!(call::<i64>(&mut context, &entry(&vm, "return 7"), ()), Ok(7));
            }
            assert_eq!(
                (probe.alive(), vm.usage().unwrap().pending),
                (idle, 0),
                "{why}, {way}"
            );
            assert_eq!(eval::<String>(&vm, "return closed"), "ba", "{why}, {way}");
        }
    }
    drop(wait);
    vm.collect().unwrap();
    let usage = vm.usage().unwrap();
    assert_eq!((usage.contexts, usage.coroutines, usage.pending), (0, 0, 0));
}

#[test]
fn a6_what_is_open_inside_a_script_s_own_coroutines_is_closed_too() {
    let vm = vm();
    let source = "local how, wait = ...
        local function open(name) return setmetatable({}, {__close = function() closed = closed .. name end}) end
        local function wrap(f) return coroutine.wrap(f) end
        local function resume(f) local co = coroutine.create(f) kept = co return function() return coroutine.resume(co) end end
        local inside = how == 'wrap' and wrap or resume
        local a <close> = open('a')
        inside(function()
            local b <close> = open('b')
            inside(function()
                local c <close> = open('c')
                if wait == 'operation' then never() elseif wait == 'loop' then while true do end end
            end)()
        end)()";
    let limits = Limits {
        slice: Some(Duration::from_millis(2)),
        ..Limits::NONE
    };
    for how in ["wrap", "resume"] {
        for wait in ["operation", "loop"] {
            exec(&vm, "closed = ''");
            let mut context = vm.context_with(limits).unwrap();
            context.start(&entry(&vm, source), (how, wait)).unwrap();
            let why = if wait == "loop" {
                Again::Slice
            } else {
                Again::Waiting
            };
            expect_again(&step(&mut context), why);
            drop(context);
            assert_eq!(eval::<String>(&vm, "return closed"), "cba", "{how} {wait}");
        }
        // The same for what a limit ends.
        exec(&vm, "closed = ''");
        let limits = Limits {
            total: Some(Duration::from_millis(30)),
            ..Limits::NONE
        };
        let mut context = vm.context_with(limits).unwrap();
        let ended = call::<()>(&mut context, &entry(&vm, source), (how, "loop"));
        assert!(matches!(ended, Err(f) if f.kind == FailureKind::TotalTimeout));
        assert_eq!(eval::<String>(&vm, "return closed"), "cba", "{how}");
    }
    // A script that kept one of them finds it dead.
    assert_eq!(
        eval::<(String, bool)>(&vm, "return coroutine.status(kept), (coroutine.resume(kept))"),
        ("dead".into(), false)
    );
}

#[test]
fn a6_cancelling_what_was_started_but_never_stepped_runs_nothing() {
    let vm = vm();
    exec(&vm, "ran = false");
    let mut context = vm.context().unwrap();
    context.start(&entry(&vm, "ran = true"), ()).unwrap();
    context.cancel();
    assert!(!context.is_running());
    context.cancel();
    drop(context);
    assert!(!eval::<bool>(&vm, "return ran"));
}

#[test]
fn a6_a_dropped_call_leaves_no_run_behind() {
    let vm = vm();
    exec(&vm, "closed = 0");
    let wait = entry(
        &vm,
        "local x <close> = setmetatable({}, {__close = function() closed = closed + 1 end}) never()",
    );
    let mut context = vm.context().unwrap();
    runtime().block_on(async {
        let call = context.call::<()>(&wait, ());
        assert!(
            tokio::time::timeout(Duration::from_millis(5), call)
                .await
                .is_err()
        );
    });
    assert!(!context.is_running());
    assert_eq!(vm.usage().unwrap().pending, 0);
    assert_eq!(eval::<i64>(&vm, "return closed"), 1);
    assert_eq!(call::<i64>(&mut context, &entry(&vm, "return nap(7)"), ()), Ok(7));
}

const WORK: &str = "local from, to = ... local sum, parts = 0, {}
    for i = from, to do
        sum = sum + nap(i) * 2
        if i % 3 == 0 then coroutine.yield() end
        local ok, e = pcall(fails, 'x' .. i) parts[#parts + 1] = (not ok) and #e or 0
        sum = sum + coroutine.wrap(function() coroutine.yield(ready(1)) end)()
        set_priv(sum) assert(get_priv() == sum)
    end
    total = (total or 0) + sum
    return sum, table.concat(parts, ',')";

#[test]
fn a7_a_shared_state_gives_the_same_results_from_many_threads() {
    let host = shared_host(options());
    assert!(host.vm.is_shared());
    let work = entry(&host.vm, WORK);
    let ranges: Vec<(i64, i64)> = (0..4).map(|n| (n * 50 + 1, (n + 1) * 50)).collect();
    let shared: Vec<(i64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = ranges
            .iter()
            .map(|range| {
                let (vm, work) = (&host.vm, &work);
                scope.spawn(move || {
                    // Several contexts at once on each thread, their steps interleaved with those of others.
                    let mut contexts: Vec<Context> =
                        (0..5).map(|_| vm.context_with(patient()).unwrap()).collect();
                    for context in &mut contexts {
                        context.start(work, *range).unwrap();
                    }
                    let mut results = Vec::new();
                    while !contexts.is_empty() {
                        contexts.retain_mut(|context| match step(context) {
                            Outcome::Again(_) => true,
                            Outcome::Ok => {
                                results.push(context.take::<(i64, String)>().unwrap());
                                false
                            }
                            Outcome::Failed(failure) => panic!("{failure:?}"),
                        });
                    }
                    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
                    results.remove(0)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let vm = vm();
    let own = entry(&vm, WORK);
    let alone: Vec<(i64, String)> = ranges
        .iter()
        .map(|range| call(&mut vm.context_with(patient()).unwrap(), &own, *range).unwrap())
        .collect();
    assert_eq!(shared, alone);
    // The globals of a shared state are everybody's.
    let sum: i64 = alone.iter().map(|(sum, _)| sum).sum();
    assert_eq!(eval::<i64>(&host.vm, "return total"), sum * 5);
    assert_eq!(eval::<i64>(&vm, "return total"), sum);
    let usage = host.vm.usage().unwrap();
    assert_eq!((usage.contexts, usage.pending), (0, 0));
}

#[test]
fn a7_limits_hold_on_every_thread_of_a_shared_state() {
    let host = shared_host(options());
    let work = entry(&host.vm, "while true do end");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut context = host.vm.context_with(total_only()).unwrap();
                let failure = call::<()>(&mut context, &work, ()).unwrap_err();
                assert_kind(&failure, FailureKind::TotalTimeout);
                let refused = Limits {
                    burst: Some(Duration::from_millis(20)),
                    ..Limits::NONE
                };
                let mut context = host.vm.context_with(refused).unwrap();
                let failure = call::<()>(&mut context, &work, ()).unwrap_err();
                assert_kind(&failure, FailureKind::BurstTimeout);
            });
        }
    });
    serves(&host.vm);
}

#[test]
fn a7_states_of_one_thread_do_not_see_each_other() {
    let threads: Vec<_> = (0..4_i64)
        .map(|n| {
            std::thread::spawn(move || {
                let vm = vm();
                assert!(!vm.is_shared());
                exec(&vm, &format!("mine = {n}"));
                run::<i64>(&vm, "for i = 1, 100 do nap() end return mine").unwrap()
            })
        })
        .collect();
    let found: Vec<i64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(found, [0, 1, 2, 3]);
}

#[test]
fn a8_an_old_generation_ends_with_its_last_context() {
    let (probe, newer) = (Probe::new(), Probe::new());
    let load = |text: &str, probe: &Probe| {
        let vm = vm();
        vm.enter(|lua| {
            lua.globals()
                .set("kept", lua.create_userdata(probe.clone()).unwrap())
        })
        .unwrap()
        .unwrap();
        let entry = entry(&vm, &format!("nap() coroutine.yield() return '{text}'"));
        (vm, entry)
    };
    let mut current = load("old", &probe);
    let mut contexts: Vec<Context> = (0..3)
        .map(|_| {
            let mut context = current.0.context_with(steady()).unwrap();
            context.start(&current.1, ()).unwrap();
            expect_again(&step(&mut context), Again::Waiting);
            context
        })
        .collect();
    current = load("new", &newer);
    let mut fresh = current.0.context_with(steady()).unwrap();
    assert_eq!(call::<String>(&mut fresh, &current.1, ()).unwrap(), "new");
    while let Some(mut context) = contexts.pop() {
        assert_eq!(probe.alive(), 1, "the old state went before its last context");
        assert!(matches!(finish(&mut context), Outcome::Ok));
        assert_eq!(context.take::<String>().unwrap(), "old");
    }
    assert_eq!((probe.alive(), newer.alive()), (0, 1));
    // An entry by itself keeps nothing alive.
    let (vm, entry) = current;
    drop((vm, fresh));
    assert_eq!(newer.alive(), 0);
    assert_eq!(entry.name(), "test");
}

#[test]
fn a9_accounts_are_kept_per_context_and_per_entry() {
    let vm = vm();
    let work = named_entry(
        &vm,
        "work",
        "spin_ms(3) nap() coroutine.yield() ready() spin_ms(3)",
    );
    let fail = named_entry(
        &vm,
        "fail",
        "local how = ... if how == 'error' then error('x') else panics('x') end",
    );
    let mut a = vm.context_with(steady()).unwrap();
    let mut b = vm.context_with(steady()).unwrap();
    for _ in 0..2 {
        call::<()>(&mut a, &work, ()).unwrap();
    }
    call::<()>(&mut b, &work, ()).unwrap();
    for how in ["error", "error", "panic"] {
        assert!(call::<()>(&mut b, &fail, how).is_err());
    }
    let (a, b) = (a.stats(), b.stats());
    // What was ready at once is no yield.
    assert_eq!((a.runs, a.yields), (2, 4));
    assert_eq!((b.runs, b.yields), (4, 2));
    assert!(a.lua_time >= Duration::from_millis(12), "{a:?}");
    assert_eq!(a.failures.iter().sum::<u64>(), 0);
    assert_eq!(b.failures_of(FailureKind::Runtime), 2);
    assert_eq!(b.failures_of(FailureKind::HostPanic), 1);
    assert_eq!(b.failures.iter().sum::<u64>(), 3);
    let (work, fail) = (work.stats(), fail.stats());
    assert_eq!(
        (work.runs, work.yields, work.failures.iter().sum::<u64>()),
        (3, 6, 0)
    );
    assert_eq!((fail.runs, fail.failures_of(FailureKind::Runtime)), (3, 2));
    assert_eq!(fail.failures_of(FailureKind::HostPanic), 1);
    assert!(work.lua_time >= Duration::from_millis(18), "{work:?}");
    assert!(work.lua_time >= a.lua_time);
}

#[test]
fn a9_each_kind_of_failure_is_counted_as_its_own() {
    let host = host(tidegate_exec::VmOptions {
        memory_bytes_max: Some(4 << 20),
        ..options()
    });
    for (source, kind) in [
        ("error('x')", FailureKind::Runtime),
        ("string.rep('x', 1 << 30)", FailureKind::OutOfMemory),
        ("nap()", FailureKind::YieldNotAllowed),
        ("while true do end", FailureKind::BurstTimeout),
        ("panics('x')", FailureKind::HostPanic),
    ] {
        let limits = if kind == FailureKind::BurstTimeout {
            burst_only()
        } else {
            steady()
        };
        let mut context = host.vm.context_with(limits).unwrap();
        let entry = entry(&host.vm, source);
        context.start(&entry, ()).unwrap();
        assert!(matches!(
            step_with(&mut context, Yielding::Refused),
            Outcome::Failed(_)
        ));
        for counted in FailureKind::COUNTED {
            let expected = u64::from(counted == kind);
            assert_eq!(
                context.stats().failures_of(counted),
                expected,
                "{kind}: {counted}"
            );
            assert_eq!(entry.stats().failures_of(counted), expected, "{kind}: {counted}");
        }
    }
}

#[test]
fn a9_usage_follows_what_the_state_holds() {
    let vm = vm();
    vm.collect().unwrap();
    let start = vm.usage().unwrap();
    exec(&vm, "held = string.rep('x', 1 << 20)");
    let full = vm.usage().unwrap();
    assert!(full.memory_bytes >= start.memory_bytes + (1 << 20));
    assert!(full.memory_bytes_peak >= full.memory_bytes);
    exec(&vm, "held = nil");
    vm.collect().unwrap();
    let end = vm.usage().unwrap();
    assert!(
        end.memory_bytes < start.memory_bytes + (64 << 10),
        "{start:?} {end:?}"
    );
    assert!(end.memory_bytes_peak >= full.memory_bytes, "the peak is kept");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// Adds `sleep`, which only an executor can serve.
fn with_sleep(vm: &Vm) {
    vm.enter(|lua| {
        let sleep = operation(lua, "sleep", |_, ms: u64| {
            Ok(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(ms)
            })
        });
        lua.globals().set("sleep", sleep.unwrap()).unwrap();
    })
    .unwrap();
}

#[test]
fn a10_awaited_and_stepped_by_hand_give_the_same() {
    let vm = vm();
    let sources = [
        "return 1",
        "return nap(1) + ready(2)",
        "coroutine.yield() return nap('x')",
        "return coroutine.wrap(function() nap() return 3 end)()",
        "error('x')",
        "nap_fails('x')",
        "pcall(nap_panics, 'boom')",
        "local s = 0 for i = 1, 100 do s = s + nap(i) coroutine.yield() end return s",
        "return nap(), select('#', nap(nil, nil))",
    ];
    let shown = |result: Result<MultiValue, tidegate_exec::Failure>| match result {
        Ok(values) => format!("{:?}", values.into_vec()),
        Err(failure) => format!("{failure:?}"),
    };
    for source in sources {
        let entry = entry(&vm, source);
        let by_hand = shown(call(&mut vm.context_with(patient()).unwrap(), &entry, ()));
        let awaited = runtime().block_on(async {
            let mut context = vm.context_with(patient()).unwrap();
            match context.call::<MultiValue>(&entry, ()).await {
                Ok(values) => shown(Ok(values)),
                Err(CallError::Failed(failure)) => shown(Err(*failure)),
                Err(CallError::Misuse(misuse)) => panic!("{misuse}"),
            }
        });
        assert_eq!(by_hand, awaited, "{source}");
    }
}

#[test]
fn a10_many_contexts_wait_at_once_on_one_executor() {
    let vm = vm();
    with_sleep(&vm);
    let nap = entry(&vm, "local ms, i = ... sleep(ms) coroutine.yield() return i");
    let found = runtime().block_on(async {
        let local = tokio::task::LocalSet::new();
        let tasks: Vec<_> = (0..200_i64)
            .map(|i| {
                let (mut context, nap) = (vm.context_with(patient()).unwrap(), nap.clone());
                local.spawn_local(async move { context.call::<i64>(&nap, (i % 7, i)).await.unwrap() })
            })
            .collect();
        local
            .run_until(async {
                let mut found = Vec::new();
                for task in tasks {
                    found.push(task.await.unwrap());
                }
                found
            })
            .await
    });
    assert_eq!(found, (0..200).collect::<Vec<_>>());
    assert_eq!(vm.usage().unwrap().pending, 0);
}

#[test]
fn a10_a_loop_lets_other_tasks_of_the_executor_run() {
    let vm = vm();
    with_sleep(&vm);
    let endless = entry(&vm, "while true do end");
    let others = entry(
        &vm,
        "local n = 0 for i = 1, 20 do sleep(1) n = n + 1 end return n",
    );
    runtime().block_on(async {
        let mut looping = vm
            .context_with(Limits {
                slice: Some(Duration::from_millis(1)),
                ..Limits::NONE
            })
            .unwrap();
        let mut other = vm.context_with(patient()).unwrap();
        tokio::select! {
            _ = looping.call::<()>(&endless, ()) => panic!("an endless loop ended"),
            n = other.call::<i64>(&others, ()) => assert_eq!(n.unwrap(), 20),
        }
    });
}

#[test]
fn a10_call_with_pauses_in_the_host_s_own_way() {
    let vm = vm();
    let work = entry(&vm, "for i = 1, 5 do coroutine.yield() nap() end return 5");
    let pauses = Cell::new(0);
    let result = runtime().block_on(async {
        let mut context = vm.context_with(steady()).unwrap();
        context
            .call_with::<i64, _>(&work, (), |why| {
                assert_eq!(why, Again::Turn);
                pauses.set(pauses.get() + 1);
                std::future::ready(())
            })
            .await
    });
    assert_eq!((result.unwrap(), pauses.get()), (5, 5));
}

#[test]
fn a_run_that_begins_at_once_is_as_one_that_is_started_and_stepped() {
    for host in [host(options()), shared_host(options())] {
        let vm = &host.vm;
        let start = vm.usage().unwrap();
        let adds = entry(vm, "local a, b = ... b = b + nap(1) return a + b");
        let (mut context, outcome) = vm
            .begin(Some(steady()), &adds, (1, 2), Yielding::Allowed)
            .unwrap();
        assert!(matches!(outcome, Outcome::Again(Again::Waiting)), "{outcome:?}");
        let refused = context.begin(&adds, (1, 2), Yielding::Allowed);
        assert!(matches!(refused, Err(Misuse::NotOver)), "{refused:?}");
        assert!(matches!(finish(&mut context), Outcome::Ok));
        assert_eq!(context.take::<i64>(), Ok(4));
        // The same context, again.
        let outcome = context.begin(&entry(vm, "return #{...}"), (1, 2, 3), Yielding::Refused);
        assert!(matches!(outcome, Ok(Outcome::Ok)), "{outcome:?}");
        assert_eq!(context.take::<i64>(), Ok(3));
        let outcome = context.begin(&adds, (1, 2), Yielding::Refused).unwrap();
        match outcome {
            Outcome::Failed(failure) => assert_kind(&failure, FailureKind::YieldNotAllowed),
            other => panic!("{other:?}"),
        }
        drop(context);
        let after = vm.usage().unwrap();
        assert_eq!((after.contexts, after.pending), (start.contexts, start.pending));
        serves(vm);
    }
}

#[test]
fn what_cannot_begin_leaves_its_context_for_another_run() {
    let (vm, other) = (vm(), vm());
    let start = vm.usage().unwrap().contexts;
    let gives = entry(&vm, "return ...");
    let elsewhere = entry(&other, "return 1");
    let mut context = vm.context().unwrap();
    let refused = context.begin(&elsewhere, (), Yielding::Refused);
    assert!(matches!(refused, Err(Misuse::OtherState)), "{refused:?}");
    let table = other.enter(|lua| lua.create_table().unwrap()).unwrap();
    let refused = context.begin(&gives, (1, table), Yielding::Refused);
    assert!(matches!(refused, Err(Misuse::Conversion)), "{refused:?}");
    let outcome = context.begin(&gives, 7, Yielding::Refused);
    assert!(matches!(outcome, Ok(Outcome::Ok)), "{outcome:?}");
    assert_eq!(context.take::<i64>(), Ok(7));
    drop(context);
    assert_eq!(vm.usage().unwrap().contexts, start);
}

#[test]
fn the_limits_of_an_entry_are_those_of_its_runs_unless_the_context_has_its_own() {
    let vm = vm();
    let brief = Limits {
        burst: Some(Duration::from_millis(20)),
        ..Limits::NONE
    };
    let loops = vm.load("test.lua", "while not stopped do end").unwrap();
    let loops = vm.entry_within("loops", loops, brief).unwrap();
    let (context, outcome) = vm.begin(None, &loops, (), Yielding::Refused).unwrap();
    match outcome {
        Outcome::Failed(failure) => assert_kind(&failure, FailureKind::BurstTimeout),
        other => panic!("{other:?}"),
    }
    drop(context);
    let total = Limits {
        total: Some(Duration::from_millis(20)),
        ..Limits::NONE
    };
    let (_, outcome) = vm.begin(Some(total), &loops, (), Yielding::Refused).unwrap();
    match outcome {
        Outcome::Failed(failure) => assert_kind(&failure, FailureKind::TotalTimeout),
        other => panic!("{other:?}"),
    }
    // A context that is stepped has them too.
    let mut context = vm.context().unwrap();
    context.start(&loops, ()).unwrap();
    assert_eq!(context.limits(), Limits::default());
    match step_with(&mut context, Yielding::Refused) {
        Outcome::Failed(failure) => assert_kind(&failure, FailureKind::BurstTimeout),
        other => panic!("{other:?}"),
    }
}
