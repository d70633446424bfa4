//! Scripts that fail while the program serves: what their client gets, what is logged, and that nobody else notices.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use support::Result;
use support::program::Program;

const SCRIPT: &str = r#"
local kept
core.register_action("fail", {"http-req"}, function(txn) error("broken on purpose") end)
core.register_action("spin", {"http-req"}, function(txn) while true do end end)
core.register_action("spin_inside", {"http-req"}, function(txn)
    coroutine.wrap(function() while true do end end)()
end)
core.register_action("yield_for_ever", {"http-req"}, function(txn) while true do core.yield() end end)
core.register_action("recurse", {"http-req"}, function(txn)
    local function f(n) return 1 + f(n + 1) end
    f(1)
end)
core.register_action("eat", {"http-req"}, function(txn) local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end end)
core.register_action("match", {"http-req"}, function(txn) string.find(("a"):rep(100), ("a*"):rep(30) .. "b") end)
core.register_action("table_error", {"http-req"}, function(txn)
    error(setmetatable({}, { __tostring = function() return "an error with a face" end }))
end)
core.register_action("exit", {"http-req"}, function(txn) os.exit(1) end)
core.register_action("fork", {"http-req"}, function(txn) os.execute("true") end)
core.register_action("hook", {"http-req"}, function(txn) debug.sethook() end)
core.register_action("split", {"http-req"}, function(txn) txn.http:req_set_header("x-a", "1\r\nx-b: 2") end)
core.register_action("keep", {"http-req"}, function(txn) kept = txn end)
core.register_action("use_kept", {"http-req"}, function(txn) kept.http:req_get_headers() end)
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

const ACTIONS: [&str; 14] = [
    "fail",
    "spin",
    "spin_inside",
    "yield_for_ever",
    "recurse",
    "eat",
    "match",
    "table_error",
    "exit",
    "fork",
    "hook",
    "split",
    "keep",
    "use_kept",
];

/// A program with the site above, and where it listens.
struct Site {
    program: Program,
    address: SocketAddr,
    root: PathBuf,
}

impl Site {
    fn start(name: &str) -> Result<Site> {
        let root = std::env::temp_dir().join(format!("tidegate-failures-{name}-{}", std::process::id()));
        std::fs::create_dir_all(root.join("site"))?;
        let actions: String = ACTIONS
            .iter()
            .map(|name| format!("    http-request lua.{name} if {{ path /{name} }}\n"))
            .collect();
        std::fs::write(root.join("site/site.cfg"), SITE.replace("ACTIONS\n", &actions))?;
        std::fs::write(root.join("site/site.lua"), SCRIPT)?;
        let mut program = Program::start(&root, "site", "site.cfg")?;
        let config = std::fs::read_to_string(program.directory().join("site.cfg"))?;
        let bind = config
            .lines()
            .find_map(|line| line.trim().strip_prefix("bind "))
            .ok_or("no bind")?;
        let address = bind.parse()?;
        program.wait_for(address)?;
        Ok(Site {
            program,
            address,
            root,
        })
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(stream)
    }

    /// One request on a connection of its own; everything until the end.
    fn get(&self, path: &str) -> Result<String> {
        let mut stream = self.connect()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        // A connection that is cut off may end in an error: what came before it counts.
        let _ = stream.read_to_end(&mut answer);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn logged(&self, wanted: &str) -> Result<()> {
        let found = self.program.wait_for_output(|output| output.contains(wanted));
        found.map_err(|output| format!("`{wanted}` was not logged:\n{output}").into())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What is left over is the temporary directory's to lose.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

#[test]
fn an_action_that_fails_is_logged_and_the_request_goes_on() -> Result<()> {
    let site = Site::start("actions")?;
    for (name, message) in [
        ("fail", "broken on purpose"),
        ("spin", "execution timeout"),
        ("spin_inside", "execution timeout"),
        ("yield_for_ever", "execution timeout"),
        ("recurse", "site.lua"),
        ("eat", "out of memory"),
        ("match", "timeout"),
        ("table_error", "an error with a face"),
        ("exit", "os.exit is not available"),
        ("fork", "insecure-fork-wanted"),
        ("hook", "debug.sethook is not available"),
        ("split", "req_set_header"),
    ] {
        let answer = site.get(&format!("/{name}"))?;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("served"),
            "{name}: {answer}"
        );
        site.logged(&format!("Lua function '{name}'"))
            .map_err(|e| format!("{name}: {e}"))?;
        site.logged(message).map_err(|e| format!("{name}: {e}"))?;
    }
    site.logged("stack traceback:")?;
    Ok(())
}

#[test]
fn an_action_that_guards_may_fail_closed() -> Result<()> {
    let site = Site::start("closed")?;
    assert!(site.get("/closed")?.starts_with("HTTP/1.1 403"));
    Ok(())
}

#[test]
fn a_service_that_fails_answers_500_before_and_is_cut_off_after_its_response_began() -> Result<()> {
    let site = Site::start("services")?;
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
    let site = Site::start("fetch")?;
    assert!(site.get("/fetch")?.ends_with("served"));
    site.logged("execution timeout")
}

#[test]
fn an_object_that_was_kept_never_reaches_another_session() -> Result<()> {
    let site = Site::start("kept")?;
    assert!(site.get("/keep")?.ends_with("served"));
    assert!(site.get("/use_kept")?.ends_with("served"));
    site.logged("no longer usable")
}

#[test]
fn the_next_request_on_the_same_connection_works() -> Result<()> {
    let site = Site::start("next")?;
    let mut stream = site.connect()?;
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

#[test]
fn others_are_served_while_a_script_runs_away() -> Result<()> {
    let site = Site::start("runaway")?;
    // More time than all the others need together: were they made to wait, the first would be over before them.
    let mut runaways = Vec::new();
    for _ in 0..4 {
        let mut stream = site.connect()?;
        write!(
            stream,
            "GET /spin HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )?;
        runaways.push(stream);
    }
    for _ in 0..30 {
        assert!(site.get("/")?.ends_with("served"));
    }
    for mut stream in runaways {
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        assert!(answer.ends_with("served"), "{answer}");
    }
    Ok(())
}
