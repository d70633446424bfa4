//! The behaviours S1 to S14 that execution contexts began with, each held by tests named after it.
//! What needs a look behind the public interface is in `src/original_tests.rs`, under the same names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use tidegate_exec::mlua::{MultiValue, Value};
use tidegate_exec::{Again, FailureKind, Misuse, Outcome, Vm, VmOptions, Yielding, current, function};

#[test]
fn s1_the_main_state_has_the_standard_libraries_and_is_no_context() {
    let vm = Vm::per_thread(options()).unwrap();
    for library in [
        "string",
        "table",
        "math",
        "os",
        "io",
        "utf8",
        "coroutine",
        "debug",
        "package",
    ] {
        assert_eq!(
            eval::<String>(&vm, &format!("return type({library})")),
            "table",
            "{library}"
        );
    }
    assert!(eval::<bool>(&vm, "return select(2, coroutine.running())"));
    assert!(vm.enter(|lua| current(lua).is_none()).unwrap());
    assert_eq!(vm.usage().unwrap().contexts, 0);
    assert_eq!(vm.usage().unwrap().coroutines, 0);
}

#[test]
fn s2_a_context_is_a_fresh_stopped_coroutine_without_memory() {
    let vm = vm();
    let mut context = vm.context_with(steady()).unwrap();
    assert!(!context.is_running());
    assert_eq!(vm.usage().unwrap().contexts, 1);
    let who = entry(
        &vm,
        "local co, main = coroutine.running() return tostring(co), main, get_priv()",
    );
    let mut other = vm.context_with(steady()).unwrap();
    let (a, a_main, a_memory) = call::<(String, bool, Value)>(&mut context, &who, ()).unwrap();
    let (b, b_main, b_memory) = call::<(String, bool, Value)>(&mut other, &who, ()).unwrap();
    assert_ne!(a, b);
    assert!(!a_main && !b_main);
    assert!(a_memory.is_nil() && b_memory.is_nil());
}

#[test]
fn s2_the_collector_leaves_a_context_alone() {
    let vm = vm();
    let add = entry(&vm, "local t = {...} nap() return t[1] .. ' and ' .. t[2]");
    let mut stopped = vm.context_with(steady()).unwrap();
    let mut ready = vm.context_with(steady()).unwrap();
    let mut suspended = vm.context_with(steady()).unwrap();
    ready.start(&add, ("a", "b")).unwrap();
    suspended.start(&add, ("c", "d")).unwrap();
    expect_again(&step(&mut suspended), Again::Waiting);
    for _ in 0..3 {
        vm.collect().unwrap();
    }
    assert_eq!(call::<String>(&mut stopped, &add, ("e", "f")).unwrap(), "e and f");
    assert!(matches!(finish(&mut ready), Outcome::Ok));
    assert_eq!(ready.take::<String>().unwrap(), "a and b");
    assert!(matches!(finish(&mut suspended), Outcome::Ok));
    assert_eq!(suspended.take::<String>().unwrap(), "c and d");
}

#[test]
fn s2_creation_fails_cleanly_without_memory_and_leaks_nothing() {
    let vm = host(VmOptions {
        memory_bytes_max: Some(1 << 20),
        ..options()
    })
    .vm;
    vm.collect().unwrap();
    let (start, references) = (vm.usage().unwrap(), vm.references().unwrap());
    let mut contexts = Vec::new();
    let misuse = loop {
        match vm.context() {
            Ok(context) => contexts.push(context),
            Err(misuse) => break misuse,
        }
        assert!(contexts.len() < 100_000, "the limit does not hold");
    };
    assert_eq!(misuse, Misuse::OutOfMemory);
    assert!(contexts.len() > 100, "{} contexts", contexts.len());
    let full = vm.usage().unwrap();
    assert_eq!((full.contexts, full.coroutines), (contexts.len(), contexts.len()));
    assert_eq!(vm.context().map(|_| ()), Err(Misuse::OutOfMemory));
    assert_eq!(vm.usage().unwrap().contexts, contexts.len());
    drop(contexts);
    vm.collect().unwrap();
    let end = vm.usage().unwrap();
    assert_eq!((end.contexts, end.coroutines, end.pending), (0, 0, 0));
    assert_eq!(vm.references().unwrap(), references);
    assert!(
        end.memory_bytes < start.memory_bytes + (256 << 10),
        "{end:?}, {start:?}"
    );
    serves(&vm);
}

