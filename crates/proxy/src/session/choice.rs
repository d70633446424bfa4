//! Which backend a request or stream goes to.

use std::rc::Rc;

use crate::spec::BackendChoice;
use crate::txn::Txn;
use crate::worker::{Backend, Frontend, Worker};

/// The backend of the first `use_backend` rule that holds, else the default one; noted in the transaction.
pub(crate) async fn choose_backend(
    worker: &Worker,
    frontend: &Frontend,
    txn: &Rc<Txn>,
) -> Option<Rc<Backend>> {
    let spec = &frontend.spec;
    let mut chosen = spec.default_backend;
    for rule in &spec.use_backend {
        let matched = match &rule.condition {
            Some(condition) if condition.suspends() => condition.eval_async(&**txn, &*worker.runner).await,
            Some(condition) => condition.eval(&**txn),
            None => true,
        };
        if !matched {
            continue;
        }
        match &rule.to {
            BackendChoice::Fixed(backend) => chosen = Some(*backend),
            BackendChoice::Named(name) => {
                let name = name.eval(txn, &*worker.runner).await;
                // A name that is no backend's ends the search all the same.
                chosen = worker.backend_named(&name).or(chosen);
            }
        }
        break;
    }
    let backend = worker.backends.get(chosen?).cloned()?;
    if chosen != spec.own_backend {
        txn.overrides.leave_backend();
    }
    txn.choose_backend(&backend);
    Some(backend)
}
