//! What an object is found by: the host and the target of its request.

use std::borrow::Cow;

use tidegate_sample::head::{names, request};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// What stands between a host and its target: no host has this byte.
const SLASH: u8 = b'/';
/// Most bytes that are hashed where they are put together.
const AT_ONCE_MAX: usize = 256;

/// Host and target, as the request has them.
pub(crate) struct Asked<'r> {
    host: &'r [u8],
    target: Cow<'r, str>,
}

impl<'r> Asked<'r> {
    /// What a request asks for. The same for `/path` with a `host` field and for the absolute form of HTTP/2.
    pub(crate) fn of(head: &'r request::Parts) -> Asked<'r> {
        let field = head.headers.get(names::HOST).map(|host| host.as_bytes());
        let authority = || {
            head.uri
                .authority()
                .map(|authority| authority.as_str().as_bytes())
        };
        Asked {
            host: field.or_else(authority).unwrap_or_default(),
            target: head.uri.whole_path(),
        }
    }

    pub(super) fn hash(&self, seed: u64) -> u64 {
        let mut room = [0; AT_ONCE_MAX];
        let (host, target) = (self.host, self.target.as_bytes());
        // Nearly all are short. A hasher of pieces is half a kilobyte, to be filled before the first of them.
        match room.get_mut(..host.len() + 1 + target.len()) {
            Some(all) => {
                let (first, rest) = all.split_at_mut(host.len());
                first.copy_from_slice(host);
                first.make_ascii_lowercase();
                if let Some((slash, rest)) = rest.split_first_mut() {
                    *slash = SLASH;
                    rest.copy_from_slice(target);
                }
                xxh3_64_with_seed(all, seed)
            }
            None => self.hash_in_pieces(seed),
        }
    }

    fn hash_in_pieces(&self, seed: u64) -> u64 {
        let mut hasher = Xxh3::with_seed(seed);
        // Hosts are short, and differ in case at most in what humans type.
        let mut lower = [0; 64];
        for chunk in self.host.chunks(lower.len()) {
            let Some(part) = lower.get_mut(..chunk.len()) else {
                continue;
            };
            part.copy_from_slice(chunk);
            part.make_ascii_lowercase();
            hasher.update(part);
        }
        hasher.update(&[SLASH]);
        hasher.update(self.target.as_bytes());
        hasher.digest()
    }

    /// To be kept.
    pub(super) fn key(&self) -> Key {
        Key {
            host: self.host.to_ascii_lowercase().into(),
            target: (&*self.target).into(),
        }
    }
}

/// Host and target as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    host: Box<[u8]>,
    target: Box<str>,
}

impl Key {
    pub(super) fn is(&self, asked: &Asked<'_>) -> bool {
        *self.target == *asked.target
            && (*self.host == *asked.host || self.host.eq_ignore_ascii_case(asked.host))
    }

    pub(super) fn hash(&self, seed: u64) -> u64 {
        self.asked().hash(seed)
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            host: &self.host,
            target: (&*self.target).into(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.host.len() + self.target.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, host: Option<&str>) -> request::Parts {
        let mut request = http::Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        request.body(()).unwrap().into_parts().0.into()
    }

    #[test]
    fn a_request_is_known_by_its_host_and_target() {
        let relative = head("/a?b=c", Some("Example.com"));
        let absolute = head("https://example.com/a?b=c", None);
        let key = Asked::of(&relative).key();
        assert!(key.is(&Asked::of(&absolute)));
        assert_eq!(key.hash(7), Asked::of(&absolute).hash(7));
        assert_ne!(key.hash(7), key.hash(8));
        for (uri, host) in [
            ("/a?b=d", Some("example.com")),
            ("/a", Some("example.com")),
            ("/a?b=c", Some("example.org")),
            ("/a?b=c", None),
        ] {
            let other = head(uri, host);
            assert!(!key.is(&Asked::of(&other)));
            assert_ne!(key.hash(7), Asked::of(&other).hash(7));
        }
        // However it is hashed.
        assert_eq!(
            Asked::of(&relative).hash(7),
            Asked::of(&relative).hash_in_pieces(7)
        );
        // Long hosts are hashed whole.
        let long = format!("{}a", "x".repeat(64));
        let (long, other) = (head("/", Some(&long)), head("/", Some(&"x".repeat(64))));
        assert_ne!(Asked::of(&long).hash(1), Asked::of(&other).hash(1));
    }
}
