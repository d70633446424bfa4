//! A server's end of a connection, with frames written by hand.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use http::StatusCode;
use tidegate_http2::{Broken, Connection, Key, Outcome, Reason, Received, Role, Settings};
use tidegate_sample::head::response;

/// A server that a client has greeted.
fn server_with(settings: Settings) -> Connection {
    let mut server = Connection::new(Role::Server, settings);
    feed(&mut server, &hello());
    assert!(server.read().is_none());
    frames(&mut server);
    server
}

fn server() -> Connection {
    server_with(Settings::default())
}

/// The stream of the request that these bytes are.
fn ask(server: &mut Connection, bytes: &[u8]) -> Key {
    feed(server, bytes);
    server.read().unwrap().0
}

fn ok(server: &mut Connection, key: Key, ended: bool) {
    server
        .respond(key, &response::Parts::new(StatusCode::OK), ended)
        .unwrap();
}

#[test]
fn a_request_is_answered_in_as_few_bytes_as_can_be() {
    let mut server = Connection::new(Role::Server, Settings::default());
    feed(&mut server, &[hello(), frame(HEADERS, WHOLE, 1, GET)].concat());
    let (key, request) = server.read().unwrap();
    assert_eq!(request.head.uri.to_string(), "http://h/");
    assert!(server.read().is_none() && server.is_taken(key));
    assert_eq!(server.active(), 1);
    ok(&mut server, key, false);
    assert_eq!(send(&mut server, key, &mut Bytes::from("hello"), true), Some(5));
    assert_eq!(server.active(), 0);
    let sent = frames(&mut server);
    let kinds: Vec<_> = sent.iter().map(|f| (f.kind, f.flags, f.stream)).collect();
    let expected = [
        (SETTINGS, 0, 0),
        (SETTINGS, 1, 0),
        (WINDOW_UPDATE, 0, 0),
        (HEADERS, END_HEADERS, 1),
        (DATA, END_STREAM, 1),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        (&sent[3].payload[..], &sent[4].payload[..]),
        (&[0x88][..], &b"hello"[..])
    );
    assert_eq!(sent[2].number(0), 1_638_400 - 65_535);
    server.let_go(key);
    assert!(!server.has_output());
}

#[test]
fn nothing_is_said_before_the_client_has_said_hello() {
    for byte in 0..hello().len() {
        let mut server = Connection::new(Role::Server, Settings::default());
        let mut wrong = hello()[..=byte].to_vec();
        assert!({
            feed(&mut server, &wrong);
            server.read().is_none() && server.outcome().is_none()
        });
        if byte < 24 {
            assert!(byte == 23 || !server.has_output());
            wrong[byte] ^= 0x20;
            let mut server = Connection::new(Role::Server, Settings::default());
            feed(&mut server, &wrong);
            assert!(server.read().is_none());
            assert_eq!(server.outcome(), Some(Outcome::Refused(Reason::PROTOCOL_ERROR)));
            assert!(!server.has_output());
        }
    }
}

