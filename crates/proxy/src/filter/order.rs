//! The order in which the messages of each way meet a proxy's filters.

use std::rc::Rc;

use tidegate_sample::Way;

use super::Filter;
use crate::spec::{BackendSpec, FilterSpec, FrontendSpec};

/// `filter-sequence`: the places of filters among a proxy's, in the order in which messages meet them. None: all of them, as
/// they are declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterOrder {
    /// That of requests.
    pub request: Option<Vec<usize>>,
    /// That of responses.
    pub response: Option<Vec<usize>>,
}

impl FilterOrder {
    /// Those of all that the messages of one way meet, in that order.
    pub(crate) fn of<'a, T>(&'a self, way: Way, all: &'a [T]) -> impl Iterator<Item = &'a T> {
        let sequence = match way {
            Way::Request => self.request.as_deref(),
            Way::Response => self.response.as_deref(),
        };
        let declared = if sequence.is_none() { all } else { &[] };
        let chosen = sequence.unwrap_or_default().iter();
        declared.iter().chain(chosen.filter_map(|place| all.get(*place)))
    }
}

/// The filters that the messages of one way meet between a frontend and a backend, in that order.
pub(crate) fn filters_between<'a>(
    front: &'a FrontendSpec,
    back: &'a BackendSpec,
    way: Way,
) -> impl Iterator<Item = &'a FilterSpec> {
    let of_frontend = front.filter_order.of(way, &front.filters);
    of_frontend.chain(back.filter_order.of(way, &back.filters))
}

/// A worker's filters of a proxy.
pub(crate) struct Filters {
    declared: Box<[Rc<dyn Filter>]>,
    request: Box<[Rc<dyn Filter>]>,
    response: Box<[Rc<dyn Filter>]>,
}

impl Filters {
    /// `prepared` has none where a filter turned out to have nothing to do.
    pub(super) fn new(prepared: &[Option<Rc<dyn Filter>>], order: &FilterOrder) -> Filters {
        Filters {
            declared: prepared.iter().flatten().cloned().collect(),
            request: order.of(Way::Request, prepared).flatten().cloned().collect(),
            response: order.of(Way::Response, prepared).flatten().cloned().collect(),
        }
    }

    /// All of them, in the order of their lines.
    pub(crate) fn declared(&self) -> &[Rc<dyn Filter>] {
        &self.declared
    }

    /// Those that the messages of one way meet, in that order.
    pub(crate) fn of(&self, way: Way) -> &[Rc<dyn Filter>] {
        match way {
            Way::Request => &self.request,
            Way::Response => &self.response,
        }
    }

    /// Where a filter stands on one way, if messages meet it there.
    pub(super) fn place(&self, filter: &Rc<dyn Filter>, way: Way) -> Option<usize> {
        let is_it = |other: &Rc<dyn Filter>| std::ptr::addr_eq(Rc::as_ptr(other), Rc::as_ptr(filter));
        self.of(way).iter().position(is_it)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_orders_its_way_and_leaves_out_what_it_does_not_name() {
        let order = FilterOrder {
            request: Some(vec![2, 0]),
            response: None,
        };
        let met = |way| order.of(way, &["a", "b", "c"]).copied().collect::<Vec<_>>();
        assert_eq!(met(Way::Request), ["c", "a"]);
        assert_eq!(met(Way::Response), ["a", "b", "c"]);
        let none = FilterOrder {
            request: Some(Vec::new()),
            response: None,
        };
        assert_eq!(none.of(Way::Request, &["a"]).count(), 0);
    }
}
