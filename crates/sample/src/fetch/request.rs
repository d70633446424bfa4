//! The request's line and what is made of it.

use super::places::{REQUEST, REQUEST_KEPT};
use super::{FetchRow, row};
use crate::arg::{ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::hash;
use crate::head::request::Parts;
use crate::head::{Target, names};
use crate::session::{Session, Way};
use crate::value::{Type, Value};
use http::uri::PathAndQuery;
use http::{Uri, Version};
use std::borrow::Cow;
use std::net::IpAddr;

const NONE: ArgSpec = ArgSpec::NONE;

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "method",
        NONE,
        Type::Method,
        REQUEST_KEPT,
        "the request's method",
        |s, _| Some(Value::Method(s.request()?.method.clone())),
    )
    .volatile_while(|s, _| s.request().is_none()),
    row(
        "path",
        NONE,
        Type::Str,
        REQUEST,
        "the path without the query",
        |s, _| {
            let request = s.request()?;
            let path = path_of(&request.uri)?;
            Some(Value::Str(match request.uri.has_fragment() {
                false => Data::path(path, 0..path.path().len()),
                true => Data::copy(request.uri.bare_path().as_bytes()),
            }))
        },
    ),
    row(
        "pathq",
        NONE,
        Type::Str,
        REQUEST,
        "the path with the query",
        |s, _| {
            let request = s.request()?;
            let path = path_of(&request.uri)?;
            Some(Value::Str(match request.uri.has_fragment() {
                false => Data::path(path, 0..path.as_str().len()),
                true => Data::copy(request.uri.whole_path().as_bytes()),
            }))
        },
    ),
    row(
        "query",
        ArgSpec::new(0, &[ArgKind::Str]),
        Type::Str,
        REQUEST,
        "the query, after the question mark; none without one",
        {
            |s, args| {
                let request = s.request()?;
                let path = request.uri.path_and_query()?;
                let with_mark = at(args, 0).text() == b"with_qm";
                if request.uri.has_fragment() {
                    let query = request.uri.whole_query()?;
                    let mark = if with_mark { "?" } else { "" };
                    return Some(Value::str(format!("{mark}{query}")));
                }
                let start = match path.query() {
                    Some(query) if with_mark => path.as_str().len() - query.len() - 1,
                    Some(query) => path.as_str().len() - query.len(),
                    None => return None,
                };
                Some(Value::Str(Data::path(path, start..path.as_str().len())))
            }
        },
    )
    .prepared(|args| match at(args, 0).text() {
        b"" | b"with_qm" => Ok(()),
        _ => Err(crate::arg::ArgError::new(0, "the only option is `with_qm`")),
    }),
    row(
        "url",
        NONE,
        Type::Str,
        REQUEST,
        "the URI as it arrived",
        |s, _| Some(Value::Str(uri(&s.request()?.uri))),
    ),
    row(
        "url_ip",
        NONE,
        Type::Ipv4,
        REQUEST,
        "the IPv4 address in an absolute URI",
        |s, _| match s.request()?.uri.host()?.parse::<IpAddr>().ok()? {
            IpAddr::V4(ip) => Some(Value::Ipv4(ip)),
            IpAddr::V6(_) => None,
        },
    ),
    row(
        "url_port",
        NONE,
        Type::Int,
        REQUEST,
        "the port in an absolute URI with an address",
        |s, _| {
            let request = s.request()?;
            // As with `url_ip`, a name is not looked up.
            request.uri.host()?.parse::<IpAddr>().ok()?;
            Some(Value::Int(request.uri.port_u16().unwrap_or(80).into()))
        },
    ),
    row(
        "base",
        NONE,
        Type::Str,
        REQUEST,
        "the Host header and the path",
        |s, _| Some(Value::Str(base(&*s.request()?, false))),
    ),
    row(
        "baseq",
        NONE,
        Type::Str,
        REQUEST,
        "the Host header and the path with the query",
        |s, _| Some(Value::Str(base(&*s.request()?, true))),
    ),
    row(
        "base32",
        NONE,
        Type::Int,
        REQUEST,
        "a 32-bit hash of `base`",
        |s, _| Some(Value::Int(base32(&*s.request()?).into())),
    ),
    row(
        "base32+src",
        NONE,
        Type::Bin,
        REQUEST,
        "`base32` followed by the client's address",
        |s, _| {
            let hash = base32(&*s.request()?);
            with_src(s, hash)
        },
    ),
    row(
        "url32",
        NONE,
        Type::Int,
        REQUEST,
        "a 32-bit hash of the Host header and the path with the query",
        |s, _| Some(Value::Int(url32(&*s.request()?).into())),
    ),
    row(
        "url32+src",
        NONE,
        Type::Bin,
        REQUEST,
        "`url32` followed by the client's address",
        |s, _| {
            let hash = url32(&*s.request()?);
            with_src(s, hash)
        },
    ),
    row(
        "req.ver",
        NONE,
        Type::Str,
        REQUEST_KEPT,
        "the request's HTTP version",
        version,
    ),
    row(
        "req_ver",
        NONE,
        Type::Str,
        REQUEST_KEPT,
        "the request's HTTP version",
        version,
    ),
    row(
        "req.proto_http",
        NONE,
        Type::Bool,
        REQUEST_KEPT,
        "whether there is an HTTP request",
        proto_http,
    )
    .volatile(),
    row(
        "req_proto_http",
        NONE,
        Type::Bool,
        REQUEST_KEPT,
        "whether there is an HTTP request",
        proto_http,
    )
    .volatile(),
    row(
        "fc_http_major",
        NONE,
        Type::Int,
        super::places::CLIENT,
        "the major version of HTTP that the client speaks",
        |s, _| {
            Some(Value::Int(match s.request()?.version {
                Version::HTTP_3 => 3,
                Version::HTTP_2 => 2,
                _ => 1,
            }))
        },
    ),
    row(
        "capture.req.method",
        NONE,
        Type::Str,
        REQUEST_KEPT,
        "the request's method",
        |s, _| Some(Value::str(s.request()?.asked_method().as_str())),
    ),
    row(
        "capture.req.uri",
        NONE,
        Type::Str,
        REQUEST_KEPT,
        "the URI that was asked for",
        |s, _| Some(Value::Str(uri(s.request()?.asked_uri()))),
    ),
    row(
        "capture.req.ver",
        NONE,
        Type::Str,
        REQUEST_KEPT,
        "the request's HTTP version with the name",
        |s, _| {
            Some(Value::Str(Data::format(format_args!(
                "HTTP/{}",
                http_version(s.request()?.version)
            ))))
        },
    ),
];

