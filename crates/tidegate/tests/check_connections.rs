//! How health checks connect, and programs that check.

mod support;

use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use support::Result;
use support::origin::{head, origin, server};
use support::place::Place;
use support::runtime::PATIENCE;
use support::site::Site;
use support::tls::Authority;

/// What is said of a check that passes with a response.
const PASSED: &str = "succeeded, reason: Layer7 check passed, code: 200";

/// A site with these lines in its `global` section and at its end.
fn site(name: &str, global: &str, rest: &str) -> Result<Site> {
    let config = format!(
        "global\n    log stdout format raw local0\n{global}\
         defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    \
         option log-health-checks\n    default-server inter 50ms rise 1 fall 1\n{rest}"
    );
    Site::start(name, &[("site.cfg", &config)])
}

#[test]
fn checks_speak_http2_where_they_are_told_so_or_tls_agrees_on_it() -> Result<()> {
    let place = Place::new("check-h2")?;
    let certificate = place.file("own.pem", &Authority::new("Some")?.issue(&["www.example"])?.pem())?;
    let rest = format!(
        "frontend bare\n    bind 127.0.0.1:8080 proto h2\n    \
         http-request return status 200 if {{ req.hdr(x-body) one }} {{ fc_http_major 2 }} {{ path /check }}\n    \
         http-request return status 500\n\
         frontend secure\n    bind 127.0.0.1:8081 ssl crt {certificate} alpn h2,http/1.1\n    \
         http-request return status 200 if {{ ssl_fc_alpn h2 }} {{ ssl_fc_sni www.example }} {{ fc_http_major 2 }}\n    \
         http-request return status 500\n\
         backend told\n    option httpchk\n    http-check send meth POST uri /check ver HTTP/1.1 hdr x-body one body 1234\n    \
         server a 127.0.0.1:8080 check check-proto h2\n    \
         server b 127.0.0.1:8080 check\n\
         backend own\n    option httpchk\n    http-check send meth POST uri /check hdr x-body one\n    \
         server a 127.0.0.1:8080 check proto h2\n\
         backend step\n    option httpchk\n    http-check connect proto h2\n    http-check send uri /check hdr x-body one\n    \
         server a 127.0.0.1:8080 check\n\
         backend agreed\n    option httpchk GET / HTTP/1.1 www.example:8443\n    \
         server a 127.0.0.1:8081 ssl verify none check check-alpn h2\n    \
         server b 127.0.0.1:8081 ssl verify none check check-alpn h2 no-check-sni-auto\n    \
         server c 127.0.0.1:8081 ssl verify none check check-alpn http/1.1\n    \
         server d 127.0.0.1:8081 ssl alpn h2 verify none check check-sni www.example\n"
    );
    let site = site("check-h2", "", &rest)?;
    for good in ["told/a", "own/a", "step/a", "agreed/a", "agreed/d"] {
        site.logged(&format!("Health check for server {good} {PASSED}"))?;
    }
    site.logged("Health check for server told/b failed")?;
    for bad in ["agreed/b", "agreed/c"] {
        let line = format!("Health check for server {bad} failed, reason: Layer7 wrong status, code: 500");
        site.logged(&line)?;
    }
    Ok(())
}

#[test]
fn a_body_of_http2_is_what_checks_expect() -> Result<()> {
    let rest = "frontend bare\n    bind 127.0.0.1:8080 proto h2\n    \
         http-request return status 200 content-type text/plain string \"all is well\"\n\
         backend b\n    option httpchk GET /\n    http-check expect string well\n    server a 127.0.0.1:8080 check proto h2\n\
         backend c\n    option httpchk GET /\n    http-check expect string ill\n    server a 127.0.0.1:8080 check proto h2\n";
    let site = site("check-h2-body", "", rest)?;
    site.logged(&format!("Health check for server b/a {PASSED}"))?;
    site.logged("Health check for server c/a failed, reason: Layer7 invalid response, info: \"HTTP content check did not match\"")
}

