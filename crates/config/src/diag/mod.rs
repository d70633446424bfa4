//! Diagnostics: what is wrong, where, what was expected, and what may have been meant.

mod codes;
mod page;
mod render;
mod suggest;

pub use codes::{CODES, Code, code};
pub use page::Page;
pub use render::{Style, render};
pub use suggest::closest;

use std::collections::HashSet;
use std::sync::Arc;

use tidegate_sample::pattern::FileFaults;

use crate::source::{Sources, Span};

/// How bad it is. The words are HAProxy's, whose `alert` is our `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; shown unless quiet.
    Notice,
    /// Starts all the same, and probably doesn't do what was meant.
    Warning,
    /// Doesn't start.
    Error,
}

/// A place, and what is said under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The underlined text.
    pub span: Span,
    /// What is written beside the line; may be empty.
    pub text: String,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable code.
    pub code: Code,
    /// One line without a place: lowercase, no full stop, the user's words in backticks.
    pub message: String,
    /// The word at fault. Absent only for what isn't in any file (a missing file, a command-line flag).
    pub primary: Option<Label>,
    /// Other places that explain it.
    pub related: Vec<Label>,
    /// What to do about it.
    pub help: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// The file of patterns that is at fault, until its faults are told one by one.
    pub(crate) file: Option<Arc<FileFaults>>,
}

impl Diagnostic {
    /// A fault that no word of a file can be blamed for.
    pub fn bare(severity: Severity, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            code,
            message: message.into(),
            primary: None,
            related: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
            file: None,
        }
    }

    /// An error at a span.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(Severity::Error, code, span, message)
    }

    /// A warning at a span.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(Severity::Warning, code, span, message)
    }

    /// A notice at a span.
    pub fn notice(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(Severity::Notice, code, span, message)
    }

    /// What two reports of one fault have in common.
    fn key(&self) -> (Code, Option<Span>) {
        (self.code, self.primary.as_ref().map(|label| label.span))
    }

    fn at(severity: Severity, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        let mut diagnostic = Diagnostic::bare(severity, code, message);
        diagnostic.primary = Some(Label {
            span,
            text: String::new(),
        });
        diagnostic
    }

    /// Says something beside the underlined word.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        if let Some(primary) = &mut self.primary {
            primary.text = text.into();
        }
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.related.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Adds background.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Adds "did you mean" when one of `names` is close to what was written.
    #[must_use]
    pub fn suggest<'n>(self, written: &str, names: impl IntoIterator<Item = &'n str>) -> Diagnostic {
        match closest(written, names) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// The faults of a run, in the order of their places once sorted.
#[derive(Debug, Default, Clone)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds a fault.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// Adds all the faults of another run.
    pub fn append(&mut self, mut other: Diagnostics) {
        self.items.append(&mut other.items);
    }

    /// The faults, to add to what they say.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Diagnostic> {
        self.items.iter_mut()
    }

    /// Keeps only those that `keep` wants.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Diagnostic) -> bool) {
        self.items.retain(keep);
    }

    /// Adds the faults of another run that aren't known yet: lines of `defaults` are read once for each proxy.
    pub(crate) fn append_new(&mut self, other: Diagnostics) {
        let known: HashSet<(Code, Option<Span>)> = self.items.iter().map(Diagnostic::key).collect();
        self.items.extend(
            other
                .items
                .into_iter()
                .filter(|item| !known.contains(&item.key())),
        );
    }

    /// Whether there is at least one error.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.items.iter().filter(|item| item.severity == severity).count()
    }

    /// The faults.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Puts others in the place of each.
    pub(crate) fn replace_each(&mut self, others: impl FnMut(Diagnostic) -> Vec<Diagnostic>) {
        self.items = std::mem::take(&mut self.items)
            .into_iter()
            .flat_map(others)
            .collect();
    }

    /// Puts them in the order of files and lines; those without a place come first.
    pub fn sort(&mut self) {
        self.items
            .sort_by_key(|item| item.primary.as_ref().map(|label| label.span));
    }

    /// All of them as text, an empty line after each.
    pub fn render(&self, sources: &Sources, style: Style) -> String {
        let mut text = String::new();
        for item in &self.items {
            text.push_str(&render(item, sources, style));
            text.push_str("\n\n");
        }
        text
    }
}
