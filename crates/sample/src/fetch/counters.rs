//! How much goes on in proxies and servers.

use super::places::{ANYWHERE, FRONTEND, PROCESS};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgKind, ArgSpec, at};
use crate::figures::{BackendFigures, FrontendFigures, ServerFigures};
use crate::session::Session;
use crate::value::{Type, Value};

const NONE: ArgSpec = ArgSpec::NONE;
const FRONT: ArgSpec = ArgSpec::new(1, &[ArgKind::Frontend]);
const BACK: ArgSpec = ArgSpec::new(1, &[ArgKind::Backend]);
const SERVER: ArgSpec = ArgSpec::new(1, &[ArgKind::Server]);

macro_rules! frontend {
    ($name:literal, $doc:literal, $figure:expr) => {
        row($name, FRONT, Type::Int, PROCESS, $doc, |s, args| {
            let figure: fn(FrontendFigures) -> u64 = $figure;
            Some(int(figure(frontend(s, args)?)))
        })
    };
}

macro_rules! backend {
    ($name:literal, $doc:literal, $figure:expr) => {
        row($name, BACK, Type::Int, PROCESS, $doc, |s, args| {
            let figure: fn(BackendFigures) -> Value = $figure;
            Some(figure(backend(s, args)?))
        })
    };
}

macro_rules! server {
    ($name:literal, $type:expr, $doc:literal, $figure:expr) => {
        row($name, SERVER, $type, PROCESS, $doc, |s, args| {
            let figure: fn(ServerFigures) -> Value = $figure;
            Some(figure(server(s, args)?))
        })
    };
}

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "act_conn",
        NONE,
        Type::Int,
        ANYWHERE,
        "the number of client connections of the process",
        |s, _| s.process_connections().map(int),
    ),
    row(
        "dst_conn",
        NONE,
        Type::Int,
        FRONTEND,
        "the number of client connections of the listening socket, this one included",
        |s, _| s.listener_connections().map(int),
    ),
    frontend!("fe_conn", "the number of client connections of a frontend", |f| f
        .connections),
    frontend!("fe_sess_rate", "new connections of a frontend per second", |f| f
        .sessions_per_second),
    frontend!("fe_req_rate", "HTTP requests to a frontend per second", |f| f
        .requests_per_second),
    backend!("be_conn", "the number of requests or streams in a backend", |f| {
        int(f.connections)
    }),
    backend!(
        "be_sess_rate",
        "new requests or streams in a backend per second",
        |f| int(f.sessions_per_second)
    ),
    backend!("queue", "how many wait for a server of a backend", |f| int(
        f.queued
    )),
    backend!(
        "avg_queue",
        "how many wait for each usable server of a backend; twice as many as wait if there is none",
        |f| int(match f.usable_servers {
            0 => f.queued.saturating_mul(2),
            servers => f.queued.div_ceil(servers),
        })
    ),
    backend!("nbsrv", "the number of a backend's usable servers", |f| int(
        f.usable_servers
    )),
    backend!(
        "be_conn_free",
        "the connections that a backend's usable servers have left; -1 if one has no limit",
        |f| limited(f.connections_free)
    ),
    backend!(
        "connslots",
        "the connections and places in queues that a backend's usable servers have left; -1 if one has no limit",
        |f| limited(f.slots_free)
    ),
    server!(
        "srv_conn",
        Type::Int,
        "the number of requests or streams of a server",
        |f| int(f.connections)
    ),
    server!(
        "srv_conn_free",
        Type::Int,
        "the connections that a server has left; -1 if it has no limit",
        |f| limited(f.connections_free)
    ),
    server!("srv_queue", Type::Int, "how many wait for a server", |f| int(
        f.queued
    )),
    server!(
        "srv_sess_rate",
        Type::Int,
        "new requests or streams of a server per second",
        |f| int(f.sessions_per_second)
    ),
    server!("srv_is_up", Type::Bool, "whether a server is in service", |f| {
        Value::Bool(f.up)
    }),
    server!(
        "srv_weight",
        Type::Int,
        "a server's weight as it counts now",
        |f| int(f.weight.into())
    ),
    server!(
        "srv_uweight",
        Type::Int,
        "a server's weight, as it was set last",
        |f| int(f.user_weight.into())
    ),
    server!(
        "srv_iweight",
        Type::Int,
        "the weight that a server began with",
        |f| int(f.initial_weight.into())
    ),
];

fn int(figure: u64) -> Value {
    Value::Int(i64::try_from(figure).unwrap_or(i64::MAX))
}

fn limited(left: Option<u64>) -> Value {
    left.map_or(Value::Int(-1), int)
}

fn frontend(session: &dyn Session, args: &[Arg]) -> Option<FrontendFigures> {
    match at(args, 0) {
        Arg::Str(name) => session.figures()?.frontend(name),
        _ => session.figures()?.frontend(&session.frontend()?.name),
    }
}

fn backend(session: &dyn Session, args: &[Arg]) -> Option<BackendFigures> {
    match at(args, 0) {
        Arg::Str(name) => session.figures()?.backend(name),
        _ => session.figures()?.backend(&session.backend()?.name),
    }
}

fn server(session: &dyn Session, args: &[Arg]) -> Option<ServerFigures> {
    match at(args, 0) {
        Arg::Server {
            backend: Some(backend),
            name,
        } => session.figures()?.server(backend, name),
        Arg::Server { backend: None, name } => session.figures()?.server(&session.backend()?.name, name),
        _ => None,
    }
}
