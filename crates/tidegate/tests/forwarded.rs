//! What of a request reaches its server, and what the log says was asked for: each as HAProxy has it.

mod support;

use std::io::{BufReader, Read, Write};

use support::Result;
use support::origin::{head, origin, server};
use support::site::{Site, rest};
use support::syslog::Syslog;

/// A server that answers with the head that reached it, and what followed it at once.
fn echo() -> Result<String> {
    let origin = origin(|mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        while let Ok(mut told) = head(&mut from) {
            if told.contains("transfer-encoding: chunked") {
                while !told.ends_with("0\r\n\r\n") && !told.ends_with("t: 1\r\n\r\n") {
                    let mut byte = [0];
                    from.read_exact(&mut byte)?;
                    told.push(byte[0].into());
                }
            }
            if told.contains("upgrade: web") {
                stream.write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: web\r\n\r\n",
                )?;
                stream.write_all(told.as_bytes())?;
                return Ok(());
            }
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{told}",
                told.len()
            )?;
        }
        Ok(())
    })?;
    Ok(format!("server s {}", server(origin)))
}

const DEFAULTS: &str =
    "defaults\n    mode http\n    timeout connect 10s\n    timeout client 20s\n    timeout server 20s\n";

/// A site in front of such a server.
fn site(name: &str, log: &str, lines: &str) -> Result<Site> {
    let server = echo()?;
    let config =
        format!("{DEFAULTS}listen l\n    bind 127.0.0.1:8080\n    {log}\n    {lines}\n    {server}\n");
    Site::start(name, &[("site.cfg", &config)])
}

/// What reached the server.
fn told(site: &Site, request: &str) -> Result<String> {
    let answer = site.ask(request)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(|| answer.clone())?;
    Ok(body.to_owned())
}

#[test]
fn requests_of_http_1_0_stay_what_they_are() -> Result<()> {
    let kept = site("forwarded-old", "", "")?;
    assert_eq!(
        told(&kept, "GET /x HTTP/1.0\r\n\r\n")?,
        "GET /x HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
    );
    let closed = site("forwarded-old-close", "", "option http-server-close")?;
    assert_eq!(
        told(&closed, "GET /x HTTP/1.0\r\n\r\n")?,
        "GET /x HTTP/1.0\r\n\r\n"
    );
    Ok(())
}

#[test]
fn whom_either_proxy_excepts_nobody_is_told_of() -> Result<()> {
    let server = echo()?;
    let ways = [
        ("option forwardfor", "option forwardfor header x-its"),
        (
            "option forwardfor except 127.0.0.0/8",
            "option forwardfor header x-its",
        ),
        (
            "option forwardfor",
            "option forwardfor except 127.0.0.1 header x-its",
        ),
        (
            "option originalto except 127.0.0.0/8",
            "option originalto header x-its",
        ),
        ("option originalto", "option originalto header x-its"),
    ];
    let sections = ways.iter().enumerate().map(|(at, (front, back))| {
        format!(
            "frontend f{at}\n    bind 127.0.0.1:{}\n    {front}\n    default_backend b{at}\nbackend b{at}\n    {back}\n    {server}\n",
            8080 + at
        )
    });
    let config = format!("{DEFAULTS}{}", sections.collect::<String>());
    let site = Site::start("forwarded-except", &[("site.cfg", &config)])?;
    for (at, wanted) in ["x-its: 127.0.0.1\r\n", "", "", "", "x-its: 127.0.0.1\r\n"]
        .into_iter()
        .enumerate()
    {
        let mut stream = site.connect(at)?;
        stream.write_all(b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        let answer = rest(stream)?;
        assert!(
            answer.ends_with(&format!("\r\n\r\nGET /x HTTP/1.1\r\nhost: a\r\n{wanted}\r\n")),
            "{at}: {answer}"
        );
    }
    Ok(())
}

#[test]
fn what_concerns_connections_is_told_for_each() -> Result<()> {
    let closed = site("forwarded-close", "", "option httpclose")?;
    assert_eq!(
        told(
            &closed,
            "GET /x HTTP/1.1\r\nhost: a\r\nconnection: x-hop\r\nx-hop: 1\r\nte: gzip, trailers\r\n\r\n"
        )?,
        "GET /x HTTP/1.1\r\nhost: a\r\nconnection: x-hop\r\nx-hop: 1\r\nte: trailers\r\nconnection: close\r\n\r\n"
    );
    // Whoever closes after each response doesn't forbid what is none.
    let answer = closed.ask("GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: web\r\n\r\n")?;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nconnection: Upgrade\r\n") && !answer.contains("close"),
        "{answer}"
    );
    Ok(())
}

#[test]
fn nothing_is_said_of_a_body_where_none_belongs() -> Result<()> {
    let site = site("forwarded-bodyless", "", "")?;
    for (method, said) in [("OPTIONS", ""), ("DELETE", ""), ("POST", "content-length: 0\r\n")] {
        let request = format!("{method} /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert_eq!(
            told(&site, &request)?,
            format!("{method} /x HTTP/1.1\r\nhost: a\r\n{said}\r\n")
        );
    }
    Ok(())
}

#[test]
fn trailers_come_behind_a_body_that_was_waited_for() -> Result<()> {
    let site = site("forwarded-trailers", "", "option http-buffer-request")?;
    let request = "POST /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n0\r\nt: 1\r\n\r\n";
    let told = told(&site, request)?;
    assert!(
        told.ends_with("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: 1\r\n\r\n"),
        "{told}"
    );
    Ok(())
}

#[test]
fn the_log_tells_of_what_was_asked_for() -> Result<()> {
    let log = Syslog::new()?;
    let format = format!(
        "log {} format raw local0\n    option dontlognull\n    log-format \"%r|%HM|%HU|%HP|%HQ|%[capture.req.method]|%[capture.req.uri]\"",
        log.target()?
    );
    let lines = "http-request set-method PUT\n    http-request set-path /new%[path]\n    http-request set-query b=2\n    \
                 http-request set-uri http://user@other:81/whole if { path /new/uri }";
    let site = site("forwarded-log", &format, lines)?;
    let answer = told(
        &site,
        "GET /a?b=1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )?;
    assert!(
        answer.starts_with("PUT /new/a?b=2 HTTP/1.1\r\nhost: a\r\n"),
        "{answer}"
    );
    assert_eq!(log.line()?, "GET /a?b=1 HTTP/1.1|GET|/a?b=1|/a|?b=1|GET|/a?b=1");
    let answer = told(&site, "GET /uri HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
    assert!(answer.contains("\r\nhost: other:81\r\n"), "{answer}");
    assert!(log.line()?.starts_with("GET /uri HTTP/1.1|GET|/uri|/uri|"));
    Ok(())
}

#[test]
fn only_the_uri_of_monitors_is_answered_for_the_server() -> Result<()> {
    let log = Syslog::new()?;
    let line = format!(
        "log {} format raw local0\n    option dontlognull\n    log-format \"%ts %ST %HU\"",
        log.target()?
    );
    let lines = "monitor-uri /alive\n    http-request auth realm me if { path /secret }";
    let site = site("forwarded-monitor", &line, lines)?;
    let asked = |path: &str| {
        site.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        ))
    };
    assert!(!asked("/alive")?.contains("host: a"));
    assert!(asked("/alive?x")?.contains("host: a"));
    assert_eq!(log.line()?, "-- 200 /alive?x", "the other one is not logged");
    assert!(asked("/secret")?.starts_with("HTTP/1.1 401 "));
    assert_eq!(log.line()?, "LR 401 /secret");
    Ok(())
}