/// What becomes of a connection on which a client sends these frames, having asked for something on stream 1 that
/// is being received, and on stream 3 that was answered.
fn outcome(bytes: &[u8]) -> (Vec<(u32, Reason)>, Option<Reason>) {
    let mut server = server();
    let _open = ask(&mut server, &frame(HEADERS, END_HEADERS, 1, POST));
    let done = ask(&mut server, &frame(HEADERS, WHOLE, 3, GET));
    ok(&mut server, done, true);
    server.let_go(done);
    frames(&mut server);
    feed(&mut server, bytes);
    while server.read().is_some() {}
    let sent = frames(&mut server);
    let resets = sent.iter().filter(|f| f.kind == RST_STREAM);
    let goaway = sent.iter().find(|f| f.kind == GOAWAY);
    assert_eq!(goaway.is_some(), server.outcome().is_some());
    (
        resets.map(|f| (f.stream, f.number(0).into())).collect(),
        goaway.map(|f| f.number(4).into()),
    )
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    let window = |by: u32| by.to_be_bytes();
    let size = Reason::FRAME_SIZE_ERROR;
    let protocol = Reason::PROTOCOL_ERROR;
    for (what, bytes, reason) in [
        ("data on no stream", frame(DATA, 0, 0, b"x"), protocol),
        ("data on an idle stream", frame(DATA, 0, 5, b"x"), protocol),
        (
            "data on a closed stream",
            frame(DATA, 0, 3, b"x"),
            Reason::STREAM_CLOSED,
        ),
        ("too much padding", frame(DATA, PADDED, 1, b"\x02x"), protocol),
        ("a head on no stream", frame(HEADERS, WHOLE, 0, GET), protocol),
        (
            "a head on a stream of ours",
            frame(HEADERS, WHOLE, 2, GET),
            protocol,
        ),
        (
            "a head on a closed stream",
            frame(HEADERS, WHOLE, 3, GET),
            Reason::STREAM_CLOSED,
        ),
        (
            "rubbish for a head",
            frame(HEADERS, WHOLE, 5, &[0xff; 9]),
            Reason::COMPRESSION_ERROR,
        ),
        (
            "a continuation of nothing",
            frame(CONTINUATION, END_HEADERS, 1, b""),
            protocol,
        ),
        (
            "something between the parts of a head",
            [frame(HEADERS, END_STREAM, 5, GET), frame(PING, 0, 0, &[0; 8])].concat(),
            protocol,
        ),
        (
            "a continuation on another stream",
            [frame(HEADERS, END_STREAM, 5, GET), frame(CONTINUATION, 4, 7, b"")].concat(),
            protocol,
        ),
        ("a long ping", frame(PING, 0, 0, &[0; 9]), size),
        ("a ping on a stream", frame(PING, 0, 1, &[0; 8]), protocol),
        ("settings on a stream", frame(SETTINGS, 0, 1, b""), protocol),
        ("odd settings", frame(SETTINGS, 0, 0, &[0; 5]), size),
        (
            "an acknowledgement with settings",
            frame(SETTINGS, 1, 0, &[0; 6]),
            size,
        ),
        (
            "a window that is too large",
            settings(&[(4, 1 << 31)]),
            Reason::FLOW_CONTROL_ERROR,
        ),
        ("a reset of no stream", frame(RST_STREAM, 0, 0, &[0; 4]), protocol),
        (
            "a reset of an idle stream",
            frame(RST_STREAM, 0, 5, &[0; 4]),
            protocol,
        ),
        ("a short reset", frame(RST_STREAM, 0, 1, &[0; 3]), size),
        (
            "a priority on no stream",
            frame(PRIORITY, 0, 0, &[0; 5]),
            protocol,
        ),
        ("a promise", frame(5, 4, 1, &[0; 4]), protocol),
        ("a short goodbye", frame(GOAWAY, 0, 0, &[0; 7]), size),
        ("a goodbye on a stream", frame(GOAWAY, 0, 1, &[0; 8]), protocol),
        ("no more room", frame(WINDOW_UPDATE, 0, 0, &window(0)), protocol),
        (
            "too much room",
            frame(WINDOW_UPDATE, 0, 0, &window(0x7fff_ffff)),
            Reason::FLOW_CONTROL_ERROR,
        ),
        ("short room", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), size),
        (
            "room on an idle stream",
            frame(WINDOW_UPDATE, 0, 5, &window(1)),
            protocol,
        ),
        ("a long frame", frame(0x77, 0, 0, &[0; 16_385]), size),
        (
            "a number below that of another",
            [frame(HEADERS, WHOLE, 9, GET), frame(HEADERS, WHOLE, 7, GET)].concat(),
            protocol,
        ),
    ] {
        let (resets, ended) = outcome(&bytes);
        assert_eq!((resets, ended), (vec![], Some(reason)), "{what}");
    }
}