#[test]
fn s3_host_code_finds_the_context_that_owns_the_running_state() {
    let vm = vm();
    let source = "local inside = coroutine.wrap(function()
            return coroutine.wrap(function() return attached() end)()
        end)()
        return attached(), inside, entry_name(), table.pack(pcall(attached))[2]";
    let (a, b) = (named_entry(&vm, "a", source), named_entry(&vm, "b", source));
    let (mut first, mut second) = (
        vm.context_with(steady()).unwrap(),
        vm.context_with(steady()).unwrap(),
    );
    first.attach(1_i64);
    second.attach(2_i64);
    type Found = (i64, i64, String, i64);
    assert_eq!(call::<Found>(&mut first, &a, ()).unwrap(), (1, 1, "a".into(), 1));
    assert_eq!(call::<Found>(&mut second, &b, ()).unwrap(), (2, 2, "b".into(), 2));
    assert_eq!(call::<Found>(&mut first, &b, ()).unwrap(), (1, 1, "b".into(), 1));
}

#[test]
fn s3_outside_of_any_context_none_is_found() {
    let vm = vm();
    assert_eq!(
        eval::<(Value, Value)>(&vm, "return entry_name(), attached()"),
        (Value::Nil, Value::Nil)
    );
    // Also when a host function enters the state anew: that is the host's own call, not the context's.
    let inner = vm.clone();
    vm.enter(|lua| {
        let f = function(lua, "enters", move |_, _: ()| {
            Ok(inner.enter(|lua| current(lua).is_none()).unwrap())
        });
        lua.globals().set("enters", f.unwrap()).unwrap();
    })
    .unwrap();
    assert_eq!(
        run::<(bool, String)>(&vm, "return enters(), entry_name()"),
        Ok((true, "test".into()))
    );
    // The closure holds its own state; let go of it.
    exec(&vm, "enters = nil");
    vm.collect().unwrap();
}

#[test]
fn s4_a_context_holds_one_private_value() {
    let vm = vm();
    let set = entry(&vm, "set_priv(...)");
    let get = entry(&vm, "return get_priv(), (coroutine.wrap(get_priv)())");
    let (mut first, mut second) = (
        vm.context_with(steady()).unwrap(),
        vm.context_with(steady()).unwrap(),
    );
    call::<()>(&mut first, &set, "one").unwrap();
    call::<()>(&mut second, &set, "two").unwrap();
    type Pair = (Option<String>, Option<String>);
    let both = |text: &str| (Some(text.to_owned()), Some(text.to_owned()));
    assert_eq!(call::<Pair>(&mut first, &get, ()).unwrap(), both("one"));
    assert_eq!(call::<Pair>(&mut second, &get, ()).unwrap(), both("two"));
    call::<()>(&mut first, &set, "three").unwrap();
    assert_eq!(call::<Pair>(&mut first, &get, ()).unwrap(), both("three"));
    call::<()>(&mut first, &set, Value::Nil).unwrap();
    assert_eq!(call::<Pair>(&mut first, &get, ()).unwrap(), (None, None));
    assert_eq!(call::<Pair>(&mut second, &get, ()).unwrap(), both("two"));
    assert_eq!(
        call::<Pair>(&mut vm.context_with(steady()).unwrap(), &get, ()).unwrap(),
        (None, None)
    );
}

