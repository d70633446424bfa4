//! Plain functions: whatever is called, they behave as other functions of the host do, and survive the same hostility.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use common::*;
use tidegate_exec::mlua::{Error, FromLuaMulti, IntoLuaMulti, Result};
use tidegate_exec::{
    Again, Begun, Chars, Entry, FailureKind, Misuse, Outcome, PlainArgs, PlainResults, Said, Scalars, Vm,
    VmOptions, Yielding, function, plain, plain_operation,
};

/// Ready when polled for the third time, as an operation is that has to be waited for.
struct Nap<T>(Option<T>, u32);

impl<T: Unpin> Future for Nap<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        self.1 += 1;
        if self.1 <= 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.0.take().ok_or_else(|| Error::runtime("polled too often")))
    }
}

fn fails(text: Chars) -> Result<()> {
    Err(Error::runtime(String::from_utf8_lossy(&text).into_owned()))
}

fn panics(text: Chars) -> Result<()> {
    std::panic::panic_any(String::from_utf8_lossy(&text).into_owned())
}

/// The functions of `common`, of which some are plain here, and some new ones.
fn open_plain(vm: &Vm) {
    vm.enter(|lua| {
        let set = |name: &str, made: Result<_>| lua.globals().set(name, made?);
        set("echo", plain(lua, "echo", |values: Scalars| Ok(values)))?;
        set(
            "say",
            plain(lua, "say", |text: Chars| Ok((Said(text.to_vec()), 7_i64, text))),
        )?;
        set(
            "grow",
            plain(lua, "grow", |n: i64| Ok(Said(vec![b'x'; n as usize]))),
        )?;
        set("fails", plain(lua, "fails", fails))?;
        set("panics", plain(lua, "panics", panics))?;
        let nap = |values: Scalars| Ok(Begun::<Scalars, _>::Waits(Nap(Some(values), 0)));
        set("nap", plain_operation(lua, "nap", nap))?;
        let ready = |values: Scalars| Ok(Begun::<_, Nap<Scalars>>::Done(values));
        set("ready", plain_operation(lua, "ready", ready))?;
        let nap_fails = |text: Chars| {
            Ok(Begun::<(), _>::Waits(async move {
                Nap(Some(()), 0).await?;
                fails(text)
            }))
        };
        set("nap_fails", plain_operation(lua, "nap_fails", nap_fails))?;
        let nap_panics = |text: Chars| {
            Ok(Begun::<(), _>::Waits(async move {
                Nap(Some(()), 0).await?;
                panics(text)
            }))
        };
        set("nap_panics", plain_operation(lua, "nap_panics", nap_panics))
    })
    .unwrap()
    .unwrap();
}

fn plain_vm() -> Vm {
    let vm = vm();
    open_plain(&vm);
    vm
}

#[test]
fn values_come_and_go_as_they_are() {
    let vm = plain_vm();
    for (source, expected) in [
        ("local r = table.pack(echo('a', nil, 1, 1.5, true, 'b'))
            return r.n .. tostring(r[2]) .. r[1] .. r[3] .. r[4] .. tostring(r[5]) .. r[6] .. math.type(r[3])",
            "6nila11.5truebinteger"),
        ("return select('#', echo()) .. tostring(echo({}))", "0nil"),
        ("local t = {} for i = 1, 200 do t[i] = 'v' .. i end local r = {echo(table.unpack(t))} return #r .. r[200]", "200v200"),
        ("local a, b, c = say('text') return a .. b .. c", "text7text"),
        ("return (say(12)) .. (say(1.5)) .. (say(''))", "121.5"),
        ("return #grow(100000) .. say('after')", "100000after"),
        ("return #(select(3, say(grow(70000)))) .. echo('x')", "70000x"),
        ("local n = 3 say(n) return math.type(n)", "integer"),
    ] {
        assert_eq!(run::<String>(&vm, source).as_deref(), Ok(expected), "{source}");
    }
}

/// What both kinds of a function say to `source`.
fn both<A, B, R>(source: &str, of: fn(A) -> Result<R>, plainly: fn(B) -> Result<R>) -> [String; 2]
where
    A: FromLuaMulti + 'static,
    B: PlainArgs + 'static,
    R: IntoLuaMulti + PlainResults + 'static,
{
    let vms = [vm(), vm()];
    let set = |vm: &Vm, is_plain: bool| {
        vm.enter(|lua| {
            let f = match is_plain {
                true => plain(lua, "f", plainly),
                false => function(lua, "f", move |_, args: A| of(args)),
            };
            lua.globals().set("f", f.unwrap()).unwrap();
        })
        .unwrap();
    };
    set(&vms[0], false);
    set(&vms[1], true);
    vms.map(|vm| {
        let source = format!(
            "local r = table.pack(pcall(f, {source})) r[1] = tostring(r[1]) return table.concat(r, ' ')"
        );
        run::<String>(&vm, &source).unwrap()
    })
}

