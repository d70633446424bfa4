//! The clock of the stick tables.

use std::sync::LazyLock;
use std::time::Instant;

/// Milliseconds since the process began to count them. It never goes back, and is the same for all threads.
pub fn ticks() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // An hour ahead, so that no moment is 0, which tables take for none.
    3_600_000 + u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
}
