//! Filters at work in one transaction: those that are told of it from its start to its end.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tidegate_sample::Way;

use super::chain::Chain;
use super::{DataFilter, Filter, Filters};
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

    /// The head that has passed is all of its message: what follows is a tunnel.
    ///
    /// # Errors
    /// As before.
    fn http_end<'a>(&'a self, _txn: &'a Rc<Txn>, _way: Way) -> Run<'a, Result<(), Failure>> {
        Run::ready(Ok(()))
    }

    /// What the bytes of one way go through, of a stream of TCP.
    fn stream(&self, way: Way) -> Option<Box<dyn DataFilter>>;

    /// Whether [`Attached::end_analyze`] does anything.
    fn awaits_end(&self) -> bool {
        false
    }

    /// The transaction is over on both ways; told for each that the filter has part in. Failures are its own to log.
    fn end_analyze<'a>(&'a self, txn: &'a Rc<Txn>, way: Way) -> Run<'a, ()>;
}

/// The filters at work in a transaction. Where there is none, this is no more than a pointer.
#[derive(Default)]
pub(crate) struct Attachments(OnceCell<Box<RefCell<Vec<Attachment>>>>);

#[derive(Clone)]
struct Attachment {
    of: Rc<dyn Filter>,
    /// None: it takes no part in this one.
    at_work: Option<Rc<dyn Attached>>,
    /// Where it stands on each way: its proxy's place among those that the transaction reached, and its own there.
    places: [Option<(usize, usize)>; 2],
    started: Rc<[Cell<bool>; 2]>,
}

impl Attachment {
    fn place(&self, way: Way) -> Option<(usize, usize)> {
        let [request, response] = self.places;
        match way {
            Way::Request => request,
            Way::Response => response,
        }
    }
}

impl Attachments {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(|all| all.borrow().is_empty())
    }

    /// Has those of a proxy's filters that want it take part in the transaction from here on.
    ///
    /// # Errors
    /// One of them failed.
    pub(crate) async fn attach(&self, filters: &Filters, txn: &Rc<Txn>) -> Result<(), Failure> {
        let before = self.0.get().map_or(0, |all| all.borrow().len());
        for filter in filters.declared() {
            let Some(attaching) = filter.attach(txn) else {
                continue;
            };
            let at_work = attaching.await?;
            self.0.get_or_init(Box::default).borrow_mut().push(Attachment {
                of: filter.clone(),
                at_work,
                places: [Way::Request, Way::Response]
                    .map(|way| filters.place(filter, way).map(|place| (before, place))),
                started: Rc::default(),
            });
        }
        Ok(())
    }

    /// Tells those of this way that weren't told yet, in their order, that its processing begins.
    ///
    /// # Errors
    /// One of them failed.
    pub(crate) async fn start(&self, txn: &Rc<Txn>, way: Way) -> Result<(), Failure> {
        let all = self.0.get().map(|all| all.borrow().clone());
        let mut all = all.unwrap_or_default();
        all.retain(|attachment| attachment.place(way).is_some());
        all.sort_by_key(|attachment| attachment.place(way));
        for attachment in all {
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
        let awaits = |attachment: &Attachment| {
            attachment
                .at_work
                .as_ref()
                .is_some_and(|at_work| at_work.awaits_end())
        };
        if !all.iter().any(awaits) {
            return false;
        }
        let txn = txn.clone();
        // Nobody waits for them, and yet they may wait.
        tokio::task::spawn_local(async move {
            let telling = async {
                for attachment in &all {
                    let Some(at_work) = &attachment.at_work else {
                        continue;
                    };
                    for way in [Way::Request, Way::Response] {
                        if attachment.place(way).is_some() {
                            at_work.end_analyze(&txn, way).await;
                        }
                    }
                }
            };
            let _ = tokio::time::timeout(END_MAX, telling).await;
            txn.close();
        });
        true
    }
}
