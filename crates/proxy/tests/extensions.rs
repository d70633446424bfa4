//! Extensions in HTTP sessions: actions, services, fetches and tasks that wait, fail and are cancelled.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use common::*;
use http::{HeaderName, HeaderValue, StatusCode};
use tidegate_proxy::ext::{ActionOutcome, Extensions, Failure, Run, Spawner};
use tidegate_proxy::log::{LogTarget, LogTo};
use tidegate_proxy::spec::*;
use tidegate_proxy::{Mode, Reply, ServiceError, Txn, lookup};
use tidegate_sample::{ExternalId, ExternalRunner, Externals, Session, Value};

fn run_rule(id: usize, args: &[&str]) -> Rule {
    let args = args.iter().map(|a| (*a).to_owned()).collect();
    Rule::new(
        format!("http-request lua.action{id} (test.cfg:7)"),
        RuleAction::Run { id, args },
    )
}

fn service_rule(id: usize) -> Rule {
    Rule::new(
        format!("http-request use-service lua.service{id} (test.cfg:8)"),
        RuleAction::UseService { id },
    )
}

fn returning(text: &'static str) -> Rule {
    let reply = ReplySpec::status(StatusCode::OK).with_body("text/plain", Text::literal(text));
    Rule::new("http-request return", RuleAction::Return(reply))
}

/// A UDP socket that frontends log to.
struct Logs(std::net::UdpSocket);

impl Logs {
    fn of(front: &mut FrontendSpec) -> Logs {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        front
            .log
            .targets
            .push(LogTarget::new(LogTo::Udp(socket.local_addr().unwrap())));
        Logs(socket)
    }

    /// The next line, but for those that tell of connections where no format says what else to tell.
    fn line(&self) -> String {
        let mut buffer = [0; 4096];
        loop {
            let n = self.0.recv(&mut buffer).unwrap();
            let line = String::from_utf8_lossy(&buffer[..n]);
            let line = line.strip_suffix('\n').expect("each line ends");
            if !line.contains(": Connect from ") {
                return line.to_owned();
            }
        }
    }
}

/// Says so when it is dropped, as a suspended extension is when its session ends.
struct OnDrop(mpsc::Sender<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn an_action_that_waits_changes_the_request_and_holds_nobody_up() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0]
        .http_request
        .push(returning("quick").when(condition("if { path /quick }")));
    spec.frontends[0]
        .http_request
        .push(run_rule(0, &["x-slow", "yes"]));
    let (release, wait) = tokio::sync::watch::channel(false);
    let proxy = Proxy::with(
        spec,
        fakes(move || {
            let wait = wait.clone();
            Fakes {
                actions: vec![Rc::new(move |txn, args| {
                    let mut wait = wait.clone();
                    Run::suspended(async move {
                        wait.wait_for(|go| *go).await.unwrap();
                        let name = HeaderName::try_from(&args[0]).unwrap();
                        let value = HeaderValue::try_from(&args[1]).unwrap();
                        txn.request_head_mut().unwrap().headers.insert(name, value);
                        ActionOutcome::Continue
                    })
                })],
                ..Fakes::default()
            }
        }),
    );
    let mut slow = proxy.client();
    slow.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    while proxy.running().requests() < 1 {
        std::thread::yield_now();
    }
    assert_eq!(proxy.client().get("/quick").text(), "quick");
    release.send(true).unwrap();
    assert!(slow.response().text().contains("x-slow: yes\r\n"));
}

