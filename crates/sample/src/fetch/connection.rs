//! The connections of a session: what the kernel measures, what went wrong, and what they carry.

use super::places::{CLIENT, REQUEST_KEPT, RESPONSE_END, SERVER_SIDE, SESSION};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::figures::{HttpStreamFigures, TcpFigures, Traffic};
use crate::session::{Session, Way};
use crate::value::{Type, Value};

const NONE: ArgSpec = ArgSpec::NONE;
const UNIT: ArgSpec = ArgSpec::new(0, &[ArgKind::Str]);

macro_rules! time {
    ($name:literal, $way:expr, $doc:literal, $figure:ident) => {
        row($name, UNIT, Type::Int, CLIENT, $doc, |s, args| {
            let us = i64::from(s.kernel($way)?.$figure);
            Some(Value::Int(match at(args, 0).text() {
                b"us" => us,
                _ => us / 1000,
            }))
        })
        .prepared(unit)
    };
}

macro_rules! count {
    ($name:literal, $doc:literal, $figure:ident) => {
        row($name, UNIT, Type::Int, CLIENT, $doc, |s, _| {
            let figures: TcpFigures = s.kernel(Way::Request)?;
            Some(Value::Int(figures.$figure.into()))
        })
        .prepared(no_unit)
    };
}

macro_rules! bytes {
    ($name:literal, $places:expr, $doc:literal, $figure:ident) => {
        row($name, NONE, Type::Int, $places, $doc, |s, _| {
            let traffic: Traffic = s.traffic()?;
            Some(Value::Int(i64::try_from(traffic.$figure).unwrap_or(i64::MAX)))
        })
    };
}

macro_rules! stream {
    ($name:literal, $places:expr, $way:expr, $doc:literal, $figure:ident) => {
        row($name, NONE, Type::Int, $places, $doc, |s, _| {
            let figures: HttpStreamFigures = s.http_stream($way)?;
            Some(Value::Int(figures.$figure.into()))
        })
    };
}

