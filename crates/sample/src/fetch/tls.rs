//! What the first TLS message in a buffer says, on connections whose TLS passes through.

use super::hello::{Client, Start, extension, start, version};
use super::places::{CLIENT, REQUEST, RESPONSE};
use super::reader::raw;
use super::{FetchRow, row};
use crate::arg::{Arg, ArgSpec};
use crate::place::Places;
use crate::session::{Session, Way};
use crate::value::{Type, Value};

/// A row for the request's buffer; it may change while the message in it is not whole.
const fn request(
    name: &'static str,
    output: Type,
    places: Places,
    doc: &'static str,
    one: super::One,
) -> FetchRow {
    row(name, ArgSpec::NONE, output, places, doc, one).volatile_while(|s, _| is_short(s, Way::Request))
}

/// The same for the response's.
const fn response(name: &'static str) -> FetchRow {
    row(name, ArgSpec::NONE, Type::Int, RESPONSE, TYPE, |s, _| {
        kind(s, Way::Response)
    })
    .volatile_while(|s, _| is_short(s, Way::Response))
}

const TYPE: &str = "the type of the first message of a TLS handshake: 1 from a client, 2 from a server";
const SNI: &str = "the host that a TLS client asks for in its first message";
const VER: &str =
    "the version of SSL or TLS in a client's first message: 65536 times the major number, plus the minor";

pub(super) const ROWS: &[FetchRow] = &[
    request("req.ssl_hello_type", Type::Int, REQUEST, TYPE, hello_type),
    request("req_ssl_hello_type", Type::Int, REQUEST, TYPE, hello_type),
    response("res.ssl_hello_type"),
    response("rep_ssl_hello_type"),
    request("req.ssl_ver", Type::Int, REQUEST, VER, ssl_version),
    request("req_ssl_ver", Type::Int, REQUEST, VER, ssl_version),
    request("req.ssl_sni", Type::Str, REQUEST, SNI, sni),
    request("req_ssl_sni", Type::Str, REQUEST, SNI, sni),
    request(
        "req.ssl_alpn",
        Type::Str,
        REQUEST,
        "the first protocol that a TLS client offers by ALPN",
        |s, _| client(s, |hello| hello.protocol().map(Value::str)),
    ),
    request(
        "req.ssl_ec_ext",
        Type::Bool,
        REQUEST,
        "true if a TLS client names elliptic curves that it knows",
        |s, _| {
            client(s, |hello| {
                hello.extension(extension::SUPPORTED_GROUPS)?;
                Some(Value::Bool(true))
            })
        },
    ),
    request(
        "req.ssl_st_ext",
        Type::Int,
        REQUEST,
        "0 if a TLS client sent no session ticket extension, 1 if an empty one, 2 if one with a ticket",
        |s, _| {
            client(s, |hello| {
                let state = match hello.extension(extension::SESSION_TICKET) {
                    Some([]) => 1,
                    Some(_) => 2,
                    None => 0,
                };
                hello.is_extended().then_some(Value::Int(state))
            })
        },
    ),
    request(
        "req.ssl_cipherlist",
        Type::Bin,
        CLIENT,
        "the ciphers that a TLS client offers, two bytes each",
        |s, _| client(s, |hello| Some(Value::bin(hello.ciphers))),
    ),
    request(
        "req.ssl_sigalgs",
        Type::Bin,
        CLIENT,
        "the signature algorithms that a TLS client offers, two bytes each",
        |s, _| {
            client(s, |hello| {
                hello.list(extension::SIGNATURE_ALGORITHMS, 2).map(Value::bin)
            })
        },
    ),
    request(
        "req.ssl_supported_groups",
        Type::Bin,
        CLIENT,
        "the groups that a TLS client offers for the exchange of keys, two bytes each",
        |s, _| {
            client(s, |hello| {
                hello.list(extension::SUPPORTED_GROUPS, 2).map(Value::bin)
            })
        },
    ),
    request(
        "req.ssl_keyshare_groups",
        Type::Bin,
        CLIENT,
        "the groups for which a TLS client sent a key, two bytes each",
        |s, _| {
            client(s, |hello| {
                let groups: Vec<u8> = hello.key_share_groups()?.flat_map(u16::to_be_bytes).collect();
                Some(Value::bin(groups))
            })
        },
    ),
];

fn is_short(session: &dyn Session, way: Way) -> bool {
    raw(session, way).is_some_and(|bytes| matches!(start(&bytes), Start::Short))
}

fn kind(session: &dyn Session, way: Way) -> Option<Value> {
    match start(&raw(session, way)?) {
        Start::Message(message) => Some(Value::Int(message.kind.into())),
        Start::Short | Start::Other => None,
    }
}

fn hello_type(session: &dyn Session, _: &[Arg]) -> Option<Value> {
    kind(session, Way::Request)
}

fn ssl_version(session: &dyn Session, _: &[Arg]) -> Option<Value> {
    let (major, minor) = version(&raw(session, Way::Request)?)?;
    Some(Value::Int((i64::from(major) << 16) + i64::from(minor)))
}

fn sni(session: &dyn Session, _: &[Arg]) -> Option<Value> {
    client(session, |hello| hello.server_name().map(Value::str))
}

/// What is asked of a ClientHello, if there is one.
fn client(session: &dyn Session, ask: impl FnOnce(Client<'_>) -> Option<Value>) -> Option<Value> {
    match start(&raw(session, Way::Request)?) {
        Start::Message(message) => ask(message.client()?),
        Start::Short | Start::Other => None,
    }
}
