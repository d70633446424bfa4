//! Scripts that never end: everything else goes on, and they are ended.

use std::io::Write;
use std::process::Command;

use crate::support::Result;
use crate::{body, site};

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
