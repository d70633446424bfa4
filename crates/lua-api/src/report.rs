//! What is known of states and their functions while they serve.

use tidegate_exec::{Stats, Usage};

use crate::entry::Entry;
use crate::state::State;

/// What a task is called among the kinds of functions.
pub(crate) const TASK: &str = "task";

/// A state.
#[derive(Clone, Debug)]
pub struct StateReport {
    /// 0 for the one of all threads, else the thread's number.
    pub id: usize,
    /// What it holds.
    pub usage: Usage,
    /// The heap's largest size allowed.
    pub memory_bytes_max: Option<usize>,
    /// Its functions.
    pub functions: Vec<FunctionReport>,
}

/// A function that a script registered.
#[derive(Clone, Debug)]
pub struct FunctionReport {
    /// What it is: a rule set for an action, `http` or `tcp` for a service, `fetch`, `converter`, `cli`, `task`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What its runs have used.
    pub stats: Stats,
}

impl FunctionReport {
    pub(crate) fn of(kind: &'static str, entry: &Entry) -> FunctionReport {
        FunctionReport {
            kind,
            name: entry.name().to_owned(),
            stats: entry.stats(),
        }
    }
}

impl StateReport {
    /// What is known of a state. None if another thread owns it.
    pub(crate) fn of(state: &State, functions: Vec<FunctionReport>) -> Option<StateReport> {
        Some(StateReport {
            id: state.env.state_id,
            usage: state.vm.usage().ok()?,
            memory_bytes_max: state.env.settings.memory_bytes_max,
            functions,
        })
    }
}