pub(super) const ROWS: &[FetchRow] = &[
    time!(
        "fc_rtt",
        Way::Request,
        "the round trip time of the client's connection, in `ms` (or `us`)",
        rtt_us
    ),
    time!(
        "fc_rttvar",
        Way::Request,
        "how much the round trip time of the client's connection varies, in `ms` (or `us`)",
        rttvar_us
    ),
    time!(
        "bc_rtt",
        Way::Response,
        "the round trip time of the server's connection, in `ms` (or `us`)",
        rtt_us
    ),
    time!(
        "bc_rttvar",
        Way::Response,
        "how much the round trip time of the server's connection varies, in `ms` (or `us`)",
        rttvar_us
    ),
    count!(
        "fc_unacked",
        "segments to the client that are not acknowledged",
        unacked
    ),
    count!(
        "fc_sacked",
        "segments to the client that are acknowledged selectively",
        sacked
    ),
    count!("fc_lost", "segments to the client that are taken for lost", lost),
    count!(
        "fc_retrans",
        "segments to the client that were sent again and are not acknowledged",
        retrans
    ),
    count!(
        "fc_fackets",
        "segments to the client up to the last one that is acknowledged",
        fackets
    ),
    count!(
        "fc_reordering",
        "by how many segments the way to the client changes their order",
        reordering
    ),
    row(
        "fc_err",
        NONE,
        Type::Int,
        CLIENT,
        "the number of what went wrong with the client's connection, 0 for nothing",
        |s, _| error(s, Way::Request).map(|(id, ..)| Value::Int(id.into())),
    ),
    row(
        "fc_err_name",
        NONE,
        Type::Str,
        CLIENT,
        "the name of what went wrong with the client's connection",
        |s, _| error(s, Way::Request).map(|(_, name, _)| Value::str(name)),
    ),
    row(
        "fc_err_str",
        NONE,
        Type::Str,
        CLIENT,
        "what went wrong with the client's connection",
        |s, _| error(s, Way::Request).map(|(.., message)| Value::str(message)),
    ),
    row(
        "bc_err",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "the number of what went wrong with the server's connection, 0 for nothing",
        |s, _| error(s, Way::Response).map(|(id, ..)| Value::Int(id.into())),
    ),
    row(
        "bc_err_name",
        NONE,
        Type::Str,
        SERVER_SIDE,
        "the name of what went wrong with the server's connection",
        |s, _| error(s, Way::Response).map(|(_, name, _)| Value::str(name)),
    ),
    row(
        "bc_err_str",
        NONE,
        Type::Str,
        SERVER_SIDE,
        "what went wrong with the server's connection",
        |s, _| error(s, Way::Response).map(|(.., message)| Value::str(message)),
    ),
    stream!(
        "fc_nb_streams",
        CLIENT,
        Way::Request,
        "the number of requests that the client's connection carries at once",
        streams
    ),
    stream!(
        "fc_settings_streams_limit",
        SESSION,
        Way::Request,
        "the number of requests that the client's connection may carry at once",
        streams_max
    ),
    stream!(
        "fc_glitches",
        CLIENT,
        Way::Request,
        "how much was odd about what the client sent",
        glitches
    ),
    row(
        "fs.id",
        NONE,
        Type::Str,
        SESSION,
        "the number of the stream on the client's connection; 0 for HTTP/1",
        |s, _| {
            let id = s.http_stream(Way::Request)?.stream_id;
            Some(Value::Str(id.to_string().into()))
        },
    ),
    stream!(
        "bc_nb_streams",
        SERVER_SIDE,
        Way::Response,
        "the number of requests that the server's connection carries at once",
        streams
    ),
    stream!(
        "bc_settings_streams_limit",
        SERVER_SIDE,
        Way::Response,
        "the number of requests that the server's connection may carry at once",
        streams_max
    ),
    stream!(
        "bc_glitches",
        SERVER_SIDE,
        Way::Response,
        "how much was odd about what the server sent",
        glitches
    ),
    stream!(
        "bs.id",
        SERVER_SIDE,
        Way::Response,
        "the number of the stream on the server's connection; 0 for HTTP/1",
        stream_id
    ),
    stream!(
        "bc_http_major",
        SERVER_SIDE,
        Way::Response,
        "the major version of HTTP that the server is spoken to in",
        major
    ),
    row(
        "fc_rcvd_proxy",
        NONE,
        Type::Bool,
        CLIENT,
        "whether the client's connection began with a PROXY header",
        |s, _| Some(Value::Bool(s.began_with_proxy_header())),
    ),
    row(
        "bc_be_queue",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "how many waited for the backend before this one",
        |s, _| Some(Value::Int(s.facts().backend_queue.into())),
    ),
    row(
        "bc_srv_queue",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "how many waited for the server before this one",
        |s, _| Some(Value::Int(s.facts().server_queue.into())),
    ),
    row(
        "fs.aborted",
        NONE,
        Type::Int,
        SESSION,
        "whether the client broke off",
        |s, _| Some(Value::Bool(broke_off(s, b'C'))),
    ),
    row(
        "bs.aborted",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "whether the server broke off",
        |s, _| Some(Value::Bool(broke_off(s, b'S'))),
    ),
    // Only HTTP/2 and QUIC have codes.
    row(
        "fs.rst_code",
        NONE,
        Type::Int,
        SESSION,
        "the code with which the client broke off",
        |_, _| None,
    ),
    row(
        "bs.rst_code",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "the code with which the server broke off",
        |_, _| None,
    ),
    bytes!(
        "bytes_in",
        REQUEST_KEPT,
        "bytes that came from the client",
        from_client
    ),
    bytes!(
        "bytes_out",
        RESPONSE_END,
        "bytes that came from the server",
        from_server
    ),
    bytes!(
        "req.bytes_in",
        REQUEST_KEPT,
        "bytes that came from the client",
        from_client
    ),
    bytes!(
        "req.bytes_out",
        REQUEST_KEPT,
        "bytes that went to the server",
        to_server
    ),
    bytes!(
        "res.bytes_in",
        RESPONSE_END,
        "bytes that came from the server",
        from_server
    ),
    bytes!(
        "res.bytes_out",
        RESPONSE_END,
        "bytes that went to the client",
        to_client
    ),
];

fn unit(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    match at(args, 0) {
        Arg::None => Ok(()),
        Arg::Str(unit) if matches!(unit.as_slice(), b"ms" | b"us") => Ok(()),
        _ => Err(ArgError::new(0, "the unit is `ms` or `us`")),
    }
}

fn no_unit(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    match at(args, 0) {
        Arg::None => Ok(()),
        _ => Err(ArgError::new(0, "a number of segments has no unit")),
    }
}

fn broke_off(session: &dyn Session, who: u8) -> bool {
    session
        .facts()
        .termination
        .is_some_and(|[first, when]| first == who && matches!(when, b'H' | b'D' | b'R'))
}

/// The number, name and text of what went wrong, as the manual numbers them.
fn error(session: &dyn Session, way: Way) -> Option<(u8, &'static str, &'static str)> {
    let id = session.connection_error(way)?;
    let (name, message) = ERRORS
        .get(usize::from(id))
        .copied()
        .unwrap_or(("SOCK_ERR", "General socket error"));
    Some((id, name, message))
}

/// What went wrong with a connection, in words.
#[must_use]
pub fn connection_error(id: u8) -> &'static str {
    ERRORS
        .get(usize::from(id))
        .map_or("General socket error", |(_, message)| message)
}

