//! Reading: the only place of the crate that asks the system for anything, behind a trait so that tests don't.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Diagnostics, Severity, code};
use crate::source::{FileId, Sources};

/// Where texts come from.
pub trait FileReader {
    /// A file's bytes.
    ///
    /// # Errors
    /// As the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// A file's bytes, if they can be counted without reading them.
    fn size(&self, path: &Path) -> Option<u64> {
        let _ = path;
        None
    }

    /// The files of a directory, or `None` when the path isn't a directory.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>>;

    /// Lets relative paths begin in another directory from now on, for the whole process.
    ///
    /// # Errors
    /// As the system says.
    fn enter(&self, directory: &Path) -> io::Result<()> {
        let _ = directory;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The address of a host, of IPv4 if it has one.
    ///
    /// # Errors
    /// As the system says.
    fn address_of(&self, host: &str) -> io::Result<IpAddr> {
        let _ = host;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Where relative paths begin now.
    ///
    /// # Errors
    /// As the system says.
    fn here(&self) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl FileReader for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn size(&self, path: &Path) -> Option<u64> {
        std::fs::metadata(path).ok().map(|about| about.len())
    }

    fn list(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        if !std::fs::metadata(path)?.is_dir() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        Ok(Some(files))
    }

    fn enter(&self, directory: &Path) -> io::Result<()> {
        std::env::set_current_dir(directory)
    }

    fn address_of(&self, host: &str) -> io::Result<IpAddr> {
        let found = (host, 0).to_socket_addrs()?.map(|address| address.ip());
        let found = found.min_by_key(IpAddr::is_ipv6);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn here(&self) -> io::Result<PathBuf> {
        std::env::current_dir()
    }
}

/// Files that exist in memory only, and no host but `localhost`.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl MemoryFiles {
    /// Adds a file; its directories exist from then on.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> MemoryFiles {
        self.files.insert(path.into(), text.into());
        self
    }
}

impl FileReader for MemoryFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        if self.files.contains_key(path) {
            return Ok(None);
        }
        let inside: Vec<PathBuf> = self
            .files
            .keys()
            .filter(|file| file.parent() == Some(path))
            .cloned()
            .collect();
        if inside.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(Some(inside))
        }
    }

    fn enter(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn address_of(&self, host: &str) -> io::Result<IpAddr> {
        match host {
            "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn here(&self) -> io::Result<PathBuf> {
        Ok(PathBuf::from("/"))
    }
}

/// No configuration is larger; what is larger is a mistake such as a log file.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Reads the files named by `-f`, in their order. A directory stands for its files that end in `.cfg` and
/// don't begin with a dot, in the order of their names.
pub fn read_paths(
    paths: &[PathBuf],
    reader: &dyn FileReader,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Vec<FileId> {
    let mut files = Vec::new();
    let mut empty = Vec::new();
    for path in paths {
        match reader.list(path) {
            Ok(None) => read_one(path, reader, sources, diagnostics, &mut files),
            Ok(Some(mut inside)) => {
                inside.retain(|file| is_configuration(file));
                inside.sort();
                if inside.is_empty() {
                    empty.push(path);
                }
                for file in inside {
                    read_one(&file, reader, sources, diagnostics, &mut files);
                }
            }
            Err(error) => diagnostics.push(unreadable(path, &error)),
        }
    }
    // A directory for additions may have none yet, beside a configuration.
    let severity = match files.is_empty() {
        true => Severity::Error,
        false => Severity::Notice,
    };
    for path in empty {
        let message = format!("`{}` holds no file whose name ends in `.cfg`", path.display());
        diagnostics.push(Diagnostic::bare(severity, code::NO_FILE, message));
    }
    files
}

fn is_configuration(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.as_encoded_bytes())
        .unwrap_or_default();
    name.ends_with(b".cfg") && !name.starts_with(b".")
}

fn read_one(
    path: &Path,
    reader: &dyn FileReader,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
    files: &mut Vec<FileId>,
) {
    let too_large = || {
        let message = format!("`{}` is larger than {} MiB", path.display(), FILE_BYTES_MAX >> 20);
        Diagnostic::bare(Severity::Error, code::FILE_TOO_LARGE, message)
    };
    if reader.size(path).is_some_and(|bytes| bytes > FILE_BYTES_MAX) {
        return diagnostics.push(too_large());
    }
    match reader.read(path) {
        Ok(text) if text.len() as u64 > FILE_BYTES_MAX => diagnostics.push(too_large()),
        Ok(text) => files.push(sources.add(path.display().to_string(), text)),
        Err(error) => diagnostics.push(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let message = format!("can't read `{}`: {error}", path.display());
    Diagnostic::bare(Severity::Error, code::FILE_UNREADABLE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(paths: &[&str], files: &MemoryFiles) -> (Vec<String>, Diagnostics) {
        let mut sources = Sources::default();
        let mut diagnostics = Diagnostics::default();
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        let ids = read_paths(&paths, files, &mut sources, &mut diagnostics);
        let names = ids
            .iter()
            .map(|id| sources.get(*id).unwrap().name().to_owned())
            .collect();
        (names, diagnostics)
    }

    #[test]
    fn a_directory_stands_for_its_cfg_files_in_order() {
        let files = MemoryFiles::default()
            .with("d/20-b.cfg", "")
            .with("d/10-a.cfg", "")
            .with("d/notes.txt", "")
            .with("d/.hidden.cfg", "")
            .with("d/sub/x.cfg", "")
            .with("z.conf", "");
        let (names, diagnostics) = read(&["z.conf", "d"], &files);
        assert_eq!(names, ["z.conf", "d/10-a.cfg", "d/20-b.cfg"]);
        assert!(diagnostics.is_empty());
    }

    #[test]
    fn every_missing_file_is_reported() {
        let files = MemoryFiles::default().with("empty/readme", "").with("ok.cfg", "");
        let (names, diagnostics) = read(&["no.cfg", "ok.cfg", "empty", "neither.cfg"], &files);
        assert_eq!(names, ["ok.cfg"]);
        let codes: Vec<_> = diagnostics.iter().map(|item| item.code).collect();
        assert_eq!(
            codes,
            [code::FILE_UNREADABLE, code::FILE_UNREADABLE, code::NO_FILE]
        );
    }

    #[test]
    fn a_directory_without_files_is_an_error_where_there_are_no_others() {
        let files = MemoryFiles::default().with("empty/readme", "").with("ok.cfg", "");
        for (paths, wanted) in [
            (&["empty"][..], Severity::Error),
            (&["empty", "ok.cfg"], Severity::Notice),
        ] {
            let (_, diagnostics) = read(paths, &files);
            let found: Vec<_> = diagnostics
                .iter()
                .map(|item| (item.code, item.severity))
                .collect();
            assert_eq!(found, [(code::NO_FILE, wanted)]);
        }
    }
}
