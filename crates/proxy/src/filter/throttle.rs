//! How many bytes may pass in a period: a window that slides over two of them. Time is passed in.

/// What passes at no more than so many bytes in a period.
#[derive(Clone, Debug)]
pub(super) struct Window {
    limit: u64,
    period_ms: u64,
    /// When the current period began; none has, before anything passed.
    start: Option<u64>,
    current: u64,
    past: u64,
}

impl Window {
    pub(super) fn new(limit: u64, period_ms: u64) -> Window {
        Window {
            limit: limit.max(1),
            period_ms: period_ms.max(1),
            start: None,
            current: 0,
            past: 0,
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that may pass now.
    pub(super) fn free(&mut self, now: u64) -> u64 {
        let age = self.age(now);
        let fading = share(self.past, self.period_ms - age, self.period_ms);
        self.limit.saturating_sub(self.current.saturating_add(fading))
    }

    /// So many have passed.
    pub(super) fn take(&mut self, bytes: u64, now: u64) {
        self.start.get_or_insert(now);
        self.age(now);
        self.current = self.current.saturating_add(bytes);
    }

    /// Milliseconds until so many may pass, if nothing does before.
    pub(super) fn wait(&mut self, bytes: u64, now: u64) -> u64 {
        let age = self.age(now);
        let room = |taken: u64| {
            self.limit
                .saturating_sub(taken.saturating_add(bytes.min(self.limit)))
        };
        // How much of a period it takes until what was before it has faded enough.
        let fades = |before: u64, room: u64| match before.saturating_sub(room) {
            0 => 0,
            excess => share(self.period_ms, excess, before).saturating_add(1),
        };
        let has_room = self.current.saturating_add(bytes.min(self.limit)) <= self.limit;
        let at = match has_room {
            true => fades(self.past, room(self.current)).min(self.period_ms),
            false => self.period_ms + fades(self.current, room(0)).min(self.period_ms),
        };
        at.saturating_sub(age).max(1)
    }

    /// How far the current period has come; the next one begins if it is over.
    fn age(&mut self, now: u64) -> u64 {
        let Some(start) = self.start else { return 0 };
        let age = now.saturating_sub(start);
        if age < self.period_ms {
            return age;
        }
        let adjacent = age / self.period_ms == 1;
        self.past = if adjacent { self.current } else { 0 };
        self.current = 0;
        let begun = start + age / self.period_ms * self.period_ms;
        self.start = Some(begun);
        now.saturating_sub(begun)
    }
}

/// `of` times `part` of `whole`.
fn share(of: u64, part: u64, whole: u64) -> u64 {
    let product = u128::from(of) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_period_has_its_bytes_and_the_next_ones_come_evenly() {
        let mut window = Window::new(1000, 100);
        assert_eq!(window.free(5), 1000);
        window.take(1000, 5);
        assert_eq!((window.free(5), window.free(104)), (0, 0));
        assert_eq!(window.wait(100, 5), 111, "a tenth of the next period");
        assert_eq!(window.free(155), 500);
        window.take(500, 155);
        assert_eq!(window.free(155), 0);
        assert_eq!(window.free(205), 500);
        // After a pause all is free again.
        assert_eq!(window.free(405), 1000);
    }

    proptest! {
        /// Whoever takes what is free as soon as it may gets all he may, and not more.
        #[test]
        fn no_more_passes_than_may_and_nobody_waits_for_ever(
            limit in 1u64..100_000,
            period in 1u64..5_000,
            need in 1u64..3_000,
            wanted in 1u64..500_000,
        ) {
            let need = need.min(limit);
            let mut window = Window::new(limit, period);
            let (mut now, mut passed, mut waits) = (10u64, 0u64, 0u32);
            while passed < wanted && waits < 2_000 {
                let needed = need.min(wanted - passed);
                let free = window.free(now);
                if free >= needed {
                    let bytes = free.min(wanted - passed);
                    window.take(bytes, now);
                    passed += bytes;
                    let periods = (now - 10) / period + 1;
                    prop_assert!(passed <= limit.saturating_mul(periods + 1), "{passed} in {periods} periods");
                } else {
                    let wait = window.wait(needed, now);
                    prop_assert!(wait <= 2 * period + 1, "{wait}");
                    now += wait;
                    prop_assert!(window.free(now) >= needed, "after {wait} there is room for {needed}");
                    waits += 1;
                }
            }
            prop_assert!(passed > 0);
        }
    }
}
