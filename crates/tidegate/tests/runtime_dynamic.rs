//! Servers that come and go over the runtime API while requests are served.

mod support;

use std::io::{BufReader, Write};
use std::net::SocketAddr;

use support::Result;
use support::origin::{head, named, origin, server};
use support::runtime::Runtime;

/// A site whose second listener goes to the backend `app`.
fn start(name: &str, lines: &str, rest: &str) -> Result<Runtime> {
    let rest = format!(
        "frontend front\n    bind 127.0.0.1:8081\n    default_backend app\nbackend app\n{lines}\n{rest}"
    );
    Runtime::start(name, "level admin", "", &rest)
}

#[test]
fn servers_come_and_go() -> Result<()> {
    for balance in ["roundrobin", "leastconn", "random"] {
        let lines = format!("    balance {balance}\n    server a {}", server(named("a")?));
        let runtime = start(&format!("dynamic-{balance}"), &lines, "")?;
        let b = named("b")?;
        assert_eq!(
            runtime.ask(&format!("add server app/b {b} weight 1\n"))?,
            "New server registered.\n\n"
        );
        assert_eq!(runtime.used()?, "a", "it begins out of service");
        assert_eq!(
            runtime.ask(&format!("add server app/b {b}\n"))?,
            "Already exists a server with the same name in backend.\n\n"
        );
        assert_eq!(runtime.ask("enable server app/b\n")?, "\n");
        assert_eq!(runtime.used()?, "a b");
        assert_eq!(
            runtime.ask("del server app/b\n")?,
            "Only servers in maintenance mode can be deleted.\n\n"
        );
        assert_eq!(runtime.ask("disable server app/b\n")?, "\n");
        assert_eq!(
            runtime.ask("wait 10s srv-removable app/b;del server app/b\n")?,
            "Done.\n\nServer deleted.\n\n"
        );
        assert_eq!(runtime.used()?, "a");
        assert_eq!(runtime.ask("del server app/b\n")?, "No such server.\n\n");
        assert_eq!(
            runtime.ask("wait 1s srv-removable app/b\n")?,
            "No such server.\n\n"
        );
    }
    Ok(())
}

#[test]
fn the_only_server_of_a_backend_may_come_later() -> Result<()> {
    let runtime = start("dynamic-first", "    balance random", "")?;
    let answer = runtime.body()?;
    assert!(answer.contains("503"), "{answer}");
    let a = named("a")?;
    runtime.ask(&format!("add server app/a {a};enable server app/a\n"))?;
    assert_eq!(runtime.used()?, "a");
    let states = runtime.ask("show servers state app\n")?;
    assert!(states.contains(" app 1 a 127.0.0.1 2 0 1 1 "), "{states}");
    let stat = runtime.ask("show stat app 4 -1\n")?;
    assert!(stat.lines().any(|line| line.starts_with("app,a,")), "{stat}");
    Ok(())
}

#[test]
fn what_is_wrong_with_a_new_server_is_told() -> Result<()> {
    let lines = "    balance random\n    server a 127.0.0.1:9 check\n    server plain 127.0.0.1:9 id 7";
    let rest = "backend fixed\n    balance static-rr\nbackend stream\n    mode tcp\n    balance random\n";
    let runtime = start("dynamic-wrong", lines, rest)?;
    for (words, answer) in [
        ("foo/s 127.0.0.1:9", "No such backend."),
        ("app", "Require 'backend/server'."),
        ("app/", "Require 'backend/server'."),
        (
            "app/s",
            "'server' expects <name> and <addr>[:<port>] as arguments.",
        ),
        (
            "fixed/s 127.0.0.1:9",
            "backend 'fixed' uses a non dynamic load balancing method.",
        ),
        (
            "stream/s 127.0.0.1:9 proto h2",
            "MUX protocol is not usable for server.",
        ),
        (
            "app/s 127.0.0.1:9 track app/plain",
            "unable to use app/plain for tracking as it does not have any check nor agent enabled.",
        ),
        (
            "app/s 127.0.0.1:9 track app/nope",
            "unable to find required server 'app/nope' for tracking.",
        ),
        (
            "app/s 127.0.0.1:9 track nope/a",
            "unable to find required proxy 'nope' for tracking.",
        ),
        (
            "app/s 127.0.0.1:9 id 7",
            "Already exists a server with the same id in backend.",
        ),
        (
            "app/s 127.0.0.1:9 wieght 5",
            "unknown keyword `wieght` after `server`; did you mean `weight`?",
        ),
        (
            "app/s@ 127.0.0.1:9",
            "`@` is not permitted in a name; a name has letters, digits, `-`, `_`, `.` and `:`.",
        ),
        (
            "app/s name.invalid:9 resolvers default",
            "Names of servers that come while the process runs are not resolved.",
        ),
    ] {
        let said = runtime.ask(&format!("add server {words}\n"))?;
        assert_eq!(said, format!("{answer}\n\n"), "{words}");
    }
    assert_eq!(
        runtime.ask("add server app/t 127.0.0.1:9 track app/a;add server app/u 127.0.0.1:9 track app/t\n")?,
        "New server registered.\n\nunable to use app/t for tracking as it is a dynamic server.\n\n"
    );
    Ok(())
}

