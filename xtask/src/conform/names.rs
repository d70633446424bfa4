//! What there is to compare: the names that the reference registers, and those that this program serves.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::cases::What;
use crate::Result;

/// Names of converters and fetches.
pub(crate) type Names = BTreeSet<(What, String)>;

/// What the reference registers, by its own listing.
pub(crate) fn of_reference(program: &Path) -> Result<Names> {
    let mut names = Names::new();
    for (what, class) in [(What::Converter, "-dKcnv"), (What::Fetch, "-dKsmp")] {
        // Its status says that there is nothing to serve, which is so.
        let output = Command::new(program)
            .args([class, "-db", "-c", "-f", "/dev/null"])
            .output()?;
        let listing = String::from_utf8_lossy(&output.stdout);
        names.extend(listed(&listing).map(|name| (what, name.to_owned())));
    }
    if names.is_empty() {
        return Err(format!("{} lists no names with -dK", program.display()).into());
    }
    Ok(names)
}

/// What this program serves, by the page that is made of its tables.
pub(crate) fn served() -> Result<Names> {
    let page = std::fs::read_to_string(crate::root().join("docs/configuration.md"))?;
    let mut names = Names::new();
    for (what, title) in [
        (What::Converter, "## Converters\n"),
        (What::Fetch, "## Fetches\n"),
    ] {
        let (_, after) = page
            .split_once(title)
            .ok_or("docs/configuration.md has lost its tables")?;
        let section = after.split("\n## ").next().unwrap_or(after);
        names.extend(in_table(section).map(|name| (what, name.to_owned())));
    }
    Ok(names)
}

/// The names of a listing: `[ Y . Y ] name(args): type` or `name(args): type => type`.
fn listed(listing: &str) -> impl Iterator<Item = &str> {
    listing
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains(": "))
        .filter_map(|line| {
            let line = line
                .strip_prefix('[')
                .and_then(|line| line.split_once(']'))
                .map_or(line, |(_, rest)| rest);
            line.trim().split(['(', ':']).next()
        })
}

/// The first word in backticks of each row of a table.
fn in_table(section: &str) -> impl Iterator<Item = &str> {
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_a_listing() {
        let listing = "# List of registered sample fetch functions:\n#   / _.---\n\
                       [ Y Y . ] acl([string]): bool\n[ . Y . ] base32+src: bin\nadd(string): sint => sint\nlower: str => str\n";
        let names: Vec<_> = listed(listing).collect();
        assert_eq!(names, ["acl", "base32+src", "add", "lower"]);
    }

    #[test]
    fn the_programs_own_page_has_both_tables() {
        let names = served().unwrap();
        assert!(names.contains(&(What::Converter, "lower".to_owned())));
        assert!(names.contains(&(What::Fetch, "req.hdr".to_owned())));
        assert!(!names.contains(&(What::Fetch, "lower".to_owned())));
    }
}
