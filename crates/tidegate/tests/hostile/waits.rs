//! Where scripts wait: it works, or it is an error that says why not; and nobody else's wait is theirs to end.

use crate::support::Result;
use crate::support::site::{Site, rest};
use crate::{body, rules_of, site};

#[test]
fn fetches_and_converters_may_sleep_and_use_sockets() -> Result<()> {
    // What waits goes on only once another request has been served meanwhile.
    let script = r#"
local met = false
local function meet()
    while not met do core.msleep(1) end
    return "met"
end
local function ask()
    local socket = core.tcp()
    socket:settimeout(10)
    assert(socket:connect("127.0.0.1:8080"))
    assert(socket:send("GET /origin HTTP/1.0\r\nhost: x\r\n\r\n"))
    return (socket:receive("*a"):match("\r\n\r\n(.*)$"))
end
core.register_fetches("meet", meet)
core.register_converters("meet", function(value) return value .. " " .. meet() end)
core.register_fetches("ask", ask)
core.register_converters("ask", function(value) return value .. " " .. ask() end)
core.register_action("open", {"http-req"}, function() met = true end)
"#;
    let answer = "return status 200 content-type text/plain";
    let rules = format!(
        "http-request {answer} string origin if {{ path /origin }}\n    \
         http-request lua.open if {{ path /open }}\n    \
         http-request {answer} lf-string %[lua.meet] if {{ path /meet }}\n    \
         http-request {answer} lf-string %[path,lua.meet] if {{ path /meet_converted }}\n    \
         http-request {answer} lf-string %[lua.ask] if {{ path /ask }}\n    \
         http-request {answer} lf-string %[path,lua.ask] if {{ path /ask_converted }}"
    );
    let site = site("sampling", "", &rules, script)?;
    let waiting = [site.begin("/meet")?, site.begin("/meet_converted")?];
    assert_eq!(body(&site.get("/open")?), "served");
    let [fetched, converted] = waiting.map(rest);
    assert_eq!(body(&fetched?), "met");
    assert_eq!(body(&converted?), "/meet_converted met");
    assert_eq!(body(&site.get("/ask")?), "origin");
    assert_eq!(body(&site.get("/ask_converted")?), "/ask_converted origin");
    Ok(())
}

