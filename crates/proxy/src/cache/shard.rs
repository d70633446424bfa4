//! A part of a cache: some of its objects, by their keys and in the order in which they go.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;

use super::Moment;
use super::budget::Kind;
use super::key::{Asked, Key};
use super::object::Object;
use super::variant::{Variant, Wanted};

/// A part of a cache with a lock of its own.
#[derive(Debug)]
pub(super) struct Shard {
    inside: RwLock<Inside>,
    /// The places of those that go first, by kind; more than any place if there is none.
    oldest: [AtomicU64; 2],
}

#[derive(Debug, Default)]
struct Inside {
    resources: HashTable<Resource>,
    /// By their places in the order.
    orders: [BTreeMap<u64, Arc<Object>>; 2],
}

/// What is known of one key.
#[derive(Debug)]
struct Resource {
    key: Key,
    objects: Vec<Arc<Object>>,
    /// The variants that are being received, by their numbers.
    recordings: Vec<(u64, Variant)>,
}

/// What a search for an object to evict came to.
pub(super) enum Evicted {
    /// There is none of the kind here.
    None,
    /// The oldest one was used, or is being sent: it has its turn later.
    Later,
    /// This one.
    Object(Arc<Object>),
}

/// What is there for a request.
pub(super) enum Kept {
    /// A response that is fresh.
    Fresh(Arc<Object>),
    /// One that isn't, or only what is left of one.
    Stale(Arc<Object>),
}

impl Default for Shard {
    fn default() -> Shard {
        Shard {
            inside: RwLock::default(),
            oldest: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
        }
    }
}

impl Shard {
    pub(super) fn oldest(&self, kind: Kind) -> u64 {
        let [full, hints] = &self.oldest;
        match kind {
            Kind::Full => full.load(Ordering::Relaxed),
            Kind::Hints => hints.load(Ordering::Relaxed),
        }
    }

    /// What is kept for a request.
    pub(super) fn find(
        &self,
        hash: u64,
        asked: &Asked<'_>,
        wanted: Option<&Wanted>,
        now: Moment,
    ) -> Option<Kept> {
        let inside = self.read();
        let resource = inside.resources.find(hash, |resource| resource.key.is(asked))?;
        let suits = |object: &&Arc<Object>| match wanted {
            Some(wanted) => object.variant.suits(wanted),
            None => object.variant.is_for_everybody(),
        };
        let is_fresh = |object: &&Arc<Object>| object.kind == Kind::Full && object.is_fresh(now);
        let newest = || resource.objects.iter().rev();
        let fresh = newest().filter(is_fresh).find(suits);
        match fresh {
            Some(object) => Some(Kept::Fresh(object.clone())),
            None => Some(Kept::Stale(newest().next()?.clone())),
        }
    }

    /// Notes that a variant is being received, unless somebody receives it already or there are too many.
    pub(super) fn begin(
        &self,
        (hash, key): (u64, &Key),
        (id, variant): (u64, Variant),
        variants_max: usize,
        (now, seed): (Moment, u64),
    ) -> bool {
        let mut gone = Vec::new();
        let mut inside = self.write();
        let Inside { resources, orders } = &mut *inside;
        let entry = resources.entry(hash, |resource| resource.key == *key, |r| r.key.hash(seed));
        let mut entry = entry.or_insert_with(|| Resource {
            key: key.clone(),
            objects: Vec::new(),
            recordings: Vec::new(),
        });
        let resource = entry.get_mut();
        let has_begun = resource.recordings.iter().any(|(_, known)| *known == variant);
        if !variant.is_for_everybody() {
            let keeps = |object: &Object| object.kind == Kind::Hints || object.is_fresh(now);
            drop_objects(resource, orders, keeps, &mut gone);
        }
        let of_others = resource
            .objects
            .iter()
            .filter(|object| object.kind == Kind::Full && object.variant != variant);
        let variants = of_others.count() + resource.recordings.len();
        let is_full = !variant.is_for_everybody() && variants >= variants_max;
        let begins = !has_begun && !is_full;
        if begins {
            resource.recordings.push((id, variant));
        }
        if resource.is_empty() {
            entry.remove();
        }
        self.note_oldest(&inside);
        begins
    }

    /// Ends what was begun. With an object, that takes the place of those for the same requests; nothing is kept if the
    /// recording was called off meanwhile. What is gone is for the caller to drop.
    pub(super) fn end(
        &self,
        (hash, key): (u64, &Key),
        id: u64,
        made: Option<(Arc<Object>, u64)>,
    ) -> Vec<Arc<Object>> {
        let mut gone = Vec::new();
        let mut inside = self.write();
        let Inside { resources, orders } = &mut *inside;
        let Ok(mut entry) = resources.find_entry(hash, |resource| resource.key == *key) else {
            return gone;
        };
        let resource = entry.get_mut();
        let Some(at) = resource.recordings.iter().position(|(known, _)| *known == id) else {
            return gone;
        };
        resource.recordings.swap_remove(at);
        if let Some((object, place)) = made {
            replace(resource, orders, object, place, &mut gone);
        }
        if resource.is_empty() {
            entry.remove();
        }
        self.note_oldest(&inside);
        gone
    }

