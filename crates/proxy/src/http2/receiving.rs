//! Bodies that come by HTTP/2.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HOST};
use http_body::Frame;

use crate::body::BodyError;
use crate::stream::Traffic;

/// A body that is being received.
pub(crate) struct Receiving {
    stream: RecvStream,
    /// What is still to come, if that was declared.
    remaining: Option<u64>,
    data_ended: bool,
    ended: bool,
    traffic: Option<Rc<Traffic>>,
}

impl Receiving {
    /// A body of this declared length. What comes of it is counted.
    pub(crate) fn new(stream: RecvStream, declared: Option<u64>, traffic: Option<Rc<Traffic>>) -> Self {
        Receiving {
            remaining: declared,
            data_ended: false,
            ended: stream.is_end_stream(),
            stream,
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
        if !self.data_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // Whoever asked for it takes it: then the peer may send as much again. It fails for a stream that is
                    // over, which needs no more room.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    if let Some(traffic) = &self.traffic {
                        traffic.read.set(traffic.read.get() + data.len() as u64);
                    }
                    self.remaining = self.remaining.map(|r| r.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(e)) => return self.broke(&e),
                None => self.data_ended = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(Some(trailers)) if is_misplaced(&trailers) => {
                self.ended = true;
                Poll::Ready(Some(Err(BodyError::new("a trailer that belongs in the head"))))
            }
            Ok(trailers) => {
                self.ended = true;
                Poll::Ready(trailers.map(|t| Ok(Frame::trailers(t))))
            }
            Err(e) => self.broke(&e),
        }
    }

    fn broke(&mut self, why: &h2::Error) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.ended = true;
        Poll::Ready(Some(Err(BodyError::new(why))))
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended || self.stream.is_end_stream()
    }

    pub(crate) fn remaining(&self) -> Option<u64> {
        if self.is_ended() { Some(0) } else { self.remaining }
    }
}

/// Whether trailers say what others may take for a part of the head, and decide by.
fn is_misplaced(trailers: &HeaderMap) -> bool {
    trailers.contains_key(CONTENT_LENGTH) || trailers.contains_key(HOST)
}
