//! HTTP/1 on the wire: what clients and servers may send, and what becomes of what they may not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::net::Shutdown;
use std::sync::mpsc;
use std::time::Duration;

use common::*;
use http::StatusCode;
use tidegate_proxy::Mode;
use tidegate_proxy::spec::*;

const HEAD: &str = "POST / HTTP/1.1\r\nHost: h\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A proxy whose only answer is its own.
fn refusing() -> Proxy {
    let mut front = frontend(Mode::Http);
    let reply = ReplySpec::status(StatusCode::OK).with_body("text/plain", Text::literal("served"));
    front
        .http_request
        .push(Rule::new("http-request return", RuleAction::Return(reply)));
    front.timeouts.http_request = Some(Duration::from_millis(200));
    Proxy::start(only(front))
}

/// A server that mirrors bodies of any framing, chunked.
fn mirror() -> std::net::SocketAddr {
    server(|_, mut client| {
        while let Some(head) = client.request() {
            let body = if head.contains("transfer-encoding: chunked") {
                client.chunked_body()
            } else {
                let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
                client.exactly(length.map_or(0, |l| l.parse().unwrap()))
            };
            let all = [head.as_bytes(), &body].concat();
            client.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                all.len()
            ));
            client.send(all);
        }
    })
}

#[test]
fn what_must_not_be_in_a_request_is_refused() {
    let proxy = refusing();
    let fields = |n: usize| (0..n).map(|n| format!("a{n}: b\r\n")).collect::<String>();
    for (why, status, request) in [
        (
            "lengths that differ",
            400,
            format!("{HEAD}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        ),
        (
            "a length with a sign",
            400,
            format!("{HEAD}Content-Length: +3\r\n\r\nabc"),
        ),
        (
            "a length in hexadecimal",
            400,
            format!("{HEAD}Content-Length: 0x3\r\n\r\nabc"),
        ),
        (
            "a length of nothing",
            400,
            format!("{HEAD}Content-Length: \r\n\r\n"),
        ),
        (
            "a length that overflows",
            400,
            format!("{HEAD}Content-Length: 99999999999999999999\r\n\r\n"),
        ),
        (
            "a first field that goes on",
            400,
            "GET / HTTP/1.1\r\n a: b\r\nHost: h\r\n\r\n".into(),
        ),
        ("a NUL in a value", 400, format!("{HEAD}a: b\0c\r\n\r\n")),
        ("a NUL in a name", 400, format!("{HEAD}a\0: b\r\n\r\n")),
        ("a bare CR", 400, format!("{HEAD}a: b\rc\r\n\r\n")),
        ("a blank before the colon", 400, format!("{HEAD}a : b\r\n\r\n")),
        ("a field without a name", 400, format!("{HEAD}: b\r\n\r\n")),
        ("a field without a colon", 400, format!("{HEAD}a\r\n\r\n")),
        ("too many fields", 400, format!("{HEAD}{}\r\n", fields(101))),
        (
            "too large a head",
            431,
            format!("{HEAD}a: {}\r\n\r\n", "x".repeat(20_000)),
        ),
        (
            "too long a target",
            414,
            format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000)),
        ),
        ("a fragment", 400, "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n".into()),
        (
            "a control in the target",
            400,
            "GET /a\x01b HTTP/1.1\r\nHost: h\r\n\r\n".into(),
        ),
        ("HTTP/0.9", 400, "GET /\r\n".into()),
        (
            "an unknown version",
            400,
            "GET / HTTP/3.1\r\nHost: h\r\n\r\n".into(),
        ),
        (
            "two hosts",
            400,
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(),
        ),
        (
            "another host in the target",
            400,
            "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n".into(),
        ),
        (
            "a body where HTTP/1.0 has none",
            413,
            "GET / HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc".into(),
        ),
        (
            "a coding beneath the chunks",
            422,
            format!("{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "an unknown coding",
            400,
            format!("{HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "a coding that ends with none",
            400,
            format!("{HEAD}Transfer-Encoding: chunked, gzip\r\n\r\n"),
        ),
        (
            "chunks in chunks",
            400,
            format!("{HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "a client of TLS",
            400,
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03 a client hello".into(),
        ),
        ("noise", 400, "\u{ff}\u{fe} noise\r\n\r\n".into()),
        ("silence", 408, String::new()),
        ("half a head", 408, HEAD.into()),
    ] {
        let mut client = proxy.client();
        client.send(&request);
        let response = client.response();
        assert_eq!(response.status, status, "{why}");
        assert_eq!(response.header("connection"), Some("close"), "{why}");
        assert_eq!(client.rest(), b"", "{why}");
    }
    // On a connection that has served already, too.
    let mut client = proxy.client();
    assert_eq!(client.get("/").text(), "served");
    client.send("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response().status, 400);
}

#[test]
fn chunks_that_are_none_reach_no_server_as_a_whole() {
    let proxy = Proxy::start(proxied(Mode::Http, &[mirror()]));
    for (why, body) in [
        ("no number", "zz\r\n"),
        ("a sign", "-1\r\n"),
        ("a prefix", "0x2\r\nab\r\n0\r\n\r\n"),
        ("an overflow", "ffffffffffffffffff\r\n"),
        ("no end of line", "2\r\nabXX"),
        ("an extension without an end", "2;a\nab\r\n0\r\n\r\n"),
    ] {
        let mut client = proxy.client();
        client.send([CHUNKED, body].concat());
        assert_eq!(client.response().status, 400, "{why}");
        assert_eq!(client.rest(), b"", "{why}");
    }
}

#[test]
fn a_field_of_several_lines_is_joined_by_blanks() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    let folded = "GET /1 HTTP/1.1\r\nHost: h\r\nA: b\r\n  c\r\n\td\r\nE: f\r\n\r\n";
    client.send(folded);
    let text = client.response();
    assert!(
        text.text().contains("\r\na: b    c  \td\r\ne: f\r\n"),
        "{}",
        text.text()
    );
    // The connection goes on, however the next ones are cut.
    for byte in folded.bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response().status, 200);
    assert_eq!(client.get("/3").status, 200);
    assert_eq!(client.get("/4").status, 200);
}

#[test]
fn of_a_length_and_chunks_the_chunks_hold_and_the_connection_ends() {
    let proxy = Proxy::start(proxied(Mode::Http, &[mirror()]));
    let mut client = proxy.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    let text = client.response();
    assert!(
        text.text().ends_with("ab") && !text.text().contains("content-length"),
        "{}",
        text.text()
    );
    assert_eq!(client.rest(), b"");
}

#[test]
fn equal_lengths_and_hosts_are_one() {
    let proxy = Proxy::start(proxied(Mode::Http, &[mirror()]));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab");
    let text = client.response();
    assert_eq!(text.text().matches("host: h\r\n").count(), 1, "{}", text.text());
    assert_eq!(
        text.text().matches("content-length: 2\r\n").count(),
        1,
        "{}",
        text.text()
    );
    assert!(text.text().ends_with("ab"));
}

#[test]
fn a_client_that_ends_before_it_is_answered_has_given_up() {
    let (seen, at_server) = mpsc::channel();
    let addr = server(move |_, mut client| {
        client.request();
        seen.send(()).unwrap();
        assert_eq!(client.rest(), b"");
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    // One that no server has seen ends without a word.
    at_server.recv().unwrap();
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response().status, 400);
}

#[test]
fn the_limit_of_fields_can_be_set_and_bodies_allowed_in_old_requests() {
    let mut spec = proxied(Mode::Http, &[mirror()]);
    spec.global.lines_max = Some(4);
    spec.global.accept_any_payload = true;
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\na: b\r\nc: d\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send("GET / HTTP/1.1\r\nHost: h\r\na: b\r\nc: d\r\ne: f\r\n\r\n");
    assert_eq!(client.response().status, 400);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nHost: h\r\nContent-Length: 2\r\n\r\nab");
    assert!(client.response().text().ends_with("ab"));
}

/// What a client gets when its server answers with these bytes and closes the connection.
fn answered(answer: &'static [u8]) -> (u16, Vec<u8>, bool) {
    let addr = server(move |_, mut client| {
        client.request();
        client.send(answer);
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    match client.response_to("GET") {
        Ok(whole) => (whole.status, whole.body, true),
        Err(cut) => (cut.status, cut.body, false),
    }
}

#[test]
fn what_a_server_must_not_send_is_a_502() {
    for (why, answer) in [
        ("nothing", &b""[..]),
        ("junk", b"junk\r\n\r\n"),
        ("no version", b"hello"),
        (
            "a NUL",
            b"HTTP/1.1 200 OK\r\na: b\0c\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "a bare CR",
            b"HTTP/1.1 200 OK\r\na: b\rc\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "lengths that differ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        ),
        ("a status that is none", b"HTTP/1.1 099 x\r\n\r\n"),
        (
            "a switch that nobody asked for",
            b"HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n",
        ),
        (
            "a bad first chunk",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ),
        ("half a head", b"HTTP/1.1 200 OK\r\na: b\r\n"),
    ] {
        assert_eq!(answered(answer).0, 502, "{why}");
    }
    let large: &'static [u8] = Box::leak(
        format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(20_000))
            .into_bytes()
            .into_boxed_slice(),
    );
    assert_eq!(answered(large).0, 502);
}

#[test]
fn what_a_server_breaks_off_is_cut_off() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let (status, body, whole) = answered(answer);
        assert_eq!((status, &body[..0], whole), (200, &b""[..], false));
    }
}

#[test]
fn old_and_odd_servers_are_understood() {
    assert_eq!(
        answered(b"HTTP/1.0 200 OK\r\n\r\nall of it"),
        (200, b"all of it".to_vec(), true)
    );
    let folded = b"HTTP/1.1 200 OK\r\na: b\r\n c\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(answered(folded), (200, b"ok".to_vec(), true));
    let both =
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    assert_eq!(answered(both), (200, b"ab".to_vec(), true));
}

#[test]
fn servers_may_be_kept_from_knowing_that_their_connections_end() {
    for (pretend, told) in [(false, true), (true, false)] {
        let mut spec = proxied(Mode::Http, &[echo_server()]);
        spec.backends[0].http_close = HttpClose::ServerClose;
        spec.backends[0].pretend_keepalive = pretend;
        let proxy = Proxy::start(spec);
        let mut client = proxy.client();
        for number in 0..2 {
            let text = client.get("/").text().to_owned();
            assert_eq!(text.contains("connection: close"), told, "{text}");
            assert!(text.starts_with(&format!("conn={number} req=1\n")), "{text}");
        }
    }
}
