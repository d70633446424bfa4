//! How streams of TCP end: the two letters in the log, the time in the queue, and what either side sees of it.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use support::Result;
use support::origin::{origin, server};
use support::site::Site;
use support::syslog::{PATIENCE, Syslog};

/// How a connection ended for who read it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Orderly,
    Reset,
}

/// Reads to the end.
fn read(mut stream: &TcpStream) -> Result<(String, End)> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let end = loop {
        match stream.read(&mut piece) {
            Ok(0) => break End::Orderly,
            Ok(n) => bytes.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
            Err(error) => return Err(error.into()),
        }
    };
    Ok((String::from_utf8(bytes)?, end))
}

/// Lets the close that follows be a reset.
fn reset(stream: TcpStream) -> Result<()> {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(())
}

/// A site whose servers do, after the first byte of a client, what that byte says, and what they saw of the end.
struct Streams {
    site: Site,
    log: Syslog,
    seen: Receiver<End>,
}

impl Streams {
    /// One listener, with these lines. What a client says is there before anything is done with it, so that it is logged.
    fn start(name: &str, lines: &str) -> Result<Streams> {
        let (tell, seen): (Sender<End>, _) = channel();
        let tell = Mutex::new(tell);
        let origin = origin(move |mut stream| {
            let mut first = [0];
            stream.read_exact(&mut first)?;
            match first {
                // The end of what the client sends is waited for.
                [b'w'] => {
                    stream.write_all(b"hello")?;
                    let (_, end) = read(&stream)?;
                    tell.lock().map_err(|_| "poisoned")?.send(end)?;
                }
                [b'c'] => stream.write_all(b"hello")?,
                [b'r'] => {
                    stream.write_all(b"hello")?;
                    reset(stream)?;
                }
                // What is unread makes a reset of the close.
                _ => {
                    stream.write_all(b"bye")?;
                    stream.peek(&mut first)?;
                }
            }
            Ok(())
        })?;
        let log = Syslog::new()?;
        let lines = lines.replace("SERVER", &server(origin));
        let config = format!(
            "global\n    nbthread 1\ndefaults\n    mode tcp\n    timeout connect 10s\n    timeout client 30s\n    \
             timeout server 30s\n    retries 0\nlisten l\n    bind 127.0.0.1:8080\n    option dontlognull\n    \
             log {} format raw local0\n    log-format \"%ts %b/%s %Tw\"\n    tcp-request inspect-delay 30s\n    {lines}\n    \
             tcp-request content accept if {{ req.len gt 0 }}\n\
             listen q\n    mode http\n    bind 127.0.0.1:8081\n    \
             http-request return status 200 content-type text/plain lf-string \"%[queue(l)] wait\"\n",
            log.target()?
        );
        let site = Site::start(name, &[("site.cfg", &config)])?;
        Ok(Streams { site, log, seen })
    }

    fn client(&self, bytes: &[u8]) -> Result<TcpStream> {
        let mut stream = self.site.connect(0)?;
        stream.write_all(bytes)?;
        Ok(stream)
    }

    /// Waits until so many wait in the queue.
    fn until_queued(&self, count: u32) -> Result<()> {
        let start = Instant::now();
        loop {
            let mut stream = self.site.connect(1)?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            let (answer, _) = read(&stream)?;
            if answer.ends_with(&format!("\r\n\r\n{count} wait")) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("never {count} in the queue: {answer}").into());
            }
        }
    }

    /// The next line of the log that tells of a stream which said something.
    fn line(&self) -> Result<String> {
        self.log.line()
    }
}

#[test]
fn what_a_server_said_arrives_however_it_ends() -> Result<()> {
    let streams = Streams::start("ends-server", "server s SERVER")?;
    for (first, said, letters) in [(b"c", "hello", "--"), (b"r", "hello", "SD")] {
        let client = streams.client(first)?;
        client.shutdown(Shutdown::Write)?;
        assert_eq!(read(&client)?, (said.to_owned(), End::Orderly), "{letters}");
        assert_eq!(streams.line()?, format!("{letters} l/s 0"));
    }
    // It closes while the client still sends, so that nothing more can be written to it.
    let client = streams.client(b"u")?;
    let mut sends = client.try_clone()?;
    let sender = std::thread::spawn(move || while sends.write_all(&[b'x'; 1024]).is_ok() {});
    let (said, _) = read(&client)?;
    assert_eq!(said, "bye");
    assert!(streams.line()?.starts_with("SD l/s "));
    drop(client);
    sender.join().map_err(|_| "the sender broke down")?;
    Ok(())
}

