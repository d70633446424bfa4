//! `cargo xtask conform reg-tests PATH`: HAProxy's own tests, from a checkout that the caller names, run on this program.
//!
//! The tests are scripts for `varnishtest`, which starts the program they are to test by the name that its environment
//! gives. None of them is kept here: the page says which pass, and why the others don't.

mod named;
mod outcome;
mod page;
mod reasons;
mod syntax;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Result;
use named::Named;
use outcome::Outcome;

const USAGE: &str = "\
cargo xtask conform reg-tests PATH [OPTION]…

Runs the tests under PATH, a directory like `reg-tests` of HAProxy's repository, with `varnishtest` (Debian: package
`varnish`), and writes docs/conformance-reg-tests.md. A test's own conditions are honoured.

  --only FOLDER     the tests of that folder alone (may be given several times): nothing is written
  --test NAME       the tests of this name alone, with all that they say: nothing is written
  --jobs N          so many at a time (4)
  --limit SECONDS   longest time of a test (30)
  --tidegate PATH   the program to test, instead of building it
  --varnishtest P   the program that runs tests (varnishtest)
  --regardless      the tests that say that what they need isn't there too: nothing is written
";

struct Options {
    path: PathBuf,
    only: Vec<String>,
    tests: Vec<String>,
    /// Tests that fail are shown whole.
    shows: bool,
    jobs: usize,
    limit_seconds: u32,
    tidegate: Option<PathBuf>,
    /// What tests say that they need counts for nothing.
    regardless: bool,
    varnishtest: PathBuf,
}

/// Tests by folder, with what came of each.
type Results = BTreeMap<String, BTreeMap<String, Outcome>>;

pub(super) fn run(arguments: lexopt::Parser) -> Result<()> {
    let Some(options) = options(arguments)? else {
        print!("{USAGE}");
        return Ok(());
    };
    let present = Command::new(&options.varnishtest)
        .arg("-h")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if let Err(error) = present {
        let name = options.varnishtest.display();
        return Err(format!("{name}: {error}: the tests need Debian's package `varnish`").into());
    }
    let program = match &options.tidegate {
        Some(path) => path.canonicalize()?,
        None => super::build()?,
    };
    let tests = tests(&options)?;
    if tests.is_empty() {
        return Err(format!("there is no test in {}", options.path.display()).into());
    }
    // Lines of logs begin with the name that a program is started by, and tests know one.
    let named = Named::new(&program, "haproxy")?;
    let results = run_all(&tests, &named.program, &options);
    print!("{}", page::summary(&results)?);
    if options.only.is_empty() && options.tests.is_empty() && !options.regardless {
        std::fs::write(
            crate::root().join("docs/conformance-reg-tests.md"),
            page::page(&results)?,
        )?;
    }
    Ok(())
}

fn options(mut arguments: lexopt::Parser) -> Result<Option<Options>> {
    let mut path = None;
    let mut options = Options {
        path: PathBuf::new(),
        only: Vec::new(),
        tests: Vec::new(),
        shows: false,
        jobs: 4,
        limit_seconds: 30,
        tidegate: None,
        regardless: false,
        varnishtest: PathBuf::from("varnishtest"),
    };
    while let Some(argument) = arguments.next()? {
        use lexopt::ValueExt as _;
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long("only") => options.only.push(arguments.value()?.string()?),
            lexopt::Arg::Long("test") => {
                options.tests.push(arguments.value()?.string()?);
                options.shows = true;
            }
            lexopt::Arg::Long("jobs") => options.jobs = arguments.value()?.parse()?,
            lexopt::Arg::Long("limit") => options.limit_seconds = arguments.value()?.parse()?,
            lexopt::Arg::Long("tidegate") => options.tidegate = Some(arguments.value()?.into()),
            lexopt::Arg::Long("regardless") => options.regardless = true,
            lexopt::Arg::Long("varnishtest") => options.varnishtest = arguments.value()?.into(),
            lexopt::Arg::Value(word) if path.is_none() => path = Some(PathBuf::from(word)),
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(path) = path else { return Ok(None) };
    options.path = path
        .canonicalize()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Some(options))
}

/// A test: its folder, its name, its file.
struct Test {
    folder: String,
    name: String,
    file: PathBuf,
}

fn tests(options: &Options) -> Result<Vec<Test>> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(&options.path)? {
        let folder = folder?.path();
        let name = folder
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default()
            .to_owned();
        let wanted = options.only.is_empty() || options.only.contains(&name);
        if !wanted || !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder)? {
            let file = file?.path();
            if file.extension() == Some(OsStr::new("vtc")) {
                found.push(Test {
                    folder: name.clone(),
                    name: file
                        .file_stem()
                        .and_then(OsStr::to_str)
                        .unwrap_or_default()
                        .to_owned(),
                    file,
                });
            }
        }
    }
    if !options.tests.is_empty() {
        found.retain(|test| options.tests.contains(&test.name));
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(found)
}

fn run_all(tests: &[Test], program: &Path, options: &Options) -> Results {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Results::new()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = match outcome::of(&test.file, program, options) {
                        Outcome::Failed(why) => {
                            Outcome::Failed(reasons::of(&test.folder, &test.name).map_or(why, str::to_owned))
                        }
                        Outcome::Skipped(why) => {
                            Outcome::Skipped(reasons::of(&test.folder, &test.name).map_or(why, str::to_owned))
                        }
                        Outcome::Passed => Outcome::Passed,
                    };
                    eprintln!("{}/{}: {outcome}", test.folder, test.name);
                    if let Ok(mut results) = results.lock() {
                        let folder = results.entry(test.folder.clone()).or_default();
                        folder.insert(test.name.clone(), outcome);
                    }
                }
            });
        }
    });
    results.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_a_checkout() {
        let parsed = |words: &[&str]| options(lexopt::Parser::from_args(words.iter().copied()));
        let options = parsed(&["/", "--only", "startup", "--jobs", "2"])
            .unwrap()
            .unwrap();
        assert_eq!((options.only, options.jobs), (vec!["startup".to_owned()], 2));
        assert!(parsed(&[]).unwrap().is_none());
        assert!(parsed(&["/nonexistent/reg-tests"]).is_err());
    }
}