#[test]
fn what_breaks_a_stream_ends_that_alone() {
    let head = |more: &[u8]| [GET, more].concat();
    let protocol = Reason::PROTOCOL_ERROR;
    for (what, bytes, stream, reason) in [
        (
            "trailers without an end",
            frame(HEADERS, END_HEADERS, 1, b""),
            1,
            protocol,
        ),
        (
            "trailers that begin a request",
            frame(HEADERS, WHOLE, 1, GET),
            1,
            protocol,
        ),
        (
            "a field with capitals",
            frame(HEADERS, WHOLE, 5, &head(&field("A", "b"))),
            5,
            protocol,
        ),
        (
            "a field of HTTP/1",
            frame(HEADERS, WHOLE, 5, &head(&field("connection", "close"))),
            5,
            protocol,
        ),
        (
            "less than was declared",
            frame(HEADERS, WHOLE, 5, &head(&field("content-length", "1"))),
            5,
            protocol,
        ),
        (
            "a head that says nothing",
            frame(HEADERS, WHOLE, 5, b""),
            5,
            protocol,
        ),
        (
            "a stream that depends on itself",
            frame(HEADERS, WHOLE | 0x20, 5, &[&[0, 0, 0, 5, 0][..], GET].concat()),
            5,
            protocol,
        ),
        (
            "a priority of itself",
            frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]),
            1,
            protocol,
        ),
        (
            "a short priority",
            frame(PRIORITY, 0, 1, &[0; 4]),
            1,
            Reason::FRAME_SIZE_ERROR,
        ),
        ("no more room", frame(WINDOW_UPDATE, 0, 1, &[0; 4]), 1, protocol),
        (
            "too much room",
            frame(WINDOW_UPDATE, 0, 1, &[0x7f, 255, 255, 255]),
            1,
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "more after the end",
            [frame(DATA, END_STREAM, 1, b"x"), frame(DATA, 0, 1, b"y")].concat(),
            1,
            Reason::STREAM_CLOSED,
        ),
    ] {
        let (resets, ended) = outcome(&bytes);
        assert_eq!((resets, ended), (vec![(stream, reason)], None), "{what}");
    }
}

#[test]
fn what_means_nothing_changes_nothing() {
    for bytes in [
        frame(0x77, 0xff, 1, b"anything"),
        frame(RST_STREAM, 0, 3, &[0; 4]),
        frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1]),
        frame(PRIORITY, 0, 99, &[0; 5]),
        frame(SETTINGS, 1, 0, b""),
        settings(&[(0xfade, 1)]),
    ] {
        assert_eq!(outcome(&bytes), (vec![], None), "{bytes:?}");
    }
}

#[test]
fn bodies_are_counted_against_what_was_declared() {
    let post = [POST, &field("content-length", "3")[..]].concat();
    for (pieces, sound) in [
        (&[("abc", true)][..], true),
        (&[("ab", false), ("c", true)], true),
        (&[("abc", false), ("", true)], true),
        (&[("ab", true)], false),
        (&[("abcd", false)], false),
        (&[("ab", false), ("cd", true)], false),
    ] {
        let mut server = server();
        let key = ask(&mut server, &frame(HEADERS, END_HEADERS, 1, &post));
        for (piece, ended) in pieces {
            feed(&mut server, &frame(DATA, (*ended).into(), 1, piece.as_bytes()));
        }
        assert!(server.read().is_none());
        let mut body = Vec::new();
        let end = loop {
            match received(&mut server, key).unwrap() {
                Received::Data(data) => body.extend_from_slice(&data),
                end => break end,
            }
        };
        match sound {
            true => assert!(matches!(end, Received::End) && body == b"abc", "{pieces:?}"),
            false => assert!(
                matches!(end, Received::Broken(Broken::Faulty(Reason::PROTOCOL_ERROR))),
                "{pieces:?}"
            ),
        }
        assert_eq!(server.glitches(), u32::from(!sound));
        // Whoever has the request tells of it.
        assert_eq!(server.take_refused(), 0);
    }
}