#[test]
fn a_port_may_stand_with_the_address() -> Result<()> {
    let rest = "frontend f\n    bind 127.0.0.1:8080\n    http-request return status 200\n\
         backend b\n    option httpchk\n    server a 192.0.2.1:1 check addr 127.0.0.1:8080\n\
         backend c\n    option httpchk\n    http-check connect addr 127.0.0.1:8080\n    server a 192.0.2.1:1 check\n";
    let site = site("check-address", "", rest)?;
    site.logged(&format!("Health check for server b/a {PASSED}"))?;
    site.logged(&format!("Health check for server c/a {PASSED}"))
}

/// A proxy of SOCKS that answers in the server's place if it is asked for 192.0.2.1:80.
fn socks() -> Result<String> {
    let address = origin(|mut stream| {
        let mut asked = [0; 16];
        stream.read_exact(&mut asked)?;
        if asked != *b"\x04\x01\x00\x50\xc0\x00\x02\x01HAProxy\0" {
            return Ok(stream.write_all(&[0, 0x5b, 0, 0, 0, 0, 0, 0])?);
        }
        stream.write_all(&[0, 0x5a, 0, 0, 0, 0, 0, 0])?;
        let mut from = BufReader::new(stream.try_clone()?);
        head(&mut from)?;
        Ok(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nsocks")?)
    })?;
    // As a number, which is nothing that stands for another.
    Ok(format!("[::ffff:127.0.0.1]:{}", address.port()))
}

#[test]
fn checks_and_requests_go_by_a_proxy_of_socks() -> Result<()> {
    let socks = socks()?;
    let rest = format!(
        "frontend f\n    bind 127.0.0.1:8080\n    use_backend b if {{ path /b }}\n    use_backend c\n\
         backend b\n    option httpchk\n    server a 192.0.2.1:80 check socks4 {socks} check-via-socks4\n\
         backend c\n    retries 0\n    option httpchk\n    http-check connect via-socks4\n    \
         server a 192.0.2.1:81 check socks4 {socks}\n\
         backend d\n    option httpchk\n    server a {socks} check socks4 {socks}\n"
    );
    let site = site("check-socks", "", &rest)?;
    site.logged(&format!("Health check for server b/a {PASSED}"))?;
    site.logged(
        "Health check for server c/a failed, reason: Layer4 connection problem, info: \"SOCKS4 Proxy deny the request\"",
    )?;
    // Without a word checks go to the server itself, which doesn't take a request for one of SOCKS.
    site.logged("Health check for server d/a failed, reason: Layer7 invalid response")?;
    site.until("/b", "socks")
}

#[test]
fn checks_and_sessions_share_connections() -> Result<()> {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);
    let address = origin(move |stream| {
        let number = CONNECTIONS.fetch_add(1, Ordering::SeqCst) + 1;
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        loop {
            let asked = head(&mut from)?;
            if asked.is_empty() {
                return Ok(());
            }
            REQUESTS.fetch_add(1, Ordering::SeqCst);
            let body = format!("connection {number}");
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            to.write_all(answer.as_bytes())?;
        }
    })?;
    let rest = format!(
        "frontend f\n    bind 127.0.0.1:8080\n    default_backend b\n\
         backend b\n    http-reuse always\n    option httpchk GET / HTTP/1.1 www\n    \
         server a {} check check-reuse-pool inter 200ms\n",
        server(address)
    );
    let site = site("check-pool", "    nbthread 1\n", &rest)?;
    site.logged(&format!("Health check for server b/a {PASSED}"))?;
    // Between two checks, which have the connection for themselves while they last.
    for _ in 0..5 {
        site.until("/", "connection 1")?;
    }
    let start = Instant::now();
    while REQUESTS.load(Ordering::SeqCst) < 5 + 3 {
        assert!(start.elapsed() < PATIENCE, "nobody checks any more");
    }
    assert_eq!(CONNECTIONS.load(Ordering::SeqCst), 1);
    Ok(())
}

