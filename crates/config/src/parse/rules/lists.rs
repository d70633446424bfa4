//! Actions that change lists of patterns and maps.

use std::sync::Arc;

use tidegate_sample::pattern::{List, ListKind};

use super::RuleCx;
use super::actions::{ActionRow, Sets, inner};
use crate::diag::{Diagnostic, Severity, code};
use crate::model::{Action, ListChange};
use crate::parse::args::{Args, Parsed};
use crate::parse::sampled;

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    inner("add-acl", Sets::HREQ.or(Sets::HRES), "add-acl(<file>) <key fmt>",
        "add a pattern to a file's list, unless it is there", |cx, args| {
            let list = list(cx, ListKind::Patterns)?;
            Ok(Action::ChangeList { list, change: ListChange::Add { key: key(cx, args)? } })
        }),
    inner("del-acl", Sets::HREQ.or(Sets::HRES).or(Sets::HAFTER), "del-acl(<file>) <key fmt>",
        "take a pattern away from a file's list", |cx, args| {
            let list = list(cx, ListKind::Patterns)?;
            Ok(Action::ChangeList { list, change: ListChange::Remove { key: key(cx, args)? } })
        }),
    inner("set-map", Sets::HREQ.or(Sets::HRES).or(Sets::HAFTER), "set-map(<file>) <key fmt> <value fmt>",
        "set the value of a key of a map", |cx, args| {
            let list = list(cx, ListKind::Map)?;
            let key = key(cx, args)?;
            let value = sampled::log_format(args.expect("a log-format string for the value")?, &cx.scope)?;
            Ok(Action::ChangeList { list, change: ListChange::Set { key, value } })
        }),
    inner("del-map", Sets::HREQ.or(Sets::HRES).or(Sets::HAFTER), "del-map(<file>) <key fmt>",
        "take a key away from a map", |cx, args| {
            let list = list(cx, ListKind::Map)?;
            Ok(Action::ChangeList { list, change: ListChange::Remove { key: key(cx, args)? } })
        }),
];

fn list(cx: &RuleCx<'_>, kind: ListKind) -> Parsed<Arc<List>> {
    let Some(name) = &cx.inner else {
        let message = "the name of the file is missing in the parentheses";
        return Err(Box::new(Diagnostic::bare(
            Severity::Error,
            code::MISSING_ARGUMENT,
            message,
        )));
    };
    List::open(name.text()?, kind, &cx.scope)
        .map_err(|error| sampled::in_word(code::BAD_ARGUMENT, name, error))
}

fn key(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<crate::model::LogFormat> {
    sampled::log_format(args.expect("a log-format string for the key")?, &cx.scope)
}
