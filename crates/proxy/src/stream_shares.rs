//! How many streams connections of HTTP/2 may have at once, so that all of them together have no more than a part of `maxconn`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What may be had by all connections together, beyond the one stream that each may have in any case.
pub(crate) struct StreamShares(Option<Arc<AtomicU64>>);

/// What one connection may have, until it is gone.
pub(crate) struct StreamShare {
    more: u64,
    of: Option<Arc<AtomicU64>>,
    most: u32,
}

impl StreamShares {
    /// `percent` of the connections that there may be; 0 for no limit.
    pub(crate) fn new(connections_max: usize, percent: u32) -> StreamShares {
        let more = connections_max as u64 * u64::from(percent.max(100) - 100) / 100;
        StreamShares((percent > 0).then(|| Arc::new(AtomicU64::new(more))))
    }

    /// What a new connection may have: all that it may by itself, while there is as much.
    pub(crate) fn share(&self, most: u32) -> StreamShare {
        let wanted = u64::from(most.saturating_sub(1));
        let Some(left) = &self.0 else {
            return StreamShare {
                more: 0,
                of: None,
                most,
            };
        };
        let take = |left: u64| Some(left - left.min(wanted));
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let more = before.unwrap_or_default().min(wanted);
        StreamShare {
            more,
            of: Some(left.clone()),
            most: 1 + u32::try_from(more).unwrap_or(u32::MAX - 1),
        }
    }
}

impl StreamShare {
    /// Streams at once.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }
}

impl Drop for StreamShare {
    fn drop(&mut self) {
        if let Some(of) = &self.of {
            of.fetch_add(self.more, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_get_one_stream_each() {
        let shares = StreamShares::new(10, 150);
        let first = shares.share(4);
        let second = shares.share(4);
        let third = shares.share(4);
        assert_eq!((first.most(), second.most(), third.most()), (4, 3, 1));
        drop(first);
        assert_eq!(shares.share(100).most(), 4, "what was given back is there again");
    }

    #[test]
    fn without_a_limit_each_has_what_it_may_have() {
        let shares = StreamShares::new(1, 0);
        assert_eq!((shares.share(100).most(), shares.share(100).most()), (100, 100));
    }
}
