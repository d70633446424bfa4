//! The connections that checks are made on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::run::{NoWire, Opened, Opener, Opening};
use super::step::Connect;
use crate::spec::ServerAddress;
use crate::upstream::connect;
use crate::upstream::state::ServerState;

/// Connects to a server, or to where its checks go instead.
pub(super) struct ToServer {
    pub(super) state: Arc<ServerState>,
    /// `addr`
    pub(super) address: Option<IpAddr>,
    /// `port`
    pub(super) port: Option<u16>,
}

impl ToServer {
    /// The address, with what is said elsewhere in place of the server's own.
    fn target(&self, step: &Connect, port: Option<u16>) -> Option<ServerAddress> {
        let ip = step.address.or(self.address);
        let port = port.or(self.port);
        Some(match (self.state.address(), ip) {
            (ServerAddress::Tcp(own), ip) => {
                let ip = ip.unwrap_or(own.ip());
                ServerAddress::Tcp(SocketAddr::new(ip, port.unwrap_or(own.port())))
            }
            (_, Some(ip)) => ServerAddress::Tcp(SocketAddr::new(ip, port?)),
            (local, None) => local,
        })
    }
}

impl Opener for ToServer {
    fn open<'a>(&'a self, step: &'a Connect, port: Option<u16>) -> Opening<'a> {
        Box::pin(async move {
            let target = self.target(step, port);
            let target = target.ok_or_else(|| NoWire::Socket("no port to connect to".to_owned()))?;
            let destination = match &target {
                ServerAddress::Tcp(address) if address.port() == 0 => {
                    return Err(NoWire::Socket("no port to connect to".to_owned()));
                }
                ServerAddress::Tcp(address) => Some(*address),
                ServerAddress::Unix(_) | ServerAddress::Abstract(_) => None,
            };
            let stream = connect::open(&target).await.map_err(failure)?;
            if !step.linger {
                // Nobody waits for the rest of a check's connection.
                stream.reset_on_close();
            }
            Ok(Opened {
                source: stream.local(),
                destination,
                wire: Box::new(stream),
            })
        })
    }
}

/// The system's own shortage says nothing of the server.
fn failure(why: io::Error) -> NoWire {
    const NO_DESCRIPTORS: [i32; 2] = [23, 24];
    match why.raw_os_error() {
        Some(number) if NO_DESCRIPTORS.contains(&number) => NoWire::Socket(why.to_string()),
        _ => NoWire::Connection(why),
    }
}
