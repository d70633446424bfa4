//! `retry-on`: requests that are sent again, how often, and what is left alone.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;

/// What came to the server for each path.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Seen {
    /// Notes a request's body; how many there were before.
    fn note(&self, path: &str, body: String) -> usize {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bodies = seen.entry(path.to_owned()).or_default();
        bodies.push(body);
        bodies.len() - 1
    }

    fn at(&self, path: &str) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(path).cloned().unwrap_or_default()
    }
}

/// The body of a request: by its length, or in chunks with what follows them.
fn body(head: &str, from: &mut impl BufRead) -> Result<String> {
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = String::new();
    if let Some(length) = length {
        from.take(length.parse()?).read_to_string(&mut body)?;
    } else if head.contains("transfer-encoding: chunked") {
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16)?;
            let mut chunk = vec![0; size];
            from.read_exact(&mut chunk)?;
            body.push_str(std::str::from_utf8(&chunk)?);
            if size == 0 {
                loop {
                    line.clear();
                    from.read_line(&mut line)?;
                    if line == "\r\n" {
                        return Ok(body);
                    }
                    body.push_str(line.trim_end());
                }
            }
            from.read_exact(&mut [0; 2])?;
        }
    }
    Ok(body)
}

/// A server that fails in the way that the path asks for, as often as its last part says, and then answers.
fn failing(stream: TcpStream, seen: &Seen) -> Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    loop {
        let head = head(&mut from)?;
        let path = head.split(' ').nth(1).ok_or("no path")?.to_owned();
        let before = seen.note(&path, body(&head, &mut from)?);
        let parts: Vec<&str> = path.split('/').collect();
        let (how, times) = (parts.get(2).ok_or("no way")?, parts.last().ok_or("no end")?);
        if before >= times.parse()? {
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
            continue;
        }
        match *how {
            "empty" => return Ok(()),
            "junk" => to.write_all(b"what?\r\n\r\n")?,
            "partial" => to.write_all(b"HTTP/1.1 200 OK\r\ncontent-le")?,
            "slow" => std::thread::sleep(Duration::from_secs(5)),
            status => {
                write!(to, "HTTP/1.1 {status} No\r\ncontent-length: 6\r\n\r\nfailed")?;
                continue;
            }
        }
        return Ok(());
    }
}

fn start(name: &str, backends: &[(&str, &str)]) -> Result<(Site, Seen)> {
    let seen = Seen::default();
    let shared = seen.clone();
    let address = origin(move |stream| failing(stream, &shared))?;
    let mut config = String::from(
        "global\n    nbthread 1\n    log stdout format raw local0\n\
         defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 15s\n    \
         timeout server 300ms\n    log-format \"%HP %ST %ts retries=%rc\"\n    retries 2\n    \
         http-reuse never\n\
         frontend f\n    bind 127.0.0.1:8080\n    http-request disable-l7-retry if { hdr(x-once) yes }\n",
    );
    for (name, _) in backends {
        config.push_str(&format!("    use_backend {name} if {{ path_beg /{name}/ }}\n"));
    }
    for (name, lines) in backends {
        config.push_str(&format!(
            "backend {name}\n    {lines}\n    server s1 {}\n",
            server(address)
        ));
    }
    Ok((Site::start(name, &[("site.cfg", &config)])?, seen))
}

#[test]
fn each_reason_is_tried_again_where_it_was_asked_for() -> Result<()> {
    let backends = [
        ("default", ""),
        ("none", "retry-on none"),
        ("empty", "retry-on conn-failure empty-response"),
        ("junk", "retry-on junk-response"),
        ("timeout", "retry-on response-timeout"),
        ("s404", "retry-on 404 503"),
        ("all", "retry-on all-retryable-errors"),
    ];
    let (site, seen) = start("retry-on", &backends)?;
    // The way it fails, how often, what the client gets, how often the server is asked.
    for (path, status, state, tries) in [
        ("/default/empty/1", 502, "SH", 1),
        ("/default/503/1", 503, "--", 1),
        ("/none/503/1", 503, "--", 1),
        ("/empty/empty/1", 200, "--", 2),
        ("/empty/empty/2", 200, "--", 3),
        ("/empty/empty/3", 502, "SH", 3),
        ("/empty/503/1", 503, "--", 1),
        ("/empty/junk/1", 502, "PH", 1),
        ("/junk/junk/1", 200, "--", 2),
        ("/junk/partial/1", 200, "--", 2),
        ("/junk/empty/1", 502, "SH", 1),
        ("/timeout/slow/1", 200, "--", 2),
        ("/timeout/slow/9", 504, "sH", 3),
        ("/timeout/empty/1", 502, "SH", 1),
        ("/s404/404/1", 200, "--", 2),
        ("/s404/503/2", 200, "--", 3),
        ("/s404/503/9", 503, "--", 3),
        ("/s404/500/1", 500, "--", 1),
        ("/all/500/1", 200, "--", 2),
        ("/all/502/1", 200, "--", 2),
        ("/all/504/2", 200, "--", 3),
        ("/all/404/1", 404, "--", 1),
        ("/all/empty/1", 200, "--", 2),
        ("/all/junk/1", 200, "--", 2),
        ("/all/slow/1", 200, "--", 2),
    ] {
        let answer = site.get(path)?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        assert_eq!(seen.at(path).len(), tries, "{path}");
        site.logged(&format!("{path} {status} {state} retries={}", tries - 1))?;
    }
    // A response that doesn't count and was the last one is given as it is.
    assert!(site.get("/s404/404/9")?.ends_with("failed"));
    let once = "GET /all/503/8 HTTP/1.1\r\nhost: x\r\nx-once: yes\r\nconnection: close\r\n\r\n";
    assert!(site.ask(once)?.starts_with("HTTP/1.1 503 "));
    assert_eq!(seen.at("/all/503/8").len(), 1);
    Ok(())
}

