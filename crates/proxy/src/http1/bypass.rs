//! The way of a body past the codec: from the socket that it comes by into the one that it leaves by, unseen.

use std::task::{Context, Poll, ready};

use tidegate_http1::Leaving;

use super::wire::Shared;
use crate::splice::{Conduit, WORTH_BYTES};

/// A body of which a part may pass unseen.
pub(crate) trait Unseen {
    /// Why it broke off.
    type Broken;

    /// How many bytes are next, and the last, that nobody has to see; 0 where they have to be read.
    fn unseen(&self) -> u64;

    /// Receives some of them into an empty conduit; 0 where that isn't to be, so that they have to be read after all.
    fn poll_unseen(
        &mut self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
    ) -> Poll<Result<usize, Self::Broken>>;
}

/// What is on this way of a message.
#[derive(Default)]
pub(super) struct Bypass {
    conduit: Option<Conduit>,
    /// This message is read, for what it was.
    closed: bool,
}

/// Why nothing more passes.
pub(super) enum Stuck<B> {
    /// The body broke off.
    Body(B),
    /// The receiver takes nothing more.
    Receiver,
}

impl Bypass {
    /// Whether the rest of a body goes this way, to the connection that it leaves by. Nothing else may be left to be written.
    pub(super) fn takes(&mut self, leaving: Leaving, body: &impl Unseen, to: &Shared) -> bool {
        if self.conduit.is_some() {
            return true;
        }
        let Leaving::Length(rest) = leaving else {
            return false;
        };
        // Asked last, since most bodies are short: what else there is to know takes longer.
        if rest < WORTH_BYTES || self.closed || body.unseen() != rest || !to.borrow().splices() {
            return false;
        }
        self.conduit = Conduit::take();
        self.closed = self.conduit.is_none();
        !self.closed
    }

    /// Another message begins.
    pub(super) fn begin(&mut self) {
        *self = Bypass::default();
    }

    /// Whether nothing is on it.
    pub(super) fn is_empty(&self) -> bool {
        self.conduit.is_none()
    }

    /// Lets pass what can. Ready when all has, or the rest has to be read.
    pub(super) fn poll<B: Unseen>(
        &mut self,
        cx: &mut Context<'_>,
        leaving: &mut Leaving,
        body: &mut B,
        to: &Shared,
    ) -> Poll<Result<(), Stuck<B::Broken>>> {
        while let Some(conduit) = &mut self.conduit {
            if conduit.held() > 0 {
                let mut to = to.borrow_mut();
                let io = to.io().map_err(|_| Stuck::Receiver)?;
                ready!(io.poll_drain(cx, conduit)).map_err(|_| Stuck::Receiver)?;
            }
            let Leaving::Length(rest @ 1..) = leaving else {
                self.conduit = None;
                break;
            };
            match body.poll_unseen(cx, conduit) {
                Poll::Ready(Ok(0)) => {
                    self.conduit = None;
                    self.closed = true;
                }
                Poll::Ready(Ok(came)) => *rest = rest.saturating_sub(came as u64),
                Poll::Ready(Err(why)) => return Poll::Ready(Err(Stuck::Body(why))),
                Poll::Pending => {
                    // Others may need it meanwhile.
                    self.conduit = None;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
