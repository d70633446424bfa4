//! Which backend a request or stream goes to.

use std::rc::Rc;

use crate::rules::Condition;
use crate::spec::{BackendChoice, BackendId};
use crate::txn::Txn;
use crate::worker::{Backend, Frontend, Worker};

/// The backend of the first `use_backend` rule that holds, else the default one; noted in the transaction.
pub(crate) async fn choose_backend(
    worker: &Worker,
    frontend: &Frontend,
    txn: &Rc<Txn>,
) -> Option<Rc<Backend>> {
    let backend = find_backend(worker, frontend, txn).await?;
    enter_backend(worker, frontend, &backend, txn);
    Some(backend)
}

/// The same, without a note of it.
pub(super) async fn find_backend(worker: &Worker, frontend: &Frontend, txn: &Rc<Txn>) -> Option<Rc<Backend>> {
    let spec = &frontend.spec;
    for rule in &spec.use_backend {
        if let Some(condition) = &rule.condition
            && !holds(condition, worker, txn).await
        {
            continue;
        }
        let chosen = match &rule.to {
            BackendChoice::Fixed(backend) => Some(*backend),
            BackendChoice::Named(name) => {
                let name = name.eval(txn, &*worker.runner).await;
                // A name that is no backend's ends the search all the same.
                worker.backend_named(&name)
            }
        };
        match chosen {
            None => break,
            Some(chosen) => match eligible(chosen, worker, frontend, txn).await {
                None => {}
                found => return found,
            },
        }
    }
    eligible(spec.default_backend?, worker, frontend, txn).await
}

/// Notes in the transaction that it goes there.
pub(super) fn enter_backend(worker: &Worker, frontend: &Frontend, backend: &Rc<Backend>, txn: &Txn) {
    let own = frontend.spec.own_backend.and_then(|own| worker.backend(own));
    if !own.is_some_and(|own| Rc::ptr_eq(&own, backend)) {
        txn.overrides.leave_backend();
    }
    txn.choose_backend(backend);
}

/// The backend, if rules may choose it.
async fn eligible(
    chosen: BackendId,
    worker: &Worker,
    frontend: &Frontend,
    txn: &Rc<Txn>,
) -> Option<Rc<Backend>> {
    let backend = worker.backend(chosen)?;
    // What a `listen` section does by itself is no choice.
    let free = backend.balancer.shared().is_published() || frontend.spec.own_backend == Some(chosen);
    if free {
        return Some(backend);
    }
    for condition in &frontend.spec.force_switch {
        if holds(condition, worker, txn).await {
            return Some(backend);
        }
    }
    None
}

async fn holds(condition: &Condition, worker: &Worker, txn: &Rc<Txn>) -> bool {
    match condition.suspends() {
        true => condition.eval_async(&**txn, &*worker.runner).await,
        false => condition.eval(&**txn),
    }
}
