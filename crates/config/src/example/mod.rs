//! An example of each keyword, and what there is to know of its values: units, range, and what holds without the line.
//!
//! The tables stand beside the parsers' so that those stay short. A test puts each example where its keyword may be and reads it, and
//! fails for a keyword that has none.

mod actions;
mod bind;
mod global;
mod options;
mod proxies;
mod sections;
mod server;

use crate::parse::{KeywordDoc, Sections};

/// An example of a keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The whole line.
    pub line: String,
    /// Units, range, and what holds without the line; may be empty.
    pub note: &'static str,
}

/// A keyword, the example without what stands before it on the line, and the note.
type Row = (&'static str, &'static str, &'static str);

/// The example of a keyword, if it has one.
pub fn of_keyword(keyword: &KeywordDoc) -> Option<Example> {
    let (before, rows): (&str, &[Row]) = match keyword.after {
        "" if keyword.sections.has(Sections::GLOBAL) => ("", global::ROWS),
        "" => ("", proxies::ROWS),
        "bind" => ("bind :8443 ", bind::ROWS),
        "server" => ("server s1 192.0.2.10:8080 ", server::ROWS),
        "filter" => ("filter ", proxies::FILTERS),
        "option" => ("option ", options::OPTIONS),
        "timeout" => ("timeout ", options::TIMEOUTS),
        "stats" => ("stats ", options::STATS),
        "section" => ("", sections::HEADERS),
        set if set.starts_with("http-") && set != "http-errors" || set.starts_with("tcp-") => {
            return action(set, keyword.name);
        }
        section => ("", sections::lines(section)?),
    };
    let (_, example, note) = find(rows, keyword.name)?;
    Some(Example {
        line: format!("{before}{example}"),
        note,
    })
}

/// That of an action in a set of rules: one for all sets, unless the set has its own.
fn action(set: &str, name: &str) -> Option<Example> {
    let own = actions::OF_SETS
        .iter()
        .find(|(known, of, _)| *known == set && *of == name);
    let (_, example, note) = find(actions::ROWS, name)?;
    let example = own.map_or(example, |(_, _, example)| example);
    Some(Example {
        line: format!("{set} {example}"),
        note,
    })
}

fn find(rows: &[Row], name: &str) -> Option<Row> {
    rows.iter().find(|(known, _, _)| *known == name).copied()
}
