//! HTTP/2 to servers, over real sockets: connections that requests share, bodies, tunnels and ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::http2::*;
use common::*;
use h2::Reason;
use h2::ext::Protocol;
use h2::server::Builder;
use http::{HeaderMap, HeaderValue, Request, Response};
use tidegate_proxy::Mode;
use tidegate_proxy::spec::*;

/// A proxy in front of servers that speak HTTP/2.
fn in_front_of(servers: &[SocketAddr]) -> ProxySpec {
    let mut spec = proxied(Mode::Http, servers);
    for server in &mut spec.backends[0].servers {
        server.proto = ServerProto::Http2;
    }
    spec
}

/// A server that answers with what it was asked and on which connection.
fn echoes(builder: Builder) -> SocketAddr {
    http2_server(builder, |asked| async {
        let text = format!("conn={}\n{}", asked.connection, asked.text());
        asked.answer(Response::builder(), text);
    })
}

#[test]
fn a_request_of_http_1_is_one_of_http_2_to_the_server() {
    let proxy = Proxy::start(in_front_of(&[echoes(Builder::new())]));
    let mut client = proxy.client();
    client.send("GET /a?b HTTP/1.1\r\nHost: h:8\r\nConnection: keep-alive, x-y\r\nKeep-Alive: 3\r\nTE: trailers\r\nX-Y: z\r\n\r\n");
    let answer = client.response();
    assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", answer.head);
    let text = answer.text();
    assert!(text.starts_with("conn=0\nGET http://h:8/a?b\n"), "{text}");
    assert!(text.contains("\nte: trailers\n"), "{text}");
    for gone in ["connection:", "keep-alive:", "host:"] {
        assert!(!text.contains(gone), "{text}");
    }
    // The same connections on both sides.
    assert!(client.get("/").text().starts_with("conn=0\n"));
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response_to("HEAD").unwrap().status, 200);
    client.send("GET / HTTP/1.0\r\n\r\n");
    let old = client.response();
    assert!(old.text().contains("GET /\n"), "{}", old.text());
}

/// A server that answers as soon as it has so many requests.
fn together(builder: Builder, wanted: usize) -> SocketAddr {
    let seen = Arc::new(AtomicUsize::new(0));
    http2_server(builder, move |asked| {
        let seen = seen.clone();
        async move {
            seen.fetch_add(1, Ordering::SeqCst);
            while seen.load(Ordering::SeqCst) < wanted {
                moment().await;
            }
            let text = asked.connection.to_string();
            asked.answer(Response::builder(), text);
        }
    })
}

#[test]
fn requests_share_a_connection_as_far_as_the_server_lets_them() {
    for (streams_max, connections) in [(100, 1), (2, 2)] {
        let mut builder = Builder::new();
        builder.max_concurrent_streams(streams_max);
        let mut spec = in_front_of(&[together(builder, 4)]);
        spec.backends[0].reuse = HttpReuse::Always;
        let proxy = Proxy::start(spec);
        // The first opens the connection, and says what it can do.
        let mut clients: Vec<_> = (0..4).map(|_| proxy.client()).collect();
        let mut seen: Vec<u64> = Vec::new();
        for (n, client) in clients.iter_mut().enumerate() {
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            while proxy.running().requests() <= n as u64 {
                std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for client in &mut clients {
            seen.push(client.response().text().parse().unwrap());
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), connections, "{streams_max}: {seen:?}");
    }
}

/// A server that mirrors bodies and trailers.
fn mirrors() -> SocketAddr {
    http2_server(Builder::new(), |mut asked| async move {
        let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
        while let Some(data) = asked.body.data().await {
            let data = data.unwrap();
            asked.body.flow_control().release_capacity(data.len()).unwrap();
            pour(&mut stream, data, false).await;
        }
        match asked.body.trailers().await.unwrap() {
            Some(trailers) => stream.send_trailers(trailers).unwrap(),
            None => stream.send_data(Bytes::new(), true).unwrap(),
        }
    })
}

#[test]
fn large_bodies_go_both_ways_between_all_versions() {
    let proxy = Proxy::start(in_front_of(&[mirrors()]));
    let body: Vec<u8> = (0..2_000_000u32).map(|n| (n % 253) as u8).collect();
    // From HTTP/1, of known length and in chunks.
    let mut client = proxy.client();
    let mut writer = client.stream.try_clone().unwrap();
    let sent = body.clone();
    let writing = std::thread::spawn(move || {
        use std::io::Write;
        write!(
            writer,
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        )
        .unwrap();
        writer.write_all(&sent).unwrap();
        write!(
            writer,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .unwrap();
        for piece in sent.chunks(70_000) {
            write!(writer, "{:x}\r\n", piece.len()).unwrap();
            writer.write_all(piece).unwrap();
            writer.write_all(b"\r\n").unwrap();
        }
        writer.write_all(b"0\r\n\r\n").unwrap();
    });
    assert!(client.response().body == body);
    assert!(client.response().body == body);
    writing.join().unwrap();
    // From HTTP/2, with trailers.
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (response, mut stream) = client.begin(Request::post("http://h/"), false).await;
        let sent = Bytes::from(body.clone());
        tokio::task::spawn_local(async move {
            pour(&mut stream, sent, false).await;
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("1"));
            stream.send_trailers(trailers).unwrap();
        });
        let answer = whole(response).await.unwrap();
        assert!(answer.body == body);
        assert_eq!(answer.trailers.unwrap().get("x-sum").unwrap(), "1");
    });
}

