//! The connections that checks are made on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;

use super::exchange::Exchange;
use super::run::{Line, NoWire, Opened, Opener, Opening, Route};
use super::spec::CheckSpec;
use super::step::Connect;
use crate::http1;
use crate::http2;
use crate::proxy_protocol::{About, local2, version1, version2};
use crate::spec::{ServerAddress, ServerProto, ServerTls};
use crate::stream::Stream;
use crate::tls;
use crate::upstream::link::Link;
use crate::upstream::manner::{Made, Manner};
use crate::upstream::open::Life;
use crate::upstream::pool::Claim;
use crate::upstream::shared::BackendState;
use crate::upstream::state::ServerState;
use crate::upstream::{Server, connect, socks};
use crate::worker::{Backend, Worker};

/// Connects to a server, or to where its checks go instead.
pub(super) struct ToServer {
    pub(super) worker: Rc<Worker>,
    pub(super) backend: Arc<BackendState>,
    pub(super) state: Arc<ServerState>,
    /// How checks connect where their steps don't say; an agent is spoken to in the clear.
    pub(super) check: Option<Arc<CheckSpec>>,
}

/// The server as sessions of this worker know it, for checks that share connections with them.
struct Home {
    backend: Rc<Backend>,
    server: Rc<Server>,
    manner: Option<Rc<Manner>>,
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
    fn tls<'a>(&'a self, route: &'a Route<'_>) -> Option<(&'a ServerTls, Option<&'a str>)> {
        let check = self.check.as_ref()?;
        let step = route.connect;
        let by_default = step.defaults && check.speaks_tls;
        if !(step.tls || by_default) {
            return None;
        }
        let own = name_of(check, route).filter(|_| by_default);
        Some((check.tls.as_deref()?, step.sni.as_deref().or(own)))
    }

    /// The header that the connection begins with. A check speaks for nobody, which version 1 has no way to say.
    fn header(&self, step: &Connect, ends: (Option<SocketAddr>, Option<SocketAddr>)) -> Option<Vec<u8>> {
        let check = self.check.as_ref()?;
        if !(step.send_proxy || step.defaults && check.sends_proxy) {
            return None;
        }
        let ends = ends.0.zip(ends.1);
        let told = self.worker.shared.global.pp2_never_local;
        Some(match (check.proxy_binary, ends.filter(|_| told)) {
            (false, _) => version1(ends),
            (true, Some(ends)) => version2(Some(ends), &About::default()),
            (true, None) => local2(),
        })
    }

    /// The proxy of SOCKS by which this step connects.
    fn socks(&self, step: &Connect) -> Option<SocketAddr> {
        let check = self.check.as_ref()?;
        let wanted = step.via_socks || step.defaults && check.via_socks;
        self.state.spec().socks.filter(|_| wanted)
    }

    /// Whether requests go by HTTP/2 over a connection on which TLS agreed on this protocol.
    fn speaks_http2(&self, route: &Route<'_>, agreed: Option<&[u8]>) -> bool {
        let own = self.check.as_ref().filter(|_| route.connect.defaults);
        let proto = match route.connect.proto {
            ServerProto::Any => own.map_or(ServerProto::Any, |check| check.proto),
            proto => proto,
        };
        match proto {
            ServerProto::Any => agreed == Some(b"h2"),
            proto => proto == ServerProto::Http2,
        }
    }

    /// Where connections come from and go to that sessions take too, if this check's do.
    fn home(&self, route: &Route<'_>) -> Option<Home> {
        let check = self.check.as_ref()?;
        if !(check.reuse_pool && route.http && route.connect.defaults) {
            return None;
        }
        let backend = self.worker.backend_of(&self.backend)?;
        let servers = backend.balancer.servers();
        let server = servers
            .iter()
            .find(|server| Arc::ptr_eq(&server.state, &self.state))?;
        let name = check.pool_name.as_deref().or_else(|| name_of(check, route));
        Some(Home {
            backend: backend.clone(),
            manner: Manner::of_check(server, name),
            server: server.clone(),
        })
    }

    /// A stream as the check is to use it.
    async fn line(&self, stream: Stream, route: &Route<'_>, home: Option<Home>) -> Result<Line, NoWire> {
        let global = &self.worker.shared.global;
        let speaks_http2 = route.http && self.speaks_http2(route, stream.alpn());
        if !speaks_http2 && home.is_none() {
            return Ok(Line::Bytes(Box::new(stream)));
        }
        let made = Made {
            manner: home.as_ref().and_then(|home| home.manner.clone()),
            tls: None,
            life: match &home {
                Some(home) => Life::begin(&home.server, &home.backend.descriptors).await,
                None => Life::uncounted(),
            },
        };
        let link = if speaks_http2 {
            let encrypted = matches!(stream, Stream::Tls(_));
            let pulse = home
                .as_ref()
                .and_then(|home| home.server.pulse(&self.worker.wheel));
            let conn = http2::ClientConn::new(stream, made, encrypted, http2::to_servers(global), pulse);
            if let Some(home) = &home {
                home.server.pool.share(&conn);
            }
            Link::Http2(Box::new(conn.stream()))
        } else {
            let lenient = home.as_ref().is_some_and(|home| home.backend.spec.http1.lenient);
            let case = home
                .as_ref()
                .and_then(|home| home.backend.spec.http1.case(global));
            let conn = http1::ClientConn::new(stream, made, global.head_limits(lenient), case);
            Link::Http1(Box::new(conn))
        };
        let exchange = Exchange::new(link, home.map(|home| home.server));
        Ok(Line::Requests(Box::new(exchange)))
    }
}

