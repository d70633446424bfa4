//! TCP sessions over real sockets: relays, content rules, services, listeners of other kinds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::*;
use tidegate_proxy::ext::{ActionOutcome, Failure, Run};
use tidegate_proxy::spec::*;
use tidegate_proxy::{BoundAddress, Mode};

/// A server that sends everything back and ends when its client does.
fn echo() -> std::net::SocketAddr {
    server(|_, mut client| {
        let mut buffer = [0; 65536];
        while let Ok(n @ 1..) = client.stream.read(&mut buffer) {
            client.stream.write_all(&buffer[..n]).unwrap();
        }
        let _ = client.stream.write_all(b"<end>");
    })
}

fn content(line: &str, action: RuleAction) -> Rule {
    Rule::new(format!("tcp-request content {line} (test.cfg:5)"), action)
}

fn run_rule(id: usize) -> Rule {
    content("lua.action", RuleAction::Run { id, args: Vec::new() })
}

fn service_rule(id: usize) -> Rule {
    content("use-service lua.service", RuleAction::UseService { id })
}

#[test]
fn bytes_go_both_ways_and_half_closing_is_passed_on() {
    let proxy = Proxy::start(proxied(Mode::Tcp, &[echo()]));
    let mut client = proxy.client();
    client.send("hello");
    assert_eq!(client.exactly(5), b"hello");
    let data: Vec<u8> = (0..8_000_000).map(|n| (n % 253) as u8).collect();
    let mut writer = client.stream.try_clone().unwrap();
    let sent = data.clone();
    let upload = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    assert!(client.rest() == [&data[..], b"<end>"].concat());
    upload.join().unwrap();
}

#[test]
fn a_server_that_ends_first_is_passed_on_too() {
    let (tell, told) = mpsc::channel();
    let addr = server(move |_, mut client| {
        client.send("bye");
        client.stream.shutdown(Shutdown::Write).unwrap();
        tell.send(client.rest()).unwrap();
    });
    let proxy = Proxy::start(proxied(Mode::Tcp, &[addr]));
    let mut client = proxy.client();
    assert_eq!(client.rest(), b"bye");
    client.send("still here");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"still here");
}

#[test]
fn silence_ends_a_relay_and_traffic_keeps_it() {
    let mut spec = proxied(Mode::Tcp, &[echo()]);
    spec.frontends[0].timeouts.client = Some(Duration::from_millis(150));
    spec.backends[0].timeouts.server = Some(Duration::from_millis(150));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    for _ in 0..6 {
        client.send("x");
        assert_eq!(client.exactly(1), b"x");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.rest(), b"");
}

#[test]
fn without_a_server_the_connection_is_closed() {
    let proxy = Proxy::start(proxied(Mode::Tcp, &[]));
    assert_eq!(proxy.client().rest(), b"");
}

#[test]
fn connection_rules_reject_before_anything_is_read() {
    let mut spec = proxied(Mode::Tcp, &[echo()]);
    let reject = Rule::new("tcp-request connection reject", RuleAction::Reject);
    spec.frontends[0]
        .tcp_connection
        .push(reject.when(condition("if { src 127.0.0.1 }")));
    let proxy = Proxy::start(spec);
    assert_eq!(proxy.client().rest(), b"");
}

#[test]
fn content_rules_wait_for_data_as_long_as_the_inspect_delay() {
    let start = |delay| {
        let mut spec = proxied(Mode::Tcp, &[echo()]);
        let front = &mut spec.frontends[0];
        front.inspect_delay = Some(delay);
        let good = condition("if { req.payload(0,5) -m str hello }");
        front
            .tcp_content
            .push(content("accept", RuleAction::Accept).when(good));
        front.tcp_content.push(content("reject", RuleAction::Reject));
        Proxy::start(spec)
    };
    let patient = start(PATIENCE);
    let mut client = patient.client();
    client.send("he");
    std::thread::sleep(Duration::from_millis(30));
    client.send("llo!");
    assert_eq!(client.exactly(6), b"hello!");
    let mut client = patient.client();
    client.send("howdy");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"");
    // An end that comes too early decides as well.
    let mut client = patient.client();
    client.send("he");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"");
    let hasty = start(Duration::from_millis(50));
    let mut client = hasty.client();
    client.send("he");
    assert_eq!(client.rest(), b"");
}

#[test]
fn the_end_of_the_inspect_delay_is_a_condition() {
    let mut spec = proxied(Mode::Tcp, &[echo()]);
    let front = &mut spec.frontends[0];
    front.inspect_delay = Some(Duration::from_millis(50));
    let over = condition("if WAIT_END { req.len 2 }");
    front
        .tcp_content
        .push(content("accept", RuleAction::Accept).when(over));
    front.tcp_content.push(content("reject", RuleAction::Reject));
    let proxy = Proxy::start(spec);
    let mut client = proxy.client();
    client.send("he");
    assert_eq!(client.exactly(2), b"he");
    assert_eq!(proxy.client().send("hello").rest(), b"");
}