#[test]
fn arguments_are_taken_and_refused_in_the_words_of_other_functions() {
    fn given((text, number): (Chars, Option<f64>)) -> Result<(Said<Vec<u8>>, f64)> {
        Ok((Said(text.to_vec()), number.unwrap_or(0.5)))
    }
    for source in [
        "'a'",
        "'a', 2",
        "'a', '2.5'",
        "1, nil",
        "nil",
        "'a', {}",
        "'a', 'x'",
        "true",
        "{}, 1",
        "print",
    ] {
        let [usual, plain] = both(source, given, given);
        assert_eq!(plain, usual, "f({source})");
    }
    fn doubled(n: i64) -> Result<i64> {
        Ok(n.wrapping_mul(2))
    }
    for (source, expected) in [
        ("4", "true 8"),
        ("4.0", "true 8"),
        ("'4'", "true 8"),
        (
            "4.5",
            "bad argument #1 to 'f' (number has no integer representation)",
        ),
        ("{}", "bad argument #1 to 'f' (number expected, got table)"),
        ("", "bad argument #1 to 'f' (number expected, got nil)"),
    ] {
        let source = if source.is_empty() { "nil" } else { source };
        let [_, plain] = both(source, doubled, doubled);
        assert_contains(&plain, expected);
    }
}

#[test]
fn an_error_has_its_place_and_can_be_caught() {
    let vm = plain_vm();
    let caught = run::<String>(&vm, "local ok, e = pcall(function()\nfails('no') end) return e");
    assert_eq!(caught.as_deref(), Ok("test.lua:2: no"));
    let failure = failure(&vm, "\n\nnap_fails('late')");
    assert_kind(&failure, FailureKind::Runtime);
    assert_eq!(message(&failure), "test.lua:3: late");
    assert_eq!(failure.line, Some(3));
    // What was left of a text before the error is not taken for a later result.
    assert_eq!(
        run::<String>(&vm, "pcall(fails, 'x') return tostring(echo(nil))").as_deref(),
        Ok("nil")
    );
}

#[test]
fn a_panic_ends_the_run_wherever_it_happens() {
    let vm = plain_vm();
    for source in [
        "panics('boom')",
        "while true do pcall(panics, 'boom') end",
        "xpcall(panics, function() while true do end end, 'boom')",
        "coroutine.resume(coroutine.create(panics), 'boom') while true do end",
        "pcall(table.sort, {2, 1}, function() pcall(panics, 'boom') end) return 1",
        "local x <close> = setmetatable({}, {__close = function() panics('boom') end})",
        "nap_panics('boom')",
        "coroutine.wrap(function() pcall(nap_panics, 'boom') end)()",
    ] {
        assert_panics(&vm, source);
    }
}

#[test]
fn operations_wait_anywhere_and_only_if_they_have_to() {
    let vm = plain_vm();
    for source in [
        "return nap('a', 1) == 'a' and select(2, nap('a', 1)) == 1",
        "return coroutine.wrap(function() local a = nap('a') coroutine.yield(a) end)() == 'a'",
        "return select(2, pcall(nap, 'a')) == 'a'",
        "return select('#', nap()) == 0 and ready('a') == 'a'",
    ] {
        assert_eq!(run::<bool>(&vm, source), Ok(true), "{source}");
    }
    let mut context = vm.context_with(steady()).unwrap();
    context
        .start(&entry(&vm, "ready('a') nap('b') ready('c')"), ())
        .unwrap();
    expect_again(&step(&mut context), Again::Waiting);
    assert_eq!(vm.usage().unwrap().pending, 1);
    // What waits is dropped with its context.
    drop(context);
    assert_eq!(vm.usage().unwrap().pending, 0);

    let failure = failure(&vm, "table.sort({1, 2, 3}, function(a, b) return nap(a < b) end)");
    assert_contains(message(&failure), "`nap` waits inside `sort`");
    let mut context = vm.context().unwrap();
    context.start(&entry(&vm, "nap('x')"), ()).unwrap();
    match step_with(&mut context, Yielding::Refused) {
        Outcome::Failed(failure) => assert_kind(&failure, FailureKind::YieldNotAllowed),
        outcome => panic!("{outcome:?}"),
    }
    let outside = vm.enter(|lua| lua.load("nap('x')").exec()).unwrap().unwrap_err();
    assert_contains(
        &outside.to_string(),
        "`nap` has to wait, which only works inside a context",
    );
}

