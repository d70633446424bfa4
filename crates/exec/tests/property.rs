//! Properties: whatever hosts and scripts do in whatever order, contexts follow a small model and leave nothing
//! behind; and a script cannot tell an operation that waits from a plain function.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use std::fmt::Write as _;
use std::num::NonZeroU32;

use common::*;
use proptest::prelude::*;
use tidegate_exec::{Again, Context, FailureKind, Limits, Outcome, Vm, VmOptions, Yielding};

/// What a script does before its end.
#[derive(Clone, Debug)]
enum Act {
    /// A yield of its own, to the host.
    Yield,
    /// An operation that waits for one poll.
    Nap,
    /// An operation that is ready at once.
    Ready,
    /// Sets the private value.
    Set(i64),
    /// Notes the private value.
    Get,
    /// The same inside a coroutine of the script's own.
    Wrapped(Box<Act>),
    /// The same inside a `pcall`.
    Protected(Box<Act>),
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// Returns what it noted.
    Return,
    Nothing,
    Error,
    ErrorTable,
    Panic,
    PanicInCoroutine,
    Memory,
}

#[derive(Clone, Debug)]
struct Script {
    acts: Vec<Act>,
    end: End,
}

/// What the host does, to one of its contexts.
#[derive(Clone, Debug)]
enum Op {
    Create,
    Drop,
    Start(Script),
    Step,
    StepRefused,
    Cancel,
    Attach(i64),
    Collect,
}

fn act() -> impl Strategy<Value = Act> {
    let leaf = prop_oneof![
        Just(Act::Yield),
        Just(Act::Nap),
        Just(Act::Ready),
        (0..100_i64).prop_map(Act::Set),
        Just(Act::Get),
    ];
    leaf.prop_recursive(2, 4, 1, |inner| {
        prop_oneof![
            // A yield inside a coroutine would reach the script, not the host.
            inner
                .clone()
                .prop_map(|act| Act::Wrapped(Box::new(if yields(&act) { Act::Nap } else { act }))),
            inner.prop_map(|act| Act::Protected(Box::new(act))),
        ]
    })
}

fn yields(act: &Act) -> bool {
    match act {
        Act::Yield => true,
        Act::Wrapped(inner) | Act::Protected(inner) => yields(inner),
        _ => false,
    }
}

fn script() -> impl Strategy<Value = Script> {
    let end = prop_oneof![
        4 => Just(End::Return),
        2 => Just(End::Nothing),
        1 => Just(End::Error),
        1 => Just(End::ErrorTable),
        1 => Just(End::Panic),
        1 => Just(End::PanicInCoroutine),
        1 => Just(End::Memory),
    ];
    (prop::collection::vec(act(), 0..6), end).prop_map(|(acts, end)| Script { acts, end })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => Just(Op::Create),
        1 => Just(Op::Drop),
        6 => script().prop_map(Op::Start),
        16 => Just(Op::Step),
        1 => Just(Op::StepRefused),
        1 => Just(Op::Cancel),
        1 => (0..100_i64).prop_map(Op::Attach),
        1 => Just(Op::Collect),
    ]
}

impl Act {
    fn lua(&self) -> String {
        match self {
            Act::Yield => "coroutine.yield()".into(),
            Act::Nap => "nap()".into(),
            Act::Ready => "ready()".into(),
            Act::Set(n) => format!("set_priv({n})"),
            Act::Get => "note(get_priv())".into(),
            Act::Wrapped(act) => format!("coroutine.wrap(function() {} end)()", act.lua()),
            Act::Protected(act) => format!("assert(pcall(function() {} end))", act.lua()),
        }
    }

    fn leaf(&self) -> &Act {
        match self {
            Act::Wrapped(inner) | Act::Protected(inner) => inner.leaf(),
            leaf => leaf,
        }
    }
}

