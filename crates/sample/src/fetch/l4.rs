//! Addresses and ports of the two ends of the client's and the server's connection.

use super::places::{CLIENT, SERVER_SIDE};
use super::{FetchRow, row};
use crate::arg::ArgSpec;
use crate::session::Session;
use crate::value::{Type, Value};
use std::net::SocketAddr;

const NONE: ArgSpec = ArgSpec::NONE;

pub(super) const ROWS: &[FetchRow] = &[
    row("src", NONE, Type::Addr, CLIENT, "the client's address", |s, _| {
        ip(s.src())
    }),
    row(
        "src_port",
        NONE,
        Type::Int,
        CLIENT,
        "the client's port",
        |s, _| port(s.src()),
    ),
    row(
        "src_is_local",
        NONE,
        Type::Bool,
        CLIENT,
        "whether the client's address is this machine's",
        |s, _| local(s, s.src()),
    ),
    row(
        "dst",
        NONE,
        Type::Addr,
        CLIENT,
        "the address that the client connected to",
        |s, _| ip(s.dst()),
    ),
    row(
        "dst_port",
        NONE,
        Type::Int,
        CLIENT,
        "the port that the client connected to",
        |s, _| port(s.dst()),
    ),
    row(
        "dst_is_local",
        NONE,
        Type::Bool,
        CLIENT,
        "whether the client connected to this machine",
        |s, _| local(s, s.dst()),
    ),
    row(
        "fc_src",
        NONE,
        Type::Addr,
        CLIENT,
        "the address that the connection came from",
        |s, _| ip(s.connection_src()),
    ),
    row(
        "fc_src_port",
        NONE,
        Type::Int,
        CLIENT,
        "the port that the connection came from",
        |s, _| port(s.connection_src()),
    ),
    row(
        "fc_src_is_local",
        NONE,
        Type::Bool,
        CLIENT,
        "whether the connection came from this machine",
        |s, _| local(s, s.connection_src()),
    ),
    row(
        "fc_dst",
        NONE,
        Type::Addr,
        CLIENT,
        "the address that the connection was made to",
        |s, _| ip(s.connection_dst()),
    ),
    row(
        "fc_dst_port",
        NONE,
        Type::Int,
        CLIENT,
        "the port that the connection was made to",
        |s, _| port(s.connection_dst()),
    ),
    row(
        "fc_dst_is_local",
        NONE,
        Type::Bool,
        CLIENT,
        "whether the connection was made to this machine",
        |s, _| local(s, s.connection_dst()),
    ),
    row(
        "bc_src",
        NONE,
        Type::Addr,
        SERVER_SIDE,
        "the address that the server was connected from",
        |s, _| ip(s.backend_src()),
    ),
    row(
        "bc_src_port",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "the port that the server was connected from",
        |s, _| port(s.backend_src()),
    ),
    row(
        "bc_dst",
        NONE,
        Type::Addr,
        SERVER_SIDE,
        "the server's address",
        |s, _| ip(s.backend_dst()),
    ),
    row(
        "bc_dst_port",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "the server's port",
        |s, _| port(s.backend_dst()),
    ),
];

/// An address as a sample; one that is IPv4 inside IPv6 is IPv4.
fn ip(address: Option<SocketAddr>) -> Option<Value> {
    Some(Value::from(address?.ip().to_canonical()))
}

fn port(address: Option<SocketAddr>) -> Option<Value> {
    Some(Value::Int(address?.port().into()))
}

fn local(session: &dyn Session, address: Option<SocketAddr>) -> Option<Value> {
    session.is_local(address?.ip().to_canonical()).map(Value::Bool)
}
