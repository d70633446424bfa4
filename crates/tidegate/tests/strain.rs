//! The program under strain: servers that come and go, no descriptors left, slow peers on both sides. What ends must leave
//! nothing behind, and whoever behaves is served.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::Result;
use support::origin::{head, origin, server};
use support::site::{Site, rest};

const PATIENCE: Duration = Duration::from_secs(20);

/// Descriptors that the program has.
fn descriptors(site: &Site) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{}/fd", site.pid()))?.count())
}

/// Waits until the program has no more descriptors than it had.
fn until_descriptors(site: &Site, before: usize) -> Result<()> {
    let start = Instant::now();
    loop {
        let now = descriptors(site)?;
        if now <= before {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("{now} descriptors are open, and {before} were").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An origin that answers with a body of this length.
fn plain(bytes: usize) -> Result<SocketAddr> {
    origin(move |mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let body = vec![b'x'; bytes];
        while head(&mut from).is_ok() {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n")?;
            stream.write_all(&body)?;
        }
        Ok(())
    })
}

const DEFAULTS: &str =
    "defaults\n    mode http\n    timeout connect 2s\n    timeout client 10s\n    timeout server 10s\n";

/// One server resets whatever comes, again and again, and is well in between; checks take it out and back. Nobody who asks
/// for something sees any of it.
#[test]
fn a_server_that_flaps_is_noticed_by_nobody() -> Result<()> {
    let well = Arc::new(AtomicBool::new(true));
    let state = well.clone();
    let flapping = origin(move |mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        while head(&mut from).is_ok() {
            if !state.load(Ordering::SeqCst) {
                return Ok(());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
        }
        Ok(())
    })?;
    let config = format!(
        "global\n    nbthread 2\n{DEFAULTS}    retries 3\n    option redispatch 1\n    \
         retry-on conn-failure empty-response\n    option httpchk\n\
         listen l\n    bind 127.0.0.1:8080\n    balance roundrobin\n    \
         server a {} check inter 20ms fall 1 rise 1 pool-purge-delay 100ms\n    \
         server b {} pool-purge-delay 100ms\n",
        server(flapping),
        server(plain(2)?)
    );
    let site = Arc::new(Site::start("flapping", &[("site.cfg", &config)])?);
    site.get("/")?;
    let before = descriptors(&site)?;
    let over = Arc::new(AtomicBool::new(false));
    let failed = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (site, failed) = (site.clone(), failed.clone());
            std::thread::spawn(move || {
                for _ in 0..150 {
                    let served = site
                        .get("/")
                        .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "));
                    failed.fetch_add(usize::from(!served), Ordering::SeqCst);
                }
            })
        })
        .collect();
    let flapper = {
        let over = over.clone();
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                well.fetch_xor(true, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(15));
            }
            well.store(true, Ordering::SeqCst);
        })
    };
    for client in clients {
        client.join().map_err(|_| "a client broke down")?;
    }
    over.store(true, Ordering::SeqCst);
    flapper.join().map_err(|_| "the flapper broke down")?;
    assert_eq!(failed.load(Ordering::SeqCst), 0);
    // What checks hold for a moment is not left behind.
    until_descriptors(&site, before + 2)
}

/// Processor time that the program has used, in ticks of the system.
fn ticks(site: &Site) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", site.pid()))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let of = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Ok(of(11) + of(12))
}

#[test]
fn without_descriptors_clients_wait_and_are_served_later() -> Result<()> {
    let config = format!(
        "global\n    nbthread 1\n{DEFAULTS}listen l\n    bind 127.0.0.1:8080\n    \
         http-request return status 200 content-type text/plain string served\n"
    );
    let site = Site::start("no-descriptors", &[("site.cfg", &config)])?;
    // Listeners take connections before the worker behind them has opened all that it needs.
    site.get("/")?;
    let before = descriptors(&site)?;
    let few = before + 4;
    let limited = Command::new("prlimit")
        .args([format!("--pid={}", site.pid()), format!("--nofile={few}:{few}")])
        .status()?;
    assert!(limited.success());
    // More than there is room for: the system takes them all, the program some.
    let mut clients: Vec<TcpStream> = (0..30).map(|_| site.connect(0)).collect::<Result<_>>()?;
    let start = Instant::now();
    while descriptors(&site)? < few && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    // It waits, and doesn't ask the system over and over.
    let used = ticks(&site)?;
    std::thread::sleep(Duration::from_secs(1));
    let used = ticks(&site)? - used;
    assert!(used < 40, "{used} ticks of a hundred were used to wait");
    // Each that goes lets another one in: all are served in the end.
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    }
    for client in clients {
        assert!(rest(client)?.ends_with("served"));
    }
    until_descriptors(&site, before)?;
    assert!(site.get("/")?.ends_with("served"));
    Ok(())
}