#[test]
fn memory_may_end_anywhere() {
    let source = "local made, t = 0, {}
        for n = 1, 200 do
            local co = coroutine.wrap(function(...) local x = echo(...) coroutine.yield(x) return (nap(x)) end)
            t[#t + 1] = {co(n, {}, 'text' .. n), co()}
            pcall(fails, 'failure ' .. n)
            t[#t + 1] = say(n) .. grow(n * 50) .. nap('nap' .. n) .. select(3, say(n * 1.5))
            made = made + 1
        end
        return made";
    let vm = host(VmOptions {
        memory_bytes_max: None,
        ..options()
    })
    .vm;
    open_plain(&vm);
    let entry = entry(&vm, source);
    assert_eq!(
        call::<i64>(&mut vm.context_with(steady()).unwrap(), &entry, ()),
        Ok(200)
    );
    let mut failed = 0;
    for round in 0..300 {
        vm.collect().unwrap();
        let used = vm.usage().unwrap().memory_bytes;
        vm.set_memory_limit(Some(used + 100 + round * 250)).unwrap();
        match vm
            .context_with(steady())
            .and_then(|mut context| context.start(&entry, ()).map(|()| context))
        {
            Err(misuse) => assert_eq!(misuse, Misuse::OutOfMemory),
            Ok(mut context) => {
                if let Outcome::Failed(failure) = finish(&mut context) {
                    assert_kind(&failure, FailureKind::OutOfMemory);
                    failed += 1;
                }
            }
        }
        vm.set_memory_limit(None).unwrap();
        assert_eq!(vm.usage().unwrap().pending, 0, "round {round}");
    }
    assert!(failed > 200, "{failed}");
    serves(&vm);
}

#[test]
fn what_a_function_holds_goes_with_it() {
    let held = Arc::new(());
    let vm = plain_vm();
    let inner = Arc::clone(&held);
    vm.enter(|lua| {
        let f = plain(lua, "holds", move |()| Ok(Arc::strong_count(&inner) as i64));
        lua.globals().set("holds", f.unwrap()).unwrap();
    })
    .unwrap();
    assert_eq!(run::<i64>(&vm, "return holds()"), Ok(2));
    exec(&vm, "holds = nil");
    vm.collect().unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_finalizer_that_outlives_a_function_finds_it_gone() {
    let Host { vm, warnings } = host(options());
    // When the state ends, finalizers run in the reverse order: that of this object after the function's own.
    exec(
        &vm,
        "late = setmetatable({}, {__gc = function() local ok, e = pcall(f) warn('end: ', tostring(e)) end})",
    );
    vm.enter(|lua| lua.globals().set("f", plain(lua, "f", |()| Ok(1_i64)).unwrap()))
        .unwrap()
        .unwrap();
    drop(vm);
    let said = warnings.lock().unwrap().join("\n");
    assert_contains(&said, "end: this function of the host is gone");
}

#[test]
fn scripts_do_not_reach_what_holds_a_function() {
    let vm = plain_vm();
    let source = "return select('#', debug.getupvalue(echo, 1)) + select('#', debug.upvalueid(echo, 1))";
    assert_eq!(run::<i64>(&vm, source), Ok(0));
}

#[test]
fn runs_that_are_started_from_within_each_other_end_before_the_stack_does() {
    static DOWN: OnceLock<Entry> = OnceLock::new();
    let nest = || {
        let vm = vm();
        let inner = vm.clone();
        vm.enter(|lua| {
            let again = move |()| {
                let Some(down) = DOWN.get() else { return Ok(()) };
                let mut context = inner.context_with(patient()).map_err(Error::external)?;
                let called = call::<Scalars>(&mut context, down, ());
                called
                    .map(drop)
                    .map_err(|failure| Error::runtime(message(&failure).to_owned()))
            };
            lua.globals()
                .set("again", plain(lua, "again", again).unwrap())
                .unwrap();
        })
        .unwrap();
        assert!(DOWN.set(entry(&vm, "again()")).is_ok());
        assert_contains(message(&failure(&vm, "again()")), "C stack overflow");
    };
    // Frames are large in a build that isn't optimised.
    let thread = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(nest)
        .unwrap();
    thread.join().unwrap();
}
