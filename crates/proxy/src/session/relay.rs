//! Two streams joined: bytes both ways, each side's end passed on to the other.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::Frame;
use tokio::io::ReadBuf;

use crate::filter::bandwidth::Limiter;
use crate::filter::chain::{Chain, Fault};
use crate::pipe::Pipe;
use crate::spec::{BackendSpec, FrontendSpec, Timeouts};
use crate::splice::{Conduit, WORTH_BYTES};
use crate::stream::Traffic;
use crate::txn::Txn;
use crate::worker::Worker;

/// How long a relay may be silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// While both sides are open.
    pub(crate) both: Option<Duration>,
    /// It is the server's timeout that holds then.
    server_first: bool,
    /// Once the server has ended, and the client is waited for.
    pub(crate) client_fin: Option<Duration>,
    /// Once the client has ended, and the server is waited for.
    pub(crate) server_fin: Option<Duration>,
    /// `option independent-streams`: how long a side may say nothing, whatever it is told meanwhile: the client, the server.
    own: (Option<Duration>, Option<Duration>),
}

impl Limits {
    /// Those of a frontend and a backend. Without `timeout tunnel` the shorter of the two sides' own timeouts holds, since
    /// silence on one side is silence on both.
    fn new(front: &Timeouts, back: &Timeouts) -> Self {
        let shorter = match (front.client, back.server) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let tunnel = back.tunnel.or(front.tunnel);
        let both = tunnel.or(shorter);
        Limits {
            both,
            server_first: tunnel.is_none() && both.is_some() && both != front.client,
            client_fin: front.client_fin.or(both),
            server_fin: back.server_fin.or(both),
            own: (None, None),
        }
    }

