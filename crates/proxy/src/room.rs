//! Room for connections: how many there may be at a time, which can be changed while some are there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// Room for so many, shared by all workers.
#[derive(Debug)]
pub(crate) struct Room {
    free: Semaphore,
    /// How many too many there are since the limit went down: so many that leave make no room.
    owed: AtomicUsize,
    /// Whether there is a limit at all. Until then nobody is counted.
    limited: AtomicBool,
    limit: Mutex<usize>,
}

impl Room {
    /// Room for so many, for one at least.
    pub(crate) fn of(limit: usize) -> Arc<Room> {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Room {
            free: Semaphore::new(limit),
            owed: AtomicUsize::new(0),
            limited: AtomicBool::new(true),
            limit: Mutex::new(limit),
        })
    }

    /// Room for any number, until a limit is set. Those who are there by then don't count.
    pub(crate) fn endless() -> Arc<Room> {
        Arc::new(Room {
            free: Semaphore::new(0),
            owed: AtomicUsize::new(0),
            limited: AtomicBool::new(false),
            limit: Mutex::new(0),
        })
    }

    /// How many there may be; none if any number may.
    pub(crate) fn limit(&self) -> Option<usize> {
        let limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        self.limited.load(Ordering::Relaxed).then_some(*limit)
    }

    /// Lets there be so many. Those above a lower limit stay, and nobody comes until enough have left.
    pub(crate) fn set_limit(&self, limit: usize) {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let mut before = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *before;
        *before = limit;
        self.limited.store(true, Ordering::Relaxed);
        if let Some(less) = now.checked_sub(limit) {
            let taken = self.free.forget_permits(less);
            self.owed.fetch_add(less - taken, Ordering::Relaxed);
        } else {
            (now..limit).for_each(|_| self.give());
        }
    }

    /// Waits until there is room, and takes none.
    pub(crate) async fn wait(&self) {
        if self.limited.load(Ordering::Relaxed) && self.free.available_permits() == 0 {
            // The semaphore is never closed.
            drop(self.free.acquire().await);
        }
    }

    /// Takes room for one, once there is some.
    pub(crate) async fn enter(self: &Arc<Room>) -> Place {
        if !self.limited.load(Ordering::Relaxed) {
            return Place(None);
        }
        match self.free.acquire().await {
            Ok(permit) => {
                permit.forget();
                Place(Some(self.clone()))
            }
            Err(_) => Place(None),
        }
    }

    /// Takes room for one, if there is some now.
    pub(crate) fn try_enter(self: &Arc<Room>) -> Option<Place> {
        if !self.limited.load(Ordering::Relaxed) {
            return Some(Place(None));
        }
        let permit = self.free.try_acquire().ok()?;
        permit.forget();
        Some(Place(Some(self.clone())))
    }

    /// Makes room for one, unless there are too many.
    fn give(&self) {
        let paid = self
            .owed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed| owed.checked_sub(1));
        if paid.is_err() {
            self.free.add_permits(1);
        }
    }
}

/// Room that somebody has, until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<Arc<Room>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(room) = &self.0 {
            room.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use proptest::prelude::*;

    use super::*;

    /// Room for one, if there is some now.
    fn try_enter(room: &Arc<Room>) -> Option<Place> {
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(room.enter()).poll(&mut cx) {
            std::task::Poll::Ready(place) => Some(place),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn whoever_leaves_makes_room() {
        let room = Room::of(1);
        let one = try_enter(&room);
        assert!(one.is_some() && try_enter(&room).is_none());
        drop(one);
        assert!(try_enter(&room).is_some());
    }

    #[test]
    fn endless_room_gets_a_limit() {
        let room = Room::endless();
        let _uncounted = (try_enter(&room), try_enter(&room));
        assert_eq!(room.limit(), None);
        room.set_limit(1);
        assert_eq!(room.limit(), Some(1));
        let one = try_enter(&room);
        assert!(one.is_some() && try_enter(&room).is_none());
    }

    proptest! {
        /// Whatever the limit was set to, and whoever came and left: others come while there are fewer than it says, and
        /// nobody does otherwise.
        #[test]
        fn there_are_never_more_than_the_last_limit_let_in(steps in proptest::collection::vec(0..8_usize, 0..200)) {
            let room = Room::of(3);
            let mut inside = Vec::new();
            for step in steps {
                match step {
                    0..4 => {
                        let had_room = inside.len() < room.limit().unwrap();
                        let place = try_enter(&room);
                        prop_assert_eq!(place.is_some(), had_room);
                        inside.extend(place);
                    }
                    4..6 => drop(inside.pop()),
                    limit => room.set_limit((limit + inside.len()) % 7),
                }
            }
        }
    }
}