#[test]
fn informational_responses_come_first() {
    let addr = http2_server(Builder::new(), |mut asked| async move {
        let hint = Response::builder().status(103).header("link", "</a>");
        asked.respond.send_informational(hint.body(()).unwrap()).unwrap();
        asked.answer(Response::builder(), "ok");
    });
    let proxy = Proxy::start(in_front_of(&[addr]));
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (mut response, _) = client.begin(Request::get("http://h/"), true).await;
        let hint = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
        let hint = hint.unwrap().unwrap();
        assert_eq!(
            (hint.status().as_u16(), hint.headers()["link"].as_bytes()),
            (103, &b"</a>"[..])
        );
        assert_eq!(whole(response).await.unwrap().text(), "ok");
    });
}

#[test]
fn a_request_that_the_server_refused_to_look_at_is_sent_again() {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = refused.clone();
    let addr = http2_server(Builder::new(), move |mut asked| {
        let count = count.clone();
        async move {
            if count.fetch_add(1, Ordering::SeqCst) < 2 {
                asked.respond.send_reset(Reason::REFUSED_STREAM);
            } else {
                asked.answer(Response::builder(), "ok");
            }
        }
    });
    let proxy = Proxy::start(in_front_of(&[addr]));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(refused.load(Ordering::SeqCst), 3);
}

#[test]
fn a_connection_that_its_server_says_goodbye_to_is_not_used_again() {
    // A raw server: the second request on a connection is answered by a GOAWAY that names the first as the last.
    let addr = server(|number, mut client| {
        client.exactly(24);
        client.send(frame(4, 0, 0, b""));
        let mut answered = 0;
        loop {
            let (kind, flags, stream, _) = client.frame();
            match kind {
                4 if flags == 0 => {
                    client.send(frame(4, 1, 0, b""));
                }
                1 if answered == 0 || number > 0 => {
                    answered += 1;
                    client
                        .send(frame(1, 4, stream, &[0x88]))
                        .send(frame(0, 1, stream, b"ok"));
                }
                1 => {
                    client.send(frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
                    client.rest();
                    return;
                }
                _ => {}
            }
        }
    });
    let proxy = Proxy::start(in_front_of(&[addr]));
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "ok");
    }
}

