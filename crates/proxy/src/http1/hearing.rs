//! What bytes mean, without a connection that they come on: for tests and fuzzing.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::HeaderMap;
use http_body::Body;
use tidegate_http1::{HeadLimits, Leaving, Reading, fields, request_line, response, status_line};

use super::body::Receiving;
use super::server::{Next, ServerConn, ServerOptions};
use super::wire::{Shared, Wire};
use crate::body::MessageBody;

/// What was understood of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// The head, as this codec writes it.
    pub head: Vec<u8>,
    /// The body without its framing, as far as it came.
    pub body: Vec<u8>,
    /// What came after the body.
    pub trailers: Option<HeaderMap>,
    /// How it ended; none if it hasn't.
    pub end: Option<HeardEnd>,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeardEnd {
    /// Where it should.
    Whole,
    /// It can't be read. Nothing is read after it.
    Refused,
}

const LIMITS: HeadLimits = HeadLimits::of_bytes(16 * 1024);

/// The requests that come in these pieces. With `lenient`, as `option accept-unsafe-violations-in-http-request` has it.
pub fn requests<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, lenient: bool) -> Vec<Heard> {
    let options = ServerOptions {
        limits: HeadLimits { lenient, ..LIMITS },
        case: None,
        keep_alive: true,
    };
    let wire = Wire::fed();
    let mut conn = ServerConn::on(wire.clone(), options);
    hear(pieces, &wire, |cx| match conn.poll_request(cx) {
        Poll::Ready(Next::Request(head, body)) => {
            let mut written = Vec::new();
            request_line(&mut written, &head.parts, Leaving::Nothing);
            fields(&mut written, &head.parts.headers, None);
            Poll::Ready(Some((written, body)))
        }
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
}

/// The responses to GET requests that come in these pieces.
pub fn responses<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, lenient: bool) -> Vec<Heard> {
    let limits = HeadLimits { lenient, ..LIMITS };
    let wire = Wire::fed();
    hear(pieces, &wire, |_| {
        loop {
            let mut reading = wire.borrow_mut();
            match response(&reading.held, limits, &http::Method::GET) {
                Reading::Head(head, length) => {
                    drop(reading.held.split_to(length));
                    reading.expect(head.framing, limits);
                    drop(reading);
                    let mut written = Vec::new();
                    status_line(&mut written, &head.parts);
                    fields(&mut written, &head.parts.headers, None);
                    return Poll::Ready(Some((written, MessageBody::http1(Receiving::new(&wire)))));
                }
                Reading::Partial => return Poll::Pending,
                Reading::Mended(mended) => reading.held = mended,
                Reading::TooLarge | Reading::Unreadable(_) => return Poll::Ready(None),
            }
        }
    })
}

fn hear<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    wire: &Shared,
    mut poll_head: impl FnMut(&mut Context<'_>) -> Poll<Option<(Vec<u8>, MessageBody)>>,
) -> Vec<Heard> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    let mut current: Option<(Heard, MessageBody)> = None;
    for piece in pieces {
        wire.borrow_mut().feed(piece);
        loop {
            let (mut heard, mut body) = match current.take() {
                Some(current) => current,
                None => match poll_head(&mut cx) {
                    Poll::Ready(Some((head, body))) => {
                        let heard = Heard {
                            head,
                            ..Heard::default()
                        };
                        (heard, body)
                    }
                    Poll::Ready(None) => {
                        all.push(refused(Heard::default()));
                        return all;
                    }
                    Poll::Pending => break,
                },
            };
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    match frame.into_data() {
                        Ok(data) => heard.body.extend_from_slice(&data),
                        Err(frame) => heard.trailers = frame.into_trailers().ok(),
                    }
                    current = Some((heard, body));
                }
                Poll::Ready(None) => {
                    heard.end = Some(HeardEnd::Whole);
                    all.push(heard);
                }
                Poll::Ready(Some(Err(_))) => {
                    all.push(refused(heard));
                    return all;
                }
                Poll::Pending => {
                    current = Some((heard, body));
                    break;
                }
            }
        }
    }
    all.extend(current.map(|(heard, _)| heard));
    all
}

