//! `cargo xtask fuzz`: every target under fuzz/, one after the other, for some time each.
//!
//! A target fails when it crashes, when a case takes too long, or when it takes too much memory; the case is kept in
//! fuzz/artifacts/, to become a test. What was found interesting stays in fuzz/corpus/ for the next run.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::{Result, cargo};

const SECONDS: u64 = 60;

/// A case may take so long. Under the sanitizer everything takes several times as long as it does.
const CASE_SECONDS: u64 = 10;

/// Longest case.
const BYTES_MAX: usize = 4096;

/// Longest case of `language`: what a line means depends on few others.
const LANGUAGE_BYTES_MAX: usize = 1024;

/// What the targets begin with, by target.
const SEEDS: &str = "fuzz/corpus/seeds";

/// Memory of the whole process, the sanitizer's included.
const MEMORY_MIB: u64 = 512;

const USAGE: &str = "\
cargo xtask fuzz [SECONDS] [TARGET…]

Runs the fuzz targets named, or all of them, for so many seconds each (60). Needs a nightly toolchain and cargo-fuzz.
";

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    let mut words = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                print!("{USAGE}");
                return Ok(());
            }
            lexopt::Arg::Value(value) => words.push(value.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let toolchain =
        cargo::nightly().ok_or("fuzzing needs a nightly toolchain: `rustup toolchain install nightly`")?;
    let installed = Command::new("cargo-fuzz").arg("--version").output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return Err("fuzzing needs cargo-fuzz: `cargo install cargo-fuzz`".into());
    }
    let known = targets(&crate::root().join("fuzz/fuzz_targets"))?;
    let (seconds, wanted) = wanted(&words, &known)?;

    let words = std::fs::read_to_string(crate::root().join("docs/configuration.md"))?;
    seed(&crate::root().join(SEEDS), &words)?;
    let dictionary = crate::root().join("fuzz/corpus/words.dict");
    std::fs::create_dir_all(crate::root().join("fuzz/corpus"))?;
    std::fs::write(&dictionary, dictionary_of(&words))?;

    let mut failed = Vec::new();
    for target in wanted {
        let start = Instant::now();
        println!("fuzz: {target} for {seconds} s");
        if !fuzz(&toolchain, target, seconds, &dictionary)? {
            failed.push(target.as_str());
        }
        println!("fuzz: {target} took {} s", start.elapsed().as_secs());
    }
    if failed.is_empty() {
        Ok(())
    } else {
        let failed = failed.join(", ");
        Err(format!("{failed}: the cases are in fuzz/artifacts/").into())
    }
}

fn fuzz(toolchain: &str, target: &str, seconds: u64, dictionary: &Path) -> Result<bool> {
    let corpus = format!("fuzz/corpus/{target}");
    std::fs::create_dir_all(crate::root().join(&corpus))?;
    let mut command = Command::new("rustup");
    command
        .args(["run", toolchain, "cargo", "fuzz", "run", target, &corpus])
        .current_dir(crate::root())
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC");
    // Read, never written to: only the first directory is.
    let seeds = format!("{SEEDS}/{target}");
    if crate::root().join(&seeds).is_dir() {
        command.arg(seeds);
    }
    let mut bytes_max = BYTES_MAX;
    if target == "language" {
        // A configuration goes through ten times the code of any other case, and most of that compares words: watching each comparison
        // took nine tenths of the time, where the dictionary has the words. What there is of unsafe code is in what expressions use, and
        // those have targets of their own, with the sanitizer.
        command.args([
            "--sanitizer",
            "none",
            "--no-trace-compares",
            "--target-dir",
            "fuzz/target/plain",
        ]);
        bytes_max = LANGUAGE_BYTES_MAX;
    }
    let status = command
        .arg("--")
        .args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={CASE_SECONDS}"),
            format!("-rss_limit_mb={MEMORY_MIB}"),
            format!("-dict={}", dictionary.display()),
            format!("-max_len={bytes_max}"),
            "-print_final_stats=1".to_owned(),
            "-verbosity=0".to_owned(),
        ])
        .status()?;
    Ok(status.success())
}

