//! `cargo xtask arrows`: the shape of the workspace, held to what ARCHITECTURE.md says of it.
//!
//! The table in ARCHITECTURE.md is the only source: it is read here, so the page cannot drift from the check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::Result;

/// A crate of the workspace, as `cargo metadata` tells it.
#[derive(Debug, Clone, Default)]
struct Member {
    /// Its directory's name, which is the name the architecture uses.
    name: String,
    /// The text of its Cargo.toml.
    manifest: String,
    /// The workspace crates it depends on, by any kind of dependency.
    ours: BTreeSet<String>,
    /// The crates of others that its library or program is built with.
    others: BTreeSet<String>,
}

/// For each crate, those it may use. `None` stands for all of them.
type Table = BTreeMap<String, Option<BTreeSet<String>>>;

/// An outside crate that only some of ours may name, and the reason.
struct Fence {
    outsiders: &'static [&'static str],
    only: &'static [&'static str],
    reason: &'static str,
}

const FENCES: &[Fence] = &[
    Fence {
        outsiders: &["mlua", "mlua-sys"],
        only: &["exec", "lua-api", "tidegate"],
        reason: "the proxy and all below it know nothing of Lua",
    },
    Fence {
        outsiders: &["hyper", "hyper-util", "h2"],
        only: &[],
        reason: "HTTP is read and written by codecs of our own; others are the far side in tests",
    },
    Fence {
        outsiders: &["httparse"],
        only: &["http1"],
        reason: "HTTP/1 is read in one place, so that nobody takes what another refuses",
    },
    Fence {
        outsiders: &["tokio", "socket2", "tokio-rustls"],
        only: &["proxy", "lua-api", "tidegate"],
        reason: "execution, samples and the configuration do no I/O and need no runtime",
    },
];

/// The one crate that may hold `unsafe`.
const UNSAFE_CRATE: &str = "exec";

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let faults = check(&crate::root())?;
    if faults.is_empty() {
        println!("arrows: as ARCHITECTURE.md says");
        return Ok(());
    }
    for fault in &faults {
        eprintln!("arrows: {fault}");
    }
    Err(format!("{} fault(s) in the shape of the workspace", faults.len()).into())
}

/// Every fault of the workspace at `root`; none when it has the shape that its ARCHITECTURE.md gives.
fn check(root: &Path) -> Result<Vec<String>> {
    let table = table(&std::fs::read_to_string(root.join("ARCHITECTURE.md"))?)?;
    let members = members(root)?;
    let mut faults = arrows(&table, &members);
    faults.extend(fences(&members));
    faults.extend(lints(
        &std::fs::read_to_string(root.join("Cargo.toml"))?,
        &members,
    ));
    Ok(faults)
}

/// The table under the heading row `| crate | may use |`.
fn table(page: &str) -> Result<Table> {
    let rows = page
        .lines()
        .skip_while(|line| cells(line) != ["crate", "may use"])
        .skip(2);
    let mut table = Table::new();
    for line in rows.take_while(|line| line.starts_with('|')) {
        let [name, uses] = cells(line)[..] else {
            return Err(format!("ARCHITECTURE.md: a row of two cells expected in `{line}`").into());
        };
        let uses = match uses {
            "all" => None,
            "nothing of ours" => Some(BTreeSet::new()),
            list => Some(list.split(',').map(|name| name.trim().to_owned()).collect()),
        };
        table.insert(name.to_owned(), uses);
    }
    if table.is_empty() {
        return Err("ARCHITECTURE.md has no table headed `| crate | may use |`".into());
    }
    Ok(table)
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

fn members(root: &Path) -> Result<Vec<Member>> {
    let output = crate::cargo::command()
        .args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .ok_or("cargo metadata: no packages")?;
    packages.iter().map(member).collect()
}

fn member(package: &Value) -> Result<Member> {
    let manifest = package
        .get("manifest_path")
        .and_then(Value::as_str)
        .ok_or("a package without a manifest")?;
    let directory = Path::new(manifest)
        .parent()
        .ok_or("a manifest without a directory")?;
    let mut member = Member {
        name: last_part(directory),
        manifest: std::fs::read_to_string(manifest)?,
        ..Member::default()
    };
    for dependency in package
        .get("dependencies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(path) = dependency.get("path").and_then(Value::as_str) {
            member.ours.insert(last_part(Path::new(path)));
        } else if dependency.get("kind").is_none_or(Value::is_null)
            && let Some(name) = dependency.get("name").and_then(Value::as_str)
        {
            member.others.insert(name.to_owned());
        }
    }
    Ok(member)
}

