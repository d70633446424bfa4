//! Sessions: what becomes of a connection once it was accepted. LIFECYCLE.md draws it.

mod ahead;
mod answering;
mod choice;
mod exchange;
mod filtering;
mod forwarding;
mod h1;
mod h2;
mod headers;
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
mod reuse;
mod service;
mod statistics;
mod stream;
mod tcp;
mod upstream;
mod welcome;

use std::rc::Rc;

use tidegate_sample::stick::Count;

use crate::client::Client;
use crate::clock::ticks;
use crate::counts;
use crate::rules::{PreparedRules, Setting, Verdict, evaluate};
use crate::stream::Stream;
use crate::tally::{self, Pulse};
use crate::txn::{Mode, Phase, Txn};
use crate::worker::{Frontend, Worker};

pub(crate) use headers::wants_websocket;
pub(crate) use welcome::Welcome;

/// The life of one client connection.
pub(crate) async fn run(
    worker: Rc<Worker>,
    frontend: Rc<Frontend>,
    client: Rc<Client>,
    welcome: Rc<Welcome>,
    mut stream: Stream,
) {
    let sets = [
        (Phase::Connection, &frontend.tcp_connection),
        (Phase::Session, &frontend.tcp_session),
    ];
    for (phase, rules) in sets {
        if phase == Phase::Session {
            tally::beat(Pulse::Sessions, client.accepted_at);
        }
        if phase == Phase::Session && !welcome.is_plain(&client) {
            // Boxed, so that sessions without handshakes carry no room for them.
            match Box::pin(welcome.shake_hands(&worker, &frontend, &client, stream)).await {
                Some(ready) => stream = ready,
                None => return,
            }
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
                for usage in [Some(&frontend.usage), client.socket.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    usage.counts.add(denied, 1);
                }
                if let Verdict::Vanish { rst_ttl } = verdict {
                    stream.vanish_on_close(rst_ttl);
                }
                return;
            }
        }
        if phase == Phase::Connection && !client.counters.is_empty() {
            client.counters.count(Count::Session, 1, ticks());
        }
    }
    if frontend.spec.closing.no_linger {
        stream.reset_on_close();
    }
    logline::accepted(&frontend, &client);
    match frontend.spec.mode {
        Mode::Http => {
            let mut connection = http::Connection::new(worker, frontend, client, stream);
            connection.serve().await;
        }
        // Boxed, so that sessions of HTTP carry no room for it.
        Mode::Tcp => Box::pin(tcp::run(worker, frontend, client, stream)).await,
    }
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
