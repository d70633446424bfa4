//! Early hints: which `link` fields of a response tell a client what it will need.

use http::HeaderValue;
use tidegate_sample::head::names::LINK;
use tidegate_sample::head::{FieldValue, Headers};

/// The relations that are hints.
const RELATIONS: [&[u8]; 5] = [
    b"preload",
    b"preconnect",
    b"dns-prefetch",
    b"modulepreload",
    b"prefetch",
];

/// The links of a response that are hints.
pub(super) fn hints(headers: &Headers) -> Vec<HeaderValue> {
    let hints_of = |value: FieldValue<'_>| {
        let hints: Vec<&[u8]> = split(value.as_bytes(), b',')
            .map(<[u8]>::trim_ascii)
            .filter(|link| is_hint(link))
            .collect();
        let hints = (!hints.is_empty()).then(|| hints.join(&b", "[..]))?;
        HeaderValue::from_bytes(&hints).ok()
    };
    headers.get_all(LINK).filter_map(hints_of).collect()
}

/// Whether the first `rel` of a link is one that hints.
fn is_hint(link: &[u8]) -> bool {
    let mut parts = split(link, b';');
    let is_target = |target: &[u8]| target.starts_with(b"<") && target.ends_with(b">");
    if !parts.next().is_some_and(|target| is_target(target.trim_ascii())) {
        return false;
    }
    for parameter in parts {
        let mut sides = parameter.splitn(2, |byte| *byte == b'=');
        let name = sides.next().unwrap_or_default().trim_ascii();
        if !name.eq_ignore_ascii_case(b"rel") {
            continue;
        }
        let value = sides.next().unwrap_or_default().trim_ascii();
        let quoted = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
        let known = |relation: &[u8]| RELATIONS.iter().any(|known| known.eq_ignore_ascii_case(relation));
        return match quoted {
            Some(relations) => relations.split(u8::is_ascii_whitespace).any(known),
            None => known(value),
        };
    }
    false
}

/// The parts between separators that are in no quotes. In quotes, a backslash takes its meaning from what follows.
fn split(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    bytes.split(move |byte| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match *byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => escaped = true,
            other => return other == separator && !quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(link: &'static str) -> Vec<String> {
        let headers = Headers::from_iter([(LINK, HeaderValue::from_static(link))]);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        hints(&headers).iter().map(text).collect()
    }

    #[test]
    fn links_that_hint_are_told_from_others() {
        for whole in [
            "<a>; rel=preload; as=style",
            "<a>; rel=\"preload prefetch\"",
            "<a>; crossorigin; REL = ModulePreload",
            "<a>; title=\"x \\\"y\\\", z\"; rel=dns-prefetch",
            "<a>; rel=preload; rel=stylesheet",
            "<a>; rel=preload, <b>; rel=preconnect",
        ] {
            assert_eq!(found(whole), [whole]);
        }
        assert_eq!(
            found("<a>; rel=author, , <b>; rel=prefetch"),
            ["<b>; rel=prefetch"]
        );
        for none in [
            "<a>; rel=stylesheet",
            "<a>; rel=preload prefetch",
            "<a>; rel=stylesheet; rel=preload",
            "<a>; title=\"x\\\"; rel=preload; y=\\\"z\"",
            "</a,b>; rel=preload",
            "a; rel=preload",
            "<a>",
            "",
        ] {
            assert_eq!(found(none), [""; 0], "{none}");
        }
    }
}
