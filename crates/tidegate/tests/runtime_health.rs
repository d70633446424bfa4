//! What operators say of servers' health over the runtime API, what agents say, and what the log and the figures make of it. The answers,
//! figures and lines are those of HAProxy 2.6.

mod support;

use std::io::{BufReader, Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use support::Result;
use support::origin::{head, named, origin, server};
use support::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(20);

/// A checked server `a` that `b` tracks, `c` with an agent that says `up`, and one alone in a backend.
fn start(name: &str) -> Result<Runtime> {
    let agent = origin(|mut stream| Ok(stream.write_all(b"up\n")?))?;
    let to = server(named("a")?);
    let rest = format!(
        "backend app\n    log stdout format raw local0\n    server a {to} check inter 60s\n    server b {to} track app/a\n    \
         server c {to} check inter 60s agent-check agent-port {} agent-inter 60s\n\
         backend lone\n    log stdout format raw local0\n    balance static-rr\n    server x {to} weight 5\n",
        agent.port()
    );
    let runtime = Runtime::start(name, "level admin", "    max-spread-checks 1ms\n", &rest)?;
    // All of them have been checked and asked once.
    for (server, column, wanted) in [
        ("app/a", "check_status", "L4OK"),
        ("app/c", "check_status", "L4OK"),
        ("app/c", "agent_status", "L7OK"),
    ] {
        while figure(&runtime, "", server, column)? != wanted {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(runtime)
}

/// A column of `show stat`, right behind a command.
fn figure(runtime: &Runtime, command: &str, server: &str, column: &str) -> Result<String> {
    Ok(figures(runtime, command, server, &[column])?.remove(0))
}

/// The same of several.
fn figures(runtime: &Runtime, command: &str, server: &str, columns: &[&str]) -> Result<Vec<String>> {
    let shown = runtime.ask(&format!("{command};show stat -1 4 -1\n"))?;
    let from = shown.find("# pxname").ok_or("no figures")?;
    let mut rows = shown.get(from..).unwrap_or_default().lines();
    let names: Vec<&str> = rows
        .next()
        .ok_or("no names")?
        .trim_start_matches("# ")
        .split(',')
        .collect();
    let begins = format!("{},", server.replace('/', ","));
    let row = rows.find(|row| row.starts_with(&begins)).ok_or("no row")?;
    let values: Vec<&str> = row.split(',').collect();
    columns
        .iter()
        .map(|column| {
            let at = names
                .iter()
                .position(|name| name == column)
                .ok_or("no such column")?;
            Ok(values.get(at).ok_or("a short row")?.to_string())
        })
        .collect()
}

/// A check that is on its way is told of by a mark at what the last one found.
#[test]
fn a_check_on_its_way_is_marked() -> Result<()> {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let to = server(origin(move |mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        gone.lock().map_err(|_| "poisoned")?.recv_timeout(PATIENCE)?;
        Ok(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?)
    })?);
    let rest = format!(
        "backend app\n    option httpchk GET /check\n    timeout check 20s\n    server a {to} check inter 20s fastinter 1ms rise 1 fall 1\n"
    );
    let runtime = Runtime::start("health-under-way", "level admin", "", &rest)?;
    let is = |wanted: &str| -> Result<()> {
        while figure(&runtime, "", "app/a", "check_status")? != wanted {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    is("* INI")?;
    go.send(())?;
    is("L7OK")
}

#[test]
fn what_an_operator_says_holds_at_once_and_is_told_of() -> Result<()> {
    let runtime = start("health-word")?;
    let told = ["status", "chkdown", "check_health"];
    let site = &runtime.site;
    let left = "0 sessions active, 0 requeued, 0 remaining in queue.";
    let online = "0 sessions requeued, 0 total in queue.";
    assert_eq!(figures(&runtime, "", "app/a", &told)?, ["UP", "0", "4"]);
    assert_eq!(
        figures(&runtime, "set server app/a health down", "app/a", &told)?,
        ["DOWN", "1", "0"]
    );
    // Who tracks it is counted after it.
    site.logged(&format!(
        "Server app/a is DOWN, changed from CLI. 2 active and 0 backup servers left. {left}"
    ))?;
    site.logged(&format!(
        "Server app/b is DOWN via app/a. 1 active and 0 backup servers left. {left}"
    ))?;
    assert_eq!(
        figures(&runtime, "set server app/a health up", "app/a", &told)?,
        ["UP", "1", "4"]
    );
    site.logged(&format!(
        "Server app/a is UP, changed from CLI. 2 active and 0 backup servers online. {online}"
    ))?;
    assert_eq!(
        figures(&runtime, "set server app/a health stopping", "app/a", &told)?,
        ["NOLB", "1", "4"]
    );
    Ok(())
}

#[test]
fn the_word_of_an_agent_is_its_own() -> Result<()> {
    let runtime = start("health-agent")?;
    let told = ["status", "chkdown", "check_health", "agent_health"];
    assert_eq!(
        figures(&runtime, "set server app/c agent down", "app/c", &told)?,
        ["DOWN (agent)", "1", "4", "0"]
    );
    runtime
        .site
        .logged("Server app/c is DOWN, changed from CLI. 2 active and 0 backup servers left.")?;
    assert_eq!(
        figures(&runtime, "set server app/c agent up", "app/c", &told)?,
        ["UP", "1", "4", "1"]
    );
    let status = |command: &str| figures(&runtime, command, "app/c", &["status"]);
    assert_eq!(status("set server app/c state drain")?, ["DRAIN (agent)"]);
    assert_eq!(status("disable agent app/c")?, ["DRAIN"]);
    Ok(())
}

#[test]
fn maintenance_counts_as_down_and_nothing_is_told_of_within_it() -> Result<()> {
    let runtime = start("health-maintenance")?;
    runtime.ask("set server app/a state drain\n")?;
    let told = ["status", "chkdown", "check_rise", "check_fall"];
    assert_eq!(
        figures(&runtime, "set server app/a state maint", "app/a", &told)?,
        ["MAINT", "1", "", ""]
    );
    let state = runtime.ask("show servers state app\n")?;
    assert!(state.contains(" 0 1 1 1 "), "no drain is left: {state}");
    runtime.ask("set server app/a health down;set server app/a health up;set server app/a state ready\n")?;
    runtime
        .site
        .logged("Server app/a is UP/READY (leaving forced maintenance).")?;
    let output = runtime.site.output();
    assert!(
        !output.contains("changed from CLI") && !output.contains("is DOWN via"),
        "{output}"
    );
    assert_eq!(
        figures(&runtime, "disable health app/a", "app/a", &told)?,
        ["no check", "", "", ""]
    );
    Ok(())
}

#[test]
fn what_can_not_be_is_answered() -> Result<()> {
    let runtime = start("health-answers")?;
    for (command, answer) in [
        ("disable health lone/x", "\n"),
        (
            "enable health lone/x",
            "Health check was not configured on this server, cannot enable.\n\n",
        ),
        ("disable agent app/a", "\n"),
        (
            "enable agent app/a",
            "Agent was not configured on this server, cannot enable.\n\n",
        ),
        (
            "set server lone/x weight 3",
            "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.\n\n",
        ),
        ("set server lone/x weight 0", "\n"),
    ] {
        assert_eq!(runtime.ask(&format!("{command}\n"))?, answer, "{command}");
    }
    runtime.site.logged("backend lone has no server available!")
}

/// Whoever sees the end of its connection may look what became of the answer.
#[test]
fn what_an_agent_says_is_so_before_its_connection_is_closed() -> Result<()> {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let agent = origin(move |mut stream| {
        stream.write_all(b"75%,maxconn:30,maint,down\n")?;
        let mut rest = Vec::new();
        // It is reset, or ended.
        let _ = stream.read_to_end(&mut rest);
        Ok(tell.lock().map_err(|_| "poisoned")?.send(())?)
    })?;
    let rest = format!(
        "backend app\n    log stdout format raw local0\n    option log-health-checks\n    \
         server c {} weight 100 agent-check agent-port {} agent-inter 60s\n",
        server(named("c")?),
        agent.port()
    );
    let runtime = Runtime::start("health-order", "level admin", "", &rest)?;
    told.recv_timeout(PATIENCE)?;
    let state = runtime.ask("show servers state app\n")?;
    assert!(state.contains(" 0 1 75 100 "), "{state}");
    assert_eq!(figure(&runtime, "", "app/c", "slim")?, "30");
    Ok(())
}
