//! Bodies that come by HTTP/1.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use crate::body::BodyError;

/// A body that is being received.
pub(crate) struct Receiving(Incoming);

impl Receiving {
    pub(super) fn new(incoming: Incoming) -> Self {
        Receiving(incoming)
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0)
            .poll_frame(cx)
            .map(|frame| frame.map(|f| f.map_err(BodyError::new)))
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.0.is_end_stream()
    }

    pub(crate) fn remaining(&self) -> Option<u64> {
        self.0.size_hint().exact()
    }
}
