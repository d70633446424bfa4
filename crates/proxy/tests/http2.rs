//! HTTP/2 from clients, over real sockets: requests beside each other, bodies, tunnels, ends and floods.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use common::http2::*;
use common::*;
use h2::Reason;
use h2::ext::Protocol;
use http::{Request, StatusCode};
use tidegate_proxy::Mode;
use tidegate_proxy::spec::*;
use tidegate_sample::{LogFormat, Scope};

fn return_text(text: &'static str) -> Rule {
    let reply = ReplySpec::status(StatusCode::OK).with_body("text/plain", Text::literal(text));
    Rule::new("http-request return", RuleAction::Return(reply))
}

#[test]
fn requests_are_answered_beside_each_other() {
    // A server that answers only once it has all three requests.
    let (tell, told) = mpsc::channel();
    let (tell, told) = (std::sync::Mutex::new(tell), std::sync::Mutex::new(told));
    let addr = server(move |_, mut client| {
        let head = client.request().unwrap();
        tell.lock().unwrap().send(()).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        if path == "/3" {
            (0..3).for_each(|_| told.lock().unwrap().recv().unwrap());
        }
        client.send(format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{path}",
            path.len()
        ));
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (third, _) = client.begin(Request::get("http://h/3"), true).await;
        for path in ["/1", "/2"] {
            let answer = client.get(&format!("http://h{path}")).await;
            assert_eq!((answer.status, answer.text()), (200, path));
            assert_eq!(answer.header("connection"), None);
        }
        assert_eq!(whole(third).await.unwrap().text(), "/3");
    });
}

#[test]
fn many_requests_at_once_wait_each_for_its_own_answer() {
    const MANY: usize = 80;
    // Nobody is answered before all have asked.
    let all = std::sync::Barrier::new(MANY);
    let addr = server(move |_, mut client| {
        let head = client.request().unwrap();
        let path = head.split(' ').nth(1).unwrap();
        all.wait();
        client.send(format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{path}",
            path.len()
        ));
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    run(async {
        // What served one connection serves the next.
        for connection in 0..2 {
            let mut client = Http2::connect(proxy.address()).await;
            for round in 0..2 {
                let mut asked = Vec::new();
                for n in 0..MANY {
                    let path = format!("/{connection}/{round}/{n}");
                    let request = Request::get(format!("http://h{path}"));
                    asked.push((path, client.begin(request, true).await.0));
                }
                for (path, response) in asked {
                    assert_eq!(whole(response).await.unwrap().text(), path);
                }
            }
        }
    });
}

#[test]
fn a_server_of_http_1_sees_a_request_of_http_1() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let request = Request::get("https://example.org/a?b=c")
            .header("cookie", "a=1")
            .header("te", "trailers")
            .header("cookie", "b=2")
            .header("x-own", "1");
        let (response, _) = client.begin(request, true).await;
        let answer = whole(response).await.unwrap();
        let text = answer.text();
        assert!(
            text.contains("GET /a?b=c HTTP/1.1\r\nhost: example.org\r\n"),
            "{text}"
        );
        // Cookies come in crumbs, and are one field, behind the others.
        let cookies = text.find("cookie: a=1; b=2\r\n").expect(text);
        assert!(text.find("x-own: 1\r\n").expect(text) < cookies, "{text}");
        // The same connection serves on.
        assert!(
            client
                .get("https://example.org/")
                .await
                .text()
                .contains("req=2\n")
        );
    });
}

#[test]
fn replies_of_our_own_have_their_length_and_heads_no_body() {
    let mut front = frontend(Mode::Http);
    front.http_request.push(return_text("hi"));
    let proxy = Proxy::start(only(front));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let answer = client.get("http://h/").await;
        assert_eq!(
            (answer.text(), answer.header("content-length")),
            ("hi", Some("2"))
        );
        let (response, _) = client.begin(Request::head("http://h/"), true).await;
        let answer = whole(response).await.unwrap();
        assert_eq!((answer.text(), answer.header("content-length")), ("", Some("2")));
    });
}

