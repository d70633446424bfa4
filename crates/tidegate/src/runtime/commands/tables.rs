//! Commands about stick tables.

use std::ops::ControlFlow;
use std::sync::Arc;

use tidegate_config::model::AccessLevel;
use tidegate_proxy::ticks;
use tidegate_sample::stick::{Selection, Table};

use crate::runtime::command::{Answer, Call, Command, Refusal, served};

use AccessLevel::{Admin, User};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show table", "[<table> [data.<type> <operator> <value>]* | key <key> | ptr <ptr>]", User, "list the stick tables, or the entries of one", show),
    served("set table", "<table> {key <key> | ptr <ptr>} [data.<type> <value>]*", Admin, "set data of an entry, which is added if there is none", |call| {
        let (table, words) = named(call)?;
        table.set(&borrowed(&words), ticks()).map_err(Refusal::error)?;
        Ok(Answer::Done)
    }),
    served("clear table", "<table> [data.<type> <operator> <value>]* | key <key> | ptr <ptr>", Admin, "forget entries", |call| {
        let (table, words) = named(call)?;
        let meant = Selection::parse(&table, &borrowed(&words)).map_err(Refusal::error)?;
        table.clear(&meant, ticks()).map_err(Refusal::error)?;
        Ok(Answer::Done)
    }),
];

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The table that the first argument names, and the words that follow.
fn named(call: &Call<'_>) -> Result<(Arc<Table>, Vec<String>), Refusal> {
    let words = call
        .args
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned());
    let mut words: Vec<String> = words.collect();
    if words.is_empty() {
        return Err(Refusal::error("The name of a table is missing."));
    }
    let name = words.remove(0);
    let plane = call.plane()?;
    let table = plane.global().tables.find(&name).cloned();
    let table = table.ok_or_else(|| Refusal::error(format!("No such table: `{name}`.")))?;
    Ok((table, words))
}

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let now = ticks();
    if call.args.is_empty() {
        let plane = call.plane()?;
        let lines: Vec<String> = plane
            .global()
            .tables
            .all()
            .map(|table| table.headline(now))
            .collect();
        return Ok(lines.join("\n").into());
    }
    let (table, words) = named(call)?;
    let meant = Selection::parse(&table, &borrowed(&words)).map_err(Refusal::error)?;
    let mut lines = vec![table.headline(now)];
    table.show(&meant, now, &mut |line| {
        lines.push(line);
        ControlFlow::Continue(())
    });
    // Of an entry that isn't there nothing is told, not even where.
    if lines.len() == 1 && matches!(meant, Selection::Key(_) | Selection::Address(_)) {
        lines.clear();
    }
    Ok(Answer::Parts(Box::new(lines.into_iter().map(String::into_bytes))))
}
