//! Bodies that come by HTTP/1.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use super::wire::Shared;
use crate::body::BodyError;
use crate::splice::Conduit;

/// A body that is being received: whoever asks for it reads the connection.
pub(crate) struct Receiving {
    wire: Shared,
    /// The message whose body it is.
    message: u32,
    /// Its end isn't known before it comes, whatever there is of it: what came so goes on so.
    is_open: bool,
}

impl Receiving {
    /// The body of the message that is read on `wire` now.
    pub(super) fn new(wire: &Shared) -> Self {
        let mut reading = wire.borrow_mut();
        reading.is_held = true;
        Receiving {
            message: reading.message,
            is_open: reading.remaining().is_none(),
            wire: wire.clone(),
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut wire = self.wire.borrow_mut();
        match wire.message == self.message {
            true => wire.poll_body(cx),
            false => Poll::Ready(None),
        }
    }

    /// How many bytes are next that nobody has to see.
    pub(crate) fn unseen(&self) -> u64 {
        let wire = self.wire.borrow();
        match wire.message == self.message && !self.is_open {
            true => wire.unseen(),
            false => 0,
        }
    }

    /// Receives some of them.
    pub(crate) fn poll_unseen(
        &mut self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
    ) -> Poll<Result<usize, BodyError>> {
        match self.unseen() {
            0 => Poll::Ready(Ok(0)),
            _ => self
                .wire
                .borrow_mut()
                .poll_unseen(cx, conduit)
                .map_err(BodyError::new),
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        let wire = self.wire.borrow();
        wire.message != self.message || wire.is_over()
    }

    pub(crate) fn remaining(&self) -> Option<u64> {
        let wire = self.wire.borrow();
        match wire.message == self.message {
            _ if self.is_open => None,
            true => wire.remaining(),
            false => Some(0),
        }
    }

    /// If the client holds the body back until it is told to go on, somebody else tells it.
    pub(crate) fn leave_expectation(&self) -> bool {
        let mut wire = self.wire.borrow_mut();
        wire.message == self.message && std::mem::take(&mut wire.expects)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let mut wire = self.wire.borrow_mut();
        if wire.message == self.message {
            wire.let_go();
        }
    }
}
