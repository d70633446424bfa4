//! Listening sockets that go from a process to the one that takes its place, so that nobody who connects meanwhile is lost:
//! neither who waits to be accepted nor whose handshake is under way.
//!
//! Only ports of TCP and names in the abstract namespace are handed over. At a path the next process listens before the
//! one before has closed its own socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::Socket;

use crate::listener::{Bound, BoundAddress, bound_address};
use crate::spec::SocketOptions;

/// The sockets that a process was given and has not used yet. They are closed with this.
#[derive(Default)]
pub struct Handed(Vec<(BoundAddress, Socket)>);

impl Handed {
    /// Those among these that listen.
    pub fn new(sockets: Vec<OwnedFd>) -> Self {
        let known = sockets.into_iter().filter_map(|socket| {
            let socket = Socket::from(socket);
            let listens = socket.is_listener().unwrap_or(false);
            listens.then_some((bound_address(&socket).ok()?, socket))
        });
        Handed(known.collect())
    }

    /// A socket of this port that was made as a new one would be. What of its options can be set again is left to the caller.
    pub(crate) fn take_port(
        &mut self,
        address: SocketAddr,
        v6only: Option<bool>,
        options: &SocketOptions,
    ) -> Option<Socket> {
        self.take(&BoundAddress::Tcp(address), |socket| {
            // It says something of the wildcard alone.
            let is_wildcard = address.is_ipv6() && address.ip().is_unspecified();
            let same_family = !is_wildcard || socket.only_v6()? == v6only.unwrap_or(false);
            let interface = options.interface.as_ref().map(|name| name.as_bytes());
            let transparent = match address.is_ipv4() {
                true => socket.ip_transparent_v4()?,
                false => socket.ip_transparent_v6()?,
            };
            let same_way = socket.device()?.as_deref() == interface && transparent == options.transparent;
            Ok(same_family && same_way)
        })
    }

    /// The socket of a name in the abstract namespace.
    pub(crate) fn take_name(&mut self, name: &[u8]) -> Option<Socket> {
        self.take(&BoundAddress::Abstract(name.to_vec()), |_| Ok(true))
    }

    fn take(&mut self, address: &BoundAddress, fits: impl Fn(&Socket) -> io::Result<bool>) -> Option<Socket> {
        let is_it = |(at, socket): &(BoundAddress, Socket)| at == address && fits(socket).unwrap_or(false);
        let at = self.0.iter().position(is_it)?;
        Some(self.0.remove(at).1)
    }
}

/// Whether sockets there are handed over.
pub(crate) fn is_handed(address: &BoundAddress) -> bool {
    matches!(address, BoundAddress::Tcp(_) | BoundAddress::Abstract(_))
}

/// The sockets that a process hands over: copies of those that it listens on.
#[derive(Default)]
pub(crate) struct ToHand(Vec<OwnedFd>);

impl ToHand {
    /// Takes in the sockets of one listener. One that can't be copied isn't handed over.
    pub(crate) fn add(&mut self, bound: &[Bound]) {
        let sockets = match bound.first().map(|first| &first.address) {
            Some(address) if !is_handed(address) => &[],
            // Workers have copies of one socket, where it isn't a port.
            Some(BoundAddress::Abstract(_)) => bound.get(..1).unwrap_or_default(),
            _ => bound,
        };
        let copies = sockets.iter().filter_map(|bound| bound.socket.try_clone().ok());
        self.0.extend(copies.map(OwnedFd::from));
    }

    pub(crate) fn into_sockets(self) -> Vec<OwnedFd> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::listener::bind;
    use crate::spec::{ListenAddress, ListenerSpec};

    fn handed(bound: &[Bound]) -> Handed {
        let mut to_hand = ToHand::default();
        to_hand.add(bound);
        Handed::new(to_hand.into_sockets())
    }

    fn loopback(port: u16) -> ListenerSpec {
        ListenerSpec::tcp("bind", SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[test]
    fn who_waits_at_a_port_is_found_by_the_next() {
        let old = bind(&loopback(0), 1, &mut Handed::default()).unwrap();
        let BoundAddress::Tcp(address) = old[0].address else {
            panic!()
        };
        let client = TcpStream::connect(address).unwrap();
        let mut handed = handed(&old);
        drop(old);
        let new = bind(&loopback(address.port()), 2, &mut handed).unwrap();
        let (_, peer) = new[0].socket.accept().unwrap();
        assert_eq!(peer.as_socket(), client.local_addr().ok());
        assert_eq!(new[1].address, BoundAddress::Tcp(address));
        assert!(handed.0.is_empty());
    }

    #[test]
    fn a_socket_of_another_address_or_way_is_not_taken() {
        let spec = ListenerSpec::tcp("bind", "[::1]:0".parse().unwrap());
        let v6 = bind(&spec, 1, &mut Handed::default()).unwrap();
        let BoundAddress::Tcp(address) = v6[0].address else {
            panic!()
        };
        let mut handed = handed(&v6);
        let options = SocketOptions::default();
        let other = SocketAddr::from(([127, 0, 0, 1], address.port()));
        assert!(handed.take_port(other, None, &options).is_none());
        let device = SocketOptions {
            interface: Some("lo".into()),
            ..SocketOptions::default()
        };
        assert!(handed.take_port(address, None, &device).is_none());
        assert!(handed.take_port(address, None, &options).is_some());
        assert!(handed.take_port(address, None, &options).is_none());
    }

    #[test]
    fn a_name_goes_on_with_copies_of_one_socket() {
        let name = format!("tidegate-handed-{}", std::process::id()).into_bytes();
        let spec = ListenerSpec::new("bind", ListenAddress::Abstract(name));
        let old = bind(&spec, 2, &mut Handed::default()).unwrap();
        // Nobody else can listen there.
        assert!(bind(&spec, 1, &mut Handed::default()).is_err());
        let mut handed = handed(&old);
        assert_eq!(handed.0.len(), 1);
        drop(old);
        assert_eq!(bind(&spec, 2, &mut handed).unwrap().len(), 2);
    }

    #[test]
    fn what_does_not_listen_is_no_socket_to_take() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(Handed::new(vec![file.into(), datagrams.into()]).0.is_empty());
    }
}