#[test]
fn every_outcome_of_an_action_does_what_its_name_says() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    for id in 0..7 {
        spec.frontends[0]
            .http_request
            .push(run_rule(id, &[]).when(condition(&format!("if {{ path /{id} }}"))));
    }
    // Reached only by those that go on within the set.
    spec.frontends[0].http_request.push(Rule::new(
        "set",
        RuleAction::Header(HeaderEdit::Set(
            HeaderName::from_static("x-next"),
            Text::literal("reached"),
        )),
    ));
    let proxy = Proxy::with(
        spec,
        fakes(|| {
            let outcomes = [
                ActionOutcome::Continue,
                ActionOutcome::Stop,
                ActionOutcome::Error,
                ActionOutcome::Done,
                ActionOutcome::Deny,
                ActionOutcome::Invalid,
                ActionOutcome::Deny,
            ];
            let mut fakes = Fakes::default();
            for (id, outcome) in outcomes.into_iter().enumerate() {
                fakes.actions.push(Rc::new(move |txn, _| {
                    if id == 3 || id == 6 {
                        let reply = Reply::new(StatusCode::IM_A_TEAPOT).with_body("mine");
                        txn.set_reply(
                            reply.with_header(HeaderName::from_static("x-a"), HeaderValue::from_static("b")),
                        );
                    }
                    Run::ready(outcome.clone())
                }));
            }
            fakes
        }),
    );
    let mut client = proxy.client();
    let gone_on = client.get("/0");
    assert!(gone_on.status == 200 && gone_on.text().contains("x-next: reached"));
    let stopped = client.get("/1");
    assert!(stopped.status == 200 && !stopped.text().contains("x-next"));
    assert_eq!(client.get("/2").status, 500);
    let done = client.get("/3");
    assert_eq!(
        (done.status, done.text(), done.header("x-a")),
        (418, "mine", Some("b"))
    );
    let denied = client.get("/4");
    assert!(denied.status == 403 && denied.text().contains("403 Forbidden"));
    assert_eq!(client.get("/5").status, 400);
    assert_eq!(client.get("/6").text(), "mine");
    assert_eq!(
        client.get("/0").status,
        200,
        "the connection went on through all of them"
    );
}

