//! The servers of the soak: one that is well, one that is well every other moment, and one that does all that is wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::Result;

/// Longest that a server waits for a request: connections that nobody uses end.
const IDLE: Duration = Duration::from_secs(10);

/// How long a server that is slow takes between two bytes.
const SLOW: Duration = Duration::from_millis(300);

/// The servers, which end with this process.
pub(crate) struct Origins {
    pub(crate) steady: SocketAddr,
    pub(crate) flapping: SocketAddr,
    pub(crate) faulty: SocketAddr,
}

impl Origins {
    /// Starts all of them. The one that flaps is well only while `well` says so.
    pub(crate) fn start(well: Arc<AtomicBool>) -> Result<Self> {
        let served = AtomicUsize::new(0);
        Ok(Self {
            steady: serve(|stream| answer(stream, &|| true))?,
            flapping: serve(move |stream| answer(stream, &|| well.load(Ordering::Relaxed)))?,
            faulty: serve(move |stream| {
                let nth = served.fetch_add(1, Ordering::Relaxed);
                head(&mut BufReader::new(stream.try_clone()?))?;
                FAULTS
                    .get(nth % FAULTS.len())
                    .map_or(Ok(()), |fault| fault(stream))
            })?,
        })
    }
}

/// Listens on a free port of loopback, and serves each connection on a thread of its own.
fn serve<F>(each: F) -> Result<SocketAddr>
where
    F: Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let each = Arc::new(each);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            let thread = std::thread::Builder::new().stack_size(64 << 10);
            // A connection that gets no thread is closed, as that of a server in trouble; whoever hangs up gets no answer.
            let _ = thread.spawn(move || {
                stream.set_read_timeout(Some(IDLE))?;
                stream.set_write_timeout(Some(IDLE))?;
                stream.set_nodelay(true)?;
                each(stream)
            });
        }
    });
    Ok(address)
}

/// Answers requests for as long as `well` says so.
fn answer(mut stream: TcpStream, well: &dyn Fn() -> bool) -> std::io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    loop {
        let (line, length) = head(&mut from)?;
        std::io::copy(&mut (&mut from).take(length), &mut std::io::sink())?;
        if !well() {
            return Ok(());
        }
        let size = if line.contains("/large") { 1 << 20 } else { 64 };
        let mut bytes =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {size}\r\n\r\n")
                .into_bytes();
        if !line.starts_with("HEAD ") {
            bytes.resize(bytes.len() + size, b'o');
        }
        stream.write_all(&bytes)?;
    }
}

/// Reads a request's head: its first line, and the length of its body (that of chunks isn't known, and taken for none).
fn head(from: &mut impl BufRead) -> std::io::Result<(String, u64)> {
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = Vec::new();
        if from.by_ref().take(64 << 10).read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            return Ok((first, length));
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        if first.is_empty() {
            first = line;
        }
    }
}

/// What a server does wrong once it has a request.
type Fault = fn(TcpStream) -> std::io::Result<()>;

const FAULTS: &[Fault] = &[
    |stream| stream.shutdown(Shutdown::Both),
    silence,
    |stream| say(stream, b"what is this?\r\n\r\n"),
    |stream| say(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nshort"),
    |stream| {
        say(
            stream,
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        )
    },
    |stream| {
        say(
            stream,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        )
    },
    |stream| {
        say(
            stream,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        )
    },
    |stream| say(stream, b"HTTP/1.1 200 OK\r\nx\0y: z\r\n\r\n"),
    |stream| {
        say(
            stream,
            &[&b"HTTP/1.1 200 OK\r\nx: "[..], &vec![b'a'; 100_000], b"\r\n\r\n"].concat(),
        )
    },
    |stream| {
        say(
            stream,
            &b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(500),
        )
    },
    |stream| {
        say(
            stream,
            &[&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'a'; 200_000]].concat(),
        )
    },
    |stream| {
        say(
            stream,
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: nothing\r\nconnection: upgrade\r\n\r\n",
        )
    },
    slow_head,
    slow_body,
    endless,
];

fn say(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)
}

/// Says nothing until the other side goes.
fn silence(mut stream: TcpStream) -> std::io::Result<()> {
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

fn slow_head(stream: TcpStream) -> std::io::Result<()> {
    slowly(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
}

fn slow_body(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n")?;
    slowly(stream, b"a slow body of bytes")
}

fn slowly(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes.chunks(1) {
        stream.write_all(byte)?;
        std::thread::sleep(SLOW);
    }
    Ok(())
}

/// A body without an end.
fn endless(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    loop {
        stream.write_all(b"400\r\n")?;
        stream.write_all(&[b'e'; 1024])?;
        stream.write_all(b"\r\n")?;
        std::thread::sleep(Duration::from_millis(1));
    }
}
