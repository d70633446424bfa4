//! The two ends of the client's connection, as rules want them seen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Phase, Txn};

impl Txn {
    /// The client's address; `None` on a Unix socket.
    pub fn source(&self) -> Option<SocketAddr> {
        self.source.get()
    }

    /// The address that the client connected to; `None` on a Unix socket.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.destination.get()
    }

    /// The client's address as rules want it seen; the port stays.
    pub(crate) fn set_source(&self, address: IpAddr) {
        let port = self.source().map_or(0, |s| s.port());
        self.put_source(SocketAddr::new(address, port));
    }

    /// The client's port as rules want it seen. A client without an address gets the unspecified one.
    pub(crate) fn set_source_port(&self, port: u16) {
        self.put_source(SocketAddr::new(host(self.source()), port));
    }

    /// The address that the client connected to, as rules want it seen; the port stays.
    pub(crate) fn set_destination(&self, address: IpAddr) {
        let port = self.destination().map_or(0, |d| d.port());
        self.put_destination(SocketAddr::new(address, port));
    }

    /// The port that the client connected to, likewise.
    pub(crate) fn set_destination_port(&self, port: u16) {
        self.put_destination(SocketAddr::new(host(self.destination()), port));
    }

    /// Where a server of this address is connected to: what it leaves open is as the client had it.
    pub(crate) fn address_of_server(&self, address: SocketAddr) -> SocketAddr {
        let Some(destination) = self.destination() else {
            return address;
        };
        let ip = if address.ip().is_unspecified() {
            destination.ip()
        } else {
            address.ip()
        };
        let port = if address.port() == 0 {
            destination.port()
        } else {
            address.port()
        };
        SocketAddr::new(ip, port)
    }

    /// What rules on the mere connection set holds for all its requests.
    fn put_source(&self, address: SocketAddr) {
        self.source.set(Some(address));
        if self.is_of_connection() {
            self.client.tell(|told| told.source = Some(address));
        }
        if self.phase.get() == Phase::Connection {
            self.client.tell(|told| told.seen.source = Some(address));
        }
    }

    fn put_destination(&self, address: SocketAddr) {
        self.destination.set(Some(address));
        if self.is_of_connection() {
            self.client.tell(|told| told.destination = Some(address));
        }
        if self.phase.get() == Phase::Connection {
            self.client.tell(|told| told.seen.destination = Some(address));
        }
    }

    fn is_of_connection(&self) -> bool {
        matches!(self.phase(), Phase::Connection | Phase::Session)
    }
}

fn host(address: Option<SocketAddr>) -> IpAddr {
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip())
}
