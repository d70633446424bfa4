//! What parsing reports when a text is not what it should be.

use crate::pattern::{FileFaults, LoadError};
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A fault in a text: where it is, what it is, and what may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The bytes at fault, as offsets into the text that was parsed.
    pub span: Range<usize>,
    /// What is wrong: lowercase, no full stop, user input in backticks.
    pub message: String,
    /// What would have been right, if it can be said in a line.
    pub help: Option<String>,
    /// The known name that was probably meant.
    pub suggestion: Option<String>,
    /// What is wrong in the file that the text names, if that is the fault.
    pub file: Option<Arc<FileFaults>>,
}

/// A [`ParseError`] in one of several words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordError {
    /// The index of the word at fault; the number of words if one is missing at the end.
    pub word: usize,
    /// The fault; its span counts inside that word.
    pub error: ParseError,
}

impl ParseError {
    /// A fault at `span`.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> ParseError {
        ParseError {
            span,
            message: message.into(),
            help: None,
            suggestion: None,
            file: None,
        }
    }

    /// Adds what would have been right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> ParseError {
        self.help = Some(help.into());
        self
    }

    /// Adds the known name that was probably meant, if there is one.
    #[must_use]
    pub fn suggest(mut self, suggestion: Option<impl Into<String>>) -> ParseError {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    /// The fault of a list that cannot be used.
    pub(crate) fn of_list(span: Range<usize>, error: LoadError) -> ParseError {
        match error {
            LoadError::Message(message) => ParseError::new(span, message),
            LoadError::File(faults) => {
                let (at, why) = faults
                    .faults
                    .first()
                    .map_or((0, ""), |(range, why)| (range.start, why.as_str()));
                let message = format!("line {} of `{}`: {why}", faults.line(at), faults.name);
                ParseError {
                    file: Some(faults),
                    ..ParseError::new(span, message)
                }
            }
        }
    }

    /// The same fault when the text that was parsed begins `by` bytes into another.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> ParseError {
        self.span = self.span.start + by..self.span.end + by;
        self
    }

    /// The same fault, in the word of this index.
    #[must_use]
    pub fn in_word(self, word: usize) -> WordError {
        WordError { word, error: self }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

impl Error for ParseError {}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for WordError {}
