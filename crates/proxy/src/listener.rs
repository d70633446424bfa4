//! Listening sockets.

use std::ffi::OsStr;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::handed::{Handed, is_handed};
use crate::spec::{ListenAddress, ListenerSpec, SocketOptions};
use crate::stream::Stream;

/// A `bind` line whose socket couldn't be had.
#[derive(Debug)]
pub struct BindError {
    /// The line, as the spec gave it.
    pub line: String,
    /// The address.
    pub address: String,
    /// What the system said.
    pub error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: can't listen on {}: {}",
            self.line, self.address, self.error
        )
    }
}

impl std::error::Error for BindError {}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundAddress {
    /// An IP address and the port that was taken.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
    /// A name in the abstract namespace.
    Abstract(Vec<u8>),
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoundAddress::Tcp(address) => address.fmt(f),
            BoundAddress::Unix(path) => write!(f, "{}", path.display()),
            BoundAddress::Abstract(name) => write!(f, "abns@{}", String::from_utf8_lossy(name)),
        }
    }
}

/// A socket that listens, for whoever takes connections beside the workers.
pub struct OpenSocket {
    /// The socket. It doesn't block.
    pub socket: OwnedFd,
    /// Where it listens.
    pub address: BoundAddress,
}

impl OpenSocket {
    /// Opens the socket of a listener, with the same care as those of frontends, or takes the one that the process before
    /// had there.
    ///
    /// # Errors
    /// The socket can't be had.
    pub fn open(spec: &ListenerSpec, handed: &mut Handed) -> Result<OpenSocket, BindError> {
        let failed = |error| BindError {
            line: spec.line.clone(),
            address: described(&spec.address),
            error,
        };
        let mut bound = bind_all(spec, 1, handed).map_err(failed)?;
        let Some(Bound { socket, address }) = bound.pop() else {
            return Err(failed(io::ErrorKind::NotFound.into()));
        };
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(OpenSocket {
            socket: socket.into(),
            address,
        })
    }

    /// A copy for the process that takes this one's place, where such sockets are handed over.
    pub fn to_hand(&self) -> Option<OwnedFd> {
        is_handed(&self.address).then(|| self.socket.try_clone().ok())?
    }
}

/// A socket that listens, not yet on any worker.
pub(crate) struct Bound {
    pub(crate) socket: Socket,
    pub(crate) address: BoundAddress,
}

/// Opens the sockets of one listener, one for each of `workers`: TCP sockets share their port, so that the system spreads
/// connections; others are copies of one socket. Those that the process before had there are taken as they are.
pub(crate) fn bind(
    spec: &ListenerSpec,
    workers: usize,
    handed: &mut Handed,
) -> Result<Vec<Bound>, BindError> {
    bind_all(spec, workers.max(1), handed).map_err(|error| BindError {
        line: spec.line.clone(),
        address: described(&spec.address),
        error,
    })
}

fn bind_all(spec: &ListenerSpec, workers: usize, handed: &mut Handed) -> io::Result<Vec<Bound>> {
    let backlog = backlog(spec);
    match &spec.address {
        ListenAddress::Tcp(address) => {
            let mut bound: Vec<Bound> = Vec::with_capacity(workers);
            let mut address = *address;
            for _ in 0..workers {
                let socket = match handed.take_port(address, spec.v6only, &spec.socket) {
                    Some(socket) => {
                        prepare(&socket, address, &spec.socket)?;
                        socket.listen(backlog)?;
                        socket
                    }
                    None => tcp(address, spec, backlog)?,
                };
                // Port 0 took a free one; the other workers share it.
                address = socket.local_addr()?.as_socket().unwrap_or(address);
                bound.push(Bound {
                    socket,
                    address: BoundAddress::Tcp(address),
                });
            }
            Ok(bound)
        }
        ListenAddress::Unix(path) => {
            let socket = unix(path, spec, backlog)?;
            copies(socket, BoundAddress::Unix(path.clone()), workers)
        }
        ListenAddress::Abstract(name) => {
            let socket = match handed.take_name(name) {
                Some(socket) => socket,
                None => {
                    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                    socket.bind(&abstract_address(name)?)?;
                    socket
                }
            };
            socket.listen(backlog)?;
            copies(socket, BoundAddress::Abstract(name.clone()), workers)
        }
        ListenAddress::Inherited(fd) => {
            let socket = inherited(fd)?;
            let address = bound_address(&socket)?;
            copies(socket, address, workers)
        }
    }
}

/// How many may wait to be accepted.
fn backlog(spec: &ListenerSpec) -> i32 {
    let backlog = spec.backlog.map(|b| b as usize).or(spec.maxconn).unwrap_or(1024);
    i32::try_from(backlog).unwrap_or(i32::MAX)
}

