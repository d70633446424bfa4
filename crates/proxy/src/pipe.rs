//! What a relay joins: anything that carries bytes both ways.

use std::task::Context;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::stream::{Counted, Traffic};

/// One end of a relay.
pub(crate) trait Pipe: AsyncRead + AsyncWrite + Unpin {
    /// What was counted on it.
    fn traffic(&self) -> &Traffic;

    /// The stream itself, where that is what this is.
    fn counted(&mut self) -> Option<&mut Counted> {
        None
    }

    /// Makes its end look like what it is: not an orderly one.
    fn reset(&mut self);

    /// Sends what was written and is still held. Only what is below TLS holds anything.
    fn push(&mut self, _cx: &mut Context<'_>) {}
}

impl Pipe for Counted {
    fn traffic(&self) -> &Traffic {
        Counted::traffic(self)
    }

    fn counted(&mut self) -> Option<&mut Counted> {
        Some(self)
    }

    fn reset(&mut self) {
        self.stream().reset_on_close();
    }

    fn push(&mut self, cx: &mut Context<'_>) {
        Counted::push(self, cx);
    }
}
