//! `cargo xtask sanitize`: the tests of the one crate that holds `unsafe`, under a checker of memory.
//!
//! AddressSanitizer needs a nightly toolchain, which must be installed already; without one, valgrind takes its place.
//! Under AddressSanitizer the C code of Lua is checked too: its build script finds the sanitizer among the compiler's flags
//! and hands it on to the C compiler. Leaks are looked for at the end of every test program, by either checker.

use std::process::Command;

use crate::{Result, cargo};

const PACKAGE: &str = "tidegate-exec";

/// What is leaked on purpose.
const LEAKS: &str = "xtask/leaks.supp";

const USAGE: &str = "\
cargo xtask sanitize [--asan | --valgrind] [-- ARGUMENT…]

Runs the tests of tidegate-exec under AddressSanitizer where a nightly toolchain is installed, else under valgrind.
What follows `--` goes to the test programs.
";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Checker {
    AddressSanitizer,
    Valgrind,
}

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    let mut wanted = None;
    let mut passed_on = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                print!("{USAGE}");
                return Ok(());
            }
            lexopt::Arg::Long("asan") => wanted = Some(Checker::AddressSanitizer),
            lexopt::Arg::Long("valgrind") => wanted = Some(Checker::Valgrind),
            lexopt::Arg::Value(value) => passed_on.push(value.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let nightly = cargo::nightly();
    let valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    match choose(wanted, nightly.is_some(), valgrind)? {
        Checker::AddressSanitizer => under_asan(&nightly.unwrap_or_default(), &passed_on),
        Checker::Valgrind => under_valgrind(&passed_on),
    }
}

/// The checker to use, or what has to be installed first.
fn choose(wanted: Option<Checker>, nightly: bool, valgrind: bool) -> Result<Checker> {
    match (wanted, nightly, valgrind) {
        (None | Some(Checker::AddressSanitizer), true, _) => Ok(Checker::AddressSanitizer),
        (Some(Checker::AddressSanitizer), false, _) => {
            Err("AddressSanitizer needs a nightly toolchain: `rustup toolchain install nightly`".into())
        }
        (Some(Checker::Valgrind), _, true) => Ok(Checker::Valgrind),
        (None, false, true) => {
            println!(
                "sanitize: no nightly toolchain is installed, so no AddressSanitizer: valgrind takes its place"
            );
            Ok(Checker::Valgrind)
        }
        (Some(Checker::Valgrind), _, false) => Err("valgrind is not installed".into()),
        (None, false, false) => Err("needs a nightly toolchain (for AddressSanitizer) or valgrind".into()),
    }
}

fn under_asan(toolchain: &str, passed_on: &[String]) -> Result<()> {
    let host = host(toolchain)?;
    println!("sanitize: {PACKAGE} under AddressSanitizer with leak detection, by {toolchain}");
    let status = Command::new("rustup")
        .args(["run", toolchain, "cargo", "test", "--package", PACKAGE])
        // With a target named, the flags below reach neither build scripts nor procedural macros.
        .args(["--target", &host, "--"])
        .args(passed_on)
        .current_dir(crate::root())
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("RUSTDOCFLAGS", "-Zsanitizer=address")
        .env(
            "ASAN_OPTIONS",
            "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
        )
        .env(
            "LSAN_OPTIONS",
            format!(
                "suppressions={}:print_suppressions=0",
                crate::root().join(LEAKS).display()
            ),
        )
        // These would name the toolchain that this program was started by.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("AddressSanitizer run failed".into())
    }
}

/// The machine's own target, as a toolchain names it.
fn host(toolchain: &str) -> Result<String> {
    let output = Command::new("rustup")
        .args(["run", toolchain, "rustc", "-vV"])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| format!("{toolchain} does not tell its host").into())
}

fn under_valgrind(passed_on: &[String]) -> Result<()> {
    println!("sanitize: {PACKAGE} under valgrind with leak detection (its doc tests are not run)");
    let mut failed = Vec::new();
    for program in cargo::executables(&["test", "--package", PACKAGE, "--lib", "--tests", "--no-run"])? {
        println!("sanitize: {}", program.display());
        let status = Command::new("valgrind")
            .args(["--quiet", "--error-exitcode=99", "--fair-sched=yes"])
            .args([
                "--leak-check=full",
                "--show-leak-kinds=definite",
                "--errors-for-leak-kinds=definite",
            ])
            .arg(&program)
            .args(passed_on)
            .current_dir(crate::root())
            .status()?;
        if !status.success() {
            failed.push(program.display().to_string());
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("valgrind run failed: {}", failed.join(", ")).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asan_where_there_is_a_nightly_else_valgrind() {
        assert_eq!(choose(None, true, true).unwrap(), Checker::AddressSanitizer);
        assert_eq!(choose(None, false, true).unwrap(), Checker::Valgrind);
        assert_eq!(
            choose(Some(Checker::Valgrind), true, true).unwrap(),
            Checker::Valgrind
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(choose(None, false, false).is_err());
        assert!(
            choose(Some(Checker::AddressSanitizer), false, true)
                .unwrap_err()
                .to_string()
                .contains("rustup")
        );
        assert!(
            choose(Some(Checker::Valgrind), true, false)
                .unwrap_err()
                .to_string()
                .contains("valgrind")
        );
    }
}
