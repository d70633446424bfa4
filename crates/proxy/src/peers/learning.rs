//! Whether this process knows what the others know, and whom it asks for that.

use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long somebody is waited for who could teach.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the learning is.
#[derive(Debug)]
pub(super) struct Learning {
    stage: Stage,
    /// Since when nobody is there to teach.
    since: Instant,
    /// Peers that told all they know, and don't know all.
    tried: HashSet<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The process that this one replaces is to tell.
    FromOld,
    /// Any peer is to tell.
    FromPeers,
    /// This connection's peer was asked.
    Asked(u64),
    /// All that can be known is.
    Over,
}

impl Learning {
    /// A process begins, which replaces another one or doesn't.
    pub(super) fn new(replaces: bool, now: Instant) -> Learning {
        Learning {
            stage: if replaces {
                Stage::FromOld
            } else {
                Stage::FromPeers
            },
            since: now,
            tried: HashSet::new(),
        }
    }

    /// Whether a peer is to be asked over this connection: it is taken for asked then.
    pub(super) fn asks(&mut self, peer: usize, link: u64, now: Instant) -> bool {
        self.wait_no_longer(now);
        let asks = self.stage == Stage::FromPeers && !self.tried.contains(&peer);
        if asks {
            self.stage = Stage::Asked(link);
        }
        asks
    }

    /// Whether the peer at the other end of this connection was asked, and did not tell all yet.
    pub(super) fn is_taught_over(&self, link: u64) -> bool {
        self.stage == Stage::Asked(link)
    }

    /// All that a peer knows was told over this connection; `wholly` if it knows all.
    pub(super) fn told(&mut self, peer: usize, link: u64, is_old: bool, wholly: bool, now: Instant) {
        let is_teacher = self.stage == Stage::Asked(link) || is_old && self.stage == Stage::FromOld;
        if !is_teacher {
            return;
        }
        if wholly {
            self.stage = Stage::Over;
        } else {
            self.tried.insert(peer);
            self.next(now);
        }
    }

    /// A connection has ended.
    pub(super) fn lost(&mut self, link: u64, now: Instant) {
        if self.stage == Stage::Asked(link) {
            self.next(now);
        }
    }

    /// Whether this process knows all that can be known.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.wait_no_longer(now);
        self.stage == Stage::Over
    }

    fn next(&mut self, now: Instant) {
        self.stage = Stage::FromPeers;
        self.since = now;
    }

    fn wait_no_longer(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) < PATIENCE {
            return;
        }
        match self.stage {
            Stage::FromOld => self.next(now),
            Stage::FromPeers => self.stage = Stage::Over,
            Stage::Asked(_) | Stage::Over => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_asked_one_after_the_other() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut learning = Learning::new(false, now);
        assert!(learning.asks(1, 11, at(1)) && !learning.asks(2, 12, at(2)));
        assert!(learning.is_taught_over(11) && !learning.is_taught_over(12));
        learning.told(1, 11, false, false, at(3));
        assert!(!learning.is_taught_over(11));
        // It has nothing more to tell.
        assert!(!learning.asks(1, 11, at(4)) && learning.asks(2, 12, at(5)));
        learning.lost(12, at(6));
        assert!(learning.asks(2, 13, at(7)));
        learning.told(3, 14, false, true, at(8));
        assert!(!learning.is_over(at(60_000)), "it was told by somebody else");
        learning.told(2, 13, false, true, at(60_001));
        assert!(learning.is_over(at(60_002)) && !learning.asks(2, 13, at(60_003)));
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut learning = Learning::new(true, now);
        assert!(!learning.asks(1, 11, at(4_999)) && learning.asks(1, 11, at(5_000)));
        learning.lost(11, at(6_000));
        assert!(!learning.is_over(at(10_999)) && learning.is_over(at(11_000)));
        let mut learning = Learning::new(true, now);
        learning.told(0, 9, true, true, at(100));
        assert!(learning.is_over(at(101)));
    }
}
