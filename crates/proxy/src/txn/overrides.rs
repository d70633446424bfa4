//! What rules set for one transaction in place of what its proxies say.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use crate::rules::TimeoutKind;
use crate::spec::Timeouts;

/// All of it; nothing, unless a rule said so.
#[derive(Default)]
pub(crate) struct Overrides(OnceCell<Box<Set>>);

#[derive(Default)]
struct Set {
    timeouts: [Cell<Option<Duration>>; 6],
    retries: Cell<Option<u32>>,
    no_request_retry: Cell<bool>,
    server_mark: Cell<Option<u32>>,
    server_tos: Cell<Option<u8>>,
}

impl Overrides {
    fn set(&self) -> &Set {
        self.0.get_or_init(Box::default)
    }

    /// `set-timeout`.
    pub(crate) fn set_timeout(&self, which: TimeoutKind, time: Duration) {
        self.set().timeout(which).set(Some(time));
    }

    /// `set-retries`; without a number what is configured holds.
    pub(crate) fn set_retries(&self, retries: Option<u32>) {
        self.set().retries.set(retries);
    }

    /// `disable-l7-retry`: the request is sent once, however that ends.
    pub(crate) fn forbid_request_retry(&self) {
        self.set().no_request_retry.set(true);
    }

    /// `set-bc-mark`.
    pub(crate) fn set_server_mark(&self, mark: u32) {
        self.set().server_mark.set(Some(mark));
    }

    /// `set-bc-tos`.
    pub(crate) fn set_server_tos(&self, tos: u8) {
        self.set().server_tos.set(Some(tos));
    }

    /// The timeout that a rule set, else the one that is configured.
    pub(crate) fn timeout(&self, which: TimeoutKind, configured: Option<Duration>) -> Option<Duration> {
        let set = self.0.get().and_then(|set| set.timeout(which).get());
        set.or(configured)
    }

    /// How often a connection is tried again, if a rule set it.
    pub(crate) fn retries(&self) -> Option<u32> {
        self.0.get()?.retries.get()
    }

    /// Whether a request may be sent again.
    pub(crate) fn allows_request_retry(&self) -> bool {
        self.0.get().is_none_or(|set| !set.no_request_retry.get())
    }

    /// The mark of packets to the server.
    pub(crate) fn server_mark(&self) -> Option<u32> {
        self.0.get()?.server_mark.get()
    }

    /// The type of service of packets to the server.
    pub(crate) fn server_tos(&self) -> Option<u8> {
        self.0.get()?.server_tos.get()
    }

    /// Whether packets to the server are marked. A connection with such packets is this transaction's alone.
    pub(crate) fn marks_server(&self) -> bool {
        self.server_mark().is_some() || self.server_tos().is_some()
    }

    /// All that are configured, and in their place what rules set.
    pub(crate) fn over(&self, configured: &Timeouts) -> Timeouts {
        let mut timeouts = *configured;
        if self.0.get().is_none() {
            return timeouts;
        }
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
        let Some(set) = self.0.get() else { return };
        for which in [
            TimeoutKind::Connect,
            TimeoutKind::Queue,
            TimeoutKind::Server,
            TimeoutKind::Tunnel,
        ] {
            set.timeout(which).set(None);
        }
        set.retries.set(None);
    }
}

impl Set {
    fn timeout(&self, which: TimeoutKind) -> &Cell<Option<Duration>> {
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
