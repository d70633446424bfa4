//! Limits that a configuration gives to one script, and those of the others beside it.

mod support;

use support::Result;
use support::site::Site;

const SCRIPT: &str = r#"
local name = ...
local function busy(seconds)
    local start = os.clock()
    while os.clock() - start < seconds do end
end
core.register_action("busy-" .. name, { "http-req" }, function(txn) busy(0.2) txn:set_var("txn.told", "done") end)
core.register_action("native-" .. name, { "http-req" }, function(txn)
    pcall(string.find, ("a"):rep(300), ".-.-.-.-.-.-b")
    txn:set_var("txn.told", "done")
end)
core.register_action("large-" .. name, { "http-req" }, function(txn) txn:set_var("txn.told", #("x"):rep(6 << 20)) end)
"#;

const SITE: &str = "\
global
    log stdout format raw local0
    nbthread 1
    tune.lua.session-timeout 20s
    tune.lua.burst-timeout 20s
    lua-load site/script.lua total limits total 50ms
    lua-load site/script.lua burst limits slice 1ms burst 50ms total 0
    lua-load-per-thread site/script.lua small limits memory 4m
    lua-load site/script.lua free
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend www
    bind 127.0.0.1:8080
    RULES
    http-request return status 200 content-type text/plain lf-string %[var(txn.told)]
";

#[test]
fn a_script_has_those_of_its_line_and_the_others_the_usual_ones() -> Result<()> {
    let names = ["total", "burst", "small", "free"];
    let actions = ["busy", "native", "large"];
    let rules: String = actions
        .iter()
        .flat_map(|action| {
            names.map(|name| format!("http-request lua.{action}-{name} if {{ path /{action}-{name} }}\n    "))
        })
        .collect();
    let config = SITE.replace("RULES", &rules);
    let site = Site::start("lua-limits", &[("site.cfg", &config), ("script.lua", SCRIPT)])?;
    let told = |path: &str| -> Result<String> {
        let answer = site.get(&format!("/{path}"))?;
        Ok(answer.split_once("\r\n\r\n").ok_or("no body")?.1.to_owned())
    };
    for (path, wanted, logged) in [
        (
            "busy-total",
            "",
            "Lua function 'busy-total': [state-id 0] execution timeout: ran 50 ms",
        ),
        // What yields, as slices make it do, begins another burst.
        ("busy-burst", "done", ""),
        (
            "native-burst",
            "",
            "Lua function 'native-burst': [state-id 0] burst timeout: ran 50 ms",
        ),
        (
            "large-small",
            "",
            "Lua function 'large-small': [state-id 1] out of memory",
        ),
        ("busy-free", "done", ""),
        ("large-free", "6291456", ""),
        ("busy-small", "done", ""),
    ] {
        assert_eq!(told(path)?, wanted, "{path}");
        site.logged(logged)?;
    }
    Ok(())
}