impl Script {
    fn lua(&self) -> String {
        let mut source = String::from(
            "opened = opened + 1
            local open <close> = setmetatable({}, {__close = function() closed = closed + 1 end})
            local noted = {} local function note(value) noted[#noted + 1] = tostring(value) end note(attached())\n",
        );
        for act in &self.acts {
            let _ = writeln!(source, "{}", act.lua());
        }
        source
            + match self.end {
                End::Return => "return table.concat(noted, ' ')",
                End::Nothing => "",
                End::Error => "error('failed')",
                End::ErrorTable => "error({})",
                End::Panic => "pcall(panics, 'boom')",
                End::PanicInCoroutine => "coroutine.wrap(function() panics('boom') end)()",
                End::Memory => "local s = string.rep('x', 1 << 28)",
            }
    }
}

/// What a context should be.
#[derive(Default)]
struct Model {
    memory: Option<i64>,
    attached: Option<i64>,
    run: Option<Running>,
    runs: u64,
    yields: u64,
    failures: u64,
}

struct Running {
    script: Script,
    next: usize,
    noted: Vec<String>,
    is_begun: bool,
}

#[derive(Debug, PartialEq)]
enum Expected {
    Ok(Option<String>),
    Again(Again),
    Failed(FailureKind),
}

impl Model {
    fn step(&mut self, refused: bool) -> Expected {
        let run = self.run.as_mut().expect("the caller looked");
        let shown = |value: Option<i64>| value.map_or("nil".to_owned(), |n| n.to_string());
        if !std::mem::replace(&mut run.is_begun, true) {
            run.noted.push(shown(self.attached));
        }
        while let Some(act) = run.script.acts.get(run.next) {
            run.next += 1;
            let stops = match act.leaf() {
                Act::Set(n) => {
                    self.memory = Some(*n);
                    continue;
                }
                Act::Get => {
                    run.noted.push(shown(self.memory));
                    continue;
                }
                Act::Yield => Some(Again::Turn),
                Act::Nap => Some(Again::Waiting),
                _ => None,
            };
            // What is ready at once is a yield only where none is allowed: there it isn't even begun.
            self.yields += u64::from(refused || stops.is_some());
            if refused {
                return self.fail(FailureKind::YieldNotAllowed);
            }
            if let Some(why) = stops {
                return Expected::Again(why);
            }
        }
        let kind = match run.script.end {
            End::Return => {
                let noted = run.noted.join(" ");
                self.run = None;
                return Expected::Ok(Some(noted));
            }
            End::Nothing => {
                self.run = None;
                return Expected::Ok(None);
            }
            End::Error | End::ErrorTable => FailureKind::Runtime,
            End::Panic | End::PanicInCoroutine => FailureKind::HostPanic,
            End::Memory => FailureKind::OutOfMemory,
        };
        self.fail(kind)
    }

    fn fail(&mut self, kind: FailureKind) -> Expected {
        self.run = None;
        self.failures += 1;
        Expected::Failed(kind)
    }
}

const CONTEXTS: usize = 4;

fn play(ops: &[(usize, Op)]) {
    let vm = host(VmOptions {
        memory_bytes_max: Some(16 << 20),
        ..options()
    })
    .vm;
    exec(&vm, "opened, closed = 0, 0");
    vm.collect().unwrap();
    let (start, references) = (vm.usage().unwrap(), vm.references().unwrap());
    let mut contexts: [Option<(Context, Model)>; CONTEXTS] = Default::default();
    for (i, op) in ops {
        play_one(&vm, &mut contexts[*i], op);
        let pending = contexts
            .iter()
            .flatten()
            .filter(|(_, model)| waits(model))
            .count();
        assert_eq!(vm.usage().unwrap().pending, pending, "after {op:?}");
    }
    drop(contexts);
    assert!(
        eval::<bool>(&vm, "return opened == closed"),
        "something was left open"
    );
    vm.collect().unwrap();
    let end = vm.usage().unwrap();
    assert_eq!((end.contexts, end.coroutines, end.pending), (0, 0, 0));
    assert_eq!(vm.references().unwrap(), references);
    assert!(
        end.memory_bytes < start.memory_bytes + (32 << 10),
        "{start:?} {end:?}"
    );
}

fn waits(model: &Model) -> bool {
    model.run.as_ref().is_some_and(|run| {
        let last = run.next.checked_sub(1).map(|last| run.script.acts[last].leaf());
        matches!(last, Some(Act::Nap))
    })
}

fn play_one(vm: &Vm, place: &mut Option<(Context, Model)>, op: &Op) {
    if let Op::Create = op {
        *place = Some((vm.context_with(steady()).unwrap(), Model::default()));
    }
    let Some((context, model)) = place else { return };
    match op {
        Op::Create => {}
        Op::Drop => *place = None,
        Op::Collect => vm.collect().unwrap(),
        Op::Attach(n) => {
            context.attach(*n);
            model.attached = Some(*n);
        }
        Op::Cancel => {
            context.cancel();
            model.run = None;
        }
        Op::Start(script) => {
            let entry = entry(vm, &script.lua());
            let started = context.start(&entry, ());
            assert_eq!(started.is_ok(), model.run.is_none());
            if started.is_ok() {
                model.runs += 1;
                model.run = Some(Running {
                    script: script.clone(),
                    next: 0,
                    noted: Vec::new(),
                    is_begun: false,
                });
            }
        }
        Op::Step | Op::StepRefused => {
            if model.run.is_none() {
                return;
            }
            let refused = matches!(op, Op::StepRefused);
            let yielding = if refused {
                Yielding::Refused
            } else {
                Yielding::Allowed
            };
            let found = match step_with(context, yielding) {
                Outcome::Ok => Expected::Ok(context.take().unwrap()),
                Outcome::Again(why) => Expected::Again(why),
                Outcome::Failed(failure) => Expected::Failed(failure.kind),
            };
            assert_eq!(found, model.step(refused));
        }
    }
    if let Some((context, model)) = place {
        assert_eq!(context.is_running(), model.run.is_some());
        let stats = context.stats();
        assert_eq!((stats.runs, stats.yields), (model.runs, model.yields));
        assert_eq!(stats.failures.iter().sum::<u64>(), model.failures);
    }
}

/// A program without state, of calls nested in each other.
#[derive(Clone, Debug)]
enum Program {
    Value(i64),
    /// A call of the host's.
    Host(Box<Program>),
    Fail(i64),
    Pair(Box<Program>, Box<Program>),
    Wrap(Box<Program>),
    Resume(Box<Program>),
    Pcall(Box<Program>),
    Xpcall(Box<Program>),
    /// Yields one, is resumed, returns the other.
    Yields(Box<Program>, Box<Program>),
    Index(Box<Program>),
    Iterates(Box<Program>),
    Closes(Box<Program>, Box<Program>),
    Tail(Box<Program>),
}

fn program() -> impl Strategy<Value = Program> {
    let leaf =
        prop_oneof![4 => (0..10_i64).prop_map(Program::Value), 1 => (0..10_i64).prop_map(Program::Fail)];
    leaf.prop_recursive(6, 40, 2, |inner| {
        let one = |make: fn(Box<Program>) -> Program| inner.clone().prop_map(move |a| make(Box::new(a)));
        let two = |make: fn(Box<Program>, Box<Program>) -> Program| {
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| make(Box::new(a), Box::new(b)))
        };
        prop_oneof![
            6 => one(Program::Host),
            1 => two(Program::Pair),
            2 => one(Program::Wrap),
            2 => one(Program::Resume),
            1 => one(Program::Pcall),
            1 => one(Program::Xpcall),
            2 => two(Program::Yields),
            1 => one(Program::Index),
            1 => one(Program::Iterates),
            1 => two(Program::Closes),
            1 => one(Program::Tail),
        ]
    })
}

