//! TCP sessions: content rules while the first bytes come, then a service or a server.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::choice::choose_backend;
use super::logline;
use super::persistence::{self, Belongs};
use super::relay::{Limits, RelayEnd, relay};
use super::upstream::{no_connection, no_slot};
use crate::applet::TcpApplet;
use crate::client::Client;
use crate::ext::TcpService;
use crate::log::LogStep;
use crate::rules::{Next, PreparedRules, Setting, Verdict, evaluate};
use crate::stick::{self, Chosen};
use crate::stream::{Counted, Stream, Traffic};
use crate::timeouts::{Elapsed, Timer};
use crate::txn::{Mode, Phase, Txn};
use crate::upstream::assign::{Wish, assign};
use crate::upstream::connect::connect;
use crate::worker::{Backend, Frontend, Worker};

struct TcpSession {
    worker: Rc<Worker>,
    frontend: Rc<Frontend>,
    txn: Rc<Txn>,
    traffic: Rc<Traffic>,
    timer: Timer,
}

/// What the content rules decided.
enum Decided {
    GoOn,
    Serve(Rc<dyn TcpService>, Rc<str>),
    /// The stream ends; the log's two letters.
    End([u8; 2]),
    /// The client's connection is gone.
    Gone,
}

pub(crate) async fn run(worker: Rc<Worker>, frontend: Rc<Frontend>, client: Rc<Client>, stream: Stream) {
    let (counted, traffic) = Counted::marked(stream, Some(client.packets.clone()));
    let txn = Txn::new(client, Mode::Tcp, worker.shared.global.buffer_bytes);
    txn.phase.set(Phase::Content);
    txn.usage.number.set(worker.number_request());
    txn.usage
        .second
        .set(worker.shared.board.second(txn.client.accepted_at));
    txn.usage.with_client(txn.client.home.as_deref(), &traffic, 0);
    let session = TcpSession {
        timer: worker.wheel.timer(),
        worker,
        frontend,
        txn,
        traffic,
    };
    let mut pump = Pump::new(counted, session.txn.clone());
    let end = session.serve(&mut pump).await;
    if let Err(state) = end {
        session.txn.facts.borrow_mut().termination = Some(state);
    }
    session.finish();
}

impl TcpSession {
    async fn serve(&self, pump: &mut Pump) -> Result<(), [u8; 2]> {
        let spec = &self.frontend.spec;
        match self
            .content_rules(&self.frontend.tcp_content, spec.inspect_delay, pump)
            .await
        {
            Decided::GoOn => {}
            Decided::Serve(service, line) => return self.service(&*service, &line, pump).await,
            Decided::End(state) => return self.end(pump, state).await,
            Decided::Gone => return Err(*b"PR"),
        }
        logline::at(LogStep::Request, &self.txn);
        let Some(backend) = choose_backend(&self.worker, &self.frontend, &self.txn).await else {
            return Err(*b"SC");
        };
        match self
            .content_rules(&backend.tcp_content, backend.spec.inspect_delay, pump)
            .await
        {
            Decided::GoOn => {}
            Decided::Serve(service, line) => return self.service(&*service, &line, pump).await,
            Decided::End(state) => return self.end(pump, state).await,
            Decided::Gone => return Err(*b"PR"),
        }
        self.relay_to_server(&backend, pump).await
    }

