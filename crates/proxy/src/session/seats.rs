//! The room in which connections of HTTP/1 are served.
//!
//! What requests need while they are served is large, and a connection needs it only then. So it isn't allocated for each: a seat is
//! had by one connection after the other.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::h1::{self, After, Resting};
use crate::spares::Spares;

/// Seats that a thread keeps for the next connections. Beyond that they are allocated.
const FREE_MAX: usize = 1024;

thread_local! {
    static FREE: RefCell<Spares<Seat>> = const { RefCell::new(Spares::new(FREE_MAX)) };
}

/// Lets go of what this thread keeps for connections and didn't need since this was last called.
pub(crate) fn purge() {
    drop(FREE.with_borrow_mut(Spares::needless));
}

/// Room for one connection.
pub(super) struct Seat {
    serving: Pin<Box<dyn Future<Output = ()>>>,
    desk: Rc<Desk>,
}

/// What goes in and out of a seat.
#[derive(Default)]
struct Desk {
    next: Cell<Option<(Resting, Bytes)>>,
    after: Cell<Option<After>>,
}

impl Seat {
    /// A seat that is had by this connection, of which so much was read.
    pub(super) fn taken(resting: Resting, ahead: Bytes) -> Seat {
        let seat = FREE.with_borrow_mut(Spares::take).unwrap_or_else(Seat::new);
        seat.desk.next.set(Some((resting, ahead)));
        seat
    }

    fn new() -> Seat {
        let desk = Rc::<Desk>::default();
        Seat {
            serving: Box::pin(serve(desk.clone())),
            desk,
        }
    }

    /// Ready when the connection was served.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<After> {
        // It never ends by itself.
        let _ = self.serving.as_mut().poll(cx);
        self.desk.after.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// The connection was served: the next one may have it.
    pub(super) fn leave(self) {
        drop(FREE.with_borrow_mut(|free| free.put(self)));
    }
}

/// Serves the connections that come, one after the other.
async fn serve(desk: Rc<Desk>) {
    loop {
        let next = poll_fn(|_| desk.next.take().map_or(Poll::Pending, Poll::Ready));
        let (resting, ahead) = next.await;
        desk.after.set(Some(h1::serve(resting, ahead).await));
    }
}