#[test]
fn silence_ends_both_sides_in_order() -> Result<()> {
    for (client_ms, server_ms, letters) in [(200, 20_000, "cD"), (20_000, 200, "sD")] {
        let lines =
            format!("timeout client {client_ms}\n    timeout server {server_ms}\n    server s SERVER");
        let streams = Streams::start(&format!("ends-{letters}"), &lines)?;
        let client = streams.client(b"w")?;
        assert_eq!(read(&client)?, ("hello".to_owned(), End::Orderly), "{letters}");
        assert_eq!(streams.seen.recv_timeout(PATIENCE)?, End::Orderly, "{letters}");
        assert_eq!(streams.line()?, format!("{letters} l/s 0"));
    }
    Ok(())
}

#[test]
fn a_client_that_breaks_off_is_told_to_its_server() -> Result<()> {
    let streams = Streams::start("ends-client", "server s SERVER")?;
    let mut client = streams.client(b"w")?;
    client.read_exact(&mut [0; 5])?;
    reset(client)?;
    assert_eq!(streams.seen.recv_timeout(PATIENCE)?, End::Reset);
    assert_eq!(streams.line()?, "CD l/s 0");
    let mut client = streams.client(b"w")?;
    client.read_exact(&mut [0; 5])?;
    drop(client);
    assert_eq!(streams.seen.recv_timeout(PATIENCE)?, End::Orderly);
    assert_eq!(streams.line()?, "-- l/s 0");
    Ok(())
}

#[test]
fn a_queue_has_its_letters_and_its_time() -> Result<()> {
    let streams = Streams::start("ends-queue", "timeout queue 1s\n    server s SERVER maxconn 1")?;
    let mut first = streams.client(b"w")?;
    first.read_exact(&mut [0; 5])?;
    let waited = |line: String, start: &str| -> Result<u64> {
        let time = line
            .strip_prefix(start)
            .ok_or_else(|| format!("{line}, not {start}"))?;
        Ok(time.parse()?)
    };
    // Sends more than is looked at: what is unread makes no reset of the close.
    let second = streams.client(&[b'w'; 40_000])?;
    assert_eq!(read(&second)?, (String::new(), End::Orderly));
    assert!(waited(streams.line()?, "sQ l/<NOSRV> ")? > 0);
    let third = streams.client(b"w")?;
    streams.until_queued(1)?;
    // That nothing more comes from a client is no sign that it is gone: it may wait for what it asked.
    drop(third);
    assert!(waited(streams.line()?, "sQ l/<NOSRV> ")? > 0);
    let fourth = streams.client(b"w")?;
    streams.until_queued(1)?;
    reset(fourth)?;
    waited(streams.line()?, "CQ l/<NOSRV> ")?;
    Ok(())
}

#[test]
fn what_never_reaches_a_server_says_why() -> Result<()> {
    for (name, lines, line) in [
        ("none", "", "SC l/<NOSRV> -1"),
        ("refused", "server s 127.0.0.9:1", "SC l/s 0"),
        ("disabled", "server s SERVER disabled", "SC l/<NOSRV> -1"),
        (
            "rejected",
            "tcp-request content reject if { req.len gt 0 }\n    server s SERVER",
            "PR l/<NOSRV> -1",
        ),
        (
            "response",
            "tcp-response content reject\n    server s SERVER",
            "PD l/s 0",
        ),
    ] {
        let streams = Streams::start(&format!("ends-{name}"), lines)?;
        let client = streams.client(b"c")?;
        assert_eq!(read(&client)?.0, "", "{name}");
        let logged = streams.line().map_err(|error| format!("{name}: {error}"))?;
        assert_eq!(logged, line, "{name}");
    }
    Ok(())
}

#[test]
fn who_ends_its_side_without_a_word_may_still_listen() -> Result<()> {
    let greeting = origin(|mut stream| {
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(stream.write_all(format!("hello {}", said.len()).as_bytes())?)
    })?;
    let config = format!(
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         listen l\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay 15s\n    \
         tcp-request content accept if {{ req.len gt 0 }}\n    server s {0}\n\
         listen abort\n    bind 127.0.0.1:8081\n    option abortonclose\n    tcp-request inspect-delay 15s\n    \
         tcp-request content accept if {{ req.len gt 0 }}\n    server s {0}\n",
        server(greeting)
    );
    let site = Site::start("tcp-listens", &[("site.cfg", &config)])?;
    for (bind, heard) in [(0, "hello 0"), (1, "")] {
        let client = site.connect(bind)?;
        client.shutdown(Shutdown::Write)?;
        assert_eq!(read(&client)?.0, heard, "{bind}");
    }
    Ok(())
}
