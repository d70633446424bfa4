//! Tasks: functions that run beside the sessions, on the worker that started them.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlua::{Error, Function, MultiValue, Result};
use tidegate_exec::Stats;

use crate::entry::{Entry, ScriptLimits};
use crate::env::Env;
use crate::event;
use crate::report::{FunctionReport, TASK};
use crate::run::{Ended, Kind, Run, Running};
use crate::state::State;

thread_local! {
    /// The tasks that live on this worker, with the numbers of their states.
    static LIVE: RefCell<Vec<(usize, Entry)>> = const { RefCell::new(Vec::new()) };
    /// What those have used that ended, by state.
    static ENDED: RefCell<Vec<(usize, Stats)>> = const { RefCell::new(Vec::new()) };
    /// The states that this worker runs, for tasks that scripts start while serving.
    static STATES: RefCell<Vec<Arc<State>>> = const { RefCell::new(Vec::new()) };
}

/// Lets tasks of `states` be started on this thread from here on.
pub(crate) fn serve_here(states: &[Arc<State>]) {
    STATES.set(states.to_vec());
}

/// Ends what [`serve_here`] began.
pub(crate) fn leave() {
    // The thread may be ending.
    let _ = STATES.try_with(|states| states.take());
}

/// Starts a task that a script asked for while serving.
pub(crate) fn spawn_from_script(env: &Env, function: Function, args: MultiValue) -> Result<()> {
    let state = own_state(env, "register_task")?;
    let room = room(env, "register_task")?;
    tokio::task::spawn_local(run(state, function, args, Run::script_limits(), room));
    Ok(())
}

/// Begins to call a subscription's function, on this worker.
pub(crate) fn serve_events(env: &Env, pending: event::Pending) -> Result<()> {
    let state = own_state(env, "event_sub")?;
    let room = room(env, "event_sub")?;
    tokio::task::spawn_local(event::serve(state, pending, room));
    Ok(())
}

fn own_state(env: &Env, name: &str) -> Result<Arc<State>> {
    let state = STATES.with_borrow(|states| {
        let own = |state: &&Arc<State>| std::ptr::eq(Arc::as_ptr(&state.env), env);
        states.iter().find(own).cloned()
    });
    state.ok_or_else(|| Error::runtime(format!("{name}: no worker runs on this thread")))
}

/// A place among the tasks that live.
pub(crate) struct Room(Arc<AtomicUsize>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes a place.
///
/// # Errors
/// All are taken.
pub(crate) fn room(env: &Env, name: &str) -> Result<Room> {
    let max = env.settings.tasks_max;
    let taken = env.tasks.fetch_add(1, Ordering::Relaxed);
    let room = Room(Arc::clone(&env.tasks));
    if taken >= max {
        return Err(Error::runtime(format!(
            "{name}: {max} tasks are running, which is the limit"
        )));
    }
    Ok(room)
}

/// What the tasks of a state use, and have used.
pub(crate) fn report(state_id: usize) -> Vec<FunctionReport> {
    let of_state = |(id, _): &&(usize, Entry)| *id == state_id;
    let mut tasks: Vec<FunctionReport> = LIVE.with_borrow(|live| {
        let live = live.iter().filter(of_state);
        live.map(|(_, entry)| FunctionReport::of(TASK, entry)).collect()
    });
    ENDED.with_borrow(|ended| {
        tasks.extend(
            ended
                .iter()
                .filter(|(id, _)| *id == state_id)
                .map(|(_, stats)| FunctionReport {
                    kind: TASK,
                    name: "(ended)".to_owned(),
                    stats: stats.clone(),
                }),
        );
    });
    tasks
}

/// A task in the list of those that live, for as long as it does.
pub(crate) struct Live(usize, Entry);

impl Live {
    pub(crate) fn new(state_id: usize, entry: &Entry) -> Live {
        LIVE.with_borrow_mut(|live| live.push((state_id, entry.clone())));
        Live(state_id, entry.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // The thread may be ending.
        let _ = LIVE.try_with(|live| {
            let mut live = live.borrow_mut();
            if let Some(at) = live.iter().position(|(_, entry)| entry.is(&self.1)) {
                live.swap_remove(at);
            }
        });
        let _ = ENDED.try_with(|ended| {
            let mut ended = ended.borrow_mut();
            let stats = self.1.stats();
            match ended.iter_mut().find(|(id, _)| *id == self.0) {
                Some((_, sum)) => sum.add(&stats),
                None => ended.push((self.0, stats)),
            }
        });
    }
}

/// What a function without a name is called: where it stands.
pub(crate) fn place_of(function: &Function) -> String {
    let info = function.info();
    let source = info.short_src.unwrap_or_default();
    let line = info.line_defined.unwrap_or_default();
    format!("{source}:{line}")
}

/// Runs a task to its end.
pub(crate) async fn run(
    state: Arc<State>,
    function: Function,
    args: MultiValue,
    limits: ScriptLimits,
    _room: Room,
) {
    let name = state.vm.enter(|_| place_of(&function)).unwrap_or_default();
    let entry = state.vm.entry(&name, function);
    let entry = entry.map(|entry| Entry::new(entry, limits));
    let _live = entry.as_ref().map(|entry| Live::new(state.env.state_id, entry));
    let failure = match &entry {
        Ok(entry) => match Running::start(&state, entry, args, Run::new(Kind::Task)) {
            Ok(mut running) => {
                let ended = match running.first() {
                    Ok(ended) => ended,
                    Err(why) => running.rest(why).await,
                };
                match ended {
                    Ended::Returned | Ended::Done(_) => return,
                    Ended::Failed(failure) => failure,
                }
            }
            Err(failure) => failure,
        },
        Err(error) => tidegate_proxy::ext::Failure::new(error.to_string()),
    };
    state.env.failed("Lua task", &failure);
}