/// A server that answers with the body of the request, in chunks.
fn mirror() -> std::net::SocketAddr {
    server(|_, mut client| {
        while let Some(head) = client.request() {
            client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            if let Some(length) = head.lines().find_map(|l| l.strip_prefix("content-length: ")) {
                let mut left: usize = length.parse().unwrap();
                while left > 0 {
                    let piece = client.exactly(left.min(10_000));
                    left -= piece.len();
                    client
                        .send(format!("{:x}\r\n", piece.len()))
                        .send(&piece)
                        .send("\r\n");
                }
            }
            client.send("0\r\n\r\n");
        }
    })
}

#[test]
fn large_bodies_go_both_ways_at_once() {
    let proxy = Proxy::start(proxied(Mode::Http, &[mirror()]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let body: Bytes = (0..3_000_000u32)
            .map(|n| (n % 251) as u8)
            .collect::<Vec<_>>()
            .into();
        let mut responses = Vec::new();
        for _ in 0..3 {
            let request = Request::post("http://h/").header("content-length", body.len());
            let (response, mut stream) = client.begin(request, false).await;
            let body = body.clone();
            tokio::task::spawn_local(async move { pour(&mut stream, body, true).await });
            responses.push(tokio::task::spawn_local(whole(response)));
        }
        for response in responses {
            assert!(response.await.unwrap().unwrap().body == body);
        }
    });
}

#[test]
fn a_stream_that_nobody_reads_holds_up_no_other() {
    let addr = server(|_, mut client| {
        while let Some(head) = client.request() {
            let length = if head.starts_with("GET /large") {
                1_000_000
            } else {
                2
            };
            client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
            // The rest may find the connection closed.
            let _ = client.stream.write_all(&vec![b'x'; length]);
        }
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        // Its window is full after 64 KiB; the connection's own is larger.
        let (large, _) = client.begin(Request::get("http://h/large"), true).await;
        let (_, mut unread) = large.await.unwrap().into_parts();
        for _ in 0..3 {
            assert_eq!(client.get("http://h/").await.text(), "xx");
        }
        assert_eq!(all(&mut unread).await.unwrap().len(), 1_000_000);
    });
}

#[test]
fn a_request_that_its_client_lets_go_of_is_let_go_of_by_the_server_too() {
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let addr = server(move |_, mut client| {
        let head = client.request().unwrap();
        if head.starts_with("GET /slow") {
            assert_eq!(client.rest(), b"");
            tell.lock().unwrap().send(()).unwrap();
        } else {
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (slow, mut stream) = client.begin(Request::get("http://h/slow"), true).await;
        while proxy.running().requests() < 1 {
            moment().await;
        }
        stream.send_reset(Reason::CANCEL);
        assert!(slow.await.is_err());
        tokio::task::spawn_blocking(move || told.recv_timeout(PATIENCE).unwrap())
            .await
            .unwrap();
        assert_eq!(client.get("http://h/").await.text(), "ok");
    });
}

#[test]
fn a_response_that_is_cut_off_ends_its_stream_alone() {
    let addr = server(|_, mut client| {
        let head = client.request().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!");
        if !head.starts_with("GET /cut") {
            client.send("whole");
        }
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (response, _) = client.begin(Request::get("http://h/cut"), true).await;
        let (_, mut body) = response.await.unwrap().into_parts();
        assert_eq!(body.data().await.unwrap().unwrap(), "half!");
        let cut = body.data().await.unwrap().unwrap_err();
        assert_eq!(cut.reason(), Some(Reason::INTERNAL_ERROR));
        assert_eq!(client.get("http://h/").await.text(), "half!whole");
    });
}

#[test]
fn what_http_1_would_refuse_is_refused() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        // The authority stands for it, whatever else is said.
        let (response, _) = client
            .begin(Request::get("http://a:80/").header("host", "b"), true)
            .await;
        let seen = whole(response).await.unwrap();
        assert!(seen.text().contains("host: a\r\n"), "{}", seen.text());
        let (response, _) = client.begin(Request::get("http://user@a/"), true).await;
        assert_eq!(response.await.unwrap_err().reason(), Some(Reason::PROTOCOL_ERROR));
        assert_eq!(client.get("http://a/").await.status, 200);
    });
}

