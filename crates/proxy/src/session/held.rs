//! What a server sends in TCP mode, held back from the client while `tcp-response content` rules look at it.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

use super::pump::{Broken, Meanwhile};
use super::relay::{Direction, Limits, RelayEnd};
use crate::pipe::Pipe;
use crate::stream::Traffic;
use crate::timeouts::Timer;
use crate::txn::Txn;
use crate::worker::Worker;

/// A client and its server. The client's bytes go on to the server meanwhile, or it would have nothing to answer.
pub(super) struct Held<'a> {
    worker: &'a Rc<Worker>,
    txn: &'a Txn,
    client: &'a mut dyn Pipe,
    up: Direction,
    server: &'a mut dyn Pipe,
    server_ended: bool,
    /// What rules send to the client ahead of what the server sent.
    ahead: Bytes,
    timer: Timer,
    limits: Limits,
    moved: Option<u64>,
    end: RelayEnd,
}

impl<'a> Held<'a> {
    pub(super) fn new(
        worker: &'a Rc<Worker>,
        txn: &'a Txn,
        client: &'a mut dyn Pipe,
        up: Direction,
        server: &'a mut dyn Pipe,
        limits: Limits,
    ) -> Self {
        Held {
            timer: worker.wheel.timer(),
            worker,
            txn,
            client,
            up,
            server,
            server_ended: false,
            ahead: Bytes::new(),
            limits,
            moved: None,
            end: RelayEnd::Done,
        }
    }

    /// Sends the client what rules left for it, and nothing of what the server sent.
    pub(super) async fn flush(&mut self) -> Result<(), RelayEnd> {
        poll_fn(|cx| match self.go_on(cx) {
            Ok(()) if !self.ahead.is_empty() => Poll::Pending,
            done => Poll::Ready(done),
        })
        .await
    }

    /// How it ended, if a connection broke.
    pub(super) fn end(&self) -> RelayEnd {
        self.end
    }

    /// Nothing more is read from the server: what came is all there is.
    pub(super) fn close_server(&mut self) {
        self.server_ended = true;
        self.up.finish();
    }

    /// Both ways as they are now, for the relay to go on with.
    pub(super) fn release(self) -> (Direction, Direction) {
        let channel = self.txn.response_channel();
        channel.forward(None);
        let rest = channel.take_output();
        let ahead = match self.ahead.is_empty() {
            true => rest,
            false => Bytes::from([self.ahead, rest].concat()),
        };
        let mut down = Direction::new(ahead);
        down.read_ended = self.server_ended;
        (self.up, down)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), RelayEnd> {
        let channel = self.txn.response_channel();
        loop {
            channel.register(cx);
            let room = channel.room();
            if room == 0 || self.server_ended {
                return Ok(());
            }
            let mut space = [0; 4096];
            let length = room.min(space.len());
            let mut buffer = ReadBuf::new(space.get_mut(..length).unwrap_or_default());
            match Pin::new(&mut *self.server).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => return Err(RelayEnd::ServerBroke),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    self.server_ended = true;
                    channel.end();
                }
                Poll::Ready(Ok(())) => {
                    channel
                        .append(buffer.filled())
                        .map_err(|_| RelayEnd::ServerBroke)?;
                }
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), RelayEnd> {
        loop {
            if self.ahead.is_empty() {
                self.ahead = self.txn.response_channel().take_output();
            }
            if self.ahead.is_empty() {
                return Ok(());
            }
            match Pin::new(&mut *self.client).poll_write(cx, &self.ahead) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(n)) if n > 0 => self.ahead.advance(n),
                Poll::Ready(_) => return Err(RelayEnd::ClientBroke),
            }
        }
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Result<(), RelayEnd> {
        self.up.add(|| self.txn.request_channel().take_output());
        {
            let mut scratch = self.worker.scratch.borrow_mut();
            let polled = self
                .up
                .poll(cx, &mut *self.client, &mut *self.server, &mut scratch);
            if let Poll::Ready(Err(broke)) = polled {
                return Err(broke.of(RelayEnd::ClientBroke, RelayEnd::ServerBroke));
            }
        }
        self.read(cx)?;
        self.write(cx)?;
        self.txn.count_bytes();
        let moved = |traffic: &Traffic| traffic.read.get() + traffic.written.get();
        let now = Some(moved(self.client.traffic()) + moved(self.server.traffic()));
        if self.moved != now {
            self.moved = now;
            self.timer.arm(self.limits.both);
        }
        match self.timer.poll_elapsed(cx) {
            Poll::Ready(_) => Err(RelayEnd::ServerSilent),
            Poll::Pending => Ok(()),
        }
    }
}

impl Meanwhile for Held<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        self.go_on(cx).map_err(|end| {
            self.end = end;
            if end == RelayEnd::ClientBroke {
                self.server.reset();
            }
            Broken
        })
    }
}
