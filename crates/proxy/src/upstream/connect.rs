//! Connecting to a server.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tidegate_sample::{NoSession, Type, Value, cast};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::Server;
use super::assign::{NoSlot, OnDrop, Wish, assign};
use super::manner::{Made, Manner};
use super::open::Life;
use super::socks;
use crate::check::Traffic;
use crate::log::Level;
use crate::spec::{PresentedAs, ServerAddress, ServerSpec, SourceSpec};
use crate::stream::Stream;
use crate::timeouts::Timer;
use crate::tls;
use crate::txn::Txn;
use crate::worker::Backend;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectFailure {
    /// No other server had room.
    NoServer(NoSlot),
    /// The server refused, or can't be reached.
    Refused,
    /// The server didn't answer within `timeout connect`.
    TimedOut,
    /// There is no descriptor, port or memory left for it, which is nobody's fault but ours.
    Exhausted,
}

/// A connection, and how it was made.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) made: Made,
}

/// Connects to the server that the transaction is at, trying again as the backend says. A retry on the same server waits
/// a moment, as that server may be restarting; one on another server doesn't. The transaction is at the server that was
/// reached then.
pub(crate) async fn connect(
    backend: &Backend,
    first: Rc<Server>,
    timer: &Timer,
    txn: &Txn,
) -> Result<(Rc<Server>, Opened), ConnectFailure> {
    let limit = txn.timeouts(&backend.spec.timeouts).connect;
    let mut server = first;
    loop {
        let gone = OnDrop::new(txn, *b"CC");
        let opened = timer.limit(limit, open_for(&server, txn, backend)).await;
        gone.stays();
        let failure = match opened {
            Ok(Ok(opened)) => {
                server.saw(Traffic::Connected);
                return Ok((server, opened));
            }
            Ok(Err(why)) => {
                txn.usage.server_error.set(Some(error_number(&why)));
                match is_shortage(&why) {
                    true => ConnectFailure::Exhausted,
                    false => ConnectFailure::Refused,
                }
            }
            Err(_) => ConnectFailure::TimedOut,
        };
        let exhausted = failure == ConnectFailure::Exhausted;
        if !exhausted {
            server.saw(Traffic::NotConnected);
        }
        let retry = txn.facts.borrow().retries + 1;
        if retry > txn.retries(backend) || !backend.spec.retry_on.connection {
            return Err(failure);
        }
        txn.facts.borrow_mut().retries = retry;
        let turn_around = txn.turn_around(backend);
        if exhausted {
            // Another server would need as much. A moment later others may have let go of something.
            turn(turn_around, timer, txn).await;
            continue;
        }
        server = next_server(backend, server, timer, txn, retry, Some(turn_around))
            .await
            .map_err(ConnectFailure::NoServer)?;
    }
}

/// The server for a retry, with room taken at it: another one if the backend says so for this retry, or if the one that
/// failed is down by now. A retry at the same one comes after a pause, if one is given.
pub(crate) async fn next_server(
    backend: &Backend,
    server: Rc<Server>,
    timer: &Timer,
    txn: &Txn,
    retry: u32,
    pause: Option<Duration>,
) -> Result<Rc<Server>, NoSlot> {
    let bound = txn.usage.is_bound.get();
    if bound || !leaves(backend, txn, retry) {
        if let Some(pause) = pause {
            turn(pause, timer, txn).await;
        }
        if bound || server.state.is_up() {
            return Ok(server);
        }
    }
    // Whoever waits for the room that it had shall have it.
    txn.usage.leave_server();
    let wish = Wish {
        server: None,
        avoid: Some(server.clone()),
    };
    let slot = assign(backend, txn, timer, wish).await?;
    let other = slot.server().clone();
    let is_same = Rc::ptr_eq(&other, &server);
    if !is_same {
        txn.leaves_its_server();
    }
    txn.choose_server(slot);
    if let Some(pause) = pause.filter(|_| is_same) {
        turn(pause, timer, txn).await;
    }
    Ok(other)
}

/// Waits before a server is tried again.
async fn turn(pause: Duration, timer: &Timer, txn: &Txn) {
    let gone = OnDrop::new(txn, *b"CC");
    timer.sleep(pause).await;
    gone.stays();
}

/// Whether a retry goes to another server: those that belong to theirs stay there as long as the backend says, others
/// leave as soon as there is another.
fn leaves(backend: &Backend, txn: &Txn, retry: u32) -> bool {
    let is_free = backend.spec.redispatch != 0 && !txn.usage.belongs.get();
    let has_others = || {
        let servers = backend.balancer.servers();
        servers
            .iter()
            .filter(|server| server.state.is_usable())
            .nth(1)
            .is_some()
    };
    backend.spec.redispatches(retry, txn.retries(backend)) || is_free && has_others()
}

