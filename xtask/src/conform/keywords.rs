//! `cargo xtask conform keywords`: what `-dK` lists, of both programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::Result;

/// Lines by class and name.
type Listing = BTreeMap<String, BTreeMap<String, String>>;

/// Lists both programs' keywords and tells how they compare.
pub(crate) fn compare(haproxy: &Path, tidegate: &Path) -> Result<String> {
    Ok(table(&of(haproxy)?, &of(tidegate)?)?)
}

fn of(program: &Path) -> Result<Listing> {
    // Its status says that there is nothing to serve, which is so.
    let output = Command::new(program)
        .args(["-dKcfg,smp,cnv,acl,flt,svc,cli", "-db", "-c", "-f", "/dev/null"])
        .output()?;
    let listing = read(&String::from_utf8_lossy(&output.stdout));
    match listing.is_empty() {
        true => Err(format!("{} lists nothing with -dK", program.display()).into()),
        false => Ok(listing),
    }
}

/// The lines of a listing. Those that are indented belong to the line above them that is not.
fn read(text: &str) -> Listing {
    let mut listing = Listing::new();
    let (mut class, mut parent) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# List of registered ") {
            title.trim_end_matches(':').clone_into(&mut class);
            parent.clear();
        } else if !line.starts_with('#') && !line.trim().is_empty() {
            let indented = line.starts_with('\t');
            let name = name(line);
            if !indented {
                name.clone_into(&mut parent);
            }
            let name = match indented {
                true => format!("{parent} {name}"),
                false => name.to_owned(),
            };
            let lines = listing.entry(class.clone()).or_default();
            lines.insert(name, line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    listing
}

/// A line without where its keyword may be used, its arguments and its type.
fn name(line: &str) -> &str {
    let line = match line.strip_prefix('[').and_then(|line| line.split_once(']')) {
        Some((_, rest)) => rest,
        None => line,
    };
    let ends = [" [", " +", "(", ":", " =", " - "];
    let end = ends.iter().filter_map(|end| line.find(end)).min();
    line.get(..end.unwrap_or(line.len())).unwrap_or(line).trim()
}

fn table(there: &Listing, here: &Listing) -> std::result::Result<String, std::fmt::Error> {
    let mut text = String::from(
        "| class | the same | otherwise | only in HAProxy | only here |\n|---|---|---|---|---|\n",
    );
    let mut names = String::new();
    let none = BTreeMap::new();
    for class in there.keys().chain(here.keys()).collect::<BTreeSet<_>>() {
        let (theirs, ours) = (
            there.get(class).unwrap_or(&none),
            here.get(class).unwrap_or(&none),
        );
        let both = || {
            theirs
                .iter()
                .filter_map(|(name, line)| Some((name, line, ours.get(name)?)))
        };
        let otherwise: Vec<&str> = both()
            .filter(|(_, line, other)| line != other)
            .map(|(name, ..)| name.as_str())
            .collect();
        let without = |all: &'_ BTreeMap<String, String>, known: &BTreeMap<String, String>| {
            let left = all.keys().filter(|name| !known.contains_key(*name));
            left.cloned().collect::<Vec<_>>()
        };
        let (missing, added) = (without(theirs, ours), without(ours, theirs));
        writeln!(
            text,
            "| {class} | {} | {} | {} | {} |",
            both().count() - otherwise.len(),
            otherwise.len(),
            missing.len(),
            added.len()
        )?;
        writeln!(names, "\n{class}, otherwise: {}", otherwise.join(", "))?;
        writeln!(names, "{class}, only in HAProxy: {}", missing.join(", "))?;
    }
    Ok(format!("{text}{names}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_are_compared_name_by_name() {
        let there = read(
            "# List of registered configuration keywords:\nglobal\n\tdaemon\n\tgone\nlisten\n\tbind <addr> nice +1\n\
             # List of registered sample fetch functions:\n#   _.--- rules\n[ Y . ] path: string\n[ Y . ] src: addr\n",
        );
        let here = read(
            "# List of registered configuration keywords:\nglobal\n\tdaemon\nlisten\n\tbind <addr> nice\n\
             # List of registered sample fetch functions:\n[ Y . ] path: string\n[ Y Y ] src: addr\n[ Y Y ] own: addr\n",
        );
        let table = table(&there, &here).unwrap();
        assert!(
            table.contains("| configuration keywords | 3 | 1 | 1 | 0 |"),
            "{table}"
        );
        assert!(
            table.contains("| sample fetch functions | 1 | 1 | 0 | 1 |"),
            "{table}"
        );
        assert!(
            table.contains("configuration keywords, otherwise: listen bind <addr> nice"),
            "{table}"
        );
        assert!(
            table.contains("configuration keywords, only in HAProxy: global gone"),
            "{table}"
        );
    }
}