fn tcp(address: SocketAddr, spec: &ListenerSpec, backlog: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if let (Some(v6only), true) = (spec.v6only, address.is_ipv6()) {
        socket.set_only_v6(v6only)?;
    }
    // Workers share it, and so does the process that is to replace this one.
    socket.set_reuse_port(true)?;
    prepare(&socket, address, &spec.socket)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// Tells a socket what it is to know before it listens; its connections inherit that.
fn prepare(socket: &Socket, address: SocketAddr, options: &SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(interface) = &options.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if options.transparent {
        match address.is_ipv4() {
            true => socket.set_ip_transparent_v4(true)?,
            false => socket.set_ip_transparent_v6(true)?,
        }
    }
    if let Some(mss) = options.mss {
        socket.set_tcp_mss(mss.into())?;
    }
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout)?;
    }
    if let Some(keepalive) = options.keepalive {
        keepalive.apply(&SockRef::from(socket))?;
    }
    options.buffers.apply(&SockRef::from(socket))?;
    if let Some(congestion) = &options.congestion {
        socket.set_tcp_congestion(congestion.as_bytes())?;
    }
    Ok(())
}

/// Replaces what a former process left; a socket that someone still listens on is left alone, unless that one is to be
/// replaced too.
fn unix(path: &Path, spec: &ListenerSpec, backlog: i32) -> io::Result<Socket> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if is_socket {
        match std::os::unix::net::UnixStream::connect(path) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Ok(_) if spec.replaces => {
                // Whoever connects finds the one or the other at any moment.
                let mut beside = path.as_os_str().to_owned();
                beside.push(format!(".{}.tmp", std::process::id()));
                let socket = unix_at(beside.as_ref(), spec, backlog)?;
                std::fs::rename(&beside, path)?;
                return Ok(socket);
            }
            _ => return Err(io::Error::from(io::ErrorKind::AddrInUse)),
        }
    }
    unix_at(path, spec, backlog)
}

fn unix_at(path: &Path, spec: &ListenerSpec, backlog: i32) -> io::Result<Socket> {
    use std::os::unix::fs::{PermissionsExt, chown};
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    if spec.unix_user.is_some() || spec.unix_group.is_some() {
        chown(path, spec.unix_user, spec.unix_group)?;
    }
    if let Some(mode) = spec.unix_mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok(socket)
}

/// Opens a socket for datagrams.
pub(crate) fn bind_datagram(spec: &ListenerSpec) -> Result<std::net::UdpSocket, BindError> {
    let open = || {
        let ListenAddress::Tcp(address) = spec.address else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        socket.set_reuse_port(true)?;
        if let Some(interface) = &spec.socket.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if spec.socket.transparent {
            match address.is_ipv4() {
                true => socket.set_ip_transparent_v4(true)?,
                false => socket.set_ip_transparent_v6(true)?,
            }
        }
        spec.socket.buffers.apply(&SockRef::from(&socket))?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(std::net::UdpSocket::from(socket))
    };
    open().map_err(|error| BindError {
        line: spec.line.clone(),
        address: described(&spec.address),
        error,
    })
}

/// The address of a name in the abstract namespace.
pub(crate) fn abstract_address(name: &[u8]) -> io::Result<SockAddr> {
    let path = [b"\0", name].concat();
    SockAddr::unix(OsStr::from_bytes(&path))
}

fn inherited(fd: &OwnedFd) -> io::Result<Socket> {
    let socket = Socket::from(fd.try_clone()?);
    if !socket.is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the inherited descriptor is not listening",
        ));
    }
    Ok(socket)
}

pub(crate) fn bound_address(socket: &Socket) -> io::Result<BoundAddress> {
    let address = socket.local_addr()?;
    if let Some(ip) = address.as_socket() {
        return Ok(BoundAddress::Tcp(ip));
    }
    if let Some(name) = address.as_abstract_namespace() {
        return Ok(BoundAddress::Abstract(name.to_vec()));
    }
    Ok(BoundAddress::Unix(
        address.as_pathname().map(Path::to_path_buf).unwrap_or_default(),
    ))
}

fn copies(socket: Socket, address: BoundAddress, workers: usize) -> io::Result<Vec<Bound>> {
    let mut bound = Vec::with_capacity(workers);
    for _ in 1..workers {
        bound.push(Bound {
            socket: socket.try_clone()?,
            address: address.clone(),
        });
    }
    bound.push(Bound { socket, address });
    Ok(bound)
}

fn described(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => path.display().to_string(),
        ListenAddress::Abstract(name) => format!("abns@{}", String::from_utf8_lossy(name)),
        ListenAddress::Inherited(_) => "an inherited descriptor".to_owned(),
    }
}

