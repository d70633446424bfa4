//! Backends of `mode log`: where each line goes.

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use support::Result;
use support::runtime::Runtime;
use support::site::rest;
use support::syslog::{PATIENCE, Syslog};

/// A program whose runtime API is on a socket, whose requests are logged to backend `lines`, which has these lines.
fn program(name: &str, backend: &str) -> Result<Runtime> {
    let rest = format!(
        "frontend web\n    mode http\n    bind 127.0.0.1:8081\n    timeout client 15s\n    option http-ignore-probes\n    \
         log backend@lines format raw local0\n    log-format \"GET %HP\"\n    http-request return status 200\n\
         backend lines\n    mode log\n{backend}"
    );
    Runtime::start(name, "level admin", "    nbthread 1\n", &rest)
}

/// Asks the frontend whose requests are logged.
fn get(program: &Runtime, path: &str) -> Result<String> {
    let mut stream = program.site.connect(1)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )?;
    rest(stream)
}

fn servers(of: &[&Syslog]) -> Result<String> {
    let mut lines = String::new();
    for (at, syslog) in of.iter().enumerate() {
        lines += &format!("    server s{} {}\n", at + 1, syslog.target()?);
    }
    Ok(lines)
}

#[test]
fn lines_go_by_a_hash_of_what_is_in_them() -> Result<()> {
    let (even, odd) = (Syslog::new()?, Syslog::new()?);
    let backend = format!(
        "    balance log-hash field(2,/)\n    hash-type map-based none\n{}",
        servers(&[&even, &odd])?
    );
    let program = program("log-hash", &backend)?;
    for path in ["/0", "/1", "/3", "/2"] {
        let _ = get(&program, path)?;
    }
    // A line may be written once the client has left.
    let two = |syslog: &Syslog| -> Result<BTreeSet<String>> { Ok([syslog.line()?, syslog.line()?].into()) };
    assert_eq!(two(&even)?, BTreeSet::from(["GET /0".into(), "GET /2".into()]));
    assert_eq!(two(&odd)?, BTreeSet::from(["GET /1".into(), "GET /3".into()]));
    Ok(())
}

#[test]
fn a_sticky_backend_changes_only_when_it_must() -> Result<()> {
    let all = [Syslog::new()?, Syslog::new()?, Syslog::new()?];
    let backup = Syslog::new()?;
    let backend = format!(
        "    balance sticky\n{}    server s4 {} backup\n",
        servers(&all.iter().collect::<Vec<_>>())?,
        backup.target()?
    );
    let program = program("log-sticky", &backend)?;
    let goes_to = |path: &str, syslog: &Syslog| -> Result<()> {
        let _ = get(&program, path)?;
        assert_eq!(syslog.line()?, format!("GET {path}"));
        Ok(())
    };
    let [one, two, three] = &all;
    goes_to("/a", one)?;
    program.ask("disable server lines/s1\n")?;
    goes_to("/b", two)?;
    // The one that comes back goes to the end of the list.
    program.ask("disable server lines/s2; enable server lines/s1\n")?;
    goes_to("/c", three)?;
    program.ask("disable server lines/s1; disable server lines/s3\n")?;
    goes_to("/d", &backup)?;
    program.ask("enable server lines/s3; enable server lines/s2\n")?;
    goes_to("/e", three)?;
    // An address that changes counts at once.
    let new = Syslog::new()?;
    let port = new.0.local_addr()?.port();
    program.ask(&format!(
        "set server lines/s3 addr ::ffff:127.0.0.1 port {port}\n"
    ))?;
    goes_to("/f", &new)
}

#[test]
fn turns_streams_and_what_nobody_takes() -> Result<()> {
    let datagrams = Syslog::new()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let backend = format!(
        "    balance roundrobin\n    server s1 {}\n    server s2 ipv4@localhost:{port} log-proto octet-count log-bufsize 4k\n",
        datagrams.target()?
    );
    let program = program("log-turns", &backend)?;
    for path in ["/1", "/22", "/3", "/44"] {
        let _ = get(&program, path)?;
    }
    assert_eq!(
        (datagrams.line()?, datagrams.line()?),
        ("GET /1".into(), "GET /3".into())
    );
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut got = [0; 18];
    stream.read_exact(&mut got)?;
    assert_eq!(&got, b"7 GET /227 GET /44");
    // Without a server a line is dropped, and counted.
    program.ask("disable server lines/s1; disable server lines/s2\n")?;
    let before = dropped(&program)?;
    let _ = get(&program, "/gone")?;
    let start = std::time::Instant::now();
    while dropped(&program)? == before {
        assert!(start.elapsed() < PATIENCE, "no dropped line was counted");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn dropped(program: &Runtime) -> Result<u64> {
    let info = program.ask("show info\n")?;
    let line = info.lines().find_map(|line| line.strip_prefix("DroppedLogs: "));
    Ok(line.ok_or("no `DroppedLogs`")?.parse()?)
}
