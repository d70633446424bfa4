//! The target of a request.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, InvalidUri, InvalidUriParts, PathAndQuery};

/// The target of a request: a URI, and behind it perhaps a fragment. No client should send one; where it is taken all the same
/// (`option accept-unsafe-violations-in-http-request`) it belongs to what it stands behind: the query, or the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    uri: Uri,
    fragment: Option<Box<Fragment>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragment {
    /// With the `#` that it begins with.
    text: String,
    /// It stands right behind an authority: there is no path.
    is_pathless: bool,
}

/// What is no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget(String);

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidTarget {}

impl From<InvalidUri> for InvalidTarget {
    fn from(error: InvalidUri) -> Self {
        InvalidTarget(error.to_string())
    }
}

impl From<InvalidUriParts> for InvalidTarget {
    fn from(error: InvalidUriParts) -> Self {
        InvalidTarget(error.to_string())
    }
}

impl Target {
    /// Understands what stands in a request line.
    ///
    /// # Errors
    /// It is no URI, or its fragment has what can't be sent.
    pub fn parse(text: &Bytes) -> Result<Target, InvalidTarget> {
        let Some(at) = text.iter().position(|byte| *byte == b'#') else {
            return Ok(Uri::from_maybe_shared(text.clone())?.into());
        };
        let uri = Uri::from_maybe_shared(text.slice(..at))?;
        let behind = uri.authority().map(|authority| authority.as_str().as_bytes());
        let is_pathless =
            uri.scheme().is_some() && behind.is_some_and(|name| text.slice(..at).ends_with(name));
        let fragment = fragment(&text.slice(at..), is_pathless)?;
        Ok(Target { uri, fragment })
    }

    /// Puts another path with a query, and perhaps with a fragment, in place of the one that is there.
    ///
    /// # Errors
    /// It is none.
    pub fn set_path_and_query(&mut self, text: &[u8]) -> Result<(), InvalidTarget> {
        if text.first() != Some(&b'/') && text != b"*" {
            return Err(InvalidTarget("a path begins with `/`".into()));
        }
        let at = text.iter().position(|byte| *byte == b'#').unwrap_or(text.len());
        let (path, rest) = text.split_at(at);
        let (path, fragment) = (PathAndQuery::try_from(path)?, fragment(rest, false)?);
        let mut parts = std::mem::take(&mut self.uri).into_parts();
        parts.path_and_query = Some(path);
        self.uri = Uri::from_parts(parts)?;
        self.fragment = fragment;
        Ok(())
    }

    /// Puts another authority in place of the one that is there.
    ///
    /// # Errors
    /// The two do not make a URI.
    pub fn set_authority(&mut self, authority: Authority) -> Result<(), InvalidTarget> {
        let mut parts = std::mem::take(&mut self.uri).into_parts();
        parts.authority = Some(authority);
        self.uri = Uri::from_parts(parts)?;
        Ok(())
    }

    /// Path and query, and what follows them. An authority alone has none.
    #[must_use]
    pub fn whole_path(&self) -> Cow<'_, str> {
        let path = self.uri.path_and_query().map_or("", PathAndQuery::as_str);
        match &self.fragment {
            None => path.into(),
            Some(fragment) if fragment.is_pathless => (&*fragment.text).into(),
            Some(fragment) => format!("{path}{}", fragment.text).into(),
        }
    }

    /// What of that stands before the first `?`.
    #[must_use]
    pub fn bare_path(&self) -> Cow<'_, str> {
        match (&self.fragment, self.whole_path()) {
            (None, _) => self.uri.path().into(),
            (_, Cow::Borrowed(path)) => before_query(path).into(),
            (_, Cow::Owned(path)) => before_query(&path).to_owned().into(),
        }
    }

    /// And what behind it.
    #[must_use]
    pub fn whole_query(&self) -> Option<Cow<'_, str>> {
        match (&self.fragment, self.whole_path()) {
            (None, _) => self.uri.query().map(Cow::from),
            (_, path) => Some(path.split_once('?')?.1.to_owned().into()),
        }
    }

    /// Whether there is a fragment.
    #[must_use]
    pub fn has_fragment(&self) -> bool {
        self.fragment.is_some()
    }

    /// The same without scheme and authority.
    #[must_use]
    pub fn origin_form(&self) -> Target {
        let path = self.uri.path_and_query().cloned();
        let fragment = self.fragment.clone().map(|mut fragment| {
            fragment.is_pathless = false;
            fragment
        });
        Target {
            uri: path.map(Uri::from).unwrap_or_default(),
            fragment,
        }
    }

    /// Its parts, in their order: the scheme with what follows it, the authority, and the rest.
    pub fn parts(&self, mut visit: impl FnMut(&str)) {
        if let Some(scheme) = self.uri.scheme_str() {
            visit(scheme);
            visit("://");
        }
        if let Some(authority) = self.uri.authority() {
            visit(authority.as_str());
        }
        let path = self.whole_path();
        // The whole server has no path (RFC 9112, 3.2.4).
        if path != "*" || self.uri.authority().is_none() {
            visit(&path);
        }
    }
}

