//! The runtime API's commands about servers and figures.

mod support;

use std::io::Write;
use std::net::SocketAddr;

use support::Result;
use support::origin::{named, server};
use support::runtime::Runtime;

/// A site whose second listener goes to the servers `a` and `b` of the backend `app`.
fn start(name: &str, a: SocketAddr, b: SocketAddr) -> Result<Runtime> {
    let rest = format!(
        "frontend front\n    bind 127.0.0.1:8081\n    default_backend app\n\
         backend app\n    id 30\n    server a {}\n    server b {} weight 10 id 7\n",
        server(a),
        server(b)
    );
    Runtime::start(name, "level admin", "", &rest)
}

#[test]
fn weights_and_states_change_where_requests_go() -> Result<()> {
    let runtime = start("servers", named("a")?, named("b")?)?;
    assert_eq!(runtime.ask("show backend\n")?, "# name\nsite\napp\n\n");
    assert_eq!(
        runtime.ask("get weight app/b;get weight #30/#7\n")?,
        "10 (initial 10)\n\n10 (initial 10)\n\n"
    );
    assert_eq!(runtime.ask("set weight app/b 0\n")?, "\n");
    assert_eq!(runtime.used()?, "a");
    assert_eq!(
        runtime.ask("set server app/b weight 50%;get weight app/b\n")?,
        "\n5 (initial 10)\n\n"
    );
    assert_eq!(runtime.ask("disable server app/a\n")?, "\n");
    assert_eq!(runtime.used()?, "b");
    assert_eq!(
        runtime.ask("enable server app/a;set server app/b state drain\n")?,
        "\n\n"
    );
    assert_eq!(runtime.used()?, "a");
    assert_eq!(
        runtime.ask("set server app/b state ready;set server app/a health down\n")?,
        "\n\n"
    );
    assert_eq!(runtime.used()?, "b");
    assert_eq!(runtime.ask("set server app/b state maint\n")?, "\n");
    assert!(runtime.body()?.contains("503"), "nobody serves");
    Ok(())
}

/// `slowstart`: who comes back takes little at first, and all of its weight later.
#[test]
fn a_server_that_comes_back_takes_its_time() -> Result<()> {
    let rest = format!(
        "frontend front\n    bind 127.0.0.1:8081\n    default_backend app\n\
         backend app\n    balance roundrobin\n    server a {} weight 100 slowstart 600s\n    server b {} weight 100\n",
        server(named("a")?),
        server(named("b")?)
    );
    let runtime = Runtime::start("slowstart", "level admin", "", &rest)?;
    let share = || -> Result<usize> {
        let bodies: Vec<String> = (0..60).map(|_| runtime.body()).collect::<Result<_>>()?;
        Ok(bodies.iter().filter(|body| *body == "a").count())
    };
    assert_eq!(share()?, 30);
    runtime.ask("set server app/a state maint\n")?;
    assert_eq!(share()?, 0);
    runtime.ask("set server app/a state ready\n")?;
    assert!(share()? < 10);
    assert!(runtime.ask("get weight app/a\n")?.starts_with("100 "));
    Ok(())
}

#[test]
fn the_state_of_servers_is_shown() -> Result<()> {
    let (a, b) = (named("a")?, named("b")?);
    let runtime = start("state", a, b)?;
    runtime.ask("set server app/a state maint;set weight app/b 3\n")?;
    let shown = runtime.ask("show servers state app\n")?;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "1");
    assert!(lines[1].starts_with("# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state "));
    let columns = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let without_age = |line: &str| {
        let mut columns = columns(line);
        columns.remove(9);
        columns.join(" ")
    };
    assert_eq!(columns(lines[1]).len() - 1, columns(lines[2]).len());
    assert_eq!(
        without_age(lines[2]),
        format!(
            "30 app 1 a 127.0.0.1 0 1 1 1 1 0 0 0 0 1 0 localhost {} - 0 0 - - 0",
            a.port()
        )
    );
    assert_eq!(
        without_age(lines[3]),
        format!(
            "30 app 7 b 127.0.0.1 2 0 3 10 1 0 2 0 0 1 1 localhost {} - 0 0 - - 0",
            b.port()
        )
    );
    runtime.body()?;
    let conn = runtime.ask("show servers conn app\n")?;
    let lines: Vec<&str> = conn.lines().collect();
    assert!(lines[0].ends_with(" idle_lim idle_cur idle_per_thr[2]"), "{conn}");
    let b = columns(lines[2]);
    assert_eq!(b[..6], ["app/b", "30/7", "127.0.0.1", &b[3], "-", "5000"]);
    assert_eq!(
        b.len(),
        columns(lines[0]).len() - 1 + 1,
        "one more column for the second thread"
    );
    Ok(())
}

