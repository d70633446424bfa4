//! TCP in the running program: rules on content, actions that wait, services, and what passes through.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;

use support::Result;
use support::origin::{origin, server};
use support::site::{Site, rest};

const SCRIPT: &str = r#"
core.register_action("first", {"tcp-req"}, function(txn)
    -- Waits for data, and then for some time, before it says which way to go.
    local line = txn.req:line()
    while line == nil or not line:find("\n", 1, true) do
        core.yield()
        line = txn.req:line()
    end
    core.msleep(20)
    txn:set_var("txn.first", (line:gsub("%s+$", "")))
end)
core.register_action("fail", {"tcp-req"}, function(txn) error("on purpose") end)
core.register_service("upper", "tcp", function(applet)
    applet:send("hello\n")
    while true do
        local line = applet:getline()
        if line == "" then break end
        applet:send(line:upper())
        core.yield()
    end
    applet:send("bye\n")
end)
core.register_service("fail", "tcp", function(applet)
    applet:send("part")
    error("on purpose")
end)
"#;

/// Longer than anybody reads here: rules that wait for no reason fail their test.
const DELAY: &str = "60s";

fn site(name: &str, rules: &str) -> Result<Site> {
    let origin = origin(|stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 {
            write!(to, "origin {line}")?;
            line.clear();
        }
        Ok(())
    })?;
    let config = format!(
        "global\n    nbthread 1\n    lua-load site/site.lua\n\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         listen site\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay {DELAY}\n    {rules}\n    server o {}\n",
        server(origin)
    );
    Site::start(name, &[("site.cfg", &config), ("site.lua", SCRIPT)])
}

/// What comes back for these bytes and the end of them.
fn talk(site: &Site, sent: &str) -> Result<String> {
    let mut stream = site.connect(0)?;
    stream.write_all(sent.as_bytes())?;
    // Who has been refused by then has nothing left to end.
    let _ = stream.shutdown(Shutdown::Write);
    rest(stream)
}

#[test]
fn content_is_accepted_or_rejected_once_it_is_there() -> Result<()> {
    let site = site(
        "tcp-accept",
        "tcp-request content accept if { req.payload(0,4) -m str GOOD }\n    \
         tcp-request content reject if { req.payload(0,3) -m str BAD }\n    \
         tcp-request content reject",
    )?;
    // What is rejected is so while its client keeps its side open.
    let mut bad = site.connect(0)?;
    bad.write_all(b"BAD one\n")?;
    assert_eq!(rest(bad)?, "");
    let mut good = site.connect(0)?;
    good.write_all(b"GO")?;
    good.write_all(b"OD one\n")?;
    let mut line = String::new();
    BufReader::new(good).read_line(&mut line)?;
    assert_eq!(line, "origin GOOD one\n");
    Ok(())
}

#[test]
fn what_is_captured_or_tracked_of_content_is_waited_for() -> Result<()> {
    let site = site(
        "tcp-awaited",
        "stick-table type string len 8 size 10 store conn_cnt\n    \
         tcp-request content capture req.payload(0,4) len 4\n    \
         tcp-request content reject unless { capture.req.hdr(0) -m str GOOD }\n    \
         tcp-request content track-sc0 req.payload(4,4)\n    \
         tcp-request content reject unless { sc0_conn_cnt eq 1 }",
    )?;
    let mut stream = site.connect(0)?;
    for piece in ["GO", "OD o", "ne\n"] {
        // Each rule is looked at before all of its bytes are there.
        std::thread::sleep(std::time::Duration::from_millis(50));
        stream.write_all(piece.as_bytes())?;
    }
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    assert_eq!(line, "origin GOOD one\n");
    // What never comes is not waited for any longer than it may come.
    assert_eq!(talk(&site, "GOOD\n")?, "");
    Ok(())
}

#[test]
fn an_action_waits_for_content_and_decides_by_it() -> Result<()> {
    let site = site(
        "tcp-action",
        "tcp-request content lua.first\n    \
         tcp-request content reject if { var(txn.first) -m str BAD }\n    \
         tcp-request content use-service lua.upper if { var(txn.first) -m str UPPER }",
    )?;
    // In two pieces: the action has to wait for the second.
    let mut stream = site.connect(0)?;
    stream.write_all(b"go")?;
    std::thread::sleep(std::time::Duration::from_millis(50));
    stream.write_all(b"od\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"origin good\n");
    assert_eq!(talk(&site, "BAD\n")?, "");
    assert_eq!(talk(&site, "UPPER\nto all\n")?, "hello\nUPPER\nTO ALL\nbye\n");
    Ok(())
}

#[test]
fn an_action_that_fails_lets_the_connection_go_on_or_not() -> Result<()> {
    let goes_on = site("tcp-open", "tcp-request content lua.fail")?;
    assert_eq!(talk(&goes_on, "one\n")?, "origin one\n");
    goes_on.logged("on purpose")?;
    let closes = site("tcp-closed", "tcp-request content lua.fail on-error deny")?;
    assert_eq!(talk(&closes, "one\n")?, "");
    closes.logged("on purpose")
}

#[test]
fn a_service_talks_with_its_client_until_one_of_them_ends() -> Result<()> {
    let site = site("tcp-service", "tcp-request content use-service lua.upper")?;
    let mut to = site.connect(0)?;
    let mut from = BufReader::new(to.try_clone()?);
    let mut line = String::new();
    from.read_line(&mut line)?;
    assert_eq!(line, "hello\n");
    for word in ["one", "two"] {
        writeln!(to, "{word}")?;
        line.clear();
        from.read_line(&mut line)?;
        assert_eq!(line, format!("{}\n", word.to_uppercase()));
    }
    to.shutdown(Shutdown::Write)?;
    line.clear();
    from.read_to_string(&mut line)?;
    assert_eq!(line, "bye\n");
    Ok(())
}

#[test]
fn a_service_that_fails_ends_its_connection() -> Result<()> {
    let site = site("tcp-service-fails", "tcp-request content use-service lua.fail")?;
    let answer = talk(&site, "one\n")?;
    assert!("part".starts_with(&answer), "{answer}");
    site.logged("on purpose")
}
