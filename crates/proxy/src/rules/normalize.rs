//! `normalize-uri`: one form for targets that mean the same.

/// One of the normalizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalizer {
    /// `fragment-encode`: `#` becomes `%23`.
    FragmentEncode,
    /// `fragment-strip`: nothing from a `#` on.
    FragmentStrip,
    /// `path-merge-slashes`: one slash in place of several.
    PathMergeSlashes,
    /// `path-strip-dot`: no `/./`.
    PathStripDot,
    /// `path-strip-dotdot`: no `/../` with a segment before it; with `full` none at the beginning either.
    PathStripDotdot {
        /// `full`.
        full: bool,
    },
    /// `percent-decode-unreserved`: letters, digits and `-._~` are not encoded.
    PercentDecodeUnreserved {
        /// `strict`: what is no encoding is an error.
        strict: bool,
    },
    /// `percent-to-uppercase`: encodings have digits in upper case.
    PercentToUppercase {
        /// `strict`: what is no encoding is an error.
        strict: bool,
    },
    /// `query-sort-by-name`.
    QuerySortByName,
}

/// The target is none that the normalizer takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid;

impl Normalizer {
    /// The normal form of a path with its query.
    pub(super) fn apply(self, target: &[u8]) -> Result<Vec<u8>, Invalid> {
        let end_of_path = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
        let (path, query) = target.split_at(end_of_path);
        Ok(match self {
            // A fragment is only there with `option accept-unsafe-violations-in-http-request`.
            Normalizer::FragmentEncode => encode_fragment(target),
            Normalizer::FragmentStrip => {
                let end = target.iter().position(|b| *b == b'#').unwrap_or(target.len());
                target.get(..end).unwrap_or_default().to_vec()
            }
            Normalizer::PathMergeSlashes => [&merge_slashes(path)[..], query].concat(),
            Normalizer::PathStripDot => [&strip_dot(path)[..], query].concat(),
            Normalizer::PathStripDotdot { full } => [&strip_dotdot(path, full)[..], query].concat(),
            Normalizer::PercentDecodeUnreserved { strict } => {
                percent(target, strict, |high, low, out| match byte(high, low) {
                    decoded if is_unreserved(decoded) => out.push(decoded),
                    _ => out.extend([b'%', high, low]),
                })?
            }
            Normalizer::PercentToUppercase { strict } => percent(target, strict, |high, low, out| {
                out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
            })?,
            Normalizer::QuerySortByName => sort_query(path, query),
        })
    }
}

fn encode_fragment(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len());
    for byte in target {
        match byte {
            b'#' => out.extend(b"%23"),
            other => out.push(*other),
        }
    }
    out
}

fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let mut out = path.to_vec();
    out.dedup_by(|a, b| *a == b'/' && *b == b'/');
    out
}

/// Segments that are a lone dot go; where the last one is, the slash before it stays.
fn strip_dot(path: &[u8]) -> Vec<u8> {
    let segments: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
    let last = segments.len().saturating_sub(1);
    let mut kept: Vec<&[u8]> = Vec::with_capacity(segments.len());
    for (at, segment) in segments.into_iter().enumerate() {
        match segment {
            b"." if at == last => kept.push(b""),
            b"." => {}
            other => kept.push(other),
        }
    }
    kept.join(&b'/')
}

/// A `..` takes the segment before it away, whatever that is but another `..`; at the beginning it stays, unless `full`.
fn strip_dotdot(path: &[u8], full: bool) -> Vec<u8> {
    let Some(relative) = path.strip_prefix(b"/") else {
        return path.to_vec();
    };
    let segments: Vec<&[u8]> = relative.split(|b| *b == b'/').collect();
    let last = segments.len().saturating_sub(1);
    let mut kept: Vec<&[u8]> = Vec::with_capacity(segments.len());
    for (at, segment) in segments.into_iter().enumerate() {
        if segment != b".." {
            kept.push(segment);
            continue;
        }
        let taken = kept.last().is_some_and(|before| *before != b"..");
        if taken {
            kept.pop();
        } else if !full {
            kept.push(b"..");
            continue;
        }
        if at == last {
            kept.push(b"");
        }
    }
    [&b"/"[..], &kept.join(&b'/')].concat()
}