fn tunnelling(expected: &'static [&'static str], answer: &'static str) -> std::net::SocketAddr {
    server(move |_, mut client| {
        let head = client.request().unwrap();
        for part in expected {
            assert!(head.contains(part), "{head}");
        }
        client.send(answer);
        let all = client.rest();
        client.send([b"echo:", &all[..]].concat());
    })
}

async fn tunnel(mut client: Http2, request: Request<()>) {
    client.send = client.send.ready().await.unwrap();
    let (response, mut stream) = client.send.send_request(request, false).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    assert_eq!(head.status, 200);
    assert!(!head.headers.contains_key("upgrade") && !head.headers.contains_key("sec-websocket-accept"));
    pour(&mut stream, "anything".into(), true).await;
    assert_eq!(all(&mut body).await.unwrap(), b"echo:anything");
}

#[test]
fn connect_becomes_a_tunnel() {
    let addr = tunnelling(
        &["CONNECT far:443 HTTP/1.1\r\n", "host: far:443\r\n"],
        "HTTP/1.1 200 Established\r\n\r\n",
    );
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    run(async {
        let client = Http2::connect(proxy.address()).await;
        tunnel(client, Request::connect("far:443").body(()).unwrap()).await;
    });
}

#[test]
fn a_websocket_of_http_2_is_an_upgrade_of_http_1() {
    let addr = tunnelling(
        &[
            "GET /chat HTTP/1.1\r\n",
            "host: h\r\n",
            "connection: upgrade\r\n",
            "upgrade: websocket\r\n",
            "sec-websocket-key: ",
        ],
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        // The client learns from the server's settings that it may.
        while !client.send.is_extended_connect_protocol_enabled() {
            moment().await;
        }
        client.send = client.send.ready().await.unwrap();
        // A key is only made for who sends none; the answer to it is looked at in any case.
        let request =
            Request::connect("http://h/chat").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let mut request = request.body(()).unwrap();
        request
            .extensions_mut()
            .insert(Protocol::from_static("websocket"));
        tunnel(client, request).await;
    });
}

#[test]
fn a_soft_stop_says_goodbye_and_lets_requests_finish() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let addr = server(move |_, mut client| {
        client.request();
        wait.lock().unwrap().recv().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    run(async {
        let idle = Http2::connect(proxy.address()).await;
        let mut busy = Http2::connect(proxy.address()).await;
        let (response, _) = busy.begin(Request::get("http://h/"), true).await;
        while proxy.running().requests() < 1 {
            moment().await;
        }
        proxy.running().shutdown().soft();
        // In order, with a GOAWAY that says that nothing is wrong.
        idle.ended.await.unwrap().unwrap();
        go.send(()).unwrap();
        assert_eq!(whole(response).await.unwrap().text(), "ok");
        drop(busy.send);
        busy.ended.await.unwrap().unwrap();
    });
    assert!(proxy.take().join());
}

#[test]
fn who_has_said_nothing_yet_is_served_after_a_soft_stop() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0].listeners[0].proto = ListenProto::Http2;
    let proxy = Proxy::start(spec);
    let (mut silent, mut asked) = (proxy.client(), proxy.client());
    asked.send(hello()).send(frame(1, 5, 1, &get_block()));
    while asked.frame().0 != 0 {}
    proxy.running().shutdown().soft();
    // It has come to the other one, on the same worker.
    assert_eq!(asked.goaway(), 0);
    silent.send([hello(), frame(1, 5, 1, &get_block())].concat());
    while silent.frame().0 != 0 {}
    assert_eq!(silent.goaway(), 0);
    drop((silent, asked));
    assert!(proxy.take().join());
}

