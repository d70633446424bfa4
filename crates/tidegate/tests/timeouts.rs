//! Each timeout of the manual: what its client gets, and what the log says struck.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use support::Result;
use support::origin::{head, origin, server};
use support::site::{Site, rest};
use support::syslog::Syslog;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const KEPT: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const HALF_A_BODY: &[u8] = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf";
const WEBSOCKET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                           sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A server that takes a request, or anything, says this much and then waits for the end.
fn saying(what: &'static str) -> Result<SocketAddr> {
    origin(move |mut stream| {
        stream.read_exact(&mut [0])?;
        stream.write_all(what.as_bytes())?;
        while stream.read(&mut [0; 1024])? > 0 {}
        Ok(())
    })
}

/// A server that takes anything and ends its side alone.
fn half_closed() -> Result<SocketAddr> {
    origin(|mut stream| {
        stream.read_exact(&mut [0])?;
        stream.shutdown(Shutdown::Write)?;
        while stream.read(&mut [0; 1024])? > 0 {}
        Ok(())
    })
}

/// A server whose answer has no end.
fn endless() -> Result<SocketAddr> {
    origin(|mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")?;
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
        Ok(())
    })
}

/// What a client does.
enum Does {
    /// It sends this, and reads to the end.
    Asks(&'static [u8]),
    /// It sends this and ends its side once it was answered, then reads to the end.
    Ends(&'static [u8]),
    /// It sends this and ends its side there and then.
    EndsAtOnce(&'static [u8]),
    /// It sends this, and reads nothing.
    Ignores(&'static [u8]),
    /// The same, behind another one who is served.
    Waits(&'static [u8]),
}

/// A timeout, what it is set in, what a client does, what the client gets, and how the log says it ended.
struct Case {
    name: &'static str,
    lines: String,
    does: Does,
    answer: &'static str,
    state: &'static str,
}

fn case(name: &'static str, lines: String, does: Does, answer: &'static str, state: &'static str) -> Case {
    Case {
        name,
        lines,
        does,
        answer,
        state,
    }
}

impl Case {
    fn run(&self) -> Result<()> {
        let log = Syslog::new()?;
        let config = format!(
            "defaults\n    timeout connect 30s\n    timeout client 30s\n    timeout server 30s\n    retries 0\n\
             listen l\n    bind 127.0.0.1:8080\n    option http-ignore-probes\n    option dontlognull\n    \
             log {} format raw local0\n    log-format \"%ts %s\"\n    {}\n",
            log.target()?,
            self.lines
        );
        let site = Site::start(&format!("timeout-{}", self.name), &[("site.cfg", &config)])?;
        let begin = |bytes: &[u8]| -> Result<TcpStream> {
            let mut stream = site.connect(0)?;
            stream.write_all(bytes)?;
            Ok(stream)
        };
        let (answer, line) = match self.does {
            Does::Asks(bytes) => {
                let stream = begin(bytes)?;
                // It doesn't end its side before the line is written.
                let _kept = stream.try_clone()?;
                (rest(stream)?, log.line()?)
            }
            Does::Ends(bytes) => {
                let mut stream = begin(bytes)?;
                let answered = head(&mut BufReader::new(stream.try_clone()?))?;
                stream.shutdown(Shutdown::Write)?;
                stream.read_to_end(&mut Vec::new())?;
                (answered, log.line()?)
            }
            Does::EndsAtOnce(bytes) => {
                let stream = begin(bytes)?;
                stream.shutdown(Shutdown::Write)?;
                (rest(stream)?, log.line()?)
            }
            Does::Ignores(bytes) => {
                let _stream = begin(bytes)?;
                (String::new(), log.line()?)
            }
            Does::Waits(bytes) => {
                let mut first = begin(bytes)?;
                first.read_exact(&mut [0])?;
                (rest(begin(bytes)?)?, log.line()?)
            }
        };
        assert!(answer.starts_with(self.answer), "{}: {answer}", self.name);
        assert_eq!(line, self.state, "{}", self.name);
        Ok(())
    }
}

#[test]
fn each_timeout_of_http_has_its_answer_and_its_letters() -> Result<()> {
    let full = TcpListener::bind("127.0.0.1:0")?;
    let _waiting = fill(full.local_addr()?);
    let at = |lines: &str, to: SocketAddr| format!("mode http\n    {lines}\n    server s {}", server(to));
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun";
    let silent = saying("")?;
    for case in [
        case(
            "connect",
            at("timeout connect 100ms", full.local_addr()?),
            Does::Asks(GET),
            "HTTP/1.1 503 ",
            "sC s",
        ),
        case(
            "queue",
            format!("{} maxconn 1", at("timeout queue 100ms", saying(cut)?)),
            Does::Waits(GET),
            "HTTP/1.1 503 ",
            "sQ <NOSRV>",
        ),
        case(
            "server",
            at("timeout server 100ms", silent),
            Does::Asks(GET),
            "HTTP/1.1 504 ",
            "sH s",
        ),
        case(
            "server-body",
            at("timeout server 100ms", saying(cut)?),
            Does::Asks(GET),
            "HTTP/1.1 200 ",
            "sD s",
        ),
        case(
            "client-request-body",
            at("timeout client 100ms", silent),
            Does::Asks(HALF_A_BODY),
            "HTTP/1.1 408 ",
            "cH s",
        ),
        case(
            "client-reads-not",
            at("timeout client 300ms", endless()?),
            Does::Ignores(GET),
            "",
            "cD s",
        ),
        case(
            "http-request",
            at("timeout http-request 100ms", silent),
            Does::Asks(b"GET / HT"),
            "HTTP/1.1 408 ",
            "cR <NOSRV>",
        ),
        case(
            "http-request-body",
            at(
                "timeout http-request 100ms\n    option http-buffer-request",
                silent,
            ),
            Does::Asks(HALF_A_BODY),
            "HTTP/1.1 408 ",
            "cR <NOSRV>",
        ),
        case(
            "wait-for-body",
            at("http-request wait-for-body time 100ms", silent),
            Does::Asks(HALF_A_BODY),
            "HTTP/1.1 408 ",
            "cR <NOSRV>",
        ),
        case(
            "tarpit",
            at("timeout tarpit 100ms\n    http-request tarpit", silent),
            Does::Asks(GET),
            "HTTP/1.1 500 ",
            "PT <NOSRV>",
        ),
        // Nothing is said of a client that asks for nothing more: the line is that of its request.
        case(
            "http-keep-alive",
            at(
                "timeout http-keep-alive 100ms",
                saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?,
            ),
            Does::Asks(KEPT),
            "HTTP/1.1 200 ",
            "-- s",
        ),
        case(
            "tunnel",
            at("timeout tunnel 100ms", saying(SWITCHED)?),
            Does::Asks(WEBSOCKET),
            "HTTP/1.1 101 ",
            "cD s",
        ),
        case(
            "server-fin-of-a-tunnel",
            at(
                "timeout tunnel 30s\n    timeout server-fin 100ms",
                saying_on(SWITCHED)?,
            ),
            Does::Ends(WEBSOCKET),
            "HTTP/1.1 101 ",
            "sD s",
        ),
    ] {
        case.run().map_err(|why| format!("{}: {why}", case.name))?;
    }
    Ok(())
}

#[test]
fn each_timeout_of_tcp_has_its_letters() -> Result<()> {
    let full = TcpListener::bind("127.0.0.1:0")?;
    let _waiting = fill(full.local_addr()?);
    let at = |lines: &str, to: SocketAddr| format!("mode tcp\n    {lines}\n    server s {}", server(to));
    for case in [
        case(
            "tcp-connect",
            at("timeout connect 100ms", full.local_addr()?),
            Does::Asks(b"x"),
            "",
            "sC s",
        ),
        case(
            "tcp-queue",
            format!("{} maxconn 1", at("timeout queue 100ms", saying("y")?)),
            Does::Waits(b"x"),
            "",
            "sQ <NOSRV>",
        ),
        case(
            "tcp-client",
            at("timeout client 100ms", saying("")?),
            Does::Asks(b"x"),
            "",
            "cD s",
        ),
        case(
            "tcp-server",
            at("timeout server 100ms", saying("")?),
            Does::Asks(b"x"),
            "",
            "sD s",
        ),
        case(
            "tcp-tunnel",
            at("timeout tunnel 100ms", saying("y")?),
            Does::Asks(b"x"),
            "y",
            "cD s",
        ),
        // Whose side is still open after an end is who the shorter time is for.
        case(
            "tcp-client-fin",
            at("timeout client-fin 100ms", half_closed()?),
            Does::Asks(b"x"),
            "",
            "cD s",
        ),
        case(
            "tcp-server-fin",
            at("timeout server-fin 100ms", saying_on("")?),
            Does::EndsAtOnce(b"x"),
            "",
            "sD s",
        ),
        // Who is silent for too long says no more that could be waited for.
        case(
            "silence-under-inspection",
            at(
                "timeout client 100ms\n    tcp-request inspect-delay 60s\n    \
                 tcp-request content reject unless { req.len gt 5 }",
                saying("")?,
            ),
            Does::Asks(b"x"),
            "",
            "PR <NOSRV>",
        ),
        case(
            "inspect-delay",
            at(
                "tcp-request inspect-delay 100ms\n    tcp-request content reject unless { req.len gt 5 }",
                saying("")?,
            ),
            Does::Asks(b"x"),
            "",
            "PR <NOSRV>",
        ),
    ] {
        case.run().map_err(|why| format!("{}: {why}", case.name))?;
    }
    Ok(())
}

/// The same as [`saying`], but it stays when the other side has ended.
fn saying_on(what: &'static str) -> Result<SocketAddr> {
    origin(move |mut stream| {
        stream.read_exact(&mut [0])?;
        stream.write_all(what.as_bytes())?;
        while stream.read(&mut [0; 1024])? > 0 {}
        std::thread::sleep(Duration::from_secs(60));
        Ok(())
    })
}

/// Connections that fill the queue of a listener that accepts none.
fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
    }
    waiting
}

/// `timeout check` and `timeout client-hs` are told of in lines of their own.
#[test]
fn checks_and_handshakes_that_take_too_long_are_told_of() -> Result<()> {
    let certificate = support::tls::self_signed(&["a.test"])?;
    let config = format!(
        "global\n    log stdout format raw local0\ndefaults\n    mode http\n    log global\n    timeout connect 5s\n    \
         timeout client 30s\n    timeout server 30s\n\
         frontend f\n    bind 127.0.0.1:8080 ssl crt site/a.pem name b\n    timeout client-hs 100ms\n    default_backend b\n\
         backend b\n    option httpchk\n    timeout check 100ms\n    server s {} check inter 100ms fall 1\n",
        server(saying("")?)
    );
    let files = [("site.cfg", config.as_str()), ("a.pem", &certificate.pem())];
    let site = Site::start("timeout-others", &files)?;
    site.logged_line(&["Server b/s is DOWN", "Layer7 timeout"])?;
    let mut stream = site.connect(0)?;
    stream.write_all(b"\x16\x03\x01")?;
    assert_eq!(stream.read(&mut [0; 100])?, 0);
    site.logged_line(&["] f/b: Timeout during SSL handshake"])?;
    Ok(())
}
