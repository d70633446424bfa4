//! Commands about caches.

use std::fmt::Write as _;
use std::sync::Arc;

use tidegate_config::model::AccessLevel;
use tidegate_proxy::spec::Cache;

use crate::runtime::command::{Answer, Call, Command, Refusal, served};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show cache", "", AccessLevel::User, "list the caches, and what they keep", show),
];

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let caches = call.plane()?.global().caches.clone();
    Ok(Answer::Parts(Box::new(
        caches.into_iter().map(|cache| listed(&cache)),
    )))
}

/// A cache, and its objects in the order of their hashes.
fn listed(cache: &Arc<Cache>) -> Vec<u8> {
    let mut objects = cache.objects();
    objects.sort_by_key(|object| (object.hash, object.vary, object.id));
    let in_use = objects.iter().filter(|object| object.users > 0);
    let in_use: u64 = in_use.map(|object| object.blocks).sum();
    let id = Arc::as_ptr(cache).addr();
    let mut text = format!(
        "{id:#x}: {} (shctx:{id:#x}, available blocks:{})\n",
        cache.spec().name,
        cache.blocks().saturating_sub(in_use)
    );
    for object in &objects {
        let _ = writeln!(
            text,
            "{:#x} hash:{} vary:{:#018x} size:{} ({} blocks), refcount:{}, expire:{}, type:{}",
            object.id,
            object.hash,
            object.vary,
            object.bytes,
            object.blocks,
            object.users,
            object.expires_in,
            if object.is_whole { "full" } else { "hints" }
        );
    }
    text.into_bytes()
}