#[test]
fn silence_ends_a_connection_with_a_goodbye() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0].timeouts.http_keep_alive = Some(Duration::from_millis(100));
    spec.frontends[0].timeouts.http_request = Some(Duration::from_millis(200));
    let proxy = Proxy::start(spec);
    // Before any request, and after one.
    let mut client = proxy.client();
    client.send(hello());
    assert_eq!(client.goaway(), 0);
    assert_eq!(client.rest(), b"");
    let mut client = proxy.client();
    client.send(hello()).send(frame(1, 5, 1, &get_block()));
    assert_eq!(client.goaway(), 0);
    assert_eq!(client.rest(), b"");
    // Not even a greeting.
    let mut client = proxy.client();
    client.send("PRI * HTTP/2.0\r\n\r\n");
    client.rest();
}

#[test]
fn the_windows_of_a_connection_are_opened_once_a_request_has_come() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    client.send(hello());
    // Settings, what acknowledges ours, and nothing else until there is a request.
    assert_eq!((client.frame().0, client.frame().0), (4, 4));
    client.send(frame(1, 5, 1, &get_block()));
    let mut frames = std::iter::from_fn(|| Some(client.frame())).take(10);
    let (_, _, _, opened) = frames
        .find(|(kind, _, stream, _)| (*kind, *stream) == (8, 0))
        .unwrap();
    assert_eq!(opened, (1_638_400_u32 - 65_535).to_be_bytes());
}

#[test]
fn a_client_that_holds_its_body_back_gets_a_408() {
    let mut spec = proxied(Mode::Http, &[mirror()]);
    spec.frontends[0].timeouts.client = Some(Duration::from_millis(100));
    let proxy = Proxy::start(spec);
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let mut front = Request::post("http://h/");
        front = front.header("content-length", 10);
        let (response, _stream) = client.begin(front, false).await;
        // The server has answered by then, or not: either way it ends.
        match whole(response).await {
            Ok(answer) => assert_eq!(answer.status, 408),
            Err(cut) => assert!(cut.is_reset(), "{cut}"),
        }
    });
}

#[test]
fn where_http_2_is_not_wanted_its_preface_is_no_method() {
    let mut off = proxied(Mode::Http, &[echo_server()]);
    off.frontends[0].h2_upgrade = false;
    let mut h1 = proxied(Mode::Http, &[echo_server()]);
    h1.frontends[0].listeners[0].proto = ListenProto::Http1;
    for spec in [off, h1] {
        let proxy = Proxy::start(spec);
        let mut client = proxy.client();
        client.send(hello());
        assert_eq!(client.response().status, 405);
    }
}

#[test]
fn where_http_2_is_demanded_nothing_else_is_answered() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0].listeners[0].proto = ListenProto::Http2;
    let proxy = Proxy::start(spec);
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        assert_eq!(client.get("http://h/").await.status, 200);
    });
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(find(&client.rest(), b"HTTP/1").is_none());
}

#[test]
fn pieces_of_a_preface_are_put_together() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    for byte in hello() {
        client.send([byte]);
    }
    client.send(frame(1, 5, 1, &get_block()));
    while client.frame().0 != 1 {}
}

/// Sends frames until the proxy has had enough, reading what it says all the while, and returns its last words.
fn flood(proxy: &Proxy, frames: impl Fn(u32) -> Vec<u8>) -> u32 {
    let mut client = proxy.client();
    client.send(hello());
    let mut writer = client.stream.try_clone().unwrap();
    let mut pieces: Vec<Vec<u8>> = (0..200u32)
        .map(|n| (n * 100..(n + 1) * 100).flat_map(&frames).collect())
        .collect();
    let writing = thread::spawn(move || {
        // It ends by an error once the proxy has closed the connection.
        pieces
            .drain(..)
            .try_for_each(|piece| writer.write_all(&piece))
            .is_err()
    });
    let code = client.goaway();
    client.rest();
    writing.join().unwrap();
    code
}