#[test]
fn trailers_come_after_the_body() {
    let mut server = server();
    let key = ask(&mut server, &frame(HEADERS, END_HEADERS, 1, POST));
    let padded = frame(DATA, PADDED, 1, b"\x03datapad");
    feed(
        &mut server,
        &[padded, frame(HEADERS, WHOLE, 1, &field("x-a", "b"))].concat(),
    );
    assert!(server.read().is_none());
    let data = received(&mut server, key);
    assert!(matches!(data, Some(Received::Data(data)) if data == "data"));
    let Some(Received::Trailers(trailers)) = received(&mut server, key) else {
        panic!("no trailers");
    };
    assert_eq!(trailers.get("x-a").unwrap(), "b");
    assert!(matches!(received(&mut server, key), Some(Received::End)));
}

#[test]
fn room_is_given_back_as_bodies_are_taken() {
    let settings = Settings {
        buffer_bytes: 0,
        window_bytes: 1000,
        ..Settings::default()
    };
    let mut server = server_with(settings);
    let key = ask(&mut server, &frame(HEADERS, END_HEADERS, 1, POST));
    // It has more room than the stream was promised at first.
    let share = 65_535 / 8 * 7;
    let sent = frames(&mut server);
    assert_eq!(
        (sent.len(), sent[0].kind, sent[0].number(0)),
        (1, WINDOW_UPDATE, share - 1000)
    );
    let piece = vec![b'x'; 10_000];
    for taken in 0..20 {
        feed(&mut server, &frame(DATA, 0, 1, &piece));
        assert!(server.read().is_none());
        assert!(matches!(received(&mut server, key), Some(Received::Data(data)) if data.len() == 10_000));
        for frame in frames(&mut server) {
            assert!(
                frame.kind == WINDOW_UPDATE && frame.number(0) >= 28_000,
                "{taken} {frame:?}"
            );
        }
    }
    // What isn't taken uses it up, and more than there is ends the stream.
    let mut held = 0;
    while !server.has_output() {
        feed(&mut server, &frame(DATA, 0, 1, &piece));
        assert!(server.read().is_none());
        held += 1;
    }
    assert!((3..=6).contains(&held), "{held}");
    let sent = frames(&mut server);
    assert_eq!(
        (sent[0].kind, sent[0].number(0)),
        (RST_STREAM, Reason::FLOW_CONTROL_ERROR.code())
    );
    // What came before is there to be taken, or given back when nobody wants it.
    assert!(matches!(received(&mut server, key), Some(Received::Data(_))));
    frames(&mut server);
    server.let_go(key);
    let sent = frames(&mut server);
    assert_eq!((sent.len(), sent[0].kind, sent[0].stream), (1, WINDOW_UPDATE, 0));
}

#[test]
fn no_more_is_sent_than_there_is_room_for() {
    let mut server = Connection::new(Role::Server, Settings::default());
    feed(
        &mut server,
        &[tidegate_http2::PREFACE, &settings(&[(4, 10)])].concat(),
    );
    let key = ask(&mut server, &frame(HEADERS, WHOLE, 1, GET));
    ok(&mut server, key, false);
    let mut data = Bytes::from(vec![b'x'; 100_000]);
    assert_eq!(send(&mut server, key, &mut data, true), Some(10));
    assert_eq!(send(&mut server, key, &mut data, true), None);
    // More for the stream, then less than nothing, then more.
    feed(&mut server, &settings(&[(4, 100_000)]));
    assert!(server.read().is_none());
    assert_eq!(send(&mut server, key, &mut data, true), Some(65_525));
    feed(&mut server, &frame(WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]));
    feed(&mut server, &settings(&[(4, 0)]));
    assert!(server.read().is_none());
    assert_eq!(send(&mut server, key, &mut data, true), None);
    feed(&mut server, &settings(&[(4, 100_000)]));
    assert!(server.read().is_none());
    assert_eq!(send(&mut server, key, &mut data, true), Some(34_465));
    let sent = frames(&mut server);
    let bodies: Vec<_> = sent.iter().filter(|f| f.kind == DATA).collect();
    assert!(bodies.iter().all(|f| f.payload.len() <= 16_384));
    assert_eq!(bodies.iter().map(|f| f.payload.len()).sum::<usize>(), 100_000);
    let ends: Vec<_> = bodies.iter().map(|f| f.flags).collect();
    assert!(ends.iter().rev().skip(1).all(|flags| *flags == 0) && ends.last() == Some(&1));
}

