//! Comparing what the two programs made of the cases.

use std::collections::BTreeMap;

use super::cases::{DOCUMENTED, DOCUMENTED_INPUT, Difference, Group, What};
use super::names::Names;
use super::run::{Outcome, Outcomes};

/// One expression on one input, with both outcomes.
#[derive(Debug, Clone)]
pub(crate) struct Case<'a> {
    pub(crate) expression: &'a str,
    pub(crate) input: &'a str,
    pub(crate) here: &'a Outcome,
    pub(crate) there: &'a Outcome,
}

/// What came of the cases of one name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) equal: usize,
    pub(crate) explained: usize,
    pub(crate) unexplained: usize,
    /// The manual's examples that came out as documented, and those that did not.
    pub(crate) documented: usize,
    pub(crate) undocumented: usize,
}

impl Tally {
    /// How many cases were run through both programs.
    pub(crate) fn compared(&self) -> usize {
        self.equal + self.explained + self.unexplained
    }
}

/// What came of all cases.
pub(crate) struct Verdict<'a> {
    pub(crate) tallies: BTreeMap<(What, String), Tally>,
    /// By the indices of the difference and of its expression: how many cases, and one of them.
    pub(crate) explained: BTreeMap<(usize, usize), (usize, Case<'a>)>,
    pub(crate) unexplained: Vec<Case<'a>>,
    /// Examples of the manual that come out otherwise, with what is documented.
    pub(crate) undocumented: Vec<(Case<'a>, Outcome)>,
    /// Names that both have, and that no case compared.
    pub(crate) uncovered: Vec<(What, String)>,
}

/// Compares the outcomes of this program and the reference's, which has only some of the names.
pub(crate) fn judge<'a>(
    groups: &'a [Group],
    here: &'a Outcomes,
    there: &'a Outcomes,
    differences: &[Difference],
    reference: &Names,
    served: &Names,
) -> Verdict<'a> {
    let mut verdict = Verdict {
        tallies: BTreeMap::new(),
        explained: BTreeMap::new(),
        unexplained: Vec::new(),
        undocumented: Vec::new(),
        uncovered: Vec::new(),
    };
    for ((group, at, input), outcome) in here {
        let Some((expression, input, other)) = groups.get(*group).and_then(|found| {
            Some((
                found.expressions.get(*at)?,
                found.inputs.get(*input)?,
                there.get(&(*group, *at, *input))?,
            ))
        }) else {
            continue;
        };
        let case = Case {
            expression: &expression.shown,
            input: &input.label,
            here: outcome,
            there: other,
        };
        let name = (expression.what, expression.subject.clone());
        if !served.contains(&name) && !matches!(case.there, Outcome::Refused) {
            // What only the reference has is listed by its name.
            continue;
        }
        let known = reference.contains(&name) || !served.contains(&name);
        let tally = verdict.tallies.entry(name).or_default();
        if let Some(wanted) = documented(expression.what, &expression.shown, case.input) {
            if wanted == *outcome {
                tally.documented += 1;
            } else {
                tally.undocumented += 1;
                verdict.undocumented.push((case.clone(), wanted));
            }
        }
        if !known {
            continue;
        }
        let reason = || {
            let mut all = differences.iter().enumerate();
            all.find_map(|(index, difference)| {
                Some((
                    index,
                    difference.covers(expression.what, case.expression, case.input)?,
                ))
            })
        };
        if case.here == case.there {
            tally.equal += 1;
        } else if let Some(index) = reason() {
            tally.explained += 1;
            verdict.explained.entry(index).or_insert((0, case)).0 += 1;
        } else {
            tally.unexplained += 1;
            verdict.unexplained.push(case);
        }
    }
    let compared = |name: &&(What, String)| {
        verdict
            .tallies
            .get(*name)
            .is_some_and(|tally| tally.compared() > 0)
    };
    let both = served.intersection(reference);
    verdict.uncovered = both.filter(|name| !compared(name)).cloned().collect();
    verdict.tallies.retain(|name, _| served.contains(name));
    verdict
}

