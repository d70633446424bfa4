//! Resets and half-closes, on each side and at each stage, and responses that come early.

use std::io::{BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use crate::frames::{self, frame, hello};
use crate::ground::{Ground, PATIENCE, PLAIN, read_to, reset, says, status_of, wait};
use crate::support::Result;
use crate::support::origin::{head, origin};
use crate::support::site::rest;

/// A ground whose server tells when it has a head, answers with these bytes and waits for the end.
fn told(name: &str, answer: &'static str) -> Result<(Ground, Receiver<()>)> {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let to = origin(move |mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        tell.lock().map_err(|_| "poisoned")?.send(())?;
        stream.write_all(answer.as_bytes())?;
        wait(stream)
    })?;
    Ok((Ground::start(name, to)?, told))
}

fn half_close(stream: TcpStream) -> Result<()> {
    stream.shutdown(Shutdown::Write)?;
    rest(stream).map(drop)
}

#[test]
fn clients_that_end_are_told_of_at_every_stage() -> Result<()> {
    let (mut ground, at_server) = told("client-ends", "")?;
    let before = ground.descriptors()?;
    let get = "GET /to HTTP/1.1\r\nHost: h\r\n\r\n";
    let post = "POST /to HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab";
    type End = fn(TcpStream) -> Result<()>;
    let (half, hard): (End, End) = (half_close, reset);
    for (why, bytes, end, line) in [
        ("half-closed before a byte", "", half, "400 CR site/<NOSRV>"),
        (
            "half-closed in a head",
            "GET / HTTP/1.1\r\nHo",
            half,
            "400 CR site/<NOSRV>",
        ),
        ("half-closed while the server is asked", get, half, "400 CH to/s"),
        ("half-closed in a body", post, half, "-1 CD to/s"),
        ("reset before a byte", "", hard, "400 CR site/<NOSRV>"),
        (
            "reset in a head",
            "GET / HTTP/1.1\r\nHo",
            hard,
            "400 CR site/<NOSRV>",
        ),
        ("reset while the server is asked", get, hard, "-1 CH to/s"),
        ("reset in a body", post, hard, "-1 CD to/s"),
    ] {
        let mut stream = ground.site.connect(PLAIN)?;
        stream.write_all(bytes.as_bytes())?;
        if bytes.contains("/to") {
            at_server.recv_timeout(PATIENCE)?;
        } else {
            // The program has what was sent once it has served somebody else.
            ground.serves_others()?;
        }
        end(stream)?;
        let told = ground.told().map_err(|error| format!("{why}: {error}"))?;
        let (status, rest) = line.split_once(' ').unwrap_or_default();
        // Whether there was anybody left to answer is chance where it was reset.
        let begins = told.starts_with(line) || bytes == get && told.contains(&format!(" {rest}"));
        assert!(begins, "{why} ({status}): {told}");
        ground.is_well()?;
    }
    ground.until_descriptors(before)
}

#[test]
fn clients_that_end_in_a_response_are_told_of() -> Result<()> {
    let (mut ground, at_server) = told("response-ends", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")?;
    let before = ground.descriptors()?;
    let mut stream = ground.site.begin("/to")?;
    at_server.recv_timeout(PATIENCE)?;
    // As far as to the end of the head and what came of the body.
    read_to(&mut stream, b"\r\n\r\nab")?;
    reset(stream)?;
    let line = ground.told()?;
    assert!(line.starts_with("200 CD to/s \"GET /to HTTP/1.1\""), "{line}");
    ground.is_well()?;
    // Streams of HTTP/2, let go of with and without their connection.
    for whole in [false, true] {
        let mut client = frames::Client::new(ground.site.connect(PLAIN)?)?;
        client.send(&frame(1, 5, 1, &frames::request("GET", "/to")))?;
        client.until(|kind, _, stream, _| kind == 0 && stream == 1)?;
        if whole {
            reset(client.0)?;
        } else {
            client.send(&frame(3, 0, 1, &[0, 0, 0, 8]))?;
        }
        let line = ground.told()?;
        assert!(
            line.starts_with("200 CD to/s \"GET http://h/to HTTP/2.0\""),
            "{line}"
        );
        ground.is_well()?;
    }
    ground.until_descriptors(before)
}

#[test]
fn servers_that_end_are_told_of_at_every_stage() -> Result<()> {
    let body = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
    for (why, answer, line) in [
        ("before a head", "", "502 SH"),
        ("in a head", "HTTP/1.1 200 OK\r\na:", "502 SH"),
        ("behind a hint", "HTTP/1.1 103 Hint\r\n\r\n", "502 SH"),
        ("in a body", body, "200 SD"),
        ("in a chunk", chunk, "200 SD"),
        (
            "between chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            "200 SD",
        ),
    ] {
        for resets in [false, true] {
            let to = says(answer, move |stream| match resets {
                true => reset(stream),
                false => half_close(stream),
            })?;
            let mut ground = Ground::start("server-ends", to)?;
            let before = ground.descriptors()?;
            let answer = rest(ground.site.begin("/to")?)?;
            let last = answer
                .strip_prefix("HTTP/1.1 103 Hint\r\n\r\n")
                .unwrap_or(&answer);
            // A reset may overtake what was sent before it.
            let overtaken = resets && last.starts_with("HTTP/1.1 502 ");
            assert!(
                overtaken || last.starts_with(&format!("HTTP/1.1 {} ", status_of(line))),
                "{why}: {answer}"
            );
            assert!(
                overtaken || line.starts_with("502") || !answer.ends_with("0\r\n\r\n"),
                "{why}: {answer}"
            );
            let told = ground.told()?;
            assert!(
                overtaken || told.starts_with(&format!("{line} to/s ")),
                "{why}: {told}"
            );
            ground.is_well()?;
            ground.until_descriptors(before)?;
        }
    }
    Ok(())
}

#[test]
fn a_response_that_comes_early_is_passed_on() -> Result<()> {
    let answer = "HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    let to = says(answer, half_close)?;
    let mut ground = Ground::start("early", to)?;
    let before = ground.descriptors()?;
    // Of what is still to come some is sent, or none.
    for sent in [0, 400_000] {
        let head = "POST /to HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n";
        let mut stream = ground.site.connect(PLAIN)?;
        stream.write_all(head.as_bytes())?;
        let _ = stream.write_all(&vec![b'x'; sent]);
        let got = read_to(&mut stream, b"\r\n\r\nno")?;
        assert!(
            got.starts_with(b"HTTP/1.1 413 "),
            "{}",
            String::from_utf8_lossy(&got)
        );
        drop(stream);
        let told = ground.told()?;
        assert!(
            told.starts_with("413 ") && told.contains("to/s \"POST /to HTTP/1.1\""),
            "{told}"
        );
        ground.is_well()?;
    }
    // By HTTP/2 the stream ends, and the connection serves on.
    let mut client = frames::Client(ground.site.connect(PLAIN)?);
    client.send(&[hello(), frame(1, 4, 1, &frames::request("POST", "/to"))].concat())?;
    client.until(|kind, flags, stream, _| kind == 0 && flags & 1 == 1 && stream == 1)?;
    client.send(&frame(0, 0, 1, b"late"))?;
    client.send(&frame(1, 5, 3, &frames::request("GET", "/")))?;
    client.until(|kind, flags, stream, _| kind == 0 && flags & 1 == 1 && stream == 3)?;
    drop(client);
    ground.is_well()?;
    ground.until_descriptors(before)
}
