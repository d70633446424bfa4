//! TCP sessions: content rules while the first bytes come, then a service or a server.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_sample::Way;

use super::choice::{enter_backend, find_backend};
use super::held::Held;
use super::http::{self, Upgraded};
use super::logline;
use super::persistence::{self, Belongs};
use super::pump::{Meanwhile, Pump};
use super::relay::{Direction, Limits, RelayEnd, relay};
use super::upstream::{no_connection, no_slot};
use crate::applet::TcpApplet;
use crate::client::Client;
use crate::ext::TcpService;
use crate::filter::chain::Chain;
use crate::filter::{Filters, filters_between};
use crate::log::LogStep;
use crate::rules::{Next, PreparedRules, Setting, Verdict, evaluate};
use crate::spec::ListenProto;
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
    /// It has come to its own end.
    ended: Cell<bool>,
}

/// What the content rules decided.
enum Decided {
    GoOn,
    Serve(Rc<dyn TcpService>, Rc<str>),
    /// What follows is HTTP.
    Switch(ListenProto),
    /// The stream ends; the log's two letters.
    End([u8; 2]),
    /// The server's connection ends.
    Close,
    /// The client's connection is gone.
    Gone,
    /// A connection broke meanwhile.
    Broke,
}

pub(crate) async fn run(worker: Rc<Worker>, frontend: Rc<Frontend>, client: Rc<Client>, stream: Stream) {
    let (counted, traffic) = Counted::marked(stream, Some(client.clone()));
    let txn = Txn::new(client, Mode::Tcp, worker.shared.global.buffer_bytes);
    txn.phase.set(Phase::Content);
    txn.usage.number.set(worker.number_request());
    txn.usage
        .second
        .set(worker.shared.board.second(txn.client.accepted_at));
    txn.usage.with_client(&txn.client, &traffic, 0);
    let session = TcpSession {
        timer: worker.wheel.timer(),
        worker,
        frontend,
        txn,
        traffic,
        ended: Cell::new(false),
    };
    let mut pump = Pump::new(counted, session.txn.clone());
    match session.serve(&mut pump).await {
        Ok(None) => {}
        // Boxed, so that streams of TCP carry no room for it.
        Ok(Some(upgrade)) => return Box::pin(session.upgrade(upgrade, pump)).await,
        Err(state) => session.txn.facts.borrow_mut().termination = Some(state),
    }
    session.ended.set(true);
}

/// A stream that is to become HTTP.
struct Upgrade {
    proto: ListenProto,
    /// The backend, where its choice is what makes HTTP of it.
    backend: Option<Rc<Backend>>,
}

impl Drop for TcpSession {
    /// Ends the transaction, also where it is ended from outside.
    fn drop(&mut self) {
        if self.txn.mode() == Mode::Http {
            // It goes on as a request.
            return;
        }
        if !self.ended.get() {
            self.txn.facts.borrow_mut().termination.get_or_insert(*b"CD");
            self.txn.note_killer(*b"CD");
        }
        self.finish();
    }
}

impl TcpSession {
    /// Serves the stream to its end, or until it is to become HTTP.
    async fn serve(&self, pump: &mut Pump) -> Result<Option<Upgrade>, [u8; 2]> {
        let spec = &self.frontend.spec;
        self.attach_filters(&self.frontend.filters, pump).await?;
        match self
            .content_rules(Way::Request, &self.frontend.tcp_content, spec.inspect_delay, pump)
            .await
        {
            Decided::GoOn => {}
            Decided::Serve(service, line) => {
                return self.service(&*service, &line, None, pump).await.map(ended);
            }
            Decided::Switch(proto) => {
                let proto = match proto {
                    ListenProto::Any => self.txn.client.entrance.proto,
                    said => said,
                };
                return self.switch(Upgrade { proto, backend: None }, pump).await;
            }
            Decided::End(state) => return self.end(pump, state).await.map(ended),
            Decided::Gone | Decided::Close => return Err(*b"PR"),
            Decided::Broke => return Err(*b"CR"),
        }
        logline::at(LogStep::Request, &self.txn);
        let Some(backend) = find_backend(&self.worker, &self.frontend, &self.txn).await else {
            return self.end(pump, *b"SC").await.map(ended);
        };
        if backend.spec.mode == Mode::Http {
            let upgrade = Upgrade {
                proto: self.txn.client.entrance.proto,
                backend: Some(backend),
            };
            return self.switch(upgrade, pump).await;
        }
        enter_backend(&self.worker, &self.frontend, &backend, &self.txn);
        self.attach_filters(&backend.filters, pump).await?;
        match self
            .content_rules(
                Way::Request,
                &backend.tcp_content,
                backend.spec.inspect_delay,
                pump,
            )
            .await
        {
            // No backend has a rule that switches.
            Decided::GoOn | Decided::Switch(_) => {}
            Decided::Serve(service, line) => {
                return self
                    .service(&*service, &line, Some(&backend), pump)
                    .await
                    .map(ended);
            }
            Decided::End(state) => return self.end(pump, state).await.map(ended),
            Decided::Gone | Decided::Close => return Err(*b"PR"),
            Decided::Broke => return Err(*b"CR"),
        }
        self.relay_to_server(&backend, pump).await.map(ended)
    }

