//! Bodies of requests that are kept as they are sent, so that they can be sent again.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use crate::body::{BodyError, MessageBody};

/// A request's body, as far as it has come. What doesn't fit the bound is sent once only, and not kept.
pub(crate) struct Replay {
    state: RefCell<State>,
    bytes_max: usize,
}

struct State {
    body: MessageBody,
    /// What has been read of it; none once that was too much.
    kept: Option<Vec<Piece>>,
    bytes: usize,
}

#[derive(Clone)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Piece {
    fn frame(self) -> Frame<Bytes> {
        match self {
            Piece::Data(data) => Frame::data(data),
            Piece::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

impl Replay {
    pub(crate) fn new(body: MessageBody, bytes_max: usize) -> Rc<Self> {
        Rc::new(Replay {
            state: RefCell::new(State {
                body,
                kept: Some(Vec::new()),
                bytes: 0,
            }),
            bytes_max,
        })
    }

    /// The body from its beginning; none if the beginning isn't kept any more. Only the last one that was given out may
    /// be read.
    pub(crate) fn attempt(self: &Rc<Self>) -> Option<MessageBody> {
        self.is_whole().then(|| {
            MessageBody::kept(Attempt {
                replay: self.clone(),
                at: 0,
            })
        })
    }

    /// Whether it can be sent from its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        self.state.borrow().kept.is_some()
    }

    /// It is not to be sent again: what was kept is let go.
    pub(crate) fn forget(&self) {
        self.state.borrow_mut().kept = None;
    }
}

impl State {
    fn keep(&mut self, frame: &Frame<Bytes>, bytes_max: usize) {
        let piece = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Piece::Data(data.clone()),
            (_, Some(trailers)) => Piece::Trailers(trailers.clone()),
            _ => return,
        };
        if let Piece::Data(data) = &piece {
            self.bytes += data.len();
        }
        match &mut self.kept {
            Some(kept) if self.bytes <= bytes_max => kept.push(piece),
            _ => self.kept = None,
        }
    }
}

/// The body on its way to one server.
pub(crate) struct Attempt {
    replay: Rc<Replay>,
    /// How many of the kept pieces have been sent.
    at: usize,
}

impl Attempt {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.replay.state.borrow_mut();
        if let Some(piece) = state.kept.as_ref().and_then(|kept| kept.get(self.at)) {
            self.at += 1;
            return Poll::Ready(Some(Ok(piece.clone().frame())));
        }
        let polled = Pin::new(&mut state.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            state.keep(frame, self.replay.bytes_max);
            self.at += 1;
        }
        polled
    }

    pub(crate) fn leave_expectation(&self) -> bool {
        self.replay.state.borrow().body.leave_expectation()
    }

    fn left(&self, state: &State) -> u64 {
        let pieces = state.kept.iter().flatten().skip(self.at);
        pieces
            .map(|piece| match piece {
                Piece::Data(data) => data.len() as u64,
                Piece::Trailers(_) => 0,
            })
            .sum()
    }

    pub(crate) fn is_ended(&self) -> bool {
        let state = self.replay.state.borrow();
        state.kept.as_ref().is_none_or(|kept| self.at >= kept.len()) && state.body.is_ended()
    }

    /// How much is still to come, if that was declared.
    pub(crate) fn remaining(&self) -> Option<u64> {
        let state = self.replay.state.borrow();
        let rest = state.body.size_hint().exact()?;
        Some(rest + self.left(&state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn read(body: &mut MessageBody, most: usize) -> Vec<u8> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = Vec::new();
        for _ in 0..most {
            match body.poll_piece(&mut cx) {
                Poll::Ready(Some(piece)) => read.extend_from_slice(&piece.unwrap()),
                _ => break,
            }
        }
        read
    }

    fn body() -> MessageBody {
        MessageBody::from_pieces([Bytes::from_static(b"one "), Bytes::from_static(b"two")])
    }

    #[test]
    fn a_body_is_sent_again_from_wherever_it_broke_off() {
        let replay = Replay::new(body(), 7);
        let mut first = replay.attempt().unwrap();
        assert_eq!(first.size_hint().exact(), Some(7));
        assert_eq!(read(&mut first, 1), b"one ");
        assert_eq!(first.size_hint().exact(), Some(3));
        let mut second = replay.attempt().unwrap();
        assert_eq!(second.size_hint().exact(), Some(7));
        assert_eq!(read(&mut second, 9), b"one two");
        assert!(second.is_ended());
        let mut third = replay.attempt().unwrap();
        assert!(!third.is_ended());
        assert_eq!(read(&mut third, 9), b"one two");
    }

    #[test]
    fn what_is_too_long_is_sent_once() {
        let replay = Replay::new(body(), 6);
        let mut only = replay.attempt().unwrap();
        assert_eq!(read(&mut only, 1), b"one ");
        assert!(replay.is_whole());
        assert_eq!(read(&mut only, 9), b"two");
        assert!(!replay.is_whole() && replay.attempt().is_none() && only.is_ended());
    }

    #[test]
    fn what_is_forgotten_still_goes_on() {
        let replay = Replay::new(body(), 99);
        let mut only = replay.attempt().unwrap();
        assert_eq!(read(&mut only, 1), b"one ");
        replay.forget();
        assert_eq!(read(&mut only, 9), b"two");
        assert!(replay.attempt().is_none());
    }
}
