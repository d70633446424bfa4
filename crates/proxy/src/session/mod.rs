//! Sessions: what becomes of a connection once it was accepted. LIFECYCLE.md draws it.

mod answering;
mod exchange;
mod h1;
mod h2;
mod headers;
mod http;
mod lingering;
mod logline;
mod outgoing;
mod relay;
mod service;
mod stream;
mod tcp;
mod upstream;

use std::rc::Rc;

use crate::client::Client;
use crate::rules::{PreparedRules, Setting, Verdict, evaluate};
use crate::stream::Stream;
use crate::txn::{Mode, Phase, Txn};
use crate::worker::{Frontend, Worker};

/// The life of one client connection.
pub(crate) async fn run(worker: Rc<Worker>, frontend: Rc<Frontend>, client: Rc<Client>, stream: Stream) {
    let sets = [
        (Phase::Connection, &frontend.tcp_connection),
        (Phase::Session, &frontend.tcp_session),
    ];
    for (phase, rules) in sets {
        if !rules.is_empty() && !admitted(&worker, &client, phase, rules).await {
            return;
        }
    }
    match frontend.spec.mode {
        Mode::Http => http::run(worker, frontend, client, stream).await,
        Mode::Tcp => tcp::run(worker, frontend, client, stream).await,
    }
}

/// Whether the rules that look at the mere connection let it in.
async fn admitted(worker: &Worker, client: &Rc<Client>, phase: Phase, rules: &PreparedRules) -> bool {
    let txn = Txn::new(client.clone(), Mode::Tcp, worker.shared.global.buffer_bytes);
    txn.phase.set(phase);
    let setting = Setting {
        runner: &*worker.runner,
        on_failure: worker.shared.global.action_failure,
        may_wait: false,
    };
    let next = evaluate(rules.from(0), 0, &txn, &setting).await;
    txn.close();
    matches!(next.verdict, Verdict::Continue)
}
