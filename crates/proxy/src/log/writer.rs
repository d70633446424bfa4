//! The way of lines out of the process: datagrams at once, descriptors by a thread that may wait for them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{LogTo, datagram};

/// Lines that may wait for the writer.
const QUEUED_LINES_MAX: usize = 8192;

/// A way to the writer thread. All clones lead to the same one; it ends when the last of them is dropped.
#[derive(Clone)]
pub struct LogWriter {
    queue: SyncSender<(Descriptor, Vec<u8>)>,
}

/// Lines of the whole process that were dropped so far, since there was no room for them or nobody took them.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

static DROPPED: AtomicU64 = AtomicU64::new(0);

impl LogWriter {
    /// Starts the thread. Joining the handle, once every clone of the writer is gone, makes sure that all was written.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start() -> std::io::Result<(LogWriter, JoinHandle<()>)> {
        let (queue, lines) = sync_channel(QUEUED_LINES_MAX);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(&lines))?;
        Ok((LogWriter { queue }, thread))
    }

    /// Sends a line or hands it over; drops and counts it if there is no room for it.
    ///
    /// `message` is what the line says, without what stands before it.
    pub(crate) fn send(&self, to: &LogTo, line: &[u8], message: &[u8]) {
        let sent = match to {
            LogTo::Udp(address) => datagram::udp(*address, line).is_ok(),
            LogTo::Unix(path) => datagram::unix(path, line).is_ok(),
            LogTo::Abstract(name) => datagram::abstract_unix(name, line).is_ok(),
            LogTo::Ring(ring) => ring.push(line),
            LogTo::Backend(backend) => backend.send(line, message),
            LogTo::Stdout => self.queue(Descriptor::Stdout, line),
            LogTo::Stderr => self.queue(Descriptor::Stderr, line),
            LogTo::Fd(fd) => self.queue(Descriptor::Other(fd.clone()), line),
        };
        if !sent {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn queue(&self, to: Descriptor, line: &[u8]) -> bool {
        self.queue.try_send((to, line.to_vec())).is_ok()
    }

    /// Hands a line of the standard output or error to a writer, or writes it at once where there is none since nothing
    /// is logged.
    pub(crate) fn write(writer: Option<&LogWriter>, to: &LogTo, line: &[u8]) {
        match (writer, to) {
            (Some(writer), _) => writer.send(to, line, line),
            // A line that can't be written has nowhere else to go.
            (None, LogTo::Stderr) => drop(std::io::stderr().lock().write_all(line)),
            (None, _) => drop(std::io::stdout().lock().write_all(line)),
        }
    }
}

/// A descriptor to write to.
enum Descriptor {
    Stdout,
    Stderr,
    Other(Arc<OwnedFd>),
}

fn write_all(lines: &Receiver<(Descriptor, Vec<u8>)>) {
    let mut files = HashMap::new();
    while let Ok((to, line)) = lines.recv() {
        // A line that can't be written has nowhere else to go.
        let _ = match to {
            Descriptor::Stdout => std::io::stdout().lock().write_all(&line),
            Descriptor::Stderr => std::io::stderr().lock().write_all(&line),
            Descriptor::Other(fd) => match file(&mut files, &fd) {
                Some(mut file) => file.write_all(&line),
                None => Ok(()),
            },
        };
    }
}

/// A descriptor as something that can be written to, made once.
fn file<'a>(files: &'a mut HashMap<RawFd, Option<File>>, fd: &OwnedFd) -> Option<&'a File> {
    let copy = || fd.try_clone().ok().map(File::from);
    files.entry(fd.as_raw_fd()).or_insert_with(copy).as_ref()
}
