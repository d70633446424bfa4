//! Objects of a session that a script keeps: nobody else gets anywhere with them.

use std::io::{Read, Write};

use crate::support::Result;
use crate::support::site::rest;
use crate::{body, site};

/// An action and a service keep all that they are given. A task, a later session and a later request of the same connection
/// try all of it; what was of use to them is what they answer.
const SCRIPT: &str = r#"
local kept, told, let_go = nil, nil, false

local TRY = {
    get_var = function(k) return k.txn:get_var("txn.secret") end,
    set_var = function(k) k.txn:set_var("txn.secret", "changed") end,
    get_priv = function(k) return k.txn:get_priv() end,
    set_priv = function(k) k.txn:set_priv("changed") end,
    log = function(k) k.txn:Info("from elsewhere") end,
    fetch = function(k) return k.txn.f:path() end,
    text_fetch = function(k) return k.txn.sf:path() end,
    converter = function(k) return k.txn.c:lower("X") end,
    headers = function(k) return k.txn.http:req_get_headers() end,
    add_header = function(k) k.txn.http:req_add_header("x-planted", "1") end,
    set_path = function(k) k.txn.http:req_set_path("/planted") end,
    channel = function(k) return k.txn.req:input() end,
    done = function(k) k.txn:done() end,
    kept_fetch = function(k) return k.f:path() end,
    kept_http = function(k) k.http:req_add_header("x-planted", "1") end,
    kept_channel = function(k) return k.req:input() end,
    kept_method = function(k) return k.method(k.txn, "txn.secret") end,
    fetched = function(k) return k.fetched:get_var("txn.secret") end,
    applet_send = function(k) k.applet:send("planted") end,
    applet_receive = function(k) return k.applet:receive() end,
    applet_header = function(k) k.applet:add_header("x-planted", "1") end,
    applet_fetch = function(k) return k.applet.f:path() end,
    applet_var = function(k) return k.applet:get_var("txn.secret") end,
}

local function try_all()
    local wrong = {}
    for name, try in pairs(TRY) do
        local ok, why = pcall(try, kept)
        if ok then
            wrong[#wrong + 1] = name .. " gave " .. tostring(why)
        elseif not tostring(why):find("no longer usable", 1, true) then
            wrong[#wrong + 1] = name .. ": " .. tostring(why)
        end
    end
    table.sort(wrong)
    return "all refused" .. table.concat(wrong, "; ")
end

core.register_action("keep", {"http-req"}, function(txn)
    txn:set_var("txn.secret", "secret")
    txn:set_priv("secret")
    told = nil
    kept = { txn = txn, f = txn.f, http = txn.http, req = txn.req, method = txn.get_var }
end)
core.register_fetches("keep", function(txn) kept.fetched = txn return "fetched" end)
core.register_service("keep", "http", function(applet)
    kept.applet = applet
    applet:set_status(200)
    applet:add_header("content-length", "4")
    applet:start_response()
    applet:send("kept")
end)
core.register_service("try", "http", function(applet)
    local answer = try_all()
    applet:set_status(200)
    applet:add_header("content-length", #answer)
    applet:start_response()
    applet:send(answer)
end)
core.register_action("try", {"http-req"}, function(txn) txn:set_var("txn.answer", try_all()) end)
core.register_action("begin", {"http-req"}, function()
    core.register_task(function() told = try_all() end)
    while not told do core.msleep(1) end
end)
core.register_fetches("told", function() return told end)
core.register_fetches("ready", function() return kept and kept.applet and "ready" or "not yet" end)
core.register_action("let_go", {"http-req"}, function() let_go = true end)
"#;

const RULES: &str = "http-request lua.keep if { path /keep }
    http-request set-var(txn.x) lua.keep if { path /keep }
    http-request use-service lua.keep if { path /keep }
    http-request use-service lua.try if { path /service }
    http-request lua.try if { path /action }
    http-request return status 200 content-type text/plain lf-string %[var(txn.answer)] if { path /action }
    http-request lua.let_go if { path /let_go }
    http-request lua.begin if { path /task }
    http-request return status 200 content-type text/plain lf-string %[lua.told] if { path /task }";

#[test]
fn what_a_session_left_behind_is_of_no_use_to_anyone_else() -> Result<()> {
    let site = site("kept", "", RULES, SCRIPT)?;
    assert_eq!(body(&site.get("/keep")?), "kept");
    for path in ["/service", "/action", "/task"] {
        assert_eq!(body(&site.get(path)?), "all refused", "{path}");
    }
    Ok(())
}

#[test]
fn nor_to_the_next_request_of_the_same_connection() -> Result<()> {
    let site = site("kept-alive", "", RULES, SCRIPT)?;
    for path in ["/service", "/action"] {
        let mut stream = site.connect(0)?;
        write!(stream, "GET /keep HTTP/1.1\r\nhost: x\r\n\r\n")?;
        let mut first = Vec::new();
        while !first.ends_with(b"kept") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            first.extend_from_slice(&byte);
        }
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )?;
        let mut second = String::new();
        stream.read_to_string(&mut second)?;
        assert_eq!(body(&second), "all refused", "{path}");
    }
    Ok(())
}

#[test]
fn nor_while_its_session_goes_on() -> Result<()> {
    // The session waits with its objects in use, so there would be something to be had.
    let script = r#"
core.register_service("stay", "http", function(applet)
    kept.applet = applet
    while not let_go do core.msleep(1) end
    let_go = false
    local txn = kept.txn
    local answer = table.concat({ txn:get_var("txn.secret"), txn:get_priv(), txn.f:path(), applet.path }, " ")
    applet:set_status(200)
    applet:add_header("content-length", #answer)
    applet:start_response()
    applet:send(answer)
end)
"#;
    let rules = "http-request lua.keep if { path /stay }
    http-request set-var(txn.x) lua.keep if { path /stay }
    http-request use-service lua.stay if { path /stay }
    http-request return status 200 content-type text/plain lf-string %[lua.ready] if { path /ready }";
    let site = site(
        "kept-live",
        "",
        &format!("{rules}\n    {RULES}"),
        &format!("{SCRIPT}\n{script}"),
    )?;
    for path in ["/service", "/action", "/task"] {
        let stays = site.begin("/stay")?;
        site.until("/ready", "ready")?;
        assert_eq!(body(&site.get(path)?), "all refused", "{path}");
        site.get("/let_go")?;
        assert_eq!(body(&rest(stays)?), "secret secret /stay /stay", "{path}");
    }
    Ok(())
}
