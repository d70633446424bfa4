//! Tasks: functions that run beside the sessions, on the worker that started them.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlua::{Error, Function, MultiValue, Result};

use crate::env::Env;
use crate::run::{Ended, Kind, Run, Running};
use crate::state::State;

thread_local! {
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
    let state = STATES.with_borrow(|states| {
        let own = |state: &&Arc<State>| std::ptr::eq(Arc::as_ptr(&state.env), env);
        states.iter().find(own).cloned()
    });
    let Some(state) = state else {
        return Err(Error::runtime("register_task: no worker runs on this thread"));
    };
    let room = room(env)?;
    tokio::task::spawn_local(run(state, function, args, room));
    Ok(())
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
pub(crate) fn room(env: &Env) -> Result<Room> {
    let max = env.settings.tasks_max;
    let taken = env.tasks.fetch_add(1, Ordering::Relaxed);
    let room = Room(Arc::clone(&env.tasks));
    if taken >= max {
        return Err(Error::runtime(format!(
            "register_task: {max} tasks are running, which is the limit"
        )));
    }
    Ok(room)
}

/// Runs a task to its end.
pub(crate) async fn run(state: Arc<State>, function: Function, args: MultiValue, _room: Room) {
    let failure = match state.vm.entry("task", function) {
        Ok(entry) => match Running::start(&state, &entry, args, Run::new(Kind::Task)) {
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