#[test]
fn a_server_moves() -> Result<()> {
    let (a, b) = (named("a")?, named("b")?);
    let runtime = start("moves", a, a)?;
    assert_eq!(runtime.used()?, "a");
    let moved = format!(
        "set server app/a addr 127.0.0.1 port {port};set server app/b addr 127.0.0.1 port {port}\n",
        port = b.port()
    );
    let said = format!(
        "no need to change the addr, port changed from '{}' to '{}' by 'stats socket command'\n\n",
        a.port(),
        b.port()
    );
    assert_eq!(runtime.ask(&moved)?, said.repeat(2));
    assert_eq!(runtime.used()?, "b");
    Ok(())
}

#[test]
fn what_is_wrong_with_servers_is_told() -> Result<()> {
    let runtime = start("wrong-server", named("a")?, named("b")?)?;
    for (line, wanted) in [
        ("get weight", "Require 'backend/server'."),
        ("get weight app", "Require 'backend/server'."),
        ("get weight nope/a", "No such backend."),
        ("get weight app/nope", "No such server."),
        (
            "set weight app/a 257",
            "Absolute weight can only be between 0 and 256 inclusive.",
        ),
        ("set weight app/a -5%", "Relative weight must be positive."),
        (
            "set weight app/a much",
            "Empty weight string empty or preceded by garbage",
        ),
        (
            "set server app/a state off",
            "'set server <srv> state' expects 'ready', 'drain' and 'maint'.",
        ),
        (
            "set server app/a colour red",
            "usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | agent-send | check-addr | check-port | fqdn | \
             health | name | ssl | state | weight",
        ),
        (
            "set server app/a fqdn x.example",
            "set server <b>/<s> fqdn failed because no resolution is configured.",
        ),
        (
            "set server app/a addr nowhere",
            "Invalid addr 'nowhere' by 'stats socket command'",
        ),
        (
            "set server app/a addr ::1 port 0",
            "`0` is no port that a server can have.",
        ),
        ("show servers state nope", "No such backend."),
        (
            "set maxconn server app/a few",
            "maxconn string empty or preceded by garbage",
        ),
    ] {
        assert_eq!(
            runtime.ask(&format!("{line}\n"))?,
            format!("{wanted}\n\n"),
            "{line}"
        );
    }
    assert_eq!(
        runtime.ask("user;set weight app/a 3\n")?,
        "\nPermission denied\n\n"
    );
    Ok(())
}

/// A value of a table in CSV.
fn csv(table: &str, proxy: &str, server: &str, column: &str) -> Result<String> {
    let mut lines = table.lines();
    let header = lines
        .next()
        .and_then(|line| line.strip_prefix("# "))
        .ok_or("no header")?;
    let at = header
        .split(',')
        .position(|name| name == column)
        .ok_or("no such column")?;
    let row = lines
        .find(|line| line.starts_with(&format!("{proxy},{server},")))
        .ok_or("no such row")?;
    Ok(row.split(',').nth(at).unwrap_or_default().to_owned())
}

