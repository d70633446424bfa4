//! The servers of rings: each has a thread that sends it every line, over TCP or a Unix stream.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::Ring;
use crate::spec::{ServerAddress, ServerSpec};

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
    loop {
        // Without a line there is nothing to connect for.
        if ring.next(server).is_none() {
            return;
        }
        // A connection that broke is made anew, and the line that it broke at is sent again.
        let ended =
            connect(spec, ring).and_then(|mut stream| send_lines(&mut *stream, ring, server, *counted));
        if ended.is_ok() || ring.pause(RETRY_AFTER) {
            return;
        }
    }
}

/// Sends line after line; `Ok` once the ring has stopped.
fn send_lines(stream: &mut dyn Write, ring: &Ring, server: usize, counted: bool) -> io::Result<()> {
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
        stream.write_all(&framed)?;
        ring.delivered(server);
    }
    Ok(())
}

fn connect(server: &ServerSpec, ring: &Ring) -> io::Result<Box<dyn Write>> {
    let limit = Some(ring.spec().server.unwrap_or(WRITE));
    match &server.address {
        ServerAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, ring.spec().connect.unwrap_or(CONNECT))?;
            stream.set_write_timeout(limit)?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        ServerAddress::Unix(path) => unix(UnixStream::connect(path)?, limit),
        ServerAddress::Abstract(name) => unix(
            UnixStream::connect_addr(&UnixAddr::from_abstract_name(name)?)?,
            limit,
        ),
    }
}

fn unix(stream: UnixStream, limit: Option<Duration>) -> io::Result<Box<dyn Write>> {
    stream.set_write_timeout(limit)?;
    Ok(Box::new(stream))
}
