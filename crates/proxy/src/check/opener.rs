//! The connections that checks are made on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::run::{NoWire, Opened, Opener, Opening};
use super::spec::CheckSpec;
use super::step::Connect;
use crate::proxy_protocol::{local2, version1};
use crate::spec::{ServerAddress, ServerTls};
use crate::tls;
use crate::upstream::connect;
use crate::upstream::state::ServerState;

/// Connects to a server, or to where its checks go instead.
pub(super) struct ToServer {
    pub(super) state: Arc<ServerState>,
    /// How checks connect where their steps don't say; an agent is spoken to in the clear.
    pub(super) check: Option<Arc<CheckSpec>>,
}

impl ToServer {
    /// The address, with what is said elsewhere in place of the server's own.
    fn target(&self, step: &Connect, port: Option<u16>) -> Option<ServerAddress> {
        let (address, own_port) = self.elsewhere();
        let ip = step.address.or(address);
        let port = port.or(own_port);
        Some(match (self.state.address(), ip) {
            (ServerAddress::Tcp(own), ip) => {
                let ip = ip.unwrap_or(own.ip());
                ServerAddress::Tcp(SocketAddr::new(ip, port.unwrap_or(own.port())))
            }
            (_, Some(ip)) => ServerAddress::Tcp(SocketAddr::new(ip, port?)),
            (local, None) => local,
        })
    }

    /// `addr` and `port`, or what an agent has in their place, as they are now: operators may change them.
    fn elsewhere(&self) -> (Option<IpAddr>, Option<u16>) {
        let spec = self.state.spec();
        let check = spec.check.as_ref();
        let address = check.and_then(|check| check.address);
        match (&self.check, &spec.agent) {
            (None, Some(agent)) => (agent.address.or(address), Some(agent.port)),
            _ => (address, check.and_then(|check| check.port)),
        }
    }

    /// What hands are shaken with for this step, and the name to ask for.
    fn tls<'a>(&'a self, step: &'a Connect) -> Option<(&'a ServerTls, Option<&'a str>)> {
        let check = self.check.as_ref()?;
        let by_default = step.defaults && check.speaks_tls;
        if !(step.tls || by_default) {
            return None;
        }
        let own = check.sni.as_deref().filter(|_| by_default);
        Some((check.tls.as_deref()?, step.sni.as_deref().or(own)))
    }

    /// The header that the connection begins with: a check speaks for nobody.
    fn header(&self, step: &Connect) -> Option<Vec<u8>> {
        let check = self.check.as_ref()?;
        if step.defaults && check.sends_proxy {
            return Some(if check.proxy_binary {
                local2()
            } else {
                version1(None)
            });
        }
        step.send_proxy.then(|| version1(None))
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
            let from = self.check.as_ref().and_then(|check| check.source.as_deref());
            let mut stream = connect::open_from(&target, from).await.map_err(failure)?;
            let source = stream.local();
            if !step.linger {
                // Nobody waits for the rest of a check's connection.
                stream.reset_on_close();
            }
            if let Some(header) = self.header(step) {
                stream.write_all(&header).await.map_err(failure)?;
            }
            let mut speaks_tls = false;
            if let Some((tls, name)) = self.tls(step) {
                let shaken = tls::connect(stream, &tls.connector, name.map(str::as_bytes), None).await;
                stream = shaken
                    .map_err(|why| NoWire::Tls(format!("SSL handshake failure ({why})")))?
                    .0;
                speaks_tls = true;
            }
            Ok(Opened {
                source,
                destination,
                tls: speaks_tls,
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