#[test]
fn a_body_is_sent_again_if_it_fits_the_buffer() -> Result<()> {
    let (site, seen) = start("retry-bodies", &[("all", "retry-on all-retryable-errors")])?;
    let post =
        |path: &str, rest: &str| format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{rest}");
    for how in ["503", "empty", "junk", "slow"] {
        let path = format!("/all/{how}/2");
        let answer = site.ask(&post(&path, "content-length: 9\r\n\r\nonce more"))?;
        assert!(answer.ends_with("ok"), "{path}: {answer}");
        assert_eq!(seen.at(&path), vec!["once more"; 3], "{path}");
    }
    let chunked = "transfer-encoding: chunked\r\n\r\n4\r\nonce\r\n5\r\n more\r\n0\r\nx-end: here\r\n\r\n";
    assert!(site.ask(&post("/all/empty/1", chunked))?.ends_with("ok"));
    let came = seen.at("/all/empty/1");
    assert_eq!(came.len(), 2);
    assert!(came.iter().all(|body| body.starts_with("once more")), "{came:?}");
    let long = "x".repeat(20_000);
    let answer = site.ask(&post(
        "/all/503/3",
        &format!("content-length: 20000\r\n\r\n{long}"),
    ))?;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(seen.at("/all/503/3").len(), 1);
    Ok(())
}

/// What is tried again goes to another server where `option redispatch` says so, which the log shows.
#[test]
fn a_request_that_fails_goes_to_another_server_as_redispatch_says() -> Result<()> {
    let bad = origin(|mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        stream.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbad")?;
        Ok(())
    })?;
    let good = origin(|mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ngood")?;
        Ok(())
    })?;
    let backend = |name: &str, lines: &str, servers: [SocketAddr; 2]| {
        let [first, second] = servers.map(server);
        format!(
            "backend {name}\n    balance first\n    retry-on 503\n    {lines}\n    server s1 {first}\n    \
             server s2 {second}\n"
        )
    };
    let config = format!(
        "global\n    nbthread 1\n    log stdout format raw local0\n\
         defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 15s\n    \
         timeout server 15s\n    log-format \"%HP %s retries=%rc\"\n    retries 3\n\
         frontend f\n    bind 127.0.0.1:8080\n    use_backend %[path,field(2,/)]\n{}{}{}",
        backend("stay", "no option redispatch", [bad, good]),
        backend("last", "option redispatch", [bad, good]),
        backend("each", "option redispatch 1", [bad, good]),
    );
    let site = Site::start("retry-redispatch", &[("site.cfg", &config)])?;
    assert!(site.get("/stay")?.ends_with("bad"));
    site.logged("/stay s1 retries=3")?;
    assert!(site.get("/last")?.ends_with("good"));
    // Who belongs to no server has no reason to wait for one.
    site.logged("/last s2 retries=+1")?;
    assert!(site.get("/each")?.ends_with("good"));
    site.logged("/each s2 retries=+1")?;
    Ok(())
}

#[test]
fn a_connection_is_not_tried_again_if_that_was_not_asked_for() -> Result<()> {
    let gone: SocketAddr = ([127, 0, 0, 1], support::program::free_port()?).into();
    let config = format!(
        "global\n    nbthread 1\n    log stdout format raw local0\n\
         defaults\n    mode http\n    log global\n    timeout connect 20ms\n    timeout client 15s\n    \
         timeout server 15s\n    log-format \"%HP %ST %ts retries=%rc\"\n    retries 2\n\
         frontend f\n    bind 127.0.0.1:8080\n    use_backend %[path,field(2,/)]\n\
         backend asked\n    retry-on conn-failure\n    server s1 {0}\nbackend other\n    retry-on 503\n    \
         server s1 {0}\n",
        server(gone)
    );
    let site = Site::start("retry-connections", &[("site.cfg", &config)])?;
    for (path, retries) in [("/asked", 2), ("/other", 0)] {
        assert!(site.get(path)?.starts_with("HTTP/1.1 503 "));
        site.logged(&format!("{path} 503 SC retries={retries}"))?;
    }
    Ok(())
}

/// With `option redispatch` and nobody else there a server is tried again as without: not at once, as it may be restarting.
#[test]
fn a_server_that_is_tried_again_alone_has_a_moment_to_come_back() -> Result<()> {
    let port = support::program::free_port()?;
    let config = format!(
        "global\n    nbthread 1\ndefaults\n    mode http\n    timeout connect 1s\n    timeout client 10s\n    \
         timeout server 10s\n    retries 3\n    option redispatch 1\n\
         listen l\n    bind 127.0.0.1:8080\n    http-request return status 200 if {{ path /here }}\n    \
         server s ipv4@localhost:{port}\n"
    );
    let site = Site::start("retry-alone", &[("site.cfg", &config)])?;
    let waiting = site.begin("/")?;
    // The only thread has tried it by now.
    for _ in 0..3 {
        assert!(site.get("/here")?.starts_with("HTTP/1.1 200 "));
    }
    let late = support::origin::origin_at((Ipv4Addr::LOCALHOST, port).into(), |mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        Ok(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback")?)
    })?;
    assert_eq!(late.port(), port);
    let answer = support::site::rest(waiting)?;
    assert!(answer.ends_with("back"), "{answer}");
    Ok(())
}