#[test]
fn an_action_that_is_done_without_a_reply_ends_the_connection() {
    let mut front = frontend(Mode::Http);
    front.http_request.push(run_rule(0, &[]));
    let make = || Fakes {
        actions: vec![Rc::new(|_, _| Run::ready(ActionOutcome::Done))],
        ..Fakes::default()
    };
    let proxy = Proxy::with(only(front), fakes(make));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_broken_action_follows_on_error_and_then_the_global_choice() {
    let outcomes = |global, own: Option<OnFailure>| {
        let mut front = frontend(Mode::Http);
        let logs = Logs::of(&mut front);
        let rule = run_rule(0, &[]);
        front.http_request.push(match own {
            Some(own) => rule.on_error(own),
            None => rule,
        });
        front.http_request.push(returning("open"));
        let mut spec = only(front);
        spec.global.action_failure = global;
        let make = || Fakes {
            actions: vec![Rc::new(|_, _| {
                let failure = Failure::new("a.lua:3: boom").with_detail("stack traceback:\n  a.lua:3");
                Run::suspended(async {
                    tokio::task::yield_now().await;
                    ActionOutcome::Failed(failure)
                })
            })],
            ..Fakes::default()
        };
        let proxy = Proxy::with(spec, fakes(make));
        let mut client = proxy.client();
        let first = client.get("/").status;
        assert_eq!(
            client.get("/").status,
            first,
            "the next request on the connection works"
        );
        let line = logs.line();
        assert!(
            line.contains("http-request lua.action0 (test.cfg:7): a.lua:3: boom"),
            "{line}"
        );
        assert!(logs.line().contains("stack traceback:"));
        first
    };
    assert_eq!(outcomes(OnFailure::Continue, None), 200);
    assert_eq!(outcomes(OnFailure::Deny, None), 403);
    assert_eq!(outcomes(OnFailure::Deny, Some(OnFailure::Continue)), 200);
    assert_eq!(outcomes(OnFailure::Continue, Some(OnFailure::Deny)), 403);
}

#[test]
fn a_client_that_vanishes_cancels_what_waits_for_it() {
    for service in [false, true] {
        let mut front = frontend(Mode::Http);
        front.http_request.push(if service {
            service_rule(0)
        } else {
            run_rule(0, &[])
        });
        let (dropped, told) = mpsc::channel();
        let (ended, told_ended) = mpsc::channel();
        let make = move || {
            let (dropped, ended) = (dropped.clone(), ended.clone());
            let watch = move |txn: &Rc<Txn>| {
                let handle = txn.handle();
                assert!(lookup(handle).is_some());
                let (closed, ended) = (txn.closed(), ended.clone());
                tokio::task::spawn_local(async move {
                    closed.await;
                    ended.send(lookup(handle).is_none()).unwrap();
                });
                OnDrop(dropped.clone())
            };
            let watch_service = watch.clone();
            Fakes {
                actions: vec![Rc::new(move |txn, _| {
                    let guard = watch(txn);
                    Run::suspended(async move {
                        std::future::pending::<()>().await;
                        drop(guard);
                        ActionOutcome::Continue
                    })
                })],
                http: vec![Rc::new(move |applet| {
                    let guard = watch_service(applet.txn());
                    Run::suspended(async move {
                        std::future::pending::<()>().await;
                        drop(guard);
                        Ok(())
                    })
                })],
                ..Fakes::default()
            }
        };
        let proxy = Proxy::with(only(front), fakes(make));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        while proxy.running().requests() < 1 {
            std::thread::yield_now();
        }
        drop(client);
        told.recv_timeout(PATIENCE)
            .expect("the suspended extension was not dropped");
        assert_eq!(
            told_ended.recv_timeout(PATIENCE),
            Ok(true),
            "the handle outlived its transaction"
        );
    }
}

#[test]
fn a_service_answers_in_one_go_and_in_pieces() {
    let mut front = frontend(Mode::Http);
    front
        .http_request
        .push(service_rule(0).when(condition("if { path /once }")));
    front.http_request.push(service_rule(1));
    let make = || Fakes {
        http: vec![
            Rc::new(|applet| {
                applet.set_status(201, Some(b"Made")).unwrap();
                applet.add_header(b"X-A", b"1").unwrap();
                applet.start_response().unwrap();
                for piece in ["one ", "two"] {
                    assert!(matches!(applet.send(piece.into()), Run::Ready(_)));
                }
                Run::ready(Ok(()))
            }),
            Rc::new(|applet| {
                Run::suspended(async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    applet.start_response().unwrap();
                    for n in 0..3 {
                        applet.send(format!("{n};").into()).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Ok(())
                })
            }),
        ],
        ..Fakes::default()
    };
    let proxy = Proxy::with(only(front), fakes(make));
    let mut client = proxy.client();
    for _ in 0..2 {
        let once = client.get("/once");
        assert!(once.head.starts_with("HTTP/1.1 201 Made\r\n"), "{}", once.head);
        assert_eq!((once.text(), once.header("x-a")), ("one two", Some("1")));
        let pieces = client.get("/pieces");
        assert_eq!(
            (pieces.text(), pieces.header("transfer-encoding")),
            ("0;1;2;", Some("chunked"))
        );
    }
    client.send("HEAD /pieces HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response_to("HEAD").unwrap().status, 200);
    assert_eq!(client.get("/once").text(), "one two");
}

#[test]
fn a_service_reads_the_body_as_it_comes() {
    let mut front = frontend(Mode::Http);
    front.http_request.push(service_rule(0));
    let make = || Fakes {
        http: vec![Rc::new(|applet| {
            Run::suspended(async move {
                let line = applet.getline().await.unwrap();
                let four = applet.receive(Some(4)).await.unwrap();
                let rest = applet.receive(None).await.unwrap();
                applet.start_response().unwrap();
                let answer = format!(
                    "{line:?} {four:?} {} {:?}",
                    rest.len(),
                    applet.getline().await.unwrap()
                );
                applet.send(answer.into()).await.unwrap();
                Ok(())
            })
        })],
        ..Fakes::default()
    };
    let proxy = Proxy::with(only(front), fakes(make));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100012\r\n\r\nline");
        std::thread::sleep(Duration::from_millis(20));
        client.send("\nabc");
        client.send([b"defg", &vec![b'.'; 100_000][..]].concat());
        assert_eq!(client.response().text(), r#"b"line\n" b"abcd" 100003 b"""#);
    }
}

#[test]
fn a_service_that_fails_early_is_a_500_and_the_connection_goes_on() {
    let mut front = frontend(Mode::Http);
    let logs = Logs::of(&mut front);
    front
        .http_request
        .push(returning("fine").when(condition("if { path /fine }")));
    front
        .http_request
        .push(service_rule(0).when(condition("if { path /fails }")));
    front.http_request.push(service_rule(1));
    let make = || Fakes {
        http: vec![
            Rc::new(|_| Run::suspended(async { Err(Failure::new("s.lua:1: no")) })),
            Rc::new(|_| Run::ready(Ok(()))),
        ],
        ..Fakes::default()
    };
    let proxy = Proxy::with(only(front), fakes(make));
    let mut client = proxy.client();
    assert_eq!(client.get("/fails").status, 500);
    assert!(
        logs.line()
            .contains("use-service lua.service0 (test.cfg:8): s.lua:1: no")
    );
    assert_eq!(client.get("/says-nothing").status, 500);
    assert!(logs.line().contains("without starting a response"));
    assert_eq!(client.get("/fine").text(), "fine");
}

#[test]
fn a_service_that_fails_late_or_falls_short_is_cut_off_and_logged() {
    let mut front = frontend(Mode::Http);
    let logs = Logs::of(&mut front);
    front
        .http_request
        .push(service_rule(0).when(condition("if { path /late }")));
    front
        .http_request
        .push(service_rule(1).when(condition("if { path /short }")));
    front.http_request.push(service_rule(2));
    let make = || Fakes {
        http: vec![
            Rc::new(|applet| {
                applet.start_response().unwrap();
                Run::suspended(async move {
                    applet.send("begun".into()).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Err(Failure::new("late"))
                })
            }),
            Rc::new(|applet| {
                applet.add_header(b"content-length", b"10").unwrap();
                applet.start_response().unwrap();
                drop(applet.send("short".into()));
                Run::ready(Ok(()))
            }),
            Rc::new(|applet| {
                applet.add_header(b"content-length", b"4").unwrap();
                applet.start_response().unwrap();
                Run::suspended(async move {
                    applet.send("four".into()).await.unwrap();
                    let excess = applet.send("!".into()).await;
                    assert_eq!(
                        excess,
                        Err(ServiceError::ExcessBody {
                            declared: 4,
                            attempted: 5
                        })
                    );
                    Ok(())
                })
            }),
        ],
        ..Fakes::default()
    };
    let proxy = Proxy::with(only(front), fakes(make));
    for (path, what, logged) in [
        ("/late", "begun", "late"),
        ("/short", "short", "5 bytes of the 10"),
    ] {
        let mut client = proxy.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let cut = client.response_to("GET").expect_err("not cut off");
        assert_eq!(cut.text(), what);
        assert!(logs.line().contains(logged));
    }
    let mut client = proxy.client();
    assert_eq!(client.get("/exact").text(), "four");
    assert_eq!(client.get("/exact").text(), "four");
}

#[test]
fn what_a_service_sent_before_it_failed_at_once_is_delivered() {
    const MUCH: usize = 16 << 20;
    let mut front = frontend(Mode::Http);
    front
        .http_request
        .push(service_rule(0).when(condition("if { path /two }")));
    front
        .http_request
        .push(service_rule(1).when(condition("if { path /much }")));
    front
        .http_request
        .push(service_rule(2).when(condition("if { path /none }")));
    front.http_request.push(service_rule(3));
    let logs = Logs::of(&mut front);
    let whole = || -> common::HttpFn {
        Rc::new(|applet| {
            applet.add_header(b"content-length", b"5").unwrap();
            applet.start_response().unwrap();
            drop(applet.send("whole".into()));
            Run::ready(Err(Failure::new("after all")))
        })
    };
    let fails_after = |pieces: &'static [usize]| -> common::HttpFn {
        Rc::new(move |applet| {
            applet.start_response().unwrap();
            for size in pieces {
                drop(applet.send(Bytes::from(vec![b'x'; *size])));
            }
            Run::ready(Err(Failure::new("at once")))
        })
    };
    let make = move || Fakes {
        http: vec![
            fails_after(&[3, 4]),
            fails_after(&[MUCH]),
            fails_after(&[]),
            whole(),
        ],
        ..Fakes::default()
    };
    let proxy = Proxy::with(only(front), fakes(make));
    assert_eq!(proxy.client().get("/whole").text(), "whole");
    assert!(logs.line().contains("after all"));
    for (path, size) in [("/two", 7), ("/much", MUCH), ("/none", 0)] {
        let mut client = proxy.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let cut = client.response_to("GET").expect_err("not cut off");
        assert_eq!((cut.status, cut.text().len()), (200, size), "{path}");
    }
}

#[test]
fn a_service_goes_on_to_its_end_though_its_response_is_whole() {
    let mut front = frontend(Mode::Http);
    front.http_request.push(service_rule(0));
    let logs = Logs::of(&mut front);
    let (ended, told) = mpsc::channel();
    let make = move || {
        let ended = ended.clone();
        Fakes {
            http: vec![Rc::new(move |applet| {
                let ended = ended.clone();
                Run::suspended(async move {
                    let txn = applet.txn().clone();
                    let path = txn.request_head().unwrap().uri.path().to_owned();
                    applet.add_header(b"content-length", b"4").unwrap();
                    applet.start_response().unwrap();
                    tokio::task::yield_now().await;
                    applet.send("four".into()).await.unwrap();
                    // The response is with the client before the service goes on.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    ended.send((path.clone(), txn.is_closed())).unwrap();
                    let excess = applet.send("!".into()).await;
                    if path == "/fails" {
                        return Err(Failure::new(format!("{excess:?}")));
                    }
                    Ok(())
                })
            })],
            ..Fakes::default()
        }
    };
    let proxy = Proxy::with(only(front), fakes(make));
    let mut client = proxy.client();
    // The connection serves the next request while the service of the last one goes on.
    assert_eq!(client.get("/first").text(), "four");
    client.send("HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response_to("HEAD").unwrap().status, 200);
    let next = || told.recv_timeout(Duration::from_secs(20)).unwrap();
    let mut seen = [next(), next()];
    seen.sort();
    assert_eq!(seen, ["/first", "/head"].map(|path| (path.to_owned(), false)));
    // Nor does it matter that the client leaves.
    assert_eq!(client.get("/fails").text(), "four");
    drop(client);
    assert_eq!(next(), ("/fails".to_owned(), false));
    assert!(logs.line().contains("ExcessBody"));
}

#[test]
fn a_service_that_goes_on_for_too_long_is_ended() {
    let mut front = frontend(Mode::Http);
    front.http_request.push(service_rule(0));
    front.timeouts.server = Some(Duration::from_millis(50));
    let logs = Logs::of(&mut front);
    let (dropped, told) = mpsc::channel();
    let make = move || {
        let dropped = dropped.clone();
        Fakes {
            http: vec![Rc::new(move |applet| {
                let guard = OnDrop(dropped.clone());
                applet.start_response().unwrap();
                Run::suspended(async move {
                    std::future::pending::<()>().await;
                    drop(guard);
                    Ok(())
                })
            })],
            ..Fakes::default()
        }
    };
    let proxy = Proxy::with(only(front), fakes(make));
    let mut client = proxy.client();
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response_to("HEAD").unwrap().status, 200);
    assert!(told.recv_timeout(Duration::from_secs(20)).is_ok());
    assert!(logs.line().contains("went on for too long after its response"));
}

#[test]
fn a_service_waits_for_a_slow_client() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let mut front = frontend(Mode::Http);
    front.http_request.push(service_rule(0));
    let make = move || {
        let count = count.clone();
        Fakes {
            http: vec![Rc::new(move |applet| {
                let count = count.clone();
                applet.start_response().unwrap();
                Run::suspended(async move {
                    for _ in 0..2000 {
                        applet.send(Bytes::from(vec![b'x'; 50_000])).await.unwrap();
                        count.fetch_add(50_000, Ordering::SeqCst);
                    }
                    Ok(())
                })
            })],
            ..Fakes::default()
        }
    };
    let proxy = Proxy::with(only(front), fakes(make));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        sent.load(Ordering::SeqCst) < 50_000_000,
        "nothing held the service back"
    );
    assert_eq!(client.response().body.len(), 100_000_000);
}

