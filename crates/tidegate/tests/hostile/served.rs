//! Others are served while scripts run away, on the same thread and at the same time.

use std::net::TcpStream;

use crate::support::Result;
use crate::support::site::rest;
use crate::{body, site};

/// The scripts run until they are told to stop, so that they run for as long as the test asks; no limit ends them.
const SCRIPT: &str = r#"
local spinning, stop = 0, false

local RUNAWAYS = {
    plain = function() while not stop do end end,
    coroutine = function() coroutine.wrap(function() while not stop do end end)() end,
    yields = function() while not stop do core.yield() end end,
    pcall = function() while not stop do pcall(error, "again") end end,
    -- Each call makes two more, and each of them fails.
    recursion = function()
        local function fail(depth)
            if stop or depth == 100 then error("no") end
            pcall(fail, depth + 1)
            pcall(fail, depth + 1)
        end
        pcall(fail, 1)
    end,
    finalizers = function() while not stop do setmetatable({}, { __gc = function() end }) end end,
}

local function spin(name)
    spinning = spinning + 1
    -- One that is ended counts no longer either.
    local ended <close> = setmetatable({}, { __close = function() spinning = spinning - 1 end })
    RUNAWAYS[name]()
    return "spun"
end

core.register_action("spin", {"http-req"}, function(txn) spin(txn.f:path():match("[^/]+$")) end)
core.register_fetches("spin", function(txn) return spin("plain") end)
core.register_converters("spin", function(value) return spin("plain") end)
core.register_service("spin", "http", function(applet)
    spin("plain")
    applet:set_status(200)
    applet:start_response()
end)
core.register_action("begin", {"http-req"}, function() core.register_task(function() spin("plain") end) end)
core.register_action("stop", {"http-req"}, function() stop = true end)
-- How many run away as this is asked.
core.register_fetches("spinning", function() return spinning end)
"#;

const RULES: &str = "http-request lua.spin if { path_beg /spin/ }
    http-request set-var(txn.x) lua.spin if { path /fetch }
    http-request set-var(txn.x) path,lua.spin if { path /converter }
    http-request use-service lua.spin if { path /service }
    http-request lua.begin if { path /task }
    http-request lua.stop if { path /stop }
    http-request return status 200 content-type text/plain lf-string %[lua.spinning]";

const UNLIMITED: &str = "tune.lua.session-timeout 0
    tune.lua.service-timeout 0
    tune.lua.burst-timeout 0";

const SESSIONS: usize = 40;

#[test]
fn dozens_at_once_are_served_while_scripts_run_away() -> Result<()> {
    for runaways in [
        &["/spin/plain"][..],
        &["/spin/coroutine"],
        &["/spin/yields"],
        &["/spin/pcall"],
        &["/spin/recursion"],
        &["/spin/finalizers"],
        &["/fetch"],
        &["/converter"],
        &["/service"],
        &["/spin/plain", "/spin/recursion", "/fetch", "/service"],
    ] {
        served_beside(runaways, runaways.len()).map_err(|e| format!("{runaways:?}: {e}"))?;
    }
    Ok(())
}

#[test]
fn dozens_at_once_are_served_while_a_task_runs_away() -> Result<()> {
    // The requests that begin them end at once.
    served_beside(&["/task", "/task"], 2)
}

/// Starts what runs away, and sees that it still does as it has dozens of others answered.
fn served_beside(runaways: &[&str], running: usize) -> Result<()> {
    let site = site("beside", UNLIMITED, RULES, SCRIPT)?;
    let mut begun = Vec::new();
    for path in runaways {
        begun.push(site.begin(path)?);
    }
    let running = running.to_string();
    site.until("/", &running)?;
    // All have asked before the first one reads its answer.
    let others = (0..SESSIONS).map(|_| site.begin("/"));
    for other in others.collect::<Result<Vec<TcpStream>>>()? {
        assert_eq!(body(&rest(other)?), running, "{runaways:?}");
    }
    site.get("/stop")?;
    for stream in begun {
        let answer = rest(stream)?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{runaways:?}: {answer}");
    }
    Ok(())
}