#[test]
fn an_action_peeks_changes_and_answers() {
    let mut spec = proxied(Mode::Tcp, &[echo()]);
    spec.frontends[0].tcp_content.push(run_rule(0));
    let make = || Fakes {
        actions: vec![Rc::new(|txn, _| {
            Run::suspended(async move {
                let input = txn.request_channel();
                input.wait_input(0).await;
                txn.response_channel().send(b"wait; ").unwrap();
                while input.input_len() < 4 && input.may_recv() {
                    input.wait_input(input.input_len()).await;
                }
                if &input.data(0, Some(4))[..] == b"quit" {
                    txn.response_channel().send(b"goodbye").unwrap();
                    return ActionOutcome::Done;
                }
                input.set(0, Some(4), b"changed").unwrap();
                ActionOutcome::Continue
            })
        })],
        ..Fakes::default()
    };
    let proxy = Proxy::with(spec, fakes(make));
    let mut client = proxy.client();
    client.send("ab");
    // What the action sends arrives while it still waits.
    assert_eq!(client.exactly(6), b"wait; ");
    client.send("cd and more");
    assert_eq!(client.exactly(16), b"changed and more");
    let mut client = proxy.client();
    client.send("quit");
    assert_eq!(client.rest(), b"wait; goodbye");
}

#[test]
fn a_service_talks_to_the_client() {
    let mut front = frontend(Mode::Tcp);
    front.tcp_content.push(service_rule(0));
    let make = || Fakes {
        tcp: vec![Rc::new(|applet| {
            Run::suspended(async move {
                loop {
                    let line = applet.getline().await.unwrap();
                    if line.is_empty() {
                        applet.send("end\n".into()).await.unwrap();
                        return Ok(());
                    }
                    if &line[..] == b"fail\n" {
                        return Err(Failure::new("as asked"));
                    }
                    if &line[..] == b"flood\n" {
                        applet.send(vec![b'.'; 1_000_000].into()).await.unwrap();
                        continue;
                    }
                    applet.send([b"> ", &line[..]].concat().into()).await.unwrap();
                }
            })
        })],
        ..Fakes::default()
    };
    let proxy = Proxy::with(only(front), fakes(make));
    let mut client = proxy.client();
    client.send("one\ntwo\n");
    assert_eq!(client.exactly(12), b"> one\n> two\n");
    client.send("flood\n");
    assert_eq!(client.exactly(1_000_000).len(), 1_000_000);
    client.send("last");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"> lastend\n");
    let mut client = proxy.client();
    client.send("a\nfail\nnever read");
    assert_eq!(
        client.rest(),
        b"> a\n",
        "what was sent before the failure still arrives"
    );
}

#[test]
fn a_client_that_vanishes_cancels_its_service() {
    struct OnDrop(mpsc::Sender<()>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (tell, told) = mpsc::channel();
    let (start, started) = mpsc::channel();
    let mut front = frontend(Mode::Tcp);
    front.timeouts.client = Some(Duration::from_millis(100));
    front.tcp_content.push(service_rule(0));
    let make = move || {
        let (tell, start) = (tell.clone(), start.clone());
        Fakes {
            tcp: vec![Rc::new(move |_| {
                let guard = OnDrop(tell.clone());
                let _ = start.send(());
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
    let reset = proxy.client();
    // A client that goes before its service has begun leaves nothing to cancel.
    started.recv_timeout(PATIENCE).expect("the service begins");
    socket2::SockRef::from(&reset.stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(reset);
    told.recv_timeout(PATIENCE).expect("a reset cancels");
    let mut silent = proxy.client();
    told.recv_timeout(PATIENCE)
        .expect("so does silence beyond the client's timeout");
    assert_eq!(silent.rest(), b"");
}

#[test]
fn unix_and_abstract_sockets_are_listened_on_and_connected_to() {
    let dir = std::env::temp_dir().join(format!("tidegate-tcp-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("listen.sock");
    let name = format!("tidegate-test-{}", std::process::id()).into_bytes();
    // fe2 (Unix) -> abstract socket of fe1 -> echo
    let mut spec = proxied(Mode::Tcp, &[echo()]);
    spec.frontends[0].listeners = vec![ListenerSpec::new(
        "bind abns",
        ListenAddress::Abstract(name.clone()),
    )];
    let mut second = FrontendSpec::new("fe2", Mode::Tcp);
    second
        .listeners
        .push(ListenerSpec::new("bind unix", ListenAddress::Unix(path.clone())));
    second.default_backend = Some(1);
    spec.frontends.push(second);
    let mut back = BackendSpec::new("be2", Mode::Tcp);
    back.servers
        .push(ServerSpec::new("s1", ServerAddress::Abstract(name)));
    spec.backends.push(back);
    spec.global.threads = 2;
    let proxy = Proxy::start(spec);
    assert_eq!(
        proxy.running().addresses()[1].address,
        BoundAddress::Unix(path.clone())
    );
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.write_all(b"through two").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"through two<end>");
    drop(proxy);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn an_inherited_socket_serves() {
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listening.local_addr().unwrap();
    let mut spec = proxied(Mode::Tcp, &[echo()]);
    let inherited = ListenAddress::Inherited(Arc::new(listening.into()));
    spec.frontends[0].listeners = vec![ListenerSpec::new("bind fd@3", inherited)];
    let proxy = Proxy::start(spec);
    assert_eq!(proxy.address(), address);
    let mut client = proxy.client();
    client.send("x");
    assert_eq!(client.exactly(1), b"x");
}