#[test]
fn a_backend_can_be_nothing_but_a_service() {
    let mut front = frontend(Mode::Http);
    front.default_backend = Some(0);
    let mut back = BackendSpec::new("be", Mode::Http);
    back.http_request.push(service_rule(0));
    let make = || Fakes {
        http: vec![Rc::new(|applet| {
            let backend = applet.txn().backend_name().unwrap();
            applet.start_response().unwrap();
            drop(applet.send(Bytes::copy_from_slice(&backend.name)));
            Run::ready(Ok(()))
        })],
        ..Fakes::default()
    };
    let spec = ProxySpec {
        frontends: vec![front],
        backends: vec![back],
        ..ProxySpec::default()
    };
    let proxy = Proxy::with(spec, fakes(make));
    assert_eq!(proxy.client().get("/").text(), "be");
}

#[test]
fn response_rules_see_and_change_what_a_server_said() {
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    spec.frontends[0].http_response.push(run_rule(0, &[]));
    spec.frontends[0].http_after_response.push(run_rule(1, &[]));
    let make = || Fakes {
        actions: vec![
            Rc::new(|txn, _| {
                let path = txn.request_head().unwrap().uri.path().to_owned();
                if path == "/deny" {
                    return Run::ready(ActionOutcome::Deny);
                }
                assert_eq!(txn.response_head().unwrap().status, 200);
                assert!(txn.set_status(StatusCode::ACCEPTED, Some(b"Changed")));
                let value = HeaderValue::try_from(path).unwrap();
                txn.response_head_mut().unwrap().headers.insert("x-path", value);
                Run::ready(ActionOutcome::Continue)
            }),
            Rc::new(|txn, _| {
                txn.response_head_mut()
                    .unwrap()
                    .headers
                    .insert("x-after", HeaderValue::from_static("1"));
                Run::ready(ActionOutcome::Continue)
            }),
        ],
        ..Fakes::default()
    };
    let proxy = Proxy::with(spec, fakes(make));
    let mut client = proxy.client();
    let response = client.get("/p");
    assert!(
        response.head.starts_with("HTTP/1.1 202 Changed\r\n"),
        "{}",
        response.head
    );
    assert_eq!(
        (response.header("x-path"), response.header("x-after")),
        (Some("/p"), Some("1"))
    );
    let denied = client.get("/deny");
    assert_eq!((denied.status, denied.header("x-after")), (502, Some("1")));
    assert_eq!(client.get("/p").status, 202);
}

