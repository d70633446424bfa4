//! The runtime API's commands about sessions and stick tables.

mod support;

use std::io::{Read, Write};

use support::Result;
use support::origin::{origin, server};
use support::runtime::Runtime;

#[test]
fn sessions_are_listed_and_ended() -> Result<()> {
    // It takes requests and answers none.
    let silent = origin(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
        Ok(())
    })?;
    let rest = format!(
        "frontend front\n    bind 127.0.0.1:8081\n    default_backend app\nbackend app\n    server s {}\n    server other {}\n",
        server(silent),
        server(silent)
    );
    let runtime = Runtime::start("sess", "level admin", "", &rest)?;
    runtime.ask("disable server app/other\n")?;
    let begin = || -> Result<_> {
        let mut stream = runtime.site.connect(1)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
        Ok(stream)
    };
    let first = begin()?;
    let listed = runtime.until("show sess\n", " fe=front be=app srv=s age=")?;
    let line = listed
        .lines()
        .find(|line| line.contains("fe=front"))
        .ok_or("not listed")?;
    assert!(
        line.contains(&format!("proto=tcpv4 src={} ", first.local_addr()?)),
        "{line}"
    );
    let id = line.split(':').next().ok_or("no id")?;
    assert_eq!(runtime.ask(&format!("show sess {id}\n"))?.lines().count(), 2);
    for (options, is_listed) in [
        ("all", true),
        ("frontend front", true),
        ("backend app server app/s older 0", true),
        ("all backend site", false),
        ("frontend site", false),
        ("server app/other", false),
        ("older 1h", false),
    ] {
        let listed = runtime.ask(&format!("show sess {options}\n"))?;
        assert_eq!(
            listed.contains(&format!("{id}: ")),
            is_listed,
            "{options}: {listed}"
        );
    }
    for (options, why) in [
        ("backend", "`backend` needs a value: see `show sess help`."),
        ("backend nope", "No such backend."),
        ("older soon", "`soon` is no time."),
        ("susp", "`susp` is not supported."),
    ] {
        assert_eq!(
            runtime.ask(&format!("show sess {options}\n"))?,
            format!("{why}\n\n")
        );
    }
    assert!(runtime.ask("show sess help\n")?.starts_with("usage: show sess "));
    assert_eq!(runtime.ask(&format!("shutdown session {id}\n"))?, "\n");
    let answer = support::site::rest(first)?;
    assert!(
        answer.starts_with("HTTP/1.1 502 "),
        "the connection is over: {answer}"
    );
    let gone = "No such session (use 'show sess').\n\n";
    runtime.until(&format!("shutdown session {id}\n"), gone)?;
    assert_eq!(runtime.ask(&format!("show sess {id}\n"))?, gone);

    let second = begin()?;
    runtime.until("show sess\n", " fe=front be=app srv=s age=")?;
    assert_eq!(runtime.ask("shutdown sessions server app/other\n")?, "\n");
    assert!(
        runtime.ask("show sess\n")?.contains(" srv=s "),
        "that was another server"
    );
    assert_eq!(runtime.ask("shutdown sessions server app/s\n")?, "\n");
    assert!(support::site::rest(second)?.starts_with("HTTP/1.1 502 "));
    for (line, wanted) in [
        ("shutdown session", "Session pointer expected (use 'show sess')."),
        (
            "shutdown session 12",
            "Session pointer expected (use 'show sess').",
        ),
        (
            "show sess nonsense",
            "`nonsense` is neither a session, as `show sess` lists them, nor what `show sess help` tells of.",
        ),
        ("shutdown sessions server app/nope", "No such server."),
    ] {
        assert_eq!(
            runtime.ask(&format!("{line}\n"))?,
            format!("{wanted}\n\n"),
            "{line}"
        );
    }
    assert_eq!(runtime.ask("user;show sess\n")?, "\nPermission denied\n\n");
    Ok(())
}

