//! Streams of TCP that become HTTP, conditions on HTTP in TCP mode, and backends that rules may not choose.

mod support;

use std::io::{BufReader, Write};
use std::time::Duration;

use support::Result;
use support::origin::{head, origin, server};
use support::runtime::Runtime;
use support::site::{Site, rest};
use support::syslog::Syslog;

const DEFAULTS: &str = "\
defaults
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

/// What a site answers to these bytes.
fn answer(site: &Site, bind: usize, pieces: &[&str]) -> Result<String> {
    let mut client = site.connect(bind)?;
    for piece in pieces {
        client.write_all(piece.as_bytes())?;
        // Nothing depends on it that they come apart, but what is looked at when.
        std::thread::sleep(Duration::from_millis(20));
    }
    rest(client)
}

fn get(path: &str, close: bool) -> String {
    let close = if close { "connection: close\r\n" } else { "" };
    format!("GET {path} HTTP/1.1\r\nhost: h\r\n{close}\r\n")
}

/// The values of `x-marks` in the answers, in their order.
fn marks(answer: &str) -> Vec<&str> {
    answer
        .lines()
        .filter_map(|line| line.strip_prefix("x-marks: "))
        .collect()
}

#[test]
fn a_stream_becomes_http_by_a_rule_or_by_its_backend() -> Result<()> {
    let log = Syslog::new()?;
    let config = format!(
        "{DEFAULTS}    option dontlognull\n    log {} local0\n\
         frontend rule\n    mode tcp\n    option tcplog\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay 5s\n    \
         tcp-request content set-var(txn.path) path\n    \
         tcp-request content switch-mode http if HTTP\n    tcp-request content reject\n    \
         http-request set-var-fmt(txn.marks) \"%[var(txn.path)] %[fe_name]\"\n    default_backend app\n\
         frontend mode\n    mode tcp\n    bind 127.0.0.1:8081\n    default_backend app\n\
         frontend never\n    mode tcp\n    bind 127.0.0.1:8082 proto none\n    default_backend app\n\
         frontend h1\n    mode tcp\n    bind 127.0.0.1:8083\n    tcp-request inspect-delay 5s\n    \
         tcp-request content switch-mode http proto h1 if HTTP\n    default_backend app\n\
         backend app\n    mode http\n    \
         http-request return status 200 hdr x-marks \"%[path],%[var(txn.marks)]\"\n",
        log.target()?
    );
    let site = Site::start("upgrade", &[("site.cfg", &config)])?;
    let (first, second) = (get("/a", false), get("/b", true));
    // The first request came while it was TCP. What was found then is still known.
    let answers = answer(&site, 0, &[&first, &second])?;
    assert_eq!(marks(&answers), ["/a,/a rule", "/b,/b rule"], "{answers}");
    let answers = answer(&site, 1, &[&first, &second])?;
    assert_eq!(marks(&answers), ["/a,", "/b,"], "{answers}");
    // A request that comes in pieces is waited for; what is none is not.
    assert_eq!(
        marks(&answer(
            &site,
            0,
            &["GET /c HT", "TP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"]
        )?),
        ["/c,/c rule"]
    );
    assert_eq!(answer(&site, 0, &["hello?\r\n"])?, "");
    assert!(answer(&site, 1, &["GET / BAD\r\n\r\n"])?.starts_with("HTTP/1.1 400 "));
    assert_eq!(answer(&site, 2, &[&first])?, "");
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert!(answer(&site, 3, &[preface])?.starts_with("HTTP/1.1 405 "));
    // Of HTTP/2, our settings come first.
    let mut client = site.connect(0)?;
    client.write_all(format!("{preface}\0\0\0\x04\0\0\0\0\0").as_bytes())?;
    let mut frame = [0; 4];
    std::io::Read::read_exact(&mut client, &mut frame)?;
    assert_eq!(frame[3], 4);
    // Each request has its line, and the stream none.
    let mut line = log.line()?;
    while line.contains("Connect from") {
        // Somebody who only looked whether the site is there.
        line = log.line()?;
    }
    assert!(line.contains(" rule app/"), "{line}");
    Ok(())
}