struct Runner;

impl ExternalRunner for Runner {
    fn fetch<'a>(
        &'a self,
        _: ExternalId,
        session: &'a dyn Session,
        args: &'a [Value],
    ) -> tidegate_sample::LocalBoxFuture<'a, Option<Value>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let txn = session.as_any().downcast_ref::<Txn>()?.shared()?;
            let path = txn.request_head()?.uri.path().to_owned();
            Some(Value::str(format!("{path} {args:?}").into_bytes()))
        })
    }

    fn convert<'a>(
        &'a self,
        _: ExternalId,
        _: &'a dyn Session,
        input: Value,
        _: &'a [Value],
    ) -> tidegate_sample::LocalBoxFuture<'a, Option<Value>> {
        Box::pin(async move {
            let Value::Str(text) = input else { return None };
            Some(Value::str(text.to_ascii_uppercase()))
        })
    }
}

struct Names;

impl Externals for Names {
    fn fetch(&self, name: &str) -> Option<ExternalId> {
        (name == "lua.f").then_some(ExternalId(0))
    }
    fn converter(&self, name: &str) -> Option<ExternalId> {
        (name == "lua.c").then_some(ExternalId(0))
    }
    fn fetch_names(&self) -> Vec<String> {
        vec!["lua.f".into()]
    }
    fn converter_names(&self) -> Vec<String> {
        vec!["lua.c".into()]
    }
}

