//! Services: what a client gets from them, and how they end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::rc::Rc;

use bytes::Bytes;
use common::{Site, run};
use tidegate_proxy::ext::Failure;
use tidegate_proxy::{HttpApplet, TcpApplet, Txn};

fn request(method: &str, target: &str, body: &'static str) -> Rc<HttpApplet> {
    let request = http::Request::builder()
        .method(method)
        .uri(target)
        .header("Host", "example.org")
        .header("content-length", body.len());
    let txn = Txn::detached().request(request.body(()).unwrap()).build();
    HttpApplet::detached(txn, [Bytes::from_static(body.as_bytes())])
}

fn serve(lines: &str, applet: &Rc<HttpApplet>) -> Result<(), Failure> {
    let site = Site::new(&format!(
        "core.register_service('s', 'http', function(applet) {lines} end)"
    ));
    let id = site.loaded.declared().http_service("s").unwrap();
    run(async { site.worker.http_service(id).unwrap().serve(applet.clone()).await })
}

/// What a service that answers sent.
fn answer(lines: &str, applet: &Rc<HttpApplet>) -> String {
    serve(lines, applet).unwrap();
    let (status, headers, body) = applet.take_sent().unwrap();
    let header = headers.get("x-a").map_or("", |value| value.to_str().unwrap());
    format!("{} {header} {}", status.as_u16(), String::from_utf8_lossy(&body))
}

#[test]
fn it_answers_with_status_headers_and_body() {
    let sent = answer(
        "applet:set_status(201) applet:add_header('X-A', 'b') applet:start_response()
         applet:send('one ') core.msleep(1) applet:send(2)",
        &request("GET", "/", ""),
    );
    assert_eq!(sent, "201 b one 2");
}

#[test]
fn the_request_is_in_its_fields() {
    let sent = answer(
        "applet:start_response()
         applet:send(table.concat({ applet.method, applet.path, applet.qs, applet.version, applet.length,
            applet.headers['host'][0], tostring(applet.headers['none']), tostring(applet.f:src()),
            applet.c:upper('x') }, ','))",
        &request("POST", "/p/q?a=1&b", "12345"),
    );
    assert_eq!(sent, "200  POST,/p/q,a=1&b,HTTP/1.1,5,example.org,nil,nil,X");
}

#[test]
fn the_body_is_received_in_lines_and_pieces() {
    let sent = answer(
        "local parts = { applet:getline(), applet:receive(3), applet:receive(), applet:receive(), applet:getline() }
         applet:start_response() applet:send(table.concat(parts, '|'))",
        &request("POST", "/", "line\nabcdefgh"),
    );
    assert_eq!(sent, "200  line\n|abc|defgh||");
}