/// Whether it is the process or the system that has nothing left to connect with: descriptors, memory, buffers, ports.
pub(crate) fn is_shortage(why: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const EADDRINUSE: i32 = 98;
    const EADDRNOTAVAIL: i32 = 99;
    const ENOBUFS: i32 = 105;
    why.raw_os_error()
        .is_some_and(|number| [ENOMEM, ENFILE, EMFILE, EADDRINUSE, EADDRNOTAVAIL, ENOBUFS].contains(&number))
}

/// The number by which fetches know what went wrong.
fn error_number(why: &io::Error) -> u8 {
    if let Some(number) = tls::server_error(why).or_else(|| socks::number(why)) {
        return number;
    }
    match why.kind() {
        io::ErrorKind::AddrInUse => 10,
        io::ErrorKind::ConnectionRefused => 46,
        io::ErrorKind::ConnectionReset => 47,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => 48,
        io::ErrorKind::OutOfMemory => 4,
        io::ErrorKind::AddrNotAvailable => 9,
        _ => 6,
    }
}

/// Connects to a server for a transaction, as its rules and the server want it.
async fn open_for(server: &Server, txn: &Txn, backend: &Backend) -> io::Result<Opened> {
    let spec = &server.spec;
    let manner = Manner::of(server, txn);
    let life = Life::begin(server, &backend.descriptors).await;
    let address = server.address_for(txn.destination());
    let mut stream = match address {
        ServerAddress::Tcp(written) => {
            let wanted = txn.address_of_server(written);
            let address = spec.socks.unwrap_or(wanted);
            let plain = !txn.overrides.marks_server() && spec.source.is_none();
            let tcp = match plain {
                true => TcpStream::connect(address).await?,
                false => connect_from(address, spec.source.as_deref(), &server.next_port, txn).await?,
            };
            tcp.set_nodelay(true)?;
            tune(&tcp, spec)?;
            if let Some(keepalive) = spec.keepalive {
                keepalive.apply(&socket2::SockRef::from(&tcp))?;
            }
            let mut stream = Stream::Tcp(tcp);
            if spec.socks.is_some() {
                socks::ask(&mut stream, wanted).await?;
            }
            stream
        }
        other => open(&other).await?,
    };
    if backend.spec.closing.no_linger {
        stream.reset_on_close();
    }
    if let Some(header) = manner.as_ref().and_then(|manner| manner.header.as_ref()) {
        stream.write_all(header).await?;
    }
    let mut known = None;
    if let Some(spec) = &spec.tls {
        if !life.takes_tls() {
            return Err(io::Error::other("too many connections over TLS"));
        }
        let sni = manner.as_ref().and_then(|manner| manner.sni.as_deref());
        // Boxed: handshakes are rare beside requests.
        let only = manner.as_ref().and_then(|manner| manner.proto);
        let (secure, seen) = Box::pin(tls::connect(stream, &spec.connector, sni, only)).await?;
        stream = secure;
        known = Some(seen);
    }
    *txn.server_tls.borrow_mut() = known.clone();
    Ok(Opened {
        stream,
        made: Made {
            manner,
            tls: known,
            life,
        },
    })
}

/// Tells a connection to a server what the server's line and the process say of it.
fn tune(tcp: &TcpStream, spec: &ServerSpec) -> io::Result<()> {
    let socket = socket2::SockRef::from(tcp);
    if spec.user_timeout.is_some() {
        socket.set_tcp_user_timeout(spec.user_timeout)?;
    }
    if let Some(congestion) = &spec.congestion {
        // Without the algorithm it is the system's own.
        let _ = socket.set_tcp_congestion(congestion.as_bytes());
    }
    spec.buffers.apply(&socket)
}

/// Connects to an address.
pub(crate) async fn open(address: &ServerAddress) -> io::Result<Stream> {
    match address {
        ServerAddress::Tcp(address) => {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            Ok(Stream::Tcp(tcp))
        }
        ServerAddress::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        ServerAddress::Abstract(name) => Ok(Stream::Unix(connect_abstract(name)?)),
    }
}

/// Connects to a server as it wants it, for whoever speaks for no client: log lines, peers.
pub(crate) async fn dial(server: &ServerSpec, address: &ServerAddress) -> io::Result<Stream> {
    let stream = open_from(address, server.source.as_deref()).await?;
    if let Stream::Tcp(tcp) = &stream {
        tune(tcp, server)?;
    }
    let Some(tls) = &server.tls else {
        return Ok(stream);
    };
    let name = tls.sni.as_ref().and_then(|sni| sni.eval(&NoSession));
    let name = match name.and_then(|name| cast(name, Type::Bin)) {
        Some(Value::Bin(name) | Value::Str(name)) => Some(name),
        _ => None,
    };
    let shaken = tls::connect(stream, &tls.connector, name.as_deref(), None).await;
    shaken.map(|(stream, _)| stream)
}

