//! Servers of HTTP/2 that flood, lie and hold back: whoever asked them gets an answer or a cut, and the next is served.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::frames::{Client, PREFACE, field, frame};
use crate::ground::{Ground, reset, status_of};
use crate::support::Result;
use crate::support::origin::{origin, server};
use crate::support::site::rest;

/// `:status` 200, as everybody knows it.
const OK: &[u8] = &[0x88];

/// What becomes of the connection behind the bytes.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// It goes on.
    Stay,
    Close,
    Reset,
}

/// A server that answers its first request with these bytes, and each other one well.
fn once(answer: Vec<u8>, then: Then) -> Result<SocketAddr> {
    let misbehaved = AtomicBool::new(false);
    origin(move |mut stream| {
        stream.read_exact(&mut [0; PREFACE.len()])?;
        let mut client = Client(stream);
        client.send(&frame(4, 0, 0, b""))?;
        loop {
            let (kind, flags, id, _) = client.frame()?;
            match kind {
                4 if flags == 0 => client.send(&frame(4, 1, 0, b""))?,
                1 if misbehaved.swap(true, Ordering::SeqCst) => {
                    client.send(&[frame(1, 4, id, OK), frame(0, 1, id, b"well")].concat())?;
                }
                1 => {
                    let _ = client.send(&answer);
                    match then {
                        Then::Stay => {}
                        Then::Close => return Ok(()),
                        Then::Reset => return reset(client.0),
                    }
                }
                _ => {}
            }
        }
    })
}

fn ground(name: &str, to: SocketAddr) -> Result<Ground> {
    Ground::start_with(&format!("h2-{name}"), &format!("{} proto h2", server(to)))
}

/// What a client gets and the log says, and that the next request is served.
fn case(why: &str, answer: Vec<u8>, then: Then, line: &str) -> Result<String> {
    let mut ground = ground("servers", once(answer, then)?)?;
    let before = ground.descriptors()?;
    let answer = rest(ground.site.begin("/to")?)?;
    let last = answer
        .rfind("HTTP/1.1 ")
        .and_then(|at| answer.get(at..))
        .unwrap_or_default();
    assert!(
        last.starts_with(&format!("HTTP/1.1 {} ", status_of(line))),
        "{why}: {answer}"
    );
    let told = ground.told().map_err(|error| format!("{why}: {error}"))?;
    assert!(
        told.starts_with(&format!("{line} to/s \"GET /to HTTP/1.1\"")),
        "{why}: {told}"
    );
    let next = rest(ground.site.begin("/to")?)?;
    assert!(
        next.starts_with("HTTP/1.1 200 ") && next.contains("well"),
        "{why}: {next}"
    );
    assert!(ground.told()?.starts_with("200 -- to/s"), "{why}");
    ground.is_well().map_err(|error| format!("{why}: {error}"))?;
    // Two to the server may stay.
    ground.until_descriptors(before + 2)?;
    Ok(answer)
}

fn status(digits: &[u8; 3]) -> Vec<u8> {
    [&[8, 3], &digits[..]].concat()
}

