//! Header fields that tell servers of the client and of the proxy: `option forwardfor`, `option originalto`,
//! `option forwarded` and `http-send-name-header`.

use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;
use tidegate_sample::head::names::{FORWARDED, HOST};
use tidegate_sample::head::{FieldValue, Headers};
use tidegate_sample::{Expr, Type, Value, address_text, cast};

use crate::network::within;
use crate::spec::{BackendSpec, ForwardFor, Forwarded, ForwardedPart, FrontendSpec, HeaderNames};
use crate::txn::Txn;

/// Adds what the two proxies say. Where both have an option, one field is added: the backend's, unless either excepts
/// the address.
pub(crate) fn tell(frontend: &FrontendSpec, backend: &BackendSpec, txn: &Txn, headers: &mut Headers) {
    add(
        [&backend.forward_for, &frontend.forward_for],
        txn.source(),
        headers,
    );
    add(
        [&backend.original_to, &frontend.original_to],
        txn.destination(),
        headers,
    );
    if let Some(spec) = &backend.forwarded {
        let text = forwarded(spec, txn, headers.get(HOST));
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(FORWARDED, value);
        }
    }
}

/// Whether a request may pass a proxy that restricts the names of headers. Those that are to go are taken away.
pub(crate) fn restrict_names(policy: HeaderNames, headers: &mut Headers) -> bool {
    let unusual = |name: &str| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if policy == HeaderNames::Preserve || !headers.names().any(|name| unusual(name.as_str())) {
        return true;
    }
    headers.retain(|name, _| !unusual(name.as_str()));
    policy == HeaderNames::Delete
}

/// Adds an address under the name that the first of the options has.
fn add(options: [&Option<ForwardFor>; 2], address: Option<SocketAddr>, headers: &mut Headers) {
    let options = || options.into_iter().flatten();
    let (Some(first), Some(address)) = (options().next(), address) else {
        return;
    };
    let mut networks = options().flat_map(|option| &option.except);
    if networks.any(|(network, bits)| within(address.ip(), *network, *bits)) {
        return;
    }
    // One of them that doesn't say `if-none` wants it in any case.
    let in_any_case = options().any(|option| !option.if_none);
    if !in_any_case && headers.contains(&first.header) {
        return;
    }
    if let Ok(value) = HeaderValue::from_bytes(&address_text(address.ip())) {
        headers.append(&first.header, value);
    }
}

/// The header of RFC 7239.
fn forwarded(spec: &Forwarded, txn: &Txn, host: Option<FieldValue<'_>>) -> String {
    let mut parts = Vec::new();
    if let Some(is_tls) = &spec.proto {
        let is_tls = is_tls.as_ref().and_then(|expr| sampled(expr, txn, Type::Bool));
        let name = if let Some(Value::Bool(true)) = is_tls {
            "https"
        } else {
            "http"
        };
        parts.push(format!("proto={name}"));
    }
    let host = match &spec.host {
        None => None,
        Some(ForwardedPart::Own) => host.map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned()),
        Some(ForwardedPart::Sampled(expr)) => text(expr, txn),
    };
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        parts.push(format!("host=\"{}\"", escaped(&host)));
    }
    let by = node(&spec.by, &spec.by_port, txn.destination(), txn);
    let client = node(&spec.client, &spec.client_port, txn.source(), txn);
    parts.extend(by.map(|by| format!("by={by}")));
    parts.extend(client.map(|client| format!("for={client}")));
    parts.join(";")
}

