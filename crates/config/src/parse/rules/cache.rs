//! Actions on caches.

use super::actions::{ActionRow, Sets, row};
use crate::model::Action;

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    row("cache-use", Sets::HREQ, "<name> [no-early-hints]", "answer with a response that a cache has", |_, args| {
        let cache = args.spanned("the name of a `cache` section")?;
        let hints = !args.take("no-early-hints");
        Ok(Action::CacheUse { cache, hints })
    }),
    row("cache-store", Sets::HRES, "<name>", "keep the response in a cache", |_, args| {
        Ok(Action::CacheStore(args.spanned("the name of a `cache` section")?))
    }),
];
