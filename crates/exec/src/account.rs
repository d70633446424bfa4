//! What was used, counted always: a few plain additions per run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{self, Ticks};
use crate::outcome::FailureKind;

/// What a context, or all runs of one entry function, used so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Runs started.
    pub runs: u64,
    /// Yields of any kind: waits, turns, ended slices.
    pub yields: u64,
    /// Failures by kind, in the order of [`FailureKind::COUNTED`].
    pub failures: [u64; FailureKind::COUNTED.len()],
    /// Time spent inside Lua, and in host functions that Lua called; waiting isn't counted.
    pub lua_time: Duration,
}

impl Stats {
    /// Adds what another function used.
    pub fn add(&mut self, other: &Stats) {
        self.runs += other.runs;
        self.yields += other.yields;
        self.lua_time += other.lua_time;
        for (sum, more) in self.failures.iter_mut().zip(other.failures) {
            *sum += more;
        }
    }

    /// Failures of one kind.
    pub fn failures_of(&self, kind: FailureKind) -> u64 {
        self.failures.get(kind.index()).copied().unwrap_or(0)
    }
}

/// The running counters behind [`Stats`]. Written under the state's lock by one thread at a time, so a
/// relaxed load and store is enough and costs no locked instruction; read from anywhere.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    runs: AtomicU64,
    yields: AtomicU64,
    ticks: AtomicU64,
    failures: [AtomicU64; FailureKind::COUNTED.len()],
}

impl Counters {
    #[inline(always)]
    pub(crate) fn run(&self) {
        add(&self.runs, 1);
    }

    #[inline(always)]
    pub(crate) fn yielded(&self) {
        add(&self.yields, 1);
    }

    #[inline(always)]
    pub(crate) fn spent(&self, ticks: Ticks) {
        add(&self.ticks, ticks);
    }

    pub(crate) fn failed(&self, kind: FailureKind) {
        if let Some(counter) = self.failures.get(kind.index()) {
            add(counter, 1);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            runs: self.runs.load(Ordering::Relaxed),
            yields: self.yields.load(Ordering::Relaxed),
            failures: std::array::from_fn(|i| self.failures.get(i).map_or(0, |c| c.load(Ordering::Relaxed))),
            lua_time: clock::duration(self.ticks.load(Ordering::Relaxed)),
        }
    }
}

/// The same for one context, which one thread owns and which seldom fails.
#[derive(Debug, Default)]
pub(crate) struct Own {
    runs: u64,
    yields: u64,
    ticks: Ticks,
    failures: Option<Box<[u64; FailureKind::COUNTED.len()]>>,
}

impl Own {
    #[inline(always)]
    pub(crate) fn run(&mut self) {
        self.runs += 1;
    }

    #[inline(always)]
    pub(crate) fn yielded(&mut self) {
        self.yields += 1;
    }

    #[inline(always)]
    pub(crate) fn spent(&mut self, ticks: Ticks) {
        self.ticks = self.ticks.wrapping_add(ticks);
    }

    pub(crate) fn failed(&mut self, kind: FailureKind) {
        if let Some(count) = self.failures.get_or_insert_default().get_mut(kind.index()) {
            *count += 1;
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            runs: self.runs,
            yields: self.yields,
            failures: self.failures.as_deref().copied().unwrap_or_default(),
            lua_time: clock::duration(self.ticks),
        }
    }
}

#[inline(always)]
fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}
