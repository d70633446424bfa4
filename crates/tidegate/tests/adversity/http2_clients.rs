//! Clients of HTTP/2 that flood, lie and hold back.

use std::io::{Read, Write};
use std::time::Instant;

use crate::frames::{Client, field, frame, hello, request};
use crate::ground::{Ground, PATIENCE, PLAIN, says, silent};
use crate::support::Result;
use crate::support::origin::{head, origin};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// The line for a connection that was ended.
const REFUSED: &str = "0 PR site/<NOSRV> \"<BADREQ>\"";

/// Waits until every stream that began is told of, and the connection last.
fn told_of_the_end(ground: &mut Ground, why: &str) -> Result<()> {
    loop {
        let line = ground.told().map_err(|error| format!("{why}: {error}"))?;
        if line.starts_with(REFUSED) {
            return Ok(());
        }
    }
}

#[test]
fn floods_are_ended() -> Result<()> {
    let mut ground = Ground::start("h2-floods", silent()?)?;
    let before = ground.descriptors()?;
    let to = request("GET", "/to");
    let begin = |n: u32| frame(1, 5, 2 * n + 3, &to);
    let post = frame(1, 4, 1, &request("POST", "/to"));
    type Flood<'f> = Box<dyn Fn(u32) -> Vec<u8> + 'f>;
    let floods: [(&str, Flood<'_>); 12] = [
        ("pings", Box::new(|_| frame(6, 0, 0, &[0; 8]))),
        ("settings", Box::new(|_| frame(4, 0, 0, b""))),
        (
            "settings of everything",
            Box::new(|n| frame(4, 0, 0, &[0, 4, 0, 0, 0, n as u8].repeat(500))),
        ),
        ("priorities", Box::new(|_| frame(2, 0, 1, &[0, 0, 0, 0, 1]))),
        ("unknown frames", Box::new(|_| frame(0x77, 0, 0, &[0; 50]))),
        ("room by bytes", Box::new(|_| frame(8, 0, 0, &[0, 0, 0, 1]))),
        (
            "rapid resets",
            Box::new(|n| [begin(n), frame(3, 0, 2 * n + 3, &[0, 0, 0, 8])].concat()),
        ),
        (
            "resets that are provoked",
            Box::new(|n| [begin(n), frame(8, 0, 2 * n + 3, &[0; 4])].concat()),
        ),
        ("empty data", Box::new(|_| frame(0, 0, 1, b""))),
        ("padding", Box::new(|_| frame(0, 8, 1, b"\0"))),
        (
            "empty pieces of a head",
            Box::new(|n| frame(if n == 0 { 1 } else { 9 }, 0, 3, b"")),
        ),
        (
            "pieces of a head",
            Box::new(|n| frame(if n == 0 { 1 } else { 9 }, 0, 3, &b"\0\x01a\x01b".repeat(100))),
        ),
    ];
    for (why, flood) in floods {
        let mut client = Client::new(ground.site.connect(PLAIN)?)?;
        client.send(&post)?;
        let mut writer = client.0.try_clone()?;
        let pieces: Vec<Vec<u8>> = (0..60)
            .map(|n| (n * 100..(n + 1) * 100).flat_map(&flood).collect())
            .collect();
        // It ends by an error once the program has closed the connection.
        let writing = std::thread::spawn(move || {
            pieces
                .iter()
                .try_for_each(|piece| writer.write_all(piece))
                .is_err()
        });
        // What was said before a reset may be lost with it.
        assert!(
            matches!(client.goodbye(), Some(ENHANCE_YOUR_CALM) | None),
            "{why}"
        );
        let _ = writing.join();
        drop(client);
        told_of_the_end(&mut ground, why)?;
        ground.is_well().map_err(|error| format!("{why}: {error}"))?;
        // Lines of the streams that went with it may still come.
        ground.until_descriptors(before)?;
        let more = ground.untold().len();
        ground.skip(more);
    }
    Ok(())
}

#[test]
fn who_floods_and_never_reads_is_gone_too() -> Result<()> {
    let mut ground = Ground::start("h2-unread", silent()?)?;
    let before = ground.descriptors()?;
    for kind in [6, 4] {
        let mut stream = ground.site.connect(PLAIN)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&hello())?;
        let payload: &[u8] = if kind == 6 { &[0; 8] } else { &[] };
        let piece = frame(kind, 0, 0, payload).repeat(1000);
        while stream.write_all(&piece).is_ok() {}
        told_of_the_end(&mut ground, "never reads")?;
        ground.is_well()?;
        drop(stream);
    }
    ground.until_descriptors(before)
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() -> Result<()> {
    let mut ground = Ground::start("h2-broken", silent()?)?;
    let before = ground.descriptors()?;
    let get = request("GET", "/");
    let most = 0x7fff_ffff_u32.to_be_bytes();
    for (why, bytes, code) in [
        ("noise", vec![0xff; 200], FRAME_SIZE_ERROR),
        (
            "a head of rubbish",
            frame(1, 5, 1, &[0xff; 20]),
            COMPRESSION_ERROR,
        ),
        (
            "room beyond measure",
            frame(8, 0, 0, &most).repeat(2),
            FLOW_CONTROL_ERROR,
        ),
        (
            "windows beyond measure",
            frame(4, 0, 0, &[0, 4, 0x80, 0, 0, 0]),
            FLOW_CONTROL_ERROR,
        ),
        (
            "a push",
            frame(5, 4, 1, &[&[0, 0, 0, 2], &get[..]].concat()),
            PROTOCOL_ERROR,
        ),
        ("data on nothing", frame(0, 0, 1, b"x"), PROTOCOL_ERROR),
        ("a stream of the other side", frame(1, 5, 2, &get), PROTOCOL_ERROR),
        (
            "another frame within a head",
            [frame(1, 0, 1, &get), frame(6, 0, 0, &[0; 8])].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "too large a frame",
            frame(0, 0, 1, &[0; 16_385]),
            FRAME_SIZE_ERROR,
        ),
        (
            "a head of many pieces",
            {
                let piece = frame(9, 0, 1, &[0x82; 16_000]);
                [frame(1, 0, 1, &get), piece.repeat(4)].concat()
            },
            ENHANCE_YOUR_CALM,
        ),
    ] {
        let mut client = Client::new(ground.site.connect(PLAIN)?)?;
        let _ = client.send(&bytes);
        assert!(client.goodbye().is_none_or(|said| said == code), "{why}");
        drop(client);
        told_of_the_end(&mut ground, why)?;
        ground.is_well()?;
        let more = ground.untold().len();
        ground.skip(more);
    }
    ground.until_descriptors(before)
}

#[test]
fn heads_past_the_limits_are_refused_each_for_itself() -> Result<()> {
    let mut ground = Ground::start("h2-heads", silent()?)?;
    let mut client = Client::new(ground.site.connect(PLAIN)?)?;
    let bomb = [
        &request("GET", "/")[..],
        b"\x40\x01x\x7f\x81\x1e",
        &[b'b'; 3968],
        &[0xbe; 10_000],
    ]
    .concat();
    let many = [request("GET", "/"), field("a", "b").repeat(200)].concat();
    for (stream, block, line) in [(1, bomb, "431 PR"), (3, many, "400 PR")] {
        client.send(&frame(1, 5, stream, &block))?;
        client.until(|kind, flags, of, _| kind == 0 && flags & 1 == 1 && of == stream)?;
        let told = ground.told()?;
        assert!(told.starts_with(&format!("{line} site/<NOSRV> ")), "{told}");
        ground.is_well()?;
    }
    // As many as over HTTP/1: 100, of which the authority is one, and all cookies together another.
    let fields = |more: usize| {
        [
            request("GET", "/"),
            field("cookie", "a").repeat(150),
            field("a", "b").repeat(more),
        ]
        .concat()
    };
    for (stream, more, line) in [(5, 98, "200 LR"), (7, 99, "400 PR")] {
        client.send(&frame(1, 5, stream, &fields(more)))?;
        client.until(|kind, flags, of, _| kind == 0 && flags & 1 == 1 && of == stream)?;
        let told = ground.told()?;
        assert!(told.starts_with(&format!("{line} site/<NOSRV> ")), "{told}");
    }
    ground.is_well()
}

#[test]
fn who_goes_in_the_middle_is_told_of() -> Result<()> {
    let mut ground = Ground::start("h2-middle", silent()?)?;
    let before = ground.descriptors()?;
    let asks = frame(1, 5, 1, &request("GET", "/to"));
    let begins = frame(1, 1, 1, &request("GET", "/to"));
    for (why, bytes, line) in [
        (
            "in a frame",
            asks[..15].to_vec(),
            "0 CR site/<NOSRV> \"<BADREQ>\"",
        ),
        ("in a head", begins, "0 CR site/<NOSRV> \"<BADREQ>\""),
    ] {
        let mut stream = ground.site.connect(PLAIN)?;
        // All at once: what was asked for comes with the end.
        stream.write_all(&[hello(), bytes].concat())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let told = ground.told().map_err(|error| format!("{why}: {error}"))?;
        assert!(told.starts_with(line), "{why}: {told}");
        stream.read_to_end(&mut Vec::new())?;
        ground.is_well()?;
    }
    // What comes with the end was asked, though nobody may have heard of it.
    let mut stream = ground.site.connect(PLAIN)?;
    stream.write_all(&[hello(), asks].concat())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let told = ground.told()?;
    assert!(told.contains(" \"GET http://h/to HTTP/2.0\""), "{told}");
    stream.read_to_end(&mut Vec::new())?;
    // What comes with a fault was asked, too.
    let asks = frame(1, 5, 1, &request("GET", "/"));
    let bytes = [hello(), asks, frame(8, 0, 0, &[0; 4])].concat();
    ground.site.connect(PLAIN)?.write_all(&bytes)?;
    let mut lines = [ground.told()?, ground.told()?];
    lines.sort_unstable();
    assert_eq!(lines[0], REFUSED);
    assert!(lines[1].ends_with("\"GET http://h/ HTTP/2.0\""), "{}", lines[1]);
    assert_eq!(ground.untold(), Vec::<String>::new());
    ground.until_descriptors(before)
}

/// More than a million pieces of a byte each, for a server that reads none. (That many of them lie side by side is for the codec's own tests.)
#[test]
fn small_pieces_hold_nobody_up() -> Result<()> {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let to = origin(move |stream| {
        head(&mut std::io::BufReader::new(stream.try_clone()?))?;
        // As long as the test goes on.
        let _ = held.lock().map_err(|_| "poisoned")?.recv();
        Ok(())
    })?;
    let mut ground = Ground::start("h2-pieces", to)?;
    let mut client = Client::new(ground.site.connect(PLAIN)?)?;
    client.send(&frame(1, 4, 1, &request("POST", "/to")))?;
    let mut writer = client.0.try_clone()?;
    let pieces = frame(0, 0, 1, b"x").repeat(10_000);
    let writing = std::thread::spawn(move || (0..120).try_for_each(|_| writer.write_all(&pieces)));
    let told = ground.told()?;
    assert!(told.contains("\"POST http://h/to HTTP/2.0\""), "{told}");
    let _ = client.0.shutdown(std::net::Shutdown::Both);
    let _ = writing.join();
    drop(hold);
    ground.is_well()
}

/// The server hears of it, too: it is let go of, and others may be asked for.
#[test]
fn a_stream_that_its_client_makes_be_reset_is_given_up() -> Result<()> {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let to = origin(move |mut stream| {
        head(&mut std::io::BufReader::new(stream.try_clone()?))?;
        let tell = tell.lock().map_err(|_| "poisoned")?;
        tell.send(false)?;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        Ok(tell.send(true)?)
    })?;
    let mut ground = Ground::start("h2-made-you-reset", to)?;
    let mut client = Client::new(ground.site.connect(PLAIN)?)?;
    client.send(&frame(1, 5, 1, &request("GET", "/to")))?;
    assert!(!told.recv_timeout(PATIENCE)?);
    let start = Instant::now();
    client.send(&frame(8, 0, 1, &[0; 4]))?;
    client.until(|kind, _, stream, _| kind == 3 && stream == 1)?;
    assert!(told.recv_timeout(PATIENCE)?);
    let line = ground.told()?;
    // Not since the server took too long.
    assert!(
        line.contains(" CH to/s \"GET http://h/to HTTP/2.0\""),
        "{line} after {:?}",
        start.elapsed()
    );
    client.send(&frame(1, 5, 3, &request("GET", "/")))?;
    client.until(|kind, flags, of, _| kind == 0 && flags & 1 == 1 && of == 3)?;
    ground.is_well()
}

/// As over HTTP/1.
#[test]
fn who_ends_its_side_before_an_answer_is_refused() -> Result<()> {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let to = origin(move |mut stream| {
        head(&mut std::io::BufReader::new(stream.try_clone()?))?;
        tell.lock().map_err(|_| "poisoned")?.send(())?;
        crate::ground::wait(stream.try_clone()?)?;
        Ok(stream.flush()?)
    })?;
    let mut ground = Ground::start("h2-half", to)?;
    let before = ground.descriptors()?;
    let mut client = Client::new(ground.site.connect(PLAIN)?)?;
    client.send(&frame(1, 5, 1, &request("GET", "/to")))?;
    told.recv_timeout(PATIENCE)?;
    client.0.shutdown(std::net::Shutdown::Write)?;
    let (.., page) = client.until(|kind, _, stream, _| kind == 0 && stream == 1)?;
    assert!(String::from_utf8_lossy(&page).contains("400"));
    let line = ground.told()?;
    assert!(
        line.starts_with("400 CH to/s \"GET http://h/to HTTP/2.0\""),
        "{line}"
    );
    drop(client);
    ground.until_descriptors(before)?;
    ground.is_well()
}

/// A response of which the client takes a byte at a time.
#[test]
fn windows_of_a_byte_are_served_by_the_byte() -> Result<()> {
    let to = says(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 20\r\n\r\nabcdefghijklmnopqrst".to_vec(),
        crate::ground::wait,
    )?;
    let mut ground = Ground::start("h2-windows", to)?;
    let mut client = Client(ground.site.connect(PLAIN)?);
    let small = frame(4, 0, 0, &[0, 4, 0, 0, 0, 1]);
    client.send(
        &[
            crate::frames::PREFACE,
            &small,
            &frame(1, 5, 1, &request("GET", "/to")),
        ]
        .concat(),
    )?;
    let mut got = Vec::new();
    while got.len() < 20 {
        let (_, _, _, data) = client.until(|kind, _, stream, _| kind == 0 && stream == 1)?;
        assert!(data.len() <= 1);
        got.extend(data);
        client.send(&frame(8, 0, 1, &[0, 0, 0, 1]))?;
    }
    assert_eq!(got, b"abcdefghijklmnopqrst");
    // Smaller than nothing is no error either.
    client.send(&frame(1, 5, 3, &request("GET", "/to")))?;
    client.until(|kind, _, stream, _| kind == 0 && stream == 3)?;
    client.send(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]))?;
    client.send(&frame(8, 0, 3, &[0, 0, 0, 30]))?;
    client.until(|kind, flags, stream, _| kind == 0 && flags & 1 == 1 && stream == 3)?;
    ground.is_well()
}
