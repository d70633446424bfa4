//! What of S1 to S14 cannot be seen through the public interface. The rest is in `tests/original.rs`.

use std::task::{self, Waker};
use std::time::Duration;

use mlua::ffi::{self, lua_State};

use crate::core::{self, TagKind};
use crate::{Context, Entry, FailureKind, Limits, Outcome, Vm, VmOptions, Yielding, failure, function};

fn vm() -> Vm {
    Vm::per_thread(VmOptions::default()).unwrap()
}

fn entry(vm: &Vm, source: &str) -> Entry {
    vm.entry("test", vm.load("test.lua", source).unwrap()).unwrap()
}

fn finish(context: &mut Context, entry: &Entry) -> Outcome {
    let mut cx = task::Context::from_waker(Waker::noop());
    context.start(entry, ()).unwrap();
    loop {
        match context.step(&mut cx, Yielding::Allowed).unwrap() {
            Outcome::Again(_) => {}
            outcome => return outcome,
        }
    }
}

fn coroutine(context: &Context) -> *mut lua_State {
    context.slot.as_ref().unwrap().l
}

/// True if the coroutine leads to this context, and to its state.
fn leads_to(context: &Context, l: *mut lua_State) -> bool {
    context.core.locked(|_| {
        // SAFETY: the callers pass coroutines that are alive, under the lock.
        let (tag, core) = unsafe { (core::tag(l).unwrap(), core::of(l).unwrap()) };
        tag.kind == TagKind::Context
            && std::ptr::eq(core, &*context.core)
            && std::ptr::eq(tag.slot.get(), &raw const **context.slot.as_ref().unwrap())
    })
}

#[test]
fn s1_the_main_state_leads_to_itself_and_is_stopped_without_memory() {
    let vm = vm();
    vm.core.locked(|raw| {
        assert_eq!(raw.state(), vm.core.main);
        // SAFETY: the main state is alive, and the lock is held.
        unsafe {
            let tag = core::tag(vm.core.main).unwrap();
            assert!(std::ptr::eq(core::of(vm.core.main).unwrap(), &*vm.core));
            assert_eq!(tag.kind, TagKind::Own);
            assert!(
                tag.slot.get().is_null(),
                "it has a slot, and so a place for a memory value"
            );
            assert_eq!(ffi::lua_status(vm.core.main), ffi::LUA_OK);
        }
        assert!(vm.core.current().is_none());
    });
}

#[test]
fn s2_a_context_is_anchored_and_leads_to_itself() {
    let vm = vm();
    let start = vm.references().unwrap();
    let contexts: Vec<Context> = (0..3).map(|_| vm.context().unwrap()).collect();
    assert_eq!(vm.references().unwrap(), start + 3);
    for context in &contexts {
        let l = coroutine(context);
        assert!(leads_to(context, l));
        assert_eq!(context.slot.as_ref().unwrap().memory.get(), ffi::LUA_NOREF);
        // SAFETY: the coroutine is alive, and its state is this thread's.
        unsafe {
            assert_eq!(ffi::lua_status(l), ffi::LUA_OK);
            assert_eq!(ffi::lua_gettop(l), 0);
        }
    }
}

#[test]
fn s3_a_script_s_own_coroutines_lead_to_the_state_but_own_no_context() {
    let vm = vm();
    vm.enter(|lua| {
        let look = function(lua, "look", |lua, _: ()| {
            Ok(lua.exec_raw_lua(|raw| {
                // SAFETY: a host function runs on a live coroutine, under the lock.
                let (tag, core) =
                    unsafe { (core::tag(raw.state()).unwrap(), core::of(raw.state()).unwrap()) };
                let owner = core.current().map(|run| run.slot);
                format!("{:?} {}", tag.kind, owner.is_some_and(|slot| !slot.is_null()))
            }))
        });
        lua.globals().set("look", look.unwrap()).unwrap();
    })
    .unwrap();
    let mut context = vm.context().unwrap();
    let look = entry(
        &vm,
        "return look(), coroutine.wrap(look)(), coroutine.wrap(coroutine.wrap(look))()",
    );
    assert!(matches!(finish(&mut context, &look), Outcome::Ok));
    assert_eq!(
        context.take::<(String, String, String)>().unwrap(),
        ("Context true".into(), "Own true".into(), "Own true".into())
    );
    let outside: String = vm.enter(|lua| lua.load("return look()").eval()).unwrap().unwrap();
    assert_eq!(outside, "Own false");
}

#[test]
fn s5_a_destroyed_context_s_coroutine_leads_to_no_context() {
    let vm = vm();
    // Only a coroutine that leaves the pool is the script's to keep.
    let keep = entry(&vm, "kept = coroutine.running() error('x')");
    let mut context = vm.context().unwrap();
    let l = coroutine(&context);
    assert!(matches!(finish(&mut context, &keep), Outcome::Failed(_)));
    drop(context);
    vm.collect().unwrap();
    vm.core.locked(|_| {
        // SAFETY: the script keeps the coroutine alive; the lock is held.
        let tag = unsafe { core::tag(l).unwrap() };
        assert_eq!(tag.kind, TagKind::Own);
        assert!(tag.slot.get().is_null());
    });
}

#[test]
fn s11_each_status_reaches_the_failure_with_its_message() {
    let vm = vm();
    for (status, kind, message) in [
        (ffi::LUA_ERRRUN, FailureKind::Runtime, "the value"),
        (ffi::LUA_ERRMEM, FailureKind::OutOfMemory, "out of memory"),
        (ffi::LUA_ERRERR, FailureKind::MessageHandler, "the value"),
        (77, FailureKind::Unknown(77), "unknown status 77"),
    ] {
        let context = vm.context().unwrap();
        let l = coroutine(&context);
        let failure = vm.core.locked(|raw| {
            // SAFETY: the coroutine is alive and has room; `report` finds the value where a run leaves it.
            unsafe {
                ffi::lua_pushstring(l, c"the value".as_ptr());
                failure::report(&vm.core, raw, Some(l), None, status)
            }
        });
        assert_eq!((failure.kind, failure.message.as_deref()), (kind, Some(message)));
    }
}

