//! The life of connections in the running program: kept for the next request, and ended when nothing comes.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use support::Result;
use support::origin::{head, origin, server};
use support::program::free_port;
use support::site::{Site, rest};

/// One request on a connection that is kept, and its answer's status and body.
fn exchange(stream: &mut BufReader<TcpStream>, request: &str) -> Result<(u16, String)> {
    stream.get_mut().write_all(request.as_bytes())?;
    let head = head(stream)?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .ok_or_else(|| format!("no length: {head}"))?;
    let mut body = vec![0; length.parse()?];
    stream.read_exact(&mut body)?;
    Ok((status, String::from_utf8(body)?))
}

#[test]
fn a_clients_connection_is_kept_whatever_became_of_its_requests() -> Result<()> {
    let script = r#"
core.register_action("fail", {"http-req"}, function() error("on purpose") end)
core.register_action("wait", {"http-req"}, function() core.msleep(5) end)
core.register_service("echo", "http", function(applet)
    local body = applet:receive()
    applet:set_status(200)
    applet:add_header("content-length", #body)
    applet:start_response()
    applet:send(body)
end)
core.register_service("fail", "http", function() error("on purpose") end)
"#;
    let origin = origin(|stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        loop {
            head(&mut from)?;
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\norigin")?;
        }
    })?;
    // Nobody listens there.
    let gone = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let config = format!(
        "global\n    nbthread 1\n    lua-load site/site.lua\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    retries 0\n\
         frontend site\n    bind 127.0.0.1:8080\n    \
         http-request lua.fail if {{ path /fail }}\n    \
         http-request lua.fail on-error deny if {{ path /closed }}\n    \
         http-request lua.wait if {{ path /wait }}\n    \
         http-request deny if {{ path /deny }}\n    \
         http-request use-service lua.echo if {{ path /echo }}\n    \
         http-request use-service lua.fail if {{ path /fail_service }}\n    \
         http-request return status 200 content-type text/plain string served if {{ path /fail /wait }}\n    \
         use_backend gone if {{ path /gone }}\n    \
         default_backend origin\n\
         backend gone\n    server g {}\nbackend origin\n    server o {}\n",
        server(gone),
        server(origin)
    );
    let site = Site::start("kept", &[("site.cfg", &config), ("site.lua", script)])?;
    let mut stream = BufReader::new(site.connect(0)?);
    for (line, sent, status, wanted) in [
        ("GET /", "", 200, "origin"),
        ("GET /deny", "", 403, ""),
        ("POST /echo", "a body", 200, "a body"),
        ("GET /fail", "", 200, "served"),
        ("GET /closed", "", 403, ""),
        ("POST /deny", "a body that nobody reads", 403, ""),
        ("GET /wait", "", 200, "served"),
        ("GET /fail_service", "", 500, ""),
        ("GET /gone", "", 503, ""),
        ("POST /", "to the origin", 200, "origin"),
        ("GET /", "", 200, "origin"),
    ] {
        let length = sent.len();
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{sent}");
        let answer = exchange(&mut stream, &request).map_err(|e| format!("{line}: {e}"))?;
        assert_eq!(answer.0, status, "{line}: {answer:?}");
        assert!(answer.1.contains(wanted), "{line}: {answer:?}");
    }
    Ok(())
}

/// A server that takes a request and then does nothing but what it is given to send.
fn silent(start: &'static str) -> Result<SocketAddr> {
    origin(move |stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        head(&mut from)?;
        to.write_all(start.as_bytes())?;
        std::thread::sleep(Duration::from_secs(60));
        Ok(())
    })
}

#[test]
fn who_is_silent_for_too_long_is_given_up() -> Result<()> {
    // A queue of one that is full: further connections are neither taken nor refused.
    let full = TcpListener::bind("127.0.0.1:0")?;
    let _waiting = fill(full.local_addr()?);
    let config = format!(
        "defaults\n    mode http\n    timeout connect 100ms\n    timeout client 100ms\n    timeout server 100ms\n    \
         timeout http-request 150ms\n    retries 0\n\
         frontend site\n    bind 127.0.0.1:8080\n    \
         http-request return status 200 content-type text/plain string served if {{ path /served }}\n    \
         use_backend cut if {{ path /cut }}\n    use_backend full if {{ path /full }}\n    \
         default_backend silent\n\
         backend silent\n    server s {}\nbackend cut\n    server c {}\nbackend full\n    server f {}\n",
        server(silent("")?),
        server(silent("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun")?),
        server(full.local_addr()?)
    );
    let site = Site::start("silence", &[("site.cfg", &config)])?;
    // The server takes the request and gives no answer, or no whole one; or it cannot be reached.
    assert!(site.get("/")?.starts_with("HTTP/1.1 504 "));
    let cut = site.get("/cut")?;
    assert!(
        cut.starts_with("HTTP/1.1 200 ") && cut.ends_with("begun"),
        "{cut}"
    );
    assert!(site.get("/full")?.starts_with("HTTP/1.1 503 "));
    // The client begins a request and does not end it, or the body of one.
    let head = "GET / HTTP/1.1\r\nhost: x\r\n";
    assert!(site.ask(head)?.starts_with("HTTP/1.1 408 "));
    let body = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf";
    assert!(site.ask(body)?.starts_with("HTTP/1.1 408 "));
    assert!(rest(site.connect(0)?)?.starts_with("HTTP/1.1 408 "));
    // One who says nothing after a request that was served is let go without a word.
    let answer = site.ask("GET /served HTTP/1.1\r\nhost: x\r\n\r\n")?;
    assert!(answer.ends_with("served"), "{answer}");
    Ok(())
}

/// Connections that fill the queue of a listener that accepts none.
fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
    }
    waiting
}
