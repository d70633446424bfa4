//! What the comparison came to: the page under docs/, and what is told on the terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::cases::{DIFFERENCES, NOT_COMPARED, What, is_not_compared};
use super::judge::{Case, Tally, Verdict};
use super::names::Names;
use super::run::Outcome;

type Result<T = (), E = std::fmt::Error> = std::result::Result<T, E>;

/// The page of a run.
pub(crate) fn page(
    verdict: &Verdict<'_>,
    reference: &Names,
    served: &Names,
    version: &str,
) -> Result<String> {
    let mut page = String::new();
    writeln!(page, "# Conformance\n")?;
    writeln!(
        page,
        "Converters and fetches, run with the same inputs through this program and through {version} of Debian's package\n\
         `haproxy`: documented examples, edges, and random bytes that are the same in every run. `cargo xtask conform samples` writes\n\
         this page, and fails on a difference that has no reason here. A difference may be in a sample, in whether there is one, or in\n\
         whether an expression is accepted at all.\n"
    )?;
    counts(&mut page, verdict, reference, served)?;
    differences(&mut page, verdict)?;
    for (what, title) in [(What::Converter, "Converters"), (What::Fetch, "Fetches")] {
        names(&mut page, title, what, verdict, reference)?;
    }
    not_compared(&mut page)?;
    missing(&mut page, reference, served)?;
    Ok(page)
}

fn counts(page: &mut String, verdict: &Verdict<'_>, reference: &Names, served: &Names) -> Result {
    writeln!(page, "## Counts\n")?;
    writeln!(page, "| | converters | fetches |\n|---|---|---|")?;
    let mut row = |label: &str, count: &dyn Fn(What) -> usize| {
        writeln!(
            page,
            "| {label} | {} | {} |",
            count(What::Converter),
            count(What::Fetch)
        )
    };
    let tallies = |what: What| {
        verdict
            .tallies
            .iter()
            .filter(move |((kind, _), _)| *kind == what)
            .map(|(_, tally)| tally)
    };
    let compared = |what| tallies(what).filter(|tally| tally.compared() > 0);
    row("served", &|what| {
        served.iter().filter(|name| name.0 == what).count()
    })?;
    row("compared", &|what| compared(what).count())?;
    row("the same in every case", &|what| {
        compared(what)
            .filter(|tally| tally.equal == tally.compared())
            .count()
    })?;
    row("different in some, for a reason", &|what| {
        compared(what).filter(|tally| tally.explained > 0).count()
    })?;
    row("not in the reference version", &|what| {
        served
            .iter()
            .filter(|name| name.0 == what && !reference.contains(*name))
            .count()
    })?;
    row("not compared, for a reason", &|what| {
        let uncovered = verdict.uncovered.iter();
        uncovered
            .filter(|(kind, name)| *kind == what && is_not_compared(*kind, name))
            .count()
    })?;
    row("cases run through both", &|what| {
        tallies(what).map(Tally::compared).sum()
    })?;
    row("cases that differ", &|what| {
        tallies(what)
            .map(|tally| tally.explained + tally.unexplained)
            .sum()
    })?;
    row("examples held to the manual", &|what| {
        tallies(what)
            .map(|tally| tally.documented + tally.undocumented)
            .sum()
    })?;
    writeln!(page)
}

fn differences(page: &mut String, verdict: &Verdict<'_>) -> Result {
    writeln!(page, "## Differences\n")?;
    writeln!(page, "A star stands for any rest.\n")?;
    writeln!(
        page,
        "| expressions | cases | why | the first of them | HAProxy | Tidegate |\n|---|---|---|---|---|---|"
    )?;
    for (index, difference) in DIFFERENCES.iter().enumerate() {
        let mut explained = verdict
            .explained
            .range((index, 0)..(index + 1, 0))
            .map(|(_, found)| found);
        let count: usize = explained.clone().map(|(count, _)| count).sum();
        if let Some((_, case)) = explained.next() {
            let patterns: Vec<String> = difference
                .expressions
                .iter()
                .map(|pattern| cell(pattern))
                .collect();
            let (there, here) = (shown(case.there), shown(case.here));
            let example = format!("{} on {}", cell(case.expression), cell(case.input));
            let (patterns, reason) = (patterns.join(", "), difference.reason);
            writeln!(
                page,
                "| {patterns} | {count} | {reason} | {example} | {there} | {here} |"
            )?;
        }
    }
    writeln!(page)
}

fn names(page: &mut String, title: &str, what: What, verdict: &Verdict<'_>, reference: &Names) -> Result {
    writeln!(page, "## {title}\n")?;
    writeln!(
        page,
        "| name | cases | the same | different | the manual's examples |\n|---|---|---|---|---|"
    )?;
    for ((kind, name), tally) in &verdict.tallies {
        if *kind != what {
            continue;
        }
        let examples = match tally.documented + tally.undocumented {
            0 => String::new(),
            all => format!("{} of {all}", tally.documented),
        };
        if reference.contains(&(what, name.clone())) {
            let different = tally.explained + tally.unexplained;
            writeln!(
                page,
                "| `{name}` | {} | {} | {different} | {examples} |",
                tally.compared(),
                tally.equal
            )?;
        } else {
            writeln!(
                page,
                "| `{name}` | not in the reference version | | | {examples} |"
            )?;
        }
    }
    writeln!(page)
}