    /// Lets the stream become HTTP, if its listener does.
    async fn switch(&self, upgrade: Upgrade, pump: &mut Pump) -> Result<Option<Upgrade>, [u8; 2]> {
        match self.txn.client.entrance.proto {
            ListenProto::Never => self.end(pump, *b"PR").await.map(ended),
            _ => Ok(Some(upgrade)),
        }
    }

    /// Goes on as HTTP.
    async fn upgrade(self, upgrade: Upgrade, mut pump: Pump) {
        let ahead = self.txn.request_channel().take(None);
        let answered = self.txn.response_channel().take_output();
        let Some(client) = pump.release(answered).await else {
            return;
        };
        let upgraded = Upgraded {
            txn: self.txn.clone(),
            backend: upgrade.backend,
        };
        self.txn.become_http();
        let (worker, frontend) = (self.worker.clone(), self.frontend.clone());
        let traffic = self.traffic.clone();
        let client = (client, ahead);
        http::upgrade(worker, frontend, traffic, client, upgrade.proto, upgraded).await;
    }

    /// Has filters take part in the stream, and tells them that it begins.
    async fn attach_filters(&self, filters: &Filters, pump: &mut Pump) -> Result<(), [u8; 2]> {
        if filters.is_empty() {
            return Ok(());
        }
        let txn = &self.txn;
        let attaching = async {
            let attached = txn.attachments.attach(filters, txn).await;
            attached.map_err(|failure| (failure, *b"IR"))?;
            let started = txn.attachments.start(txn, Way::Request).await;
            started.map_err(|failure| (failure, *b"PR"))
        };
        let attached = pump.while_running(Box::pin(attaching)).await;
        attached.ok_or(*b"CR")?.map_err(|(failure, state)| {
            txn.log_failure("filter", &failure);
            state
        })
    }

    /// Tells the filters that the other way begins.
    async fn start_response(&self, pump: &mut Pump) -> Result<(), [u8; 2]> {
        if self.txn.attachments.is_empty() {
            return Ok(());
        }
        let starting = Box::pin(self.txn.attachments.start(&self.txn, Way::Response));
        let started = pump.while_running(starting).await.ok_or(*b"CC")?;
        started.map_err(|failure| {
            self.txn.log_failure("filter", &failure);
            *b"PH"
        })
    }

    /// What the bytes of one way go through.
    fn chain(&self, backend: Option<&Backend>, way: Way) -> Option<Chain> {
        if self.txn.attachments.is_empty() {
            return None;
        }
        let of_backend = backend.map(|backend| backend.filters.of(way)).unwrap_or_default();
        self.txn
            .attachments
            .stream(self.frontend.filters.of(way).iter().chain(of_backend), way)
    }

