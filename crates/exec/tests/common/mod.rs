//! What the tests of this crate share: short ways to make states, run scripts and wait.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, each used by some of them"
)]

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use tidegate_exec::mlua::{FromLuaMulti, IntoLuaMulti, Lua, MultiValue, UserData, Value};
use tidegate_exec::{
    Again, Context, Entry, Failure, FailureKind, Limits, Outcome, Vm, VmOptions, Yielding, current, function,
    operation,
};

/// A state whose warnings can be read.
pub(crate) struct Host {
    pub(crate) vm: Vm,
    pub(crate) warnings: Arc<Mutex<Vec<String>>>,
}

impl Host {
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().clone()
    }
}

pub(crate) fn options() -> VmOptions {
    VmOptions {
        aside_limit: Duration::from_millis(100),
        enter_limit: Duration::from_secs(20),
        ..VmOptions::default()
    }
}

/// A state of this thread, with the functions of [`open`].
pub(crate) fn vm() -> Vm {
    host(options()).vm
}

pub(crate) fn host(options: VmOptions) -> Host {
    let (options, warnings) = collecting(options);
    let vm = Vm::per_thread(options).unwrap();
    open(&vm);
    Host { vm, warnings }
}

pub(crate) fn shared_host(options: VmOptions) -> Host {
    let (options, warnings) = collecting(options);
    let vm = Vm::shared(options).unwrap();
    open(&vm);
    Host { vm, warnings }
}

fn collecting(mut options: VmOptions) -> (VmOptions, Arc<Mutex<Vec<String>>>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&warnings);
    options.on_warning = Arc::new(move |text| sink.lock().unwrap().push(text.to_owned()));
    (options, warnings)
}

/// The host functions that the tests' scripts call.
pub(crate) fn open(vm: &Vm) {
    vm.enter(|lua| {
        let globals = lua.globals();
        let set = |name: &str, f| globals.set(name, f).unwrap();
        // Waits for one step, then returns its arguments.
        set(
            "nap",
            operation(lua, "nap", |_, values: MultiValue| Ok(nap(values))).unwrap(),
        );
        // Is ready at once.
        set(
            "ready",
            operation(lua, "ready", |_, values: MultiValue| {
                Ok(async move { Ok(values) })
            })
            .unwrap(),
        );
        // Waits for ever.
        set(
            "never",
            operation(lua, "never", |_, _: ()| {
                Ok(std::future::pending::<Result<(), _>>())
            })
            .unwrap(),
        );
        set(
            "nap_fails",
            operation(lua, "nap_fails", |_, text: String| {
                Ok(async move {
                    nap(()).await?;
                    Err::<(), _>(error(text))
                })
            })
            .unwrap(),
        );
        set(
            "nap_panics",
            operation(lua, "nap_panics", |_, text: String| {
                Ok(async move {
                    nap(()).await?;
                    if !text.is_empty() {
                        std::panic::panic_any(text);
                    }
                    Ok(())
                })
            })
            .unwrap(),
        );
        set(
            "fails",
            function(lua, "fails", |_, text: String| Err::<(), _>(error(text))).unwrap(),
        );
        set(
            "panics",
            function(lua, "panics", |_, text: String| {
                if !text.is_empty() {
                    std::panic::panic_any(text);
                }
                Ok(())
            })
            .unwrap(),
        );
        set(
            "echo",
            function(lua, "echo", |_, values: MultiValue| Ok(values)).unwrap(),
        );
        set(
            "set_priv",
            function(lua, "set_priv", |lua, value: Value| {
                current(lua).unwrap().set_memory(value)
            })
            .unwrap(),
        );
        set(
            "get_priv",
            function(lua, "get_priv", |lua, _: ()| current(lua).unwrap().memory()).unwrap(),
        );
        set(
            "entry_name",
            function(lua, "entry_name", |lua, _: ()| {
                Ok(current(lua)
                    .and_then(|current| current.entry())
                    .map(|name| name.to_string()))
            })
            .unwrap(),
        );
        set(
            "attached",
            function(lua, "attached", |lua, _: ()| {
                Ok(current(lua).and_then(|current| current.attached(|number: &i64| *number)))
            })
            .unwrap(),
        );
        set(
            "can_wait",
            function(lua, "can_wait", |lua, _: ()| {
                Ok(current(lua).is_some_and(|current| current.can_wait()))
            })
            .unwrap(),
        );
        set(
            "spin_ms",
            function(lua, "spin_ms", |_, ms: u64| {
                let start = std::time::Instant::now();
                while start.elapsed() < Duration::from_millis(ms) {
                    std::hint::spin_loop();
                }
                Ok(())
            })
            .unwrap(),
        );
    })
    .unwrap();
}