#[test]
fn conditions_on_http_hold_in_tcp_mode() -> Result<()> {
    let app = |name: &'static str| {
        origin(move |stream| {
            let seen = head(&mut BufReader::new(stream.try_clone()?))?;
            let mut to = stream;
            let body = format!("{name} {}", seen.lines().next().unwrap_or_default());
            Ok(write!(
                to,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?)
        })
    };
    let (a, b) = (server(app("a")?), server(app("b")?));
    let config = format!(
        "{DEFAULTS}frontend tcp\n    mode tcp\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay 5s\n    \
         tcp-request content reject if {{ req.hdr(x-bad) -m found }}\n    \
         tcp-request content accept if HTTP\n    \
         tcp-request content reject unless HTTP\n    \
         use_backend b if {{ path_beg /b }}\n    default_backend a\n\
         backend a\n    mode tcp\n    server s {a}\nbackend b\n    mode tcp\n    server s {b}\n"
    );
    let site = Site::start("upgrade-conditions", &[("site.cfg", &config)])?;
    assert!(answer(&site, 0, &[&get("/x", true)])?.ends_with("a GET /x HTTP/1.1"));
    assert!(answer(&site, 0, &["GET /b", " HTTP/1.1\r\nhost: h\r\n\r\n"])?.ends_with("b GET /b HTTP/1.1"));
    assert_eq!(answer(&site, 0, &["GET /b HTTP/1.1\r\nx-bad: 1\r\n\r\n"])?, "");
    assert_eq!(answer(&site, 0, &["\x16\x03\x01\r\n"])?, "");
    Ok(())
}

#[test]
fn backends_that_are_not_published_are_passed_over_unless_forced() -> Result<()> {
    let backend = |name: &str, more: &str| {
        format!("backend {name}\n{more}    http-request return status 200 hdr x-marks {name}\n")
    };
    let config = format!(
        "frontend choice\n    bind 127.0.0.1:8081\n    force-be-switch if {{ req.hdr(x-force) 1 }}\n    \
         use_backend %[req.hdr(x-to)] if {{ req.hdr(x-to) -m found }}\n    use_backend hidden if {{ path /hidden }}\n    \
         use_backend first\n    default_backend last\n{}{}{}",
        backend("hidden", "    be-unpublished\n"),
        backend("first", ""),
        backend("last", ""),
    );
    let runtime = Runtime::start("published", "level operator", "", &config)?;
    let chosen = |path: &str, more: &str| -> Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n{more}connection: close\r\n\r\n");
        Ok(marks(&answer(&runtime.site, 1, &[&request])?).concat())
    };
    assert_eq!(chosen("/hidden", "")?, "first");
    assert_eq!(chosen("/", "x-to: hidden\r\n")?, "first");
    assert_eq!(chosen("/hidden", "x-force: 1\r\n")?, "hidden");
    // A name that is no backend's ends the search.
    assert_eq!(chosen("/", "x-to: nobody\r\n")?, "last");
    assert!(
        runtime
            .ask("publish backend nobody\n")?
            .contains("No such backend.")
    );
    assert!(
        runtime
            .ask("publish backend hidden\n")?
            .contains("Backend published.")
    );
    assert_eq!(chosen("/hidden", "")?, "hidden");
    assert!(
        runtime
            .ask("unpublish backend first; unpublish backend last\n")?
            .contains("Backend unpublished.")
    );
    assert_eq!(chosen("/", "")?, "");
    assert_eq!(chosen("/", "x-force: 1\r\n")?, "first");
    Ok(())
}

#[test]
fn conditions_on_a_request_wait_for_it() -> Result<()> {
    for condition in [
        "!METH_GET",
        "!{ hdr(host) h }",
        "!{ req.hdr(host) h }",
        "!{ path_beg /a }",
        "!{ url_param(q) 1 }",
    ] {
        let config = format!(
            "{DEFAULTS}frontend tcp\n    mode tcp\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay 15s\n    \
             tcp-request content reject if {condition}\n    default_backend app\n\
             backend app\n    mode http\n    http-request return status 200\n"
        );
        let site = Site::start("request-awaited", &[("site.cfg", &config)])?;
        let pieces = [
            "GE",
            "T /a?q=1 HTTP/1.1\r\nhost: h\r\n",
            "connection: close\r\n\r\n",
        ];
        let answer = answer(&site, 0, &pieces)?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{condition}: {answer}");
    }
    Ok(())
}
