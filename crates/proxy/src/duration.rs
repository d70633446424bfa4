//! How long the stages of transactions took of late, in milliseconds.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How many transactions an average is of.
const SAMPLES: u64 = 1024;

/// Bits of the number of samples, up to [`SAMPLES`]; their sum is above.
const SAMPLE_BITS: u32 = 11;

/// A stage of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// In a queue.
    Queue,
    /// Until the server's connection was there.
    Connect,
    /// From then on until the head of the response was there.
    Response,
    /// All of it.
    Total,
}

const STAGES: usize = Stage::Total as usize + 1;

/// How long the stages of one transaction took; none for those that it didn't come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured(pub(crate) [Option<u32>; STAGES]);

impl Measured {
    /// Whether it came to a connection of a server.
    pub(crate) fn is_connected(&self) -> bool {
        self.0.get(Stage::Connect as usize).is_some_and(Option::is_some)
    }
}

/// The averages and the longest of all: one thread writes them, any may read them.
#[derive(Default)]
pub(crate) struct Durations {
    averages: [AtomicU64; STAGES],
    longest: [AtomicU32; STAGES],
}

impl Durations {
    pub(crate) fn add(&self, measured: &Measured) {
        for ((took, average), longest) in measured.0.iter().zip(&self.averages).zip(&self.longest) {
            let Some(took) = *took else { continue };
            let (samples, sum) = split(average.load(Ordering::Relaxed));
            let (samples, sum) = match samples < SAMPLES {
                true => (samples + 1, sum + u64::from(took)),
                false => (samples, sum - sum / SAMPLES + u64::from(took)),
            };
            average.store(sum << SAMPLE_BITS | samples, Ordering::Relaxed);
            if took > longest.load(Ordering::Relaxed) {
                longest.store(took, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.averages
            .iter()
            .for_each(|average| average.store(0, Ordering::Relaxed));
        self.longest
            .iter()
            .for_each(|longest| longest.store(0, Ordering::Relaxed));
    }

    /// The average of all that were counted in several places.
    pub(crate) fn average<'d>(all: impl Iterator<Item = &'d Durations>, stage: Stage) -> u64 {
        let words = all.filter_map(|durations| durations.averages.get(stage as usize));
        let (samples, sum) = words
            .map(|word| split(word.load(Ordering::Relaxed)))
            .fold((0, 0), |sums, one| (sums.0 + one.0, sums.1 + one.1));
        sum.checked_div(samples).unwrap_or(0)
    }

    /// The longest of all that were counted in several places.
    pub(crate) fn longest<'d>(all: impl Iterator<Item = &'d Durations>, stage: Stage) -> u32 {
        let words = all.filter_map(|durations| durations.longest.get(stage as usize));
        words
            .map(|longest| longest.load(Ordering::Relaxed))
            .max()
            .unwrap_or(0)
    }
}

/// The number of samples, and their sum.
fn split(word: u64) -> (u64, u64) {
    (word & ((1 << SAMPLE_BITS) - 1), word >> SAMPLE_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(took: u32) -> Measured {
        Measured([None, None, None, Some(took)])
    }

    #[test]
    fn few_are_averaged_as_they_are_and_many_fade() {
        let durations = Durations::default();
        let average = || Durations::average([&durations].into_iter(), Stage::Total);
        assert_eq!(average(), 0);
        durations.add(&total(10));
        durations.add(&total(30));
        assert_eq!(average(), 20);
        (0..5000).for_each(|_| durations.add(&total(100)));
        assert_eq!(average(), 100);
        (0..10_000).for_each(|_| durations.add(&total(u32::MAX)));
        let most = u64::from(u32::MAX);
        assert!(average() > most - most / 1000, "{}", average());
        assert_eq!(Durations::average([&durations].into_iter(), Stage::Queue), 0);
        durations.clear();
        assert_eq!(average(), 0);
    }

    #[test]
    fn workers_count_as_many_as_they_have() {
        let (busy, idle) = (Durations::default(), Durations::default());
        (0..3).for_each(|_| busy.add(&total(10)));
        idle.add(&total(50));
        let both = || [&busy, &idle].into_iter();
        assert_eq!(Durations::average(both(), Stage::Total), 20);
        assert_eq!(Durations::longest(both(), Stage::Total), 50);
    }
}
