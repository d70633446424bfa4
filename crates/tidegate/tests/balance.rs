//! Which server gets which request, over sockets: counts by server, whatever worker serves.

mod support;

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use support::Result;
use support::origin::{head, origin, server};
use support::runtime::Runtime;
use support::site::{Site, rest};

const DEFAULTS: &str = "\
global
    nbthread 2
defaults
    mode http
    timeout client 15s
    timeout server 16s
    timeout connect 7s
";

/// An origin that answers everything and closes.
fn plain() -> Result<SocketAddr> {
    origin(|mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")?;
        Ok(())
    })
}

/// A frontend that chooses the backend by the first part of the path and tells the server's name.
fn frontend(backends: &str) -> String {
    format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    http-after-response set-header x-server %s\n{}{}",
        backends
            .lines()
            .filter_map(|line| line.trim().strip_prefix("backend "))
            .map(|name| format!("    use_backend {name} if {{ path_beg /{name} }}\n"))
            .collect::<String>(),
        backends
    )
}

fn servers(address: SocketAddr, parameters: &[&str]) -> String {
    (1..)
        .zip(parameters)
        .map(|(n, parameters)| format!("    server s{n} {} {parameters}\n", server(address)))
        .collect()
}

fn server_of(answer: &str) -> String {
    let line = answer.lines().find_map(|line| line.strip_prefix("x-server: "));
    line.unwrap_or("-").to_owned()
}

/// How many of these requests each server got.
fn shares(site: &Site, requests: impl IntoIterator<Item = String>) -> Result<BTreeMap<String, u32>> {
    let mut shares = BTreeMap::new();
    for request in requests {
        let answer = site.ask(&request)?;
        *shares.entry(server_of(&answer)).or_default() += 1;
    }
    Ok(shares)
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
}

fn same(path: &str, times: usize) -> Vec<String> {
    vec![get(path, ""); times]
}

