//! Changes to headers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::respond::header_value;
use super::{HeaderEdit, HeaderMatch};

/// Applies an edit whose text was computed. False if the text can't be sent as a header's value.
pub(crate) fn apply(edit: &HeaderEdit, text: Option<Bytes>, headers: &mut HeaderMap) -> bool {
    match edit {
        HeaderEdit::Set(name, _) => match text.and_then(header_value) {
            Some(value) => {
                headers.insert(name.clone(), value);
                true
            }
            None => false,
        },
        HeaderEdit::Add(name, _) => match text.and_then(header_value) {
            Some(value) => {
                headers.append(name.clone(), value);
                true
            }
            None => false,
        },
        HeaderEdit::Del(HeaderMatch::Exact(name)) => {
            headers.remove(name);
            true
        }
        HeaderEdit::Del(which) => {
            let doomed: Vec<HeaderName> = headers.keys().filter(|n| matches(which, n)).cloned().collect();
            for name in doomed {
                headers.remove(name);
            }
            true
        }
    }
}

fn matches(which: &HeaderMatch, name: &HeaderName) -> bool {
    let name = name.as_str();
    match which {
        HeaderMatch::Exact(exact) => exact.as_str() == name,
        HeaderMatch::Prefix(prefix) => name.starts_with(prefix.as_str()),
        HeaderMatch::Suffix(suffix) => name.ends_with(suffix.as_str()),
        HeaderMatch::Contains(part) => name.contains(part.as_str()),
        HeaderMatch::Regex(regex) => regex.is_match(name.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Text;

    fn edited(edit: HeaderEdit, text: &'static str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("y", "4")] {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        apply(&edit, Some(Bytes::from_static(text.as_bytes())), &mut headers);
        // The order among different names is not kept by a deletion, and means nothing.
        let mut fields: Vec<_> = headers
            .iter()
            .map(|(n, v)| format!("{n}={}", v.to_str().unwrap()))
            .collect();
        fields.sort();
        fields
    }

    #[test]
    fn headers_are_set_added_and_deleted() {
        let name = || HeaderName::from_static("x-a");
        let text = || Text::literal("");
        assert_eq!(
            edited(HeaderEdit::Set(name(), text()), "9"),
            ["x-a=9", "x-b=2", "y=4"]
        );
        assert_eq!(
            edited(HeaderEdit::Add(name(), text()), "9"),
            ["x-a=1", "x-a=3", "x-a=9", "x-b=2", "y=4"]
        );
        assert_eq!(
            edited(HeaderEdit::Del(HeaderMatch::Exact(name())), ""),
            ["x-b=2", "y=4"]
        );
        assert_eq!(
            edited(HeaderEdit::Del(HeaderMatch::Prefix("x-".into())), ""),
            ["y=4"]
        );
        assert_eq!(
            edited(HeaderEdit::Del(HeaderMatch::Suffix("-b".into())), "").len(),
            3
        );
        let regex = |text| HeaderEdit::Del(HeaderMatch::Regex(tidegate_sample::Regex::parse(text).unwrap()));
        assert_eq!(edited(regex("^x-[b-z]|y$"), ""), ["x-a=1", "x-a=3"]);
        assert_eq!(edited(regex("X"), "").len(), 4);
    }

    #[test]
    fn what_would_be_injected_is_not_set() {
        let mut headers = HeaderMap::new();
        let edit = HeaderEdit::Set(HeaderName::from_static("x"), Text::literal(""));
        assert!(!apply(
            &edit,
            Some(Bytes::from_static(b"a\r\nb: c")),
            &mut headers
        ));
        assert!(headers.is_empty());
    }
}
