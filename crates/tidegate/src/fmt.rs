//! `tidegate fmt`: a configuration in its usual layout.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;

use tidegate_config::{Diagnostics, Sources, format};

use crate::cli::FormatFlags;
use crate::program::Exit;
use crate::report::Report;

/// Formats each file. What is wrong with one doesn't keep the others from being formatted.
pub(crate) fn run(flags: &FormatFlags, report: Report) -> Exit {
    let mut exit = Exit::Success;
    for path in &flags.files {
        match one(path, flags, report) {
            Ok(true) => {}
            Ok(false) => exit = Exit::Failure,
            Err(why) => {
                report.error(&format!("`{}`: {why}", path.display()));
                exit = Exit::Failure;
            }
        }
    }
    exit
}

/// Formats one file; `false` when it isn't as it should be and stays so.
fn one(path: &Path, flags: &FormatFlags, report: Report) -> io::Result<bool> {
    let is_input = path == Path::new("-");
    let text = if is_input {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        text
    } else {
        std::fs::read(path)?
    };
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), text.clone());
    let formatted = match format(file, &sources) {
        Ok(formatted) => formatted,
        Err(fault) => {
            let mut faults = Diagnostics::default();
            faults.push(*fault);
            report.diagnostics(&faults, &sources);
            return Ok(false);
        }
    };
    if flags.check {
        if formatted != text {
            report.answer(&format!("{} would change", path.display()));
        }
        return Ok(formatted == text);
    }
    if !flags.write || is_input {
        io::stdout().lock().write_all(&formatted)?;
    } else if formatted != text {
        replace(path, &formatted)?;
    }
    Ok(true)
}

/// Puts a new content in a file's place at once: whoever reads it sees the old one or the new one, whole.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // a link stays one
    let path = path.canonicalize()?;
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".tidegate-{}", std::process::id()));
    let beside = path.with_file_name(name);
    let written = write_beside(&path, &beside, content).and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write_beside(path: &Path, beside: &Path, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let before = std::fs::metadata(path)?;
    // nobody else may read what the old file kept from them
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)?;
    file.write_all(content)?;
    // only some may give files away; others write files of their own anyway
    let _ = std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()));
    file.set_permissions(before.permissions())?;
    file.sync_all()
}