impl Program {
    /// An expression whose value is a string; all on one line, so that places are the same.
    fn lua(&self, host: &str) -> String {
        let f = |program: &Program| format!("function() return {} end", program.lua(host));
        match self {
            Program::Value(n) => format!("'{n}'"),
            Program::Host(a) => format!("({host}({}))", a.lua(host)),
            Program::Fail(n) => format!("error('e{n}')"),
            Program::Pair(a, b) => format!("({} .. ',' .. {})", a.lua(host), b.lua(host)),
            Program::Wrap(a) => format!("(coroutine.wrap({})())", f(a)),
            Program::Resume(a) => format!("shown(coroutine.resume(coroutine.create({})))", f(a)),
            Program::Pcall(a) => format!("shown(pcall({}))", f(a)),
            Program::Xpcall(a) => format!("shown(xpcall({}, function(e) return 'h' .. e end))", f(a)),
            Program::Yields(a, b) => format!(
                "twice(function(x) local y = coroutine.yield(x .. {}) return y .. {} end)",
                a.lua(host),
                b.lua(host)
            ),
            Program::Index(a) => format!("setmetatable({{}}, {{__index = {}}}).x", f(a)),
            Program::Iterates(a) => format!("last({})", f(a)),
            Program::Closes(a, b) => {
                // Lua closes a coroutine that died where nothing can wait.
                format!("closing({}, function() return {} end)", f(a), b.lua("echo"))
            }
            Program::Tail(a) => format!("({})()", f(a)),
        }
    }

    fn source(&self, host: &str) -> String {
        format!(
            "local function shown(ok, value) return (ok and '+' or '-') .. tostring(value) end
            local function twice(f) local co = coroutine.wrap(f) local a = co('x') return a .. co('y') end
            local function last(f) local r for i, v in function(_, i) if i < 2 then return i + 1, f() end end, nil, 0 do r = v end return r end
            local function closing(f, g) local r do local x <close> = setmetatable({{}}, {{__close = function() r = g() end}}) f() end return r end
            return {}",
            self.lua(host)
        )
    }
}

/// How it ended, in words.
fn outcome(vm: &Vm, source: &str, limits: Limits) -> String {
    match run_with::<String>(vm, source, limits) {
        Ok(value) => value,
        Err(failure) => failure.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn contexts_follow_their_model_and_leave_nothing_behind(
        ops in prop::collection::vec((0..CONTEXTS, op()), 1..120)
    ) {
        play(&ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_script_cannot_tell_an_operation_from_a_function(program in program(), count in 1_u32..30) {
        let vm = vm();
        let plain = outcome(&vm, &program.source("echo"), Limits::NONE);
        let cut = Limits { forced_yield: NonZeroU32::new(count), ..Limits::NONE };
        for host in ["nap", "ready"] {
            let source = program.source(host);
            prop_assert_eq!(&outcome(&vm, &source, Limits::NONE), &plain, "{}", source);
            prop_assert_eq!(&outcome(&vm, &source, cut), &plain, "cut every {}: {}", count, source);
        }
        prop_assert_eq!(&outcome(&vm, &program.source("echo"), cut), &plain, "cut every {}", count);
        vm.collect().unwrap();
        let usage = vm.usage().unwrap();
        prop_assert_eq!((usage.contexts, usage.coroutines, usage.pending), (0, 0, 0));
    }
}
