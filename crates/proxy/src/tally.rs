//! What is counted of the whole process and of no proxy: what `show info` tells.
//!
//! Each thread counts for itself, in memory that no other writes to, with plain loads and stores; it finds its tally by
//! itself, since what is below a session knows of no worker. A thread that was given none counts nothing. Whoever asks adds
//! the threads up.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::rate::Rate;

/// Something that is counted without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Tallied {
    /// Connections over TLS, of clients and to servers, from their handshakes on.
    TlsConnections,
    /// Sessions of TLS that clients named for them to go on.
    SessionLookups,
    /// Those of them that were not kept.
    SessionMisses,
    /// Bytes that were sent, on connections of both sides, with all that TLS adds.
    BytesOut,
    /// Those of them that passed from socket to socket within the system.
    SplicedOut,
    /// Bytes of bodies before they were compressed.
    CompressedIn,
    /// The same afterwards.
    CompressedOut,
    /// Names that were not resolved.
    FailedResolutions,
    /// Log lines that `log-forward` sections received.
    LogLines,
}

const TALLIED: usize = Tallied::LogLines as usize + 1;

/// Something that happens so often a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Pulse {
    /// Connections of clients.
    Connections,
    /// Sessions of clients: connections that `tcp-request connection` rules let in.
    Sessions,
    /// Connections of clients over TLS.
    TlsConnections,
    /// Handshakes with clients for which a new key was made.
    ClientKeys,
    /// Handshakes with servers for which a new key was made.
    ServerKeys,
}

const PULSES: usize = Pulse::ServerKeys as usize + 1;

/// What one thread counts. No two share a line of the cache.
#[repr(align(128))]
struct Tally {
    started: Instant,
    tls_connections: AtomicU32,
    counters: [Counter; TALLIED],
    rates: [Rate; PULSES],
    /// Of the last second that was over, what the thread had of a processor.
    busy_percent: AtomicU32,
    /// What it had of one until then, in nanoseconds.
    busy_before: AtomicU64,
}

/// A count, and by how much it grew in the last second that was over.
#[derive(Default)]
struct Counter {
    count: AtomicU64,
    count_before: AtomicU64,
    per_second: AtomicU64,
}

thread_local! {
    static OWN: OnceCell<Arc<Tally>> = const { OnceCell::new() };
}

fn own(count: impl FnOnce(&Arc<Tally>)) {
    // What is dropped while its thread ends is counted no more.
    let _ = OWN.try_with(|own| own.get().map(count));
}

/// Counts so many more.
pub(crate) fn add(what: Tallied, more: u64) {
    own(|tally| {
        if let Some(counter) = tally.counters.get(what as usize) {
            let sum = counter.count.load(Ordering::Relaxed).wrapping_add(more);
            counter.count.store(sum, Ordering::Relaxed);
        }
    });
}

/// Something happens once.
pub(crate) fn beat(what: Pulse, at: Instant) {
    own(|tally| {
        if let Some(rate) = tally.rates.get(what as usize) {
            rate.count(second(at.saturating_duration_since(tally.started)));
        }
    });
}

/// So much time has passed since this was last called: what came meanwhile is what comes per second.
pub(crate) fn measure(passed: Duration) {
    own(|tally| {
        for counter in &tally.counters {
            let count = counter.count.load(Ordering::Relaxed);
            let before = counter.count_before.load(Ordering::Relaxed);
            let milliseconds = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
            let per_second = count.wrapping_sub(before).saturating_mul(1000) / milliseconds;
            counter.count_before.store(count, Ordering::Relaxed);
            counter.per_second.store(per_second, Ordering::Relaxed);
        }
        let busy = processor_time();
        let before = tally.busy_before.swap(busy, Ordering::Relaxed);
        let nanoseconds = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX).max(1);
        let percent = busy.saturating_sub(before).saturating_mul(100) / nanoseconds;
        tally
            .busy_percent
            .store(percent.min(100) as u32, Ordering::Relaxed);
    });
}