    /// Evaluates content rules, again and again as data come, until they decide or `inspect-delay` is over.
    async fn content_rules(
        &self,
        way: Way,
        rules: &PreparedRules,
        delay: Option<Duration>,
        pump: &mut impl Meanwhile,
    ) -> Decided {
        if rules.is_empty() {
            return Decided::GoOn;
        }
        let until = delay.map(|delay| Instant::now() + delay);
        // A relay sees to the silence of its peers by itself.
        let silence = match way {
            Way::Request => self.txn.timeouts(&self.frontend.spec.timeouts).client,
            Way::Response => None,
        };
        self.txn.silence.set(silence);
        let (channel, at) = match way {
            Way::Request => (self.txn.request_channel(), b'R'),
            Way::Response => (self.txn.response_channel(), b'D'),
        };
        let mut first = 0;
        let mut silent = false;
        loop {
            let complete = silent || !channel.may_recv() || channel.is_full();
            let late = until.is_none_or(|until| Instant::now() >= until);
            let setting = Setting {
                runner: &*self.worker.runner,
                on_failure: self.worker.shared.global.action_failure,
                may_wait: !complete && !late,
                timer: &self.timer,
                buffer_bytes: self.worker.shared.global.buffer_bytes,
            };
            self.txn.inspecting.set(setting.may_wait);
            self.txn.inspected_until.set(until);
            self.txn.forget_peeked();
            let seen = channel.input_len();
            let evaluation = evaluate(rules.from(first), first, &self.txn, &setting);
            let next = pump.while_running(evaluation).await;
            self.txn.inspected_until.set(None);
            let Some(Next { verdict, rule }) = next else {
                return Decided::Broke;
            };
            first = rule;
            match verdict {
                Verdict::Continue => return Decided::GoOn,
                Verdict::WaitForData => {
                    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                    let limit = left.into_iter().chain(silence).min();
                    let more = pump.while_running(channel.wait_input(seen));
                    match self.timer.limit(limit, more).await {
                        Ok(Some(())) => {}
                        Ok(None) => return Decided::Broke,
                        // Whoever is silent for that long says no more.
                        Err(Elapsed) => silent = limit != left,
                    }
                }
                Verdict::Vanish { rst_ttl } => {
                    self.traffic.vanish.set(Some(rst_ttl));
                    return Decided::Gone;
                }
                Verdict::SwitchMode(proto) => return Decided::Switch(proto),
                Verdict::Close => return Decided::Close,
                Verdict::Tcp(service, line) => return Decided::Serve(service, line),
                // Replies mean nothing to a TCP client but that it is refused.
                Verdict::Reply { ground, .. } => return Decided::End(ground.state(at)),
                Verdict::Reject
                | Verdict::Tarpit(_)
                | Verdict::Http(..)
                | Verdict::Cached(..)
                | Verdict::Hints(_)
                | Verdict::WaitForBody(_) => return Decided::End([b'P', at]),
                Verdict::Done(ground) => return Decided::End(ground.state(at)),
            }
        }
    }

    /// Lets a service talk to the client until it ends, or the client breaks off or is silent for too long.
    async fn service(
        &self,
        service: &dyn TcpService,
        line: &Rc<str>,
        backend: Option<&Backend>,
        pump: &mut Pump,
    ) -> Result<(), [u8; 2]> {
        self.start_response(pump).await?;
        if !self.txn.attachments.is_empty() {
            pump.filter(
                self.chain(backend, Way::Request),
                self.chain(backend, Way::Response),
            );
        }
        self.txn.phase.set(Phase::Service);
        self.txn.facts.borrow_mut().service = Some(service.name());
        let (times, now) = (&self.txn.times, Some(Instant::now()));
        for moment in [
            &times.queued,
            &times.connecting,
            &times.connected,
            &times.response,
        ] {
            moment.set(now);
        }
        let mut run = service.serve(TcpApplet::new(self.txn.clone()));
        let limit = self.frontend.spec.timeouts.client;
        let ended = self.while_moving(limit, pump.while_running(&mut run)).await;
        drop(run);
        match ended {
            Ok(Some(Ok(()))) => self.flush(pump).await,
            Ok(Some(Err(failure))) => {
                self.txn.log_failure(line, &failure);
                self.end(pump, *b"SD").await
            }
            Ok(None) if pump.filter_failed => Err(*b"PD"),
            Ok(None) => Err(*b"CD"),
            Err(Elapsed) => Err(*b"cD"),
        }
    }

    /// Sends what was prepared and ends the stream.
    async fn end(&self, pump: &mut Pump, state: [u8; 2]) -> Result<(), [u8; 2]> {
        self.flush(pump).await?;
        Err(state)
    }

    /// Sends what was prepared.
    async fn flush(&self, pump: &mut Pump) -> Result<(), [u8; 2]> {
        let limit = self.frontend.spec.timeouts.client;
        let flushed = self.while_moving(limit, pump.flush()).await;
        flushed.map(drop).map_err(|Elapsed| *b"cD")
    }

