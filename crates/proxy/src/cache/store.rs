//! A cache: its shards, its room, and who goes when there is none left.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_sample::head::{Headers, names};

use super::Moment;
use super::budget::{BLOCK_BYTES, Budget, Kind, Lease, blocks_of};
use super::hints::hints;
use super::key::{Asked, Key};
use super::object::{Making, Object, overhead};
use super::shard::{Evicted, Kept, Shard};
use super::variant::{Variant, Wanted};

/// A power of two.
const SHARDS: usize = 64;
/// Objects that are looked at in vain before a search for one that may go is given up.
const LOOKS_MAX: usize = 1024;

/// A `cache` section.
#[derive(Clone, Debug)]
pub struct CacheSpec {
    /// Its name.
    pub name: String,
    /// `total-max-size`, in bytes.
    pub total_bytes: u64,
    /// `max-object-size`: larger responses aren't kept.
    pub object_bytes_max: u64,
    /// `max-age`: the longest that a response is kept.
    pub age_max: Duration,
    /// `process-vary`: responses with `vary` are kept, for those whom they are for.
    pub process_vary: bool,
    /// `max-secondary-entries`: the most variants of a response.
    pub variants_max: usize,
    /// `early-hints`.
    pub early_hints: EarlyHints,
}

/// Whether clients are told what a response will need before there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyHints {
    /// `off`.
    #[default]
    Off,
    /// `on`: what is left of responses that are not kept any more may take so many percent.
    On(u8),
    /// `only`: nothing but hints is kept.
    Only,
}

/// A cache of responses, shared by all workers.
pub struct Cache {
    spec: CacheSpec,
    name: Arc<str>,
    budget: Arc<Budget>,
    shards: Box<[Shard]>,
    /// The next place in the order of eviction.
    places: AtomicU64,
    pub(super) seed: u64,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cache").field(&self.spec.name).finish()
    }
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(spec: CacheSpec) -> Cache {
        let total = spec.total_bytes / BLOCK_BYTES;
        let hints_max = match spec.early_hints {
            EarlyHints::Off => 0,
            EarlyHints::On(percent) => total * u64::from(percent) / 100,
            EarlyHints::Only => total,
        };
        Cache {
            name: spec.name.as_str().into(),
            spec,
            budget: Arc::new(Budget::new(total, hints_max)),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            places: AtomicU64::new(1),
            // Nobody is to know which keys share a shard.
            seed: RandomState::new().hash_one(0),
        }
    }

    /// What the section says.
    #[must_use]
    pub fn spec(&self) -> &CacheSpec {
        &self.spec
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// The blocks that there are.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.budget.total()
    }

    /// What is kept now.
    #[must_use]
    pub fn objects(&self) -> Vec<Shown> {
        let now = crate::clock::ticks();
        let objects = self.shards.iter().flat_map(Shard::all);
        objects.map(|object| Shown::of(&object, self.seed, now)).collect()
    }

    pub(super) fn find(&self, asked: &Asked<'_>, wanted: Option<&Wanted>, now: Moment) -> Option<Kept> {
        let hash = asked.hash(self.seed);
        self.shard(hash)?.find(hash, asked, wanted, now)
    }

    /// Notes that a variant is being received; gives it a number, unless it is not to be kept.
    pub(super) fn begin(&self, key: &Key, variant: Variant, now: Moment) -> Option<u64> {
        let hash = key.hash(self.seed);
        let id = self.place();
        let shard = self.shard(hash)?;
        let most = self.spec.variants_max;
        let begins = shard.begin((hash, key), (id, variant), most, (now, self.seed));
        begins.then_some(id)
    }

    /// Ends what was begun, with an object or without.
    pub(super) fn end(&self, key: &Key, id: u64, object: Option<Object>) {
        let hash = key.hash(self.seed);
        if let Some(shard) = self.shard(hash) {
            let made = object.map(|object| (Arc::new(object), self.place()));
            let gone = shard.end((hash, key), id, made);
            // Not under the lock.
            drop(gone);
        }
    }

    /// Forgets everything that is kept of a key.
    pub(super) fn forget(&self, key: &Key) {
        let hash = key.hash(self.seed);
        if let Some(shard) = self.shard(hash) {
            drop(shard.forget(hash, key));
        }
    }

    /// Keeps the hints of a response, if it has any.
    pub(super) fn keep_hints(&self, making: Making) {
        let links = hints(&making.headers);
        if links.is_empty() {
            return;
        }
        let mut headers = Headers::new();
        for link in links {
            headers.append(names::LINK, link);
        }
        let bytes = overhead(&making.key, &headers) as u64;
        let Some(lease) = self.room(Kind::Hints, blocks_of(bytes)) else {
            return;
        };
        let making = Making {
            kind: Kind::Hints,
            variant: Variant::default(),
            headers,
            ..making
        };
        let object = Arc::new(Object::new(making, Vec::new(), lease));
        let hash = object.key.hash(self.seed);
        if let Some(shard) = self.shard(hash) {
            drop(shard.keep(hash, &object, self.place(), self.seed));
        }
    }

    /// Room for so many blocks; others go for it.
    pub(super) fn room(&self, kind: Kind, blocks: u64) -> Option<Lease> {
        if blocks > self.budget.total() {
            return None;
        }
        let mut lease = None;
        self.make_room(kind, blocks, || {
            lease = self.budget.take(kind, blocks);
            lease.is_some()
        });
        lease
    }

    /// Makes the room of what is being received as large as that.
    pub(super) fn grow(&self, lease: &mut Lease, blocks: u64) -> bool {
        let more = blocks.saturating_sub(lease.blocks());
        self.make_room(Kind::Full, more, || lease.grow(blocks))
    }

    /// Evicts one after the other until there is room.
    fn make_room(&self, kind: Kind, blocks: u64, mut try_again: impl FnMut() -> bool) -> bool {
        for _ in 0..LOOKS_MAX {
            if try_again() {
                return true;
            }
            let only_hints = kind == Kind::Hints && self.budget.hints_are_full(blocks);
            let victim = match only_hints {
                true => Kind::Hints,
                false => Kind::Full,
            };
            if !self.evict(victim) && (only_hints || !self.evict(Kind::Hints)) {
                return false;
            }
        }
        false
    }

    /// Evicts the oldest of a kind, or finds that it has its turn later. False if there is none.
    fn evict(&self, kind: Kind) -> bool {
        let oldest = self.shards.iter().min_by_key(|shard| shard.oldest(kind));
        let Some(shard) = oldest.filter(|shard| shard.oldest(kind) < u64::MAX) else {
            return false;
        };
        let evicted = shard.evict(kind, self.place(), self.seed);
        if let (Evicted::Object(object), Kind::Full, EarlyHints::On(_)) =
            (evicted, kind, self.spec.early_hints)
        {
            let making = object.remains();
            // Its room is wanted.
            drop(object);
            self.keep_hints(making);
        }
        true
    }

    fn place(&self) -> u64 {
        self.places.fetch_add(1, Ordering::Relaxed)
    }

    fn shard(&self, hash: u64) -> Option<&Shard> {
        // The tables use the upper and the lowest bits.
        self.shards.get((hash >> 32) as usize % SHARDS)
    }
}

