//! `cargo xtask pgo`: the program, built by what a run of it has shown (profile-guided optimisation).
//!
//! Two release builds and a run between them: the first program counts which ways are taken while it serves the cases of the
//! bench, and the compiler lays out the second one by that. Only Rust code is counted: Lua and the cryptography stay as they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, bench, cargo};

const USAGE: &str = "\
cargo xtask pgo

Builds the program twice: once to count what is used while the cases of the bench run, and again by those counts.
Needs `rustup component add llvm-tools` and what `cargo xtask bench` needs to load Tidegate alone (wrk, openssl).
";

/// How long each case is served.
const SECONDS: u32 = 2;

/// The folder of the builds and of what was counted.
const FOLDER: &str = "target/pgo";

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    if let Some(argument) = arguments.next()? {
        return match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                print!("{USAGE}");
                Ok(())
            }
            other => Err(other.unexpected().into()),
        };
    }
    let compiler = Compiler::found()?;
    let merger = compiler.merger()?;
    let folder = crate::root().join(FOLDER);
    let counts = folder.join("counts");
    if counts.exists() {
        std::fs::remove_dir_all(&counts)?;
    }
    let run = folder.join("run");
    std::fs::create_dir_all(&run)?;

    eprintln!("pgo: 1 of 3: a program that counts");
    let counting = compiler.build(&folder, &format!("-Cprofile-generate={}", counts.display()))?;
    eprintln!("pgo: 2 of 3: the cases of the bench, {SECONDS} s each");
    bench::exercise(&counting, &run, SECONDS)?;
    std::fs::remove_dir_all(&run)?;
    let profile = folder.join("tidegate.profdata");
    merge(&merger, &counts, &profile)?;
    eprintln!("pgo: 3 of 3: the program");
    let program = compiler.build(&folder, &format!("-Cprofile-use={}", profile.display()))?;
    println!("{}", program.display());
    Ok(())
}

/// The compiler that cargo uses.
struct Compiler {
    host: String,
    sysroot: PathBuf,
}

impl Compiler {
    fn found() -> Result<Compiler> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let say = |argument: &str| -> Result<String> {
            let output = Command::new(&rustc)
                .args(argument.split(' '))
                .current_dir(crate::root())
                .stderr(Stdio::inherit())
                .output()?;
            Ok(String::from_utf8(output.stdout)?)
        };
        let version = say("-vV")?;
        let host = host(&version).ok_or("rustc doesn't say for which host it is")?;
        Ok(Compiler {
            host: host.to_owned(),
            sysroot: say("--print sysroot")?.trim().into(),
        })
    }

    /// The program that makes one profile of what was counted: that of another version of LLVM doesn't understand it.
    fn merger(&self) -> Result<PathBuf> {
        let tools = self.sysroot.join("lib/rustlib").join(&self.host).join("bin");
        let merger = tools.join("llvm-profdata");
        match merger.is_file() {
            true => Ok(merger),
            false => Err("the toolchain has no llvm-profdata: `rustup component add llvm-tools`".into()),
        }
    }

    /// A release build. That the target is named keeps the flags away from what runs while it builds.
    fn build(&self, folder: &Path, flag: &str) -> Result<PathBuf> {
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        let mut command = cargo::command();
        command
            .args(["build", "--release", "--locked", "--package", "tidegate"])
            .args(["--target", &self.host, "--target-dir"])
            .arg(folder)
            .env("RUSTFLAGS", format!("{flags} {flag}").trim());
        if !command.status()?.success() {
            return Err(format!("the build with {flag} failed").into());
        }
        Ok(folder.join(&self.host).join("release/tidegate"))
    }
}

fn merge(merger: &Path, counts: &Path, profile: &Path) -> Result<()> {
    let status = Command::new(merger)
        .arg("merge")
        .arg("-o")
        .args([profile, counts])
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{} could not be merged", counts.display()).into()),
    }
}

/// The host that a compiler is for, by what it tells of itself.
fn host(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("host: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_in_what_a_compiler_tells() {
        let version =
            "rustc 1.95.0 (x 2026-01-01)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(host(version), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(host("rustc 1.95.0\n"), None);
    }
}