#[test]
fn whoever_waits_on_a_stream_is_told_that_its_session_is_ended() -> Result<()> {
    let silent = origin(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
        Ok(())
    })?;
    let rest = format!(
        "frontend front\n    bind 127.0.0.1:8081\n    default_backend app\nbackend app\n    server s {}\n",
        server(silent)
    );
    let runtime = Runtime::start("sess2", "level admin", "", &rest)?;
    let mut client = runtime.site.connect(1)?;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")?;
    // Two requests: static entries of the table, and the authority `h`.
    for stream in [1, 3] {
        let head = [0, 0, 6, 1, 5, 0, 0, 0, stream, 0x82, 0x86, 0x84, 0x41, 1, b'h'];
        client.write_all(&head)?;
    }
    let listed = runtime.until("show sess\n", " fe=front be=app srv=s age=")?;
    let id = listed.lines().find(|line| line.contains("fe=front"));
    let id = id.and_then(|line| line.split(':').next()).ok_or("not listed")?;
    assert_eq!(runtime.ask(&format!("shutdown session {id}\n"))?, "\n");
    let mut all = Vec::new();
    client.read_to_end(&mut all)?;
    let told = |what: &[u8]| all.windows(what.len()).filter(|part| *part == what).count();
    assert_eq!(told(b"<title>502 Bad Gateway"), 2, "{}", all.escape_ascii());
    // And that nothing more is served: GOAWAY, after stream 3, without an error.
    assert_eq!(
        told(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x03\0\0\0\0"),
        1,
        "{}",
        all.escape_ascii()
    );
    Ok(())
}

#[test]
fn tables_are_shown_set_and_cleared() -> Result<()> {
    let rest = "frontend front\n    bind 127.0.0.1:8081\n    http-request track-sc0 path table counts\n    \
                http-request return status 200 content-type text/plain lf-string %[sc0_http_req_cnt(counts)]\n\
                backend counts\n    stick-table type string len 32 size 100 expire 1h store http_req_cnt,gpc0\n";
    let runtime = Runtime::start("tables", "level admin", "", rest)?;
    let ask = |path: &str| -> Result<String> {
        let mut stream = runtime.site.connect(1)?;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())?;
        let answer = support::site::rest(stream)?;
        Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())
    };
    assert_eq!(
        (ask("/a")?, ask("/a")?, ask("/b")?),
        ("1".into(), "2".into(), "1".into())
    );
    assert_eq!(
        runtime.ask("show table\n")?,
        "# table: counts, type: string, size:100, used:2\n\n"
    );
    let shown = runtime.ask("show table counts key /a\n")?;
    let mut lines = shown.lines();
    assert_eq!(
        lines.next(),
        Some("# table: counts, type: string, size:100, used:2")
    );
    let line = lines.next().ok_or("no entry")?;
    assert!(
        line.contains(": key=/a use=") && line.ends_with(" gpc0=0 http_req_cnt=2"),
        "{line}"
    );
    let filtered = runtime.ask("show table counts data.http_req_cnt lt 2\n")?;
    assert!(
        filtered.contains("key=/b") && !filtered.contains("key=/a"),
        "{filtered}"
    );
    assert_eq!(
        runtime.ask("set table counts key /a data.http_req_cnt 41\n")?,
        "\n"
    );
    assert_eq!(ask("/a")?, "42");
    runtime.until("show table counts\n", "key=/a use=0 ")?;
    assert_eq!(runtime.ask("clear table counts key /a\n")?, "\n");
    assert_eq!(ask("/a")?, "1");
    assert_eq!(runtime.ask("show table counts key /nobody\n")?, "\n");
    assert_eq!(runtime.ask("show table nope\n")?, "No such table: `nope`.\n\n");
    assert_eq!(
        runtime.ask("user;clear table counts\n")?,
        "\nPermission denied\n\n"
    );
    Ok(())
}
