//! `h1-case-adjust`: names of fields for peers that care how they are written.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

/// How names are to be written.
#[derive(Clone, Debug, Default)]
pub struct HeaderCase(Arc<HashMap<HeaderName, Box<str>>>);

impl HeaderCase {
    /// Those names, in this writing. What is no name, or one of another, is left out.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let named =
            |written: String| Some((HeaderName::from_bytes(written.as_bytes()).ok()?, written.into()));
        HeaderCase(Arc::new(names.into_iter().filter_map(named).collect()))
    }

    /// Whether no name is to be written in another way.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How this name is written; none for the usual way.
    pub(super) fn of(&self, name: &HeaderName) -> Option<&str> {
        self.0.get(name).map(|written| &**written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_were_given() {
        let case = HeaderCase::new([String::from("Content-Length"), String::from("ETag")]);
        assert_eq!(case.of(&http::header::ETAG), Some("ETag"));
        assert_eq!(case.of(&http::header::CONTENT_LENGTH), Some("Content-Length"));
        assert_eq!(case.of(&http::header::HOST), None);
    }
}
