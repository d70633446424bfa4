//! What scripts put into messages: nothing that would split one, or give it a length that isn't its own.

use crate::support::Result;
use crate::{body, site};

#[test]
fn setters_refuse_bytes_that_would_split_a_message() -> Result<()> {
    let script = r#"
local SETTERS = {
    add_name = function(http, bad) http:req_add_header(bad, "v") end,
    add_value = function(http, bad) http:req_add_header("x-a", bad) end,
    set_name = function(http, bad) http:req_set_header(bad, "v") end,
    set_value = function(http, bad) http:req_set_header("x-a", bad) end,
    replace = function(http, bad) http:req_rep_header("host", ".*", bad) end,
    method = function(http, bad) http:req_set_method(bad) end,
    path = function(http, bad) http:req_set_path("/" .. bad) end,
    query = function(http, bad) http:req_set_query(bad) end,
    uri = function(http, bad) http:req_set_uri("/" .. bad) end,
}
core.register_action("try", {"http-req"}, function(txn)
    local passed = {}
    for name, set in pairs(SETTERS) do
        for byte, bad in pairs({ cr = "a\rb", lf = "a\nb", nul = "a\0b" }) do
            if pcall(set, txn.http, bad) then passed[#passed + 1] = name .. "/" .. byte end
        end
        -- What is harmless has to pass, or the refusals above prove nothing.
        if not pcall(set, txn.http, "harmless") then passed[#passed + 1] = name .. " refuses all" end
    end
    table.sort(passed)
    txn:set_var("txn.passed", "passed:" .. table.concat(passed, ","))
end)
core.register_action("reason", {"http-res"}, function(txn)
    local passed = {}
    for byte, bad in pairs({ cr = "a\rb", lf = "a\nb", nul = "a\0b" }) do
        if pcall(txn.http.res_set_status, txn.http, 200, bad) then passed[#passed + 1] = "reason/" .. byte end
        if pcall(txn.http.res_set_header, txn.http, "x-a", bad) then passed[#passed + 1] = "value/" .. byte end
        if pcall(txn.http.res_add_header, txn.http, bad, "v") then passed[#passed + 1] = "name/" .. byte end
    end
    txn.http:res_set_status(200, "fine")
    txn.http:res_add_header("x-b", "v")
    txn.http:res_set_header("x-passed", "passed:" .. table.concat(passed, ","))
end)
core.register_service("origin", "http", function(applet)
    local passed = {}
    for byte, bad in pairs({ cr = "a\rb", lf = "a\nb", nul = "a\0b" }) do
        if pcall(applet.set_status, applet, 200, bad) then passed[#passed + 1] = "reason/" .. byte end
        if pcall(applet.add_header, applet, bad, "v") then passed[#passed + 1] = "name/" .. byte end
        if pcall(applet.add_header, applet, "x-a", bad) then passed[#passed + 1] = "value/" .. byte end
    end
    local answer = "passed:" .. table.concat(passed, ",")
    applet:set_status(200, "fine")
    applet:add_header("x-a", "v")
    applet:add_header("content-length", #answer)
    applet:start_response()
    applet:send(answer)
end)
"#;
    let rules = "http-request use-service lua.origin if { path /service }\n    \
                 http-request lua.try\n    \
                 http-response lua.reason\n    \
                 http-request return status 200 content-type text/plain lf-string %[var(txn.passed)]";
    let site = site("split", "", rules, script)?;
    assert_eq!(body(&site.get("/")?), "passed:");
    let service = site.get("/service")?;
    assert_eq!(body(&service), "passed:");
    assert!(service.contains("x-passed: passed:\r\n"), "{service}");
    Ok(())
}

#[test]
fn a_status_that_no_response_may_have_is_refused() -> Result<()> {
    let script = r#"
local function status(applet) return tonumber(applet.qs) end
core.register_service("status", "http", function(applet)
    applet:set_status(status(applet))
    applet:start_response()
end)
core.register_action("reply", {"http-req"}, function(txn)
    txn:done(txn:reply{ status = tonumber(txn.f:query()) })
end)
"#;
    let rules = "http-request use-service lua.status if { path /service }\n    \
                 http-request lua.reply on-error deny if { path /reply }";
    let site = site("status", "", rules, script)?;
    for status in ["100", "101", "0", "-5", "9999"] {
        let service = site.get(&format!("/service?{status}"))?;
        assert!(service.starts_with("HTTP/1.1 500"), "{status}: {service}");
        let reply = site.get(&format!("/reply?{status}"))?;
        assert!(reply.starts_with("HTTP/1.1 403"), "{status}: {reply}");
    }
    assert!(site.get("/reply?418")?.starts_with("HTTP/1.1 418"));
    Ok(())
}

#[test]
fn a_service_cannot_send_more_than_it_announced() -> Result<()> {
    let script = r#"
core.register_service("long", "http", function(applet)
    applet:set_status(200)
    applet:add_header("content-length", "3")
    applet:start_response()
    applet:send("abcdefgh")
end)
"#;
    let site = site(
        "long",
        "",
        "http-request use-service lua.long if { path /long }",
        script,
    )?;
    let answer = site.get("/long")?;
    assert!(body(&answer).len() <= 3, "{answer}");
    site.logged("Lua")?;
    assert!(site.get("/")?.ends_with("served"));
    Ok(())
}

#[test]
fn filters_responses_and_replies_refuse_both_too() -> Result<()> {
    let script = r#"
local BAD = { cr = "a\rb", lf = "a\nb", nul = "a\0b" }
local function tried(setters)
    local passed = {}
    for name, set in pairs(setters) do
        for byte, bad in pairs(BAD) do
            if pcall(set, bad) then passed[#passed + 1] = name .. "/" .. byte end
        end
        if not pcall(set, "harmless") then passed[#passed + 1] = name .. " refuses all" end
    end
    table.sort(passed)
    return table.concat(passed, ",")
end
local function statuses(set)
    local passed = {}
    for _, code in ipairs({ 100, 101, 0, -5, 9999 }) do
        if pcall(set, code) then passed[#passed + 1] = code end
    end
    if not pcall(set, 200) then passed[#passed + 1] = "refuses all" end
    return table.concat(passed, ",")
end
local function of_headers(msg)
    return {
        add_name = function(bad) msg:add_header(bad, "v") end,
        add_value = function(bad) msg:add_header("x-a", bad) end,
        set_name = function(bad) msg:set_header(bad, "v") end,
        set_value = function(bad) msg:set_header("x-a", bad) end,
        rep_header = function(bad) msg:rep_header("x-old", ".*", bad) end,
        rep_value = function(bad) msg:rep_value("x-old", ".*", bad) end,
    }
end
local F = { flags = filter.FLT_CFG_FL_HTX }
F.__index = F
function F:new() return setmetatable({}, F) end
function F:http_headers(txn, msg)
    local setters = of_headers(msg)
    if msg:is_resp() then
        setters.reason = function(bad) msg:set_status(200, bad) end
        msg:set_header("x-filter", "passed:" .. tried(setters) .. statuses(function(code) msg:set_status(code) end))
    else
        setters.method = function(bad) msg:set_method(bad) end
        setters.path = function(bad) msg:set_path("/" .. bad) end
        setters.query = function(bad) msg:set_query(bad) end
        setters.uri = function(bad) msg:set_uri("/" .. bad) end
        txn:set_var("txn.of_request", "passed:" .. tried(setters))
    end
end
core.register_filter("setters", F, function(flt) return flt end)
core.register_action("response", {"http-res"}, function(txn)
    local http = txn.http
    http:res_set_header("x-response", "passed:" .. tried({
        rep_header = function(bad) http:res_rep_header("x-old", ".*", bad) end,
        rep_value = function(bad) http:res_rep_value("x-old", ".*", bad) end,
    }) .. statuses(function(code) http:res_set_status(code) end))
end)
core.register_action("reply", {"http-req"}, function(txn)
    local http, reply = txn.http, txn:reply()
    local told = tried({
        rep_value = function(bad) http:req_rep_value("x-old", ".*", bad) end,
        reason = function(bad) reply:set_status(200, bad) end,
        name = function(bad) reply:add_header(bad, "v") end,
        value = function(bad) reply:add_header("x-a", bad) end,
    }) .. statuses(function(code) reply:set_status(code) end)
    for byte, bad in pairs(BAD) do
        -- Whichever passes is the answer.
        pcall(txn.done, txn, txn:reply({ reason = bad, body = "reason/" .. byte }))
        pcall(txn.done, txn, txn:reply({ headers = { ["x-a"] = { bad } }, body = "value/" .. byte }))
        pcall(txn.done, txn, txn:reply({ headers = { [bad] = { "v" } }, body = "name/" .. byte }))
    end
    txn:done(txn:reply({ body = "passed:" .. told }))
end)
core.register_service("origin", "http", function(applet)
    applet:set_status(200)
    applet:add_header("x-old", "old")
    applet:add_header("content-length", 0)
    applet:start_response()
end)
"#;
    let rules = "filter lua.setters\n    \
                 http-request lua.reply if { path /reply }\n    \
                 http-request use-service lua.origin\n    \
                 http-response lua.response\n    \
                 http-after-response set-header x-request %[var(txn.of_request)]";
    let site = site("split-more", "", rules, script)?;
    let ask = |path: &str| {
        site.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nx-old: old\r\nconnection: close\r\n\r\n"
        ))
    };
    assert_eq!(body(&ask("/reply")?), "passed:");
    let answer = ask("/")?;
    for header in ["x-filter", "x-response", "x-request"] {
        assert!(
            answer.contains(&format!("{header}: passed:\r\n")),
            "{header}: {answer}"
        );
    }
    Ok(())
}
