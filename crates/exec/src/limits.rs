//! What a context may use up.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::{self, Ticks};

/// How long one context may run. `None` means without limit.
///
/// Memory is limited per [`Vm`](crate::Vm), in [`VmOptions`](crate::VmOptions), since all contexts of a
/// state share its heap.
///
/// ```
/// use std::time::Duration;
/// use tidegate_exec::Limits;
///
/// let limits = Limits { total: Some(Duration::from_millis(200)), ..Limits::default() };
/// assert_eq!(limits.burst, Some(Duration::from_secs(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The time after which a run is made to yield, so that no script holds its thread. It is noticed
    /// within a millisecond, or five where all that ran before was short, and costs nothing until then. Default: 1 ms.
    pub slice: Option<Duration>,
    /// Instructions between two forced yields, counted exactly. This takes the interpreter off its fast
    /// path for the whole run, so it is for those who ask for exact counting. Default: none.
    pub forced_yield: Option<NonZeroU32>,
    /// The longest time without a yield of any kind. It ends runs that cannot be made to yield. Default: 1 s.
    pub burst: Option<Duration>,
    /// Lua time from [`start`](crate::Context::start) to the end of the run; waiting isn't counted. Default: 4 s.
    pub total: Option<Duration>,
}

impl Limits {
    /// No limit at all, for code that the host trusts.
    pub const NONE: Limits = Limits {
        slice: None,
        forced_yield: None,
        burst: None,
        total: None,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            slice: Some(Duration::from_millis(1)),
            forced_yield: None,
            burst: Some(Duration::from_secs(1)),
            total: Some(Duration::from_secs(4)),
        }
    }
}

/// The same in clock ticks, as the hook compares them; `Ticks::MAX` stands for no limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiled {
    pub(crate) slice: Ticks,
    pub(crate) burst: Ticks,
    pub(crate) total: Ticks,
    pub(crate) forced_yield: Option<NonZeroU32>,
    /// Microseconds after which the monitor looks at a run, and after which it reaches into finalizers too.
    pub(crate) look_after_us: u32,
    pub(crate) insist_us: u32,
    pub(crate) source: Limits,
}

thread_local! {
    /// The limits that this thread compiled last: a host has a few kinds of contexts and makes many of each.
    static RECENT: RefCell<Vec<Rc<Compiled>>> = const { RefCell::new(Vec::new()) };
}

/// How many of them are kept.
const RECENT_MAX: usize = 4;

impl Compiled {
    /// As [`new`](Self::new), without computing or keeping again what this thread has just computed.
    pub(crate) fn recent(limits: Limits) -> Rc<Self> {
        let recall = |recent: &RefCell<Vec<Rc<Compiled>>>| {
            let mut recent = recent.borrow_mut();
            if let Some(found) = recent.iter().find(|known| known.source == limits) {
                return Rc::clone(found);
            }
            let compiled = Rc::new(Compiled::new(limits));
            recent.truncate(RECENT_MAX - 1);
            recent.insert(0, Rc::clone(&compiled));
            compiled
        };
        // A thread that is ending has forgotten them.
        RECENT
            .try_with(recall)
            .unwrap_or_else(|_| Rc::new(Compiled::new(limits)))
    }

    pub(crate) fn new(limits: Limits) -> Self {
        let ticks = |limit: Option<Duration>| limit.map_or(Ticks::MAX, clock::ticks);
        let us = |limit: Option<Duration>| {
            limit.map_or(u32::MAX, |d| u32::try_from(d.as_micros()).unwrap_or(u32::MAX))
        };
        let (slice_us, burst_us, total_us) = (us(limits.slice), us(limits.burst), us(limits.total));
        Compiled {
            slice: ticks(limits.slice),
            burst: ticks(limits.burst),
            total: ticks(limits.total),
            forced_yield: limits.forced_yield,
            look_after_us: slice_us.min(burst_us).min(total_us),
            insist_us: burst_us.min(total_us),
            source: limits,
        }
    }
}
