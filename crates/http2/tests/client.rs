//! A client's end of a connection, and what a server may do to it: frames written by hand.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::task::Poll;

use common::*;
use http::{Method, StatusCode, Uri, Version};
use tidegate_http2::{Broken, Connection, Key, Outcome, Outgoing, Reason, Received, Role, Settings};
use tidegate_sample::head::{Headers, Target, request, response};

const PUSH_PROMISE: u8 = 5;

/// `:status` 200 and 204, as everybody knows them.
const OK: &[u8] = &[0x88];
const NO_CONTENT: &[u8] = &[0x89];

/// A client that its server has greeted.
fn client() -> Connection {
    let mut client = Connection::new(Role::Client, Settings::default());
    feed(&mut client, &settings(&[]));
    assert!(client.read().is_none());
    frames(&mut client);
    client
}

/// Asks for something, with nothing more to come.
fn ask(client: &mut Connection) -> Key {
    let target = Target::from(Uri::from_static("http://h/"));
    let head = request::Parts::new(Method::GET, target, Version::HTTP_2, Headers::new());
    let outgoing = Outgoing {
        head: &head,
        protocol: None,
        encrypted: false,
    };
    let key = client.request(outgoing, true).unwrap();
    frames(client);
    key
}

fn hear(client: &mut Connection, bytes: &[u8]) {
    feed(client, bytes);
    assert!(client.read().is_none());
}

fn head(client: &mut Connection, key: Key) -> Poll<Result<response::Parts, Broken>> {
    client.poll_head(key, &no_context())
}

/// A status that is no entry of the table.
fn status(digits: &[u8; 3]) -> Vec<u8> {
    [&[8, 3], &digits[..]].concat()
}

/// What a client says to these frames of its server, having asked on stream 1 and been answered on stream 3: the streams it resets, and
/// why it leaves if it does.
fn said_to(bytes: &[u8]) -> (Vec<(u32, Reason)>, Option<Reason>) {
    let mut client = client();
    let _asked = ask(&mut client);
    let done = ask(&mut client);
    hear(&mut client, &frame(HEADERS, WHOLE, 3, NO_CONTENT));
    client.let_go(done);
    frames(&mut client);
    hear(&mut client, bytes);
    let sent = frames(&mut client);
    let resets = sent.iter().filter(|f| f.kind == RST_STREAM);
    let goaway = sent.iter().find(|f| f.kind == GOAWAY);
    assert_eq!(goaway.is_some(), client.outcome().is_some());
    (
        resets.map(|f| (f.stream, f.number(0).into())).collect(),
        goaway.map(|f| f.number(4).into()),
    )
}

#[test]
fn a_server_that_breaks_the_protocol_is_left() {
    let protocol = Reason::PROTOCOL_ERROR;
    let flow = Reason::FLOW_CONTROL_ERROR;
    let most = 0x7fff_ffff_u32.to_be_bytes();
    for (what, bytes, reason) in [
        (
            "a push",
            frame(PUSH_PROMISE, 4, 1, &[&[0, 0, 0, 2], GET].concat()),
            protocol,
        ),
        (
            "a head on a stream of its own",
            frame(HEADERS, WHOLE, 2, OK),
            protocol,
        ),
        (
            "a head that nobody asked for",
            frame(HEADERS, WHOLE, 9, OK),
            protocol,
        ),
        ("data that nobody asked for", frame(DATA, 0, 9, b"x"), protocol),
        (
            "a reset of what never was",
            frame(RST_STREAM, 0, 9, &[0; 4]),
            protocol,
        ),
        (
            "a head behind the end",
            frame(HEADERS, WHOLE, 3, OK),
            Reason::STREAM_CLOSED,
        ),
        (
            "data behind the end",
            frame(DATA, 0, 3, b"x"),
            Reason::STREAM_CLOSED,
        ),
        (
            "room beyond measure",
            frame(WINDOW_UPDATE, 0, 0, &most).repeat(2),
            flow,
        ),
        ("windows beyond measure", settings(&[(4, 0x8000_0000)]), flow),
        ("taking pushes", settings(&[(2, 1)]), protocol),
        ("too small frames", settings(&[(5, 1)]), protocol),
        (
            "rubbish for a head",
            frame(HEADERS, WHOLE, 1, &[0xff; 9]),
            Reason::COMPRESSION_ERROR,
        ),
        (
            "too large a frame",
            frame(DATA, 0, 1, &[0; 16_385]),
            Reason::FRAME_SIZE_ERROR,
        ),
        ("the rest of no head", frame(CONTINUATION, 4, 1, b""), protocol),
        (
            "another frame within a head",
            [frame(HEADERS, 0, 1, OK), frame(PING, 0, 0, &[0; 8])].concat(),
            protocol,
        ),
        (
            "more data than there is room for",
            {
                let head = frame(HEADERS, END_HEADERS, 1, OK);
                [head, frame(DATA, 0, 1, &[0; 16_384]).repeat(110)].concat()
            },
            flow,
        ),
    ] {
        assert_eq!(said_to(&bytes).1, Some(reason), "{what}");
    }
}

