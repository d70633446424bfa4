//! The load: `wrk` where it speaks what is asked, and a check of one request before it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::cases::{Over, Way};
use crate::Result;

const PATIENCE: Duration = Duration::from_secs(10);

/// What the load saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answered {
    /// Requests that were answered.
    pub(crate) requests: u64,
    /// The time to an answer, of the middle request and of the slowest in a hundred.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Requests on each connection of HTTP/2 that are in progress at a time.
const STREAMS: u32 = 8;

/// Loads `address` for `seconds` from one core, and says how many requests were answered. Any failed one is an error.
pub(crate) fn requests(
    address: SocketAddr,
    core: usize,
    connections: u32,
    seconds: u32,
    way: Way,
) -> Result<u64> {
    match way.over {
        Over::Http1 | Over::Tls => Ok(wrk(address, core, connections, seconds, way)?.requests),
        Over::Http2 => http2(address, core, connections, seconds),
        Over::ResumedTls => resuming(address, core, seconds),
    }
}

/// A load of HTTP/2, which is this program itself.
fn http2(address: SocketAddr, core: usize, connections: u32, seconds: u32) -> Result<u64> {
    let output = pinned(core, &std::env::current_exe()?)
        .arg("http2")
        .args([address.to_string(), connections.to_string()])
        .args([STREAMS, seconds].map(|number| number.to_string()))
        .output()?;
    let report = String::from_utf8(output.stdout)?;
    match report.strip_suffix(" requests\n") {
        Some(count) => Ok(count.parse()?),
        None => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into()),
    }
}

/// Connections over TLS one after the other, each of which goes on with the session of the first, by `openssl s_time`.
fn resuming(address: SocketAddr, core: usize, seconds: u32) -> Result<u64> {
    let output = pinned(core, Path::new("openssl"))
        .args(["s_time", "-reuse", "-www", "/x", "-connect"])
        .args([address.to_string(), "-time".to_owned(), seconds.to_string()])
        .output()?;
    resumed(&String::from_utf8_lossy(&output.stdout))
}

/// What `openssl s_time` reports: a letter for each connection, `r` where it was resumed, and how many there were.
fn resumed(report: &str) -> Result<u64> {
    let letters = report.lines().find(|line| line.starts_with("rr"));
    match letters {
        Some(letters) if letters.bytes().all(|letter| letter == b'r') => Ok(letters.len() as u64),
        _ => Err(format!("openssl s_time: {}", report.trim()).into()),
    }
}

fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// The same by `wrk`, which measures how long answers take too.
pub(crate) fn wrk(
    address: SocketAddr,
    core: usize,
    connections: u32,
    seconds: u32,
    way: Way,
) -> Result<Answered> {
    let scheme = if way.over.is_secure() { "https" } else { "http" };
    let alone: &[&str] = if way.alone {
        &["-H", "connection: close"]
    } else {
        &[]
    };
    let output = pinned(core, Path::new("wrk"))
        .args(["-t1", "--latency"])
        .args([
            format!("-c{connections}"),
            format!("-d{seconds}s"),
            format!("{scheme}://{address}/x"),
        ])
        .args(alone)
        .output()?;
    completed(&String::from_utf8([output.stdout, output.stderr].concat())?)
}

fn completed(report: &str) -> Result<Answered> {
    let wrong = report
        .lines()
        .find(|line| line.contains("Socket errors:") || line.contains("Non-2xx"));
    if let Some(wrong) = wrong {
        return Err(format!("wrk: {}", wrong.trim()).into());
    }
    let line = report
        .lines()
        .find(|line| line.contains(" requests in "))
        .ok_or_else(|| format!("wrk: {}", report.trim()))?;
    let count: u64 = line.split_whitespace().next().unwrap_or_default().parse()?;
    if count == 0 {
        Err("wrk: no request was answered".into())
    } else {
        Ok(Answered {
            requests: count,
            p50_ms: percentile(report, "50%")?,
            p99_ms: percentile(report, "99%")?,
        })
    }
}

