//! When what happened in a transaction: the source of the log line's timers.

use std::cell::Cell;
use std::time::Instant;

use tidegate_sample::Facts;

use crate::client::Client;
use crate::duration::Measured;

/// The moments of one transaction. What was not reached is `None`.
#[derive(Default)]
pub(crate) struct Times {
    /// The connection was free for this request: accepted, or the response before it had ended.
    pub(crate) idle_since: Cell<Option<Instant>>,
    /// The first byte of the request arrived.
    pub(crate) started: Cell<Option<Instant>>,
    /// The request's head was complete.
    pub(crate) request: Cell<Option<Instant>>,
    /// A server connection was asked for.
    pub(crate) queued: Cell<Option<Instant>>,
    /// The server connection's turn came (out of the queue).
    pub(crate) connecting: Cell<Option<Instant>>,
    /// The server connection was there.
    pub(crate) connected: Cell<Option<Instant>>,
    /// The response's head was there.
    pub(crate) response: Cell<Option<Instant>>,
    /// Everything was sent.
    pub(crate) ended: Cell<Option<Instant>>,
}

impl Times {
    /// Puts the durations where log lines look for them.
    pub(crate) fn fill(&self, facts: &mut Facts, client: &Client) {
        let now = || facts.unfinished.then(Instant::now);
        let end = self.ended.get().or_else(now);
        let ready_at = client.ready_at();
        let idle_since = Some(self.idle_since.get().unwrap_or(ready_at));
        // The next request of a connection begins where it could have come, and shook no hands.
        let next_since = self.idle_since.get().filter(|since| *since > ready_at);
        let begun = next_since.unwrap_or(client.accepted_at);
        facts.accepted = Some(client.accepted + begun.saturating_duration_since(client.accepted_at));
        facts.request_started = self
            .started
            .get()
            .map(|at| client.accepted + at.saturating_duration_since(client.accepted_at));
        facts.handshake_ms = match next_since {
            Some(_) => Some(0),
            None => between(Some(begun), Some(ready_at)),
        };
        facts.tls = client.tls.borrow().is_some();
        facts.idle_ms = between(idle_since, self.started.get());
        // What its rules took is the request's.
        let ruled = self.request.get().map(|at| self.queued.get().unwrap_or(at));
        facts.request_ms = between(self.started.get(), ruled);
        facts.queue_ms = between(self.queued.get(), self.connecting.get());
        facts.connect_ms = between(self.connecting.get(), self.connected.get());
        facts.response_ms = between(self.connected.get(), self.response.get());
        facts.data_ms = between(self.response.get(), end);
        // A request that never came is timed from the moment that it could have come.
        facts.active_ms = between(self.started.get().or(idle_since), end);
        facts.total_ms = between(Some(begun), end);
        let idle_ms = facts.idle_ms.unwrap_or(0);
        facts.user_ms = facts.total_ms.map(|total| total - idle_ms);
    }

    /// How long the stages took that are counted.
    pub(crate) fn measured(&self) -> Measured {
        let started = self.started.get().or(self.idle_since.get());
        let stages = [
            (self.queued.get(), self.connecting.get()),
            (self.connecting.get(), self.connected.get()),
            (self.connected.get(), self.response.get()),
            (started, self.ended.get()),
        ];
        Measured(stages.map(|(from, to)| {
            let took = to?.saturating_duration_since(from?).as_millis();
            Some(u32::try_from(took).unwrap_or(u32::MAX))
        }))
    }
}

fn between(from: Option<Instant>, to: Option<Instant>) -> Option<i64> {
    let elapsed = to?.saturating_duration_since(from?);
    i64::try_from(elapsed.as_millis()).ok()
}
