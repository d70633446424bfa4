//! `filter cache`: where among the filters of a proxy bodies are recorded.

use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::Way;

use super::recording::Recorded;
use super::store::Cache;
use crate::ext::Run;
use crate::filter::{DataFilter, Filter};
use crate::txn::Txn;

/// The filter of a cache.
pub(crate) struct CacheFilter(pub(crate) Arc<Cache>);

impl CacheFilter {
    fn begin(&self, txn: &Txn, has_body: bool) -> Option<Box<dyn DataFilter>> {
        let mut recording = txn.caching.recording_for(&self.0)?;
        if txn.facts.borrow().compression.is_some()
            && let Some(head) = txn.response_head()
        {
            recording.follow(&head.headers);
        }
        let recorder = recording.begin()?;
        if has_body {
            return Some(Box::new(Recorded(Some(recorder))));
        }
        recorder.finish();
        None
    }
}

impl Filter for CacheFilter {
    fn message<'a>(
        &'a self,
        txn: &'a Rc<Txn>,
        way: Way,
        has_body: bool,
    ) -> Run<'a, Option<Box<dyn DataFilter>>> {
        Run::ready(match way {
            Way::Request => None,
            Way::Response => self.begin(txn, has_body),
        })
    }
}