    /// Evaluates content rules, again and again as data come, until they decide or `inspect-delay` is over.
    async fn content_rules(
        &self,
        rules: &PreparedRules,
        delay: Option<Duration>,
        pump: &mut Pump,
    ) -> Decided {
        if rules.is_empty() {
            return Decided::GoOn;
        }
        let until = delay.map(|delay| Instant::now() + delay);
        let channel = self.txn.request_channel();
        let mut first = 0;
        loop {
            let complete = !channel.may_recv() || channel.is_full();
            let late = until.is_none_or(|until| Instant::now() >= until);
            let setting = Setting {
                runner: &*self.worker.runner,
                on_failure: self.worker.shared.global.action_failure,
                may_wait: !complete && !late,
                timer: &self.timer,
                buffer_bytes: self.worker.shared.global.buffer_bytes,
            };
            self.txn.inspecting.set(setting.may_wait);
            let seen = channel.input_len();
            let evaluation = evaluate(rules.from(first), first, &self.txn, &setting);
            let next = pump.while_running(evaluation).await;
            let Some(Next { verdict, rule }) = next else {
                return Decided::End(*b"CR");
            };
            first = rule;
            match verdict {
                Verdict::Continue => return Decided::GoOn,
                Verdict::WaitForData => {
                    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                    let more = pump.while_running(channel.wait_input(seen));
                    if let Ok(None) = self.timer.limit(left, more).await {
                        return Decided::End(*b"CR");
                    }
                }
                Verdict::Vanish { rst_ttl } => {
                    self.traffic.vanish.set(Some(rst_ttl));
                    return Decided::Gone;
                }
                Verdict::Tcp(service, line) => return Decided::Serve(service, line),
                // Replies mean nothing to a TCP client but that it is refused.
                Verdict::Reject
                | Verdict::Reply { .. }
                | Verdict::Tarpit(_)
                | Verdict::Http(..)
                | Verdict::WaitForBody(_) => return Decided::End(*b"PR"),
                Verdict::Done => return Decided::End(*b"LR"),
            }
        }
    }

    /// Lets a service talk to the client until it ends, or the client breaks off or is silent for too long.
    async fn service(
        &self,
        service: &dyn TcpService,
        line: &Rc<str>,
        pump: &mut Pump,
    ) -> Result<(), [u8; 2]> {
        self.txn.phase.set(Phase::Service);
        self.txn.facts.borrow_mut().service = true;
        let mut run = service.serve(TcpApplet::new(self.txn.clone()));
        let limit = self.frontend.spec.timeouts.client;
        let ended = self.while_moving(limit, pump.while_running(&mut run)).await;
        drop(run);
        match ended {
            Ok(Some(Ok(()))) => self.end(pump, *b"LR").await,
            Ok(Some(Err(failure))) => {
                self.txn.log_failure(line, &failure);
                self.end(pump, *b"SD").await
            }
            Ok(None) => Err(*b"CD"),
            Err(Elapsed) => Err(*b"cD"),
        }
    }

    /// Sends what was prepared and ends the stream.
    async fn end(&self, pump: &mut Pump, state: [u8; 2]) -> Result<(), [u8; 2]> {
        let limit = self.frontend.spec.timeouts.client;
        if self.while_moving(limit, pump.flush()).await.is_err() {
            return Err(*b"cD");
        }
        if state == *b"LR" { Ok(()) } else { Err(state) }
    }

    async fn relay_to_server(&self, backend: &Backend, pump: &mut Pump) -> Result<(), [u8; 2]> {
        let timeouts = &self.txn.timeouts(&backend.spec.timeouts);
        let times = &self.txn.times;
        times.queued.set(Some(Instant::now()));
        let belongs = if backend.spec.persistence.is_empty() {
            Belongs::default()
        } else {
            let asking = persistence::server_of(backend, &self.txn, &*self.worker.runner);
            pump.while_running(asking).await.ok_or(*b"CC")?
        };
        let chosen = if backend.spec.stick.is_empty() || belongs.ignored {
            Chosen::default()
        } else {
            let choosing = stick::preferred(backend, &self.txn, &*self.worker.runner);
            pump.while_running(choosing).await.ok_or(*b"CC")?
        };
        let wish = Wish {
            server: belongs.server.or_else(|| chosen.server.clone()),
            avoid: None,
        };
        let assigning = assign(backend, &self.txn, &self.timer, wish);
        let slot = pump.while_running(assigning).await.ok_or(*b"CQ")?;
        let slot = slot.map_err(no_slot)?;
        times.connecting.set(Some(Instant::now()));
        let server = slot.server().clone();
        self.txn.choose_server(slot);
        let connecting = connect(backend, server, &self.timer, &self.txn);
        let connected = pump.while_running(connecting).await.ok_or(*b"CC")?;
        let (server, opened) = connected.map_err(no_connection)?;
        let stream = opened.stream;
        times.connected.set(Some(Instant::now()));
        chosen.store(&server);
        stick::store_response(backend, &server, &self.txn, &*self.worker.runner).await;
        self.txn.backend_src.set(stream.local());
        let (server, from_server) = Counted::new(stream);
        self.txn.usage.with_server(&from_server);
        logline::at(LogStep::Connect, &self.txn);
        let limits = Limits::new(&self.txn.timeouts(&self.frontend.spec.timeouts), timeouts);
        // What rules let pass goes first, then what they left untouched.
        let channel = self.txn.request_channel();
        channel.forward(None);
        let ahead = channel.take_output();
        let answered = self.txn.response_channel().take_output();
        let Some(client) = pump.release(answered).await else {
            return Err(*b"CD");
        };
        let (mut client, mut server) = (client, server);
        let end = relay(
            &self.worker,
            &self.txn,
            &mut client,
            ahead,
            &mut server,
            Bytes::new(),
            limits,
        )
        .await;
        self.txn.facts.borrow_mut().bytes_read = from_server.read.get();
        if end == RelayEnd::Done {
            Ok(())
        } else {
            Err(end.termination())
        }
    }

