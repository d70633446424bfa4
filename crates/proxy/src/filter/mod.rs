//! Filters: what sees every message of a proxy on its way, and may rewrite its body while that passes.
//!
//! A [`Filter`] belongs to a proxy and a worker. It is shown the head of each message, once the rules are through with it,
//! and may answer with a [`DataFilter`] that sees the body of that one message: piece by piece as it comes, however long it
//! is, without anybody holding all of it. A proxy without filters pays nothing for them.

pub(crate) mod attached;
pub(crate) mod bandwidth;
pub(crate) mod chain;
pub(crate) mod compression;
mod compression_limit;
mod order;
mod throttle;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tidegate_sample::Way;

pub use attached::Attached;
pub use bandwidth::{BandwidthLimit, BandwidthSpec, Sharing};
pub use compression::{Algorithm, Compressing, CompressionSpec};
pub use compression_limit::CompressionLimit;
pub use order::FilterOrder;
pub(crate) use order::{Filters, filters_between};

use self::bandwidth::Limiting;
use crate::cache::{Cache, CacheFilter};
use crate::ext::{ExtensionId, Extensions, Failure, Run};
use crate::txn::Txn;

/// A filter of a proxy.
pub trait Filter {
    /// Called when a transaction reaches the proxy, before any of its rules, for a filter that has something to keep for
    /// each. What it makes is asked in its place from there on; if that is nothing, the filter takes no part.
    fn attach<'a>(&'a self, txn: &'a Rc<Txn>) -> Option<Attaching<'a>> {
        let _ = txn;
        None
    }

    /// Called when the head of a message is about to go on: the request's to a server, or a server's or service's
    /// response to the client. The head may be changed. The data filter, if there is one, gets the body;
    /// `has_body` tells whether there is any.
    fn message<'a>(
        &'a self,
        txn: &'a Rc<Txn>,
        way: Way,
        has_body: bool,
    ) -> Run<'a, Option<Box<dyn DataFilter>>>;
}

/// What comes of [`Filter::attach`].
pub type Attaching<'a> = Run<'a, Result<Option<Rc<dyn Attached>>, Failure>>;

/// What the body of one message goes through.
pub trait DataFilter {
    /// Moves what has come from `passage.input` to `passage.output`, changed or not.
    ///
    /// * `Ready(Ok)`: done with what is there. What was left in the input is shown again when more has come. If
    ///   nothing follows, the filter is done for good.
    /// * `Pending`: it waits for something else, and sees to it that `cx` is woken. No more is received meanwhile than
    ///   what fits a small buffer.
    ///
    /// # Errors
    /// The message can't go on: it is cut off. The failure is logged.
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        txn: &Rc<Txn>,
        passage: Passage<'_>,
    ) -> Poll<Result<(), Failure>>;

    /// Whether the body keeps its length. If not, a `content-length` is taken away.
    fn keeps_length(&self) -> bool {
        false
    }

    /// Whether a body that was to keep its length has got another one: a body that is short enough to be here by then
    /// is told with its new length. A longer one is cut off if it isn't as long as was told.
    fn changed_length(&self) -> bool {
        false
    }
}

/// What a data filter works on.
pub struct Passage<'a> {
    /// What has come and wasn't taken yet.
    pub input: &'a mut VecDeque<Bytes>,
    /// What follows that.
    pub follows: Follows,
    /// What goes on.
    pub output: &'a mut VecDeque<Bytes>,
}

/// What follows the pieces that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Maybe more, at once.
    More,
    /// Nothing for the moment: what is held back should go on.
    Later,
    /// Nothing: this is the end.
    Nothing,
}

/// A filter as a proxy names it.
pub enum FilterSpec {
    /// `filter compression`, or a proxy's `compression` lines.
    Compression(Arc<CompressionSpec>),
    /// `filter cache`.
    Cache(Arc<Cache>),
    /// `filter bwlim-in`, `filter bwlim-out`.
    Bandwidth(Arc<BandwidthSpec>),
    /// One of an extension, with the words that follow its name. The place of the words in memory is what tells two
    /// lines apart.
    Extension(ExtensionId, Arc<[String]>),
}

/// Makes a worker's filters.
///
/// # Errors
/// One names an extension that doesn't exist.
pub(crate) fn prepare(
    specs: &[FilterSpec],
    order: &FilterOrder,
    of_frontend: bool,
    extensions: &dyn Extensions,
) -> Result<Filters, String> {
    let prepare = |spec: &FilterSpec| -> Result<Option<Rc<dyn Filter>>, String> {
        Ok(Some(match spec {
            FilterSpec::Compression(spec) => Rc::new(Compressing::new(spec.clone(), of_frontend)),
            FilterSpec::Cache(cache) => Rc::new(CacheFilter(cache.clone())),
            FilterSpec::Bandwidth(spec) => Rc::new(Limiting(spec.clone())),
            FilterSpec::Extension(id, args) => return extensions.filter(*id, args),
        }))
    };
    let prepared: Result<Vec<_>, _> = specs.iter().map(prepare).collect();
    Ok(Filters::new(&prepared?, order))
}