fn exactly<const N: usize>(counts: [(&str, u32); N]) -> BTreeMap<String, u32> {
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

#[test]
fn turns_are_by_weight_over_all_workers_and_backups_wait() -> Result<()> {
    let at = plain()?;
    let backends = [
        "backend rr\n    balance roundrobin\n".to_owned(),
        servers(at, &["weight 3", "weight 1", "weight 0", "backup"]),
        "backend static\n    balance static-rr\n".to_owned(),
        servers(at, &["weight 20", "weight 10", "disabled"]),
        "backend least\n    balance leastconn\n".to_owned(),
        servers(at, &["", "", ""]),
        "backend first\n    balance first\n".to_owned(),
        servers(at, &["id 9", "id 3"]),
        "backend spare\n    balance roundrobin\n    option allbackups\n".to_owned(),
        servers(at, &["disabled", "backup weight 2", "backup"]),
        "backend lots\n".to_owned(),
        servers(at, &["", ""]),
    ];
    let site = Site::start("balance-turns", &[("site.cfg", &frontend(&backends.concat()))])?;
    assert_eq!(shares(&site, same("/rr", 40))?, exactly([("s1", 30), ("s2", 10)]));
    assert_eq!(
        shares(&site, same("/static", 30))?,
        exactly([("s1", 20), ("s2", 10)])
    );
    assert_eq!(
        shares(&site, same("/least", 30))?,
        exactly([("s1", 10), ("s2", 10), ("s3", 10)])
    );
    assert_eq!(shares(&site, same("/first", 5))?, exactly([("s2", 5)]));
    assert_eq!(
        shares(&site, same("/spare", 30))?,
        exactly([("s2", 20), ("s3", 10)])
    );
    // Without a word lots are drawn: both have some.
    assert_eq!(shares(&site, same("/lots", 60))?.len(), 2);
    Ok(())
}

#[test]
fn hashes_choose_as_haproxy_does() -> Result<()> {
    let at = plain()?;
    let three = || servers(at, &["", "", ""]);
    let backends = [
        "backend map\n    balance hash req.hdr(x-k)\n    hash-type map-based crc32\n".to_owned(),
        three(),
        "backend ring\n    balance hash req.hdr(x-k)\n    hash-type consistent crc32\n".to_owned(),
        three(),
        "backend mixed\n    balance hdr(x-k)\n    hash-type map-based sdbm avalanche\n".to_owned(),
        three(),
        "backend number\n    balance hash req.hdr(x-k)\n    hash-type map-based none\n".to_owned(),
        three(),
        "backend source\n    balance source\n".to_owned(),
        three(),
        "backend uri\n    balance uri depth 2\n".to_owned(),
        three(),
        "backend param\n    balance url_param id check_post\n".to_owned(),
        three(),
        "backend domain\n    balance hdr(host) use_domain_only\n".to_owned(),
        three(),
    ];
    let site = Site::start("balance-hashes", &[("site.cfg", &frontend(&backends.concat()))])?;
    let keyed = |path: &str, key: &str| -> Result<String> {
        Ok(server_of(&site.ask(&get(path, &format!("x-k: {key}\r\n")))?))
    };
    let all = |path: &str| -> Result<String> {
        let all: Result<Vec<String>> = (0..12).map(|n| keyed(path, &format!("k{n}"))).collect();
        Ok(all?.concat().replace('s', ""))
    };
    // What haproxy 2.6 answers.
    assert_eq!(all("/map")?, "121332121333");
    assert_eq!(all("/ring")?, "123233322211");
    assert_eq!(all("/mixed")?, "232111321312");
    assert_eq!(
        (keyed("/number", "4")?, keyed("/number", "3")?),
        ("s2".into(), "s1".into())
    );
    // 127.0.0.1 is 2130706433, of which a third leaves 2.
    assert_eq!(shares(&site, same("/source", 5))?, exactly([("s3", 5)]));
    let uri = |path: &str| -> Result<String> { Ok(server_of(&site.get(path)?)) };
    assert_eq!(uri("/uri/a/b?x=1")?, uri("/uri/a/c?x=2")?);
    let spread: std::collections::BTreeSet<String> = (0..20)
        .map(|n| uri(&format!("/uri/{n}")))
        .collect::<Result<_>>()?;
    assert_eq!(spread.len(), 3);
    let body = |id: &str| -> Result<String> {
        let body = format!("a=1&id={id}");
        let request = format!(
            "POST /param HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(server_of(&site.ask(&request)?))
    };
    for id in ["1", "2", "3", "4"] {
        assert_eq!(body(id)?, uri(&format!("/param?id={id}"))?, "{id}");
    }
    // Without a value they take turns.
    assert_eq!(
        shares(&site, same("/param", 30))?,
        exactly([("s1", 10), ("s2", 10), ("s3", 10)])
    );
    let host = |host: &str| -> Result<String> {
        let request = format!("GET /domain HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        Ok(server_of(&site.ask(&request)?))
    };
    assert_eq!(host("haproxy.1wt.eu")?, host("www.1wt.org:81")?);
    Ok(())
}

/// An origin that answers once it is told to, and counts whom it holds.
struct Held {
    held: Mutex<(usize, usize)>,
    changed: Condvar,
}

impl Held {
    fn new() -> Arc<Held> {
        Arc::new(Held {
            held: Mutex::new((0, 0)),
            changed: Condvar::new(),
        })
    }

    fn origin(self: &Arc<Held>) -> Result<SocketAddr> {
        let this = self.clone();
        origin(move |mut stream| {
            let request = head(&mut BufReader::new(stream.try_clone()?))?;
            {
                let mut held = this.held.lock().map_err(|_| "poisoned")?;
                held.0 += 1;
                this.changed.notify_all();
                while held.1 == 0 {
                    held = this.changed.wait(held).map_err(|_| "poisoned")?;
                }
                held.1 -= 1;
                held.0 -= 1;
            }
            let path = request.split(' ').nth(1).unwrap_or_default();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{path}",
                path.len()
            );
            stream.write_all(head.as_bytes())?;
            Ok(())
        })
    }

    fn wait_for(&self, count: usize) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self
            .changed
            .wait_timeout_while(held, Duration::from_secs(20), |held| held.0 < count);
        let (held, _) = wait.unwrap_or_else(PoisonError::into_inner);
        assert!(held.0 >= count, "the origin never had {count}");
    }

    fn release(&self, count: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.1 += count;
        drop(held);
        self.changed.notify_all();
    }
}

/// Asks the second frontend for a figure until it is as wanted.
fn figure(site: &Site, wanted: &str) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        let mut stream = site.connect(1)?;
        stream.write_all(get("/", "").as_bytes())?;
        let answer = rest(stream)?;
        let body = answer
            .split_once("\r\n\r\n")
            .map_or("", |(_, body)| body)
            .to_owned();
        if body == wanted {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(20) {
            return Err(format!("`{wanted}` never came, but `{body}`").into());
        }
    }
}

