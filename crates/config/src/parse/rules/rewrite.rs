//! Actions that rewrite headers and targets.

use super::actions::{ActionRow, Sets, format, regex, row, some_format};
use super::{RuleCx, Set};
use crate::model::{Action, Expr, LogFormat, NameMatch, Normalizer, TargetEdit, TargetPart};
use crate::parse::args::{Args, Parsed};
use crate::parse::http::header_name;
use crate::parse::sampled;
use tidegate_sample::Regex;

const REPLACE: &str = "<regex> <fmt>";

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    row("replace-header", Sets::HEADERS, "<name> <regex> <fmt>", "put a text in place of values that match",
        |cx, args| replace_header(cx, args, false)),
    row("replace-value", Sets::HEADERS, "<name> <regex> <fmt>",
        "put a text in place of values between commas that match", |cx, args| replace_header(cx, args, true)),
    row("add-headers-bin", Sets::HEADERS, "<expr> [prefix <str>]", "add the headers of a list", |cx, args| {
        header_list(cx, args, false)
    }),
    row("set-headers-bin", Sets::HEADERS, "<expr> [prefix <str>]",
        "set the headers of a list in place of all of their names", |cx, args| header_list(cx, args, true)),
    row("del-headers-bin", Sets::HEADERS, "<expr> [-m { str | beg | end | sub }]",
        "take the headers of a list of names away", |cx, args| {
            let list = expression(cx, args)?;
            let by = if args.take("-m") {
                args.one_of("a method to match names", &NameMatch::NAMES)?
            } else {
                NameMatch::Exact
            };
            Ok(Action::DelHeaderList { list, by })
        }),
    row("set-path", Sets::HREQ, "<fmt>", "set the path", |cx, args| {
        Ok(Action::EditTarget(TargetEdit::Path(some_format(cx, args)?)))
    }),
    row("set-pathq", Sets::HREQ, "<fmt>", "set path and query string", |cx, args| {
        Ok(Action::EditTarget(TargetEdit::PathQuery(some_format(cx, args)?)))
    }),
    row("set-query", Sets::HREQ, "<fmt>", "set the query string", |cx, args| {
        Ok(Action::EditTarget(TargetEdit::Query(format(cx, args)?)))
    }),
    row("set-uri", Sets::HREQ, "<fmt>", "set the whole URI", |cx, args| {
        Ok(Action::EditTarget(TargetEdit::Uri(some_format(cx, args)?)))
    }),
    row("replace-path", Sets::HREQ, REPLACE, "put a text in place of a path that matches", |cx, args| {
        replace_target(cx, args, TargetPart::Path)
    }),
    row("replace-pathq", Sets::HREQ, REPLACE, "put a text in place of path and query string that match",
        |cx, args| replace_target(cx, args, TargetPart::PathQuery)),
    row("replace-uri", Sets::HREQ, REPLACE, "put a text in place of a URI that matches", |cx, args| {
        replace_target(cx, args, TargetPart::Uri)
    }),
    row("normalize-uri", Sets::HREQ, "<normalizer> [{ full | strict }]", "give a target its normal form",
        |_, args| Ok(Action::EditTarget(TargetEdit::Normalize(normalizer(args)?)))),
];

fn pattern_and_format(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<(Regex, LogFormat)> {
    let pattern = regex(args.expect("a regular expression")?)?;
    Ok((pattern, format(cx, args)?))
}

fn replace_header(cx: &RuleCx<'_>, args: &mut Args<'_>, each: bool) -> Parsed<Action> {
    let name = header_name(args.expect("the name of a header")?)?;
    let (pattern, with) = pattern_and_format(cx, args)?;
    Ok(Action::ReplaceHeader {
        name,
        pattern,
        with,
        each,
    })
}

fn replace_target(cx: &RuleCx<'_>, args: &mut Args<'_>, part: TargetPart) -> Parsed<Action> {
    let (pattern, with) = pattern_and_format(cx, args)?;
    Ok(Action::EditTarget(TargetEdit::Replace(part, pattern, with)))
}

fn expression(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Expr> {
    let example = match cx.set {
        Set::HttpRequest => "an expression such as `req.hdrs_bin`",
        _ => "an expression such as `res.hdrs_bin`",
    };
    sampled::expression(args.expect(example)?, &cx.scope)
}

fn header_list(cx: &RuleCx<'_>, args: &mut Args<'_>, replaces: bool) -> Parsed<Action> {
    let list = expression(cx, args)?;
    let prefix = if args.take("prefix") {
        args.text("what the names begin with")?.to_owned()
    } else {
        String::new()
    };
    Ok(Action::AddHeaderList {
        list,
        replaces,
        prefix,
    })
}

fn normalizer(args: &mut Args<'_>) -> Parsed<Normalizer> {
    let names = [
        ("fragment-encode", Normalizer::FragmentEncode),
        ("fragment-strip", Normalizer::FragmentStrip),
        ("path-merge-slashes", Normalizer::PathMergeSlashes),
        ("path-strip-dot", Normalizer::PathStripDot),
        ("path-strip-dotdot", Normalizer::PathStripDotdot { full: false }),
        (
            "percent-decode-unreserved",
            Normalizer::PercentDecodeUnreserved { strict: false },
        ),
        (
            "percent-to-uppercase",
            Normalizer::PercentToUppercase { strict: false },
        ),
        ("query-sort-by-name", Normalizer::QuerySortByName),
    ];
    Ok(match args.one_of("a normalizer", &names)? {
        Normalizer::PathStripDotdot { .. } => Normalizer::PathStripDotdot {
            full: args.take("full"),
        },
        Normalizer::PercentDecodeUnreserved { .. } => Normalizer::PercentDecodeUnreserved {
            strict: args.take("strict"),
        },
        Normalizer::PercentToUppercase { .. } => Normalizer::PercentToUppercase {
            strict: args.take("strict"),
        },
        other => other,
    })
}
