//! How much of the load a server takes: its weight, and how far it has grown to it since it came up (`slowstart`).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Operational, ServerState};
use crate::upstream::standing::Cause;

/// A weight of 1 as it counts in balancing: a ramp has that many steps at least.
pub(crate) const WEIGHT_SCALE: u32 = 16;

/// The largest weight.
pub const WEIGHT_MAX: u32 = 256;

/// All of a ramp.
pub(crate) const GROWN: u32 = 1000;

/// The algorithm is static: weights other than 0 and the first one don't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticWeights;

impl std::fmt::Display for StaticWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.")
    }
}

impl std::error::Error for StaticWeights {}

impl ServerState {
    /// The weight as it was set last.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// The weight of the configuration.
    pub fn initial_weight(&self) -> u32 {
        self.spec.load().weight
    }

    /// The weight as it counts now, `slowstart` applied; rounded up.
    pub fn effective_weight(&self) -> u32 {
        self.scaled_weight().div_ceil(WEIGHT_SCALE)
    }

    /// The same in units of 1/[`WEIGHT_SCALE`].
    pub(crate) fn scaled_weight(&self) -> u32 {
        self.effective.load(Ordering::Relaxed)
    }

    /// Sets the weight, cut to 256; 0 takes no new sessions.
    ///
    /// # Errors
    /// If the backend's algorithm is static, any weight but 0 and the one of the configuration.
    pub fn set_weight(&self, weight: u32, now: Instant) -> Result<(), StaticWeights> {
        let weight = weight.min(WEIGHT_MAX);
        if self.static_weights && weight != 0 && weight != self.initial_weight() {
            return Err(StaticWeights);
        }
        let _guard = self.changes.lock();
        let standing = self.standing();
        self.weight.store(weight, Ordering::Relaxed);
        self.weigh(now);
        if standing.usable != self.is_usable() {
            self.tell_of(standing, Cause::Operator, "");
        }
        Ok(())
    }

    /// How far its `slowstart` is, of [`GROWN`].
    pub(crate) fn grown(&self) -> u32 {
        self.grown.load(Ordering::Relaxed)
    }

    /// How far its `slowstart` is, in percent; none once it is over.
    pub fn throttle(&self) -> Option<u32> {
        let grown = self.grown();
        (grown < GROWN).then(|| grown.saturating_mul(100) / GROWN)
    }

    /// Takes a further step of its `slowstart`, if it is on one.
    pub(crate) fn grow(&self, now: Instant) {
        if self.operational() != Operational::Starting {
            return;
        }
        let _guard = self.changes.lock();
        if self.growth(now) == GROWN {
            self.operational
                .store(Operational::Running as u8, Ordering::Relaxed);
        }
        self.weigh(now);
    }

    /// It has just come up.
    pub(super) fn begin(&self, now: Instant) {
        if self.slowstart().is_some() {
            self.operational
                .store(Operational::Starting as u8, Ordering::Relaxed);
        }
        self.weigh(now);
    }

    /// What weight and ramp come to now: never nothing of something.
    pub(super) fn weigh(&self, now: Instant) {
        let grown = self.growth(now);
        let before = self.grown.swap(grown, Ordering::Relaxed);
        let full = self.weight().saturating_mul(WEIGHT_SCALE);
        let counts = match full {
            0 => 0,
            full if self.static_weights => full,
            full => (u64::from(full) * u64::from(grown) / u64::from(GROWN)).max(1) as u32,
        };
        if self.effective.swap(counts, Ordering::Relaxed) != counts || before != grown {
            self.tell();
        }
    }

    fn growth(&self, now: Instant) -> u32 {
        match self.slowstart() {
            Some(ramp) if self.operational() == Operational::Starting => {
                let ramp = ramp.as_millis().max(1);
                let part = self.since_change(now).as_millis() * u128::from(GROWN) / ramp;
                u32::try_from(part).unwrap_or(GROWN).min(GROWN)
            }
            _ => GROWN,
        }
    }

    fn slowstart(&self) -> Option<Duration> {
        self.spec.load().slowstart.filter(|time| !time.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, state};
    use super::super::{AdminState, Changes};
    use super::*;
    use crate::spec::ServerSpec;

    #[test]
    fn a_server_that_comes_up_grows_to_its_weight() {
        let (t, s) = state(|s| {
            s.weight = 100;
            s.slowstart = Some(Duration::from_secs(10));
        });
        assert_eq!(s.effective_weight(), 100, "not at the start of the process");
        s.set_operational(Operational::Stopped, t);
        assert!(!s.is_up());
        s.set_operational(Operational::Running, at(t, 1000));
        assert_eq!(s.operational(), Operational::Starting);
        assert_eq!((s.scaled_weight(), s.is_usable()), (1, true));
        s.grow(at(t, 6000));
        assert_eq!((s.effective_weight(), s.weight()), (50, 100));
        assert_eq!(s.grown(), 500);
        s.grow(at(t, 11_000));
        assert_eq!(
            (s.effective_weight(), s.operational()),
            (100, Operational::Running)
        );
        s.set_admin(AdminState::Maint, at(t, 12_000));
        s.set_admin(AdminState::Ready, at(t, 13_000));
        s.grow(at(t, 14_000));
        assert_eq!(s.effective_weight(), 10);
        assert_eq!(s.since_change(at(t, 14_000)), Duration::from_secs(1));
    }

    #[test]
    fn static_weights_are_on_or_off() {
        let started = Instant::now();
        let mut spec = ServerSpec::tcp("s", "127.0.0.1:1".parse().unwrap());
        spec.weight = 20;
        let s = ServerState::new(&spec, 0, true, &Changes::new(started, 1));
        assert_eq!(s.set_weight(10, started), Err(StaticWeights));
        assert_eq!(s.set_weight(0, started), Ok(()));
        assert!(!s.is_usable() && s.is_up());
        assert_eq!(s.set_weight(20, started), Ok(()));
        assert!(s.is_usable());
    }
}
