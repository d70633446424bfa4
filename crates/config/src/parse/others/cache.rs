//! `cache`: a cache of responses.

use super::forms::{line, switch};
use super::{Header, Other, OtherCx};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;
use crate::{Diagnostic, code};

pub(super) const CACHE: Other = Other {
    name: "cache",
    arguments: "<name>",
    doc: "a cache of responses",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[
        line(
            "early-hints",
            "{ on | off | only } [ratio <percent>]",
            "answer with hints first",
            early_hints,
        ),
        line(
            "max-age",
            "<seconds>",
            "longest time that a response is kept",
            |_, args| args.integer::<u64>(0, 0x7fff_ffff).map(|_| ()),
        ),
        line(
            "max-object-size",
            "<bytes>",
            "largest response that is kept",
            |cx, args| number(cx, args, "max-object-size", 1, u64::from(u32::MAX)),
        ),
        line(
            "max-secondary-entries",
            "<number>",
            "most variants of one response",
            |_, args| args.integer::<u64>(1, 0x7fff_ffff).map(|_| ()),
        ),
        line("process-vary", "{ on | off }", "heed `Vary`", switch),
        line("total-max-size", "<megabytes>", "the cache's size", |cx, args| {
            number(cx, args, "total-max-size", 1, 4095)
        }),
    ],
    end,
};

fn early_hints(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    args.one_of("`on`, `off` or `only`", &[("on", ()), ("off", ()), ("only", ())])?;
    if args.take("ratio") {
        args.integer::<u64>(1, 99)?;
    }
    Ok(())
}

fn number(cx: &mut OtherCx<'_>, args: &mut Args<'_>, name: &'static str, min: u64, max: u64) -> Parsed<()> {
    let value = args.integer(min, max)?;
    cx.state.numbers.insert(name, (value, args.last()));
    Ok(())
}

fn end(cx: &mut OtherCx<'_>) {
    let Some((total, place)) = cx.state.numbers.get("total-max-size").copied() else {
        cx.require(
            "total-max-size",
            "say how many megabytes the cache has: `total-max-size <megabytes>`",
        );
        return;
    };
    let object = cx.state.numbers.get("max-object-size").copied();
    if let Some((bytes, span)) = object.filter(|(bytes, _)| *bytes > (total << 20) / 2) {
        let message = format!("an object of {bytes} bytes is larger than half of the cache");
        cx.diagnostics
            .push(Diagnostic::error(code::BAD_NUMBER, span, message).related(place, "the cache's megabytes"));
    }
}
