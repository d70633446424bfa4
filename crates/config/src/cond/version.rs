//! Versions, as predicates compare them.

/// Digits alone.
pub(super) fn is_integer(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Numbers with dots between them; OpenSSL's have a letter at their end.
pub(super) fn is_version(text: &[u8]) -> bool {
    let bare = match text {
        [rest @ .., last] if last.is_ascii_lowercase() => rest,
        text => text,
    };
    bare.split(|byte| *byte == b'.').all(is_integer)
}

/// Versions in their order: development versions come before the release.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    released: bool,
    patch: u32,
}

impl Version {
    /// Reads `3.2`, `3.2.1` or `3.2-dev7`.
    pub(super) fn parse(text: &[u8]) -> Option<Version> {
        let text = std::str::from_utf8(text).ok()?;
        let (numbers, development) = match text.split_once("-dev") {
            Some((numbers, development)) => (numbers, Some(development)),
            None => (text.split('-').next().unwrap_or_default(), None),
        };
        let mut parts = numbers.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        let patch = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        let Some(development) = development else {
            return Some(Version {
                major,
                minor,
                released: true,
                patch,
            });
        };
        let digits: String = development.chars().take_while(char::is_ascii_digit).collect();
        Some(Version {
            major,
            minor,
            released: false,
            patch: digits.parse().ok()?,
        })
    }
}
