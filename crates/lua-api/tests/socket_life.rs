//! How long sockets of scripts live, and for whom.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{Site, http, out, run};

const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps what comes on each connection until its end, then tells it.
fn server() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, ends) = channel();
    let read = move |mut stream: TcpStream| {
        let mut all = String::new();
        let _ = stream.read_to_string(&mut all);
        let _ = ended.send(all);
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let read = read.clone();
            std::thread::spawn(move || read(stream));
        }
    });
    (address, ends)
}

/// Actions `open` and `use` that work on a global socket.
fn site(address: SocketAddr) -> Site {
    Site::new(&format!(
        "core.register_action('open', {{ 'http-req' }}, function(txn)
            kept = core.tcp()
            assert(kept:connect('127.0.0.1', {port}) == 1)
            kept:send('opened')
        end)
        core.register_action('use', {{ 'http-req' }}, function(txn)
            local problems = {{}}
            for _, use in ipairs({{
                function() return kept:send(' used') end,
                function() return kept:receive() end,
                function() return kept:connect('127.0.0.1', {port}) end,
                function() return kept:getpeername() end,
                function() return kept:settimeout(1) end,
                function() return kept:close() end,
            }}) do
                local ok, problem = pcall(use)
                problems[#problems + 1] = ok and 'fine' or problem:gsub('^[^ ]*script.lua:%d+: ', '')
            end
            txn:set_var('txn.out', table.concat(problems, '|'))
        end)
        core.register_action('send', {{ 'http-req' }}, function(txn)
            txn:set_var('txn.out', tostring(kept:send(' used')))
        end)
        core.register_task(function()
            task_socket = core.tcp()
            task_socket:connect('127.0.0.1', {port})
            task_socket:send('task')
        end)",
        port = address.port()
    ))
}

const STALE: &str = "Socket object is no longer usable";

#[test]
fn a_transaction_has_its_sockets_for_itself_and_takes_them_with_it() {
    let (address, ends) = server();
    let site = site(address);
    run(async {
        let first = http("/");
        site.act("open", &first).await;
        let other = http("/other");
        site.act("use", &other).await;
        assert_eq!(out(&other), [STALE; 6].join("|"));
        site.act("send", &first).await;
        assert_eq!(out(&first), "5");
        drop(first);
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), "opened used");
        site.act("use", &other).await;
        assert_eq!(out(&other), format!("{}|fine", [STALE; 5].join("|")));
    });
}

#[test]
fn a_tasks_socket_is_closed_when_the_task_ends_though_a_script_kept_it() {
    let (address, ends) = server();
    let site = site(address);
    run(async {
        site.start();
        for _ in 0..1000 {
            if let Ok(sent) = ends.try_recv() {
                assert_eq!(sent, "task");
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("not closed");
    });
}

#[test]
fn sockets_that_are_left_over_are_closed_whenever_they_were_opened() {
    let (address, ends) = server();
    let site = Site::new(&format!(
        "core.register_action('open', {{ 'http-req' }}, function(txn)
            for i = 1, 40 do
                local s = core.tcp()
                assert(s:connect('127.0.0.1', {port}) == 1)
                if i == 1 or i == 40 then kept = kept or {{}} kept[i] = s else s:close() end
                s = nil
                collectgarbage()
            end
        end)",
        port = address.port()
    ));
    run(async {
        let txn = http("/");
        site.act("open", &txn).await;
        for _ in 0..38 {
            ends.recv_timeout(PATIENCE).unwrap();
        }
        assert!(ends.try_recv().is_err());
        drop(txn);
        for _ in 0..2 {
            ends.recv_timeout(PATIENCE).unwrap();
        }
    });
}

#[test]
fn a_socket_is_connected_once() {
    let (address, ends) = server();
    let site = Site::new(&format!(
        "core.register_action('open', {{ 'http-req' }}, function(txn)
            local s = core.tcp()
            local results = {{ s:connect('127.0.0.1', {port}) }}
            local again, why = s:connect('127.0.0.1', {port})
            results[#results + 1] = tostring(again) .. ' ' .. why
            results[#results + 1] = s:send('first')
            s:close() s:close()
            again, why = s:connect('127.0.0.1', {port})
            results[#results + 1] = tostring(again) .. ' ' .. why
            txn:set_var('txn.out', table.concat(results, '|'))
        end)",
        port = address.port()
    ));
    let txn = http("/");
    run(async { site.act("open", &txn).await });
    assert_eq!(out(&txn), "1|nil already connected|5|nil closed");
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), "first");
    assert!(ends.try_recv().is_err());
}
