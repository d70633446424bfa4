//! The exchanges of an HTTP/2 connection that are in progress, and the room that they take.
//!
//! What a request needs while it is served is large, and one follows the other quickly. So it isn't allocated for each: a seat is
//! had by one exchange after the other, of whatever connection of the thread, and so are the wakers of a group of them. A connection
//! without exchanges holds none.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

use super::answering::{self, Asked};
use crate::spares::Spares;

/// Seats that a thread keeps for the next exchanges. Beyond that they are allocated.
const FREE_MAX: usize = 1024;

/// Groups that a thread keeps for the next connections, and how many places such a group has at most.
const FREE_GROUPS_MAX: usize = 128;
const FREE_PLACES_MAX: usize = 16;

/// Exchanges that are noted in one word.
const GROUP: usize = u64::BITS as usize;

thread_local! {
    static FREE: RefCell<Spares<Seat>> = const { RefCell::new(Spares::new(FREE_MAX)) };
    static FREE_GROUPS: RefCell<Spares<Group>> = const { RefCell::new(Spares::new(FREE_GROUPS_MAX)) };
}

/// Lets go of what this thread keeps for exchanges and didn't need since this was last called.
pub(crate) fn purge() {
    let seats = FREE.with_borrow_mut(Spares::needless);
    let groups = FREE_GROUPS.with_borrow_mut(Spares::needless);
    drop((seats, groups));
}

/// The exchanges of one connection.
#[derive(Default)]
pub(super) struct Exchanges {
    groups: Vec<Group>,
    count: usize,
}

impl Exchanges {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Begins one, with the next [`Exchanges::poll`].
    pub(super) fn begin(&mut self, asked: Asked) {
        self.count += 1;
        let seat = Seat::taken(asked);
        match self.groups.iter_mut().find(|group| group.taken != u64::MAX) {
            Some(group) => group.insert(seat),
            None => {
                let mut group = FREE_GROUPS.with_borrow_mut(Spares::take).unwrap_or_default();
                group.insert(seat);
                self.groups.reserve_exact(1);
                self.groups.push(group);
            }
        }
    }

    /// Has all go on with the next [`Exchanges::poll`].
    pub(super) fn wake_all(&self) {
        for group in &self.groups {
            group.woken.places.fetch_or(group.taken, Ordering::AcqRel);
        }
    }

    /// Goes on with those that can. Says whether any came to its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let ended: usize = self.groups.iter_mut().map(|group| group.poll(cx)).sum();
        self.count -= ended;
        if ended > 0 && self.count == 0 {
            self.groups.drain(..).for_each(Group::leave);
            self.groups.shrink_to(1);
        }
        ended > 0
    }
}

/// As many of them as a word has bits.
#[derive(Default)]
struct Group {
    woken: Arc<Woken>,
    /// Places that are taken.
    taken: u64,
    places: Vec<Place>,
}

struct Place {
    waker: Waker,
    seat: Option<Seat>,
}

impl Group {
    fn insert(&mut self, seat: Seat) {
        let index = self.taken.trailing_ones() as usize;
        match self.places.get_mut(index) {
            Some(place) => place.seat = Some(seat),
            // Places are made in order, and the first that is free is taken: so this is the next.
            None => {
                let woken = self.woken.clone();
                self.places.push(Place {
                    waker: Waker::from(Arc::new(PlaceWaker {
                        woken,
                        bit: bit(index),
                    })),
                    seat: Some(seat),
                });
            }
        }
        self.taken |= bit(index);
        self.woken.places.fetch_or(bit(index), Ordering::AcqRel);
    }

    /// No place is taken any more: the next connection may have it.
    fn leave(self) {
        // The task would be kept by it.
        drop(self.woken.connection.take());
        if self.places.len() <= FREE_PLACES_MAX {
            drop(FREE_GROUPS.with_borrow_mut(|free| free.put(self)));
        }
    }

    /// Says how many came to their end.
    fn poll(&mut self, cx: &mut Context<'_>) -> usize {
        if self.taken == 0 {
            return 0;
        }
        self.woken.connection.register(cx.waker());
        let mut woken = self.woken.places.swap(0, Ordering::AcqRel) & self.taken;
        let mut ended = 0;
        while woken != 0 {
            let index = woken.trailing_zeros() as usize;
            woken &= woken - 1;
            let Some(Place { waker, seat }) = self.places.get_mut(index) else {
                continue;
            };
            let is_over = seat
                .as_mut()
                .is_none_or(|s| s.poll(&mut Context::from_waker(waker)));
            if is_over {
                if let Some(seat) = seat.take() {
                    seat.leave();
                }
                self.taken &= !bit(index);
                ended += 1;
            }
        }
        ended
    }
}

fn bit(index: usize) -> u64 {
    debug_assert!(index < GROUP);
    1 << index
}

/// Which of a group can go on.
#[derive(Default)]
struct Woken {
    places: AtomicU64,
    connection: AtomicWaker,
}

/// Wakes the exchange that has a place. One that had it before may still be woken by it, which the next takes for nothing, be it another
/// connection's.
struct PlaceWaker {
    woken: Arc<Woken>,
    bit: u64,
}

impl Wake for PlaceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever was first has woken the connection.
        if self.woken.places.fetch_or(self.bit, Ordering::AcqRel) & self.bit == 0 {
            self.woken.connection.wake();
        }
    }
}

/// Room for one exchange.
struct Seat {
    serving: Pin<Box<dyn Future<Output = ()>>>,
    next: Rc<Next>,
}

/// What a seat is to serve.
#[derive(Default)]
struct Next {
    asked: Cell<Option<Asked>>,
    is_busy: Cell<bool>,
}

impl Seat {
    /// A seat that is had by this exchange.
    fn taken(asked: Asked) -> Seat {
        let seat = FREE.with_borrow_mut(Spares::take).unwrap_or_else(|| {
            let next = Rc::<Next>::default();
            Seat {
                serving: Box::pin(serve(next.clone())),
                next,
            }
        });
        seat.next.is_busy.set(true);
        seat.next.asked.set(Some(asked));
        seat
    }

    /// True when the exchange is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.serving.as_mut().poll(cx).is_ready() || !self.next.is_busy.get()
    }

    /// The exchange is over: the next one may have it.
    fn leave(self) {
        drop(FREE.with_borrow_mut(|free| free.put(self)));
    }
}

/// Serves what comes, one after the other.
async fn serve(next: Rc<Next>) {
    loop {
        let asked = poll_fn(|_| next.asked.take().map_or(Poll::Pending, Poll::Ready)).await;
        answering::answer(asked).await;
        next.is_busy.set(false);
    }
}
