//! `cache`: a cache of responses.

use std::time::Duration;

use super::forms::line;
use super::{Header, Made, Other, OtherCx};
use crate::model::{Cache, EarlyHints};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;
use crate::{Diagnostic, code};

/// Percent of a cache that hints may take, unless something else is said.
const HINTS_PERCENT: u8 = 25;

pub(super) const CACHE: Other = Other {
    name: "cache",
    arguments: "<name>",
    doc: "a cache of responses",
    status: Status::Served(()),
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
            |cx, args| {
                cx.state.cache.age_max = Duration::from_secs(args.integer(0, 0x7fff_ffff)?);
                Ok(())
            },
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
            |cx, args| {
                cx.state.cache.variants_max = args.integer(1, 0x7fff_ffff)?;
                Ok(())
            },
        ),
        line("process-vary", "{ on | off }", "heed `Vary`", |cx, args| {
            cx.state.cache.process_vary = args.on_off()?;
            Ok(())
        }),
        line("total-max-size", "<megabytes>", "the cache's size", |cx, args| {
            number(cx, args, "total-max-size", 1, 4095)
        }),
    ],
    end,
};

/// What the lines told so far, beside the sizes.
#[derive(Debug)]
pub(super) struct Settings {
    age_max: Duration,
    process_vary: bool,
    variants_max: u32,
    early_hints: EarlyHints,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            age_max: Duration::from_secs(60),
            process_vary: false,
            variants_max: 10,
            early_hints: EarlyHints::Off,
        }
    }
}

fn early_hints(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let names = [
        ("on", EarlyHints::On(HINTS_PERCENT)),
        ("off", EarlyHints::Off),
        ("only", EarlyHints::Only),
    ];
    let mut hints = args.one_of("`on`, `off` or `only`", &names)?;
    if args.take("ratio") {
        let percent = args.integer(1, 99)?;
        if let EarlyHints::On(ratio) = &mut hints {
            *ratio = percent;
        }
    }
    cx.state.cache.early_hints = hints;
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
    let total_bytes = total << 20;
    let object = cx.state.numbers.get("max-object-size").copied();
    if let Some((bytes, span)) = object.filter(|(bytes, _)| *bytes > total_bytes / 2) {
        let message = format!("an object of {bytes} bytes is larger than half of the cache");
        cx.diagnostics
            .push(Diagnostic::error(code::BAD_NUMBER, span, message).related(place, "the cache's megabytes"));
    }
    let Settings {
        age_max,
        process_vary,
        variants_max,
        early_hints,
    } = std::mem::take(&mut cx.state.cache);
    let cache = Cache {
        total_megabytes: total,
        object_bytes_max: object.map_or(total_bytes / 256, |(bytes, _)| bytes),
        age_max,
        process_vary,
        variants_max,
        early_hints,
    };
    cx.state.made = Some(Made::Cache(cx.state.name.clone(), cache));
}