fn executable(place: &Place, name: &str, script: &str) -> Result<String> {
    let path = place.file(name, &format!("#!/bin/sh\n{script}\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

const PROGRAMS: &str = "    external-check\n    insecure-fork-wanted\n";

#[test]
fn programs_check_by_their_exit_status() -> Result<()> {
    let place = Place::new("check-program")?;
    let well = executable(&place, "well", "exit 0")?;
    let ill = executable(&place, "ill", "exit 7")?;
    let ended = executable(&place, "ended", "kill -9 $$")?;
    let slow = executable(
        &place,
        "slow",
        &format!("echo $$ > {}/pid; exec sleep 600", place.0.display()),
    )?;
    let backend = |name: &str, command: &str| {
        format!(
            "backend {name}\n    option external-check\n    external-check command {command}\n    external-check path /usr/bin:/bin\n    \
             server a 127.0.0.1:1 check inter 100ms\n"
        )
    };
    let rest = format!(
        "frontend f\n    bind 127.0.0.1:8080\n{}{}{}{}{}",
        backend("well", &well),
        backend("ill", &ill),
        backend("ended", &ended),
        backend("slow", &slow),
        backend("none", "/nonexistent/program")
    );
    let site = site("check-program", PROGRAMS, &rest)?;
    site.logged("Health check for server well/a succeeded, reason: External check passed, code: 0")?;
    site.logged("Health check for server ill/a failed, reason: External check error, code: 7")?;
    site.logged("Health check for server ended/a failed, reason: External check error, code: -1")?;
    site.logged("Health check for server none/a failed, reason: External check error, code: 255")?;
    site.logged("Health check for server slow/a failed, reason: External check timeout")?;
    // Whoever took too long is gone.
    let number = std::fs::read_to_string(place.0.join("pid"))?;
    let first = std::path::PathBuf::from(format!("/proc/{}/cmdline", number.trim()));
    let start = Instant::now();
    while std::fs::read(&first).is_ok_and(|line| line.starts_with(b"sleep\x00600")) {
        if start.elapsed() > PATIENCE {
            return Err("the program still runs".into());
        }
    }
    Ok(())
}

#[test]
fn programs_are_told_of_the_proxy_and_the_server() -> Result<()> {
    let place = Place::new("check-told")?;
    let command = executable(
        &place,
        "tell",
        &format!(
            "{{ echo \"$@\"; env; }} > {0}/new && mv {0}/new {0}/$HAPROXY_PROXY_NAME",
            place.0.display()
        ),
    )?;
    let rest = format!(
        "defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n    \
         option log-health-checks\n    option external-check\n    external-check command {command}\n    external-check path /usr/bin:/bin\n\
         backend one\n    id 70\n    server srv 192.0.2.7:443 id 9 check maxconn 30 ssl verify none proto h2\n\
         listen two\n    mode tcp\n    bind 127.0.0.1:8080\n    server srv /tmp/nobody.sock check\n"
    );
    let site = site("check-told", PROGRAMS, &rest)?;
    site.logged("Health check for server one/srv succeeded")?;
    site.logged("Health check for server two/srv succeeded")?;
    let one = std::fs::read_to_string(place.0.join("one"))?;
    assert!(one.starts_with("NOT_USED NOT_USED 192.0.2.7 443\n"), "{one}");
    for line in [
        "HAPROXY_PROXY_ADDR=",
        "HAPROXY_PROXY_PORT=",
        "HAPROXY_PROXY_ID=70",
        "HAPROXY_PROXY_NAME=one",
        "HAPROXY_SERVER_ADDR=192.0.2.7",
        "HAPROXY_SERVER_PORT=443",
        "HAPROXY_SERVER_ID=9",
        "HAPROXY_SERVER_NAME=srv",
        "HAPROXY_SERVER_CURCONN=0",
        "HAPROXY_SERVER_MAXCONN=30",
        "HAPROXY_SERVER_SSL=1",
        "HAPROXY_SERVER_PROTO=h2",
        "PATH=/usr/bin:/bin",
    ] {
        assert!(one.lines().any(|told| told == line), "{line} is missing: {one}");
    }
    assert!(!one.contains("HOME="), "{one}");
    let two = std::fs::read_to_string(place.0.join("two"))?;
    assert!(two.starts_with("127.0.0.1 "), "{two}");
    assert!(
        two.lines()
            .next()
            .is_some_and(|line| line.ends_with(" /tmp/nobody.sock NOT_USED")),
        "{two}"
    );
    assert!(
        two.contains("HAPROXY_SERVER_PORT=\n") && two.contains("HAPROXY_SERVER_PROTO=tcp\n"),
        "{two}"
    );
    Ok(())
}