#[test]
fn servers_that_the_configuration_names_stay() -> Result<()> {
    let lines = "    use-server c unless { always_false }\n    server a 127.0.0.1:9\n    server b 127.0.0.1:9 check\n    \
                 server t 127.0.0.1:9 track b\n    server c 127.0.0.1:9\n    server free 127.0.0.1:9";
    let rest = "frontend more\n    bind 127.0.0.1:8082\n    acl full srv_sess_rate(app/a) gt 50\n    \
                http-request deny if full\n    default_backend app\n";
    let runtime = start("dynamic-named", lines, rest)?;
    for name in ["a", "b", "c"] {
        assert_eq!(
            runtime.ask(&format!("disable server app/{name};del server app/{name}\n"))?,
            "\nThis server cannot be removed at runtime due to other configuration elements pointing to it.\n\n",
            "{name}"
        );
    }
    assert_eq!(
        runtime.ask("disable server app/free;del server app/free\n")?,
        "\nServer deleted.\n\n"
    );
    // The one that tracks leaves the other free to go.
    assert_eq!(
        runtime.ask("disable server app/t;del server app/t;del server app/b\n")?,
        "\nServer deleted.\n\nServer deleted.\n\n"
    );
    Ok(())
}

#[test]
fn a_server_with_a_request_is_waited_for() -> Result<()> {
    let (told, tell) = std::sync::mpsc::channel::<()>();
    let tell = std::sync::Mutex::new(tell);
    let slow = origin(move |mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        let _ = tell.lock().map(|tell| tell.recv());
        Ok(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow")?)
    })?;
    let runtime = start("dynamic-busy", "    balance random", "")?;
    runtime.ask(&format!("add server app/s {slow};enable server app/s\n"))?;
    let mut waiting = runtime.site.connect(1)?;
    waiting.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    runtime.until("show servers conn app\n", " 1 1 1 1 ")?;
    assert_eq!(
        runtime.ask("disable server app/s;del server app/s;wait 10 srv-removable app/s\n")?,
        "\nServer still has connections attached to it, cannot remove it.\n\nWait delay expired.\n\n"
    );
    told.send(())?;
    assert!(support::site::rest(waiting)?.ends_with("slow"));
    assert_eq!(
        runtime.ask("wait 10s srv-removable app/s;del server app/s\n")?,
        "Done.\n\nServer deleted.\n\n"
    );
    Ok(())
}

#[test]
fn settings_begin_with_what_from_names() -> Result<()> {
    let lines = "    default-server weight 10\n    server one 127.0.0.1:9\n    server two 127.0.0.1:9 from none\n    \
                 default-server name light weight 5 maxconn 3\n    server three 127.0.0.1:9 from srv:light\n    \
                 server four 127.0.0.1:9 from srv:one weight 7";
    let rest = "backend other\n    default-server weight 20\n    default-server from none\n    \
                server one 127.0.0.1:9 from be:app\n    server two 127.0.0.1:9 from srv:app/light\n    server three 127.0.0.1:9\n";
    let runtime = start("dynamic-from", lines, rest)?;
    let weight = |name: &str| runtime.ask(&format!("get weight {name}\n"));
    for (name, weighs) in [
        ("app/one", 10),
        ("app/two", 1),
        ("app/three", 5),
        ("app/four", 7),
        ("other/one", 10),
        ("other/two", 5),
        ("other/three", 1),
    ] {
        assert_eq!(
            weight(name)?,
            format!("{weighs} (initial {weighs})\n\n"),
            "{name}"
        );
    }
    for (name, words, weighs) in [
        ("app/d1", "", 1),
        ("app/d2", "from be:", 10),
        ("app/d3", "from srv:light", 5),
        ("other/d4", "from srv:app/four maxconn 2", 7),
    ] {
        runtime.ask(&format!("add server {name} 127.0.0.1:9 {words}\n"))?;
        assert_eq!(
            weight(name)?,
            format!("{weighs} (initial {weighs})\n\n"),
            "{name}"
        );
    }
    assert_eq!(runtime.ask("show default-server\n")?, "* app\n  app/light\n\n");
    Ok(())
}