/// A listening socket on its worker's runtime.
pub(crate) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    pub(crate) fn new(bound: Bound) -> io::Result<Self> {
        bound.socket.set_nonblocking(true)?;
        match bound.address {
            BoundAddress::Tcp(_) => {
                // One that was handed over may not have been prepared by us.
                bound.socket.set_tcp_nodelay(true)?;
                Ok(Acceptor::Tcp(TcpListener::from_std(bound.socket.into())?))
            }
            _ => Ok(Acceptor::Unix(UnixListener::from_std(bound.socket.into())?)),
        }
    }

    /// The same socket once more, after it was closed: of a port of TCP that is this process's own.
    ///
    /// # Errors
    /// The port can't be had any more.
    pub(crate) fn again(address: SocketAddr, spec: &ListenerSpec) -> io::Result<Self> {
        let socket = tcp(address, spec, backlog(spec))?;
        let address = BoundAddress::Tcp(address);
        Acceptor::new(Bound { socket, address })
    }

    /// Closes the socket after the connections that wait there, which would be reset with it, were handed over.
    ///
    /// # Errors
    /// As accept(2). Nobody more is handed over then.
    pub(crate) fn close(self, mut take: impl FnMut(Stream, Option<SocketAddr>)) -> io::Result<()> {
        // The runtime may not have heard yet who waits. The system knows.
        loop {
            let taken = match &self {
                Acceptor::Tcp(listener) => SockRef::from(listener).accept(),
                Acceptor::Unix(listener) => SockRef::from(listener).accept(),
            };
            let (socket, peer) = match taken {
                Ok(taken) => taken,
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(why) if why.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(why) => return Err(why),
            };
            socket.set_nonblocking(true)?;
            let stream = match &self {
                Acceptor::Tcp(_) => Stream::Tcp(TcpStream::from_std(socket.into())?),
                Acceptor::Unix(_) => Stream::Unix(UnixStream::from_std(socket.into())?),
            };
            take(stream, peer.as_socket());
        }
    }

    /// The next connection and, for TCP, its client's address.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The same, for one task at a time.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Option<SocketAddr>)>> {
        Poll::Ready(match self {
            Acceptor::Tcp(listener) => {
                let (tcp, peer) = ready!(listener.poll_accept(cx))?;
                Ok((Stream::Tcp(tcp), Some(peer)))
            }
            Acceptor::Unix(listener) => Ok((Stream::Unix(ready!(listener.poll_accept(cx))?.0), None)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(spec: &ListenerSpec, workers: usize) -> Result<Vec<Bound>, BindError> {
        super::bind(spec, workers, &mut Handed::default())
    }

    fn loopback(line: &str, port: u16) -> ListenerSpec {
        ListenerSpec::tcp(line, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[tokio::test]
    async fn connections_send_at_once_what_is_to_be_sent() {
        let bound = bind(&loopback("bind :0", 0), 1).unwrap().remove(0);
        let BoundAddress::Tcp(address) = bound.address else {
            panic!("{}", bound.address)
        };
        let client = std::net::TcpStream::connect(address).unwrap();
        let (stream, peer) = Acceptor::new(bound).unwrap().accept().await.unwrap();
        assert!(stream.tcp().unwrap().nodelay().unwrap());
        assert_eq!(peer, client.local_addr().ok());
    }

    #[test]
    fn workers_share_a_port_that_the_system_chose() {
        let bound = bind(&loopback("bind :0", 0), 3).unwrap();
        assert_eq!(bound.len(), 3);
        assert!(bound.iter().all(|b| b.address == bound[0].address));
    }

    #[test]
    fn a_taken_port_is_reported_with_its_line() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        for workers in [1, 2] {
            let error = bind(&loopback("bind :x (a.cfg:3)", port), workers)
                .map(drop)
                .unwrap_err();
            assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
            assert!(
                error
                    .to_string()
                    .starts_with("bind :x (a.cfg:3): can't listen on 127.0.0.1:")
            );
        }
    }

    #[test]
    fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
        let dir = std::env::temp_dir().join(format!("tidegate-listener-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("s.sock");
        let spec = ListenerSpec::new("bind unix", ListenAddress::Unix(path.clone()));
        let first = bind(&spec, 2).unwrap();
        assert_eq!(
            bind(&spec, 1).map(drop).unwrap_err().error.kind(),
            io::ErrorKind::AddrInUse
        );
        let mut next = spec.clone();
        next.replaces = true;
        let second = bind(&next, 1).unwrap();
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert!(second[0].socket.accept().is_ok());
        drop((first, second));
        assert!(bind(&spec, 1).is_ok());
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_inherited_socket_must_be_listening() {
        use std::sync::Arc;
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        let fd = |fd: OwnedFd| ListenerSpec::new("bind fd@", ListenAddress::Inherited(Arc::new(fd)));
        assert_eq!(
            bind(&fd(listening.into()), 2).unwrap()[1].address,
            BoundAddress::Tcp(address)
        );
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(bind(&fd(udp.into()), 1).is_err());
    }
}