#[test]
fn s12_no_room_for_the_message_is_an_outcome_of_its_own() {
    let vm = vm();
    let mut context = vm.context().unwrap();
    let fail = entry(&vm, "error('a message that finds no room')");
    let top = || {
        vm.core.locked(|raw| {
            // SAFETY: the state is alive, and the lock is held.
            unsafe { ffi::lua_gettop(raw.state()) }
        })
    };
    let before = top();
    failure::tests::NO_ROOM.set(true);
    let outcome = finish(&mut context, &fail);
    failure::tests::NO_ROOM.set(false);
    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        (failure.kind, failure.message.clone()),
        (FailureKind::NoMessage, None)
    );
    assert_eq!(failure.to_string(), "error without message");
    assert_eq!(
        (failure.script.as_deref(), failure.line),
        (Some("test.lua"), Some(1))
    );
    // Nothing was pushed, neither where the host works nor on the new coroutine.
    assert_eq!(top(), before);
    // SAFETY: the context's coroutine is alive, and its state is this thread's.
    assert_eq!(unsafe { ffi::lua_gettop(coroutine(&context)) }, 0);
    assert!(matches!(
        finish(&mut context, &entry(&vm, "return 1")),
        Outcome::Ok
    ));
}

#[test]
fn s13_a_new_coroutine_takes_over_and_the_old_one_is_let_go() {
    let vm = vm();
    let mut context = vm.context().unwrap();
    let fail = entry(&vm, "error('x')");
    let references = vm.references().unwrap();
    for _ in 0..5 {
        let before = coroutine(&context);
        assert!(matches!(finish(&mut context, &fail), Outcome::Failed(_)));
        let after = coroutine(&context);
        assert_ne!(before, after);
        assert!(leads_to(&context, after));
        assert_eq!(vm.references().unwrap(), references);
        assert_eq!(vm.usage().unwrap().coroutines, 1);
    }
}

#[test]
fn s14_the_main_state_is_never_renewed() {
    let vm = Vm::per_thread(VmOptions {
        enter_limit: Duration::from_millis(20),
        ..VmOptions::default()
    })
    .unwrap();
    let main = vm.core.main;
    for source in [
        "error('x')",
        "while true do end",
        "local function f() return 1 + f() end f()",
    ] {
        assert!(
            vm.enter(|lua| lua.load(source).exec()).unwrap().is_err(),
            "{source}"
        );
        let mut context = vm.context_with(limits()).unwrap();
        assert!(
            matches!(finish(&mut context, &entry(&vm, source)), Outcome::Failed(_)),
            "{source}"
        );
        vm.core.locked(|raw| assert_eq!(raw.state(), main));
        // SAFETY: the main state is alive, and its state is this thread's.
        unsafe {
            assert_eq!(ffi::lua_status(main), ffi::LUA_OK);
            assert_eq!(core::tag(main).unwrap().kind, TagKind::Own);
            assert!(ffi::lua_gethook(main).is_none());
        }
    }
}

#[test]
fn a_coroutine_goes_back_to_the_pool_with_nothing_on_it() {
    let vm = vm();
    let mut limited = limits();
    limited.forced_yield = std::num::NonZeroU32::new(100);
    for limits in [limits(), limited] {
        for source in [
            "set = 1",
            "for i = 1, 3000 do end",
            "local t = {} for i = 1, 100 do t[i] = i end return table.unpack(t)",
        ] {
            let mut context = vm.context_with(limits).unwrap();
            context.attach(1_u8);
            let l = coroutine(&context);
            assert!(matches!(finish(&mut context, &entry(&vm, source)), Outcome::Ok));
            drop(context);
            let idle = vm.core.idle.borrow();
            let slot = idle
                .iter()
                .find(|slot| slot.l == l)
                .expect("it is not in the pool");
            assert!(slot.attached.borrow().is_none());
            assert_eq!(slot.memory.get(), ffi::LUA_NOREF);
            // SAFETY: an idle coroutine is alive, and its state is this thread's.
            unsafe {
                assert_eq!((ffi::lua_status(l), ffi::lua_gettop(l)), (ffi::LUA_OK, 0));
                assert!(ffi::lua_gethook(l).is_none(), "{source}");
            }
        }
    }
}

#[test]
fn a_cancelled_coroutine_goes_back_to_the_pool_with_nothing_on_it() {
    let vm = vm();
    let mut context = vm.context().unwrap();
    let l = coroutine(&context);
    let mut cx = task::Context::from_waker(Waker::noop());
    context
        .start(
            &entry(&vm, "local a, b, c = 1, 2, 3 coroutine.yield(a, b, c)"),
            (),
        )
        .unwrap();
    assert!(matches!(
        context.step(&mut cx, Yielding::Allowed).unwrap(),
        Outcome::Again(_)
    ));
    drop(context);
    let idle = vm.core.idle.borrow();
    assert_eq!(idle.iter().filter(|slot| slot.l == l).count(), 1);
    // SAFETY: as above.
    unsafe {
        assert_eq!((ffi::lua_status(l), ffi::lua_gettop(l)), (ffi::LUA_OK, 0));
    }
}

fn limits() -> Limits {
    Limits {
        total: Some(Duration::from_millis(20)),
        ..Limits::default()
    }
}