/// Connects to an address from where the server's connections come, for whoever speaks for no client.
pub(crate) async fn open_from(address: &ServerAddress, source: Option<&SourceSpec>) -> io::Result<Stream> {
    let (ServerAddress::Tcp(address), Some(source)) = (address, source) else {
        return open(address).await;
    };
    let socket = match address.is_ipv4() {
        true => TcpSocket::new_v4()?,
        false => TcpSocket::new_v6()?,
    };
    if let Some(interface) = &source.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if !source.ip.is_unspecified() && source.ip.is_ipv4() == address.is_ipv4() {
        // Ports of a range are for clients.
        socket.bind(SocketAddr::new(source.ip, 0))?;
    }
    let tcp = socket.connect(*address).await?;
    tcp.set_nodelay(true)?;
    Ok(Stream::Tcp(tcp))
}

/// A connection that comes from where it should, and whose packets are marked from the first one on.
async fn connect_from(
    address: SocketAddr,
    source: Option<&SourceSpec>,
    next_port: &Cell<u16>,
    txn: &Txn,
) -> io::Result<TcpStream> {
    let presented = source.and_then(|source| presented_as(source, txn));
    let presented = presented.filter(|from| from.is_ipv4() == address.is_ipv4());
    let ports = match (source, presented) {
        (Some(source), None) => u32::from(source.last_port - source.first_port) + 1,
        _ => 1,
    };
    let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ports {
        let socket = match address.is_ipv4() {
            true => TcpSocket::new_v4()?,
            false => TcpSocket::new_v6()?,
        };
        mark(&socket, address, txn);
        let Some(source) = source else {
            return socket.connect(address).await;
        };
        if let Some(interface) = &source.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        let from = match presented {
            Some(from) => {
                let options = socket2::SockRef::from(&socket);
                match from.is_ipv4() {
                    true => options.set_ip_transparent_v4(true)?,
                    false => options.set_ip_transparent_v6(true)?,
                }
                from
            }
            None => {
                // The ports of a range come in turn, so that one that was just used rests for as long as can be.
                let turn = u32::from(next_port.replace(next_port.get().wrapping_add(1))) % ports;
                let port = u32::from(source.first_port) + turn;
                SocketAddr::new(source.ip, u16::try_from(port).unwrap_or_default())
            }
        };
        if from.port() != 0 {
            socket.set_reuseaddr(true)?;
        }
        let nowhere = from.ip().is_unspecified() && from.port() == 0;
        let bound = if nowhere { Ok(()) } else { socket.bind(from) };
        let connected = match bound {
            Ok(()) => socket.connect(address).await,
            Err(why) => Err(why),
        };
        match connected {
            Err(why)
                if matches!(
                    why.kind(),
                    io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
                ) =>
            {
                taken = why;
            }
            result => return result,
        }
    }
    Err(taken)
}

/// `usesrc`: the address that the server is to see in place of ours.
pub(super) fn presented_as(source: &SourceSpec, txn: &Txn) -> Option<SocketAddr> {
    match source.presented_as.as_ref()? {
        PresentedAs::Client => txn.source(),
        PresentedAs::ClientIp => txn.source().map(|client| SocketAddr::new(client.ip(), 0)),
        PresentedAs::Fixed(address) => Some(*address),
        PresentedAs::Sampled(expr) => match expr.eval(txn)? {
            Value::Ipv4(ip) => Some(SocketAddr::new(ip.into(), 0)),
            Value::Ipv6(ip) => Some(SocketAddr::new(ip.into(), 0)),
            _ => None,
        },
    }
}

fn mark(socket: &TcpSocket, address: SocketAddr, txn: &Txn) {
    let options = socket2::SockRef::from(socket);
    let tos = txn.overrides.server_tos().map(|tos| match address.is_ipv4() {
        true => options.set_tos_v4(tos.into()),
        false => options.set_tclass_v6(tos.into()),
    });
    let mark = txn.overrides.server_mark().map(|mark| options.set_mark(mark));
    for (what, set) in [("type of service", tos), ("mark", mark)] {
        if let Some(Err(why)) = set {
            let message = format!("the {what} of the server's packets can't be set: {why}");
            txn.log(Level::Warning, &message);
        }
    }
}

/// Connecting to a local name either works at once or not at all.
fn connect_abstract(name: &[u8]) -> io::Result<UnixStream> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM.nonblocking(), None)?;
    socket.connect(&crate::listener::abstract_address(name)?)?;
    UnixStream::from_std(socket.into())
}
