//! Two ends of a connection talk to each other, and one listens to anything.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use std::task::Poll;
use tidegate_http2::{Connection, Key, Outgoing, Received, Role, Settings};
use tidegate_sample::head::{Headers, Target, request, response};

/// A message: fields, pieces of a body, and whether trailers follow.
#[derive(Clone, Debug)]
struct Message {
    fields: Vec<(usize, String)>,
    pieces: Vec<usize>,
    trailers: bool,
}

const NAMES: [&str; 6] = [
    "accept",
    "x-own",
    "user-agent",
    "x-other-name",
    "date",
    "set-cookie",
];

fn message() -> impl Strategy<Value = Message> {
    let fields = vec((0..NAMES.len(), "[ -~]{0,40}"), 0..8);
    (fields, vec(0..40_000_usize, 0..5), any::<bool>()).prop_map(|(fields, pieces, trailers)| Message {
        fields: fields
            .into_iter()
            .map(|(n, v)| (n, v.trim().to_owned()))
            .collect(),
        pieces,
        trailers,
    })
}

impl Message {
    fn headers(&self) -> Headers {
        let field = |(name, value): &(usize, String)| (NAMES[*name], HeaderValue::from_str(value).unwrap());
        self.fields.iter().map(field).collect()
    }

    fn body(&self) -> Vec<u8> {
        let piece = |(at, length): (usize, &usize)| vec![at as u8 + 1; *length];
        self.pieces.iter().enumerate().flat_map(piece).collect()
    }
}

/// A message on its way out.
struct Leaving {
    rest: Bytes,
    trailers: bool,
    done: bool,
}

impl Leaving {
    fn of(message: &Message) -> Leaving {
        Leaving {
            rest: message.body().into(),
            trailers: message.trailers,
            done: false,
        }
    }

    fn go_on(&mut self, connection: &mut Connection, key: Key) {
        while !self.done {
            let last = !self.trailers;
            if !self.rest.is_empty() || last {
                if send(connection, key, &mut self.rest, last).is_none() {
                    return;
                }
                self.done = last && self.rest.is_empty();
            } else {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", HeaderValue::from_static("1"));
                connection.trailers(key, &trailers).unwrap();
                self.done = true;
            }
        }
    }
}

/// A message as it came.
#[derive(Default, Debug, PartialEq)]
struct Came {
    head: Option<Headers>,
    body: Vec<u8>,
    trailers: bool,
    ended: bool,
}

impl Came {
    fn go_on(&mut self, connection: &mut Connection, key: Key) {
        while !self.ended
            && let Some(received) = received(connection, key)
        {
            match received {
                Received::Data(data) => self.body.extend_from_slice(&data),
                Received::Trailers(_) => self.trailers = true,
                Received::End => self.ended = true,
                Received::Broken(why) => panic!("{why:?}"),
            }
        }
    }

    fn is(&self, message: &Message) -> bool {
        self.head.as_ref() == Some(&message.headers())
            && self.body == message.body()
            && self.trailers == message.trailers
    }
}

/// Moves what one end sends to the other, in pieces.
fn carry(
    from: &mut Connection,
    to: &mut Connection,
    steps: &mut impl Iterator<Item = usize>,
) -> Vec<(Key, Headers)> {
    let bytes = sent(from);
    let (mut rest, mut asked) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let step = steps.next().unwrap().min(rest.len());
        feed(to, &rest[..step]);
        rest = &rest[step..];
        while let Some((key, mut request)) = to.read() {
            assert!(request.head.headers.remove("host"));
            asked.push((key, request.head.headers));
        }
    }
    asked
}

