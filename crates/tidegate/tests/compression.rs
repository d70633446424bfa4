//! Compression, in the running program.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

/// A server whose answer to `/text` is long and of type text, and to others of type `image/png`. It answers with the
/// `accept-encoding` that it saw.
fn pages() -> Result<SocketAddr> {
    origin(|stream| {
        let head = head(&mut BufReader::new(&stream))?;
        let kind = if head.contains("/text") {
            "text/plain"
        } else {
            "image/png"
        };
        let asked = head.to_ascii_lowercase().contains("accept-encoding");
        let body = "tide ".repeat(2000);
        write!(
            &stream,
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\netag: \"a\"\r\nx-asked: {asked}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )?;
        Ok(())
    })
}

/// The head and the body of an answer, out of its chunks.
fn answer(site: &Site, bind: usize, path: &str, accepted: &str) -> Result<(String, Vec<u8>)> {
    let mut stream = site.connect(bind)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\naccept-encoding: {accepted}\r\nconnection: close\r\n\r\n"
    )?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").ok_or("no head")?;
    let head = String::from_utf8_lossy(all.get(..end + 4).unwrap_or_default()).to_ascii_lowercase();
    let mut rest = all.get(end + 4..).unwrap_or_default();
    if !head.contains("transfer-encoding: chunked") {
        return Ok((head, rest.to_vec()));
    }
    let mut body = Vec::new();
    loop {
        let line = rest
            .windows(2)
            .position(|w| w == b"\r\n")
            .ok_or("no size of a chunk")?;
        let size = usize::from_str_radix(std::str::from_utf8(rest.get(..line).unwrap_or_default())?, 16)?;
        let chunk = rest.get(line + 2..line + 2 + size).ok_or("a chunk is cut off")?;
        body.extend_from_slice(chunk);
        rest = rest.get(line + 4 + size..).ok_or("a chunk is cut off")?;
        if size == 0 {
            return Ok((head, body));
        }
    }
}

fn inflated(mut reader: impl Read) -> Result<String> {
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn responses_are_compressed_as_the_client_likes() -> Result<()> {
    let config = format!(
        "global
    tune.comp.maxlevel 6
{DEFAULTS}\
    compression algo gzip deflate
    compression type text/
frontend f
    bind 127.0.0.1:8080
    log stdout format raw daemon
    log-format \"%HP %[res.comp] %[res.comp_algo]\"
    default_backend b
frontend g
    bind 127.0.0.1:8081
    default_backend raw
backend b
    compression offload
    server s {0}
backend raw
    compression algo raw-deflate
    compression minsize-res 100k
    server s {0}
backend small
    server s {0}
",
        server(pages()?)
    );
    let site = Site::start("compression-responses", &[("site.cfg", &config)])?;
    let plain = "tide ".repeat(2000);
    let (head, body) = answer(&site, 0, "/text", "gzip")?;
    assert!(
        head.contains("\r\ncontent-encoding: gzip\r\n") && head.contains("\r\nvary: accept-encoding\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\netag: w/\"a\"\r\n") && head.contains("x-asked: false"),
        "{head}"
    );
    assert!(body.len() < 1000, "{}", body.len());
    assert_eq!(inflated(GzDecoder::new(&body[..]))?, plain);
    site.logged("/text 1 gzip")?;
    let (head, body) = answer(&site, 0, "/text", "deflate, gzip;q=0.5")?;
    assert!(head.contains("\r\ncontent-encoding: deflate\r\n"), "{head}");
    assert_eq!(inflated(ZlibDecoder::new(&body[..]))?, plain);
    for (path, accepted) in [("/text", "br"), ("/image", "gzip")] {
        let (head, body) = answer(&site, 0, path, accepted)?;
        assert!(
            !head.contains("content-encoding") && head.contains("\r\netag: \"a\"\r\n"),
            "{head}"
        );
        assert_eq!(String::from_utf8(body)?, plain, "{path} {accepted}");
    }
    // Shorter than what this backend compresses, which counts more than its frontend's lines.
    let (head, _) = answer(&site, 1, "/text", "deflate")?;
    assert!(
        !head.contains("content-encoding") && head.contains("x-asked: true"),
        "{head}"
    );
    Ok(())
}

#[test]
fn what_was_sent_can_be_read_while_the_server_waits() -> Result<()> {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let slow = origin(move |stream| {
        head(&mut BufReader::new(&stream))?;
        (&stream).write_all(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nfirst\r\n",
        )?;
        gone.lock().map_err(|_| "poisoned")?.recv()?;
        (&stream).write_all(b"6\r\nsecond\r\n0\r\n\r\n")?;
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}\
listen f
    bind 127.0.0.1:8080
    filter compression
    compression algo raw-deflate
    server s {}
",
        server(slow)
    );
    let site = Site::start("compression-flush", &[("site.cfg", &config)])?;
    let mut stream = site.connect(0)?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: deflate\r\nconnection: close\r\n\r\n"
    )?;
    let mut came = Vec::new();
    let mut piece = [0; 1024];
    // The first part can be read while the server waits for us to have read it.
    loop {
        let n = stream.read(&mut piece)?;
        came.extend_from_slice(piece.get(..n).unwrap_or_default());
        let Some(end) = came.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let chunk = &came[end + 4..];
        let Some(line) = chunk.windows(2).position(|w| w == b"\r\n") else {
            continue;
        };
        let mut text = [0; 5];
        let mut decoder = DeflateDecoder::new(&chunk[line + 2..]);
        if decoder.read_exact(&mut text).is_ok() {
            assert_eq!(&text, b"first");
            break;
        }
    }
    go.send(())?;
    stream.read_to_end(&mut came)?;
    assert!(came.ends_with(b"0\r\n\r\n"));
    Ok(())
}

#[test]
fn requests_are_compressed_for_servers() -> Result<()> {
    let sink = origin(|stream| {
        let mut reader = BufReader::new(&stream);
        let head = head(&mut reader)?.to_ascii_lowercase();
        let mut body = Vec::new();
        if head.contains("transfer-encoding: chunked") {
            loop {
                let mut line = String::new();
                std::io::BufRead::read_line(&mut reader, &mut line)?;
                let size = usize::from_str_radix(line.trim(), 16)?;
                let mut chunk = vec![0; size + 2];
                reader.read_exact(&mut chunk)?;
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        }
        let text = inflated(GzDecoder::new(&body[..]))?;
        let coded = head.contains("content-encoding: gzip") && !head.contains("content-length");
        write!(
            &stream,
            "HTTP/1.1 200 OK\r\nx-coded: {coded}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        )?;
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}\
listen f
    bind 127.0.0.1:8080
    compression direction request
    compression algo-req gzip
    compression algo-res gzip
    server s {}
",
        server(sink)
    );
    let site = Site::start("compression-requests", &[("site.cfg", &config)])?;
    let answer = site.ask(
        "POST / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\ncontent-length: 11\r\nconnection: close\r\n\r\nhello there",
    )?;
    assert!(
        answer.contains("x-coded: true") && answer.ends_with("\r\n\r\nhello there"),
        "{answer}"
    );
    Ok(())
}
