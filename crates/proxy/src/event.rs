//! Waking whoever waits for a change, on one thread.

use std::cell::RefCell;
use std::task::{Context, Waker};

/// A list of tasks that wait for the same thing. Waiters check their condition, register, and are woken once.
#[derive(Default)]
pub(crate) struct Event {
    waiters: RefCell<Vec<Waker>>,
}

impl Event {
    /// Wakes the task of `cx` at the next [`Event::notify`].
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut waiters = self.waiters.borrow_mut();
        if !waiters.iter().any(|w| w.will_wake(cx.waker())) {
            waiters.push(cx.waker().clone());
        }
    }

    /// Wakes everyone who waits.
    pub(crate) fn notify(&self) {
        if self.waiters.borrow().is_empty() {
            return;
        }
        let waiters = std::mem::take(&mut *self.waiters.borrow_mut());
        for waker in waiters {
            waker.wake();
        }
    }
}
