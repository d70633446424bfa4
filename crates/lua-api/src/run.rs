//! One run of a script's function: started, stepped until it ends, and known to the functions it calls.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::rc::{self, Rc};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use mlua::IntoLuaMulti;
use tidegate_exec::{Again, Context, FailureKind, Misuse, Outcome, Scalar, Yielding};
use tidegate_proxy::Txn;
use tidegate_proxy::ext::{ActionOutcome, Failure};

use crate::alarm::Alarm;
use crate::entry::{Entry, ScriptLimits};
use crate::filter::Work;
use crate::handle::{Registered, Session, Target};
use crate::session::{OfTxn, keeper};
use crate::settings::Settings;
use crate::state::State;

/// How long a script may go on over its own yields before the event loop turns.
const TURN_MAX: Duration = Duration::from_micros(100);

/// Why a function runs, which decides what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Load,
    Init,
    Task,
    Action,
    Fetch,
    Converter,
    Service,
    Filter,
    Command,
}

/// What the functions that a run calls leave with it.
pub(crate) struct Run {
    pub(crate) kind: Cell<Kind>,
    /// The transaction that it runs for.
    txn: Option<rc::Weak<Txn>>,
    /// The number of the object that it was handed first, and where that leads.
    own: OnceCell<(Session, Target)>,
    /// The filter that it is a callback of.
    filter: Option<Rc<Work>>,
    done: RefCell<Option<Done>>,
    alarm: OnceCell<Arc<Alarm>>,
    /// `act:wake_time`, `filter.wake_time`.
    pub(crate) wake_after: Cell<Option<Duration>>,
    /// Given when first asked for.
    id: Cell<Option<RunId>>,
    /// What its script may use: what it registers may use the same.
    pub(crate) limits: Cell<ScriptLimits>,
    /// What it opened, to be closed with it.
    ends: RefCell<Vec<Weak<dyn Ends>>>,
    /// What is kept with its transaction, if the transaction keeps this run.
    pub(crate) of_txn: OnceCell<OfTxn>,
}

/// What a run opens, and what ends with it at the latest.
pub(crate) trait Ends {
    /// Closes it for good.
    fn end(&self);
}

/// Tells a run from every other that is or was in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(NonZeroU64);

/// A run that asked to end at once.
pub(crate) enum Done {
    /// `core.done(value)`.
    Value(Scalar),
    /// `txn:done()`.
    Outcome(ActionOutcome),
}

/// How a run ended.
pub(crate) enum Ended {
    /// The function returned; its results wait in the context.
    Returned,
    /// It ended itself.
    Done(Done),
    /// It failed.
    Failed(Failure),
}

impl Run {
    /// A run for no transaction.
    pub(crate) fn new(kind: Kind) -> Rc<Self> {
        Run::with(kind, None, None)
    }

    /// A run for a transaction, which is the only one that it gets at.
    pub(crate) fn of(kind: Kind, txn: &Rc<Txn>) -> Rc<Self> {
        Run::with(kind, Some(Rc::downgrade(txn)), None)
    }

    /// A run of a filter's callback.
    pub(crate) fn of_filter(txn: &Rc<Txn>, filter: &Rc<Work>) -> Rc<Self> {
        Run::with(Kind::Filter, Some(Rc::downgrade(txn)), Some(Rc::clone(filter)))
    }

    fn with(kind: Kind, txn: Option<rc::Weak<Txn>>, filter: Option<Rc<Work>>) -> Rc<Self> {
        Rc::new(Run {
            kind: Cell::new(kind),
            txn,
            own: OnceCell::new(),
            filter,
            done: RefCell::default(),
            alarm: OnceCell::new(),
            wake_after: Cell::new(None),
            id: Cell::new(None),
            limits: Cell::default(),
            ends: RefCell::default(),
            of_txn: OnceCell::new(),
        })
    }

    /// What the script that runs on this thread may use.
    pub(crate) fn script_limits() -> ScriptLimits {
        CURRENT.with_borrow(|run| run.as_ref().map(|run| run.limits.get()).unwrap_or_default())
    }