fn refused(heard: Heard) -> Heard {
    Heard {
        end: Some(HeardEnd::Refused),
        ..heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUESTS: &[u8] = b"\r\nGET /a HTTP/1.1\r\nHost: h\r\nA: b\r\n  c\r\n\r\n\
        POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
        POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n\
        OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /last HTTP/1.1\r\n\r\nrubbish\r\n\r\n";

    fn cut<'b>(bytes: &'b [u8], cuts: &[prop::sample::Index]) -> Vec<&'b [u8]> {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.push(bytes.len());
        places.sort_unstable();
        let mut from = 0;
        let mut piece = |to| &bytes[std::mem::replace(&mut from, to)..to];
        places.into_iter().map(&mut piece).collect()
    }

    /// Bytes of which requests and responses consist, in no order.
    fn shreds() -> impl Strategy<Value = Vec<u8>> {
        let shred = prop::sample::select(vec![
            "GET ",
            "POST ",
            "/",
            "a",
            "?b",
            " HTTP/1.1",
            " HTTP/1.0",
            "HTTP/1.1 200 OK",
            "HTTP/1.0 404 ",
            "\r\n",
            "\n",
            "\r",
            "\r\n\r\n",
            "Host: h",
            "content-length: ",
            "3",
            "5",
            "transfer-encoding: ",
            "chunked",
            "connection: close",
            "connection: keep-alive",
            ": ",
            ":",
            " ",
            "\t",
            "\0",
            "0\r\n\r\n",
            "5\r\nhello\r\n",
            ";x=y",
            "expect: 100-continue",
            "#",
            "\u{e4}",
            "http://h/",
            "hello",
            "trailer: x",
            ",",
        ]);
        prop::collection::vec(shred, 0..30).prop_map(|shreds| shreds.concat().into_bytes())
    }

    #[test]
    fn requests_follow_each_other() {
        let heard = requests([REQUESTS], false);
        let bodies: Vec<_> = heard.iter().map(|h| (&h.body[..], h.end)).collect();
        let whole = Some(HeardEnd::Whole);
        assert_eq!(
            bodies,
            [
                (&b""[..], whole),
                (b"hello", whole),
                (b"abcde", whole),
                (b"", whole),
                (b"", whole),
                (b"", Some(HeardEnd::Refused))
            ]
        );
        assert_eq!(heard[0].head, b"GET /a HTTP/1.1\r\nhost: h\r\na: b    c\r\n");
        assert_eq!(heard[2].trailers.as_ref().unwrap()["x"], "y");
    }

    proptest! {
        #[test]
        fn any_split_of_requests_reads_the_same(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
            prop_assert_eq!(requests(cut(REQUESTS, &cuts), false), requests([REQUESTS], false));
        }

        #[test]
        fn any_split_of_shreds_reads_the_same(
            bytes in shreds(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            lenient: bool,
        ) {
            prop_assert_eq!(requests(cut(&bytes, &cuts), lenient), requests([&bytes[..]], lenient));
            prop_assert_eq!(responses(cut(&bytes, &cuts), lenient), responses([&bytes[..]], lenient));
        }

        #[test]
        fn what_is_written_is_read_as_it_was(bytes in shreds()) {
            for heard in requests([&bytes[..]], false) {
                if heard.end != Some(HeardEnd::Whole) || heard.trailers.is_some() {
                    continue;
                }
                let length = format!("content-length: {}\r\n", heard.body.len());
                let mut head = heard.head.clone();
                if !find(&head, b"\r\ncontent-length: ") && !heard.body.is_empty() {
                    head = String::from_utf8(head).unwrap().replace("transfer-encoding: chunked\r\n", "").into_bytes();
                    head.extend_from_slice(length.as_bytes());
                }
                let again = requests([&[&head[..], b"\r\n", &heard.body].concat()[..]], false);
                prop_assert_eq!(again.len(), 1);
                prop_assert_eq!((&again[0].head, &again[0].body, again[0].end), (&head, &heard.body, heard.end));
            }
        }
    }

    fn find(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|w| w == part)
    }
}