/// Clients that send byte by byte or don't read, and a server that dribbles: others are served meanwhile, and all of them
/// in the end.
#[test]
fn slow_peers_hold_up_nobody_else() -> Result<()> {
    const LENGTH: usize = 4 << 20;
    let dribbling = origin(|mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nslow\n" {
            stream.write_all(&[*byte])?;
            std::thread::sleep(Duration::from_millis(3));
        }
        Ok(())
    })?;
    let config = format!(
        "global\n    nbthread 1\n{DEFAULTS}    default-server pool-purge-delay 100ms\n\
         frontend f\n    bind 127.0.0.1:8080\n    use_backend slow if {{ path /slow }}\n    \
         use_backend long if {{ path /long }}\n    default_backend quick\n\
         backend slow\n    server s {}\nbackend long\n    server s {}\nbackend quick\n    server s {}\n",
        server(dribbling),
        server(plain(LENGTH)?),
        server(plain(2)?)
    );
    let site = Site::start("slow-peers", &[("site.cfg", &config)])?;
    site.get("/")?;
    let before = descriptors(&site)?;
    // One that reads nothing for now.
    let unread = site.begin("/long")?;
    let dribbled = site.begin("/slow")?;
    let mut bytewise = site.connect(0)?;
    for byte in b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" {
        bytewise.write_all(&[*byte])?;
        // Whoever comes in between gets an answer at once.
        assert!(site.get("/")?.ends_with("xx"));
    }
    assert!(rest(bytewise)?.ends_with("xx"));
    assert!(rest(dribbled)?.ends_with("slow\n"));
    let (mut reader, mut read, mut piece) = (unread, Vec::new(), [0; 64 * 1024]);
    loop {
        match reader.read(&mut piece)? {
            0 => break,
            n => read.extend_from_slice(piece.get(..n).unwrap_or_default()),
        }
    }
    assert!(read.len() > LENGTH && read.ends_with(b"x"), "{}", read.len());
    // One that goes in the middle of it leaves nothing behind.
    let mut gone = site.begin("/long")?;
    gone.read_exact(&mut [0; 1000])?;
    gone.shutdown(Shutdown::Both)?;
    drop(gone);
    until_descriptors(&site, before + 3)
}

/// A stop that was asked for lets what is under way come to its end, and nothing new begin.
#[test]
fn a_soft_stop_waits_for_long_transfers() -> Result<()> {
    const LENGTH: usize = 8 << 20;
    let config = format!(
        "global\n    nbthread 2\n{DEFAULTS}listen l\n    bind 127.0.0.1:8080\n    server s {}\n",
        server(plain(LENGTH)?)
    );
    let site = Site::start("stop-long", &[("site.cfg", &config)])?;
    let mut readers: Vec<TcpStream> = (0..3).map(|_| site.begin("/")).collect::<Result<_>>()?;
    for reader in &mut readers {
        reader.read_exact(&mut [0; 1000])?;
    }
    let stopped = Command::new("kill")
        .args(["-USR1", &site.pid().to_string()])
        .status()?;
    assert!(stopped.success());
    let start = Instant::now();
    while site.connect(0).is_ok() {
        assert!(start.elapsed() < PATIENCE, "it still listens");
        std::thread::sleep(Duration::from_millis(10));
    }
    for mut reader in readers {
        let mut all = Vec::new();
        reader.read_to_end(&mut all)?;
        assert!(all.len() + 1000 > LENGTH, "{}", all.len());
    }
    Ok(())
}