/// A URI's path; `*` is none.
fn path_of(uri: &Uri) -> Option<&PathAndQuery> {
    uri.path_and_query().filter(|path| path.as_str().starts_with('/'))
}

/// The version without the name: `1.1`.
pub(crate) fn http_version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        Version::HTTP_3 => "3.0",
        _ => "1.1",
    }
}

/// The parts of a target up to the question mark.
pub(crate) fn uri_without_query(uri: &Target, mut visit: impl FnMut(&str)) {
    if let Some(scheme) = uri.scheme_str() {
        visit(scheme);
        visit("://");
    }
    if let Some(authority) = uri.authority() {
        visit(authority.as_str());
    }
    if uri.path_and_query().is_some() {
        visit(&uri.bare_path());
    }
}

fn uri(uri: &Target) -> Data {
    match (uri.authority(), uri.path_and_query()) {
        (None, Some(path)) if !uri.has_fragment() => Data::path(path, 0..path.as_str().len()),
        _ => uri.to_string().into(),
    }
}

fn version(session: &dyn Session, _: &[crate::arg::Arg]) -> Option<Value> {
    Some(Value::str(http_version(session.request()?.version)))
}

/// What a client of HTTP/2 sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn proto_http(session: &dyn Session, _: &[crate::arg::Arg]) -> Option<Value> {
    let begins_http2 = |bytes: std::cell::Ref<'_, [u8]>| bytes.starts_with(PREFACE);
    if session.buffered(Way::Request).is_some_and(begins_http2) || session.request().is_some() {
        return Some(Value::Bool(true));
    }
    // More may make a request of it.
    (!session.may_change()).then_some(Value::Bool(false))
}

fn host(request: &Parts) -> &[u8] {
    match request.headers.get(names::HOST) {
        Some(host) => host.as_bytes(),
        None => request
            .uri
            .authority()
            .map_or(b"", |authority| authority.as_str().as_bytes()),
    }
}

fn base(request: &Parts, with_query: bool) -> Data {
    let mut base = host(request).to_vec();
    if path_of(&request.uri).is_some() {
        let text = match with_query {
            true => request.uri.whole_path(),
            false => request.uri.bare_path(),
        };
        base.extend_from_slice(text.as_bytes());
    }
    base.into()
}

fn base32(request: &Parts) -> u32 {
    let path = path_of(&request.uri).map_or_else(Cow::default, |_| request.uri.bare_path());
    hash::avalanche(hash::sdbm(hash::sdbm(0, host(request)), path.as_bytes()))
}

fn url32(request: &Parts) -> u32 {
    let path = path_of(&request.uri).map_or_else(Cow::default, |_| request.uri.whole_path());
    hash::avalanche(hash::sdbm(hash::sdbm(0, host(request)), path.as_bytes()))
}

fn with_src(session: &dyn Session, hash: u32) -> Option<Value> {
    let mut bytes = hash.to_be_bytes().to_vec();
    match session.src()?.ip().to_canonical() {
        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
    }
    Some(Value::bin(bytes))
}
