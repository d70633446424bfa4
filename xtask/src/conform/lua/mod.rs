//! `cargo xtask conform lua`: the same scripts on this program and on HAProxy, entry by entry of the API.
//!
//! Scripts under xtask/conform/lua make cases; each says what it sees. What differs is a fault, unless it is listed with
//! its reason, and so is an entry without a case.

mod differences;
mod drive;
mod ground;
mod page;
mod verdict;

use std::path::Path;

use crate::{Result, root};
use verdict::Verdict;

const USAGE: &str = "\
cargo xtask conform lua [OPTION]… [NAME]…

Runs the scripts under xtask/conform/lua on this program and on HAProxy (Debian: package `haproxy`), and writes
docs/conformance-lua.md. With names of entries or classes (`core.tokenize`, `Channel`), shows what their cases say on both,
and writes nothing.

  --tidegate PATH   the program to compare, instead of building it
  --haproxy PATH    the reference (haproxy)
";

pub(super) fn run(arguments: lexopt::Parser) -> Result<()> {
    let Some(options) = super::options(arguments)? else {
        print!("{USAGE}");
        return Ok(());
    };
    let version = super::version(&options.haproxy)?;
    let tidegate = match &options.tidegate {
        Some(path) => path.clone(),
        None => super::build()?,
    };
    let directory = std::env::temp_dir().join(format!("tidegate-conform-lua-{}", std::process::id()));
    let compared = compare(&options.haproxy, &tidegate, &directory);
    // It may not have come to be.
    let _ = std::fs::remove_dir_all(&directory);
    let verdict = compared?;
    if !options.names.is_empty() {
        print!("{}", page::shown(&verdict, &options.names)?);
        return Ok(());
    }
    std::fs::write(
        root().join("docs/conformance-lua.md"),
        page::page(&verdict, &version)?,
    )?;
    let faults = page::faults(&verdict)?;
    print!("{faults}");
    println!("{} cases run, compared with {version}", verdict.cases.len());
    match faults.lines().count() {
        0 => Ok(()),
        count => Err(format!("{count} faults").into()),
    }
}

fn compare(haproxy: &Path, tidegate: &Path, directory: &Path) -> Result<Verdict> {
    let ground = ground::Ground::new(directory)?;
    let there = drive::run(&ground, haproxy, &directory.join("haproxy"))?;
    let here = drive::run(&ground, tidegate, &directory.join("tidegate"))?;
    let documented = std::fs::read_to_string(root().join("crates/lua-api/src/coverage/documented.tsv"))?;
    Ok(verdict::judge(here, there, &documented))
}
