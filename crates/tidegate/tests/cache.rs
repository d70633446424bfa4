//! The cache of responses, in the running program.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use flate2::read::GzDecoder;
use support::Result;
use support::origin::{head, origin, server};
use support::runtime::Runtime;
use support::site::{Site, rest};

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
";

/// A server that answers each request of each connection with what `answer` makes of its head and its number.
fn numbered(answer: impl Fn(&str, usize) -> String + Send + Sync + 'static) -> Result<SocketAddr> {
    let asked = AtomicUsize::new(0);
    origin(move |stream| {
        let mut reader = BufReader::new(&stream);
        loop {
            let head = head(&mut reader)?;
            let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
            (&stream).write_all(answer(&head, number).as_bytes())?;
        }
    })
}

fn response(fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// One request on a connection of its own, with these lines.
fn ask(site: &Site, line: &str, fields: &str) -> Result<String> {
    let mut stream = site.connect(0)?;
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: x\r\n{fields}connection: close\r\n\r\n"
    )?;
    rest(stream)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A frontend whose backend uses and fills the cache `c`.
fn cached(server_address: SocketAddr, section: &str) -> String {
    format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    log stdout format raw daemon
    log-format \"%HM %HU %ST %b/%s %ts\"
    default_backend b
backend b
    http-request cache-use c
    http-response cache-store c
    http-response set-header x-hit %[res.cache_hit],%[res.cache_name]
    server s {}
cache c
{section}",
        server(server_address)
    )
}

#[test]
fn what_is_cached_is_served_without_a_server() -> Result<()> {
    let tagged = |head: &str, number: usize| {
        let fields = "cache-control: max-age=60\r\netag: \"a\"\r\nage: 7\r\nconnection: x-own\r\nx-own: y\r\nset-x: z\r\n";
        match head {
            head if head.starts_with("POST /fails") => {
                String::from("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n")
            }
            head if head.starts_with("HEAD") => "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n".to_owned(),
            _ => response(fields, &format!("number {number}")),
        }
    };
    let config = cached(numbered(tagged)?, "    total-max-size 4\n");
    let site = Site::start("cache-hits", &[("site.cfg", &config)])?;
    let first = ask(&site, "GET /a", "")?;
    assert!(
        first.contains("x-hit: 0,\r\n") && body(&first) == "number 1",
        "{first}"
    );
    let hit = ask(&site, "GET /a", "")?;
    assert!(
        hit.contains("x-hit: 1,c\r\n") && body(&hit) == "number 1",
        "{hit}"
    );
    // It grows older here, by seconds; what concerned the server's connection is gone.
    assert!(
        hit.contains("\r\nage: 7\r\n") || hit.contains("\r\nage: 8\r\n"),
        "{hit}"
    );
    assert!(hit.contains("set-x: z") && !hit.contains("x-own"), "{hit}");
    assert!(hit.contains("content-length: 8\r\n"), "{hit}");
    site.logged("GET /a 200 b/s --")?;
    site.logged("GET /a 200 b/<CACHE> LR")?;
    let head = ask(&site, "HEAD /a", "")?;
    assert!(
        head.contains("x-hit: 1,c") && head.contains("content-length: 8") && body(&head).is_empty(),
        "{head}"
    );
    let current = ask(&site, "GET /a", "if-none-match: \"b\", W/\"a\"\r\n")?;
    assert!(
        current.starts_with("HTTP/1.1 304 ") && current.contains("etag: \"a\""),
        "{current}"
    );
    assert!(
        body(&current).is_empty() && !current.contains("content-length"),
        "{current}"
    );
    site.logged("GET /a 304 b/<CACHE> LR")?;
    let other = ask(&site, "GET /a", "if-none-match: \"b\"\r\n")?;
    assert_eq!(body(&other), "number 1");
    // The key has the query in it, and the host.
    assert_eq!(body(&ask(&site, "GET /a?b", "")?), "number 2");
    // What asks for more than a cache may give goes through; what comes then is kept where that is allowed.
    assert_eq!(
        body(&ask(&site, "GET /a", "authorization: Basic eA==\r\n")?),
        "number 3"
    );
    assert_eq!(body(&ask(&site, "GET /a", "")?), "number 1");
    assert_eq!(
        body(&ask(&site, "GET /a", "cache-control: no-cache\r\n")?),
        "number 4"
    );
    assert_eq!(body(&ask(&site, "GET /a", "")?), "number 4");
    assert!(ask(&site, "HEAD /b", "")?.contains("x-hit: 0,"));
    assert_eq!(body(&ask(&site, "GET /b", "")?), "number 6");
    // A change that succeeded makes an end of it.
    ask(&site, "POST /fails", "content-length: 0\r\n")?;
    assert_eq!(body(&ask(&site, "POST /a", "content-length: 0\r\n")?), "number 8");
    assert_eq!(body(&ask(&site, "GET /a", "")?), "number 9");
    assert_eq!(body(&ask(&site, "GET /a?b", "")?), "number 2");
    Ok(())
}

