//! Whatever a script is called for may sleep, use a socket and ask over HTTP; where nothing can wait, the error names the place.

mod support;

use std::io::{Read as _, Write as _};

use support::Result;
use support::scripted;
use support::site::{Site, rest};

const SCRIPT: &str = r#"
done = {}

-- Waits in every way that there is.
local function wait(place)
    core.msleep(1)
    local socket = core.tcp()
    socket:settimeout(10)
    assert(socket:connect("127.0.0.1:8089"))
    assert(socket:send("GET / HTTP/1.0\r\nhost: x\r\n\r\n"))
    local by_socket = socket:receive("*a"):match("\r\n\r\n(.*)$")
    local asked = core.httpclient():get({ url = "http://127.0.0.1:8089/", timeout = 10000 })
    done[place] = by_socket .. asked.body
end

for rules, place in pairs({ ["tcp-req"] = "tcp-request", ["tcp-res"] = "tcp-response", ["http-req"] = "http-request",
        ["http-res"] = "http-response", ["http-after-res"] = "http-after-response" }) do
    core.register_action("wait", { rules }, function(txn, name) wait(name or place) end, 1)
end
core.register_fetches("wait", function(txn, place) wait(place) return place end)
core.register_converters("wait", function(value, place) wait(place) return value end)
core.register_service("http", "http", function(applet)
    wait("service of HTTP")
    applet:set_status(200)
    applet:start_response()
    wait("service of HTTP that has begun")
    applet:send("served")
end)
core.register_service("tcp", "tcp", function(applet) wait("service of TCP") applet:send("served") end)
core.register_cli({ "linger" }, "waits", function(applet) wait("command") end)
core.register_task(function() wait("task") end)
core.event_sub({ "SERVER_ADMIN" }, function() wait("event") end)
local F = { flags = filter.FLT_CFG_FL_HTX }
F.__index = F
function F:new() return setmetatable({}, F) end
function F:start_analyze(txn, chn)
    wait("start_analyze")
    filter.register_data_filter(self, chn)
end
for _, callback in ipairs({ "end_analyze", "http_headers", "http_payload", "http_end", "tcp_payload" }) do
    F[callback] = function() wait(callback) end
end
core.register_filter("wait", F, function(flt) return flt end)
core.register_cli({ "done" }, "who has waited", function(applet)
    for place, answer in pairs(done) do applet:send(place .. ": " .. answer .. "\n") end
end)
"#;

const SITE: &str = "\
frontend www
    bind 127.0.0.1:8080
    filter lua.wait
    tcp-request session set-var(sess.a) lua.wait(session)
    http-request lua.wait http-request
    http-request set-var(txn.a) lua.wait(fetch)
    http-request set-var(txn.a) str(a),lua.wait(converter)
    http-request use-service lua.http if { path /service }
    http-response lua.wait http-response
    http-after-response lua.wait http-after-response
    use_backend %[str(mirror),lua.wait(use_backend)]
backend mirror
    server one 127.0.0.1:8089
listen streams
    mode tcp
    bind 127.0.0.1:8081
    filter lua.wait
    tcp-request inspect-delay 20s
    tcp-request content lua.wait tcp-request
    tcp-response inspect-delay 20s
    tcp-response content lua.wait tcp-response
    server one 127.0.0.1:8089
# Data that never comes is waited for until the delay is over: what follows is evaluated for the last time.
listen last
    mode tcp
    bind 127.0.0.1:8082
    tcp-request inspect-delay 30ms
    tcp-request content reject if { req.len ge 100000 }
    tcp-request content lua.wait 'last tcp-request'
    tcp-request content set-var(txn.a) lua.wait('last tcp-request fetch')
    tcp-response inspect-delay 30ms
    tcp-response content close if { res.len ge 100000 }
    tcp-response content lua.wait 'last tcp-response'
    server one 127.0.0.1:8089
frontend services
    mode tcp
    bind 127.0.0.1:8083
    tcp-request content use-service lua.tcp
frontend mirror
    bind 127.0.0.1:8089
    http-request return status 200 content-type text/plain string origin
";

/// Every place where a script's function is called.
const PLACES: &[&str] = &[
    "session",
    "http-request",
    "http-response",
    "http-after-response",
    "fetch",
    "converter",
    "use_backend",
    "service of HTTP",
    "service of HTTP that has begun",
    "service of TCP",
    "tcp-request",
    "tcp-response",
    "last tcp-request",
    "last tcp-request fetch",
    "last tcp-response",
    "command",
    "task",
    "event",
    "start_analyze",
    "end_analyze",
    "http_headers",
    "http_payload",
    "http_end",
    "tcp_payload",
];

#[test]
fn scripts_may_wait_wherever_they_are_called() -> Result<()> {
    let site = scripted::start_with("waits", SCRIPT, "    tune.lua.session-timeout 20s\n", SITE, &[])?;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(site.site.get("/")?.ends_with("origin"));
    assert!(site.site.get("/service")?.contains("served"));
    for bind in [1, 2] {
        let mut stream = site.site.connect(bind)?;
        stream.write_all(request)?;
        assert!(support::site::rest(stream)?.ends_with("origin"), "{bind}");
    }
    let mut stream = site.site.connect(3)?;
    let mut told = String::new();
    stream.read_to_string(&mut told)?;
    assert_eq!(told, "served");
    site.ask("linger\n")?;
    site.ask("set server mirror/one state drain\n")?;
    for place in PLACES {
        site.until("done\n", &format!("{place}: originorigin\n"))?;
    }
    Ok(())
}