#[test]
fn floods_are_told_to_calm_down() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let calm = Reason::ENHANCE_YOUR_CALM;
    let begin = |n: u32| frame(1, if n == 0 { 4 } else { 5 }, 2 * n + 1, &get_block());
    assert_eq!(
        Reason::from(flood(&proxy, |_| frame(6, 0, 0, &[0; 8]))),
        calm,
        "pings"
    );
    assert_eq!(
        Reason::from(flood(&proxy, |_| frame(4, 0, 0, b""))),
        calm,
        "settings"
    );
    assert_eq!(
        Reason::from(flood(&proxy, |_| frame(2, 0, 1, &[0, 0, 0, 0, 1]))),
        calm,
        "priorities"
    );
    let reset = |n: u32| [begin(n), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat();
    assert_eq!(Reason::from(flood(&proxy, reset)), calm, "rapid resets");
    let empty = |n: u32| if n == 0 { begin(0) } else { frame(0, 0, 1, b"") };
    assert_eq!(Reason::from(flood(&proxy, empty)), calm, "empty data");
    let provoked = |n: u32| [begin(n + 1), frame(8, 0, 2 * n + 3, &[0x7f, 0xff, 0xff, 0xff])].concat();
    assert_eq!(
        Reason::from(flood(&proxy, provoked)),
        calm,
        "resets that the proxy is made to send"
    );
    // Others are served as ever.
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        assert_eq!(client.get("http://h/").await.status, 200);
    });
}

#[test]
fn heads_without_end_are_refused() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    for continuation in [&b""[..], &[0x82; 16_000]] {
        let mut client = proxy.client();
        client.send(hello()).send(frame(1, 1, 1, &get_block()));
        for _ in 0..200 {
            // It ends by an error once the proxy has closed the connection.
            if client.stream.write_all(&frame(9, 0, 1, continuation)).is_err() {
                break;
            }
        }
        client.rest();
    }
}

#[test]
fn a_small_head_that_grows_beyond_bounds_is_refused() {
    // One long field goes into the table, and is then named by one byte, thousands of times.
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    let mut block = get_block();
    block.extend([0x40, 0x01, b'a', 0x7f, 0x81, 0x1e]);
    block.extend([b'x'; 4000]);
    block.extend([0xbe; 10_000]);
    client.send(hello()).send(frame(1, 5, 1, &block));
    let (mut status, mut reset) = (None, false);
    loop {
        let (kind, _, stream, payload) = client.frame();
        match (kind, stream) {
            (1, 1) => {
                status = Some(payload);
                break;
            }
            (3, 1) | (7, _) => {
                reset = true;
                break;
            }
            _ => {}
        }
    }
    // A status other than 200 has no entry 8 of the static table.
    assert!(reset || status.unwrap()[0] != 0x88);
}

#[test]
fn a_flood_from_a_client_that_never_reads_ends_too() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0].timeouts.client = Some(Duration::from_millis(200));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send(hello());
    let ping = frame(6, 0, 0, &[0; 8]).repeat(1000);
    while client.stream.write_all(&ping).is_ok() {}
    // Whatever becomes of the connection: the proxy has no session left.
    let start = std::time::Instant::now();
    while proxy.running().connections() > 0 {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn fetches_tell_of_the_connection_and_its_streams() {
    let mut front = frontend(Mode::Http);
    let text = "%[fs.id] %[fc_http_major] %[fc_nb_streams] %[fc_settings_streams_limit] %[fc_glitches]";
    let text = Text::from(LogFormat::parse(text, &Scope::anywhere()).unwrap());
    let reply = ReplySpec::status(StatusCode::OK).with_body("text/plain", text);
    front
        .http_request
        .push(Rule::new("http-request return", RuleAction::Return(reply)));
    let mut spec = only(front);
    spec.global.h2.fe_streams_max = 7;
    let proxy = Proxy::start(spec);
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        assert_eq!(client.get("http://h/").await.text(), "1 2 1 7 0");
        assert_eq!(client.get("http://h/").await.text(), "3 2 1 7 0");
    });
    assert_eq!(proxy.client().get("/").text(), "0 1 1 1 0");
}

