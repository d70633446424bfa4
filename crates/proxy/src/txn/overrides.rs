//! What rules set for one transaction in place of what its proxies say.

use std::cell::Cell;
use std::time::Duration;

use crate::rules::TimeoutKind;
use crate::spec::Timeouts;

/// All of it; nothing, unless a rule said so.
#[derive(Default)]
pub(crate) struct Overrides {
    timeouts: [Cell<Option<Duration>>; 6],
    /// `set-retries`.
    pub(crate) retries: Cell<Option<u32>>,
    /// `disable-l7-retry`: the request is sent once, however that ends.
    pub(crate) no_request_retry: Cell<bool>,
    /// `set-bc-mark`.
    pub(crate) server_mark: Cell<Option<u32>>,
    /// `set-bc-tos`.
    pub(crate) server_tos: Cell<Option<u8>>,
}

impl Overrides {
    /// `set-timeout`.
    pub(crate) fn set_timeout(&self, which: TimeoutKind, time: Duration) {
        self.slot(which).set(Some(time));
    }

    /// The timeout that a rule set, else the one that is configured.
    pub(crate) fn timeout(&self, which: TimeoutKind, configured: Option<Duration>) -> Option<Duration> {
        self.slot(which).get().or(configured)
    }

    /// Whether packets to the server are marked. A connection with such packets is this transaction's alone.
    pub(crate) fn marks_server(&self) -> bool {
        self.server_mark.get().is_some() || self.server_tos.get().is_some()
    }

    /// All that are configured, and in their place what rules set.
    pub(crate) fn over(&self, configured: &Timeouts) -> Timeouts {
        let mut timeouts = *configured;
        for (which, timeout) in [
            (TimeoutKind::Client, &mut timeouts.client),
            (TimeoutKind::Connect, &mut timeouts.connect),
            (TimeoutKind::Queue, &mut timeouts.queue),
            (TimeoutKind::Server, &mut timeouts.server),
            (TimeoutKind::Tarpit, &mut timeouts.tarpit),
            (TimeoutKind::Tunnel, &mut timeouts.tunnel),
        ] {
            *timeout = self.timeout(which, *timeout);
        }
        timeouts
    }

    /// Forgets what was set for a backend: another one was chosen than that whose rules set it. A tarpit is the
    /// frontend's affair as well.
    pub(crate) fn leave_backend(&self) {
        for which in [
            TimeoutKind::Connect,
            TimeoutKind::Queue,
            TimeoutKind::Server,
            TimeoutKind::Tunnel,
        ] {
            self.slot(which).set(None);
        }
        self.retries.set(None);
    }

    fn slot(&self, which: TimeoutKind) -> &Cell<Option<Duration>> {
        let [client, connect, queue, server, tarpit, tunnel] = &self.timeouts;
        match which {
            TimeoutKind::Client => client,
            TimeoutKind::Connect => connect,
            TimeoutKind::Queue => queue,
            TimeoutKind::Server => server,
            TimeoutKind::Tarpit => tarpit,
            TimeoutKind::Tunnel => tunnel,
        }
    }
}