/// Lines where nothing can wait, and what the failure says of the place.
const HURRIED: &[(&str, &str)] = &[
    ("log-format %[lua.wait(x)]", "a log line cannot wait"),
    (
        "balance hash lua.wait(x)\n    hash-type consistent",
        "`balance` cannot wait",
    ),
    (
        "option forwarded host-expr lua.wait(x)",
        "`option forwarded` cannot wait",
    ),
    (
        "default-server pool-conn-name lua.wait(x)",
        "what a connection to a server depends on (`sni`, `source`, `pool-conn-name`, `set-proxy-v2-tlv-fmt`) cannot wait",
    ),
];

#[test]
fn where_nothing_can_wait_the_failure_names_the_place() -> Result<()> {
    for (at, (lines, wanted)) in HURRIED.iter().enumerate() {
        let rest = format!(
            "    log stdout format raw local0\nlisten www\n    bind 127.0.0.1:8080\n    {lines}\n    server one 127.0.0.1:8089\n    \
             server two 127.0.0.1:8089\nfrontend mirror\n    no log\n    bind 127.0.0.1:8089\n    http-request return status 200\n"
        );
        let site = scripted::start(&format!("hurried-{at}"), SCRIPT, &rest)?;
        let answer = site.site.get("/")?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{lines}: {answer}");
        site.site.logged(&format!(
            "Lua fetch 'wait': [state-id 0] yield not allowed: {wanted}"
        ))?;
    }
    Ok(())
}

/// Who is silent holds no script for ever, and what came until `inspect-delay` is over is what there is.
#[test]
fn a_silent_client_is_waited_for_as_long_as_it_may_be_silent() -> Result<()> {
    let script = r#"
core.register_action("all", { "tcp-req" }, function(txn) txn:set_var("txn.got", txn.req:data(0, 100) or "nothing") end)
core.register_action("all", { "tcp-res" }, function(txn) core.Info("response: " .. txn.res:data(0, 100)) end)
core.register_action("other", { "tcp-req" }, function(txn) core.Info("other: " .. select(2, pcall(txn.res.data, txn.res))) end)
core.register_fetches("early", function(txn) return select(2, pcall(txn.req.data, txn.req)) end)
"#;
    let config = "\
global
    lua-load site/silent.lua
    log stdout local0
defaults
    mode tcp
    timeout connect 10s
    timeout server 20s
frontend silent
    bind 127.0.0.1:8080
    timeout client 100ms
    log global
    log-format \"silent: %[var(txn.got)]\"
    tcp-request content lua.all
    tcp-request content reject
frontend inspected
    bind 127.0.0.1:8081
    timeout client 20s
    log global
    log-format \"inspected: %[var(txn.got)] %[var(sess.early)]\"
    tcp-request session set-var(sess.early) lua.early
    tcp-request inspect-delay 100ms
    tcp-request content lua.other
    tcp-request content lua.all
    use_backend mirror
backend mirror
    tcp-response inspect-delay 100ms
    tcp-response content lua.all
    server one 127.0.0.1:8089
frontend mirror_of_http
    mode http
    timeout client 20s
    bind 127.0.0.1:8089
    http-request return status 200 content-type text/plain string origin
";
    let site = Site::start("lua-silent", &[("site.cfg", config), ("silent.lua", script)])?;
    // Neither says anything.
    let silent = site.connect(0)?;
    site.logged("silent: nothing")?;
    assert_eq!(rest(silent)?, "");
    let mut short = site.connect(1)?;
    short.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    assert!(rest(short)?.ends_with("origin"));
    site.logged("inspected: GET / HTTP/1.1")?;
    site.logged("response: HTTP/1.1 200 OK")?;
    site.logged("other: a rule for requests can't read the response")?;
    site.logged("nothing is read yet in `tcp-request connection` and `tcp-request session`")
}

/// `core.done` waits for nothing: it ends what it is called in also where nothing can wait.
#[test]
fn a_script_may_end_itself_wherever_it_is_called() -> Result<()> {
    let script = r#"
core.register_init(function() core.Info("init began") core.done() core.Info("init went on") end)
core.register_task(function() core.Info("task began") core.done() core.Info("task went on") end)
core.register_fetches("done", function() coroutine.wrap(function() pcall(core.done, "fetched") end)() return "fetch went on" end)
core.register_converters("done", function(value) core.done(value .. "!") return "converter went on" end)
core.register_fetches("over", function(txn) txn:done() return "transaction went on" end)
core.register_service("done", "http", function(applet)
    applet:set_status(200)
    applet:start_response()
    applet:send("served")
    core.done()
    applet:send(" and went on")
end)
core.Info("body began")
core.done()
core.Info("body went on")
"#;
    let config = "\
global
    lua-load site/done.lua
    log stdout local0
defaults
    mode http
    timeout client 20s
frontend www
    bind 127.0.0.1:8080
    log global
    log-format \"logged: %[lua.done] %[str(x),lua.done] [%[lua.over]]\"
    http-request use-service lua.done if { path /served }
    http-request return status 200 content-type text/plain lf-string \"%[lua.done] %[str(y),lua.done]\"
";
    let site = Site::start("lua-done", &[("site.cfg", config), ("done.lua", script)])?;
    assert!(site.get("/")?.ends_with("\r\n\r\nfetched y!"));
    assert!(site.get("/served")?.contains("served"));
    for text in ["logged: fetched x! [", "body began", "init began", "task began"] {
        site.logged(text)?;
    }
    let output = site.output();
    assert!(!output.contains("went on"), "{output}");
    Ok(())
}
