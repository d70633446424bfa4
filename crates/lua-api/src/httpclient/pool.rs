//! Connections that a worker keeps for the next request to the same place.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::wire::Connection;

/// How long one may be idle.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// How many are kept for one place, and for all.
const PER_PLACE_MAX: usize = 16;
const ALL_MAX: usize = 256;

#[derive(Default)]
struct Pool {
    places: HashMap<String, Vec<(Connection, Instant)>>,
    count: usize,
    /// Somebody closes what was idle for too long.
    swept: bool,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// One that can still be used, the youngest first.
pub(super) fn take(place: &str) -> Option<Connection> {
    POOL.with_borrow_mut(|pool| {
        let kept = pool.places.get_mut(place)?;
        while let Some((mut connection, since)) = kept.pop() {
            pool.count -= 1;
            if since.elapsed() < IDLE_MAX && connection.is_usable() {
                return Some(connection);
            }
        }
        pool.places.remove(place);
        None
    })
}

/// Keeps one, if it can be used again and there is room.
pub(super) fn put(place: String, mut connection: Connection) {
    if !connection.is_usable() {
        return;
    }
    let sweep = POOL.with_borrow_mut(|pool| {
        if pool.count >= ALL_MAX {
            return false;
        }
        let kept = pool.places.entry(place).or_default();
        if kept.len() < PER_PLACE_MAX {
            kept.push((connection, Instant::now()));
            pool.count += 1;
        }
        !std::mem::replace(&mut pool.swept, true)
    });
    if sweep {
        tokio::task::spawn_local(sweep_until_empty());
    }
}

async fn sweep_until_empty() {
    loop {
        tokio::time::sleep(IDLE_MAX).await;
        let empty = POOL.with_borrow_mut(|pool| {
            for kept in pool.places.values_mut() {
                kept.retain(|(_, since)| since.elapsed() < IDLE_MAX);
            }
            pool.places.retain(|_, kept| !kept.is_empty());
            pool.count = pool.places.values().map(Vec::len).sum();
            pool.swept = pool.count > 0;
            !pool.swept
        });
        if empty {
            return;
        }
    }
}
