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
