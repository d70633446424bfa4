//! The load: `wrk`, and a check of one request before it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Result;

const PATIENCE: Duration = Duration::from_secs(10);

/// Loads `address` for `seconds` from one core, and returns how many requests were answered. Any failed one is an error.
pub(crate) fn wrk(address: SocketAddr, core: usize, connections: u32, seconds: u32) -> Result<u64> {
    let output = Command::new("taskset")
        .args(["-c", &core.to_string(), "wrk", "-t1"])
        .args([
            format!("-c{connections}"),
            format!("-d{seconds}s"),
            format!("http://{address}/x"),
        ])
        .output()?;
    completed(&String::from_utf8([output.stdout, output.stderr].concat())?)
}

fn completed(report: &str) -> Result<u64> {
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
        Ok(count)
    }
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
                          54321 requests in 1.00s, 8.86MB read\nRequests/sec:  54321.00\n";

    #[test]
    fn the_requests_of_a_report_are_read() {
        assert_eq!(completed(REPORT).unwrap(), 54321);
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
    fn an_empty_connection_does_not_end_the_origin() {
        let address = crate::bench::process::free_address().unwrap();
        let _echo = Echo::start(address).unwrap();
        drop(TcpStream::connect(address).unwrap());
        check(address, "get /x").unwrap();
    }

    #[test]
    fn a_check_sees_what_reached_the_origin() {
        let address = crate::bench::process::free_address().unwrap();
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