    /// Those of a transaction between the two.
    pub(crate) fn of(txn: &Txn, frontend: &FrontendSpec, backend: &BackendSpec) -> Self {
        let (front, back) = (txn.timeouts(&frontend.timeouts), txn.timeouts(&backend.timeouts));
        let tunnel = back.tunnel.or(front.tunnel);
        Limits {
            own: (
                tunnel.or(front.client).filter(|_| frontend.independent_streams),
                tunnel.or(back.server).filter(|_| backend.independent_streams),
            ),
            ..Limits::new(&front, &back)
        }
    }
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelayEnd {
    /// Both sides have ended.
    Done,
    /// The client's connection broke.
    ClientBroke,
    /// The server's connection broke.
    ServerBroke,
    /// The client was silent for too long.
    ClientSilent,
    /// The server was silent for too long.
    ServerSilent,
    /// A filter failed.
    FilterFailed,
}

impl RelayEnd {
    /// The log's two letters.
    pub(crate) fn termination(self) -> [u8; 2] {
        match self {
            RelayEnd::Done => *b"--",
            RelayEnd::ClientBroke => *b"CD",
            RelayEnd::ServerBroke => *b"SD",
            RelayEnd::ClientSilent => *b"cD",
            RelayEnd::ServerSilent => *b"sD",
            RelayEnd::FilterFailed => *b"PD",
        }
    }
}

/// Relays until both sides have ended, one breaks or nothing moves for too long.
pub(crate) async fn relay(
    worker: &Rc<Worker>,
    txn: &Txn,
    client: &mut dyn Pipe,
    mut up: Direction,
    server: &mut dyn Pipe,
    mut down: Direction,
    limits: Limits,
) -> RelayEnd {
    let timer = worker.wheel.timer();
    let listens = |limit: Option<Duration>| limit.map(|_| (worker.wheel.timer(), None));
    let (mut to_client, mut to_server) = (listens(limits.own.0), listens(limits.own.1));
    let mut seen = None;
    // The server takes nothing more; what it said before it broke is still to be passed on.
    let mut deaf = false;
    let end = poll_fn(|cx| {
        {
            let mut scratch = worker.scratch.borrow_mut();
            match up.poll(cx, client, server, &mut scratch) {
                Poll::Ready(Err(Broke::From)) => return Poll::Ready(RelayEnd::ClientBroke),
                Poll::Ready(Err(Broke::Filter)) => return Poll::Ready(RelayEnd::FilterFailed),
                Poll::Ready(Err(Broke::To)) => {
                    deaf = true;
                    up.finish();
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            if let Poll::Ready(Err(end)) = down.poll(cx, server, client, &mut scratch) {
                return Poll::Ready(end.of(RelayEnd::ServerBroke, RelayEnd::ClientBroke));
            }
        }
        txn.count_bytes();
        if up.ended && down.ended {
            return Poll::Ready(if deaf {
                RelayEnd::ServerBroke
            } else {
                RelayEnd::Done
            });
        }
        let moved = |t: &Traffic| t.read.get() + t.written.get();
        let now = Some((
            moved(client.traffic()) + moved(server.traffic()),
            up.ended,
            down.ended,
        ));
        if seen != now {
            seen = now;
            timer.arm(match (up.ended, down.ended) {
                (true, _) => limits.server_fin,
                (_, true) => limits.client_fin,
                _ => limits.both,
            });
        }
        for (heard, limit, pipe, ended, end) in [
            (
                &mut to_client,
                limits.own.0,
                &*client,
                up.read_ended,
                RelayEnd::ClientSilent,
            ),
            (
                &mut to_server,
                limits.own.1,
                &*server,
                down.read_ended,
                RelayEnd::ServerSilent,
            ),
        ] {
            let Some((timer, last)) = heard.as_mut().filter(|_| !ended) else {
                continue;
            };
            let read = Some(pipe.traffic().read.get());
            if *last != read {
                *last = read;
                timer.arm(limit);
            }
            if timer.poll_elapsed(cx).is_ready() {
                return Poll::Ready(end);
            }
        }
        let silent = if up.ended || (limits.server_first && !down.ended) {
            RelayEnd::ServerSilent
        } else {
            RelayEnd::ClientSilent
        };
        timer.poll_elapsed(cx).map(|_| silent)
    })
    .await;
    if let RelayEnd::ClientBroke | RelayEnd::FilterFailed = end {
        // The server has to know that this is no orderly end. A client gets to read all that it was sent, which a reset
        // would take from it.
        server.reset();
    }
    end
}

/// One way of a relay.
pub(crate) struct Direction {
    /// Read and not yet written.
    held: Bytes,
    /// What passes unseen, and hasn't left yet.
    conduit: Option<Conduit>,
    /// Much came when something came last.
    is_bulk: bool,
    /// What limits how much is read.
    limiters: Vec<Limiter>,
    /// What the bytes go through.
    filtered: Option<Box<Filtered>>,
    /// The sender has ended.
    pub(crate) read_ended: bool,
    /// The receiver knows.
    ended: bool,
}

/// Filters of one way.
struct Filtered {
    chain: Chain,
    txn: Rc<Txn>,
    /// What was read before and hasn't passed.
    ahead: Bytes,
    /// All has passed.
    ended: bool,
}

/// What of a direction broke.
pub(crate) enum Broke {
    /// The sender's connection.
    From,
    /// The receiver's connection.
    To,
    /// A filter between them.
    Filter,
}

impl Broke {
    pub(crate) fn of(self, from: RelayEnd, to: RelayEnd) -> RelayEnd {
        match self {
            Broke::From => from,
            Broke::To => to,
            Broke::Filter => RelayEnd::FilterFailed,
        }
    }
}

impl Direction {
    /// What was read before goes first.
    pub(crate) fn new(ahead: Bytes) -> Self {
        Direction {
            held: ahead,
            conduit: None,
            is_bulk: false,
            limiters: Vec::new(),
            filtered: None,
            read_ended: false,
            ended: false,
        }
    }

    /// Lets no more pass than these do. What is held already counts, and isn't held up.
    pub(crate) fn limit(&mut self, limiters: Vec<Limiter>) {
        self.limiters = limiters;
        let ahead = self.filtered.as_ref().map_or(0, |filtered| filtered.ahead.len());
        let held = (self.held.len() + ahead) as u64;
        self.limiters.iter_mut().for_each(|limiter| limiter.took(held));
    }

    /// Lets everything pass these filters, what is held already first.
    pub(crate) fn filter(&mut self, chain: Chain, txn: &Rc<Txn>) {
        self.filtered = Some(Box::new(Filtered {
            chain,
            txn: txn.clone(),
            ahead: std::mem::take(&mut self.held),
            ended: false,
        }));
    }

    /// Adds what there is to be sent, once nothing else is held.
    pub(crate) fn add(&mut self, more: impl FnOnce() -> Bytes) {
        let next = match &mut self.filtered {
            Some(filtered) => &mut filtered.ahead,
            None => &mut self.held,
        };
        if next.is_empty() && !self.ended {
            *next = more();
        }
    }

    /// Nothing more goes this way, and the receiver needs no goodbye.
    pub(crate) fn finish(&mut self) {
        self.held = Bytes::new();
        self.conduit = None;
        self.read_ended = true;
        self.ended = true;
    }

    /// Moves what can be moved. Bytes pass through `scratch`, which all relays of a worker share; a copy of its own is
    /// made only of what the receiver doesn't take at once.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Pipe,
        to: &mut dyn Pipe,
        scratch: &mut [u8],
    ) -> Poll<Result<(), Broke>> {
        if self.filtered.is_some() {
            return self.poll_filtered(cx, from, to, scratch);
        }
        loop {
            while !self.held.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.held));
                self.held
                    .advance(written.and_then(nonzero).map_err(|_| Broke::To)?);
            }
            if let (Some(conduit), Some(to)) = (&mut self.conduit, to.counted()) {
                ready!(to.poll_drain(cx, conduit)).map_err(|_| Broke::To)?;
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if self.read_ended {
                // A peer that is gone already needs no goodbye.
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            if self.is_bulk && self.limiters.is_empty() {
                match self.poll_unseen(cx, from, to) {
                    Poll::Ready(Ok(true)) => continue,
                    Poll::Ready(Ok(false)) => self.is_bulk = false,
                    Poll::Ready(Err(broke)) => return Poll::Ready(Err(broke)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let mut room = scratch.len();
            for limiter in &mut self.limiters {
                let free = ready!(limiter.poll_free(cx, room as u64));
                room = room.min(usize::try_from(free).unwrap_or(room));
            }
            let mut buffer = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
            let Poll::Ready(read) = Pin::new(&mut *from).poll_read(cx, &mut buffer) else {
                // Nobody else would send what TLS holds back.
                to.push(cx);
                return Poll::Pending;
            };
            read.map_err(|_| Broke::From)?;
            let mut read = buffer.filled();
            for limiter in &mut self.limiters {
                limiter.took(read.len() as u64);
            }
            if read.is_empty() {
                self.read_ended = true;
                continue;
            }
            self.is_bulk = read.len() as u64 >= WORTH_BYTES;
            while !read.is_empty() {
                match Pin::new(&mut *to).poll_write(cx, read) {
                    Poll::Ready(written) => {
                        read.advance(written.and_then(nonzero).map_err(|_| Broke::To)?);
                    }
                    Poll::Pending => {
                        self.held = Bytes::copy_from_slice(read);
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl Direction {
    /// Receives what comes without a look at it; false if it has to be read.
    fn poll_unseen(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Pipe,
        to: &mut dyn Pipe,
    ) -> Poll<Result<bool, Broke>> {
        let (Some(from), Some(to)) = (from.counted(), to.counted()) else {
            return Poll::Ready(Ok(false));
        };
        if !from.splices() || !to.splices() {
            return Poll::Ready(Ok(false));
        }
        let Some(mut conduit) = self.conduit.take().or_else(Conduit::take) else {
            return Poll::Ready(Ok(false));
        };
        // While nothing comes, others may need the pipe.
        let filled = ready!(from.poll_fill(cx, &mut conduit, u64::MAX));
        let Some(came) = filled.map_err(|_| Broke::From)? else {
            return Poll::Ready(Ok(false));
        };
        self.read_ended = came == 0;
        self.is_bulk = came as u64 >= WORTH_BYTES;
        self.conduit = (came > 0).then_some(conduit);
        Poll::Ready(Ok(true))
    }

    /// The same through filters, of which each piece is a copy.
    fn poll_filtered(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Pipe,
        to: &mut dyn Pipe,
        scratch: &mut [u8],
    ) -> Poll<Result<(), Broke>> {
        let Direction {
            held,
            limiters,
            filtered,
            read_ended,
            ended,
            ..
        } = self;
        let Some(filtered) = filtered else {
            return Poll::Ready(Ok(()));
        };
        loop {
            while !held.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, held));
                held.advance(written.and_then(nonzero).map_err(|_| Broke::To)?);
            }
            if *ended {
                return Poll::Ready(Ok(()));
            }
            if filtered.ended {
                // A peer that is gone already needs no goodbye.
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                *ended = true;
                return Poll::Ready(Ok(()));
            }
            let Filtered {
                chain, txn, ahead, ..
            } = &mut **filtered;
            let polled = chain.poll(cx, txn, |cx| {
                let piece = match ahead.is_empty() {
                    false => Poll::Ready(Ok(std::mem::take(ahead))),
                    true if *read_ended => Poll::Ready(Ok(Bytes::new())),
                    true => read(cx, from, limiters, scratch),
                };
                let polled = piece.map(|piece| match piece {
                    Ok(piece) if piece.is_empty() => {
                        *read_ended = true;
                        None
                    }
                    Ok(piece) => Some(Ok(Frame::data(piece))),
                    Err(error) => Some(Err(error)),
                });
                (polled, *read_ended && ahead.is_empty())
            });
            match polled {
                Poll::Pending => {
                    to.push(cx);
                    return Poll::Pending;
                }
                Poll::Ready(None) => filtered.ended = true,
                Poll::Ready(Some(Ok(frame))) => *held = frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(Fault::Source(_)))) => return Poll::Ready(Err(Broke::From)),
                Poll::Ready(Some(Err(Fault::Filter(failure)))) => {
                    txn.log_failure("filter", &failure);
                    return Poll::Ready(Err(Broke::Filter));
                }
            }
        }
    }
}

/// Reads what there is, as far as limits allow; nothing at the end.
fn read(
    cx: &mut Context<'_>,
    from: &mut dyn Pipe,
    limiters: &mut [Limiter],
    scratch: &mut [u8],
) -> Poll<io::Result<Bytes>> {
    let mut room = scratch.len();
    for limiter in limiters.iter_mut() {
        let free = ready!(limiter.poll_free(cx, room as u64));
        room = room.min(usize::try_from(free).unwrap_or(room));
    }
    let mut buffer = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
    ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
    let read = buffer.filled();
    for limiter in limiters {
        limiter.took(read.len() as u64);
    }
    Poll::Ready(Ok(Bytes::copy_from_slice(read)))
}

fn nonzero(n: usize) -> io::Result<usize> {
    if n == 0 {
        Err(io::ErrorKind::WriteZero.into())
    } else {
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_timeout_is_named_and_a_tunnels_is_the_clients() {
        let timeouts = |side: fn(&mut Timeouts) -> &mut Option<Duration>, seconds: Option<u64>| {
            let mut timeouts = Timeouts::default();
            *side(&mut timeouts) = seconds.map(Duration::from_secs);
            timeouts
        };
        let server_first = |client, server, tunnel: Option<u64>| {
            let front = timeouts(|t| &mut t.client, client);
            let mut back = timeouts(|t| &mut t.server, server);
            back.tunnel = tunnel.map(Duration::from_secs);
            Limits::new(&front, &back).server_first
        };
        assert!(server_first(Some(8), Some(6), None));
        assert!(server_first(None, Some(6), None));
        assert!(!server_first(Some(6), Some(8), None));
        assert!(!server_first(Some(6), Some(6), None));
        assert!(!server_first(Some(6), None, None));
        assert!(!server_first(None, None, None));
        assert!(!server_first(Some(8), Some(6), Some(4)));
    }
}
