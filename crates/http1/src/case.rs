//! `h1-case-adjust`: names of fields for peers that care how they are written.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;
use tidegate_sample::head::FieldName;

/// How names are to be written.
#[derive(Clone, Debug, Default)]
pub struct HeaderCase(Arc<HashMap<Box<[u8]>, Written>>);

type Written = Box<[u8]>;

impl HeaderCase {
    /// Those names, in this writing. What is no name, or one of another, is left out.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let named = |written: String| {
            let name = HeaderName::from_bytes(written.as_bytes()).ok()?;
            Some((name.as_str().as_bytes().into(), written.into_bytes().into()))
        };
        HeaderCase(Arc::new(names.into_iter().filter_map(named).collect()))
    }

    /// Whether no name is to be written in another way.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How this name is written; none for the usual way.
    pub(super) fn of(&self, name: FieldName<'_>) -> Option<&[u8]> {
        self.0.get(name.as_bytes()).map(|written| &**written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_sample::head::{AsName, names};

    #[test]
    fn names_are_written_as_they_were_given() {
        let case = HeaderCase::new([String::from("Content-Length"), String::from("ETag")]);
        assert_eq!(case.of(names::ETAG.as_name()), Some(&b"ETag"[..]));
        assert_eq!(
            case.of(names::CONTENT_LENGTH.as_name()),
            Some(&b"Content-Length"[..])
        );
        assert_eq!(case.of(names::HOST.as_name()), None);
    }
}