#[test]
fn what_a_server_breaks_off_is_cut_off_and_others_go_on() {
    let addr = http2_server(Builder::new(), |mut asked| async move {
        match asked.head.uri.path() {
            "/cut" => {
                let response = Response::builder().header("content-length", 10).body(()).unwrap();
                let mut stream = asked.respond.send_response(response, false).unwrap();
                stream.send_data("half!".into(), false).unwrap();
                moment().await;
                stream.send_reset(Reason::INTERNAL_ERROR);
            }
            "/none" => asked.respond.send_reset(Reason::INTERNAL_ERROR),
            "/never" => {
                std::future::pending::<()>().await;
            }
            _ => asked.answer(Response::builder(), "ok"),
        }
    });
    let mut spec = in_front_of(&[addr]);
    spec.backends[0].timeouts.server = Some(Duration::from_millis(100));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response_to("GET").unwrap_err().body, b"half!");
    assert_eq!(proxy.client().get("/none").status, 502);
    assert_eq!(proxy.client().get("/never").status, 504);
    assert_eq!(proxy.client().get("/").text(), "ok");
}

#[test]
fn what_is_not_http_2_is_a_502() {
    let proxy = Proxy::start(in_front_of(&[server(|_, mut client| {
        client.exactly(24);
        client.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    })]));
    assert_eq!(proxy.client().get("/").status, 502);
}

/// A server that takes CONNECT, also for WebSockets, and echoes what comes through.
fn tunnels() -> SocketAddr {
    let mut builder = Builder::new();
    builder.enable_connect_protocol();
    http2_server(builder, |mut asked| async move {
        let protocol = asked
            .head
            .extensions
            .get::<Protocol>()
            .map(|p| p.as_str().to_owned());
        let kind = protocol.unwrap_or_else(|| "connect".into());
        let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
        let mut seen = format!("{kind} {}:", asked.head.uri).into_bytes();
        seen.extend(all(&mut asked.body).await.unwrap());
        stream.send_data(seen.into(), true).unwrap();
    })
}

#[test]
fn an_upgrade_of_http_1_is_a_websocket_of_http_2() {
    let proxy = Proxy::start(in_front_of(&[tunnels()]));
    let mut client = proxy.client();
    client.send(
        "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let head = client.head().to_lowercase();
    assert!(
        head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket\r\n"),
        "{head}"
    );
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
        "{head}"
    );
    client.send("anything");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"websocket http://h/chat:anything");
}

#[test]
fn connect_passes_through_from_both_versions() {
    let proxy = Proxy::start(in_front_of(&[tunnels()]));
    let mut client = proxy.client();
    client.send("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    client.send("anything");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"connect far:443:anything");
    run(async {
        let mut client = Http2::connect(proxy.address()).await;
        let (response, mut stream) = client.begin(Request::connect("far:443"), false).await;
        let (head, mut body) = response.await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        pour(&mut stream, "anything".into(), true).await;
        assert_eq!(all(&mut body).await.unwrap(), b"connect far:443:anything");
    });
}

#[test]
fn idle_connections_are_closed_after_their_time() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let addr = server(move |_, mut client| {
        client.exactly(24);
        client.send(frame(4, 0, 0, b""));
        loop {
            let (kind, _, stream, _) = client.frame();
            if kind == 1 {
                client.send(frame(1, 5, stream, &[0x89]));
                break;
            }
        }
        client.rest();
        tell.lock().unwrap().send(()).unwrap();
    });
    let mut spec = in_front_of(&[addr]);
    spec.backends[0].servers[0].pool_purge_delay = Duration::from_millis(50);
    let proxy = Proxy::start(spec);
    assert_eq!(proxy.client().get("/").status, 204);
    told.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_request_with_a_body_is_sent_again_as_retry_on_says() {
    let server = http2_server(Builder::new(), |mut asked| async move {
        static TRIES: AtomicUsize = AtomicUsize::new(0);
        let mut body = Vec::new();
        while let Some(data) = asked.body.data().await {
            body.extend_from_slice(&data.unwrap());
        }
        match TRIES.fetch_add(1, Ordering::SeqCst) {
            0 => asked.respond.send_reset(Reason::INTERNAL_ERROR),
            1 => asked.answer(Response::builder().status(503), "no"),
            _ => asked.answer(Response::builder(), body),
        }
    });
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
    let mut spec = in_front_of(&[server]);
    spec.backends[0].retry_on = RetryOn {
        empty: true,
        statuses: vec![503],
        ..RetryOn::default()
    };
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send(post);
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (200, "body"));
}
