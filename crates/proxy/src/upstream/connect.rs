//! Connecting to a server.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::Server;
use super::assign::{NoSlot, OnDrop, Wish, assign};
use crate::check::Traffic;
use crate::log::Level;
use crate::spec::ServerAddress;
use crate::stream::Stream;
use crate::timeouts::Timer;
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
}

/// Connects to the server that the transaction is at, trying again as the backend says. A retry on the same server waits
/// a moment, as that server may be restarting; one on another server doesn't. The transaction is at the server that was
/// reached then.
pub(crate) async fn connect(
    backend: &Backend,
    first: Rc<Server>,
    timer: &Timer,
    txn: &Txn,
) -> Result<(Rc<Server>, Stream), ConnectFailure> {
    let limit = txn.timeouts(&backend.spec.timeouts).connect;
    let mut server = first;
    loop {
        let gone = OnDrop(txn, *b"CC");
        let address = server.address_for(txn.destination());
        let opened = timer.limit(limit, open_for(&address, txn)).await;
        gone.stays();
        let failure = match opened {
            Ok(Ok(stream)) => {
                server.saw(Traffic::Connected);
                return Ok((server, stream));
            }
            Ok(Err(why)) => {
                txn.usage.server_error.set(Some(error_number(&why)));
                ConnectFailure::Refused
            }
            Err(_) => ConnectFailure::TimedOut,
        };
        server.saw(Traffic::NotConnected);
        let retry = txn.facts.borrow().retries + 1;
        if retry > txn.retries(backend) {
            return Err(failure);
        }
        txn.facts.borrow_mut().retries = retry;
        server = next_server(backend, server, timer, txn, retry)
            .await
            .map_err(ConnectFailure::NoServer)?;
    }
}

/// The server for a retry, with room taken at it: another one if the backend says so for this retry, or if the one that
/// failed is down by now.
pub(crate) async fn next_server(
    backend: &Backend,
    server: Rc<Server>,
    timer: &Timer,
    txn: &Txn,
    retry: u32,
) -> Result<Rc<Server>, NoSlot> {
    let bound = txn.usage.is_bound.get();
    if bound || !backend.spec.redispatches(retry, txn.retries(backend)) {
        let second = Duration::from_secs(1);
        let pause = txn
            .timeouts(&backend.spec.timeouts)
            .connect
            .map_or(second, |t| t.min(second));
        let gone = OnDrop(txn, *b"CC");
        timer.sleep(pause).await;
        gone.stays();
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
    if !Rc::ptr_eq(&other, &server) {
        txn.facts.borrow_mut().redispatched = true;
    }
    txn.choose_server(slot);
    Ok(other)
}

/// The number by which fetches know what went wrong.
fn error_number(why: &io::Error) -> u8 {
    match why.kind() {
        io::ErrorKind::ConnectionRefused => 46,
        io::ErrorKind::ConnectionReset => 47,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => 48,
        io::ErrorKind::OutOfMemory => 4,
        io::ErrorKind::AddrNotAvailable => 9,
        _ => 6,
    }
}

/// Connects to a server for a transaction, as its rules want it.
async fn open_for(address: &ServerAddress, txn: &Txn) -> io::Result<Stream> {
    let ServerAddress::Tcp(written) = address else {
        return open(address).await;
    };
    let address = txn.address_of_server(*written);
    if !txn.overrides.marks_server() {
        return open(&ServerAddress::Tcp(address)).await;
    }
    let tcp = connect_marked(address, txn).await?;
    tcp.set_nodelay(true)?;
    Ok(Stream::Tcp(tcp))
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

/// A connection whose packets are marked from the first one on.
async fn connect_marked(address: SocketAddr, txn: &Txn) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    let options = socket2::SockRef::from(&socket);
    let tos = txn.overrides.server_tos.get().map(|tos| match address.is_ipv4() {
        true => options.set_tos_v4(tos.into()),
        false => options.set_tclass_v6(tos.into()),
    });
    let mark = txn.overrides.server_mark.get().map(|mark| options.set_mark(mark));
    for (what, set) in [("type of service", tos), ("mark", mark)] {
        if let Some(Err(why)) = set {
            let message = format!("the {what} of the server's packets can't be set: {why}");
            txn.log(Level::Warning, &message);
        }
    }
    socket.connect(address).await
}

/// Connecting to a local name either works at once or not at all.
fn connect_abstract(name: &[u8]) -> io::Result<UnixStream> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM.nonblocking(), None)?;
    socket.connect(&crate::listener::abstract_address(name)?)?;
    UnixStream::from_std(socket.into())
}