#[test]
fn what_is_no_response_is_a_502() -> Result<()> {
    let bomb = [OK, b"\x40\x01a\x7f\x81\x1e", &[b'x'; 4000], &[0xbe; 10_000]].concat();
    let with = |name: &str, value: &str| [OK, &field(name, value)].concat();
    for (why, bytes) in [
        ("noise", vec![0xff; 200]),
        (
            "HTTP/1",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
        ("a push", frame(5, 4, 1, &[&[0, 0, 0, 2], OK].concat())),
        ("a head that nobody asked for", frame(1, 5, 9, OK)),
        ("rubbish", frame(1, 5, 1, &[0xff; 20])),
        ("no status", frame(1, 5, 1, &field("a", "b"))),
        ("a switch of protocols", frame(1, 4, 1, &status(b"101"))),
        ("a field of HTTP/1", frame(1, 5, 1, &with("connection", "close"))),
        ("a line's end", frame(1, 5, 1, &with("a", "b\r\nc: d"))),
        ("a bomb", frame(1, 5, 1, &bomb)),
        ("data before a head", frame(0, 0, 1, b"x")),
        ("windows beyond measure", frame(4, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        (
            "room beyond measure",
            frame(8, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(2),
        ),
        ("pings without end", frame(6, 0, 0, &[0; 8]).repeat(20_000)),
        ("settings without end", frame(4, 0, 0, b"").repeat(20_000)),
        (
            "priorities without end",
            frame(2, 0, 1, &[0, 0, 0, 0, 3]).repeat(20_000),
        ),
        (
            "goodbyes without end",
            frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]).repeat(20_000),
        ),
        ("a head without end", {
            let piece = frame(9, 0, 1, b"");
            [frame(1, 0, 1, OK), piece.repeat(20_000)].concat()
        }),
        ("a head of many pieces", {
            let piece = frame(9, 0, 1, &[0x88; 16_000]);
            [frame(1, 0, 1, OK), piece.repeat(100)].concat()
        }),
        ("hints without end", frame(1, 4, 1, &status(b"103")).repeat(300)),
    ] {
        case(why, bytes, Then::Stay, "502 PH")?;
    }
    Ok(())
}

#[test]
fn what_ends_before_an_answer_is_a_502() -> Result<()> {
    for (why, bytes, then) in [
        ("the connection", Vec::new(), Then::Close),
        ("the connection, by a reset", Vec::new(), Then::Reset),
        ("the stream", frame(3, 0, 1, &[0, 0, 0, 2]), Then::Stay),
        ("behind a hint", frame(1, 4, 1, &status(b"103")), Then::Close),
        ("in a head", frame(1, 0, 1, OK), Then::Close),
        (
            "behind a goodbye",
            frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 2]),
            Then::Close,
        ),
    ] {
        case(why, bytes, then, "502 SH")?;
    }
    Ok(())
}

#[test]
fn what_goes_wrong_in_a_body_cuts_it_off() -> Result<()> {
    let begun = [frame(1, 4, 1, OK), frame(0, 0, 1, b"part")].concat();
    let of_ten = frame(1, 4, 1, &[OK, &field("content-length", "10")].concat());
    let behind = |bytes: Vec<u8>| [&begun[..], &bytes].concat();
    for (why, bytes, then) in [
        ("the connection ends", begun.clone(), Then::Close),
        (
            "the stream ends",
            behind(frame(3, 0, 1, &[0, 0, 0, 2])),
            Then::Stay,
        ),
        ("a second head", behind(frame(1, 4, 1, OK)), Then::Stay),
        ("trailers with a status", behind(frame(1, 5, 1, OK)), Then::Stay),
        (
            "less than was declared",
            [&of_ten[..], &frame(0, 1, 1, b"part")].concat(),
            Then::Stay,
        ),
        (
            "more than there is room for",
            behind(frame(0, 0, 1, &[b'x'; 16_384]).repeat(400)),
            Then::Close,
        ),
        (
            "empty pieces without end",
            behind(frame(0, 0, 1, b"").repeat(20_000)),
            Then::Stay,
        ),
        (
            "padding without end",
            behind(frame(0, 8, 1, b"\0").repeat(20_000)),
            Then::Stay,
        ),
        (
            "pings without end",
            behind(frame(6, 0, 0, &[0; 8]).repeat(20_000)),
            Then::Stay,
        ),
        (
            "a push",
            behind(frame(5, 4, 1, &[&[0, 0, 0, 2], OK].concat())),
            Then::Stay,
        ),
    ] {
        if why == "more than there is room for" {
            // What there is room for may have been taken meanwhile: then it is the end of the connection that cuts it off.
            let answer = cut(why, bytes, then)?;
            assert!(answer.contains("part"), "{why}");
            continue;
        }
        cut(why, bytes, then)?;
    }
    Ok(())
}

