//! Filters at work in one transaction: those that are told of it from its start to its end.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tidegate_sample::Way;

use super::chain::Chain;
use super::{DataFilter, Filter};
use crate::ext::{Failure, Run};
use crate::txn::Txn;

/// The longest that filters may go on once their transaction is over.
const END_MAX: Duration = Duration::from_secs(60);

/// A filter at work in one transaction: what [`Filter::attach`] made for it.
///
/// The names are those of what HAProxy's filters are called for.
pub trait Attached {
    /// The processing of one way begins: of the request, before any rule; of the response, once a server was reached.
    ///
    /// # Errors
    /// The transaction can't go on. The failure is logged.
    fn start_analyze<'a>(&'a self, txn: &'a Rc<Txn>, way: Way) -> Run<'a, Result<(), Failure>>;

    /// The head of a message is about to go on, as for [`Filter::message`]. A data filter also gets a body that is
    /// empty, and may make one.
    ///
    /// # Errors
    /// As before.
    fn http_headers<'a>(
        &'a self,
        txn: &'a Rc<Txn>,
        way: Way,
        has_body: bool,
    ) -> Run<'a, Result<Option<Box<dyn DataFilter>>, Failure>>;

    /// What the bytes of one way go through, of a stream of TCP.
    fn stream(&self, way: Way) -> Option<Box<dyn DataFilter>>;

    /// Whether [`Attached::end_analyze`] does anything.
    fn awaits_end(&self) -> bool {
        false
    }

    /// The transaction is over on both ways. Failures are the filter's own to log.
    fn end_analyze<'a>(&'a self, txn: &'a Rc<Txn>) -> Run<'a, ()>;
}

/// The filters at work in a transaction. Where there is none, this is no more than a pointer.
#[derive(Default)]
pub(crate) struct Attachments(OnceCell<Box<RefCell<Vec<Attachment>>>>);

#[derive(Clone)]
struct Attachment {
    of: Rc<dyn Filter>,
    /// None: it takes no part in this one.
    at_work: Option<Rc<dyn Attached>>,
    started: Rc<[Cell<bool>; 2]>,
}

impl Attachments {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(|all| all.borrow().is_empty())
    }

    /// Has those of a proxy's filters that want it take part in the transaction from here on.
    ///
    /// # Errors
    /// One of them failed.
    pub(crate) async fn attach(&self, filters: &[Rc<dyn Filter>], txn: &Rc<Txn>) -> Result<(), Failure> {
        for filter in filters {
            let Some(attaching) = filter.attach(txn) else {
                continue;
            };
            let at_work = attaching.await?;
            self.0.get_or_init(Box::default).borrow_mut().push(Attachment {
                of: filter.clone(),
                at_work,
                started: Rc::default(),
            });
        }
        Ok(())
    }

    /// Tells those that weren't told yet that the processing of this way begins.
    ///
    /// # Errors
    /// One of them failed.
    pub(crate) async fn start(&self, txn: &Rc<Txn>, way: Way) -> Result<(), Failure> {
        let all = self.0.get().map(|all| all.borrow().clone());
        for attachment in all.into_iter().flatten() {
            let [request, response] = &*attachment.started;
            let started = match way {
                Way::Request => request,
                Way::Response => response,
            };
            if let (Some(at_work), false) = (&attachment.at_work, started.replace(true)) {
                at_work.start_analyze(txn, way).await?;
            }
        }
        Ok(())
    }

    /// What a filter made for the transaction, where it does that: perhaps nothing.
    pub(crate) fn of(&self, filter: &Rc<dyn Filter>) -> Option<Option<Rc<dyn Attached>>> {
        let all = self.0.get()?.borrow();
        let mut all = all.iter();
        let found = all.find(|attachment| std::ptr::addr_eq(Rc::as_ptr(&attachment.of), Rc::as_ptr(filter)));
        found.map(|attachment| attachment.at_work.clone())
    }

    /// What the bytes of one way go through, of a stream that is no message.
    pub(crate) fn stream<'f>(
        &self,
        filters: impl Iterator<Item = &'f Rc<dyn Filter>>,
        way: Way,
    ) -> Option<Chain> {
        let mut chain = Chain::default();
        let at_work = filters.filter_map(|filter| self.of(filter).flatten());
        for data in at_work.filter_map(|at_work| at_work.stream(way)) {
            chain.push(data);
        }
        (!chain.is_empty()).then_some(chain)
    }

    /// Tells them all that the transaction is over; it is closed then. False if nobody wants to know.
    pub(crate) fn end(&self, txn: &Rc<Txn>) -> bool {
        let all = self.0.get().map(|all| all.take()).unwrap_or_default();
        let all: Vec<_> = all
            .into_iter()
            .filter_map(|attachment| attachment.at_work)
            .collect();
        if !all.iter().any(|at_work| at_work.awaits_end()) {
            return false;
        }
        let txn = txn.clone();
        // Nobody waits for them, and yet they may wait.
        tokio::task::spawn_local(async move {
            let telling = async {
                for at_work in all {
                    at_work.end_analyze(&txn).await;
                }
            };
            let _ = tokio::time::timeout(END_MAX, telling).await;
            txn.close();
        });
        true
    }
}
