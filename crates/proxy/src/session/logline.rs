//! The line that a session leaves in the log.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::log::Level;
use crate::txn::{LogLevel, Txn};
use crate::worker::{Frontend, Worker};

/// Writes the line of a transaction that has ended.
pub(crate) fn write(frontend: &Frontend, worker: &Worker, txn: &Rc<Txn>) {
    let spec = &frontend.spec.log;
    let Some(line) = &spec.line else { return };
    let wrong = {
        let mut facts = txn.facts.borrow_mut();
        facts.termination.get_or_insert(*b"--");
        facts.process_connections = worker.shared.connections.load(Ordering::Relaxed);
        facts.frontend_connections = frontend.connections.load(Ordering::Relaxed);
        facts.request_counter = txn.usage.number.get();
        facts.is_error()
    };
    if spec.dont_log_normal && !wrong {
        return;
    }
    if spec.dont_log_null && txn.request_head().is_none() && txn.facts.borrow().bytes_uploaded == 0 {
        return;
    }
    let usual = if spec.separate_errors && wrong {
        Level::Error
    } else {
        Level::Info
    };
    let level = match txn.log_level() {
        LogLevel::Default => usual,
        LogLevel::Set(level) => level,
        LogLevel::Silent => return,
    };
    frontend.logger.line(level, &line.eval_now(txn));
}