fn not_compared(page: &mut String) -> Result {
    writeln!(page, "## Not compared\n")?;
    let mut reasons: Vec<&str> = NOT_COMPARED.iter().map(|(_, _, reason)| *reason).collect();
    reasons.dedup();
    for reason in reasons {
        let names = NOT_COMPARED.iter().filter(|entry| entry.2 == reason);
        let names: Vec<String> = names.map(|(_, name, _)| format!("`{name}`")).collect();
        writeln!(page, "- {}: {reason}.", names.join(", "))?;
    }
    writeln!(page)
}

/// What the reference has and this program has not: there is nothing to run.
fn missing(page: &mut String, reference: &Names, served: &Names) -> Result {
    writeln!(page, "## Only in the reference\n")?;
    for (what, title) in [(What::Converter, "Converters"), (What::Fetch, "Fetches")] {
        let names: Vec<String> = reference
            .difference(served)
            .filter(|name| name.0 == what)
            .map(|(_, name)| format!("`{name}`"))
            .collect();
        writeln!(page, "**{title}** ({}): {}\n", names.len(), names.join(", "))?;
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    Ok(())
}

/// What is wrong, for whoever ran it: all that must be gone before the comparison succeeds.
pub(crate) fn faults(verdict: &Verdict<'_>, all_cases: bool) -> Result<String> {
    let mut text = String::new();
    for case in &verdict.unexplained {
        writeln!(text, "differs: {}", line(case))?;
    }
    for (case, wanted) in &verdict.undocumented {
        writeln!(
            text,
            "not as documented: {}, documented {}",
            line(case),
            shown(wanted)
        )?;
    }
    if all_cases {
        let listed: BTreeSet<(What, &str)> = NOT_COMPARED
            .iter()
            .map(|(what, name, _)| (*what, *name))
            .collect();
        for (what, name) in &verdict.uncovered {
            if !is_not_compared(*what, name) {
                writeln!(text, "no case is about `{name}` ({what:?})")?;
            }
        }
        for (what, name) in &listed {
            let compared = |tally: &Tally| tally.compared() > 0;
            if verdict
                .tallies
                .get(&(*what, (*name).to_owned()))
                .is_some_and(compared)
            {
                writeln!(text, "`{name}` ({what:?}) is listed as not compared, and is")?;
            }
        }
        for (index, difference) in DIFFERENCES.iter().enumerate() {
            for (at, expression) in difference.expressions.iter().enumerate() {
                if !verdict.explained.contains_key(&(index, at)) {
                    let reason = difference.reason;
                    writeln!(
                        text,
                        "a difference that is listed is gone: `{expression}` ({reason})"
                    )?;
                }
            }
        }
    }
    Ok(text)
}

fn line(case: &Case<'_>) -> String {
    format!(
        "`{}` on `{}`: haproxy {}, tidegate {}",
        case.expression,
        case.input,
        shown(case.there),
        shown(case.here)
    )
}

/// An outcome, for people.
fn shown(outcome: &Outcome) -> String {
    const BYTES_MAX: usize = 48;
    match outcome {
        Outcome::Refused => "refused".to_owned(),
        Outcome::Absent => "no sample".to_owned(),
        Outcome::Unreached(line) => format!("answers {}", cell(line)),
        // What becomes eight bytes is an integer or a boolean.
        Outcome::Value(bytes) => match <[u8; 8]>::try_from(bytes.as_slice()) {
            Ok(bytes) if !bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) => {
                i64::from_be_bytes(bytes).to_string()
            }
            _ => {
                let kept = bytes.get(..BYTES_MAX).unwrap_or(bytes);
                let rest = if bytes.len() > BYTES_MAX { "…" } else { "" };
                format!("{}{rest}", cell(&kept.escape_ascii().to_string()))
            }
        },
    }
}

/// A text as code in a table's cell.
fn cell(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let text = text.replace('|', "\\|");
    // A text with a backtick must stand between two.
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_read_as_what_they_are() {
        let value = |bytes: &[u8]| shown(&Outcome::Value(bytes.to_vec()));
        assert_eq!(value(b""), "(empty)");
        assert_eq!(value(b"a|b\x01"), "`a\\|b\\x01`");
        assert_eq!(value(b"a`b"), "`` a`b ``");
        assert_eq!(value(&[255; 8]), "-1");
        assert_eq!(value(b"12345678"), "`12345678`");
        assert_eq!(value(&[b'x'; 60]), format!("`{}`…", "x".repeat(48)));
        assert_eq!(shown(&Outcome::Absent), "no sample");
    }
}