#[test]
fn only_whole_responses_are_kept() -> Result<()> {
    let asked = AtomicUsize::new(0);
    let cut = origin(move |stream| {
        let head = head(&mut BufReader::new(&stream))?;
        let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
        let control = "cache-control: max-age=60";
        let chunked = format!("HTTP/1.1 200 OK\r\n{control}\r\ntransfer-encoding: chunked\r\n\r\n");
        let text = match head.split(' ').nth(1) {
            Some("/cut") => format!("HTTP/1.1 200 OK\r\n{control}\r\ncontent-length: 10\r\n\r\nn{number}"),
            Some("/cut-chunks") => format!("{chunked}2\r\nn{number}\r\n"),
            Some("/chunks") => format!("{chunked}2\r\nn{number}\r\n3\r\nabc\r\n0\r\n\r\n"),
            Some("/longer") => {
                format!("HTTP/1.1 200 OK\r\n{control}\r\ncontent-length: 2\r\n\r\nn{number}and more")
            }
            Some("/large") => format!("{chunked}1000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x1000)),
            Some("/empty") => format!("HTTP/1.1 200 OK\r\n{control}\r\ncontent-length: 0\r\n\r\n"),
            // Its end is the connection's.
            _ => format!("HTTP/1.1 200 OK\r\n{control}\r\nconnection: close\r\n\r\nn{number}"),
        };
        (&stream).write_all(text.as_bytes())?;
        Ok(())
    })?;
    let config = cached(cut, "    total-max-size 1\n");
    let site = Site::start("cache-whole", &[("site.cfg", &config)])?;
    for (path, is_kept) in [
        ("/cut", false),
        ("/cut-chunks", false),
        ("/chunks", true),
        ("/longer", true),
        ("/large", false),
        ("/empty", true),
        ("/until-close", true),
    ] {
        let line = format!("GET {path}");
        let first = ask(&site, &line, "")?;
        let second = ask(&site, &line, "")?;
        assert!(first.contains("x-hit: 0,"), "{path}: {first}");
        assert_eq!(second.contains("x-hit: 1,c"), is_kept, "{path}: {second}");
        if path == "/chunks" {
            assert!(
                second.contains("content-length: 5\r\n") && body(&second) == "n5abc",
                "{second}"
            );
        }
        if path == "/longer" {
            assert_eq!(body(&second).len(), 2, "{second}");
        }
    }
    Ok(())
}

#[test]
fn variants_are_for_those_whom_they_suit() -> Result<()> {
    let varied = |head: &str, number: usize| {
        let vary = match head {
            head if head.contains("/coding") => "accept-encoding\r\ncontent-encoding: gzip",
            head if head.contains("/referer") => "referer",
            head if head.contains("/huge") => {
                return response(
                    &format!(
                        "cache-control: max-age=60\r\nvary: origin{}\r\n",
                        ", referer".repeat(500)
                    ),
                    &number.to_string(),
                );
            }
            _ => "user-agent",
        };
        let fields = format!("cache-control: max-age=60\r\nvary: {vary}\r\n");
        response(&fields, &number.to_string())
    };
    let section = "    total-max-size 4\n    process-vary on\n    max-secondary-entries 3\n";
    let mut config = cached(numbered(varied)?, section);
    config.push_str(&format!(
        "listen without
    bind 127.0.0.1:8081
    http-request cache-use d
    http-response cache-store d
    http-response set-header x-hit %[res.cache_hit]
    server s {}
cache d
    total-max-size 1
",
        server(numbered(varied)?)
    ));
    let site = Site::start("cache-vary", &[("site.cfg", &config)])?;
    let hits =
        |line: &str, fields: &str| -> Result<bool> { Ok(ask(&site, line, fields)?.contains("x-hit: 1,c")) };
    assert!(!hits("GET /coding", "accept-encoding: gzip\r\n")?);
    assert!(hits("GET /coding", "accept-encoding: br, gzip;q=0.5\r\n")?);
    assert!(hits("GET /coding", "")? && !hits("GET /coding", "accept-encoding: gzip;q=0, br\r\n")?);
    assert!(!hits("GET /none", "user-agent: x\r\n")? && !hits("GET /none", "user-agent: x\r\n")?);
    for (at, referer) in ["a", "b", "c", "d"].iter().enumerate() {
        let fields = format!("referer: {referer}\r\n");
        assert!(!hits("GET /referer", &fields)?);
        // The fourth is one too many.
        assert_eq!(hits("GET /referer", &fields)?, at < 3, "{referer}");
    }
    let long = format!("referer: {}\r\n", "r".repeat(8000));
    assert!(!hits("GET /huge", &long)? && hits("GET /huge", &long)?);
    assert!(!hits("GET /huge", &long.replace("rr\r", "rs\r"))?);
    for _ in 0..2 {
        let mut stream = site.connect(1)?;
        stream.write_all(b"GET /coding HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        assert!(rest(stream)?.contains("x-hit: 0"));
    }
    Ok(())
}

#[test]
fn misses_at_the_same_time_each_get_their_own() -> Result<()> {
    let both = Arc::new(Barrier::new(2));
    let asked = AtomicUsize::new(0);
    let slow = origin(move |stream| {
        let _ = head(&mut BufReader::new(&stream))?;
        let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
        write!(
            &stream,
            "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 6\r\nconnection: close\r\n\r\nnum"
        )?;
        if number < 3 {
            both.wait();
        }
        write!(&stream, "{number:03}")?;
        Ok(())
    })?;
    let site = Site::start(
        "cache-both",
        &[("site.cfg", &cached(slow, "    total-max-size 1\n"))],
    )?;
    let begin = || site.begin("/");
    let (first, second) = (begin()?, begin()?);
    let mut got = vec![body(&rest(first)?).to_owned(), body(&rest(second)?).to_owned()];
    got.sort();
    assert_eq!(got, ["num001", "num002"]);
    let third = site.get("/")?;
    assert!(
        third.contains("x-hit: 1,c") && got.contains(&body(&third).to_owned()),
        "{third}"
    );
    Ok(())
}

#[test]
fn what_is_being_sent_is_sent_to_its_end() -> Result<()> {
    const BYTES: usize = 20 << 20;
    let large = origin(|stream| {
        let mut reader = BufReader::new(&stream);
        loop {
            let head = head(&mut reader)?;
            let letter = head.as_bytes().get(5).copied().unwrap_or(b'?');
            write!(
                &stream,
                "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: {BYTES}\r\n\r\n"
            )?;
            (&stream).write_all(&vec![letter; BYTES])?;
        }
    })?;
    let rest_of_config = format!(
        "listen large
    bind 127.0.0.1:8081
    http-request cache-use c
    http-response cache-store c
    http-response set-header x-hit %[res.cache_hit]
    server s {}
cache c
    total-max-size 64
    max-object-size 30000000
",
        server(large)
    );
    let runtime = Runtime::start("cache-sent", "level admin", "", &rest_of_config)?;
    let begin = |path: &str| -> Result<TcpStream> {
        let mut stream = runtime.site.connect(1)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )?;
        Ok(stream)
    };
    let whole = |stream: TcpStream, letter: u8| -> Result<bool> {
        let mut reader = BufReader::new(stream);
        let head = head(&mut reader)?;
        let (mut seen, mut all_right) = (0, true);
        loop {
            let piece = reader.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            all_right &= piece.iter().all(|byte| *byte == letter);
            let length = piece.len();
            seen += length;
            reader.consume(length);
        }
        assert!(all_right && seen == BYTES, "{seen} bytes");
        Ok(head.contains("x-hit: 1"))
    };
    assert!(!whole(begin("/a")?, b'a')?);
    let mut slow = begin("/a")?;
    let mut first = [0; 1];
    slow.read_exact(&mut first)?;
    runtime.until("show cache\n", "refcount:1")?;
    // More than there is room for: the oldest go, and not what is in use.
    for path in ["/b", "/c", "/d", "/e"] {
        assert!(!whole(begin(path)?, path.as_bytes()[1])?);
    }
    let shown = runtime.ask("show cache\n")?;
    let blocks = shown.matches("(20481 blocks)").count();
    assert!(blocks <= 3 && shown.contains("refcount:1"), "{shown}");
    assert!(whole(begin("/a")?, b'a')?);
    let mut reader = BufReader::new(slow);
    let _ = head(&mut reader)?;
    let mut all = Vec::new();
    reader.read_to_end(&mut all)?;
    assert!(
        all.len() == BYTES && all.iter().all(|byte| *byte == b'a'),
        "{}",
        all.len()
    );
    runtime.until("show cache\n", "available blocks:65536")?;
    let stat = runtime.ask("show stat\n")?;
    let of = |name: &str| -> Result<String> {
        let names = stat.lines().next().ok_or("no header")?;
        let at = names
            .split(',')
            .position(|known| known == name)
            .ok_or("no such column")?;
        let row = stat
            .lines()
            .find(|line| line.starts_with("large,FRONTEND"))
            .ok_or("no row")?;
        Ok(row.split(',').nth(at).unwrap_or_default().to_owned())
    };
    assert_eq!(
        (of("cache_lookups")?, of("cache_hits")?),
        ("7".into(), "2".into())
    );
    Ok(())
}

#[test]
fn compression_and_cache_are_in_the_order_of_their_filters() -> Result<()> {
    let text = "tide ".repeat(400);
    let plain = text.clone();
    let answer = move |_: &str, _: usize| {
        response(
            "content-type: text/plain\r\ncache-control: max-age=60\r\n",
            &plain,
        )
    };
    let address = server(numbered(answer)?);
    let listener = |port: u16, filters: &str, cache: &str| {
        format!(
            "listen l{port}
    bind 127.0.0.1:{port}
{filters}    compression algo gzip
    http-request cache-use {cache}
    http-response cache-store {cache}
    http-response set-header x-hit %[res.cache_hit]
    server s {address}
cache {cache}
    total-max-size 1
    process-vary on
"
        )
    };
    let first = listener(8080, "", "plain");
    let last = listener(8081, "    filter comp-res\n    filter cache packed\n", "packed");
    let site = Site::start(
        "cache-order",
        &[("site.cfg", &format!("{DEFAULTS}{first}{last}"))],
    )?;
    let get = |bind: usize, accepted: &str| -> Result<(String, Vec<u8>)> {
        let mut stream = site.connect(bind)?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nhost: x\r\n{accepted}connection: close\r\n\r\n"
        )?;
        let mut reader = BufReader::new(stream);
        let head = head(&mut reader)?;
        let mut body = Vec::new();
        if head.contains("transfer-encoding: chunked") {
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let size = usize::from_str_radix(line.trim(), 16)?;
                let mut chunk = vec![0; size + 2];
                reader.read_exact(&mut chunk)?;
                body.extend_from_slice(chunk.get(..size).unwrap_or_default());
                if size == 0 {
                    break;
                }
            }
        } else {
            reader.read_to_end(&mut body)?;
        }
        Ok((head, body))
    };
    let unpacked = |body: &[u8]| -> Result<String> {
        let mut text = String::new();
        GzDecoder::new(body).read_to_string(&mut text)?;
        Ok(text)
    };
    let gzip = "accept-encoding: gzip\r\n";
    for bind in [0, 1] {
        let (head, body) = get(bind, gzip)?;
        assert!(
            head.contains("x-hit: 0") && head.contains("content-encoding: gzip"),
            "{head}"
        );
        assert_eq!(unpacked(&body)?, text);
        let (head, body) = get(bind, gzip)?;
        assert!(
            head.contains("x-hit: 1") && head.contains("content-encoding: gzip"),
            "{head}"
        );
        assert_eq!(unpacked(&body)?, text);
        // What was stored as it came suits everybody; what was compressed first does not.
        let (head, body) = get(bind, "accept-encoding: br\r\n")?;
        assert_eq!(head.contains("x-hit: 1"), bind == 0, "{head}");
        assert_eq!(String::from_utf8(body)?, text);
    }
    Ok(())
}

