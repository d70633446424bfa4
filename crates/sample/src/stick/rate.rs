//! How often something happens in a period: a window that slides over two periods.

use std::sync::atomic::{AtomicU64, Ordering};

/// The two words of a rate: each is a period that began at a moment (its upper half), and the events in it (its lower
/// half). The one that began last is the current one until it is over; then the other is put in its place. Any number
/// of threads count at once: a word is replaced as a whole or not at all.
#[derive(Clone, Copy)]
pub(super) struct Rate<'a> {
    words: [&'a AtomicU64; 2],
    period_ms: u32,
}

/// One period and the events in it; none has begun yet if it is all zero.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    count: u32,
}

impl Span {
    fn of(word: u64) -> Span {
        Span {
            start: (word >> 32) as u32,
            count: word as u32,
        }
    }

    fn word(self) -> u64 {
        u64::from(self.start) << 32 | u64::from(self.count)
    }

    fn is_unused(self) -> bool {
        self.word() == 0
    }

    /// Time since it began. Clocks of two threads may differ by a little: what has not begun yet begins now.
    fn age_ms(self, now: u32) -> u32 {
        match now.wrapping_sub(self.start) {
            ahead if ahead > u32::MAX / 2 + 1 => 0,
            age => age,
        }
    }
}

impl<'a> Rate<'a> {
    pub(super) fn new(words: [&'a AtomicU64; 2], period_ms: u32) -> Rate<'a> {
        Rate {
            words,
            period_ms: period_ms.max(1),
        }
    }

    /// Counts events. A count that is as large as it can be stays so.
    pub(super) fn add(&self, events: u32, now_ms: u64) {
        let now = now_ms as u32;
        loop {
            let (last, earlier, at) = self.last(now);
            let goes_on = !last.is_unused() && last.age_ms(now) < self.period_ms;
            let (word, old, new) = if goes_on {
                let count = last.count.saturating_add(events);
                (at, last, Span { count, ..last })
            } else {
                // After a pause of more than a period the next one begins with the event, as the first did.
                let follows = !last.is_unused() && last.age_ms(now) < self.period_ms.saturating_mul(2);
                let start = if follows {
                    last.start.wrapping_add(self.period_ms)
                } else {
                    now
                };
                (1 - at, earlier, Span { start, count: events })
            };
            let Some(word) = self.words.get(word) else { return };
            let done =
                word.compare_exchange_weak(old.word(), new.word(), Ordering::Relaxed, Ordering::Relaxed);
            if done.is_ok() {
                return;
            }
        }
    }

    /// Events in the period that ends now: those of the current one, and of the one before it as many as if they had
    /// come evenly. A single event that is alone is whole until its time is over, or it would never be seen.
    pub(super) fn read(&self, now_ms: u64) -> u32 {
        let now = now_ms as u32;
        let (last, earlier, _) = self.last(now);
        if last.is_unused() {
            return 0;
        }
        let age = last.age_ms(now);
        let (current, past, age) = if age < self.period_ms {
            let adjacent = !earlier.is_unused() && earlier.start.wrapping_add(self.period_ms) == last.start;
            (last.count, if adjacent { earlier.count } else { 0 }, age)
        } else if age - self.period_ms < self.period_ms {
            (0, last.count, age - self.period_ms)
        } else {
            return 0;
        };
        if current == 0 && past <= 1 {
            return past;
        }
        let left = u64::from(self.period_ms - age);
        let fading = u64::from(past) * left / u64::from(self.period_ms);
        u32::try_from(u64::from(current) + fading).unwrap_or(u32::MAX)
    }

    /// As if so many events had just happened, and none before.
    pub(super) fn set(&self, events: u32, now_ms: u64) {
        let [first, second] = self.words;
        let span = Span {
            start: now_ms as u32,
            count: events,
        };
        second.store(0, Ordering::Relaxed);
        first.store(span.word(), Ordering::Relaxed);
    }

    /// How long ago the current period began, and the events in it and in the one before.
    pub(super) fn told(&self, now_ms: u64) -> (u32, u32, u32) {
        let now = now_ms as u32;
        let (last, earlier, _) = self.last(now);
        if last.is_unused() {
            return (0, 0, 0);
        }
        let adjacent = !earlier.is_unused() && earlier.start.wrapping_add(self.period_ms) == last.start;
        (
            last.age_ms(now),
            last.count,
            if adjacent { earlier.count } else { 0 },
        )
    }

    /// The same of another's, which counts on from here.
    pub(super) fn learn(&self, (age_ms, current, past): (u32, u32, u32), now_ms: u64) {
        let [first, second] = self.words;
        let is_over = age_ms >= self.period_ms.saturating_mul(2) || current == 0 && past == 0;
        let start = (now_ms as u32).wrapping_sub(age_ms);
        let span = |start, count| Span { start, count }.word();
        let earlier = match past {
            0 => 0,
            past => span(start.wrapping_sub(self.period_ms), past),
        };
        second.store(if is_over { 0 } else { earlier }, Ordering::Relaxed);
        first.store(if is_over { 0 } else { span(start, current) }, Ordering::Relaxed);
    }

    /// The period that began last, the one before, and which word the first of them is in.
    fn last(&self, now: u32) -> (Span, Span, usize) {
        let [first, second] = self.words.map(|word| Span::of(word.load(Ordering::Relaxed)));
        let first_is_last =
            second.is_unused() || !first.is_unused() && first.age_ms(now) < second.age_ms(now);
        if first_is_last {
            (first, second, 0)
        } else {
            (second, first, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(words: &[AtomicU64; 2]) -> Rate<'_> {
        let [a, b] = words;
        Rate::new([a, b], 1000)
    }

    #[test]
    fn events_fade_over_the_period_after_theirs() {
        let words = Default::default();
        let rate = rate(&words);
        assert_eq!(rate.read(5), 0);
        rate.add(10, 5);
        assert_eq!((rate.read(5), rate.read(1004)), (10, 10));
        assert_eq!((rate.read(1005), rate.read(1505), rate.read(2005)), (10, 5, 0));
        rate.add(1, 1505);
        assert_eq!((rate.read(1505), rate.read(1905), rate.read(2005)), (6, 2, 1));
        rate.add(7, 1_000_000);
        assert_eq!((rate.read(1_000_999), rate.read(1_001_500)), (7, 3));
    }

    #[test]
    fn a_lone_event_is_whole_until_its_time_is_over() {
        let words = Default::default();
        let rate = rate(&words);
        rate.add(1, 1);
        assert_eq!((rate.read(1999), rate.read(2001)), (1, 0));
    }

    #[test]
    fn a_rate_can_be_set_and_its_clock_wraps() {
        let words = Default::default();
        let rate = rate(&words);
        let late = u64::from(u32::MAX) - 100;
        rate.add(3, late - 3000);
        rate.set(50, late);
        assert_eq!((rate.read(late + 999), rate.read(late + 1500)), (50, 25));
        rate.add(5, late + 1500);
        assert_eq!(rate.read(late + 1500), 30);
        rate.add(u32::MAX, late + 1500);
        assert_eq!(rate.read(late + 1500), u32::MAX);
    }

    #[test]
    fn clocks_of_threads_may_differ_a_little() {
        let words = Default::default();
        let rate = rate(&words);
        rate.add(1, 5000);
        rate.add(1, 4998);
        assert_eq!((rate.read(4999), rate.read(5001)), (2, 2));
    }

    #[test]
    fn no_event_of_many_threads_is_lost() {
        let words: [AtomicU64; 2] = Default::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| rate(&words).add(1, 7)));
            }
        });
        assert_eq!(rate(&words).read(7), 40_000);
    }

    proptest! {
        /// The plain way to say the same: periods one after the other, begun anew after a pause.
        #[test]
        fn it_counts_as_a_plain_window_does(steps in prop::collection::vec((0u64..1500, 0u32..5), 1..60)) {
            let words = Default::default();
            let rate = rate(&words);
            let (mut now, mut start, mut current, mut past) = (1u64, None::<u64>, 0u64, 0u64);
            for (wait, events) in steps {
                now += wait;
                if events > 0 {
                    rate.add(events, now);
                    match start {
                        Some(began) if now - began < 1000 => current += u64::from(events),
                        Some(began) if now - began < 2000 => {
                            (start, past, current) = (Some(began + 1000), current, events.into());
                        }
                        _ => (start, past, current) = (Some(now), 0, events.into()),
                    }
                }
                let expected = match start {
                    Some(began) if now - began < 1000 => current + past * (1000 - (now - began)) / 1000,
                    Some(began) if now - began < 2000 && current <= 1 => current,
                    Some(began) if now - began < 2000 => current * (2000 - (now - began)) / 1000,
                    _ => 0,
                };
                prop_assert_eq!(u64::from(rate.read(now)), expected);
            }
        }
    }
}
