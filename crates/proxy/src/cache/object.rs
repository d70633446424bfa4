//! What a cache holds: whole responses, and what is left of them when only their hints are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use tidegate_sample::head::names::{AGE, CONTENT_LENGTH};
use tidegate_sample::head::{Headers, response};

use super::Moment;
use super::budget::{Kind, Lease};
use super::key::Key;
use super::variant::Variant;

/// What an object takes beside its bytes, roughly: itself, and its places in tables.
const OWN_BYTES: usize = 512;
/// What a field takes beside its bytes.
const FIELD_BYTES: usize = 16;

/// A response that is kept. It never changes.
#[derive(Debug)]
pub(crate) struct Object {
    pub(super) key: Key,
    pub(super) variant: Variant,
    pub(super) kind: Kind,
    pub(super) headers: Headers,
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
    pub(super) headers: Headers,
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
            headers.insert(CONTENT_LENGTH, length);
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
        let mut head = response::Parts::new(status);
        head.headers = self.headers.clone();
        let age = self.age.as_secs() + now.ticks.saturating_sub(self.stored) / 1000;
        head.headers.insert(AGE, age);
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
pub(super) fn overhead(key: &Key, headers: &Headers) -> usize {
    OWN_BYTES + key.bytes() + headers.bytes() + headers.len() * FIELD_BYTES
}