#[test]
fn what_can_not_be_sent_is_refused() {
    let sent = answer(
        r#"local problems = {}
           local function try(f, ...) local _, p = pcall(f, applet, ...) problems[#problems + 1] = p:gsub("^[^ ]*script.lua:%d+: ", "") end
           try(applet.send, "early")
           try(applet.set_status, 100)
           try(applet.set_status, "x")
           try(applet.set_status, 200, "a\r\nb")
           try(applet.add_header, "a\nb", "x")
           try(applet.add_header, "a", "x\r\ny: z")
           local text = table.concat(problems, "\n")
           applet:start_response()
           applet:send(text)"#,
        &request("GET", "/", ""),
    );
    assert_eq!(
        sent,
        "200  send: start_response() has to be called before data is sent\n\
         set_status: invalid status 100: 200 to 599 can be sent\n\
         bad argument #2 to 'set_status' (number expected, got string)\n\
         set_status: invalid header: characters in the reason phrase\n\
         add_header: invalid header: name `a\nb`\n\
         add_header: invalid header: characters in the value of `a`"
    );
}

#[test]
fn a_failure_is_told_with_what_was_sent_before() {
    let applet = request("GET", "/", "");
    let failure = serve(
        "applet:start_response() applet:send('half') error('oops')",
        &applet,
    )
    .unwrap_err();
    assert!(
        failure
            .message
            .starts_with("Lua applet http 's': [state-id 0] runtime error: "),
        "{failure}"
    );
    assert!(failure.message.ends_with("script.lua:1: oops"), "{failure}");
    assert_eq!(&applet.take_sent().unwrap().2[..], b"half");
    let applet = request("GET", "/", "");
    assert!(serve("error('at once')", &applet).is_err());
    assert!(!applet.is_started());
}

#[test]
fn dropping_the_run_closes_its_variables() {
    let site = Site::new(
        "core.register_service('s', 'http', function(applet)
            local guard <close> = setmetatable({}, { __close = function() closed = true end })
            core.sleep(3600)
        end)
        core.register_fetches('closed', function() return closed or false end)",
    );
    let id = site.loaded.declared().http_service("s").unwrap();
    run(async {
        let service = site.worker.http_service(id).unwrap();
        let mut serving = service.serve(request("GET", "/", ""));
        tokio::select! {
            biased;
            _ = &mut serving => panic!("did not wait"),
            () = tokio::task::yield_now() => {}
        }
        drop(serving);
        let closed = site.fetch("closed", &*common::http("/"), &[]).await;
        assert_eq!(closed, Some(true.into()));
    });
}

fn talk(lines: &str, txn: &Rc<Txn>) -> String {
    let site = Site::new(&format!(
        "core.register_service('s', 'tcp', function(applet) {lines} end)"
    ));
    let id = site.loaded.declared().tcp_service("s").unwrap();
    let applet = TcpApplet::new(txn.clone());
    run(async { site.worker.tcp_service(id).unwrap().serve(applet).await }).unwrap();
    let channel = txn.response_channel();
    assert_eq!(channel.input_len(), 0);
    channel.output_len().to_string()
}

#[test]
fn a_tcp_service_reads_until_the_end_and_sends() {
    let txn = Txn::detached().input("one\ntwo-three").build();
    txn.request_channel().end();
    let sent = talk(
        "assert(applet:getline() == 'one\\n')
         assert(applet:receive(3) == 'two')
         assert(applet:try_receive() == '-three')
         assert(applet:receive(1, 1) == '')
         assert(applet:try_receive() == '' and applet:getline() == '' and applet:receive() == '')
         assert(applet:send('12345') == 5)",
        &txn,
    );
    assert_eq!(sent, "5");
}

/// What both kinds of services can keep, and where.
const KEEPS: &str = "
    assert(applet:get_priv() == nil)
    applet:set_priv({ 'one' }) applet:set_priv('two')
    assert(applet:get_priv() == 'two')
    assert(applet:get_var('txn.a') == nil)
    assert(applet:set_var('txn.a', 'b') and applet:get_var('txn.a') == 'b')
    assert(applet:unset_var('txn.a') and applet:get_var('txn.a') == nil)
    assert(not applet:set_var('nowhere.a', 1) and not applet:set_var('proc.never_set', 1, true))
    assert(applet.sf:src() == '' and applet.sc:upper('x') == 'X')
";

#[test]
fn a_service_keeps_values_and_variables() {
    let sent = answer(
        &format!("{KEEPS} applet:start_response() applet:send('kept')"),
        &request("GET", "/", ""),
    );
    assert_eq!(sent, "200  kept");
    let txn = Txn::detached().input("x").build();
    assert_eq!(talk(&format!("{KEEPS} applet:send('kept')"), &txn), "4");
}

#[test]
fn receiving_with_a_timeout_gives_what_came() {
    let txn = Txn::detached().input("abc").build();
    assert_eq!(
        talk(
            "assert(applet:receive(10, 1) == 'abc')
             assert(applet:receive(10, 1) == nil and applet:receive(0, 1) == '')
             assert(applet:try_receive() == nil)
             applet:send('ok')",
            &txn
        ),
        "2"
    );
}
