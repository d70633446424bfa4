//! Running cargo from within a command.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Result;

/// The cargo that this program was started by.
pub(crate) fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::root());
    command
}

/// The name of an installed nightly toolchain.
pub(crate) fn nightly() -> Option<String> {
    let output = Command::new("rustup").args(["toolchain", "list"]).output().ok()?;
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    list.lines()
        .filter_map(|line| line.split_whitespace().next())
        .find(|name| name.starts_with("nightly"))
        .map(str::to_owned)
}

/// Runs a cargo command that builds, and returns the programs it has built.
pub(crate) fn executables(arguments: &[&str]) -> Result<Vec<PathBuf>> {
    let output = command()
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("`cargo {}` failed", arguments.join(" ")).into());
    }
    Ok(built(&String::from_utf8(output.stdout)?))
}

/// Builds the program as users run it, and returns where it is.
pub(crate) fn program() -> Result<PathBuf> {
    let built = executables(&["build", "--release", "--package", "tidegate"])?;
    built
        .into_iter()
        .next_back()
        .ok_or_else(|| "cargo built no program".into())
}

/// The programs among the messages that cargo prints while it builds.
fn built(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| {
            message
                .get("executable")
                .and_then(|path| path.as_str())
                .map(PathBuf::from)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_among_cargos_messages() {
        let messages = "{\"reason\":\"a\",\"executable\":null}\nnoise\n{\"executable\":\"/x/y\"}\n";
        assert_eq!(built(messages), [PathBuf::from("/x/y")]);
    }
}
