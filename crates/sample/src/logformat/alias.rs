//! The aliases of the manual's section 8.2.6, one row each.

use super::out::Out;
use crate::date::{self, Zone};
use crate::fetch::{self, http_version};
use crate::head::request;
use crate::session::{Facts, Named, Session, Way};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::LazyLock;

/// One alias.
pub struct Alias {
    /// The name after the percent sign.
    pub name: &'static str,
    /// What it gives, in a line.
    pub doc: &'static str,
    /// Whether it needs an HTTP frontend.
    pub http: bool,
    pub(super) write: fn(&mut Out<'_>, &dyn Session, &Facts),
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.name)
    }
}

/// All aliases, in the table's order.
pub fn aliases() -> impl Iterator<Item = &'static Alias> {
    ROWS.iter()
}

/// The alias of this name.
pub(super) fn find(name: &str) -> Option<&'static Alias> {
    static INDEX: LazyLock<HashMap<&str, &Alias>> =
        LazyLock::new(|| aliases().map(|alias| (alias.name, alias)).collect());
    INDEX.get(name).copied()
}

const fn any(name: &'static str, doc: &'static str, write: fn(&mut Out<'_>, &dyn Session, &Facts)) -> Alias {
    Alias {
        name,
        doc,
        http: false,
        write,
    }
}

const fn http(name: &'static str, doc: &'static str, write: fn(&mut Out<'_>, &dyn Session, &Facts)) -> Alias {
    Alias {
        name,
        doc,
        http: true,
        write,
    }
}

/// The alias whose value a script may have to make.
pub(super) const UNIQUE_ID: &str = "ID";

const ROWS: &[Alias] = &[
    any("B", "bytes sent to the client", |o, _, f| {
        o.sign(f.unfinished);
        o.count(f.bytes_read);
    }),
    http("CC", "captured request cookie", |o, s, _| {
        o.text(s.captured_cookie(Way::Request).as_deref())
    }),
    http("CS", "captured response cookie", |o, s, _| {
        o.text(s.captured_cookie(Way::Response).as_deref())
    }),
    any("H", "name of this machine", |o, s, _| {
        o.text(s.process().map(|p| &*p.hostname))
    }),
    http("HM", "request's method", |o, s, _| {
        request_field(o, s, |o, r| o.request_text(method(r)))
    }),
    http("HP", "request's URI without its query", |o, s, _| {
        limited_field(o, s, |o, r| {
            fetch::uri_without_query(r.asked_uri(), |part| o.request_text(part.as_bytes()));
        });
    }),
    http("HPO", "request's path without scheme and authority", |o, s, _| {
        request_field(o, s, |o, r| o.request_text(r.asked_uri().bare_path().as_bytes()));
    }),
    http("HQ", "request's query with the question mark", |o, s, _| {
        let request = s.request();
        let Some(request) = &request else {
            return o.text(Some(b"<BADREQ>"));
        };
        let query = request.asked_uri().whole_query();
        o.limited(s.log_uri_bytes(), |o| {
            if let Some(query) = query {
                o.request_literal(b"?");
                o.request_text(query.as_bytes());
            }
        });
    }),
    http("HU", "request's URI", |o, s, _| limited_field(o, s, uri)),
    http("HV", "request's HTTP version", |o, s, _| {
        request_field(o, s, |o, r| {
            o.request_literal(b"HTTP/");
            o.request_literal(http_version(r.version).as_bytes());
        });
    }),
    any(UNIQUE_ID, "unique id", |o, s, _| o.text(s.unique_id().as_deref())),
    any("OG", "what made the log line", |o, _, f| {
        o.literal(f.origin.name().as_bytes())
    }),
    any("ST", "status code", |o, _, f| {
        o.int(f.status.map_or(-1, i64::from))
    }),
    any("T", "date in UTC", |o, s, _| {
        o.literal(&date::log_seconds(s.now(), Zone::Utc))
    }),
    any("Ta", "active time of the request", |o, _, f| {
        o.sign(f.unfinished);
        time(o, f.active_ms);
    }),
    any("Tc", "time to connect", |o, _, f| time(o, f.connect_ms)),
    any("Td", "time to transfer the data", |o, _, f| time(o, f.data_ms)),
    any("Th", "time of the handshakes", |o, _, f| time(o, f.handshake_ms)),
    any("Ti", "idle time before the request", |o, _, f| time(o, f.idle_ms)),
    any("Tl", "local date", |o, s, _| {
        o.literal(&date::log_seconds(s.now(), Zone::Local))
    }),
    http("Tq", "handshakes, idle time and request", |o, _, f| {
        let parts = f.handshake_ms.zip(f.idle_ms).zip(f.request_ms);
        time(
            o,
            parts.map(|((handshake, idle), request)| handshake + idle + request),
        );
    }),
    http("TR", "time to receive the request", |o, _, f| {
        time(o, f.request_ms)
    }),
    http("Tr", "time to the response", |o, _, f| time(o, f.response_ms)),
    any("Ts", "date in seconds since 1970", |o, s, f| {
        o.number(started(s, f).0, 4)
    }),
    any("Tt", "total time", |o, _, f| {
        o.sign(f.unfinished);
        time(o, f.total_ms);
    }),
    any("Tu", "total time as the user felt it", |o, _, f| {
        o.sign(f.unfinished);
        time(o, f.user_ms);
    }),
    any("Tw", "time in queues", |o, _, f| time(o, f.queue_ms)),
    any("U", "bytes received from the client", |o, _, f| {
        o.count(f.bytes_uploaded)
    }),
    any("ac", "connections of the process", |o, _, f| {
        o.int(f.process_connections.into())
    }),
    any("b", "backend", |o, s, _| {
        o.text(s.backend().or_else(|| s.frontend()).map(|b| b.name).as_deref())
    }),
    any("bc", "connections of the backend", |o, _, f| {
        o.int(f.backend_connections.into())
    }),
    any("bi", "address that the server was connected from", |o, s, _| {
        server_address(o, s, s.backend_src());
    }),
    any("bp", "port that the server was connected from", |o, s, _| {
        server_port(o, s, s.backend_src())
    }),
    any(
        "bq",
        "requests before this one in the backend's queue",
        |o, _, f| o.int(f.backend_queue.into()),
    ),
    any("ci", "client's address", |o, s, _| end_address(o, s, s.src())),
    any("cp", "client's port", |o, s, _| end_port(o, s, s.src())),
    any("f", "frontend", |o, s, _| {
        o.text(s.frontend().map(|f| f.name).as_deref())
    }),
    any("fc", "connections of the frontend", |o, _, f| {
        o.int(f.frontend_connections.into())
    }),
    any("fi", "address that the client connected to", |o, s, _| {
        end_address(o, s, s.dst())
    }),
    any("fp", "port that the client connected to", |o, s, _| {
        end_port(o, s, s.dst())
    }),
    any("ft", "frontend, with `~` if the client speaks TLS", |o, s, f| {
        let Some(Named { name, .. }) = s.frontend() else {
            return o.text(None);
        };
        o.quoted(|o| {
            o.encoded(&name);
            if f.tls {
                o.encoded(b"~");
            }
        });
    }),
    any("hr", "captured request headers", |o, s, _| {
        captures(o, s, Way::Request)
    }),
    any("hrl", "captured request headers, CLF style", |o, s, _| {
        capture_list(o, s, Way::Request);
    }),
    any("hs", "captured response headers", |o, s, _| {
        captures(o, s, Way::Response)
    }),
    any("hsl", "captured response headers, CLF style", |o, s, _| {
        capture_list(o, s, Way::Response);
    }),
    any("lc", "number of log lines of the frontend", |o, _, f| {
        o.number(f.log_counter.into(), 4)
    }),
    any("ms", "milliseconds of the date", |o, s, f| {
        o.millis(started(s, f).1 / 1_000_000);
    }),
    any("pid", "process id", |o, s, _| {
        o.number(s.process().map_or_else(std::process::id, |p| p.pid).into(), 4);
    }),
    http("r", "request line", |o, s, _| {
        let Some(r) = s.request() else {
            return o.text(Some(b"<BADREQ>"));
        };
        o.limited(s.log_uri_bytes(), |o| {
            o.request_text(method(&r));
            o.request_literal(b" ");
            uri(o, &r);
            o.request_literal(b" HTTP/");
            o.request_literal(http_version(r.version).as_bytes());
        });
    }),
    any("rc", "retries", |o, _, f| {
        o.sign(f.redispatched);
        o.int(f.retries.into());
    }),
    any("rt", "number of the request", |o, _, f| {
        o.number(f.request_counter, 4)
    }),
    any("s", "server", |o, s, f| match s.server() {
        Some(server) => o.text(Some(&server.name)),
        None => match &f.service {
            Some(name) => o.text(Some(format!("<{name}>").as_bytes())),
            None if f.cache.is_some() => o.text(Some(b"<CACHE>")),
            None => o.text(Some(b"<NOSRV>")),
        },
    }),
    any("sc", "connections of the server", |o, _, f| {
        o.int(f.server_connections.into())
    }),
    any("si", "server's address", |o, s, _| {
        server_address(o, s, s.backend_dst())
    }),
    any("sp", "server's port", |o, s, _| {
        server_port(o, s, s.backend_dst())
    }),
    any(
        "sq",
        "requests before this one in the server's queue",
        |o, _, f| o.int(f.server_queue.into()),
    ),
    any("sslc", "cipher of the client's TLS", |o, s, _| {
        let tls = s.tls(Way::Request);
        o.text(
            tls.as_ref()
                .map(|tls| tls.cipher.as_bytes())
                .filter(|name| !name.is_empty()),
        )
    }),
    any("sslv", "version of the client's TLS", |o, s, _| {
        let tls = s.tls(Way::Request);
        o.text(
            tls.as_ref()
                .map(|tls| tls.protocol.as_bytes())
                .filter(|name| !name.is_empty()),
        )
    }),
    any("t", "local date with milliseconds", |o, s, f| {
        o.date_millis(f.accepted.unwrap_or_else(|| s.now()));
    }),
    http("tr", "local date of the request with milliseconds", |o, s, f| {
        o.date_millis(f.request_started.or(f.accepted).unwrap_or_else(|| s.now()));
    }),
    http("trg", "date of the request in UTC", |o, s, f| {
        let time = f.request_started.or(f.accepted).unwrap_or_else(|| s.now());
        o.literal(&date::log_seconds(time, Zone::Utc));
    }),
    http("trl", "local date of the request", |o, s, f| {
        let time = f.request_started.or(f.accepted).unwrap_or_else(|| s.now());
        o.literal(&date::log_seconds(time, Zone::Local));
    }),
    any("ts", "termination state", |o, _, f| {
        o.literal(&f.termination.unwrap_or(*b"--"))
    }),
    any("tsc", "termination state with the cookie's", |o, _, f| {
        o.literal(&f.termination.unwrap_or(*b"--"));
        o.literal(&f.cookie_state.unwrap_or(*b"--"));
    }),
];

fn time(out: &mut Out<'_>, ms: Option<i64>) {
    out.int(ms.unwrap_or(-1));
}

fn port(out: &mut Out<'_>, port: Option<u16>) {
    match port {
        Some(port) => out.number(port.into(), 4),
        None => out.text(None),
    }
}

/// The address of an end of the client's connection. A UNIX socket has none, and is told by its listener.
fn end_address(out: &mut Out<'_>, session: &dyn Session, end: Option<SocketAddr>) {
    match end {
        None if session.listener().is_some() => out.text(Some(b"unix")),
        _ => out.address(end.map(|end| end.ip())),
    }
}

/// Its port, or the number of that listener.
fn end_port(out: &mut Out<'_>, session: &dyn Session, end: Option<SocketAddr>) {
    if let Some(end) = end {
        return port(out, Some(end.port()));
    }
    match session.listener() {
        Some(listener) => out.number(listener.id.into(), 4),
        None => port(out, None),
    }
}

/// The address of an end of a server's connection; one of a UNIX socket has none.
fn server_address(out: &mut Out<'_>, session: &dyn Session, end: Option<SocketAddr>) {
    match end {
        None if session.backend_is_local() => out.text(Some(b"unix")),
        _ => out.address(end.map(|end| end.ip())),
    }
}

/// Its port, which is 0 there.
fn server_port(out: &mut Out<'_>, session: &dyn Session, end: Option<SocketAddr>) {
    let none = session.backend_is_local().then_some(0);
    port(out, end.map(|end| end.port()).or(none));
}

/// The time of the session's start: seconds and nanoseconds.
fn started(session: &dyn Session, facts: &Facts) -> (u64, u32) {
    let (seconds, nanos) = date::since_epoch(facts.accepted.unwrap_or_else(|| session.now()));
    (seconds.unsigned_abs(), nanos)
}

/// A field of the request; without one, HAProxy's mark for a bad request.
fn request_field(
    out: &mut Out<'_>,
    session: &dyn Session,
    write: impl FnOnce(&mut Out<'_>, &request::Parts),
) {
    match session.request() {
        Some(request) => out.quoted(|out| write(out, &request)),
        None => out.text(Some(b"<BADREQ>")),
    }
}

/// The same, cut to what is told of a request.
fn limited_field(
    out: &mut Out<'_>,
    session: &dyn Session,
    write: impl FnOnce(&mut Out<'_>, &request::Parts),
) {
    match session.request() {
        Some(request) => out.limited(session.log_uri_bytes(), |out| write(out, &request)),
        None => out.text(Some(b"<BADREQ>")),
    }
}

fn method(request: &request::Parts) -> &[u8] {
    request.asked_method().as_str().as_bytes()
}

fn uri(out: &mut Out<'_>, request: &request::Parts) {
    request
        .asked_uri()
        .parts(|part| out.request_text(part.as_bytes()));
}

/// `{a|b}`
fn captures(out: &mut Out<'_>, session: &dyn Session, way: Way) {
    let Some(captured) = session.captures(way).filter(|slots| !slots.is_empty()) else {
        return;
    };
    out.quoted(|out| {
        out.literal(b"{");
        for (slot, text) in captured.iter().enumerate() {
            if slot > 0 {
                out.literal(b"|");
            }
            out.header_text(text.as_deref().unwrap_or_default());
        }
        out.literal(b"}");
    });
}

/// `"a" "b"`
fn capture_list(out: &mut Out<'_>, session: &dyn Session, way: Way) {
    let Some(captured) = session.captures(way) else {
        return;
    };
    for (slot, text) in captured.iter().enumerate() {
        if slot > 0 {
            out.literal(b" ");
        }
        match text.as_deref() {
            Some(text) if !text.is_empty() => out.quoted(|out| out.header_text(text)),
            _ => out.text(None),
        }
    }
}
