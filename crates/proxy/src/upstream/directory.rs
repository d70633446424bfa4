//! The backends of a process, which may come and go while it runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tidegate_sample::Listeners;

use super::news::ServerNews;
use super::shared::BackendState;
use super::standing::Teller;
use super::state::Changes;
use crate::spec::{BackendId, BackendSpec};

/// The backends that there are at a moment, each at its place. A place that one has left is empty.
#[derive(Default, Clone)]
pub(crate) struct Backends {
    places: Vec<Option<Arc<BackendState>>>,
    names: HashMap<Box<str>, BackendId>,
}

impl Backends {
    /// All of them with their places.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (BackendId, &Arc<BackendState>)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(place, state)| Some((place, state.as_ref()?)))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<BackendState>> {
        self.placed().map(|(_, state)| state)
    }

    /// The one at a place.
    #[must_use]
    pub(crate) fn at(&self, place: BackendId) -> Option<&Arc<BackendState>> {
        self.places.get(place)?.as_ref()
    }

    /// Where this one is.
    pub(crate) fn place_of(&self, state: &Arc<BackendState>) -> Option<BackendId> {
        let mut placed = self.placed();
        Some(placed.find(|(_, known)| Arc::ptr_eq(known, state))?.0)
    }

    /// The one of a name.
    #[must_use]
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<BackendState>> {
        self.at(*self.names.get(name)?)
    }

    fn put(&mut self, place: BackendId, state: Arc<BackendState>) {
        if self.places.len() <= place {
            self.places.resize(place + 1, None);
        }
        self.names.insert(state.name().into(), place);
        if let Some(free) = self.places.get_mut(place) {
            *free = Some(state);
        }
    }

    fn take(&mut self, place: BackendId) {
        if let Some(state) = self.places.get_mut(place).and_then(Option::take) {
            self.names.remove(state.name());
        }
    }

    /// The first place from `first` on where there is nobody.
    fn free(&self, first: usize) -> BackendId {
        let mut places = self.places.iter().enumerate().skip(first);
        places
            .find(|(_, state)| state.is_none())
            .map_or_else(|| self.places.len().max(first), |(place, _)| place)
    }
}

/// The backends of a process. Whoever looks sees those of a moment, without a lock.
pub(crate) struct Directory {
    now: ArcSwap<Backends>,
    changes: Changes,
    /// Rules and servers may know those of the configuration by their places, so that nobody else gets these.
    of_configuration: usize,
    one_at_a_time: Mutex<()>,
}

impl Directory {
    /// Those of the configuration. What becomes of their servers from then on is told.
    pub(crate) fn new(
        backends: &[Arc<BackendSpec>],
        started: Instant,
        workers: usize,
        teller: Teller,
    ) -> Self {
        let changes = Changes::new(started, workers);
        let mut now = Backends::default();
        for (place, state) in BackendState::all(backends, started, &changes)
            .into_iter()
            .enumerate()
        {
            now.put(place, state);
        }
        changes.tell_by(teller);
        Directory {
            now: ArcSwap::from_pointee(now),
            changes,
            of_configuration: backends.len(),
            one_at_a_time: Mutex::default(),
        }
    }

    /// Those that there are now.
    pub(crate) fn now(&self) -> Arc<Backends> {
        self.now.load_full()
    }

    /// Those who hear of what becomes of servers.
    pub(crate) fn listeners(&self) -> &Arc<Listeners<ServerNews>> {
        self.changes.listeners()
    }

    /// Adds a backend that has no servers yet. None if another has its name.
    pub(crate) fn add(&self, spec: BackendSpec, now: Instant) -> Option<(BackendId, Arc<BackendState>)> {
        let state = BackendState::all(&[Arc::new(spec)], now, &self.changes).pop()?;
        let place = self.change(|backends| {
            let free = backends.free(self.of_configuration);
            let is_new = backends.named(state.name()).is_none();
            is_new.then(|| backends.put(free, state.clone())).map(|()| free)
        })?;
        Some((place, state))
    }

    /// Takes a backend away.
    pub(crate) fn remove(&self, state: &Arc<BackendState>) -> Option<BackendId> {
        self.change(|backends| {
            let place = backends.place_of(state)?;
            backends.take(place);
            Some(place)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Backends) -> Option<T>) -> Option<T> {
        let _guard = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let mut backends = Backends::clone(&self.now.load());
        let changed = change(&mut backends)?;
        self.now.store(Arc::new(backends));
        Some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::txn::Mode;

    fn directory(names: &[&str]) -> Directory {
        let specs: Vec<_> = names.iter().map(|name| Arc::new(spec(name))).collect();
        let (teller, _) = tokio::sync::mpsc::unbounded_channel();
        Directory::new(&specs, Instant::now(), 1, teller)
    }

    fn spec(name: &str) -> BackendSpec {
        BackendSpec::new(name, Mode::Http)
    }

    fn added(directory: &Directory, name: &str) -> Option<BackendId> {
        directory.add(spec(name), Instant::now()).map(|(place, _)| place)
    }

    #[test]
    fn they_come_and_go() {
        let directory = directory(&["a", "b"]);
        assert_eq!(added(&directory, "a"), None, "that name is taken");
        assert_eq!(added(&directory, "c"), Some(2));
        let before = directory.now();
        let a = before.named("a").unwrap();
        assert_eq!(directory.remove(a), Some(0));
        assert_eq!(directory.remove(a), None, "it is gone already");
        assert!(directory.now().named("a").is_none() && directory.now().at(0).is_none());
        let names: Vec<_> = directory
            .now()
            .iter()
            .map(|state| state.name().to_owned())
            .collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(before.iter().count(), 3, "who looked before sees what there was");
    }

    #[test]
    fn places_of_the_configuration_stay_empty() {
        let directory = directory(&["a"]);
        directory.remove(directory.now().named("a").unwrap());
        assert_eq!(
            added(&directory, "a"),
            Some(1),
            "rules may mean the first a by its place"
        );
        directory.remove(directory.now().named("a").unwrap());
        assert_eq!(added(&directory, "d"), Some(1));
    }
}
