//! The sockets of the runtime API.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::model::{AccessLevel, SeverityOutput};
use tidegate_proxy::spec::{ListenAddress, ListenerSpec};
use tidegate_proxy::{BindError, BoundAddress, Handed, OpenSocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::about::About;
use super::command::{Mode, SessionState};
use super::connection::{self, Limits, Rights};
use super::entrance::{Entrance, Visitor};

/// A socket that is to be opened, and what those may do who connect to it.
pub(crate) struct SocketSpec {
    /// Where.
    pub(crate) listener: ListenerSpec,
    /// What they may do.
    pub(crate) rights: Rights,
}

/// Sockets that are open, and that nobody takes connections from yet.
pub(crate) struct Sockets(Vec<(OpenSocket, String, Rights)>);

impl Sockets {
    /// Opens them all, or takes those that the process before had.
    ///
    /// # Errors
    /// Those that can't be had.
    pub(crate) fn open(specs: &[SocketSpec], handed: &mut Handed) -> Result<Sockets, Vec<BindError>> {
        let (mut sockets, mut errors) = (Vec::new(), Vec::new());
        for spec in specs {
            match OpenSocket::open(&spec.listener, handed) {
                Ok(socket) => {
                    let shown = shown(&spec.listener, &socket.address);
                    sockets.push((socket, shown, spec.rights));
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(Sockets(sockets))
        } else {
            Err(errors)
        }
    }

    /// Copies for the process that takes this one's place.
    pub(crate) fn to_hand(&self) -> Vec<OwnedFd> {
        self.0
            .iter()
            .filter_map(|(socket, ..)| socket.to_hand())
            .collect()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sockets as they are listed.
    pub(crate) fn shown(&self) -> Vec<(String, AccessLevel)> {
        let sockets = self.0.iter();
        sockets
            .map(|(_, shown, rights)| (shown.clone(), rights.level))
            .collect()
    }
}

fn shown(spec: &ListenerSpec, bound: &BoundAddress) -> String {
    match (&spec.address, bound) {
        (ListenAddress::Unix(path), _) => format!("unix@{}", path.display()),
        (_, BoundAddress::Tcp(address)) if address.is_ipv4() => format!("ipv4@{address}"),
        (_, BoundAddress::Tcp(address)) => format!("ipv6@{address}"),
        (_, BoundAddress::Unix(path)) => format!("unix@{}", path.display()),
        (_, bound @ BoundAddress::Abstract(_)) => bound.to_string(),
    }
}

/// Takes connections until the program stops, and then serves those that there are. The master may send visitors until the
/// end.
///
/// # Errors
/// A socket can't be used.
pub(crate) fn serve(
    sockets: Sockets,
    visitors: Option<UnboundedReceiver<Visitor>>,
    about: Arc<About>,
    limits: Limits,
) -> io::Result<impl Future<Output = ()>> {
    let mut acceptors = Vec::new();
    for (socket, _, rights) in sockets.0 {
        acceptors.push((Acceptor::new(socket)?, rights));
    }
    Ok(async move {
        let room = Arc::new(Semaphore::new(limits.connections));
        if let Some(visitors) = visitors {
            tokio::task::spawn_local(receive(visitors, about.clone(), limits));
        }
        let mut accepting = JoinSet::new();
        for (acceptor, rights) in acceptors {
            accepting.spawn_local(accept(acceptor, rights, about.clone(), room.clone(), limits));
        }
        about.control.stopping().await;
        // Another process may want the addresses. Who is connected already may watch the end.
        drop(accepting);
        std::future::pending::<()>().await;
    })
}

async fn accept(acceptor: Acceptor, rights: Rights, about: Arc<About>, room: Arc<Semaphore>, limits: Limits) {
    // Nothing closes the semaphore, so it always has room in the end.
    while let Ok(permit) = room.clone().acquire_owned().await {
        match acceptor.accept().await {
            Ok(stream) => {
                let about = about.clone();
                let entrance = Entrance {
                    level: rights.level,
                    mode: Mode::OneLine,
                    timed: false,
                    expert: false,
                    experimental: false,
                };
                let session = SessionState::new(entrance, rights.severity, limits.timeout);
                tokio::task::spawn_local(async move {
                    // A connection that breaks concerns nobody but its client.
                    let _ = connection::serve(stream, session, about, limits).await;
                    drop(permit);
                });
            }
            // Out of descriptors, or the client was gone already: nothing that gets better at once.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves those that the master sends, who bounds how many there are and how long they stay.
async fn receive(mut visitors: UnboundedReceiver<Visitor>, about: Arc<About>, limits: Limits) {
    while let Some(Visitor { stream, entrance }) = visitors.recv().await {
        let ready = stream.set_nonblocking(true);
        let Ok(stream) = ready.and_then(|()| UnixStream::from_std(stream)) else {
            continue;
        };
        let session = SessionState::new(entrance, SeverityOutput::None, Duration::ZERO);
        let about = about.clone();
        tokio::task::spawn_local(async move {
            let _ = connection::serve(Box::new(stream), session, about, limits).await;
        });
    }
}

/// A socket that connections are taken from.
pub(crate) enum Acceptor {
    /// An IP address.
    Tcp(TcpListener),
    /// A Unix socket of either kind.
    Unix(UnixListener),
}

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Acceptor {
    /// Takes connections from an open socket.
    ///
    /// # Errors
    /// It can't be used.
    pub(crate) fn new(socket: OpenSocket) -> io::Result<Acceptor> {
        Ok(match socket.address {
            BoundAddress::Tcp(_) => {
                Acceptor::Tcp(TcpListener::from_std(StdTcpListener::from(socket.socket))?)
            }
            BoundAddress::Unix(_) | BoundAddress::Abstract(_) => {
                Acceptor::Unix(UnixListener::from_std(StdUnixListener::from(socket.socket))?)
            }
        })
    }

    /// The next connection.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Acceptor::Tcp(listener) => Box::new(listener.accept().await?.0),
            Acceptor::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

impl Rights {
    /// Those that a line of the configuration gives.
    pub(crate) fn new(level: AccessLevel, severity: SeverityOutput) -> Rights {
        Rights { level, severity }
    }
}