#[test]
fn a_server_gets_another_name() -> Result<()> {
    let lines = format!(
        "    server a {}\n    server b 127.0.0.1:9 disabled\n    use-server kept if {{ always_false }}\n    server kept 127.0.0.1:9 disabled",
        server(named("a")?)
    );
    let runtime = start("rename", &lines, "")?;
    for (words, answer) in [
        ("a name", "set server <b>/<s> name requires a new name."),
        ("a name x", "Server must be in maintenance mode to be renamed."),
        ("b name x/y", "Server name contains invalid characters."),
        (
            "b name a",
            "A server with the same name already exists in the backend.",
        ),
        (
            "kept name x",
            "Server is statically referenced by name in the configuration.",
        ),
        ("b name b", "Server name updated."),
    ] {
        let said = runtime.ask(&format!("set server app/{words}\n"))?;
        assert_eq!(said, format!("{answer}\n\n"), "{words}");
    }
    assert_eq!(
        runtime.ask("disable server app/a;set server app/a name blue;set server app/a state ready;enable server app/blue\n")?,
        "\nServer name updated.\n\nNo such server.\n\n\n"
    );
    assert_eq!(runtime.used()?, "a");
    let states = runtime.ask("show servers state app\n")?;
    assert!(states.contains(" app 1 blue 127.0.0.1 2 0 "), "{states}");
    Ok(())
}

#[test]
fn checks_and_agents_go_elsewhere() -> Result<()> {
    let (well, told) = std::sync::mpsc::channel::<SocketAddr>();
    let well = std::sync::Mutex::new(well);
    let checked = origin(move |stream| {
        let _ = well
            .lock()
            .map(|well| well.send(stream.local_addr().unwrap_or_else(|_| ([0, 0, 0, 0], 0).into())));
        Ok(())
    })?;
    let lines = format!(
        "    server a 127.0.0.1:9 check inter 20 fall 1\n    server b {}",
        server(named("b")?)
    );
    let runtime = start("elsewhere", &lines, "")?;
    runtime.until("show servers state app\n", " app 1 a 127.0.0.1 0 0 ")?;
    assert_eq!(
        runtime.ask(&format!(
            "set server app/a check-addr 127.0.0.1 port {}\n",
            checked.port()
        ))?,
        "\n"
    );
    assert_eq!(told.recv_timeout(support::runtime::PATIENCE)?, checked);
    runtime.until("show servers state app\n", " app 1 a 127.0.0.1 2 0 ")?;
    let states = runtime.ask("show servers state app\n")?;
    let line = states
        .lines()
        .find(|line| line.contains(" a "))
        .ok_or("no server")?;
    assert!(
        line.ends_with(&format!(" - 0 {} 127.0.0.1 - 0", checked.port())),
        "{line}"
    );
    for (words, answer) in [
        (
            "b check-addr 127.0.0.1",
            "health checks are not enabled on this server",
        ),
        ("a check-addr x", "invalid addr 'x'"),
        ("a check-port x", "provided port is not an integer"),
        ("a check-port 70000", "provided port is invalid"),
        ("a agent-port 7", "agent checks are not enabled on this server"),
        (
            "a fqdn x",
            "set server <b>/<s> fqdn failed because no resolution is configured.",
        ),
        (
            "a ssl on",
            "'set server <srv> ssl' cannot be set.  default-server should define ssl settings",
        ),
    ] {
        let said = runtime.ask(&format!("set server app/{words}\n"))?;
        assert_eq!(said, format!("{answer}\n\n"), "{words}");
    }
    Ok(())
}

#[test]
fn tls_is_turned_on_and_off() -> Result<()> {
    let lines = format!(
        "    default-server ssl verify none\n    server a {} no-ssl",
        server(named("a")?)
    );
    let runtime = start("ssl", &lines, "")?;
    let column = || -> Result<String> {
        let states = runtime.ask("show servers state app\n")?;
        let line = states
            .lines()
            .find(|line| line.contains(" a "))
            .ok_or("no server")?;
        Ok(line.split(' ').nth(20).unwrap_or_default().to_owned())
    };
    assert_eq!(column()?, "-1");
    assert_eq!(runtime.used()?, "a");
    assert_eq!(
        runtime.ask("set server app/a ssl on\n")?,
        "server ssl setting updated.\n\n"
    );
    assert_eq!(column()?, "1");
    let answer = runtime.body()?;
    assert!(answer.contains("503"), "the origin speaks no TLS: {answer}");
    runtime.ask("set server app/a ssl off\n")?;
    assert_eq!(column()?, "0");
    assert_eq!(runtime.used()?, "a");
    Ok(())
}
