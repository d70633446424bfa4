//! A process that serves, as its master sees it.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixStream;

use super::{MARK, NOTIFY, link};
use crate::daemon;

/// The most that is kept of what a process says while it starts.
const STARTUP_BYTES_MAX: usize = 64 * 1024;

/// A process that serves. Should the master be gone, it reads the end of the stream between them.
pub(super) struct Worker {
    child: Child,
    pub(super) link: Rc<UnixStream>,
    pub(super) started: Instant,
    /// How often another configuration was loaded since.
    pub(super) reloads: u32,
}

/// One that serves.
pub(super) struct Started {
    pub(super) worker: Worker,
    /// What it said meanwhile.
    pub(super) said: Vec<u8>,
    /// Copies of its listening sockets.
    pub(super) sockets: Vec<OwnedFd>,
}

/// Why there is none.
pub(super) struct NotStarted {
    pub(super) why: String,
    /// What it said.
    pub(super) said: Vec<u8>,
}

impl Worker {
    /// Starts one with listening sockets of the one before, and waits until it serves.
    pub(super) async fn start(
        program: &Path,
        args: &[OsString],
        sockets: &[OwnedFd],
    ) -> Result<Started, NotStarted> {
        let failed = |e: std::io::Error| NotStarted {
            why: format!("cannot start a process that serves: {e}"),
            said: Vec::new(),
        };
        let (ours, theirs) = StdUnixStream::pair().map_err(failed)?;
        let mut command = Command::new(program);
        command.arg0(crate::system::launched_as());
        command
            .args(args)
            .env(MARK, "1")
            .env_remove(NOTIFY)
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        daemon::forget(&mut command);
        ours.set_nonblocking(true).map_err(failed)?;
        let link = UnixStream::from_std(ours).map_err(failed)?;
        let mut child = command.spawn().map_err(failed)?;
        // The other end is the child's alone now.
        drop(command);
        // One that has ended already is noticed below.
        let _ = link::begin(&link, sockets).await;
        let (mut said, mut sockets) = (Vec::new(), Vec::new());
        loop {
            let Ok(Some(more)) = link::listen(&link).await else {
                let _ = child.kill();
                let _ = child.wait();
                let why = "the process that was to serve did not start".into();
                return Err(NotStarted { why, said });
            };
            let room = STARTUP_BYTES_MAX.saturating_sub(said.len());
            said.extend_from_slice(more.text.get(..room.min(more.text.len())).unwrap_or_default());
            sockets.extend(more.sockets);
            if more.serves {
                break;
            }
        }
        let worker = Worker {
            child,
            link: Rc::new(link),
            started: Instant::now(),
            reloads: 0,
        };
        Ok(Started {
            worker,
            said,
            sockets,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // One that has just ended needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    /// How it ended, if it has.
    pub(super) fn end(&mut self) -> Option<End> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(End {
                status: status_of(status),
                how: status.to_string(),
            }),
            Err(why) => Some(End {
                status: 1,
                how: why.to_string(),
            }),
        }
    }
}

/// How a process ended.
pub(super) struct End {
    /// As a shell tells of it.
    pub(super) status: u8,
    /// In words.
    pub(super) how: String,
}

fn status_of(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128 + signal);
    let number = status.code().or(signal).unwrap_or(1);
    u8::try_from(number).unwrap_or(1)
}
