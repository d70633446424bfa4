//! Actions on stick tables.

use tidegate_sample::Amount;
use tidegate_sample::stick::{ARRAY_MAX, Cell, CounterChange, DataType, EntryChange, Track};

use super::RuleCx;
use super::actions::{ActionRow, Sets, inner, row};
use crate::diag::{Diagnostic, Severity, code};
use crate::model::Action;
use crate::parse::args::{Args, Parsed};
use crate::parse::{sampled, stick};
use crate::text::Word;
use crate::units::parse_integer;

/// The word that a number follows directly.
pub(super) const TRACK: &str = "track-sc";

const TRACKING: Sets = Sets::CONN
    .or(Sets::SESS)
    .or(Sets::TREQ)
    .or(Sets::HREQ)
    .or(Sets::HRES);

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    row(TRACK, TRACKING, "track-sc<sc-id> <key> [table <table>]", "track the entry of a key in a stick counter", track),
    inner("sc-inc-gpc", Sets::ALL, "sc-inc-gpc(<idx>,<sc-id>)", "increment a counter of the array of the tracked entry",
        |cx, _| {
            let (index, counter) = element(cx)?;
            Ok(add(counter, DataType::Gpc, index, DataType::GpcRate, Amount::Fixed(1)))
        }),
    inner("sc-inc-gpc0", Sets::ALL, "sc-inc-gpc0(<sc-id>)", "increment `gpc0` of the tracked entry", |cx, _| {
        Ok(add(counter(cx)?, DataType::Gpc0, 0, DataType::Gpc0Rate, Amount::Fixed(1)))
    }),
    inner("sc-inc-gpc1", Sets::ALL, "sc-inc-gpc1(<sc-id>)", "increment `gpc1` of the tracked entry", |cx, _| {
        Ok(add(counter(cx)?, DataType::Gpc1, 0, DataType::Gpc1Rate, Amount::Fixed(1)))
    }),
    inner("sc-add-gpc", Sets::ALL, "sc-add-gpc(<idx>,<sc-id>) { <int> | <expr> }",
        "add to a counter of the array of the tracked entry", |cx, args| {
            let (index, counter) = element(cx)?;
            Ok(add(counter, DataType::Gpc, index, DataType::GpcRate, amount(cx, args)?))
        }),
    inner("sc-set-gpt", Sets::ALL, "sc-set-gpt(<idx>,<sc-id>) { <int> | <expr> }",
        "set a tag of the array of the tracked entry", |cx, args| {
            let (index, counter) = element(cx)?;
            Ok(set(counter, DataType::Gpt, index, amount(cx, args)?))
        }),
    inner("sc-set-gpt0", Sets::ALL, "sc-set-gpt0(<sc-id>) { <int> | <expr> }", "set `gpt0` of the tracked entry",
        |cx, args| Ok(set(counter(cx)?, DataType::Gpt0, 0, amount(cx, args)?))),
];

fn track(cx: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    let number = cx.name.tail(TRACK.len());
    if number.bytes().is_empty() {
        let message = "`track-sc` takes the number of a stick counter right behind it";
        return Err(Box::new(
            Diagnostic::error(code::MISSING_ARGUMENT, number.span(), message).help("such as `track-sc0`"),
        ));
    }
    let counter = counter_number(cx, &number)?;
    let word = args.expect("an expression such as `src`")?;
    let key = sampled::expression(word, &cx.scope)?;
    let table = if args.take("table") {
        stick::named(&cx.scope, args.expect("the name of a table")?)?
    } else {
        stick::own(&cx.scope, args.last())?
    };
    stick::fits(&key, &table, word)?;
    Ok(Action::Track(Track { counter, key, table }))
}

fn add(counter: u32, kind: DataType, index: u32, rate: DataType, amount: Amount) -> Action {
    let cell = Cell { kind, index };
    let change = EntryChange::Add { cell, rate, amount };
    Action::ChangeCounter(CounterChange { counter, change })
}

fn set(counter: u32, kind: DataType, index: u32, to: Amount) -> Action {
    let cell = Cell { kind, index };
    let change = EntryChange::Set { cell, to };
    Action::ChangeCounter(CounterChange { counter, change })
}

/// `<sc-id>`
fn counter(cx: &RuleCx<'_>) -> Parsed<u32> {
    counter_number(cx, inside(cx)?)
}

/// `<idx>,<sc-id>`
fn element(cx: &RuleCx<'_>) -> Parsed<(u32, u32)> {
    let inner = inside(cx)?;
    let Some(comma) = inner.bytes().iter().position(|byte| *byte == b',') else {
        let message = "the index and the number of the stick counter are expected in the parentheses";
        return Err(Box::new(
            Diagnostic::error(code::MISSING_ARGUMENT, inner.span(), message).help("such as `(1,0)`"),
        ));
    };
    let index = number(&inner.part(0, comma), ARRAY_MAX - 1)?;
    Ok((index, counter_number(cx, &inner.tail(comma + 1))?))
}

fn inside<'c>(cx: &'c RuleCx<'_>) -> Parsed<&'c Word> {
    cx.inner.as_ref().ok_or_else(|| {
        let message = "the number of a stick counter is missing in the parentheses";
        Box::new(Diagnostic::bare(Severity::Error, code::MISSING_ARGUMENT, message))
    })
}

fn counter_number(cx: &RuleCx<'_>, word: &Word) -> Parsed<u32> {
    let counter = number(word, ARRAY_MAX)?;
    if counter < cx.stick_counters {
        return Ok(counter);
    }
    let message = match cx.stick_counters {
        0 => String::from("there are no stick counters"),
        1 => String::from("there is one stick counter, of number 0"),
        most => format!("there are {most} stick counters, from 0 to {}", most - 1),
    };
    Err(Box::new(
        Diagnostic::error(code::BAD_NUMBER, word.span(), message)
            .help("`tune.stick-counters` in `global` sets how many there are"),
    ))
}

fn number(word: &Word, most: u32) -> Parsed<u32> {
    let number = parse_integer(word.bytes(), 0, most.into())
        .map_err(|fault| Box::new(Diagnostic::error(code::BAD_NUMBER, word.span(), fault.message)))?;
    Ok(u32::try_from(number).unwrap_or(most))
}

/// A number, or an expression that gives one.
fn amount(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Amount> {
    let word = args.expect("an integer, or an expression that gives one")?;
    if word.bytes().first().is_some_and(|byte| byte.is_ascii_digit()) {
        return number(word, u32::MAX).map(|number| Amount::Fixed(number.into()));
    }
    sampled::expression(word, &cx.scope).map(Amount::Sampled)
}