    /// Runs `future` as long as something moves on the client's connection.
    async fn while_moving<F: Future>(
        &self,
        limit: Option<Duration>,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        let mut seen = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let now = Some(self.traffic.read.get() + self.traffic.written.get());
            if seen != now {
                seen = now;
                self.timer.arm(limit);
            }
            self.timer.poll_elapsed(cx).map(Err)
        })
        .await
    }

    fn finish(&self) {
        let txn = &self.txn;
        txn.times.ended.set(Some(Instant::now()));
        txn.phase.set(Phase::Log);
        {
            let mut facts = txn.facts.borrow_mut();
            facts.bytes_uploaded = self.traffic.read.get();
            facts.bytes_read = self.traffic.written.get();
        }
        txn.close();
        txn.count_bytes();
        logline::at(LogStep::Close, txn);
        txn.untrack();
    }
}

/// Moves bytes between a client's socket and the channels of its transaction, while something else runs.
struct Pump {
    client: Option<Counted>,
    txn: Rc<Txn>,
    held: Bytes,
}

impl Pump {
    fn new(client: Counted, txn: Rc<Txn>) -> Self {
        Pump {
            client: Some(client),
            txn,
            held: Bytes::new(),
        }
    }

    /// Runs `future` to its end, moving bytes meanwhile. `None` if the client's connection breaks first.
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

    /// Writes what is to be sent, then ends the stream in an orderly way.
    async fn flush(&mut self) {
        poll_fn(|cx| {
            if self.write(cx).is_err() {
                return Poll::Ready(());
            }
            let txn = self.txn.clone();
            if !self.held.is_empty() || txn.response_channel().output_len() > 0 {
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
            let mut sink = [0; 4096];
            let drain = poll_fn(|cx| {
                let mut buffer = ReadBuf::new(&mut sink);
                Poll::Ready(Pin::new(&mut *client).poll_read(cx, &mut buffer).is_ready())
            });
            drain.await;
        }
    }

    /// Gives the client's stream away once `rest` was written to it. `None` if that is impossible.
    async fn release(&mut self, rest: Bytes) -> Option<Counted> {
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

    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        self.write(cx)?;
        self.read(cx)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        let Some(client) = &mut self.client else {
            return Err(());
        };
        let channel = self.txn.request_channel();
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
                Poll::Ready(Err(_)) => return Err(()),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => channel.end(),
                Poll::Ready(Ok(())) => channel.append(buffer.filled()).map_err(drop)?,
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        let Some(client) = &mut self.client else {
            return Err(());
        };
        let channel = self.txn.response_channel();
        loop {
            channel.register(cx);
            if self.held.is_empty() {
                self.held = channel.take_output();
            }
            if self.held.is_empty() {
                return Ok(());
            }
            match Pin::new(&mut *client).poll_write(cx, &self.held) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(n)) if n > 0 => self.held.advance(n),
                Poll::Ready(_) => {
                    channel.shut();
                    return Err(());
                }
            }
        }
    }
}
