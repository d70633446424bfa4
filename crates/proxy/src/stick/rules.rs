//! What rules do with tables.

use std::rc::Rc;

use tidegate_sample::stick::{Count, CounterChange, EntryChange, Track};
use tidegate_sample::{Expr, ExternalRunner, Session, Value};

use crate::clock::Turn;
use crate::txn::{Mode, Phase, Txn};

/// `track-sc`: from here on the counter tracks the entry of the key, unless it tracks one already. Without a key, or without
/// room for it, it tracks none.
pub(crate) async fn track(txn: &Rc<Txn>, track: &Track, runner: &dyn ExternalRunner) {
    if txn.tracked(track.counter).is_some() {
        return;
    }
    if let Some(key) = eval(txn, &track.key, runner).await {
        begin(txn, track, key);
    }
}

/// The same where the key is there at once.
pub(crate) fn track_at_once(txn: &Rc<Txn>, track: &Track) {
    if txn.tracked(track.counter).is_some() {
        return;
    }
    if let Some(key) = track.key.eval(&**txn) {
        begin(txn, track, key);
    }
}

fn begin(txn: &Rc<Txn>, track: &Track, key: Value) {
    let now = Turn::ticks();
    let tracked = track.table.spec().key.key(key);
    let Some(tracked) = tracked.and_then(|key| track.table.track(&key, now)) else {
        return;
    };
    let entry = tracked.entry();
    entry.count(Count::Connection, 1, now);
    match txn.phase() {
        Phase::Connection => {}
        Phase::Session => entry.count(Count::Session, 1, now),
        _ if txn.mode() == Mode::Tcp => {}
        // The request that is under way is one of those that are counted, and so is what the response already says.
        Phase::Response => {
            entry.count(Count::Request, 1, now);
            let status = txn.response_head().map_or(0, |head| head.status.as_u16());
            for what in txn.client.entrance.tables.verdicts.of(status) {
                entry.count(what, 1, now);
            }
        }
        _ => entry.count(Count::Request, 1, now),
    }
    match txn.phase() {
        Phase::Connection | Phase::Session => txn.client.counters.add(track.counter, tracked),
        _ => txn.counters.add(track.counter, tracked),
    }
}

/// `sc-inc-gpc` and its kin. What is not tracked or not kept stays as it is.
pub(crate) async fn change(txn: &Rc<Txn>, change: &CounterChange, runner: &dyn ExternalRunner) {
    let amount = match &change.change {
        EntryChange::Add { amount, .. } | EntryChange::Set { to: amount, .. } => amount,
    };
    let amount = amount
        .eval(&**txn, runner)
        .await
        .and_then(|amount| u32::try_from(amount).ok());
    let (Some(amount), Some(tracked)) = (amount, txn.tracked(change.counter)) else {
        return;
    };
    let (entry, now) = (tracked.entry(), Turn::ticks());
    entry.touch(now);
    match change.change {
        EntryChange::Add { cell, rate, .. } => {
            let rate = tidegate_sample::stick::Cell { kind: rate, ..cell };
            entry.add(rate, amount.into(), now);
            entry.add(cell, amount.into(), now);
        }
        EntryChange::Set { cell, .. } => {
            entry.replace(cell, amount.into(), now);
        }
    }
}

pub(super) async fn eval(txn: &Txn, expr: &Expr, runner: &dyn ExternalRunner) -> Option<Value> {
    if expr.suspends() {
        let value = expr.eval_async(txn, runner).await;
        Turn::refresh();
        value
    } else {
        expr.eval(txn)
    }
}