/// A response that broke off: it has a head and no end, and its line says whose fault it was.
fn cut(why: &str, bytes: Vec<u8>, then: Then) -> Result<String> {
    let mut ground = ground("cuts", once(bytes, then)?)?;
    let before = ground.descriptors()?;
    let answer = rest(ground.site.begin("/to")?)?;
    // An error that came with the head may be known before the head is passed on.
    if answer.starts_with("HTTP/1.1 502 ") {
        assert!(ground.told()?.starts_with("502 "), "{why}");
    } else {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{why}: {answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{why}: {answer}");
        let told = ground.told().map_err(|error| format!("{why}: {error}"))?;
        let letters = ["SD", "PD", "SL", "PL"]
            .iter()
            .any(|letters| told.starts_with(&format!("200 {letters} to/s ")));
        assert!(letters, "{why}: {told}");
    }
    let next = rest(ground.site.begin("/to")?)?;
    assert!(
        next.starts_with("HTTP/1.1 200 ") && next.contains("well"),
        "{why}: {next}"
    );
    ground.told()?;
    ground.is_well().map_err(|error| format!("{why}: {error}"))?;
    ground.until_descriptors(before + 2)?;
    Ok(answer)
}

#[test]
fn goodbyes_are_understood() -> Result<()> {
    let whole = [frame(1, 4, 1, OK), frame(0, 1, 1, b"whole")].concat();
    // The request wasn't looked at, so that it is sent again on another connection.
    case(
        "nothing was looked at",
        frame(7, 0, 0, &[0; 8]),
        Then::Stay,
        "200 --",
    )?;
    case(
        "a stream that was refused",
        frame(3, 0, 1, &[0, 0, 0, 7]),
        Then::Stay,
        "200 --",
    )?;
    for (why, bytes) in [
        (
            "before the answer",
            [frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), whole.clone()].concat(),
        ),
        (
            "behind the answer",
            [whole.clone(), frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])].concat(),
        ),
        (
            "a reset behind the answer",
            [whole.clone(), frame(3, 0, 1, &[0; 4])].concat(),
        ),
        (
            "a head behind the answer",
            [whole.clone(), frame(1, 5, 1, OK)].concat(),
        ),
    ] {
        let answer = case(why, bytes, Then::Stay, "200 --")?;
        assert!(answer.contains("whole"), "{why}: {answer}");
    }
    Ok(())
}

/// A server that floods and never reads: nothing waits for it, and nothing of it is left.
#[test]
fn a_server_that_floods_and_never_reads_is_left() -> Result<()> {
    let to = origin(|stream| {
        let mut reader = BufReader::new(stream.try_clone()?);
        reader.read_exact(&mut [0; PREFACE.len()])?;
        let mut stream: TcpStream = stream;
        stream.write_all(&frame(4, 0, 0, b""))?;
        let pings = frame(6, 0, 0, &[0; 8]).repeat(1000);
        while stream.write_all(&pings).is_ok() {}
        Ok(())
    })?;
    let mut ground = ground("unread", to)?;
    let before = ground.descriptors()?;
    for _ in 0..3 {
        let answer = rest(ground.site.begin("/to")?)?;
        assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
        let told = ground.told()?;
        assert!(
            told.starts_with("50") && told.contains("to/s \"GET /to HTTP/1.1\""),
            "{told}"
        );
        ground.is_well()?;
    }
    ground.until_descriptors(before)
}

/// A server that takes no stream at all.
#[test]
fn a_server_without_room_is_waited_for_as_long_as_may_be() -> Result<()> {
    let to = origin(|stream| {
        let mut client = Client(stream);
        client.0.read_exact(&mut [0; PREFACE.len()])?;
        client.send(&frame(4, 0, 0, &[0, 3, 0, 0, 0, 0]))?;
        loop {
            let (kind, flags, id, _) = client.frame()?;
            if kind == 4 && flags == 0 {
                client.send(&frame(4, 1, 0, b""))?;
            } else if kind == 1 {
                // It came before the client knew.
                client.send(&frame(3, 0, id, &[0, 0, 0, 7]))?;
            }
        }
    })?;
    let mut ground = ground("no-streams", to)?;
    let answer = rest(ground.site.begin("/to")?)?;
    assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    let told = ground.told()?;
    assert!(
        told.starts_with("50") && told.contains("to/s \"GET /to HTTP/1.1\""),
        "{told}"
    );
    ground.is_well()
}
