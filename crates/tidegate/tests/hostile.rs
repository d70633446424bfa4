//! What hostile scripts may not do to a running program: end it, freeze it, hang a client, or reach another session.

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

use support::Result;
use support::program::binary;
use support::site::Site;

const SITE: &str = "\
global
    nbthread 1
    lua-load site/site.lua
    tune.lua.session-timeout 100ms
    tune.lua.service-timeout 100ms
    tune.lua.burst-timeout 100ms
    tune.lua.maxmem 32
    GLOBAL
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend www
    bind 127.0.0.1:8080
    RULES
    http-request return status 200 content-type text/plain string served
";

fn site(name: &str, global: &str, rules: &str, script: &str) -> Result<Site> {
    let config = SITE.replace("GLOBAL", global).replace("RULES", rules);
    Site::start(name, &[("site.cfg", &config), ("site.lua", script)])
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn a_site_may_close_on_all_failed_actions() -> Result<()> {
    let script = r#"core.register_action("spin", {"http-req"}, function(txn) while true do end end)"#;
    let deny = "tune.lua.action-failure deny";
    let site = site("deny", deny, "http-request lua.spin if { path /spin }", script)?;
    assert!(site.get("/spin")?.starts_with("HTTP/1.1 403"));
    assert!(site.get("/")?.ends_with("served"));
    Ok(())
}

#[test]
fn a_service_that_never_ends_answers_500_or_is_cut_off() -> Result<()> {
    let script = r#"
core.register_service("early", "http", function(applet) while true do end end)
core.register_service("late", "http", function(applet)
    applet:set_status(200)
    applet:start_response()
    applet:send("begun")
    while true do end
end)
"#;
    let rules = "http-request use-service lua.early if { path /early }\n    \
                 http-request use-service lua.late if { path /late }";
    let site = site("service", "", rules, script)?;
    assert!(site.get("/early")?.starts_with("HTTP/1.1 500"));
    let late = site.get("/late")?;
    assert!(!late.ends_with("0\r\n\r\n"), "the body has an end: {late}");
    site.logged("execution timeout")?;
    assert!(site.get("/")?.ends_with("served"));
    Ok(())
}

#[test]
fn a_converter_that_never_ends_gives_no_sample() -> Result<()> {
    let script = r#"core.register_converters("spin", function(value) while true do end end)"#;
    let rules = "http-request return status 200 content-type text/plain lf-string <%[path,lua.spin]> if { path /spin }";
    let site = site("converter", "", rules, script)?;
    let answer = site.get("/spin")?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(body(&answer), "<>", "{answer}");
    site.logged("execution timeout")
}

#[test]
fn tasks_that_never_end_or_breed_leave_others_served() -> Result<()> {
    let script = r#"
core.register_task(function() while true do end end)
core.register_task(function()
    local function breed() core.register_task(breed) core.register_task(breed) end
    breed()
end)
"#;
    let site = site("tasks", "", "", script)?;
    for _ in 0..10 {
        assert!(site.get("/")?.ends_with("served"));
    }
    Ok(())
}

#[test]
fn tasks_are_refused_once_there_are_too_many() -> Result<()> {
    let script = r#"
core.register_task(function()
    local function breed()
        for _ = 1, 2 do
            local ok, why = pcall(core.register_task, breed)
            if not ok then core.Alert("refused: " .. tostring(why)) break end
        end
        core.msleep(1000000)
    end
    breed()
end)
"#;
    let site = site("breed", "", "", script)?;
    site.logged("refused: register_task: 10000 tasks are running, which is the limit")?;
    assert!(site.get("/")?.ends_with("served"));
    Ok(())
}

#[test]
fn a_sleep_without_end_ends_with_its_client() -> Result<()> {
    let script = r#"
core.register_action("sleep", {"http-req"}, function(txn)
    local guard <close> = setmetatable({}, { __close = function() core.Alert("let go") end })
    core.Alert("asleep")
    while true do core.msleep(1000000) end
end)
"#;
    let site = site("sleep", "", "http-request lua.sleep if { path /sleep }", script)?;
    let mut stream = site.connect(0)?;
    write!(stream, "GET /sleep HTTP/1.1\r\nhost: x\r\n\r\n")?;
    site.logged("asleep")?;
    drop(stream);
    site.logged("let go")?;
    assert!(site.get("/")?.ends_with("served"));
    Ok(())
}

#[test]
fn what_a_script_may_not_do_is_an_error_that_it_sees() -> Result<()> {
    let script = r#"
local CASES = {
    rep = function() return string.rep("x", 512 * 1024 * 1024) end,
    popen = function() return io.popen("true") end,
    exit = function() os.exit(0) end,
    bytecode = function() return assert(load(string.dump(function() end))) end,
    hook = function() debug.sethook() end,
    registry = function() return debug.getregistry() end,
    nothing = function() return load("return 1")() end,
}
core.register_service("try", "http", function(applet)
    local ok, why = pcall(CASES[applet.path:sub(2)])
    local answer = tostring(ok) .. " " .. tostring(why)
    applet:set_status(200)
    applet:add_header("content-length", #answer)
    applet:start_response()
    applet:send(answer)
end)
"#;
    let site = site(
        "refused",
        "",
        "http-request use-service lua.try if !{ path / }",
        script,
    )?;
    assert_eq!(body(&site.get("/nothing")?), "true 1");
    for case in ["rep", "popen", "exit", "bytecode", "hook", "registry"] {
        let answer = site.get(&format!("/{case}"))?;
        // The memory limit may end the script itself rather than be an error that it catches.
        let ended = case == "rep" && answer.starts_with("HTTP/1.1 500");
        assert!(ended || body(&answer).starts_with("false "), "{case}: {answer}");
        assert!(site.get("/")?.ends_with("served"), "{case}");
    }
    Ok(())
}

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
fn what_a_session_left_behind_is_of_no_use_to_a_task_or_to_another() -> Result<()> {
    let script = r#"
local kept
core.register_service("keep", "http", function(applet)
    kept = applet
    applet:set_status(200)
    applet:start_response()
end)
core.register_service("use", "http", function(applet)
    kept:send("into another session")
end)
core.register_task(function()
    while kept == nil do core.msleep(10) end
    core.msleep(50)
    local ok, why = pcall(kept.get_var, kept, "txn.x")
    core.Alert("the task was told: " .. (tostring(why):match("no longer usable") or "nothing like it: " .. tostring(why)))
end)
"#;
    let rules = "http-request use-service lua.keep if { path /keep }\n    \
                 http-request use-service lua.use if { path /use }";
    let site = site("kept", "", rules, script)?;
    assert!(site.get("/keep")?.starts_with("HTTP/1.1 200"));
    let used = site.get("/use")?;
    assert!(
        used.starts_with("HTTP/1.1 500") && !used.contains("into another"),
        "{used}"
    );
    site.logged("the task was told: no longer usable")
}

#[test]
fn a_file_that_blocks_leaves_others_served() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("tidegate-fifo-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let fifo = directory.join("fifo");
    if !Command::new("mkfifo").arg(&fifo).status()?.success() {
        return Err("mkfifo failed".into());
    }
    let script = format!(
        "core.register_action('block', {{'http-req'}}, function(txn) core.Alert('opening') io.open('{}') end)",
        fifo.display()
    );
    let site = site("fifo", "", "http-request lua.block if { path /block }", &script)?;
    let mut blocked = site.connect(0)?;
    write!(blocked, "GET /block HTTP/1.1\r\nhost: x\r\n\r\n")?;
    site.logged("opening")?;
    let served = site.get("/");
    // Let go of whatever still waits for the other end, also when the test fails.
    drop(std::fs::OpenOptions::new().read(true).write(true).open(&fifo)?);
    std::fs::remove_dir_all(&directory)?;
    assert!(served?.ends_with("served"));
    Ok(())
}

/// The exit status and the errors of the program, run with these flags on a script that never lets it start.
fn refused(name: &str, flags: &[&str], script: &str) -> Result<(Option<i32>, String)> {
    let root = std::env::temp_dir().join(format!("tidegate-load-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    std::fs::write(root.join("site.lua"), script)?;
    let lines = SITE
        .replace("GLOBAL", "tune.lua.load-timeout 100ms")
        .replace("RULES", "")
        .replace("site/site.lua", "site.lua");
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    std::fs::write(root.join("site.cfg"), lines.replace("8080", &free.to_string()))?;
    let output = Command::new(binary())
        .args(flags)
        .args(["-f", "site.cfg"])
        .current_dir(&root)
        .output()?;
    std::fs::remove_dir_all(&root)?;
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[test]
fn os_exit_at_load_is_a_fault_of_the_script() -> Result<()> {
    for (name, flag) in [("exit-c", "-c"), ("exit-db", "-db")] {
        let (status, output) = refused(name, &[flag], "os.exit(0)")?;
        assert_eq!(status, Some(1), "{flag}: {output}");
        assert!(
            output.contains("os.exit") && output.contains("site.lua"),
            "{flag}: {output}"
        );
    }
    Ok(())
}

#[test]
fn an_endless_loop_before_anyone_is_served_is_bounded() -> Result<()> {
    for (name, script) in [
        ("load", "\nwhile true do end"),
        (
            "coroutine",
            "\ncoroutine.wrap(function() while true do end end)()",
        ),
        ("init", "\ncore.register_init(function() while true do end end)"),
        (
            "init-coroutine",
            "core.register_init(function()\ncoroutine.wrap(function() while true do end end)() end)",
        ),
        ("pcall", "\nwhile true do pcall(error) end"),
    ] {
        let (status, output) = refused(&format!("loop-{name}"), &["-db"], script)?;
        assert_eq!(status, Some(1), "{name}: {output}");
        assert!(
            output.contains("site.lua:2") && output.contains("timeout"),
            "{name}: {output}"
        );
    }
    // A check loads the scripts and leaves the init functions alone.
    let (status, output) = refused("loop-check", &["-c"], "\nwhile true do end")?;
    assert_eq!(status, Some(1), "{output}");
    assert!(output.contains("site.lua:2"), "{output}");
    Ok(())
}
