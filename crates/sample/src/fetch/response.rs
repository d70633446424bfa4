//! The response's line, and what a transaction counted and timed.

use super::places::{FRONTEND, PROCESS, REQUEST, REQUEST_KEPT, RESPONSE, RESPONSE_END, SERVER, SERVER_SIDE};
use super::{FetchRow, http_version, row};
use crate::arg::{Arg, ArgSpec};
use crate::data::Data;
use crate::session::Session;
use crate::value::{Type, Value};

const NONE: ArgSpec = ArgSpec::NONE;

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "status",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "the response's status",
        |s, _| Some(Value::Int(s.response()?.status.as_u16().into())),
    ),
    row(
        "res.ver",
        NONE,
        Type::Str,
        SERVER_SIDE,
        "the response's HTTP version",
        version,
    ),
    row(
        "resp_ver",
        NONE,
        Type::Str,
        SERVER_SIDE,
        "the response's HTTP version",
        version,
    ),
    row(
        "capture.res.ver",
        NONE,
        Type::Str,
        REQUEST_KEPT,
        "the response's HTTP version with the name",
        |s, _| {
            Some(Value::Str(Data::format(format_args!(
                "HTTP/{}",
                http_version(s.response()?.version)
            ))))
        },
    ),
    row(
        "txn.status",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "the status that the client gets",
        |s, _| s.facts().status.map(|status| Value::Int(status.into())),
    ),
    row(
        "txn.conn_retries",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "the number of connection retries",
        |s, _| Some(Value::Int(s.facts().retries.into())),
    ),
    row(
        "txn.redispatched",
        NONE,
        Type::Bool,
        SERVER_SIDE,
        "whether another server than chosen first was used",
        |s, _| Some(Value::Bool(s.facts().redispatched)),
    ),
    row(
        "txn.sess_term_state",
        NONE,
        Type::Str,
        PROCESS,
        "the termination state",
        |s, _| {
            let facts = s.facts();
            let [[a, b], [c, d]] = [
                facts.termination.unwrap_or(*b"--"),
                facts.cookie_state.unwrap_or(*b"--"),
            ];
            Some(Value::str(&[a, b, c, d][..]))
        },
    ),
    row(
        "txn.timer.total",
        NONE,
        Type::Int,
        REQUEST_KEPT,
        "total time, milliseconds",
        |s, _| s.facts().total_ms.map(Value::Int),
    ),
    row(
        "txn.timer.user",
        NONE,
        Type::Int,
        REQUEST_KEPT,
        "total time as the user felt it, milliseconds",
        |s, _| s.facts().user_ms.map(Value::Int),
    ),
    row(
        "req.timer.hdr",
        NONE,
        Type::Int,
        REQUEST,
        "time to receive the request, milliseconds",
        |s, _| s.facts().request_ms.map(Value::Int),
    ),
    row(
        "req.timer.idle",
        NONE,
        Type::Int,
        REQUEST,
        "idle time before the request, milliseconds",
        |s, _| s.facts().idle_ms.map(Value::Int),
    ),
    row(
        "req.timer.queue",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "time in queues, milliseconds",
        |s, _| s.facts().queue_ms.map(Value::Int),
    ),
    row(
        "req.timer.tq",
        NONE,
        Type::Int,
        REQUEST,
        "handshakes, idle time and request, milliseconds",
        |s, _| {
            let facts = s.facts();
            Some(Value::Int(
                facts.handshake_ms? + facts.idle_ms? + facts.request_ms?,
            ))
        },
    ),
    row(
        "res.timer.hdr",
        NONE,
        Type::Int,
        RESPONSE,
        "time to the response, milliseconds",
        |s, _| s.facts().response_ms.map(Value::Int),
    ),
    row(
        "res.timer.data",
        NONE,
        Type::Int,
        RESPONSE_END,
        "time to transfer the response, milliseconds",
        |s, _| s.facts().data_ms.map(Value::Int),
    ),
    row(
        "fc.timer.handshake",
        NONE,
        Type::Int,
        super::places::CLIENT,
        "handshakes, milliseconds",
        |s, _| s.facts().handshake_ms.map(Value::Int),
    ),
    row(
        "fc.timer.total",
        NONE,
        Type::Int,
        FRONTEND,
        "total time of the connection, milliseconds",
        |s, _| s.facts().total_ms.map(Value::Int),
    ),
    row(
        "bc.timer.connect",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "time to connect, milliseconds",
        |s, _| s.facts().connect_ms.map(Value::Int),
    ),
    row(
        "bc_reused",
        NONE,
        Type::Bool,
        SERVER_SIDE,
        "whether the server's connection was used before",
        |s, _| Some(Value::Bool(s.facts().server_connection_reused)),
    ),
    row(
        "server_status",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "the status that the server gave",
        |s, _| Some(Value::Int(s.facts().server_status?.into())),
    ),
    row(
        "res.cache_hit",
        NONE,
        Type::Bool,
        SERVER,
        "whether the response comes from a cache",
        |s, _| Some(Value::Bool(s.facts().cache.is_some())),
    ),
    row(
        "res.cache_name",
        NONE,
        Type::Str,
        SERVER,
        "the name of the cache that the response comes from",
        |s, _| Some(Value::str(s.facts().cache.as_deref().unwrap_or_default())),
    ),
    row(
        "res.comp",
        NONE,
        Type::Bool,
        SERVER_SIDE,
        "whether the response is compressed here",
        |s, _| Some(Value::Bool(s.facts().compression.is_some())),
    ),
    row(
        "res.comp_algo",
        NONE,
        Type::Str,
        SERVER_SIDE,
        "the algorithm by which the response is compressed here",
        |s, _| Some(Value::str(s.facts().compression?)),
    ),
    row(
        "http_first_req",
        NONE,
        Type::Bool,
        REQUEST_KEPT,
        "whether this is its connection's first request",
        |s, _| Some(Value::Bool(s.facts().first_request)),
    ),
];

fn version(session: &dyn Session, _: &[Arg]) -> Option<Value> {
    Some(Value::str(http_version(session.response()?.version)))
}
