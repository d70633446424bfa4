//! TLS with clients, over real sockets.

mod support;

use std::io::{Read, Write};
use std::process::Command;

use rustls::version::{TLS12, TLS13};
use support::Result;
use support::origin::{head, origin, server};
use support::place::Place;
use support::program::binary;
use support::site::Site;
use support::tls::{Authority, connect, get, shown};

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

const SAY: &str = "    http-request return status 200 content-type text/plain string served\n";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn clients_are_served_in_both_versions() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let config = format!("{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt site/a.pem\n{SAY}");
    let site = Site::start("tls-versions", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    for version in [&TLS12, &TLS13] {
        let mut config = ca.client_of(&[version], None)?;
        config.alpn_protocols = vec![b"nonsense".to_vec(), b"http/1.1".to_vec()];
        let client = connect(&config, site.connect(0)?, "a.test")?;
        assert_eq!(client.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        // The end is announced: rustls takes anything else for an error.
        assert_eq!(body(&get(client, "/", "a.test")?), "served");
    }
    Ok(())
}

#[test]
fn the_certificate_is_the_one_that_the_client_asks_for() -> Result<()> {
    let ca = Authority::new("root")?;
    let (first, wild, exact) = (
        ca.issue(&["first.test"])?,
        ca.issue(&["*.d.test"])?,
        ca.issue(&["x.d.test"])?,
    );
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt site/first.pem crt site/wild.pem crt site/exact.pem\n    \
         bind 127.0.0.1:8444 ssl crt site/wild.pem strict-sni\n{SAY}"
    );
    let files = [
        ("site.cfg", config.as_str()),
        ("first.pem", &first.pem()),
        // The key may be in a file of its own.
        ("wild.pem", &wild.certificate()),
        ("wild.pem.key", &wild.key()),
        ("exact.pem", &exact.pem()),
    ];
    let site = Site::start("tls-sni", &files)?;
    let client = ca.client()?;
    for (name, own) in [("first.test", &first), ("y.d.test", &wild), ("x.d.test", &exact)] {
        let connected = connect(&client, site.connect(0)?, name)?;
        assert_eq!(shown(&connected), own.chain[0].to_vec(), "{name}");
    }
    // Whoever asks for another name gets the first, and is the one to mind.
    let refused = connect(&client, site.connect(0)?, "other.test")
        .map(drop)
        .unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
    connect(&client, site.connect(1)?, "y.d.test")?;
    let refused = connect(&client, site.connect(1)?, "other.test")
        .map(drop)
        .unwrap_err();
    assert!(refused.to_string().contains("fatal alert"), "{refused}");
    Ok(())
}

#[test]
fn bodies_of_any_size_pass_both_ways() -> Result<()> {
    const BYTES: usize = 3 << 20;
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let origin = origin(|mut stream| {
        let mut reader = std::io::BufReader::new(stream.try_clone()?);
        head(&mut reader)?;
        let mut body = vec![0; BYTES];
        reader.read_exact(&mut body)?;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n")?;
        body.reverse();
        Ok(stream.write_all(&body)?)
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt site/a.pem\n    server s {}\n",
        server(origin)
    );
    let site = Site::start("tls-bodies", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let mut client = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    let sent: Vec<u8> = (0..BYTES).map(|at| (at * 7 / 3) as u8).collect();
    write!(
        client,
        "POST / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\ncontent-length: {BYTES}\r\n\r\n"
    )?;
    client.write_all(&sent)?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    let got = &answer[answer.len() - BYTES..];
    assert!(got.iter().rev().eq(sent.iter()));
    Ok(())
}

#[test]
fn a_stream_of_tcp_passes_each_sides_end_on() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let origin = origin(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        // More than what the way back holds, so that some of it has to wait.
        let many = vec![b'x'; 16 << 20];
        stream.write_all(&many)?;
        Ok(stream.write_all(&all)?)
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    mode tcp\n    bind 127.0.0.1:8443 ssl crt site/a.pem\n    server s {}\n",
        server(origin)
    );
    let site = Site::start("tls-tcp", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let mut client = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    client.write_all(b"that was all")?;
    client.conn.send_close_notify();
    client.conn.complete_io(&mut client.sock)?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    assert_eq!(answer.len(), (16 << 20) + 12);
    assert!(answer.ends_with(b"that was all"));
    Ok(())
}

#[test]
fn what_is_no_handshake_is_logged_and_disturbs_nobody() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let config = format!(
        "global\n    log stdout format raw local0\n{DEFAULTS}    log global\n    timeout client-hs 200ms\n\
         listen site\n    bind 127.0.0.1:8443 name secure ssl crt site/a.pem\n{SAY}"
    );
    let site = Site::start("tls-garbage", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let silent = site.connect(0)?;
    let mut garbage = site.connect(0)?;
    garbage.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")?;
    let mut rest = Vec::new();
    garbage.read_to_end(&mut rest)?;
    assert_eq!(rest.first(), Some(&21), "an alert: {rest:?}");
    site.logged_line(&["127.0.0.1:", "] site/secure: SSL handshake failure"])?;
    site.logged_line(&["] site/secure: Timeout during SSL handshake"])?;
    drop(silent);
    drop(site.connect(0)?);
    site.logged_line(&["] site/secure: Connection closed during SSL handshake"])?;
    let mut broken = site.connect(0)?;
    broken.write_all(&[22, 3, 1, 2, 0, 1])?;
    drop(broken);
    site.logged_line(&["] site/secure: Connection error during SSL handshake"])?;
    // A client that trusts nobody whom we know breaks off too.
    let other = Authority::new("other")?.client()?;
    assert!(connect(&other, site.connect(0)?, "a.test").is_err());
    let client = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    assert_eq!(body(&get(client, "/", "a.test")?), "served");
    Ok(())
}

#[test]
fn each_fault_of_a_certificate_is_told_with_its_file() -> Result<()> {
    let ca = Authority::new("root")?;
    let (own, other) = (ca.issue(&["a.test"])?, ca.issue(&["b.test"])?);
    let old = ca.issue_with(&["old.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    })?;
    let place = Place::new("tls-faults")?;
    let mismatch = place.file("mismatch.pem", &(own.certificate() + &other.key()))?;
    let keyless = place.file("keyless.pem", &own.certificate())?;
    let empty = place.file("empty.pem", "nothing\n")?;
    let expired = place.file("expired.pem", &old.pem())?;
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = place.file("encrypted.pem", &(own.certificate() + encrypted))?;
    let missing = place.0.join("missing.pem").display().to_string();
    let crts =
        [&mismatch, &keyless, &empty, &expired, &encrypted, &missing].map(|path| format!("crt {path}"));
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:1 ssl {}\n{SAY}",
        crts.join(" ")
    );
    let config = place.file("site.cfg", &config)?;
    let output = Command::new(binary()).args(["-c", "-f", &config]).output()?;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    for wanted in [
        format!("`{mismatch}` can't be used: its private key is not that of its certificate"),
        format!("`{keyless}` can't be used: there is no private key"),
        format!("`{empty}` can't be used: there is no certificate"),
        format!("the certificate of `{expired}` has expired"),
        format!("`{encrypted}` can't be used: its private key is encrypted"),
        format!("`{missing}` can't be read"),
    ] {
        assert!(said.contains(&wanted), "no `{wanted}` in\n{said}");
    }
    Ok(())
}
