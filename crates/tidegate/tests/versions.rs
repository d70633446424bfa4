//! HTTP/1.0, 1.1 and 2 on both sides, in any combination: messages with their bodies and trailers, informational responses,
//! expectations and tunnels.
//!
//! Who plays the client or the server speaks HTTP/1; where HTTP/2 is to be seen, the program's own first or last frontend
//! stands in between.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;

/// A message without its head: the body, and the trailers behind it.
#[derive(Debug, PartialEq)]
struct Rest {
    body: String,
    trailers: String,
}

/// What follows a head, by its length, in chunks, or to the end if `to_end`.
fn rest(head: &str, from: &mut impl BufRead, to_end: bool) -> Result<Rest> {
    let (mut body, mut trailers) = (String::new(), String::new());
    let length = { head.lines() }.find_map(|line| line.strip_prefix("content-length: "));
    if let Some(length) = length {
        from.take(length.parse()?).read_to_string(&mut body)?;
    } else if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let size =
                u64::from_str_radix(line.trim(), 16).map_err(|_| format!("no size of a chunk: `{line}`"))?;
            if size == 0 {
                break;
            }
            from.take(size).read_to_string(&mut body)?;
            from.read_line(&mut line)?;
        }
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            match line.trim_end() {
                "" => break,
                trailer => trailers.push_str(trailer),
            }
        }
    } else if to_end {
        from.read_to_string(&mut body)?;
    }
    Ok(Rest { body, trailers })
}

/// A server of HTTP/1.1 that tells in a body what came, with a hint before and a trailer behind; one of 1.0 does what it can.
fn telling(mut stream: TcpStream, old: bool) -> Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let asked = head(&mut from)?;
    if asked.starts_with("CONNECT ") || asked.contains("\r\nupgrade: websocket\r\n") {
        if asked.starts_with("CONNECT ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        } else {
            // What is made of the key, which the program made up if the client speaks HTTP/2.
            let accept = { asked.lines() }.find_map(|line| line.strip_prefix("x-accept: "));
            write!(
                stream,
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: {}\r\n\r\n",
                accept.ok_or("no key")?
            )?;
        }
        let mut said = [0; 4];
        from.read_exact(&mut said)?;
        stream.write_all(&said)?;
        return Ok(stream.write_all(b"-pong")?);
    }
    if asked.contains("\r\nexpect: 100-continue\r\n") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let came = rest(&asked, &mut from, false)?;
    let line = asked.lines().next().unwrap_or_default();
    let told = format!("{line}|{}|{}", came.body, came.trailers);
    if old {
        return Ok(write!(stream, "HTTP/1.0 200 OK\r\n\r\n{told}")?);
    }
    write!(
        stream,
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{told}\r\n0\r\nx-end: over\r\n\r\n",
        told.len()
    )?;
    Ok(())
}

/// Clients of HTTP/1 come to the first address, those of HTTP/2 by way of the second; the path says what the server speaks.
fn site(name: &str) -> Result<Site> {
    let accept = "http-request set-header x-accept \
                  %[req.hdr(sec-websocket-key),concat(258EAFA5-E914-47DA-95CA-C5AB0DC85B11),sha1,base64]";
    let to = |old: bool| -> Result<SocketAddr> { origin(move |stream| telling(stream, old)) };
    let (old, new) = (to(true)?, to(false)?);
    let config = format!(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         frontend main\n    bind 127.0.0.1:8080\n    {accept}\n    \
         http-response set-header x-versions \"%[fc_http_major] %[bc_http_major]\"\n    \
         use_backend old if {{ path /old }}\n    \
         use_backend two if {{ path /two }} or {{ hdr(x-to) two }}\n    default_backend new\n\
         backend old\n    server s {}\nbackend new\n    server s {}\nbackend two\n    server s 127.0.0.1:8082 proto h2\n\
         listen before\n    bind 127.0.0.1:8081\n    server s 127.0.0.1:8080 proto h2\n\
         listen behind\n    bind 127.0.0.1:8082\n    {accept}\n    server s {}\n",
        server(old),
        server(new),
        server(new)
    );
    Site::start(name, &[("site.cfg", &config)])
}

