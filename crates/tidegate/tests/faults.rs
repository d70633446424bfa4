//! What a person reads who started a site that has faults: all of them in one run, each at its place.
//!
//! Each directory of tests/faults/ holds a site and, in `expected.txt`, exactly what is said about it.
//! `UPDATE_GOLDEN=1` writes those anew.

mod support;

use std::path::Path;
use std::process::Command;

use support::Result;
use support::program::binary;

#[test]
fn each_site_with_faults_is_told_all_of_them() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&root)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    assert!(names.len() >= 6, "the faults are gone: {names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let output = Command::new(binary())
            .args(["-c", "-f", "site.cfg"])
            .env("NO_COLOR", "1")
            .current_dir(root.join(&name))
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        let golden = root.join(&name).join("expected.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &said)?;
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{name}: expected\n{expected}\nsaid\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}
