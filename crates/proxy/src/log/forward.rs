//! The servers of rings: each has a thread that sends it every line, over TCP, TLS or a Unix stream.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::runtime::LocalRuntime;

use super::Ring;
use crate::spec::ServerSpec;
use crate::stream::Stream;
use crate::upstream::connect::dial;

/// How long to wait before a server is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long to wait for a connection if no timeout says so.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may take nothing if no timeout says so.
const WRITE: Duration = Duration::from_secs(10);

/// The threads that forward lines.
pub(crate) struct Forwarders {
    rings: Vec<Arc<Ring>>,
    threads: Vec<JoinHandle<()>>,
}

impl Forwarders {
    /// Starts a thread for each server of each ring.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(rings: Vec<Arc<Ring>>) -> io::Result<Forwarders> {
        let mut threads = Vec::new();
        for ring in &rings {
            for server in 0..ring.spec().servers.len() {
                let ring = ring.clone();
                let thread = std::thread::Builder::new().name("log-ring".into());
                threads.push(thread.spawn(move || forward(&ring, server))?);
            }
        }
        Ok(Forwarders { rings, threads })
    }

    /// Sends what is left, unless a server can't be reached, and ends the threads.
    pub(crate) fn finish(self) {
        self.rings.iter().for_each(|ring| ring.stop());
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

fn forward(ring: &Ring, server: usize) {
    let Some((spec, counted)) = ring.spec().servers.get(server) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("[alert] log lines are not sent to {}: {error}", spec.name),
    };
    loop {
        // Without a line there is nothing to connect for.
        if ring.next(server).is_none() {
            return;
        }
        // A connection that broke is made anew, and the line that it broke at is sent again.
        let ended = runtime
            .block_on(connect(spec, ring))
            .and_then(|mut stream| send_lines(&runtime, &mut stream, ring, server, *counted));
        if ended.is_ok() || ring.pause(RETRY_AFTER) {
            return;
        }
    }
}

/// Sends line after line; `Ok` once the ring has stopped.
fn send_lines(
    runtime: &LocalRuntime,
    stream: &mut Stream,
    ring: &Ring,
    server: usize,
    counted: bool,
) -> io::Result<()> {
    let limit = ring.spec().server.unwrap_or(WRITE);
    while let Some(line) = ring.next(server) {
        let mut framed = Vec::with_capacity(line.len() + 8);
        if counted {
            // RFC 6587: the length stands before the line, which needs no end of its own.
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            write!(framed, "{} ", line.len())?;
            framed.extend_from_slice(line);
        } else {
            framed.extend_from_slice(&line);
        }
        runtime.block_on(within(limit, async {
            stream.write_all(&framed).await?;
            stream.flush().await
        }))?;
        ring.delivered(server);
    }
    runtime.block_on(within(limit, stream.shutdown()))
}

async fn connect(server: &ServerSpec, ring: &Ring) -> io::Result<Stream> {
    let limit = ring.spec().connect.unwrap_or(CONNECT);
    within(limit, dial(server, &ring.address(server))).await
}

async fn within<T>(limit: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, what)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
