//! The lines that a session leaves in the log.

use std::rc::Rc;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use tidegate_sample::{LogFormat, LogOrigin, Place, Scope, Session};

use crate::client::Client;
use crate::log::{Level, LogProfile, LogStep, SessionLine};
use crate::rules::Text;
use crate::txn::{Hurry, LogLevel, Mode, Phase, Txn};
use crate::worker::Frontend;

/// A transaction has come to a step: writes its line, if it is written there.
pub(crate) fn at(step: LogStep, txn: &Txn) {
    let Some(frontend) = &txn.client.entrance.home else {
        return;
    };
    if !frontend.log_steps.has(step) {
        return;
    }
    let spec = &frontend.spec.log;
    let is_last = step == LogStep::Close;
    let is_only = spec.steps.is_empty();
    let is_error = (is_last || is_only) && txn.facts.borrow().is_error();
    // What is well so far may still go wrong: then its end is logged.
    if is_only && !is_last && spec.dont_log_normal && !is_error {
        return;
    }
    // Nobody who named no steps wants more than one line.
    if is_only && txn.logged.replace(true) {
        return;
    }
    fill(frontend, txn, step.origin(), !is_last || spec.as_soon_as_possible);
    if is_last && !is_wanted(frontend, txn, is_error) {
        return;
    }
    let Some(level) = level(frontend, txn, is_error) else {
        return;
    };
    let error_line = spec.error_line.as_ref().filter(|_| is_error);
    let accepted = formless(frontend, txn);
    let line = SessionLine {
        level,
        origin: step.origin(),
        is_error,
        text: error_line.or(spec.line.as_ref()).or(accepted.as_ref()),
        structured: spec.structured.as_ref(),
        profile: None,
    };
    txn.hurried(Hurry::Log, || frontend.logger.line(&line, txn));
}

/// A connection was accepted.
pub(crate) fn accepted(frontend: &Frontend, client: &Rc<Client>) {
    if frontend.log_steps.has(LogStep::Accept) {
        let txn = Txn::new(client.clone(), frontend.spec.mode, 0);
        at(LogStep::Accept, &txn);
        txn.close();
    }
}

/// A rule wants a line (`do-log`).
pub(crate) fn rule(txn: &Txn, origin: LogOrigin, profile: Option<&LogProfile>) {
    let Some(frontend) = &txn.client.entrance.home else {
        return;
    };
    if frontend.logger.is_silent() {
        return;
    }
    let Some(level) = level(frontend, txn, false) else {
        return;
    };
    let before = {
        let facts = txn.facts.borrow();
        (facts.origin, facts.unfinished, facts.bytes_read)
    };
    fill(frontend, txn, origin, true);
    let spec = &frontend.spec.log;
    let accepted = formless(frontend, txn);
    let line = SessionLine {
        level,
        origin,
        is_error: false,
        text: spec.line.as_ref().or(accepted.as_ref()),
        structured: spec.structured.as_ref(),
        profile,
    };
    txn.hurried(Hurry::Log, || frontend.logger.line(&line, txn));
    let mut facts = txn.facts.borrow_mut();
    (facts.origin, facts.unfinished, facts.bytes_read) = before;
}

/// What begins the line of a connection that never became a session.
static REFUSED: LazyLock<Option<LogFormat>> =
    LazyLock::new(|| LogFormat::parse("%ci:%cp [%t] %f/", &Scope::new(Place::Log).without_session()).ok());

/// Hands could not be shaken on a connection.
pub(crate) fn refused(frontend: &Frontend, client: &Rc<Client>) {
    let spec = &frontend.spec.log;
    // Who only looks whether somebody listens says nothing.
    let silent = matches!(client.error.get(), 11 | 24);
    if frontend.logger.is_silent() || (spec.dont_log_null && silent) {
        return;
    }
    let txn = Txn::new(client.clone(), frontend.spec.mode, 0);
    txn.phase.set(Phase::Log);
    fill(frontend, &txn, LogOrigin::SessionError, false);
    let usual = spec
        .error_line
        .is_none()
        .then(|| Text::literal(why_refused(&txn)));
    let line = SessionLine {
        level: if spec.separate_errors {
            Level::Error
        } else {
            Level::Info
        },
        origin: LogOrigin::SessionError,
        is_error: true,
        text: spec.error_line.as_ref().or(usual.as_ref()),
        structured: spec.structured.as_ref(),
        profile: None,
    };
    txn.hurried(Hurry::Log, || frontend.logger.line(&line, &txn));
    txn.close();
}