fn last_part(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn arrows(table: &Table, members: &[Member]) -> Vec<String> {
    let mut faults = Vec::new();
    for name in table
        .keys()
        .filter(|name| !members.iter().any(|member| member.name == **name))
    {
        faults.push(format!(
            "`{name}` is in ARCHITECTURE.md's table but not in the workspace"
        ));
    }
    for member in members {
        let Some(allowed) = table.get(&member.name) else {
            faults.push(format!("`{}` is not in ARCHITECTURE.md's table", member.name));
            continue;
        };
        // A crate that tests itself through its own name is no arrow.
        for used in member.ours.iter().filter(|used| **used != member.name) {
            if allowed.as_ref().is_some_and(|allowed| !allowed.contains(used)) {
                faults.push(format!(
                    "`{}` depends on `{used}`: no such arrow in ARCHITECTURE.md",
                    member.name
                ));
            }
        }
    }
    faults
}

fn fences(members: &[Member]) -> Vec<String> {
    let mut faults = Vec::new();
    for fence in FENCES {
        for member in members
            .iter()
            .filter(|member| !fence.only.contains(&member.name.as_str()))
        {
            for outsider in fence
                .outsiders
                .iter()
                .filter(|name| member.others.contains(**name))
            {
                faults.push(format!(
                    "`{}` depends on the crate `{outsider}`: {}",
                    member.name, fence.reason
                ));
            }
        }
    }
    faults
}

/// The compiler refuses `unsafe` where `unsafe_code` is forbidden, and a `forbid` cannot be lifted from within a crate.
/// So it is enough that each crate takes the workspace's lints, and that the exception documents what it does.
fn lints(workspace: &str, members: &[Member]) -> Vec<String> {
    let mut faults = Vec::new();
    if !has_line(workspace, "workspace.lints.rust", "unsafe_code = \"forbid\"") {
        faults
            .push("Cargo.toml: `unsafe_code = \"forbid\"` is missing from [workspace.lints.rust]".to_owned());
    }
    for member in members {
        let manifest = &member.manifest;
        if member.name != UNSAFE_CRATE {
            if !has_line(manifest, "lints", "workspace = true") {
                faults.push(format!(
                    "`{}` does not take the workspace's lints, so it could hold `unsafe`",
                    member.name
                ));
            }
            continue;
        }
        if !has_line(manifest, "lints.rust", "unsafe_op_in_unsafe_fn = \"deny\"") {
            faults.push(format!("`{UNSAFE_CRATE}` does not deny `unsafe_op_in_unsafe_fn`"));
        }
        if !has_line(manifest, "lints.clippy", "undocumented_unsafe_blocks = \"deny\"") {
            faults.push(format!(
                "`{UNSAFE_CRATE}` does not deny `undocumented_unsafe_blocks`"
            ));
        }
    }
    faults
}

/// Whether the section `[section]` of a manifest holds exactly `line`. Our manifests are written plainly enough for this.
fn has_line(manifest: &str, section: &str, line: &str) -> bool {
    let heading = format!("[{section}]");
    manifest
        .lines()
        .skip_while(|each| each.trim() != heading)
        .skip(1)
        .take_while(|each| !each.starts_with('['))
        .any(|each| each.trim() == line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "text\n\n| crate | may use |\n|---|---|\n| exec | nothing of ours |\n\
                        | sample | nothing of ours |\n| lua-api | exec, sample |\n| tidegate | all |\n\nmore | text\n";

    fn a_member(name: &str, ours: &[&str], others: &[&str]) -> Member {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Member {
            name: name.to_owned(),
            manifest: "[lints]\nworkspace = true\n".to_owned(),
            ours: strings(ours),
            others: strings(others),
        }
    }

    fn workspace() -> Vec<Member> {
        vec![
            a_member("exec", &[], &["mlua"]),
            a_member("sample", &[], &[]),
            a_member("lua-api", &["exec", "sample"], &["mlua", "tokio"]),
            a_member("tidegate", &["exec", "sample", "lua-api"], &[]),
        ]
    }

    #[test]
    fn this_workspace_has_the_shape_of_its_architecture() {
        assert_eq!(check(&crate::root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_table_is_read_up_to_its_last_row() {
        let table = table(PAGE).unwrap();
        assert_eq!(table.len(), 4);
        assert_eq!(table["exec"], Some(BTreeSet::new()));
        assert_eq!(
            table["lua-api"],
            Some(BTreeSet::from(["exec".to_owned(), "sample".to_owned()]))
        );
        assert_eq!(table["tidegate"], None);
    }

    #[test]
    fn a_page_without_the_table_is_an_error() {
        assert!(table("| crate | idea |\n|---|---|\n| exec | x |\n").is_err());
    }

    #[test]
    fn arrows_in_the_table_pass() {
        assert_eq!(arrows(&table(PAGE).unwrap(), &workspace()), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_a_fault() {
        let mut members = workspace();
        members[1].ours.insert("exec".to_owned());
        let faults = arrows(&table(PAGE).unwrap(), &members);
        assert_eq!(
            faults,
            ["`sample` depends on `exec`: no such arrow in ARCHITECTURE.md"]
        );
    }

    #[test]
    fn a_crate_unknown_to_the_table_and_a_row_without_a_crate_are_faults() {
        let mut members = workspace();
        members[1].name = "samples".to_owned();
        assert_eq!(
            arrows(&table(PAGE).unwrap(), &members),
            [
                "`sample` is in ARCHITECTURE.md's table but not in the workspace",
                "`samples` is not in ARCHITECTURE.md's table"
            ]
        );
    }

    #[test]
    fn an_outside_crate_behind_a_fence_is_a_fault() {
        assert_eq!(fences(&workspace()), Vec::<String>::new());
        let faults = fences(&[
            a_member("proxy", &[], &["mlua", "tokio"]),
            a_member("exec", &[], &["tokio"]),
        ]);
        assert_eq!(faults.len(), 2);
        assert!(
            faults[0].starts_with("`proxy` depends on the crate `mlua`"),
            "{}",
            faults[0]
        );
        assert!(
            faults[1].starts_with("`exec` depends on the crate `tokio`"),
            "{}",
            faults[1]
        );
    }

    #[test]
    fn a_crate_that_could_hold_unsafe_is_a_fault() {
        let forbids = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
        let mut exec = a_member("exec", &[], &[]);
        exec.manifest = "[lints.rust]\nunsafe_op_in_unsafe_fn = \"deny\"\n\n[lints.clippy]\n\
                         undocumented_unsafe_blocks = \"deny\"\n"
            .to_owned();
        let mut members = vec![exec, a_member("proxy", &[], &[])];
        assert_eq!(lints(forbids, &members), Vec::<String>::new());
        assert_eq!(
            lints("[workspace.lints.rust]\nunsafe_code = \"warn\"\n", &members).len(),
            1
        );

        members[1].manifest = "[dependencies]\nworkspace = true\n".to_owned();
        assert_eq!(
            lints(forbids, &members),
            ["`proxy` does not take the workspace's lints, so it could hold `unsafe`"]
        );
        members[0].manifest = members[0].manifest.replace("deny", "warn");
        assert_eq!(lints(forbids, &members).len(), 3);
    }
}
