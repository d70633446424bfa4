//! Peers that take their time, at every stage.

use std::io::{Read, Write};
use std::time::Duration;

use crate::frames::{self, frame, hello};
use crate::ground::{Ground, PLAIN, PROXIED, SECURE, says, silent, status_of, wait};
use crate::support::Result;
use crate::support::site::rest;

#[test]
fn slow_senders_are_told_so() -> Result<()> {
    let mut ground = Ground::start("slow-senders", silent()?)?;
    let bad = "408 cR site/<NOSRV> \"<BADREQ>\"";
    for (why, bytes, line) in [
        ("silence", "", bad),
        ("half a line", "GET / HT", bad),
        ("half a head", "GET / HTTP/1.1\r\nHost: h\r\n", bad),
        (
            "half a body that is waited for",
            "POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab",
            "408 cR site/<NOSRV> \"POST /wait HTTP/1.1\"",
        ),
        (
            "half a body on its way to a server",
            "POST /to HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab",
            "408 cH to/s \"POST /to HTTP/1.1\"",
        ),
        (
            "half a chunk",
            "POST /to HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "408 cH to/s \"POST /to HTTP/1.1\"",
        ),
    ] {
        ground.expect(why, bytes.as_bytes(), line)?;
    }
    for (why, listener, bytes, line) in [
        (
            "half a PROXY header",
            PROXIED,
            &b"PROXY TCP4"[..],
            "Timeout while waiting for PROXY protocol header",
        ),
        (
            "half a hello of TLS",
            SECURE,
            b"\x16\x03\x01\x01\0\x01\0\0\xfc\x03\x03",
            "Timeout during SSL handshake",
        ),
    ] {
        assert_eq!(ground.ask(listener, bytes)?, "", "{why}");
        let told = ground.told()?;
        assert!(told.ends_with(line), "{why}: {told}");
        ground.is_well()?;
    }
    Ok(())
}

