//! Forms of arguments that several of these sections share.

use super::{OtherCx, Parse};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::keyword::{Keyword, Sections, served};
use crate::parse::log::log_target;
use crate::parse::sampled;
use crate::text::Word;
use crate::units::TimeUnit;

/// A row of a table.
pub(super) const fn line(
    name: &'static str,
    arguments: &'static str,
    doc: &'static str,
    parse: Parse,
) -> Keyword<Parse> {
    served(name, Sections::NONE, arguments, doc, parse)
}

/// A section that has no more to check at its end.
pub(super) fn nothing_more(_: &mut OtherCx<'_>) {}

/// One word that isn't empty.
pub(super) fn text<'a>(args: &mut Args<'a>, what: &str) -> Parsed<&'a Word> {
    let word = args.expect(what)?;
    word.text()?;
    if word.bytes().is_empty() {
        return bad_argument(word, format!("{what} is expected, and this is empty"));
    }
    Ok(word)
}

/// A file that is read later.
pub(super) fn path(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    text(args, "a file").map(|_| ())
}

/// Any words, at least one.
pub(super) fn words(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    args.joined("a text").map(|_| ())
}

/// One word.
pub(super) fn word(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    text(args, "a text").map(|_| ())
}

/// `on` or `off`.
pub(super) fn switch(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    args.on_off().map(|_| ())
}

/// A time in milliseconds, if no unit says otherwise.
pub(super) fn time(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    args.time(TimeUnit::Milliseconds).map(|_| ())
}

/// `global`, or a target with its facility.
pub(super) fn log(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    if args.take("global") {
        return Ok(());
    }
    log_target(args).map(|_| ())
}

/// `if` or `unless` and a condition, or the end of the line.
pub(super) fn condition(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let Some(word) = args.peek() else { return Ok(()) };
    if !word.is("if") && !word.is("unless") {
        return args.end();
    }
    let scope = cx.scope(tidegate_sample::Place::BackendHttpRequest);
    let words = args.take_rest();
    sampled::condition(words, &cx.state.acls, &scope, cx.diagnostics).map(|_| ())
}

/// The names of a list with commas, each as a word of its own.
pub(super) fn listed(word: &Word) -> Vec<Word> {
    let mut parts = Vec::new();
    let mut start = 0;
    for part in word.bytes().split(|byte| *byte == b',') {
        parts.push(word.part(start, start + part.len()));
        start += part.len() + 1;
    }
    parts
}
