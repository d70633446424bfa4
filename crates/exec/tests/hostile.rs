//! Hostile scripts: the rule is that none can end or freeze the process, and that each ends with the outcome
//! that is written here, after which the state serves others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use tidegate_exec::mlua::{self, MultiValue, Value};
use tidegate_exec::{
    Again, Context, Failure, FailureKind, Limits, Misuse, Outcome, Vm, VmOptions, Yielding, current,
    function, operation,
};

fn refused(vm: &Vm, source: &str, limits: Limits) -> Failure {
    let mut context = vm.context_with(limits).unwrap();
    context.start(&entry(vm, source), ()).unwrap();
    match step_with(&mut context, Yielding::Refused) {
        Outcome::Failed(failure) => {
            serves(vm);
            *failure
        }
        outcome => panic!("{outcome:?} instead of a failure: {source}"),
    }
}

/// Scripts that never end by themselves; the line of each that runs is the second.
const ENDLESS: &[&str] = &[
    "local x = 0\nwhile true do x = x + 1 end",
    "\n::again:: goto again",
    "local function f()\nreturn f() end f()",
    "local co = coroutine.wrap(function()\nwhile true do end end) co()",
    "local co = coroutine.create(function()\nwhile true do end end) while true do coroutine.resume(co) end",
    "local function deep(n) if n > 0 then return coroutine.wrap(deep)(n - 1) end\nwhile true do end end deep(20)",
    "local t = setmetatable({}, {__index = function()\nwhile true do end end}) return t.x",
    "local t = setmetatable({}, {__newindex = function()\nwhile true do end end}) t.x = 1",
    "local t = setmetatable({}, {__eq = function()\nwhile true do end end}) return t == setmetatable({}, getmetatable(t))",
    "local t = setmetatable({}, {__close = function()\nwhile true do end end}) do local x <close> = t end",
    "for _ in function()\nwhile true do end end do end",
    "pcall(function()\nwhile true do end end)",
    "while true do pcall(function()\nwhile true do end end) end",
    "while true do xpcall(function()\nwhile true do end end, function() while true do end end) end",
    "table.sort({3, 2, 1}, function()\nwhile true do end end)",
    "while true do pcall(table.sort, {3, 2, 1}, function()\nwhile true do end end) end",
    "string.gsub('abc', '.', function()\nwhile true do end end)",
    "tostring(setmetatable({}, {__tostring = function()\nwhile true do end end}))",
    "load(function()\nwhile true do end end)",
    "table.sort({3, 2, 1}, function() coroutine.wrap(function()\nwhile true do end end)() end)",
    "table.sort({3, 2, 1}, function() xpcall(function()\nwhile true do end end, function() while true do end end) end)",
];

/// On a busy machine the limit can be over before the loop is reached.
fn in_the_loop(fail: impl Fn() -> Failure) -> Failure {
    (0..10)
        .map(|_| fail())
        .find(|failure| failure.line == Some(2))
        .unwrap_or_else(fail)
}

#[test]
fn an_endless_loop_ends_by_its_total_with_script_line_and_traceback() {
    let vm = vm();
    for source in ENDLESS {
        let failure = in_the_loop(|| failure_with(&vm, source, total_only()));
        assert_kind(&failure, FailureKind::TotalTimeout);
        assert_eq!(message(&failure), "ran 30 ms in all", "{source}");
        assert_eq!(
            (failure.script.as_deref(), failure.line),
            (Some("test.lua"), Some(2)),
            "{source}: {failure:#?}"
        );
        assert_contains(&failure.traceback, "stack traceback:\n\ttest.lua:2: in ");
        assert_eq!(&*failure.entry, "test");
    }
}

#[test]
fn an_endless_loop_ends_by_its_burst_where_no_slice_interrupts_it() {
    let vm = vm();
    for source in ENDLESS {
        let failure = in_the_loop(|| failure_with(&vm, source, burst_only()));
        assert_kind(&failure, FailureKind::BurstTimeout);
        assert_eq!(message(&failure), "ran 20 ms without yielding", "{source}");
        assert_eq!(
            (failure.script.as_deref(), failure.line),
            (Some("test.lua"), Some(2)),
            "{source}: {failure:#?}"
        );
        assert_contains(&failure.traceback, "test.lua:2: in ");
    }
}

#[test]
fn what_the_interpreter_follows_without_an_instruction_ends_by_its_burst() {
    let vm = vm();
    for source in [
        "local t = {}\nsetmetatable(t, {__call = t}) t()",
        "local t = {}\nsetmetatable(t, {__call = t}) while true do pcall(t) end",
        "local t = {}\nsetmetatable(t, {__call = t}) coroutine.wrap(function() t() end)()",
    ] {
        let failure = failure_with(&vm, source, burst_only());
        assert_kind(&failure, FailureKind::BurstTimeout);
        assert_eq!(message(&failure), "ran 20 ms without yielding", "{source}");
    }
    serves(&vm);
}

#[test]
fn an_endless_loop_ends_by_its_burst_where_the_host_allows_no_yield() {
    let vm = vm();
    for source in ENDLESS {
        let failure = in_the_loop(|| {
            refused(
                &vm,
                source,
                Limits {
                    burst: Some(Duration::from_millis(20)),
                    ..Limits::default()
                },
            )
        });
        assert_kind(&failure, FailureKind::BurstTimeout);
        assert_eq!(
            (failure.script.as_deref(), failure.line),
            (Some("test.lua"), Some(2)),
            "{source}: {failure:#?}"
        );
    }
}

#[test]
fn an_endless_loop_ends_under_an_exact_count_too() {
    let vm = vm();
    let limits = Limits {
        forced_yield: std::num::NonZeroU32::new(1000),
        ..total_only()
    };
    for source in ENDLESS {
        let failure = in_the_loop(|| failure_with(&vm, source, limits));
        assert_kind(&failure, FailureKind::TotalTimeout);
        assert_eq!(failure.line, Some(2), "{source}: {failure:#?}");
    }
}

/// Time for several turns, also where the thread doesn't get a processor for some tenths of a second.
fn several_turns() -> Limits {
    Limits {
        total: Some(Duration::from_secs(1)),
        ..total_only()
    }
}