/// A node with its port, in quotes where the grammar of tokens needs them.
fn node(
    name: &Option<ForwardedPart>,
    port: &Option<ForwardedPart>,
    own: Option<SocketAddr>,
    txn: &Txn,
) -> Option<String> {
    let name = match name.as_ref()? {
        ForwardedPart::Own => own.map(|own| own.ip().to_string()),
        ForwardedPart::Sampled(expr) => text(expr, txn).filter(|name| is_node(name)),
    };
    let name = name.unwrap_or_else(|| String::from("unknown"));
    let port = match port {
        None => None,
        Some(ForwardedPart::Own) => own.map(|own| own.port().to_string()),
        Some(ForwardedPart::Sampled(expr)) => text(expr, txn).and_then(|port| node_port(&port)),
    };
    let is_v6 = name.contains(':');
    let name = if is_v6 { format!("[{name}]") } else { name };
    Some(match port {
        Some(port) => format!("\"{name}:{port}\""),
        None if is_v6 => format!("\"{name}\""),
        None => name,
    })
}

fn is_node(name: &str) -> bool {
    name == "unknown" || is_obfuscated(name) || name.parse::<IpAddr>().is_ok()
}

/// A port is a number, or a name that hides one; other names are taken for such.
fn node_port(port: &str) -> Option<String> {
    if port.parse::<u16>().is_ok() || is_obfuscated(port) {
        return Some(port.to_owned());
    }
    let hidden = format!("_{port}");
    is_obfuscated(&hidden).then_some(hidden)
}

fn is_obfuscated(name: &str) -> bool {
    let is_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.strip_prefix('_')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_char))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn text(expr: &Expr, txn: &Txn) -> Option<String> {
    match sampled(expr, txn, Type::Str)? {
        Value::Str(text) => String::from_utf8(text.to_vec()).ok(),
        _ => None,
    }
}

fn sampled(expr: &Expr, txn: &Txn, to: Type) -> Option<Value> {
    cast(expr.eval(txn)?, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(spec: Forwarded, client: &str) -> String {
        let txn = Txn::detached()
            .source(client.parse().unwrap())
            .destination("127.0.0.3:80".parse().unwrap())
            .request(http::Request::get("/").body(()).unwrap())
            .build();
        forwarded(
            &spec,
            &txn,
            Headers::from_iter([(HOST, HeaderValue::from_static("a.test:8"))]).get(HOST),
        )
    }

    #[test]
    fn the_client_is_told_by_rfc_7239() {
        let own = || Some(ForwardedPart::Own);
        let expr = |text: &str| Some(ForwardedPart::Sampled(text.parse().unwrap()));
        let simple = || Forwarded {
            proto: Some(None),
            client: own(),
            ..Forwarded::default()
        };
        assert_eq!(header(simple(), "127.0.0.1:5"), "proto=http;for=127.0.0.1");
        assert_eq!(header(simple(), "[::1]:5"), "proto=http;for=\"[::1]\"");
        let all = Forwarded {
            proto: None,
            host: own(),
            by: own(),
            by_port: expr("int(10)"),
            client: expr("src"),
            client_port: expr("str(id)"),
        };
        assert_eq!(
            header(all, "127.0.0.2:5"),
            "host=\"a.test:8\";by=\"127.0.0.3:10\";for=\"127.0.0.2:_id\""
        );
        let odd = Forwarded {
            by: expr("str(_proxy.1)"),
            client: expr("str(no node)"),
            client_port: own(),
            ..Forwarded::default()
        };
        assert_eq!(header(odd, "127.0.0.2:5"), "by=_proxy.1;for=\"unknown:5\"");
    }

    #[test]
    fn unusual_names_are_taken_away_or_refused() {
        let named = |names: &[&str]| {
            let mut headers = Headers::new();
            for name in names {
                let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.insert(name, HeaderValue::from_static("x"));
            }
            headers
        };
        let mut headers = named(&["x-a", "x_b", "x.c"]);
        assert!(restrict_names(HeaderNames::Preserve, &mut headers) && headers.len() == 3);
        assert!(restrict_names(HeaderNames::Delete, &mut headers) && headers.len() == 1);
        assert!(restrict_names(HeaderNames::Reject, &mut headers));
        assert!(!restrict_names(HeaderNames::Reject, &mut named(&["x_b"])));
    }
}
