//! HTTP sessions over real sockets: replies, proxying, connections kept alive, bodies both ways.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::*;
use http::{HeaderName, StatusCode};
use tidegate_proxy::Mode;
use tidegate_proxy::spec::*;

fn return_text(text: &'static str) -> Rule {
    let reply = ReplySpec::status(StatusCode::OK).with_body("text/plain", Text::literal(text));
    Rule::new("http-request return", RuleAction::Return(reply))
}

#[test]
fn a_return_answers_by_itself_and_keeps_the_connection() {
    let mut front = frontend(Mode::Http);
    front.http_request.push(return_text("hi\n"));
    let proxy = Proxy::start(only(front));
    let mut client = proxy.client();
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!((response.status, response.text()), (200, "hi\n"));
        assert_eq!(response.header("content-type"), Some("text/plain"));
        assert_eq!(response.header("content-length"), Some("3"));
        assert_eq!(response.header("date"), None);
        assert_eq!(response.header("connection"), None);
    }
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = client.response_to("HEAD").unwrap();
    assert_eq!(head.header("content-length"), Some("3"));
    assert_eq!(client.get("/").text(), "hi\n");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    let requests: String = (0..20)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n"))
        .collect();
    client.send(requests);
    for n in 0..20 {
        assert!(
            client.response().text().contains(&format!("GET /{n} HTTP/1.1")),
            "{n}"
        );
    }
}

#[test]
fn http_1_0_is_closed_unless_it_asks_for_more() {
    let mut front = frontend(Mode::Http);
    front.http_request.push(return_text("hi\n"));
    let proxy = Proxy::start(only(front));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.ends_with("\r\n\r\nhi\n"), "{all}");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("keep-alive"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "hi\n");
    assert_eq!(client.rest(), b"");
}

#[test]
fn server_connections_are_kept_and_shared() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.backends[0].reuse = HttpReuse::Always;
    let proxy = Proxy::start(spec);
    let mut first = proxy.client();
    assert!(first.get("/").text().starts_with("conn=0 req=1\n"));
    assert!(first.get("/").text().starts_with("conn=0 req=2\n"));
    let mut second = proxy.client();
    assert!(second.get("/").text().starts_with("conn=0 req=3\n"));
}

#[test]
fn server_close_and_reuse_never_take_new_connections() {
    for never in [false, true] {
        let mut spec = proxied(Mode::Http, &[echo_server()]);
        if never {
            spec.backends[0].reuse = HttpReuse::Never;
        } else {
            spec.backends[0].http_close = HttpClose::ServerClose;
        }
        let proxy = Proxy::start(spec);
        let mut client = proxy.client();
        for n in 0..3 {
            if never {
                // Only another session doesn't have it.
                client = proxy.client();
            }
            let response = client.get("/");
            assert!(
                response.text().starts_with(&format!("conn={n} req=1\n")),
                "{}",
                response.text()
            );
            assert_eq!(response.text().contains("connection: close"), !never);
        }
    }
}

#[test]
fn httpclose_ends_the_client_connection() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0].http_close = HttpClose::Close;
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    assert_eq!(client.get("/").header("connection"), Some("close"));
    assert_eq!(client.rest(), b"");
}

#[test]
fn hop_by_hop_fields_are_treated_as_haproxy_does() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, foo\r\nKeep-Alive: 300\r\nFoo: x\r\n\r\n",
    );
    let seen = client.response();
    assert!(seen.text().contains("connection: foo\r\n") && seen.text().contains("keep-alive: 300\r\n"));
    assert!(seen.text().contains("foo: x\r\n"));
}

#[test]
fn servers_take_turns_and_missing_ones_are_a_503() {
    let (a, b) = (echo_server(), echo_server());
    let mut spec = proxied(Mode::Http, &[a, b]);
    spec.backends[0].http_response.push(Rule::new(
        "http-response set-header",
        RuleAction::Header(HeaderEdit::Set(
            HeaderName::from_static("x-server"),
            tidegate_sample::LogFormat::parse("%[srv_name]", &tidegate_sample::Scope::anywhere())
                .map_or_else(
                    |_| {
                        tidegate_sample::LogFormat::parse("%s", &tidegate_sample::Scope::anywhere())
                            .unwrap()
                            .into()
                    },
                    Into::into,
                ),
        )),
    ));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    let names: Vec<String> = (0..4)
        .map(|_| client.get("/").header("x-server").unwrap().to_owned())
        .collect();
    assert_eq!(names, ["s1", "s2", "s1", "s2"]);

    let proxy = Proxy::start(proxied(Mode::Http, &[]));
    let response = proxy.client().get("/");
    assert_eq!(response.status, 503);
    assert_eq!(response.header("cache-control"), Some("no-cache"));
    assert_eq!(response.header("content-type"), Some("text/html"));
}