    /// Keeps what is left of a response, where nothing else of it is kept.
    pub(super) fn keep(&self, hash: u64, object: &Arc<Object>, place: u64, seed: u64) -> Vec<Arc<Object>> {
        let mut gone = Vec::new();
        let mut inside = self.write();
        let Inside { resources, orders } = &mut *inside;
        let entry = resources.entry(hash, |resource| resource.key == object.key, |r| r.key.hash(seed));
        let mut entry = entry.or_insert_with(|| Resource {
            key: object.key.clone(),
            objects: Vec::new(),
            recordings: Vec::new(),
        });
        let resource = entry.get_mut();
        if resource.objects.iter().all(|other| other.kind == Kind::Hints) {
            replace(resource, orders, object.clone(), place, &mut gone);
        }
        self.note_oldest(&inside);
        gone
    }

    /// Forgets all of a key, and what is being received for it.
    pub(super) fn forget(&self, hash: u64, key: &Key) -> Vec<Arc<Object>> {
        let mut inside = self.write();
        let Inside { resources, orders } = &mut *inside;
        let Ok(entry) = resources.find_entry(hash, |resource| resource.key == *key) else {
            return Vec::new();
        };
        let (resource, _) = entry.remove();
        for object in &resource.objects {
            unqueue(orders, object);
        }
        self.note_oldest(&inside);
        resource.objects
    }

    /// Takes the oldest object out, if it may go. One that may not gets the `place` in the order.
    pub(super) fn evict(&self, kind: Kind, place: u64, seed: u64) -> Evicted {
        let mut inside = self.write();
        let Inside { resources, orders } = &mut *inside;
        let order = order_of(orders, kind);
        let Some((_, object)) = order.pop_first() else {
            return Evicted::None;
        };
        // The resource has it, and so have we.
        let is_in_use = Arc::strong_count(&object) > 2;
        if object.was_used() || is_in_use {
            object.queued.store(place, Ordering::Relaxed);
            order.insert(place, object);
            self.note_oldest(&inside);
            return Evicted::Later;
        }
        let hash = object.key.hash(seed);
        if let Ok(mut entry) = resources.find_entry(hash, |resource| resource.key == object.key) {
            let resource = entry.get_mut();
            resource.objects.retain(|other| !Arc::ptr_eq(other, &object));
            if resource.is_empty() {
                entry.remove();
            }
        }
        let (length, room) = (resources.len(), resources.capacity());
        // A burst of objects is no reason to keep the room that it took.
        if room > 64 && length < room / 8 {
            resources.shrink_to(length * 2, |resource| resource.key.hash(seed));
        }
        self.note_oldest(&inside);
        Evicted::Object(object)
    }

    /// All objects, as they are now.
    pub(super) fn all(&self) -> Vec<Arc<Object>> {
        let inside = self.read();
        let resources = inside.resources.iter();
        resources
            .flat_map(|resource| resource.objects.iter().cloned())
            .collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inside> {
        self.inside.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inside> {
        self.inside.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_oldest(&self, inside: &Inside) {
        for (oldest, order) in self.oldest.iter().zip(&inside.orders) {
            let first = order.first_key_value().map_or(u64::MAX, |(place, _)| *place);
            oldest.store(first, Ordering::Relaxed);
        }
    }
}

impl Resource {
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.recordings.is_empty()
    }
}

type Orders = [BTreeMap<u64, Arc<Object>>; 2];

fn order_of(orders: &mut Orders, kind: Kind) -> &mut BTreeMap<u64, Arc<Object>> {
    let [full, hints] = orders;
    match kind {
        Kind::Full => full,
        Kind::Hints => hints,
    }
}

fn unqueue(orders: &mut Orders, object: &Object) {
    order_of(orders, object.kind).remove(&object.queued.load(Ordering::Relaxed));
}

/// Puts an object in the place of those that are for the same requests.
fn replace(
    resource: &mut Resource,
    orders: &mut Orders,
    object: Arc<Object>,
    place: u64,
    gone: &mut Vec<Arc<Object>>,
) {
    let new = object.variant;
    let stays = |other: &Object| {
        let is_same = other.variant == new || other.variant.is_for_everybody() || new.is_for_everybody();
        other.kind == Kind::Full && !is_same
    };
    drop_objects(resource, orders, stays, gone);
    object.queued.store(place, Ordering::Relaxed);
    order_of(orders, object.kind).insert(place, object.clone());
    resource.objects.push(object);
}

fn drop_objects(
    resource: &mut Resource,
    orders: &mut Orders,
    stays: impl Fn(&Object) -> bool,
    gone: &mut Vec<Arc<Object>>,
) {
    resource.objects.retain(|object| {
        let stays = stays(object);
        if !stays {
            unqueue(orders, object);
            gone.push(object.clone());
        }
        stays
    });
}
