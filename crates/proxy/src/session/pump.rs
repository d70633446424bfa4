//! What goes on meanwhile: bytes move between sockets and the channels of a transaction while rules and services run.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::passing::{Passing, Stuck};
use crate::filter::chain::Chain;
use crate::stream::Counted;
use crate::txn::Txn;

/// Most bytes that nobody wants any more and that are read before a close.
const DRAINED_BYTES_MAX: usize = 65_536;

/// A connection that broke, so that what was going on is given up.
pub(super) struct Broken;

/// Something that moves bytes.
pub(super) trait Meanwhile {
    /// Moves what can be moved.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Broken>;

    /// Runs `future` to its end, moving bytes meanwhile. `None` if a connection breaks first.
    async fn while_running<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| {
            // What has come is there before the future looks, and what it sends is on its way before it waits.
            if self.poll(cx).is_err() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if self.poll(cx).is_err() {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }
}

/// Moves bytes between a client's socket and the channels of its transaction, while something else runs.
pub(super) struct Pump {
    client: Option<Counted>,
    txn: Rc<Txn>,
    held: Bytes,
    /// What the client's bytes go through on their way to a service.
    up: Option<Box<Passing>>,
    /// What a service's bytes go through on their way to the client.
    down: Option<Box<Passing>>,
    /// It was a filter that broke.
    pub(super) filter_failed: bool,
}

impl Meanwhile for Pump {
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        self.write(cx)?;
        self.read(cx)
    }
}

impl Pump {
    pub(super) fn new(client: Counted, txn: Rc<Txn>) -> Self {
        Pump {
            client: Some(client),
            txn,
            held: Bytes::new(),
            up: None,
            down: None,
            filter_failed: false,
        }
    }

    /// Lets what goes to a service and comes from it pass these filters, what has come already first.
    pub(super) fn filter(&mut self, up: Option<Chain>, down: Option<Chain>) {
        let channel = self.txn.request_channel();
        self.up = up.map(|chain| {
            let ended = !channel.may_recv();
            channel.reopen();
            Passing::new(chain, channel.take(None), ended)
        });
        self.down = down.map(|chain| Passing::new(chain, Bytes::new(), false));
    }

    /// Writes what is to be sent, then ends the stream in an orderly way.
    pub(super) async fn flush(&mut self) {
        if let Some(down) = &mut self.down {
            down.end_source();
        }
        poll_fn(|cx| {
            if self.write(cx).is_err() {
                return Poll::Ready(());
            }
            let txn = self.txn.clone();
            let passes = self.down.as_ref().is_some_and(|down| !down.is_over());
            if passes || !self.held.is_empty() || txn.response_channel().output_len() > 0 {
                return Poll::Pending;
            }
            match &mut self.client {
                Some(client) => Pin::new(client).poll_shutdown(cx).map(drop),
                None => Poll::Ready(()),
            }
        })
        .await;
        // Unread input would turn the close into a reset, and the client might lose what was sent.
        self.txn.request_channel().take(None);
        if let Some(client) = &mut self.client {
            // The room is the closure's, so that sessions carry none.
            let drain = poll_fn(|cx| {
                let mut sink = [0; 4096];
                for _ in 0..DRAINED_BYTES_MAX / sink.len() {
                    let mut buffer = ReadBuf::new(&mut sink);
                    let read = Pin::new(&mut *client).poll_read(cx, &mut buffer);
                    if !matches!(read, Poll::Ready(Ok(()))) || buffer.filled().is_empty() {
                        break;
                    }
                }
                Poll::Ready(())
            });
            drain.await;
        }
    }

    /// Gives the client's stream away once `rest` was written to it. `None` if that is impossible.
    pub(super) async fn release(&mut self, rest: Bytes) -> Option<Counted> {
        let mut rest = [std::mem::take(&mut self.held), rest].concat();
        let mut client = self.client.take()?;
        while !rest.is_empty() {
            let n = poll_fn(|cx| Pin::new(&mut client).poll_write(cx, &rest))
                .await
                .ok()
                .filter(|n| *n > 0)?;
            rest.drain(..n.min(rest.len()));
        }
        Some(client)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        let Some(client) = &mut self.client else {
            return Err(Broken);
        };
        let channel = self.txn.request_channel();
        if let Some(up) = &mut self.up {
            return match read_filtered(cx, &self.txn, up, client) {
                Err(Stuck::Filter) => {
                    self.filter_failed = true;
                    Err(Broken)
                }
                Err(Stuck::Source) => Err(Broken),
                Ok(()) => Ok(()),
            };
        }
        loop {
            channel.register(cx);
            let room = channel.room();
            if room == 0 || !channel.may_recv() {
                return Ok(());
            }
            let mut space = [0; 4096];
            let length = room.min(space.len());
            let mut buffer = ReadBuf::new(space.get_mut(..length).unwrap_or_default());
            match Pin::new(&mut *client).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => return Err(Broken),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => channel.end(),
                Poll::Ready(Ok(())) => channel.append(buffer.filled()).map_err(|_| Broken)?,
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        let Some(client) = &mut self.client else {
            return Err(Broken);
        };
        let channel = self.txn.response_channel();
        loop {
            channel.register(cx);
            if self.held.is_empty() {
                self.held = match &mut self.down {
                    None => channel.take_output(),
                    Some(down) => match passed_down(cx, &self.txn, down) {
                        Ok(passed) => passed,
                        Err(_) => {
                            self.filter_failed = true;
                            return Err(Broken);
                        }
                    },
                };
            }
            if self.held.is_empty() {
                return Ok(());
            }
            match Pin::new(&mut *client).poll_write(cx, &self.held) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(n)) if n > 0 => self.held.advance(n),
                Poll::Ready(_) => {
                    channel.shut();
                    return Err(Broken);
                }
            }
        }
    }
}

/// Reads as far as what has passed the filters finds room.
fn read_filtered(
    cx: &mut Context<'_>,
    txn: &Rc<Txn>,
    up: &mut Passing,
    client: &mut Counted,
) -> Result<(), Stuck> {
    let channel = txn.request_channel();
    loop {
        channel.register(cx);
        let room = channel.room();
        if room == 0 || !channel.may_recv() {
            return Ok(());
        }
        let passed = up.poll(cx, txn, room, |cx| {
            let mut space = [0; 4096];
            let mut buffer = ReadBuf::new(&mut space);
            let read = Pin::new(&mut *client).poll_read(cx, &mut buffer);
            read.map(|read| {
                read.map(|()| Bytes::copy_from_slice(buffer.filled()))
                    .map_err(drop)
            })
        });
        match passed {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(None)) => channel.end(),
            Poll::Ready(Ok(Some(piece))) => channel.append(&piece).map_err(|_| Stuck::Source)?,
            Poll::Ready(Err(stuck)) => return Err(stuck),
        }
    }
}

/// What a service sent, as far as it has passed the filters.
fn passed_down(cx: &mut Context<'_>, txn: &Rc<Txn>, down: &mut Passing) -> Result<Bytes, Stuck> {
    let channel = txn.response_channel();
    let passed = down.poll(cx, txn, usize::MAX, |_| match channel.take_output() {
        sent if sent.is_empty() => Poll::Pending,
        sent => Poll::Ready(Ok(sent)),
    });
    match passed {
        Poll::Pending => Ok(Bytes::new()),
        Poll::Ready(passed) => Ok(passed?.unwrap_or_default()),
    }
}