#[test]
fn a_refused_connection_is_retried_then_a_503() {
    // A port that nobody listens on any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut spec = proxied(Mode::Http, &[gone]);
    spec.backends[0].retries = 1;
    spec.backends[0].timeouts.connect = Some(Duration::from_millis(20));
    let proxy = Proxy::start(spec);
    assert_eq!(proxy.client().get("/").status, 503);

    let mut spec = proxied(Mode::Http, &[gone, echo_server()]);
    spec.backends[0].retries = 1;
    spec.backends[0].redispatch = -1;
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_stale_pooled_connection_is_replaced_unnoticed() {
    // The first connection answers once and is closed when the next request has arrived on it.
    let addr = server(|number, mut client| {
        while client.request().is_some() {
            if number > 0 || !client_served(&mut client) {
                client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
            } else {
                return;
            }
        }
    });
    fn client_served(client: &mut Client) -> bool {
        // The marker is kept in the socket's own options: nodelay is set for a fresh connection only.
        let fresh = client.stream.nodelay().unwrap();
        client.stream.set_nodelay(false).unwrap();
        !fresh
    }
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    assert_eq!(client.get("/").text(), "0");
    assert_eq!(client.get("/").text(), "1");
    // What can't be repeated safely is not: the client is to see the same end.
    let addr = server(|number, mut client| {
        let mut served = 0;
        while client.request().is_some() {
            if number == 0 && served == 1 {
                return;
            }
            served += 1;
            client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
        }
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    assert_eq!(client.get("/").text(), "0");
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.rest(), b"");
    assert_eq!(proxy.client().get("/").text(), "1");
}

#[test]
fn a_connection_that_its_server_closed_while_idle_is_not_used() {
    let (tell, told) = std::sync::mpsc::channel();
    let addr = server(move |number, mut client| {
        client.request();
        client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
        drop(client);
        tell.send(()).unwrap();
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    for n in 0..3 {
        // POST is never repeated: it works only because the closed connection is noticed beforehand.
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab");
        assert_eq!(client.response().text(), n.to_string());
        told.recv().unwrap();
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn bad_servers_are_a_502_and_slow_ones_a_504() {
    for rubbish in ["", "rubbish\r\n\r\n", "HTTP/1.1 200 OK\r\nbad\0header: x\r\n\r\n"] {
        let addr = server(move |_, mut client| {
            client.request();
            client.send(rubbish);
        });
        let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
        let mut client = proxy.client();
        assert_eq!(client.get("/").status, 502, "{rubbish:?}");
        assert_eq!(client.get("/").status, 502, "the connection goes on");
    }
    let addr = server(|_, mut client| {
        client.request();
        client.rest();
    });
    let mut spec = proxied(Mode::Http, &[addr]);
    spec.backends[0].timeouts.server = Some(Duration::from_millis(50));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    assert_eq!(client.get("/").status, 504);
    assert_eq!(client.get("/").status, 504);
}

#[test]
fn a_truncated_response_is_cut_off() {
    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let addr = server(move |_, mut client| {
            client.request();
            client.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n3\r\nabc"));
        });
        let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(client.response_to("GET").is_err(), "{head}");
    }
}

#[test]
fn a_server_that_stalls_in_its_body_is_cut_off_in_time() {
    let addr = server(|_, mut client| {
        client.request();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        client.rest();
    });
    let mut spec = proxied(Mode::Http, &[addr]);
    spec.backends[0].timeouts.server = Some(Duration::from_millis(50));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response_to("GET").unwrap_err().body, b"abc");
}

#[test]
fn bodiless_responses_leave_the_connection_in_order() {
    let addr = server(|_, mut client| {
        while let Some(head) = client.request() {
            let status = head.split(['/', ' ']).nth(2).unwrap().to_owned();
            let extra = if status == "204" {
                ""
            } else {
                "Content-Length: 5\r\n"
            };
            let body = if status == "200" && !head.starts_with("HEAD") {
                "hello"
            } else {
                ""
            };
            client.send(format!("HTTP/1.1 {status} X\r\n{extra}\r\n{body}"));
        }
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    for (method, status) in [
        ("GET", 204),
        ("GET", 304),
        ("HEAD", 200),
        ("GET", 200),
        ("GET", 204),
        ("GET", 200),
    ] {
        client.send(format!("{method} /{status} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let response = client.response_to(method).unwrap();
        assert_eq!(response.status, status);
        if method == "HEAD" {
            assert_eq!(response.header("content-length"), Some("5"));
        }
        assert_eq!(
            response.text(),
            if status == 200 && method == "GET" {
                "hello"
            } else {
                ""
            }
        );
    }
}

/// A server that answers with the body it got, as it comes.
fn mirror() -> std::net::SocketAddr {
    server(|_, mut client| {
        while let Some(head) = client.request() {
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length: "))
                .map(str::to_owned);
            client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let mut left: usize = match length {
                Some(length) => length.parse().unwrap(),
                None => {
                    // A chunked request: its chunks go back as they are.
                    loop {
                        let mut line = Vec::new();
                        while !line.ends_with(b"\r\n") {
                            line.extend(client.exactly(1));
                        }
                        let size =
                            usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
                        let data = client.exactly(size + 2);
                        client.send([line, data].concat());
                        if size == 0 {
                            break;
                        }
                    }
                    continue;
                }
            };
            while left > 0 {
                let piece = client.exactly(left.min(10_000));
                left -= piece.len();
                client.send([format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat());
            }
            client.send("0\r\n\r\n");
        }
    })
}

#[test]
fn large_bodies_go_both_ways_at_once() {
    const SIZE: usize = 5_000_000;
    let proxy = Proxy::start(proxied(Mode::Http, &[mirror()]));
    let mut client = proxy.client();
    let data: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
    for chunked in [false, true] {
        let mut writer = client.stream.try_clone().unwrap();
        let sent = data.clone();
        let upload = thread::spawn(move || {
            if chunked {
                writer
                    .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
                    .unwrap();
                for piece in sent.chunks(7001) {
                    let size = format!("{:x}\r\n", piece.len());
                    writer
                        .write_all(&[size.as_bytes(), piece, b"\r\n"].concat())
                        .unwrap();
                }
                writer.write_all(b"0\r\n\r\n").unwrap();
            } else {
                let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {SIZE}\r\n\r\n");
                writer.write_all(head.as_bytes()).unwrap();
                writer.write_all(&sent).unwrap();
            }
        });
        let response = client.response();
        upload.join().unwrap();
        assert!(
            response.body == data,
            "chunked: {chunked}, {} bytes",
            response.body.len()
        );
    }
}

#[test]
fn a_client_that_does_not_read_holds_the_server_back() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let addr = server(move |_, mut client| {
        client.request();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n");
        client
            .stream
            .set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        while let Ok(n) = client.stream.write(&[0; 65536]) {
            count.fetch_add(n, Ordering::SeqCst);
        }
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    thread::sleep(Duration::from_millis(800));
    // Socket buffers take some megabytes; without backpressure it would have been all of it.
    assert!(sent.load(Ordering::SeqCst) < 50_000_000);
}

#[test]
fn expect_continue_is_answered_when_the_body_is_wanted() {
    // By the server, which is asked; or by us, where we want the body ourselves: then the server isn't asked.
    for by_us in [false, true] {
        let addr = server(move |_, mut client| {
            let head = client.request().unwrap();
            assert_eq!(head.contains("expect: 100-continue"), !by_us, "{head}");
            if !by_us {
                client.send("HTTP/1.1 100 Go on\r\nA: b\r\n\r\n");
            }
            let body = client.exactly(2);
            client.send([&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"[..], &body].concat());
        });
        let mut spec = proxied(Mode::Http, &[addr]);
        spec.backends[0].buffer_request = by_us;
        let proxy = Proxy::start(spec);
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        let told = client.head();
        let expected = match by_us {
            true => "HTTP/1.1 100 Continue\r\n\r\n",
            false => "HTTP/1.1 100 Go on\r\na: b\r\n\r\n",
        };
        assert_eq!(told, expected);
        client.send("ab");
        assert_eq!(client.response().text(), "ab");
    }
}

#[test]
fn an_upgrade_becomes_a_tunnel_with_half_close() {
    let addr = server(|_, mut client| {
        let head = client.request().unwrap();
        assert!(
            head.contains("connection: Upgrade\r\n") && head.contains("upgrade: x\r\n"),
            "{head}"
        );
        client.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst");
        let all = client.rest();
        client.send([b"echo:", &all[..]].concat());
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nearly");
    let head = client.head();
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.to_lowercase().contains("upgrade: x"),
        "{head}"
    );
    assert_eq!(client.exactly(5), b"first");
    client.send(" and late");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"echo:early and late");
}

#[test]
fn connect_becomes_a_tunnel_too() {
    let addr = server(|_, mut client| {
        assert!(
            client
                .request()
                .unwrap()
                .starts_with("CONNECT far:443 HTTP/1.1\r\n")
        );
        client.send("HTTP/1.1 200 Established\r\n\r\n");
        let all = client.rest();
        client.send([b"echo:", &all[..]].concat());
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    client.send("anything");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"echo:anything");
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    let (tell, told) = std::sync::mpsc::channel();
    let addr = server(move |_, mut client| {
        client.request();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n");
        client.stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let ended = loop {
            match client.stream.write_all(&[0; 65536]) {
                Ok(()) => {}
                Err(e) => break e.kind(),
            }
        };
        tell.send(ended).unwrap();
    });
    let mut spec = proxied(Mode::Http, &[addr]);
    spec.frontends[0].timeouts.client = Some(Duration::from_millis(200));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    let ended = told.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(
            ended,
            std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
        ),
        "{ended}"
    );
}

#[test]
fn a_body_that_rules_looked_at_still_reaches_the_server_whole() {
    let mut spec = proxied(Mode::Http, &[mirror()]);
    let front = &mut spec.frontends[0];
    front.http_request.push(Rule::new(
        "wait-for-body",
        RuleAction::WaitForBody {
            time: PATIENCE,
            at_least: None,
            room: None,
        },
    ));
    let secret = condition("if { req.body -m sub secret }");
    front
        .http_request
        .push(Rule::new("deny", RuleAction::Deny(None)).when(secret));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    let mut post = |body: &str| {
        let (first, second) = body.split_at(3);
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{first}",
            body.len()
        ));
        thread::sleep(Duration::from_millis(20));
        client.send(second);
        let response = client.response();
        (response.status, response.body.len())
    };
    assert_eq!(post("harmless"), (200, 8));
    // Longer than the buffer: looked at as far as there is room.
    assert_eq!(post(&"x".repeat(100_000)), (200, 100_000));
    assert_eq!(post("a secret word").0, 403);
}

#[test]
fn the_request_is_changed_as_rules_say() {
    use tidegate_sample::vars::VarName;
    use tidegate_sample::{Expr, LogFormat, Scope};
    let scope = Scope::anywhere();
    let format = |text: &str| Text::from(LogFormat::parse(text, &scope).unwrap());
    let name = VarName::parse("txn.seen").unwrap();
    let rules = [
        RuleAction::SetVar(name.into(), Expr::parse("path,upper", &scope).unwrap()),
        RuleAction::Target(TargetEdit::Path(format("/new%[path]"))),
        RuleAction::Target(TargetEdit::Query(Text::literal("q=1"))),
        RuleAction::SetMethod(Text::literal("PUT")),
        RuleAction::Header(HeaderEdit::Add(
            HeaderName::from_static("x-seen"),
            format("%[var(txn.seen)]"),
        )),
        RuleAction::Header(HeaderEdit::Del(HeaderMatch::Exact(HeaderName::from_static(
            "x-gone",
        )))),
        RuleAction::Tune(Tuning::Source(Expr::parse("str(192.0.2.7)", &scope).unwrap())),
    ];
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0]
        .http_request
        .extend(rules.into_iter().map(|action| Rule::new("rule", action)));
    spec.frontends[0].forward_for = Some(ForwardFor::default());
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET /old?x HTTP/1.1\r\nHost: h\r\nX-Gone: 1\r\n\r\n");
        let seen = client.response();
        let seen = seen.text();
        assert!(seen.contains("PUT /new/old?q=1 HTTP/1.1\r\n"), "{seen}");
        assert!(
            seen.contains("x-seen: /OLD\r\n") && !seen.contains("x-gone"),
            "{seen}"
        );
        assert!(seen.contains("x-forwarded-for: 192.0.2.7\r\n"), "{seen}");
    }
}

#[test]
fn rules_see_the_connections_facts_and_the_servers_version() {
    use tidegate_sample::{LogFormat, Scope};
    let old = server(|_, mut client| {
        client.request();
        client.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    });
    let mut spec = proxied(Mode::Http, &[old]);
    let text = "%[res.ver] %[http_first_req] %[src_is_local] %[dst_is_local]";
    let format = Text::from(LogFormat::parse(text, &Scope::anywhere()).unwrap());
    let seen = HeaderEdit::Set(HeaderName::from_static("x-seen"), format);
    spec.frontends[0]
        .http_response
        .push(Rule::new("rule", RuleAction::Header(seen)));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.0 200 OK\r\n"));
    assert_eq!(client.exactly(2), b"hi");
    assert_eq!(client.get("/").header("x-seen"), Some("1.0 0 1 1"));
    assert_eq!(proxy.client().get("/").header("x-seen"), Some("1.0 1 1 1"));
}

#[test]
fn a_declined_upgrade_is_an_ordinary_response() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let mut client = proxy.client();
    client.send("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_websocket_needs_a_key_and_the_answer_to_it() {
    let addr = server(|_, mut client| {
        let head = client.request().unwrap();
        let accept = if head.starts_with("GET /right") {
            "Sec-WebSocket-Accept: any\r\n"
        } else {
            ""
        };
        client.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}\r\n"
        ));
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (path, key, status) in [("/right", "", 400), ("/wrong", key, 502), ("/right", key, 101)] {
        let mut client = proxy.client();
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: a, websocket\r\n{key}\r\n"
        ));
        let head = client.head();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path} {key}: {head}"
        );
    }
}

#[test]
fn silent_tunnels_are_closed() {
    let addr = server(|_, mut client| {
        client.request();
        client.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        client.rest();
    });
    let mut spec = proxied(Mode::Http, &[addr]);
    spec.backends[0].timeouts.tunnel = Some(Duration::from_millis(50));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    client.head();
    assert_eq!(client.rest(), b"");
}

#[test]
fn requests_that_make_no_sense_get_a_400_page() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    for bad in [
        "rubbish\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
        "PRI * HTTP/2.0\r\n: empty\r\n\r\n",
        "GET /\r\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n: empty\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: \0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03 a client hello of TLS",
    ] {
        let mut client = proxy.client();
        client.send(bad);
        let response = client.response();
        assert_eq!(response.status, 400, "{bad:?}");
        assert!(response.text().contains("400 Bad Request"), "{bad:?}");
        assert_eq!(response.header("connection"), Some("close"), "{bad:?}");
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn requests_that_are_too_much_are_told_so() {
    let proxy = Proxy::start(proxied(Mode::Http, &[echo_server()]));
    let long = "x".repeat(20_000);
    for (bad, status) in [
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {long}\r\n\r\n"), 431),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into(),
            422,
        ),
        (
            "GET / HTTP/1.0\r\nHost: h\r\nContent-Length: 2\r\n\r\nab".into(),
            413,
        ),
    ] {
        let mut client = proxy.client();
        client.send(&bad);
        assert_eq!(client.response().status, status);
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn a_broken_chunk_is_a_400_and_reaches_no_server_as_a_whole() {
    let (tell, told) = std::sync::mpsc::channel();
    let addr = server(move |_, mut client| {
        client.request();
        tell.send(client.rest()).unwrap();
    });
    for bad in ["zz\r\n", "fffffffffffffffff\r\n", "3\r\nabcdef\r\n"] {
        let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
        let mut client = proxy.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{bad}"
        ));
        assert_eq!(client.response().status, 400, "{bad:?}");
        let body = told.recv_timeout(PATIENCE).unwrap();
        assert!(!body.ends_with(b"0\r\n\r\n"), "{bad:?} was completed: {body:?}");
    }
}

#[test]
fn a_length_beside_chunks_is_not_passed_on() {
    let addr = server(|_, mut client| {
        let head = client.request().unwrap();
        assert!(
            !head.contains("content-length") && head.contains("transfer-encoding: chunked"),
            "{head}"
        );
        client.exactly(b"2\r\nab\r\n0\r\n\r\n".len());
        client.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        );
    });
    let proxy = Proxy::start(proxied(Mode::Http, &[addr]));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.text(), response.header("content-length")), ("ok", None));
}