fn error(text: String) -> tidegate_exec::mlua::Error {
    tidegate_exec::mlua::Error::runtime(text)
}

/// Ready when polled for the third time: an operation is asked once at its call, and once more before its
/// context is left waiting.
async fn nap<T>(value: T) -> tidegate_exec::mlua::Result<T> {
    let mut asked = 0;
    poll_fn(|cx| {
        asked += 1;
        if asked > 2 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    Ok(value)
}

/// A userdata, or any other value, of which a test can tell whether it is still there.
#[derive(Clone)]
pub(crate) struct Probe(Arc<()>);

impl UserData for Probe {}

impl Probe {
    pub(crate) fn new() -> Self {
        Probe(Arc::new(()))
    }

    /// How many copies live, this one not counted.
    pub(crate) fn alive(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// Makes `name` a function that gives a userdata holding a copy of the probe.
pub(crate) fn give_probe(lua: &Lua, name: &str, probe: &Probe) {
    let probe = probe.clone();
    let f = function(lua, name, move |_, _: ()| Ok(probe.clone())).unwrap();
    // The first userdata of a type leaves its metatable in the registry.
    drop(f.call::<Value>(()).unwrap());
    lua.gc_collect().unwrap();
    lua.globals().set(name, f).unwrap();
}

/// Limits that no test reaches unless it means to, however busy the machine.
pub(crate) fn patient() -> Limits {
    Limits {
        burst: Some(Duration::from_secs(60)),
        total: Some(Duration::from_secs(120)),
        ..Limits::default()
    }
}

/// The same without slices, so that each step ends where the script says.
pub(crate) fn steady() -> Limits {
    Limits {
        slice: None,
        ..patient()
    }
}

/// Limits that a test can afford to reach.
pub(crate) fn short() -> Limits {
    Limits {
        burst: Some(Duration::from_millis(20)),
        total: Some(Duration::from_millis(60)),
        ..Limits::default()
    }
}

/// Limits with `burst` alone, and no forced yields: a loop ends by it.
pub(crate) fn burst_only() -> Limits {
    Limits {
        burst: Some(Duration::from_millis(20)),
        ..Limits::NONE
    }
}

pub(crate) fn total_only() -> Limits {
    Limits {
        slice: Some(Duration::from_millis(1)),
        total: Some(Duration::from_millis(30)),
        ..Limits::NONE
    }
}

/// Compiles `source` as `test.lua` and makes the entry `test` of it.
pub(crate) fn entry(vm: &Vm, source: &str) -> Entry {
    named_entry(vm, "test", source)
}

pub(crate) fn named_entry(vm: &Vm, name: &str, source: &str) -> Entry {
    vm.entry(name, vm.load("test.lua", source).unwrap()).unwrap()
}

/// Runs `source` at load time, outside any context.
pub(crate) fn exec(vm: &Vm, source: &str) {
    vm.enter(|lua| lua.load(source).set_name("@load.lua").exec())
        .unwrap()
        .unwrap();
}

pub(crate) fn eval<R: FromLuaMulti>(vm: &Vm, source: &str) -> R {
    vm.enter(|lua| lua.load(source).set_name("@load.lua").eval::<R>())
        .unwrap()
        .unwrap()
}

pub(crate) fn step(context: &mut Context) -> Outcome {
    step_with(context, Yielding::Allowed)
}

pub(crate) fn step_with(context: &mut Context, yielding: Yielding) -> Outcome {
    let mut cx = task::Context::from_waker(Waker::noop());
    context.step(&mut cx, yielding).unwrap()
}

/// More turns than any test needs: one that needs them never ends.
const TURNS_MAX: u32 = 1_000_000;

/// Steps to the end; counts the turns.
pub(crate) fn finish_counting(context: &mut Context) -> (Outcome, u32) {
    for turn in 0..TURNS_MAX {
        match step(context) {
            Outcome::Again(_) => {}
            outcome => return (outcome, turn),
        }
    }
    panic!("the run did not end in {TURNS_MAX} turns");
}

pub(crate) fn finish(context: &mut Context) -> Outcome {
    finish_counting(context).0
}

/// Starts and finishes; gives the results or the failure.
pub(crate) fn call<R: FromLuaMulti>(
    context: &mut Context,
    entry: &Entry,
    args: impl IntoLuaMulti,
) -> Result<R, Failure> {
    context.start(entry, args).unwrap();
    match finish(context) {
        Outcome::Ok => Ok(context.take().unwrap()),
        Outcome::Failed(failure) => Err(*failure),
        Outcome::Again(_) => unreachable!("`finish` goes on"),
    }
}

/// Runs `source` in a context of its own.
pub(crate) fn run<R: FromLuaMulti>(vm: &Vm, source: &str) -> Result<R, Failure> {
    run_with(vm, source, patient())
}

pub(crate) fn run_with<R: FromLuaMulti>(vm: &Vm, source: &str, limits: Limits) -> Result<R, Failure> {
    let mut context = vm.context_with(limits).unwrap();
    call(&mut context, &entry(vm, source), ())
}

/// Runs `source`, which has to fail, and shows that the state serves others after.
pub(crate) fn failure(vm: &Vm, source: &str) -> Failure {
    failure_with(vm, source, patient())
}

pub(crate) fn failure_with(vm: &Vm, source: &str, limits: Limits) -> Failure {
    let failure = match run_with::<MultiValue>(vm, source, limits) {
        Err(failure) => failure,
        Ok(values) => panic!("gave {values:?} instead of failing: {source}"),
    };
    serves(vm);
    failure
}

/// The state still runs whatever comes next.
pub(crate) fn serves(vm: &Vm) {
    let source = "local n = 0 for i = 1, 10 do n = n + i end return n + nap(1)";
    assert_eq!(run_with::<i64>(vm, source, patient()), Ok(56));
}

#[track_caller]
pub(crate) fn assert_kind(failure: &Failure, kind: FailureKind) {
    assert_eq!(failure.kind, kind, "{failure:#?}");
}

/// The script runs into a host function that panics with `boom`, which ends the run at its first line.
#[track_caller]
pub(crate) fn assert_panics(vm: &Vm, source: &str) {
    let failure = failure(vm, source);
    assert_kind(&failure, FailureKind::HostPanic);
    assert_contains(message(&failure), "panicked: boom");
    assert_eq!(
        (failure.script.as_deref(), failure.line),
        (Some("test.lua"), Some(1)),
        "{source}"
    );
    assert_eq!(vm.usage().unwrap().pending, 0);
}

/// The text of the failure's message.
pub(crate) fn message(failure: &Failure) -> &str {
    failure.message.as_deref().unwrap_or("(none)")
}

#[track_caller]
pub(crate) fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is not in:\n{text}");
}

pub(crate) fn expect_again(outcome: &Outcome, why: Again) {
    assert!(
        matches!(outcome, Outcome::Again(again) if *again == why),
        "{outcome:?}"
    );
}

thread_local! {
    /// For whoever needs to count something from a `'static` closure.
    pub(crate) static COUNT: Cell<usize> = const { Cell::new(0) };
}