/// Copies a target, with something else for each byte that is encoded.
fn percent(target: &[u8], strict: bool, encoded: impl Fn(u8, u8, &mut Vec<u8>)) -> Result<Vec<u8>, Invalid> {
    let mut out = Vec::with_capacity(target.len());
    let mut rest = target;
    loop {
        rest = match rest {
            [] => return Ok(out),
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                encoded(*high, *low, &mut out);
                rest
            }
            [b'%', ..] if strict => return Err(Invalid),
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

fn byte(high: u8, low: u8) -> u8 {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    digit(high) << 4 | digit(low)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn sort_query(path: &[u8], query: &[u8]) -> Vec<u8> {
    let Some(parameters) = query.strip_prefix(b"?") else {
        return path.to_vec();
    };
    let name = |parameter: &&[u8]| {
        let end = parameter.iter().position(|b| *b == b'=');
        parameter
            .get(..end.unwrap_or(parameter.len()))
            .unwrap_or_default()
            .to_vec()
    };
    let mut parameters: Vec<&[u8]> = parameters.split(|b| *b == b'&').collect();
    parameters.sort_by_cached_key(name);
    [path, b"?", &parameters.join(&b'&')].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(normalizer: Normalizer, target: &str) -> Option<String> {
        let normal = normalizer.apply(target.as_bytes()).ok()?;
        Some(String::from_utf8(normal).unwrap())
    }

    /// What the manual and haproxy 2.6 say.
    #[test]
    fn targets_have_their_normal_forms() {
        use Normalizer::*;
        let full = PathStripDotdot { full: true };
        let dotdot = PathStripDotdot { full: false };
        let decode = PercentDecodeUnreserved { strict: false };
        let upper = PercentToUppercase { strict: false };
        for (normalizer, from, to) in [
            (FragmentEncode, "/#foo", "/%23foo"),
            (FragmentStrip, "/#foo", "/"),
            (PathMergeSlashes, "//", "/"),
            (PathMergeSlashes, "/foo//bar?a//b", "/foo/bar?a//b"),
            (PathStripDot, "/.", "/"),
            (PathStripDot, "/./bar/", "/bar/"),
            (PathStripDot, "/a/./a", "/a/a"),
            (PathStripDot, "/.well-known/", "/.well-known/"),
            (PathStripDot, "/a/.", "/a/"),
            (PathStripDot, "/a?/./", "/a?/./"),
            (dotdot, "/foo/../", "/"),
            (dotdot, "/foo/../bar/", "/bar/"),
            (dotdot, "/foo/bar/../", "/foo/"),
            (dotdot, "/foo/bar/..", "/foo/"),
            (dotdot, "/../bar/", "/../bar/"),
            (dotdot, "/bar/../../", "/../"),
            (dotdot, "/..", "/.."),
            (dotdot, "/foo//../", "/foo/"),
            (dotdot, "/foo/%2E%2E/", "/foo/%2E%2E/"),
            (full, "/../bar/", "/bar/"),
            (full, "/bar/../../", "/"),
            (full, "/..", "/"),
            (full, "/a/../../b?../", "/b?../"),
            (decode, "/%61dmin", "/admin"),
            (decode, "/foo%3Fbar=baz", "/foo%3Fbar=baz"),
            (decode, "/%%36%36", "/%66"),
            (decode, "/%ZZ", "/%ZZ"),
            (upper, "/%6f?%aB", "/%6F?%AB"),
            (upper, "/%zz", "/%zz"),
            (QuerySortByName, "/?c=3&a=1&b=2", "/?a=1&b=2&c=3"),
            (QuerySortByName, "/?aaa=3&a=1&aa=2", "/?a=1&aa=2&aaa=3"),
            (QuerySortByName, "/?a=3&b=4&a=1&b=5&a=2", "/?a=3&a=1&a=2&b=4&b=5"),
            (QuerySortByName, "/", "/"),
        ] {
            assert_eq!(
                normal(normalizer, from).as_deref(),
                Some(to),
                "{normalizer:?} {from}"
            );
        }
    }

    #[test]
    fn a_strict_normalizer_refuses_what_is_no_encoding() {
        let decode = Normalizer::PercentDecodeUnreserved { strict: true };
        let upper = Normalizer::PercentToUppercase { strict: true };
        for target in ["/%%36%36", "/%ZZ", "/%z", "/%"] {
            assert_eq!(normal(decode, target), None, "{target}");
            assert_eq!(normal(upper, target), None, "{target}");
        }
        assert_eq!(normal(decode, "/%61").as_deref(), Some("/a"));
    }
}
