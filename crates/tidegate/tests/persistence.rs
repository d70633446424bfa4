//! Which server a client belongs to: cookies in their modes, `use-server`, `force-persist` and `ignore-persist`.

mod support;

use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::time::SystemTime;

use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;

const DEFAULTS: &str = "\
global
    nbthread 2
defaults
    mode http
    timeout client 15s
    timeout server 16s
    timeout connect 7s
    balance roundrobin
    log stdout format raw local0
";

/// An origin that tells which cookies it got, and sets one of its own if it is asked to.
fn telling() -> Result<SocketAddr> {
    origin(|mut stream| {
        let request = head(&mut BufReader::new(stream.try_clone()?))?;
        let got = request
            .lines()
            .find_map(|line| line.strip_prefix("cookie: "))
            .unwrap_or("-");
        let own = if request.starts_with("GET /own") {
            "set-cookie: SRV=own; path=/own\r\n"
        } else {
            ""
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n{own}\r\n{got}",
            got.len()
        )?;
        Ok(())
    })
}

fn site(name: &str, backend: &str) -> Result<Site> {
    let at = server(telling()?);
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    log-format \"%r %s %tsc\"\n    \
         http-after-response set-header x-server %s\n    default_backend b\nbackend b\n{}",
        backend.replace("AT", &at)
    );
    Site::start(&format!("persistence-{name}"), &[("site.cfg", &config)])
}

/// The server, the cookies that are set, and those that the server got.
fn ask(site: &Site, request: &str, cookie: &str) -> Result<(String, String, String)> {
    let cookie = if cookie.is_empty() {
        String::new()
    } else {
        format!("cookie: {cookie}\r\n")
    };
    let answer = site.ask(&format!(
        "{request} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n{cookie}\r\n"
    ))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no end of the head")?;
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")))
            .unwrap_or("-")
            .to_owned()
    };
    Ok((field("x-server"), field("set-cookie"), body.to_owned()))
}

fn told(server: &str, set: &str, got: &str) -> (String, String, String) {
    (server.into(), set.into(), got.into())
}

const TWO: &str = "    server s1 AT cookie one\n    server s2 AT cookie two\n";

#[test]
fn an_inserted_cookie_leads_back() -> Result<()> {
    let backend = format!(
        "    cookie SRV insert indirect nocache httponly secure domain .example.org attr SameSite=Lax\n{TWO}"
    );
    let site = site("insert", &backend)?;
    let attributes = "path=/; domain=.example.org; HttpOnly; Secure; SameSite=Lax";
    let first = ask(&site, "GET /a", "")?;
    assert_eq!(first, told("s1", &format!("SRV=one; {attributes}"), "-"));
    for _ in 0..3 {
        assert_eq!(ask(&site, "GET /b", "x=1; SRV=two")?, told("s2", "-", "x=1"));
    }
    let (server, set, got) = ask(&site, "GET /c", "SRV=three")?;
    assert!(
        set.starts_with("SRV=") && got == "-" && server != "-",
        "{set} {got}"
    );
    // What the server sets itself is taken away.
    assert_eq!(ask(&site, "GET /own", "SRV=one")?, told("s1", "-", "-"));
    site.logged("GET /a HTTP/1.1 s1 --NI")?;
    site.logged("GET /b HTTP/1.1 s2 --VN")?;
    site.logged_line(&["GET /c HTTP/1.1", "--II"])?;
    site.logged("GET /own HTTP/1.1 s1 --VD")?;
    Ok(())
}