fn before_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// A fragment with its `#`; none of nothing.
fn fragment(text: &[u8], is_pathless: bool) -> Result<Option<Box<Fragment>>, InvalidTarget> {
    if text.is_empty() {
        return Ok(None);
    }
    let fits = text.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    let text = std::str::from_utf8(text).ok().filter(|_| fits);
    let text = text.ok_or_else(|| InvalidTarget("the fragment has what can't be sent".into()))?;
    Ok(Some(Box::new(Fragment {
        text: text.to_owned(),
        is_pathless,
    })))
}

impl Deref for Target {
    type Target = Uri;

    fn deref(&self) -> &Uri {
        &self.uri
    }
}

impl From<Uri> for Target {
    fn from(uri: Uri) -> Target {
        Target { uri, fragment: None }
    }
}

impl From<Target> for Uri {
    fn from(target: Target) -> Uri {
        target.uri
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = Ok(());
        self.parts(|part| written = written.and_then(|()| f.write_str(part)));
        written
    }
}

impl PartialEq<str> for Target {
    fn eq(&self, other: &str) -> bool {
        self.fragment.is_none() && self.uri == *other
    }
}

impl PartialEq<&str> for Target {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &'static str) -> Target {
        Target::parse(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_fragment_belongs_to_what_it_stands_behind() {
        for (text, path, query) in [
            ("/a?b", "/a", Some("b")),
            ("/a#f", "/a#f", None),
            ("/a?b#f", "/a", Some("b#f")),
            ("/a#f?b#c", "/a#f", Some("b#c")),
            ("http://h/a#f", "/a#f", None),
            ("http://h#f", "#f", None),
            ("*", "*", None),
        ] {
            let target = target(text);
            assert_eq!(target.bare_path(), path, "{text}");
            assert_eq!(target.whole_query().as_deref(), query, "{text}");
            assert_eq!(target.to_string(), text);
            assert_eq!(target.has_fragment(), text.contains('#'));
        }
        let whole = Uri::builder().scheme("http").authority("h").path_and_query("*");
        assert_eq!(Target::from(whole.build().unwrap()).to_string(), "http://h");
        assert_eq!(target("http://h#f").origin_form().to_string(), "/#f");
        assert_eq!(target("http://h/a?b").origin_form().to_string(), "/a?b");
        assert!(Target::parse(&Bytes::from_static(b"/a#b c")).is_err());
    }

    #[test]
    fn a_path_takes_the_place_of_another_with_its_fragment() {
        let mut target = target("http://h/a?b#c");
        target.set_path_and_query(b"/d#e?f").unwrap();
        assert_eq!(target.to_string(), "http://h/d#e?f");
        target.set_path_and_query(b"/g").unwrap();
        assert_eq!(target.to_string(), "http://h/g");
        assert!(target.set_path_and_query(b"g").is_err());
        assert!(target.set_path_and_query(b"/#\r").is_err());
    }
}