/// The names and words for what can go wrong with a connection, by the manual's numbers.
const ERRORS: [(&str, &str); 57] = [
    ("", "Success"),
    ("CONF_FDLIM", "Reached configured maxconn value"),
    ("PROC_FDLIM", "Too many sockets on the process"),
    ("SYS_FDLIM", "Too many sockets on the system"),
    ("SYS_MEMLIM", "Out of system buffers"),
    ("NOPROTO", "Protocol or address family not supported"),
    ("SOCK_ERR", "General socket error"),
    ("PORT_RANGE", "Source port range exhausted"),
    ("CANT_BIND", "Can't bind to source address"),
    ("FREE_PORTS", "Out of local source ports on the system"),
    ("ADDR_INUSE", "Local source address already in use"),
    (
        "PRX_EMPTY",
        "Connection closed while waiting for PROXY protocol header",
    ),
    (
        "PRX_ABORT",
        "Connection error while waiting for PROXY protocol header",
    ),
    ("PRX_TIMEOUT", "Timeout while waiting for PROXY protocol header"),
    ("PRX_TRUNCATED", "Truncated PROXY protocol header received"),
    (
        "PRX_NOT_HDR",
        "Received something which does not look like a PROXY protocol header",
    ),
    ("PRX_BAD_HDR", "Received an invalid PROXY protocol header"),
    (
        "PRX_BAD_PROTO",
        "Received an unhandled protocol in the PROXY protocol header",
    ),
    (
        "CIP_EMPTY",
        "Connection closed while waiting for NetScaler Client IP header",
    ),
    (
        "CIP_ABORT",
        "Connection error while waiting for NetScaler Client IP header",
    ),
    (
        "CIP_TIMEOUT",
        "Timeout while waiting for a NetScaler Client IP header",
    ),
    ("CIP_TRUNCATED", "Truncated NetScaler Client IP header received"),
    (
        "CIP_BAD_MAGIC",
        "Received an invalid NetScaler Client IP magic number",
    ),
    (
        "CIP_BAD_PROTO",
        "Received an unhandled protocol in the NetScaler Client IP header",
    ),
    ("SSL_EMPTY", "Connection closed during SSL handshake"),
    ("SSL_ABORT", "Connection error during SSL handshake"),
    ("SSL_TIMEOUT", "Timeout during SSL handshake"),
    ("SSL_TOO_MANY", "Too many SSL connections"),
    ("SSL_NO_MEM", "Out of memory when initializing an SSL connection"),
    (
        "SSL_RENEG",
        "Rejected a client-initiated SSL renegotiation attempt",
    ),
    ("SSL_CA_FAIL", "SSL client CA chain cannot be verified"),
    ("SSL_CRT_FAIL", "SSL client certificate not trusted"),
    (
        "SSL_MISMATCH",
        "Server presented an SSL certificate different from the configured one",
    ),
    (
        "SSL_MISMATCH_SNI",
        "Server presented an SSL certificate different from the expected one",
    ),
    ("SSL_HANDSHAKE", "SSL handshake failure"),
    ("SSL_HANDSHAKE_HB", "SSL handshake failure after heartbeat"),
    (
        "SSL_KILLED_HB",
        "Stopped a TLSv1 heartbeat attack (CVE-2014-0160)",
    ),
    (
        "SSL_NO_TARGET",
        "Attempt to use SSL on an unknown target (internal error)",
    ),
    ("SSL_EARLY_FAILED", "Server refused early data"),
    ("SOCKS4_SEND", "SOCKS4 Proxy write error during handshake"),
    ("SOCKS4_RECV", "SOCKS4 Proxy read error during handshake"),
    ("SOCKS4_DENY", "SOCKS4 Proxy deny the request"),
    ("SOCKS4_ABORT", "SOCKS4 Proxy handshake aborted by server"),
    ("SSL_FATAL", "SSL fatal error"),
    ("REVERSE", "Reverse connect failure"),
    ("POLLERR", "Poller reported POLLERR"),
    ("EREFUSED", "ECONNREFUSED returned by OS"),
    ("ERESET", "ECONNRESET returned by OS"),
    ("EUNREACH", "ENETUNREACH returned by OS"),
    ("ENOMEM", "ENOMEM returned by OS"),
    ("EBADF", "EBADF returned by OS"),
    ("EFAULT", "EFAULT returned by OS"),
    ("EINVAL", "EINVAL returned by OS"),
    ("ENCONN", "ENCONN returned by OS"),
    ("ENSOCK", "ENSOCK returned by OS"),
    ("ENOBUFS", "ENOBUFS returned by OS"),
    ("EPIPE", "EPIPE returned by OS"),
];
