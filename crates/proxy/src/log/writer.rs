//! The thread that writes log lines.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::RawFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use super::LogTo;

/// Lines that may wait for the writer.
const QUEUED_LINES_MAX: usize = 8192;

/// A way to the writer thread. All clones lead to the same one; it ends when the last of them is dropped.
#[derive(Clone)]
pub struct LogWriter {
    queue: SyncSender<(LogTo, Vec<u8>)>,
    dropped: Arc<AtomicU64>,
}

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
        Ok((
            LogWriter {
                queue,
                dropped: Arc::default(),
            },
            thread,
        ))
    }

    /// Hands a line over; drops and counts it if too many wait.
    pub(crate) fn send(&self, to: &LogTo, line: Vec<u8>) {
        match self.queue.try_send((to.clone(), line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Hands a line to a writer, or writes it at once where there is none since nothing is logged.
    pub(crate) fn write(writer: Option<&LogWriter>, to: &LogTo, line: Vec<u8>) {
        match writer {
            Some(writer) => writer.send(to, line),
            None => write(&mut HashMap::new(), to.clone(), &line),
        }
    }

    /// Lines that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

enum Sink {
    Stdout,
    Stderr,
    File(File),
    Udp(UdpSocket),
    Unix(UnixDatagram),
    Broken,
}

fn write_all(lines: &Receiver<(LogTo, Vec<u8>)>) {
    let mut sinks = HashMap::new();
    while let Ok((to, line)) = lines.recv() {
        write(&mut sinks, to, &line);
    }
}

fn write(sinks: &mut HashMap<LogTo, Sink>, to: LogTo, line: &[u8]) {
    let sink = sinks.entry(to).or_insert_with_key(open);
    // A line that can't be written has nowhere else to go.
    let datagram = line.strip_suffix(b"\n").unwrap_or(line);
    let _ = match sink {
        Sink::Stdout => std::io::stdout().lock().write_all(line),
        Sink::Stderr => std::io::stderr().lock().write_all(line),
        Sink::File(file) => file.write_all(line),
        Sink::Udp(socket) => socket.send(datagram).map(drop),
        Sink::Unix(socket) => socket.send(datagram).map(drop),
        Sink::Broken => Ok(()),
    };
}

fn open(to: &LogTo) -> Sink {
    let sink = match to {
        LogTo::Stdout => Ok(Sink::Stdout),
        LogTo::Stderr => Ok(Sink::Stderr),
        LogTo::Fd(fd) => duplicate(*fd).map(Sink::File),
        LogTo::Udp(address) => {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            UdpSocket::bind(any).and_then(|s| s.connect(address).map(|()| Sink::Udp(s)))
        }
        LogTo::Unix(path) => UnixDatagram::unbound().and_then(|s| s.connect(path).map(|()| Sink::Unix(s))),
    };
    sink.unwrap_or_else(|e| {
        eprintln!("log: {to:?} can't be opened: {e}");
        Sink::Broken
    })
}

/// A copy of an inherited descriptor, opened through the system's own listing of them: that way needs no trust in a
/// number.
fn duplicate(fd: RawFd) -> std::io::Result<File> {
    File::options().append(true).open(format!("/dev/fd/{fd}"))
}