    /// The run that is going on on this thread.
    pub(crate) fn current() -> Option<Rc<Run>> {
        CURRENT.with_borrow(Option::clone)
    }

    /// The filter that it is a callback of.
    pub(crate) fn filter(&self) -> Option<Rc<Work>> {
        self.filter.clone()
    }

    /// Says which object it is handed.
    pub(crate) fn owns(&self, session: Session, target: Target) {
        // One that is used for several functions is handed the same.
        let _ = self.own.set((session, target));
    }

    /// Keeps what is of its transaction.
    pub(crate) fn keeps(&self, of_txn: OfTxn) {
        // A run is made for one transaction.
        let _ = self.of_txn.set(of_txn);
    }

    /// Looks where `session` leads, if it is the number of what the run on this thread was handed.
    pub(crate) fn own_target<R>(session: Session, look: impl FnOnce(&Target) -> R) -> Option<R> {
        CURRENT.with_borrow(|run| match run.as_ref()?.own.get()? {
            (own, target) if *own == session => Some(look(target)),
            _ => None,
        })
    }

    /// Where `session` leads, if it is the number that the transaction keeps for which the run on this thread goes on.
    pub(crate) fn kept_target(session: Session) -> Option<Target> {
        let txn = CURRENT.with_borrow(|run| run.as_ref()?.txn.as_ref()?.upgrade())?;
        match keeper(&txn)?.own.get() {
            Some((own, target)) if *own == session => Some(target.clone()),
            _ => None,
        }
    }

    /// Whether what runs on this thread does so for `txn`.
    pub(crate) fn is_of(txn: &Rc<Txn>) -> bool {
        CURRENT.with_borrow(|run| {
            let own = run.as_ref().and_then(|run| run.txn.as_ref());
            own.is_some_and(|own| std::ptr::eq(own.as_ptr(), Rc::as_ptr(txn)))
        })
    }

    /// Runs `f` as this run does its functions.
    #[cfg(test)]
    pub(crate) fn during<R>(self: &Rc<Self>, f: impl FnOnce() -> R) -> R {
        let _here = Here::enter(self);
        f()
    }

    /// Asks to end the run as soon as the function that says so has yielded.
    pub(crate) fn finish(&self, done: Done) {
        *self.done.borrow_mut() = Some(done);
    }

    /// What tells it from others.
    pub(crate) fn id(&self) -> RunId {
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let id = self.id.get().unwrap_or_else(|| {
            // There is no end to these numbers in any process's life.
            RunId(NonZeroU64::new(RUNS.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU64::MAX))
        });
        self.id.set(Some(id));
        id
    }

    /// Whether it is the one with this number.
    pub(crate) fn is(&self, id: RunId) -> bool {
        self.id.get() == Some(id)
    }