/// Responses up to the last: the statuses before it, its head, and what follows.
fn answer(from: &mut impl BufRead) -> Result<(Vec<String>, String, Rest)> {
    let mut before = Vec::new();
    loop {
        let head = head(from)?;
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if status.starts_with('1') && status != "101" {
            before.push(status);
            continue;
        }
        let rest = rest(&head, from, true)?;
        return Ok((before, head, rest));
    }
}

#[test]
fn messages_pass_whatever_both_sides_speak() -> Result<()> {
    let site = site("versions")?;
    // The bind line, what the client begins with, and what its side is then.
    for (bind, version, major) in [(0, "1.0", 1), (0, "1.1", 1), (1, "1.1", 2)] {
        for (path, server_major) in [("/old", 1), ("/new", 1), ("/two", 2)] {
            let case = format!("{version} by {bind} to {path}");
            let mut stream = site.connect(bind)?;
            let body = match version {
                "1.0" => "content-length: 4\r\n\r\nbody",
                _ => {
                    "connection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n"
                }
            };
            write!(stream, "POST {path} HTTP/{version}\r\nhost: x\r\n{body}")?;
            let (before, head, came) =
                answer(&mut BufReader::new(stream)).map_err(|why| format!("{case}: {why}"))?;
            assert!(
                head.contains(&format!("\r\nx-versions: {major} {server_major}\r\n")),
                "{case}: {head}"
            );
            assert!(head.split(' ').nth(1) == Some("200"), "{case}: {head}");
            // What came by HTTP/1.0 stays that as far as it can be told; HTTP/2 has a version of its own.
            let asked = match (version, path) {
                ("1.0", "/two") => "1.1",
                (version, _) => version,
            };
            let sum = if version == "1.0" { "" } else { "x-sum: 7" };
            assert_eq!(
                came.body,
                format!("POST {path} HTTP/{asked}|body|{sum}"),
                "{case}"
            );
            // A client of HTTP/1.0 knows neither hints nor trailers, and a server of it sends none.
            let told = version != "1.0" && path != "/old";
            assert_eq!(before, if told { vec!["103"] } else { vec![] }, "{case}");
            assert_eq!(came.trailers, if told { "x-end: over" } else { "" }, "{case}");
            assert_eq!(
                head.contains("transfer-encoding"),
                version != "1.0" && (told || bind == 1),
                "{case}: {head}"
            );
        }
    }
    Ok(())
}

#[test]
fn who_expects_to_be_told_to_go_on_is_told() -> Result<()> {
    let site = site("expectations")?;
    for bind in [0, 1] {
        for path in ["/new", "/two"] {
            let case = format!("{path} by {bind}");
            let mut stream = site.connect(bind)?;
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
            )?;
            let mut from = BufReader::new(stream.try_clone()?);
            let first = head(&mut from)?;
            assert!(first.starts_with("HTTP/1.1 100 "), "{case}: {first}");
            stream.write_all(b"body")?;
            let (_, _, came) = answer(&mut from)?;
            assert!(came.body.ends_with("|body|"), "{case}: {came:?}");
        }
    }
    Ok(())
}

#[test]
fn tunnels_lead_through_either_version() -> Result<()> {
    let site = site("tunnels")?;
    let websocket = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for bind in [0, 1] {
        for to in ["new", "two"] {
            for (line, more, status) in [
                ("CONNECT x:443".to_owned(), "", "200"),
                (format!("GET /{to}"), websocket, "101"),
            ] {
                let case = format!("{line} to {to} by {bind}");
                let mut stream = site.connect(bind)?;
                write!(
                    stream,
                    "{line} HTTP/1.1\r\nhost: x:443\r\nx-to: {to}\r\n{more}\r\n"
                )?;
                let mut from = BufReader::new(stream.try_clone()?);
                let answered = head(&mut from).map_err(|why| format!("{case}: {why}"))?;
                assert_eq!(answered.split(' ').nth(1), Some(status), "{case}: {answered}");
                let key = "\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
                assert_eq!(answered.contains(key), status == "101", "{case}: {answered}");
                stream.write_all(b"ping")?;
                let mut said = [0; 9];
                from.read_exact(&mut said)
                    .map_err(|why| format!("{case}: {why}"))?;
                assert_eq!(&said, b"ping-pong", "{case}");
            }
        }
    }
    Ok(())
}
