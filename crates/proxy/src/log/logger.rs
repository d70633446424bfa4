//! Messages and lines of one proxy, on their way to its targets.

use std::cell::RefCell;
use std::time::SystemTime;

use tidegate_sample::LogOrigin;

use super::header::{self, Clock, Context};
use super::{Level, LogProfile, LogSpec, LogTarget, LogWrap, LogWriter, StepFormat, harmless};
use crate::rules::Text;
use crate::txn::Txn;

/// Sends the messages of one proxy on one worker to its targets.
pub struct Logger {
    writer: Option<LogWriter>,
    targets: Vec<LogTarget>,
    tag: String,
    host: Option<String>,
    pid: u32,
    clock: RefCell<Clock>,
    scratch: RefCell<Scratch>,
}

/// Where lines are put together, so that none allocates.
#[derive(Default)]
struct Scratch {
    line: Vec<u8>,
    text: Vec<u8>,
    structured: Vec<u8>,
}

/// A line of a session.
pub(crate) struct SessionLine<'a> {
    pub(crate) level: Level,
    pub(crate) origin: LogOrigin,
    /// Something went wrong.
    pub(crate) is_error: bool,
    /// What the proxy says that the line holds.
    pub(crate) text: Option<&'a Text>,
    /// Its structured data.
    pub(crate) structured: Option<&'a Text>,
    /// In place of the targets' own.
    pub(crate) profile: Option<&'a LogProfile>,
}

impl Logger {
    /// A logger without targets.
    pub fn discard() -> Self {
        Logger::with(None, Vec::new(), None, None)
    }

    /// A logger for these targets.
    pub fn new(writer: LogWriter, targets: Vec<LogTarget>, tag: Option<&str>, host: Option<&str>) -> Self {
        Logger::with(Some(writer), targets, tag, host)
    }

    /// The logger of a frontend.
    pub(crate) fn of(writer: Option<&LogWriter>, spec: &LogSpec) -> Self {
        match writer {
            Some(writer) if !spec.targets.is_empty() => Logger::new(
                writer.clone(),
                spec.targets.clone(),
                spec.tag.as_deref(),
                spec.host.as_deref(),
            ),
            _ => Logger::discard(),
        }
    }

    fn with(
        writer: Option<LogWriter>,
        targets: Vec<LogTarget>,
        tag: Option<&str>,
        host: Option<&str>,
    ) -> Self {
        Logger {
            writer,
            targets,
            tag: tag.unwrap_or("tidegate").to_owned(),
            host: host.map(str::to_owned),
            pid: std::process::id(),
            clock: RefCell::default(),
            scratch: RefCell::default(),
        }
    }

    /// True if messages go nowhere.
    pub fn is_silent(&self) -> bool {
        self.targets.is_empty()
    }

    /// Sends a message to every target that takes its level. Each line of a message of several becomes one of its own.
    pub fn message(&self, level: Level, message: &str) {
        let Some(writer) = &self.writer else { return };
        self.clock.borrow_mut().set(SystemTime::now());
        let mut scratch = self.scratch.take();
        for target in self.targets.iter().filter(|t| level <= t.max_level) {
            if target.sampling.as_ref().is_some_and(|sampling| !sampling.takes()) {
                continue;
            }
            for text in message.lines().filter(|text| !text.is_empty()) {
                let line = &mut scratch.line;
                self.begin(line, target, level, None, b"");
                let start = line.len();
                header::visible(line, text.as_bytes());
                send(writer, target, line, start);
            }
        }
        self.scratch.replace(scratch);
    }

    /// Tells of a failure: like any message, and on standard error if there is nowhere else to say it, so that a
    /// script that breaks is never silent.
    pub fn failure(&self, message: &str) {
        // Tracebacks are indented by tabs, which logs would show as codes.
        let message = message.replace('\t', "    ");
        if self.is_silent() {
            eprintln!("[{}] {}", Level::Error.name(), harmless(&message));
        } else {
            self.message(Level::Error, &message);
        }
    }

    /// Tells an operator: on standard error, for want of anywhere else.
    pub(crate) fn notice(&self, level: Level, message: &str) {
        eprintln!("[{}] {}", level.name(), harmless(message));
    }

    /// Sends a session's line to every target that takes its level, as the target's profile has it.
    pub(crate) fn line(&self, what: &SessionLine<'_>, txn: &Txn) {
        let Some(writer) = &self.writer else { return };
        self.clock.borrow_mut().set(SystemTime::now());
        // Taken, since what is evaluated may log too.
        let mut scratch = self.scratch.take();
        let Scratch {
            line,
            text,
            structured,
        } = &mut scratch;
        // The proxy's own text is the same for all targets.
        let mut is_own = false;
        for target in self.targets.iter().filter(|t| what.level <= t.max_level) {
            let profile = what.profile.or(target.profile.as_deref());
            let step = profile.and_then(|profile| profile.step(what.origin, what.is_error));
            if step.is_some_and(|step| step.drop) {
                continue;
            }
            let theirs = step.and_then(|step| step.line.as_ref());
            let Some(format) = theirs.or(what.text) else {
                continue;
            };
            if target.sampling.as_ref().is_some_and(|sampling| !sampling.takes()) {
                continue;
            }
            if theirs.is_some() || !is_own {
                text.clear();
                format.append_now(text, txn);
                is_own = theirs.is_none();
            }
            structured.clear();
            if target.wrap == LogWrap::Rfc5424
                && let Some(data) = structured_data(step, what)
            {
                data.append_now(structured, txn);
            }
            if text.is_empty() && structured.is_empty() {
                continue;
            }
            let tag = profile.and_then(|profile| profile.tag.as_deref());
            self.begin(line, target, what.level, tag, structured);
            let start = line.len();
            line.extend_from_slice(text);
            send(writer, target, line, start);
        }
        self.scratch.replace(scratch);
    }

    fn begin(
        &self,
        line: &mut Vec<u8>,
        target: &LogTarget,
        level: Level,
        tag: Option<&str>,
        structured: &[u8],
    ) {
        line.clear();
        let context = Context {
            level: level.max(target.min_level),
            tag: tag.unwrap_or(&self.tag),
            host: self.host.as_deref(),
            pid: self.pid,
            structured,
        };
        header::write(line, target, &self.clock.borrow(), &context);
    }
}

/// The structured data that a step names, or else the proxy's.
fn structured_data<'a>(step: Option<&'a StepFormat>, what: &SessionLine<'a>) -> Option<&'a Text> {
    step.and_then(|step| step.structured.as_ref()).or(what.structured)
}

/// Sends a line whose message starts at a place.
fn send(writer: &LogWriter, target: &LogTarget, line: &mut Vec<u8>, start: usize) {
    header::finish(line, target);
    let message = line.get(start..line.len().saturating_sub(1)).unwrap_or_default();
    writer.send(&target.to, line, message);
}
