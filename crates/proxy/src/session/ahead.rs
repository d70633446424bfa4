//! Bodies that are received ahead of the rest, for rules to look at.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

/// What was received.
#[derive(Default)]
pub(crate) struct Ahead {
    pub(crate) pieces: Vec<Bytes>,
    /// The body ended, or broke off.
    pub(crate) ended: bool,
    /// It broke off.
    pub(crate) broken: bool,
}

/// Receives until so many bytes are there, or the body ends. What has come is there even if this is given up.
pub(crate) async fn receive<E>(
    ahead: &mut Ahead,
    wanted: usize,
    mut poll_piece: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<Bytes, E>>>,
) {
    let mut held = 0;
    while held < wanted && !ahead.ended {
        match poll_fn(&mut poll_piece).await {
            Some(Ok(piece)) => {
                held += piece.len();
                ahead.pieces.push(piece);
            }
            Some(Err(_)) => (ahead.ended, ahead.broken) = (true, true),
            None => ahead.ended = true,
        }
    }
}
