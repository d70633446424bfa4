//! Changes to a request's target.

use tidegate_sample::Regex;

use super::{Normalizer, Text};
use crate::txn::{InvalidTarget, Txn};

/// A part of a request's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetPart {
    /// The path, without the query.
    Path,
    /// Path and query.
    PathQuery,
    /// All of it.
    Uri,
}

/// A change to a request's target.
pub enum TargetEdit {
    /// `set-path`: the path, not the query.
    Path(Text),
    /// `set-pathq`: path and query.
    PathQuery(Text),
    /// `set-query`: the query.
    Query(Text),
    /// `set-uri`: the whole target.
    Uri(Text),
    /// `replace-path`, `replace-pathq` and `replace-uri`: where the part matches, this text in its place, with the groups
    /// of the match.
    Replace(TargetPart, Regex, Text),
    /// `normalize-uri`.
    Normalize(Normalizer),
}

/// Puts a text in place of a part, if that matches.
pub(super) fn replace(
    part: TargetPart,
    pattern: &Regex,
    replacement: &[u8],
    txn: &Txn,
) -> Result<(), InvalidTarget> {
    let new = match txn.request_head() {
        Some(head) => match part {
            TargetPart::Path => pattern.replaced(head.uri.bare_path().as_bytes(), replacement),
            TargetPart::PathQuery => pattern.replaced(head.uri.whole_path().as_bytes(), replacement),
            TargetPart::Uri => pattern.replaced(head.uri.to_string().as_bytes(), replacement),
        },
        None => None,
    };
    match (new, part) {
        (None, _) => Ok(()),
        (Some(new), TargetPart::Path) => txn.set_path(&new),
        (Some(new), TargetPart::PathQuery) => txn.set_path_and_query(&new),
        (Some(new), TargetPart::Uri) => txn.set_uri(&new),
    }
}
