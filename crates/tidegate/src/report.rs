//! What the program says to the person who started it.

use std::io::{IsTerminal, Write};

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
        if self.quiet && errors == 0 {
            return;
        }
        let text = diagnostics.render(sources, style());
        if !text.is_empty() {
            say(&text);
        }
        let warnings = diagnostics.count(Severity::Warning);
        if errors + warnings > 0 {
            say(&format!(
                "{}, {}; `tidegate explain CODE` tells more of each",
                counted(errors, "error"),
                counted(warnings, "warning")
            ));
        }
    }

    /// An error that has no place in a configuration.
    pub(crate) fn error(self, text: &str) {
        let colour = style() == Style::Coloured;
        let (start, end) = if colour {
            ("\x1b[1;31m", "\x1b[0m")
        } else {
            ("", "")
        };
        say(&format!("{start}error{end}: {text}"));
    }

    /// A step of the start, for those who asked to see them.
    pub(crate) fn step(self, text: impl FnOnce() -> String) {
        if self.verbose && !self.quiet {
            say(&text());
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

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
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
