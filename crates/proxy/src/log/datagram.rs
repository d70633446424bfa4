//! Lines as datagrams, sent at once and without waiting.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sockets of one thread. None is connected: a receiver that comes back gets the next line, and one that is away
/// costs no other line.
#[derive(Default)]
struct Sockets {
    ipv4: Option<UdpSocket>,
    ipv6: Option<UdpSocket>,
    unix: Option<UnixDatagram>,
}

thread_local! {
    static SOCKETS: std::cell::RefCell<Sockets> = std::cell::RefCell::default();
}

/// `tune.sndbuf.backend`: what the system holds of lines that weren't sent yet; 0 lets it decide.
static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Lets the system hold so many bytes for each socket that lines leave by from now on.
pub(crate) fn hold_bytes(bytes: Option<usize>) {
    HELD_BYTES.store(bytes.unwrap_or(0), Ordering::Relaxed);
}

/// What all of them are told.
fn prepared<S: AsFd>(socket: S) -> io::Result<S> {
    let held = HELD_BYTES.load(Ordering::Relaxed);
    if held > 0 {
        socket2::SockRef::from(&socket).set_send_buffer_size(held)?;
    }
    Ok(socket)
}

/// Sends to an IP address.
///
/// # Errors
/// What keeps it from being sent now, a full buffer included.
pub(super) fn udp(to: SocketAddr, line: &[u8]) -> io::Result<()> {
    SOCKETS.with_borrow_mut(|sockets| {
        let (socket, any) = match to {
            SocketAddr::V4(_) => (&mut sockets.ipv4, "0.0.0.0:0"),
            SocketAddr::V6(_) => (&mut sockets.ipv6, "[::]:0"),
        };
        let socket = ready(socket, || {
            let socket = UdpSocket::bind(any)?;
            socket.set_nonblocking(true)?;
            prepared(socket)
        })?;
        socket.send_to(line, to).map(drop)
    })
}

/// Sends to a Unix socket by its path.
///
/// # Errors
/// As [`udp`].
pub(super) fn unix(path: &Path, line: &[u8]) -> io::Result<()> {
    to_unix(&UnixAddr::from_pathname(path)?, line)
}

/// Sends to a Unix socket in the abstract namespace.
///
/// # Errors
/// As [`udp`].
pub(super) fn abstract_unix(name: &[u8], line: &[u8]) -> io::Result<()> {
    to_unix(&UnixAddr::from_abstract_name(name)?, line)
}

fn to_unix(to: &UnixAddr, line: &[u8]) -> io::Result<()> {
    SOCKETS.with_borrow_mut(|sockets| {
        let socket = ready(&mut sockets.unix, || {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            prepared(socket)
        })?;
        socket.send_to_addr(line, to).map(drop)
    })
}

fn ready<S>(socket: &mut Option<S>, make: impl FnOnce() -> io::Result<S>) -> io::Result<&mut S> {
    match socket {
        Some(socket) => Ok(socket),
        None => Ok(socket.insert(make()?)),
    }
}
