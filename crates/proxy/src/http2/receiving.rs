//! Bodies that come by HTTP/2.

use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HOST};
use http_body::Frame;
use tidegate_http2::{Broken, Received};

use super::core::Part;
use crate::body::BodyError;
use crate::stream::Traffic;

/// A body that is being received.
pub(crate) struct Receiving {
    part: Part,
    /// What is still to come, if that was declared.
    remaining: Option<u64>,
    ended: bool,
    traffic: Option<Rc<Traffic>>,
}

impl Receiving {
    /// A body of this declared length. What comes of it is counted.
    pub(crate) fn new(part: Part, declared: Option<u64>, traffic: Option<Rc<Traffic>>) -> Self {
        Receiving {
            remaining: declared,
            ended: part.with(|connection, key| connection.is_taken(key)),
            part,
            traffic,
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let received = self
            .part
            .with(|connection, key| connection.poll_received(key, cx));
        Poll::Ready(match ready!(received) {
            Received::Data(data) => {
                if let Some(traffic) = &self.traffic {
                    traffic.read.set(traffic.read.get() + data.len() as u64);
                }
                self.remaining = self.remaining.map(|r| r.saturating_sub(data.len() as u64));
                Some(Ok(Frame::data(data)))
            }
            Received::Trailers(trailers) if is_misplaced(&trailers) => {
                self.ended = true;
                Some(Err(BodyError::malformed("a trailer that belongs in the head")))
            }
            Received::Trailers(trailers) => {
                self.ended = true;
                Some(Ok(Frame::trailers(*trailers)))
            }
            Received::End => {
                self.ended = true;
                None
            }
            Received::Broken(why) => {
                self.ended = true;
                Some(Err(broke(why)))
            }
        })
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended || self.part.with(|connection, key| connection.is_taken(key))
    }

    /// Whether it is known already that the rest won't come, or that what came is wrong.
    pub(crate) fn is_broken(&self) -> bool {
        let cx = Context::from_waker(Waker::noop());
        self.part.poll_gone(&cx).is_ready()
    }

    pub(crate) fn remaining(&self) -> Option<u64> {
        if self.is_ended() { Some(0) } else { self.remaining }
    }
}

fn broke(why: Broken) -> BodyError {
    match why {
        Broken::Peer(reason) => BodyError::new(format_args!("the stream was reset: {reason}")),
        Broken::Faulty(reason) => BodyError::new(format_args!("the stream was reset for an error: {reason}")),
        Broken::Here(reason) => BodyError::new(format_args!("the stream was let go of: {reason}")),
        Broken::Unseen => BodyError::new("the stream was refused"),
        Broken::Connection => BodyError::new("the connection is gone"),
    }
}

/// Whether trailers say what others may take for a part of the head, and decide by.
fn is_misplaced(trailers: &HeaderMap) -> bool {
    trailers.contains_key(CONTENT_LENGTH) || trailers.contains_key(HOST)
}
