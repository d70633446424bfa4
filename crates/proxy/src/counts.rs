//! What is counted without end of proxies and servers, beside how many sessions there are and were.

use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_sample::Facts;

use crate::duration::{Durations, Measured};

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Bytes from the client, or to the server.
    BytesIn,
    /// Bytes to the client, or from the server.
    BytesOut,
    /// HTTP requests.
    Requests,
    /// Responses with a status below 200.
    Informational,
    /// Responses with a status from 200 on.
    Successful,
    /// Responses with a status from 300 on.
    Redirecting,
    /// Responses with a status from 400 on.
    ClientError,
    /// Responses with a status from 500 on.
    ServerError,
    /// Responses with any other status, and none.
    OtherStatus,
    /// Requests that a rule refused.
    DeniedRequests,
    /// Requests that were no requests, or never came whole.
    RequestErrors,
    /// Servers that could not be reached.
    ConnectErrors,
    /// Responses that never came whole, or at all.
    ResponseErrors,
    /// Further attempts to reach a server.
    Retries,
    /// Requests and streams that went to another server than the first.
    Redispatches,
    /// Transfers that the client broke off.
    ClientAborts,
    /// Transfers that the server broke off.
    ServerAborts,
    /// Requests that a cache was asked for.
    CacheLookups,
    /// Requests that a cache answered.
    CacheHits,
    /// Requests whose hints a cache had.
    CacheHintHits,
    /// Responses that a rule refused.
    DeniedResponses,
    /// Connections that `tcp-request connection` refused.
    DeniedConnections,
    /// Connections that `tcp-request session` refused.
    DeniedSessions,
    /// Requests that a frontend answered by itself.
    Intercepted,
    /// Transactions that broke off for a reason of our own.
    InternalErrors,
    /// Requests and streams for which a connection to a server was made.
    Connects,
    /// Requests that went over a connection that was there.
    Reuses,
    /// Connections of clients that speak HTTP/2.
    Http2Sessions,
    /// Requests by HTTP/2.
    Http2Requests,
    /// Bytes of responses before they were compressed.
    CompressedIn,
    /// The same afterwards.
    CompressedOut,
    /// Responses that were compressed.
    CompressedResponses,
    /// Bytes of responses that weren't compressed for want of room.
    CompressionBypassed,
    /// Rewrites of heads that failed.
    FailedRewrites,
}

const COUNTS: usize = Count::FailedRewrites as usize + 1;

/// The counters: one thread writes them, any may read them.
pub(crate) struct Counts {
    counters: [AtomicU64; COUNTS],
    pub(crate) durations: Durations,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            counters: [const { AtomicU64::new(0) }; COUNTS],
            durations: Durations::default(),
        }
    }
}

impl Counts {
    pub(crate) fn add(&self, count: Count, more: u64) {
        if let Some(counter) = self.counters.get(count as usize) {
            let sum = counter.load(Ordering::Relaxed).wrapping_add(more);
            counter.store(sum, Ordering::Relaxed);
        }
    }

    pub(crate) fn of(&self, count: Count) -> u64 {
        self.counters
            .get(count as usize)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Forgets everything. What is counted at the very moment may be lost.
    pub(crate) fn clear(&self) {
        let counters = self.counters.iter();
        counters.for_each(|counter| counter.store(0, Ordering::Relaxed));
        self.durations.clear();
    }
}

/// How a transaction ended, as it is counted.
pub(crate) struct Ending {
    /// The class of the response's status, for HTTP.
    status: Option<Count>,
    trouble: Option<Count>,
    /// We answered it ourselves.
    local: bool,
    /// How often a connection to a server was sought.
    connects: u64,
    /// It went over a connection that was there.
    reused: bool,
    measured: Measured,
    abort: Option<Count>,
    retries: u64,
    redispatched: bool,
}

impl Ending {
    /// What the log line would tell.
    pub(crate) fn of(facts: &Facts, measured: Measured, is_http: bool) -> Ending {
        let status = match facts.status {
            Some(100..=199) => Count::Informational,
            Some(200..=299) => Count::Successful,
            Some(300..=399) => Count::Redirecting,
            Some(400..=499) => Count::ClientError,
            Some(500..=599) => Count::ServerError,
            _ => Count::OtherStatus,
        };
        let unreadable = matches!(facts.status, Some(400 | 408 | 413 | 414 | 431));
        let trouble = match facts.termination.unwrap_or(*b"--") {
            [b'C' | b'c', b'R'] => Some(Count::RequestErrors),
            [b'P', b'R'] if unreadable => Some(Count::RequestErrors),
            [b'P', b'R'] => Some(Count::DeniedRequests),
            [b'S' | b's', b'C' | b'Q'] => Some(Count::ConnectErrors),
            [b'S' | b's', b'H' | b'D'] => Some(Count::ResponseErrors),
            [b'I', _] => Some(Count::InternalErrors),
            _ => None,
        };
        let abort = match facts.termination.unwrap_or(*b"--") {
            [b'C', b'C' | b'H' | b'D' | b'Q'] => Some(Count::ClientAborts),
            [b'S', b'H' | b'D'] => Some(Count::ServerAborts),
            _ => None,
        };
        let is_connected = measured.is_connected();
        let reused = is_connected && facts.server_connection_reused;
        let sought_last = !reused && (is_connected || trouble == Some(Count::ConnectErrors));
        Ending {
            status: is_http.then_some(status),
            trouble,
            local: is_http && matches!(facts.termination, Some([b'L', _])),
            connects: u64::from(facts.retries) + u64::from(sought_last),
            reused,
            measured,
            abort,
            // One that went to another server is counted as such.
            retries: u64::from(facts.retries.saturating_sub(facts.redispatched.into())),
            redispatched: facts.redispatched,
        }
    }

