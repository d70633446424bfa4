//! What is done for clients that have ended their side, and how connections are closed and kept.

mod support;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;

use support::Result;
use support::origin::{head, origin, server};
use support::site::{Site, rest};
use support::syslog::{PATIENCE, Syslog};

const DEFAULTS: &str = "\
defaults
    mode http
    option httplog
    option dontlognull
    timeout connect 15s
    timeout client 15s
    timeout server 15s
";

/// Asks, and ends its side.
fn ask_and_end(site: &Site, bind: usize, request: &str) -> Result<TcpStream> {
    let mut client = site.connect(bind)?;
    client.write_all(request.as_bytes())?;
    client.shutdown(Shutdown::Write)?;
    Ok(client)
}

/// A listener in HTTP mode, one in TCP mode, and one in HTTP mode with `no option abortonclose`, all with one place at
/// their server.
fn with_queues(log: &Syslog, server_line: &str) -> Result<String> {
    let defaults = format!(
        "{DEFAULTS}    log {} local0\n    timeout queue 200ms\n",
        log.target()?
    );
    let line = |server: &str| format!("    server s {server} maxconn 1\n");
    Ok(format!(
        "{defaults}listen http\n    bind 127.0.0.1:8080\n{0}\
         listen patient\n    bind 127.0.0.1:8081\n    no option abortonclose\n{0}\
         listen tcp\n    mode tcp\n    option tcplog\n    bind 127.0.0.1:8082\n    option abortonclose\n{0}\
         listen tcp-patient\n    mode tcp\n    option tcplog\n    bind 127.0.0.1:8083\n{0}",
        line(server_line)
    ))
}

#[test]
fn who_ends_its_side_in_the_queue_is_given_up_if_abortonclose_says_so() -> Result<()> {
    let log = Syslog::new()?;
    // Whoever is first keeps its server waiting, without a word.
    let (held, holds) = channel();
    let held = Mutex::new(held);
    let origin = origin(
        move |stream| match head(&mut BufReader::new(stream.try_clone()?))?.is_empty() {
            true => Ok(()),
            false => Ok(held.lock().map_err(|_| "poisoned")?.send(stream)?),
        },
    )?;
    let site = Site::start(
        "closing-queue",
        &[("site.cfg", &with_queues(&log, &server(origin))?)],
    )?;
    let ask = "GET /waits HTTP/1.1\r\nhost: h\r\n\r\n";
    for (bind, answer, letters) in [
        (0, "", "CQ--"),
        (1, "HTTP/1.1 503", "sQ--"),
        (2, "", " CQ "),
        (3, "", " sQ "),
    ] {
        let mut first = site.connect(bind)?;
        first.write_all(b"GET /first HTTP/1.1\r\nhost: h\r\n\r\n")?;
        let at_server = holds.recv_timeout(PATIENCE)?;
        let got = rest(ask_and_end(&site, bind, ask)?)?;
        assert!(
            got.starts_with(answer) && got.is_empty() == answer.is_empty(),
            "{bind}: {got}"
        );
        let line = log.line()?;
        assert!(line.contains(letters), "{bind}: {line}");
        assert!(bind != 0 || line.contains(" -1 "), "{line}");
        drop((first, at_server));
        log.line()?;
    }
    Ok(())
}

#[test]
fn who_ends_its_side_before_the_response_gets_it_if_abortonclose_is_off() -> Result<()> {
    let origin = origin(|stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        // Nothing tells the proxy's end; it takes the time that the client's takes to come.
        let mut to = stream;
        to.set_read_timeout(Some(std::time::Duration::from_millis(300)))?;
        let mut byte = [0];
        match to.read(&mut byte) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            ended => return Err(format!("{ended:?}").into()),
        }
        Ok(to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")?)
    })?;
    let log = Syslog::new()?;
    let site = Site::start(
        "closing-wait",
        &[("site.cfg", &with_queues(&log, &server(origin))?)],
    )?;
    let ask = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    let answer = rest(ask_and_end(&site, 1, ask)?)?;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok"),
        "{answer}"
    );
    assert!(log.line()?.contains(" ---- "));
    let mut answer = rest(ask_and_end(&site, 0, ask)?)?;
    let mut line = log.line()?;
    // Who ends its side while the server is still being connected to goes without a word.
    for _ in 0..20 {
        if !answer.is_empty() {
            break;
        }
        answer = rest(ask_and_end(&site, 0, ask)?)?;
        line = log.line()?;
    }
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(line.contains(" CH-- "), "{line}");
    Ok(())
}

