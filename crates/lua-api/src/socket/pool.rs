//! Connections that a worker keeps for scripts, with what they have agreed on: `setkeepalive` gives them, `connect` takes them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::connection::Connection;

/// How long one is kept when nobody says.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// How long one is kept at most, whatever is said.
const IDLE_MAX: Duration = Duration::from_secs(3600);
/// How many are kept for one place when nobody says.
pub(super) const SIZE: usize = 30;
/// How many a worker keeps.
const ALL_MAX: usize = 1000;

/// What a worker's pool did and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolReport {
    /// Connections that are kept now.
    pub idle: usize,
    /// Connections that were given to it.
    pub kept: u64,
    /// Connections that were taken from it.
    pub reused: u64,
    /// Connections that were closed there: for their age, for want of room, or by their peers.
    pub closed: u64,
}

#[derive(Default)]
struct Pool {
    places: HashMap<String, Vec<(Connection, Instant)>>,
    report: PoolReport,
    swept: bool,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// What this worker's pool did and has.
pub(crate) fn report() -> PoolReport {
    POOL.with_borrow(|pool| pool.report)
}

/// A connection to a place that is still open, the youngest first.
pub(super) fn take(place: &str) -> Option<Connection> {
    POOL.with_borrow_mut(|pool| {
        let kept = pool.places.get_mut(place)?;
        while let Some((mut connection, until)) = kept.pop() {
            pool.report.idle -= 1;
            if until > Instant::now() && connection.is_quiet() {
                pool.report.reused += 1;
                return Some(connection);
            }
            pool.report.closed += 1;
        }
        pool.places.remove(place);
        None
    })
}

/// Keeps a connection.
///
/// # Errors
/// It can't be used again.
pub(super) fn put(mut connection: Connection, idle: Duration, size: usize) -> Result<(), &'static str> {
    if !connection.is_quiet() {
        return Err("closed");
    }
    let sweep = POOL.with_borrow_mut(|pool| {
        let place = connection.place.clone();
        let kept = pool.places.entry(place).or_default();
        kept.push((connection, Instant::now() + idle.min(IDLE_MAX)));
        pool.report.kept += 1;
        pool.report.idle += 1;
        // The oldest make room.
        let over = kept
            .len()
            .saturating_sub(size)
            .max(pool.report.idle.saturating_sub(ALL_MAX).min(kept.len()));
        kept.drain(..over);
        pool.report.idle -= over;
        pool.report.closed += over as u64;
        !std::mem::replace(&mut pool.swept, true)
    });
    if sweep {
        tokio::task::spawn_local(sweep_until_empty());
    }
    Ok(())
}

/// Closes what was kept for too long, until nothing is kept.
async fn sweep_until_empty() {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let empty = POOL.with_borrow_mut(|pool| {
            let now = Instant::now();
            for kept in pool.places.values_mut() {
                kept.retain(|(_, until)| *until > now);
            }
            pool.places.retain(|_, kept| !kept.is_empty());
            let idle = pool.places.values().map(Vec::len).sum();
            pool.report.closed += (pool.report.idle - idle) as u64;
            pool.report.idle = idle;
            pool.swept = idle > 0;
            !pool.swept
        });
        if empty {
            return;
        }
    }
}
