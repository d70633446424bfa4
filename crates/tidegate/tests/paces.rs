//! How often connections and sessions may come.

mod support;

use std::time::{Duration, Instant};

use support::Result;
use support::runtime::Runtime;

/// The time that so many requests take, each on a connection of its own.
fn time_of(program: &Runtime, listener: usize, requests: u32) -> Result<Duration> {
    use std::io::Write;
    let start = Instant::now();
    for _ in 0..requests {
        let mut stream = program.site.connect(listener)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let answer = support::site::rest(stream)?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    Ok(start.elapsed())
}

/// Ten in a second, and ten more as those fade: others have to wait.
const LEAST: Duration = Duration::from_millis(1000);

#[test]
fn a_frontend_lets_so_many_in_per_second() -> Result<()> {
    let rest = "frontend slow\n    bind 127.0.0.1:8081\n    rate-limit sessions 10\n    http-request return status 200\n";
    let program = Runtime::start("rate-limit", "level admin", "", rest)?;
    let time = time_of(&program, 1, 30)?;
    assert!(time > LEAST, "{time:?}");
    Ok(())
}

#[test]
fn the_process_has_limits_that_can_be_changed() -> Result<()> {
    let global = "    maxconnrate 10\n    maxsessrate 2000\n    maxsslrate 30\n    maxsslconn 7\n";
    let program = Runtime::start("maxconnrate", "level admin", global, "")?;
    let time = time_of(&program, 0, 30)?;
    assert!(time > LEAST, "{time:?}");
    let info = program.ask("show info\n")?;
    for line in [
        "ConnRateLimit: 10",
        "SessRateLimit: 2000",
        "SslRateLimit: 30",
        "MaxSslConns: 7",
    ] {
        assert!(info.lines().any(|known| known == line), "{line}: {info}");
    }
    program.ask("set rate-limit connections global 0\n")?;
    program.ask("set rate-limit sessions global 10\n")?;
    let info = program.ask("show info\n")?;
    assert!(
        info.contains("ConnRateLimit: 0\n") && info.contains("SessRateLimit: 10\n"),
        "{info}"
    );
    let time = time_of(&program, 0, 30)?;
    assert!(time > LEAST, "{time:?}");
    Ok(())
}
