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
    odd: Option<Box<Odd>>,
}

/// What no URI of ours holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Odd {
    /// A scheme whose authority names no host.
    hostless: Option<Hostless>,
    /// A fragment, with the `#` that it begins with; else nothing.
    fragment: String,
    /// It stands right behind an authority: there is no path.
    is_pathless: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hostless {
    scheme: String,
    /// Nothing, or a colon and perhaps a port.
    authority: String,
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
        let at = text.iter().position(|byte| *byte == b'#');
        // As nearly all are.
        if text.first() == Some(&b'/') && at.is_none() {
            let uri = Uri::from_maybe_shared(text.clone())?;
            return Ok(Target { uri, odd: None });
        }
        let bare = text.slice(..at.unwrap_or(text.len()));
        let (hostless, uri) = match hostless(&bare) {
            None => (None, Uri::from_maybe_shared(bare.clone())?),
            Some((hostless, b"")) => (Some(hostless), Uri::default()),
            Some((hostless, path)) => (Some(hostless), PathAndQuery::try_from(path)?.into()),
        };
        let Some(at) = at else {
            return Ok(Target::with(uri, hostless, String::new(), false));
        };
        let behind = uri.authority().map(|authority| authority.as_str().as_bytes());
        let is_pathless = uri.scheme().is_some() && behind.is_some_and(|name| bare.ends_with(name));
        Ok(Target::with(
            uri,
            hostless,
            fragment(&text.slice(at..))?,
            is_pathless,
        ))
    }

    fn with(uri: Uri, hostless: Option<Hostless>, fragment: String, is_pathless: bool) -> Target {
        let is_odd = hostless.is_some() || !fragment.is_empty();
        let odd = Odd {
            hostless,
            fragment,
            is_pathless,
        };
        Target {
            uri,
            odd: is_odd.then(|| Box::new(odd)),
        }
    }

    /// The scheme, if there is one, and the authority, which may name no host.
    #[must_use]
    pub fn scheme_and_authority(&self) -> Option<(Option<&str>, &str)> {
        match self.hostless() {
            Some(hostless) => Some((Some(&hostless.scheme), &hostless.authority)),
            None => Some((self.uri.scheme_str(), self.uri.authority()?.as_str())),
        }
    }

    fn hostless(&self) -> Option<&Hostless> {
        self.odd.as_ref()?.hostless.as_ref()
    }

    fn fragment(&self) -> Option<&Odd> {
        self.odd.as_deref().filter(|odd| !odd.fragment.is_empty())
    }

    /// Takes the port from an authority that names no host.
    pub fn drop_hostless_port(&mut self) {
        if let Some(hostless) = self.odd.as_mut().and_then(|odd| odd.hostless.as_mut()) {
            hostless.authority.clear();
        }
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
        let (path, fragment) = (PathAndQuery::try_from(path)?, fragment(rest)?);
        let mut parts = std::mem::take(&mut self.uri).into_parts();
        parts.path_and_query = Some(path);
        let hostless = self.odd.take().and_then(|odd| odd.hostless);
        *self = Target::with(Uri::from_parts(parts)?, hostless, fragment, false);
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
        match self.fragment() {
            None => path.into(),
            Some(odd) if odd.is_pathless => (&*odd.fragment).into(),
            Some(odd) => format!("{path}{}", odd.fragment).into(),
        }
    }

    /// What of that stands before the first `?`.
    #[must_use]
    pub fn bare_path(&self) -> Cow<'_, str> {
        match (self.fragment(), self.whole_path()) {
            (None, _) => self.uri.path().into(),
            (_, Cow::Borrowed(path)) => before_query(path).into(),
            (_, Cow::Owned(path)) => before_query(&path).to_owned().into(),
        }
    }

    /// And what behind it.
    #[must_use]
    pub fn whole_query(&self) -> Option<Cow<'_, str>> {
        match (self.fragment(), self.whole_path()) {
            (None, _) => self.uri.query().map(Cow::from),
            (_, path) => Some(path.split_once('?')?.1.to_owned().into()),
        }
    }

    /// Whether there is a fragment.
    #[must_use]
    pub fn has_fragment(&self) -> bool {
        self.fragment().is_some()
    }

    /// The same without scheme and authority.
    #[must_use]
    pub fn origin_form(&self) -> Target {
        let path = self.uri.path_and_query().cloned();
        let fragment = self
            .fragment()
            .map_or_else(String::new, |odd| odd.fragment.clone());
        Target::with(path.map(Uri::from).unwrap_or_default(), None, fragment, false)
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
        if let Some(hostless) = self.hostless() {
            visit(&hostless.scheme);
            visit("://");
            visit(&hostless.authority);
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

/// The scheme and the authority of a target that names no host, and what follows them.
fn hostless(text: &[u8]) -> Option<(Hostless, &[u8])> {
    // Most targets are paths.
    text.first().filter(|byte| byte.is_ascii_alphabetic())?;
    let at = text.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = (text.get(..at)?, text.get(at..)?.strip_prefix(b"://")?);
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    let is_port = match authority {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let scheme = http::uri::Scheme::try_from(scheme).ok().filter(|_| is_port)?;
    let hostless = Hostless {
        scheme: scheme.to_string(),
        authority: String::from_utf8_lossy(authority).into_owned(),
    };
    Some((hostless, path))
}

/// A fragment with its `#`, checked; nothing of nothing.
fn fragment(text: &[u8]) -> Result<String, InvalidTarget> {
    let fits = text.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    let text = std::str::from_utf8(text).ok().filter(|_| fits);
    let text = text.ok_or_else(|| InvalidTarget("the fragment has what can't be sent".into()))?;
    Ok(text.to_owned())
}

impl Deref for Target {
    type Target = Uri;

    fn deref(&self) -> &Uri {
        &self.uri
    }
}

impl From<Uri> for Target {
    fn from(uri: Uri) -> Target {
        Target { uri, odd: None }
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
        self.odd.is_none() && self.uri == *other
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
    fn a_target_may_name_no_host() {
        for (text, written, named, path) in [
            ("http://:", "http://:/", (Some("http"), ":"), "/"),
            ("https:///a?b", "https:///a?b", (Some("https"), ""), "/a"),
            ("http://:80?b#c", "http://:80?b#c", (Some("http"), ":80"), ""),
        ] {
            let mut target = target(text);
            assert_eq!(target.to_string(), written);
            assert_eq!(target.scheme_and_authority(), Some(named), "{text}");
            assert!(target.authority().is_none() && !target.origin_form().to_string().contains("://"));
            assert_eq!(target.bare_path(), path, "{text}");
            target.drop_hostless_port();
            target.set_path_and_query(b"/d").unwrap();
            assert_eq!(target.to_string(), format!("{}:///d", named.0.unwrap()));
        }
        assert_eq!(target("h:80").scheme_and_authority(), Some((None, "h:80")));
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