fn queueing(held: &Arc<Held>, backend: &str, server_words: &str) -> Result<String> {
    Ok(format!(
        "{DEFAULTS}    log stdout format raw local0\n    log-format \"%r %ts %sq/%bq %ST\"\n\
         frontend f\n    bind 127.0.0.1:8080\n    default_backend b\n\
         frontend figures\n    bind 127.0.0.1:8081\n    no log\n    http-request return content-type text/plain lf-string \
         \"%[srv_conn(b/s)] %[srv_queue(b/s)] %[queue(b)] %[srv_conn_free(b/s)]\"\n\
         backend b\n    timeout queue 15s\n    balance roundrobin\n{backend}    server s {} {server_words}\n",
        server(held.origin()?)
    ))
}

#[test]
fn requests_wait_for_a_slot_on_any_worker_and_leave_nothing() -> Result<()> {
    let held = Held::new();
    let config = queueing(&held, "", "maxconn 2")?;
    let site = Site::start("balance-queue", &[("site.cfg", &config)])?;
    let ask = |n: usize| site.begin(&format!("/{n}"));
    let mut streams: Vec<TcpStream> = (0..2).map(ask).collect::<Result<_>>()?;
    held.wait_for(2);
    for n in 2..8 {
        streams.push(ask(n)?);
        figure(&site, &format!("2 0 {} 0", n - 1))?;
    }
    // One gives up: its place is gone.
    drop(streams.remove(4));
    figure(&site, "2 0 5 0")?;
    held.release(7);
    for stream in streams {
        let answer = rest(stream)?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    figure(&site, "0 0 0 2")?;
    // Those who went on while it waited count.
    site.logged("GET /4 HTTP/1.1 CQ 0/1")?;
    site.logged("GET /5 HTTP/1.1 -- 0/3 200")?;
    Ok(())
}

#[test]
fn who_waits_too_long_is_told() -> Result<()> {
    let held = Held::new();
    let config = queueing(&held, "    timeout queue 100ms\n", "maxconn 1 maxqueue 1")?;
    let site = Site::start("balance-queue-timeout", &[("site.cfg", &config)])?;
    let first = site.begin("/first")?;
    held.wait_for(1);
    let answer = site.get("/late")?;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    held.release(1);
    assert!(rest(first)?.starts_with("HTTP/1.1 200"));
    site.logged("GET /late HTTP/1.1 sQ 0/1 503")?;
    figure(&site, "0 0 0 1")
}

/// `minconn`: how many a server takes grows with what its backend has, up to `maxconn` at `fullconn`.
#[test]
fn a_server_takes_more_the_more_its_backend_has() -> Result<()> {
    for (fullconn, taken, waiting) in [(1000, 1, 2), (3, 3, 0)] {
        let held = Held::new();
        let backend = format!("    fullconn {fullconn}\n");
        let config = queueing(&held, &backend, "minconn 1 maxconn 6")?;
        let site = Site::start("balance-minconn", &[("site.cfg", &config)])?;
        let mut streams = Vec::new();
        for n in 0..3 {
            streams.push(site.begin(&format!("/{n}"))?);
            held.wait_for(taken.min(n + 1));
        }
        figure(
            &site,
            &format!("{taken} 0 {waiting} {}", if taken == 1 { 0 } else { 3 }),
        )?;
        held.release(3);
        for stream in streams {
            assert!(rest(stream)?.starts_with("HTTP/1.1 200"));
        }
    }
    Ok(())
}

/// `maxqueue`: who belongs to a server for which enough wait goes to another one.
#[test]
fn a_queue_that_is_full_sends_on() -> Result<()> {
    let (own, other) = (Held::new(), Held::new());
    let config = format!(
        "{DEFAULTS}    log stdout format raw local0\n    log-format \"%s %tsc %rc %sq/%bq\"\n\
         frontend f\n    bind 127.0.0.1:8080\n    http-after-response set-header x-server %s\n    \
         default_backend b\n\
         frontend figures\n    bind 127.0.0.1:8081\n    no log\n    http-request return content-type text/plain lf-string \
         \"%[srv_conn(b/s1)] %[srv_queue(b/s1)] %[srv_conn(b/s2)]\"\n\
         backend b\n    timeout queue 15s\n    cookie S insert indirect\n    server s1 {} cookie own maxconn 1 maxqueue 1\n    \
         server s2 {} cookie other\n",
        server(own.origin()?),
        server(other.origin()?)
    );
    let site = Site::start("balance-maxqueue", &[("site.cfg", &config)])?;
    let ask = || -> Result<TcpStream> {
        let mut stream = site.connect(0)?;
        stream.write_all(get("/", "cookie: S=own\r\n").as_bytes())?;
        Ok(stream)
    };
    let first = ask()?;
    own.wait_for(1);
    let second = ask()?;
    figure(&site, "1 1 0")?;
    let third = ask()?;
    other.wait_for(1);
    figure(&site, "1 1 1")?;
    other.release(1);
    assert_eq!(server_of(&rest(third)?), "s2");
    own.release(2);
    for stream in [first, second] {
        assert_eq!(server_of(&rest(stream)?), "s1");
    }
    // Its server was as good as down to it.
    site.logged("s2 --DI +0 0/0")?;
    site.logged("s1 --VN 0 1/0")
}

/// Who waits for the server that it belongs to is logged with it, and goes to another one when that is taken out.
#[test]
fn who_waits_for_its_server_is_logged_with_it_and_sent_on() -> Result<()> {
    let left = "is going DOWN for maintenance. 1 active and 0 backup servers left. 1 sessions active, 1 requeued, 0 remaining in queue.";
    sent_on("maint", "no option redispatch", left)
}

#[test]
fn who_waits_for_a_server_is_sent_on_when_that_begins_to_run_dry() -> Result<()> {
    let left =
        "enters drain state. 1 active and 0 backup servers online. 1 sessions requeued, 0 total in queue.";
    sent_on("drain", "option redispatch", left)
}

fn sent_on(state: &str, option: &str, left: &str) -> Result<()> {
    let (own, other) = (Held::new(), Held::new());
    let lines = format!(
        "frontend f\n    bind 127.0.0.1:8081\n    log stdout format raw local0\n    \
         log-format \"%r %s %tsc %rc %sc %sq/%bq\"\n    http-after-response set-header x-server %s\n    default_backend b\n\
         backend b\n    log stdout format raw local0\n    timeout queue 15s\n    {option}\n    cookie S insert indirect\n    \
         server s1 {} cookie own maxconn 1\n    server s2 {} cookie other\n",
        server(own.origin()?),
        server(other.origin()?)
    );
    let runtime = Runtime::start(&format!("sent-on-{state}"), "level admin", "", &lines)?;
    let site = &runtime.site;
    let ask = |path: &str| -> Result<TcpStream> {
        let mut stream = site.connect(1)?;
        stream.write_all(get(path, "cookie: S=own\r\n").as_bytes())?;
        Ok(stream)
    };
    let queued = |wanted: &str| runtime.until("show stat\n", &format!("\nb,s1,{wanted},"));
    let first = ask("/first")?;
    own.wait_for(1);
    let gone = ask("/gone")?;
    queued("1")?;
    drop(gone);
    queued("0")?;
    site.logged("GET /gone HTTP/1.1 s1 CQVN 0 1 1/0")?;
    let second = ask("/second")?;
    queued("1")?;
    runtime.ask(&format!("set server b/s1 state {state}\n"))?;
    other.wait_for(1);
    other.release(1);
    assert_eq!(server_of(&rest(second)?), "s2");
    own.release(1);
    assert_eq!(server_of(&rest(first)?), "s1");
    site.logged("GET /second HTTP/1.1 s2 --DI +0 0 1/0")?;
    site.logged(&format!("Server b/s1 {left}"))
}

#[test]
fn ports_follow_those_that_clients_connect_to() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    use_backend next if {{ path /next }}\n    default_backend same\n\
         backend same\n    server s 127.0.0.2\nbackend next\n    server s 127.0.0.2:+1\n"
    );
    let site = Site::start("balance-ports", &[("site.cfg", &config)])?;
    let port = site.connect(0)?.peer_addr()?.port();
    for (path, port) in [("/same", port), ("/next", port + 1)] {
        let listener = std::net::TcpListener::bind(("127.0.0.2", port))?;
        let thread = std::thread::spawn(move || -> Option<()> {
            let (mut stream, _) = listener.accept().ok()?;
            head(&mut BufReader::new(stream.try_clone().ok()?)).ok()?;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            stream.write_all(answer).ok()
        });
        let answer = site.get(path)?;
        assert!(answer.ends_with("ok"), "{path}: {answer}");
        assert!(thread.join().unwrap().is_some());
    }
    Ok(())
}
