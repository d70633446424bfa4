//! Sessions: what becomes of a connection once it was accepted. LIFECYCLE.md draws it.

mod ahead;
mod answering;
mod choice;
mod exchange;
pub(crate) mod exchanges;
mod filtering;
mod forwarding;
mod h1;
mod h2;
pub(crate) mod headers;
mod held;
mod http;
mod inspection;
mod lingering;
pub(crate) mod logline;
mod outgoing;
mod passing;
pub(crate) mod persistence;
mod pump;
mod relay;
mod responding;
mod reuse;
pub(crate) mod seats;
mod service;
mod statistics;
mod stream;
mod tcp;
mod upstream;
mod welcome;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tidegate_sample::stick::Count;

use crate::client::Client;
use crate::clock::Turn;
use crate::counts;
use crate::rules::{PreparedRules, Setting, Verdict, evaluate};
use crate::stream::Stream;
use crate::tally::{self, Pulse};
use crate::txn::{Mode, Phase, Txn};
use crate::worker::{Frontend, Worker};

pub(crate) use headers::wants_websocket;
pub(crate) use welcome::Welcome;

/// What becomes of a connection, in a box of its own: a task carries no more than where that is.
pub(crate) type Life = Pin<Box<dyn Future<Output = ()>>>;

/// The life of one client connection.
pub(crate) struct Session(Stage);

enum Stage {
    /// It is looked at by rules, or shakes hands.
    Arriving(Pin<Box<dyn Future<Output = Option<Stream>>>>, Arrival),
    Living(Life),
}

/// Where a connection came.
struct Arrival {
    worker: Rc<Worker>,
    frontend: Rc<Frontend>,
    client: Rc<Client>,
}

impl Session {
    pub(crate) fn new(
        worker: Rc<Worker>,
        frontend: Rc<Frontend>,
        client: Rc<Client>,
        welcome: &Rc<Welcome>,
        stream: Stream,
    ) -> Session {
        let arrival = Arrival {
            worker,
            frontend,
            client,
        };
        let Arrival { frontend, client, .. } = &arrival;
        let is_plain = welcome.is_plain(client);
        Session(
            if is_plain && frontend.tcp_connection.is_empty() && frontend.tcp_session.is_empty() {
                tally::beat(Pulse::Sessions, client.accepted_at);
                Stage::Living(arrival.begin(stream))
            } else {
                let (worker, frontend, client) = (arrival.worker.clone(), frontend.clone(), client.clone());
                let welcome = welcome.clone();
                let arriving = Box::pin(arrive(worker, frontend, client, welcome, stream));
                Stage::Arriving(arriving, arrival)
            },
        )
    }
}

impl Future for Session {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _turn = Turn::begin();
        loop {
            match &mut self.0 {
                Stage::Living(life) => return life.as_mut().poll(cx),
                Stage::Arriving(arriving, arrival) => match ready!(arriving.as_mut().poll(cx)) {
                    Some(stream) => self.0 = Stage::Living(arrival.begin(stream)),
                    None => return Poll::Ready(()),
                },
            }
        }
    }
}

impl Arrival {
    /// The connection is a session.
    fn begin(&self, stream: Stream) -> Life {
        let (worker, frontend, client) = (self.worker.clone(), self.frontend.clone(), self.client.clone());
        if frontend.spec.closing.no_linger {
            stream.reset_on_close();
        }
        logline::accepted(&frontend, &client);
        match frontend.spec.mode {
            Mode::Http => http::serve(worker, frontend, client, stream),
            Mode::Tcp => Box::pin(tcp::run(worker, frontend, client, stream)),
        }
    }
}

/// What comes before a session. None if there is to be none.
async fn arrive(
    worker: Rc<Worker>,
    frontend: Rc<Frontend>,
    client: Rc<Client>,
    welcome: Rc<Welcome>,
    mut stream: Stream,
) -> Option<Stream> {
    let sets = [
        (Phase::Connection, &frontend.tcp_connection),
        (Phase::Session, &frontend.tcp_session),
    ];
    for (phase, rules) in sets {
        if phase == Phase::Session {
            tally::beat(Pulse::Sessions, client.accepted_at);
        }
        if phase == Phase::Session && !welcome.is_plain(&client) {
            stream = welcome.shake_hands(&worker, &frontend, &client, stream).await?;
        }
        if rules.is_empty() {
            continue;
        }
        match admitted(&worker, &client, phase, rules).await {
            Verdict::Continue => {}
            verdict => {
                let mut denied = counts::Count::DeniedSessions;
                if phase == Phase::Connection {
                    frontend.let_nobody_in(&worker);
                    denied = counts::Count::DeniedConnections;
                }
                for usage in [Some(&frontend.usage), client.entrance.socket.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    usage.counts.add(denied, 1);
                }
                if let Verdict::Vanish { rst_ttl } = verdict {
                    stream.vanish_on_close(rst_ttl);
                }
                return None;
            }
        }
        if phase == Phase::Connection && !client.counters.is_empty() {
            client.counters.count(Count::Session, 1, Turn::ticks());
        }
    }
    Some(stream)
}

/// What the rules that look at the mere connection decide.
async fn admitted(worker: &Worker, client: &Rc<Client>, phase: Phase, rules: &PreparedRules) -> Verdict {
    let txn = Txn::new(client.clone(), Mode::Tcp, worker.shared.global.buffer_bytes);
    txn.phase.set(phase);
    let timer = worker.wheel.timer();
    let setting = Setting {
        runner: &*worker.runner,
        on_failure: worker.shared.global.action_failure,
        may_wait: false,
        timer: &timer,
        buffer_bytes: worker.shared.global.buffer_bytes,
    };
    let next = evaluate(rules.from(0), 0, &txn, &setting).await;
    txn.close();
    next.verdict
}
