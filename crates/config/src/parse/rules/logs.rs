//! The actions that write log lines, and keep what those tell.

use super::actions::{ActionRow, Sets, row};
use super::{RuleCx, Set};
use crate::diag::{Diagnostic, code};
use crate::model::{Action, CaptureSlot};
use crate::parse::args::{Args, Parsed};
use crate::parse::{capture, sampled};
use crate::source::Spanned;

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    row("do-log", Sets::ALL, "[profile <name>]", "write a log line", |_, args| {
        let profile = if args.take("profile") { Some(args.spanned("the name of a `log-profile` section")?) } else { None };
        Ok(Action::DoLog(profile))
    }),
    row("capture", Sets::HEADERS.or(Sets::TREQ), "<expr> { len <length> | id <slot> }", "keep a sample for the log line", capture_sample),
];

fn capture_sample(cx: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    let value = sampled::expression(args.expect("an expression such as `req.hdr(host)`")?, &cx.scope)?;
    let response = matches!(cx.set, Set::HttpResponse | Set::HttpAfterResponse);
    let keyword = args.peek();
    if args.take("id") {
        let word = args.peek();
        let number = args.integer(0, u64::from(u32::MAX))?;
        let slot = Spanned::new(number, word.map_or(args.last(), crate::Word::span));
        return Ok(Action::Capture {
            response,
            slot,
            value,
        });
    }
    if response || keyword.is_none_or(|word| !word.is("len")) {
        return Err(args.missing(if response {
            "`id <slot>`"
        } else {
            "`len <length>` or `id <slot>`"
        }));
    }
    let bytes_max = capture::length(args, 1)?;
    let Some(captures) = cx.captures.as_deref_mut() else {
        let span = keyword.map_or(args.last(), crate::Word::span);
        let message = "a backend has no slots to capture into";
        return Err(Box::new(
            Diagnostic::error(code::WRONG_SECTION, span, message)
                .help("declare the slot in the frontend (`declare capture`), and name it here: `id <slot>`"),
        ));
    };
    let slot = u32::try_from(captures.request.len()).unwrap_or(u32::MAX);
    captures.request.push(CaptureSlot {
        header: None,
        bytes_max,
    });
    Ok(Action::Capture {
        response,
        slot: Spanned::new(slot, args.last()),
        value,
    })
}
