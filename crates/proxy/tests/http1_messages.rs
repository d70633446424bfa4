//! Messages of HTTP/1 on their way through: informational responses, trailers, framing, and what keeps connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use bytes::Bytes;
use common::http2::{Http2, http2_server, pour, run, whole};
use common::*;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tidegate_proxy::Mode;
use tidegate_proxy::spec::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A server that answers every request with these bytes.
fn says(answer: &'static str) -> std::net::SocketAddr {
    server(move |_, mut client| {
        while client.request().is_some() {
            client.send(answer);
        }
    })
}

/// A server that answers with a request's body as it came, framing and trailers included.
fn mirrors_chunks() -> std::net::SocketAddr {
    server(|_, mut client| {
        while let Some(head) = client.request() {
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            let mut raw = Vec::new();
            while !raw.ends_with(b"\r\n\r\n") {
                raw.extend(client.exactly(1));
            }
            client.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                raw.len()
            ));
            client.send(raw);
        }
    })
}

#[test]
fn informational_responses_are_passed_on() {
    let addr = says(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(client.head(), "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        assert_eq!(client.head(), "HTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n");
        assert_eq!(client.response().text(), "ok");
    }
    // A client of HTTP/1.0 knows of none.
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(client.rest(), b"");
    // One of HTTP/2 does.
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (mut response, _) = client.begin(Request::get("http://h/"), true).await;
        let mut seen = Vec::new();
        while let Some(hint) = std::future::poll_fn(|cx| response.poll_informational(cx)).await {
            seen.push(hint.unwrap().status().as_u16());
        }
        assert_eq!(seen, [100, 103, 103]);
        assert_eq!(whole(response).await.unwrap().text(), "ok");
    });
}

#[test]
fn hints_of_a_server_of_http_2_reach_a_client_of_http_1() {
    let addr = http2_server(h2::server::Builder::new(), |mut asked| async move {
        let hint = Response::builder().status(103).header("link", "</a>");
        asked.respond.send_informational(hint.body(()).unwrap()).unwrap();
        asked.answer(Response::builder(), "ok");
    });
    let mut spec = proxied(Mode::Http, &[addr]);
    spec.backends[0].servers[0].proto = ServerProto::Http2;
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(client.head(), "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn a_flood_of_informational_responses_is_no_answer() {
    let addr = server(|_, mut client| {
        client.request();
        let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        while std::io::Write::write_all(&mut client.stream, hint.as_bytes()).is_ok() {}
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send(GET);
    let mut hints = 0;
    let last = loop {
        let head = client.head();
        if !head.starts_with("HTTP/1.1 103 ") {
            break head;
        }
        hints += 1;
    };
    assert!(
        last.starts_with("HTTP/1.1 502 ") && hints <= 100,
        "{hints}: {last}"
    );
}

#[test]
fn trailers_pass_both_ways() {
    let proxy = Proxy::start(proxied(Mode::Http, &[mirrors_chunks()]));
    let mut client = proxy.client();
    // As they were declared, and as they weren't; what belongs into heads is dropped.
    client.send(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;ext=1\r\nab\r\n1\r\nc\r\n0\r\n\
         X-Sum: 1\r\nContent-Length: 7\r\n\r\n",
    );
    assert_eq!(client.response().text(), "3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n";
    let proxy = Proxy::start(proxied(Mode::Http, &[says(answer)]));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send(GET);
        let head = client.head();
        assert!(head.contains("trailer: X-Sum\r\n"), "{head}");
        let expected = "2\r\nok\r\n0\r\nx-sum: 2\r\n\r\n";
        assert_eq!(client.exactly(expected.len()), expected.as_bytes());
    }
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let answer = client.get("http://h/").await;
        assert_eq!(answer.text(), "ok");
        assert_eq!(answer.trailers.unwrap().get("x-sum").unwrap(), "2");
    });
}

#[test]
fn trailers_of_http_2_become_those_of_http_1() {
    let proxy = Proxy::start(proxied(Mode::Http, &[mirrors_chunks()]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (response, mut stream) = client.begin(Request::post("http://h/"), false).await;
        pour(&mut stream, Bytes::from_static(b"abc"), false).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("3"));
        stream.send_trailers(trailers).unwrap();
        let answer = whole(response).await.unwrap();
        assert_eq!(answer.text(), "3\r\nabc\r\n0\r\nx-sum: 3\r\n\r\n");
    });
}

#[test]
fn what_a_client_of_http_1_0_gets_ends_with_its_connection() {
    let addr = says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n");
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response();
    assert_eq!(response.text(), "ok");
    assert_eq!(
        (
            response.header("transfer-encoding"),
            response.header("connection")
        ),
        (None, Some("close"))
    );
    // One whose length is known leaves the connection to the next.
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.response().header("connection"), Some("keep-alive"));
    }
}

#[test]
fn a_response_of_two_parts_leaves_each_where_it_is() {
    for (answer, status) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            502,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", 502),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            200,
        ),
        ("HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n", 204),
        ("HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", 304),
    ] {
        let proxy = Proxy::start(proxied(Mode::Http, &[says(answer)]));
        let mut client = proxy.client();
        for _ in 0..2 {
            client.send(GET);
            let response = client.response();
            assert_eq!(response.status, status, "{answer:?}");
            match status {
                204 => assert_eq!(response.header("content-length"), None),
                304 => assert_eq!(response.header("content-length"), Some("5")),
                200 => assert_eq!(response.head.matches("content-length").count(), 1),
                _ => {}
            }
        }
    }
}

