//! How the packets to a client are marked, seen on the sockets of the running proxy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::net::SocketAddr;
use std::rc::Rc;

use common::*;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::Socket;
use tidegate_proxy::Mode;
use tidegate_proxy::ext::{ActionOutcome, Run};
use tidegate_proxy::spec::*;

/// The type of service of this process's connection to `peer`.
fn tos_towards(peer: SocketAddr) -> u32 {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let numbers = descriptors.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found = numbers.filter_map(|number| {
        let socket = Socket::from(pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok()?);
        let is_it = socket.peer_addr().ok()?.as_socket() == Some(peer);
        is_it.then(|| socket.tos_v4().unwrap())
    });
    found.max().expect("no such connection")
}

fn marking(mode: Mode) -> (ProxySpec, impl Fn() -> Fakes) {
    let mut spec = proxied(mode, &[echo_server()]);
    let rule = Rule::new(
        "lua.mark",
        RuleAction::Run {
            id: 0,
            args: Vec::new(),
        },
    );
    match mode {
        Mode::Http => spec.frontends[0].http_request.push(rule),
        Mode::Tcp => spec.frontends[0].tcp_content.push(rule),
    }
    let make = || Fakes {
        actions: vec![Rc::new(|txn, _| {
            txn.set_client_tos(0x48);
            Run::ready(ActionOutcome::Continue)
        })],
        ..Fakes::default()
    };
    (spec, make)
}

#[test]
fn a_type_of_service_is_that_of_the_packets_to_the_client() {
    for mode in [Mode::Http, Mode::Tcp] {
        let (spec, make) = marking(mode);
        let proxy = Proxy::with(spec, fakes(make));
        let mut client = proxy.client();
        let peer = client.stream.local_addr().unwrap();
        assert_eq!(client.get("/").status, 200);
        assert_eq!(tos_towards(peer), 0x48, "{mode:?}");
    }
}
