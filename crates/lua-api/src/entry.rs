//! A function of a script that can be run, with what its script may use.

use std::ops::Deref;
use std::time::Duration;

use tidegate_exec::Limits;

/// What a script may use, where that differs from the settings of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptLimits {
    /// The time after which it lets others have their turn.
    pub slice: Option<Duration>,
    /// The longest time without a yield; zero for no limit.
    pub burst: Option<Duration>,
    /// Lua time of a run; zero for no limit.
    pub total: Option<Duration>,
}

impl ScriptLimits {
    /// The limits of a run, in the place of those that it would have otherwise.
    pub(crate) fn over(self, usual: Limits) -> Limits {
        let limit = |own: Option<Duration>, usual| match own {
            Some(own) => Some(own).filter(|own| !own.is_zero()),
            None => usual,
        };
        Limits {
            slice: limit(self.slice, usual.slice),
            burst: limit(self.burst, usual.burst),
            total: limit(self.total, usual.total),
            ..usual
        }
    }
}

/// A function with the limits of the script that registered it.
#[derive(Clone)]
pub(crate) struct Entry {
    inner: tidegate_exec::Entry,
    pub(crate) limits: ScriptLimits,
    /// The limits of its runs are known beforehand.
    pub(crate) has_limits: bool,
}

impl Entry {
    pub(crate) fn new(inner: tidegate_exec::Entry, limits: ScriptLimits) -> Entry {
        Entry {
            inner,
            limits,
            has_limits: false,
        }
    }

    /// One that was made within all limits of its runs.
    pub(crate) fn within(inner: tidegate_exec::Entry, limits: ScriptLimits) -> Entry {
        Entry {
            has_limits: true,
            ..Entry::new(inner, limits)
        }
    }
}

impl Deref for Entry {
    type Target = tidegate_exec::Entry;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_has_of_its_own_counts_and_zero_is_no_limit() {
        let usual = Limits::default();
        let own = ScriptLimits {
            slice: None,
            burst: Some(Duration::from_millis(7)),
            total: Some(Duration::ZERO),
        };
        let limits = own.over(usual);
        assert_eq!(limits.slice, usual.slice);
        assert_eq!(
            (limits.burst, limits.total),
            (Some(Duration::from_millis(7)), None)
        );
    }
}
