//! Memory that a flood has left behind: the allocator keeps what sessions have let go of, for those to come. When most of what the
//! process has in memory is of that kind, it is given back to the system.

use std::time::{Duration, Instant};

use tidegate_exec::{give_back, heap};

use crate::system;

const MIB: usize = 1 << 20;

/// How often one looks.
const EACH: Duration = Duration::from_secs(5);

/// What may lie idle in any case, before and after the process has been told to leave.
const SPARE: usize = 32 * MIB;
const SPARE_OF_ONE_THAT_LEAVES: usize = MIB;

/// Giving back takes no more of the time than one part in so many.
const SHARE: u32 = 1_000;

/// Threads that allocate wait while pages are given back, so it isn't done more often than this.
const REST: Duration = Duration::from_secs(30);

/// Gives back what lies idle, for as long as it is polled.
pub(crate) async fn keep_small(leaves: impl Fn() -> bool) {
    let mut tide = Tide::default();
    loop {
        tokio::time::sleep(EACH).await;
        let (Some(resident), Some(heap)) = (system::resident_own(), heap()) else {
            return;
        };
        let spare = if leaves() { SPARE_OF_ONE_THAT_LEAVES } else { SPARE };
        let start = Instant::now();
        if tide.is_out(start, resident, heap.used, spare) {
            // Pages may turn out to be held by something small each; then it is tried again after a rest.
            let _ = give_back();
            tide.rests(start, start.elapsed());
        }
    }
}

/// Gives back all that can be given, as SIGQUIT asks, and says what came of it.
pub(crate) fn flush() -> String {
    let before = system::resident_own();
    let _ = give_back();
    let mib = |bytes: Option<usize>| bytes.map_or("?".to_owned(), |b| (b / MIB).to_string());
    format!(
        "{} MiB of memory in use; {} MiB were in memory, {} MiB are now",
        mib(heap().map(|heap| heap.used)),
        mib(before),
        mib(system::resident_own())
    )
}

/// When it is time.
#[derive(Default)]
struct Tide {
    not_before: Option<Instant>,
}

impl Tide {
    /// Whether more than `spare` of what is in memory lies idle, and more than is in use.
    fn is_out(&self, now: Instant, resident: usize, used: usize, spare: usize) -> bool {
        let idle = resident.saturating_sub(used);
        let is_rested = self.not_before.is_none_or(|due| now >= due);
        is_rested && idle > spare && (idle > used || spare < SPARE)
    }

    /// It was done at `start` and took so long.
    fn rests(&mut self, start: Instant, took: Duration) {
        self.not_before = start.checked_add(REST.max(took.saturating_mul(SHARE)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_time_when_more_lies_idle_than_is_in_use() {
        let (tide, now) = (Tide::default(), Instant::now());
        assert!(tide.is_out(now, 114 * MIB, 10 * MIB, SPARE));
        assert!(
            !tide.is_out(now, 42 * MIB, 10 * MIB, SPARE),
            "that little may stay"
        );
        assert!(!tide.is_out(now, 190 * MIB, 100 * MIB, SPARE), "most is in use");
        assert!(
            !tide.is_out(now, 10 * MIB, 30 * MIB, SPARE),
            "part was never touched"
        );
    }

    #[test]
    fn one_that_leaves_keeps_little() {
        let (tide, now) = (Tide::default(), Instant::now());
        assert!(tide.is_out(now, 190 * MIB, 100 * MIB, SPARE_OF_ONE_THAT_LEAVES));
        assert!(!tide.is_out(now, 101 * MIB, 100 * MIB, SPARE_OF_ONE_THAT_LEAVES));
    }

    #[test]
    fn it_rests_the_longer_the_longer_it_took() {
        let start = Instant::now();
        let is_out = |took: u64, seconds| {
            let mut tide = Tide::default();
            tide.rests(start, Duration::from_millis(took));
            tide.is_out(after(start, seconds), 114 * MIB, 10 * MIB, SPARE)
        };
        assert!(!is_out(3, 29));
        assert!(is_out(3, 30));
        assert!(!is_out(100, 99));
        assert!(is_out(100, 100));
    }
}
