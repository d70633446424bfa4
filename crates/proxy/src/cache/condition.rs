//! Conditional requests: whether the client has already what it asks for.

use std::time::SystemTime;

use tidegate_sample::head::Headers;
use tidegate_sample::head::names::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH};

use super::freshness::parse_date;

/// Whether an answer without content will do: the client's tag is the object's, or its date is late enough. A tag outweighs
/// a date.
pub(super) fn is_current(request: &Headers, object: &Headers, modified: SystemTime) -> bool {
    if request.contains(IF_NONE_MATCH) {
        let own = object.get(ETAG).map(|tag| opaque(tag.as_bytes()));
        let mut values = request.get_all(IF_NONE_MATCH);
        return values.any(|value| {
            let mut quoted = false;
            let mut tags = value.as_bytes().split(|byte| {
                quoted ^= *byte == b'"';
                *byte == b',' && !quoted
            });
            tags.any(|tag| tag.trim_ascii() == b"*" || own == Some(opaque(tag)))
        });
    }
    let since = request.get(IF_MODIFIED_SINCE).and_then(parse_date);
    since.is_some_and(|since| modified <= since)
}

/// A tag without the mark of a weak one: for the same content either will do.
fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use std::time::Duration;

    fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn tags_are_compared_weakly_and_outweigh_dates() {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_293_840_000); // 2011-01-01
        let current = |tag: &'static str, fields: &[(&'static str, &'static str)]| {
            let object = if tag.is_empty() {
                Headers::new()
            } else {
                headers(&[("etag", tag)])
            };
            is_current(&headers(fields), &object, modified)
        };
        assert!(current("\"a\"", &[("if-none-match", "\"a\"")]));
        assert!(current("W/\"a\"", &[("if-none-match", "\"a\"")]));
        assert!(current("\"a\"", &[("if-none-match", "\"b\", W/\"a\"")]));
        assert!(current("\"a, b\"", &[("if-none-match", "\"c\", \"a, b\"")]));
        assert!(current("", &[("if-none-match", "*")]));
        assert!(!current("", &[("if-none-match", "\"\"")]));
        assert!(!current("\"a\"", &[("if-none-match", "a")]));
        let late = ("if-modified-since", "Sun, 01 Jan 2012 00:00:00 GMT");
        let early = ("if-modified-since", "Fri, 01 Jan 2010 00:00:00 GMT");
        let same = ("if-modified-since", "Sat, 01 Jan 2011 00:00:00 GMT");
        assert!(current("\"a\"", &[late]) && current("", &[same]) && !current("", &[early]));
        assert!(!current("\"a\"", &[("if-none-match", "\"b\""), late]));
        assert!(!current("", &[("if-modified-since", "garbage")]));
        assert!(!current("\"a\"", &[]));
    }
}
