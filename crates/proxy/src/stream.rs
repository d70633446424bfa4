//! Byte streams: TCP and Unix sockets, bare or below TLS, with what a session counts and notices about them.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::client::Client;
use crate::counts::Count;
use crate::figures::Usage;
use crate::lot::{Lot, Parked};
use crate::splice::{self, Conduit};
use crate::tally::{self, Tallied};
use crate::tls::Secure;

/// A connected socket, or what is above TLS on one.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Secure>),
    /// One of TCP that nobody reads from for now.
    Parked(Parked),
}

impl Stream {
    /// The TCP socket, if it is one, be it below TLS.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(tcp) => Some(tcp),
            Stream::Unix(_) | Stream::Parked(_) => None,
            Stream::Tls(secure) => secure.socket().tcp(),
        }
    }

    /// Our own IP address.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.tcp()?.local_addr().ok()
    }

    /// The protocol that ALPN agreed on.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        match self {
            Stream::Tls(secure) => secure.alpn(),
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Parked(_) => None,
        }
    }

    /// Takes an end of TLS that was not announced for an error.
    pub(crate) fn refuse_truncation(&mut self) {
        if let Stream::Tls(secure) = self {
            secure.refuse_truncation();
        }
    }

    /// Makes the close that follows a reset, so that nothing of the connection lingers.
    pub(crate) fn reset_on_close(&self) {
        if let Some(tcp) = self.tcp() {
            // A connection that can't be reset is closed the usual way.
            let _ = socket2::SockRef::from(tcp).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    /// Makes the close that follows a reset that gets no farther than this many hops (one, if nothing is said): the client
    /// isn't told.
    pub(crate) fn vanish_on_close(&self, hops: Option<u8>) {
        if let Some(tcp) = self.tcp() {
            let hops = u32::from(hops.unwrap_or(1));
            let socket = socket2::SockRef::from(tcp);
            let is_v4 = tcp
                .peer_addr()
                .is_ok_and(|peer| peer.ip().to_canonical().is_ipv4());
            // Where the system refuses, the client gets its reset.
            let _ = match is_v4 {
                true => socket.set_ttl_v4(hops),
                false => socket.set_unicast_hops_v6(hops),
            };
        }
        self.reset_on_close();
    }
}

/// Pieces that are shorter than this together are copied side by side: the system takes one buffer faster than several.
const GATHERED_BYTES_MAX: usize = 2048;

thread_local! {
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Hands over all of `bufs` as one buffer, or nothing if they are too long to be copied.
fn gather<T>(bufs: &[io::IoSlice<'_>], then: impl FnOnce(Option<&[u8]>) -> T) -> T {
    if let [only] = bufs {
        return then(Some(only));
    }
    if bufs.iter().map(|b| b.len()).sum::<usize>() > GATHERED_BYTES_MAX {
        return then(None);
    }
    GATHERED.with_borrow_mut(|gathered| {
        gathered.clear();
        bufs.iter().for_each(|b| gathered.extend_from_slice(b));
        then(Some(gathered))
    })
}

/// What happened on a stream, seen from outside of whoever owns it.
#[derive(Default)]
pub(crate) struct Traffic {
    /// Bytes read so far.
    pub(crate) read: Cell<u64>,
    /// Bytes written so far.
    pub(crate) written: Cell<u64>,
    /// The peer doesn't take what is to be written.
    pub(crate) write_blocked: Cell<bool>,
    /// The peer has ended its side.
    pub(crate) read_ended: Cell<bool>,
    /// Reading or writing failed.
    pub(crate) failed: Cell<bool>,
    /// The close is one that the peer isn't told of; how far its reset goes.
    pub(crate) vanish: Cell<Option<Option<u8>>>,
    account: OnceCell<Account>,
}

/// Whose bytes a stream's are, and how many of them were counted.
struct Account {
    usage: Arc<Usage>,
    /// The same for its listener, where that counts for itself.
    socket: Option<Arc<Usage>>,
    read: Cell<u64>,
    written: Cell<u64>,
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.settle();
    }
}

impl Traffic {
    /// From its first byte on, the stream is a client's of this frontend, and of this listener.
    pub(crate) fn belongs_to(&self, usage: &Arc<Usage>, socket: Option<&Arc<Usage>>) {
        self.account.get_or_init(|| Account {
            usage: usage.clone(),
            socket: socket.cloned(),
            read: Cell::new(0),
            written: Cell::new(0),
        });
    }

    /// Counts the bytes that came and went since this was last done. The rest is counted when the stream ends.
    pub(crate) fn settle(&self) {
        let Some(account) = self.account.get() else { return };
        let (read, written) = (self.read.get(), self.written.get());
        let more_read = read.wrapping_sub(account.read.replace(read));
        let more_written = written.wrapping_sub(account.written.replace(written));
        for usage in [Some(&account.usage), account.socket.as_ref()]
            .into_iter()
            .flatten()
        {
            usage.counts.add(Count::BytesIn, more_read);
            usage.counts.add(Count::BytesOut, more_written);
        }
    }
}

/// A stream that keeps count.
pub(crate) struct Counted {
    stream: Stream,
    traffic: Rc<Traffic>,
    /// Who says how what is written is to be marked, if anybody may ask for that.
    client: Option<Rc<Client>>,
}

impl Counted {
    pub(crate) fn new(stream: Stream) -> (Self, Rc<Traffic>) {
        Counted::marked(stream, None)
    }

    /// A stream whose packets may be marked.
    pub(crate) fn marked(stream: Stream, client: Option<Rc<Client>>) -> (Self, Rc<Traffic>) {
        let traffic = Rc::<Traffic>::default();
        (
            Counted {
                stream,
                traffic: traffic.clone(),
                client,
            },
            traffic,
        )
    }

    /// Sends what was written and is still held: nothing that is not below TLS holds anything.
    pub(crate) fn push(&mut self, cx: &mut Context<'_>) {
        // What fails here fails again when something is read or written.
        let _ = Pin::new(&mut self.stream).poll_flush(cx);
    }

    fn mark(&self) {
        if let Some(client) = &self.client {
            client.packets.apply(&self.stream, &client.entrance.logger);
        }
    }

    /// Parks the stream, if it is one of TCP and there is room for it.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn park(&mut self, lot: &Lot) -> io::Result<()> {
        let gone = Stream::Parked(Parked::gone());
        self.stream = match std::mem::replace(&mut self.stream, gone) {
            Stream::Tcp(tcp) => lot.park(tcp)?.map_or_else(Stream::Tcp, Stream::Parked),
            other => other,
        };
        Ok(())
    }

    /// The stream, if it is parked.
    pub(crate) fn parked(&self) -> Option<&Parked> {
        match &self.stream {
            Stream::Parked(parked) => Some(parked),
            _ => None,
        }
    }

    /// Takes the stream back, to read from it.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn unpark(&mut self) -> io::Result<()> {
        if let Stream::Parked(parked) = &mut self.stream {
            self.stream = Stream::Tcp(parked.leave()?);
        }
        Ok(())
    }

    /// Whether what comes and goes here may pass by a pipe: it is a socket of TCP, without TLS above it.
    pub(crate) fn splices(&self) -> bool {
        matches!(self.stream, Stream::Tcp(_))
    }

    /// Receives into an empty pipe, up to so much; says how much, 0 at the end. None where that can't be, so that it is to be read.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
        most: u64,
    ) -> Poll<io::Result<Option<usize>>> {
        let Stream::Tcp(tcp) = &self.stream else {
            return Poll::Ready(Ok(None));
        };
        loop {
            let ready = ready!(tcp.poll_read_ready(cx));
            match ready.and_then(|()| tcp.try_io(Interest::READABLE, || conduit.fill(tcp, most))) {
                Ok(read) => {
                    self.traffic.read.set(self.traffic.read.get() + read as u64);
                    if read == 0 {
                        self.traffic.read_ended.set(true);
                    }
                    return Poll::Ready(Ok(Some(read)));
                }
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                Err(why) if splice::is_refused(&why) => {
                    splice::give_up();
                    return Poll::Ready(Ok(None));
                }
                Err(why) => {
                    self.traffic.failed.set(true);
                    return Poll::Ready(Err(why));
                }
            }
        }
    }

    /// Sends all that is in a pipe.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<io::Result<()>> {
        self.mark();
        while conduit.held() > 0 {
            let Stream::Tcp(tcp) = &self.stream else {
                return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
            };
            let Poll::Ready(ready) = tcp.poll_write_ready(cx) else {
                self.traffic.write_blocked.set(true);
                return Poll::Pending;
            };
            match ready.and_then(|()| tcp.try_io(Interest::WRITABLE, || conduit.drain(tcp))) {
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                drained => {
                    if let Ok(sent) = drained {
                        tally::add(Tallied::BytesOut, sent as u64);
                        tally::add(Tallied::SplicedOut, sent as u64);
                    }
                    let _ = self.wrote(Poll::Ready(drained))?;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(n)) => {
                self.traffic.written.set(self.traffic.written.get() + *n as u64);
                self.traffic.write_blocked.set(false);
            }
            Poll::Ready(Err(_)) => self.traffic.failed.set(true),
            Poll::Pending => self.traffic.write_blocked.set(true),
        }
        result
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(hops) = self.traffic.vanish.get() {
            self.stream.vanish_on_close(hops);
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &result {
            Poll::Ready(Ok(())) if buf.filled().len() == before && buf.remaining() > 0 => {
                self.traffic.read_ended.set(true);
            }
            Poll::Ready(Ok(())) => {
                let n = (buf.filled().len() - before) as u64;
                self.traffic.read.set(self.traffic.read.get() + n);
            }
            Poll::Ready(Err(_)) => self.traffic.failed.set(true),
            Poll::Pending => {}
        }
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.mark();
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.mark();
        let result = gather(bufs, |joined| match joined {
            Some(joined) => Pin::new(&mut self.stream).poll_write(cx, joined),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        });
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(why)) => {
                self.traffic.failed.set(true);
                return Poll::Ready(Err(why));
            }
            Poll::Pending => {
                self.traffic.write_blocked.set(true);
                return Poll::Pending;
            }
        }
        self.traffic.write_blocked.set(false);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.traffic.vanish.get().is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
            Stream::Tls(secure) => Pin::new(&mut **secure).poll_read(cx, buf),
            Stream::Parked(_) => Poll::Ready(Err(is_parked())),
        }
    }
}

