//! A connection is read and written.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tidegate_http2::{Asked, Connection, Role};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::core::Core;
use crate::stream::Counted;

/// What is asked of the system at once.
const READ_BYTES: usize = 64 * 1024;

/// The beginning of a frame that is no longer than this doesn't keep a whole buffer while the rest of it is waited for.
const KEPT_BYTES_MAX: usize = 1024;

/// Pieces that leave by one call.
const SLICES_MAX: usize = 16;

thread_local! {
    /// Most of what is received is read at once: so one buffer serves all connections of a worker.
    static SPARE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// A connection with its stream of bytes.
pub(super) struct Wire {
    io: Counted,
    core: Rc<Core>,
    /// The stream may hold what it took.
    unflushed: bool,
    /// Nothing more can be read.
    ended: bool,
}

impl Wire {
    pub(super) fn new(io: Counted, core: Rc<Core>) -> Wire {
        Wire {
            io,
            core,
            unflushed: false,
            ended: false,
        }
    }

    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Reads on as far as to the next request; pending when there is nothing more to read now, or ever.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Asked> {
        let core = self.core.clone();
        let mut connection = core.connection().borrow_mut();
        loop {
            if let Some(asked) = connection.read() {
                return Poll::Ready(asked);
            }
            // Whoever doesn't take what it is sent isn't listened to.
            if self.ended || connection.outcome().is_some() || connection.is_full() {
                rest(&mut connection);
                return Poll::Pending;
            }
            match poll_fill(&mut self.io, connection.buffer(), cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if connection.role() == Role::Server => {
                    self.ended = true;
                    connection.ended();
                }
                Poll::Ready(_) => {
                    self.ended = true;
                    connection.broke();
                }
                Poll::Pending => {
                    rest(&mut connection);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether it could be read on, were not too much to be written.
    pub(super) fn is_full(&self) -> bool {
        self.core.connection().borrow().is_full()
    }

    /// Writes what there is.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut connection = self.core.connection().borrow_mut();
        while connection.has_output() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = connection.slices(&mut slices);
            let written = match slices.get(..count).unwrap_or_default() {
                [only] => Pin::new(&mut self.io).poll_write(cx, only),
                several => Pin::new(&mut self.io).poll_write_vectored(cx, several),
            };
            let written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            connection.wrote(written);
        }
        drop(connection);
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more comes.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

fn poll_fill(io: &mut Counted, buffer: &mut BytesMut, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    // What was just read to its end is a whole buffer still, and goes on being used.
    if buffer.capacity() <= 2 * KEPT_BYTES_MAX {
        let mut spare = SPARE.take();
        spare.extend_from_slice(buffer);
        *buffer = spare;
    }
    buffer.reserve(READ_BYTES);
    let mut room = buffer.limit(READ_BYTES);
    pin!(io.read_buf(&mut room)).poll(cx)
}

/// What was read is done with, but for the beginning of a frame: the buffer serves others meanwhile.
fn rest(connection: &mut Connection) {
    let buffer = connection.buffer();
    if buffer.is_empty() {
        let spare = std::mem::take(buffer);
        if spare.capacity() > 2 * KEPT_BYTES_MAX {
            SPARE.set(spare);
        }
    } else if buffer.len() <= KEPT_BYTES_MAX && buffer.capacity() > 2 * KEPT_BYTES_MAX {
        let kept = BytesMut::from(&buffer[..]);
        let mut spare = std::mem::replace(buffer, kept);
        spare.clear();
        SPARE.set(spare);
    }
}