#[test]
fn others_are_served_while_a_loop_runs() {
    let vm = vm();
    let mut loops = vm.context_with(several_turns()).unwrap();
    loops.start(&entry(&vm, "while true do end"), ()).unwrap();
    let other = entry(&vm, "return nap(1)");
    let mut served = 0;
    let failure = loop {
        match step(&mut loops) {
            Outcome::Again(why) => assert_eq!(why, Again::Slice),
            Outcome::Failed(failure) => break failure,
            Outcome::Ok => panic!("an endless loop ended"),
        }
        assert_eq!(
            call::<i64>(&mut vm.context_with(steady()).unwrap(), &other, ()).unwrap(),
            1
        );
        served += 1;
    };
    assert_kind(&failure, FailureKind::TotalTimeout);
    assert!(served > 1, "{served} turns for others");
}

#[test]
fn yielding_for_ever_ends_by_the_total() {
    let vm = vm();
    for source in [
        "while true do coroutine.yield() end",
        "while true do pcall(coroutine.yield) end",
        "while true do nap() end",
        "while true do ready() end",
        "while true do pcall(ready) end",
        "while true do coroutine.wrap(function() ready() end)() end",
        "while true do pcall(fails, 'x') end",
    ] {
        let failure = failure_with(&vm, source, total_only());
        assert_kind(&failure, FailureKind::TotalTimeout);
        assert_eq!(
            (failure.script.as_deref(), failure.line),
            (Some("test.lua"), Some(1)),
            "{source}"
        );
        assert_eq!(vm.usage().unwrap().pending, 0, "{source}");
    }
}

#[test]
fn operations_that_are_ready_at_once_do_not_hold_the_thread() {
    let vm = vm();
    let mut context = vm.context_with(several_turns()).unwrap();
    context
        .start(&entry(&vm, "while true do ready() end"), ())
        .unwrap();
    let (outcome, turns) = finish_counting(&mut context);
    assert!(
        matches!(&outcome, Outcome::Failed(failure) if failure.kind == FailureKind::TotalTimeout),
        "{outcome:?}"
    );
    assert!(turns > 1, "others had {turns} turns");
}

#[test]
fn a_slice_ends_between_operations_that_are_ready_at_once_and_loses_none() {
    let vm = vm();
    let mut context = vm
        .context_with(Limits {
            slice: Some(Duration::from_micros(100)),
            ..patient()
        })
        .unwrap();
    let source = "local n = 0 for i = 1, 20000 do n = n + ready(i) end return n";
    context.start(&entry(&vm, source), ()).unwrap();
    let (outcome, turns) = finish_counting(&mut context);
    assert!(matches!(outcome, Outcome::Ok), "{outcome:?}");
    assert_eq!(context.take::<i64>().unwrap(), 20000 * 20001 / 2);
    assert!(turns > 1, "others had {turns} turns");
}

#[test]
fn deep_recursion_overflows_with_a_shortened_traceback() {
    let vm = vm();
    for source in [
        "local function f() return 1 + f() end f()",
        "local function f() local a, b, c = f() return a end coroutine.wrap(f)()",
    ] {
        let failure = failure(&vm, source);
        assert_kind(&failure, FailureKind::Runtime);
        assert_contains(message(&failure), "stack overflow");
        assert!(failure.traceback.len() < 4000, "{}", failure.traceback.len());
        assert_eq!(failure.script.as_deref(), Some("test.lua"));
    }
    let failure = failure(&vm, "local function f() return 1 + f() end f()");
    assert_contains(&failure.traceback, "skipping");
    assert_eq!(failure.traceback.matches("in upvalue 'f'").count(), 19);
}

#[test]
fn deep_recursion_through_native_functions_overflows() {
    let vm = vm();
    for source in [
        "local function f() string.gsub('a', 'a', f) end f()",
        "local function f() table.sort({2, 1}, f) end f()",
        "local t = {} setmetatable(t, {__index = function(_, k) return t[k + 1] end}) return t[1]",
        "local t = {} setmetatable(t, {__tostring = function() return tostring(t) end}) return tostring(t)",
        "local function f() return coroutine.wrap(f)() end f()",
        "local function f() local co = coroutine.create(f) assert(coroutine.resume(co)) end f()",
        "local function f() assert(load(function() f() end)) end f()",
        "return assert(load('return ' .. string.rep('(', 300)))",
    ] {
        let failure = failure(&vm, source);
        assert_kind(&failure, FailureKind::Runtime);
        assert_contains(message(&failure), "overflow");
    }
    // Those that catch what stops them end by their time.
    for source in [
        "local function f() pcall(f) f() end f()",
        "local function f() pcall(f) pcall(f) end while true do f() end",
        "local function f() return pcall(f) end while true do f() end",
        "local function f() xpcall(f, f) end while true do f() end",
        "local function f() coroutine.resume(coroutine.create(f)) pcall(f) end while true do f() end",
    ] {
        let failure = failure_with(&vm, source, total_only());
        assert_kind(&failure, FailureKind::TotalTimeout);
    }
}

#[test]
fn recursive_pcall_of_failing_functions_ends_by_the_total() {
    let vm = vm();
    for source in [
        "local function f() pcall(f) error('x') end while true do pcall(f) end",
        "local function f(n) if n == 0 then error('x') end pcall(f, n - 1) pcall(f, n - 1) end f(60)",
        "local function f(n) if n == 0 then fails('x') end pcall(f, n - 1) pcall(f, n - 1) end f(60)",
    ] {
        let failure = failure_with(&vm, source, total_only());
        assert_kind(&failure, FailureKind::TotalTimeout);
    }
}

fn small() -> Vm {
    host(VmOptions {
        memory_bytes_max: Some(2 << 20),
        ..options()
    })
    .vm
}

