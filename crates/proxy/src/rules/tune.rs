//! Actions that settle how the rest of a session goes: timeouts, retries, addresses, marks of packets, priorities.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tidegate_sample::{Amount, Expr, ExternalRunner, Value};

use crate::txn::Txn;

/// What is settled, and to what. Where the amount or the address can't be computed, all stays as it is.
pub enum Tuning {
    /// `set-timeout`, in milliseconds.
    Timeout(TimeoutKind, Amount),
    /// `set-retries`.
    Retries(Amount),
    /// `disable-l7-retry`.
    NoRequestRetry,
    /// `set-src`: the client's address, port kept.
    Source(Expr),
    /// `set-src-port`.
    SourcePort(Amount),
    /// `set-dst`: the address that the client connected to, port kept.
    Destination(Expr),
    /// `set-dst-port`.
    DestinationPort(Amount),
    /// `set-fc-mark`: the netfilter mark of packets to the client.
    ClientMark(Amount),
    /// `set-fc-tos`: the type of service of packets to the client.
    ClientTos(Amount),
    /// `set-bc-mark`: the netfilter mark of packets to the server.
    ServerMark(Amount),
    /// `set-bc-tos`: the type of service of packets to the server.
    ServerTos(Amount),
    /// `set-priority-class`.
    PriorityClass(Amount),
    /// `set-priority-offset`.
    PriorityOffset(Amount),
}

/// A timeout that a rule may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutKind {
    /// `client`.
    Client,
    /// `connect`.
    Connect,
    /// `queue`.
    Queue,
    /// `server`.
    Server,
    /// `tarpit`.
    Tarpit,
    /// `tunnel`.
    Tunnel,
}

const RETRIES_MAX: i64 = 100;

/// Does what the rule says.
pub(super) async fn tune(tuning: &Tuning, txn: &Rc<Txn>, runner: &dyn ExternalRunner) {
    let amount = match tuning {
        Tuning::NoRequestRetry => return txn.overrides.forbid_request_retry(),
        Tuning::Source(expr) => {
            if let Some(address) = address(expr, txn, runner).await {
                txn.set_source(address);
            }
            return;
        }
        Tuning::Destination(expr) => {
            if let Some(address) = address(expr, txn, runner).await {
                txn.set_destination(address);
            }
            return;
        }
        Tuning::Timeout(_, amount)
        | Tuning::Retries(amount)
        | Tuning::SourcePort(amount)
        | Tuning::DestinationPort(amount)
        | Tuning::ClientMark(amount)
        | Tuning::ClientTos(amount)
        | Tuning::ServerMark(amount)
        | Tuning::ServerTos(amount)
        | Tuning::PriorityClass(amount)
        | Tuning::PriorityOffset(amount) => amount.eval(&**txn, runner).await,
    };
    if let Some(amount) = amount {
        settle(tuning, amount, txn);
    }
}

fn settle(tuning: &Tuning, amount: i64, txn: &Txn) {
    match tuning {
        Tuning::Timeout(which, _) => {
            if let Some(time) = u64::try_from(amount).ok().filter(|ms| *ms > 0) {
                txn.overrides.set_timeout(*which, Duration::from_millis(time));
            }
        }
        Tuning::Retries(_) => {
            if (0..=RETRIES_MAX).contains(&amount) {
                txn.overrides.set_retries(u32::try_from(amount).ok());
            }
        }
        // Numbers that are too long lose what doesn't fit, as they do in HAProxy.
        Tuning::SourcePort(_) => txn.set_source_port(amount as u16),
        Tuning::DestinationPort(_) => txn.set_destination_port(amount as u16),
        Tuning::ClientMark(_) => txn.set_client_mark(amount as u32),
        Tuning::ClientTos(_) => txn.set_client_tos(amount as u8),
        Tuning::ServerMark(_) => txn.overrides.set_server_mark(amount as u32),
        Tuning::ServerTos(_) => txn.overrides.set_server_tos(amount as u8),
        Tuning::PriorityClass(_) => txn.set_priority_class(amount),
        Tuning::PriorityOffset(_) => txn.set_priority_offset(amount),
        Tuning::NoRequestRetry | Tuning::Source(_) | Tuning::Destination(_) => {}
    }
}

async fn address(expr: &Expr, txn: &Txn, runner: &dyn ExternalRunner) -> Option<IpAddr> {
    let value = if expr.suspends() {
        expr.eval_async(txn, runner).await
    } else {
        expr.eval(txn)
    };
    match value? {
        Value::Ipv4(v4) => Some(v4.into()),
        Value::Ipv6(v6) => Some(v6.into()),
        Value::Str(text) => std::str::from_utf8(&text).ok()?.parse().ok(),
        _ => None,
    }
}