#[derive(Default)]
struct WithRunner {
    started: Option<mpsc::Sender<usize>>,
}

impl Extensions for WithRunner {
    fn action(&self, _: usize) -> Option<Rc<dyn tidegate_proxy::ext::Action>> {
        None
    }
    fn http_service(&self, _: usize) -> Option<Rc<dyn tidegate_proxy::ext::HttpService>> {
        None
    }
    fn tcp_service(&self, _: usize) -> Option<Rc<dyn tidegate_proxy::ext::TcpService>> {
        None
    }
    fn external_runner(&self) -> Rc<dyn ExternalRunner> {
        Rc::new(Runner)
    }
    fn start(&self, spawner: &Spawner) {
        if let Some(started) = self.started.clone() {
            let worker = spawner.worker();
            spawner.spawn(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                started.send(worker).unwrap();
                std::future::pending::<()>().await;
            });
        }
    }
}

#[test]
fn fetches_and_converters_may_wait_wherever_they_are_used() {
    use tidegate_sample::{LogFormat, Scope};
    let scope = Scope::anywhere().with_externals(&Names);
    let body = LogFormat::parse("<%[lua.f(a),lua.c]>", &scope).unwrap();
    let reply = ReplySpec::status(StatusCode::OK).with_body("text/plain", body.into());
    let mut front = frontend(Mode::Http);
    front
        .http_request
        .push(Rule::new("return", RuleAction::Return(reply)));
    let proxy = Proxy::with(only(front), Arc::new(|_| Ok(Box::new(WithRunner::default()))));
    let mut client = proxy.client();
    let answer = client.get("/path").text().to_owned();
    assert!(answer.starts_with("</PATH ") && answer.ends_with('>'), "{answer}");
}

