//! `tidegate fmt`.

mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use support::Result;
use support::place::Place;
use support::program::binary;

const ROUGH: &str = "global\ndaemon   # go\n\n\ndefaults\n\tmode  http\n";
const NEAT: &str = "global\n    daemon # go\n\ndefaults\n    mode http\n";

fn fmt(args: &[&str]) -> Result<Output> {
    Ok(Command::new(binary())
        .arg("fmt")
        .args(args)
        .env("NO_COLOR", "1")
        .output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_prints_and_leaves_the_file_alone() -> Result<()> {
    let place = Place::new("fmt-print")?;
    let file = place.file("a.cfg", ROUGH)?;
    let output = fmt(&[&file])?;
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), NEAT)
    );
    assert_eq!(std::fs::read_to_string(&file)?, ROUGH);
    Ok(())
}

#[test]
fn it_reads_standard_input() -> Result<()> {
    let mut child = Command::new(binary())
        .args(["fmt", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no input")?
        .write_all(ROUGH.as_bytes())?;
    let output = child.wait_with_output()?;
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), NEAT)
    );
    Ok(())
}

#[test]
fn check_tells_which_files_would_change() -> Result<()> {
    let place = Place::new("fmt-check")?;
    let (rough, neat) = (place.file("rough.cfg", ROUGH)?, place.file("neat.cfg", NEAT)?);
    let output = fmt(&["--check", &rough, &neat])?;
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(1), format!("{rough} would change\n"))
    );
    let output = fmt(&["--check", &neat])?;
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), "")
    );
    assert_eq!(std::fs::read_to_string(&rough)?, ROUGH);
    Ok(())
}

#[test]
fn write_changes_the_file_and_nothing_else_of_it() -> Result<()> {
    let place = Place::new("fmt-write")?;
    let file = place.file("a.cfg", ROUGH)?;
    let link = place.0.join("link.cfg");
    std::os::unix::fs::symlink("a.cfg", &link)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640))?;
    let output = fmt(&["--write", &link.display().to_string()])?;
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), "")
    );
    assert_eq!(std::fs::read_to_string(&file)?, NEAT);
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o640);
    assert!(std::fs::symlink_metadata(&link)?.is_symlink());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&place.0)? {
        names.push(entry?.file_name());
    }
    assert_eq!(names.len(), 2, "nothing is left beside it: {names:?}");
    Ok(())
}

#[test]
fn what_cannot_be_formatted_is_told_with_its_place() -> Result<()> {
    let place = Place::new("fmt-faults")?;
    let binary = place.file("binary.cfg", "global\n    x\0\n")?;
    let faulty = place.file("faulty.cfg", "globl\nfrob  \"open\n")?;
    let output = fmt(&["--write", &binary, "/nonexistent/x.cfg", &faulty])?;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("binary.cfg:2:6"), "{said}");
    assert!(said.contains("`/nonexistent/x.cfg`: "), "{said}");
    assert_eq!(std::fs::read_to_string(&binary)?, "global\n    x\0\n");
    assert_eq!(
        std::fs::read_to_string(&faulty)?,
        "globl\n    frob \"open\n",
        "faults don't matter"
    );
    Ok(())
}