#[test]
fn a_cookie_has_dates_and_may_wait_for_a_post() -> Result<()> {
    let backend = format!("    cookie SRV insert postonly maxidle 30m maxlife 8h\n{TWO}");
    let site = site("dates", &backend)?;
    assert_eq!(ask(&site, "GET /", "")?.1, "-");
    let (server, set, _) = ask(&site, "POST /", "")?;
    let value = set.split(';').next().unwrap_or_default().to_owned();
    assert_eq!(value.matches('|').count(), 2, "{set}");
    // It leads back, and the server sees it.
    let (again, _, got) = ask(&site, "POST /", &value)?;
    assert_eq!((again, got), (server, value));
    // One of a later date isn't set again.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let later = format!("SRV=two|{0}|{0}", dated(now + 3600));
    assert_eq!(ask(&site, "POST /", &later)?, told("s2", "-", &later));
    // One of an earlier date is, and keeps the first.
    let first = dated(now - 3600);
    let (_, set, _) = ask(
        &site,
        "POST /earlier",
        &format!("SRV=two|{}|{first}", dated(now - 60)),
    )?;
    assert!(
        set.starts_with("SRV=two|") && set.contains(&format!("|{first};")),
        "{set}"
    );
    site.logged("POST /earlier HTTP/1.1 s2 --VU")?;
    for (path, dates, letters) in [
        ("/unused", format!("{}|{first}", dated(now - 1900)), "--EI"),
        (
            "/old",
            format!("{}|{}", dated(now - 60), dated(now - 9 * 3600)),
            "--OI",
        ),
        (
            "/early",
            format!("{}|{}", dated(now), dated(now + 25 * 3600)),
            "--OI",
        ),
    ] {
        let (_, set, _) = ask(&site, &format!("POST {path}"), &format!("SRV=two|{dates}"))?;
        assert!(set.starts_with("SRV=") && !set.contains(&first), "{set}");
        site.logged_line(&[&format!("POST {path} "), letters])?;
    }
    // One without dates is taken, and gets them.
    let (server, set, _) = ask(&site, "POST /plain", "SRV=two")?;
    assert!(server == "s2" && set.starts_with("SRV=two|"), "{set}");
    site.logged("POST /plain HTTP/1.1 s2 --VU")
}

/// A date as HAProxy 2.6 writes it.
fn dated(seconds: u64) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |at: u32| {
        digits
            .get((seconds.div_ceil(4) >> (6 * at)) as usize % 64)
            .copied()
            .map_or('?', char::from)
    };
    (0..5).rev().map(digit).collect()
}

#[test]
fn what_browsers_send_is_judged_as_in_haproxy() -> Result<()> {
    let site = site("judged", &format!("    cookie SRV insert indirect\n{TWO}"))?;
    // One without a value is of no server, and is taken away.
    let (_, set, got) = ask(&site, "GET /empty", "SRV=; a=b")?;
    assert!(set.starts_with("SRV=") && got == "a=b", "{set} {got}");
    site.logged_line(&["GET /empty", "--II"])?;
    // The first that leads to a server counts.
    assert_eq!(
        ask(&site, "GET /second", "SRV=three; SRV=two")?,
        told("s2", "-", "-")
    );
    site.logged("GET /second HTTP/1.1 s2 --VN")?;
    // A comma delimits cookies too, and what is beside stays as it is.
    assert_eq!(
        ask(&site, "GET /comma", "a=1,2; SRV=two ,b")?,
        told("s2", "-", "a=1,2;b")
    );
    // Dates that nobody asks for are taken from it.
    assert_eq!(
        ask(&site, "GET /dated", "SRV=two|awvJb|awvJb")?,
        told("s2", "SRV=two; path=/", "-")
    );
    site.logged("GET /dated HTTP/1.1 s2 --VU")?;
    Ok(())
}

#[test]
fn who_has_no_cookie_of_a_server_is_to_have_none() -> Result<()> {
    let site = site("none", "    cookie SRV insert domain .a.b\n    server s1 AT\n")?;
    let set = "SRV=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/; domain=.a.b";
    assert_eq!(ask(&site, "GET /x", "SRV=gone")?, told("s1", set, "SRV=gone"));
    site.logged("GET /x HTTP/1.1 s1 --II")
}

