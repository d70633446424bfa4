//! A directory for the files of one test.

use std::path::PathBuf;

use super::Result;

/// A directory of its own, removed at its end.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Result<Place> {
        let path = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Place(path))
    }

    /// Writes a file there; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.0.join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left over is the temporary directory's to lose.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