    async fn relay_to_server(&self, backend: &Backend, pump: &mut Pump) -> Result<(), [u8; 2]> {
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
        let abort = backend.spec.closing.abort;
        let assigning = assign(backend, &self.txn, &self.timer, wish);
        let slot = self
            .unless_client_ends(abort, true, pump, assigning)
            .await
            .ok_or(*b"CQ")?;
        let slot = match slot {
            Ok(slot) => slot,
            Err(why) => return self.end(pump, no_slot(why)).await,
        };
        times.connecting.set(Some(Instant::now()));
        let server = slot.server().clone();
        self.txn.choose_server(slot);
        let connecting = connect(backend, server, &self.timer, &self.txn);
        let connected = self
            .unless_client_ends(abort, false, pump, connecting)
            .await
            .ok_or(*b"CC")?;
        let (server, opened) = match connected {
            Ok(connected) => connected,
            Err(why) => return self.end(pump, no_connection(why)).await,
        };
        let (stream, _life) = (opened.stream, opened.made.life);
        times.connected.set(Some(Instant::now()));
        // Data may come from the first moment on.
        times.response.set(times.connected.get());
        chosen.store(&server);
        stick::store_response(backend, &server, &self.txn, &*self.worker.runner).await;
        self.txn.backend_src.set(stream.local());
        let (server, from_server) = Counted::new(stream);
        self.txn.usage.with_server(&from_server);
        logline::at(LogStep::Connect, &self.txn);
        self.start_response(pump).await?;
        self.txn.forget_peeked();
        let limits = Limits::of(&self.txn, &self.frontend.spec, &backend.spec);
        // What rules let pass goes first, then what they left untouched.
        let channel = self.txn.request_channel();
        channel.forward(None);
        let mut up = Direction::new(channel.take_output());
        up.read_ended = !channel.may_recv();
        if let Some(chain) = self.chain(Some(backend), Way::Request) {
            up.filter(chain, &self.txn);
        }
        let answered = self.txn.response_channel().take_output();
        let Some(mut client) = pump.release(answered).await else {
            return Err(*b"CD");
        };
        let mut server = server;
        let mut down = Direction::new(Bytes::new());
        if !backend.tcp_response.is_empty() {
            // Boxed, so that sessions without such rules carry no room for them.
            let mut held = Held::new(&self.worker, &self.txn, &mut client, up, &mut server, limits);
            let looked = Box::pin(self.response_rules(backend, &mut held)).await;
            (up, down) = held.release();
            looked?;
        }
        let filters = |way| filters_between(&self.frontend.spec, &backend.spec, way);
        up.limit(self.txn.bandwidths.limiters(filters(Way::Request), Way::Request));
        down.limit(
            self.txn
                .bandwidths
                .limiters(filters(Way::Response), Way::Response),
        );
        if let Some(chain) = self.chain(Some(backend), Way::Response) {
            down.filter(chain, &self.txn);
        }
        let end = relay(
            &self.worker,
            &self.txn,
            &mut client,
            up,
            &mut server,
            down,
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

    /// Runs `future` unless the client breaks off, or ends its side where `abort` says that it is given up then. So is one
    /// that has said nothing at all, if it is `queued` and would have to wait.
    async fn unless_client_ends<F: Future>(
        &self,
        abort: bool,
        queued: bool,
        pump: &mut Pump,
        future: F,
    ) -> Option<F::Output> {
        let channel = self.txn.request_channel();
        let mut future = std::pin::pin!(future);
        let watched = poll_fn(|cx| {
            let said_nothing = || channel.input_len() == 0 && channel.output_len() == 0;
            if abort && !channel.may_recv() {
                return Poll::Ready(None);
            }
            // Who says nothing may want to hear something, but not wait in a queue for it.
            match future.as_mut().poll(cx) {
                Poll::Pending if queued && !channel.may_recv() && said_nothing() => Poll::Ready(None),
                polled => polled.map(Some),
            }
        });
        pump.while_running(watched).await.flatten()
    }

    /// Evaluates the rules on what the server sends, which the client gets only after them. Where they end the stream,
    /// the log's two letters.
    async fn response_rules(&self, backend: &Backend, held: &mut Held<'_>) -> Result<(), [u8; 2]> {
        let phase = self.txn.phase.replace(Phase::ResponseContent);
        let delay = backend.spec.response_inspect_delay;
        let decided = self
            .content_rules(Way::Response, &backend.tcp_response, delay, held)
            .await;
        self.txn.phase.set(phase);
        match decided {
            Decided::GoOn | Decided::Switch(_) => Ok(()),
            Decided::Close => {
                held.close_server();
                Ok(())
            }
            Decided::Broke => Err(held.end().termination()),
            // No rule of theirs starts a service.
            Decided::Serve(..) | Decided::Gone => Err(*b"PD"),
            Decided::End(state) => {
                held.flush().await.map_err(RelayEnd::termination)?;
                Err(state)
            }
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
        txn.forget_peeked();
        txn.times.ended.set(Some(Instant::now()));
        txn.phase.set(Phase::Log);
        {
            let mut facts = txn.facts.borrow_mut();
            facts.bytes_uploaded = self.traffic.read.get();
            facts.bytes_read = self.traffic.written.get();
        }
        // Scripts that make its line find a transaction that has not ended.
        let by_scripts = self.frontend.log_calls_scripts;
        if !by_scripts {
            txn.end();
        }
        txn.count_bytes();
        logline::at(LogStep::Close, txn);
        if by_scripts {
            txn.end();
        }
        txn.untrack();
    }
}

/// It has come to its end as a stream.
fn ended((): ()) -> Option<Upgrade> {
    None
}
