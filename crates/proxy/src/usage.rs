//! What a transaction takes part in and uses, for counters and for fetches that ask: its backend and server, its bytes,
//! the rules that decided.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tidegate_sample::figures::{self, BackendSettings, HttpStreamFigures, RulePlace};

use crate::client::Client;
use crate::counts::{Count, Counts, Ending};
use crate::figures::{AtServer, InBackend};
use crate::session::persistence::Seen;
use crate::stream::Traffic;
use crate::upstream::Slot;
use crate::worker::Backend;

/// Everything of it for one transaction.
#[derive(Default)]
pub(crate) struct TxnUsage {
    /// The number of the request or stream.
    pub(crate) number: Cell<u64>,
    /// The second in which it is counted.
    pub(crate) second: Cell<u32>,
    /// What went wrong with the server's connection, 0 for nothing; none before there was one.
    pub(crate) server_error: Cell<Option<u8>>,
    pub(crate) last_rule: RefCell<Option<Rc<RulePlace>>>,
    pub(crate) waiting_rule: RefCell<Option<Rc<RulePlace>>>,
    /// The number of the stream that carries it; 0 for HTTP/1.
    pub(crate) client_stream: Cell<u32>,
    /// The same for the server, with what is known of its connection.
    pub(crate) server_stream: Cell<Option<HttpStreamFigures>>,
    /// What the cookie of the request said.
    pub(crate) cookie: Cell<Seen>,
    /// It belongs to the server that it is at.
    pub(crate) belongs: Cell<bool>,
    /// No other server will do.
    pub(crate) is_bound: Cell<bool>,
    client: RefCell<Option<Flow>>,
    /// Of the client's bytes, those that were counted in stick tables, in both directions.
    counted: Cell<(u64, u64)>,
    server: RefCell<Option<Flow>>,
    in_backend: RefCell<Option<InBackend>>,
    at_server: RefCell<Option<AtServer>>,
}

/// Bytes on a connection since a transaction began to use it.
struct Flow {
    traffic: Rc<Traffic>,
    read_before: u64,
    written_before: u64,
}

impl Flow {
    fn read(&self) -> u64 {
        self.traffic.read.get().saturating_sub(self.read_before)
    }

    fn written(&self) -> u64 {
        self.traffic.written.get().saturating_sub(self.written_before)
    }
}

impl TxnUsage {
    /// The client's connection; of what it sent, so much was there before.
    pub(crate) fn with_client(&self, client: &Client, traffic: &Rc<Traffic>, read_before: u64) {
        if let Some(home) = &client.entrance.home {
            traffic.belongs_to(&home.usage, client.entrance.socket.as_ref());
        }
        *self.client.borrow_mut() = Some(Flow {
            traffic: traffic.clone(),
            read_before,
            written_before: traffic.written.get(),
        });
    }

    /// The server's connection, from here on.
    pub(crate) fn with_server(&self, traffic: &Rc<Traffic>) {
        self.server_error.set(Some(0));
        *self.server.borrow_mut() = Some(Flow {
            traffic: traffic.clone(),
            read_before: traffic.read.get(),
            written_before: traffic.written.get(),
        });
    }

    pub(crate) fn in_backend(&self, backend: &Rc<Backend>) {
        *self.in_backend.borrow_mut() = Some(InBackend::enter(backend, self.second.get()));
    }

    pub(crate) fn at_server(&self, slot: Slot) {
        *self.at_server.borrow_mut() = Some(AtServer::enter(slot, self.second.get()));
    }

    /// It gives its room at the server back.
    pub(crate) fn leave_server(&self) {
        self.at_server.borrow_mut().take();
    }

    /// The transaction is over: it is no longer among those that there are, and how it ended is counted.
    pub(crate) fn leave(&self, client: &Client, ending: &Ending) {
        let home = client.entrance.home.as_ref().map(|home| &home.usage);
        let has_backend = self.in_backend.borrow().is_some();
        for usage in home.into_iter().chain(&client.entrance.socket) {
            ending.count_at_frontend(&usage.counts, has_backend);
        }
        if let Some(client) = &*self.client.borrow() {
            client.traffic.settle();
        }
        let server = self.server.borrow();
        let bytes = server
            .as_ref()
            .map_or((0, 0), |flow| (flow.written(), flow.read()));
        // What no server took came to the backend all the same, and was answered there.
        let own = self.client.borrow();
        let of_backend = match (&*server, &*own) {
            (None, Some(flow)) => (flow.read(), flow.written()),
            _ => bytes,
        };
        let stay = self.at_server.borrow_mut().take();
        let has_server = stay.is_some();
        let count = |counts: &Counts, bytes: (u64, u64)| {
            ending.count_at_server(counts, has_server);
            counts.add(Count::BytesIn, bytes.0);
            counts.add(Count::BytesOut, bytes.1);
        };
        if let Some(stay) = stay {
            count(stay.counts(), bytes);
        }
        if let Some(stay) = &mut *self.in_backend.borrow_mut()
            && stay.leave()
        {
            count(&stay.backend.usage.counts, of_backend);
        }
    }

    /// A rule of the frontend or backend that it is in has refused its response.
    pub(crate) fn response_is_denied(&self, client: &Client) {
        self.count_on_both_sides(client, Count::DeniedResponses, 1);
    }

    /// A head could not be rewritten as a rule said.
    pub(crate) fn rewrite_failed(&self, client: &Client) {
        self.count_on_both_sides(client, Count::FailedRewrites, 1);
        if let Some(socket) = &client.entrance.socket {
            socket.counts.add(Count::FailedRewrites, 1);
        }
        if let Some(stay) = &*self.at_server.borrow() {
            stay.counts().add(Count::FailedRewrites, 1);
        }
    }

    /// Counts something for the frontend and the backend that it is in.
    pub(crate) fn count_on_both_sides(&self, client: &Client, count: Count, more: u64) {
        if let Some(home) = &client.entrance.home {
            home.usage.counts.add(count, more);
        }
        if let Some(stay) = &*self.in_backend.borrow() {
            stay.backend.usage.counts.add(count, more);
        }
    }

    /// The backend, once one was chosen.
    pub(crate) fn backend(&self) -> Option<Rc<Backend>> {
        self.in_backend.borrow().as_ref().map(|stay| stay.backend.clone())
    }

    pub(crate) fn backend_settings(&self) -> Option<BackendSettings> {
        let stay = self.in_backend.borrow();
        let spec = &stay.as_ref()?.backend.spec;
        Some(BackendSettings {
            connect_timeout: spec.timeouts.connect,
            queue_timeout: spec.timeouts.queue,
            server_timeout: spec.timeouts.server,
            tarpit_timeout: spec.timeouts.tarpit,
            tunnel_timeout: spec.timeouts.tunnel,
            retries: spec.retries,
        })
    }

    /// Bytes from the client and to it since this was asked last.
    pub(crate) fn new_bytes(&self) -> (u64, u64) {
        let client = self.client.borrow();
        let Some(client) = client.as_ref() else {
            return (0, 0);
        };
        let now = (client.read(), client.written());
        let before = self.counted.replace(now);
        (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1))
    }

    pub(crate) fn traffic(&self) -> Option<figures::Traffic> {
        let (client, server) = (self.client.borrow(), self.server.borrow());
        let client = client.as_ref()?;
        Some(figures::Traffic {
            from_client: client.read(),
            to_client: client.written(),
            to_server: server.as_ref().map_or(0, Flow::written),
            from_server: server.as_ref().map_or(0, Flow::read),
        })
    }
}