#[test]
fn silence_is_a_408() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0].timeouts.http_request = Some(Duration::from_millis(50));
    let proxy = Proxy::start(spec);
    for begun in ["", "GET / HT"] {
        let mut client = proxy.client();
        client.send(begun);
        assert_eq!(client.response().status, 408);
        assert_eq!(client.rest(), b"");
    }
    // After a response, silence is the client's right, and ends quietly.
    let mut client = proxy.client();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.rest(), b"");
    let mut client = proxy.client();
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HT");
    assert_eq!(client.response().status, 408);
}

#[test]
fn a_client_that_holds_its_body_back_gets_a_408() {
    let mut spec = proxied(Mode::Http, &[mirror()]);
    spec.frontends[0].timeouts.client = Some(Duration::from_millis(50));
    spec.frontends[0].buffer_request = true;
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
    assert_eq!(client.response().status, 408);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_soft_stop_ends_idle_connections_and_lets_the_rest_finish() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let addr = server(move |_, mut client| {
        client.request();
        wait.lock().unwrap().recv().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let mut spec = proxied(Mode::Http, &[addr]);
    let reply = ReplySpec::status(StatusCode::OK).with_body("text/plain", Text::literal("here"));
    spec.frontends[0]
        .http_request
        .push(Rule::new("return", RuleAction::Return(reply)).when(condition("if { path /here }")));
    let proxy = Proxy::start(spec);
    let mut idle = proxy.client();
    assert_eq!(idle.get("/here").text(), "here");
    let mut busy = proxy.client();
    busy.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    while proxy.running().requests() < 2 {
        thread::sleep(Duration::from_millis(5));
    }
    proxy.running().shutdown().soft();
    assert_eq!(idle.rest(), b"");
    go.send(()).unwrap();
    let last = busy.response();
    assert_eq!((last.text(), last.header("connection")), ("ok", Some("close")));
    let address = proxy.address();
    assert!(proxy.take().join());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn all_sockets_that_can_not_be_had_are_reported_and_nothing_runs() {
    let taken = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let mut front = frontend(Mode::Http);
    for (n, socket) in taken.iter().enumerate() {
        let line = format!("bind number {n}");
        front
            .listeners
            .push(ListenerSpec::tcp(line, socket.local_addr().unwrap()));
    }
    let none: tidegate_proxy::ext::ExtensionFactory =
        Arc::new(|_| Ok(Box::new(tidegate_proxy::ext::NoExtensions)));
    match tidegate_proxy::start(only(front), none) {
        Err(tidegate_proxy::StartError::Bind(errors)) => {
            let lines: Vec<&str> = errors.iter().map(|e| e.line.as_str()).collect();
            assert_eq!(lines, ["bind number 0", "bind number 1"]);
        }
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn workers_share_the_listener_and_maxconn_holds_for_all_of_them() {
    let mut front = frontend(Mode::Http);
    front.http_request.push(return_text("hi"));
    let mut spec = only(front);
    spec.global.threads = 2;
    spec.global.maxconn = 2;
    let proxy = Proxy::start(spec);
    let mut first = proxy.client();
    let mut second = proxy.client();
    assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    let mut third = proxy.client();
    third.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    third
        .stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut byte = [0];
    assert!(
        std::io::Read::read(&mut third.stream, &mut byte).is_err(),
        "served beyond maxconn"
    );
    third.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(first);
    assert_eq!(third.response().text(), "hi");
}
