//! The cache of responses: `cache` sections, and what `cache-use` and `cache-store` do with them.
//!
//! A [`Cache`] is shared by all workers. Objects are spread over shards by their keys; looking one up takes a shard's
//! lock for reading, for as long as a look into a table takes. An object is whole before anybody else sees it
//! ([`recording`]), and never changes: whoever sends one holds a reference, and evicting it only takes it out of its
//! table. What it takes of the cache's room ([`budget`]) it gives back with its last reference.

mod budget;
mod condition;
mod filter;
mod freshness;
mod hints;
mod key;
mod object;
mod recording;
mod rules;
mod shard;
mod store;
mod variant;

pub(crate) use filter::CacheFilter;
pub(crate) use freshness::{may_be_kept, shares_cookie};
pub(crate) use object::Object;
pub(crate) use recording::{Recorded, Recording};
pub(crate) use rules::{Caching, Found, invalidate, look_up, record};
pub use store::{Cache, CacheSpec, EarlyHints, Shown};

use std::time::{Duration, SystemTime};

use crate::clock::Turn;

/// A moment, on the clock that never goes back and on the one that messages are dated by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Milliseconds, as [`ticks`](crate::clock::ticks) counts them.
    pub(crate) ticks: u64,
    pub(crate) wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Moment {
        Moment {
            ticks: Turn::ticks(),
            wall: SystemTime::now(),
        }
    }

    /// So much later, in ticks.
    fn after(self, time: Duration) -> u64 {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.ticks.saturating_add(time)
    }
}