#[test]
fn what_is_no_response_ends_its_stream_alone() {
    let protocol = Reason::PROTOCOL_ERROR;
    let with = |name: &str, value: &str| [OK, &field(name, value)].concat();
    let begun = frame(HEADERS, END_HEADERS, 1, OK);
    let of_one = frame(HEADERS, END_HEADERS, 1, &with("content-length", "1"));
    let bomb = [OK, b"\x40\x01a\x7f\x81\x1e", &[b'x'; 4000], &[0xbe; 10_000]].concat();
    for (what, bytes, reason) in [
        ("no status", frame(HEADERS, WHOLE, 1, &field("a", "b")), protocol),
        ("two of them", frame(HEADERS, WHOLE, 1, &OK.repeat(2)), protocol),
        (
            "one that is none",
            frame(HEADERS, WHOLE, 1, &status(b"2x0")),
            protocol,
        ),
        (
            "a switch of protocols",
            frame(HEADERS, END_HEADERS, 1, &status(b"101")),
            protocol,
        ),
        (
            "a hint and no more",
            frame(HEADERS, WHOLE, 1, &status(b"103")),
            protocol,
        ),
        (
            "a method",
            frame(HEADERS, WHOLE, 1, &[OK, &[0x82]].concat()),
            protocol,
        ),
        (
            "a field of HTTP/1",
            frame(HEADERS, WHOLE, 1, &with("connection", "close")),
            protocol,
        ),
        (
            "a large letter",
            frame(HEADERS, WHOLE, 1, &with("A", "b")),
            protocol,
        ),
        (
            "a line's end",
            frame(HEADERS, WHOLE, 1, &with("a", "b\r\nc: d")),
            protocol,
        ),
        (
            "lengths that differ",
            {
                let both = [with("content-length", "1"), field("content-length", "2")].concat();
                frame(HEADERS, END_HEADERS, 1, &both)
            },
            protocol,
        ),
        (
            "a length and no body",
            frame(HEADERS, WHOLE, 1, &with("content-length", "1")),
            protocol,
        ),
        (
            "more than a block may become",
            frame(HEADERS, WHOLE, 1, &bomb),
            protocol,
        ),
        ("data before a head", frame(DATA, 0, 1, b"x"), protocol),
        (
            "more than was declared",
            [&of_one[..], &frame(DATA, 0, 1, b"xx")].concat(),
            protocol,
        ),
        (
            "less than was declared",
            [&of_one[..], &frame(DATA, END_STREAM, 1, b"")].concat(),
            protocol,
        ),
        (
            "data where there is none",
            {
                let head = frame(HEADERS, END_HEADERS, 1, NO_CONTENT);
                [head, frame(DATA, END_STREAM, 1, b"x")].concat()
            },
            protocol,
        ),
        ("a second head", [&begun[..], &begun[..]].concat(), protocol),
        (
            "trailers with a status",
            [&begun[..], &frame(HEADERS, WHOLE, 1, OK)].concat(),
            protocol,
        ),
        (
            "a head behind the end",
            { frame(HEADERS, WHOLE, 1, NO_CONTENT).repeat(2) },
            Reason::STREAM_CLOSED,
        ),
        (
            "room beyond measure",
            frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes()),
            Reason::FLOW_CONTROL_ERROR,
        ),
        ("no room at all", frame(WINDOW_UPDATE, 0, 1, &[0; 4]), protocol),
    ] {
        assert_eq!(said_to(&bytes), (vec![(1, reason)], None), "{what}");
    }
}

