//! No descriptors left: for clients that come, for servers that are to be asked, for checks.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use crate::ground::{Ground, PLAIN};
use crate::support::Result;
use crate::support::origin::{named, server};
use crate::support::site::rest;

/// Lets the program open no descriptor of this number or above.
fn limit(ground: &Ground, limit: usize) -> Result<()> {
    let pid = ground.site.pid().to_string();
    let limit = format!("--nofile={limit}:");
    let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status()?;
    match set.success() {
        true => Ok(()),
        false => Err("prlimit failed".into()),
    }
}

/// The lowest number that no descriptor has, once none is about to be closed: that is what the next one would get.
fn next_number(ground: &Ground) -> Result<usize> {
    let mut seen = Vec::new();
    loop {
        let numbers = ground.descriptor_numbers()?;
        seen.push((0..).find(|number| !numbers.contains(number)).unwrap_or_default());
        if let [.., a, b, c, d] = seen[..]
            && [a, b, c] == [b, c, d]
        {
            return Ok(d);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whoever_can_not_be_let_in_is_told_of_and_let_in_later() -> Result<()> {
    let mut ground = Ground::start("no-room", named("fine")?)?;
    limit(&ground, next_number(&ground)?)?;
    let waiting = ground.site.begin("/")?;
    let told = ground.told()?;
    assert!(
        told.contains("frontend site takes no connections for now: Too many open files"),
        "{told}"
    );
    ground.is_well()?;
    limit(&ground, 1000)?;
    assert!(crate::support::site::rest(waiting)?.ends_with("served"));
    ground.is_well()
}

/// A place for the client and none for the server.
#[test]
fn a_server_that_can_not_be_asked_for_want_of_descriptors_is_not_at_fault() -> Result<()> {
    let to = format!(
        "{} pool-max-conn 0 check inter 50ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down",
        server(named("fine")?)
    );
    let mut ground = Ground::start_with("no-socket", &to)?;
    let answer = ground.ask(PLAIN, b"GET /to HTTP/1.0\r\n\r\n")?;
    assert!(answer.ends_with("fine"), "{answer}");
    assert!(ground.told()?.starts_with("200 -- to/s"));
    let mut told = None;
    // A check may have had a place for a moment: then what was free is another number.
    for _ in 0..200 {
        let mut client = ground.site.connect(PLAIN)?;
        // Once it was served it has been let in.
        client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")?;
        crate::ground::read_to(&mut client, b"served")?;
        limit(&ground, next_number(&ground)?)?;
        client.write_all(b"GET /to HTTP/1.0\r\n\r\n")?;
        let answer = rest(client)?;
        limit(&ground, 1000)?;
        let lines = ground.untold();
        ground.skip(lines.len());
        assert!(!lines.iter().any(|line| line.contains("is DOWN")), "{lines:?}");
        if let Some(line) = lines.into_iter().find(|line| line.contains(" RC ")) {
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            told = Some(line);
            break;
        }
    }
    let told = told.ok_or("the server was asked all the same")?;
    assert!(told.starts_with("503 RC to/s \"GET /to HTTP/1.0\""), "{told}");
    // It is well, and asked again.
    let answer = ground.ask(PLAIN, b"GET /to HTTP/1.0\r\n\r\n")?;
    assert!(answer.ends_with("fine"), "{answer}");
    ground.is_well()
}