/// An object as `show cache` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What tells it from others of its cache.
    pub id: usize,
    /// The first bits of its key's hash.
    pub hash: u32,
    /// The secondary key.
    pub vary: u64,
    /// What it takes, in bytes.
    pub bytes: u64,
    /// What it takes, in blocks.
    pub blocks: u64,
    /// How many send it.
    pub users: usize,
    /// Seconds until it isn't sent any more; negative, if it isn't.
    pub expires_in: i64,
    /// Whether it is whole; only its hints are kept otherwise.
    pub is_whole: bool,
}

impl Shown {
    fn of(object: &Arc<Object>, seed: u64, now: u64) -> Shown {
        let seconds = |ticks: u64| i64::try_from(ticks / 1000).unwrap_or(i64::MAX);
        Shown {
            id: Arc::as_ptr(object).addr(),
            hash: (object.key.hash(seed) >> 32) as u32,
            vary: object.variant.number(),
            bytes: object.bytes,
            blocks: object.blocks,
            // Two tables have it, and the one who looks.
            users: Arc::strong_count(object).saturating_sub(3),
            expires_in: seconds(object.expires) - seconds(now),
            is_whole: object.kind == Kind::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::SystemTime;
    use tidegate_sample::head::request;

    const KIB: usize = 1024;

    fn cache(early_hints: EarlyHints) -> Arc<Cache> {
        Arc::new(Cache::new(CacheSpec {
            name: "c".into(),
            total_bytes: 1 << 20,
            object_bytes_max: 1 << 19,
            age_max: Duration::from_secs(60),
            process_vary: true,
            variants_max: 2,
            early_hints,
        }))
    }

    fn moment(seconds: u64) -> Moment {
        Moment {
            ticks: seconds * 1000,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    fn request(target: &str, referer: Option<&str>) -> request::Parts {
        let mut request = http::Request::get(target).header("host", "h");
        if let Some(referer) = referer {
            request = request.header("referer", referer);
        }
        request.body(()).unwrap().into_parts().0.into()
    }

    /// Keeps an object for 60 seconds from second 0 on. With a referer, it is for those alone who have that.
    fn keep(cache: &Cache, target: &str, bytes: usize, referer: Option<&str>) -> bool {
        let head = request(target, referer);
        let wanted = Wanted::of(&head.headers, cache.seed);
        let mut headers = Headers::new();
        headers.insert("link", HeaderValue::from_static("<a>; rel=preload"));
        if referer.is_some() {
            headers.insert("vary", HeaderValue::from_static("referer"));
        }
        let key = Asked::of(&head).key();
        let variant = Variant::of(&headers, &wanted).unwrap();
        let Some(id) = cache.begin(&key, variant, moment(0)) else {
            return false;
        };
        let needed = blocks_of((overhead(&key, &headers) + bytes) as u64);
        let making = Making {
            key: key.clone(),
            variant,
            kind: Kind::Full,
            headers,
            modified: SystemTime::UNIX_EPOCH,
            age: Duration::ZERO,
            stored: 0,
            expires: 60_000,
        };
        let lease = cache.room(Kind::Full, needed);
        let object = lease.map(|lease| Object::new(making, vec![b'x'; bytes], lease));
        let made = object.is_some();
        cache.end(&key, id, object);
        made
    }

    fn found(cache: &Cache, target: &str, referer: Option<&str>, seconds: u64) -> Option<Arc<Object>> {
        let head = request(target, referer);
        let wanted = Wanted::of(&head.headers, cache.seed);
        match cache.find(&Asked::of(&head), Some(&wanted), moment(seconds)) {
            Some(Kept::Fresh(object)) => Some(object),
            Some(Kept::Stale(_)) | None => None,
        }
    }

    #[test]
    fn the_oldest_goes_unless_it_was_used_or_is_in_use() {
        let cache = cache(EarlyHints::Off);
        assert!(keep(&cache, "/a", 400 * KIB, None) && keep(&cache, "/b", 400 * KIB, None));
        found(&cache, "/a", None, 0).unwrap().touch();
        assert!(keep(&cache, "/c", 400 * KIB, None));
        assert!(found(&cache, "/a", None, 0).is_some() && found(&cache, "/b", None, 0).is_none());
        // Both are being sent: there is no room at all.
        let sent = [
            found(&cache, "/a", None, 0).unwrap(),
            found(&cache, "/c", None, 0).unwrap(),
        ];
        assert!(!keep(&cache, "/d", 400 * KIB, None));
        drop(sent);
        assert!(keep(&cache, "/d", 400 * KIB, None));
        assert_eq!(cache.objects().len(), 2);
    }

    #[test]
    fn bytes_that_are_on_their_way_take_room_until_they_are_gone() {
        let cache = cache(EarlyHints::Off);
        assert!(keep(&cache, "/a", 500 * KIB, None));
        let piece = found(&cache, "/a", None, 0).unwrap().piece(0);
        cache.forget(&Asked::of(&request("/a", None)).key());
        assert!(cache.objects().is_empty());
        assert!(keep(&cache, "/b", 500 * KIB, None));
        assert!(keep(&cache, "/c", 500 * KIB, None), "the other one goes");
        assert_eq!(cache.objects().len(), 1);
        assert_eq!(piece.len(), 64 * KIB);
        drop(piece);
        assert!(keep(&cache, "/d", 500 * KIB, None));
        assert_eq!(cache.objects().len(), 2);
    }

    #[test]
    fn an_object_is_kept_for_its_time() {
        let cache = cache(EarlyHints::Off);
        assert!(keep(&cache, "/a", 10, None));
        assert!(found(&cache, "/a", None, 59).is_some());
        assert!(found(&cache, "/a", None, 60).is_none());
    }

    #[test]
    fn variants_are_counted_and_replaced() {
        let cache = cache(EarlyHints::Off);
        assert!(keep(&cache, "/a", 10, Some("x")) && keep(&cache, "/a", 10, Some("y")));
        assert!(!keep(&cache, "/a", 10, Some("z")));
        assert!(keep(&cache, "/a", 20, Some("x")), "in the place of the same one");
        assert_eq!(found(&cache, "/a", Some("x"), 0).unwrap().body().len(), 20);
        assert!(keep(&cache, "/a", 30, None));
        assert_eq!(found(&cache, "/a", Some("q"), 0).unwrap().body().len(), 30);
        assert_eq!(cache.objects().len(), 1);
    }

    #[test]
    fn one_records_and_a_change_calls_it_off() {
        let cache = cache(EarlyHints::Off);
        let key = Asked::of(&request("/a", None)).key();
        let id = cache.begin(&key, Variant::default(), moment(0)).unwrap();
        assert!(cache.begin(&key, Variant::default(), moment(0)).is_none());
        cache.forget(&key);
        let making = Making {
            key: key.clone(),
            variant: Variant::default(),
            kind: Kind::Full,
            headers: Headers::new(),
            modified: SystemTime::UNIX_EPOCH,
            age: Duration::ZERO,
            stored: 0,
            expires: 60_000,
        };
        let lease = cache.room(Kind::Full, 1).unwrap();
        cache.end(&key, id, Some(Object::new(making, vec![1], lease)));
        assert!(cache.objects().is_empty());
        assert!(cache.begin(&key, Variant::default(), moment(0)).is_some());
    }

    #[test]
    fn hints_are_left_of_what_goes() {
        let cache = cache(EarlyHints::On(1));
        for number in 0..13 {
            assert!(keep(&cache, &format!("/{number}"), 390 * KIB, None));
        }
        let (whole, hints): (Vec<_>, Vec<_>) =
            cache.objects().into_iter().partition(|object| object.is_whole);
        assert_eq!((whole.len(), hints.len()), (2, 10));
        let asked = request("/10", None);
        let kept = cache.find(&Asked::of(&asked), None, moment(0));
        assert!(matches!(kept, Some(Kept::Stale(object)) if object.headers.contains("link")));
        assert!(
            cache
                .find(&Asked::of(&request("/0", None)), None, moment(0))
                .is_none()
        );
    }
}
