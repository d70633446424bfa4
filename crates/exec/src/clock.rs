//! The cheapest monotonic clock of the processor, for accounting that is always on.
//!
//! A run can be as short as 40 ns; two calls of the system's clock would cost more than that. Where the
//! processor's counter can be read directly it is, and ticks become a [`Duration`] only when a person asks.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A count of clock ticks; only differences mean anything.
pub(crate) type Ticks = u64;

/// Now, on this thread.
#[inline(always)]
pub(crate) fn now() -> Ticks {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        static START: OnceLock<Instant> = OnceLock::new();
        u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// How many ticks last as long as `duration`, saturating.
pub(crate) fn ticks(duration: Duration) -> Ticks {
    let ticks = duration.as_nanos() as f64 * rate();
    if ticks >= u64::MAX as f64 {
        u64::MAX
    } else {
        ticks as u64
    }
}

/// How long so many ticks last.
pub(crate) fn duration(ticks: Ticks) -> Duration {
    Duration::from_nanos((ticks as f64 / rate()) as u64)
}

/// Ticks in a nanosecond, measured once against the system's clock.
fn rate() -> f64 {
    static RATE: OnceLock<f64> = OnceLock::new();
    *RATE.get_or_init(|| {
        // Two milliseconds give a thousandth of accuracy, which is plenty for limits and statistics.
        let (wall, start) = (Instant::now(), now());
        while wall.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        let (nanos, ticks) = (wall.elapsed().as_nanos(), now().wrapping_sub(start));
        (ticks as f64 / nanos as f64).max(f64::MIN_POSITIVE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_durations_are_inverse() {
        for ms in [1, 10, 1_000, 60_000] {
            let there = Duration::from_millis(ms);
            let back = duration(ticks(there));
            assert!(
                there.abs_diff(back) < Duration::from_micros(1),
                "{there:?} came back as {back:?}"
            );
        }
    }

    #[test]
    fn an_endless_limit_saturates() {
        assert_eq!(ticks(Duration::MAX), u64::MAX);
    }
}