/// Whoever parks a stream takes it back before it is used.
fn is_parked() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// Counts what the system took.
fn sent(result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    if let Poll::Ready(Ok(bytes)) = &result {
        tally::add(Tallied::BytesOut, *bytes as u64);
    }
    result
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => sent(Pin::new(tcp).poll_write(cx, buf)),
            Stream::Unix(unix) => sent(Pin::new(unix).poll_write(cx, buf)),
            Stream::Tls(secure) => Pin::new(&mut **secure).poll_write(cx, buf),
            Stream::Parked(_) => Poll::Ready(Err(is_parked())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => sent(Pin::new(tcp).poll_write_vectored(cx, bufs)),
            Stream::Unix(unix) => sent(Pin::new(unix).poll_write_vectored(cx, bufs)),
            Stream::Tls(secure) => Pin::new(&mut **secure).poll_write_vectored(cx, bufs),
            Stream::Parked(_) => Poll::Ready(Err(is_parked())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Parked(_) => Poll::Ready(Ok(())),
            Stream::Tls(secure) => Pin::new(&mut **secure).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
            Stream::Tls(secure) => Pin::new(&mut **secure).poll_shutdown(cx),
            Stream::Parked(_) => Poll::Ready(Err(is_parked())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pieces_are_joined_and_long_ones_left_alone() {
        let joined = |pieces: &[&[u8]]| {
            let bufs: Vec<_> = pieces.iter().map(|p| io::IoSlice::new(p)).collect();
            gather(&bufs, |joined| joined.map(<[u8]>::to_vec))
        };
        assert_eq!(joined(&[b"head", b"", b"body"]), Some(b"headbody".to_vec()));
        assert_eq!(joined(&[b"again", b"!"]), Some(b"again!".to_vec()));
        let long = [0; GATHERED_BYTES_MAX];
        assert_eq!(joined(&[&long]), Some(long.to_vec()));
        assert_eq!(joined(&[&long, b"x"]), None);
    }
}
