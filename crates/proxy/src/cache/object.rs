//! What a cache holds: whole responses, and what is left of them when only their hints are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, response};

use super::Moment;
use super::budget::{Kind, Lease};
use super::key::Key;
use super::variant::Variant;

/// What an object takes beside its bytes, roughly: itself, and its places in tables.
const OWN_BYTES: usize = 512;
/// What a field takes beside its bytes.
const FIELD_BYTES: usize = 112;

/// A response that is kept. It never changes.
#[derive(Debug)]
pub(crate) struct Object {
    pub(super) key: Key,
    pub(super) variant: Variant,
    pub(super) kind: Kind,
    pub(super) headers: HeaderMap,
    body: Bytes,
    pub(super) modified: SystemTime,
    /// How old it was when it came, and when that was.
    age: Duration,
    stored: u64,
    pub(super) expires: u64,
    pub(super) bytes: u64,
    pub(super) blocks: u64,
    /// Its place in the order of eviction.
    pub(super) queued: AtomicU64,
    /// It was used since it was queued.
    used: AtomicBool,
}

/// What an object is made of.
pub(super) struct Making {
    pub(super) key: Key,
    pub(super) variant: Variant,
    pub(super) kind: Kind,
    pub(super) headers: HeaderMap,
    pub(super) modified: SystemTime,
    pub(super) age: Duration,
    pub(super) stored: u64,
    pub(super) expires: u64,
}

/// A body, and the room of its object: that is free again when nobody sends it any more.
struct Body {
    bytes: Box<[u8]>,
    _lease: Lease,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Object {
    /// An object with a body, and the room for all of it.
    pub(super) fn new(making: Making, body: Vec<u8>, lease: Lease) -> Object {
        let Making {
            key,
            variant,
            kind,
            mut headers,
            modified,
            age,
            stored,
            expires,
        } = making;
        let length = body.len();
        if kind == Kind::Full {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let bytes = u64::try_from(length + overhead(&key, &headers)).unwrap_or(u64::MAX);
        let blocks = lease.blocks();
        let body = Bytes::from_owner(Body {
            bytes: body.into_boxed_slice(),
            _lease: lease,
        });
        Object {
            key,
            variant,
            kind,
            headers,
            body,
            modified,
            age,
            stored,
            expires,
            bytes,
            blocks,
            queued: AtomicU64::new(0),
            used: AtomicBool::new(false),
        }
    }

    pub(super) fn is_fresh(&self, now: Moment) -> bool {
        now.ticks < self.expires
    }

    /// Notes that it was used.
    pub(super) fn touch(&self) {
        // All threads look, and only the first one writes.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// What its hints are taken from once it goes.
    pub(super) fn remains(&self) -> Making {
        Making {
            key: self.key.clone(),
            variant: self.variant,
            kind: self.kind,
            headers: self.headers.clone(),
            modified: self.modified,
            age: self.age,
            stored: self.stored,
            expires: self.expires,
        }
    }

    /// Whether it was used since this was asked last.
    pub(super) fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// Its head as it is sent now, without a body if the client has that.
    pub(super) fn head(&self, status: StatusCode, now: Moment) -> response::Parts {
        let mut head = http::Response::new(()).into_parts().0;
        head.status = status;
        head.headers = self.headers.clone();
        let age = self.age.as_secs() + now.ticks.saturating_sub(self.stored) / 1000;
        head.headers.insert(AGE, HeaderValue::from(age));
        if status == StatusCode::NOT_MODIFIED {
            head.headers.remove(CONTENT_LENGTH);
        }
        head
    }

    /// Its bytes from there on, not too many at once.
    pub(crate) fn piece(&self, from: usize) -> Bytes {
        let until = self.body.len().min(from.saturating_add(PIECE_BYTES));
        self.body.slice(from.min(until)..until)
    }

    /// All of its bytes.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }
}

/// The most that is handed over at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What an object takes beside its body.
pub(super) fn overhead(key: &Key, headers: &HeaderMap) -> usize {
    let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + FIELD_BYTES;
    OWN_BYTES + key.bytes() + headers.iter().map(field).sum::<usize>()
}

/// A copy that holds none of the memory that the original lies in.
pub(super) fn copy(headers: &HeaderMap) -> HeaderMap {
    let mut copy = HeaderMap::with_capacity(headers.len() + 1);
    let values: Vec<u8> = headers
        .values()
        .flat_map(|v| v.as_bytes().iter().copied())
        .collect();
    let mut rest = Bytes::from(values.into_boxed_slice());
    for (name, value) in headers {
        let own = rest.split_to(value.len().min(rest.len()));
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(own)) {
            copy.append(name, value);
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_fields_is_the_same_in_its_order() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "1"), ("etag", "\"b\""), ("x-a", ""), ("x-empty", "")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(copy(&headers), headers);
    }
}
