//! What the program says to the person who started it.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::master;
use tidegate_config::{Diagnostics, Severity, Sources, Style};

/// How much is said, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// `-q`: errors only.
    pub(crate) quiet: bool,
    /// `-V` or `-d`.
    pub(crate) verbose: bool,
}

impl Report {
    /// Shows what is wrong with a configuration, and how many faults there are.
    pub(crate) fn diagnostics(self, diagnostics: &Diagnostics, sources: &Sources) {
        let errors = diagnostics.count(Severity::Error);
        let say = match self.quiet && errors == 0 {
            true => |text: &dyn Fn(Style) -> String| keep(&text(Style::Plain)),
            false => |text: &dyn Fn(Style) -> String| say(text),
        };
        say(&|style| diagnostics.render(sources, style));
        let warnings = diagnostics.count(Severity::Warning);
        if errors + warnings > 0 {
            say(&|_| {
                format!(
                    "{}, {}; `tidegate explain CODE` tells more of each",
                    counted(errors, "error"),
                    counted(warnings, "warning")
                )
            });
        }
    }

    /// An error that has no place in a configuration.
    pub(crate) fn error(self, text: &str) {
        say(|style| {
            let (start, end) = match style {
                Style::Coloured => ("\x1b[1;31m", "\x1b[0m"),
                Style::Plain => ("", ""),
            };
            format!("{start}error{end}: {text}")
        });
    }

    /// A step of the start, for those who asked to see them.
    pub(crate) fn step(self, text: impl FnOnce() -> String) {
        if self.verbose && !self.quiet {
            let text = text();
            say(|_| text.clone());
        }
    }

    /// What a signal asked for.
    pub(crate) fn notice(self, text: &str) {
        if !self.quiet {
            say(|_| text.to_owned());
        }
    }

    /// A result that was asked for, on standard output.
    pub(crate) fn answer(self, text: &str) {
        if !self.quiet {
            // Nobody is left to be told when standard output is gone.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
}

/// Says it on standard error, and to the master, who keeps what is said at the start.
fn say(text: impl Fn(Style) -> String) {
    let shown = text(style());
    if shown.is_empty() {
        return;
    }
    let _ = writeln!(std::io::stderr(), "{}", shown.trim_end());
    keep(&text(Style::Plain));
    master::say(|| text(Style::Plain));
}

/// What was said on the way to serving.
static AT_START: Mutex<AtStart> = Mutex::new(AtStart {
    said: String::new(),
    over: false,
});

/// More is not kept.
const KEPT_BYTES_MAX: usize = 64 * 1024;

struct AtStart {
    said: String,
    over: bool,
}

/// What was said, or would have been but for `-q`, before the program served.
pub(crate) fn said_at_start() -> String {
    AT_START
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .said
        .clone()
}

/// The program serves: what it says now belongs to its start no more.
pub(crate) fn serves() {
    AT_START.lock().unwrap_or_else(PoisonError::into_inner).over = true;
}

fn keep(text: &str) {
    let mut start = AT_START.lock().unwrap_or_else(PoisonError::into_inner);
    let text = text.trim_end();
    let fits = start.said.len() + text.len() < KEPT_BYTES_MAX;
    if !start.over && fits && !text.is_empty() {
        start.said.push_str(text);
        start.said.push('\n');
    }
}

fn style() -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted && std::io::stderr().is_terminal() {
        Style::Coloured
    } else {
        Style::Plain
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