#[test]
fn tasks_run_on_each_worker_and_end_with_it() {
    let (tell, told) = mpsc::channel();
    let mut spec = only(frontend(Mode::Http));
    spec.global.threads = 2;
    let make: tidegate_proxy::ext::ExtensionFactory = Arc::new(move |_| {
        Ok(Box::new(WithRunner {
            started: Some(tell.clone()),
        }))
    });
    let proxy = Proxy::with(spec, make);
    let mut workers = [
        told.recv_timeout(PATIENCE).unwrap(),
        told.recv_timeout(PATIENCE).unwrap(),
    ];
    workers.sort();
    assert_eq!(workers, [0, 1]);
    let running = proxy.take();
    running.shutdown().soft();
    assert!(running.join(), "a task that never ends must not delay a stop");
}

#[test]
fn what_can_not_be_built_keeps_the_proxy_from_starting() {
    let failing: tidegate_proxy::ext::ExtensionFactory = Arc::new(|_| Err("a.lua:1: syntax error".into()));
    let mut spec = only(frontend(Mode::Http));
    spec.global.threads = 2;
    match tidegate_proxy::start(spec, failing) {
        Err(tidegate_proxy::StartError::Workers(errors)) => assert_eq!(errors, ["a.lua:1: syntax error"]),
        other => panic!("{:?}", other.map(drop)),
    }
    let mut front = frontend(Mode::Http);
    front.http_request.push(run_rule(9, &[]));
    match tidegate_proxy::start(only(front), fakes(Fakes::default)) {
        Err(tidegate_proxy::StartError::Workers(errors)) => assert!(errors[0].contains("action number 9")),
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn a_session_leaves_its_line_in_the_log() {
    use tidegate_sample::{LogFormat, Scope};
    let mut spec = proxied(Mode::Http, &[echo_server()]);
    let logs = Logs::of(&mut spec.frontends[0]);
    let format = "%ft %b/%s %ST %ts %B %[method] %[path]";
    spec.frontends[0].log.line = Some(LogFormat::parse_log(format, &Scope::anywhere()).unwrap().into());
    let mut deny = Rule::new("deny", RuleAction::Deny(None));
    deny.condition = Some(condition("if { path /deny }"));
    spec.frontends[0].http_request.push(deny);
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    let response = client.get("/a");
    let bytes = response.head.len() + response.body.len();
    let line = logs.line();
    assert!(
        line.ends_with(&format!("fe be/s1 200 -- {bytes} GET /a")),
        "{line}"
    );
    client.get("/deny");
    let line = logs.line();
    assert!(line.contains(" 403 PR ") && line.ends_with("GET /deny"), "{line}");
    client.send("bad\r\n\r\n");
    client.response();
    assert!(logs.line().contains(" 400 PR "));
}

#[test]
fn what_is_odd_about_http_2_is_told_of_once() {
    use common::http2::{frame, get_block, hello};
    // Whoever announces a body gets no answer, so that no response runs when that body turns out to be odd.
    let server = common::server(|_, mut client| {
        while let Some(head) = client.request() {
            if head.to_ascii_lowercase().contains("content-length") {
                client.rest();
                return;
            }
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let mut spec = proxied(Mode::Http, &[server]);
    spec.frontends[0].timeouts.http_request = Some(Duration::from_millis(50));
    spec.frontends[0].listeners[0].proto = ListenProto::Http2;
    let logs = Logs::of(&mut spec.frontends[0]);
    let format = tidegate_sample::LogFormat::parse_log("%ts %[path]", &tidegate_sample::Scope::anywhere());
    spec.frontends[0].log.line = Some(format.unwrap().into());
    let proxy = Proxy::start(spec);
    // Who says nothing is no news; who only begins to say hello is.
    for beginning in ["", "PRI * HTTP/2.0\r\n\r\n"] {
        let mut client = proxy.client();
        client.send(beginning);
        client.rest();
    }
    assert!(logs.line().contains(" cR "));
    // A body that is longer than declared: the line is the request's.
    let mut client = proxy.client();
    client.send(hello());
    let odd = [&get_block()[..], b"\0\x0econtent-length\x011"].concat();
    client.send(frame(1, 4, 1, &odd)).send(frame(0, 1, 1, b"ab"));
    let line = logs.line();
    assert!(
        [" CR /", " CC /", " CH /"].iter().any(|told| line.contains(told)),
        "{line}"
    );
    // One that is none has no other line than this.
    client.send(frame(1, 5, 3, b"\x82"));
    assert!(logs.line().contains(" PR "));
    client.send(frame(1, 5, 5, &get_block()));
    assert!(logs.line().contains(" -- /"));
}
