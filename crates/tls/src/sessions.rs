//! Sessions that are remembered here, for clients that keep no tickets.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::server::StoresServerSessions;

use crate::notes;

/// Handshakes of different workers seldom meet in one of so many.
const SHARDS: usize = 64;

/// Remembers some number of sessions; the oldest make room.
pub(crate) struct Sessions {
    shards: Vec<Mutex<Shard>>,
    each_max: usize,
}

#[derive(Default)]
struct Shard {
    known: HashMap<Vec<u8>, Vec<u8>>,
    /// The order in which they came. Those that were taken stay until their turn.
    order: VecDeque<Vec<u8>>,
}

impl Sessions {
    /// Room for so many.
    pub(crate) fn new(max: usize) -> Sessions {
        Sessions {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            each_max: max.div_ceil(SHARDS),
        }
    }

    /// Names are random, so any byte of them spreads them evenly.
    fn shard(&self, key: &[u8]) -> Option<MutexGuard<'_, Shard>> {
        let at = usize::from(*key.last()?) % SHARDS;
        let shard = self.shards.get(at)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let Some(mut shard) = self.shard(&key) else {
            return false;
        };
        if shard.known.insert(key.clone(), value).is_none() {
            shard.order.push_back(key);
        }
        while shard.order.len() > self.each_max {
            if let Some(oldest) = shard.order.pop_front() {
                shard.known.remove(&oldest);
            }
        }
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.shard(key)?.known.get(key).cloned();
        notes::lookup(found.is_some());
        found
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.shard(key)?.known.remove(key);
        notes::lookup(found.is_some());
        found
    }

    fn can_cache(&self) -> bool {
        self.each_max > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_kept_until_there_is_no_room() {
        let sessions = Sessions::new(2 * SHARDS);
        let key = |number: u8| vec![number, 7];
        for number in 0..3 {
            assert!(sessions.put(key(number), vec![number]));
        }
        assert_eq!(sessions.get(&key(0)), None, "the oldest made room");
        assert_eq!(sessions.get(&key(2)), Some(vec![2]));
        assert_eq!(sessions.take(&key(2)), Some(vec![2]));
        assert_eq!(sessions.take(&key(2)), None);
        for number in 0..200 {
            sessions.put(key(number), vec![]);
            sessions.take(&key(number));
        }
        let kept: usize = sessions
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().order.len())
            .sum();
        assert!(kept <= 2, "what was taken is forgotten too: {kept}");
    }
}