    /// What concerns the client's side.
    pub(crate) fn count_at_frontend(&self, counts: &Counts, has_backend: bool) {
        let of_client = |count: &Count| {
            matches!(
                count,
                Count::RequestErrors | Count::DeniedRequests | Count::InternalErrors
            )
        };
        let intercepted = (self.local && !has_backend).then_some(Count::Intercepted);
        let trouble = self.trouble.filter(of_client);
        for count in [self.status, trouble, intercepted].into_iter().flatten() {
            counts.add(count, 1);
        }
    }

    /// What concerns the server's side: for a backend, and for a server.
    pub(crate) fn count_at_server(&self, counts: &Counts, has_server: bool) {
        let of_client = |count: &Count| matches!(count, Count::RequestErrors);
        let trouble = self.trouble.filter(|count| !of_client(count));
        for count in [self.status, trouble, self.abort].into_iter().flatten() {
            counts.add(count, 1);
        }
        if has_server {
            counts.add(Count::Connects, self.connects);
            counts.add(Count::Reuses, self.reused.into());
        }
        counts.durations.add(&self.measured);
        counts.add(Count::Retries, self.retries);
        counts.add(Count::Redispatches, u64::from(self.redispatched));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_counted_by_its_status_and_its_letters() {
        let counted = |status, termination: &[u8; 2]| {
            let facts = Facts {
                status,
                termination: Some(*termination),
                retries: 2,
                ..Facts::default()
            };
            let (front, back) = (Counts::default(), Counts::default());
            let ending = Ending::of(&facts, Measured::default(), true);
            ending.count_at_frontend(&front, false);
            ending.count_at_server(&back, true);
            (front, back)
        };
        let (front, back) = counted(Some(204), b"--");
        assert_eq!((front.of(Count::Successful), back.of(Count::Successful)), (1, 1));
        assert_eq!((front.of(Count::Retries), back.of(Count::Retries)), (0, 2));
        let (front, back) = counted(Some(503), b"SC");
        assert_eq!(
            (front.of(Count::ServerError), front.of(Count::ConnectErrors)),
            (1, 0)
        );
        assert_eq!(back.of(Count::ConnectErrors), 1);
        assert_eq!((back.of(Count::Connects), back.of(Count::Reuses)), (3, 0));
        let (front, back) = counted(Some(403), b"PR");
        assert_eq!(
            (front.of(Count::DeniedRequests), back.of(Count::DeniedRequests)),
            (1, 1)
        );
        let (front, back) = counted(Some(400), b"PR");
        assert_eq!(
            (front.of(Count::RequestErrors), back.of(Count::RequestErrors)),
            (1, 0)
        );
        let (_, back) = counted(Some(502), b"SH");
        assert_eq!(
            (back.of(Count::ResponseErrors), back.of(Count::ServerAborts)),
            (1, 1)
        );
        back.clear();
        assert_eq!(back.of(Count::ResponseErrors), 0);
        let (front, back) = counted(Some(302), b"LR");
        assert_eq!(
            (front.of(Count::Intercepted), back.of(Count::Intercepted)),
            (1, 0)
        );
        let (front, back) = counted(Some(500), b"IR");
        assert_eq!(
            (front.of(Count::InternalErrors), back.of(Count::InternalErrors)),
            (1, 1)
        );
    }
}