    /// Ends what it opened when it ends itself, if nobody did before.
    pub(crate) fn keep<E: Ends + 'static>(&self, opened: &Arc<E>) {
        let mut ends = self.ends.borrow_mut();
        // Those that are gone make room for others.
        if ends.len() == ends.capacity() {
            ends.retain(|opened| opened.strong_count() > 0);
        }
        let opened: Weak<E> = Arc::downgrade(opened);
        ends.push(opened);
    }

    /// What wakes the run from `core.wait`.
    pub(crate) fn alarm(&self) -> &Arc<Alarm> {
        self.alarm.get_or_init(Arc::default)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for opened in self.ends.take() {
            if let Some(opened) = opened.upgrade() {
                opened.end();
            }
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Run>>> = const { RefCell::new(None) };
}

/// Makes a run the current one until dropped.
struct Here(Option<Rc<Run>>);

impl Here {
    fn enter(run: &Rc<Run>) -> Self {
        Here(CURRENT.replace(Some(Rc::clone(run))))
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Where a function runs.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// It may wait there.
    Waits,
    /// Nothing can wait there; failures name the place, if it has a name.
    Hurries(Option<&'a str>),
}

/// A function that was started and has not ended.
pub(crate) struct Running {
    context: Context,
    run: Rc<Run>,
    wait_timeout: Option<Duration>,
    state_id: usize,
    /// Lets the objects of this run alone lead to their session.
    registered: Option<Registered>,
}

impl Running {
    /// Starts `entry`, to be stepped from here on.
    pub(crate) fn start(
        state: &State,
        entry: &Entry,
        args: impl IntoLuaMulti,
        run: Rc<Run>,
    ) -> Result<Self, Failure> {
        let settings = &state.env.settings;
        run.limits.set(entry.limits);
        let started = state
            .vm
            .context_with(limits(settings, run.kind.get(), entry.limits));
        let started = started.and_then(|mut context| context.start(entry, args).map(|()| context));
        let context = started.map_err(|misuse| misused(state.env.state_id, misuse))?;
        Ok(Running {
            context,
            run,
            wait_timeout: settings.wait_timeout,
            state_id: state.env.state_id,
            registered: None,
        })
    }

    /// Starts `entry` and runs it as far as it goes without waiting, which is where most functions end; where nothing can
    /// wait, `place` is what failures name. Else it says how to go on.
    pub(crate) fn begin(
        state: &State,
        entry: &Entry,
        args: impl IntoLuaMulti,
        run: Rc<Run>,
        place: Place<'_>,
    ) -> Result<(Self, Result<Ended, Again>), Failure> {
        let settings = &state.env.settings;
        run.limits.set(entry.limits);
        let limits = match entry.has_limits {
            true => None,
            false => Some(limits(settings, run.kind.get(), entry.limits)),
        };
        let yielding = match place {
            Place::Waits => Yielding::Allowed,
            Place::Hurries(_) => Yielding::Refused,
        };
        let here = Here::enter(&run);
        let begun = state.vm.begin(limits, entry, args, yielding);
        drop(here);
        let (context, outcome) = begun.map_err(|misuse| misused(state.env.state_id, misuse))?;
        let mut running = Running {
            context,
            run,
            wait_timeout: settings.wait_timeout,
            state_id: state.env.state_id,
            registered: None,
        };
        let ended = match place {
            Place::Waits => running.ended(Ok(outcome)),
            Place::Hurries(place) => Ok(running.hurried(Ok(outcome), place)),
        };
        Ok((running, ended))
    }

    /// Ties the life of an object's number to that of the run.
    pub(crate) fn keep(&mut self, registered: Registered) {
        self.registered = Some(registered);
    }

    /// Starts another run of the same context.
    pub(crate) fn restart(&mut self, entry: &Entry, args: impl IntoLuaMulti) -> Result<(), Failure> {
        let started = self.context.start(entry, args);
        started.map_err(|misuse| misused(self.state_id, misuse))
    }

    /// The first step, which most functions end in. Else it says how to go on.
    pub(crate) fn first(&mut self) -> Result<Ended, Again> {
        self.step(&mut TaskContext::from_waker(Waker::noop()))
    }

    /// Goes on until the run has ended.
    pub(crate) async fn rest(&mut self, mut why: Again) -> Ended {
        let mut turn = Instant::now();
        loop {
            // A script that yields wants the others served, which they are if it goes on for a moment only: a
            // real turn of the event loop costs more than most scripts take between two yields.
            if why != Again::Turn || turn.elapsed() >= TURN_MAX {
                if why != Again::Waiting {
                    tokio::task::yield_now().await;
                }
                turn = Instant::now();
            }
            let stepped = match self.wait_timeout {
                None => {
                    poll_fn(|cx| match self.step(cx) {
                        Err(Again::Waiting) => Poll::Pending,
                        stepped => Poll::Ready(stepped),
                    })
                    .await
                }
                Some(limit) => self.wait_at_most(limit).await,
            };
            match stepped {
                Ok(ended) => return ended,
                Err(again) => why = again,
            }
        }
    }

    /// Steps until the run neither waits nor goes on, at the latest when one wait took too long.
    async fn wait_at_most(&mut self, limit: Duration) -> Result<Ended, Again> {
        let waits = self.context.stats().yields;
        let step = poll_fn(|cx| match self.step(cx) {
            // Another wait has begun: its time is its own.
            Err(Again::Waiting) if self.context.stats().yields == waits => Poll::Pending,
            stepped => Poll::Ready(stepped),
        });
        match tokio::time::timeout(limit, step).await {
            Ok(stepped) => stepped,
            Err(_) => {
                self.cancel();
                Ok(Ended::Failed(Failure::new(format!(
                    "[state-id {}] wait timeout: waited {} ms",
                    self.state_id,
                    limit.as_millis()
                ))))
            }
        }
    }

    /// Runs to the end where nothing can wait.
    pub(crate) fn finish(&mut self) -> Ended {
        let here = Here::enter(&self.run);
        let mut cx = TaskContext::from_waker(Waker::noop());
        let outcome = self.context.step(&mut cx, Yielding::Refused);
        drop(here);
        self.hurried(outcome, None)
    }

    fn hurried(&mut self, mut outcome: Result<Outcome, Misuse>, place: Option<&str>) -> Ended {
        if let (Ok(Outcome::Failed(failure)), Some(place)) = (&mut outcome, place)
            && failure.kind == FailureKind::YieldNotAllowed
        {
            failure.message = Some(format!("{place} cannot wait"));
        }
        match self.ended(outcome) {
            Ok(ended) => ended,
            Err(_) => Ended::Failed(misused(self.state_id, Misuse::NotOver)),
        }
    }

    /// Whether a run that returned has results.
    pub(crate) fn has_results(&self) -> bool {
        self.context.has_results()
    }

    /// The results of a run that returned.
    pub(crate) fn take<R: mlua::FromLuaMulti>(&mut self) -> Result<R, Failure> {
        self.context
            .take()
            .map_err(|misuse| misused(self.state_id, misuse))
    }

    /// What the run was told by the functions that it called.
    pub(crate) fn run(&self) -> &Run {
        &self.run
    }

    fn step(&mut self, cx: &mut TaskContext<'_>) -> Result<Ended, Again> {
        let here = Here::enter(&self.run);
        let outcome = self.context.step(cx, Yielding::Allowed);
        drop(here);
        self.ended(outcome)
    }

    fn ended(&mut self, outcome: Result<Outcome, Misuse>) -> Result<Ended, Again> {
        let done = self.run.done.borrow_mut().take();
        match outcome {
            Ok(Outcome::Ok) => Ok(Ended::Returned),
            Ok(Outcome::Failed(failure)) => match done {
                // Where nothing can yield, a run that asked for its end is ended by that yield.
                Some(done) if failure.kind == FailureKind::YieldNotAllowed => Ok(Ended::Done(done)),
                _ => Ok(Ended::Failed(failed(self.state_id, &failure))),
            },
            Ok(Outcome::Again(again)) => match done {
                Some(done) => {
                    self.cancel();
                    Ok(Ended::Done(done))
                }
                None => Err(again),
            },
            Err(misuse) => Ok(Ended::Failed(misused(self.state_id, misuse))),
        }
    }

    fn cancel(&mut self) {
        let _here = Here::enter(&self.run);
        self.context.cancel();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.context.is_running() {
            self.cancel();
        }
    }
}

/// What a function of this kind may use.
pub(crate) fn limits(settings: &Settings, kind: Kind, own: ScriptLimits) -> tidegate_exec::Limits {
    let usual = match kind {
        // Nobody is served yet.
        Kind::Load | Kind::Init => return settings.load_limits(),
        Kind::Task => settings.task_limits(),
        Kind::Service | Kind::Command => settings.service_limits(),
        Kind::Action | Kind::Fetch | Kind::Converter | Kind::Filter => settings.session_limits(),
    };
    own.over(usual)
}

/// A failure of a script, as logs show it: the state, the kind and message in a line, then the traceback.
fn failed(state_id: usize, failure: &tidegate_exec::Failure) -> Failure {
    let message = format!("[state-id {state_id}] {failure}");
    let failed = Failure::new(message);
    if failure.traceback.is_empty() {
        failed
    } else {
        failed.with_detail(failure.traceback.clone())
    }
}

/// A failure to start a function, or of one that ended in no known way.
pub(crate) fn misused(state_id: usize, misuse: Misuse) -> Failure {
    Failure::new(format!("[state-id {state_id}] {misuse}"))
}
