//! The line that a session leaves in the log.

use std::rc::Rc;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use tidegate_sample::{LogFormat, Place, Scope};

use crate::client::Client;
use crate::log::Level;
use crate::txn::{LogLevel, Mode, Phase, Txn};
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

/// What begins the line of a connection that never became a session.
static REFUSED: LazyLock<Option<LogFormat>> =
    LazyLock::new(|| LogFormat::parse("%ci:%cp [%t] %f/", &Scope::new(Place::Log).without_waiting()).ok());

/// Writes the line of a connection on which hands could not be shaken.
pub(crate) fn write_refused(frontend: &Frontend, worker: &Worker, client: &Rc<Client>) {
    let spec = &frontend.spec.log;
    // Who only looks whether somebody listens says nothing.
    let silent = matches!(client.error.get(), 11 | 24);
    if frontend.logger.is_silent() || (spec.dont_log_null && silent) {
        return;
    }
    let txn = Txn::new(client.clone(), Mode::Tcp, worker.shared.global.buffer_bytes);
    txn.phase.set(Phase::Log);
    let mut line = Vec::new();
    if let Some(format) = &*REFUSED {
        format.eval_into(&mut line, &*txn);
    }
    let listener = &client.listener;
    match listener.name.len() {
        0 => line.extend_from_slice(listener.id.to_string().as_bytes()),
        _ => line.extend_from_slice(listener.name.as_slice()),
    }
    line.extend_from_slice(b": ");
    line.extend_from_slice(tidegate_sample::fetch::connection_error(client.error.get()).as_bytes());
    let level = if spec.separate_errors {
        Level::Error
    } else {
        Level::Info
    };
    frontend.logger.line(level, &line);
    txn.close();
}
