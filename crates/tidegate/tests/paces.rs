//! How often connections and sessions may come.

mod support;

use support::Result;
use support::runtime::Runtime;

/// So many requests one after the other, each on a connection of its own: all are served.
fn requests(program: &Runtime, listener: usize, count: u32) -> Result<()> {
    use std::io::Write;
    for _ in 0..count {
        let mut stream = program.site.connect(listener)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let answer = support::site::rest(stream)?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    Ok(())
}

/// Ten in a second, by one thread, and what the bounds of seconds blur: without a limit it would be all of them.
const MOST: u32 = 12;
const REQUESTS: u32 = 30;

/// A figure of `show info`.
fn figure(program: &Runtime, name: &str) -> Result<u32> {
    let shown = program.ask("show info\n")?;
    let mut values = shown
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Ok(values.next().ok_or(name)?.parse()?)
}

#[test]
fn a_frontend_lets_so_many_in_per_second() -> Result<()> {
    let rest = "frontend slow\n    bind 127.0.0.1:8081\n    rate-limit sessions 10\n    http-request return status 200\n";
    let program = Runtime::start("rate-limit", "level admin", "    nbthread 1\n", rest)?;
    requests(&program, 1, REQUESTS)?;
    let shown = program.ask("show stat slow 1 -1\n")?;
    let mut lines = shown.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let (names, values) = (lines.next().ok_or("no names")?, lines.next().ok_or("no values")?);
    let place = names
        .iter()
        .position(|name| *name == "rate_max")
        .ok_or("no rate_max")?;
    let most: u32 = values[place].parse()?;
    assert!((1..=MOST).contains(&most), "{most}");
    Ok(())
}

#[test]
fn the_process_has_limits_that_can_be_changed() -> Result<()> {
    let global =
        "    nbthread 1\n    maxconnrate 10\n    maxsessrate 2000\n    maxsslrate 30\n    maxsslconn 7\n";
    let program = Runtime::start("maxconnrate", "level admin", global, "")?;
    requests(&program, 0, REQUESTS)?;
    let most = figure(&program, "MaxConnRate")?;
    assert!((1..=MOST).contains(&most), "{most}");
    let shown = program.ask("show info\n")?;
    for line in [
        "ConnRateLimit: 10",
        "SessRateLimit: 2000",
        "SslRateLimit: 30",
        "MaxSslConns: 7",
    ] {
        assert!(shown.lines().any(|known| known == line), "{line}: {shown}");
    }
    program.ask("set rate-limit connections global 0\n")?;
    program.ask("set rate-limit sessions global 10\n")?;
    let shown = program.ask("show info\n")?;
    assert!(
        shown.contains("ConnRateLimit: 0\n") && shown.contains("SessRateLimit: 10\n"),
        "{shown}"
    );
    requests(&program, 0, REQUESTS)?;
    let most = figure(&program, "MaxSessRate")?;
    assert!((1..=MOST).contains(&most), "{most}");
    Ok(())
}