#[test]
fn nolinger_resets_both_sides() -> Result<()> {
    let servers = TcpListener::bind("127.0.0.1:0")?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    option nolinger\n    \
         http-request return status 200 if {{ path /own }}\n    server s {}\n",
        server(servers.local_addr()?)
    );
    let site = Site::start("closing-nolinger", &[("site.cfg", &config)])?;
    let mut client = site.connect(0)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")?;
    let (mut at_server, _) = servers.accept()?;
    head(&mut BufReader::new(at_server.try_clone()?))?;
    at_server.set_read_timeout(Some(PATIENCE))?;
    at_server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n")?;
    let mut lines = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    // The server breaks off: what was under way is.
    drop(at_server);
    let mut sink = Vec::new();
    let broke = lines.read_to_end(&mut sink).map_err(|error| error.kind());
    assert_eq!(broke, Err(ErrorKind::ConnectionReset));
    Ok(())
}

#[test]
fn trailers_are_kept_from_who_is_not_to_see_them() -> Result<()> {
    let origin = origin(|stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        head(&mut from)?;
        let mut seen = String::new();
        while !seen.ends_with("\r\n\r\n") {
            from.read_line(&mut seen)?;
        }
        let seen = seen.replace("\r\n", "|");
        let mut to = stream;
        write!(
            to,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-body: {seen}\r\nconnection: close\r\n\r\n\
             2\r\nok\r\n0\r\nx-t: 1\r\n\r\n"
        )?;
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}listen both\n    bind 127.0.0.1:8080\n    server o {0}\n\
         listen none\n    bind 127.0.0.1:8081\n    option http-drop-request-trailers\n    \
         option http-drop-response-trailers\n    server o {0}\n",
        server(origin)
    );
    let site = Site::start("closing-trailers", &[("site.cfg", &config)])?;
    let ask = "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-q: 1\r\n\r\n";
    for (bind, seen, end) in [
        (0, "x-body: 1|a|0|x-q: 1||", "0\r\nx-t: 1\r\n\r\n"),
        (1, "x-body: 1|a|0||", "0\r\n\r\n"),
    ] {
        let mut client = site.connect(bind)?;
        client.write_all(ask.as_bytes())?;
        let answer = rest(client)?;
        assert!(answer.contains(seen) && answer.ends_with(end), "{bind}: {answer}");
    }
    Ok(())
}

#[test]
fn a_file_tells_how_names_are_written_and_chunks_beside_a_length_need_not_close() -> Result<()> {
    let names = "# from to\n\n  x-a X-A\t\r\nx-connection-kept X-CONNECTION-KEPT\n";
    let config = format!(
        "global\n    h1-case-adjust-file site/NAMES\n    h1-do-not-close-on-insecure-transfer-encoding\n{DEFAULTS}\
         listen site\n    bind 127.0.0.1:8080\n    option h1-case-adjust-bogus-client\n    \
         http-request return status 200 hdr x-a %[path]\n"
    );
    let site = Site::start("closing-names", &[("site.cfg", &config), ("NAMES", names)])?;
    let answer = site.ask(
        "POST /1 HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n\
         GET /2 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
    )?;
    assert!(
        answer.contains("X-A: /1\r\n") && answer.contains("X-A: /2\r\n"),
        "{answer}"
    );
    Ok(())
}

#[test]
fn a_server_is_told_that_its_connection_ends_unless_the_proxy_pretends() -> Result<()> {
    // What each request says of its connection, and whether the proxy ends that after the answer.
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let origin = origin(move |mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let request = head(&mut from)?;
        if request.is_empty() {
            return Ok(());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
        let is_over = from.fill_buf()?.is_empty();
        let says_close = request.to_lowercase().contains("connection: close");
        Ok(tell.lock().map_err(|_| "poisoned")?.send((says_close, is_over))?)
    })?;
    let listen = |port: u16, options: &str| {
        format!(
            "listen l{port}\n    bind 127.0.0.1:{port}\n{options}    server s {}\n",
            server(origin)
        )
    };
    let pretend = "    option http-pretend-keepalive\n";
    let config = format!(
        "{DEFAULTS}{}{}{}{}",
        listen(8080, "    option http-server-close\n"),
        listen(8081, &format!("    option http-server-close\n{pretend}")),
        listen(8082, "    option httpclose\n"),
        listen(8083, &format!("    option httpclose\n{pretend}")),
    );
    let site = Site::start("closing-pretends", &[("site.cfg", &config)])?;
    for (bind, says_close) in [(0, true), (1, false), (2, true), (3, false)] {
        let mut client = site.connect(bind)?;
        client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")?;
        assert_eq!(told.recv_timeout(PATIENCE)?, (says_close, true), "{bind}");
    }
    Ok(())
}