#[test]
fn listeners_are_counted_where_that_is_asked_for() -> Result<()> {
    let rest = "frontend front\n    bind 127.0.0.1:8081 name one\n    bind 127.0.0.1:8082 maxconn 5\n    option socket-stats\n\
                    http-request deny if { path /denied }\n    http-request return status 200\n\
                frontend plain\n    bind 127.0.0.1:8083\n";
    let runtime = Runtime::start("socket-stats", "level admin", "", rest)?;
    let denied = b"GET /denied HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut stream = runtime.site.connect(1)?;
    let address = stream.peer_addr()?;
    stream.write_all(denied)?;
    support::site::rest(stream)?;
    let table = runtime.until("show stat\n", "front,one,,,0,")?;
    let of = |server: &str, column: &str| csv(&table, "front", server, column);
    assert_eq!(
        (of("one", "dreq")?, of("sock-2", "dreq")?),
        ("1".into(), "0".into())
    );
    assert_eq!(
        (of("one", "bin")?, of("sock-2", "bin")?),
        (denied.len().to_string(), "0".into())
    );
    assert_eq!(
        (of("one", "slim")?, of("sock-2", "slim")?),
        ("0".into(), "5".into())
    );
    assert_eq!(
        (of("one", "type")?, of("one", "hrsp_4xx")?),
        ("3".into(), String::new())
    );
    assert_eq!(of("one", "addr")?, address.to_string());
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("front,") || line.starts_with("plain,"))
        .collect();
    let names: Vec<_> = rows.iter().filter_map(|row| row.split(',').nth(1)).collect();
    assert_eq!(names, ["FRONTEND", "one", "sock-2", "FRONTEND"]);
    Ok(())
}

#[test]
fn figures_count_what_was_served() -> Result<()> {
    let runtime = start("stat", named("a")?, named("b")?)?;
    runtime.ask("disable server app/a\n")?;
    for _ in 0..3 {
        assert_eq!(runtime.body()?, "b");
    }
    // The last bytes of a client are counted when its connection has ended.
    let table = runtime.until("show stat\n", "front,FRONTEND,,,0,")?;
    let of = |proxy: &str, server: &str, column: &str| csv(&table, proxy, server, column);
    assert_eq!(of("front", "FRONTEND", "hrsp_2xx")?, "3");
    assert_eq!(of("front", "FRONTEND", "req_tot")?, "3");
    assert_eq!(of("front", "FRONTEND", "iid")?, "3", "the first number is 2");
    assert_eq!(of("front", "FRONTEND", "status")?, "OPEN");
    assert_eq!(of("app", "b", "hrsp_2xx")?, "3");
    assert_eq!(
        (of("app", "b", "stot")?, of("app", "a", "stot")?),
        ("3".into(), "0".into())
    );
    assert_eq!(
        (of("app", "a", "status")?, of("app", "b", "status")?),
        ("MAINT".into(), "no check".into())
    );
    assert_eq!(
        (of("app", "BACKEND", "status")?, of("app", "BACKEND", "act")?),
        ("UP".into(), "1".into())
    );
    assert_eq!(
        (of("app", "BACKEND", "weight")?, of("app", "BACKEND", "algo")?),
        ("10".into(), "random".into())
    );
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".len();
    assert_eq!(of("front", "FRONTEND", "bin")?, (3 * request).to_string());
    let answer = of("front", "FRONTEND", "bout")?.parse::<usize>()?;
    assert!(answer > 3 * 20 && answer < 3 * 200, "{answer}");
    assert!(
        of("app", "b", "bin")?.parse::<usize>()? > 3 * 20
            && of("app", "b", "bout")?.parse::<usize>()? > 3 * 20
    );

    let one = runtime.ask("show stat app 4 7\n")?;
    assert_eq!(one.lines().count(), 3, "header, server, empty line: {one}");
    assert_eq!(
        runtime
            .ask("show stat 30 2 -1\n")?
            .lines()
            .nth(1)
            .map(|line| &line[..12]),
        Some("app,BACKEND,")
    );
    let up = runtime.ask("show stat app -1 -1 up\n")?;
    assert!(!up.contains("app,a,") && up.contains("app,b,"), "{up}");
    assert_eq!(runtime.ask("show stat nope -1 -1\n")?, "No such proxy.\n\n");
    let typed = runtime.ask("show stat app 4 7 typed\n")?;
    assert!(typed.contains("S.30.7.40.hrsp_2xx.1:MCPV:u64:3\n"), "{typed}");
    assert!(
        typed.contains("S.30.7.17.status.1:SGPV:str:no check\n"),
        "{typed}"
    );
    let json = runtime.ask("show stat app 4 7 json\n")?;
    let wanted = "{\"objType\":\"Server\",\"proxyId\":30,\"id\":7,\"field\":{\"pos\":40,\"name\":\"hrsp_2xx\"},\"processNum\":1,";
    assert!(json.starts_with("[[{") && json.contains(wanted), "{json}");

    assert_eq!(
        runtime.ask("clear counters server app/b\n")?,
        "Server counters cleared.\n\n"
    );
    let table = runtime.ask("show stat\n")?;
    assert_eq!(
        (
            csv(&table, "app", "b", "stot")?,
            csv(&table, "app", "BACKEND", "stot")?
        ),
        ("0".into(), "3".into())
    );
    runtime.ask("clear counters all\n")?;
    let table = runtime.ask("show stat\n")?;
    assert_eq!(
        (
            csv(&table, "app", "BACKEND", "hrsp_2xx")?,
            csv(&table, "front", "FRONTEND", "bin")?
        ),
        ("0".into(), "0".into())
    );
    Ok(())
}

