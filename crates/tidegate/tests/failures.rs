//! Scripts that fail while the program serves: what their client gets, what is logged, and that nobody else notices.

mod support;

use std::io::{Read, Write};

use support::Result;
use support::site::Site;

const SCRIPT: &str = r#"
core.register_action("fail", {"http-req"}, function(txn) error("broken on purpose") end)
core.register_action("spin", {"http-req"}, function(txn) while true do end end)
core.register_action("table_error", {"http-req"}, function(txn)
    error(setmetatable({}, { __tostring = function() return "an error with a face" end }))
end)
core.register_action("eat", {"http-req"}, function(txn) string.rep("x", 1 << 30) end)
core.register_action("exit", {"http-req"}, function(txn) os.exit(1) end)
core.register_action("fork", {"http-req"}, function(txn) os.execute("true") end)
core.register_action("split", {"http-req"}, function(txn) txn.http:req_set_header("x-a", "1\r\nx-b: 2") end)
core.register_fetches("spin", function(txn) while true do end end)
core.register_service("early", "http", function(applet) error("before the response") end)
core.register_service("status", "http", function(applet) applet:set_status(100) applet:start_response() end)
core.register_service("late", "http", function(applet)
    applet:set_status(200)
    applet:add_header("content-length", "100")
    applet:start_response()
    applet:send("part of it")
    core.msleep(20)
    error("after the response had begun")
end)
core.register_service("short", "http", function(applet)
    applet:set_status(200)
    applet:add_header("content-length", "100")
    applet:start_response()
    applet:send("too little")
end)
"#;

const SITE: &str = "\
global
    nbthread 1
    lua-load site/site.lua
    tune.lua.session-timeout 100ms
    tune.lua.burst-timeout 100ms
    tune.lua.maxmem 32
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend www
    bind 127.0.0.1:8080
    http-request lua.fail on-error deny if { path /closed }
    http-request use-service lua.early if { path /early }
    http-request use-service lua.late if { path /late }
    http-request use-service lua.short if { path /short }
    http-request use-service lua.status if { path /status }
    http-request set-header x-spin %[lua.spin] if { path /fetch }
ACTIONS
    http-request return status 200 content-type text/plain string served
";

const ACTIONS: [&str; 7] = ["fail", "spin", "eat", "table_error", "exit", "fork", "split"];

fn start(name: &str) -> Result<Site> {
    let actions: String = ACTIONS
        .iter()
        .map(|name| format!("    http-request lua.{name} if {{ path /{name} }}\n"))
        .collect();
    let config = SITE.replace("ACTIONS\n", &actions);
    Site::start(name, &[("site.cfg", &config), ("site.lua", SCRIPT)])
}

#[test]
fn an_action_that_fails_is_logged_and_the_request_goes_on() -> Result<()> {
    let site = start("actions")?;
    for (name, message) in [
        ("fail", "broken on purpose"),
        ("spin", "execution timeout"),
        ("eat", "out of memory"),
        ("table_error", "an error with a face"),
        ("exit", "os.exit is not available"),
        ("fork", "insecure-fork-wanted"),
        ("split", "req_set_header"),
    ] {
        let answer = site.get(&format!("/{name}"))?;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("served"),
            "{name}: {answer}"
        );
        site.logged_line(&[&format!("Lua function '{name}'"), message])?;
    }
    site.logged("stack traceback:")?;
    Ok(())
}

#[test]
fn an_action_that_guards_may_fail_closed() -> Result<()> {
    let site = start("closed")?;
    assert!(site.get("/closed")?.starts_with("HTTP/1.1 403"));
    Ok(())
}

#[test]
fn a_service_that_fails_answers_500_before_and_is_cut_off_after_its_response_began() -> Result<()> {
    let site = start("services")?;
    assert!(site.get("/early")?.starts_with("HTTP/1.1 500"));
    assert!(site.get("/status")?.starts_with("HTTP/1.1 500"));
    for path in ["/late", "/short"] {
        let answer = site.get(path)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(body.len() < 100, "{path}: {answer}");
    }
    site.logged("after the response had begun")?;
    Ok(())
}

#[test]
fn a_fetch_that_fails_gives_no_sample() -> Result<()> {
    let site = start("fetch")?;
    assert!(site.get("/fetch")?.ends_with("served"));
    site.logged("execution timeout")
}

#[test]
fn the_next_request_on_the_same_connection_works() -> Result<()> {
    let site = start("next")?;
    let mut stream = site.connect(0)?;
    for path in ["/fail", "/spin", "/eat", "/"] {
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"served") {
            let mut piece = [0; 1024];
            let n = stream.read(&mut piece)?;
            assert!(n > 0, "{path}: closed after {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(piece.get(..n).unwrap_or_default());
        }
    }
    Ok(())
}
