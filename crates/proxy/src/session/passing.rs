//! One way of a stream between a client and a service, through filters.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use crate::filter::chain::{Chain, Fault};
use crate::txn::Txn;

/// What the bytes of one way go through.
pub(super) struct Passing {
    chain: Chain,
    /// What came before the filters did.
    ahead: Bytes,
    /// What has passed and isn't taken.
    passed: Bytes,
    source_ended: bool,
    /// What the source has now is all that comes.
    source_ends: bool,
}

/// Why nothing more passes.
pub(super) enum Stuck {
    /// The source broke off.
    Source,
    /// A filter failed, which is logged.
    Filter,
}

impl Passing {
    pub(super) fn new(chain: Chain, ahead: Bytes, source_ended: bool) -> Box<Passing> {
        Box::new(Passing {
            chain,
            ahead,
            passed: Bytes::new(),
            source_ended,
            source_ends: false,
        })
    }

    /// Nothing more comes than the source has now.
    pub(super) fn end_source(&mut self) {
        self.source_ends = true;
    }

    /// Whether all has passed and was taken.
    pub(super) fn is_over(&self) -> bool {
        self.chain.is_ended() && self.passed.is_empty()
    }

    /// Up to `most` bytes of what has passed; none at the end. `source` gives what comes, nothing at its end.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        txn: &Rc<Txn>,
        most: usize,
        mut source: impl FnMut(&mut Context<'_>) -> Poll<Result<Bytes, ()>>,
    ) -> Poll<Result<Option<Bytes>, Stuck>> {
        while self.passed.is_empty() {
            let Passing {
                chain,
                ahead,
                source_ended,
                source_ends,
                ..
            } = self;
            let polled = chain.poll(cx, txn, |cx| {
                let came = match (ahead.is_empty(), *source_ended) {
                    (false, _) => Poll::Ready(Ok(std::mem::take(ahead))),
                    (true, true) => Poll::Ready(Ok(Bytes::new())),
                    (true, false) => match source(cx) {
                        Poll::Pending if *source_ends => Poll::Ready(Ok(Bytes::new())),
                        came => came,
                    },
                };
                let polled = came.map(|came| match came {
                    Ok(piece) if piece.is_empty() => {
                        *source_ended = true;
                        None
                    }
                    Ok(piece) => Some(Ok(Frame::data(piece))),
                    Err(()) => Some(Err(())),
                });
                (polled, *source_ended)
            });
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Ok(frame))) => self.passed = frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(Fault::Source(())))) => return Poll::Ready(Err(Stuck::Source)),
                Poll::Ready(Some(Err(Fault::Filter(failure)))) => {
                    txn.log_failure("filter", &failure);
                    return Poll::Ready(Err(Stuck::Filter));
                }
            }
        }
        let most = most.min(self.passed.len());
        Poll::Ready(Ok(Some(self.passed.split_to(most))))
    }
}