/// A site whose service answers what the function of a path's name returns, in protected mode.
fn trying(name: &str, functions: &str) -> Result<Site> {
    let script = format!(
        r#"
local kept
local TRY = {{ {functions} }}
core.register_service("try", "http", function(applet)
    local ok, what = pcall(TRY[applet.path:sub(2)], applet)
    local answer = tostring(ok) .. " " .. tostring(what):gsub("^%S+:%d+: ", "")
    applet:set_status(200)
    applet:add_header("content-length", #answer)
    applet:start_response()
    applet:send(answer)
end)
"#
    );
    let config = "tune.lua.service-timeout 10s\n    tune.lua.burst-timeout 10s";
    site(
        name,
        config,
        "http-request use-service lua.try if !{ path / }",
        &script,
    )
}

#[test]
fn waiting_where_lua_cannot_says_inside_of_what() -> Result<()> {
    let site = trying(
        "inside",
        r#"
sort = function() table.sort({ 2, 1 }, function() core.msleep(1) end) end,
gsub = function() string.gsub("a", "a", function() core.yield() end) end,
tostring = function() tostring(setmetatable({}, { __tostring = function() core.msleep(1) return "x" end })) end,
bare = function() table.sort({ 2, 1 }, function() coroutine.yield() end) end,
index = function() return setmetatable({}, { __index = function() core.msleep(1) return "slept" end }).x end,
pcall = function() return select(2, pcall(function() core.msleep(1) return "slept" end)) end,
coroutine = function() return coroutine.wrap(function() core.msleep(1) return "slept" end)() end,
iterator = function() for slept in function() core.msleep(1) return "slept" end do return slept end end,
close = function() do local x <close> = setmetatable({}, { __close = function() core.msleep(1) end }) end return "slept" end,
"#,
    )?;
    for (case, wanted) in [
        (
            "sort",
            "false attempt to yield across a C-call boundary: `msleep` waits inside `sort`",
        ),
        (
            "gsub",
            "false attempt to yield across a C-call boundary: `yield` waits inside `gsub`",
        ),
        (
            "tostring",
            "false attempt to yield across a C-call boundary: `msleep` waits inside `tostring`",
        ),
        ("bare", "false attempt to yield across a C-call boundary"),
        ("index", "true slept"),
        ("pcall", "true slept"),
        ("coroutine", "true slept"),
        ("iterator", "true slept"),
        ("close", "true slept"),
    ] {
        assert_eq!(body(&site.get(&format!("/{case}"))?), wanted, "{case}");
    }
    Ok(())
}

#[test]
fn a_bare_yield_goes_on_at_the_next_turn() -> Result<()> {
    let script = r#"
core.register_action("yield", {"http-req"}, function(txn)
    for _ = 1, 3 do coroutine.yield("ignored") end
    txn:set_var("txn.yielded", "went on")
end)
core.register_service("yield", "http", function(applet)
    coroutine.yield()
    applet:set_status(200)
    coroutine.yield()
    applet:start_response()
    applet:send("went ")
    coroutine.yield()
    applet:send("on")
end)
"#;
    let rules = "http-request use-service lua.yield if { path /service }\n    \
                 http-request lua.yield if { path /action }\n    \
                 http-request return status 200 content-type text/plain lf-string %[var(txn.yielded)] if { path /action }";
    let site = site("bare", "", rules, script)?;
    assert_eq!(body(&site.get("/action")?), "went on");
    let service = site.ask("GET /service HTTP/1.0\r\nhost: x\r\n\r\n")?;
    assert_eq!(body(&service), "went on", "{service}");
    Ok(())
}

#[test]
fn nobody_gets_at_the_coroutine_of_another_session() -> Result<()> {
    let site = trying(
        "others",
        r#"
victim = function()
    kept = { running = coroutine.running() }
    local inner = coroutine.create(function() while kept.running do core.msleep(1) end return "unharmed" end)
    kept.inner = inner
    return select(2, coroutine.resume(inner))
end,
ready = function() return kept ~= nil and kept.inner ~= nil end,
resume = function() return select(2, coroutine.resume(kept.running, "hello")) end,
close = function() return coroutine.close(kept.running) end,
resume_inner = function() return select(2, coroutine.resume(kept.inner, "hello")) end,
close_inner = function() return coroutine.close(kept.inner) end,
wrapped = function() return select(2, pcall(coroutine.wrap(function() return select(2, coroutine.resume(kept.running)) end))) end,
release = function() kept.running = nil return "released" end,
"#,
    )?;
    let victim = site.begin("/victim")?;
    site.until("/ready", "true true")?;
    for (case, wanted) in [
        ("resume", "true cannot resume a context's coroutine"),
        ("close", "false cannot close a context's coroutine"),
        (
            "resume_inner",
            "true cannot resume a coroutine that waits for the host",
        ),
        (
            "close_inner",
            "false cannot close a coroutine that waits for the host",
        ),
        ("wrapped", "true cannot resume a context's coroutine"),
        ("release", "true released"),
    ] {
        assert_eq!(body(&site.get(&format!("/{case}"))?), wanted, "{case}");
    }
    assert_eq!(body(&rest(victim)?), "true unharmed");
    Ok(())
}

#[test]
fn a_wait_without_end_ends_at_its_limit() -> Result<()> {
    let script = r#"
local function for_ever() core.msleep(1000000) end
core.register_action("action", {"http-req"}, for_ever)
core.register_action("coroutine", {"http-req"}, function() coroutine.wrap(for_ever)() end)
core.register_action("caught", {"http-req"}, function() while true do pcall(for_ever) end end)
core.register_action("socket", {"http-req"}, function()
    local socket = core.tcp()
    socket:settimeout(1000)
    socket:connect("127.0.0.1:8080")
    socket:receive("*l")
end)
core.register_action("closing", {"http-req"}, function()
    local guard <close> = setmetatable({}, { __close = function() core.Alert("let go of at the limit") end })
    for_ever()
end)
core.register_fetches("fetch", for_ever)
core.register_converters("converter", for_ever)
core.register_service("service", "http", for_ever)
core.register_action("short", {"http-req"}, function() for _ = 1, 60 do core.msleep(5) end end)
"#;
    let failing = ["action", "coroutine", "caught", "socket", "closing"];
    let rules = format!(
        "{}http-request lua.short on-error deny if {{ path /short }}\n    \
         http-request use-service lua.service if {{ path /service }}\n    \
         http-request set-var(txn.x) lua.fetch if {{ path /fetch }}\n    \
         http-request set-var(txn.x) path,lua.converter if {{ path /converter }}",
        rules_of(&failing)
    );
    let site = site("waits", "tune.lua.wait-timeout 100ms", &rules, script)?;
    for name in failing.iter().chain(&["fetch", "converter"]) {
        assert_eq!(body(&site.get(&format!("/{name}"))?), "served", "{name}");
        site.logged_line(&[&format!("'{name}'"), "wait timeout: waited 100 ms"])?;
    }
    assert!(site.get("/service")?.starts_with("HTTP/1.1 500"));
    site.logged_line(&["'service'", "wait timeout: waited 100 ms"])?;
    site.logged("let go of at the limit")?;
    // It is a single wait that is limited, not their sum.
    assert_eq!(body(&site.get("/short")?), "served");
    Ok(())
}
