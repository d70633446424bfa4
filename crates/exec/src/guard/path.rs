//! Which paths a script may open: those that cannot block the worker.
//!
//! The path is looked at before it is opened, so one who swaps it in between wins; the C library offers no
//! way to open first. A regular file on a network file system that hangs blocks too, as do the few files of
//! the kernel that look regular and are not (`/proc/kmsg`).

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::raw::{c_char, c_int};

/// Why a path is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: &'static CStr,
    pub(super) errno: c_int,
}

/// The reason not to open `path`, which may block who opens, reads or writes it. A path that can't be looked
/// at is not refused: opening it says why.
///
/// # Safety
/// `path` is a C string.
pub(super) unsafe fn refusal(path: *const c_char) -> Option<Refusal> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` fills the structure if it returns 0, and only then it is read.
    let status = unsafe {
        if libc::stat(path, status.as_mut_ptr()) != 0 {
            return None;
        }
        status.assume_init()
    };
    let message = match status.st_mode & libc::S_IFMT {
        libc::S_IFIFO => c"a named pipe could block the worker and is not opened",
        libc::S_IFCHR if never_blocks(status.st_rdev) => return None,
        libc::S_IFCHR | libc::S_IFBLK => c"a device could block the worker and is not opened",
        // Regular files and directories don't block; a socket can't be opened anyway.
        _ => return None,
    };
    Some(Refusal {
        message,
        errno: libc::EPERM,
    })
}

/// These are harmless, and scripts rely on them: `/dev/random` waits for nothing once the system has started.
fn never_blocks(device: libc::dev_t) -> bool {
    [c"/dev/null", c"/dev/random", c"/dev/urandom"]
        .into_iter()
        .any(|path| {
            let mut status = MaybeUninit::<libc::stat>::uninit();
            // SAFETY: as above.
            unsafe {
                libc::stat(path.as_ptr(), status.as_mut_ptr()) == 0 && status.assume_init().st_rdev == device
            }
        })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};

    /// A directory of its own for one test, removed with all that is in it.
    pub(in super::super) struct Directory(PathBuf);

    impl Directory {
        pub(in super::super) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tidegate-guard-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub(in super::super) fn file(&self, name: &str, content: &[u8]) -> String {
            let path = self.0.join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().into()
        }

        pub(in super::super) fn fifo(&self) -> String {
            let path = self.0.join("fifo");
            let name = CString::new(path.as_os_str().as_bytes()).unwrap();
            // SAFETY: `name` is a C string.
            assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
            path.to_str().unwrap().into()
        }

        pub(in super::super) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_what_may_block_is_refused() {
        let directory = Directory::new("path");
        let is_refused = |path: &str| {
            let path = CString::new(path).unwrap();
            // SAFETY: a C string.
            unsafe { refusal(path.as_ptr()) }.is_some()
        };
        assert!(is_refused(&directory.fifo()));
        assert!(is_refused("/dev/zero"));
        assert!(!is_refused(&directory.file("regular", b"x")));
        assert!(!is_refused(directory.path().to_str().unwrap()));
        assert!(!is_refused("/dev/null"));
        assert!(!is_refused("/dev/random"));
        assert!(!is_refused("/dev/urandom"));
        assert!(!is_refused("/no/such/file"));
    }
}
