//! Which connections to servers are used again, by whom, and for how long they are kept.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;

/// A server that tells, of each request, the number of its connection and its own on that connection.
struct Numbering {
    address: SocketAddr,
    /// How many connections there have been, and how many there are.
    seen: Arc<Connections>,
}

#[derive(Default)]
struct Connections {
    all: AtomicUsize,
    open: AtomicUsize,
}

impl Connections {
    fn until_open(&self, wanted: usize) -> Result<()> {
        let start = Instant::now();
        while self.open.load(Ordering::SeqCst) != wanted {
            if start.elapsed() > Duration::from_secs(20) {
                let open = self.open.load(Ordering::SeqCst);
                return Err(format!("{open} connections are open and not {wanted}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// One of them that is open.
struct OneOpen<'c>(&'c Connections);

impl Drop for OneOpen<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn numbering() -> Result<Numbering> {
    let seen = Arc::new(Connections::default());
    let counted = seen.clone();
    let address = origin(move |stream| {
        let number = counted.all.fetch_add(1, Ordering::SeqCst);
        counted.open.fetch_add(1, Ordering::SeqCst);
        let _open = OneOpen(&counted);
        answer(number, stream)
    })?;
    Ok(Numbering { address, seen })
}

fn answer(number: usize, stream: TcpStream) -> Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    for request in 1.. {
        let head = head(&mut from)?;
        let (status, more) = match head.split(' ').nth(1) {
            Some("/ntlm") => ("401 Who", "www-authenticate: NTLM\r\n"),
            Some("/basic") => ("401 Who", "www-authenticate: Basic realm=x\r\n"),
            Some("/close") => ("200 OK", "connection: close\r\n"),
            Some("/slow") => {
                std::thread::sleep(Duration::from_secs(2));
                ("200 OK", "")
            }
            _ => ("200 OK", ""),
        };
        let text = format!("{number}/{request}");
        let length = text.len();
        write!(
            to,
            "HTTP/1.1 {status}\r\n{more}content-length: {length}\r\n\r\n{text}"
        )?;
        if more.starts_with("connection") {
            break;
        }
    }
    Ok(())
}

/// A client's connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(site: &Site) -> Result<Client> {
        Ok(Client(BufReader::new(site.connect(0)?)))
    }

    fn get(&mut self, path: &str) -> Result<String> {
        self.ask(path, "")
    }

    fn send(&mut self, path: &str, headers: &str) -> Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        Ok(self.0.get_mut().write_all(request.as_bytes())?)
    }

    fn ask(&mut self, path: &str, headers: &str) -> Result<String> {
        self.send(path, headers)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        Ok(self.answer_of()?.1)
    }

    /// The server that the frontend names, and the body.
    fn answer_of(&mut self) -> Result<(String, String)> {
        let head = head(&mut self.0)?;
        let server = head.lines().find_map(|line| line.strip_prefix("x-server: "));
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .ok_or_else(|| format!("no length: {head}"))?;
        let mut body = vec![0; length.parse()?];
        self.0.read_exact(&mut body)?;
        Ok((server.unwrap_or_default().to_owned(), String::from_utf8(body)?))
    }
}

fn site(name: &str, threads: u8, backend: &str) -> Result<Site> {
    let config = format!(
        "global\n    nbthread {threads}\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    retries 0\n\
         frontend f\n    bind 127.0.0.1:8080\n    http-response set-header x-server %s\n    default_backend b\n\
         {backend}"
    );
    Site::start(name, &[("site.cfg", &config)])
}

fn start(name: &str, lines: &str, parameters: &str) -> Result<(Site, Numbering)> {
    let server_of = numbering()?;
    let address = server(server_of.address);
    let backend = format!("backend b\n    {lines}\n    server s {address} {parameters}\n");
    Ok((site(name, 1, &backend)?, server_of))
}

/// What a client says of its own connection is nothing to rules, nor to servers; what rules say then is for the server.
#[test]
fn a_rule_may_end_a_servers_connection() -> Result<()> {
    let lines = "http-request set-header connection close if { path /last }\n    \
                 http-response set-header connection keep-alive\n    \
                 http-request set-var(txn.said) req.hdr(connection) if { path /said }\n    \
                 http-request return status 200 content-type text/plain lf-string \"%[var(txn.said)]\" \
                 if { var(txn.said) -m found }";
    let (site, _servers) = start("reuse-rule", lines, "")?;
    let mut client = Client::of(&site)?;
    for (path, wanted) in [("/a", "0/1"), ("/last", "0/2"), ("/a", "1/1"), ("/a", "1/2")] {
        assert_eq!(client.get(path)?, wanted, "{path}");
    }
    assert_eq!(client.ask("/said", "connection: x-a, keep-alive\r\n")?, "x-a");
    assert_eq!(client.ask("/said", "connection: close\r\n")?, "1/3");
    // The client wanted an end, whatever rules of the response say.
    let mut rest = String::new();
    client.0.read_to_string(&mut rest)?;
    assert_eq!(rest, "");
    let answer = site.ask("GET /a HTTP/1.0\r\n\r\n")?;
    assert!(
        answer.contains("\r\nconnection: close\r\n") && !answer.contains("keep-alive"),
        "{answer}"
    );
    Ok(())
}

#[test]
fn never_leaves_each_session_its_own_connections() -> Result<()> {
    let (site, servers) = start("reuse-never", "http-reuse never", "")?;
    let (mut a, mut b) = (Client::of(&site)?, Client::of(&site)?);
    assert_eq!((a.get("/")?, a.get("/")?), ("0/1".into(), "0/2".into()));
    assert_eq!((b.get("/")?, b.get("/")?), ("1/1".into(), "1/2".into()));
    assert_eq!(a.get("/")?, "0/3");
    // They end with their sessions.
    drop(a);
    servers.seen.until_open(1)
}

#[test]
fn safe_gives_the_first_request_a_connection_of_its_own() -> Result<()> {
    let (site, _) = start("reuse-safe", "http-reuse safe", "")?;
    let (mut a, mut b) = (Client::of(&site)?, Client::of(&site)?);
    assert_eq!((a.get("/")?, a.get("/")?), ("0/1".into(), "0/2".into()));
    // Its own one goes, and then it takes the other's.
    assert_eq!((b.get("/close")?, b.get("/")?), ("1/1".into(), "0/3".into()));
    Ok(())
}

#[test]
fn aggressive_wants_proof_for_the_first_request() -> Result<()> {
    let (site, _) = start("reuse-aggressive", "http-reuse aggressive", "")?;
    let (mut a, mut b, mut c) = (Client::of(&site)?, Client::of(&site)?, Client::of(&site)?);
    assert_eq!(a.get("/")?, "0/1");
    assert_eq!(b.get("/close")?, "1/1");
    assert_eq!(b.get("/")?, "0/2");
    assert_eq!(c.get("/")?, "0/3");
    Ok(())
}

#[test]
fn always_takes_any() -> Result<()> {
    let (site, _) = start("reuse-always", "http-reuse always", "")?;
    assert_eq!(Client::of(&site)?.get("/")?, "0/1");
    assert_eq!(Client::of(&site)?.get("/")?, "0/2");
    Ok(())
}

#[test]
fn a_connection_that_is_one_users_is_no_others() -> Result<()> {
    for (name, path, own) in [("reuse-ntlm", "/ntlm", true), ("reuse-basic", "/basic", false)] {
        let (site, servers) = start(name, "http-reuse always", "")?;
        let (mut a, mut b) = (Client::of(&site)?, Client::of(&site)?);
        assert_eq!(a.get(path)?, "0/1");
        if own {
            assert_eq!((b.get("/")?, a.get("/")?), ("1/1".into(), "0/2".into()));
            drop(a);
            servers.seen.until_open(1)?;
        } else {
            assert_eq!((b.get("/")?, a.get("/")?), ("0/2".into(), "0/3".into()));
        }
    }
    Ok(())
}

#[test]
fn a_connection_is_used_again_as_often_as_max_reuse_says() -> Result<()> {
    for (most, wanted) in [
        ("2", ["0/1", "0/2", "0/3", "1/1"]),
        ("0", ["0/1", "1/1", "2/1", "3/1"]),
        ("-1", ["0/1", "0/2", "0/3", "0/4"]),
    ] {
        for reuse in ["never", "always"] {
            let name = format!("max-reuse{most}-{reuse}");
            let (site, _) = start(
                &name,
                &format!("http-reuse {reuse}"),
                &format!("max-reuse {most}"),
            )?;
            let mut client = Client::of(&site)?;
            for wanted in wanted {
                assert_eq!(client.get("/")?, wanted, "{name}");
            }
        }
    }
    Ok(())
}

#[test]
fn idle_connections_are_kept_as_many_and_as_long_as_configured() -> Result<()> {
    let always = "http-reuse always";
    for (name, parameters) in [
        ("pool-none", "pool-max-conn 0"),
        ("pool-delay-0", "pool-purge-delay 0"),
    ] {
        let (site, _) = start(name, always, parameters)?;
        let mut client = Client::of(&site)?;
        assert_eq!((client.get("/")?, client.get("/")?), ("0/1".into(), "1/1".into()));
    }
    let (site, servers) = start("pool-one", always, "pool-max-conn 1")?;
    let mut clients = [Client::of(&site)?, Client::of(&site)?, Client::of(&site)?];
    for client in &mut clients {
        client.send("/slow", "")?;
    }
    for client in &mut clients {
        client.answer()?;
    }
    assert_eq!(servers.seen.all.load(Ordering::SeqCst), 3);
    servers.seen.until_open(1)?;
    // Half of what nobody needs is closed each time: none is left in the end.
    let (site, servers) = start("pool-purged", always, "pool-purge-delay 100ms")?;
    let mut clients = [Client::of(&site)?, Client::of(&site)?, Client::of(&site)?];
    for client in &mut clients {
        client.send("/slow", "")?;
    }
    for client in &mut clients {
        client.answer()?;
    }
    servers.seen.until_open(0)?;
    let server_of = numbering()?;
    let config = format!(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         frontend f\n    bind 127.0.0.1:8080\n    max-session-srv-conns 0\n    default_backend b\n\
         backend b\n    http-reuse never\n    server s {}\n",
        server(server_of.address)
    );
    let site = Site::start("session-conns-0", &[("site.cfg", &config)])?;
    let mut client = Client::of(&site)?;
    assert_eq!((client.get("/")?, client.get("/")?), ("0/1".into(), "1/1".into()));
    Ok(())
}

#[test]
fn connections_are_kept_apart_by_their_names_and_where_they_lead() -> Result<()> {
    let (site, _) = start("pool-name", "http-reuse always", "pool-conn-name req.hdr(x-name)")?;
    let mut client = Client::of(&site)?;
    for (name, wanted) in [
        ("a", "0/1"),
        ("b", "1/1"),
        ("a", "0/2"),
        ("b", "1/2"),
        ("c", "2/1"),
    ] {
        assert_eq!(client.ask("/", &format!("x-name: {name}\r\n"))?, wanted, "{name}");
    }
    let (one, other) = (numbering()?, numbering()?);
    let backend = "backend b\n    http-reuse always\n    http-request set-dst-port req.hdr(x-port)\n    \
                   server s ipv4@localhost:0\n";
    let site = site_of(backend)?;
    let mut client = Client::of(&site)?;
    for (to, wanted) in [(&one, "0/1"), (&other, "0/1"), (&one, "0/2"), (&other, "0/2")] {
        let header = format!("x-port: {}\r\n", to.address.port());
        assert_eq!(client.ask("/", &header)?, wanted);
    }
    Ok(())
}

fn site_of(backend: &str) -> Result<Site> {
    site("pool-destination", 1, backend)
}

/// With two workers, of which one has to give up what the other needs.
#[test]
fn with_strict_maxconn_there_are_never_more_connections() -> Result<()> {
    // It has ears for one at a time only.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let _ = answer(number, stream);
        }
    });
    let backend = format!(
        "backend b\n    http-reuse always\n    server s {} maxconn 1 strict-maxconn pool-conn-name req.hdr(x-name)\n",
        server(address)
    );
    let site = site("strict-maxconn", 2, &backend)?;
    for n in 0..8 {
        let mut client = Client::of(&site)?;
        let answer = client.ask("/", &format!("x-name: {n}\r\n"))?;
        assert!(answer.ends_with("/1"), "{n}: {answer}");
    }
    Ok(())
}

