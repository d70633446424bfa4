//! What the comparison came to: the page under docs/, and what is told on the terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::differences::{DIFFERENCES, WITHOUT_CASE};
use super::drive::Case;
use super::verdict::{Compared, Outcome, Verdict};

type Result<T = (), E = std::fmt::Error> = std::result::Result<T, E>;

/// The page of a run.
pub(super) fn page(verdict: &Verdict, version: &str) -> Result<String> {
    let mut page = format!(
        "# Conformance of the Lua API\n\n\
         Small scripts, run through this program and through {version} of Debian's package `haproxy`: each says what it sees of an\n\
         entry of the API, and what its client gets counts too. `cargo xtask conform lua` writes this page, and fails on a difference that\n\
         has no reason here. Entries that {version} does not have are held to the documentation. The scripts are in xtask/conform/lua.\n\n"
    );
    counts(&mut page, verdict)?;
    differences(&mut page, verdict)?;
    writeln!(
        page,
        "## Entries\n\n| entry | cases | the same | different | as documented |\n|---|---|---|---|---|"
    )?;
    for (class, entry) in &verdict.entries {
        let count =
            |wanted: fn(Outcome) -> bool| match verdict.of(entry).filter(|case| wanted(case.outcome)).count()
            {
                0 => String::new(),
                count => count.to_string(),
            };
        if let Some((_, reason)) = without_case(class, entry) {
            writeln!(page, "| `{entry}` | none: {reason} | | | |")?;
            continue;
        }
        writeln!(
            page,
            "| `{entry}` | {} | {} | {} | {} |",
            verdict.of(entry).count(),
            count(|outcome| outcome == Outcome::Equal),
            count(is_different),
            count(|outcome| outcome == Outcome::Documented),
        )?;
    }
    Ok(page)
}

fn is_different(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Explained(_) | Outcome::Unexplained | Outcome::Undocumented
    )
}

fn counts(page: &mut String, verdict: &Verdict) -> Result {
    let with = |wanted: fn(Outcome) -> bool| {
        let entries = verdict.entries.iter();
        entries
            .filter(|(_, entry)| verdict.of(entry).any(|case| wanted(case.outcome)))
            .count()
    };
    let cases =
        |wanted: fn(Outcome) -> bool| verdict.cases.iter().filter(|case| wanted(case.outcome)).count();
    writeln!(page, "| | entries | cases |\n|---|---|---|")?;
    writeln!(
        page,
        "| all | {} | {} |",
        verdict.entries.len(),
        verdict.cases.len()
    )?;
    for (label, wanted) in [
        (
            "the same",
            (|outcome| outcome == Outcome::Equal) as fn(Outcome) -> bool,
        ),
        ("different, for a reason", is_different),
        ("not in the reference, and as documented", |outcome| {
            outcome == Outcome::Documented
        }),
    ] {
        writeln!(page, "| {label} | {} | {} |", with(wanted), cases(wanted))?;
    }
    let without = verdict
        .entries
        .iter()
        .filter(|(class, entry)| without_case(class, entry).is_some());
    writeln!(page, "| without a case, for a reason | {} | |\n", without.count())
}

fn differences(page: &mut String, verdict: &Verdict) -> Result {
    writeln!(
        page,
        "## Differences\n\n| cases | why | the first of them: HAProxy | Tidegate |\n|---|---|---|---|"
    )?;
    for (index, (_, reason)) in DIFFERENCES.iter().enumerate() {
        let of_it: Vec<&Compared> = verdict
            .cases
            .iter()
            .filter(|case| case.outcome == Outcome::Explained(index))
            .collect();
        let Some(first) = of_it.first() else { continue };
        let (there, here) = apart(&first.there, &first.here);
        let names: Vec<String> = of_it.iter().map(|case| format!("`{}`", case.id)).collect();
        writeln!(page, "| {} | {reason} | {there} | {here} |", names.join(", "))?;
    }
    writeln!(page)
}

/// What is wrong; nothing when the comparison succeeds.
pub(super) fn faults(verdict: &Verdict) -> Result<String> {
    let mut text = String::new();
    for case in &verdict.cases {
        match case.outcome {
            Outcome::Unexplained => {
                let (there, here) = apart(&case.there, &case.here);
                writeln!(text, "differs: {}: haproxy {there}, tidegate {here}", case.id)?;
            }
            Outcome::Undocumented => {
                let documented = case.here.expected.replace('\n', " / ");
                let said = case.here.said.join(" / ");
                writeln!(
                    text,
                    "not as documented: {}: documented `{documented}`, tidegate `{said}`",
                    case.id
                )?;
            }
            _ => {}
        }
    }
    for (class, entry) in &verdict.entries {
        let has_case = verdict.of(entry).next().is_some();
        match (has_case, without_case(class, entry)) {
            (false, None) => writeln!(text, "no case is about `{entry}`")?,
            (true, Some(_)) => writeln!(text, "`{entry}` is listed as without a case, and has one")?,
            _ => {}
        }
    }
    let known: BTreeSet<&str> = verdict.entries.iter().map(|(_, entry)| entry.as_str()).collect();
    for case in &verdict.cases {
        if !known.contains(case.here.entry.as_str()) {
            writeln!(text, "{}: there is no entry `{}`", case.id, case.here.entry)?;
        }
    }
    for cases in verdict.gone() {
        writeln!(text, "a difference that is listed is gone: {cases}")?;
    }
    Ok(text)
}

/// Everything that cases said, by the names of entries or classes.
pub(super) fn shown(verdict: &Verdict, names: &[String]) -> Result<String> {
    let mut text = String::new();
    for case in &verdict.cases {
        let entry = &case.here.entry;
        let class = entry.split('.').next().unwrap_or_default();
        if !names.iter().any(|name| name == entry || name == class) {
            continue;
        }
        writeln!(text, "{} ({}): {:?}", case.id, case.here.place, case.outcome)?;
        for (who, case) in [("haproxy", &case.there), ("tidegate", &case.here)] {
            for line in &case.said {
                writeln!(text, "  {who}: {line}")?;
            }
            for line in case.got.lines() {
                writeln!(text, "  {who}, client: {line}")?;
            }
        }
    }
    Ok(text)
}

/// What both say where they begin to differ.
fn apart(there: &Case, here: &Case) -> (String, String) {
    let lines = |case: &Case| -> Vec<String> {
        let got = case.got.lines().map(|line| format!("client: {line}"));
        case.said.iter().cloned().chain(got).collect()
    };
    let (there, here) = (lines(there), lines(here));
    let longest = there.len().max(here.len());
    let at = (0..longest)
        .find(|at| there.get(*at) != here.get(*at))
        .unwrap_or(0);
    let shown = |lines: &[String]| {
        lines
            .get(at)
            .map_or_else(|| "nothing".to_owned(), |line| cell(line))
    };
    (shown(&there), shown(&here))
}

/// A text as code in a table's cell.
fn cell(text: &str) -> String {
    const CHARACTERS_MAX: usize = 120;
    let kept: String = text.chars().take(CHARACTERS_MAX).collect();
    let kept = kept.replace('|', "\\|");
    if kept.contains('`') {
        format!("`` {kept} ``")
    } else {
        format!("`{kept}`")
    }
}

fn without_case(class: &str, entry: &str) -> Option<&'static (&'static str, &'static str)> {
    WITHOUT_CASE
        .iter()
        .find(|(name, _)| *name == class || *name == entry)
}
