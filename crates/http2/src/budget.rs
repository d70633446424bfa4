//! What a peer may ask for without doing anything useful.
//!
//! Flow control bounds what a peer can send as data; nothing in HTTP/2 bounds pings, settings, priorities, resets and
//! frames without content, each of which makes its receiver work. Here each costs something of a budget. It grows back
//! with time, with requests that were served, and with bytes that were sent, so that an honest peer never notices it. Who
//! uses it up is told to calm down, and the connection ends.

use std::time::Instant;

use crate::frame::{FrameHead, flag, kind};
use crate::settings::Settings;

/// What a peer has at first, and at the most.
const BUDGET_MAX: u64 = 2_000;

/// What it gets back in a second, for a request that was served to its end, and for so many bytes that it was sent.
const PER_SECOND: u64 = 200;
const PER_REQUEST: u64 = 10;
const BYTES_PER_UNIT: u64 = 1024;

/// What an error of the peer costs that ends a stream alone.
pub(crate) const ERROR: u64 = 20;

/// What a piece of a body costs that has nothing in it, and one that nobody wants any more.
pub(crate) const EMPTY: u64 = 4;
pub(crate) const UNWANTED: u64 = 1;

/// What a request costs that isn't looked at, and an informational response.
pub(crate) const REFUSAL: u64 = 10;
pub(crate) const INFORMATIONAL: u64 = 5;

/// What a peer still has of its budget, and what was odd about it.
pub(crate) struct Budget {
    left: u64,
    /// When time was last made up for; none before it first ran out.
    refilled: Option<Instant>,
    written: u64,
    exhausted: bool,
    glitches: u32,
    settings: Settings,
}

impl Budget {
    pub(crate) fn new(settings: Settings) -> Budget {
        Budget {
            left: BUDGET_MAX,
            refilled: None,
            written: 0,
            exhausted: false,
            glitches: 0,
            settings,
        }
    }

    /// The oddities that there were.
    pub(crate) fn glitches(&self) -> u32 {
        self.glitches
    }

    /// Whether the connection is to end.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// The peer did something odd that is no error.
    pub(crate) fn glitch(&mut self) {
        self.glitches = self.glitches.saturating_add(1);
        let Settings {
            glitches_max,
            busy_min,
            busy_percent,
            ..
        } = self.settings;
        self.exhausted |= glitches_max > 0
            && self.glitches >= glitches_max
            && (busy_min == 0 || busy_percent() >= busy_min);
    }

    /// A request was served to its end.
    pub(crate) fn served(&mut self) {
        self.gain(PER_REQUEST);
    }

    /// The peer took so many bytes.
    pub(crate) fn wrote(&mut self, bytes: u64) {
        let written = self.written + bytes;
        self.gain(written / BYTES_PER_UNIT);
        self.written = written % BYTES_PER_UNIT;
    }

    fn gain(&mut self, units: u64) {
        self.left = self.left.saturating_add(units).min(BUDGET_MAX);
    }

    /// The peer sent a frame.
    pub(crate) fn frame(&mut self, head: FrameHead) {
        let empty = head.length == 0;
        let odd = match head.kind {
            kind::DATA => empty && !head.has(flag::END_STREAM),
            kind::CONTINUATION => empty,
            _ => false,
        };
        if odd {
            self.glitch();
        }
        let cost = match head.kind {
            kind::DATA if odd => EMPTY,
            kind::DATA | kind::HEADERS => return,
            kind::CONTINUATION if odd => 20,
            kind::CONTINUATION => 2,
            kind::SETTINGS | kind::PING if head.has(flag::ACK) => 1,
            kind::SETTINGS | kind::RST_STREAM | kind::GOAWAY => 10,
            kind::PRIORITY | kind::PING => 2,
            kind::WINDOW_UPDATE => 1,
            // Unknown ones are to be ignored; not too many of them.
            _ => 2,
        };
        self.pay(cost);
    }

    /// The peer made work of this kind.
    pub(crate) fn pay(&mut self, cost: u64) {
        if self.left < cost {
            let now = (self.settings.clock)();
            let before = *self.refilled.get_or_insert(now);
            let elapsed = now.saturating_duration_since(before).as_millis();
            let units = u64::try_from(elapsed)
                .unwrap_or(u64::MAX)
                .saturating_mul(PER_SECOND)
                / 1000;
            if units > 0 {
                self.refilled = Some(now);
                self.gain(units);
            }
        }
        match self.left.checked_sub(cost) {
            Some(left) => self.left = left,
            None if self.exhausted => {}
            None => {
                self.exhausted = true;
                self.glitch();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: u8, flags: u8, length: u32) -> FrameHead {
        FrameHead {
            length,
            kind,
            flags,
            stream: 1,
        }
    }

    #[test]
    fn floods_use_the_budget_up_and_useful_work_does_not() {
        for (kind, length) in [
            (kind::PING, 8),
            (kind::SETTINGS, 0),
            (kind::PRIORITY, 5),
            (kind::DATA, 0),
            (kind::RST_STREAM, 4),
            (0x77, 10),
        ] {
            let mut budget = Budget::new(Settings::default());
            (0..5_000).for_each(|_| budget.frame(head(kind, 0, length)));
            assert!(budget.is_exhausted(), "{kind}");
        }
        let mut budget = Budget::new(Settings::default());
        for _ in 0..10_000 {
            budget.frame(head(kind::DATA, 0, 4));
            budget.frame(head(kind::RST_STREAM, 0, 4));
            budget.served();
            budget.frame(head(kind::WINDOW_UPDATE, 0, 4));
            budget.wrote(BYTES_PER_UNIT);
        }
        assert!(!budget.is_exhausted());
    }

    #[test]
    fn a_threshold_of_glitches_ends_a_connection_too() {
        let settings = Settings {
            glitches_max: 3,
            ..Settings::default()
        };
        let mut budget = Budget::new(settings);
        budget.glitch();
        budget.glitch();
        assert!(!budget.is_exhausted());
        budget.glitch();
        assert!(budget.is_exhausted());
        // A thread that is idle bears them.
        let mut budget = Budget::new(Settings {
            busy_min: 1,
            ..settings
        });
        (0..10).for_each(|_| budget.glitch());
        assert!(!budget.is_exhausted());
    }
}
