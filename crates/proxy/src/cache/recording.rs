//! Responses on their way into a cache: they are in it once they are whole.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tidegate_sample::head::names::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, VARY};
use tidegate_sample::head::{Headers, names, response};

use super::Moment;
use super::budget::{Kind, Lease, blocks_of};
use super::freshness::{Lifetime, last_modified};
use super::key::Key;
use super::object::{Making, Object, overhead};
use super::store::{Cache, EarlyHints};
use super::variant::{Variant, Wanted};
use crate::ext::Failure;
use crate::filter::{DataFilter, Follows, Passage};
use crate::txn::Txn;

/// Fields that are one connection's.
const OF_CONNECTION: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A response that a rule wants to be kept, as that rule saw it.
pub(crate) struct Recording {
    pub(super) cache: Arc<Cache>,
    /// A `filter` line says when its body is recorded; else that is before other filters see it.
    pub(super) by_filter: bool,
    key: Key,
    wanted: Option<Wanted>,
    headers: Headers,
    lifetime: Lifetime,
    now: Moment,
}

impl Recording {
    /// A recording of this response, unless it may not be kept.
    pub(super) fn of(
        cache: &Arc<Cache>,
        by_filter: bool,
        key: &Key,
        wanted: Option<Wanted>,
        head: &response::Parts,
        now: Moment,
    ) -> Option<Recording> {
        let spec = cache.spec();
        let lifetime = Lifetime::of(head, spec.age_max, now.wall)?;
        let only_hints = spec.early_hints == EarlyHints::Only;
        if head.headers.contains(VARY) && !spec.process_vary && !only_hints {
            return None;
        }
        let length = head.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let fields = overhead(key, &head.headers) as u64;
        if !only_hints && length.unwrap_or(0).saturating_add(fields) > spec.object_bytes_max {
            return None;
        }
        let mut headers = head.headers.detached();
        headers.remove(names::AGE);
        headers.remove(CONTENT_LENGTH);
        forget_connection(&mut headers);
        Some(Recording {
            cache: cache.clone(),
            by_filter,
            key: key.clone(),
            wanted,
            headers,
            lifetime,
            now,
        })
    }

    /// Takes over what filters in front changed of the content's description.
    pub(crate) fn follow(&mut self, changed: &Headers) {
        for name in [CONTENT_ENCODING, ETAG, VARY] {
            self.headers.remove(name);
            for value in changed.get_all(name) {
                self.headers.append(name, value);
            }
        }
    }

    /// Begins to record the body. None if there is no need, or no room.
    pub(crate) fn begin(self) -> Option<Recorder> {
        let cache = self.cache.clone();
        let now = self.now;
        let variant = match &self.wanted {
            Some(wanted) => Variant::of(&self.headers, wanted).ok()?,
            None if self.headers.contains(VARY) && cache.spec().early_hints != EarlyHints::Only => {
                return None;
            }
            None => Variant::default(),
        };
        let making = Making {
            modified: last_modified(&self.headers, now.wall),
            key: self.key,
            variant,
            kind: Kind::Full,
            headers: self.headers,
            age: self.lifetime.age,
            stored: now.ticks,
            expires: now.after(self.lifetime.left),
        };
        if cache.spec().early_hints == EarlyHints::Only {
            cache.keep_hints(making);
            return None;
        }
        let id = cache.begin(&making.key, making.variant, now)?;
        // From here on the number is given back when this is dropped.
        let mut recorder = Recorder {
            id,
            overhead: overhead(&making.key, &making.headers),
            making: Some(making),
            body: Vec::new(),
            lease: None,
            cache,
        };
        let first = blocks_of(recorder.overhead as u64);
        recorder.lease = Some(recorder.cache.room(Kind::Full, first)?);
        Some(recorder)
    }
}

/// Fields of the connection that the response came by, and those that it names, are nobody else's.
fn forget_connection(headers: &mut Headers) {
    let named: Vec<String> = headers
        .get_all(names::CONNECTION)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in named.iter().map(String::as_str).chain(OF_CONNECTION) {
        headers.remove(name);
    }
}

/// A body that is being recorded. Dropped before its end, nothing is kept.
pub(crate) struct Recorder {
    cache: Arc<Cache>,
    id: u64,
    making: Option<Making>,
    overhead: usize,
    body: Vec<u8>,
    lease: Option<Lease>,
}

impl Recorder {
    /// Adds a piece. False if it is too much: nothing more is recorded then.
    fn push(&mut self, piece: &Bytes) -> bool {
        let bytes = (self.overhead + self.body.len() + piece.len()) as u64;
        let fits = bytes <= self.cache.spec().object_bytes_max;
        let Some(lease) = self.lease.as_mut().filter(|_| fits) else {
            return false;
        };
        let blocks = blocks_of(bytes);
        if blocks > lease.blocks() && !self.cache.grow(lease, blocks) {
            return false;
        }
        self.body.extend_from_slice(piece);
        true
    }

    /// The response is whole: it is kept.
    pub(crate) fn finish(mut self) {
        let (Some(making), Some(mut lease)) = (self.making.take(), self.lease.take()) else {
            return;
        };
        lease.shrink(blocks_of((self.overhead + self.body.len()) as u64));
        let key = making.key.clone();
        let object = Object::new(making, std::mem::take(&mut self.body), lease);
        self.cache.end(&key, self.id, Some(object));
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(making) = &self.making {
            self.cache.end(&making.key, self.id, None);
        }
    }
}

/// What passes is recorded.
pub(crate) struct Recorded(pub(crate) Option<Recorder>);

impl DataFilter for Recorded {
    fn poll_data(
        &mut self,
        _: &mut Context<'_>,
        _: &Rc<Txn>,
        passage: Passage<'_>,
    ) -> Poll<Result<(), Failure>> {
        while let Some(piece) = passage.input.pop_front() {
            if let Some(recorder) = &mut self.0
                && !recorder.push(&piece)
            {
                self.0 = None;
            }
            passage.output.push_back(piece);
        }
        if passage.follows == Follows::Nothing
            && let Some(recorder) = self.0.take()
        {
            recorder.finish();
        }
        Poll::Ready(Ok(()))
    }

    fn keeps_length(&self) -> bool {
        true
    }
}
