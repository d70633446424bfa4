//! Starts every example and holds it to the answers in its `expect.txt`.
//!
//! `TIDEGATE_TEST_BINARY` names another program to start in Tidegate's place: with HAProxy's, the same run shows that the
//! examples mean there what they mean here.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::Result;
use support::curl::Curl;
use support::program::{Program, binary};
use support::transcript::{self, Step};

/// Every directory of examples/ is an example, and none goes untested.
#[test]
fn every_example_answers_as_it_says() -> Result<()> {
    let root = root();
    let examples = examples(&root)?;
    assert!(
        examples.iter().any(|name| name == "hello"),
        "examples/hello is gone: {examples:?}"
    );
    let faults: Vec<String> = examples
        .iter()
        .flat_map(|name| {
            let faults = run(&root, name).unwrap_or_else(|error| vec![error.to_string()]);
            faults.into_iter().map(move |fault| format!("{name}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// `-c` finds nothing wrong with any of them.
#[test]
fn every_example_passes_the_check() -> Result<()> {
    let root = root();
    for name in examples(&root)? {
        let file = format!("examples/{name}/tidegate.cfg");
        let output = Command::new(binary())
            .args(["-c", "-f", &file])
            .current_dir(&root)
            .output()?;
        assert!(
            output.status.success(),
            "{file}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn examples(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("examples"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// What is wrong with one example: nothing, when it is as it says.
fn run(root: &Path, name: &str) -> Result<Vec<String>> {
    let mut program = Program::start(root, &format!("examples/{name}"), "tidegate.cfg")?;
    let steps = transcript::parse(&std::fs::read_to_string(program.directory().join("expect.txt"))?)?;
    if steps.is_empty() {
        return Ok(vec!["expect.txt holds no `$ ` line".to_owned()]);
    }
    let curls = steps
        .iter()
        .map(|step| Curl::parse(&step.command))
        .collect::<Result<Vec<_>>>()?;
    for curl in &curls {
        program.wait_for(curl.address())?;
    }
    let mut faults = printed(&program, &steps);
    for (step, curl) in steps.iter().zip(&curls) {
        match curl.run() {
            Ok(answer) => faults.extend(step.compare(&answer)),
            Err(error) => faults.push(format!("{}: {error}\n{}", step.command, program.output())),
        }
    }
    Ok(faults)
}

/// The lines to try are printed at the start, all of them and no others.
fn printed(program: &Program, steps: &[Step]) -> Vec<String> {
    let expected: Vec<&str> = steps.iter().map(|step| step.command.as_str()).collect();
    let told = |output: &str| {
        output
            .lines()
            .map(str::trim)
            .filter(|line| transcript::is_command(line))
            .eq(expected.iter().copied())
    };
    match program.wait_for_output(told) {
        Ok(()) => Vec::new(),
        Err(output) => vec![format!(
            "the lines printed at the start are not those of expect.txt: {expected:#?}\n{output}"
        )],
    }
}
