//! Certificates for the servers that commands start.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// Makes a certificate of this name, and returns the file that has it and its key.
pub(crate) fn made(directory: &Path, name: &str) -> Result<PathBuf> {
    let (both, key) = (
        directory.join(format!("{name}.pem")),
        directory.join(format!("{name}.key")),
    );
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-subj"])
        .args([&format!("/CN={name}"), "-days", "30", "-out"])
        .arg(&both)
        .arg("-keyout")
        .arg(&key)
        .output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned().into());
    }
    std::fs::write(&both, [std::fs::read(&both)?, std::fs::read(&key)?].concat())?;
    Ok(both)
}
