//! Limits of bandwidth, in the running program. That the limits hold is tested with a clock of its own; here it is that all
//! bytes come, and that what limits them is asked.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::SocketAddr;

use support::Result;
use support::origin::{head, origin, server};
use support::runtime::Runtime;
use support::site::Site;

const BYTES: usize = 60_000;

/// A server that answers with so many bytes, or with how many it was sent.
fn bytes() -> Result<SocketAddr> {
    origin(|stream| {
        let mut reader = BufReader::new(&stream);
        let head = head(&mut reader)?.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(Ok(0), str::parse::<usize>)?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answer = if length > 0 {
            format!("{length} {}", body.iter().filter(|byte| **byte == b'x').count())
        } else {
            "x".repeat(BYTES)
        };
        write!(
            &stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
            answer.len()
        )?;
        Ok(())
    })
}

#[test]
fn all_bytes_come_however_slowly() -> Result<()> {
    let address = server(bytes()?);
    let config = format!(
        "defaults
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend web
    mode http
    bind 127.0.0.1:8080
    filter bwlim-out out default-limit 40k default-period 200ms min-size 1000
    filter bwlim-in in default-limit 1k default-period 1h
    http-request set-bandwidth-limit out
    http-request set-bandwidth-limit out limit 20k period int(100) if {{ path /custom }}
    http-request set-bandwidth-limit in limit 30k period 100ms if {{ method POST }}
    default_backend app
backend app
    mode http
    server s {address}
listen tcp
    mode tcp
    bind 127.0.0.1:8081
    filter bwlim-out out default-limit 30k default-period 100ms
    tcp-request content set-bandwidth-limit out
    server s {address}
"
    );
    let site = Site::start("bandwidth", &[("site.cfg", &config)])?;
    let ask = |bind: usize, request: &str| -> Result<String> {
        let mut stream = site.connect(bind)?;
        stream.write_all(request.as_bytes())?;
        support::site::rest(stream)
    };
    for (bind, path) in [(0, "/"), (0, "/custom"), (1, "/")] {
        let answer = ask(
            bind,
            &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        )?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(
            answer.contains(&format!("content-length: {BYTES}\r\n")),
            "the length stays"
        );
        assert_eq!(body, "x".repeat(BYTES), "{bind} {path}");
    }
    let post = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {BYTES}\r\n\r\n{}",
        "x".repeat(BYTES)
    );
    let answer = ask(0, &post)?;
    assert!(answer.ends_with(&format!("{BYTES} {BYTES}")), "{answer}");
    Ok(())
}

#[test]
fn a_shared_limit_counts_in_its_table() -> Result<()> {
    let rest = format!(
        "backend rates
    stick-table type string len 32 size 1k expire 1h store bytes_out_rate(1h)
listen slow
    bind 127.0.0.1:8081
    filter bwlim-out shared limit 10m key path table rates
    http-request set-bandwidth-limit shared if {{ path_beg /limited }}
    server s {}
",
        server(bytes()?)
    );
    let runtime = Runtime::start("bandwidth-shared", "level admin", "", &rest)?;
    for path in ["/limited", "/limited", "/free"] {
        let mut stream = runtime.site.connect(1)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )?;
        let answer = support::site::rest(stream)?;
        assert!(answer.ends_with(&"x".repeat(BYTES)));
    }
    let shown = runtime.ask("show table rates\n")?;
    assert!(
        shown.contains("key=/limited") && shown.contains(&format!("bytes_out_rate(3600000)={}", 2 * BYTES)),
        "{shown}"
    );
    assert!(!shown.contains("/free"), "{shown}");
    Ok(())
}