#[test]
fn cookies_of_addresses_come_and_go() -> Result<()> {
    let rest = format!(
        "frontend front\n    bind 127.0.0.1:8081\n    default_backend app\n\
         backend app\n    cookie S insert\n    server a {}\n",
        server(named("a")?)
    );
    let runtime = Runtime::start("dynamic-cookies", "level admin", "", &rest)?;
    let cookie = || -> Result<String> {
        let mut stream = runtime.site.connect(1)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let answer = support::site::rest(stream)?;
        let line = answer
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: S="));
        Ok(line
            .and_then(|line| line.split(';').next())
            .unwrap_or("-")
            .to_owned())
    };
    assert_eq!(cookie()?, "");
    // Without a key there is nothing to make them of.
    assert_eq!(runtime.ask("enable dynamic-cookie backend app\n")?, "\n");
    assert_eq!(cookie()?, "");
    assert_eq!(runtime.ask("set dynamic-cookie-key backend app secret\n")?, "\n");
    let first = cookie()?;
    assert_eq!(first.len(), 16, "{first}");
    assert_eq!(runtime.ask("set dynamic-cookie-key backend app other\n")?, "\n");
    let second = cookie()?;
    assert!(second.len() == 16 && second != first, "{second}");
    assert_eq!(runtime.ask("disable dynamic-cookie backend app\n")?, "\n");
    assert_eq!(cookie()?, "");
    let wrong = "enable dynamic-cookie backend no;set dynamic-cookie-key backend app;disable dynamic-cookie backend\n";
    assert_eq!(
        runtime.ask(wrong)?,
        "No such backend.\n\nString value expected.\n\nA backend name is expected.\n\n"
    );
    Ok(())
}

#[test]
fn who_tracks_another_is_what_that_one_is() -> Result<()> {
    let rest = "backend app\n    server a 127.0.0.1:1\n    server b 127.0.0.1:1 track app/a\n    server c 127.0.0.1:1 track app/b\n";
    let runtime = Runtime::start("tracking", "level admin", "", rest)?;
    assert_eq!(
        runtime.ask("set server app/c health down\n")?,
        "cannot change health on a tracking server.\n\n"
    );
    assert_eq!(runtime.ask("set server app/a state maint\n")?, "\n");
    let table = runtime.ask("show stat\n")?;
    let status = |server: &str| csv(&table, "app", server, "status");
    assert_eq!(
        [status("a")?, status("b")?, status("c")?],
        ["MAINT", "MAINT (via app/a)", "MAINT (via app/b)"]
    );
    Ok(())
}