/// Servers that answer when they are told to, having told that they were asked.
fn told_to() -> (std::net::SocketAddr, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((tell, told), (go, wait)) = (mpsc::channel(), mpsc::channel());
    let both = std::sync::Mutex::new((tell, wait));
    let addr = server(move |_, mut client| {
        client.request();
        let both = both.lock().unwrap();
        both.0.send(()).unwrap();
        both.1.recv_timeout(PATIENCE).unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    (addr, told, go)
}

#[test]
fn who_ends_its_side_gets_its_answers_if_nothing_is_given_up() {
    let (addr, told, go) = told_to();
    let mut spec = proxied(Mode::Http, &[addr]);
    spec.frontends[0].closing.abort = false;
    spec.backends[0].closing.abort = false;
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send(hello()).send(frame(1, 5, 1, &get_block()));
    // Of this one the rest can't come any more.
    client.send(frame(1, 4, 3, &get_block()));
    told.recv_timeout(PATIENCE).unwrap();
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    go.send(()).unwrap();
    go.send(()).unwrap();
    let rest = client.rest();
    assert!(find(&rest, &frame(0, 1, 1, b"ok")).is_some(), "{rest:?}");
    assert!(find(&rest, &frame(0, 1, 3, b"ok")).is_none(), "{rest:?}");
}

#[test]
fn who_ends_its_side_is_given_up_as_a_rule() {
    let (addr, told, go) = told_to();
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send(hello()).send(frame(1, 5, 1, &get_block()));
    told.recv_timeout(PATIENCE).unwrap();
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    // It doesn't wait for the server.
    client.rest();
    go.send(()).unwrap();
}

#[test]
fn a_body_that_is_late_ends_its_stream_alone() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    let wait = RuleAction::WaitForBody {
        time: Duration::from_millis(50),
        at_least: None,
        room: None,
    };
    spec.frontends[0]
        .http_request
        .push(Rule::new("http-request wait-for-body", wait));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send(hello()).send(frame(1, 4, 1, &get_block()));
    loop {
        let (kind, _, stream, _) = client.frame();
        assert_ne!(kind, 7, "a goodbye");
        if (kind, stream) == (3, 1) {
            break;
        }
    }
    // And the connection serves on.
    client.send(frame(1, 5, 3, &get_block()));
    loop {
        let (kind, flags, stream, _) = client.frame();
        assert_ne!(kind, 7, "a goodbye");
        if (kind, flags & 1, stream) == (0, 1, 3) {
            break;
        }
    }
}

#[test]
fn trailers_have_nothing_of_http_1() {
    let proxy = Proxy::start(proxied(Mode::Http, &[mirror()]));
    let mut client = proxy.client();
    client.send(hello()).send(frame(1, 4, 1, &get_block()));
    let trailers = b"\0\x0aconnection\x05close";
    client.send(frame(1, 5, 1, trailers));
    loop {
        let (kind, _, stream, payload) = client.frame();
        if (kind, stream) == (3, 1) {
            break assert_eq!(payload, [0, 0, 0, 1]);
        }
        assert!((kind, stream) != (0, 1), "an answer");
    }
}

#[test]
fn what_is_asked_for_by_another_scheme_is_asked_of_the_server_by_it() {
    let addr = server(|_, mut client| {
        let head = client.request().unwrap();
        let line = head.lines().next().unwrap();
        client.send(format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{line}",
            line.len()
        ));
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    for (scheme, line) in [
        ("http", "GET / HTTP/1.1"),
        ("https", "GET / HTTP/1.1"),
        ("HTTPS", "GET / HTTP/1.1"),
        ("ftp", "GET ftp://h/ HTTP/1.1"),
    ] {
        let mut client = proxy.client();
        let block = [
            b"\x82\x06",
            &[scheme.len() as u8][..],
            scheme.as_bytes(),
            b"\x84\x41\x01h",
        ]
        .concat();
        client.send(hello()).send(frame(1, 5, 1, &block));
        loop {
            let (kind, _, _, payload) = client.frame();
            if kind == 0 {
                break assert_eq!(String::from_utf8_lossy(&payload), line);
            }
        }
    }
}
