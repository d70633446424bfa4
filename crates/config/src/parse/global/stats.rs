//! The `stats` lines of the `global` section: the sockets of the runtime API.

use super::GlobalCx;
use super::table::Parse;
use crate::parse::args::{Args, Parsed};
use crate::parse::bind;
use crate::parse::keyword::{Found, Keyword, KeywordDoc, Sections, left_out, look_up, served};
use crate::units::TimeUnit;

const G: Sections = Sections::GLOBAL;

/// What may follow `stats`.
const ROWS: &[Keyword<Parse>] = &[
    served(
        "socket",
        G,
        "<address> [<param>...]",
        "take commands there; the parameters are those of `bind`",
        |cx, args| {
            let binds = bind::bind(args, cx.diagnostics)?;
            cx.global.runtime.sockets.extend(binds);
            Ok(())
        },
    ),
    served(
        "timeout",
        G,
        "<time>",
        "how long a connection to the runtime API may be silent",
        |cx, args| {
            cx.global.runtime.timeout = args.time(TimeUnit::Milliseconds)?;
            Ok(())
        },
    ),
    served(
        "maxconn",
        G,
        "<number>",
        "most connections to the runtime API",
        |cx, args| {
            cx.global.runtime.connections_max = args.integer(1, u64::from(u32::MAX))?;
            Ok(())
        },
    ),
    left_out("bind-process", G, "there are threads and no processes"),
    served(
        "calculate-max-counters",
        G,
        "{ on | off }",
        "tell what was most of anything",
        |cx, args| {
            cx.global.runtime.hides_most = !args.on_off()?;
            Ok(())
        },
    ),
];

/// The keywords for reference pages.
pub(super) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter().map(|row| row.doc("stats"))
}

/// Takes one line in.
pub(super) fn line(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("`socket`, `timeout` or `maxconn`")?;
    match look_up(&[ROWS], word, "stats ", "in section `global`")? {
        Found::Served(_, parse) => {
            args.named(word);
            parse(cx, args)
        }
        Found::Nothing(notice) => {
            cx.diagnostics.push(*notice);
            Ok(())
        }
    }
}
