//! What wakes a run from `core.wait`, from whatever thread.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A bell that rings once: for whoever waits, or for whoever comes next to wait.
#[derive(Default)]
pub(crate) struct Alarm(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    rung: bool,
    waker: Option<Waker>,
}

impl Alarm {
    /// Rings it.
    pub(crate) fn ring(&self) {
        let waker = {
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            inner.rung = true;
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready once it has rung, which that uses up.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut inner.rung) {
            return Poll::Ready(());
        }
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
