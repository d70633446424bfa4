//! What came of the tests, as a table by folder.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::Results;
use super::outcome::Outcome;

/// The counts of a folder, or of all.
#[derive(Clone, Copy, Default)]
struct Counts {
    passed: usize,
    skipped: usize,
    failed: usize,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
            Outcome::Failed(_) => self.failed += 1,
        }
    }
}

fn counts(results: &Results) -> (BTreeMap<&str, Counts>, Counts) {
    let (mut folders, mut all) = (BTreeMap::new(), Counts::default());
    for (folder, tests) in results {
        let counts: &mut Counts = folders.entry(folder.as_str()).or_default();
        for outcome in tests.values() {
            counts.add(outcome);
            all.add(outcome);
        }
    }
    (folders, all)
}

/// For the terminal: the counts.
pub(super) fn summary(results: &Results) -> Result<String, fmt::Error> {
    let (folders, all) = counts(results);
    let mut text = String::new();
    for (folder, counts) in folders.into_iter().chain([("all", all)]) {
        let Counts {
            passed,
            skipped,
            failed,
        } = counts;
        writeln!(
            text,
            "{folder:16} {passed:4} passed {skipped:4} skipped {failed:4} failed"
        )?;
    }
    Ok(text)
}

/// The page under docs/.
pub(super) fn page(results: &Results) -> Result<String, fmt::Error> {
    let mut page = String::from(
        "# Conformance: HAProxy's reg-tests\n\n\
         HAProxy's repository has tests that drive the program from outside, with `varnishtest`: clients, servers and the runtime API.\n\
         `cargo xtask conform reg-tests PATH` runs a checkout of them on this program and writes this page. A test is skipped where it\n\
         says itself that it needs what isn't there; the reason of one that fails is the first that it gave. Debian's\n\
         `varnishtest` is older than what the tests are written for: what it spells differently (`-Ws`, `<undef>` in quotes) is spelt its way in a\n\
         copy before a test is run, in which the files that it includes stand where it says so.\n\n\
         | folder | passed | skipped | failed |\n|---|---|---|---|\n",
    );
    let (folders, all) = counts(results);
    for (folder, counts) in folders.into_iter().chain([("**all**", all)]) {
        let Counts {
            passed,
            skipped,
            failed,
        } = counts;
        writeln!(page, "| {folder} | {passed} | {skipped} | {failed} |")?;
    }
    list(&mut page, "Failed", results, |outcome| match outcome {
        Outcome::Failed(why) => Some(why),
        _ => None,
    })?;
    list(&mut page, "Skipped", results, |outcome| match outcome {
        Outcome::Skipped(why) => Some(why),
        _ => None,
    })?;
    Ok(page)
}

fn list(
    page: &mut String,
    title: &str,
    results: &Results,
    reason: impl Fn(&Outcome) -> Option<&String>,
) -> fmt::Result {
    write!(page, "\n## {title}\n\n| test | reason |\n|---|---|\n")?;
    for (folder, tests) in results {
        for (test, outcome) in tests {
            if let Some(why) = reason(outcome) {
                writeln!(page, "| {folder}/{test} | {} |", why.replace('|', "\\|"))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_counted_and_reasons_told() {
        let mut results = Results::new();
        let folder = results.entry("log".into()).or_default();
        folder.insert("a".into(), Outcome::Passed);
        folder.insert("b".into(), Outcome::Failed("x | y".into()));
        folder.insert("c".into(), Outcome::Skipped("needs z".into()));
        let page = page(&results).unwrap();
        assert!(
            page.contains("| log | 1 | 1 | 1 |\n| **all** | 1 | 1 | 1 |\n"),
            "{page}"
        );
        assert!(page.contains("| log/b | x \\| y |\n"), "{page}");
        assert!(page.contains("| log/c | needs z |\n"), "{page}");
        assert_eq!(
            summary(&results).unwrap().lines().next(),
            Some("log                 1 passed    1 skipped    1 failed")
        );
    }
}