#[test]
fn a_stream_that_nobody_wants_is_let_go_of_and_what_still_comes_of_it_is_no_error() {
    let mut server = server();
    let key = ask(&mut server, &frame(HEADERS, END_HEADERS, 1, POST));
    feed(&mut server, &frame(DATA, 0, 1, &[0; 16_000]));
    assert!(server.read().is_none());
    ok(&mut server, key, true);
    frames(&mut server);
    server.let_go(key);
    let sent = frames(&mut server);
    assert_eq!((sent[0].kind, sent[0].number(0)), (RST_STREAM, 0));
    for _ in 0..100 {
        feed(&mut server, &frame(DATA, 0, 1, &[0; 16_000]));
        assert!(server.read().is_none());
    }
    feed(&mut server, &frame(HEADERS, WHOLE, 1, &field("x", "y")));
    assert!(server.read().is_none() && server.outcome().is_none());
    // All of it was given back.
    let back: u32 = frames(&mut server).iter().map(|f| f.number(0)).sum();
    assert!(back > 800_000, "{back}");
    assert_eq!(server.active(), 0);
}

#[test]
fn no_more_streams_are_served_at_once_than_was_said() {
    let settings = Settings {
        streams_max: 2,
        ..Settings::default()
    };
    let mut server = server_with(settings);
    let key = ask(&mut server, &frame(HEADERS, WHOLE, 1, GET));
    ask(&mut server, &frame(HEADERS, WHOLE, 3, GET));
    frames(&mut server);
    feed(&mut server, &frame(HEADERS, WHOLE, 5, GET));
    assert!(server.read().is_none());
    let sent = frames(&mut server);
    assert_eq!(
        (sent[0].kind, sent[0].stream, sent[0].number(0)),
        (RST_STREAM, 5, 7)
    );
    ok(&mut server, key, true);
    server.let_go(key);
    ask(&mut server, &frame(HEADERS, WHOLE, 7, GET));
    // Those that are gone and not let go of count, too: not without end.
    let mut began = 0;
    for n in 0..500 {
        let id = 9 + 2 * n;
        feed(&mut server, &frame(RST_STREAM, 0, id - 2, &[0, 0, 0, 8]));
        feed(&mut server, &frame(HEADERS, WHOLE, id, GET));
        began += usize::from(server.read().is_some());
    }
    assert!(began <= 52, "{began}");
}

#[test]
fn the_end_comes_when_what_was_begun_is_served() {
    let mut server = server();
    let key = ask(&mut server, &frame(HEADERS, WHOLE, 1, GET));
    frames(&mut server);
    server.end_when_served();
    let sent = frames(&mut server);
    assert_eq!(
        (sent[0].kind, sent[0].number(0), sent[0].number(4)),
        (GOAWAY, (1 << 31) - 1, 0)
    );
    // What the client sent before it heard of it is served; what it sends afterwards is not.
    let late = ask(&mut server, &frame(HEADERS, WHOLE, 3, GET));
    feed(&mut server, &frame(PING, 1, 0, &sent[1].payload));
    feed(&mut server, &frame(HEADERS, WHOLE, 5, GET));
    assert!(server.read().is_none());
    let sent = frames(&mut server);
    assert_eq!((sent.len(), sent[0].kind, sent[0].number(0)), (1, GOAWAY, 3));
    for key in [key, late] {
        assert_eq!(server.outcome(), None);
        ok(&mut server, key, true);
        server.let_go(key);
    }
    assert_eq!(server.outcome(), Some(Outcome::Done));
}