/// What this thread had of a processor in the last second that was over, in percent. A thread that counts nothing had none.
pub(crate) fn busy_percent() -> u32 {
    let mut percent = 0;
    own(|tally| percent = tally.busy_percent.load(Ordering::Relaxed));
    percent
}

/// How long this thread has run on a processor, in nanoseconds.
fn processor_time() -> u64 {
    // By the C library: rustix looks for the kernel's own code itself, and crashes where valgrind has taken that away.
    let Ok(time) = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID) else {
        return 0;
    };
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
}

fn second(since: Duration) -> u32 {
    // Wraps after more than a hundred years.
    since.as_secs() as u32
}

/// A connection over TLS, from its handshake to its end.
pub(crate) struct OverTls(Option<Arc<Tally>>);

impl OverTls {
    /// One more begins on this thread, and ends there.
    pub(crate) fn begin() -> OverTls {
        let mut counted = OverTls(None);
        own(|tally| {
            let now = tally.tls_connections.load(Ordering::Relaxed);
            tally
                .tls_connections
                .store(now.wrapping_add(1), Ordering::Relaxed);
            counted.0 = Some(tally.clone());
        });
        add(Tallied::TlsConnections, 1);
        counted
    }
}

impl Drop for OverTls {
    fn drop(&mut self) {
        if let Some(tally) = &self.0 {
            let now = tally.tls_connections.load(Ordering::Relaxed);
            tally
                .tls_connections
                .store(now.wrapping_sub(1), Ordering::Relaxed);
        }
    }
}

/// What all threads count.
pub(crate) struct Tallies {
    started: Instant,
    threads: Vec<Arc<Tally>>,
}

impl Tallies {
    pub(crate) fn new(threads: usize, started: Instant) -> Tallies {
        let tally = || Tally {
            started,
            tls_connections: AtomicU32::default(),
            counters: Default::default(),
            rates: Default::default(),
            busy_percent: AtomicU32::default(),
            busy_before: AtomicU64::default(),
        };
        Tallies {
            started,
            threads: (0..threads).map(|_| Arc::new(tally())).collect(),
        }
    }

    /// From now on this thread counts, as the one of this number.
    pub(crate) fn count_here(&self, thread: usize) {
        if let Some(tally) = self.threads.get(thread) {
            // It is given one once.
            OWN.with(|own| drop(own.set(tally.clone())));
        }
    }

    /// Of the first so many threads, the part of the last second that was over in which they had nothing to do, in percent.
    pub(crate) fn idle_percent(&self, threads: usize) -> u32 {
        let busy = |tally: &Arc<Tally>| tally.busy_percent.load(Ordering::Relaxed);
        let sum: u32 = self.threads.iter().take(threads).map(busy).sum();
        100 - (sum / u32::try_from(threads.max(1)).unwrap_or(u32::MAX)).min(100)
    }

    /// Connections over TLS now.
    pub(crate) fn tls_connections(&self) -> u64 {
        self.sum(|tally| tally.tls_connections.load(Ordering::Relaxed).into())
    }

    /// How much was counted.
    pub(crate) fn of(&self, what: Tallied) -> u64 {
        self.counters(what, |counter| &counter.count)
    }

    /// By how much it grew in the last second that was over.
    pub(crate) fn growth(&self, what: Tallied) -> u64 {
        self.counters(what, |counter| &counter.per_second)
    }

    /// How often something happened in the last second.
    pub(crate) fn per_second(&self, what: Pulse) -> u64 {
        let since = self.started.elapsed();
        self.rates(what, |rate| rate.per_second(second(since), since.subsec_millis()))
    }

    /// The most of a second: for each thread its own, added up.
    pub(crate) fn per_second_max(&self, what: Pulse) -> u64 {
        self.rates(what, Rate::most)
    }

