//! Comparing what the cases said on both programs.

use std::collections::BTreeSet;

use super::differences::DIFFERENCES;
use super::drive::{Case, Cases};

/// What came of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Both say the same.
    Equal,
    /// They don't, for the reason at this index.
    Explained(usize),
    /// They don't, and nobody said why.
    Unexplained,
    /// The reference doesn't have the entry, and this program does what is documented.
    Documented,
    /// The reference doesn't have it, and this program doesn't do what is documented.
    Undocumented,
}

/// A case as it went on both programs.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) id: String,
    pub(super) here: Case,
    pub(super) there: Case,
    pub(super) outcome: Outcome,
}

/// What came of all.
pub(super) struct Verdict {
    pub(super) cases: Vec<Compared>,
    /// Every documented entry in the documentation's order, with its class.
    pub(super) entries: Vec<(String, String)>,
}

impl Verdict {
    /// The cases of an entry.
    pub(super) fn of<'v>(&'v self, entry: &'v str) -> impl Iterator<Item = &'v Compared> {
        self.cases.iter().filter(move |case| case.here.entry == entry)
    }

    /// Differences that are listed and gone.
    pub(super) fn gone(&self) -> Vec<&'static str> {
        let seen: BTreeSet<usize> = self
            .cases
            .iter()
            .filter_map(|case| match case.outcome {
                Outcome::Explained(index) => Some(index),
                _ => None,
            })
            .collect();
        let listed = DIFFERENCES.iter().enumerate();
        listed
            .filter(|(index, _)| !seen.contains(index))
            .map(|(_, (cases, _))| *cases)
            .collect()
    }
}

/// Compares the cases; `documented` lists all entries.
pub(super) fn judge(here: Cases, mut there: Cases, documented: &str) -> Verdict {
    let cases = here
        .into_iter()
        .map(|(id, here)| {
            let there = there.remove(&id).unwrap_or_default();
            let outcome = outcome(&id, &here, &there);
            Compared {
                id,
                here,
                there,
                outcome,
            }
        })
        .collect();
    Verdict {
        cases,
        entries: entries(documented),
    }
}

fn outcome(id: &str, here: &Case, there: &Case) -> Outcome {
    if there.is_absent() && !here.is_absent() {
        return match here.said.join("\n") == here.expected && !here.expected.is_empty() {
            true => Outcome::Documented,
            false => Outcome::Undocumented,
        };
    }
    if here.said == there.said && here.got == there.got && !here.is_absent() {
        return Outcome::Equal;
    }
    let reason = DIFFERENCES
        .iter()
        .position(|(cases, _)| cases.split(' ').any(|case| case == id));
    reason.map_or(Outcome::Unexplained, Outcome::Explained)
}

/// `CLASS.NAME` and the class of each entry that is not a class.
fn entries(documented: &str) -> Vec<(String, String)> {
    let lines = documented.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let (kind, class, signature) = (fields.next()?, fields.next()?, fields.next()?);
            let name = signature.split('(').next()?;
            (kind != "class").then(|| (class.to_owned(), format!("{class}.{name}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str], expected: &str) -> Case {
        Case {
            entry: "core.a".to_owned(),
            said: lines.iter().map(|line| (*line).to_owned()).collect(),
            expected: expected.to_owned(),
            ..Case::default()
        }
    }

    #[test]
    fn a_case_is_equal_or_as_documented_or_a_fault() {
        let judged = |here: &Case, there: &Case| outcome("core.a-1", here, there);
        assert_eq!(judged(&said(&["1"], ""), &said(&["1"], "")), Outcome::Equal);
        assert_eq!(judged(&said(&["1"], ""), &said(&["2"], "")), Outcome::Unexplained);
        let absent = said(&["absent"], "");
        assert_eq!(judged(&said(&["1"], "1"), &absent), Outcome::Documented);
        assert_eq!(judged(&said(&["1"], ""), &absent), Outcome::Undocumented);
        assert_eq!(judged(&said(&["1"], "2"), &absent), Outcome::Undocumented);
        assert_eq!(judged(&absent, &absent), Outcome::Unexplained);
    }

    #[test]
    fn entries_have_the_names_that_cases_give() {
        let listed = entries("# all\nclass\tcore\t\nfunction\tcore\tlog(a, b)\nattribute\tcore\tinfo\n");
        let names: Vec<&str> = listed.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["core.log", "core.info"]);
    }
}