/// `check-sni`, or the host of the request.
fn name_of<'a>(check: &'a CheckSpec, route: &'a Route<'_>) -> Option<&'a str> {
    let host = || {
        let host = route.host.as_deref().filter(|_| check.sni_auto)?;
        let host = host.split(':').next()?;
        // What can't be asked for isn't.
        ServerName::try_from(host).is_ok().then_some(host)
    };
    check.sni.as_deref().or_else(host)
}

impl Opener for ToServer {
    fn open<'a>(&'a self, route: Route<'a>) -> Opening<'a> {
        Box::pin(async move {
            let step = route.connect;
            let home = self.home(&route);
            if let Some(home) = &home
                && let Some(link) = idle(home)
            {
                return Ok(Opened {
                    source: link.local(),
                    destination: None,
                    tls: self.tls(&route).is_some(),
                    line: Line::Requests(Box::new(Exchange::new(link, Some(home.server.clone())))),
                });
            }
            let target = self.target(step, route.port);
            let target = target.ok_or_else(|| NoWire::Socket("no port to connect to".to_owned()))?;
            let destination = match &target {
                ServerAddress::Tcp(address) if address.port() == 0 => {
                    return Err(NoWire::Socket("no port to connect to".to_owned()));
                }
                ServerAddress::Tcp(address) => Some(*address),
                ServerAddress::Unix(_) | ServerAddress::Abstract(_) => None,
            };
            let socks = self.socks(step).filter(|_| destination.is_some());
            let to = socks.map_or(target, ServerAddress::Tcp);
            let from = self.check.as_ref().and_then(|check| check.source.as_deref());
            let mut stream = connect::open_from(&to, from).await.map_err(failure)?;
            let source = stream.local();
            if !step.linger && home.is_none() {
                // Nobody waits for the rest of a check's connection.
                stream.reset_on_close();
            }
            if let (Some(_), Some(destination)) = (socks, destination) {
                socks::ask(&mut stream, destination).await.map_err(failure)?;
            }
            if let Some(header) = self.header(step, (source, destination)) {
                stream.write_all(&header).await.map_err(failure)?;
            }
            let mut speaks_tls = false;
            if let Some((tls, name)) = self.tls(&route) {
                let own = self.check.as_ref().filter(|_| step.defaults);
                let offered = step.alpn.as_ref().or(own.and_then(|check| check.alpn.as_ref()));
                let offered = offered.map(Vec::as_slice);
                let name = name.map(str::as_bytes);
                let shaken = tls::connect_offering(stream, &tls.connector, name, offered).await;
                stream = shaken.map_err(|why| NoWire::Tls(no_tls(&why)))?.0;
                speaks_tls = true;
            }
            Ok(Opened {
                source,
                destination,
                tls: speaks_tls,
                line: self.line(stream, &route, home).await?,
            })
        })
    }
}

/// One that sessions have left, or let others use too.
fn idle(home: &Home) -> Option<Link> {
    home.server.idle_connection(&Claim {
        reuse: home.backend.spec.reuse,
        manner: home.manner.as_deref(),
        session: usize::MAX,
        is_first: true,
    })
}

/// What went wrong with TLS: the server may just have closed the connection.
fn no_tls(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::UnexpectedEof => "Connection closed during SSL handshake".to_owned(),
        _ if why.get_ref().is_none() => "Connection closed during SSL handshake".to_owned(),
        _ => format!("SSL handshake failure ({why})"),
    }
}

/// The system's own shortage says nothing of the server.
fn failure(why: io::Error) -> NoWire {
    match connect::is_shortage(&why) {
        true => NoWire::Shortage(why.to_string()),
        false => NoWire::Connection(why),
    }
}