/// Writes what cases are made from: the configurations of the tests, and the expressions of the reference page.
fn seed(folder: &Path, page: &str) -> Result<()> {
    let language = folder.join("language");
    std::fs::create_dir_all(&language)?;
    let golden = std::fs::read_dir(crate::root().join("crates/config/tests/golden"))?;
    for entry in golden {
        let path = entry?.path();
        if let Some(name) = path
            .file_name()
            .filter(|_| path.extension().is_some_and(|e| e == "cfg"))
        {
            std::fs::copy(&path, language.join(name))?;
        }
    }
    for entry in std::fs::read_dir(crate::root().join("examples"))? {
        let path = entry?.path();
        if let Some(name) = path.file_name()
            && path.join("tidegate.cfg").exists()
        {
            std::fs::copy(path.join("tidegate.cfg"), language.join(name))?;
        }
    }
    let (expressions, formats) = samples_of(page);
    for (target, cases) in [("expressions", expressions), ("log_format", formats)] {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder)?;
        for (at, case) in cases.iter().enumerate() {
            std::fs::write(folder.join(at.to_string()), case)?;
        }
    }
    Ok(())
}

/// The expressions in a reference page, and the log-format strings.
fn samples_of(page: &str) -> (Vec<String>, Vec<String>) {
    let page = page.replace("\\|", "|");
    let (mut expressions, mut formats) = (Vec::new(), Vec::new());
    // every second piece is code
    for code in page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| !code.contains('\n'))
    {
        let mut within = code.split("%[").skip(1).filter_map(|rest| rest.split_once(']'));
        expressions.extend(within.by_ref().map(|(expression, _)| expression.to_owned()));
        if code.contains('%') {
            formats.push(code.to_owned());
        } else if code.contains("),") {
            expressions.push(code.to_owned());
        }
    }
    (expressions, formats)
}

/// The targets, by the names of their files.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(stem) = path
            .file_stem()
            .filter(|_| path.extension().is_some_and(|e| e == "rs"))
        {
            targets.push(stem.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// How long, and which targets, the words on the command line ask for.
fn wanted<'a>(words: &[String], known: &'a [String]) -> Result<(u64, Vec<&'a String>)> {
    let (seconds, names) = match words.split_first() {
        Some((first, rest)) => match first.parse() {
            Ok(seconds) => (seconds, rest),
            Err(_) => (SECONDS, words),
        },
        None => (SECONDS, words),
    };
    if names.is_empty() {
        return Ok((seconds, known.iter().collect()));
    }
    let find = |name: &String| {
        let found = known.iter().find(|known| *known == name);
        found.ok_or_else(|| format!("no target `{name}`; there are {}", known.join(", ")).into())
    };
    Ok((seconds, names.iter().map(find).collect::<Result<_>>()?))
}

/// The names in the reference page's tables, as libFuzzer reads them.
fn dictionary_of(page: &str) -> String {
    let mut words: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once(['`', '(', ' ']))
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && !name.contains(['"', '\\']))
        .collect();
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| format!("\"{word}\"\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        ["language", "matchers"].map(String::from).to_vec()
    }

    fn ask(words: &[&str]) -> Result<(u64, Vec<String>)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let known = known();
        let (seconds, names) = wanted(&words, &known)?;
        Ok((seconds, names.into_iter().cloned().collect()))
    }

    #[test]
    fn all_targets_or_those_named() {
        assert_eq!(ask(&[]).unwrap(), (SECONDS, known()));
        assert_eq!(ask(&["5"]).unwrap(), (5, known()));
        assert_eq!(ask(&["5", "matchers"]).unwrap(), (5, vec!["matchers".to_owned()]));
        assert_eq!(
            ask(&["language"]).unwrap(),
            (SECONDS, vec!["language".to_owned()])
        );
        assert!(
            ask(&["5", "x"])
                .unwrap_err()
                .to_string()
                .contains("language, matchers")
        );
    }

    #[test]
    fn every_target_has_its_file_and_its_entry() {
        let names = targets(&crate::root().join("fuzz/fuzz_targets")).unwrap();
        let manifest = std::fs::read_to_string(crate::root().join("fuzz/Cargo.toml")).unwrap();
        assert!(!names.is_empty());
        assert_eq!(manifest.matches("[[bin]]").count(), names.len());
        for name in names {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        }
    }

    #[test]
    fn cases_are_made_from_the_examples_of_the_page() {
        let page = "| `path` | `http-request set-var(txn.a) src` | `set-header X %[src,ipmask(8)]` | `str(a),upper` |\n";
        let (expressions, formats) = samples_of(page);
        assert_eq!(expressions, ["src,ipmask(8)", "str(a),upper"]);
        assert_eq!(formats, ["set-header X %[src,ipmask(8)]"]);
    }

    #[test]
    fn the_dictionary_has_the_names_of_the_tables() {
        let page = "text\n| `bind [addr]` | x |\n| `path(a)` | y |\n|---|---|\n| `bind` | z |\n";
        assert_eq!(dictionary_of(page), "\"bind\"\n\"path\"\n");
    }
}