#[test]
fn memory_past_the_limit_is_an_outcome_of_its_own_and_the_state_goes_on() {
    let vm = small();
    for source in [
        "\nreturn string.rep('x', 512 << 20)",
        "local t = {} while true do\nt[#t + 1] = {} end",
        "local t = {} while true do\nt[#t + 1] = ('x'):rep(1000) .. #t end",
        "local s = 'x' while true do\ns = s .. s end",
        "local t = {} while true do\nt[#t + 1] = echo({}) end",
        "local t = {} while true do\nt[#t + 1] = nap({}) end",
        "local t = {} while true do\nt[#t + 1] = coroutine.create(print) end",
        "local t = {} while true do\nt[#t + 1] = coroutine.wrap(function() coroutine.yield({}) end)() end",
        "local t = {} coroutine.wrap(function() while true do\nt[#t + 1] = {nap(1)} end end)()",
        "local t = {} while true do\nt[#t + 1] = select(2, pcall(fails, 'x' .. #t)) end",
    ] {
        let failure = failure(&vm, source);
        assert_kind(&failure, FailureKind::OutOfMemory);
        assert_eq!(message(&failure), "out of memory");
        assert_eq!(failure.script.as_deref(), Some("test.lua"), "{source}");
        if !source.contains("coroutine.wrap(function() while") {
            // (A coroutine that died with the error took its stack along.)
            assert_eq!(failure.line, Some(2), "{source}");
        }
        assert_eq!(vm.usage().unwrap().pending, 0);
        vm.collect().unwrap();
        let usage = vm.usage().unwrap();
        assert!(usage.memory_bytes < 512 << 10, "{usage:?} after {source}");
    }
}

#[test]
fn what_only_finalizers_let_go_of_makes_room_for_the_next_run() {
    let vm = small();
    let fills = "local t = {} return pcall(function()
        while true do t[#t + 1] = setmetatable({ ('x'):rep(1000) .. #t }, { __gc = function() end }) end
    end)";
    let innocent = "local t = {} for i = 1, 1000 do t[i] = ('y'):rep(1000) .. i end return #t";
    for _ in 0..3 {
        assert_eq!(
            run::<(bool, String)>(&vm, fills),
            Ok((false, "not enough memory".into()))
        );
        assert_eq!(run::<i64>(&vm, innocent), Ok(1000));
    }
    assert_eq!(run::<i64>(&vm, "return 1"), Ok(1));
}

/// Each finalizer has a limit of its own; those who come after wait for some of them at most, and the rest are cut short.
#[test]
fn finalizers_that_loop_hold_no_run_up_for_long() {
    let host = host(VmOptions {
        memory_bytes_max: Some(2 << 20),
        ..options()
    });
    let fills = "local t = {} for i = 1, 200 do t[i] = setmetatable({}, { __gc = function() while true do end end }) end
        return pcall(string.rep, 'x', 512 << 20)";
    let _ = run_with::<(bool, String)>(&host.vm, fills, patient());
    assert_eq!(run::<i64>(&host.vm, "return 1"), Ok(1));
    let warnings = host.warnings.lock().unwrap().clone();
    let waited_for = warnings
        .iter()
        .filter(|warning| warning.contains("exceeded its time"))
        .count();
    // A hundred milliseconds each, of two seconds in all.
    assert!(
        (1..50).contains(&waited_for),
        "{waited_for} of {}",
        warnings.len()
    );
    assert!(warnings.len() > 100, "{}", warnings.len());
}

#[test]
fn a_script_may_catch_the_lack_of_memory_and_go_on() {
    let vm = small();
    let source = "local ok, e = pcall(string.rep, 'x', 512 << 20) return ok, e";
    assert_eq!(
        run::<(bool, String)>(&vm, source),
        Ok((false, "not enough memory".into()))
    );
}

#[test]
fn memory_is_limited_by_default() {
    let vm = Vm::per_thread(VmOptions::default()).unwrap();
    let failure = run_with::<Value>(&vm, "return string.rep('x', 512 << 20)", patient()).unwrap_err();
    assert_kind(&failure, FailureKind::OutOfMemory);
}

