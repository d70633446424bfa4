//! `cargo xtask conform`: how this program compares with HAProxy.
//!
//! `samples`: both run one configuration that evaluates every expression of a group on each request to it. What differs is a fault,
//! unless the cases list it with its reason. `lua`: the same for entries of the Lua API, by small scripts.

mod cases;
mod config;
mod inputs;
mod judge;
mod keywords;
mod lua;
mod names;
mod reg_tests;
mod report;
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use lexopt::ValueExt as _;

use crate::{Result, cargo};
use cases::DIFFERENCES;

const USAGE: &str = "\
cargo xtask conform samples [OPTION]… [NAME]…
cargo xtask conform keywords [OPTION]…: what both list with -dK, and where that differs
cargo xtask conform lua [OPTION]… [NAME]…: `cargo xtask conform lua --help` tells more
cargo xtask conform reg-tests PATH [OPTION]…: `cargo xtask conform reg-tests --help` tells more

Compares converters and fetches with those of HAProxy (Debian: package `haproxy`), and writes docs/conformance.md.
With names, only the cases of those converters and fetches are run, and nothing is written.

  --seed N          another seed for the random inputs: nothing is written
  --tidegate PATH   the program to compare, instead of building it
  --haproxy PATH    the reference (haproxy)
";

/// The seed of the page.
const SEED: u64 = 1;

struct Options {
    seed: u64,
    tidegate: Option<PathBuf>,
    haproxy: PathBuf,
    names: Vec<String>,
}

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    match arguments.next()? {
        None | Some(lexopt::Arg::Short('h') | lexopt::Arg::Long("help")) => {
            print!("{USAGE}");
            Ok(())
        }
        Some(lexopt::Arg::Value(word)) if word == "samples" => run_samples(arguments),
        Some(lexopt::Arg::Value(word)) if word == "keywords" => run_keywords(arguments),
        Some(lexopt::Arg::Value(word)) if word == "lua" => lua::run(arguments),
        Some(lexopt::Arg::Value(word)) if word == "reg-tests" => reg_tests::run(arguments),
        Some(other) => {
            let error = other.unexpected();
            Err(format!("{error}: try `samples`, `keywords`, `lua` or `reg-tests`").into())
        }
    }
}

fn run_keywords(arguments: lexopt::Parser) -> Result<()> {
    let Some(options) = options(arguments)? else {
        print!("{USAGE}");
        return Ok(());
    };
    let version = version(&options.haproxy)?;
    let tidegate = match &options.tidegate {
        Some(path) => path.clone(),
        None => build()?,
    };
    print!("{}", keywords::compare(&options.haproxy, &tidegate)?);
    println!("\ncompared with {version}");
    Ok(())
}

fn run_samples(arguments: lexopt::Parser) -> Result<()> {
    let Some(options) = options(arguments)? else {
        print!("{USAGE}");
        return Ok(());
    };
    let version = version(&options.haproxy)?;
    let tidegate = match &options.tidegate {
        Some(path) => path.clone(),
        None => build()?,
    };
    let directory = std::env::temp_dir().join(format!("tidegate-conform-{}", std::process::id()));
    let result = samples(&options, &tidegate, &version, &directory);
    // It may not have come to be.
    let _ = std::fs::remove_dir_all(&directory);
    result
}

/// The options of a command line; none when help is asked for.
fn options(mut arguments: lexopt::Parser) -> Result<Option<Options>> {
    let mut options = Options {
        seed: SEED,
        tidegate: None,
        haproxy: PathBuf::from("haproxy"),
        names: Vec::new(),
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long("seed") => options.seed = arguments.value()?.parse()?,
            lexopt::Arg::Long("tidegate") => options.tidegate = Some(arguments.value()?.into()),
            lexopt::Arg::Long("haproxy") => options.haproxy = arguments.value()?.into(),
            lexopt::Arg::Value(name) => options.names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// The reference's version; without the reference, an error that says what is missing.
fn version(haproxy: &Path) -> Result<String> {
    let output = Command::new(haproxy).arg("-v").output().map_err(|error| {
        format!(
            "{}: {error}: the comparison needs Debian's package `haproxy`",
            haproxy.display()
        )
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(2);
    let version = version.ok_or_else(|| format!("{} does not tell its version", haproxy.display()))?;
    Ok(format!("HAProxy {version}"))
}

fn build() -> Result<PathBuf> {
    let built = cargo::executables(&["build", "--quiet", "--package", "tidegate"])?;
    let program = built.into_iter().next_back();
    program.ok_or_else(|| "cargo built no program".into())
}

fn samples(options: &Options, tidegate: &Path, version: &str, directory: &Path) -> Result<()> {
    let reference = names::of_reference(&options.haproxy)?;
    let served = names::served()?;
    let mut groups = cases::groups(options.seed);
    if !options.names.is_empty() {
        for group in &mut groups {
            group
                .expressions
                .retain(|case| options.names.contains(&case.subject));
        }
        groups.retain(|group| !group.expressions.is_empty());
    }
    let ground = run::Ground::new(&groups)?;
    let there = ground.run(&options.haproxy, &groups, &directory.join("haproxy"))?;
    let here = ground.run(tidegate, &groups, &directory.join("tidegate"))?;
    let verdict = judge::judge(&groups, &here, &there, DIFFERENCES, &reference, &served);
    let whole = options.names.is_empty() && options.seed == SEED;
    let faults = report::faults(&verdict, whole)?;
    print!("{faults}");
    if whole {
        let page = report::page(&verdict, &reference, &served, version)?;
        std::fs::write(crate::root().join("docs/conformance.md"), page)?;
    }
    let compared: usize = verdict.tallies.values().map(judge::Tally::compared).sum();
    println!("{compared} cases compared with {version}");
    match faults.lines().count() {
        0 => Ok(()),
        count => Err(format!("{count} faults").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Option<Options>> {
        options(lexopt::Parser::from_args(words.iter().copied()))
    }

    #[test]
    fn the_command_line_says_what_to_compare() {
        let options = parsed(&["--seed", "9", "lower"]).unwrap().unwrap();
        assert_eq!((options.seed, options.names), (9, vec!["lower".to_owned()]));
        assert!(parsed(&["--help"]).unwrap().is_none());
        let error = run(lexopt::Parser::from_args(["nothing"]))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("nothing"), "{error}");
    }

    #[test]
    fn a_reference_that_is_missing_is_named() {
        let error = version(Path::new("/nonexistent/haproxy"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("package `haproxy`"), "{error}");
    }
}
