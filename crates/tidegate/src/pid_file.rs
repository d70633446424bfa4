//! The file that tells the number of this process (`-p`, `pidfile`).

use std::path::Path;

/// Writes this process's number, in place of that of the process before.
///
/// # Errors
/// As the system says.
pub(crate) fn write(path: &Path) -> Result<(), String> {
    let written = std::fs::write(path, format!("{}\n", std::process::id()));
    written.map_err(|e| format!("cannot write `{}`: {e}", path.display()))
}

/// Removes the file, unless another process's number is in it by now. Where the process may not, it stays.
pub(crate) fn remove(path: &Path) {
    let own = std::process::id().to_string();
    if std::fs::read_to_string(path).is_ok_and(|number| number.trim_end() == own) {
        let _ = std::fs::remove_file(path);
    }
}