fn head_of(message: &Message) -> request::Parts {
    let mut headers = message.headers();
    headers.prepend("host", HeaderValue::from_static("example.org"));
    let target = Target::from(http::Uri::from_static("/a?b"));
    request::Parts::new(Method::POST, target, Version::HTTP_11, headers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn both_ends_get_what_the_other_sent_however_it_is_cut(
        exchanges in vec((message(), message()), 1..6),
        steps in vec(1..30_000_usize, 1..20),
        window in 1..70_000_u32,
    ) {
        let settings = Settings { window_bytes: window, buffer_bytes: 70_000, ..Settings::default() };
        let mut client = Connection::new(Role::Client, settings);
        let mut server = Connection::new(Role::Server, settings);
        let mut steps = steps.into_iter().cycle();
        let mut up = Vec::new();
        for (request, _) in &exchanges {
            let head = head_of(request);
            let outgoing = Outgoing { head: &head, protocol: None, encrypted: true };
            let key = client.request(outgoing, false).unwrap();
            up.push((key, Leaving::of(request), Came::default()));
        }
        let mut down: Vec<(Key, Came, Leaving)> = Vec::new();
        for _ in 0..100_000 {
            for (key, headers) in carry(&mut client, &mut server, &mut steps) {
                let (_, answer) = &exchanges[down.len()];
                let mut head = response::Parts::new(StatusCode::NOT_FOUND);
                head.headers = answer.headers();
                server.respond(key, &response::Parts::new(StatusCode::EARLY_HINTS), false).unwrap();
                server.respond(key, &head, false).unwrap();
                down.push((key, Came { head: Some(headers), ..Came::default() }, Leaving::of(answer)));
            }
            for (key, came, leaving) in &mut down {
                came.go_on(&mut server, *key);
                leaving.go_on(&mut server, *key);
            }
            carry(&mut server, &mut client, &mut steps);
            for (key, leaving, came) in &mut up {
                leaving.go_on(&mut client, *key);
                while came.head.is_none()
                    && let Poll::Ready(head) = client.poll_head(*key, &no_context())
                {
                    let head = head.unwrap();
                    if head.status == StatusCode::NOT_FOUND {
                        came.head = Some(head.headers);
                    }
                }
                if came.head.is_some() {
                    came.go_on(&mut client, *key);
                }
            }
            let all = down.len() == exchanges.len();
            if all && up.iter().all(|u| u.1.done && u.2.ended) && down.iter().all(|d| d.1.ended && d.2.done) {
                break;
            }
        }
        for (((_, sent, came), (_, arrived, answered)), (request, answer)) in up.iter().zip(&down).zip(&exchanges) {
            prop_assert!(sent.done && answered.done);
            prop_assert!(arrived.is(request), "{:?}", arrived.head);
            prop_assert!(came.is(answer), "{:?}", came.head);
        }
        prop_assert_eq!((client.active(), server.active()), (0, 0));
        prop_assert_eq!((client.outcome(), server.outcome()), (None, None));
        prop_assert_eq!((client.glitches(), server.glitches()), (0, 0));
    }

    #[test]
    fn anything_may_come(
        frames in vec((0..12_u8, any::<u8>(), 0..12_u32, vec(any::<u8>(), 0..40)), 0..60),
        answer in any::<bool>(),
        server_side in any::<bool>(),
    ) {
        let settings = Settings { streams_max: 3, ..Settings::default() };
        let (role, greeting) = match server_side {
            true => (Role::Server, hello()),
            false => (Role::Client, settings_frame()),
        };
        let mut connection = Connection::new(role, settings);
        if !server_side {
            let head = head_of(&Message { fields: vec![], pieces: vec![], trailers: false });
            for _ in 0..3 {
                let outgoing = Outgoing { head: &head, protocol: None, encrypted: true };
                connection.request(outgoing, true).unwrap();
            }
        }
        feed(&mut connection, &greeting);
        for (kind, flags, stream, payload) in frames {
            let block = [GET, &payload[..]].concat();
            let payload = if kind == HEADERS { &block } else { &payload };
            feed(&mut connection, &frame(kind, flags, stream, payload));
            while let Some((key, request)) = connection.read() {
                prop_assert!(request.head.headers.len() < 110);
                if answer {
                    let _ = connection.respond(key, &response::Parts::new(StatusCode::OK), false);
                    connection.let_go(key);
                }
            }
            prop_assert!(connection.active() <= 3);
            prop_assert!(sent(&mut connection).len() < 2000);
        }
    }
}

#[test]
fn a_client_acknowledges_settings_before_it_says_anything_else() {
    let mut client = Connection::new(Role::Client, Settings::default());
    let kinds = |frames: Vec<Frame>| -> Vec<_> { frames.iter().map(|f| (f.kind, f.flags)).collect() };
    assert_eq!(kinds(frames(&mut client)), [(SETTINGS, 0)]);
    feed(&mut client, &settings_frame());
    assert!(client.read().is_none() && client.is_greeted());
    assert_eq!(kinds(frames(&mut client)), [(SETTINGS, 1), (WINDOW_UPDATE, 0)]);
}

fn settings_frame() -> Vec<u8> {
    settings(&[(3, 100)])
}