#[test]
fn a_cookie_that_a_cache_might_keep_goes_no_further() -> Result<()> {
    let origin = numbered(|head, _| match head.contains("/private") {
        true => response("set-cookie: a=b\r\ncache-control: private\r\n", "mine"),
        false => response("set-cookie: a=b\r\n", "shared"),
    })?;
    let config = format!(
        "{DEFAULTS}    option checkcache\nfrontend f\n    log stdout format raw local0\n    option httplog\n    \
         bind 127.0.0.1:8080\n    use_backend trusting if {{ path /trusted }}\n    default_backend strict\n\
         backend strict\n    server s {0}\nbackend trusting\n    no option checkcache\n    server s {0}\n",
        server(origin)
    );
    let site = Site::start("checkcache", &[("site.cfg", &config)])?;
    let refused = ask(&site, "GET /", "")?;
    assert!(
        refused.starts_with("HTTP/1.1 502 ") && !refused.contains("a=b"),
        "{refused}"
    );
    site.logged("a response of strict/s that caches may keep sets a cookie")?;
    site.logged(" PH-- ")?;
    assert_eq!(body(&ask(&site, "GET /private", "")?), "mine");
    assert_eq!(body(&ask(&site, "POST /", "")?), "shared");
    assert_eq!(body(&ask(&site, "GET /trusted", "")?), "shared");
    Ok(())
}
