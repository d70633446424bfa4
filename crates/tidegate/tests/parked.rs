//! Connections that are asked nothing for a while, in the running program.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::Result;
use support::origin::head;
use support::site::Site;

const PATIENCE: Duration = Duration::from_secs(20);

fn site(name: &str, lines: &str) -> Result<Site> {
    let config = format!(
        "global\n    nbthread 1\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    \
         timeout server 30s\nfrontend f\n    bind 127.0.0.1:8080\n{lines}    http-request return status 200\n"
    );
    Site::start(name, &[("site.cfg", &config)])
}

/// How many sockets are parked. Of the descriptors of epoll(7) all but that one always watch something.
fn parked(site: &Site) -> Result<usize> {
    let mut fewest = usize::MAX;
    for fd in std::fs::read_dir(format!("/proc/{}/fd", site.pid()))? {
        let fd = fd?;
        let target = std::fs::read_link(fd.path()).unwrap_or_default();
        if target.to_string_lossy().contains("eventpoll") {
            let info = format!("/proc/{}/fdinfo/{}", site.pid(), fd.file_name().to_string_lossy());
            let watched = std::fs::read_to_string(info)?.matches("tfd:").count();
            fewest = fewest.min(watched);
        }
    }
    Ok(fewest)
}

/// Waits until the lot is there, and empty.
fn until_open(site: &Site) -> Result<()> {
    let start = Instant::now();
    while parked(site)? > 0 {
        assert!(start.elapsed() < PATIENCE, "there is no lot");
    }
    Ok(())
}

/// Waits until so many are.
fn until_parked(site: &Site, count: usize) -> Result<()> {
    let start = Instant::now();
    while parked(site)? < count {
        assert!(start.elapsed() < PATIENCE, "nothing is ever parked");
    }
    Ok(())
}

fn ask(connection: &mut BufReader<TcpStream>) -> Result<String> {
    connection
        .get_mut()
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
    head(connection)
}

#[test]
fn who_was_silent_for_long_is_served_again() -> Result<()> {
    let site = site("parked-again", "")?;
    until_open(&site)?;
    let mut connection = BufReader::new(site.connect(0)?);
    let mut late = BufReader::new(site.connect(0)?);
    assert!(ask(&mut connection)?.starts_with("HTTP/1.1 200 "));
    until_parked(&site, 1)?;
    for _ in 0..3 {
        assert!(ask(&mut connection)?.starts_with("HTTP/1.1 200 "));
    }
    assert!(ask(&mut late)?.starts_with("HTTP/1.1 200 "));
    Ok(())
}

#[test]
fn who_stays_silent_is_let_go_of_in_time() -> Result<()> {
    let site = site(
        "parked-late",
        "    timeout http-request 700ms\n    timeout http-keep-alive 700ms\n",
    )?;
    until_open(&site)?;
    let mut first = site.connect(0)?;
    let mut again = BufReader::new(site.connect(0)?);
    assert!(ask(&mut again)?.starts_with("HTTP/1.1 200 "));
    until_parked(&site, 1)?;
    let mut said = String::new();
    first.read_to_string(&mut said)?;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    said.clear();
    again.read_to_string(&mut said)?;
    assert_eq!(said, "");
    Ok(())
}

#[test]
fn who_leaves_is_forgotten() -> Result<()> {
    let site = site("parked-gone", "")?;
    until_open(&site)?;
    let mut connection = BufReader::new(site.connect(0)?);
    assert!(ask(&mut connection)?.starts_with("HTTP/1.1 200 "));
    until_parked(&site, 1)?;
    let sockets = || -> Result<usize> {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", site.pid()))?;
        let targets = descriptors.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
        Ok(targets
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count())
    };
    let many = sockets()?;
    drop(connection);
    let start = Instant::now();
    while sockets()? >= many {
        assert!(start.elapsed() < PATIENCE, "the connection stays");
    }
    Ok(())
}