#[test]
fn an_answer_that_was_whole_stays_one_whatever_follows() {
    let mut client = client();
    let key = ask(&mut client);
    hear(&mut client, &frame(HEADERS, WHOLE, 1, NO_CONTENT).repeat(2));
    assert!(matches!(head(&mut client, key), Poll::Ready(Ok(head)) if head.status == StatusCode::NO_CONTENT));
    assert!(matches!(received(&mut client, key), Some(Received::End)));
}

#[test]
fn a_goodbye_means_what_it_says_at_every_stage() {
    let goodbye = |last: u8, reason: u8| frame(GOAWAY, 0, 0, &[0, 0, 0, last, 0, 0, 0, reason]);
    // Before anything was asked for.
    let mut unused = client();
    hear(&mut unused, &goodbye(0, 0));
    assert_eq!(
        (unused.outcome(), unused.takes_requests()),
        (Some(Outcome::Done), (false, false))
    );
    // What comes behind the last that it looks at may be asked for elsewhere; the others are answered.
    for reason in [0, 2] {
        let mut client = client();
        let (first, second) = (ask(&mut client), ask(&mut client));
        hear(&mut client, &goodbye(1, reason));
        assert!(matches!(
            head(&mut client, second),
            Poll::Ready(Err(Broken::Unseen))
        ));
        assert!(head(&mut client, first).is_pending());
        assert_eq!(client.takes_requests(), (false, false));
        hear(&mut client, &frame(HEADERS, END_HEADERS, 1, OK));
        assert!(head(&mut client, first).is_ready());
        hear(
            &mut client,
            &[goodbye(1, reason), frame(DATA, END_STREAM, 1, b"x")].concat(),
        );
        assert!(matches!(received(&mut client, first), Some(Received::Data(_))));
        assert!(matches!(received(&mut client, first), Some(Received::End)));
        assert_eq!(client.outcome(), Some(Outcome::Done));
    }
    // And gone after all.
    let mut client = client();
    let key = ask(&mut client);
    hear(
        &mut client,
        &[frame(HEADERS, END_HEADERS, 1, OK), goodbye(1, 0)].concat(),
    );
    client.broke();
    assert!(head(&mut client, key).is_ready());
    assert!(matches!(
        received(&mut client, key),
        Some(Received::Broken(Broken::Connection))
    ));
}

#[test]
fn floods_end_the_connection() {
    let hint = status(b"103");
    type Flood = Box<dyn Fn(u32) -> Vec<u8>>;
    let begun = |n: u32, then: Vec<u8>| match n {
        0 => frame(HEADERS, END_HEADERS, 1, OK),
        _ => then,
    };
    let floods: [(&str, Flood); 12] = [
        ("pings", Box::new(|_| frame(PING, 0, 0, &[0; 8]))),
        ("answers to none", Box::new(|_| frame(PING, 1, 0, &[0; 8]))),
        ("settings", Box::new(|_| frame(SETTINGS, 0, 0, b""))),
        ("priorities", Box::new(|_| frame(PRIORITY, 0, 1, &[0; 5]))),
        (
            "goodbyes",
            Box::new(|_| frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])),
        ),
        ("unknown frames", Box::new(|_| frame(0x77, 0, 0, &[0; 100]))),
        (
            "room by bytes",
            Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ),
        ("hints", Box::new(move |_| frame(HEADERS, END_HEADERS, 1, &hint))),
        ("empty data", Box::new(move |n| begun(n, frame(DATA, 0, 1, b"")))),
        (
            "padding",
            Box::new(move |n| begun(n, frame(DATA, PADDED, 1, b"\0"))),
        ),
        (
            "a head without end",
            Box::new(|n| frame(if n == 0 { HEADERS } else { CONTINUATION }, 0, 1, b"")),
        ),
        // Stream 3 was let go of.
        ("data that nobody wants", Box::new(|_| frame(DATA, 0, 3, b"x"))),
    ];
    for (what, flood) in floods {
        let mut client = client();
        let _asked = ask(&mut client);
        let unwanted = ask(&mut client);
        client.let_go(unwanted);
        let mut most = 0;
        for n in 0..5_000 {
            hear(&mut client, &flood(n));
            most = most.max(sent(&mut client).len());
            if client.outcome().is_some() {
                break;
            }
        }
        let calm = Some(Outcome::Refused(Reason::ENHANCE_YOUR_CALM));
        assert_eq!(client.outcome(), calm, "{what}");
        assert!(most < 200, "{what}");
    }
}
