//! Bodies that are received ahead of the rest, for rules to look at.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

/// What was received.
pub(crate) struct Ahead {
    pub(crate) pieces: Vec<Bytes>,
    /// The body ended, or broke off.
    pub(crate) ended: bool,
}

/// Receives until so many bytes are there, or the body ends.
pub(crate) async fn receive<E>(
    wanted: usize,
    mut poll_piece: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<Bytes, E>>>,
) -> Ahead {
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut held = 0;
    while held < wanted {
        match poll_fn(&mut poll_piece).await {
            Some(Ok(piece)) => {
                held += piece.len();
                pieces.push(piece);
            }
            Some(Err(_)) | None => return Ahead { pieces, ended: true },
        }
    }
    Ahead { pieces, ended: false }
}