fn why_refused(txn: &Txn) -> Vec<u8> {
    let client = &txn.client;
    let mut line = Vec::new();
    if let Some(format) = &*REFUSED {
        format.eval_into(&mut line, txn);
    }
    let listener = &client.entrance.listener;
    match listener.name.len() {
        0 => line.extend_from_slice(listener.id.to_string().as_bytes()),
        _ => line.extend_from_slice(listener.name.as_slice()),
    }
    line.extend_from_slice(b": ");
    line.extend_from_slice(tidegate_sample::fetch::connection_error(client.error.get()).as_bytes());
    line
}

/// Completes what the line may tell.
fn fill(frontend: &Frontend, txn: &Txn, origin: LogOrigin, unfinished: bool) {
    let figures = &frontend.board;
    let backend = txn.backend();
    let server = backend.as_ref().zip(txn.server());
    let in_backend = backend
        .as_ref()
        .and_then(|backend| figures.backend_connections(&backend.name));
    let at_server =
        server.and_then(|(backend, server)| figures.server_connections(&backend.name, &server.name));
    let mut facts = txn.facts.borrow_mut();
    facts.origin = origin;
    facts.unfinished = unfinished;
    facts.process_connections = frontend.process_connections.load(Ordering::Relaxed);
    facts.frontend_connections = frontend.connections.load(Ordering::Relaxed);
    facts.backend_connections = counted(in_backend);
    facts.server_connections = counted(at_server);
    facts.request_counter = txn.usage.number.get();
    if let Some(counter) = &frontend.log_counter {
        facts.log_counter = counter.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(traffic) = txn.usage.traffic() {
        facts.bytes_uploaded = traffic.from_client;
        if txn.times.ended.get().is_none() {
            facts.bytes_read = traffic.from_server;
        }
    }
}

fn counted(number: Option<u64>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

/// Whether the options of the log leave the line of a transaction that has ended.
fn is_wanted(frontend: &Frontend, txn: &Txn, is_error: bool) -> bool {
    let spec = &frontend.spec.log;
    if spec.dont_log_normal && !is_error {
        return false;
    }
    let nothing_came = || {
        let facts = txn.facts.borrow();
        txn.request_head().is_none() && facts.bytes_uploaded == 0
    };
    !(spec.dont_log_null && nothing_came())
}

/// The line of a frontend without a format of lines.
fn formless(frontend: &Frontend, txn: &Txn) -> Option<Text> {
    let has_format = frontend.spec.log.line.is_some();
    (!has_format).then(|| Text::literal(connect_from(txn, frontend)))
}

fn level(frontend: &Frontend, txn: &Txn, is_error: bool) -> Option<Level> {
    match txn.log_level() {
        LogLevel::Default if is_error && frontend.spec.log.separate_errors => Some(Level::Error),
        LogLevel::Default => Some(Level::Info),
        LogLevel::Set(level) => Some(level),
        LogLevel::Silent => None,
    }
}

/// What is logged where no format says so.
fn connect_from(txn: &Txn, frontend: &Frontend) -> String {
    let end = |address: Option<std::net::SocketAddr>| match address {
        Some(address) => format!("{}:{}", address.ip().to_canonical(), address.port()),
        None => format!("unix:{}", txn.client.entrance.listener.id),
    };
    let mode = match frontend.spec.mode {
        Mode::Http => "HTTP",
        Mode::Tcp => "TCP",
    };
    format!(
        "Connect from {} to {} ({}/{mode})",
        end(txn.source()),
        end(txn.destination()),
        frontend.spec.name
    )
}
