//! Where what comes from outside of the workers is taken: commands for scripts, and questions about them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::command::{Call, Conversation};
use crate::report::{StateReport, TASK};
use crate::socket::pool::PoolReport;

/// How long a worker may take to answer: it may be in a script, or have died.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes commands and questions to the workers. Clones are the same.
#[derive(Clone, Default)]
pub struct Desk {
    /// The workers, by when they were made.
    workers: Arc<Mutex<Vec<mpsc::UnboundedSender<Order>>>>,
}

/// What a worker is asked.
pub(crate) enum Order {
    /// To carry out a command.
    Run(Call),
    /// What its states hold.
    Report(oneshot::Sender<(Vec<StateReport>, PoolReport)>),
}

impl Desk {
    /// What a worker is asked from here on comes out of this.
    pub(crate) fn open(&self) -> mpsc::UnboundedReceiver<Order> {
        let (sender, orders) = mpsc::unbounded_channel();
        self.workers().push(sender);
        orders
    }

    /// Gives the command that is at this place among those that are declared. `None` if nobody serves.
    pub fn command(&self, id: usize, words: Vec<Vec<u8>>) -> Option<Conversation> {
        let (call, conversation) = Call::new(id, words);
        let mut order = Order::Run(call);
        for worker in self.workers().iter() {
            match worker.send(order) {
                Ok(()) => return Some(conversation),
                // It is gone: the next one may be there.
                Err(mpsc::error::SendError(back)) => order = back,
            }
        }
        None
    }

    /// What the states hold, and what their functions have used. Workers that don't answer in time are left out.
    pub async fn report(&self) -> (Vec<StateReport>, Vec<PoolReport>) {
        let mut asked = Vec::new();
        for worker in self.workers().iter() {
            let (answer, answered) = oneshot::channel();
            if worker.send(Order::Report(answer)).is_ok() {
                asked.push(answered);
            }
        }
        let mut all: Vec<StateReport> = Vec::new();
        let mut pools = Vec::new();
        for answered in asked {
            let Ok(Ok((states, pool))) = tokio::time::timeout(PATIENCE, answered).await else {
                continue;
            };
            pools.push(pool);
            for state in states {
                // Each worker tells of the one of all threads; its tasks live on one of them.
                match all.iter_mut().find(|known| known.id == state.id) {
                    Some(known) => {
                        let tasks = state.functions.into_iter().filter(|f| f.kind == TASK);
                        known.functions.extend(tasks);
                    }
                    None => all.push(state),
                }
            }
        }
        all.sort_by_key(|state| state.id);
        (all, pools)
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, Vec<mpsc::UnboundedSender<Order>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