#[test]
fn a_head_that_comes_byte_by_byte_has_no_more_time() -> Result<()> {
    let mut ground = Ground::start("dribbled", silent()?)?;
    let mut stream = ground.site.connect(PLAIN)?;
    for byte in b"GET / HTTP/1.1\r\nHost: h\r\nx: "
        .iter()
        .chain(std::iter::repeat(&b'y'))
    {
        if stream.write_all(&[*byte]).is_err() || ground.site.output().contains(" cR ") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = ground.told()?;
    assert!(told.starts_with("408 cR site/<NOSRV> \"<BADREQ>\""), "{told}");
    ground.is_well()
}

#[test]
fn slow_senders_of_http_2_are_told_so() -> Result<()> {
    let mut ground = Ground::start("slow-http2", silent()?)?;
    let post = frames::request("POST", "/to");
    for (why, bytes, line) in [
        (
            "half of the first words",
            frames::PREFACE.get(..20).unwrap_or_default().to_vec(),
            " cR site/<NOSRV> \"<BADREQ>\"",
        ),
        (
            "half a frame",
            [hello(), b"\0\0\x05".to_vec()].concat(),
            " cR site/<NOSRV> \"<BADREQ>\"",
        ),
        (
            "half a head",
            [hello(), frame(1, 0, 1, &post)].concat(),
            " cR site/<NOSRV> \"<BADREQ>\"",
        ),
    ] {
        ground
            .ask(PLAIN, &bytes)
            .map_err(|error| format!("{why}: {error}"))?;
        let told = ground.told().map_err(|error| format!("{why}: {error}"))?;
        assert!(told.contains(line), "{why}: {told}");
        ground.is_well()?;
    }
    // Of who has said no more than the first words there is nothing to tell.
    ground.ask(PLAIN, frames::PREFACE)?;
    ground.is_well()?;
    assert_eq!(ground.untold(), Vec::<String>::new());
    // A body that doesn't come ends its stream alone.
    let mut client = frames::Client::new(ground.site.connect(PLAIN)?)?;
    client.send(&frame(1, 4, 1, &post))?;
    client.until(|kind, _, stream, _| kind == 1 && stream == 1)?;
    assert!(
        ground
            .told()?
            .starts_with("408 cH to/s \"POST http://h/to HTTP/2.0\"")
    );
    client.send(&frame(1, 5, 3, &frames::request("GET", "/")))?;
    client.until(|kind, flags, stream, _| kind == 0 && flags & 1 == 1 && stream == 3)?;
    ground.is_well()
}

#[test]
fn a_slow_reader_holds_up_nobody_and_keeps_nothing() -> Result<()> {
    // More than sockets hold, from a server that has it at hand.
    let large = says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n".to_vec(),
        |mut stream| {
            let piece = vec![b'x'; 1 << 20];
            while stream.write_all(&piece).is_ok() {}
            Ok(())
        },
    )?;
    let mut ground = Ground::start("slow-reader", large)?;
    let before = ground.descriptors()?;
    // One that reads nothing, and one that reads a little.
    for reads in [0, 3] {
        let mut stream = ground.site.begin("/to")?;
        for _ in 0..reads {
            stream.read_exact(&mut [0; 100])?;
            ground.serves_others()?;
        }
        let told = ground.told()?;
        assert!(told.starts_with("200 cD to/s \"GET /to HTTP/1.1\""), "{told}");
        ground.is_well()?;
        drop(stream);
    }
    // The same by HTTP/2: with windows that stay shut, and with all the room and nothing read.
    for shut in [true, false] {
        let window = if shut {
            [0, 4, 0, 0, 0, 0]
        } else {
            [0, 4, 0x7f, 0xff, 0xff, 0xff]
        };
        let mut stream = ground.site.connect(PLAIN)?;
        stream.write_all(&[hello(), frame(4, 0, 0, &window), frame(8, 0, 0, &[0x7f, 0, 0, 0])].concat())?;
        stream.write_all(&frame(1, 5, 1, &frames::request("GET", "/to")))?;
        let told = ground.told()?;
        let line = "200 cD to/s \"GET http://h/to HTTP/2.0\"";
        assert!(
            told.starts_with(line) || !shut && told.starts_with(&line.replace("cD", "CD")),
            "{told}"
        );
        ground.is_well()?;
        drop(stream);
    }
    ground.until_descriptors(before)
}

#[test]
fn slow_servers_are_told_of_at_every_stage() -> Result<()> {
    for (why, answer, line) in [
        ("nothing", "", "504 sH"),
        ("half a line", "HTTP/1.1 20", "504 sH"),
        ("half a head", "HTTP/1.1 200 OK\r\na: b\r\n", "504 sH"),
        (
            "a hint alone",
            "HTTP/1.1 103 Hint\r\nlink: </a>\r\n\r\n",
            "504 sH",
        ),
        (
            "half a body",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab",
            "200 sD",
        ),
        (
            "half a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "200 sD",
        ),
        (
            "half a size",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1",
            "200 sD",
        ),
        ("no end", "HTTP/1.1 200 OK\r\n\r\nab", "200 sD"),
    ] {
        let mut ground = Ground::start("slow-servers", says(answer, wait)?)?;
        let before = ground.descriptors()?;
        let answer = rest(ground.site.begin("/to")?)?;
        let answer = answer
            .strip_prefix("HTTP/1.1 103 Hint\r\nlink: </a>\r\n\r\n")
            .unwrap_or(&answer);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {} ", status_of(line))),
            "{why}: {answer}"
        );
        // What is cut off has no end that would make it a whole.
        assert!(
            line.starts_with("504") || !answer.ends_with("0\r\n\r\n"),
            "{why}: {answer}"
        );
        let told = ground.told()?;
        assert!(told.starts_with(&format!("{line} to/s ")), "{why}: {told}");
        ground.is_well()?;
        ground.until_descriptors(before)?;
    }
    Ok(())
}
