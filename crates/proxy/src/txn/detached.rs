//! Transactions without a connection: for tests, and for whoever evaluates something on its own.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tidegate_sample::head::{request, response};
use tidegate_sample::{Named, Way};

use super::{Mode, Phase, Txn};
use crate::client::Client;

/// Builds a [`Txn`] without a connection.
#[derive(Default)]
pub struct Detached {
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    frontend: Option<String>,
    backend: Option<String>,
    request: Option<request::Parts>,
    response: Option<response::Parts>,
    body: Vec<u8>,
    input: Vec<u8>,
    worker: usize,
    inspect_delay: Option<Duration>,
}

impl Detached {
    /// The client's address.
    #[must_use]
    pub fn source(mut self, address: SocketAddr) -> Self {
        self.source = Some(address);
        self
    }

    /// The address that the client connected to.
    #[must_use]
    pub fn destination(mut self, address: SocketAddr) -> Self {
        self.destination = Some(address);
        self
    }

    /// The frontend's name (`fe` if not given).
    #[must_use]
    pub fn frontend(mut self, name: &str) -> Self {
        self.frontend = Some(name.to_owned());
        self
    }

    /// The backend's name.
    #[must_use]
    pub fn backend(mut self, name: &str) -> Self {
        self.backend = Some(name.to_owned());
        self
    }

    /// The request; with it the transaction is one of HTTP mode, without it of TCP mode.
    #[must_use]
    pub fn request(mut self, request: http::Request<()>) -> Self {
        self.request = Some(request.into_parts().0.into());
        self
    }

    /// The response.
    #[must_use]
    pub fn response(mut self, response: http::Response<()>) -> Self {
        self.response = Some(response.into_parts().0.into());
        self
    }

    /// The request's body, as if it had been buffered.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// What a TCP client has sent so far.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// What content rules have as `inspect-delay`, from now on.
    #[must_use]
    pub fn inspect_delay(mut self, delay: Duration) -> Self {
        self.inspect_delay = Some(delay);
        self
    }

    /// The worker's index.
    #[must_use]
    pub fn worker(mut self, worker: usize) -> Self {
        self.worker = worker;
        self
    }

    /// Makes it. Messages that it logs are discarded.
    pub fn build(self) -> Rc<Txn> {
        let frontend = self.frontend.unwrap_or_else(|| "fe".to_owned());
        let client = Client::detached(&frontend, self.source, self.destination, self.worker);
        let mode = if self.request.is_some() {
            Mode::Http
        } else {
            Mode::Tcp
        };
        let txn = Txn::new(Rc::new(client), mode, 16_384);
        let until = self.inspect_delay.map(|delay| Instant::now() + delay);
        txn.inspected_until.set(until);
        *txn.request.borrow_mut() = self.request;
        *txn.response.borrow_mut() = self.response;
        *txn.backend.borrow_mut() = self.backend.map(|name| {
            Rc::new(Named {
                name: name.as_str().into(),
                id: 0,
            })
        });
        if !self.body.is_empty() {
            txn.put_body(Way::Request, &[self.body.into()], true);
        }
        let _ = txn.request_channel().append(&self.input);
        if mode == Mode::Tcp {
            txn.phase.set(Phase::Content);
        }
        txn
    }
}
