//! What `cache-use` and `cache-store` do.

use std::cell::RefCell;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};
use tidegate_sample::head::response;

use super::Moment;
use super::condition::is_current;
use super::freshness::Allowed;
use super::hints::hints;
use super::key::{Asked, Key};
use super::object::Object;
use super::recording::Recording;
use super::shard::Kept;
use super::store::{Cache, EarlyHints};
use super::variant::Wanted;
use crate::counts::Count;
use crate::txn::Txn;

/// What a transaction has to do with caches; nothing, for most.
#[derive(Default)]
pub(crate) struct Caching(RefCell<Option<Box<State>>>);

#[derive(Default)]
struct State {
    uses: Vec<Use>,
    recordings: Vec<Recording>,
}

/// A cache was asked, and had nothing. The request's target may be changed afterwards; the key stays.
struct Use {
    cache: Arc<Cache>,
    key: Key,
    wanted: Option<Wanted>,
    may_store: bool,
    changes: bool,
}

/// What a cache has for a request.
pub(crate) enum Found {
    /// A response, with the head to be sent. Without an object, the client has the content.
    Response(Box<response::Parts>, Option<Arc<Object>>),
    /// Links that are hints of what the response will need.
    Hints(Vec<HeaderValue>),
    /// Nothing.
    Nothing,
}

/// `cache-use`: what a cache has for the request of a transaction.
pub(crate) fn look_up(cache: &Arc<Cache>, wants_hints: bool, txn: &Txn) -> Found {
    let Some(head) = txn.request_head() else {
        return Found::Nothing;
    };
    let allowed = Allowed::by(&head);
    let changes = !head.method.is_safe();
    if allowed == Allowed::default() && !changes {
        return Found::Nothing;
    }
    let asked = Asked::of(&head);
    let process_vary = cache.spec().process_vary;
    let wanted = process_vary.then(|| Wanted::of(&head.headers, cache.seed));
    let mut found = Found::Nothing;
    if allowed.deliver {
        count(txn, Count::CacheLookups);
        let now = Moment::now();
        match cache.find(&asked, wanted.as_ref(), now) {
            Some(Kept::Fresh(object)) => {
                count(txn, Count::CacheHits);
                object.touch();
                txn.facts.borrow_mut().cache = Some(cache.shared_name());
                if is_current(&head.headers, &object.headers, object.modified) {
                    let head = object.head(StatusCode::NOT_MODIFIED, now);
                    return Found::Response(Box::new(head), None);
                }
                let head = object.head(StatusCode::OK, now);
                return Found::Response(Box::new(head), Some(object));
            }
            Some(Kept::Stale(object)) if wants_hints && cache.spec().early_hints != EarlyHints::Off => {
                let links = hints(&object.headers);
                if !links.is_empty() && head.method == Method::GET {
                    count(txn, Count::CacheHintHits);
                    object.touch();
                    found = Found::Hints(links);
                }
            }
            Some(Kept::Stale(_)) | None => {}
        }
    }
    if allowed.store || changes {
        let key = asked.key();
        let state = &mut *txn.caching.0.borrow_mut();
        state.get_or_insert_default().uses.push(Use {
            cache: cache.clone(),
            key,
            wanted,
            may_store: allowed.store,
            changes,
        });
    }
    found
}

/// `cache-store`: wants the response to be kept in a cache.
pub(crate) fn record(cache: &Arc<Cache>, by_filter: bool, txn: &Txn) {
    let mut state = txn.caching.0.borrow_mut();
    let Some(state) = &mut *state else { return };
    let is_own = |asked: &&Use| Arc::ptr_eq(&asked.cache, cache);
    let may_store = |asked: &&Use| asked.may_store;
    let uses = || state.uses.iter().filter(may_store);
    let Some(asked) = uses().find(is_own).or_else(|| uses().next()) else {
        return;
    };
    let begun = state
        .recordings
        .iter()
        .any(|known| Arc::ptr_eq(&known.cache, cache));
    let Some(head) = txn.response_head().filter(|_| !begun) else {
        return;
    };
    // What another cache made of the request is of use for its own objects only.
    let wanted = asked.wanted.filter(|_| Arc::ptr_eq(&asked.cache, cache));
    let recording = Recording::of(cache, by_filter, &asked.key, wanted, &head, Moment::now());
    state.recordings.extend(recording);
}

/// A server has answered: if the request changed what is kept, that is forgotten.
pub(crate) fn invalidate(txn: &Txn, status: StatusCode) {
    let state = txn.caching.0.borrow();
    let Some(state) = &*state else { return };
    if status.is_success() || status.is_redirection() {
        for asked in state.uses.iter().filter(|asked| asked.changes) {
            asked.cache.forget(&asked.key);
        }
    }
}

impl Caching {
    /// Whether anything is to be recorded.
    pub(crate) fn records(&self) -> bool {
        self.0
            .borrow()
            .as_ref()
            .is_some_and(|state| !state.recordings.is_empty())
    }

    /// What is to be recorded before any filter sees it.
    pub(crate) fn recordings(&self) -> Vec<Recording> {
        let mut state = self.0.borrow_mut();
        let recordings = state.as_mut().map(|state| &mut state.recordings);
        recordings
            .map(|all| all.extract_if(.., |recording| !recording.by_filter).collect())
            .unwrap_or_default()
    }

    /// What is to be recorded where the filter of a cache stands.
    pub(crate) fn recording_for(&self, cache: &Arc<Cache>) -> Option<Recording> {
        let mut state = self.0.borrow_mut();
        let all = &mut state.as_mut()?.recordings;
        let at = all
            .iter()
            .position(|recording| recording.by_filter && Arc::ptr_eq(&recording.cache, cache))?;
        Some(all.swap_remove(at))
    }
}

/// Counts for the proxy whose rules are evaluated.
fn count(txn: &Txn, what: Count) {
    match txn.usage.backend() {
        Some(backend) => backend.usage.counts.add(what, 1),
        None => {
            if let Some(home) = &txn.client.entrance.home {
                home.usage.counts.add(what, 1);
            }
        }
    }
}
