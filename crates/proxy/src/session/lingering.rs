//! Services whose response is whole and that go on all the same: to count, to log, to clean up.
//!
//! The client has what it asked for, and may ask for more. The transaction stays open for the service alone, and the
//! session until it has ended.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::applet::HttpApplet;
use crate::ext::{Failure, Run};
use crate::log::Level;
use crate::timeouts::Timer;
use crate::txn::Txn;

/// A service that goes on.
pub(crate) struct Rest {
    pub(crate) run: Run<'static, Result<(), Failure>>,
    pub(crate) applet: Rc<HttpApplet>,
    pub(crate) line: Rc<str>,
    /// When it has taken too long.
    pub(crate) timer: Timer,
}

/// The services of a session that go on. While there has been none, nothing is allocated.
#[derive(Default)]
pub(crate) struct Lingering(OnceCell<Box<RefCell<Vec<Rest>>>>);

impl Lingering {
    pub(crate) fn push(&self, rest: Rest) {
        self.0.get_or_init(Box::default).borrow_mut().push(rest);
    }

    /// Whether none goes on.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(|rests| rests.borrow().is_empty())
    }

    /// Whether the service of this transaction goes on.
    pub(crate) fn has(&self, txn: &Rc<Txn>) -> bool {
        let is_its = |rest: &Rest| Rc::ptr_eq(rest.applet.txn(), txn);
        self.0
            .get()
            .is_some_and(|rests| rests.borrow().iter().any(is_its))
    }

    /// Lets them go on; ready when none is left.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(all) = self.0.get().filter(|_| !self.is_empty()) else {
            return Poll::Ready(());
        };
        // What runs may end up here again.
        let mut rests = all.take();
        rests.retain_mut(|rest| rest.poll(cx).is_pending());
        let mut kept = all.borrow_mut();
        rests.append(&mut kept);
        *kept = rests;
        if kept.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Rest {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let txn = self.applet.txn();
        match Pin::new(&mut self.run).poll(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(failure)) => txn.log_failure(&self.line, &failure),
            Poll::Pending if self.timer.poll_elapsed(cx).is_ready() => {
                let line = &self.line;
                let why = format!("{line}: the service went on for too long after its response");
                txn.log(Level::Error, &why);
            }
            Poll::Pending => return Poll::Pending,
        }
        txn.end();
        Poll::Ready(())
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.applet.txn().close();
    }
}