#[test]
fn memory_may_end_anywhere() {
    let source = "local made, t = 0, {}
        local function work(n)
            local co = coroutine.wrap(function(...) local x = {echo(...)} coroutine.yield(x) return nap(#x) end)
            t[#t + 1] = {co(n, {}, 'text' .. n), co()}
            pcall(fails, 'failure ' .. n) set_priv({n})
            t[#t + 1] = echo(('%d'):format(n):rep(10)) .. tostring(get_priv()) .. nap('nap')
            made = made + 1
        end
        for i = 1, 200 do work(i) end
        return made";
    let vm = host(VmOptions {
        memory_bytes_max: None,
        ..options()
    })
    .vm;
    let entry = entry(&vm, source);
    assert_eq!(
        call::<i64>(&mut vm.context_with(steady()).unwrap(), &entry, ()),
        Ok(200)
    );
    vm.collect().unwrap();
    let start = vm.usage().unwrap();
    let references = vm.references().unwrap();
    let mut outcomes = (0, 0);
    for round in 0..300 {
        vm.collect().unwrap();
        let used = vm.usage().unwrap().memory_bytes;
        vm.set_memory_limit(Some(used + 100 + round * 250)).unwrap();
        match vm.context_with(steady()) {
            Err(misuse) => assert_eq!(misuse, Misuse::OutOfMemory),
            Ok(mut context) => match context.start(&entry, ()) {
                Err(misuse) => assert_eq!(misuse, Misuse::OutOfMemory),
                Ok(()) => match finish(&mut context) {
                    Outcome::Ok => outcomes.0 += 1,
                    Outcome::Failed(failure) => {
                        assert_kind(&failure, FailureKind::OutOfMemory);
                        outcomes.1 += 1;
                    }
                    Outcome::Again(_) => unreachable!("`finish` goes on"),
                },
            },
        }
        vm.set_memory_limit(None).unwrap();
        assert_eq!(vm.usage().unwrap().pending, 0, "round {round}");
        if round % 50 == 0 {
            serves(&vm);
        }
    }
    assert!(outcomes.1 > 250, "{outcomes:?}");
    serves(&vm);
    vm.collect().unwrap();
    let end = vm.usage().unwrap();
    assert_eq!((end.contexts, end.coroutines, end.pending), (0, 0, 0));
    assert_eq!(vm.references().unwrap(), references);
    assert!(
        end.memory_bytes < start.memory_bytes + 20_000,
        "{start:?} {end:?}"
    );
}

#[test]
fn error_values_of_every_kind_give_a_message() {
    let vm = vm();
    for (source, expected) in [
        ("error(nil)", "(error object is a nil value)"),
        ("error({'x'})", "(error object is a table value)"),
        (
            "error(setmetatable({}, {__tostring = function() return 'said so' end}))",
            "said so",
        ),
        (
            "error(setmetatable({}, {__tostring = function() error('no') end}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__tostring = function() return {} end}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__tostring = true}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__tostring = function() while true do end end}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__tostring = function() pcall(function() while true do end end) while true do end end}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__tostring = function() coroutine.yield() end}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__tostring = function() nap() end}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__tostring = function(t) return tostring(t) end}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__tostring = function(t) error(t) end}))",
            "(error object is a table value)",
        ),
        (
            "error(setmetatable({}, {__metatable = 'hidden', __tostring = function() return 'found' end}))",
            "found",
        ),
        (
            "error(setmetatable({}, {__name = 'My.Type'}))",
            "(error object is a table value)",
        ),
        ("error(io.stderr)", "file (0x"),
        ("error(string.rep('x', 1 << 20), 0)", "xxx"),
        ("error('\\xff\\0\\n', 0)", "\u{fffd}\0\n"),
    ] {
        let failure = failure(&vm, source);
        assert_kind(&failure, FailureKind::Runtime);
        assert!(message(&failure).starts_with(expected), "{source}: {failure:?}");
        assert!(message(&failure).len() <= 64 << 10, "{source}");
        assert_eq!(
            (failure.script.as_deref(), failure.line),
            (Some("test.lua"), Some(1)),
            "{source}"
        );
    }
    // Userdata of the host's, with and without a text of its own.
    let probe = Probe::new();
    vm.enter(|lua| give_probe(lua, "probe", &probe)).unwrap();
    let failure = failure(&vm, "error(probe())");
    assert_eq!(
        (failure.kind, message(&failure)),
        (FailureKind::Runtime, "(error object is a userdata value)")
    );
}

#[test]
fn a_host_panic_in_the_text_of_an_error_ends_nothing() {
    let vm = vm();
    let failure = failure(
        &vm,
        "error(setmetatable({}, {__tostring = function() panics('x') end}))",
    );
    assert_eq!(
        (failure.kind, message(&failure)),
        (FailureKind::Runtime, "(error object is a table value)")
    );
}

#[test]
fn an_error_inside_a_message_handler_is_caught_where_the_handler_was_set() {
    let vm = vm();
    let source = "local ok, e = xpcall(error, function() error('again') end, 'x') return ok, type(e)";
    assert_eq!(run::<(bool, String)>(&vm, source), Ok((false, "string".into())));
    let source = "local ok, e = xpcall(error, function() local function f() return 1 + f() end f() end, 'x') return ok";
    assert_eq!(run::<bool>(&vm, source), Ok(false));
    let source = "local ok, e = xpcall(error, function(e) coroutine.yield() end, 'x') return ok, e";
    let (ok, _): (bool, Value) = run(&vm, source).unwrap();
    assert!(!ok);
    let source = "local ok, e = xpcall(error, function(e) return pcall(nap) end, 'x') return ok, e";
    assert_eq!(run::<(bool, bool)>(&vm, source), Ok((false, false)));
}

#[test]
fn yields_cross_whatever_lua_lets_them_cross() {
    let vm = vm();
    for source in [
        "return select(2, pcall(nap, 7))",
        "return select(2, pcall(pcall, nap, 7)) and 7",
        "return select(2, xpcall(nap, print, 7))",
        "return select(2, xpcall(function(x) coroutine.yield() return nap(x) end, print, 7))",
        "return setmetatable({}, {__index = function(_, k) return nap(k) end})[7]",
        "return setmetatable({}, {__add = function(_, k) return nap(k) end}) + 7",
        "return setmetatable({}, {__call = function(_, k) return nap(k) end})(7)",
        "return #setmetatable({}, {__len = function(_, k) return nap(7) end})",
        "return (setmetatable({}, {__lt = function() return nap(true) end}) < {}) and 7",
        "return (setmetatable({}, {__concat = function() return nap(7) end}) .. 'x')",
        "local r setmetatable({}, {__newindex = function(_, k, v) r = nap(v) end}).x = 7 return r",
        "local r do local x <close> = setmetatable({}, {__close = function() r = nap(7) end}) end return r",
        "local function iter(_, n) n = nap((n or 0) + 1) if n <= 7 then return n end end
            local last for i in iter do last = i end return last",
        "for k, v in pairs(setmetatable({}, {__pairs = function() nap() return next, {7} end})) do return v end",
        "return nap(nap)(7)",
        "return (select(2, coroutine.resume(coroutine.create(nap), 7)))",
        "return load('return nap(7)')()",
        "return dofile and require and nap(7)",
        "local t = table.pack(nap(1, 2, 3)) return t.n + nap(4)",
    ] {
        assert_eq!(run::<i64>(&vm, source), Ok(7), "{source}");
    }
}

#[test]
fn yields_that_lua_cannot_make_name_the_function() {
    let vm = vm();
    for (source, name) in [
        ("table.sort({2, 1}, function() nap() end)", "sort"),
        ("table.sort({2, 1}, function() pcall(nap) nap() end)", "sort"),
        (
            "table.sort({2, 1}, function() local ok, e = pcall(nap) error(e, 0) end)",
            "sort",
        ),
        (
            "table.sort({2, 1}, function() local ok, e = xpcall(nap, tostring) error(e, 0) end)",
            "sort",
        ),
        ("table.sort({2, 1}, function() coroutine.wrap(nap)() end)", "sort"),
        (
            "table.sort({2, 1}, function() coroutine.wrap(function() coroutine.wrap(nap)() end)() end)",
            "sort",
        ),
        ("string.gsub('x', 'x', function() nap() end)", "gsub"),
        ("('x'):gsub('x', function() nap() end)", "gsub"),
        (
            "tostring(setmetatable({}, {__tostring = function() nap() end}))",
            "tostring",
        ),
        ("load(function() return nap() end)", "load"),
        (
            "table.concat(setmetatable({}, {__len = function() return 1 end, __index = function() return nap('x') end}))",
            "concat",
        ),
    ] {
        let source = if name == "load" {
            format!("assert({source})")
        } else {
            source.to_owned()
        };
        let failure = failure(&vm, &source);
        assert_kind(&failure, FailureKind::Runtime);
        assert_contains(message(&failure), "attempt to yield across a C-call boundary");
        assert_contains(message(&failure), &format!("inside `{name}`"));
        assert_eq!(vm.usage().unwrap().pending, 0);
    }
    // Lua's own yield says what Lua says.
    let failure = failure(&vm, "table.sort({2, 1}, function() coroutine.yield() end)");
    assert_contains(message(&failure), "attempt to yield across a C-call boundary");
}

#[test]
fn a_script_can_catch_that_it_cannot_yield() {
    let vm = vm();
    let source = "local seen table.sort({2, 1}, function(a, b) local ok, e = pcall(nap) seen = e return a < b end) return seen";
    assert_contains(&run::<String>(&vm, source).unwrap(), "inside `sort`");
}

#[test]
fn a_finalizer_cannot_wait() {
    let host = host(options());
    let source = "setmetatable({}, {__gc = function() nap() end}) collectgarbage() return 7";
    assert_eq!(run::<i64>(&host.vm, source), Ok(7));
    let warnings = host.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_contains(&warnings[0], "__gc");
    assert_contains(&warnings[0], "yield");
    assert_eq!(host.vm.usage().unwrap().pending, 0);
}

#[test]
fn a_context_s_coroutine_is_out_of_reach() {
    let vm = vm();
    let close = "cannot close a running coroutine";
    for (source, expected) in [
        (
            "return pcall(coroutine.close, coroutine.running())",
            "cannot close a context's coroutine",
        ),
        (
            "local me = coroutine.running() return coroutine.wrap(function() return pcall(coroutine.close, me) end)()",
            "cannot close a context's coroutine",
        ),
        (
            "return coroutine.resume(coroutine.running())",
            "cannot resume non-suspended coroutine",
        ),
        (
            "local me = coroutine.running() return coroutine.wrap(function() return coroutine.resume(me) end)()",
            "cannot resume a context's coroutine",
        ),
        (
            "local co co = coroutine.create(function() return coroutine.resume(co) end) return select(2, coroutine.resume(co))",
            "cannot resume non-suspended coroutine",
        ),
        (
            "local co co = coroutine.create(function() return pcall(coroutine.close, co) end) return select(2, coroutine.resume(co))",
            close,
        ),
        (
            "local co co = coroutine.create(function() return coroutine.wrap(function() return pcall(coroutine.close, co) end)() end) return select(2, coroutine.resume(co))",
            "cannot close a normal coroutine",
        ),
        (
            "local w w = coroutine.wrap(function() return pcall(w) end) return w()",
            "cannot resume non-suspended coroutine",
        ),
    ] {
        let (ok, text): (bool, String) = run(&vm, source).unwrap();
        assert!(!ok, "{source}");
        assert_contains(&text, expected);
    }
    serves(&vm);
}

#[test]
fn another_context_s_coroutine_is_out_of_reach() {
    let vm = vm();
    let attacks = [
        (
            "return coroutine.resume(victim)",
            "cannot resume a context's coroutine",
        ),
        (
            "return coroutine.resume(victim, 1, 2, 3)",
            "cannot resume a context's coroutine",
        ),
        (
            "return pcall(coroutine.close, victim)",
            "cannot close a context's coroutine",
        ),
    ];
    for wait in ["coroutine.yield()", "nap()", "pcall(nap)"] {
        let mut victim = vm.context_with(steady()).unwrap();
        let source = format!("victim = coroutine.running() {wait} return 'unharmed'");
        victim.start(&entry(&vm, &source), ()).unwrap();
        assert!(matches!(step(&mut victim), Outcome::Again(_)));
        for (attack, expected) in attacks {
            let (ok, text): (bool, String) = run(&vm, attack).unwrap();
            assert!(!ok, "{attack}");
            assert_contains(&text, expected);
        }
        assert_eq!(
            eval::<String>(&vm, "return coroutine.status(victim)"),
            "suspended"
        );
        assert!(matches!(finish(&mut victim), Outcome::Ok));
        assert_eq!(victim.take::<String>().unwrap(), "unharmed");
        // Between two runs, too.
        for (attack, expected) in attacks {
            let (ok, text): (bool, String) = run(&vm, attack).unwrap();
            assert!(!ok, "{attack}");
            assert_contains(&text, expected);
        }
        // And in the pool.
        drop(victim);
        let pooled = vm.context().unwrap();
        let idle = vm.context().unwrap();
        drop((pooled, idle));
        for (attack, expected) in attacks {
            let (ok, text): (bool, String) = run(&vm, attack).unwrap();
            assert!(!ok, "{attack} on a coroutine in the pool");
            assert_contains(&text, expected);
        }
        exec(&vm, "victim = nil");
    }
}

#[test]
fn a_coroutine_kept_beyond_its_context_is_dead_and_harmless() {
    let vm = vm();
    let mut context = vm.context_with(steady()).unwrap();
    assert!(
        call::<()>(
            &mut context,
            &entry(&vm, "kept = coroutine.running() error('x')"),
            ()
        )
        .is_err()
    );
    drop(context);
    vm.collect().unwrap();
    let source = "return coroutine.status(kept), coroutine.resume(kept)";
    let (status, ok, text): (String, bool, String) = run(&vm, source).unwrap();
    assert_eq!((status.as_str(), ok), ("dead", false));
    assert_contains(&text, "cannot resume dead coroutine");
    assert_eq!(run::<bool>(&vm, "return coroutine.close(kept)"), Ok(true));
    serves(&vm);
}

#[test]
fn a_script_s_coroutine_outlives_its_context() {
    let vm = vm();
    run::<()>(
        &vm,
        "kept = coroutine.wrap(function() for i = 1, 10 do coroutine.yield(nap(i)) end end) kept()",
    )
    .unwrap();
    vm.collect().unwrap();
    assert_eq!(run::<i64>(&vm, "return kept()"), Ok(2));
    assert_eq!(run::<i64>(&vm, "return kept()"), Ok(3));
}

#[test]
fn a_coroutine_left_in_a_host_operation_is_refused_to_others() {
    let vm = vm();
    for wait in ["never()", "while true do end"] {
        let mut context = vm.context_with(patient()).unwrap();
        let source = format!("kept = coroutine.create(function() {wait} end) coroutine.resume(kept)");
        context.start(&entry(&vm, &source), ()).unwrap();
        assert!(matches!(step(&mut context), Outcome::Again(_)));
        let (ok, text): (bool, String) = run(&vm, "return coroutine.resume(kept, 1)").unwrap();
        assert!(!ok);
        assert_contains(&text, "cannot resume a coroutine that waits for the host");
        let (ok, text): (bool, String) = run(&vm, "return pcall(coroutine.close, kept)").unwrap();
        assert!(!ok);
        assert_contains(&text, "cannot close a coroutine that waits for the host");
        // With its context it is closed.
        drop(context);
        assert_eq!(vm.usage().unwrap().pending, 0);
        for _ in 0..2 {
            let (ok, text): (bool, String) = run(&vm, "return coroutine.resume(kept, 1)").unwrap();
            assert!(!ok);
            assert_contains(&text, "cannot resume dead coroutine");
            assert_eq!(run::<bool>(&vm, "return coroutine.close(kept)"), Ok(true));
            vm.collect().unwrap();
        }
        exec(&vm, "kept = nil");
        vm.collect().unwrap();
        serves(&vm);
    }
}

#[test]
fn a_host_panic_ends_the_run_wherever_it_happens() {
    let vm = vm();
    for source in [
        "panics('boom')",
        "pcall(panics, 'boom')",
        "while true do pcall(panics, 'boom') end",
        "xpcall(panics, function() while true do end end, 'boom')",
        "coroutine.wrap(function() panics('boom') end)()",
        "coroutine.resume(coroutine.create(panics), 'boom') while true do end",
        "pcall(function() coroutine.wrap(function() pcall(panics, 'boom') end)() end) return 1",
        "pcall(table.sort, {2, 1}, function() pcall(panics, 'boom') end) return 1",
        "local x <close> = setmetatable({}, {__close = function() panics('boom') end})",
        "return setmetatable({}, {__index = function() panics('boom') end}).x",
        // What it closes on its way out would wait: there is nothing to wait for any more.
        "pcall(function() local x <close> = setmetatable({}, {__close = nap}) panics('boom') end)",
        "nap_panics('boom')",
        "pcall(nap_panics, 'boom')",
        "coroutine.wrap(function() pcall(nap_panics, 'boom') end)()",
    ] {
        assert_panics(&vm, source);
    }
}

#[test]
fn a_panic_in_a_function_that_mlua_made_ends_the_run_too() {
    let vm = vm();
    vm.enter(|lua| {
        let f = lua
            .create_function(|_, text: String| -> mlua::Result<()> { std::panic::panic_any(text) })
            .unwrap();
        lua.globals().set("raw_panics", f).unwrap();
    })
    .unwrap();
    for source in [
        "raw_panics('boom')",
        "pcall(raw_panics, 'boom') return 1",
        "xpcall(raw_panics, function(e) return e end, 'boom') return 1",
        "coroutine.wrap(function() pcall(raw_panics, 'boom') end)() return 1",
        "coroutine.resume(coroutine.create(raw_panics), 'boom') return 1",
    ] {
        let failure = failure(&vm, source);
        assert_kind(&failure, FailureKind::HostPanic);
        assert_contains(message(&failure), "boom");
    }
}

#[test]
fn a_panic_while_an_operation_s_results_are_converted_ends_the_run() {
    struct Panics;
    impl mlua::IntoLua for Panics {
        fn into_lua(self, _: &mlua::Lua) -> mlua::Result<Value> {
            panic!("boom")
        }
    }
    struct Refuses;
    impl mlua::IntoLua for Refuses {
        fn into_lua(self, _: &mlua::Lua) -> mlua::Result<Value> {
            Err(mlua::Error::runtime("has no place in Lua"))
        }
    }
    let vm = vm();
    vm.enter(|lua| {
        let set = |name: &str, f| lua.globals().set(name, f).unwrap();
        set(
            "gives_panic",
            operation(lua, "gives_panic", |_, _: ()| Ok(async { Ok(Panics) })).unwrap(),
        );
        set(
            "gives_none",
            operation(lua, "gives_none", |_, _: ()| Ok(async { Ok(Refuses) })).unwrap(),
        );
        set(
            "makes_none",
            function(lua, "makes_none", |_, _: ()| Ok(Refuses)).unwrap(),
        );
    })
    .unwrap();
    for source in ["gives_panic()", "pcall(gives_panic)"] {
        let failure = failure(&vm, source);
        assert_kind(&failure, FailureKind::HostPanic);
        assert_contains(message(&failure), "boom");
    }
    for name in ["gives_none", "makes_none"] {
        let (ok, text): (bool, String) = run(
            &vm,
            &format!("local ok, e = pcall(function() {name}() end) return ok, tostring(e)"),
        )
        .unwrap();
        assert!(!ok);
        assert_contains(&text, "has no place in Lua");
        let failure = failure(&vm, &format!("{name}()"));
        assert_kind(&failure, FailureKind::Runtime);
        assert_contains(message(&failure), "has no place in Lua");
    }
}

#[test]
fn a_hundred_thousand_suspended_contexts_are_dropped_at_once() {
    let vm = host(VmOptions {
        memory_bytes_max: None,
        ..options()
    })
    .vm;
    vm.collect().unwrap();
    let (start, references) = (vm.usage().unwrap(), vm.references().unwrap());
    let wait = entry(&vm, "local i = ... never() return i");
    let n = 100_000;
    let contexts: Vec<Context> = (0..n)
        .map(|i| {
            let mut context = vm.context_with(steady()).unwrap();
            context.start(&wait, i).unwrap();
            expect_again(&step(&mut context), Again::Waiting);
            context
        })
        .collect();
    let full = vm.usage().unwrap();
    assert_eq!((full.contexts, full.coroutines, full.pending), (n, n, n));
    drop(contexts);
    let end = vm.usage().unwrap();
    assert_eq!((end.contexts, end.pending), (0, 0));
    drop(wait);
    vm.collect().unwrap();
    let end = vm.usage().unwrap();
    assert_eq!(end.coroutines, 0);
    assert_eq!(vm.references().unwrap(), references);
    // The registry's table keeps its size; what else there was is gone.
    assert!(
        end.memory_bytes < start.memory_bytes + (8 << 20),
        "{start:?} {end:?}"
    );
    serves(&vm);
}

#[test]
fn an_error_in_a_finalizer_is_a_warning() {
    let host = host(options());
    let source = "setmetatable({}, {__gc = function() error('lost') end}) collectgarbage() return 7";
    assert_eq!(run::<i64>(&host.vm, source), Ok(7));
    exec(
        &host.vm,
        "setmetatable({}, {__gc = function() error({}) end}) collectgarbage()",
    );
    let warnings = host.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_contains(&warnings[0], "test.lua:1: lost");
    assert_contains(&warnings[1], "__gc");
}

/// Bodies of finalizers that do not end by themselves.
const FINALIZERS: &[&str] = &[
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do pcall(pcall, function() while true do end end) end",
    "xpcall(function() while true do end end, function(e) return e end)",
    "coroutine.wrap(function() while true do end end)()",
    "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    "table.sort({2, 1}, function() while true do end end)",
    "local x <close> = setmetatable({}, {__close = function() while true do end end}) while true do end",
];

#[track_caller]
fn assert_ended(body: &str, warning: &str) {
    // A message handler that is ended, too, makes this of it.
    let text = if body.starts_with("xpcall") {
        "error in error handling"
    } else {
        "finalizer exceeded its time"
    };
    assert_eq!(warning, format!("error in __gc ({text})"), "{body}");
}

#[test]
fn a_finalizer_that_does_not_end_is_ended_and_warned_of_and_the_run_goes_on() {
    let host = host(options());
    for (n, body) in FINALIZERS.iter().enumerate() {
        let source =
            format!("setmetatable({{}}, {{__gc = function() {body} end}}) collectgarbage() return 7");
        let limits = Limits {
            burst: Some(Duration::from_millis(20)),
            ..patient()
        };
        assert_eq!(run_with::<i64>(&host.vm, &source, limits), Ok(7), "{body}");
        let warnings = host.warnings();
        assert_eq!(warnings.len(), n + 1, "{body}: {warnings:?}");
        assert_ended(body, &warnings[n]);
        serves(&host.vm);
    }
}

#[test]
fn a_finalizer_that_does_not_end_is_ended_in_the_host_s_own_calls() {
    let host = host(VmOptions {
        aside_limit: Duration::from_millis(20),
        enter_limit: Duration::from_millis(20),
        ..options()
    });
    for (n, body) in FINALIZERS.iter().enumerate() {
        exec(
            &host.vm,
            &format!("setmetatable({{}}, {{__gc = function() {body} end}})"),
        );
        host.vm.collect().unwrap();
        let warnings = host.warnings();
        assert_eq!(warnings.len(), n + 1, "{body}: {warnings:?}");
        assert_ended(body, &warnings[n]);
    }
    serves(&host.vm);
}

#[test]
fn a_finalizer_that_does_not_end_is_ended_where_the_host_makes_values() {
    let host = host(VmOptions {
        aside_limit: Duration::from_millis(20),
        enter_limit: Duration::from_millis(20),
        ..options()
    });
    let entry = entry(&host.vm, "return 1");
    let mut contexts = Vec::new();
    let brief = Limits {
        burst: Some(Duration::from_millis(20)),
        ..steady()
    };
    let makes: [&mut dyn FnMut(); 3] = [
        &mut || contexts.push(host.vm.context().unwrap()),
        &mut || {
            // An argument that is made, for a run that never begins.
            let mut context = host.vm.context().unwrap();
            context.start(&entry, "x".repeat(1000)).unwrap();
        },
        &mut || {
            // One that is made within its run.
            let begun = host
                .vm
                .begin(Some(brief), &entry, "x".repeat(1000), Yielding::Allowed);
            begun.map(drop).unwrap();
        },
    ];
    for (n, make) in makes.into_iter().enumerate() {
        exec(
            &host.vm,
            "setmetatable({}, {__gc = function() while true do end end})",
        );
        let mut left = 1_000_000;
        while host.warnings().len() == n {
            make();
            left -= 1;
            assert!(left > 0, "nothing was collected");
        }
        assert_ended("while true", &host.warnings()[n]);
    }
    serves(&host.vm);
}

#[test]
fn finalizers_without_end_do_not_outlast_the_total() {
    let host = host(options());
    let source =
        "while true do setmetatable({}, {__gc = function() while true do end end}) collectgarbage() end";
    let limits = Limits {
        slice: Some(Duration::from_millis(1)),
        burst: Some(Duration::from_millis(10)),
        total: Some(Duration::from_millis(100)),
        ..Limits::NONE
    };
    let mut context = host.vm.context_with(limits).unwrap();
    context.start(&entry(&host.vm, source), ()).unwrap();
    let failure = loop {
        match step(&mut context) {
            Outcome::Again(_) => assert!(host.warnings().len() < 50, "the total does not count finalizers"),
            Outcome::Failed(failure) => break failure,
            Outcome::Ok => panic!("an endless loop ended"),
        }
    };
    assert_kind(&failure, FailureKind::TotalTimeout);
    assert!(
        context.stats().lua_time >= Duration::from_millis(90),
        "{:?}",
        context.stats()
    );
}

#[test]
fn a_host_panic_in_a_finalizer_is_a_warning() {
    let host = host(options());
    exec(
        &host.vm,
        "setmetatable({}, {__gc = function() panics('boom') end}) collectgarbage()",
    );
    assert_eq!(host.warnings().len(), 1, "{:?}", host.warnings());
    serves(&host.vm);
}

#[test]
fn a_state_dropped_while_finalizers_loop_is_dropped() {
    for keep in [
        "kept",
        "string.kept",
        "package.loaded.kept",
        "getmetatable('').kept",
    ] {
        for body in FINALIZERS {
            let host = host(VmOptions {
                aside_limit: Duration::from_millis(5),
                ..options()
            });
            exec(
                &host.vm,
                &format!("{keep} = setmetatable({{}}, {{__gc = function() {body} end}})"),
            );
            drop(host.vm);
            let warnings = host.warnings.lock().unwrap().clone();
            assert_eq!(warnings.len(), 1, "{keep}, {body}: {warnings:?}");
            assert_ended(body, &warnings[0]);
        }
    }
}

#[test]
fn a_state_dropped_with_many_finalizers_that_loop_is_dropped() {
    for keep in ["kept", "string"] {
        let host = host(VmOptions {
            aside_limit: Duration::from_millis(5),
            ..options()
        });
        let source = format!(
            "kept = {{}} for i = 1, 100 do
                {keep}[i] = setmetatable({{}}, {{__gc = function() while true do pcall(function() while true do end end) end end}})
            end"
        );
        exec(&host.vm, &source);
        drop(host.vm);
        assert_eq!(host.warnings.lock().unwrap().len(), 100);
    }
}

#[test]
fn a_close_handler_that_errors_loops_or_waits_at_a_failure_is_bounded_and_the_others_run() {
    let vm = vm();
    for handler in [
        "error('second')",
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.yield()",
        "nap()",
        "pcall(nap) while true do end",
        "panics('boom')",
        "local function f() return 1 + f() end f()",
        "coroutine.wrap(function() while true do end end)()",
    ] {
        for (fail, kind, limits) in [
            ("error('first')", FailureKind::Runtime, patient()),
            ("while true do end", FailureKind::TotalTimeout, total_only()),
            ("panics('boom')", FailureKind::HostPanic, patient()),
        ] {
            let source = format!(
                "local a <close> = setmetatable({{}}, {{__close = function() closed = closed .. 'a' end}})
                local b <close> = setmetatable({{}}, {{__close = function() closed = closed .. 'b' {handler} end}})
                local c <close> = setmetatable({{}}, {{__close = function() closed = closed .. 'c' end}})
                {fail}"
            );
            let is_over = ["while", "panics", "f()"]
                .iter()
                .any(|text| handler.contains(text));
            let closes = || {
                exec(&vm, "closed = ''");
                let failure = failure_with(&vm, &source, limits);
                assert_kind(&failure, kind);
                let closed = eval::<String>(&vm, "return closed");
                failure.line == Some(4) && (closed == "cba" || (is_over && closed == "cb"))
            };
            // On a busy machine a limit can be over before anything has happened.
            assert!((0..10).any(|_| closes()), "{handler} after {fail}");
            assert_eq!(vm.usage().unwrap().pending, 0);
        }
    }
}

#[test]
fn load_refuses_what_it_cannot_compile() {
    let vm = vm();
    for (source, expected) in [
        ("x = = 1", "bad.lua:1: unexpected symbol near '='"),
        ("\n\nfor", "bad.lua:3: <name> expected near <eof>"),
        ("return 'open", "bad.lua:1: unfinished string"),
        ("\x1bLua", "attempt to load a binary chunk"),
        ("goto nowhere", "bad.lua:1: no visible label 'nowhere'"),
        (
            "local x <const> = 1 x = 2",
            "bad.lua:1: attempt to assign to const variable 'x'",
        ),
    ] {
        let error = vm.load("bad.lua", source).unwrap_err().to_string();
        assert_contains(&error, expected);
    }
    serves(&vm);
}

#[test]
fn an_endless_loop_at_load_is_bounded() {
    let host = host(VmOptions {
        enter_limit: Duration::from_millis(20),
        ..options()
    });
    for source in [
        "while true do end",
        "pcall(function() while true do end end)",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "table.sort({2, 1}, function() while true do end end)",
    ] {
        let error = host
            .vm
            .enter(|lua| lua.load(source).set_name("@load.lua").exec())
            .unwrap()
            .unwrap_err();
        assert_contains(&error.to_string(), "timeout");
        assert_contains(&error.to_string(), "load.lua:1");
    }
    serves(&host.vm);
}

#[test]
fn scripts_cannot_reach_the_host_s_marks() {
    let vm = vm();
    // A light userdata from a C function's frame of a waiting coroutine is the one a host operation yields.
    let mut waits = vm.context_with(steady()).unwrap();
    waits
        .start(
            &entry(
                &vm,
                "kept = coroutine.create(function() never() end) coroutine.resume(kept)",
            ),
            (),
        )
        .unwrap();
    expect_again(&step(&mut waits), Again::Waiting);
    for source in [
        "local _, mark = debug.getlocal(kept, 0, 1) coroutine.yield(mark) return 7",
        "local _, mark = debug.getlocal(kept, 0, 1) coroutine.wrap(function() coroutine.yield(mark) end)() return 7",
        "local _, mark = debug.getlocal(kept, 0, 1) return echo(mark, 'x') and 7",
    ] {
        // Whatever it leads to, it is an end, and the state goes on.
        let _ = run::<Value>(&vm, source);
        serves(&vm);
    }
    drop(waits);
    serves(&vm);
}

#[test]
fn stepping_another_context_inside_a_host_function_works() {
    let vm = vm();
    let inner = vm.clone();
    vm.enter(|lua| {
        let f = function(lua, "nested", move |lua, source: String| {
            let mut context = inner.context_with(patient()).unwrap();
            let result = call::<i64>(&mut context, &entry(&inner, &source), ());
            let name = current(lua).and_then(|current| current.entry());
            Ok((
                result.map_err(|failure| mlua::Error::runtime(failure.to_string()))?,
                name.map(|n| n.to_string()),
            ))
        });
        lua.globals().set("nested", f.unwrap()).unwrap();
    })
    .unwrap();
    assert_eq!(
        run::<(i64, String)>(&vm, "return nested('return nap(7)')"),
        Ok((7, "test".into()))
    );
    assert_eq!(
        run::<(i64, String)>(&vm, "return nested('return (nested(\"return nap(7)\"))')"),
        Ok((7, "test".into()))
    );
    let failure = failure(&vm, "nested('panics(\"boom\")')");
    assert_kind(&failure, FailureKind::Runtime);
    assert_contains(message(&failure), "host function panicked");
    exec(&vm, "nested = nil");
    vm.collect().unwrap();
}

#[test]
fn failures_inside_failures_leave_the_counts_right() {
    let vm = vm();
    vm.collect().unwrap();
    let (start, references) = (vm.usage().unwrap(), vm.references().unwrap());
    for source in ENDLESS.iter().take(6) {
        let mut context = vm.context_with(total_only()).unwrap();
        let entry = entry(&vm, source);
        for _ in 0..2 {
            assert!(call::<MultiValue>(&mut context, &entry, ()).is_err());
        }
    }
    vm.collect().unwrap();
    let end = vm.usage().unwrap();
    assert_eq!(
        (end.contexts, end.coroutines, end.pending),
        (start.contexts, start.coroutines, start.pending)
    );
    assert_eq!(vm.references().unwrap(), references);
}
