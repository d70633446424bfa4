//! `tcp-response content` in the running program: what a server sends is looked at before its client sees any of it.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use support::Result;
use support::origin::{head, origin, server};
use support::site::{Site, rest};

const SCRIPT: &str = r#"
core.register_action("shout", {"tcp-res"}, function(txn)
    local text = txn.res:data()
    while text ~= nil and #text < 5 do
        core.yield()
        text = txn.res:data()
    end
    txn.res:set(text:upper())
end)
"#;

/// Longer than anybody reads here: rules that wait for no reason fail their test.
const DELAY: &str = "60s";

/// Sends `hel`, a while later what it was asked for, and then waits for the end.
fn slow() -> Result<SocketAddr> {
    origin(|mut stream| {
        let mut asked = [0; 2];
        stream.read_exact(&mut asked)?;
        stream.write_all(b"hel")?;
        std::thread::sleep(Duration::from_millis(30));
        stream.write_all(&asked)?;
        // Whether this ends is the proxy's to say.
        let _ = stream.read(&mut asked);
        Ok(())
    })
}

fn tcp(name: &str, rules: &str) -> Result<Site> {
    let config = format!(
        "global\n    nbthread 1\n    lua-load site/site.lua\n\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         \x20   log stdout format raw daemon\n    log-format \"end=%ts sent=%B\"\n\
         listen site\n    bind 127.0.0.1:8080\n    tcp-response inspect-delay {DELAY}\n    {rules}\n    server o {}\n",
        server(slow()?)
    );
    Site::start(name, &[("site.cfg", &config), ("site.lua", SCRIPT)])
}

fn answer(site: &Site, asked: &str) -> Result<TcpStream> {
    let mut stream = site.connect(0)?;
    stream.write_all(asked.as_bytes())?;
    Ok(stream)
}

#[test]
fn a_condition_waits_for_what_it_misses() -> Result<()> {
    let site = tcp(
        "tcp-response-reject",
        "tcp-response content reject if { res.payload(0,5) -m str helno }",
    )?;
    assert_eq!(rest(answer(&site, "no")?)?, "");
    site.logged("end=PD sent=0")?;
    let mut passed = answer(&site, "lo")?;
    let mut text = [0; 5];
    passed.read_exact(&mut text)?;
    assert_eq!(&text, b"hello");
    Ok(())
}

#[test]
fn closing_ends_the_server_and_passes_on_what_came() -> Result<()> {
    let site = tcp(
        "tcp-response-close",
        "tcp-response content accept if { res.payload(0,5) -m str helno }\n    \
         tcp-response content close if { res.payload(0,5) -m found }",
    )?;
    assert_eq!(rest(answer(&site, "lo")?)?, "hello");
    site.logged("end=-- sent=5")
}

#[test]
fn a_script_may_rewrite_what_a_server_sent() -> Result<()> {
    let site = tcp(
        "tcp-response-lua",
        "tcp-response content lua.shout\n    tcp-response content close",
    )?;
    assert_eq!(rest(answer(&site, "lo")?)?, "HELLO");
    Ok(())
}

#[test]
fn without_a_delay_nothing_is_waited_for() -> Result<()> {
    let config = format!(
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         listen site\n    bind 127.0.0.1:8080\n    tcp-response content reject if {{ res.len gt 0 }}\n    server o {}\n",
        server(slow()?)
    );
    let site = Site::start("tcp-response-at-once", &[("site.cfg", &config)])?;
    let mut text = [0; 5];
    answer(&site, "lo")?.read_exact(&mut text)?;
    assert_eq!(&text, b"hello");
    Ok(())
}

#[test]
fn responses_of_http_are_looked_at_too() -> Result<()> {
    let origin = origin(|stream| {
        let request = head(&mut BufReader::new(&stream))?;
        let body = if request.starts_with("GET /secret") {
            "ecret"
        } else {
            "mooth"
        };
        (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ns")?;
        std::thread::sleep(Duration::from_millis(30));
        (&stream).write_all(body.as_bytes())?;
        Ok(())
    })?;
    let config = format!(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         frontend f\n    bind 127.0.0.1:8080\n    log stdout format raw daemon\n    log-format \"%HP end=%ts sent=%B\"\n\
         \x20   default_backend b\n\
         backend b\n    tcp-response inspect-delay {DELAY}\n    \
         tcp-response content reject if {{ res.body -m sub secret }}\n    \
         tcp-response content close if {{ var(txn.close) -m found }}\n    \
         tcp-response content set-var(txn.seen) res.body_len\n    \
         http-request set-var(txn.close) int(1) if {{ path /close }}\n    \
         http-response set-header x-seen %[var(txn.seen)]\n    server o {}\n",
        server(origin)
    );
    let site = Site::start("tcp-response-http", &[("site.cfg", &config)])?;
    assert_eq!(site.get("/secret").unwrap_or_default(), "");
    site.logged("/secret end=PD sent=0")?;
    let passed = site.get("/other")?;
    assert!(
        passed.contains("\r\nx-seen: 6\r\n") && passed.ends_with("\r\n\r\nsmooth"),
        "{passed}"
    );
    let closed = site.get("/close")?;
    assert!(closed.starts_with("HTTP/1.1 502 "), "{closed}");
    site.logged("/close end=SH")
}

#[test]
fn content_of_http_requests_is_waited_for() -> Result<()> {
    let config = format!(
        "defaults\n    mode http\n    timeout client 15s\n\
         frontend f\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay {DELAY}\n    \
         tcp-request content accept if WAIT_END\n    tcp-request content reject\n    \
         http-request return content-type text/plain lf-string \"%[req.body]\"\n"
    );
    let site = Site::start("tcp-request-http", &[("site.cfg", &config)])?;
    assert!(site.get("/")?.starts_with("HTTP/1.1 200 "));
    let mut stream = site.connect(0)?;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\r\nab")?;
    std::thread::sleep(Duration::from_millis(30));
    stream.write_all(b"cd")?;
    let answer = rest(stream)?;
    assert!(answer.ends_with("\r\n\r\nabcd"), "{answer}");
    Ok(())
}