#[test]
fn s4_a_replaced_value_is_released() {
    let vm = vm();
    let probe = Probe::new();
    vm.enter(|lua| give_probe(lua, "probe", &probe)).unwrap();
    let held = probe.alive();
    let references = vm.references().unwrap();
    let set = entry(&vm, "for i = 1, 10 do set_priv(probe()) end");
    let clear = entry(&vm, "set_priv(nil)");
    let mut context = vm.context_with(steady()).unwrap();
    call::<()>(&mut context, &set, ()).unwrap();
    vm.collect().unwrap();
    assert_eq!(probe.alive(), held + 1);
    call::<()>(&mut context, &clear, ()).unwrap();
    vm.collect().unwrap();
    assert_eq!(probe.alive(), held);
    drop((context, set, clear));
    vm.collect().unwrap();
    assert_eq!(vm.references().unwrap(), references);
}

#[test]
fn s5_destroying_releases_memory_value_and_coroutine() {
    let vm = vm();
    exec(&vm, "kept = setmetatable({}, {__mode = 'v'})");
    let probe = Probe::new();
    vm.enter(|lua| give_probe(lua, "probe", &probe)).unwrap();
    let held = probe.alive();
    let source = "local how = ...
        set_priv(probe()) kept[#kept + 1] = coroutine.running()
        if how == 'wait' then never() elseif how == 'yield' then coroutine.yield() elseif how == 'fail' then error('x') end";
    let leave = entry(&vm, source);
    let (references, start) = (vm.references().unwrap(), vm.usage().unwrap());
    for how in ["end", "wait", "yield", "fail"] {
        let mut context = vm.context_with(steady()).unwrap();
        context.start(&leave, how).unwrap();
        let _ = step(&mut context);
        assert_eq!(probe.alive(), held + 1, "{how}");
        drop(context);
        vm.collect().unwrap();
        assert_eq!(probe.alive(), held, "{how}");
        assert!(
            eval::<bool>(&vm, "return next(kept) == nil"),
            "{how}: the coroutine is still there"
        );
        assert_eq!(vm.references().unwrap(), references, "{how}");
        let end = vm.usage().unwrap();
        assert_eq!(
            (end.contexts, end.pending),
            (start.contexts, start.pending),
            "{how}"
        );
    }
}

#[test]
fn s6_resume_passes_arguments_and_says_running_until_the_end() {
    let vm = vm();
    let source = "local a, b = ... coroutine.yield() local c = nap('c') return a, b, c, select('#', ...)";
    let entry = entry(&vm, source);
    let mut context = vm.context_with(steady()).unwrap();
    assert!(!context.is_running());
    context.start(&entry, (1, "b", Value::Nil)).unwrap();
    assert!(context.is_running());
    expect_again(&step(&mut context), Again::Turn);
    assert!(context.is_running());
    expect_again(&step(&mut context), Again::Waiting);
    assert!(context.is_running());
    assert!(matches!(step(&mut context), Outcome::Ok));
    assert!(!context.is_running());
    assert_eq!(
        context.take::<(i64, String, String, i64)>().unwrap(),
        (1, "b".into(), "c".into(), 3)
    );
}

#[test]
fn s6_resume_tells_whether_yielding_is_allowed() {
    let vm = vm();
    let ask = entry(&vm, "return can_wait(), coroutine.wrap(can_wait)()");
    let mut context = vm.context_with(steady()).unwrap();
    for (yielding, expected) in [(Yielding::Allowed, true), (Yielding::Refused, false)] {
        context.start(&ask, ()).unwrap();
        assert!(matches!(step_with(&mut context, yielding), Outcome::Ok));
        assert_eq!(context.take::<(bool, bool)>().unwrap(), (expected, expected));
    }
}

#[test]
fn s6_a_run_takes_many_arguments_and_gives_many_results() {
    let vm = vm();
    let echo = entry(&vm, "return ...");
    let mut context = vm.context_with(steady()).unwrap();
    for n in [0, 1, 20, 21, 1000] {
        let args: MultiValue = (0..n).map(Value::Integer).collect();
        let back = call::<MultiValue>(&mut context, &echo, args.clone()).unwrap();
        assert!(back.iter().eq(args.iter()), "{n}: {back:?}");
    }
}

#[test]
fn s7_a_run_without_error_is_ok() {
    let vm = vm();
    let mut context = vm.context_with(steady()).unwrap();
    context.start(&entry(&vm, "return 1, nil, 'x'"), ()).unwrap();
    assert!(matches!(step(&mut context), Outcome::Ok));
    assert_eq!(
        context.take::<(i64, Value, String)>().unwrap(),
        (1, Value::Nil, "x".into())
    );
    // Results are given once.
    assert!(context.take::<MultiValue>().unwrap().is_empty());
}

#[test]
fn s8_an_allowed_yield_is_again_and_goes_on_where_it_stopped() {
    let vm = vm();
    let source = "local n = 0 for i = 1, 5 do n = n + i coroutine.yield('ignored') end return n";
    let mut context = vm.context_with(steady()).unwrap();
    context.start(&entry(&vm, source), ()).unwrap();
    for _ in 0..5 {
        expect_again(&step(&mut context), Again::Turn);
        assert!(context.is_running());
    }
    assert!(matches!(step(&mut context), Outcome::Ok));
    assert_eq!(context.take::<i64>().unwrap(), 15);
}

#[test]
fn s8_a_yield_gives_nothing_back() {
    let vm = vm();
    assert_eq!(
        run::<i64>(&vm, "return select('#', coroutine.yield(1, 2, 3))"),
        Ok(0)
    );
}

#[test]
fn s9_a_yield_that_is_not_allowed_ends_the_run() {
    let vm = vm();
    for source in [
        "coroutine.yield()",
        "nap()",
        "pcall(coroutine.yield)",
        "pcall(nap)",
        "while true do pcall(pcall, coroutine.yield) end",
        "coroutine.wrap(function() nap() end)()",
    ] {
        let mut context = vm.context_with(steady()).unwrap();
        context.start(&entry(&vm, source), ()).unwrap();
        let Outcome::Failed(failure) = step_with(&mut context, Yielding::Refused) else {
            panic!("did not fail: {source}");
        };
        assert_kind(&failure, FailureKind::YieldNotAllowed);
        assert_eq!(message(&failure), "yield not allowed");
        assert_eq!(
            (failure.script.as_deref(), failure.line),
            (Some("test.lua"), Some(1)),
            "{source}"
        );
        assert!(!context.is_running());
        assert_eq!(vm.usage().unwrap().pending, 0, "{source}");
        assert_eq!(
            call::<i64>(&mut context, &entry(&vm, "return nap(7)"), ()).unwrap(),
            7
        );
    }
}

#[test]
fn s9_a_script_may_yield_to_itself_where_the_host_allows_none() {
    let vm = vm();
    let source = "local co = coroutine.wrap(function() coroutine.yield(1) return 2 end) return co() + co()";
    let mut context = vm.context_with(steady()).unwrap();
    context.start(&entry(&vm, source), ()).unwrap();
    assert!(matches!(step_with(&mut context, Yielding::Refused), Outcome::Ok));
    assert_eq!(context.take::<i64>().unwrap(), 3);
}

#[test]
fn s10_a_message_reaches_the_caller_marked_as_a_runtime_error() {
    let vm = vm();
    let failure = failure(&vm, "\nerror('no luck')");
    assert_kind(&failure, FailureKind::Runtime);
    assert_eq!(message(&failure), "test.lua:2: no luck");
    assert_eq!(failure.to_string(), "runtime error: test.lua:2: no luck");
}

#[test]
fn s10_an_error_value_that_is_not_text_still_gives_a_message() {
    let vm = vm();
    for (source, expected) in [
        ("error()", "(error object is a nil value)"),
        ("error(nil)", "(error object is a nil value)"),
        ("error({})", "(error object is a table value)"),
        ("error(true)", "(error object is a boolean value)"),
        ("error(print)", "(error object is a function value)"),
        (
            "error(coroutine.create(print))",
            "(error object is a thread value)",
        ),
        ("error(io.stdout)", "file (0x"),
        ("error(42)", "42"),
        ("error(1.5)", "1.5"),
        (
            "error(setmetatable({}, {__tostring = function() return 'my own text' end}))",
            "my own text",
        ),
        ("error('', 0)", ""),
    ] {
        let failure = failure(&vm, source);
        assert_kind(&failure, FailureKind::Runtime);
        assert!(message(&failure).starts_with(expected), "{source}: {failure:?}");
        assert!(failure.message.is_some(), "{source}");
    }
}

#[test]
fn s11_out_of_memory_has_a_message_of_its_own() {
    let vm = host(VmOptions {
        memory_bytes_max: Some(4 << 20),
        ..options()
    })
    .vm;
    let failure = failure_with(&vm, "\n\nlocal s = string.rep('x', 1 << 30)", patient());
    assert_kind(&failure, FailureKind::OutOfMemory);
    assert_eq!(message(&failure), "out of memory");
    assert_eq!(
        (failure.script.as_deref(), failure.line),
        (Some("test.lua"), Some(3))
    );
}

#[test]
fn s13_after_every_kind_of_error_the_same_context_runs_new_code() {
    let host = host(VmOptions {
        memory_bytes_max: Some(8 << 20),
        ..options()
    });
    let vm = &host.vm;
    let get = entry(vm, "return get_priv(), attached()");
    let mut seen = Vec::new();
    for (source, kind) in [
        ("error('x')", FailureKind::Runtime),
        (
            "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
            FailureKind::OutOfMemory,
        ),
        ("coroutine.yield()", FailureKind::YieldNotAllowed),
        ("while true do end", FailureKind::BurstTimeout),
        ("panics('x')", FailureKind::HostPanic),
    ] {
        let limits = if kind == FailureKind::BurstTimeout {
            burst_only()
        } else {
            patient()
        };
        let mut context = vm.context_with(limits).unwrap();
        context.attach(7_i64);
        let source = format!("set_priv('kept') who = tostring(coroutine.running()) {source}");
        context.start(&entry(vm, &source), ()).unwrap();
        let Outcome::Failed(failure) = step_with(&mut context, Yielding::Refused) else {
            panic!("did not fail: {source}");
        };
        assert_kind(&failure, kind);
        let before: String = eval(vm, "return who");
        context.set_limits(patient());
        let after: String = call(
            &mut context,
            &entry(vm, "return tostring(coroutine.running())"),
            (),
        )
        .unwrap();
        assert_ne!(before, after, "{kind}: the broken coroutine ran again");
        assert_eq!(
            call::<(String, i64)>(&mut context, &get, ()).unwrap(),
            ("kept".into(), 7),
            "{kind}"
        );
        seen.push(context);
    }
    assert_eq!(vm.usage().unwrap().contexts, seen.len());
}

#[test]
fn s13_the_broken_coroutine_is_released() {
    let vm = vm();
    exec(&vm, "kept = setmetatable({}, {__mode = 'v'})");
    let mut context = vm.context_with(steady()).unwrap();
    let references = {
        let fail = entry(&vm, "kept[#kept + 1] = coroutine.running() error('x')");
        let references = vm.references().unwrap();
        for _ in 0..10 {
            assert!(call::<()>(&mut context, &fail, ()).is_err());
        }
        vm.collect().unwrap();
        assert!(eval::<bool>(&vm, "return next(kept) == nil"));
        assert_eq!(vm.references().unwrap(), references);
        references
    };
    assert_eq!(vm.usage().unwrap().coroutines, 1);
    drop(context);
    vm.collect().unwrap();
    assert_eq!(
        vm.references().unwrap(),
        references - 2,
        "the context's anchor and the entry"
    );
    assert_eq!(vm.usage().unwrap().coroutines, 0);
}

#[test]
fn s14_errors_in_the_main_state_leave_it_in_place() {
    let vm = vm();
    let main: String = eval(&vm, "x = 1 return tostring(coroutine.running())");
    for source in [
        "error('x')",
        "error({})",
        "local function f() return f() + 1 end f()",
        "coroutine.yield()",
    ] {
        assert!(
            vm.enter(|lua| lua.load(source).exec()).unwrap().is_err(),
            "{source}"
        );
    }
    assert!(run::<()>(&vm, "error('x')").is_err());
    assert_eq!(
        eval::<(String, i64)>(&vm, "return tostring(coroutine.running()), x"),
        (main, 1)
    );
}
