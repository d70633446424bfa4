//! The data filters that one body goes through, one after the other.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::{DataFilter, Follows, Passage};
use crate::ext::Failure;
use crate::txn::Txn;

/// No more is received while the first filter holds this much.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// Filters, and what is between them.
#[derive(Default)]
pub(crate) struct Chain {
    stages: Vec<Stage>,
    /// What has passed all of them.
    output: VecDeque<Bytes>,
    source_ended: bool,
    trailers: Option<HeaderMap>,
    /// How much comes out in all, where that was told.
    declared: Option<u64>,
    /// How much came out.
    passed: u64,
}

struct Stage {
    filter: Box<dyn DataFilter>,
    input: VecDeque<Bytes>,
    done: bool,
}

/// Why a body doesn't go on.
pub(crate) enum Fault<E> {
    /// Its source broke off.
    Source(E),
    /// A filter did.
    Filter(Failure),
}

impl Chain {
    pub(crate) fn push(&mut self, filter: Box<dyn DataFilter>) {
        self.stages.push(Stage {
            filter,
            input: VecDeque::new(),
            done: false,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// The body was told to be so long: no other length comes out.
    pub(crate) fn declare(&mut self, length: Option<u64>) {
        self.declared = length;
    }

    /// Whether a filter changed the length of a body that it was to keep.
    pub(crate) fn changed_length(&self) -> bool {
        self.stages.iter().any(|stage| stage.filter.changed_length())
    }

    /// Whether the body's length is known as well as its source's is.
    pub(crate) fn keeps_length(&self) -> bool {
        self.stages.iter().all(|stage| stage.filter.keeps_length())
    }

    /// How much is still to come out, where that was told.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match self.is_ended() {
            true => Some(0),
            false => self.declared.map(|declared| declared.saturating_sub(self.passed)),
        }
    }

    /// Nothing more will come.
    pub(crate) fn is_ended(&self) -> bool {
        self.source_ended
            && self.output.is_empty()
            && self.trailers.is_none()
            && self.stages.iter().all(|stage| stage.done)
    }

    /// The next piece of what comes out in the end. `poll_source` gives the source's next one, and whether that was its
    /// last: who waits for so many bytes doesn't ask again once they are there.
    pub(crate) fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        txn: &Rc<Txn>,
        mut poll_source: impl FnMut(&mut Context<'_>) -> (Poll<Option<Result<Frame<Bytes>, E>>>, bool),
    ) -> Poll<Option<Result<Frame<Bytes>, Fault<E>>>> {
        loop {
            if let Some(piece) = self.output.pop_front() {
                if piece.is_empty() {
                    continue;
                }
                self.passed += piece.len() as u64;
                if self.declared.is_some_and(|declared| self.passed > declared) {
                    return Poll::Ready(Some(Err(Fault::Filter(Chain::wrong_length()))));
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.source_ended && self.stages.iter().all(|stage| stage.done) {
                if self.declared.is_some_and(|declared| self.passed < declared) {
                    self.declared = None;
                    return Poll::Ready(Some(Err(Fault::Filter(Chain::wrong_length()))));
                }
                return Poll::Ready(self.trailers.take().map(|fields| Ok(Frame::trailers(fields))));
            }
            let came = match self.receive(cx, &mut poll_source) {
                Ok(came) => came,
                Err(error) => return Poll::Ready(Some(Err(Fault::Source(error)))),
            };
            let done_before = self.stages.iter().filter(|stage| stage.done).count();
            if let Err(failure) = self.run(cx, txn, came) {
                return Poll::Ready(Some(Err(Fault::Filter(failure))));
            }
            let done = self.stages.iter().filter(|stage| stage.done).count();
            if self.output.is_empty() && !came && done == done_before {
                return Poll::Pending;
            }
        }
    }

    fn wrong_length() -> Failure {
        Failure::new(
            "the body has not the length that its `content-length` tells: a filter that changes it calls `set_body_len` \
             in `http_headers`",
        )
    }

    /// Takes what the source has, if there is room. False if there was nothing new.
    fn receive<E>(
        &mut self,
        cx: &mut Context<'_>,
        poll_source: &mut impl FnMut(&mut Context<'_>) -> (Poll<Option<Result<Frame<Bytes>, E>>>, bool),
    ) -> Result<bool, E> {
        let Some(first) = self.stages.first_mut() else {
            return Ok(false);
        };
        let held: usize = first.input.iter().map(Bytes::len).sum();
        if self.source_ended || held >= HELD_BYTES_MAX {
            return Ok(false);
        }
        let (polled, is_last) = poll_source(cx);
        match polled {
            Poll::Pending => return Ok(false),
            Poll::Ready(None) => self.source_ended = true,
            Poll::Ready(Some(Err(error))) => return Err(error),
            Poll::Ready(Some(Ok(frame))) => {
                self.source_ended = is_last;
                match frame.into_data() {
                    Ok(piece) => first.input.push_back(piece),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                }
            }
        }
        Ok(true)
    }

    fn run(&mut self, cx: &mut Context<'_>, txn: &Rc<Txn>, came: bool) -> Result<(), Failure> {
        let mut follows = match (self.source_ended, came) {
            (true, _) => Follows::Nothing,
            (false, true) => Follows::More,
            (false, false) => Follows::Later,
        };
        let mut rest = &mut self.stages[..];
        while let Some((stage, later)) = rest.split_first_mut() {
            rest = later;
            if stage.done {
                continue;
            }
            let output = match rest.first_mut() {
                Some(next) => &mut next.input,
                None => &mut self.output,
            };
            let passage = Passage {
                input: &mut stage.input,
                follows,
                output,
            };
            match stage.filter.poll_data(cx, txn, passage) {
                Poll::Ready(Ok(())) => stage.done = follows == Follows::Nothing,
                Poll::Ready(Err(failure)) => return Err(failure),
                Poll::Pending if follows == Follows::Nothing => follows = Follows::Later,
                Poll::Pending => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Holds everything back until it is told that nothing comes for the moment, and waits at every second piece.
    struct Lazy {
        held: Vec<u8>,
        waits: bool,
    }

    impl DataFilter for Lazy {
        fn poll_data(
            &mut self,
            cx: &mut Context<'_>,
            _: &Rc<Txn>,
            passage: Passage<'_>,
        ) -> Poll<Result<(), Failure>> {
            while let Some(piece) = passage.input.front() {
                self.waits = !self.waits;
                if self.waits {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if &piece[..] == b"bad" {
                    return Poll::Ready(Err(Failure::new("bad")));
                }
                self.held.extend(piece.to_ascii_uppercase());
                passage.input.pop_front();
            }
            if passage.follows != Follows::More && !self.held.is_empty() {
                passage.output.push_back(std::mem::take(&mut self.held).into());
            }
            Poll::Ready(Ok(()))
        }
    }

    fn lazy() -> Box<dyn DataFilter> {
        Box::new(Lazy {
            held: Vec::new(),
            waits: false,
        })
    }

    /// What comes out for pieces of a source, where an empty one stands for a wait.
    fn passed(filters: usize, pieces: &[&'static str]) -> Result<Vec<String>, String> {
        let txn = Txn::detached().build();
        let mut chain = Chain::default();
        (0..filters).for_each(|_| chain.push(lazy()));
        let mut pieces: VecDeque<&str> = pieces.iter().copied().collect();
        let mut out = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            let polled = chain.poll(&mut cx, &txn, |_| {
                let polled = match pieces.pop_front() {
                    None => Poll::Ready(None),
                    Some("") => Poll::Pending,
                    Some("broken") => Poll::Ready(Some(Err(()))),
                    Some(piece) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))),
                };
                (polled, false)
            });
            match polled {
                Poll::Pending => {}
                Poll::Ready(None) => return Ok(out),
                Poll::Ready(Some(Ok(frame))) => {
                    out.push(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap());
                }
                Poll::Ready(Some(Err(Fault::Source(())))) => return Err("source".into()),
                Poll::Ready(Some(Err(Fault::Filter(failure)))) => return Err(failure.message),
            }
        }
        Err("endless".into())
    }

    #[test]
    fn data_pass_all_filters_and_go_on_when_nothing_comes() {
        for filters in 1..4 {
            let out = passed(filters, &["a", "b", "", "", "", "", "", "c"]).unwrap();
            assert_eq!(out.concat(), "ABC", "{filters}");
            assert!(out.len() > 1, "what is held goes on while nothing comes: {out:?}");
        }
        assert_eq!(passed(2, &[]).unwrap(), [""; 0]);
    }

    #[test]
    fn the_end_comes_with_the_last_piece() {
        struct Passing;
        impl DataFilter for Passing {
            fn poll_data(
                &mut self,
                _: &mut Context<'_>,
                _: &Rc<Txn>,
                passage: Passage<'_>,
            ) -> Poll<Result<(), Failure>> {
                passage.output.append(passage.input);
                Poll::Ready(Ok(()))
            }
        }
        let txn = Txn::detached().build();
        let mut chain = Chain::default();
        chain.push(Box::new(Passing));
        chain.push(Box::new(Passing));
        assert!(
            chain.remaining().is_none() && !chain.keeps_length(),
            "that filter may change the length"
        );
        let mut cx = Context::from_waker(Waker::noop());
        let last = |_: &mut Context<'_>| {
            let frame = Frame::data(Bytes::from_static(b"all"));
            (Poll::Ready(Some(Ok::<_, ()>(frame))), true)
        };
        assert!(matches!(
            chain.poll(&mut cx, &txn, last),
            Poll::Ready(Some(Ok(_)))
        ));
        assert!(chain.is_ended());
        assert_eq!(chain.remaining(), Some(0), "nothing more comes out");
    }

    #[test]
    fn no_other_length_comes_out_than_was_told() {
        let told = |length| -> Result<u64, String> {
            let txn = Txn::detached().build();
            let mut chain = Chain::default();
            chain.push(lazy());
            chain.declare(Some(length));
            let mut cx = Context::from_waker(Waker::noop());
            let mut pieces = VecDeque::from(["abc"]);
            let mut came = 0;
            loop {
                let polled = chain.poll(&mut cx, &txn, |_| {
                    let piece = pieces.pop_front();
                    let frame =
                        piece.map(|piece| Ok::<_, ()>(Frame::data(Bytes::from_static(piece.as_bytes()))));
                    (Poll::Ready(frame), pieces.is_empty())
                });
                match polled {
                    Poll::Pending => {}
                    Poll::Ready(None) => return Ok(came),
                    Poll::Ready(Some(Ok(frame))) => came += frame.into_data().unwrap().len() as u64,
                    Poll::Ready(Some(Err(Fault::Filter(failure)))) => return Err(failure.message),
                    Poll::Ready(Some(Err(Fault::Source(())))) => return Err("source".into()),
                }
            }
        };
        assert_eq!(told(3), Ok(3));
        for wrong in [2, 4] {
            assert!(told(wrong).unwrap_err().contains("set_body_len"));
        }
    }

    #[test]
    fn what_breaks_ends_the_body() {
        assert_eq!(passed(2, &["a", "broken"]), Err("source".into()));
        assert_eq!(passed(1, &["a", "bad", "b"]), Err("bad".into()));
    }
}