    /// Of the clients' handshakes of this second and the one before it, the part without a new key, in percent.
    pub(crate) fn reused_percent(&self) -> u64 {
        let now = second(self.started.elapsed());
        let lately = |what| self.rates(what, |rate| rate.lately(now));
        reused_percent(lately(Pulse::TlsConnections), lately(Pulse::ClientKeys))
    }

    /// Forgets which second had most.
    pub(crate) fn forget_most(&self) {
        let rates = self.threads.iter().flat_map(|tally| &tally.rates);
        rates.for_each(Rate::forget_most);
    }

    fn counters(&self, what: Tallied, part: fn(&Counter) -> &AtomicU64) -> u64 {
        self.sum(|tally| {
            let counter = tally.counters.get(what as usize);
            counter.map_or(0, |counter| part(counter).load(Ordering::Relaxed))
        })
    }

    fn rates(&self, what: Pulse, read: impl Fn(&Rate) -> u64) -> u64 {
        self.sum(|tally| tally.rates.get(what as usize).map_or(0, &read))
    }

    fn sum(&self, of: impl Fn(&Tally) -> u64) -> u64 {
        self.threads.iter().map(|tally| of(tally)).sum()
    }
}

fn reused_percent(handshakes: u64, keys: u64) -> u64 {
    let Some(new) = (100 * keys + handshakes / 2).checked_div(handshakes) else {
        return 0;
    };
    100u64.saturating_sub(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up_and_one_without_a_tally_counts_nothing() {
        let tallies = Tallies::new(2, Instant::now());
        let tallies = &tallies;
        let work = |thread: Option<usize>| {
            if let Some(thread) = thread {
                tallies.count_here(thread);
            }
            let held = (OverTls::begin(), OverTls::begin());
            add(Tallied::BytesOut, 700);
            beat(Pulse::Sessions, Instant::now());
            measure(Duration::from_millis(500));
            drop(held.0);
            std::mem::forget(held.1);
        };
        std::thread::scope(|scope| {
            for thread in [Some(0), Some(1), None] {
                scope.spawn(move || work(thread));
            }
        });
        assert_eq!(tallies.of(Tallied::TlsConnections), 4);
        assert_eq!(tallies.tls_connections(), 2);
        assert_eq!(tallies.of(Tallied::BytesOut), 1400);
        assert_eq!(tallies.growth(Tallied::BytesOut), 2800);
        assert_eq!(tallies.per_second_max(Pulse::Sessions), 2);
        assert_eq!(tallies.per_second_max(Pulse::Connections), 0);
        tallies.forget_most();
        assert_eq!(tallies.per_second_max(Pulse::Sessions), 0);
    }

    #[test]
    fn a_thread_that_works_is_busy() {
        let tallies = Tallies::new(2, Instant::now());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tallies.count_here(0);
                measure(Duration::from_secs(1));
                let start = processor_time();
                while processor_time() - start < 20_000_000 {}
                measure(Duration::from_millis(25));
                assert!((80..=100).contains(&busy_percent()), "{}", busy_percent());
            });
        });
        assert!((50..=60).contains(&tallies.idle_percent(2)), "one of two works");
        assert_eq!(busy_percent(), 0);
    }

    #[test]
    fn growth_is_that_since_it_was_measured_last() {
        let tallies = Tallies::new(1, Instant::now());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tallies.count_here(0);
                add(Tallied::CompressedIn, 10);
                measure(Duration::from_secs(1));
                add(Tallied::CompressedIn, 3);
                measure(Duration::from_secs(1));
            });
        });
        assert_eq!(tallies.growth(Tallied::CompressedIn), 3);
        assert_eq!(tallies.of(Tallied::CompressedIn), 13);
    }

    #[test]
    fn the_part_without_a_new_key_is_rounded() {
        assert_eq!(reused_percent(0, 0), 0);
        assert_eq!(reused_percent(21, 1), 95);
        assert_eq!(reused_percent(3, 3), 0);
        assert_eq!(reused_percent(1, 2), 0);
        assert_eq!(reused_percent(4, 0), 100);
    }
}
