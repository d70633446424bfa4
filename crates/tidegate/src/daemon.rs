//! Going to the background: the program starts itself anew, away from the terminal, and the first process ends
//! once the second serves, or says that it can't.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Set for the process in the background. Its standard input leads to the one that waits for it.
const MARK: &str = "TIDEGATE_IN_BACKGROUND";

/// True for the process in the background.
pub(crate) fn is_background() -> bool {
    std::env::var_os(MARK).is_some()
}

/// A command's process is not the one in the background.
pub(crate) fn forget(command: &mut Command) {
    command.env_remove(MARK);
}

/// Starts the process in the background and waits until it serves.
///
/// # Errors
/// If it can't be started, or ended before it served; what it said is on standard error already.
pub(crate) fn start(args: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("cannot go to the background: {e}");
    let program = std::env::current_exe().map_err(failed)?;
    let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
    let child = Command::new(program)
        .arg0(crate::system::launched_as())
        .args(args)
        .env(MARK, "1")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .map_err(failed)?;
    drop(child);
    let mut word = [0];
    match ours.read(&mut word) {
        Ok(1) => Ok(()),
        _ => Err("it did not start in the background".into()),
    }
}

/// In the background: everything is ready. Lets the first process end, and lets go of the terminal.
///
/// # Errors
/// If the system refuses.
pub(crate) fn ready() -> std::io::Result<()> {
    // A session of its own: no terminal's signals reach it. It leads its group already if a shell made it so.
    let _ = rustix::process::setsid();
    let mut waiting = UnixStream::from(rustix::io::dup(rustix::stdio::stdin())?);
    waiting.write_all(b"1")?;
    let nothing = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(())
}
