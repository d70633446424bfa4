//! The way to the servers.

pub(crate) mod admin;
pub(crate) mod assign;
pub(crate) mod balance;
mod change;
pub(crate) mod connect;
pub(crate) mod directory;
pub(crate) mod kept;
pub(crate) mod link;
pub(crate) mod manner;
pub(crate) mod news;
pub(crate) mod open;
pub(crate) mod own;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod servers;
pub(crate) mod shared;
pub(crate) mod socks;
pub(crate) mod standing;
pub(crate) mod state;

use std::cell::{Cell, Ref, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::Named;
use xxhash_rust::xxh64::xxh64;

use self::open::Descriptors;
use self::pool::Claim;
use self::shared::BackendState;
use self::state::ServerState;
use crate::check::Traffic;
use crate::figures::Usage;
use crate::http2::Pulse;
use crate::spec::{ServerAddress, ServerSpec};
use crate::timeouts::Wheel;

/// One worker's view of a server.
pub(crate) struct Server {
    pub(crate) spec: Arc<ServerSpec>,
    pub(crate) named: Rc<Named>,
    /// Its place in its backend.
    pub(crate) place: usize,
    pub(crate) state: Arc<ServerState>,
    backend: Arc<BackendState>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) pool: pool::Pool,
    /// Which of the ports to connect from comes next.
    pub(crate) next_port: Cell<u16>,
    address: RefCell<ServerAddress>,
    cookie: RefCell<Option<Rc<str>>>,
    address_version: Cell<u32>,
}

impl Server {
    pub(crate) fn new(
        state: &Arc<ServerState>,
        backend: &Arc<BackendState>,
        worker: usize,
        descriptors: Arc<Descriptors>,
    ) -> Rc<Self> {
        let (spec, usage) = (state.spec(), state.usage.of(worker));
        Rc::new(Server {
            named: Rc::new(Named {
                name: spec.name.as_str().into(),
                id: spec.id,
            }),
            place: state.place(),
            state: state.clone(),
            backend: backend.clone(),
            pool: pool::Pool::new(&spec, state, usage.clone(), descriptors),
            usage,
            next_port: Cell::new(0),
            address_version: Cell::new(state.address_version()),
            cookie: RefCell::new(cookie_of(&spec, &state.address())),
            address: RefCell::new(state.address()),
            spec,
        })
    }

    /// What asks a connection of HTTP/2 that is idle whether the server is still there, if that is to be asked.
    pub(crate) fn pulse(&self, wheel: &Rc<Wheel>) -> Option<Box<Pulse>> {
        let every = self.spec.idle_ping?;
        Some(Box::new(Pulse::new(every, wheel.timer())))
    }

    /// Whether it is still what all workers share.
    pub(crate) fn is_current(&self, state: &Arc<ServerState>) -> bool {
        Arc::ptr_eq(&self.state, state) && Arc::ptr_eq(&self.spec, &state.spec())
    }

    /// The value of the cookie that its clients have.
    pub(crate) fn cookie(&self) -> Option<Rc<str>> {
        // Whoever asks for the address has the cookie made anew where that has changed.
        drop(self.address());
        self.cookie.borrow().clone()
    }

    /// Takes in what a session saw of it, if anybody wants to know.
    pub(crate) fn saw(&self, traffic: Traffic) {
        if let Some(observing) = self.spec.check.as_ref().and_then(|check| check.observe.as_ref()) {
            self.state.checks().observe(observing, traffic);
        }
    }

    /// An idle connection to where it is now that meets the claim.
    pub(crate) fn idle_connection(&self, claim: &Claim<'_>) -> Option<link::Link> {
        // Whoever asks for the address drops what leads elsewhere.
        drop(self.address());
        self.pool.take(claim)
    }

    /// Where it is for a client that connected to this address.
    pub(crate) fn address_for(&self, destination: Option<SocketAddr>) -> ServerAddress {
        match self.socket_for(destination) {
            Some(address) => ServerAddress::Tcp(address),
            None => self.address().clone(),
        }
    }

    /// The same, if it is an address of IP.
    pub(crate) fn socket_for(&self, destination: Option<SocketAddr>) -> Option<SocketAddr> {
        let ServerAddress::Tcp(mut address) = *self.address() else {
            return None;
        };
        if let Some(destination) = destination {
            if address.ip().is_unspecified() {
                address.set_ip(destination.ip());
            }
            if let Some(offset) = self.spec.port_offset {
                // As 16 bits have it.
                address.set_port((i32::from(destination.port()) + offset) as u16);
            }
        }
        Some(address)
    }

    /// Where it is. Release it before any wait.
    pub(crate) fn address(&self) -> Ref<'_, ServerAddress> {
        let version = self.state.address_version();
        if self.address_version.replace(version) != version {
            *self.address.borrow_mut() = self.state.address();
            *self.cookie.borrow_mut() = cookie_of(&self.spec, &self.address.borrow());
            // What is idle leads to where it was.
            self.pool.clear();
        }
        self.address.borrow()
    }
}

/// The value of a server's cookie: its own, else one that any balancer with the same key makes of the address.
fn cookie_of(spec: &ServerSpec, address: &ServerAddress) -> Option<Rc<str>> {
    if let Some(own) = &spec.cookie {
        return Some(own.as_str().into());
    }
    let (key, ServerAddress::Tcp(address)) = (spec.cookie_key.as_ref()?, address) else {
        return None;
    };
    let mut bytes = key.as_bytes().to_vec();
    match address.ip() {
        IpAddr::V4(ip) => bytes.extend(ip.octets()),
        IpAddr::V6(ip) => bytes.extend(ip.octets()),
    }
    bytes.extend(u32::from(address.port()).to_be_bytes());
    Some(format!("{:016x}", xxh64(&bytes, 0)).into())
}

/// Room for one request or stream at a server. Given back when it is dropped.
pub(crate) struct Slot(Rc<Server>);

impl Slot {
    /// Takes room, if there is any and nobody waits for it.
    pub(crate) fn take(server: &Rc<Server>) -> Option<Slot> {
        let free = !server.backend.is_ahead(&server.state) && server.backend.enter(&server.state);
        free.then(|| Slot(server.clone()))
    }

    /// What was taken already by whoever gave it.
    pub(crate) fn granted(server: &Rc<Server>) -> Slot {
        Slot(server.clone())
    }

    pub(crate) fn server(&self) -> &Rc<Server> {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.backend.leave(&self.0.state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_cookie_is_the_one_that_haproxy_makes() {
        let mut spec = ServerSpec::tcp("s", "127.0.0.1:28081".parse().unwrap());
        let cookie = |spec: &ServerSpec| cookie_of(spec, &spec.address);
        assert_eq!(cookie(&spec), None);
        spec.cookie_key = Some("secret".into());
        assert_eq!(cookie(&spec).as_deref(), Some("20a1bfefc4833263"));
        spec.cookie = Some("own".into());
        assert_eq!(cookie(&spec).as_deref(), Some("own"));
    }
}
