//! Connecting to a server.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::Server;
use super::balance::Balancer;
use crate::check::Traffic;
use crate::log::Level;
use crate::spec::{ServerAddress, Timeouts};
use crate::stream::Stream;
use crate::timeouts::Timer;
use crate::txn::Txn;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectFailure {
    /// No server is usable.
    NoServer,
    /// The server refused, or can't be reached.
    Refused,
    /// The server didn't answer within `timeout connect`.
    TimedOut,
}

/// How often and where to try.
#[derive(Clone, Copy)]
pub(crate) struct Attempts {
    pub(crate) retries: u32,
    pub(crate) redispatch: bool,
}

/// Connects to `first`, trying again as the backend says. A retry on the same server waits a moment, as that server may
/// be restarting; one on another server doesn't.
pub(crate) async fn connect(
    balancer: &Balancer,
    first: Rc<Server>,
    attempts: Attempts,
    timeouts: &Timeouts,
    timer: &Timer,
    txn: &Txn,
) -> Result<(Rc<Server>, Stream), ConnectFailure> {
    let mut server = first;
    let mut retry = 0;
    loop {
        txn.choose_server(&server);
        let address = server.address().clone();
        let failure = match timer.limit(timeouts.connect, open_for(&address, txn)).await {
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
        if retry == attempts.retries {
            return Err(failure);
        }
        retry += 1;
        let last = retry == attempts.retries;
        let other = if attempts.redispatch && last {
            balancer.pick(Some(&server))
        } else {
            None
        };
        match other {
            Some(other) if !Rc::ptr_eq(&other, &server) => {
                txn.facts.borrow_mut().redispatched = true;
                server = other;
            }
            _ => {
                let second = Duration::from_secs(1);
                timer
                    .sleep(timeouts.connect.map_or(second, |t| t.min(second)))
                    .await;
                if !server.state.is_up() {
                    server = balancer.pick(Some(&server)).ok_or(ConnectFailure::NoServer)?;
                }
            }
        }
        txn.facts.borrow_mut().retries = retry;
    }
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
