//! `tune.vars.*`: how much memory variables may take.

use super::table::Parse;
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::{Keyword, Sections, served};

const fn row(name: &'static str, doc: &'static str, parse: Parse) -> Keyword<Parse> {
    served(name, Sections::GLOBAL, "<size>", doc, parse)
}

/// The keywords.
#[rustfmt::skip]
pub(super) const ROWS: &[Keyword<Parse>] = &[
    row("tune.vars.global-max-size", "most bytes of all variables", |cx, args| {
        limit(&mut cx.global.tune.vars.global, args)
    }),
    row("tune.vars.proc-max-size", "most bytes of the process' variables, with those of its sessions", |cx, args| {
        limit(&mut cx.global.tune.vars.proc, args)
    }),
    row("tune.vars.sess-max-size", "most bytes of a session's variables, with those of its transactions", |cx, args| {
        limit(&mut cx.global.tune.vars.sess, args)
    }),
    row("tune.vars.txn-max-size", "most bytes of a transaction's variables, with those of its request and response",
        |cx, args| limit(&mut cx.global.tune.vars.txn, args)),
    row("tune.vars.reqres-max-size", "most bytes of a request's or response's variables", |cx, args| {
        limit(&mut cx.global.tune.vars.reqres, args)
    }),
];

/// Zero means no limit, as in HAProxy.
fn limit(limit: &mut Option<usize>, args: &mut Args<'_>) -> Parsed<()> {
    let bytes = args.size()?;
    *limit = (bytes > 0).then(|| usize::try_from(bytes).unwrap_or(usize::MAX));
    Ok(())
}