/// The milliseconds in a line such as `     99%    1.25ms`.
fn percentile(report: &str, name: &str) -> Result<f64> {
    let time = report.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next())?
    });
    let time = time.ok_or_else(|| format!("wrk: no {name} in {}", report.trim()))?;
    let digits = time.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match time.strip_prefix(digits) {
        Some("us") => 0.001,
        Some("ms") => 1.0,
        Some("s") => 1000.0,
        Some("m") => 60_000.0,
        _ => return Err(format!("wrk: {time} is no time").into()),
    };
    Ok(digits.parse::<f64>()? * unit_ms)
}

/// Sends one request and checks that the answer is a 200 whose body holds `expected` (in lower case).
pub(crate) fn check(address: SocketAddr, expected: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /x HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200") && body.to_lowercase().contains(expected) {
        return Ok(());
    }
    Err(format!(
        "200 with `{}` expected, but it answered: {answer}",
        expected.trim()
    )
    .into())
}

/// An origin that answers with the head of the request it got, so that a check sees what reached it.
pub(crate) struct Echo {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub(crate) fn start(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                // A connection that fails is seen by the check that waits for its answer.
                let _ = stream.map_err(Into::into).and_then(echo);
            }
        });
        Ok(Self {
            address,
            ended,
            thread: Some(thread),
        })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the thread up.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Answers one request, if there is one.
fn echo(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        head.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        head.len()
    )?;
    stream.write_all(&head)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Running 1s test @ http://127.0.0.1:8080/x\n  1 threads and 64 connections\n  \
                          Thread Stats   Avg      Stdev     Max   +/- Stdev\n    \
                          Latency   500.00us  100.00us   9.00ms   99.00%\n  Latency Distribution\n     \
                          50%  420.00us\n     75%  530.00us\n     90%  610.00us\n     99%    1.25ms\n  \
                          54321 requests in 1.00s, 8.86MB read\nRequests/sec:  54321.00\n";

    #[test]
    fn the_requests_of_a_report_are_read() {
        let wanted = Answered {
            requests: 54321,
            p50_ms: 0.42,
            p99_ms: 1.25,
        };
        assert_eq!(completed(REPORT).unwrap(), wanted);
        assert_eq!(percentile("99% 1.50s", "99%").unwrap(), 1500.0);
        assert!(percentile("99% soon", "99%").is_err());
    }

    #[test]
    fn a_report_with_failures_is_an_error() {
        for line in [
            "  Non-2xx or 3xx responses: 3\n",
            "  Socket errors: connect 0, read 0, write 0, timeout 1\n",
        ] {
            assert!(completed(&format!("{REPORT}{line}")).is_err(), "{line}");
        }
        assert!(completed("unable to connect\n").is_err());
        assert!(completed("  0 requests in 1.00s, 0B read\n").is_err());
    }

    #[test]
    fn connections_that_were_not_resumed_are_no_load_of_resumed_ones() {
        let report = |letters: &str| {
            format!("Now timing with session id reuse.\nstarting\n{letters}\n\n3 connections in 0.01s")
        };
        assert_eq!(resumed(&report("rrr")).unwrap(), 3);
        assert!(resumed(&report("rr3")).is_err());
        assert!(resumed(&report("")).is_err());
    }

    #[test]
    fn an_empty_connection_does_not_end_the_origin() {
        let address = crate::process::free_address().unwrap();
        let _echo = Echo::start(address).unwrap();
        drop(TcpStream::connect(address).unwrap());
        check(address, "get /x").unwrap();
    }

    #[test]
    fn a_check_sees_what_reached_the_origin() {
        let address = crate::process::free_address().unwrap();
        let echo = Echo::start(address).unwrap();
        check(address, "get /x http/1.1").unwrap();
        assert!(check(address, "post /x").is_err());
        drop(echo);
        assert!(
            TcpStream::connect(address).is_err(),
            "the listener is gone with it"
        );
    }
}