#[test]
fn caches_are_told_of_a_cookie_where_they_would_keep_it() -> Result<()> {
    let site = site(
        "nocache",
        &format!("    cookie SRV insert nocache\n    http-response set-header etag x\n{TWO}"),
    )?;
    let answer = site.get("/")?;
    assert!(answer.contains("cache-control: private\r\n"), "{answer}");
    let answer = site.ask("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    assert!(
        answer.contains("set-cookie: SRV=") && !answer.contains("private"),
        "{answer}"
    );
    Ok(())
}

#[test]
fn an_indirect_cookie_of_a_server_reaches_who_has_none() -> Result<()> {
    let site = site("indirect", &format!("    cookie SRV prefix indirect\n{TWO}"))?;
    let (server, set, _) = ask(&site, "GET /own", "")?;
    let id = if server == "s1" { "one" } else { "two" };
    assert_eq!(set, format!("SRV={id}~own; path=/own"));
    assert_eq!(
        ask(&site, "GET /own", "SRV=two~mine")?,
        told("s2", "-", "SRV=mine")
    );
    site.logged("GET /own HTTP/1.1 s2 --VD")
}

#[test]
fn cookies_of_servers_are_rewritten_or_completed() -> Result<()> {
    let rewritten = site("rewrite", &format!("    cookie SRV rewrite\n{TWO}"))?;
    assert_eq!(
        ask(&rewritten, "GET /own", "SRV=two")?,
        told("s2", "SRV=two; path=/own", "SRV=two")
    );
    assert_eq!(ask(&rewritten, "GET /", "SRV=two")?, told("s2", "-", "SRV=two"));
    rewritten.logged("GET /own HTTP/1.1 s2 --VR")?;
    let completed = site("prefix", &format!("    cookie SRV prefix\n{TWO}"))?;
    assert_eq!(
        ask(&completed, "GET /own", "SRV=two~mine")?,
        told("s2", "SRV=two~own; path=/own", "SRV=mine")
    );
    Ok(())
}

#[test]
fn servers_out_of_service_and_conditions() -> Result<()> {
    let backend = "    cookie SRV insert indirect\n\
                   \x20   force-persist if { path_beg /test }\n\
                   \x20   ignore-persist if { path_beg /static }\n\
                   \x20   use-server s3 if { path_beg /three }\n\
                   \x20   use-server s2 if { path_beg /two }\n\
                   \x20   use-server %[url_param(to)] if { path_beg /named }\n\
                   \x20   server s1 AT cookie one\n\
                   \x20   server s2 AT cookie two disabled\n\
                   \x20   server s3 AT cookie three weight 0\n";
    let site = site("conditions", backend)?;
    assert_eq!(
        ask(&site, "GET /", "SRV=two")?,
        told("s1", "SRV=one; path=/", "-")
    );
    assert_eq!(ask(&site, "GET /test", "SRV=two")?, told("s2", "-", "-"));
    // Weight 0 takes no new clients and keeps its own.
    assert_eq!(ask(&site, "GET /", "SRV=three")?.0, "s3");
    // Who doesn't persist is given no cookie, and neither is who was sent somewhere by a rule.
    assert_eq!(ask(&site, "GET /static", "SRV=three")?, told("s1", "-", "-"));
    assert_eq!(ask(&site, "GET /three", "SRV=one")?, told("s3", "-", "-"));
    // A rule whose server is down is passed over.
    assert_eq!(ask(&site, "GET /two", "")?.0, "s1");
    assert_eq!(ask(&site, "GET /two/test", "")?.0, "s1");
    assert_eq!(ask(&site, "GET /named?to=s3", "")?.0, "s3");
    assert_eq!(ask(&site, "GET /named?to=nobody", "")?.0, "s1");
    site.logged("GET / HTTP/1.1 s1 --DI")?;
    site.logged("GET /static HTTP/1.1 s1 --UN")?;
    // It is down, whatever is done about that.
    site.logged("GET /test HTTP/1.1 s2 --DN")?;
    Ok(())
}