/// What the manual says of an expression, if it is one of its examples.
fn documented(what: What, expression: &str, input: &str) -> Option<Outcome> {
    let mut examples = DOCUMENTED.iter().filter(|_| input == DOCUMENTED_INPUT);
    let example = examples.find(|example| example.what == what && example.expression == expression)?;
    Some(match example.gives {
        Some(text) => Outcome::Value(text.as_bytes().to_vec()),
        None => Outcome::Absent,
    })
}

#[cfg(test)]
mod tests {
    use super::super::cases::{Expression, Input, Phase};
    use super::*;

    fn name(text: &str) -> (What, String) {
        (What::Converter, text.to_owned())
    }

    fn group(expressions: &[&str]) -> Group {
        let expression = |text: &&str| Expression {
            what: What::Converter,
            subject: text.split(',').next_back().unwrap().to_owned(),
            shown: (*text).to_owned(),
            whole: (*text).to_owned(),
        };
        let input = |label: &&str| Input {
            label: (*label).to_owned(),
            bytes: Vec::new(),
        };
        Group {
            name: "g".to_owned(),
            phase: Phase::Request,
            before: &[],
            expressions: expressions.iter().map(expression).collect(),
            inputs: [DOCUMENTED_INPUT, "y"].iter().map(input).collect(),
        }
    }

    fn outcomes(values: &[(usize, usize, &str)]) -> Outcomes {
        values
            .iter()
            .map(|(at, input, value)| {
                let outcome = match *value {
                    "-" => Outcome::Absent,
                    text => Outcome::Value(text.as_bytes().to_vec()),
                };
                ((0, *at, *input), outcome)
            })
            .collect()
    }

    #[test]
    fn cases_are_equal_or_explained_or_neither() {
        let groups = [group(&["one", "two"])];
        let here = outcomes(&[(0, 0, "a"), (0, 1, "b"), (1, 0, "c"), (1, 1, "-")]);
        let there = outcomes(&[(0, 0, "a"), (0, 1, "B"), (1, 0, "C"), (1, 1, "")]);
        let names = Names::from([name("one"), name("two")]);
        let difference = Difference {
            what: What::Converter,
            expressions: &["none", "two"],
            inputs: &["*"],
            reason: "",
        };
        let verdict = judge(&groups, &here, &there, &[difference], &names, &names);
        assert_eq!(verdict.unexplained.len(), 1);
        assert_eq!(verdict.unexplained.first().unwrap().input, "y");
        assert_eq!(verdict.explained.get(&(0, 1)).unwrap().0, 2);
        let tally = |text| verdict.tallies.get(&name(text)).unwrap();
        assert_eq!((tally("one").equal, tally("one").unexplained), (1, 1));
        assert_eq!((tally("two").equal, tally("two").explained), (0, 2));
        assert_eq!(tally("one").compared(), 2);
    }

    #[test]
    fn what_the_reference_does_not_know_is_held_to_the_manual() {
        let groups = [group(&["str(example.com),reverse"])];
        let here = outcomes(&[(0, 0, "moc.elpmaxe"), (0, 1, "not documented")]);
        let there = outcomes(&[(0, 0, "-"), (0, 1, "-")]);
        let served = Names::from([name("reverse"), name("left")]);
        let reference = Names::from([name("left"), name("other")]);
        let verdict = judge(&groups, &here, &there, &[], &reference, &served);
        let tally = verdict.tallies.get(&name("reverse")).unwrap();
        assert_eq!(
            (tally.documented, tally.undocumented, tally.compared()),
            (1, 0, 0)
        );
        assert!(verdict.unexplained.is_empty());
        assert_eq!(verdict.uncovered, [name("left")]);
        let wrong = outcomes(&[(0, 0, "nonsense")]);
        let verdict = judge(&groups, &wrong, &there, &[], &reference, &served);
        assert_eq!(verdict.undocumented.len(), 1);
    }
}