#[test]
fn a_client_that_says_goodbye_is_served_first() {
    let mut server = server();
    let key = ask(&mut server, &frame(HEADERS, WHOLE, 1, GET));
    feed(&mut server, &frame(GOAWAY, 0, 0, &[0; 8]));
    assert!(server.read().is_none() && server.outcome().is_none());
    ok(&mut server, key, true);
    server.let_go(key);
    assert_eq!(server.outcome(), Some(Outcome::Done));
}

#[test]
fn what_follows_a_goodbye_is_not_read_where_nothing_is_in_progress() {
    let stray = frame(DATA, 0, 1, b"x");
    let mut server = server();
    feed(
        &mut server,
        &[frame(GOAWAY, 0, 0, &[0; 8]), stray.clone()].concat(),
    );
    assert!(server.read().is_none());
    assert_eq!(server.outcome(), Some(Outcome::Done));
    let mut server = self::server();
    feed(&mut server, &stray);
    assert!(server.read().is_none());
    assert_eq!(server.outcome(), Some(Outcome::Refused(Reason::PROTOCOL_ERROR)));
}

#[test]
fn who_waits_is_told_of_resets_and_ends() {
    let mut server = server();
    let reset = ask(&mut server, &frame(HEADERS, END_HEADERS, 1, POST));
    let other = ask(&mut server, &frame(HEADERS, END_HEADERS, 3, POST));
    assert!(server.poll_gone(reset, &no_context()).is_pending());
    feed(&mut server, &frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
    assert!(server.read().is_none());
    assert!(server.poll_gone(reset, &no_context()).is_ready());
    assert!(server.poll_gone(other, &no_context()).is_pending());
    assert!(matches!(
        received(&mut server, reset),
        Some(Received::Broken(Broken::Peer(Reason::CANCEL)))
    ));
    server.broke();
    assert_eq!(server.outcome(), Some(Outcome::Gone));
    assert!(matches!(
        received(&mut server, other),
        Some(Received::Broken(Broken::Connection))
    ));
}

#[test]
fn whoever_answers_is_told_that_the_client_made_a_stream_be_reset() {
    let mut server = server();
    let key = ask(&mut server, &frame(HEADERS, WHOLE, 1, GET));
    assert!(server.poll_gone(key, &no_context()).is_pending());
    frames(&mut server);
    feed(&mut server, &frame(WINDOW_UPDATE, 0, 1, &[0; 4]));
    assert!(server.read().is_none() && server.outcome().is_none());
    assert_eq!(frames(&mut server)[0].kind, RST_STREAM);
    assert!(server.poll_gone(key, &no_context()).is_ready());
    // What is reset here by whoever answers is no news to it.
    let key = ask(&mut server, &frame(HEADERS, WHOLE, 3, GET));
    server.reset(key, Reason::CANCEL);
    assert!(server.poll_gone(key, &no_context()).is_pending());
}

#[test]
fn small_pieces_of_a_body_that_nobody_takes_are_gathered() {
    let mut server = server();
    let key = ask(&mut server, &frame(HEADERS, END_HEADERS, 1, POST));
    let bytes: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
    for byte in &bytes {
        feed(&mut server, &frame(DATA, 0, 1, &[*byte]));
    }
    feed(&mut server, &frame(DATA, END_STREAM, 1, &[7; 9_000]));
    assert!(server.read().is_none() && server.outcome().is_none());
    let (mut taken, mut pieces) = (Vec::new(), 0);
    while let Some(Received::Data(data)) = received(&mut server, key) {
        taken.extend_from_slice(&data);
        pieces += 1;
    }
    assert!(taken == [bytes, vec![7; 9_000]].concat());
    assert!(pieces < 10, "{pieces}");
}

#[test]
fn what_was_asked_for_whole_is_answered_to_who_ended_its_side() {
    let mut server = server();
    let half = ask(&mut server, &frame(HEADERS, END_HEADERS, 1, POST));
    let whole = ask(&mut server, &frame(HEADERS, END_HEADERS | END_STREAM, 3, GET));
    server.ended();
    assert!(server.has_ended() && server.outcome().is_none());
    assert!(server.poll_gone(half, &no_context()).is_ready());
    assert!(server.poll_gone(whole, &no_context()).is_pending());
    server.let_go(half);
    let response = response::Parts::new(http::StatusCode::NO_CONTENT);
    server.respond(whole, &response, true).unwrap();
    server.let_go(whole);
    assert_eq!(server.outcome(), Some(Outcome::Done));
    // With nothing to answer it is over there and then.
    let mut server = self::server();
    server.ended();
    assert_eq!(server.outcome(), Some(Outcome::Done));
}

#[test]
fn floods_end_the_connection() {
    let begin = |n: u32| frame(HEADERS, if n == 0 { 4 } else { 5 }, 2 * n + 1, GET);
    type Flood = Box<dyn Fn(u32) -> Vec<u8>>;
    let floods: [(&str, Flood); 9] = [
        ("pings", Box::new(|_| frame(PING, 0, 0, &[0; 8]))),
        ("settings", Box::new(|_| frame(SETTINGS, 0, 0, b""))),
        ("priorities", Box::new(|_| frame(PRIORITY, 0, 1, &[0; 5]))),
        (
            "resets",
            Box::new(move |n| [begin(n), frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()),
        ),
        (
            "empty data",
            Box::new(move |n| if n == 0 { begin(0) } else { frame(DATA, 0, 1, b"") }),
        ),
        (
            "padding",
            Box::new(move |n| {
                if n == 0 {
                    begin(0)
                } else {
                    frame(DATA, PADDED, 1, b"\0")
                }
            }),
        ),
        (
            "data on a stream that was reset",
            Box::new(move |n| match n {
                0 => [begin(0), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(),
                _ => frame(DATA, 0, 1, b"x"),
            }),
        ),
        ("errors", Box::new(|n| frame(HEADERS, WHOLE, 2 * n + 1, b""))),
        (
            "a head without end",
            Box::new(|n| frame(if n == 0 { HEADERS } else { CONTINUATION }, 0, 1, &[0x82; 1000])),
        ),
    ];
    for (what, flood) in floods {
        let mut server = server();
        let mut most = 0;
        for n in 0..5_000 {
            feed(&mut server, &flood(n));
            while let Some((key, _)) = server.read() {
                server.let_go(key);
            }
            most = most.max(sent(&mut server).len());
            if server.outcome().is_some() {
                break;
            }
        }
        let calm = Some(Outcome::Refused(Reason::ENHANCE_YOUR_CALM));
        assert_eq!(server.outcome(), calm, "{what}");
        assert!(most < 200, "{what}");
    }
}

#[test]
fn a_long_head_leaves_in_several_frames() {
    let mut server = server();
    let key = ask(&mut server, &frame(HEADERS, WHOLE, 1, GET));
    frames(&mut server);
    let mut head = response::Parts::new(StatusCode::OK);
    let long = http::HeaderValue::from_str(&"\u{7e}".repeat(40_000)).unwrap();
    head.headers.append("x-long", long);
    server.respond(key, &head, true).unwrap();
    let sent = frames(&mut server);
    let kinds: Vec<_> = sent.iter().map(|f| (f.kind, f.flags)).collect();
    assert_eq!(
        kinds,
        [
            (HEADERS, END_STREAM),
            (CONTINUATION, 0),
            (CONTINUATION, END_HEADERS)
        ]
    );
}
