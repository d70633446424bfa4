//! The program by the name that tests know.

use std::io;
use std::path::{Path, PathBuf};

/// A link to a program, by another name. It is removed when this is dropped.
pub(super) struct Named {
    directory: PathBuf,
    pub(super) program: PathBuf,
}

impl Named {
    pub(super) fn new(program: &Path, name: &str) -> io::Result<Named> {
        let directory = std::env::temp_dir().join(format!("tidegate-named-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let named = Named {
            program: directory.join(name),
            directory,
        };
        std::os::unix::fs::symlink(program, &named.program)?;
        Ok(named)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_another_name_for_a_while() {
        let named = Named::new(Path::new("/bin/sh"), "haproxy").unwrap();
        let link = named.program.clone();
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("/bin/sh"));
        assert!(link.ends_with("haproxy"));
        drop(named);
        assert!(std::fs::symlink_metadata(&link).is_err());
    }
}