#[test]
fn what_a_server_says_without_being_asked_is_nobodys() {
    // A second response on the heels of the first belongs to no request.
    let addr = server(|number, mut client| {
        while client.request().is_some() {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            client.send([answer.as_str(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"].concat());
        }
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    assert_eq!(client.get("/").text(), "0");
    assert_eq!(client.get("/").text(), "1");
}

#[test]
fn a_body_that_nobody_wants_is_passed_over() {
    let mut front = frontend(Mode::Http);
    let reply = ReplySpec::status(StatusCode::OK).with_body("text/plain", Text::literal("served"));
    front
        .http_request
        .push(Rule::new("http-request return", RuleAction::Return(reply)));
    let proxy = Proxy::start(only(front));
    let mut client = proxy.client();
    // A short one is received, and the connection goes on; byte by byte, and however it is framed.
    for body in [
        "Content-Length: 3\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{body}");
        for byte in request.bytes() {
            client.send([byte]);
        }
        let response = client.response();
        assert_eq!((response.text(), response.header("connection")), ("served", None));
    }
    // A long one, or one that waits for a word, is the end of it; and what is sent of it doesn't spoil the answer.
    for (head, body) in [
        ("Content-Length: 1000000", "x".repeat(50_000)),
        ("Expect: 100-continue\r\nContent-Length: 3", String::new()),
    ] {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n{body}"));
        let response = client.response();
        assert_eq!(
            (response.text(), response.header("connection")),
            ("served", Some("close"))
        );
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn blank_lines_between_requests_and_requests_on_their_heels_are_understood() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    client.send(format!(
        "\r\n\r\n{GET}\r\n{GET}{GET}POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n\n{GET}"
    ));
    for number in 1..=5 {
        let response = client.response();
        assert!(
            response.text().starts_with(&format!("conn=0 req={number}\n")),
            "{}",
            response.text()
        );
    }
}

#[test]
fn hints_of_rules_come_in_one_response_before_all_others() {
    let mut spec = proxied(
        Mode::Http,
        &[says(
            "HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )],
    );
    for value in ["</a>", "</b>"] {
        let action = RuleAction::EarlyHint(http::header::LINK, Text::literal(value));
        spec.frontends[0]
            .http_request
            .push(Rule::new("http-request early-hint", action));
    }
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(
        client.head(),
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\n"
    );
    assert_eq!(client.head(), "HTTP/1.1 103 Early Hints\r\nlink: </s>\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (mut response, _) = client.begin(Request::get("http://h/"), true).await;
        let hint = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
        assert_eq!(hint.unwrap().unwrap().headers().get_all("link").iter().count(), 2);
        assert_eq!(whole(response).await.unwrap().text(), "ok");
    });
}

/// Also where several of a name have others between them, and names are well known or not.
#[test]
fn fields_keep_their_order_both_ways() {
    let addr = server(|_, mut client| {
        while let Some(head) = client.request() {
            let (_, fields) = head.split_once("\r\n").unwrap();
            client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}"));
        }
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    let fields = "X-B: 1\r\nCookie: a\r\nX-A: 2\r\nHost: h\r\nx-b: 3\r\nSet-Cookie: b\r\nCOOKIE: c\r\nSet-Cookie: d\r\n";
    client.send(format!("GET / HTTP/1.1\r\n{fields}\r\n"));
    let fields = fields.to_ascii_lowercase();
    assert_eq!(
        client.head(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{fields}\r\n")
    );
}

#[test]
fn names_are_written_as_those_who_care_want_them() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.global.header_case = HeaderCase::new(["Host", "Content-Length", "X-a"].map(String::from));
    spec.frontends[0].http1.adjust_case = true;
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    let response = client.get("/");
    assert!(
        response.head.contains("\r\nContent-Length: "),
        "{}",
        response.head
    );
    assert!(response.text().contains("\nhost: h\r\n"), "{}", response.text());
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.global.header_case = HeaderCase::new(["Host", "Content-Length"].map(String::from));
    spec.backends[0].http1.adjust_case = true;
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    let response = client.get("/");
    assert!(
        response.head.contains("\r\ncontent-length: "),
        "{}",
        response.head
    );
    assert!(response.text().contains("\nHost: h\r\n"), "{}", response.text());
}

#[test]
fn messages_that_break_the_rules_pass_on_demand() {
    for lenient in [false, true] {
        let mut spec = proxied(
            Mode::Http,
            &[says("HTTP/1.1 200 OK\r\na b: c\r\nContent-Length: 2\r\n\r\nok")],
        );
        spec.backends[0].http1.lenient = lenient;
        let proxy = Proxy::start(spec);
        assert_eq!(proxy.client().get("/").status, if lenient { 200 } else { 502 });
        let mut spec = proxied(Mode::Http, &[echo_server()]);
        spec.frontends[0].http1.lenient = lenient;
        let proxy = Proxy::start(spec);
        for request in [
            "GET /\u{e4} HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET http://other/ HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\na\0b: c\r\nHost: h\r\nd: e\0\r\n\r\n",
        ] {
            let mut client = proxy.client();
            client.send(request);
            let response = client.response();
            assert_eq!(response.status, if lenient { 200 } else { 400 }, "{request:?}");
            assert!(!response.body.contains(&0), "{request:?}");
            let fragment = request.contains('#') && lenient;
            assert_eq!(
                response.text().contains("GET /a#b HTTP/1.1"),
                fragment,
                "{request:?}"
            );
        }
    }
}
