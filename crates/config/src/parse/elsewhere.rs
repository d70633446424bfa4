//! A word that is no keyword here may be one elsewhere.

use super::args::list;
use super::keyword::KeywordDoc;
use super::others;
use super::sections;
use crate::diag::{Diagnostic, code};
use crate::text::Word;

/// Says where a word that isn't known here is a keyword, or what it was meant for.
pub(crate) fn known(mut diagnostic: Box<Diagnostic>, word: &Word) -> Box<Diagnostic> {
    if diagnostic.code != code::UNKNOWN_KEYWORD {
        return diagnostic;
    }
    let help = if is_comment(word) {
        Some(String::from("a comment begins with `#`"))
    } else {
        in_sections(word)
            .or_else(|| after_another(word))
            .or_else(|| split(word))
    };
    match help {
        Some(help) => diagnostic.help.push(help),
        None if diagnostic.help.is_empty() => {
            if let Some(meant) = sections::meant(&word.lossy()) {
                diagnostic
                    .help
                    .push(format!("did you mean the section `{}`?", meant.name));
            }
        }
        None => {}
    }
    diagnostic
}

fn is_comment(word: &Word) -> bool {
    ["//", "/*", ";", "--", "<!--"]
        .iter()
        .any(|mark| word.bytes().starts_with(mark.as_bytes()))
}

/// The sections that have lines with this keyword.
fn in_sections(word: &Word) -> Option<String> {
    let rows = super::global::rows().chain(super::proxy::rows());
    let mut names: Vec<&str> = rows
        .filter(|row| row.after.is_empty() && word.is(row.name))
        .flat_map(|row| row.sections.names())
        .collect();
    if names.is_empty() {
        let logs = super::log_sections::rows().filter(|row| word.is(row.name));
        names.extend(logs.map(|row| row.after));
        let others = others::ALL.iter().filter(|other| other.has(word));
        names.extend(others.map(|other| other.name));
    }
    names.dedup();
    (!names.is_empty()).then(|| format!("it belongs in {}", list(&names)))
}

/// The first words of the lines that this word can follow.
fn after_another(word: &Word) -> Option<String> {
    let of_a_section = |row: &KeywordDoc| sections::all().any(|section| section.name == row.after);
    let mut lines: Vec<String> = super::keyword_rows()
        .filter(|row| !matches!(row.after, "" | "section") && word.is(row.name) && !of_a_section(row))
        .map(|row| format!("{} {}", row.after, row.name))
        .collect();
    lines.dedup();
    (!lines.is_empty()).then(|| format!("it is written {}", list(&lines).replace("`, `", "` or `")))
}

/// `keyword=value`, as other languages have it.
fn split(word: &Word) -> Option<String> {
    let written = word.lossy();
    let (name, value) = written.split_once(['=', ':'])?;
    let is_known = super::keyword_rows().any(|row| row.after.is_empty() && row.name == name);
    (is_known && !value.is_empty())
        .then(|| format!("put a blank between the keyword and its argument: `{name} {value}`"))
}