#[test]
fn a_session_returns_to_its_last_server_where_that_is_wanted() -> Result<()> {
    for (name, lines, path, wanted) in [
        ("last-turns", "", "/", ["s1", "s2", "s1", "s2"]),
        (
            "last-kept",
            "option prefer-last-server",
            "/",
            ["s1", "s1", "s1", "s1"],
        ),
        ("last-challenged", "", "/basic", ["s1", "s1", "s1", "s1"]),
    ] {
        let (one, other) = (numbering()?, numbering()?);
        let backend = format!(
            "backend b\n    balance roundrobin\n    {lines}\n    server s1 {}\n    server s2 {}\n",
            server(one.address),
            server(other.address)
        );
        let site = site(name, 1, &backend)?;
        let mut client = Client::of(&site)?;
        for wanted in wanted {
            client.send(path, "")?;
            assert_eq!(client.answer_of()?.0, wanted, "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_session_leaves_its_last_server_if_too_many_wait_there() -> Result<()> {
    for (name, most, wanted) in [("queue-none", "0", "s2"), ("queue-any", "-1", "s1")] {
        let (one, other) = (numbering()?, numbering()?);
        let backend = format!(
            "backend b\n    balance first\n    option prefer-last-server\n    http-reuse never\n    \
             max-keep-alive-queue {most}\n    \
             server s1 {} maxconn 1\n    server s2 {}\n",
            server(one.address),
            server(other.address)
        );
        let site = site(name, 1, &backend)?;
        let (mut a, mut b) = (Client::of(&site)?, Client::of(&site)?);
        b.get("/")?;
        a.send("/slow", "")?;
        one.seen.until_open(2)?;
        b.send("/", "")?;
        assert_eq!(b.answer_of()?.0, wanted, "{name}");
    }
    Ok(())
}

/// With `http-reuse safe` each session brings a connection of its own, so that there would be one for each that ever was.
#[test]
fn no_more_are_kept_than_were_needed_at_once() -> Result<()> {
    let numbering = numbering()?;
    let config = format!(
        "global\n    nbthread 1\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    \
         timeout server 30s\nlisten l\n    bind 127.0.0.1:8080\n    server s {} pool-purge-delay 1h\n",
        server(numbering.address)
    );
    let site = Site::start("reuse-needed", &[("site.cfg", &config)])?;
    for _ in 0..16 {
        Client::of(&site)?.get("/")?;
    }
    numbering.seen.until_open(1)?;
    assert_eq!(numbering.seen.all.load(Ordering::SeqCst), 16);
    // As many as were there at once are.
    let mut clients: Vec<Client> = (0..4).map(|_| Client::of(&site)).collect::<Result<_>>()?;
    for _ in 0..2 {
        for client in &mut clients {
            client.send("/slow", "")?;
        }
        for client in &mut clients {
            client.answer()?;
        }
    }
    // The one from before, which nobody who was new could have, made room for one of those.
    let all = numbering.seen.all.load(Ordering::SeqCst);
    numbering.seen.until_open(4)?;
    assert_eq!(all, 20);
    Ok(())
}

#[test]
fn a_short_response_that_a_rule_replaces_leaves_its_connection_to_the_next_request() -> Result<()> {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = origin(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        let mut from = BufReader::new(stream.try_clone()?);
        while head(&mut from).is_ok() {
            stream.write_all(b"HTTP/1.1 401 Who\r\ncontent-length: 5\r\n\r\nhello")?;
        }
        Ok(())
    })?;
    let replacing = "http-response return status 200 content-type text/plain string mine if { status 401 }";
    let backend = format!("backend b\n    {replacing}\n    server s {}\n", server(address));
    let site = site("reuse-replaced", 1, &backend)?;
    let mut client = Client::of(&site)?;
    for _ in 0..3 {
        assert_eq!(client.get("/")?, "mine");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    Ok(())
}

/// Whoever asks on a kept connection knows that it may end just then, and the same goes for a server's behind it.
#[test]
fn the_end_of_a_servers_kept_connection_is_told_as_the_end_of_the_clients() -> Result<()> {
    let address = origin(|mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        head(&mut from)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
        head(&mut from)?;
        Ok(())
    })?;
    let config = format!(
        "global\n    nbthread 1\n    log stdout format raw local0\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    \
         log global\n    log-format \"%HM %HP %ST %ts\"\n    http-reuse always\n\
         frontend f\n    bind 127.0.0.1:8080\n    default_backend b\nbackend b\n    server s {}\n",
        server(address)
    );
    let site = Site::start("reuse-stale", &[("site.cfg", &config)])?;
    let post = |client: &mut Client, path: &str| {
        let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        client.0.get_mut().write_all(request.as_bytes())
    };
    let mut kept = Client::of(&site)?;
    assert_eq!(kept.get("/")?, "ok");
    post(&mut kept, "/kept")?;
    let mut rest = Vec::new();
    kept.0.read_to_end(&mut rest)?;
    assert_eq!(String::from_utf8(rest)?, "");
    // A client that comes with its first request expects an answer.
    assert_eq!(Client::of(&site)?.get("/")?, "ok");
    let mut fresh = Client::of(&site)?;
    post(&mut fresh, "/fresh")?;
    assert!(head(&mut fresh.0)?.starts_with("HTTP/1.1 502 "));
    site.logged("POST /fresh 502 SH")?;
    assert!(!site.output().contains("/kept"), "{}", site.output());
    Ok(())
}
